package x509cert

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// lookup maps what people type (capitals, full-width letters, decomposed Hangul) to what is asked in the DNS: RFC 5891
// section 5 with the mappings of UTS 46, non-transitional. Lengths are checked by us, for the sake of the reasons, and
// hyphens too: hosts such as r3---sn.example.com exist, and the rule is for their neighbours with other letters.
var lookup = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false))

// toASCII returns s in lower case and, where it is not ASCII, in A-labels. A reason means that s has no such form.
func toASCII(s string) (string, Reason) {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return strings.ToLower(s), ""
	}
	if !utf8.ValidString(s) {
		return "", ReasonCharacter
	}
	for i := range len(s) {
		if c := s[i]; c < utf8.RuneSelf && c != '.' && !isLDH(c) && (c < 'A' || 'Z' < c) {
			return "", ReasonCharacter
		}
	}
	for _, label := range strings.FieldsFunc(s, isDot) {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "", ReasonHyphen // its A-label would not show it
		}
	}
	a, err := lookup.ToASCII(s)
	if err != nil {
		return "", ReasonIDN
	}
	return a, ""
}

// isDot knows the four dots of RFC 3490 section 3.1, which the mapping treats alike.
func isDot(r rune) bool {
	return r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61'
}

// checkALabels refuses labels that begin with xn-- and are not what their U-label is written as. RFC 5891 section 4
// asks the same of a registry: two spellings of one name, or an A-label that no U-label has, are somebody's trick.
func checkALabels(name string) Reason {
	if !strings.Contains(name, "xn--") {
		return ""
	}
	for label := range strings.SplitSeq(name, ".") {
		if !strings.HasPrefix(label, "xn--") {
			continue
		}
		u, err := idna.Registration.ToUnicode(label)
		if err != nil {
			return ReasonIDN
		}
		if a, err := idna.Registration.ToASCII(u); err != nil || a != label {
			return ReasonIDN
		}
	}
	// RFC 5893 section 2: one label from right to left makes a rule for all the others.
	if _, err := lookup.ToUnicode(name); err != nil {
		return ReasonIDN
	}
	return ""
}

// Unicode returns the name with U-labels, for showing. A label that cannot be shown so stays as it is.
func (d Domain) Unicode() string {
	labels := strings.Split(string(d), ".")
	for i, label := range labels {
		if !strings.HasPrefix(label, "xn--") {
			continue
		}
		if u, err := idna.Display.ToUnicode(label); err == nil {
			labels[i] = u
		}
	}
	return strings.Join(labels, ".")
}
