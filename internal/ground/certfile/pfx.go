package certfile

import (
	"crypto/hmac"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// explicit0 is the tag [0] around another element.
const explicit0 = cbasn1.Tag(0) | 0xa0

// readPFX reads a PFX file, RFC 7292 section 4, which is in DER already. Two layers are read: the authenticated safe,
// whose integrity the MAC protects, and in it any number of safes, each of which may be encrypted.
func (r *reader) readPFX(der []byte, at Origin) error {
	damaged := formatErrorf(at, "the PFX file is damaged")
	outer := cryptobyte.String(der)
	var s, info, content, safe cryptobyte.String
	var version int64
	var kind asn1.ObjectIdentifier
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !s.ReadASN1Integer(&version) || version != 3 ||
		!s.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) {
		return damaged
	}
	if kind.Equal(oidSignedData()) {
		return &UnsupportedError{At: at, What: "a PFX file under the signature of a public key"}
	}
	if !kind.Equal(oidData()) || !info.ReadASN1(&content, explicit0) || !content.ReadASN1(&safe, cbasn1.OCTET_STRING) || !content.Empty() || !info.Empty() {
		return damaged
	}
	if s.Empty() {
		return fmt.Errorf("reading %s: %w", at, ErrNoMAC)
	}
	verify, err := readMAC(&s, safe, at)
	if err != nil {
		return err
	}
	p, err := r.openPFX(verify, at)
	if err != nil {
		return err
	}
	defer p.wipe()
	r.opened(at, p.with)
	b := &bags{reader: r, p: p, at: at}
	return b.readSafes(safe)
}

// verifier reports whether a password makes the MAC of a file.
type verifier func(r *reader, p passphrase) (bool, error)

// readMAC reads MacData, RFC 7292 section 4, and with PBMAC1 RFC 9579.
func readMAC(s *cryptobyte.String, safe []byte, at Origin) (verifier, error) {
	damaged := formatErrorf(at, "the MAC of the PFX file is damaged")
	var data, info, digest, salt cryptobyte.String
	var a algorithm
	iterations := int64(1)
	if !s.ReadASN1(&data, cbasn1.SEQUENCE) || !s.Empty() || !data.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!readAlgorithm(&info, &a) || !info.ReadASN1(&digest, cbasn1.OCTET_STRING) || !info.Empty() ||
		!data.ReadASN1(&salt, cbasn1.OCTET_STRING) || !data.Empty() && !data.ReadASN1Integer(&iterations) || !data.Empty() {
		return nil, damaged
	}
	if a.oid.String() == "1.2.840.113549.1.5.14" {
		return readPBMAC1(a, safe, digest, at) // which leaves salt and iterations without a meaning
	}
	if len(salt) > maxSaltBytes || iterations < 1 {
		return nil, damaged
	}
	newHash, ok := hashAlgorithm(a.oid)
	if !ok {
		return nil, &UnsupportedError{At: at, What: "a MAC with " + nameOf(a.oid)}
	}
	return func(r *reader, p passphrase) (bool, error) {
		if err := r.spend(iterations, at); err != nil {
			return false, err
		}
		in := pkcs12Input{password: p.bmp, salt: salt, iterations: iterations}
		mac := hmac.New(newHash, pkcs12Hash(newHash, purposeMAC, in, newHash().Size()))
		mac.Write(safe)
		return hmac.Equal(mac.Sum(nil), digest), nil
	}, nil
}

// readPBMAC1 reads the MAC of RFC 9579, whose parameters have a salt and iterations of their own.
func readPBMAC1(a algorithm, safe, digest []byte, at Origin) (verifier, error) {
	var s cryptobyte.String
	var kdf, scheme algorithm
	if !a.params.ReadASN1(&s, cbasn1.SEQUENCE) || !readAlgorithm(&s, &kdf) || !readAlgorithm(&s, &scheme) || !s.Empty() {
		return nil, formatErrorf(at, "the parameters of PBMAC1 are damaged")
	}
	newHash, ok := hmacAlgorithm(scheme.oid)
	if !ok {
		return nil, &UnsupportedError{At: at, What: "PBMAC1 with " + nameOf(scheme.oid)}
	}
	d, err := readDerivation(kdf, 0, at)
	if err != nil {
		return nil, err
	}
	// RFC 9579 section 5: the length of the key must be there. A short key could be found without the password.
	if d.size < 20 {
		return nil, formatErrorf(at, "PBMAC1 has no length of its key, or one below 20 octets")
	}
	return func(r *reader, p passphrase) (bool, error) {
		key, err := r.derive(d, p.utf8, d.size, at)
		if err != nil {
			return false, err
		}
		mac := hmac.New(newHash, key)
		mac.Write(safe)
		return hmac.Equal(mac.Sum(nil), digest), nil
	}, nil
}

