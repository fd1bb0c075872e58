package ceremony

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// What the files say of themselves, in their first field.
const (
	requestFormat = "postseal ceremony request 1"
	answerFormat  = "postseal ceremony answer 1"
)

// MaxBytes bounds a file of a ceremony. One authority takes about two kilobytes.
const MaxBytes = 1 << 20

// maxWanted bounds what one ceremony certifies: whoever stands there reads it all.
const maxWanted = 32

// FileError says that a file is none of a ceremony, or cannot be obeyed.
type FileError struct{ Reason string }

// Error says what is wrong with it.
func (e *FileError) Error() string { return "file of a ceremony: " + e.Reason }

func bad(format string, a ...any) error { return &FileError{fmt.Sprintf(format, a...)} }

// Request is what a server asks of the root. [ParseRequest] checks one.
type Request struct {
	Format       string    `json:"format"`
	Made         time.Time `json:"made"`
	Organisation string    `json:"organisation"`      // in the root's name, if one is to be made
	RootKey      string    `json:"rootKey,omitempty"` // kind of its key then
	Root         []byte    `json:"root,omitempty"`    // DER of the root that is asked; absent: one is to be made
	RootList     string    `json:"rootList"`          // http address of the root's revocation list; empty: certificates name none
	RootFile     string    `json:"rootFile"`          // http address of the root's certificate; empty likewise
	ListNumber   string    `json:"listNumber"`        // of the last list, decimal; empty: there was none
	Wanted       []Wanted  `json:"wanted"`            // may be empty: then it is for a new list alone
	Revoked      []Fallen  `json:"revoked,omitempty"` // what the list names
}

// Fallen is a certificate of an authority that the root takes back.
type Fallen struct {
	Name   string    `json:"name"`   // of the authority, as commands call it
	Serial string    `json:"serial"` // hex
	At     time.Time `json:"at"`
	Reason int       `json:"reason"` // CRLReason, RFC 5280 section 5.3.1
}

// Wanted is one authority that wants to be certified.
type Wanted struct {
	Name     string   `json:"name"` // as commands call it
	Purpose  string   `json:"purpose"`
	Request  []byte   `json:"request"` // PKCS #10 DER
	Domains  []string `json:"domains"`
	Networks []string `json:"networks,omitempty"`

	csr *x509.CertificateRequest
}

// Answer is what the root signed. [ParseAnswer] checks that the root did.
type Answer struct {
	Format       string      `json:"format"`
	Made         time.Time   `json:"made"`
	Request      string      `json:"request"` // SHA-256 of the request's file, hex
	Root         []byte      `json:"root"`    // DER
	Certificates []Certified `json:"certificates"`
	List         []byte      `json:"list"` // DER of the root's revocation list
}

// Certified is the certificate of one authority.
type Certified struct {
	Name        string `json:"name"`
	Certificate []byte `json:"certificate"` // DER
}

// Marshal writes a request as a file.
func (r *Request) Marshal() ([]byte, error) {
	r.Format = requestFormat
	return marshal(r)
}

// Marshal writes an answer as a file.
func (a *Answer) Marshal() ([]byte, error) {
	a.Format = answerFormat
	return marshal(a)
}

func marshal(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", " ")
	return append(text, '\n'), err
}

// IsAnswer says whether a file looks like an answer, so that its reader knows whom to ask.
func IsAnswer(data []byte) bool {
	return bytes.Contains(data[:min(len(data), 200)], []byte(answerFormat))
}

