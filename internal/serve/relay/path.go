package relay

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxPathOctets and maxDomainOctets are RFC 5321 sections 4.5.3.1.3 and 4.5.3.1.2. The 64 octets of a local
	// part (section 4.5.3.1.1) are left to the back end: list managers and forwarders write longer ones into
	// return paths every day, and section 4.5.3.1 asks servers not to be the ones who mind.
	maxPathOctets   = 256
	maxDomainOctets = 255
	maxLabelOctets  = 63
)

// pathKind says which of the two paths of an envelope is read: only the reverse path may be null, only the forward
// path may be <Postmaster> without a domain (RFC 5321 sections 4.1.1.2 and 4.1.1.3).
type pathKind int

const (
	reversePath pathKind = iota
	forwardPath
)

// path is an envelope address, parsed. The zero value is the null reverse path.
type path struct {
	local  string // what is meant, without quotes and backslashes
	domain string // name or address literal; empty for null and for <Postmaster>
}

// String writes the path anew, with its angle brackets: never the client's own bytes, so that two parsers cannot
// come to two addresses. RFC 5321 section 4.1.2 asks for the form with the least quoting.
func (p path) String() string {
	if p.local == "" && p.domain == "" {
		return "<>"
	}
	var b strings.Builder
	b.WriteByte('<')
	if isDotString(p.local) {
		b.WriteString(p.local)
	} else {
		b.WriteByte('"')
		for _, c := range []byte(p.local) {
			if c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
		b.WriteByte('"')
	}
	if p.domain != "" {
		b.WriteByte('@')
		b.WriteString(p.domain)
	}
	b.WriteByte('>')
	return b.String()
}

func (p path) nonASCII() bool { return !isASCII(p.local) || !isASCII(p.domain) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

var errPath = &refusal{501, "5.1.3", "address syntax"}

// parsePath reads <path> from the beginning of s and returns what follows.
func parsePath(s string, kind pathKind) (path, string, error) {
	bad := func() (path, string, error) {
		if kind == reversePath {
			return path{}, "", &refusal{501, "5.1.7", "sender address syntax"}
		}
		return path{}, "", errPath
	}
	rest, ok := strings.CutPrefix(s, "<")
	if !ok {
		return bad()
	}
	if after, ok := strings.CutPrefix(rest, ">"); ok && kind == reversePath {
		return path{}, after, nil
	}
	if strings.HasPrefix(rest, "@") {
		// RFC 5321 section 4.1.1.3 and appendix C: a source route is understood and ignored.
		if rest, ok = skipRoute(rest); !ok {
			return bad()
		}
	}
	local, rest, ok := parseLocal(rest)
	if !ok {
		return bad()
	}
	p := path{local: local}
	if after, ok := strings.CutPrefix(rest, ">"); ok {
		if kind == forwardPath && strings.EqualFold(local, "postmaster") {
			return p, after, nil
		}
		return bad()
	}
	rest, ok = strings.CutPrefix(rest, "@")
	if !ok {
		return bad()
	}
	domain, after, ok := strings.Cut(rest, ">")
	if !ok {
		return bad()
	}
	if p.domain, ok = parseDomain(domain); !ok {
		return bad()
	}
	if len(s)-len(after) > maxPathOctets || len(p.String()) > maxPathOctets {
		// RFC 5321 section 4.5.3.1.10 names 501 for a path too long.
		return path{}, "", &refusal{501, "5.1.3", "address too long"}
	}
	return p, after, nil
}

// skipRoute passes over "@one,@two:" and returns what is behind the colon.
func skipRoute(s string) (string, bool) {
	route, rest, ok := strings.Cut(s, ":")
	if !ok {
		return "", false
	}
	for hop := range strings.SplitSeq(route, ",") {
		name, ok := strings.CutPrefix(hop, "@")
		if !ok || strings.HasPrefix(name, "[") {
			return "", false // a route through literals has a colon of its own; nobody has sent one in decades
		}
		if _, ok := parseDomain(name); !ok {
			return "", false
		}
	}
	return rest, true
}

// parseLocal reads a local part (RFC 5321 section 4.1.2: Dot-string or Quoted-string, RFC 6531 section 3.3 adds
// UTF-8) and returns it without quoting.
func parseLocal(s string) (local, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, "@>")
		if end < 0 || !isDotString(s[:end]) {
			return "", "", false
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			local = b.String()
			return local, s[i+1:], local != "" && strings.IndexFunc(local, unicode.IsControl) < 0
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' { // quoted-pairSMTP
				return "", "", false
			}
			b.WriteByte(s[i])
		case c < ' ' || c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, r := range atom {
			if !isAtext(r) {
				return false
			}
		}
	}
	return true
}

// isAtext is RFC 5322 section 3.2.3 with the UTF-8 of RFC 6531 section 3.3. Spaces and controls beyond ASCII are
// left out: they would be invisible in every log.
func isAtext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	case r < utf8.RuneSelf:
		return strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return r != utf8.RuneError && !unicode.IsSpace(r) && !unicode.IsControl(r)
}

// parseDomain accepts a host name (with the underscore that DNS allows and some senders have) or an address literal
// (RFC 5321 section 4.1.3), which is written anew.
func parseDomain(s string) (string, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return "", false
		}
		return parseLiteral(inner)
	}
	if s == "" || len(s) > maxDomainOctets {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabelOctets || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, r := range label {
			switch {
			case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			case r < utf8.RuneSelf || !isAtext(r):
				return "", false
			}
		}
	}
	return s, true
}

func parseLiteral(s string) (string, bool) {
	six := len(s) > 5 && strings.EqualFold(s[:5], "IPv6:")
	if six {
		s = s[5:]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" || addr.Is6() != six {
		return "", false
	}
	return addressLiteral(addr), true
}

// addressLiteral is an address in the form of RFC 5321 section 4.1.3, with its brackets.
func addressLiteral(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.WithZone("").String() + "]"
	}
	return "[" + a.String() + "]"
}
