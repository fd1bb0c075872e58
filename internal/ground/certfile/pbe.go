package certfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"encoding/asn1"
	"errors"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// errDecrypt says that nothing sensible came out: the password is wrong, as a rule.
var errDecrypt = errors.New("nothing sensible came out")

// opener decrypts what one algorithm with its parameters has encrypted.
type opener func(r *reader, p passphrase, ciphertext []byte) ([]byte, error)

// readEncryption finds out how to decrypt, without a password yet.
func readEncryption(a algorithm, at Origin) (opener, error) {
	switch a.oid.String() {
	case "1.2.840.113549.1.5.13":
		return readPBES2(a, at)
	case "1.2.840.113549.1.5.3":
		return readPBES1(a, md5.New, at)
	case "1.2.840.113549.1.5.10":
		return readPBES1(a, sha1.New, at)
	case "1.2.840.113549.1.12.1.1":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 16, stream: true}, at)
	case "1.2.840.113549.1.12.1.2":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 5, stream: true}, at)
	case "1.2.840.113549.1.12.1.3":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 24, block: des.NewTripleDESCipher}, at)
	case "1.2.840.113549.1.12.1.4":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 16, block: func(key []byte) (cipher.Block, error) {
			return des.NewTripleDESCipher(append(bytes.Clone(key), key[:8]...)) // two keys, the first one twice
		}}, at)
	case "1.2.840.113549.1.12.1.5":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 16, block: rc2With(128)}, at)
	case "1.2.840.113549.1.12.1.6":
		return readPKCS12Cipher(a, pkcs12Cipher{keyBytes: 5, block: rc2With(40)}, at)
	}
	return nil, &UnsupportedError{At: at, What: "encryption with " + nameOf(a.oid)}
}

func rc2With(effectiveBits int) func(key []byte) (cipher.Block, error) {
	return func(key []byte) (cipher.Block, error) { return newRC2(key, effectiveBits), nil }
}

// readSaltIterations reads the parameters that all algorithms older than PBES2 have.
func readSaltIterations(a algorithm, at Origin) (in pkcs12Input, err error) {
	var s, salt cryptobyte.String
	if !a.params.ReadASN1(&s, cbasn1.SEQUENCE) || !s.ReadASN1(&salt, cbasn1.OCTET_STRING) ||
		!s.ReadASN1Integer(&in.iterations) || !s.Empty() || in.iterations < 1 || len(salt) > maxSaltBytes {
		return pkcs12Input{}, formatErrorf(at, "the parameters of its encryption are damaged")
	}
	if in.iterations > maxIterations {
		return pkcs12Input{}, &LimitError{At: at, What: "iterations of its password hash", Limit: maxIterations}
	}
	in.salt = salt
	return in, nil
}

// pkcs12Cipher is one of the six of RFC 7292 appendix C.
type pkcs12Cipher struct {
	keyBytes int
	stream   bool // RC4; else block makes the cipher
	block    func(key []byte) (cipher.Block, error)
}

func readPKCS12Cipher(a algorithm, c pkcs12Cipher, at Origin) (opener, error) {
	in, err := readSaltIterations(a, at)
	if err != nil {
		return nil, err
	}
	return func(r *reader, p passphrase, ciphertext []byte) ([]byte, error) {
		in.password = p.bmp
		if err := r.spend(in.iterations*(blocks(sha1.New, c.keyBytes)+1), at); err != nil {
			return nil, err
		}
		key := pkcs12Hash(sha1.New, purposeKey, in, c.keyBytes)
		if c.stream {
			stream, err := rc4.NewCipher(key)
			if err != nil {
				return nil, err
			}
			plain := make([]byte, len(ciphertext))
			stream.XORKeyStream(plain, ciphertext)
			return sensible(plain)
		}
		block, err := c.block(key)
		if err != nil {
			return nil, err
		}
		return decryptCBC(block, pkcs12Hash(sha1.New, purposeIV, in, block.BlockSize()), ciphertext)
	}, nil
}

// readPBES1 reads DES with PBKDF1, RFC 8018 sections 5.1 and 6.1: the hash, over and over, is key and IV.
func readPBES1(a algorithm, newHash func() hash.Hash, at Origin) (opener, error) {
	in, err := readSaltIterations(a, at)
	if err != nil {
		return nil, err
	}
	return func(r *reader, p passphrase, ciphertext []byte) ([]byte, error) {
		if err := r.spend(in.iterations, at); err != nil {
			return nil, err
		}
		h := newHash()
		h.Write(p.utf8)
		h.Write(in.salt)
		derived := h.Sum(nil)
		for i := int64(1); i < in.iterations; i++ {
			h.Reset()
			h.Write(derived)
			derived = h.Sum(derived[:0])
		}
		block, err := des.NewCipher(derived[:8])
		if err != nil {
			return nil, err
		}
		return decryptCBC(block, derived[8:16], ciphertext)
	}, nil
}

