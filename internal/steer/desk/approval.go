package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

var (
	// ErrSamePerson: whoever asked for a certificate that needs a second person cannot be that person.
	ErrSamePerson = errors.New("whoever asked cannot agree")
	// ErrDecided: a request waits for nobody any more.
	ErrDecided = errors.New("it was decided already")
)

// maxWaiting bounds the requests that wait for a second person: whoever asks must not fill the disk.
const maxWaiting = 10_000

// ApprovalView is a request that needs a second person.
type ApprovalView struct {
	ID        string    `json:"id"`
	Profile   string    `json:"profile"`
	Requester string    `json:"requester"`
	Names     []string  `json:"names"`
	Enable    string    `json:"enable,omitempty"` // services that it takes over at once when it is agreed to
	Status    string    `json:"status"`           // waiting, approved or rejected
	AskedAt   time.Time `json:"askedAt"`
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	DecidedBy string    `json:"decidedBy,omitempty"`
	Reason    string    `json:"reason,omitempty"` // of a rejection
	Serial    string    `json:"serial,omitempty"` // what was issued for it
}

// PendingQuery asks which requests need a second person.
type PendingQuery struct {
	All bool `json:"all,omitempty"` // those that were decided too
}

// Pending lists them, those that wait first, then the newest.
func (d *Desk) Pending(ctx context.Context, q PendingQuery) ([]ApprovalView, error) {
	var rows []state.Approval
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		rows, err = tx.Approvals(q.All, maxWaiting)
		return err
	})
	out := []ApprovalView{}
	for _, a := range rows {
		var held heldRequest
		if err := json.Unmarshal([]byte(a.Request), &held); err != nil {
			return nil, fmt.Errorf("reading request %s: %w", a.ID, err)
		}
		v := ApprovalView{ID: a.ID, Enable: held.services(), Profile: a.Profile, Requester: a.Requester, Names: a.Names, Status: a.State, AskedAt: a.AskedAt.UTC(), DecidedBy: a.DecidedBy, Reason: a.Reason, Serial: a.Serial}
		if !a.DecidedAt.IsZero() {
			v.DecidedAt = a.DecidedAt.UTC()
		}
		out = append(out, v)
	}
	return out, err
}

// heldRequest is what is kept of a request until it is decided: one of the two.
type heldRequest struct {
	Issue   *IssueRequest   `json:"issue,omitempty"`
	Certify *CertifyRequest `json:"certify,omitempty"`
}

// services are those that it takes over when it is issued.
func (h heldRequest) services() string {
	if h.Issue == nil {
		return ""
	}
	return h.Issue.Enable
}

// hold keeps a request, which was found good, for a second person, and returns its id.
func (d *Desk) hold(ctx context.Context, who state.Actor, profile string, names []string, r heldRequest) (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	a := state.Approval{ID: newID(), Profile: profile, Requester: who.Who, Names: names, Request: string(text)}
	return a.ID, d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		waiting, err := tx.CountWaiting(maxWaiting)
		if err != nil {
			return err
		}
		if waiting >= maxWaiting {
			return &ValueError{"--profile", profile, fmt.Sprintf("%d requests wait already; decide them first", maxWaiting)}
		}
		if err := tx.AddApproval(a); err != nil {
			return err
		}
		return tx.Audit("ca request", a.ID, nil, map[string]any{"profile": profile, "names": names})
	})
}

// waitsFor is the note of a request that waits.
func waitsFor(id string) string {
	return "it waits for a second person, who runs: postseal ca approve " + id
}

// Decision is a second person's word on a request.
type Decision struct {
	Doing
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"` // of a rejection, for whoever asked
}

