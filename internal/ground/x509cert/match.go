package x509cert

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Match reports whether pattern, a DNS name of a certificate, covers host, the name that a client asks for. Both are in
// A-labels; letters match without regard to case, ASCII letters only (RFC 4343). host may end in the dot of an absolute
// name. An address never matches, and neither does anything that is empty or not a name: RFC 9525 section 6.3 lets a
// client connect by a DNS name only to a DNS name.
//
// A wildcard is the whole left-most label and stands for one label (RFC 9525 section 6.3); patterns such as
// mail*.example.com match nothing. It covers no public suffix: nobody's certificate speaks for all of com or co.uk,
// whoever has signed it. That is meant of the suffixes of registries only. Those of companies (github.io) are a matter
// between the company and its authority; we make none for them ([ParsePattern]), and take theirs.
func Match(pattern, host string) bool {
	pattern, host = lowerASCII(pattern), strings.TrimSuffix(lowerASCII(host), ".")
	rest, wildcard := strings.CutPrefix(pattern, "*.")
	if !isName(host) || !isName(rest) {
		return false
	}
	if !wildcard {
		return pattern == host
	}
	_, parent, dotted := strings.Cut(host, ".")
	return dotted && parent == rest && strings.Contains(rest, ".") && !registrySuffix(rest)
}

// registrySuffix reports whether what is directly under name is given out by a registry. Rules such as *.ck make every
// child of ck a suffix, though ck need not be one.
func registrySuffix(name string) bool {
	for _, candidate := range []string{name, "any-label." + name} {
		if suffix, registry := publicsuffix.PublicSuffix(candidate); registry && suffix == candidate {
			return true
		}
	}
	return false
}

// isName is looser than [ParseHost]: certificates of others have names with underscores, and they shall match
// themselves.
func isName(s string) bool {
	if s == "" || len(s) > maxNameBytes || s[len(s)-1] == '.' {
		return false
	}
	begins := true // a label
	for i := range len(s) {
		c := s[i]
		if begins && (c == '.' || c == '-') || !isLDH(c) && c != '.' && c != '_' {
			return false
		}
		begins = c == '.'
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

// lowerASCII leaves other letters alone. strings.EqualFold would not do: to it U+212A, the sign for kelvin, is a k.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
