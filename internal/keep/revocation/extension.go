package revocation

import (
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The extensions that are understood, by the contents of their OBJECT IDENTIFIER.
const (
	idKeyUsage            = "\x55\x1d\x0f"
	idCRLNumber           = "\x55\x1d\x14"
	idReasonCode          = "\x55\x1d\x15"
	idInvalidityDate      = "\x55\x1d\x18"
	idDeltaCRLIndicator   = "\x55\x1d\x1b"
	idIssuingDistribution = "\x55\x1d\x1c"
	idCertificateIssuer   = "\x55\x1d\x1d"
	idDistributionPoints  = "\x55\x1d\x1f"
	idAuthorityKeyID      = "\x55\x1d\x23"
	idFreshestCRL         = "\x55\x1d\x2e"
	idOCSPNonce           = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"
	idOCSPNoCheck         = "\x2b\x06\x01\x05\x05\x07\x30\x01\x05"
)

type extension struct {
	id       string // contents of the OBJECT IDENTIFIER
	critical bool
	value    []byte
}

// name is the identifier in figures, for people.
func (e extension) name() string {
	var b cryptobyte.Builder
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(e.id)) })
	s := cryptobyte.String(b.BytesOrPanic()) // an id has at most 64 bytes
	var oid encoding_asn1.ObjectIdentifier
	if !s.ReadASN1ObjectIdentifier(&oid) {
		return fmt.Sprintf("%x", e.id)
	}
	return oid.String()
}

// eachExtension calls do with every extension of the contents of a SEQUENCE OF Extension. More than limit, none at
// all, or one twice (RFC 5280 section 4.2) is an error.
func eachExtension(contents []byte, limit int, do func(extension) error) error {
	s := cryptobyte.String(contents)
	seen := map[string]bool{}
	for !s.Empty() {
		var one, id, value cryptobyte.String
		var e extension
		if !s.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || len(id) == 0 || len(id) > 64 ||
			one.PeekASN1Tag(asn1.BOOLEAN) && !one.ReadASN1Boolean(&e.critical) || !one.ReadASN1(&value, asn1.OCTET_STRING) || !one.Empty() {
			return errors.New("an extension is malformed")
		}
		e.id, e.value = string(id), value
		if seen[e.id] {
			return fmt.Errorf("the extension %s stands there twice", e.name())
		}
		if seen[e.id] = true; len(seen) > limit {
			return fmt.Errorf("there are more than %d extensions", limit)
		}
		if err := do(e); err != nil {
			return err
		}
	}
	return nil
}