// read decodes one document and nothing behind it.
func read(data []byte, into any) error {
	if len(data) > MaxBytes {
		return bad("it is larger than %d octets", MaxBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad("%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows its end")
	}
	return nil
}

// ParseRequest reads a request, and holds every wish in it against the rules of package ca. The error is a [*FileError].
func ParseRequest(data []byte) (*Request, error) {
	r := new(Request)
	if err := read(data, r); err != nil {
		return nil, err
	}
	if r.Format != requestFormat {
		return nil, bad("it is no request of a ceremony (its format is not %q)", requestFormat)
	}
	if len(r.Wanted) > maxWanted {
		return nil, bad("it wants %d certificates: at most %d", len(r.Wanted), maxWanted)
	}
	if r.Organisation == "" || len(r.Organisation) > 200 || !readable(r.Organisation) {
		return nil, bad("it has no organisation, or one of more than 200 octets, or with signs that nobody can read")
	}
	for _, address := range []string{r.RootList, r.RootFile} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "http" || u.Host == "" || len(address) > 300 || !readable(address)) {
			return nil, bad("an address for its certificates is none of http: %.40q", address)
		}
	}
	if r.ListNumber != "" {
		if n, ok := new(big.Int).SetString(r.ListNumber, 10); !ok || n.Sign() < 0 || len(r.ListNumber) > 40 {
			return nil, bad("the number of its list is none")
		}
	}
	if len(r.Root) > 0 {
		if _, err := rootOf(r.Root); err != nil {
			return nil, err
		}
	} else if kind, err := keys.ParseKind(r.RootKey); err != nil || kind == keys.Ed25519 {
		return nil, bad("the kind of the root's key is none for a root: %.40q", r.RootKey)
	}
	if _, err := entries(r.Revoked); err != nil {
		return nil, err
	}
	judge := keys.NewQuickPublicJudge()
	names := map[string]bool{}
	for n := range r.Wanted {
		w := &r.Wanted[n]
		if err := w.check(judge); err != nil {
			return nil, err
		}
		if names[w.Name] {
			return nil, bad("it wants %.40q twice", w.Name)
		}
		names[w.Name] = true
	}
	return r, nil
}

func (w *Wanted) check(judge *keys.PublicJudge) error {
	if _, err := ca.ParsePurpose(w.Purpose); err != nil {
		return bad("%v", err)
	}
	if err := checkName(w.Name); err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(w.Request)
	if err == nil && !readable(x509cert.SubjectText(csr.Subject)) {
		err = errors.New("its subject has signs that nobody can read")
	}
	if err == nil {
		err = csr.CheckSignature() // the asker has the key
	}
	if err == nil {
		err = judge.Judge(csr.PublicKey)
	}
	if err == nil && len(w.Domains) == 0 {
		err = errors.New("without domains it could certify anything")
	}
	if err == nil {
		_, err = ca.NewProfile(ca.ProfileOptions{Name: "server", Domains: w.Domains, Networks: w.Networks})
	}
	if err != nil {
		return bad("the request of %.40q: %v", w.Name, err)
	}
	w.csr = csr
	return nil
}

// checkName holds the name of an authority against how commands call one. It is shown to whoever stands before the offline
// machine, which is all that protects the root's key from a server that somebody else has: a name that moves the cursor would
// write over what else is wanted.
func checkName(name string) error {
	other := func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }
	if name == "" || len(name) > 40 || strings.ContainsFunc(name, other) {
		return bad("a name of an authority is none: %.40q", name)
	}
	return nil
}

// readable says whether a text is what it looks like: no control characters, and nothing that turns the direction.
func readable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// rootOf reads a root.
func rootOf(der []byte) (*x509.Certificate, error) {
	cert, err := x509cert.ParseCertificate(der)
	if err != nil {
		return nil, bad("its root: %v", err)
	}
	if !cert.IsCA || cert.CheckSignatureFrom(cert) != nil {
		return nil, bad("its root %q does not sign itself", x509cert.SubjectText(cert.Subject))
	}
	return cert, nil
}

// ParseAnswer reads an answer. Everything in it is signed by the root in it; whether that is the right root, and whether
// it is what was asked for, is for the reader to say. The error is a [*FileError].
func ParseAnswer(data []byte) (*Answer, error) {
	a := new(Answer)
	if err := read(data, a); err != nil {
		return nil, err
	}
	if a.Format != answerFormat {
		return nil, bad("it is no answer of a ceremony (its format is not %q)", answerFormat)
	}
	if len(a.Certificates) > maxWanted {
		return nil, bad("it has %d certificates: at most %d", len(a.Certificates), maxWanted)
	}
	root, err := rootOf(a.Root)
	if err != nil {
		return nil, err
	}
	for _, c := range a.Certificates {
		cert, err := x509cert.ParseCertificate(c.Certificate)
		if err == nil {
			err = cert.CheckSignatureFrom(root)
		}
		if err != nil {
			return nil, bad("the certificate of %.40q: %v", c.Name, err)
		}
	}
	list, err := x509.ParseRevocationList(a.List)
	if err == nil {
		err = list.CheckSignatureFrom(root)
	}
	if err == nil && (list.Number == nil || list.NextUpdate.IsZero()) {
		err = errors.New("it has no number or no end")
	}
	if err != nil {
		return nil, bad("the root's revocation list: %v", err)
	}
	return a, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
