package x509cert

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Domain is a domain name as it stands in a certificate: A-labels, lower case, no dot at the end. It begins with "*."
// only if it came from [ParsePattern]. The zero value is no name.
type Domain string

const (
	// maxInputBytes bounds what is looked at at all. The longest U-label name that has an A-label form is shorter.
	maxInputBytes = 1024
	// maxNameBytes is what 255 octets on the wire leave for the text, RFC 1035 section 2.3.4.
	maxNameBytes  = 253
	maxLabelBytes = 63
)

// A Reason says what is wrong with a name. It is the text that people read.
type Reason string

// The reasons for which a name is refused.
const (
	ReasonEmpty        Reason = "empty"
	ReasonInputTooLong Reason = "longer than 1024 octets"
	ReasonTooLong      Reason = "longer than 253 octets"
	ReasonLabelTooLong Reason = "a label is longer than 63 octets"
	ReasonEmptyLabel   Reason = "a label is empty"
	ReasonCharacter    Reason = "a character is not allowed; a name has letters, digits and hyphens"
	ReasonHyphen       Reason = "a label begins or ends with a hyphen"
	ReasonIDN          Reason = "not a valid internationalised name"
	ReasonSingleLabel  Reason = "a single label, not a domain"
	ReasonNumber       Reason = "the last label is a number, as in an IP address"
	ReasonIPAddress    Reason = "an IP address"
	ReasonIPZone       Reason = "an IP address with a zone"
	ReasonNoWildcard   Reason = "a wildcard is not allowed here"
	ReasonWildcard     Reason = "a wildcard must be the whole left-most label"
	ReasonPublicSuffix Reason = "a wildcard directly over a public suffix"
)

// InvalidNameError says that Name is no name for its purpose.
type InvalidNameError struct {
	Name   string // as it was given, shortened when long
	Reason Reason
}

// Error names the name first.
func (e *InvalidNameError) Error() string {
	return fmt.Sprintf("invalid name %q: %s", e.Name, e.Reason)
}

func refuse(name string, reason Reason) error {
	return &InvalidNameError{Name: clip(name), Reason: reason}
}

// clip shortens what somebody typed so that it fits into a line.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// ParseDomain takes a domain name of two labels or more, in U-labels or A-labels. The error is an [*InvalidNameError].
func ParseDomain(s string) (Domain, error) {
	d, err := ParseHost(s)
	if err == nil && !strings.Contains(string(d), ".") {
		return "", refuse(s, ReasonSingleLabel)
	}
	return d, err
}

// ParseHost takes the name of a host: like [ParseDomain], but a single label will do, since servers have short names
// too. The error is an [*InvalidNameError].
func ParseHost(s string) (Domain, error) {
	name, reason := parse(s, 0)
	if reason == ReasonCharacter && strings.Contains(s, "*") {
		reason = ReasonNoWildcard
	}
	if reason != "" {
		return "", refuse(s, reason)
	}
	return Domain(name), nil
}

// ParsePattern takes a domain name or a wildcard for one label of it. The error is an [*InvalidNameError].
func ParsePattern(s string) (Domain, error) {
	const wildcard = "*."
	if len(s) > maxInputBytes || !strings.Contains(s, "*") {
		return ParseDomain(s)
	}
	rest, ok := strings.CutPrefix(s, wildcard)
	if !ok || strings.Contains(rest, "*") {
		return "", refuse(s, ReasonWildcard)
	}
	name, reason := parse(rest, len(wildcard))
	if reason == "" && overPublicSuffix(name) {
		reason = ReasonPublicSuffix
	}
	if reason != "" {
		return "", refuse(s, reason)
	}
	return Domain(wildcard + name), nil
}

// ParseSAN takes whatever may stand in the subjectAltName of a server's certificate: a domain, a wildcard, the short
// name of a host, or an IP address. It returns the one way in which we write it. The error is an [*InvalidNameError].
func ParseSAN(s string) (string, error) {
	if len(s) <= maxInputBytes {
		if ip, err := netip.ParseAddr(s); err == nil {
			if ip.Zone() != "" { // a zone means something on one machine only, RFC 4007 section 6
				return "", refuse(s, ReasonIPZone)
			}
			// RFC 5280 section 4.2.1.6: an IPv4 address is four octets. ::ffff:192.0.2.1 would be sixteen.
			return ip.Unmap().String(), nil
		}
		if strings.Contains(s, "*") {
			d, err := ParsePattern(s)
			return string(d), err
		}
	}
	d, err := ParseHost(s)
	return string(d), err
}

// parse returns a name in the form of [Domain], or the reason why it has none. before says how many octets will stand
// before it.
func parse(s string, before int) (string, Reason) {
	if len(s) > maxInputBytes {
		return "", ReasonInputTooLong
	}
	if s == "" {
		return "", ReasonEmpty
	}
	name, reason := toASCII(s)
	if reason != "" {
		return "", reason
	}
	// The dot at the end makes a name absolute. All of ours are, so it says nothing.
	name = strings.TrimSuffix(name, ".")
	// After the mapping, because full-width digits and dots map to an address as well.
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", ReasonIPAddress
	}
	if reason := checkLabels(name, before); reason != "" {
		return "", reason
	}
	return name, checkALabels(name)
}

// checkLabels checks an ASCII name in lower case by the rules for hosts: RFC 1123 section 2.1, which is letters, digits
// and hyphens. The underscore of service names never names a host.
func checkLabels(name string, before int) Reason {
	if name == "" { // it was only a dot
		return ReasonEmptyLabel
	}
	if before+len(name) > maxNameBytes {
		return ReasonTooLong
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" {
			return ReasonEmptyLabel
		}
		if len(label) > maxLabelBytes {
			return ReasonLabelTooLong
		}
		for i := range len(label) {
			if !isLDH(label[i]) {
				return ReasonCharacter
			}
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return ReasonHyphen
		}
	}
	// RFC 1123 section 2.1: the highest label is never a number, so a name is never taken for an address.
	if last := labels[len(labels)-1]; len(labels) > 1 && strings.Trim(last, "0123456789") == "" {
		return ReasonNumber
	}
	return ""
}

func isLDH(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
}

// overPublicSuffix reports whether *.base would speak for strangers: base, or whatever is directly under it, belongs to
// a registry. A top level that nobody registered, such as test, counts as one.
func overPublicSuffix(base string) bool {
	if suffix, _ := publicsuffix.PublicSuffix(base); suffix == base {
		return true
	}
	// Rules such as *.ck make every child of ck a suffix, though ck need not be one.
	child := "any-label." + base
	suffix, _ := publicsuffix.PublicSuffix(child)
	return suffix == child
}
