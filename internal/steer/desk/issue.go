package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

// ownLineage begins the requester of what our own authority issues for our own lineages, before their name.
const ownLineage = "lineage "

// wanted is one certificate to be issued. The requester has the private half of Key.
type wanted struct {
	profile   *ca.Profile
	key       crypto.PublicKey
	names     []string
	subject   pkix.Name
	requester string
	secret    *state.Secret                           // the key, sealed, if it was made here: stored with the plan
	agreed    bool                                    // a second person has agreed, or need not
	dry       bool                                    // decide, and draft, and leave it at that
	planned   func(tx *state.Tx, serial string) error // called within the commit that plans it; nil for none
}

// issued is what came of it.
type issued struct {
	serial      string
	certificate *x509.Certificate
	chain       chain // of the issuing authority and those above it
}

// issueOne takes one request through the steps of docs/issuance.md.
func (d *Desk) issueOne(ctx context.Context, who state.Actor, w wanted) (*issued, error) {
	if w.profile.NeedsApproval() && !w.agreed {
		return nil, fmt.Errorf("issuing for profile %s: %w", w.profile.Name(), ErrApproval) // whoever calls keeps it for one
	}
	s, err := d.standing(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.authorities, func(a state.Authority) bool {
		return a.Purpose == string(w.profile.Purpose()) && a.State == state.AuthorityActive
	})
	if i < 0 && slices.ContainsFunc(s.authorities, func(a state.Authority) bool {
		return a.Purpose == string(w.profile.Purpose()) && a.State == state.AuthorityPending
	}) {
		return nil, fmt.Errorf("issuing for %s: %w", w.profile.Purpose(), ErrAuthorityWaits)
	}
	if i < 0 {
		return nil, fmt.Errorf("issuing for %s: %w", w.profile.Purpose(), ErrNoAuthority)
	}
	a := s.authorities[i]
	issuer, err := d.issuer(ctx, a, s.host)
	if err != nil {
		return nil, err
	}
	for {
		out, err := d.issueInShard(ctx, issuingNow{who: who, wanted: w, authority: a, host: s.host, issuer: issuer})
		if errors.Is(err, state.ErrShardFull) {
			d.noPlace(a.ID)
			continue // others took its last places; the next one has room for shardSize
		}
		if err != nil || out == nil {
			return nil, err
		}
		return &issued{out.Draft.Serial, out.Certificate, s.chains[a.ID]}, nil
	}
}

// notCompromised refuses a key that somebody else may have: one of which a certificate was revoked for keyCompromise
// (CA/Browser Forum, Baseline Requirements section 6.1.1.3). The book knows it as long as it has the line.
func notCompromised(tx *state.Tx, key crypto.PublicKey, keyID string) error {
	found, err := tx.KeyRevokedFor(keyID, int64(crl.KeyCompromise))
	if err == nil && found {
		err = &ca.KeyError{KeyType: x509cert.KeyType(key), Reason: "it was revoked for keyCompromise, so somebody else may have it"}
	}
	return err
}

// chainBelow is what goes with a certificate of an authority: its own certificate and those above, without the root, which
// whoever trusts it has.
func chainBelow(a state.Authority) chain {
	der := slices.Clone(a.Certificate)
	above, err := x509.ParseCertificates(a.Chain)
	if err != nil {
		above = nil // it was read before it was stored
	}
	for _, cert := range above {
		if !bytes.Equal(cert.RawSubject, cert.RawIssuer) { // no signature is verified: it is for each certificate that is issued
			der = append(der, cert.Raw...)
		}
	}
	return chain{der, x509cert.PEM(der)}
}

// issuingNow is a request on its way through an authority.
type issuingNow struct {
	wanted
	who       state.Actor
	authority state.Authority
	host      string
	issuer    *ca.Issuer
}

// issueInShard draws it up for the shard that has room now, and issues it. A draft alone gives nothing.
func (d *Desk) issueInShard(ctx context.Context, w issuingNow) (*ca.Issued, error) {
	l := &ledger{desk: d, who: w.who, requester: w.requester, authority: w.authority.ID, key: w.key, secret: w.secret, planned: w.planned}
	var err error
	if l.shard, err = d.place(ctx, w.authority.ID); err != nil {
		return nil, err
	}
	r := ca.Request{PublicKey: w.key, Names: w.names, Subject: w.subject, CRL: listAddress(w.host, w.authority.Name, l.shard)}
	if w.dry {
		draft, err := w.issuer.Draft(w.profile, r, time.Now())
		if err == nil {
			err = d.db.View(ctx, func(tx *state.Tx) error { return notCompromised(tx, w.key, draft.KeyID) })
		}
		return nil, err
	}
	authority := ca.New(w.issuer, l)
	out, err := authority.Issue(ctx, w.profile, r)
	if refused, ok := errors.AsType[*ca.KeyError](err); ok {
		return nil, refused // by [notCompromised], in the commit of step 3 or before it: nothing was written down
	}
	if step, ok := errors.AsType[*ca.StepError](err); ok && errors.Is(err, ca.ErrOutcomeUnknown) {
		// It may be there: whoever asks again without looking would get another.
		read, again := authority.Resume(context.WithoutCancel(ctx), step.Serial)
		if again == nil && read != nil {
			return read, nil
		}
	}
	return out, err
}
