package x509cert

import (
	"encoding/asn1"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An attribute is a kind of part of a distinguished name.
type attribute struct {
	oid      asn1.ObjectIdentifier
	name     string // as we write it
	others   string // other keywords that people write for it, separated by spaces
	maxRunes int    // upper bound of RFC 5280 appendix A.1
	ia5      bool   // encoded as IA5String, not as PrintableString or UTF8String
}

// attributes are those that we know by name: RFC 4514 section 3, some of RFC 4519, and emailAddress (RFC 2985 section
// 5.2.1), which stands in many old certificates. Nobody changes them.
var attributes = []attribute{
	{oid: asn1.ObjectIdentifier{2, 5, 4, 3}, name: "CN", others: "COMMONNAME", maxRunes: 64},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 10}, name: "O", others: "ORGANIZATIONNAME", maxRunes: 64},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 11}, name: "OU", others: "ORGANIZATIONALUNITNAME", maxRunes: 64},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 7}, name: "L", others: "LOCALITYNAME", maxRunes: 128},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 8}, name: "ST", others: "S STATEORPROVINCENAME", maxRunes: 128},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 6}, name: "C", others: "COUNTRYNAME", maxRunes: 2},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 9}, name: "STREET", others: "STREETADDRESS", maxRunes: 128},
	{oid: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, name: "DC", others: "DOMAINCOMPONENT", maxRunes: 63, ia5: true},
	{oid: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, name: "UID", others: "USERID", maxRunes: 256},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 5}, name: "serialNumber", maxRunes: 64},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 17}, name: "postalCode", maxRunes: 40},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 12}, name: "title", others: "T", maxRunes: 64},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 4}, name: "sn", others: "SURNAME", maxRunes: 40},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 42}, name: "givenName", others: "GN G", maxRunes: 16},
	{oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, name: "emailAddress", others: "E EMAIL", maxRunes: 255, ia5: true},
}

// maxValueRunes bounds attributes that we do not know.
const maxValueRunes = 256

func attributeNamed(keyword string) (attribute, bool) {
	keyword = strings.ToUpper(keyword)
	for _, a := range attributes {
		if keyword == strings.ToUpper(a.name) || slices.Contains(strings.Fields(a.others), keyword) {
			return a, true
		}
	}
	return attribute{}, false
}

func attributeOf(oid asn1.ObjectIdentifier) attribute {
	for _, a := range attributes {
		if a.oid.Equal(oid) {
			return a
		}
	}
	return attribute{oid: oid, maxRunes: maxValueRunes}
}

// label is how errors name the attribute.
func (a attribute) label() string {
	if a.name == "" {
		return a.oid.String()
	}
	return a.name
}

// check returns what is wrong with a value of the attribute, or "".
func (a attribute) check(value string) string {
	switch {
	case value == "":
		return "the value is empty"
	case !utf8.ValidString(value):
		return "the value is not valid UTF-8"
	case utf8.RuneCountInString(value) > a.maxRunes:
		return "the value is too long"
	case strings.ContainsFunc(value, unseen):
		// Not even escaped: what cannot be seen in a subject is there to deceive.
		return "the value holds a control or invisible character"
	case a.ia5 && strings.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf }):
		return "the value is not ASCII"
	case a.name == "C" && (len(value) != 2 || strings.ContainsFunc(value, notLetter)):
		return "a country is two letters, such as KR"
	}
	return ""
}

func notLetter(r rune) bool {
	return (r < 'A' || 'Z' < r) && (r < 'a' || 'z' < r)
}

// unseen reports whether r leaves no mark on a screen, or turns round what stands around it: controls, U+202E and the
// like, odd spaces.
func unseen(r rune) bool {
	return !unicode.IsPrint(r)
}
