package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrOutcomeUnknown: a write to the ledger may or may not have been done. Whoever sees it asks the ledger again
// ([Authority.Resume]) before he asks for another certificate.
var ErrOutcomeUnknown = errors.New("the outcome is not known")

// ErrSerialTaken: the ledger holds that serial already. It does not happen by chance.
var ErrSerialTaken = errors.New("the serial is taken")

// Ledger is where an authority writes down what it does. Its methods may be called from many goroutines; an
// implementation gathers those that come together into one commit. When a method returns nil, what it was given is on
// disk. It fails with an error that wraps [ErrOutcomeUnknown] when it cannot tell.
type Ledger interface {
	// Plan stores a draft before its key is touched (step 3). A serial that is there already is [ErrSerialTaken].
	Plan(ctx context.Context, d *Draft) error
	// Record stores the certificate of a planned draft (step 6). It is right to record the same octets again.
	Record(ctx context.Context, d *Draft, raw []byte) error
	// Planned returns the draft of a serial, without its issuer, and its certificate, nil if none was recorded. A serial
	// that was never planned gives neither.
	Planned(ctx context.Context, serial string) (d *Draft, raw []byte, err error)
}

// Authority issues: one [Issuer] with the [Ledger] that it writes to. Its methods may be called from many goroutines.
type Authority struct {
	issuer *Issuer
	ledger Ledger
}

// New makes an authority.
func New(i *Issuer, l Ledger) *Authority { return &Authority{issuer: i, ledger: l} }

// Issuer is the authority's certificate and key.
func (a *Authority) Issuer() *Issuer { return a.issuer }

// Issued is a certificate that was recorded.
type Issued struct {
	Draft       *Draft
	Certificate *x509.Certificate
}

// Issue takes a request through the steps of docs/issuance.md. An error before step 3 leaves nothing behind. Afterwards
// the draft is stored, and the error says which serial it has: *[StepError].
func (a *Authority) Issue(ctx context.Context, p *Profile, r Request) (*Issued, error) {
	// 1 decide, 2 draft
	d, err := a.issuer.Draft(p, r, time.Now())
	if err != nil {
		return nil, err
	}
	// 3 plan
	if err := a.ledger.Plan(ctx, d); err != nil {
		return nil, &StepError{Serial: d.Serial, Step: 3, Doing: "storing the draft of", Err: err}
	}
	return a.finish(ctx, d)
}

// Resume finishes what was planned and perhaps not recorded: after a crash, or after [ErrOutcomeUnknown]. It returns nil
// without an error if nothing of that serial was planned: then nothing was signed, and it is right to ask anew. Signing
// the same octets twice is harmless: it is the same certificate with another signature, and only one is recorded.
func (a *Authority) Resume(ctx context.Context, serial string) (*Issued, error) {
	d, raw, err := a.ledger.Planned(ctx, serial)
	if err != nil || d == nil {
		return nil, err
	}
	d.issuer = a.issuer
	if raw == nil {
		return a.finish(ctx, d)
	}
	cert, err := a.issuer.readBack(raw, d)
	if err != nil {
		return nil, &StepError{Serial: serial, Step: 5, Doing: "comparing", Err: err}
	}
	return &Issued{d, cert}, nil
}

// finish is steps 4 to 7.
func (a *Authority) finish(ctx context.Context, d *Draft) (*Issued, error) {
	// 4 sign
	raw, err := a.issuer.sign(d.TBS)
	if err != nil {
		return nil, &StepError{Serial: d.Serial, Step: 4, Doing: "signing", Err: err}
	}
	// 5 compare
	cert, err := a.issuer.readBack(raw, d)
	if err != nil {
		return nil, &StepError{Serial: d.Serial, Step: 5, Doing: "comparing", Err: err}
	}
	// 6 record
	if err := a.ledger.Record(ctx, d, raw); err != nil {
		return nil, &StepError{Serial: d.Serial, Step: 6, Doing: "storing", Err: err}
	}
	// 7 hand out
	return &Issued{d, cert}, nil
}

// StepError says at which step of docs/issuance.md an issuance ended.
type StepError struct {
	Serial string // of the draft; [Authority.Resume] takes it
	Step   int    // 3 to 6
	Doing  string
	Err    error
}

// Error names the step and the serial.
func (e *StepError) Error() string {
	return fmt.Sprintf("%s certificate %s (step %d): %v", e.Doing, e.Serial, e.Step, e.Err)
}

// Unwrap is the cause.
func (e *StepError) Unwrap() error { return e.Err }
