package ceremony

import (
	"bytes"
	"fmt"
	"math/big"
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
	a.List, err = root.List(q.ListNumber, o.ListLife)
	return a, err
}

// List signs the root's revocation list: an empty one, because what a root certified is replaced and never revoked here.
// previous is the number of the one before, empty if there was none.
func (r *Root) List(previous string, life time.Duration) ([]byte, error) {
	if life == 0 {
		life = ListLife
	}
	now := time.Now().UTC().Truncate(time.Second)
	ends := now.Add(life)
	if ends.After(r.cert.NotAfter) {
		ends = r.cert.NotAfter
	}
	before, _ := new(big.Int).SetString(previous, 10) // nil: there was none
	var out bytes.Buffer
	err := crl.Write(&out, crl.Options{Issuer: r.cert, Signer: r.key, Number: crl.NextNumber(before, now), ThisUpdate: now.Add(-ca.Backdate), NextUpdate: ends,
		Entries: func(func(crl.Entry, error) bool) {}})
	return out.Bytes(), err
}

// Plan says in words what a signing would do, for whoever stands before the machine. root is nil if it is yet to be made.
func Plan(q *Request, root *Root) (lines []string) {
	if root == nil {
		lines = append(lines, fmt.Sprintf("make a root %q with a new key of kind %s", x509cert.SubjectText(Subject(q.Organisation, "Root CA")), q.RootKey))
	} else {
		lines = append(lines, fmt.Sprintf("sign with the root %q, SHA-256 %s, which ends on %s", x509cert.SubjectText(root.cert.Subject), digest(root.cert.Raw), root.cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	for _, w := range q.Wanted {
		text := fmt.Sprintf("certify the authority %s, %q, key %s, to certify names below %s", w.Name, x509cert.SubjectText(w.csr.Subject), digest(w.csr.RawSubjectPublicKeyInfo), strings.Join(w.Domains, ", "))
		if len(w.Networks) > 0 {
			text += " and addresses of " + strings.Join(w.Networks, ", ")
		}
		lines = append(lines, text)
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
