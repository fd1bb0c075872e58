package revocation

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// generalName is a GeneralName (RFC 5280 section 4.2.1.6) as far as it matters here.
type generalName struct {
	key       string // equal for names that match
	uri       string // empty unless it is one
	directory []byte // DER Name; nil unless it is one
}

const (
	maxNames    = 64 // in one GeneralNames, and attributes in one Name
	maxURIBytes = 2048
)

// readGeneralNames reads a GeneralNames with its SEQUENCE.
func readGeneralNames(s cryptobyte.String) ([]generalName, error) {
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) || !s.Empty() {
		return nil, errors.New("the names are no SEQUENCE")
	}
	return readNamesOf(contents)
}

// readNamesOf reads the contents of a GeneralNames.
func readNamesOf(s cryptobyte.String) (names []generalName, err error) {
	for !s.Empty() {
		var contents cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1(&contents, &tag) {
			return nil, errors.New("a name is malformed")
		}
		switch tag {
		case asn1.Tag(6).ContextSpecific():
			if len(contents) > maxURIBytes {
				return nil, errors.New("an address is too long")
			}
			names = append(names, generalName{key: "uri:" + string(contents), uri: string(contents)})
		case asn1.Tag(4).ContextSpecific().Constructed():
			key, err := nameKey(contents)
			if err != nil {
				return nil, err
			}
			names = append(names, generalName{key: "dn:" + key, directory: contents})
		default:
			names = append(names, generalName{key: string(rune(tag)) + string(contents)})
		}
		if len(names) > maxNames {
			return nil, errors.New("there are too many names")
		}
	}
	if len(names) == 0 {
		return nil, errors.New("there is no name")
	}
	return names, nil
}

// nameKey is a text that is equal for DER Names that match. RFC 5280 section 7.1: strings of characters match whatever
// their encoding, case, and the number of spaces between words; everything else matches byte by byte.
func nameKey(der []byte) (string, error) {
	s := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !s.ReadASN1(&rdns, asn1.SEQUENCE) || !s.Empty() {
		return "", errors.New("a distinguished name is no SEQUENCE")
	}
	var b strings.Builder
	count := 0
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, asn1.SET) {
			return "", errors.New("a part of a distinguished name is no SET")
		}
		part, err := rdnKey(rdn)
		if err != nil {
			return "", err
		}
		b.WriteString(part)
		if count++; count > maxNames {
			return "", errors.New("a distinguished name has too many parts")
		}
	}
	return b.String(), nil
}

// rdnKey is nameKey for the contents of one RelativeDistinguishedName.
func rdnKey(rdn cryptobyte.String) (string, error) {
	var attributes []string
	for !rdn.Empty() {
		var attribute, id, value cryptobyte.String
		var tag asn1.Tag
		if !rdn.ReadASN1(&attribute, asn1.SEQUENCE) || !attribute.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadAnyASN1(&value, &tag) || tag == 0x10 || tag == 0x11 || !attribute.Empty() || len(attributes) == maxNames {
			return "", errors.New("an attribute of a distinguished name is malformed")
		}
		attributes = append(attributes, lengthed(string(id))+lengthed(valueKey(tag, value)))
	}
	if len(attributes) == 0 {
		return "", errors.New("a part of a distinguished name is empty")
	}
	slices.Sort(attributes) // a SET has no order
	return lengthed(strings.Join(attributes, "")), nil
}

// lengthed makes concatenations unambiguous.
func lengthed(s string) string {
	n := len(s)
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + s
}

func valueKey(tag asn1.Tag, value []byte) string {
	var text string
	switch tag {
	case asn1.UTF8String, asn1.PrintableString, asn1.IA5String:
		text = string(value)
	case asn1.T61String: // read as ISO 8859-1, as everybody does
		runes := make([]rune, len(value))
		for i, b := range value {
			runes[i] = rune(b)
		}
		text = string(runes)
	case asn1.Tag(30): // BMPString
		if len(value)%2 != 0 {
			return string(rune(tag)) + string(value)
		}
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		text = string(utf16.Decode(units))
	default:
		return string(rune(tag)) + string(value)
	}
	return "=" + strings.ToLower(strings.Join(strings.Fields(text), " "))
}

// appendRDN is a DER Name with one RelativeDistinguishedName, given by its contents, added at the end.
func appendRDN(name, rdn []byte) ([]byte, error) {
	s := cryptobyte.String(name)
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) {
		return nil, errors.New("a distinguished name is no SEQUENCE")
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(contents)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(rdn) })
	})
	return b.Bytes()
}
