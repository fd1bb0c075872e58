package trust

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"postseal/internal/ground/x509cert"
)

// A Verdict is the answer to a [Question].
type Verdict struct {
	Status   x509cert.Status
	Reason   string              // one sentence for people, without a full stop
	RootType x509cert.RootType   // of the anchor; None if no chain reached one
	Chain    []*x509.Certificate // leaf first; ends before the anchor if none was reached; nil if there is no leaf
	Faults   []Fault             // all of the chain that was judged, in the order of the statuses; the first made Status
	Lints    []Lint              // breaches of the Baseline Requirements; they are faults too under [ProfileWebPKI]
	// Unchecked says, for a Valid certificate under [ModeSoft], why nobody could say whether it is revoked. Empty means
	// that somebody could, or that there is nobody to ask.
	Unchecked string
}

// A Fault is one thing that is wrong, with the status that it leads to.
type Fault struct {
	Status x509cert.Status
	Reason string
}

// A Lint is a rule of the CA/Browser Forum's Baseline Requirements that a chain breaks.
type Lint struct {
	Rule string // "BR 7.1.2.7.12"
	Text string // what is wrong, for people
}

// Pending is the verdict on a request that waits for its authority's answer: there is no certificate to judge.
func Pending() Verdict {
	return Verdict{
		Status: x509cert.StatusPendingRequest, Reason: "waiting for the authority's answer to the request",
		RootType: x509cert.RootUnknown,
	}
}

// settle orders the faults and takes status and reason from the first. good is the reason when there is none.
func (v *Verdict) settle(faults []Fault, good string) {
	statuses := x509cert.Statuses()
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Compare(slices.Index(statuses, a.Status), slices.Index(statuses, b.Status))
	})
	v.Faults = faults
	if len(faults) == 0 {
		v.Status, v.Reason = x509cert.StatusValid, good
		return
	}
	v.Status, v.Reason = x509cert.First(faults[0].Status), faults[0].Reason
}

// better reports whether v says something better of the certificate than w: the later status, then fewer faults. Among
// equals the one that was found first stays.
func (v *Verdict) better(w *Verdict) bool {
	rank := func(v *Verdict) int { return slices.Index(x509cert.Statuses(), v.Status) }
	if a, b := rank(v), rank(w); a != b {
		return a > b
	}
	if (v.Unchecked == "") != (w.Unchecked == "") {
		return v.Unchecked == ""
	}
	return len(v.Faults) < len(w.Faults)
}

func invalid(format string, args ...any) Fault {
	return Fault{x509cert.StatusInvalid, fmt.Sprintf(format, args...)}
}

// title names a certificate of a chain in a sentence.
func title(chain []*x509.Certificate, i int) string {
	if i == 0 {
		return "the certificate"
	}
	return "the issuer " + nameOf(chain[i])
}

// nameOf quotes the subject of a certificate, or its serial number when it has no subject.
func nameOf(cert *x509.Certificate) string {
	text := x509cert.SubjectText(cert.Subject)
	if text == "" && cert.SerialNumber != nil {
		text = "serial " + cert.SerialNumber.Text(16)
	}
	return quote(text)
}

func issuerOf(cert *x509.Certificate) string { return quote(x509cert.SubjectText(cert.Issuer)) }

func quote(s string) string { return `"` + clip(s) + `"` }

// clip makes a text of somebody else fit into a sentence: visible, valid and short.
func clip(s string) string { return clipTo(s, 100) }

func clipTo(s string, most int) string {
	short := s
	if len(s) > most {
		short = s[:most]
	}
	short = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(short, ""))
	if len(s) > most {
		short += "…"
	}
	return short
}