// Approve agrees to a request, and issues it. Whoever asked cannot agree ([ErrSamePerson]). One that was approved and not
// issued, because something failed, is issued now; but not while another does that, or there would be two certificates.
func (d *Desk) Approve(ctx context.Context, who state.Actor, r Decision) (*Certified, error) {
	if !d.approving.begin(r.ID) {
		return nil, fmt.Errorf("request %s is being issued for just now: %w", clip(r.ID), ErrDecided)
	}
	defer d.approving.end(r.ID)
	a, err := d.undecided(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if err := d.secondPerson(ctx, a.Requester, who.Who); err != nil {
		return nil, fmt.Errorf("approving request %s of %s: %w", a.ID, a.Requester, err)
	}
	var held heldRequest
	if err := json.Unmarshal([]byte(a.Request), &held); err != nil {
		return nil, fmt.Errorf("reading request %s: %w", a.ID, err)
	}
	if r.DryRun {
		return &Certified{Names: a.Names, Waiting: a.ID, Enabled: held.services()}, nil
	}
	if a.State == state.ApprovalWaiting {
		// It is written down before anything is issued: a crash afterwards leaves an approved request without a serial.
		if err := d.decide(ctx, who, Decision{ID: a.ID}, state.ApprovalApproved); err != nil {
			return nil, err
		}
	} else if done, err := d.issuedFor(ctx, a); err != nil || done != nil {
		return done, err
	}
	requester := state.Actor{Who: a.Requester, From: "approved by " + who.Who}
	var out *Certified
	if held.Certify != nil {
		if out, err = d.certify(ctx, requester, *held.Certify, true); err != nil {
			return nil, err
		}
	} else {
		change, err := d.issueNew(ctx, requester, *held.Issue, true)
		if err != nil {
			return nil, err
		}
		made := change.Certificates[0]
		if out, err = d.IssuedCertificate(ctx, made.Serial); err != nil {
			return nil, err
		}
		out.Lineage, out.Enabled = made.Lineage, held.services()
	}
	return out, d.served(ctx, who, a.ID, out.Serial)
}

// issuedFor finds what was planned or issued for an approved request before something failed, and finishes it: one request
// is one certificate.
func (d *Desk) issuedFor(ctx context.Context, a state.Approval) (*Certified, error) {
	var held heldRequest
	if err := json.Unmarshal([]byte(a.Request), &held); err != nil {
		return nil, err
	}
	all, err := d.begunFor(ctx, a, held)
	for _, i := range all {
		if i.Certificate == nil { // or the next start would make it a second one
			if i, err = d.finishOne(ctx, i); err != nil {
				return nil, err
			}
		}
		if i.SecretID != "" { // its lineage was never stored
			if err := d.takeUpOne(ctx, i); err != nil {
				return nil, err
			}
		}
		out, err := d.IssuedCertificate(ctx, i.Serial)
		if err != nil {
			return nil, err
		}
		return out, d.served(ctx, starter(), a.ID, i.Serial)
	}
	return nil, err
}

// begunFor finds the lines of the book that came of an approved request: after the decision, with its key, or of a lineage
// with its names that no other request has.
func (d *Desk) begunFor(ctx context.Context, a state.Approval, held heldRequest) (begun []state.Issuance, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		others, err := tx.Approvals(true, maxWaiting)
		if err != nil {
			return err
		}
		find := lineagesBegun
		if held.Certify != nil {
			find = keysBegun
		}
		all, err := find(tx, a, held)
		for _, i := range all {
			if i.Profile == a.Profile && !i.PlannedAt.Before(a.DecidedAt) && !slices.ContainsFunc(others, func(o state.Approval) bool { return o.Serial == i.Serial }) {
				begun = append(begun, i)
			}
		}
		return err
	})
	return begun, err
}

// keysBegun finds what whoever asked has for the key of the request.
func keysBegun(tx *state.Tx, a state.Approval, held heldRequest) ([]state.Issuance, error) {
	csr, err := readCSR(held.Certify.CSR)
	if err != nil {
		return nil, err
	}
	all, err := tx.PickIssuances(state.Picked{KeyID: keyIDOf(csr.RawSubjectPublicKeyInfo)}, 100)
	return slices.DeleteFunc(all, func(i state.Issuance) bool { return i.Requester != a.Requester }), err
}

