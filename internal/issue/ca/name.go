package ca

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postseal/internal/ground/x509cert"
)

const (
	// MaxNames bounds the names of one certificate; public authorities have the same bound.
	MaxNames = 100
	// maxEmailBytes is the longest address: RFC 5321 section 4.5.3.1.3.
	maxEmailBytes = 254
)

// A nameKind is a kind of GeneralName that we certify, RFC 5280 section 4.2.1.6.
type nameKind int

const (
	kindDNS nameKind = iota + 1
	kindIP
	kindEmail
)

// A name is one entry of subjectAltName, in the one way in which we write it.
type name struct {
	kind nameKind
	text string     // kindDNS: A-labels, perhaps with *. before; kindEmail: local@A-labels; kindIP: netip's text
	ip   netip.Addr // kindIP
}

// parseName takes a domain, a wildcard, an address of the Internet, or one of e-mail.
func parseName(s string) (name, error) {
	if local, domain, ok := cutEmail(s); ok {
		d, err := x509cert.ParseDomain(domain)
		if err != nil {
			return name{}, err
		}
		// RFC 5280 section 4.2.1.6: rfc822Name is ASCII, as RFC 5321's Mailbox. An address with a local part beyond ASCII
		// would be a SmtpUTF8Mailbox (RFC 9598), which few programs read.
		if !localPart(local) || len(local)+1+len(d) > maxEmailBytes {
			return name{}, &NameError{Name: s, Reason: "not an e-mail address in ASCII"}
		}
		return name{kind: kindEmail, text: local + "@" + string(d)}, nil
	}
	text, err := x509cert.ParseSAN(s)
	if err != nil {
		return name{}, err
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return name{kind: kindIP, text: text, ip: ip}, nil
	}
	return name{kind: kindDNS, text: text}, nil
}

func cutEmail(s string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// localPart reports whether s is a Dot-string of RFC 5321 section 4.1.2, of at most 64 octets. Quoted ones are refused:
// no mail program writes them, and some read them wrongly.
func localPart(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
			if !letter && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// isWildcard reports whether the name stands for many.
func (n name) isWildcard() bool { return n.kind == kindDNS && strings.HasPrefix(n.text, "*.") }

// domain is the DNS name below which the name stands, empty for addresses.
func (n name) domain() string {
	switch n.kind {
	case kindDNS:
		return strings.TrimPrefix(n.text, "*.")
	case kindEmail:
		_, domain, _ := cutEmail(n.text)
		return domain
	}
	return ""
}

// parseNames takes the names of a request, each once, in their order.
func parseNames(texts []string) ([]name, error) {
	var names []name
	for _, text := range texts {
		n, err := parseName(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > MaxNames {
		return nil, &NameError{Name: fmt.Sprintf("%d names", len(names)), Reason: fmt.Sprintf("at most %d", MaxNames)}
	}
	return names, nil
}

// under reports whether a domain is suffix or stands below it.
func under(domain, suffix string) bool {
	return domain == suffix || strings.HasSuffix(domain, "."+suffix)
}

// NameError says that a name may not be certified, and why.
type NameError struct {
	Name   string // as it was asked for
	Reason string // one clause, for people
}

// Error names the name first.
func (e *NameError) Error() string { return fmt.Sprintf("name %q: %s", clip(e.Name), e.Reason) }

// clip shortens what strangers wrote.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
