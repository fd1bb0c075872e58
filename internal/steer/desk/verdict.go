package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
)

// freshFor is how long a verdict on a certificate is good for another look: a list of ten thousand must not build
// ten thousand chains each time.
const freshFor = 10 * time.Minute

// judge knows what a certificate is worth by what the organisation trusts at one moment.
type judge struct {
	key       string // of what it trusts
	anchors   []state.Anchor
	distrusts []state.Distrust
	known     [][]byte // certificates of authorities, DER

	// verifier is made when somebody asks: the system's roots take some milliseconds to read.
	verifier func() (*trust.Verifier, error)

	// distrust is what is built in with what was added here.
	distrust func() (*trust.Distrust, error)

	// revoked knows what authorities have taken back.
	revoked func() (*revocation.Checker, error)
	// own knows what our own authority has.
	own *Desk

	// mu guards said and asked.
	mu    sync.Mutex
	said  map[string]opinion // by thumbprint
	asked bool               // one of said hangs on revocation data
}

type opinion struct {
	verdict trust.Verdict // without its chain: ten thousand chains are as many megabytes
	until   time.Time
	// addresses are those at which the revocation of the chain can be learnt.
	addresses []string
	// asked says that the verdict hangs on revocation data, those of generation.
	asked      bool
	generation uint64
}

// judgeFor returns the judge for what is trusted now, the old one if nothing has changed.
func (d *Desk) judgeFor(tx *state.Tx) (*judge, error) {
	j := &judge{said: make(map[string]opinion), revoked: d.revoked, own: d}
	var err error
	if j.anchors, err = tx.Anchors(); err != nil {
		return nil, err
	}
	if j.distrusts, err = tx.Distrusts(); err != nil {
		return nil, err
	}
	if j.known, err = tx.KnownIssuers(); err != nil {
		return nil, err
	}
	var key strings.Builder
	for _, a := range j.anchors {
		fmt.Fprintln(&key, a.SHA256)
	}
	for _, t := range j.distrusts {
		fmt.Fprintln(&key, t.ID, t.After, t.AddedAt)
	}
	fmt.Fprintln(&key, len(j.known)) // they are only ever added
	j.key = key.String()
	j.distrust = sync.OnceValues(func() (*trust.Distrust, error) { return distrustOf(j.distrusts) })
	j.verifier = sync.OnceValues(j.prepare)
	d.judging.Lock()
	defer d.judging.Unlock()
	if d.judge == nil || d.judge.key != j.key {
		d.judge = j
	}
	return d.judge, nil
}

// prepare makes the verifier. A machine without a root store trusts what the organisation has added.
func (j *judge) prepare() (*trust.Verifier, error) {
	system, err := trust.SystemAnchors()
	if err != nil && !errors.Is(err, trust.ErrNoSystemStore) {
		return nil, err
	}
	return j.beliefs().Verifier(system, booked{j.own, kept(j.revoked)})
}

