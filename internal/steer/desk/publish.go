package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
	"postseal/internal/issue/ocsp"
)

// responderAgain is when a signer of OCSP answers gets a successor: half of its life.
const responderAgain = ca.ResponderLife / 2

// publishing is what the organisation's own authority has at hand. The zero value is ready.
type publishing struct {
	// mu guards everything here. It is not held while anything is read or signed.
	mu         sync.Mutex
	issuers    map[[32]byte]*ca.Issuer // by what they are made of
	responders map[string]keptResponder
	changes    uint64 // counts revocations: what was concluded before the last is not kept

	standing *standing        // as of the change of its seq
	shards   map[string]int64 // the list that has room, by the id of its authority

	looked  time.Time // when the state was last asked for its count of revocations
	counted int64     // that count

	seq    int64       // the change after which revoked was read
	issued *issuedHere // as of the change seq

	// signing is held while a list or a signer is made, so that a crowd that asks at once has it made once.
	signing sync.Mutex

	asked map[string]time.Time // when a list (its listKey) or an OCSP responder (ocsp/NAME) was last asked for

	// room bounds how many strangers are answered at once, long how many of them with long answers. They have locks of
	// their own.
	room room
	long room
}

type keptResponder struct {
	handler     *ocsp.Responder
	certificate [32]byte // of the authority
	made        time.Time
}

// forget makes answers about serials of no use: they were revoked.
func (p *publishing) forget(serials ...string) {
	p.mu.Lock()
	p.changes++
	var all []*ocsp.Responder
	for _, r := range p.responders {
		all = append(all, r.handler)
	}
	p.mu.Unlock()
	// Each serial is looked for in all that is kept; past a few it is cheaper to sign anew what is asked for again.
	const few = 16
	if len(serials) > few {
		for _, r := range all {
			r.ForgetAll()
		}
		return
	}
	for _, serial := range serials {
		raw, err := hex.DecodeString(serial)
		if err != nil {
			continue // a serial of the book is hex
		}
		for _, r := range all {
			r.Forget(raw)
		}
	}
}

// lookEvery is how often the state is asked whether something was revoked that this desk has no part in: by another process,
// or by an act whose outcome was not known. With [ocsp.Cacheable] that makes the five seconds in which a revocation is
// known everywhere.
const lookEvery = time.Second

// noticeRevocations makes kept answers of no use when something was revoked since the last look.
func (d *Desk) noticeRevocations(ctx context.Context) error {
	p, now := &d.pki, time.Now()
	p.mu.Lock()
	age := now.Sub(p.looked)
	p.mu.Unlock()
	if age >= 0 && age < lookEvery {
		return nil
	}
	var n int64
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		n, err = tx.Revocations()
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for revocations: %w", err)
	}
	p.mu.Lock()
	p.looked = now
	var stale []*ocsp.Responder
	if n != p.counted {
		p.counted = n
		p.changes++
		for _, r := range p.responders {
			stale = append(stale, r.handler)
		}
	}
	p.mu.Unlock()
	for _, r := range stale {
		r.ForgetAll()
	}
	return nil
}

// generation counts revocations.
func (p *publishing) generation() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes
}

// issuedHere is what our own authority knows of our lineages.
type issuedHere struct {
	revoked map[string]state.Revoked // by serial
	issuers map[string]bool          // subjects of our authorities, as text
}

// issuedAt returns what our own authority knows of our lineages as of the change seq, which is the one that tx sees.
func (p *publishing) issuedAt(tx *state.Tx, seq int64) (*issuedHere, error) {
	p.mu.Lock()
	known, same := p.issued, p.seq == seq
	p.mu.Unlock()
	if known != nil && same {
		return known, nil
	}
	rows, err := tx.RevokedOf(ownLineage)
	if err != nil {
		return nil, err
	}
	authorities, err := tx.Authorities()
	if err != nil {
		return nil, err
	}
	fresh := &issuedHere{make(map[string]state.Revoked, len(rows)), make(map[string]bool, len(authorities))}
	for _, r := range rows {
		fresh.revoked[r.Serial] = r
	}
	for _, a := range authorities {
		if a.Certificate == nil {
			continue // a request that waits for its answer
		}
		cert, err := x509cert.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate of authority %s: %w", a.Name, err)
		}
		fresh.issuers[x509cert.Inspect(cert).Subject] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.issued == nil || seq > p.seq {
		p.seq, p.issued = seq, fresh
	}
	return fresh, nil
}

