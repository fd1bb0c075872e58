package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// skew is how far the clocks of an authority and of this server may be apart.
const skew = 5 * time.Minute

// maxSigners bounds the signatures that one list can make us check.
const maxSigners = 64

// ListError reports why a list is of no use for a certificate.
type ListError struct {
	Source string // address or file
	Cause  error
}

func (e *ListError) Error() string { return fmt.Sprintf("list %s: %v", e.Source, e.Cause) }

// Unwrap gives the cause.
func (e *ListError) Unwrap() error { return e.Cause }

// errTooNew is no disbelief: the data are good, but were made for a later time than the one in question.
var errTooNew = errors.New("it is from after the time in question")

// ErrOutdated reports that a list or an answer has run out and its successor was not to be had.
var ErrOutdated = errors.New("it has run out")

// list is a CRL and where it came from.
type list struct {
	*CRL
	source string
	stale  bool // its successor is not to be had: that it has run out is nobody's lie
}

// evaluation applies RFC 5280 section 6.3.3 to one certificate.
type evaluation struct {
	q           Query
	serial      []byte
	issuerKey   string // nameKey of the certificate's issuer
	points      []point
	complete    []list // newest first
	deltas      []list // newest first
	problems    []error
	disbelieved bool
	concerned   bool // a list of the right issuer was there
	last        Finding
	vouched     map[[32]byte]error // by the digest of the signer's certificate
}

// evaluate answers q from lists alone.
func evaluate(ctx context.Context, q Query, lists []list) (Finding, error) {
	if err := q.check(); err != nil {
		return Finding{}, err
	}
	points, _, err := pointsOf(q.Cert)
	if err != nil {
		return unknown([]error{err}), nil
	}
	key, err := nameKey(q.Cert.RawIssuer)
	if err != nil {
		return unknown([]error{fmt.Errorf("reading the issuer of the certificate: %w", err)}), nil
	}
	e := evaluation{q: q, serial: serialContents(q.Cert.SerialNumber), issuerKey: key, vouched: map[[32]byte]error{}}
	// RFC 5280 section 6.3.3: after the points of the certificate, lists of its issuer that it does not point to.
	e.points = append(points, point{reasons: allReasons, implied: true})
	for _, l := range lists {
		if l.IsDelta() {
			e.deltas = append(e.deltas, l)
		} else {
			e.complete = append(e.complete, l)
		}
	}
	newest := func(a, b list) int { return b.thisUpdate.Compare(a.thisUpdate) }
	slices.SortStableFunc(e.complete, newest)
	slices.SortStableFunc(e.deltas, newest)
	return e.run(ctx)
}

func (e *evaluation) run(ctx context.Context) (Finding, error) {
	var seen reasonMask // reasons_mask
	var good *Finding
	tried := map[*CRL]string{} // why a list was of no use; a list is named once, not for each point
	for _, p := range e.points {
		for _, l := range e.complete {
			if seen == allReasons {
				break
			}
			if err := ctx.Err(); err != nil {
				return Finding{}, fmt.Errorf("checking revocation: %w", err)
			}
			if why := l.covers(p, e.q.Cert, e.issuerKey); why != "" {
				if _, known := tried[l.CRL]; !known {
					tried[l.CRL] = why
				}
				continue
			}
			interim := p.reasons & l.scope.reasons // (d)
			if interim&^seen == 0 {                // (e)
				continue
			}
			f, err := e.ask(ctx, l)
			if err != nil {
				tried[l.CRL] = "" // said here
				e.note(l, err)
				continue
			}
			if f.Status == Revoked {
				return f, nil
			}
			tried[l.CRL] = ""
			if good == nil {
				good = &f
			}
			seen |= interim
		}
	}
	if seen == allReasons {
		return *good, nil
	}
	if good != nil {
		e.problems = append(e.problems, errors.New("the lists at hand cover only some of the reasons to revoke"))
	}
	for _, l := range e.complete {
		if why := tried[l.CRL]; why != "" && l.issuerKey == e.issuerKey {
			e.note(l, errors.New(why))
		}
	}
	for _, d := range e.deltas {
		if len(e.complete) == 0 && d.issuerKey == e.issuerKey {
			e.note(d, errors.New("it says only what changed since another list, which is not at hand"))
		}
	}
	f := unknown(e.problems)
	f.Disbelieved, f.NotOffered = e.disbelieved, !e.concerned && len(e.problems) == 0
	f.LastStatus, f.LastGoodAge = e.last.LastStatus, e.last.LastGoodAge
	return f, nil
}

func (e *evaluation) note(l list, err error) {
	p := &ListError{Source: l.source, Cause: err}
	same := func(q error) bool { return q.Error() == p.Error() }
	if !slices.ContainsFunc(e.problems, same) { // a list is asked once for each point
		e.problems = append(e.problems, p)
	}
}

