package desk

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// PKIHealth is how our own authority stands: who is below whom, and what it publishes.
type PKIHealth struct {
	Host       string            `json:"host"`        // of the addresses in certificates
	Tree       []AuthorityNode   `json:"authorities"` // each behind the one above it
	Lists      []ListHealth      `json:"lists"`
	Responders []ResponderHealth `json:"responders"` // of OCSP
	ZLint      *ZLintHealth      `json:"zlint"`
}

// AuthorityNode is one authority in its hierarchy.
type AuthorityNode struct {
	Name      string    `json:"name"`
	Parent    string    `json:"parent,omitempty"` // name of the one above; empty for a root, and below a foreign one
	Depth     int       `json:"depth"`            // 0 for a root
	Purpose   string    `json:"purpose"`
	State     string    `json:"state"` // pending, active or retired
	Subject   string    `json:"subject,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"` // absent while its request waits
	NotAfter  time.Time `json:"notAfter,omitzero"`
	Domains   []string  `json:"domains"` // what it may certify; empty for a root
	KeyHere   bool      `json:"keyHere"` // it signs without anybody: its key is in the state, or in the security module
	InModule  bool      `json:"inModule,omitempty"`
}

// ListHealth is one revocation list as it was signed last.
type ListHealth struct {
	Authority  string    `json:"authority"`
	Shard      int64     `json:"shard"`            // 0 is the complete one
	Address    string    `json:"address"`          // where it is fetched
	Number     string    `json:"number,omitempty"` // absent: nobody has asked for it yet, so it was never signed
	ThisUpdate time.Time `json:"thisUpdate,omitzero"`
	NextUpdate time.Time `json:"nextUpdate,omitzero"`
	Waiting    bool      `json:"waiting"`          // something was revoked that it does not say; the next to ask gets one that does
	Bytes      int64     `json:"bytes,omitempty"`  // absent: its file is not there, and the next to ask gets another
	Issued     int64     `json:"issued"`           // certificates that name it
	Closed     bool      `json:"closed"`           // no certificate will name it any more
	Room       int64     `json:"room,omitempty"`   // how many certificates may name it; absent for the complete one
	Revoked    int64     `json:"revoked"`          // of those
	EndsAt     time.Time `json:"endsAt,omitzero"`  // when the last of them ends; once closed, the list retires after that
	Fetched    time.Time `json:"fetched,omitzero"` // when this server was last asked for it; absent: not since it started
}

// ResponderHealth is what answers OCSP for one authority.
type ResponderHealth struct {
	Authority string    `json:"authority"`
	Address   string    `json:"address"`
	Since     time.Time `json:"since,omitzero"` // of its signer, which is made when somebody asks; absent: nobody has
	Until     time.Time `json:"until,omitzero"` // when it gets a successor
	Ends      time.Time `json:"ends,omitzero"`  // when its certificate ends: nobody accepts an answer of it then
	Asked     time.Time `json:"asked,omitzero"` // when this server was last asked; absent: not since it started
}

// PKIHealth says how our own authority stands; [ErrNoAuthority] if there is none.
func (d *Desk) PKIHealth(ctx context.Context) (*PKIHealth, error) {
	all, host, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("looking at the authority: %w", ErrNoAuthority)
	}
	out := &PKIHealth{Host: host, Tree: []AuthorityNode{}, Lists: []ListHealth{}, Responders: []ResponderHealth{}}
	if err := out.grow(all, "", 0); err != nil {
		return nil, err
	}
	var shards []state.Shard
	var revoked map[state.ShardName]int64
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		if shards, err = tx.Shards(); err != nil {
			return err
		}
		if out.ZLint, err = d.zlintHealth(tx); err != nil {
			return err
		}
		if revoked, err = tx.RevokedInShards(); err != nil {
			return err
		}
		for _, a := range all { // a list of a root names authorities, which are in no book
			fallen, err := tx.AuthorityRevocations(a.ID)
			if err != nil {
				return err
			}
			revoked[state.ShardName{AuthorityID: a.ID}] += int64(len(fallen))
		}
		for i, n := range out.Tree {
			a := all[slices.IndexFunc(all, func(a state.Authority) bool { return a.Name == n.Name })]
			if out.Tree[i].InModule, err = d.inModule(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	for _, s := range shards {
		i := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == s.AuthorityID })
		if i >= 0 {
			out.Lists = append(out.Lists, d.listHealth(s, all[i], host, revoked))
		}
	}
	slices.SortStableFunc(out.Lists, func(a, b ListHealth) int { return strings.Compare(a.Authority, b.Authority) })
	for _, n := range out.Tree {
		if n.Depth == 0 && n.Purpose == rootName || n.State == state.AuthorityPending {
			continue // a root answers no OCSP: its list lives longer
		}
		r := ResponderHealth{Authority: n.Name, Address: responderAddress(host, n.Name), Asked: d.pki.asked["ocsp/"+n.Name].UTC()}
		if kept, ok := d.pki.responders[n.Name]; ok {
			r.Since, r.Until = kept.made.UTC(), kept.made.Add(responderAgain).UTC()
			r.Ends = kept.made.Add(ca.ResponderLife).UTC()
		}
		out.Responders = append(out.Responders, r)
	}
	return out, nil
}

