package certfile

import (
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
	if err := r.another(func(b *Budget) *int { return &b.keys }, "private keys", maxAllKeys, at); err != nil {
		return err
	}
	key, err := keys.Parse(der)
	if errors.Is(err, keys.ErrUnknownKind) {
		return &UnsupportedError{At: at, What: "this kind of private key"}
	} else if errors.Is(err, keys.ErrNoPrivateKey) || errors.Is(err, keys.ErrEncrypted) {
		return formatErrorf(at, "%v", err)
	} else if err != nil {
		return fmt.Errorf("reading %s: %w", at, err)
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
