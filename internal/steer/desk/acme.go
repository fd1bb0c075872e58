package desk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/acmeserver"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/challenge"
	"postseal/internal/issue/crl"
)

// ACMEOptions say how ACME clients are answered.
type ACMEOptions struct {
	Names         []string // by which this server is called, beside its own and that of the addresses in certificates
	OpenProfile   string   // of accounts that show no key; empty: each must show one
	OrdersPerHour int      // of one account; 0 for the default
	Validation    challenge.Options
}

// ACME makes the server that answers ACME clients. Whoever asks for it runs it.
func (d *Desk) ACME(ctx context.Context, o ACMEOptions) (*acmeserver.Server, error) {
	validator, err := challenge.New(o.Validation)
	if err != nil {
		return nil, err
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	a := &acmeDesk{Desk: d, names: append(slices.Clone(o.Names), v.server.Name), offers: make(map[string]*acmeserver.Offer)}
	return acmeserver.New(acmeserver.Options{State: d.db, Server: d.server, Authority: a, Validator: validator, Known: a.known,
		OpenProfile: o.OpenProfile, OrdersPerHour: o.OrdersPerHour, Log: d.log})
}

// acmeDesk is the desk as the ACME server sees it.
type acmeDesk struct {
	*Desk
	names []string

	// mu guards what follows, which holds for one number of the changes of the state.
	mu      sync.Mutex
	changes int64
	host    string // of the addresses in certificates
	offers  map[string]*acmeserver.Offer
}

// known says whether this server is called so. Loopback is: nobody else has a server there.
func (a *acmeDesk) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() || name == "localhost" {
		return true
	}
	a.mu.Lock()
	pki, _, _ := strings.Cut(a.host, ":")
	a.mu.Unlock()
	return slices.Contains(a.names, name) || name == pki && pki != ""
}

// Offer returns what is issued for a purpose now. It is made once for each change of the state.
func (a *acmeDesk) Offer(ctx context.Context, purpose string) (*acmeserver.Offer, error) {
	changes := a.db.Changes()
	a.mu.Lock()
	known := a.offers[purpose]
	if a.changes != changes {
		known = nil
	}
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	all, host, err := a.authorities(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(x state.Authority) bool {
		return x.Purpose == purpose && x.Purpose != rootName && x.State == state.AuthorityActive
	})
	if i < 0 {
		return nil, fmt.Errorf("ACME for %s: %w", clip(purpose), acmeserver.ErrNoDirectory)
	}
	issuer, err := a.issuer(ctx, all[i], host)
	if errors.Is(err, ca.ErrIssuer) { // its key is elsewhere
		return nil, fmt.Errorf("ACME for %s: %w: %w", purpose, acmeserver.ErrNoDirectory, err)
	}
	if err != nil {
		return nil, err
	}
	profiles, err := a.profiles(ctx)
	if err != nil {
		return nil, err
	}
	o := &acmeserver.Offer{Issuer: issuer, Profiles: make(map[string]*ca.Profile)}
	for _, p := range profiles {
		if enrolls(p) && string(p.Purpose()) == purpose {
			o.Profiles[p.Name()] = p
		}
	}
	name, _, _ := strings.Cut(host, ":")
	if _, err := netip.ParseAddr(name); err != nil && name != "" {
		o.CAA = []string{name}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes != changes {
		a.changes, a.host, a.offers = changes, host, make(map[string]*acmeserver.Offer)
	}
	a.offers[purpose] = o
	return o, nil
}

// enrolls says whether certificates of a profile can be had by proving names: not where a second person agrees, and not
// where only a person has a name.
func enrolls(p *ca.Profile) bool {
	o := p.Options()
	return !p.NeedsApproval() && (slices.Contains(o.Names, ca.NameHost) || slices.Contains(o.Names, ca.NameAddress))
}

// Certify issues for an order.
func (a *acmeDesk) Certify(ctx context.Context, ask acmeserver.Ask) error {
	o, err := a.Offer(ctx, ask.Purpose)
	if err != nil {
		return err
	}
	profile, ok := o.Profiles[ask.Profile]
	if !ok { // it was changed since the request came
		return fmt.Errorf("issuing for profile %s: %w", ask.Profile, acmeserver.ErrNoDirectory)
	}
	_, err = a.issueOne(ctx, ask.Who, wanted{profile: profile, key: ask.PublicKey, names: ask.Names, requester: ask.Requester, planned: ask.Planned})
	return err
}

// Chain returns what goes with a certificate, as PEM.
func (a *acmeDesk) Chain(ctx context.Context, i state.Issuance) (string, error) {
	s, err := a.standing(ctx)
	if err != nil {
		return "", err
	}
	chain, ok := s.chains[i.AuthorityID]
	if !ok {
		return "", fmt.Errorf("finding the authority of certificate %s: %w", i.Serial, state.ErrNotFound)
	}
	return chain.pem, nil
}

// Finish goes on with what was planned.
func (a *acmeDesk) Finish(ctx context.Context, serial string) error {
	var i state.Issuance
	err := a.db.View(ctx, func(tx *state.Tx) (err error) {
		i, err = tx.Issuance(serial)
		return err
	})
	if err != nil {
		return err
	}
	all, host, err := a.authorities(ctx)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(all, func(x state.Authority) bool { return x.ID == i.AuthorityID })
	if n < 0 {
		return fmt.Errorf("finishing certificate %s: %w", serial, state.ErrNotFound)
	}
	issuer, err := a.issuer(ctx, all[n], host)
	if err != nil {
		return err
	}
	_, err = ca.New(issuer, &ledger{desk: a.Desk, who: state.Actor{Who: "postseal", From: "acme"}, authority: i.AuthorityID}).Resume(ctx, serial)
	return err
}

// TakeBack revokes a certificate.
func (a *acmeDesk) TakeBack(ctx context.Context, who state.Actor, serial string, reason int) error {
	_, err := a.Revoke(ctx, who, RevokeRequest{ID: serial, Reason: crl.Reason(reason).String()})
	return err
}

// SharedKey opens the key of an external account binding.
func (a *acmeDesk) SharedKey(ctx context.Context, secretID string) (keys.Secret, error) {
	var s state.Secret
	err := a.db.View(ctx, func(tx *state.Tx) (err error) {
		s, err = tx.Secret(secretID, a.server)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.sealing.Key.Open(keys.Object{Kind: s.Kind, ID: s.ID}, a.server, s.Ciphertext, s.Wrapped[a.server])
}
