package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
	"postseal/internal/issue/ocsp"
)

const (
	listLife  = 24 * time.Hour // of a revocation list
	listAgain = 12 * time.Hour // it is signed again after this, or when something was revoked
	// responderAgain is when a signer of OCSP answers gets a successor: half of its life.
	responderAgain = ca.ResponderLife / 2
)

// publishing is what the organisation's own authority has at hand. The zero value is ready.
type publishing struct {
	// mu guards everything here. It is not held while anything is read or signed.
	mu         sync.Mutex
	issuers    map[[32]byte]*ca.Issuer // by what they are made of
	lists      map[string]keptList     // by authority and shard
	responders map[string]keptResponder
	changes    int // counts revocations: a list that was begun before the last is not kept

	seq     int64 // the change after which revoked was read
	revoked map[string]state.Revoked

	// signing is held while a list or a signer is made, so that a crowd that asks at once has it made once.
	signing sync.Mutex
}

type keptList struct {
	der     []byte
	made    time.Time
	changes int
}

type keptResponder struct {
	handler     *ocsp.Responder
	certificate [32]byte // of the authority
	made        time.Time
}

// forget makes lists and answers that do not name a serial of no use.
func (p *publishing) forget(serial string) {
	raw, err := hex.DecodeString(serial)
	if err != nil {
		return // a serial of the book is hex
	}
	p.mu.Lock()
	p.changes++
	var all []*ocsp.Responder
	for _, r := range p.responders {
		all = append(all, r.handler)
	}
	p.mu.Unlock()
	for _, r := range all {
		r.Forget(raw)
	}
}

// revokedAt returns what was revoked of our own lineages as of the change seq, which is the one that tx sees.
func (p *publishing) revokedAt(tx *state.Tx, seq int64) (map[string]state.Revoked, error) {
	p.mu.Lock()
	known := p.revoked
	same := p.seq == seq
	p.mu.Unlock()
	if known != nil && same {
		return known, nil
	}
	rows, err := tx.RevokedOf(ownLineage)
	if err != nil {
		return nil, err
	}
	fresh := make(map[string]state.Revoked, len(rows))
	for _, r := range rows {
		fresh[r.Serial] = r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoked == nil || seq > p.seq {
		p.seq, p.revoked = seq, fresh
	}
	return fresh, nil
}

// ListRequest asks for a revocation list of our own authority.
type ListRequest struct {
	Name  string `json:"name,omitempty"`  // of the authority; empty means servers
	Shard int64  `json:"shard,omitempty"` // 0 is the complete list
}

// ListView is a revocation list.
type ListView struct {
	DER []byte `json:"der"`
}

// RevocationList returns the list that is published now.
func (d *Desk) RevocationList(ctx context.Context, r ListRequest) (*ListView, error) {
	if r.Name == "" {
		r.Name = string(ca.PurposeServers)
	}
	k, err := d.listOf(ctx, r.Name, r.Shard)
	if err != nil {
		return nil, err
	}
	return &ListView{DER: k.der}, nil
}

// listOf returns a list that says everything that was revoked before it was asked for.
func (d *Desk) listOf(ctx context.Context, name string, shard int64) (keptList, error) {
	if k, ok := d.pki.list(name, shard); ok {
		return k, nil
	}
	d.pki.signing.Lock()
	defer d.pki.signing.Unlock()
	if k, ok := d.pki.list(name, shard); ok {
		return k, nil
	}
	a, host, err := d.authorityNamed(ctx, name)
	if err != nil {
		return keptList{}, err
	}
	issuer, err := d.issuer(ctx, a, host)
	if err != nil {
		return keptList{}, err
	}
	d.pki.mu.Lock()
	k := keptList{changes: d.pki.changes, made: time.Now().UTC().Truncate(time.Second)}
	d.pki.mu.Unlock()
	// What is read, and that it was said, is one transaction: nothing that is revoked meanwhile passes for said.
	err = d.db.Append(ctx, state.Actor{Who: "postseal", From: "publishing"}, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		k.der, err = writeList(tx, listing{authority: a, issuer: issuer, host: host, shard: shard, made: k.made})
		return err
	})
	if err != nil {
		return keptList{}, fmt.Errorf("signing the revocation list of %s: %w", name, err)
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.lists == nil {
		d.pki.lists = make(map[string]keptList)
	}
	d.pki.lists[listKey(name, shard)] = k
	return k, nil
}

func listKey(name string, shard int64) string { return fmt.Sprintf("%s/%d", name, shard) }

// list returns a kept one that still says everything.
func (p *publishing) list(name string, shard int64) (keptList, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.lists[listKey(name, shard)]
	age := time.Since(k.made)
	return k, ok && k.changes == p.changes && age < listAgain && age > -time.Minute
}

// listing is a list to be written.
type listing struct {
	authority state.Authority
	issuer    *ca.Issuer
	host      string
	shard     int64
	made      time.Time
}

func writeList(tx *state.Tx, l listing) ([]byte, error) {
	all, err := tx.Shards()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s state.Shard) bool { return s.AuthorityID == l.authority.ID && s.Number == l.shard })
	if i < 0 {
		return nil, fmt.Errorf("list %d of %s: %w", l.shard, l.authority.Name, state.ErrNotFound)
	}
	s := all[i]
	previous, _ := new(big.Int).SetString(s.CRLNumber, 10) // nil: there was none
	number := crl.NextNumber(previous, l.made)
	var entries []crl.Entry
	// RFC 5280 section 3.3: an entry stays until it was on a list after the certificate's end.
	err = tx.EachRevoked(l.authority.ID, l.shard, l.made.Add(-2*listLife), func(r state.Revoked) error {
		serial, err := hex.DecodeString(r.Serial)
		entries = append(entries, crl.Entry{Serial: serial, RevokedAt: r.RevokedAt, Reason: crl.Reason(r.Reason)})
		return err
	})
	if err != nil {
		return nil, err
	}
	o := crl.Options{Issuer: l.issuer.Certificate(), Signer: l.issuer.Signer(), Number: number, ThisUpdate: l.made.Add(-ca.Backdate), NextUpdate: l.made.Add(listLife),
		Entries: func(yield func(crl.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}}
	if l.shard != 0 {
		o.Point = listAddress(l.host, l.authority.Name, l.shard)
	}
	var der bytes.Buffer
	if err := crl.Write(&der, o); err != nil {
		return nil, err
	}
	s.CRLNumber, s.ThisUpdate, s.NextUpdate = number.String(), o.ThisUpdate, o.NextUpdate
	if err := tx.Published(s); err != nil {
		return nil, err
	}
	return der.Bytes(), tx.Audit("ca crl", listKey(l.authority.Name, l.shard), nil, map[string]any{"number": s.CRLNumber, "entries": len(entries)})
}

