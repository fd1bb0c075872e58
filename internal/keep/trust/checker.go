package trust

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"postseal/internal/keep/revocation"
)

// A Checker is a [Revocation] that asks the addresses which certificates carry, and remembers the answers.
type Checker struct {
	// Checker asks. It must not be nil.
	*revocation.Checker
	// KeptOnly answers at once from what is kept, and leaves asking to [revocation.Checker.Run].
	KeptOnly bool
}

// Check asks, or looks up.
func (s *Checker) Check(ctx context.Context, link Link) Finding {
	ask := s.Checker.Check
	if s.KeptOnly {
		ask = s.Checker.Kept
	}
	found, err := ask(ctx, link.query(s))
	if err != nil {
		return Finding{State: StateUnknown, Why: clip(err.Error())}
	}
	f := findingOf(found)
	if f.State == StateUnknown && found.NotOffered {
		f.Why = "nobody is named who could be asked"
	}
	return f
}

// query puts a link into the words of package revocation. The revocation of other signers is asked of source.
func (l Link) query(source Revocation) revocation.Query {
	return revocation.Query{
		Cert: l.Cert, Issuer: l.Issuer, At: l.At,
		Signers: slices.DeleteFunc(slices.Concat(l.Above, l.Others), l.Issuer.Equal),
		Vouch: func(ctx context.Context, signer *x509.Certificate) error {
			if containsCert(l.Above, signer) {
				return nil // its chain is the one that is being judged
			}
			return l.Vouch(ctx, signer, source)
		},
	}
}

// findingOf puts an answer of package revocation into the words of this one.
func findingOf(f revocation.Finding) Finding {
	switch f.Status {
	case revocation.Good:
		return Finding{State: StateGood, AsOf: f.ThisUpdate}
	case revocation.Revoked:
		return Finding{State: StateRevoked, Reason: string(f.Reason), Since: f.RevokedAt, AsOf: f.ThisUpdate}
	}
	return Finding{State: StateUnknown, Why: whyUnknown(f), Refused: f.Disbelieved}
}

// whyUnknown is the reason of an unknown status, with what is known of the time before.
func whyUnknown(f revocation.Finding) string {
	why := clipTo(f.Why, 400)
	if f.LastStatus != "" {
		why += fmt.Sprintf("; the last good data are %s old and say %q", age(f.LastGoodAge), f.LastStatus)
	}
	return why
}

// age rounds a time as people say it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}