// openPFX finds the form of the password that makes the MAC. Files without a password are common, so nobody is asked
// before that was tried.
func (r *reader) openPFX(verify verifier, at Origin) (passphrase, error) {
	for _, p := range noPassphrases() {
		if ok, err := verify(r, p); ok || err != nil {
			return p, err
		}
	}
	password, err := r.need(at)
	if err != nil {
		return passphrase{}, err
	}
	defer password.Wipe()
	if len(password) == 0 { // tried already
		return passphrase{}, &PasswordError{At: at}
	}
	for tried, p := range passphrases(password) {
		ok, err := verify(r, p)
		if _, dear := errors.AsType[*LimitError](err); dear && tried > 0 {
			break // the forms that are left are unlikely ones, and the likely one was wrong
		}
		if ok || err != nil {
			return p, err
		}
		p.wipe()
	}
	return passphrase{}, &PasswordError{At: at}
}

// bags reads the safes of one PFX file.
type bags struct {
	*reader
	p  passphrase
	at Origin // Item counts bags
}

func (b *bags) damaged(what string) error {
	return formatErrorf(b.at, "%s in the PFX file is damaged", what)
}

// readSafes reads AuthenticatedSafe, RFC 7292 section 4.1.
func (b *bags) readSafes(octets []byte) error {
	der, err := b.der(octets, b.at)
	if err != nil {
		return err
	}
	outer := cryptobyte.String(der)
	var safes cryptobyte.String
	if !outer.ReadASN1(&safes, cbasn1.SEQUENCE) || !outer.Empty() {
		return b.damaged("the list of safes")
	}
	for !safes.Empty() {
		if err := b.count(b.at); err != nil {
			return err
		}
		var info, content, plain cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !safes.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) || !info.ReadASN1(&content, explicit0) || !info.Empty() {
			return b.damaged("a safe")
		}
		switch {
		case kind.Equal(oidData()):
			if !content.ReadASN1(&plain, cbasn1.OCTET_STRING) || !content.Empty() {
				return b.damaged("a safe")
			}
		case kind.Equal(oidEncryptedData()):
			if plain, err = b.decryptSafe(content); err != nil {
				return err
			}
		default:
			return &UnsupportedError{At: b.at, What: "a safe of type " + nameOf(kind)}
		}
		if err := b.readBags(plain, 0); err != nil {
			return err
		}
	}
	return nil
}

// decryptSafe reads EncryptedData, RFC 5652 section 8.
func (b *bags) decryptSafe(content cryptobyte.String) ([]byte, error) {
	var s, info cryptobyte.String
	var kind asn1.ObjectIdentifier
	var a algorithm
	var version int64
	unprotected := cbasn1.Tag(1).Constructed().ContextSpecific() // attributes, which nobody writes
	if !content.ReadASN1(&s, cbasn1.SEQUENCE) || !content.Empty() || !s.ReadASN1Integer(&version) || !s.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!s.SkipOptionalASN1(unprotected) || !s.Empty() || !info.ReadASN1ObjectIdentifier(&kind) || !readAlgorithm(&info, &a) {
		return nil, b.damaged("a safe")
	}
	// [0] IMPLICIT OCTET STRING, which BER may write in pieces: toDER cannot see what is behind an implicit tag.
	var ciphertext cryptobyte.String
	var tag cbasn1.Tag
	if !info.ReadAnyASN1(&ciphertext, &tag) || tag != explicit0 && tag != 0x80 || !info.Empty() {
		return nil, b.damaged("a safe")
	}
	if tag == explicit0 {
		pieces := ciphertext
		ciphertext = nil
		for !pieces.Empty() {
			var piece cryptobyte.String
			if !pieces.ReadASN1(&piece, cbasn1.OCTET_STRING) {
				return nil, b.damaged("a safe")
			}
			ciphertext = append(ciphertext, piece...)
		}
	}
	return b.decrypt(a, ciphertext)
}

// decrypt opens one encrypted part. OpenSSL can write files whose MAC is under another password than the rest.
func (b *bags) decrypt(a algorithm, ciphertext []byte) ([]byte, error) {
	open, err := readEncryption(a, b.at)
	if err != nil {
		return nil, err
	}
	plain, err := open(b.reader, b.p, ciphertext)
	if errors.Is(err, errDecrypt) {
		return nil, &PasswordError{At: b.at}
	}
	return plain, err
}
