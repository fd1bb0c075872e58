package x509cert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A name in DER, with the values not yet decoded: the tags say how to read them. encoding/asn1 takes a slice type whose
// name ends in SET for a SET.
type (
	rawAttribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	rawRDNSET []rawAttribute
)

// SubjectText prints a name as RFC 4514 says, in the order that [ParseSubject] reads, or that it had in the certificate
// that it was parsed from. A name that cannot be encoded gives the empty text, as the empty name does.
func SubjectText(name pkix.Name) string {
	sequence := name.ToRDNSequence()
	if len(name.ExtraNames) == 0 && len(name.Names) > 0 { // parsed: the fields have lost the order, Names has it
		sequence = nil
		for _, attribute := range name.Names {
			sequence = append(sequence, pkix.RelativeDistinguishedNameSET{attribute})
		}
	}
	der, err := asn1.Marshal(sequence)
	if err != nil {
		return ""
	}
	text, _ := nameText(der)
	return text
}

// nameText prints the DER of a distinguished name as RFC 4514 says. Attributes without a name of our table, and values
// that are no text, are printed as hex digits of their DER (section 2.4), so that nothing gets lost.
func nameText(der []byte) (string, bool) {
	var sequence []rawRDNSET
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return "", false
	}
	var b strings.Builder
	for i := len(sequence) - 1; i >= 0; i-- {
		if i < len(sequence)-1 {
			b.WriteByte(',')
		}
		for j, part := range sequence[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			a := attributeOf(part.Type)
			value, ok := stringOf(part.Value)
			b.WriteString(a.label())
			b.WriteByte('=')
			if a.name == "" || !ok {
				b.WriteByte('#')
				b.WriteString(hex.EncodeToString(part.Value.FullBytes))
				continue
			}
			writeEscaped(&b, value)
		}
	}
	return b.String(), true
}

// writeEscaped writes a value as RFC 4514 section 2.4 asks, and what cannot be seen as hex pairs, which it allows: a
// foreign certificate shall not move the cursor of the terminal that shows it.
func writeEscaped(b *strings.Builder, value string) {
	for i, r := range value {
		last := i+utf8.RuneLen(r) == len(value)
		switch {
		case strings.ContainsRune(`"+,;<>\`, r), r == '#' && i == 0, r == ' ' && (i == 0 || last):
			b.WriteByte('\\')
			b.WriteRune(r)
		case unseen(r):
			for _, octet := range []byte(string(r)) {
				fmt.Fprintf(b, `\%02x`, octet)
			}
		default:
			b.WriteRune(r)
		}
	}
}

// stringOf decodes the string types that names are made of: DirectoryString (RFC 5280 section 4.1.2.4) and IA5String.
func stringOf(raw asn1.RawValue) (string, bool) {
	if raw.Class != asn1.ClassUniversal || raw.IsCompound {
		return "", false
	}
	switch raw.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(raw.Bytes), utf8.Valid(raw.Bytes)
	case asn1.TagT61String: // in practice Latin-1, whatever T.61 says
		runes := make([]rune, 0, len(raw.Bytes))
		for _, octet := range raw.Bytes {
			runes = append(runes, rune(octet))
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(raw.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, 0, len(raw.Bytes)/2)
		for i := 0; i < len(raw.Bytes); i += 2 {
			units = append(units, uint16(raw.Bytes[i])<<8|uint16(raw.Bytes[i+1]))
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}
