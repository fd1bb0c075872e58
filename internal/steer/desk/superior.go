package desk

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// Errors of authorities whose superior is elsewhere.
var (
	// ErrKeyElsewhere: the key that would have to sign is not on this server.
	ErrKeyElsewhere = errors.New("its key is not on this server")
	// ErrAuthorityWaits: a request was made, and its answer has not come.
	ErrAuthorityWaits = errors.New("its request waits for the answer of the authority above")
	// ErrNothingWaits: no authority waits for an answer.
	ErrNothingWaits = errors.New("no authority waits for an answer")
)

// purposes checks what is to be made.
func (r AuthorityRequest) purposes() ([]ca.Purpose, error) {
	if r.Superior != "" && r.Superior != state.WayForeign && r.Superior != state.WayCeremony {
		return nil, &ValueError{"superior", r.Superior, "want nothing, " + state.WayForeign + " or " + state.WayCeremony}
	}
	if r.Superior == state.WayForeign && r.RootKey != "" {
		return nil, &ValueError{"--root-key", r.RootKey, "the root is another's, and so is its key"}
	}
	if len(r.Purposes) == 0 {
		return ca.Purposes(), nil
	}
	var all []ca.Purpose
	for _, text := range r.Purposes {
		p, err := ca.ParsePurpose(text)
		if err != nil {
			return nil, &ValueError{"--purpose", text, "there are " + purposeWords()}
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all, nil
}

// purposeWords are the purposes that there can be an authority for, in a sentence.
func purposeWords() string {
	var all []string
	for _, p := range ca.Purposes() {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}

// titleOf is how an issuing authority is called in its own name.
func titleOf(p ca.Purpose) string {
	switch p {
	case ca.PurposeServers:
		return "Servers CA"
	case ca.PurposeClients:
		return "Clients CA"
	case ca.PurposeSMIME:
		return "S/MIME CA"
	case ca.PurposeIPsec:
		return "IPsec CA"
	}
	return "Code CA"
}

// describe says what comes after.
func (f *founding) describe(change *Change) {
	switch f.superior {
	case state.WayForeign:
		change.Notes = append(change.Notes, "nothing is issued until the certificates have come; write the requests: postseal ca request --out FILE; take the answers in: postseal ca import FILE")
	case state.WayCeremony:
		change.Notes = append(change.Notes, "the root's key is never on this server; write the request: postseal ca request --out FILE; on a machine without a network: postseal ca ceremony FILE; take its answer in: postseal ca import FILE")
	default:
		return
	}
	change.Undo = "postseal ca withdraw"
}

// ask makes the keys and the requests of issuing authorities. Nothing of it leaves before it is stored.
func (f *founding) ask() (*founded, error) {
	out := &founded{host: f.host}
	if f.superior == state.WayCeremony {
		out.rootKind = f.kind
	}
	for _, p := range f.purposes {
		key, secret, err := f.keys.make(keys.ECDSAP256, string(p))
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", p, err)
		}
		csr, err := ca.RequestAuthority(ca.AuthorityOptions{Purpose: p, Subject: ceremony.Subject(f.name, titleOf(p)), Domains: f.domains}, key)
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", p, err)
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", p, err)
		}
		a := state.Authority{ID: newID(), Name: string(p), Purpose: string(p), State: state.AuthorityPending, Request: csr, PublicKey: public, SecretID: secret}
		out.authorities = append(out.authorities, a)
		out.requests = append(out.requests, state.AuthorityRequest{AuthorityID: a.ID, Way: f.superior, Request: csr, Domains: f.domains})
	}
	out.secrets = f.sealer.made
	return out, nil
}

func (f *founded) storeRequests(tx *state.Tx) error {
	for _, a := range f.authorities {
		if err := tx.AddAuthority(a); err != nil {
			return err
		}
	}
	if f.rootKind != "" {
		if err := tx.SetRootKey(string(f.rootKind)); err != nil {
			return err
		}
	}
	return storeRequests(tx, "ca init", f.authorities, f.requests)
}

// storeRequests writes requests down, before anybody sees them.
func storeRequests(tx *state.Tx, act string, all []state.Authority, requests []state.AuthorityRequest) error {
	for _, q := range requests {
		if err := tx.PutAuthorityRequest(q); err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == q.AuthorityID })
		if i < 0 {
			return fmt.Errorf("storing a request: %w", ErrNoAuthority)
		}
		if err := tx.Audit(act, all[i].Name, nil, map[string]any{"request": x509cert.Thumbprint(q.Request), "way": q.Way, "domains": q.Domains, "networks": q.Networks}); err != nil {
			return err
		}
	}
	return nil
}

// askNotes says that the answer has to come first.
func (h *hierarchy) askNotes(change *Change, successor bool) {
	if h.way == "" {
		return
	}
	text := "what it certifies stays as it is until the answer comes"
	if successor {
		text = "the old one issues until the answer comes"
	}
	where := "sign it where the root is: postseal ca ceremony FILE"
	if h.way == state.WayForeign {
		where = "have it certified by the authority above"
	}
	change.Notes = append(change.Notes, text+"; write the request: postseal ca request --out FILE; "+where+"; take the answer in: postseal ca import FILE")
	change.Undo = "postseal ca withdraw"
}

// askAgain makes the request of an authority in force for another certificate, with its key and its name.
func (d *Desk) askAgain(ctx context.Context, h *hierarchy, w widening) (*state.AuthorityRequest, error) {
	if w.authority.SecretID == "" {
		return nil, ErrKeyElsewhere
	}
	key, err := d.authorityKey(ctx, w.authority.SecretID)
	if err != nil {
		return nil, err
	}
	csr, err := ca.RequestAuthority(ca.AuthorityOptions{Purpose: ca.Purpose(w.authority.Purpose), Subject: w.cert.Subject, RawSubject: w.cert.RawSubject, Domains: w.domains, Networks: w.networks}, key)
	if err != nil {
		return nil, err
	}
	return &state.AuthorityRequest{AuthorityID: w.authority.ID, Way: h.way, Request: csr, Domains: w.domains, Networks: w.networks, Replaces: w.replaces}, nil
}

// ask stores the successor as one that waits: the old one issues until the answer comes.
func (s *successor) ask(next state.Authority, subject pkix.Name, old *x509.Certificate, key crypto.Signer) (func(tx *state.Tx) error, error) {
	domains, networks := old.PermittedDNSDomains, networksOf(old)
	for _, waits := range s.requests {
		if waits.AuthorityID == s.old.ID { // what the old one has asked for, its successor gets
			domains, networks = waits.Domains, waits.Networks
		}
	}
	if len(domains) == 0 {
		domains = s.accepted // what a foreign authority has left out
	}
	csr, err := ca.RequestAuthority(ca.AuthorityOptions{Purpose: ca.Purpose(next.Purpose), Subject: subject, Domains: domains, Networks: networks}, key)
	if err != nil {
		return nil, err
	}
	if next.PublicKey, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, err
	}
	next.State, next.Request = state.AuthorityPending, csr
	q := state.AuthorityRequest{AuthorityID: next.ID, Way: s.way, Request: csr, Domains: domains, Networks: networks, Replaces: s.old.ID}
	return func(tx *state.Tx) error {
		for _, secret := range s.sealer.made {
			if err := tx.AddSecret(secret); err != nil {
				return err
			}
		}
		if err := tx.AddAuthority(next); err != nil {
			return err
		}
		if err := tx.RemoveAuthorityRequest(s.old.ID); err != nil {
			return err
		}
		return storeRequests(tx, "ca rollover", []state.Authority{next}, []state.AuthorityRequest{q})
	}, nil
}
