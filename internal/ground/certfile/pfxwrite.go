package certfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
)

// Profile says who shall be able to read a PFX file.
type Profile string

// The profiles of `cert export --pfx-profile`.
const (
	// ProfileModern is AES-256 with PBKDF2 and a MAC with SHA-256: OpenSSL 1.1 and 3, Java 8u301 and later, Windows
	// Server 2019, Windows 10 1709 and later.
	ProfileModern Profile = "modern"
	// ProfileWindows2016 is Triple DES with SHA-1, the best that Windows Server 2016 and older read.
	ProfileWindows2016 Profile = "windows2016"
)

const (
	// modernIterations is for a password that a person can type. .NET refuses a file with more than 300,000 for one
	// part or 1,000,000 in all.
	modernIterations = 100_000
	// oldIterations is the number that Java writes, so old Windows has seen it.
	oldIterations = 10_000
	saltBytes     = 16
)

// ErrUnknownProfile says that a name is none of the profiles.
var ErrUnknownProfile = errors.New("unknown PFX profile: want modern or windows2016")

// PFXOptions say how to write a PFX file.
type PFXOptions struct {
	Profile      Profile // empty: ProfileModern
	Password     keys.Secret
	FriendlyName string // what Windows and Java show; empty: none
	NoChain      bool   // leave out Bundle.Chain
}

// PFX writes a certificate with its key and its chain as PKCS #12 (RFC 7292): first a safe with the certificates, then
// one with the key, both encrypted, and a MAC over both. Without a password it is [ErrExportPassword].
func PFX(b Bundle, opts PFXOptions) ([]byte, error) {
	if len(opts.Password) == 0 {
		return nil, ErrExportPassword
	}
	if b.Key == nil || b.Leaf == nil || !b.Key.Matches(b.Leaf) {
		return nil, &MismatchError{Key: b.KeyFrom, Certificate: b.LeafFrom}
	}
	p := passphrases(opts.Password)[0]
	defer p.wipe()
	var w pfxWriter
	switch opts.Profile {
	case "", ProfileModern:
		w = pfxWriter{p: p, seal: sealPBES2, newHash: sha256.New, hash: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, iterations: modernIterations}
	case ProfileWindows2016:
		w = pfxWriter{p: p, seal: sealTripleDES, newHash: sha1.New, hash: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, iterations: oldIterations}
	default:
		return nil, fmt.Errorf("profile %q: %w", opts.Profile, ErrUnknownProfile)
	}
	file, err := w.file(b, opts)
	if err != nil {
		return nil, fmt.Errorf("writing a PFX file: %w", err)
	}
	return file, nil
}

// pfxWriter has what the profiles differ in.
type pfxWriter struct {
	p          passphrase
	seal       sealer
	newHash    func() hash.Hash // of the MAC
	hash       asn1.ObjectIdentifier
	iterations int
}

// sealer encrypts under a password; it returns the AlgorithmIdentifier too.
type sealer func(p passphrase, plain []byte, iterations int) (algorithm, ciphertext []byte, err error)

func (w pfxWriter) file(b Bundle, opts PFXOptions) ([]byte, error) {
	// The identifier that Windows and OpenSSL use: SHA-1 of the certificate. Any octets would do.
	id := sha1.Sum(b.Leaf.Raw)
	attributes := func(s *cryptobyte.Builder) { addAttributes(s, id[:], opts.FriendlyName) }

	var certs cryptobyte.Builder
	certs.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		addCertBag(s, b.Leaf.Raw, attributes)
		if !opts.NoChain {
			for _, c := range b.Chain {
				addCertBag(s, c.Raw, nil)
			}
		}
	})
	certsDER, err := certs.Bytes()
	if err != nil {
		return nil, err
	}
	certsAlgorithm, certsSealed, err := w.seal(w.p, certsDER, w.iterations)
	if err != nil {
		return nil, err
	}
	key := b.Key.PKCS8()
	defer key.Wipe()
	keyAlgorithm, keySealed, err := w.seal(w.p, key.Bytes(), w.iterations)
	if err != nil {
		return nil, err
	}
	var keyBag cryptobyte.Builder
	keyBag.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		addBag(s, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}, func(s *cryptobyte.Builder) {
			addSealed(s, keyAlgorithm, keySealed)
		}, attributes)
	})

	var safes cryptobyte.Builder
	safes.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(oidEncryptedData())
			s.AddASN1(explicit0, func(s *cryptobyte.Builder) {
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
					s.AddASN1Int64(0)
					s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
						s.AddASN1ObjectIdentifier(oidData())
						s.AddBytes(certsAlgorithm)
						s.AddASN1(cbasn1.Tag(0x80), func(s *cryptobyte.Builder) { s.AddBytes(certsSealed) })
					})
				})
			})
		})
		addData(s, keyBag.BytesOrPanic())
	})
	safe, err := safes.Bytes()
	if err != nil {
		return nil, err
	}

	salt := randomOctets(saltBytes)
	macKey := pkcs12Hash(w.newHash, purposeMAC, pkcs12Input{w.p.bmp, salt, int64(w.iterations)}, w.newHash().Size())
	mac := hmac.New(w.newHash, macKey)
	mac.Write(safe)
	var file cryptobyte.Builder
	file.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1Int64(3)
		addData(s, safe)
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
					s.AddASN1ObjectIdentifier(w.hash)
					s.AddASN1NULL()
				})
				s.AddASN1OctetString(mac.Sum(nil))
			})
			s.AddASN1OctetString(salt)
			s.AddASN1Int64(int64(w.iterations))
		})
	})
	return file.Bytes()
}