// listHealth is how one list stands; the lock of publishing is held.
func (d *Desk) listHealth(s state.Shard, a state.Authority, host string, revoked map[state.ShardName]int64) ListHealth {
	l := ListHealth{Authority: a.Name, Shard: s.Number, Address: listAddress(host, a.Name, s.Number), Number: s.CRLNumber, ThisUpdate: s.ThisUpdate, NextUpdate: s.NextUpdate,
		Waiting: s.Dirty && s.CRLNumber != "", Issued: s.Issued, Closed: s.Closed, EndsAt: s.EndsAt, Revoked: revoked[state.ShardName{AuthorityID: s.AuthorityID, Number: s.Number}],
		Fetched: d.pki.asked[listKey(a.Name, s.Number)].UTC()}
	if s.Number > 0 {
		l.Room = shardSize
	}
	if s.CRLNumber != "" {
		if info, err := os.Stat(d.listPath(s.AuthorityID, s.Number, s.CRLNumber)); err == nil {
			l.Bytes = info.Size()
		}
	}
	return l
}

// grow appends those below a parent, in the order of their names.
func (h *PKIHealth) grow(all []state.Authority, parent string, depth int) error {
	const deepest = 8 // a circle in the table ends here
	if depth > deepest {
		return nil
	}
	names := make(map[string]string, len(all))
	var below []state.Authority
	for _, a := range all {
		names[a.ID] = a.Name
		if a.ParentID == parent {
			below = append(below, a)
		}
	}
	slices.SortFunc(below, func(a, b state.Authority) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range below {
		n := AuthorityNode{Name: a.Name, Parent: names[parent], Depth: depth, Purpose: a.Purpose, State: a.State, Domains: []string{}, KeyHere: a.SecretID != ""}
		if a.Certificate != nil {
			cert, err := x509cert.ParseCertificate(a.Certificate)
			if err != nil {
				return fmt.Errorf("reading authority %s: %w", a.Name, err)
			}
			n.Subject, n.NotBefore, n.NotAfter = x509cert.SubjectText(cert.Subject), cert.NotBefore.UTC(), cert.NotAfter.UTC()
			n.Domains = append(n.Domains, cert.PermittedDNSDomains...)
		}
		h.Tree = append(h.Tree, n)
		if err := h.grow(all, a.ID, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// IssuedRequest asks for one line of the book.
type IssuedRequest struct {
	Serial string `json:"serial"` // hex, with or without colons
}

// IssuedDetail is one line of the book with its certificate.
type IssuedDetail struct {
	IssuedView
	SHA256 string `json:"sha256,omitempty"` // of the certificate
	PEM    string `json:"pem,omitempty"`    // with its issuer; absent while it is only planned
	DER    []byte `json:"der,omitempty"`    // of the certificate alone
}

// IssuedLine shows one line of the book; [UnknownIssuedError] if there is none.
func (d *Desk) IssuedLine(ctx context.Context, r IssuedRequest) (*IssuedDetail, error) {
	serial := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(r.Serial), ":", ""))
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	var i state.Issuance
	err = d.db.View(ctx, func(tx *state.Tx) error {
		rows, err := tx.Book(state.BookQuery{Serial: serial, Limit: 1})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return state.ErrNotFound
		}
		whole, err := tx.Issuance(serial)
		i = rows[0]
		i.Certificate = whole.Certificate
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return nil, &UnknownIssuedError{ID: r.Serial}
	}
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID })
	if n < 0 {
		return nil, fmt.Errorf("finding the authority of %s: %w", serial, ErrNoAuthority)
	}
	out := &IssuedDetail{IssuedView: issuedView(i, all[n].Name, time.Now())}
	if i.Certificate == nil {
		return out, nil
	}
	cert, err := x509cert.ParseCertificate(i.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", serial, err)
	}
	out.SHA256, out.DER = x509cert.Inspect(cert).SHA256, i.Certificate
	for _, der := range [][]byte{i.Certificate, all[n].Certificate} {
		out.PEM += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return out, nil
}
