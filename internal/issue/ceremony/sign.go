package ceremony

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

// ListLife is how long the root's revocation list holds that a ceremony signs: nobody brings the key for less.
const ListLife = 2 * 365 * 24 * time.Hour

// Options of a signing. The zero value works.
type Options struct {
	ListLife time.Duration // of the root's list; zero means [ListLife]. It ends with the root at the latest
	// Plan, if not nil, is called with what will be signed before the key is touched: see ca.AuthorityOptions.
	Plan func(ca.Planned) error
}

// Sign certifies what a request wants, and signs the root's revocation list. file is the request as it was read.
func Sign(q *Request, file []byte, root *Root, o Options) (*Answer, error) {
	if err := root.fits(q); err != nil {
		return nil, err
	}
	issuer, err := ca.NewIssuer(ca.IssuerOptions{Purpose: ca.PurposeRoot, Certificate: root.cert, Signer: root.key})
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	a := &Answer{Made: now, Request: digest(file), Root: root.cert.Raw, Certificates: []Certified{}}
	for _, w := range q.Wanted {
		raw, err := issuer.Certify(ca.AuthorityOptions{Purpose: ca.Purpose(w.Purpose), Subject: w.csr.Subject, RawSubject: w.csr.RawSubject, Key: w.csr.PublicKey,
			Domains: w.Domains, Networks: w.Networks, CRL: q.RootList, Issuers: q.RootFile, Plan: o.Plan})
		if err != nil {
			return nil, fmt.Errorf("certifying %s: %w", w.Name, err)
		}
		a.Certificates = append(a.Certificates, Certified{Name: w.Name, Certificate: raw})
	}
	a.List, err = root.List(q.ListNumber, o.ListLife, q.Revoked)
	return a, err
}

// List signs the root's revocation list, which names what it takes back. previous is the number of the one before, empty if
// there was none.
func (r *Root) List(previous string, life time.Duration, fallen []Fallen) ([]byte, error) {
	named, err := entries(fallen)
	if err != nil {
		return nil, err
	}
	if life == 0 {
		life = ListLife
	}
	now := time.Now().UTC().Truncate(time.Second)
	ends := now.Add(life)
	if ends.After(r.cert.NotAfter) {
		ends = r.cert.NotAfter
	}
	begins := now.Add(-ca.Backdate)
	for i := range named { // the clock of this machine may be behind that of the server
		if named[i].RevokedAt.After(begins) {
			named[i].RevokedAt = begins
		}
	}
	before, _ := new(big.Int).SetString(previous, 10) // nil: there was none
	var out bytes.Buffer
	err = crl.Write(&out, crl.Options{Issuer: r.cert, Signer: r.key, Number: crl.NextNumber(before, now), ThisUpdate: begins, NextUpdate: ends,
		Entries: func(yield func(crl.Entry, error) bool) {
			for _, e := range named {
				if !yield(e, nil) {
					return
				}
			}
		}})
	return out.Bytes(), err
}

// maxFallen bounds what a root takes back.
const maxFallen = 1000

// entries are what a list says of certificates that were taken back, in the order of their serials.
func entries(fallen []Fallen) (all []crl.Entry, err error) {
	if len(fallen) > maxFallen {
		return nil, bad("it revokes %d certificates: at most %d", len(fallen), maxFallen)
	}
	seen := map[string]bool{}
	for _, f := range fallen {
		if err := checkName(f.Name); err != nil {
			return nil, err
		}
		serial, err := hex.DecodeString(f.Serial)
		if err != nil || len(serial) == 0 || len(serial) > 20 || seen[f.Serial] {
			return nil, bad("the serial of a certificate that it revokes is none, or stands there twice: %.50q", f.Serial)
		}
		if f.At.IsZero() || f.Reason < 0 || f.Reason > int(crl.PrivilegeWithdrawn) {
			return nil, bad("when or why it revokes %.50q is nothing that a list can say", f.Serial)
		}
		seen[f.Serial] = true
		all = append(all, crl.Entry{Serial: serial, RevokedAt: ca.RevocationDate(f.At), Reason: crl.Reason(f.Reason)})
	}
	slices.SortFunc(all, func(a, b crl.Entry) int { return bytes.Compare(a.Serial, b.Serial) })
	return all, nil
}

