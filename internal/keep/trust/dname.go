package trust

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// normalName returns the DER of a distinguished name in a form in which equal names have equal octets. RFC 5280 section
// 7.1: letters compare without regard to case and white space is collapsed, whatever type of string holds them. What
// cannot be read is returned as it is, and so equals itself only.
func normalName(der []byte) []byte {
	rdns, ok := normalRDNs(der)
	if !ok {
		return der
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			b.AddBytes(rdn)
		}
	})
	out, err := b.Bytes()
	if err != nil {
		return der
	}
	return out
}

// normalRDNs returns the parts of a distinguished name, each as normal DER of a SET.
func normalRDNs(der []byte) ([][]byte, bool) {
	s := cryptobyte.String(der)
	var name cryptobyte.String
	if !s.ReadASN1(&name, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, false
	}
	var rdns [][]byte
	for !name.Empty() {
		var set cryptobyte.String
		if !name.ReadASN1(&set, cbasn1.SET) {
			return nil, false
		}
		rdn, ok := normalRDN(set)
		if !ok {
			return nil, false
		}
		rdns = append(rdns, rdn)
	}
	return rdns, true
}

// normalRDN takes the content of a SET of attributes.
func normalRDN(set cryptobyte.String) ([]byte, bool) {
	var attributes [][]byte
	for !set.Empty() {
		var attribute, oid, value cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return nil, false
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(oid) })
			text, isText := stringOf(tag, value)
			if isText {
				tag, value = cbasn1.UTF8String, []byte(text)
			}
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
		out, err := b.Bytes()
		if err != nil {
			return nil, false
		}
		attributes = append(attributes, out)
	}
	slices.SortFunc(attributes, bytes.Compare) // a SET has no order
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			b.AddBytes(a)
		}
	})
	out, err := b.Bytes()
	return out, err == nil
}

// stringOf reads the types of strings that RFC 5280 section 4.1.2.4 knows, and folds case and white space.
func stringOf(tag cbasn1.Tag, value []byte) (string, bool) {
	var text string
	switch tag {
	case cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.IA5String:
		if !utf8.Valid(value) {
			return "", false
		}
		text = string(value)
	case cbasn1.T61String: // read as Latin-1, as everybody does
		runes := make([]rune, len(value))
		for i, c := range value {
			runes[i] = rune(c)
		}
		text = string(runes)
	case cbasn1.Tag(30): // BMPString
		if len(value)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		text = string(utf16.Decode(units))
	default:
		return "", false
	}
	return strings.Join(strings.Fields(strings.ToLower(text)), " "), true
}

// normalOf is [normalName] of a name that a program made.
func normalOf(name pkix.Name) ([]byte, error) {
	der, err := asn1.Marshal(name.ToRDNSequence())
	if err != nil {
		return nil, err
	}
	return normalName(der), nil
}

// attributeValues returns the values of one attribute of a name, as text.
func attributeValues(der []byte, oid asn1.ObjectIdentifier) (values []string) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return nil
	}
	for _, rdn := range sequence {
		for _, a := range rdn {
			if text, ok := a.Value.(string); ok && a.Type.Equal(oid) {
				values = append(values, text)
			}
		}
	}
	return values
}
