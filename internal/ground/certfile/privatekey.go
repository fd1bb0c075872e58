package certfile

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
)

// readKey reads one private key that is not encrypted, and has it judged.
func (r *reader) readKey(data []byte, at Origin, label Label) error {
	der, err := r.der(data, at)
	if err != nil {
		return err
	}
	if what := foreignKey(der); what != "" {
		return &UnsupportedError{At: at, What: "a private key for " + what}
	}
	if len(r.contents.Keys) >= maxKeys {
		return &LimitError{At: at, What: "private keys", Limit: maxKeys}
	}
	if !r.isNew("key", der) {
		return nil
	}
	key, err := keys.Parse(der)
	if errors.Is(err, keys.ErrUnknownKind) {
		return &UnsupportedError{At: at, What: "this kind of private key"}
	} else if errors.Is(err, keys.ErrNoPrivateKey) || errors.Is(err, keys.ErrEncrypted) {
		return formatErrorf(at, "%v", err)
	} else if err != nil {
		return fmt.Errorf("reading %s: %w", at, err)
	}
	if !halvesAgree(der, key) {
		return fmt.Errorf("reading %s: %w", at, &keys.WeakKeyError{Kind: key.Kind(), Reason: "its private half does not belong to the public half beside it"})
	}
	for _, k := range r.contents.Keys { // the same key in another encoding
		if k.Private.String() == key.String() {
			return nil
		}
	}
	r.contents.Keys = append(r.contents.Keys, Key{Private: key, From: at, Label: label})
	return nil
}

// foreignKey names the algorithm or the curve of a key that we do not use; empty for one that we do, and for what
// package keys will complain about.
func foreignKey(der []byte) string {
	outer := cryptobyte.String(der)
	var s, parameters cryptobyte.String
	var hasParameters bool
	var a algorithm
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.INTEGER) {
		return ""
	}
	switch {
	case s.PeekASN1Tag(cbasn1.SEQUENCE) && readAlgorithm(&s, &a): // PKCS #8
		parameters = a.params
	case s.SkipASN1(cbasn1.OCTET_STRING) && // SEC 1, RFC 5915 section 3
		s.ReadOptionalASN1(&parameters, &hasParameters, cbasn1.Tag(0).Constructed().ContextSpecific()) && hasParameters:
		a.oid = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	default:
		return ""
	}
	switch a.oid.String() {
	case "1.2.840.113549.1.1.1", "1.3.101.112":
		return ""
	case "1.2.840.10045.2.1":
		var curve asn1.ObjectIdentifier
		if !parameters.ReadASN1ObjectIdentifier(&curve) {
			return "a curve without a name"
		}
		if c := curve.String(); c == "1.2.840.10045.3.1.7" || c == "1.3.132.0.34" {
			return ""
		}
		return "the curve " + nameOf(curve)
	}
	return nameOf(a.oid)
}

// halvesAgree compares the public key that an ECDSA private key carries with the one that its scalar makes. The standard
// library does not look at it, and so a scalar damaged on the way would silently become another key. RSA needs no such
// look: its numbers are checked against each other.
func halvesAgree(der []byte, key *keys.Private) bool {
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return true
	}
	point, err := pub.Bytes()
	if err != nil {
		return false
	}
	outer := cryptobyte.String(der)
	var s, inner, box, carried cryptobyte.String
	var a algorithm
	var has bool
	outer.ReadASN1(&s, cbasn1.SEQUENCE)
	s.SkipASN1(cbasn1.INTEGER)
	if s.PeekASN1Tag(cbasn1.SEQUENCE) { // PKCS #8 around SEC 1
		if !readAlgorithm(&s, &a) || !s.ReadASN1(&inner, cbasn1.OCTET_STRING) || !inner.ReadASN1(&s, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.INTEGER) {
			return false
		}
	}
	// RFC 5915 section 3: the scalar, the curve [0], and the public key [1].
	if !s.SkipASN1(cbasn1.OCTET_STRING) || !s.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!s.ReadOptionalASN1(&box, &has, cbasn1.Tag(1).Constructed().ContextSpecific()) {
		return false
	}
	if !has {
		return true
	}
	if !box.ReadASN1BitStringAsBytes((*[]byte)(&carried)) {
		return false
	}
	// SEC 1 section 2.3.3: a compressed point is the parity of the second coordinate, and the first one.
	last := len(point) - 1
	compressed := append([]byte{2 | point[last]&1}, point[1:1+last/2]...)
	return bytes.Equal(carried, point) || bytes.Equal(carried, compressed)
}
