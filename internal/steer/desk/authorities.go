package desk

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// Addresses of what an authority publishes, on plain HTTP: see [Desk.PKI].
func listAddress(host, authority string, shard int64) string {
	if shard == 0 {
		return "http://" + host + "/pki/" + authority + ".crl"
	}
	return fmt.Sprintf("http://%s/pki/%s/%d.crl", host, authority, shard)
}

func certificateAddress(host, authority string) string {
	return "http://" + host + "/pki/" + authority + ".cer"
}

func responderAddress(host, authority string) string {
	return "http://" + host + "/pki/ocsp/" + authority
}

// AuthoritiesView is the organisation's own authority as people and scripts see it.
type AuthoritiesView struct {
	PKIHost     string          `json:"pkiHost"`
	Profiles    []string        `json:"profiles"`
	Authorities []AuthorityView `json:"authorities"` // the root in force first, if it is ours
	Missing     []string        `json:"missing"`     // purposes for which no authority issues, nor waits for its certificate
}

// AuthorityView is one authority.
type AuthorityView struct {
	Name        string    `json:"name"`
	State       string    `json:"state"`
	Subject     string    `json:"subject"`
	NotAfter    time.Time `json:"notAfter"`
	SHA256      string    `json:"sha256"`
	Domains     []string  `json:"domains"` // what it may certify; empty for the root
	List        string    `json:"list"`    // address of its complete revocation list
	Certificate []byte    `json:"certificate"`
}

