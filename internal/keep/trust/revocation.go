package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
)

// A Revocation says whether certificates were taken back by their authorities. [CRLs] has files only, and [Checker] the
// network.
//
// An implementer must answer within the time that ctx leaves, must be usable by several goroutines, and must never
// answer [StateGood] or [StateRevoked] on data whose signature and scope it did not verify. What it cannot find out is
// [StateUnknown] with the reason; an end of ctx is that too.
type Revocation interface {
	Check(ctx context.Context, link Link) Finding
}

// A State is what is known of one certificate's revocation.
type State string

// The states.
const (
	StateUnknown State = "unknown" // nobody could say; the zero value counts as this
	StateGood    State = "good"    // its authority has not taken it back
	StateRevoked State = "revoked" // its authority took it back
)

// A Finding is the answer of a [Revocation].
type Finding struct {
	State  State
	Reason string    // of StateRevoked: a word of RFC 5280 section 5.3.1, such as keyCompromise
	Since  time.Time // of StateRevoked
	// Why is a clause for people if State is unknown: "no CRL of … was given".
	Why string
	// Refused says of StateUnknown that data was there but could not be believed: a bad signature, a list without its
	// number, an answer of somebody else. [ModeSoft] forgives what could not be reached, and not this.
	Refused bool
	AsOf    time.Time // when the authority made the data; zero if there is none
}

// A Link is one step of a chain whose revocation is asked.
type Link struct {
	Cert   *x509.Certificate
	Issuer *x509.Certificate
	Above  []*x509.Certificate // from Issuer to the anchor, both included
	Others []*x509.Certificate // what came along or is known besides; signers of CRLs and OCSP answers may be among them
	At     time.Time

	verifier *Verifier
	busy     []*x509.Certificate // signers that are being vouched for further up, so that none vouches for itself
}

// ErrSignerNotTrusted says that a signer of revocation data has no good chain to the anchor of the certificate.
var ErrSignerNotTrusted = errors.New("signer has no good chain to the same anchor")

// Vouch says whether signer, which is not the issuer, may be believed about this link: RFC 5280 section 6.3.3 (f) wants a
// good chain from it to the same anchor. The revocation of that chain is asked of source. Whether signer may sign CRLs
// or OCSP answers is not looked at here. The error is [ErrSignerNotTrusted].
func (l Link) Vouch(ctx context.Context, signer *x509.Certificate, source Revocation) error {
	const deepest = 3
	if containsCert(l.busy, signer) && bytes.Equal(l.Cert.Raw, signer.Raw) && delegatesToItself(signer) {
		return nil // whoever vouches for it looks at the rest of its chain
	}
	if l.verifier == nil || len(l.Above) == 0 || len(l.busy) >= deepest || containsCert(l.busy, signer) {
		return ErrSignerNotTrusted
	}
	anchor := l.Above[len(l.Above)-1]
	others := slices.Concat(l.Above, l.Others)
	q := Question{Leaf: signer, Intermediates: others, At: l.At, Mode: ModeHard, Revocation: source}.complete()
	anchors := newAnchorage([]Anchor{{Cert: anchor, From: x509cert.RootRegistry}})
	reason, budget := "no chain", maxComparisons
	for _, chain := range anchors.chains(signer, others, l.At, strict) {
		p := &path{verifier: l.verifier, question: q, anchors: anchors, chain: chain, whole: true, budget: &budget}
		p.judge()
		if len(p.faults) == 0 {
			p.revocationBusy(ctx, append(l.busy[:len(l.busy):len(l.busy)], signer))
		}
		if len(p.faults) == 0 {
			return nil
		}
		reason = p.faults[0].Reason
	}
	return fmt.Errorf("%w: %s", ErrSignerNotTrusted, reason)
}

// delegatesToItself means that the authority which made cert says, in a cRLIssuer, that lists of cert's own cover cert:
// PKITS case 4.14.30.
func delegatesToItself(cert *x509.Certificate) bool {
	own := normalName(cert.RawSubject)
	return slices.ContainsFunc(revocation.ListIssuers(cert), func(name []byte) bool { return bytes.Equal(normalName(name), own) })
}

func containsCert(list []*x509.Certificate, cert *x509.Certificate) bool {
	return slices.ContainsFunc(list, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, cert.Raw) })
}

// revocation asks about every certificate below the anchor, from the top, because a revoked authority answers for
// nobody below it.
func (p *path) revocation(ctx context.Context) { p.revocationBusy(ctx, nil) }

func (p *path) revocationBusy(ctx context.Context, busy []*x509.Certificate) {
	source := p.question.Revocation
	if source == nil {
		source = p.verifier.revocation
	}
	hopeless := slices.ContainsFunc(p.faults, func(f Fault) bool { return f.Status == x509cert.StatusInvalid })
	if p.question.Mode == ModeOff || hopeless {
		return // Invalid comes before whatever would be found
	}
	for i := len(p.chain) - 2; i >= 0; i-- {
		cert := p.chain[i]
		if extension(cert, extNoRevAvail) != nil && i == 0 {
			continue // RFC 9608 section 4: the authority will never say
		}
		if p.question.Mode == ModeOffered && !hasPointers(cert) {
			continue
		}
		finding := Finding{Why: "there is nobody to ask"}
		if source != nil {
			finding = source.Check(ctx, Link{
				Cert: cert, Issuer: p.chain[i+1], Above: p.chain[i+1:], Others: slices.Concat(p.question.Intermediates, p.verifier.known),
				At: p.question.At, verifier: p.verifier, busy: busy,
			})
		}
		if p.heed(i, finding); finding.State == StateRevoked {
			return
		}
	}
}

// heed turns a finding into a fault, a remark, or nothing.
func (p *path) heed(i int, f Finding) {
	switch f.State {
	case StateGood:
		return
	case StateRevoked:
		text := title(p.chain, i) + " was revoked on " + moment(f.Since)
		if f.Reason != "" && f.Reason != "unspecified" {
			text += " (" + f.Reason + ")"
		}
		p.faults = append(p.faults, Fault{x509cert.StatusRevoked, text})
		return
	}
	if p.question.Mode == ModeHard || p.question.Mode == ModeOffered || f.Refused {
		p.faults = append(p.faults, Fault{x509cert.StatusRevocationCheckFailure, "whether " + title(p.chain, i) + " is revoked could not be checked: " + f.Why})
		return
	}
	// Who names nowhere to ask was never meant to be asked.
	if p.checked == "" && hasPointers(p.chain[i]) {
		p.checked = f.Why
	}
}

// hasPointers means that a certificate says where its revocation can be learnt.
func hasPointers(cert *x509.Certificate) bool {
	return len(cert.OCSPServer)+len(cert.CRLDistributionPoints) > 0
}
