package desk

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/crl"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
)

// RevocationDir is where, in the data directory, lists and answers of authorities are kept over a restart.
const RevocationDir = "revocation"

// uncheckedFor is how long the revocation of a certificate in use may stay unknown before somebody is told: authorities
// are away for minutes, and their data hold for days.
const uncheckedFor = time.Hour

// revokedBy is the checker of a desk. The one that nobody gave asks nobody: there is no server to do it.
func revokedBy(o Options) func() (*revocation.Checker, error) {
	if o.Revocation != nil {
		return func() (*revocation.Checker, error) { return o.Revocation, nil }
	}
	return sync.OnceValues(func() (*revocation.Checker, error) {
		return revocation.Open(revocation.Options{Dir: filepath.Join(o.State.Dir(), RevocationDir), Log: o.Log})
	})
}

// kept is a [trust.Revocation] that answers from what is kept, so that looking at a list never waits for the network.
// What is missing is fetched in the background, and the next look knows it.
type kept func() (*revocation.Checker, error)

// Check looks up. That the data on disk cannot be had at all is a reason as good as any not to know.
func (k kept) Check(ctx context.Context, link trust.Link) trust.Finding {
	checker, err := k()
	if err != nil {
		return trust.Finding{State: trust.StateUnknown, Why: err.Error()}
	}
	return (&trust.Checker{Checker: checker, KeptOnly: true}).Check(ctx, link)
}

// booked is a [trust.Revocation] that answers for our own authorities from the book, and asks others about the rest: a server
// need not fetch over the network what it publishes itself, and would report itself as unreachable while it starts.
type booked struct {
	desk   *Desk
	others trust.Revocation
}

// Check looks the certificate up if our own authority has issued it. Its signature was verified, so it did.
func (b booked) Check(ctx context.Context, link trust.Link) trust.Finding {
	var i state.Issuance
	ours := false
	err := b.desk.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.Authorities()
		if err != nil {
			return err
		}
		ours = slices.ContainsFunc(all, func(a state.Authority) bool { return bytes.Equal(a.PublicKey, link.Issuer.RawSubjectPublicKeyInfo) })
		if !ours {
			return nil
		}
		i, err = tx.Issuance(hex.EncodeToString(link.Cert.SerialNumber.Bytes()))
		if errors.Is(err, state.ErrNotFound) {
			return nil // an authority of ours below the root, or a signer of answers
		}
		return err
	})
	switch {
	case err != nil:
		return trust.Finding{State: trust.StateUnknown, Why: err.Error()}
	case !ours:
		return b.others.Check(ctx, link)
	case !i.RevokedAt.IsZero():
		return trust.Finding{State: trust.StateRevoked, Reason: crl.Reason(i.Reason).String(), Since: i.RevokedAt, AsOf: time.Now()}
	}
	return trust.Finding{State: trust.StateGood, AsOf: time.Now()}
}

// generation is that of the revocation data: a verdict that hangs on them is not older.
func (j *judge) generation() uint64 {
	j.mu.Lock()
	asked := j.asked
	j.mu.Unlock()
	if !asked {
		return 0 // nothing to open for it
	}
	checker, err := j.revoked()
	if err != nil {
		return 0
	}
	return checker.Generation() + j.own.pki.generation() // both only grow
}

// addressesOf are those at which the revocation of a chain can be learnt, below its anchor.
func addressesOf(chain []*x509.Certificate) []string {
	var all []string
	for i, cert := range chain {
		if i == 0 || i < len(chain)-1 {
			all = append(append(all, cert.OCSPServer...), cert.CRLDistributionPoints...)
		}
	}
	return all
}

// revocations reports lineages in use whose certificate was revoked, or could not be checked for long.
func (d *Desk) revocations(v *view, certificates []Certificate) []health.Condition {
	var all []health.Condition
	sources := sync.OnceValue(v.judge.sources)
	for _, c := range certificates {
		l, ok := v.named(c.Lineage)
		if !ok || len(v.roles(l.ID)) == 0 && len(v.bindingViews(l.ID)) == 0 {
			continue
		}
		condition := health.Condition{Object: c.Lineage, Text: fmt.Sprintf("%q (%s): %s", c.Name, c.KeyType, c.StatusReason)}
		switch c.Status {
		case x509cert.StatusRevoked:
			condition.Code, condition.Severity = health.CodeCertificateRevoked, health.Attention
		case x509cert.StatusRevocationCheckFailure:
			since := v.judge.uncheckedSince(c.Thumbprint, sources())
			if since.IsZero() || time.Since(since) < uncheckedFor {
				continue
			}
			condition.Code, condition.Severity, condition.Since = health.CodeRevocationUnchecked, health.Information, since.UTC()
		default:
			continue
		}
		all = append(all, condition)
	}
	return all
}

// uncheckedSince is since when one of the addresses that count for a certificate has not answered, or what it answered
// has run out; zero if that is not so.
func (j *judge) uncheckedSince(thumbprint string, sources []revocation.Source) (since time.Time) {
	j.mu.Lock()
	addresses := j.said[thumbprint].addresses
	j.mu.Unlock()
	for _, s := range sources {
		at := s.Failing
		if !s.NextUpdate.IsZero() && s.NextUpdate.Before(time.Now()) && (at.IsZero() || s.NextUpdate.Before(at)) {
			at = s.NextUpdate
		}
		if !at.IsZero() && slices.Contains(addresses, s.URL) && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	return since
}

// sources are the addresses that are asked; none if nothing was ever kept.
func (j *judge) sources() []revocation.Source {
	checker, err := j.revoked()
	if err != nil {
		return nil
	}
	return checker.Sources()
}
