package certfile

import (
	"bytes"
	"crypto/x509"
	"slices"
)

const (
	// maxPath is the longest chain that is followed. Real ones have three or four certificates.
	maxPath = 16
	// maxChecks bounds the signatures that one Assemble verifies: files can hold thousands of certificates of one name.
	maxChecks = 10_000
	// maxBranches bounds the ways that are tried from one leaf.
	maxBranches = 256
)

// paths follows certificates to their issuers.
type paths struct {
	bySubject map[string][]*x509.Certificate   // those of the files first
	byKeyID   map[string][]*x509.Certificate   // by the identifier of their key, with roots
	roots     map[string][]*x509.Certificate   // by subject: those that only check signatures
	given     map[string]bool                  // by DER
	verdicts  map[[2]*x509.Certificate]verdict // child and issuer; whether the signature is the issuer's
	issuers   map[string]bool                  // by DER: those that have issued one of the files
	checks    int
}

func newPaths(certs []Certificate, known, roots []*x509.Certificate) *paths {
	p := &paths{
		bySubject: map[string][]*x509.Certificate{},
		given:     map[string]bool{},
		byKeyID:   map[string][]*x509.Certificate{},
		roots:     map[string][]*x509.Certificate{},
		verdicts:  map[[2]*x509.Certificate]verdict{},
		issuers:   map[string]bool{},
	}
	for _, c := range certs {
		p.given[string(c.Raw)] = true
		p.bySubject[string(c.RawSubject)] = append(p.bySubject[string(c.RawSubject)], c.Certificate)
		p.byKeyID[string(c.SubjectKeyId)] = append(p.byKeyID[string(c.SubjectKeyId)], c.Certificate)
	}
	for _, c := range known {
		if !p.given[string(c.Raw)] {
			p.bySubject[string(c.RawSubject)] = append(p.bySubject[string(c.RawSubject)], c)
			p.byKeyID[string(c.SubjectKeyId)] = append(p.byKeyID[string(c.SubjectKeyId)], c)
		}
	}
	for _, c := range roots {
		p.roots[string(c.RawSubject)] = append(p.roots[string(c.RawSubject)], c)
		p.byKeyID[string(c.SubjectKeyId)] = append(p.byKeyID[string(c.SubjectKeyId)], c)
	}
	for _, c := range certs {
		for _, issuer := range p.bySubject[string(c.RawIssuer)] {
			if issuer != c.Certificate && p.given[string(issuer.Raw)] && !p.issuers[string(issuer.Raw)] && p.signed(c.Certificate, issuer) {
				p.issuers[string(issuer.Raw)] = true
			}
		}
	}
	return p
}

// issued reports whether one of the files was issued by c.
func (p *paths) issued(c *x509.Certificate) bool { return p.issuers[string(c.Raw)] }

// signed reports whether issuer's key made the signature of child. The names have been compared.
func (p *paths) signed(child, issuer *x509.Certificate) bool {
	return sameKeyID(child, issuer) && p.compare(child, issuer) == verified
}

// complete finds the chain of a bundle: the first that ends at a root, or else the longest.
func (p *paths) complete(b *Bundle) {
	s := &search{paths: p}
	s.from([]*x509.Certificate{b.Leaf})
	path := s.best
	last := path[len(path)-1]
	b.Chain = path[1:]
	switch {
	case !s.whole:
		b.MissingIssuer = issuerText(last)
	case len(path) > 1:
		b.Chain, b.Root = path[1:len(path)-1], last
	}
	b.Chain = slices.Clip(b.Chain)
	for _, c := range path[1:] {
		if !p.given[string(c.Raw)] {
			b.Completed = append(b.Completed, c)
		}
	}
}

// search is one walk from a leaf.
type search struct {
	*paths
	best     []*x509.Certificate
	whole    bool // best ends at a self-signed certificate
	branches int
}

func (s *search) from(path []*x509.Certificate) {
	last := path[len(path)-1]
	whole := bytes.Equal(last.RawIssuer, last.RawSubject) && s.signed(last, last)
	if whole || len(path) > len(s.best) {
		s.best, s.whole = slices.Clone(path), whole
	}
	if whole || len(path) > maxPath {
		return
	}
	candidates := slices.Clone(s.bySubject[string(last.RawIssuer)])
	// Of several issuers with one name and key the newest: the older one will end, or has ended.
	slices.SortStableFunc(candidates, func(x, y *x509.Certificate) int { return y.NotAfter.Compare(x.NotAfter) })
	for _, issuer := range candidates {
		if s.whole || s.branches > maxBranches {
			return
		}
		if slices.Contains(path, issuer) || !s.signed(last, issuer) {
			continue
		}
		s.branches++
		s.from(append(path, issuer))
	}
}
