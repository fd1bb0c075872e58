package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Status is what is known about the revocation of a certificate.
type Status string

// The three statuses. What could not be checked is Unknown.
const (
	Good    Status = "good"
	Revoked Status = "revoked"
	Unknown Status = "unknown"
)

// Query is one question.
type Query struct {
	Cert   *x509.Certificate
	Issuer *x509.Certificate // who signed Cert; whoever asks has checked that
	At     time.Time         // the time for which the answer is to hold; zero means now

	// Signers are certificates, not yet trusted, that may have signed lists for Cert: another key of the issuer, or
	// the issuer of an indirect list. Empty means that only Issuer signs. At most 64 are tried.
	Signers []*x509.Certificate
	// Vouch says whether a signer may be believed: RFC 5280 section 6.3.3 (f) wants a valid path from the same trust
	// anchor. It is called only for a signer whose signature fits. Nil means that no signer but Issuer is believed.
	Vouch func(ctx context.Context, signer *x509.Certificate) error

	kept bool // nobody is asked: see Checker.Kept
}

func (q *Query) check() error {
	if q.Cert == nil || q.Issuer == nil {
		return errors.New("checking revocation: no certificate or no issuer given")
	}
	if q.At.IsZero() {
		q.At = time.Now()
	}
	return nil
}

// Finding is the answer to a query.
type Finding struct {
	Status Status

	RevokedAt time.Time // when Status is Revoked
	Reason    Reason    // when Status is Revoked

	// Why is one sentence without a full stop for Unknown, and what was odd about the source otherwise. Empty for Good.
	Why string
	// Problems are the errors behind Why, one for each source that was of no use.
	Problems []error
	// NotOffered says for Unknown that there was nowhere to ask: the certificate carries no address that can be
	// asked, and no list at hand is of its issuer.
	NotOffered bool
	// Disbelieved says for Unknown that there was an answer about this certificate, but it must not be believed: a
	// wrong signature, a time that has passed, an extension that is unknown. Otherwise nobody answered.
	Disbelieved bool

	Source     string    // the address or list that answered; empty for Unknown
	ThisUpdate time.Time // of the source; zero for Unknown
	NextUpdate time.Time // of the source; zero if it does not say, and for Unknown

	// LastGoodAge is how long ago the newest authentic data were made that did answer this question once but have
	// run out. LastStatus is what they said. Both are zero if there are none.
	LastGoodAge time.Duration
	LastStatus  Status
}

// unknown is the finding when no source was of use.
func unknown(problems []error) Finding {
	f := Finding{Status: Unknown, Problems: problems, Why: "nothing says whether it is revoked"}
	var texts []string
	for _, p := range problems {
		if len(texts) == 3 {
			texts = append(texts, fmt.Sprintf("and %d more", len(problems)-3))
			break
		}
		texts = append(texts, p.Error())
	}
	if len(texts) > 0 {
		f.Why = strings.Join(texts, "; ")
	}
	return f
}

// remember adds what older data said to an unknown finding, if it is newer than what is there.
func (f *Finding) remember(status Status, age time.Duration) {
	if f.LastStatus == "" || age < f.LastGoodAge {
		f.LastStatus, f.LastGoodAge = status, age
	}
}

// Reason is why a certificate was revoked: the words of RFC 5280 section 5.3.1.
type Reason string

// The reasons, by the number that stands for them in a list.
const (
	Unspecified          Reason = "unspecified"          // 0
	KeyCompromise        Reason = "keyCompromise"        // 1
	CACompromise         Reason = "cACompromise"         // 2
	AffiliationChanged   Reason = "affiliationChanged"   // 3
	Superseded           Reason = "superseded"           // 4
	CessationOfOperation Reason = "cessationOfOperation" // 5
	CertificateHold      Reason = "certificateHold"      // 6
	RemoveFromCRL        Reason = "removeFromCRL"        // 8, in a delta only: the certificate is good again
	PrivilegeWithdrawn   Reason = "privilegeWithdrawn"   // 9
	AACompromise         Reason = "aACompromise"         // 10
)

// reasons is indexed by the number on the wire.
var reasons = [...]Reason{Unspecified, KeyCompromise, CACompromise, AffiliationChanged, Superseded, CessationOfOperation,
	CertificateHold, "", RemoveFromCRL, PrivilegeWithdrawn, AACompromise}

// reasonOf is the reason for a number on the wire; an unknown number revokes as well, for no reason that we know.
func reasonOf(code byte) Reason {
	if int(code) < len(reasons) && reasons[code] != "" {
		return reasons[code]
	}
	return Unspecified
}
