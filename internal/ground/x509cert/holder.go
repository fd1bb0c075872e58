package x509cert

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
)

// Names are the names that a certificate holds, and the rules by which they count. There are two of them, because there
// are two who read a certificate:
//
//   - A client that validates looks at subjectAltName and nothing else (RFC 9525 section 6.3): [Names.Verify].
//   - A server that chooses among its own certificates may be more generous to an old one: without subjectAltName its
//     common name is the best that anybody knows of it: [Names.Answer].
//
// For both, a wildcard is one left-most label, stays within its domain, covers no public suffix ([Match]), and counts
// for nothing in a certificate of extended validation.
type Names struct {
	DNS    []string     // as written in the certificate, wildcards included
	IP     []netip.Addr // IPv4 addresses as such
	Emails []string
	// CommonName is that of the subject if it can be the name of a host and there is no subjectAltName; else empty.
	CommonName string
	// ExtendedValidation says that a policy of the certificate is one of those of [ExtendedValidation].
	ExtendedValidation bool
}

// NamesOf reads the names of a certificate that came from [ParseCertificate].
func NamesOf(cert *x509.Certificate) Names {
	n := Names{DNS: slices.Clone(cert.DNSNames), Emails: slices.Clone(cert.EmailAddresses), ExtendedValidation: ExtendedValidation(cert)}
	for _, octets := range cert.IPAddresses {
		if ip, ok := netip.AddrFromSlice(octets); ok {
			n.IP = append(n.IP, ip.Unmap())
		}
	}
	if !hasSubjectAltName(cert) {
		n.CommonName = commonNameOf(cert)
	}
	return n
}

func hasSubjectAltName(cert *x509.Certificate) bool {
	for _, extension := range cert.Extensions {
		if extension.Id.Equal(oidSubjectAltName) {
			return true
		}
	}
	return false
}

// commonNameOf is the common name if it can be the name of a host. One such as "Postseal Server Auth Certificate" is the
// name of a thing.
func commonNameOf(cert *x509.Certificate) string {
	name, err := ParseSAN(cert.Subject.CommonName)
	if err != nil {
		return ""
	}
	return name
}

// Verify reports whether a client that validates takes the certificate for what it asked: a host, in U-labels or
// A-labels; an IP address, which only an iPAddress matches (RFC 9525 section 6.5); or a mail address (RFC 5280 section
// 7.5: the local part as it is written, the host without regard to case).
func (n Names) Verify(asked string) bool {
	if strings.Contains(asked, "@") {
		return slices.ContainsFunc(n.Emails, func(have string) bool { return sameMailbox(have, asked) })
	}
	if ip, err := netip.ParseAddr(strings.Trim(asked, "[]")); err == nil {
		return ip.Zone() == "" && slices.Contains(n.IP, ip.Unmap()) // a zone means something on one machine only
	}
	host, err := ParseHost(asked)
	return err == nil && slices.ContainsFunc(n.DNS, func(have string) bool { return n.counts(have) && Match(have, string(host)) })
}

// Answer reports whether a server that has the certificate would choose it for a client that asks for host.
func (n Names) Answer(host string) bool {
	if n.Verify(host) {
		return true
	}
	return n.CommonName != "" && n.counts(n.CommonName) && Covers([]string{n.CommonName}, host)
}

// Hosts are the names that a server answers to, as they are written: the DNS names, or the common name where it counts.
func (n Names) Hosts() []string {
	hosts := []string{}
	for _, name := range n.DNS {
		if n.counts(name) {
			hosts = append(hosts, name)
		}
	}
	if _, err := netip.ParseAddr(n.CommonName); err != nil && n.CommonName != "" && n.counts(n.CommonName) {
		hosts = append(hosts, n.CommonName)
	}
	return hosts
}

// counts says whether a name of the certificate is one: a wildcard is none beside extended validation, whose guidelines
// (CA/Browser Forum, EV Guidelines section 9.8.1) forbid it, so whoever made the certificate broke a promise.
func (n Names) counts(name string) bool {
	return !n.ExtendedValidation || !IsWildcard(name)
}

// Covers reports whether one of names, as [Facts] and requests write them, covers what a client asks for: a host or an
// IP address.
func Covers(names []string, asked string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(asked, "[]")); err == nil {
		return slices.ContainsFunc(names, func(name string) bool {
			have, err := netip.ParseAddr(name)
			return err == nil && have.Unmap() == ip.Unmap()
		})
	}
	host, err := ParseHost(asked)
	return err == nil && slices.ContainsFunc(names, func(name string) bool { return Match(name, string(host)) })
}

// Missing returns those of wanted that names do not cover. A wildcard that is wanted is covered by itself only.
func Missing(names, wanted []string) []string {
	missing := []string{}
	for _, name := range wanted {
		if !slices.ContainsFunc(names, func(have string) bool { return lowerASCII(have) == lowerASCII(name) }) && !Covers(names, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// IsWildcard reports whether a name stands for many.
func IsWildcard(name string) bool { return strings.HasPrefix(name, "*.") }

// WildcardFor returns the one wildcard that covers host, for those who plan with few names. It is false when there can
// be none: host is a single label, or what is left of it is a public suffix.
func WildcardFor(host string) (Domain, bool) {
	d, err := ParseDomain(host)
	if err != nil {
		return "", false
	}
	_, parent, _ := strings.Cut(string(d), ".")
	wildcard, err := ParsePattern("*." + parent)
	return wildcard, err == nil
}

func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && lowerASCII(a[i:]) == lowerASCII(b[j:])
}
