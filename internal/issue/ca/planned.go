package ca

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"

	"postseal/internal/ground/x509cert"
)

// Planned is a certificate of an authority or of a signer of OCSP answers that is about to be signed. The certificates of
// everybody else have a line in the book ([Issuer.Issue]); these are few, have no profile, and are written down whole.
type Planned struct {
	Serial  string  // lower-case hex, as in the book
	Purpose Purpose // of the certificate; "ocsp" for a signer of answers
	Issuer  string  // name of who signs, as RFC 4514 text
	TBS     []byte  // the octets to be signed
}

// plan tells the caller what will be signed, and waits until he has written it down.
func (o AuthorityOptions) plan(tbs []byte, issuer pkix.Name) error {
	if o.Plan == nil {
		return nil
	}
	serial, err := serialOf(tbs)
	if err != nil {
		return err
	}
	if err := o.Plan(Planned{Serial: serial, Purpose: o.Purpose, Issuer: x509cert.SubjectText(issuer), TBS: tbs}); err != nil {
		return fmt.Errorf("writing down what is to be signed: %w", err)
	}
	return nil
}

// serialOf reads the serial out of what is to be signed, rather than trusting that it is the one that was meant.
func serialOf(tbs []byte) (string, error) {
	var whole asn1.RawValue
	var version int
	var serial *big.Int
	_, err := asn1.Unmarshal(tbs, &whole)
	if err == nil {
		var rest []byte
		if rest, err = asn1.UnmarshalWithParams(whole.Bytes, &version, "optional,explicit,default:0,tag:0"); err == nil {
			_, err = asn1.Unmarshal(rest, &serial)
		}
	}
	if err != nil {
		return "", fmt.Errorf("reading what is to be signed: %w", err)
	}
	return SerialText(serial), nil
}

// SerialText writes a serial as the book does.
func SerialText(serial *big.Int) string {
	return fmt.Sprintf("%032s", hex.EncodeToString(serial.Bytes()))
}
