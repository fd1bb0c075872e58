package desk

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// waitingView is an authority without a certificate as people see it.
func waitingView(a state.Authority, host string) AuthorityView {
	v := AuthorityView{Name: a.Name, State: a.State, Domains: []string{}, List: listAddress(host, a.Name, 0)}
	if csr, err := x509.ParseCertificateRequest(a.Request); err == nil {
		v.Subject = x509cert.SubjectText(csr.Subject)
	}
	return v
}

// WaitingRequests are the requests of authorities that wait for an answer, as files.
type WaitingRequests struct {
	Requests []WaitingRequest `json:"requests"`
	// PEM are those that go to another organisation, one after the other; empty without any.
	PEM string `json:"pem,omitempty"`
	// Ceremony is the file for postseal ca ceremony; empty if our root is not on another machine.
	Ceremony []byte `json:"ceremony,omitempty"`
}

// WaitingRequest is one of them.
type WaitingRequest struct {
	Name     string    `json:"name"` // of the authority
	Way      string    `json:"way"`  // foreign or ceremony
	Subject  string    `json:"subject"`
	Domains  []string  `json:"domains"`
	Networks []string  `json:"networks"`
	Made     time.Time `json:"made"`
	Replaces string    `json:"replaces,omitempty"` // the authority that is retired when the answer comes
	PEM      string    `json:"pem"`
}

// elsewhere is what is known of superiors that are not here.
type elsewhere struct {
	all      []state.Authority
	host     string
	requests []state.AuthorityRequest
	root     *state.Authority // ours in force; nil if there is none yet, or it is foreign
	rootKind string
	number   string            // of the root's last list
	name     string            // of the organisation
	fallen   []ceremony.Fallen // what the root's list must name
}

func (d *Desk) elsewhere(ctx context.Context) (*elsewhere, error) {
	e := &elsewhere{}
	var err error
	if e.all, e.host, err = d.authorities(ctx); err != nil {
		return nil, err
	}
	if len(e.all) == 0 {
		return nil, fmt.Errorf("looking for requests: %w", ErrNoAuthority)
	}
	for _, a := range e.all {
		if a.Purpose == rootName && a.State == state.AuthorityActive {
			e.root = &a
		}
	}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		if e.requests, err = tx.AuthorityRequests(); err != nil {
			return err
		}
		org, err := tx.Organisation()
		if err != nil {
			return err
		}
		e.name = shortened(org.Name)
		if e.root != nil {
			s, err := tx.Shard(e.root.ID, 0)
			e.number = s.CRLNumber
			if err != nil {
				return err
			}
			e.fallen, err = fallenOf(tx, e.root.ID)
			return err
		}
		e.rootKind, err = tx.RootKey()
		return err
	})
	return e, err
}

func (e *elsewhere) named(id string) state.Authority {
	for _, a := range e.all {
		if a.ID == id {
			return a
		}
	}
	return state.Authority{}
}

// AuthorityRequests returns what waits for the authority above. When our own root's key is on another machine there is
// always a request for it: without wishes it is for a new revocation list.
func (d *Desk) AuthorityRequests(ctx context.Context) (*WaitingRequests, error) {
	e, err := d.elsewhere(ctx)
	if err != nil {
		return nil, err
	}
	out := &WaitingRequests{Requests: []WaitingRequest{}}
	q := &ceremony.Request{Made: time.Now().UTC().Truncate(time.Second), Organisation: e.name, RootKey: e.rootKind, RootList: listAddress(e.host, rootName, 0), RootFile: certificateAddress(e.host, rootName),
		ListNumber: e.number, Wanted: []ceremony.Wanted{}, Revoked: e.fallen}
	ours := e.root != nil && e.root.SecretID == ""
	if ours {
		q.Root, q.RootList, q.RootFile = e.root.Certificate, listAddress(e.host, e.root.Name, 0), certificateAddress(e.host, e.root.Name)
	}
	for _, r := range e.requests {
		a := e.named(r.AuthorityID)
		csr, err := x509.ParseCertificateRequest(r.Request)
		if err != nil {
			return nil, fmt.Errorf("reading the request of %s: %w", a.Name, err)
		}
		w := WaitingRequest{Name: a.Name, Way: r.Way, Subject: x509cert.SubjectText(csr.Subject), Domains: r.Domains, Networks: append([]string{}, r.Networks...), Made: r.CreatedAt,
			Replaces: e.named(r.Replaces).Name, PEM: string(certfile.RequestPEM(r.Request))}
		out.Requests = append(out.Requests, w)
		if r.Way == state.WayForeign {
			out.PEM += w.PEM
			continue
		}
		ours = true
		if e.root == nil { // the root's own name is made like theirs
			q.Organisation = strings.TrimSuffix(csr.Subject.CommonName, " "+titleOf(ca.Purpose(a.Purpose)))
		}
		q.Wanted = append(q.Wanted, ceremony.Wanted{Name: a.Name, Purpose: a.Purpose, Request: r.Request, Domains: r.Domains, Networks: r.Networks})
	}
	if !ours && len(out.Requests) == 0 {
		return nil, fmt.Errorf("looking for requests: %w", ErrNothingWaits)
	}
	if ours {
		if out.Ceremony, err = q.Marshal(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