// ask asks one list that covers the certificate, and the newest delta that goes with it. The order of the steps is
// that of the standard but for one thing: the signature comes before anything that the list says is believed.
func (e *evaluation) ask(ctx context.Context, l list) (Finding, error) {
	e.concerned = true
	// 1. Is it authentic? (f), (g)
	if _, err := e.authentic(ctx, l.CRL); err != nil {
		e.disbelieved = true
		return Finding{}, err
	}
	if l.unusable != "" {
		e.disbelieved = true
		return Finding{}, errors.New(l.unusable)
	}
	// 2. Is there a delta that goes with it? (c), (h)
	delta, hasDelta := e.deltaFor(ctx, l)
	f := Finding{Status: Good, Source: l.source, ThisUpdate: l.thisUpdate, NextUpdate: l.nextUpdate}
	if hasDelta {
		f.Source, f.ThisUpdate, f.NextUpdate = delta.source, delta.thisUpdate, delta.nextUpdate
	}
	// 3. What do they say? (i), (j), (k)
	entry, listed := Entry{}, false
	if hasDelta {
		entry, listed = delta.find(e.serial, e.issuerKey)
	}
	if !listed {
		entry, listed = l.find(e.serial, e.issuerKey)
	}
	if listed && entry.Reason != RemoveFromCRL && !entry.RevokedAt.After(e.q.At) {
		f.Status, f.RevokedAt, f.Reason = Revoked, entry.RevokedAt, entry.Reason
	}
	// 4. Is it the right time for them? (a)
	fault := e.timely(f)
	if fault == nil && l.fault != "" {
		fault = errors.New(l.fault)
	}
	if fault == nil {
		return f, nil
	}
	// A revocation is for ever unless it is a hold, so a list that may not say "good" any more may still say this.
	if f.Status == Revoked && f.Reason != CertificateHold {
		f.Why = fmt.Sprintf("the list %s says so, although %v", f.Source, fault)
		return f, nil
	}
	e.disbelieved = e.disbelieved || !errors.Is(fault, errTooNew) && !(l.stale && errors.Is(fault, ErrOutdated))
	if errors.Is(fault, ErrOutdated) && l.fault == "" {
		e.last.remember(f.Status, e.q.At.Sub(f.ThisUpdate))
	}
	return Finding{}, fault
}

// timely says why a list or an answer is not one for the time of the query; nil if it is.
func (e *evaluation) timely(f Finding) error {
	switch {
	case f.ThisUpdate.After(e.q.At.Add(skew)):
		return fmt.Errorf("%w, of %s", errTooNew, f.ThisUpdate.Format(time.RFC3339))
	case !f.NextUpdate.IsZero() && f.NextUpdate.Before(e.q.At):
		return fmt.Errorf("%w: it held until %s", ErrOutdated, f.NextUpdate.Format(time.RFC3339))
	}
	return nil
}

// deltaFor is the newest authentic delta that can be applied to a complete list: RFC 5280 sections 5.2.4 and 6.3.3 (c).
func (e *evaluation) deltaFor(ctx context.Context, l list) (list, bool) {
	for _, d := range e.deltas {
		if l.number == nil || d.number == nil || !l.sameScope(d.CRL) {
			continue
		}
		// The base must be no newer than the list, and the delta no older.
		if l.number.Cmp(d.base) < 0 || d.number.Cmp(l.number) <= 0 {
			continue
		}
		_, err := e.authentic(ctx, d.CRL)
		switch {
		case err != nil:
		case d.unusable != "":
			err = errors.New(d.unusable)
		case d.fault != "":
			err = errors.New(d.fault)
		default:
			err = e.timely(Finding{ThisUpdate: d.thisUpdate, NextUpdate: d.nextUpdate})
		}
		if err == nil {
			return d, true
		}
		e.note(d, err)
	}
	return list{}, false
}

// authentic checks that the list is signed by one who may sign it for this certificate. The signer is nil if that is
// the issuer.
func (e *evaluation) authentic(ctx context.Context, c *CRL) (signer *x509.Certificate, err error) {
	var first error
	candidates := append([]*x509.Certificate{e.q.Issuer}, e.q.Signers...)
	for i, s := range candidates {
		if i > maxSigners {
			break
		}
		key, err := nameKey(s.RawSubject)
		if err != nil || key != c.issuerKey {
			continue
		}
		fits, err := e.maySign(ctx, c, s, i == 0)
		switch {
		case err == nil && i == 0:
			return nil, nil
		case err == nil:
			return s, nil
		case first == nil || fits: // that a signer is not believed says more than that another did not sign
			first = err
		}
	}
	if first == nil {
		first = &SignatureError{Cause: errors.New("the certificate of its issuer is not at hand")}
	}
	return nil, first
}

// maySign says whether the list is signed by s, and why it is still not believed.
func (e *evaluation) maySign(ctx context.Context, c *CRL, s *x509.Certificate, isIssuer bool) (fits bool, err error) {
	// RFC 5280 section 6.3.3 (f): if the signer's certificate says what its key is for, then lists must be among it.
	if s.KeyUsage != 0 && s.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return false, &SignatureError{Cause: errors.New("the key of its issuer is not for signing lists")}
	}
	if err := c.verify(s); err != nil {
		return false, err
	}
	if isIssuer {
		return true, nil
	}
	digest := sha256.Sum256(s.Raw)
	err, known := e.vouched[digest]
	if !known {
		if err = errors.New("nobody vouches for its signer"); e.q.Vouch != nil {
			err = e.q.Vouch(ctx, s)
		}
		e.vouched[digest] = err
	}
	if err != nil {
		return true, &SignatureError{Cause: err}
	}
	return true, nil
}