// readPBES2 reads RFC 8018 section 6.2: a key derivation and a cipher, each with parameters of its own.
func readPBES2(a algorithm, at Origin) (opener, error) {
	var s, iv cryptobyte.String
	var kdf, scheme algorithm
	if !a.params.ReadASN1(&s, cbasn1.SEQUENCE) || !readAlgorithm(&s, &kdf) || !readAlgorithm(&s, &scheme) || !s.Empty() {
		return nil, formatErrorf(at, "the parameters of PBES2 are damaged")
	}
	newBlock, keyBytes := aes.NewCipher, 0
	switch scheme.oid.String() {
	case "2.16.840.1.101.3.4.1.2":
		keyBytes = 16
	case "2.16.840.1.101.3.4.1.22":
		keyBytes = 24
	case "2.16.840.1.101.3.4.1.42":
		keyBytes = 32
	case "1.2.840.113549.3.7":
		newBlock, keyBytes = des.NewTripleDESCipher, 24
	default:
		return nil, &UnsupportedError{At: at, What: "PBES2 with " + nameOf(scheme.oid)}
	}
	d, err := readDerivation(kdf, keyBytes, at)
	if err != nil {
		return nil, err
	}
	if d.size != 0 && d.size != keyBytes {
		return nil, formatErrorf(at, "PBES2 says that its key has %d octets, its cipher wants %d", d.size, keyBytes)
	}
	if !scheme.params.ReadASN1(&iv, cbasn1.OCTET_STRING) || !scheme.params.Empty() {
		return nil, formatErrorf(at, "the parameters of PBES2 are damaged")
	}
	return func(r *reader, p passphrase, ciphertext []byte) ([]byte, error) {
		passwords := [][]byte{p.utf8}
		if len(p.bmp) > 2 {
			// RFC 8018 says UTF-8. Older versions of NSS gave what PKCS #12 gives to its own hash.
			passwords = append(passwords, p.bmp)
		}
		for _, password := range passwords {
			key, err := r.derive(d, password, keyBytes, at)
			if err != nil {
				return nil, err
			}
			block, err := newBlock(key)
			if err != nil {
				return nil, err
			}
			if len(iv) != block.BlockSize() {
				return nil, formatErrorf(at, "PBES2 has an IV of %d octets", len(iv))
			}
			if plain, err := decryptCBC(block, iv, ciphertext); err == nil {
				return plain, nil
			}
		}
		return nil, errDecrypt
	}, nil
}

// decryptCBC decrypts and takes off the padding of RFC 8018 section 6.1.1.
func decryptCBC(block cipher.Block, iv, ciphertext []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(ciphertext) == 0 || len(ciphertext)%size != 0 {
		return nil, errDecrypt
	}
	plain := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, ciphertext)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errDecrypt
	}
	return sensible(plain[:len(plain)-pad])
}

// sensible refuses what is not one SEQUENCE. All that is encrypted in the files of this package is one, and padding
// alone lets one wrong password in 256 pass.
func sensible(plain []byte) ([]byte, error) {
	if !isSequence(plain) {
		return nil, errDecrypt
	}
	return plain, nil
}

// readEncryptedKey reads an EncryptedPrivateKeyInfo that is a file or a block of its own.
func (r *reader) readEncryptedKey(der []byte, at Origin) error {
	open, ciphertext, err := readSealed(der, at)
	if err != nil {
		return err
	}
	password, err := r.need(at)
	if err != nil {
		return err
	}
	defer password.Wipe()
	for tried, p := range passphrases(password) {
		plain, err := open(r, p, ciphertext)
		p.wipe()
		if _, dear := errors.AsType[*LimitError](err); dear && tried > 0 {
			break // as in openPFX
		}
		if errors.Is(err, errDecrypt) {
			continue
		} else if err != nil {
			return err
		}
		defer clear(plain)
		if err := r.readKey(plain, at, Label{}); err != nil {
			return err
		}
		r.opened(at, p.with)
		return nil
	}
	return &PasswordError{At: at}
}

// readSealed reads the outside of an EncryptedPrivateKeyInfo, RFC 5958 section 3.
func readSealed(der []byte, at Origin) (opener, []byte, error) {
	outer := cryptobyte.String(der)
	var s, ciphertext cryptobyte.String
	var a algorithm
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !readAlgorithm(&s, &a) || !s.ReadASN1(&ciphertext, cbasn1.OCTET_STRING) || !s.Empty() {
		return nil, nil, formatErrorf(at, "the encrypted private key is damaged")
	}
	open, err := readEncryption(a, at)
	return open, ciphertext, err
}

func oidPBES2() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13} }
