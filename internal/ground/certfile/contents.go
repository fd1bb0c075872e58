package certfile

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"

	"postseal/internal/ground/keys"
)

// MaxBytes bounds a file, and what a ZIP file may hold in all. Callers can look at the size before they read.
const MaxBytes = 16 << 20

const (
	maxNesting      = 64
	maxBlocks       = 10_000 // PEM blocks, bags of a PFX, entries of a JKS, together
	maxCertificates = 10_000
	maxKeys         = 100 // judging an RSA key of 8192 bits takes tens of milliseconds
	maxRequests     = 100
	// maxIterations bounds the rounds of hashing that all passwords of one file may cost: about ten seconds. Programs
	// write files of one thousand to two million.
	maxIterations = 10_000_000
	// maxAllIterations bounds those of all files that share a [Budget].
	maxAllIterations = 3 * maxIterations
	// maxAllCertificates and maxAllKeys bound what all files have together that share a [Budget]. Whoever takes them in
	// judges each, and a million are sixty megabytes.
	maxAllCertificates = 20_000
	maxAllKeys         = 20_000
	// maxPasswordBytes bounds a password: old password hashes go over all of it for each bag.
	maxPasswordBytes = 4 << 10
)

// Budget is what files that are read for one purpose may cost together: each alone may take ten seconds, and a request
// can bring thousands. The zero value is a whole one; [Read] takes from it. It is for one goroutine.
type Budget struct {
	spent        int64 // iterations
	certificates int
	keys         int
}

// Origin says where something stood. The zero value of each part means that there is none.
type Origin struct {
	File   string // as it was given to Read
	Member string // the member of a ZIP file
	Line   int    // where the PEM block begins, from 1
	Item   int    // the place in a PFX, P7B or JKS, from 1
}

// String is for people: `certs.zip, member "mail.crt", line 12`.
func (o Origin) String() string {
	var b strings.Builder
	b.WriteString(printable(o.File))
	if o.Member != "" {
		fmt.Fprintf(&b, ", member %s", strconv.Quote(clip(o.Member)))
	}
	if o.Line > 0 {
		fmt.Fprintf(&b, ", line %d", o.Line)
	}
	if o.Item > 0 {
		fmt.Fprintf(&b, ", item %d", o.Item)
	}
	return b.String()
}

// printable keeps a name as it is unless it could disturb a terminal.
func printable(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return clip(quoted)
	}
	return name
}

// clip shortens what a stranger wrote so that it fits into a line.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Label is what a PFX or a JKS says about one of its items beside the item itself. PEM has none.
type Label struct {
	FriendlyName string // or the alias in a JKS; control characters are replaced
	LocalKeyID   string // the octets that tie a key to its certificate, in hex
}

// Certificate is a certificate and where it stood.
type Certificate struct {
	*x509.Certificate
	From Origin
	Label
}

// Key is a private key, judged good, and where it stood.
type Key struct {
	Private *keys.Private
	From    Origin
	Label
}

// Request is a PKCS #10 request, its signature verified, and where it stood.
type Request struct {
	*x509.CertificateRequest
	From Origin
}

// CRL is a revocation list that nobody has looked into yet, and where it stood.
type CRL struct {
	DER  []byte
	From Origin
}

// PasswordUse says what opened a file. PKCS #12 tells a password of no characters from no password at all, programs
// mix the two up, and both are as good as none.
type PasswordUse string

// The ways to open a file.
const (
	PasswordGiven  PasswordUse = "given"  // with the password that was asked for
	PasswordEmpty  PasswordUse = "empty"  // with a password of no characters
	PasswordAbsent PasswordUse = "absent" // with no password
)

// Opened says how one file, or one member of a ZIP file, was opened.
type Opened struct {
	At   Origin
	With PasswordUse
}

// Contents are what a file holds, each kind in the order of the file. What stands there twice is there once.
type Contents struct {
	File         string
	Certificates []Certificate
	Keys         []Key
	Requests     []Request
	CRLs         []CRL
	Opened       []Opened // one for each part that is under a password, be it an empty one
	Ignored      []Origin // members of a ZIP file that are something else, such as a README
}

// ReadOptions say how to read. The zero value reads what needs no password.
type ReadOptions struct {
	// Password is asked when it is needed, at most once for each file or member of a ZIP file, and for each key of a
	// JKS that has one of its own; what names it for people. A nil Secret means that there is none. Nil: there is none.
	Password func(what string) (keys.Secret, error)
	// Budget is shared with other files; nil: this file has its own.
	Budget *Budget
}

