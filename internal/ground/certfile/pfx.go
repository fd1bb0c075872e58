package certfile

import (
	"crypto/hmac"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"

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

// readBags reads SafeContents, RFC 7292 section 4.2.
func (b *bags) readBags(octets []byte, depth int) error {
	if depth > maxNesting {
		return &LimitError{At: b.at, What: "safes in one another", Limit: maxNesting}
	}
	der, err := b.der(octets, b.at)
	if err != nil {
		return err
	}
	outer := cryptobyte.String(der)
	var list cryptobyte.String
	if !outer.ReadASN1(&list, cbasn1.SEQUENCE) || !outer.Empty() {
		return b.damaged("a safe")
	}
	for !list.Empty() {
		b.at.Item++
		if err := b.count(b.at); err != nil {
			return err
		}
		var bag, value, attributes cryptobyte.String
		var kind asn1.ObjectIdentifier
		var has bool
		if !list.ReadASN1(&bag, cbasn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&kind) || !bag.ReadASN1(&value, explicit0) ||
			!bag.ReadOptionalASN1(&attributes, &has, cbasn1.SET) || !bag.Empty() {
			return b.damaged("a bag")
		}
		label, ok := readLabel(attributes)
		if !ok {
			return b.damaged("an attribute of a bag")
		}
		if err := b.readBag(kind, value, label, depth); err != nil {
			return err
		}
	}
	return nil
}

// readBag reads one bag, RFC 7292 section 4.2.1 to 4.2.6.
func (b *bags) readBag(kind asn1.ObjectIdentifier, value []byte, label Label, depth int) error {
	switch kind.String() {
	case "1.2.840.113549.1.12.10.1.1":
		return b.readKey(value, b.at, label)
	case "1.2.840.113549.1.12.10.1.2":
		return b.readShroudedKey(value, label)
	case "1.2.840.113549.1.12.10.1.3":
		der, err := b.boxed(value, "1.2.840.113549.1.9.22.1")
		if err != nil || der == nil {
			return err
		}
		return b.readCertificate(der, b.at, label)
	case "1.2.840.113549.1.12.10.1.4":
		der, err := b.boxed(value, "1.2.840.113549.1.9.23.1")
		if err != nil || der == nil {
			return err
		}
		if structureOf(der) != isCRL {
			return b.damaged("a CRL")
		}
		return b.readCRL(der, b.at)
	case "1.2.840.113549.1.12.10.1.6":
		return b.readBags(value, depth+1)
	}
	return nil // secrets of Java, and what others may have invented: not ours
}

// boxed takes a certificate or a CRL out of its bag. Nil: it is of another kind than X.509.
func (b *bags) boxed(value cryptobyte.String, x509Kind string) ([]byte, error) {
	var s, inner, octets cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !value.ReadASN1(&s, cbasn1.SEQUENCE) || !value.Empty() || !s.ReadASN1ObjectIdentifier(&kind) || !s.ReadASN1(&inner, explicit0) || !s.Empty() {
		return nil, b.damaged("a bag")
	}
	if kind.String() != x509Kind {
		return nil, nil
	}
	if !inner.ReadASN1(&octets, cbasn1.OCTET_STRING) || len(octets) == 0 || !inner.Empty() {
		return nil, b.damaged("a bag")
	}
	return octets, nil
}

func (b *bags) readShroudedKey(value cryptobyte.String, label Label) error {
	var s, ciphertext cryptobyte.String
	var a algorithm
	if !value.ReadASN1(&s, cbasn1.SEQUENCE) || !value.Empty() || !readAlgorithm(&s, &a) || !s.ReadASN1(&ciphertext, cbasn1.OCTET_STRING) || !s.Empty() {
		return b.damaged("an encrypted private key")
	}
	plain, err := b.decrypt(a, ciphertext)
	if err != nil {
		return err
	}
	defer clear(plain)
	return b.readKey(plain, b.at, label)
}

// readLabel reads friendlyName and localKeyId, RFC 2985 section 5.5, and passes over all other attributes. Both are of
// a single value: two that differ are not ok, because whom to believe is a guess.
func readLabel(attributes cryptobyte.String) (label Label, ok bool) {
	for !attributes.Empty() {
		var attribute, values, value cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&kind) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return Label{}, false
		}
		switch {
		case kind.Equal(oidFriendlyName()) && values.ReadASN1(&value, bmpStringTag):
			if len(value)%2 != 0 || !values.Empty() {
				return Label{}, false
			}
			name := visible(string(fromUTF16(value, 0)))
			if label.FriendlyName != "" && label.FriendlyName != name {
				return Label{}, false
			}
			label.FriendlyName = name
		case kind.Equal(oidLocalKeyID()) && values.ReadASN1(&value, cbasn1.OCTET_STRING):
			if !values.Empty() {
				return Label{}, false
			}
			id := hex.EncodeToString(value[:min(len(value), 64)])
			if label.LocalKeyID != "" && label.LocalKeyID != id {
				return Label{}, false
			}
			label.LocalKeyID = id
		}
	}
	return label, true
}

// bmpStringTag is BMPString, ITU-T X.680 section 8.4.
const bmpStringTag = cbasn1.Tag(30)

func oidFriendlyName() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
}
func oidLocalKeyID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21} }

// visible keeps a name that a stranger wrote to one line of what can be seen.
func visible(name string) string {
	return clip(strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(name, "\uFFFD"))))
}
