package desk

import (
	"cmp"
	"context"
	"crypto/sha1" // what Windows and Apple show beside SHA-256, no protection
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trustfile"
)

// Names of what strangers are shown to trust, as they stand in addresses.
const (
	PublicAuthority = "authority" // the root of our own authority
	PublicServer    = "server"    // self-signed certificates that this server hands to strangers
)

// publicAgain is how old what strangers are shown may be: they must not make the state read for each of them.
const publicAgain = 5 * time.Second

// PublicTrust is what strangers are shown to trust. All of it is public: certificates that are handed out in handshakes or
// stand below /pki/, and nothing that only the state knows.
type PublicTrust struct {
	Sets []*PublicSet // at most one of each name; the authority first
}

// Set returns the one of a name, nil if there is none.
func (t *PublicTrust) Set(name string) *PublicSet {
	for _, s := range t.Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// PublicSet is what is to be trusted for one reason.
type PublicSet struct {
	Name         string
	Certificates []PublicCertificate

	parsed       []*x509.Certificate
	organisation string
	digest       [32]byte

	// mu guards files. It is held while one is made, so that a crowd has it made once.
	mu    sync.Mutex
	files map[trustfile.Platform]*trustfile.File
}

// PublicCertificate is one certificate to trust, with what is compared.
type PublicCertificate struct {
	Subject  string
	NotAfter time.Time
	SHA256   string // upper-case hex
	SHA1     string
}

// Platforms are those that the set is offered for.
func (s *PublicSet) Platforms() []trustfile.Platform {
	// The order in which people have machines.
	all := []trustfile.Platform{trustfile.Apple, trustfile.Android, trustfile.WindowsGPO, trustfile.Firefox, trustfile.Debian, trustfile.RHEL, trustfile.Java, trustfile.Postfix, trustfile.PEM}
	if s.Name == PublicServer {
		// Android and Firefox take certificates of authorities only.
		all = slices.DeleteFunc(all, func(p trustfile.Platform) bool { return p == trustfile.Android || p == trustfile.Firefox })
	}
	return all
}

// File returns the file for one of [PublicSet.Platforms]; the error for another is [*trustfile.UnknownPlatformError]. It
// is shared, so it must not be changed.
func (s *PublicSet) File(p trustfile.Platform) (*trustfile.File, error) {
	if !slices.Contains(s.Platforms(), p) {
		return nil, &trustfile.UnknownPlatformError{Word: string(p)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[p]; f != nil {
		return f, nil
	}
	f, err := trustfile.Make(p, trustfile.Options{Certificates: s.parsed, Organisation: s.organisation, Archive: true})
	if err != nil {
		return nil, err
	}
	if s.files == nil {
		s.files = make(map[trustfile.Platform]*trustfile.File)
	}
	s.files[p] = f
	return f, nil
}

// publicState is what strangers were shown last. The zero value is ready.
type publicState struct {
	// making is held while the state is read, so that a crowd has it read once.
	making sync.Mutex
	// mu guards what follows.
	mu   sync.Mutex
	last *PublicTrust
	made time.Time
}

func (p *publicState) look() *PublicTrust {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := time.Since(p.made); age > publicAgain || age < 0 {
		return nil
	}
	return p.last
}

// PublicTrust returns what strangers are shown to trust: the root of our own authority, and each self-signed certificate
// that a listener hands to strangers. What is bound to management alone is not shown while management answers this machine
// only.
func (d *Desk) PublicTrust(ctx context.Context) (*PublicTrust, error) {
	if t := d.public.look(); t != nil {
		return t, nil
	}
	d.public.making.Lock()
	defer d.public.making.Unlock()
	if t := d.public.look(); t != nil {
		return t, nil
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	authorities, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	fresh := new(PublicTrust)
	var roots [][]byte
	for _, a := range authorities {
		if a.ParentID == "" && a.State != state.AuthorityPending {
			roots = append(roots, topOf(a))
		}
	}
	for name, certificates := range map[string][][]byte{PublicAuthority: roots, PublicServer: d.shownToStrangers(v)} {
		s, err := newPublicSet(name, certificates, v)
		if err != nil {
			return nil, err
		}
		if s != nil {
			fresh.Sets = append(fresh.Sets, s)
		}
	}
	slices.SortFunc(fresh.Sets, func(a, b *PublicSet) int { return strings.Compare(a.Name, b.Name) })
	d.public.mu.Lock()
	defer d.public.mu.Unlock()
	for i, s := range fresh.Sets { // the same certificates keep their files
		if d.public.last == nil {
			break
		}
		if old := d.public.last.Set(s.Name); old != nil && old.digest == s.digest {
			fresh.Sets[i] = old
		}
	}
	d.public.last, d.public.made = fresh, time.Now()
	return fresh, nil
}

// topOf is the highest certificate above an authority that has no parent here: that of a root, or of the foreign root
// above it. The chain of a successor root leads to the old one, and it is the new one that machines do not have.
func topOf(a state.Authority) []byte {
	if a.Purpose == rootName {
		return a.Certificate
	}
	if above, err := x509.ParseCertificates(a.Chain); err == nil && len(above) > 0 {
		return above[len(above)-1].Raw
	}
	return a.Certificate
}

// shownToStrangers are the members in force of what listeners hand out.
func (d *Desk) shownToStrangers(v *view) (all [][]byte) {
	for _, l := range v.listeners {
		k, ok := listener.ByName(l.Name)
		if !ok || !l.Enabled || k.Service == listener.ServiceManagement && d.runtime.Address(l.Name, l.Address).Addr().IsLoopback() {
			continue
		}
		for _, b := range v.bindings {
			if b.Listener != l.Name {
				continue
			}
			lineage, _ := v.lineage(b.LineageID)
			if g, ok := lineage.Current(); ok {
				for _, m := range g.Members {
					all = append(all, m.Certificate)
				}
			}
		}
	}
	return all
}

// newPublicSet keeps of certificates those that sign themselves, once each, that have not ended and are not distrusted. It
// is nil if none is left.
func newPublicSet(name string, certificates [][]byte, v *view) (*PublicSet, error) {
	distrust, err := v.judge.distrust()
	if err != nil {
		return nil, err
	}
	s := &PublicSet{Name: name}
	whole := sha256.New()
	seen := map[[32]byte]bool{}
	for _, der := range certificates {
		sum := sha256.Sum256(der)
		if der == nil || seen[sum] || len(seen) == trustfile.MaxCertificates {
			continue
		}
		seen[sum] = true
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading what strangers are shown: %w", err)
		}
		if !x509cert.Inspect(cert).SelfSigned || time.Now().After(cert.NotAfter) || distrust.Names(cert) != "" {
			continue
		}
		whole.Write(sum[:])
		short := sha1.Sum(der)
		s.parsed = append(s.parsed, cert)
		s.Certificates = append(s.Certificates, PublicCertificate{Subject: cmp.Or(x509cert.SubjectText(cert.Subject), "serial "+cert.SerialNumber.Text(16)), NotAfter: cert.NotAfter.UTC(),
			SHA256: strings.ToUpper(hex.EncodeToString(sum[:])), SHA1: strings.ToUpper(hex.EncodeToString(short[:]))})
	}
	if len(s.parsed) == 0 {
		return nil, nil
	}
	// The organisation's name stands in files only if it stands in what everybody sees.
	s.organisation = v.server.Name
	if o := s.parsed[0].Subject.Organization; name == PublicAuthority && len(o) > 0 {
		s.organisation = o[0]
	}
	copy(s.digest[:], whole.Sum(nil))
	return s, nil
}