// lineagesBegun finds what lineages have, or would have had, with the names of the request.
func lineagesBegun(tx *state.Tx, a state.Approval, held heldRequest) (all []state.Issuance, err error) {
	lines, err := tx.Book(state.BookQuery{Name: a.Names[0], Profiles: []string{a.Profile}, Limit: maxBook})
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		name, ours := strings.CutPrefix(l.Requester, ownLineage)
		if !ours || held.Issue.Lineage != "" && held.Issue.Lineage != name || !sameNames(l.Names, a.Names) {
			continue
		}
		whole, err := tx.Issuance(l.Serial)
		if err != nil {
			return nil, err
		}
		all = append(all, whole)
	}
	return all, nil
}

func (d *Desk) served(ctx context.Context, who state.Actor, id, serial string) error {
	return d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.ServedApproval(id, serial); err != nil {
			return err
		}
		return tx.Audit("ca served", id, nil, map[string]any{"serial": serial})
	})
}

// Reject refuses a request. Whoever asked may withdraw it so, too.
func (d *Desk) Reject(ctx context.Context, who state.Actor, r Decision) (*ApprovalView, error) {
	if r.Reason != "" {
		if err := checkText("--reason", r.Reason, 200); err != nil {
			return nil, err
		}
	}
	a, err := d.undecided(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if a.State != state.ApprovalWaiting {
		return nil, fmt.Errorf("rejecting request %s: %w", a.ID, ErrDecided)
	}
	if !r.DryRun {
		if err := d.decide(ctx, who, r, state.ApprovalRejected); err != nil {
			return nil, err
		}
	}
	return &ApprovalView{ID: a.ID, Profile: a.Profile, Requester: a.Requester, Names: a.Names, Status: state.ApprovalRejected, AskedAt: a.AskedAt.UTC(), DecidedBy: who.Who, Reason: r.Reason}, nil
}

// undecided finds a request that waits, or was approved and not issued.
func (d *Desk) undecided(ctx context.Context, id string) (a state.Approval, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		a, err = tx.Approval(id)
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return a, &ValueError{"ID", id, "no request has it; see what waits: postseal ca pending"}
	}
	if err == nil && (a.State == state.ApprovalRejected || a.Serial != "") {
		err = fmt.Errorf("request %s was %s on %s: %w", a.ID, a.State, a.DecidedAt.UTC().Format(time.DateOnly), ErrDecided)
	}
	return a, err
}

func (d *Desk) decide(ctx context.Context, who state.Actor, r Decision, to string) error {
	err := d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.DecideApproval(r.ID, who.Who, to, r.Reason); err != nil {
			return err
		}
		return tx.Audit(map[string]string{state.ApprovalApproved: "ca approve", state.ApprovalRejected: "ca reject"}[to], r.ID, nil, map[string]any{"reason": r.Reason})
	})
	if errors.Is(err, state.ErrNotFound) { // two decided at once
		return fmt.Errorf("deciding request %s: %w", r.ID, ErrDecided)
	}
	return err
}

// IssuedCertificate returns a certificate of the book, with its issuer.
func (d *Desk) IssuedCertificate(ctx context.Context, serial string) (*Certified, error) {
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	var i state.Issuance
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		i, err = tx.Issuance(plainHex(strings.TrimSpace(serial)))
		return err
	})
	if errors.Is(err, state.ErrNotFound) || err == nil && i.Certificate == nil {
		return nil, &UnknownIssuedError{ID: serial}
	}
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID })
	cert, err := x509cert.ParseCertificate(i.Certificate)
	if err != nil {
		return nil, err
	}
	return newCertified(&issued{i.Serial, cert, chainBelow(all[n])}), nil
}

// newCertified is a certificate as whoever asked gets it.
func newCertified(out *issued) *Certified {
	return &Certified{Serial: out.serial, Thumbprint: x509cert.Thumbprint(out.certificate.Raw), Names: x509cert.NamesIn(out.certificate), NotAfter: out.certificate.NotAfter.UTC(),
		PEM: x509cert.PEM(out.certificate.Raw) + out.chain.pem}
}

// keyIDOf is how the book names a public key.
func keyIDOf(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// LineageOf is the lineage that asked for a line of the book, empty if somebody else did.
func LineageOf(requester string) string {
	name, ours := strings.CutPrefix(requester, ownLineage)
	if !ours {
		return ""
	}
	return name
}