// addData adds a ContentInfo with data, RFC 5652 section 4.
func addData(s *cryptobyte.Builder, data []byte) {
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(oidData())
		s.AddASN1(explicit0, func(s *cryptobyte.Builder) { s.AddASN1OctetString(data) })
	})
}

func addBag(s *cryptobyte.Builder, kind asn1.ObjectIdentifier, value, attributes cryptobyte.BuilderContinuation) {
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(kind)
		s.AddASN1(explicit0, value)
		if attributes != nil {
			s.AddASN1(cbasn1.SET, attributes)
		}
	})
}

func addCertBag(s *cryptobyte.Builder, der []byte, attributes cryptobyte.BuilderContinuation) {
	addBag(s, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}, func(s *cryptobyte.Builder) {
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1})
			s.AddASN1(explicit0, func(s *cryptobyte.Builder) { s.AddASN1OctetString(der) })
		})
	}, attributes)
}

// addAttributes adds what ties key and certificate together, and the name that people see. RFC 2985 section 5.5.
func addAttributes(s *cryptobyte.Builder, id []byte, friendlyName string) {
	add := func(kind asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(kind)
			s.AddASN1(cbasn1.SET, value)
		})
	}
	// DER sorts a SET OF: the shorter element has the smaller length octet, and so comes first.
	local := func() { add(oidLocalKeyID(), func(s *cryptobyte.Builder) { s.AddASN1OctetString(id) }) }
	if friendlyName == "" {
		local()
		return
	}
	name := bmpString(friendlyName, false)
	named := func() {
		add(oidFriendlyName(), func(s *cryptobyte.Builder) {
			s.AddASN1(bmpStringTag, func(s *cryptobyte.Builder) { s.AddBytes(name) })
		})
	}
	if len(name) <= len(id) { // equal lengths: the OID of friendlyName is the smaller one
		named()
		local()
	} else {
		local()
		named()
	}
}

// addSealed adds an EncryptedPrivateKeyInfo, RFC 5958 section 3.
func addSealed(s *cryptobyte.Builder, algorithm, ciphertext []byte) {
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddBytes(algorithm)
		s.AddASN1OctetString(ciphertext)
	})
}

// sealPBES2 encrypts with AES-256-CBC under PBKDF2 with HMAC-SHA256, RFC 8018 section 6.2.
func sealPBES2(p passphrase, plain []byte, iterations int) (algorithm, ciphertext []byte, err error) {
	salt, iv := randomOctets(saltBytes), randomOctets(aes.BlockSize)
	key, err := pbkdf2.Key(sha256.New, string(p.utf8), salt, iterations, 32)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	var s cryptobyte.Builder
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(oidPBES2())
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12})
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
					s.AddASN1OctetString(salt)
					s.AddASN1Int64(int64(iterations))
					s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
						s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9})
						s.AddASN1NULL()
					})
				})
			})
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42})
				s.AddASN1OctetString(iv)
			})
		})
	})
	algorithm, err = s.Bytes()
	return algorithm, encryptCBC(block, iv, plain), err
}

// sealTripleDES encrypts with pbeWithSHAAnd3-KeyTripleDES-CBC, RFC 7292 appendix C.
func sealTripleDES(p passphrase, plain []byte, iterations int) (algorithm, ciphertext []byte, err error) {
	in := pkcs12Input{p.bmp, randomOctets(saltBytes), int64(iterations)}
	block, err := des.NewTripleDESCipher(pkcs12Hash(sha1.New, purposeKey, in, 24))
	if err != nil {
		return nil, nil, err
	}
	iv := pkcs12Hash(sha1.New, purposeIV, in, block.BlockSize())
	var s cryptobyte.Builder
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3})
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1OctetString(in.salt)
			s.AddASN1Int64(in.iterations)
		})
	})
	algorithm, err = s.Bytes()
	return algorithm, encryptCBC(block, iv, plain), err
}

// encryptCBC adds the padding of RFC 8018 section 6.1.1 and encrypts.
func encryptCBC(block cipher.Block, iv, plain []byte) []byte {
	size := block.BlockSize()
	pad := size - len(plain)%size
	out := make([]byte, len(plain)+pad)
	copy(out, plain)
	for i := len(plain); i < len(out); i++ {
		out[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out
}

func randomOctets(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}