// distrustOf is the built-in list with the list that was taken in and what the administrator has added.
func distrustOf(rows []state.Distrust) (*trust.Distrust, error) {
	builtIn, err := trust.DefaultDistrust()
	if err != nil || len(rows) == 0 {
		return builtIn, err
	}
	type entry map[string]string
	list := map[string]any{"version": 1, "sequence": 1, "updated": time.Now().UTC().Format(time.RFC3339)}
	var certificates, keys, issuers []entry
	const reason = "distrusted by the administrator"
	for _, row := range rows {
		switch row.Kind {
		case state.DistrustList:
			taken, err := trust.ParseDistrust([]byte(row.Value))
			if err != nil {
				return nil, fmt.Errorf("reading the list of distrust that was taken in: %w", err)
			}
			builtIn = taken.Merge(builtIn)
		case state.DistrustCertificate:
			certificates = append(certificates, entry{"sha256": row.Value, "reason": reason})
		case state.DistrustSPKI:
			keys = append(keys, entry{"spkiSha256": row.Value, "reason": reason})
		case state.DistrustIssuer:
			e := entry{"issuer": row.Value, "reason": reason}
			if !row.After.IsZero() {
				e["after"] = row.After.Format(time.RFC3339)
			}
			issuers = append(issuers, e)
		}
	}
	for name, entries := range map[string][]entry{"certificates": certificates, "keys": keys, "issuers": issuers} {
		if len(entries) > 0 {
			list[name] = entries
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("writing the list of distrust: %w", err)
	}
	own, err := trust.ParseDistrust(text)
	if err != nil {
		return nil, err
	}
	return builtIn.Merge(own), nil
}

// against says why a certificate of our own is distrusted; empty means that it is not. Nobody can revoke what signs
// itself, so this is how it is taken back here.
func (j *judge) against(m state.Member) (string, error) {
	if len(j.distrusts) == 0 {
		return "", nil
	}
	distrust, err := j.distrust()
	if err != nil {
		return "", err
	}
	cert, err := x509cert.ParseCertificate(m.Certificate)
	if err != nil {
		return "", err
	}
	return distrust.Names(cert), nil
}

// opinionOn judges a member for the server's use. It never waits for the network: see [kept].
func (j *judge) opinionOn(m state.Member, purpose x509cert.Usage) (trust.Verdict, error) {
	j.mu.Lock()
	old, ok := j.said[m.Thumbprint]
	j.mu.Unlock()
	generation := j.generation()
	if ok && time.Now().Before(old.until) && (!old.asked || old.generation == generation) {
		return old.verdict, nil
	}
	leaf, err := x509cert.ParseCertificate(m.Certificate)
	if err != nil {
		return trust.Verdict{}, err
	}
	chain, err := chainOf(m)
	if err != nil {
		return trust.Verdict{}, err
	}
	verifier, err := j.verifier()
	if err != nil {
		return trust.Verdict{}, err
	}
	// The verdict hangs on no request: one that was given up must not leave an "unknown" behind.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	verdict := verifier.Verify(ctx, trust.Question{Leaf: leaf, Intermediates: chain, Purpose: purpose, Mode: trust.ModeOffered})
	until := time.Now().Add(freshFor)
	for _, edge := range []time.Time{leaf.NotBefore, leaf.NotAfter} {
		if time.Now().Before(edge) && edge.Before(until) {
			until = edge
		}
	}
	addresses := addressesOf(verdict.Chain)
	asked := len(addresses) > 0
	verdict.Chain = nil
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = j.asked || asked
	j.said[m.Thumbprint] = opinion{verdict: verdict, until: until, addresses: addresses, asked: asked, generation: generation}
	return verdict, nil
}

// worth says what a certificate is worth: its rootType, its status, and why in a sentence.
func (v *view) worth(l state.Lineage, m state.Member, facts x509cert.Facts) (x509cert.RootType, x509cert.Status, string, error) {
	if l.Origin == state.OriginSetup || l.Origin == state.OriginNew && facts.SelfSigned {
		root, status, reason := ownWorth(l, facts, time.Now())
		why, err := v.judge.against(m)
		if err != nil {
			return "", "", "", err
		}
		if why != "" && status != x509cert.StatusDateInvalid {
			status, reason = x509cert.StatusUntrusted, "the certificate is distrusted: "+why
		}
		return root, status, reason, nil
	}
	if taken, ok := v.issued.revoked[facts.Serial]; ok && l.Origin == state.OriginAuthority {
		return x509cert.RootEnterprise, x509cert.StatusRevoked, "our own authority has revoked it on " + taken.RevokedAt.UTC().Format(time.DateOnly), nil
	}
	verdict, err := v.judge.opinionOn(m, "")
	if err != nil {
		return "", "", "", fmt.Errorf("judging certificate %s of %s: %w", m.Thumbprint, l.Name, err)
	}
	return verdict.RootType, verdict.Status, verdict.Reason, nil
}
