package desk

import (
	"bytes"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// keptState is what one look at the state may leave to the next: reading ten thousand lineages takes a good part of a
// second, and so does telling the facts of as many certificates (of a self-signed one that means verifying its
// signature). A server is asked again and again, and the state changes seldom. The zero value is ready.
type keptState struct {
	// mu guards what follows.
	mu       sync.Mutex
	seq      int64           // the change after which lineages were read
	lineages []state.Lineage // nil before the first look; never changed, only replaced
	members  int             // certificates in lineages

	// told guards facts.
	told  sync.Mutex
	facts map[string]keptFacts // by thumbprint
}

// keptFacts are the facts of a certificate. A thumbprint is a SHA-1, and those can be collided: the certificate that
// was looked at stands beside them.
type keptFacts struct {
	der      []byte
	notAfter time.Time
	names    []string
	facts    *x509cert.Facts // nil until somebody wants more than the outline
}

// lineagesAt returns the lineages as of the change seq, which is the one that tx sees. The slice is the caller's, what
// its lineages point to is everybody's: who changes a generation makes a new one.
func (k *keptState) lineagesAt(tx *state.Tx, seq int64) ([]state.Lineage, error) {
	if lineages := k.sharedAt(seq); lineages != nil {
		return slices.Clone(lineages), nil
	}
	lineages, err := tx.Lineages()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// A look that began earlier may end later; then its older state is not kept.
	if k.lineages == nil || seq > k.seq {
		k.seq, k.lineages, k.members = seq, lineages, 0
		for _, l := range lineages {
			for _, g := range l.Generations {
				k.members += len(g.Members)
			}
		}
	}
	return slices.Clone(lineages), nil
}

// sharedAt returns the lineages as of the change seq, nil if others are kept.
func (k *keptState) sharedAt(seq int64) []state.Lineage {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seq != seq {
		return nil
	}
	return k.lineages
}

// of returns the facts of a member's certificate.
func (k *keptState) of(m state.Member) (x509cert.Facts, error) {
	if kept := k.known(m); kept.facts != nil {
		return kept.facts.Clone(), nil
	}
	cert, err := x509cert.ParseCertificate(m.Certificate)
	if err != nil {
		return x509cert.Facts{}, err
	}
	facts := x509cert.Inspect(cert)
	k.keep(m, keptFacts{m.Certificate, facts.NotAfter, facts.Names, &facts})
	return facts.Clone(), nil
}

// outline returns the end (zero for a request) and the names of a member, which cost little even when its facts are not
// kept: a filter asks for them ten thousand times to show ten. The names are not the caller's.
func (k *keptState) outline(m state.Member) (notAfter time.Time, names []string, err error) {
	if m.Certificate == nil {
		csr, err := x509.ParseCertificateRequest(m.Request)
		if err != nil {
			return time.Time{}, nil, err
		}
		return time.Time{}, append(slices.Clone(csr.DNSNames), ipTexts(csr)...), nil
	}
	if kept := k.known(m); kept.der != nil {
		return kept.notAfter, kept.names, nil
	}
	cert, err := x509cert.ParseCertificate(m.Certificate)
	if err != nil {
		return time.Time{}, nil, err
	}
	kept := keptFacts{m.Certificate, cert.NotAfter.UTC(), x509cert.NamesIn(cert), nil}
	k.keep(m, kept)
	return kept.notAfter, kept.names, nil
}

// known returns what is kept of a member's certificate; the zero value for nothing. It is not the caller's.
func (k *keptState) known(m state.Member) keptFacts {
	k.told.Lock()
	defer k.told.Unlock()
	if kept := k.facts[m.Thumbprint]; bytes.Equal(kept.der, m.Certificate) {
		return kept
	}
	return keptFacts{}
}

// keep keeps what there is to know of a member's certificate.
func (k *keptState) keep(m state.Member, kept keptFacts) {
	most := k.mostFacts()
	k.told.Lock()
	defer k.told.Unlock()
	if k.facts == nil || len(k.facts) >= most {
		k.facts = make(map[string]keptFacts) // of certificates that are long gone, mostly
	}
	k.facts[m.Thumbprint] = kept
}

// mostFacts bounds what is kept: twice the certificates that there are.
func (k *keptState) mostFacts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return 2*k.members + 100
}
