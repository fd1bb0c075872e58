package keyring

import (
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/x509cert"
)

// soonDays is how many days before its end Explain begins to speak of it.
const soonDays = 30

// A Question asks which certificate a client would get.
type Question struct {
	Listener string
	// SNI is the host that the client names, as it would send it (A-labels); empty if it names none.
	SNI    string
	Client ClientKind
}

// An Answer says which certificate a client gets, and why it gets no other.
type Answer struct {
	Seq      int64  // of the snapshot that was asked
	Listener string // as asked
	SNI      string // as the ring reads it: lower case, no trailing dot; empty also if it cannot be a host
	// Candidates are the bindings in the order in which they are considered, then the fallback of an opportunistic
	// listener. Exactly one is Taken.
	Candidates []Candidate
	Member     MemberFacts // what is served
	MemberWhy  string      // why that member and no other, one sentence
	// Fails says that the client can use nothing that this listener has, so its handshake fails.
	Fails bool
	// Warnings are what a client may object to in what is served, a sentence each.
	Warnings []string
}

// Taken returns the candidate that is served.
func (a Answer) Taken() Candidate {
	return a.Candidates[slices.IndexFunc(a.Candidates, func(c Candidate) bool { return c.Taken })]
}

// A Candidate is one thing that a listener could have served.
type Candidate struct {
	Role         Role
	Lineage      string
	FriendlyName string
	Generation   int
	Names        []string
	Members      []MemberFacts
	Taken        bool
	Why          string   // why it was taken or not, one sentence
	Remarks      []string // on its dates, a sentence each
}

// Explain tells which certificate a client would get now. It asks the function that handshakes ask. It fails with
// [ErrUnknownListener] or, when nothing is bound to the listener, with [ErrNoCertificate].
func (r *Ring) Explain(q Question) (Answer, error) {
	hello := helloOf(q.Client)
	if hello == nil {
		return Answer{}, fmt.Errorf("explaining listener %q: unknown kind of client %q", q.Listener, q.Client)
	}
	s := r.current.Load()
	p := s.ports[q.Listener]
	if p == nil {
		return Answer{}, fmt.Errorf("explaining listener %q: %w", q.Listener, ErrUnknownListener)
	}
	if len(p.candidates) == 0 {
		return Answer{}, fmt.Errorf("explaining listener %q: %w", q.Listener, ErrNoCertificate)
	}
	hello.ServerName = q.SNI
	ch := p.choose(hello)

	now := time.Now()
	a := Answer{Seq: s.seq, Listener: q.Listener, SNI: ch.name.host, Member: ch.member.facts, Fails: ch.unusable}
	for _, c := range p.candidates {
		out := describe(c.generation, now)
		out.Role, out.Taken, out.Why = c.role, c == ch.candidate && !ch.fallback, ch.why(c)
		a.Candidates = append(a.Candidates, out)
	}
	if p.fallback != nil {
		out := describe(p.fallback, now)
		out.Role, out.Taken = RoleFallback, ch.fallback
		out.Why = "not taken: it is only for clients that can use nothing else here"
		if ch.fallback {
			out.Why = "taken: on this port any encryption is better than none"
		}
		a.Candidates = append(a.Candidates, out)
	}
	a.MemberWhy = ch.memberWhy(p)
	a.Warnings = ch.warnings(now)
	return a, nil
}

func describe(g *generation, now time.Time) Candidate {
	c := Candidate{Lineage: g.lineage, FriendlyName: g.friendlyName, Generation: g.number, Names: slices.Clone(g.names), Members: g.facts()}
	for _, m := range g.members {
		if remark := m.remark(now); remark != "" {
			c.Remarks = append(c.Remarks, remark)
		}
	}
	return c
}

// remark says what is notable about the member's dates; empty if nothing is.
func (m *member) remark(now time.Time) string {
	const day = 24 * time.Hour
	switch left := m.leaf.NotAfter.Sub(now); {
	case now.Before(m.leaf.NotBefore):
		return fmt.Sprintf("the %s certificate is not valid before %s", m.facts.KeyType, m.leaf.NotBefore.UTC().Format(time.RFC3339))
	case left < 0:
		return fmt.Sprintf("the %s certificate expired at %s, and is served all the same", m.facts.KeyType, m.leaf.NotAfter.UTC().Format(time.RFC3339))
	case left < soonDays*day:
		return fmt.Sprintf("the %s certificate expires at %s, in less than %d days", m.facts.KeyType, m.leaf.NotAfter.UTC().Format(time.RFC3339), left/day+1)
	}
	return ""
}

// why says why a candidate was taken or not.
func (ch choice) why(c *candidate) string {
	host, winner := ch.name.host, ch.candidate.generation.lineage
	if c == ch.candidate {
		reason := ""
		switch {
		case ch.fit == fitExact:
			reason = fmt.Sprintf("%q is one of its names", host)
		case ch.fit == fitWildcard:
			reason = fmt.Sprintf("%q fits its wildcard, and no binding has the exact name", host)
		case host != "":
			reason = fmt.Sprintf("no binding has a name for %q, and this is the default", host)
		case ch.name.odd:
			reason = "the client names something that cannot be a host, and this is the default"
		default:
			reason = "the client names no host, and this is the default"
		}
		if ch.fallback {
			return "not taken: " + reason + ", but the client can use none of its keys"
		}
		return "taken: " + reason
	}
	switch own := c.fit(ch.name); {
	case ch.name.odd:
		return "not taken: what the client names cannot be a host, and only the default answers then"
	case host == "":
		return "not taken: the client names no host, and only the default answers then"
	case own == fitNone && c.role == RoleDefault:
		return fmt.Sprintf("not taken: %q has a name for %q", winner, host)
	case own == fitNone:
		return fmt.Sprintf("not taken: none of its names fits %q", host)
	case own < ch.fit:
		return fmt.Sprintf("not taken: %q fits only its wildcard, and %q has the exact name", host, winner)
	}
	return fmt.Sprintf("not taken: %q has a name for %q too and was bound later", winner, host)
}

// memberWhy says why the member was chosen within its generation.
func (ch choice) memberWhy(p *port) string {
	members, algorithm := ch.candidate.generation.members, ch.member.facts.KeyType
	if ch.fallback {
		members = p.fallback.members
	}
	switch {
	case ch.unusable:
		return "the client can use no key that this listener has, so the handshake fails"
	case len(members) == 1:
		return fmt.Sprintf("it is the only certificate of its generation, and the client can use its %s key", algorithm)
	case ch.member == members[0]:
		return fmt.Sprintf("the client can use its %s key, which is tried first", algorithm)
	}
	return fmt.Sprintf("the client cannot use the %s key, but the %s key", members[0].facts.KeyType, algorithm)
}

// warnings say what a client may object to in the member served.
func (ch choice) warnings(now time.Time) []string {
	var warnings []string
	names := x509cert.NamesOf(ch.member.leaf)
	switch {
	case ch.name.odd:
		warnings = append(warnings, "the client names something that cannot be a host name")
	case ch.name.host == "" || names.Verify(ch.name.host):
	case names.Answer(ch.name.host):
		warnings = append(warnings, fmt.Sprintf("%q is only the common name of the certificate served, and clients look at subjectAltName alone", ch.name.host))
	default:
		warnings = append(warnings, fmt.Sprintf("%q is not a name of the certificate served, so a client that looks at names will refuse it", ch.name.host))
	}
	if remark := ch.member.remark(now); remark != "" {
		warnings = append(warnings, remark)
	}
	return warnings
}