// authorityNamed finds one.
func (d *Desk) authorityNamed(ctx context.Context, name string) (state.Authority, string, error) {
	all, host, err := d.authorities(ctx)
	if err != nil {
		return state.Authority{}, "", err
	}
	for _, a := range all {
		if a.Name == name && a.Certificate != nil { // one that waits for its certificate answers for nothing
			return a, host, nil
		}
	}
	return state.Authority{}, "", fmt.Errorf("authority %q: %w", clip(name), ErrNoAuthority)
}

// Answer is what the book says of a serial: only what was recorded is good.
func (d *Desk) Answer(ctx context.Context, authority string, serial []byte) (ocsp.Answer, error) {
	a, _, err := d.authorityNamed(ctx, authority)
	if err != nil {
		return ocsp.Answer{}, err
	}
	return bookOf{d.db, a.ID}.Answer(ctx, authority, serial)
}

// bookOf is what the book says of the certificates of one authority, whose name never means another.
type bookOf struct {
	db          *state.DB
	authorityID string
}

// Answer is what the book says of a serial.
func (b bookOf) Answer(ctx context.Context, _ string, serial []byte) (ocsp.Answer, error) {
	t, err := b.db.Told(ctx, hex.EncodeToString(serial))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return ocsp.Answer{}, nil
	case err != nil:
		return ocsp.Answer{}, err
	case t.AuthorityID != b.authorityID || !t.Recorded && t.RevokedAt.IsZero():
		return ocsp.Answer{}, nil
	case !t.RevokedAt.IsZero():
		return ocsp.Answer{Status: ocsp.Revoked, RevokedAt: ca.RevocationDate(t.RevokedAt), Reason: crl.Reason(t.Reason)}, nil
	}
	return ocsp.Answer{Status: ocsp.Good}, nil
}

// responder returns what answers for an authority. The key of its signer is made here and never stored: when the server
// starts again, it has another.
func (d *Desk) responder(ctx context.Context, name string) (*ocsp.Responder, error) {
	if r := d.pki.responder(name); r != nil {
		return r, nil
	}
	d.pki.signing.Lock()
	defer d.pki.signing.Unlock()
	if r := d.pki.responder(name); r != nil {
		return r, nil
	}
	a, host, err := d.authorityNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	issuer, err := d.issuer(ctx, a, host)
	if err != nil {
		return nil, err
	}
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		return nil, err
	}
	// It is written down before it is signed: an authority signs nothing that nobody remembers.
	s := &signings{desk: d, ctx: ctx, who: publisher()}
	cert, err := issuer.CertifyResponder(key.Public(), time.Now(), s.plan)
	if err != nil {
		return nil, err
	}
	err = d.db.Append(ctx, publisher(), func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := record(tx, cert.Raw); err != nil {
			return err
		}
		return tx.Audit("ca responder", name, nil, map[string]any{"serial": x509cert.Inspect(cert).Serial, "thumbprint": x509cert.Thumbprint(cert.Raw), "notAfter": cert.NotAfter.UTC()})
	})
	if err != nil {
		return nil, err
	}
	signer, err := ocsp.NewSigner(cert, key)
	if err != nil {
		return nil, err
	}
	r, err := ocsp.NewResponder(name, issuer.Certificate(), signer, bookOf{d.db, a.ID}, d.log)
	if err != nil {
		return nil, err
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.responders == nil {
		d.pki.responders = make(map[string]keptResponder)
	}
	d.pki.responders[name] = keptResponder{handler: r, certificate: sha256.Sum256(a.Certificate), made: time.Now()}
	return r, nil
}

// responder returns a kept one whose signer is young.
func (p *publishing) responder(name string) *ocsp.Responder {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.responders[name]
	if age := time.Since(r.made); !ok || age > responderAgain || age < 0 {
		return nil
	}
	return r.handler
}
