package x509cert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxSubjectBytes bounds the text of a subject and its DER.
	maxSubjectBytes = 1024
	// maxAttributes bounds the parts of a subject.
	maxAttributes = 32
)

// InvalidSubjectError says why a text, or a name made by a program, cannot be the subject of a certificate.
type InvalidSubjectError struct {
	Part   string // the attribute at fault, or what stands there; empty when it is the whole
	Reason string // what is wrong, for people
}

// Error names the part first.
func (e *InvalidSubjectError) Error() string {
	if e.Part == "" {
		return "invalid subject: " + e.Reason
	}
	return fmt.Sprintf("invalid subject at %q: %s", e.Part, e.Reason)
}

func badSubject(part, reason string) error {
	return &InvalidSubjectError{Part: clip(part), Reason: reason}
}

// ParseSubject reads the text of a distinguished name, such as `CN=mail.example.com,O=Example\, Ltd.,C=KR` (RFC 4514).
// Spaces around the separators and values in quotation marks are taken as well, because older tools write them.
// The order is kept: as RFC 4514 section 2.1 says, the part that stands first in the text is the last in the
// certificate. Not taken: parts of several attributes (CN=a+OU=b), a second CN, an empty text, and more than 1 KiB.
// The name returned prints through [SubjectText]. The error is an [*InvalidSubjectError].
func ParseSubject(s string) (pkix.Name, error) {
	if len(s) > maxSubjectBytes {
		return pkix.Name{}, badSubject("", fmt.Sprintf("longer than %d octets", maxSubjectBytes))
	}
	if strings.Trim(s, " ") == "" {
		return pkix.Name{}, badSubject("", "empty")
	}
	var parts []pkix.AttributeTypeAndValue
	for more := true; more; {
		var part pkix.AttributeTypeAndValue
		var err error
		if part, s, more, err = subjectPart(s); err != nil {
			return pkix.Name{}, err
		}
		if parts = append(parts, part); len(parts) > maxAttributes {
			return pkix.Name{}, badSubject("", fmt.Sprintf("more than %d attributes", maxAttributes))
		}
	}
	name := inOrder(parts)
	return name, CheckSubject(name)
}

// subjectPart reads one attribute from the beginning of s and returns the rest, and whether a comma promised more.
func subjectPart(s string) (part pkix.AttributeTypeAndValue, rest string, more bool, err error) {
	keyword, after, found := strings.Cut(s, "=")
	keyword = strings.Trim(keyword, " ")
	if !found {
		return part, "", false, badSubject(keyword, "want KEYWORD=value")
	}
	a, known := attributeNamed(keyword)
	if !known {
		oid, ok := parseOID(keyword)
		if !ok {
			return part, "", false, badSubject(keyword, "unknown keyword; known are CN, O, OU, L, ST, C, STREET, DC, UID and OIDs")
		}
		a = attributeOf(oid)
	}
	value, rest, problem := subjectValue(strings.TrimLeft(after, " "))
	if problem == "" {
		problem = a.check(value)
	}
	if problem != "" {
		return part, "", false, badSubject(keyword, problem)
	}
	part.Type, part.Value = a.oid, value
	if a.name == "C" {
		part.Value = strings.ToUpper(value) // ISO 3166 writes capitals, and some clients compare octets
	}
	if a.ia5 {
		part.Value = asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(value)}
	}
	if rest == "" {
		return part, "", false, nil
	}
	switch rest[0] {
	case ',':
		return part, rest[1:], true, nil
	case '+':
		return part, "", false, badSubject(keyword, "several attributes joined by + are not supported; separate them by commas")
	}
	return part, "", false, badSubject(keyword, fmt.Sprintf("%q must be escaped with a backslash", rest[:1]))
}

