package keyring

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"postseal/internal/ground/x509cert"
)

// snapshot is everything that is in force at one moment. It is built whole and never changed after.
type snapshot struct {
	seq      int64
	ports    map[string]*port // by listener name
	internal *port            // serves the internal lineage under no listener's name; nil without one
}

// port is what one listener serves in one snapshot.
type port struct {
	name          string
	opportunistic bool
	clients       ClientPolicy
	// candidates are the bindings in order of preference, the most recently bound first, whatever the role: a name
	// that is bound beside a default that has it too was bound to be served. It is empty when nothing is bound.
	candidates []*candidate
	standard   *candidate // the one of role default; nil when nothing is bound
	// byName has every name that a binding answers, wildcards as they are written, with the candidate preferred.
	// It is filled from bindings only: what strangers ask for never gets in.
	byName   map[string]*candidate
	fallback *generation // for clients who can use nothing else; nil if there is none
	config   *tls.Config // nil if there are no candidates
}

// candidate is one binding with what it serves.
type candidate struct {
	role       Role
	generation *generation
	digest     ticketDigest
}

// build makes a snapshot from in, or says with a *SnapshotError why it cannot be served.
func (r *Ring) build(in Input) (*snapshot, error) {
	b := builder{ring: r, lineages: make(map[string]Lineage, len(in.Lineages)), built: map[string]*generation{}}
	for _, l := range in.Lineages {
		if _, twice := b.lineages[l.Name]; twice || l.Name == "" {
			return nil, &SnapshotError{Lineage: l.Name, Err: errors.New("lineage without a name of its own")}
		}
		b.lineages[l.Name] = l
	}
	s := &snapshot{seq: in.Seq, ports: make(map[string]*port, len(in.Listeners))}
	if in.Internal != "" {
		// The internal certificate is served as if by a listener that has no name.
		p, err := b.port(Listener{Bindings: []Binding{{Lineage: in.Internal, Role: RoleDefault}}})
		if err != nil {
			return nil, err
		}
		s.internal = p
		b.fallback = p.standard.generation
	}
	for _, l := range in.Listeners {
		if _, twice := s.ports[l.Name]; twice || l.Name == "" {
			return nil, &SnapshotError{Listener: l.Name, Err: errors.New("listener without a name of its own")}
		}
		p, err := b.port(l)
		if err != nil {
			return nil, err
		}
		s.ports[l.Name] = p
	}
	return s, nil
}

// builder carries what the ports of one snapshot share.
type builder struct {
	ring     *Ring
	lineages map[string]Lineage
	built    map[string]*generation // by lineage, so that each is parsed once
	fallback *generation
}

func (b *builder) port(l Listener) (*port, error) {
	if l.Clients.Auth >= tls.VerifyClientCertIfGiven && l.Clients.CAs == nil {
		return nil, &SnapshotError{Listener: l.Name, Err: errors.New("client certificates are verified, but no authorities are given")}
	}
	p := &port{name: l.Name, opportunistic: l.Opportunistic, clients: l.Clients, byName: map[string]*candidate{}}
	if len(l.Bindings) == 0 {
		return p, nil
	}
	defaults := 0
	for _, binding := range slices.Backward(l.Bindings) {
		gen, err := b.generation(binding.Lineage)
		if err != nil {
			return nil, &SnapshotError{Listener: l.Name, Lineage: binding.Lineage, Err: err}
		}
		c := &candidate{role: binding.Role, generation: gen}
		c.digest = digestFor(p, gen)
		switch binding.Role {
		case RoleDefault:
			defaults++
			p.standard = c
		case RoleName:
		default:
			return nil, &SnapshotError{Listener: l.Name, Lineage: binding.Lineage, Err: fmt.Errorf("unknown role %q", binding.Role)}
		}
		p.candidates = append(p.candidates, c)
	}
	if defaults != 1 {
		return nil, &SnapshotError{Listener: l.Name, Err: fmt.Errorf("%w, have %d", ErrDefaultBinding, defaults)}
	}
	for _, c := range p.candidates {
		p.index(c)
	}
	if p.opportunistic {
		p.fallback = b.fallback
	}
	p.config = b.ring.inner(p, l.NextProtos)
	return p, nil
}

// generation parses and checks the current generation of a lineage, once in a snapshot.
func (b *builder) generation(lineage string) (*generation, error) {
	if gen, ok := b.built[lineage]; ok {
		return gen, nil
	}
	l, ok := b.lineages[lineage]
	if !ok {
		return nil, ErrUnknownLineage
	}
	if len(l.Members) == 0 {
		return nil, fmt.Errorf("%w: generation %d has no member", ErrUnusableMember, l.Generation)
	}
	gen := &generation{lineage: l.Name, friendlyName: l.FriendlyName, number: l.Generation}
	for i, in := range l.Members {
		m, err := newMember(in)
		if err != nil {
			return nil, fmt.Errorf("%w: member %d of generation %d: %w", ErrUnusableMember, i+1, l.Generation, err)
		}
		gen.members = append(gen.members, m)
	}
	names := l.Names
	if names == nil {
		names = x509cert.NamesOf(gen.members[0].leaf).Hosts()
	}
	for _, name := range names {
		gen.names = append(gen.names, tidy(name))
	}
	// RSA last: a private operation costs several times that of ECDSA, so RSA is for clients without anything else.
	slices.SortStableFunc(gen.members, func(x, y *member) int { return x.cost() - y.cost() })
	b.built[lineage] = gen
	return gen, nil
}