// Read reads a file of any of the forms of this package. name is for errors and for [Origin]; nothing is opened. The
// error is a [*FormatError], [*LimitError], [*UnsupportedError], [*PasswordError], [*PasswordMissingError], [ErrNoMAC]
// or a [*keys.WeakKeyError], in each of which or before which stands the file; or what opts.Password returned.
// A file that holds nothing we know is a FormatError: without an error, there is something in the Contents.
func Read(name string, data []byte, opts ReadOptions) (*Contents, error) {
	at := Origin{File: name}
	if len(data) > MaxBytes {
		return nil, &LimitError{At: at, What: "octets", Limit: MaxBytes}
	}
	r := &reader{opts: opts, contents: &Contents{File: name}}
	defer r.forget()
	if err := r.read(data, at); err != nil {
		return nil, err
	}
	c := r.contents
	if len(c.Certificates)+len(c.Keys)+len(c.Requests)+len(c.CRLs) == 0 {
		return nil, formatErrorf(at, "no certificate, key, request or CRL in it%s", r.sawInstead())
	}
	return c, nil
}

// reader is the state of one Read.
type reader struct {
	opts     ReadOptions
	contents *Contents
	spent    int64    // iterations
	blocks   int      // PEM blocks, bags and entries
	inside   bool     // in a member of a ZIP file
	passed   []string // PEM labels that were passed over
	seen     map[string]bool
	held     map[string]func() keys.Secret // passwords by what they open; functions, because a printer would show fields
}

func (r *reader) read(data []byte, at Origin) error {
	switch form, content := detect(data); form {
	case formZIP:
		return r.readZIP(content, at)
	case formJKS:
		return r.readJKS(content, at)
	case formJCEKS:
		return &UnsupportedError{At: at, What: "a keystore of type JCEKS"}
	case formPEM:
		return r.readPEM(content, at)
	case formDER:
		return r.readDER(content, at)
	case formEmpty:
		return formatErrorf(at, "it is empty")
	}
	return formatErrorf(at, "neither PEM nor DER nor PFX nor ZIP nor JKS")
}

// sawInstead says what a file without anything useful has in it.
func (r *reader) sawInstead() string {
	if len(r.passed) > 0 {
		return ", only " + strings.Join(r.passed, ", ")
	}
	return ""
}

// count takes one more block, bag or entry.
func (r *reader) count(at Origin) error {
	if r.blocks++; r.blocks > maxBlocks {
		return &LimitError{At: Origin{File: at.File, Member: at.Member}, What: "blocks or items", Limit: maxBlocks}
	}
	return nil
}

// spend takes iterations of a password hash from what a file may cost, before they are done.
func (r *reader) spend(rounds int64, at Origin) error {
	if rounds > maxIterations || r.spent+rounds > maxIterations {
		return &LimitError{At: at, What: "iterations of its password hash", Limit: maxIterations}
	}
	if b := r.opts.Budget; b != nil {
		if b.spent+rounds > maxAllIterations {
			return &LimitError{At: at, What: "iterations of the password hashes of all files together", Limit: maxAllIterations}
		}
		b.spent += rounds
	}
	r.spent += rounds
	return nil
}

// another takes one more certificate or key from what all files may have together.
func (r *reader) another(of func(*Budget) *int, what string, most int, at Origin) error {
	if r.opts.Budget == nil {
		return nil
	}
	have := of(r.opts.Budget)
	if *have >= most {
		return &LimitError{At: at, What: what + " in all files together", Limit: int64(most)}
	}
	*have++
	return nil
}

// isNew reports whether something of a kind is seen for the first time.
func (r *reader) isNew(kind string, octets []byte) bool {
	id := kind + string(octets)
	if r.seen[id] {
		return false
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[id] = true
	return true
}

// password asks for the password of at. Nil means that there is none.
func (r *reader) password(what string) (keys.Secret, error) {
	if r.opts.Password == nil {
		return nil, nil
	}
	p, err := r.opts.Password(what)
	if err != nil {
		return nil, fmt.Errorf("asking for the password of %s: %w", what, err)
	}
	if len(p) > maxPasswordBytes {
		return nil, &LimitError{At: Origin{File: what}, What: "octets in its password", Limit: maxPasswordBytes}
	}
	return p, nil
}

func (r *reader) opened(at Origin, with PasswordUse) {
	at.Line, at.Item = 0, 0
	o := Opened{At: at, With: with}
	for _, earlier := range r.contents.Opened {
		if earlier == o {
			return
		}
	}
	r.contents.Opened = append(r.contents.Opened, o)
}

// isBlank reports whether data is only what editors leave at the end of a file.
func isBlank(data []byte) bool {
	return len(bytes.Trim(data, " \t\r\n\x00\x1a")) == 0
}