// subjectValue reads a value up to the character that ends it. Spaces around it do not belong to it unless escaped.
func subjectValue(s string) (value, rest, problem string) {
	if strings.HasPrefix(s, "#") {
		return hexValue(s[1:])
	}
	quoted := strings.HasPrefix(s, `"`) // RFC 2253 section 4: as LDAPv2 wrote it
	i := 0
	if quoted {
		i = 1
	}
	var b []byte
	keep := 0 // octets of b that are not spaces at the end
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			octet, used, ok := unescape(s[i+1:])
			if !ok {
				return "", "", "a backslash must be followed by a special character or two hex digits"
			}
			b = append(b, octet)
			keep = len(b)
			i += used
			continue
		case quoted && c == '"':
			return string(b), strings.TrimLeft(s[i+1:], " "), ""
		case !quoted && strings.IndexByte(`,+;"<>`, c) >= 0:
			return string(b[:keep]), s[i:], ""
		}
		b = append(b, c)
		if c != ' ' {
			keep = len(b)
		}
	}
	if quoted {
		return "", "", "the quotation mark is not closed"
	}
	return string(b[:keep]), "", ""
}

// unescape reads what follows a backslash: RFC 4514 section 3, pair.
func unescape(s string) (octet byte, used int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	if strings.IndexByte(` "#+,;<=>\`, s[0]) >= 0 {
		return s[0], 1, true
	}
	if len(s) < 2 {
		return 0, 0, false
	}
	b, err := hex.DecodeString(s[:2])
	if err != nil {
		return 0, 0, false
	}
	return b[0], 2, true
}

// hexValue reads the DER of a string, written in hex digits: RFC 4514 section 2.4.
func hexValue(s string) (value, rest, problem string) {
	const notText = "after # want the hex digits of a DER string"
	end := strings.IndexAny(s, ",+; ")
	if end < 0 {
		end = len(s)
	}
	der, err := hex.DecodeString(s[:end])
	if err != nil {
		return "", "", notText
	}
	var raw asn1.RawValue
	if trailing, err := asn1.Unmarshal(der, &raw); err != nil || len(trailing) > 0 {
		return "", "", notText
	}
	value, ok := stringOf(raw)
	if !ok {
		return "", "", notText
	}
	return value, strings.TrimLeft(s[end:], " "), ""
}

// parseOID reads a dotted OID that encoding/asn1 can write.
func parseOID(s string) (asn1.ObjectIdentifier, bool) {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != arc || len(oid) > 20 {
			return nil, false
		}
		oid = append(oid, int(n))
	}
	_, err := asn1.Marshal(oid)
	return oid, err == nil
}

// inOrder makes a name of attributes in the order of the text. The named fields are for readers; what is encoded is
// ExtraNames, which alone keeps the order.
func inOrder(parts []pkix.AttributeTypeAndValue) pkix.Name {
	var name pkix.Name
	for i := len(parts) - 1; i >= 0; i-- {
		name.ExtraNames = append(name.ExtraNames, parts[i])
	}
	plain := pkix.RDNSequence{}
	for _, part := range name.ExtraNames {
		if _, ok := part.Value.(string); ok {
			plain = append(plain, pkix.RelativeDistinguishedNameSET{part})
		}
	}
	name.FillFromRDNSequence(&plain)
	return name
}

// CheckSubject checks a name that a program made as [ParseSubject] checks one that a person typed: something in it,
// every value visible and within the upper bounds of RFC 5280 appendix A.1. The error is an [*InvalidSubjectError].
func CheckSubject(name pkix.Name) error {
	sequence := name.ToRDNSequence()
	commonNames := 0
	for _, set := range sequence {
		for _, part := range set {
			a := attributeOf(part.Type)
			value, ok := part.Value.(string)
			if raw, isRaw := part.Value.(asn1.RawValue); isRaw {
				value, ok = stringOf(raw)
			}
			if !ok {
				return badSubject(a.label(), "the value is not a text")
			}
			if problem := a.check(value); problem != "" {
				return badSubject(a.label(), problem)
			}
			if a.name == "CN" {
				commonNames++
			}
		}
	}
	if len(sequence) == 0 {
		return badSubject("", "empty")
	}
	if commonNames > 1 {
		return badSubject("CN", "given twice")
	}
	if der, err := asn1.Marshal(sequence); err != nil || len(der) > maxSubjectBytes {
		return badSubject("", fmt.Sprintf("does not fit into %d octets", maxSubjectBytes))
	}
	return nil
}