// Plan says in words what a signing would do, for whoever stands before the machine. root is nil if it is yet to be made.
func Plan(q *Request, root *Root) (lines []string) {
	if root == nil {
		lines = append(lines, fmt.Sprintf("make a root %q with a new key of kind %s", x509cert.SubjectText(Subject(q.Organisation, "Root CA")), q.RootKey))
	} else {
		lines = append(lines, fmt.Sprintf("sign with the root %q, SHA-256 %s, which ends on %s", x509cert.SubjectText(root.cert.Subject), digest(root.cert.Raw), root.cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	for _, w := range q.Wanted {
		text := fmt.Sprintf("certify the authority %s for %s, %q, key %s, to certify names below %s", w.Name, w.Purpose, x509cert.SubjectText(w.csr.Subject), digest(w.csr.RawSubjectPublicKeyInfo), strings.Join(w.Domains, ", "))
		if len(w.Networks) > 0 {
			text += " and addresses of " + strings.Join(w.Networks, ", ")
		}
		lines = append(lines, text)
	}
	if len(q.Wanted) > 0 && q.RootList+q.RootFile != "" {
		lines = append(lines, fmt.Sprintf("name in these certificates %q for the root's revocation list, and %q for its certificate", q.RootList, q.RootFile))
	}
	for _, f := range q.Revoked {
		lines = append(lines, fmt.Sprintf("take back the certificate of the authority %s with the serial %s, revoked on %s (%s)", f.Name, f.Serial, f.At.UTC().Format(time.DateOnly), crl.Reason(f.Reason)))
	}
	if len(q.Revoked) > 0 {
		return append(lines, fmt.Sprintf("sign the root's revocation list, which names %d", len(q.Revoked)))
	}
	return append(lines, "sign the root's revocation list, an empty one")
}

// Protocol writes down what was done, to be printed and signed by those who were there.
func Protocol(q *Request, a *Answer) (string, error) {
	root, err := rootOf(a.Root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, x ...any) { fmt.Fprintf(&b, format+"\n", x...) }
	line("Protocol of a ceremony of the root")
	line("")
	line("Organisation:  %s", q.Organisation)
	line("Signed:        %s", a.Made.Format(time.RFC3339))
	line("Request:       of %s, SHA-256 of its file", q.Made.UTC().Format(time.RFC3339))
	line("               %s", a.Request)
	line("Root:          %s", x509cert.SubjectText(root.Subject))
	line("               serial %s, until %s", ca.SerialText(root.SerialNumber), root.NotAfter.UTC().Format(time.RFC3339))
	line("               SHA-256 %s", digest(a.Root))
	line("List:          SHA-256 %s", digest(a.List))
	for _, f := range q.Revoked {
		line("               takes back serial %s, the authority %s, since %s (%s)", f.Serial, f.Name, f.At.UTC().Format(time.RFC3339), crl.Reason(f.Reason))
	}
	for n, c := range a.Certificates {
		cert, err := x509cert.ParseCertificate(c.Certificate)
		if err != nil {
			return "", err
		}
		line("")
		line("%d. %s", n+1, c.Name)
		line("   %s", x509cert.SubjectText(cert.Subject))
		line("   serial %s, until %s", ca.SerialText(cert.SerialNumber), cert.NotAfter.UTC().Format(time.RFC3339))
		line("   names below %s", strings.Join(cert.PermittedDNSDomains, ", "))
		line("   SHA-256 %s", digest(c.Certificate))
	}
	line("")
	for range 3 {
		line("Present:       ______________________________   Signature: ______________________________")
		line("")
	}
	return b.String(), nil
}
