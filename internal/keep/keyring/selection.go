package keyring

import (
	"crypto/tls"
	"strings"

	"postseal/internal/ground/x509cert"
)

// serverName is the host that a client asks for, cleaned.
type serverName struct {
	host string // lower case, without a trailing dot; empty if none was named or it cannot be a host
	odd  bool   // something was named, but it cannot be a host: too long, not ASCII, an address
}

// cleanName makes a serverName of bytes that a stranger sent.
func cleanName(sni string) serverName {
	host := strings.TrimSuffix(sni, ".")
	// A name matches itself, and what does not is no name. This comes before the letters are changed: to
	// strings.ToLower the sign for kelvin is a k.
	if !x509cert.Match(host, host) {
		return serverName{odd: sni != ""}
	}
	return serverName{host: strings.ToLower(host)}
}

// tidy writes a name of a lineage as handshakes look it up. What is not a name of a host stays as it is, for tables.
func tidy(name string) string {
	bare := strings.TrimSuffix(name, ".")
	if !x509cert.Match(bare, strings.Replace(bare, "*", "x", 1)) {
		return name
	}
	return strings.ToLower(bare)
}

// fit says how a candidate's names cover a host.
type fit int

const (
	fitNone fit = iota
	fitWildcard
	fitExact
)

// index puts the candidate's names into byName, where none that is preferred has them. Names that no client can ask for
// (addresses, "*.com") stay out.
func (p *port) index(c *candidate) {
	for _, name := range c.generation.names {
		if _, taken := p.byName[name]; taken || !x509cert.Match(name, strings.Replace(name, "*", "x", 1)) {
			continue
		}
		p.byName[name] = c
	}
}

// fit says how the candidate's own names cover a host. It asks [x509cert.Match]; the index, which handshakes use, gives
// the same without a walk.
func (c *candidate) fit(name serverName) fit {
	best := fitNone
	for _, pattern := range c.generation.names {
		switch {
		case !x509cert.Match(pattern, name.host):
		case pattern == name.host:
			return fitExact
		default:
			best = fitWildcard
		}
	}
	return best
}

// candidateFor chooses a binding by name. The port must have candidates.
func (p *port) candidateFor(name serverName) (*candidate, fit) {
	if name.host != "" {
		if c, ok := p.byName[name.host]; ok {
			return c, fitExact
		}
		// RFC 9525 section 6.3: the asterisk is the whole left-most label and stands for one.
		if _, parent, _ := strings.Cut(name.host, "."); parent != "" {
			if c, ok := p.byName["*."+parent]; ok {
				return c, fitWildcard
			}
		}
	}
	// RFC 6066 section 3 lets a server go on after an unknown name, and mail clients often send a name that only
	// their administrator knows.
	return p.standard, fitNone
}

// choice is the answer to a client's first message.
type choice struct {
	name      serverName
	candidate *candidate
	fit       fit
	member    *member
	fallback  bool // member is of the port's fallback, not of the candidate
	unusable  bool // the client can use no member at all: the handshake will fail
}

// choose is the only place where a certificate is selected: handshakes call it, and so does Explain. The port must
// have candidates.
func (p *port) choose(hello *tls.ClientHelloInfo) choice {
	ch := choice{name: cleanName(hello.ServerName)}
	ch.candidate, ch.fit = p.candidateFor(ch.name)

	// SupportsCertificate also wants the leaf to cover ServerName. That is the client's to judge: the default must
	// answer unknown names.
	nameless := *hello
	nameless.ServerName = ""
	if ch.member = ch.candidate.generation.memberFor(&nameless); ch.member != nil {
		return ch
	}
	if p.fallback != nil {
		if ch.member = p.fallback.memberFor(&nameless); ch.member != nil {
			ch.fallback = true
			return ch
		}
	}
	// crypto/tls finds the right alert when it tries.
	ch.member, ch.unusable = ch.candidate.generation.members[0], true
	return ch
}

// memberFor returns the first member that the client can use, or nil.
func (g *generation) memberFor(hello *tls.ClientHelloInfo) *member {
	for _, m := range g.members {
		if hello.SupportsCertificate(m.cert) == nil {
			return m
		}
	}
	return nil
}