// authorityNamed finds one.
func (d *Desk) authorityNamed(ctx context.Context, name string) (state.Authority, string, error) {
	all, host, err := d.authorities(ctx)
	if err != nil {
		return state.Authority{}, "", err
	}
	for _, a := range all {
		if a.Name == name {
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
	var i state.Issuance
	err = d.db.View(ctx, func(tx *state.Tx) error {
		i, err = tx.Issuance(hex.EncodeToString(serial))
		return err
	})
	switch {
	case errors.Is(err, state.ErrNotFound):
		return ocsp.Answer{}, nil
	case err != nil:
		return ocsp.Answer{}, err
	case i.AuthorityID != a.ID || i.Certificate == nil && i.RevokedAt.IsZero():
		return ocsp.Answer{}, nil
	case !i.RevokedAt.IsZero():
		return ocsp.Answer{Status: ocsp.Revoked, RevokedAt: i.RevokedAt, Reason: crl.Reason(i.Reason)}, nil
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
	cert, err := issuer.CertifyResponder(key.Public(), time.Now())
	if err != nil {
		return nil, err
	}
	// It is written down before it is used: an authority signs nothing that nobody remembers.
	err = d.db.Append(ctx, state.Actor{Who: "postseal", From: "publishing"}, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		return tx.Audit("ca responder", name, nil, map[string]any{"serial": x509cert.Inspect(cert).Serial, "thumbprint": x509cert.Thumbprint(cert.Raw), "notAfter": cert.NotAfter.UTC()})
	})
	if err != nil {
		return nil, err
	}
	signer, err := ocsp.NewSigner(cert, key)
	if err != nil {
		return nil, err
	}
	r, err := ocsp.NewResponder(name, issuer.Certificate(), signer, d, d.log)
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

// PKI answers what clients of our own authority ask on plain HTTP:
//
//	/pki/AUTHORITY.cer          its certificate
//	/pki/AUTHORITY.crl          its complete revocation list
//	/pki/AUTHORITY/SHARD.crl    the list that stands in a certificate
//	/pki/ocsp/AUTHORITY         answers about one certificate
func (d *Desk) PKI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/pki/")
		if rest, ok := strings.CutPrefix(path, "ocsp/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			responder, err := d.responder(r.Context(), name)
			if err != nil {
				d.refuse(w, r, err)
				return
			}
			responder.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "want GET", http.StatusMethodNotAllowed)
			return
		}
		kind, body, made, err := d.published(r.Context(), path)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=5") // a revocation is seen within five seconds, through a cache too
		http.ServeContent(w, r, "", made, bytes.NewReader(body))
	})
}

// published returns a file below /pki/ with its media type (RFC 2585 section 4).
func (d *Desk) published(ctx context.Context, path string) (kind string, body []byte, made time.Time, err error) {
	if name, ok := strings.CutSuffix(path, ".cer"); ok {
		a, _, err := d.authorityNamed(ctx, name)
		return "application/pkix-cert", a.Certificate, a.CreatedAt, err
	}
	name, ok := strings.CutSuffix(path, ".crl")
	if !ok {
		return "", nil, made, state.ErrNotFound
	}
	var shard int64
	if authority, number, ok := strings.Cut(name, "/"); ok {
		if shard, err = strconv.ParseInt(number, 10, 64); err != nil || shard < 1 {
			return "", nil, made, state.ErrNotFound
		}
		name = authority
	}
	k, err := d.listOf(ctx, name, shard)
	return "application/pkix-crl", k.der, k.made, err
}

func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNoAuthority) || errors.Is(err, state.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	d.log.ErrorContext(r.Context(), "publishing for our own authority", "path", r.URL.Path, "err", err)
	http.Error(w, "not now", http.StatusServiceUnavailable)
}