// OwnAuthorities lists them; [ErrNoAuthority] if there is none.
func (d *Desk) OwnAuthorities(ctx context.Context) (*AuthoritiesView, error) {
	all, host, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("looking at the authority: %w", ErrNoAuthority)
	}
	profiles, err := d.profiles(ctx)
	if err != nil {
		return nil, err
	}
	out := &AuthoritiesView{PKIHost: host, Profiles: []string{}, Authorities: []AuthorityView{}, Missing: append([]string{}, missingPurposes(all)...)}
	roots := false // the first is the root in force
	for _, p := range profiles {
		out.Profiles = append(out.Profiles, p.Name())
	}
	for _, a := range all {
		if a.Certificate == nil {
			out.Authorities = append(out.Authorities, waitingView(a, host))
			continue
		}
		cert, err := x509cert.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading authority %s: %w", a.Name, err)
		}
		sum := sha256.Sum256(a.Certificate)
		view := AuthorityView{Name: a.Name, State: a.State, Subject: x509cert.SubjectText(cert.Subject), NotAfter: cert.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
			Domains: append([]string{}, cert.PermittedDNSDomains...), List: listAddress(host, a.Name, 0), Certificate: a.Certificate}
		if a.Purpose == rootName && a.State == state.AuthorityActive {
			out.Authorities, roots = slices.Insert(out.Authorities, 0, view), true
			continue
		}
		out.Authorities = append(out.Authorities, view)
	}
	rest := out.Authorities
	if len(rest) > 0 && roots {
		rest = rest[1:]
	}
	slices.SortStableFunc(rest, func(a, b AuthorityView) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// profiles are the built-in ones for the domains of the authority and what an administrator has put in their place.
func (d *Desk) profiles(ctx context.Context) ([]*ca.Profile, error) {
	options, err := d.profileOptions(ctx)
	if err != nil {
		return nil, err
	}
	var all []*ca.Profile
	for _, o := range options {
		p, err := ca.NewProfile(o)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// profileOptions are what profiles are made of.
func (d *Desk) profileOptions(ctx context.Context) ([]ca.ProfileOptions, error) {
	s, err := d.standing(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.options), nil
}

// readProfiles reads the options of all profiles: those that are built in, for what the authorities may certify, and those
// of administrators.
func readProfiles(tx *state.Tx, authorities []state.Authority) ([]ca.ProfileOptions, error) {
	org, err := tx.Organisation()
	if err != nil {
		return nil, err
	}
	domains := certifiable(authorities, org.Domains)
	changed, err := tx.Profiles()
	if err != nil {
		return nil, err
	}
	options := ca.Builtin(domains)
	for name, text := range changed {
		var o ca.ProfileOptions
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, fmt.Errorf("reading profile %s: %w", name, err)
		}
		if i := slices.IndexFunc(options, func(b ca.ProfileOptions) bool { return b.Name == name }); i >= 0 {
			options[i] = o
			continue
		}
		options = append(options, o)
	}
	return options, nil
}

// certifiable are the domains that the issuing authorities in force may certify, by their certificates: each holds a name
// against its own once more. One that a foreign authority has left without constraints is kept to the accepted domains.
func certifiable(all []state.Authority, accepted []string) []string {
	var domains []string
	for _, a := range all {
		if a.State != state.AuthorityActive || a.Purpose == rootName {
			continue
		}
		of := accepted
		if cert, err := x509cert.ParseCertificate(a.Certificate); err == nil && len(cert.PermittedDNSDomains) > 0 {
			of = cert.PermittedDNSDomains
		}
		for _, d := range of {
			if !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	if len(domains) == 0 {
		return accepted
	}
	return domains
}

// beyondAuthority are those domains below which the authority for a purpose may certify nothing, by its certificate.
func beyondAuthority(all []state.Authority, purpose ca.Purpose, domains []string) (beyond []string) {
	i := slices.IndexFunc(all, func(a state.Authority) bool { return a.State == state.AuthorityActive && a.Purpose == string(purpose) })
	if i < 0 {
		return nil
	}
	cert, err := x509cert.ParseCertificate(all[i].Certificate)
	if err != nil || len(cert.PermittedDNSDomains) == 0 {
		return nil
	}
	for _, d := range domains {
		if !slices.ContainsFunc(cert.PermittedDNSDomains, func(p string) bool { return d == p || strings.HasSuffix(d, "."+strings.TrimPrefix(p, ".")) }) {
			beyond = append(beyond, d)
		}
	}
	return beyond
}

// profile returns the profile of that name.
func (d *Desk) profile(ctx context.Context, name string) (*ca.Profile, error) {
	s, err := d.standing(ctx)
	if err != nil {
		return nil, err
	}
	if p := s.profiles[name]; p != nil {
		return p, nil
	}
	unknown := &UnknownProfileError{Name: name}
	for _, o := range s.options {
		if o.Name == name {
			return ca.NewProfile(o) // which says what is wrong with it
		}
		unknown.Known = append(unknown.Known, o.Name)
	}
	return nil, unknown
}

// issuer opens an authority's key, once.
func (d *Desk) issuer(ctx context.Context, a state.Authority, host string) (*ca.Issuer, error) {
	if a.SecretID == "" { // whatever memory still holds
		return nil, fmt.Errorf("opening the key of authority %s: %w", a.Name, ErrKeyElsewhere)
	}
	sum := sha256.Sum256(append([]byte(host), a.Certificate...))
	d.pki.mu.Lock()
	known := d.pki.issuers[sum]
	d.pki.mu.Unlock()
	if known != nil {
		return known, nil
	}
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading authority %s: %w", a.Name, err)
	}
	o := ca.IssuerOptions{Purpose: ca.Purpose(a.Purpose), Certificate: cert, OCSP: responderAddress(host, a.Name), Issuers: certificateAddress(host, a.Name)}
	if o.Signer, err = d.authorityKey(ctx, a.SecretID); err != nil {
		return nil, fmt.Errorf("opening the key of authority %s: %w", a.Name, err)
	}
	issuer, err := ca.NewIssuer(o)
	if err != nil {
		return nil, err
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.issuers == nil {
		d.pki.issuers = make(map[[32]byte]*ca.Issuer)
	}
	d.pki.issuers[sum] = issuer
	return issuer, nil
}
