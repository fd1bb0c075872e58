package desk

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"
)

// Lineages that every example organisation has.
const (
	internalLineage   = "internal-mail1-example-com"
	managementLineage = "management-mail1-example-com"
)

// tester is who acts in tests.
func tester() state.Actor { return state.Actor{Who: "tester", From: "test"} }

// exampleSetup is the organisation of the tests.
func exampleSetup(dir string) SetupOptions {
	return SetupOptions{Organisation: "Example", Domains: []string{"example.com"}, Host: "mail1.example.com", Mode: ModeFront, Sealing: filepath.Join(dir, "sealing-key")}
}

var exampleFiles = sync.OnceValues(makeExample)

// house is an organisation with its desk. Its directory is closed when the test ends.
type house struct {
	*Desk
	db      *state.DB
	dir     string
	sealing string
	runtime *fakeRuntime // nil when none runs
	health  *health.Set
	fault   *fault
	watch   *watch // nil: nobody watches what is signed
}

// fault breaks the next commit.
type fault struct {
	mu     sync.Mutex
	kind   faultKind
	passed int    // commits that pass first
	again  bool   // every commit from then on, not one
	seen   func() // called at each commit; nil for nothing
}

type faultKind int

const (
	faultNone    faultKind = iota
	faultRefused           // the commit is not made
	faultLost              // the commit is made, its answer lost
	faultUnknown           // the commit is made, its answer lost, and nobody can read back
	faultNever             // the commit is not made, and nobody can read back
)

var errFault = errors.New("the disk has a fault")

func (f *fault) set(kind faultKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind = kind
}

// setAfter lets so many commits pass first.
func (f *fault) setAfter(kind faultKind, passed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.passed = kind, passed
}

// commit is for state.Options; the fault hits one commit, or all that follow.
func (f *fault) commit(commit func() error) error {
	f.mu.Lock()
	kind := f.kind
	if f.passed > 0 {
		kind = faultNone
		f.passed--
	} else {
		if !f.again {
			f.kind = faultNone
		}
	}
	seen := f.seen
	f.mu.Unlock()
	if seen != nil {
		seen()
	}
	switch kind {
	case faultRefused:
		return errFault
	case faultNever:
		return errors.Join(errFault, state.ErrOutcomeUnknown)
	}
	err := commit()
	switch kind {
	case faultLost:
		return errors.Join(errFault, err)
	case faultUnknown:
		return errors.Join(errFault, state.ErrOutcomeUnknown, err)
	}
	return err
}

// newHouse makes an organisation; change may alter what is asked for.
func newHouse(t *testing.T, change func(*SetupOptions)) *house {
	t.Helper()
	dir := t.TempDir()
	if change == nil {
		template(t, dir)
		return openHouse(t, dir, nil)
	}
	o := exampleSetup(dir)
	change(&o)
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	err = Setup(t.Context(), db, o, tester())
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return openHouse(t, dir, nil)
}

// runningHouse is an example organisation with a server that runs.
func runningHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	template(t, dir)
	h := openHouse(t, dir, newRuntime())
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// openHouse opens the organisation in dir.
func openHouse(t *testing.T, dir string, runtime *fakeRuntime) *house {
	t.Helper()
	h := &house{dir: dir, sealing: filepath.Join(dir, "sealing-key"), runtime: runtime, health: new(health.Set), fault: new(fault)}
	var err error
	if h.db, err = state.Open(t.Context(), state.Options{Dir: dir, Commit: h.fault.commit}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(t) })
	o := Options{State: h.db, Sealing: h.sealing, Health: h.health}
	if runtime != nil {
		o.Runtime = runtime
	}
	if h.Desk, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return h
}

// close gives the directory back, once.
func (h *house) close(t *testing.T) {
	t.Helper()
	if h.db == nil {
		return
	}
	if err := h.db.Close(); err != nil {
		t.Error(err)
	}
	h.db = nil
}

// fakeRuntime is a server that runs and opens whatever it is asked to.
type fakeRuntime struct {
	mu      sync.Mutex
	open    []string
	cannot  error // what CanOpen says
	backend string
	trial   bool
	at      map[string]netip.AddrPort // where listeners really are; the others at their ports + 10000
}

func newRuntime() *fakeRuntime { return &fakeRuntime{backend: "mailbox.example.com:993"} }

func (r *fakeRuntime) Running() bool { return true }

func (r *fakeRuntime) Follow(_ context.Context, want []Wanted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = nil
	for _, w := range want {
		r.open = append(r.open, w.Name)
	}
}

func (r *fakeRuntime) CanOpen(string, netip.AddrPort) error { return r.cannot }

func (r *fakeRuntime) Address(name string, stored netip.AddrPort) netip.AddrPort {
	if at, ok := r.at[name]; ok {
		return at
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), stored.Port()+10000)
}

func (r *fakeRuntime) Sessions(name string) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 7, slices.Contains(r.open, name)
}

func (r *fakeRuntime) Backend(string) string { return r.backend }

func (r *fakeRuntime) Trial() bool { return r.trial }

func (r *fakeRuntime) opened() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.open)
}

// certificates lists everything.
func (h *house) certificates(t *testing.T) []Certificate {
	t.Helper()
	list, err := h.Certificates(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// named returns the certificates of a friendly name.
func (h *house) named(t *testing.T, name string) []Certificate {
	t.Helper()
	return slices.DeleteFunc(h.certificates(t), func(c Certificate) bool { return c.Name != name })
}

// make makes a certificate that serves nothing, of one quick key unless r says otherwise.
func (h *house) make(t *testing.T, r NewRequest) *Change {
	t.Helper()
	if r.Name == "" {
		r.Name = r.Lineage
	}
	if len(r.Kinds) == 0 {
		r.Kinds = []string{"ecdsa-p256"}
	}
	c, err := h.New(t.Context(), tester(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enable must succeed.
func (h *house) enable(t *testing.T, r EnableRequest) *Change {
	t.Helper()
	c, err := h.Enable(t.Context(), tester(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// audit returns the audit rows, oldest first.
func (h *house) audit(t *testing.T) []state.AuditRow {
	t.Helper()
	var rows []state.AuditRow
	if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
		rows, err = tx.AuditRows(h.server, 1<<20)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(rows)
	return rows
}

// store changes the state behind the desk's back.
func (h *house) store(t *testing.T, f func(tx *state.Tx) error) {
	t.Helper()
	if _, err := h.db.Update(t.Context(), tester(), func(tx *state.Tx) error {
		tx.ActFor(h.server)
		return errors.Join(f(tx), tx.Audit("test", "", nil, nil))
	}); err != nil {
		t.Fatal(err)
	}
}

// exec changes the database as no version of us would.
func (h *house) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	path := (&url.URL{Path: filepath.Join(h.dir, state.FileName)}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), query, args...)
	h.kept.forget()
	h.pki.mu.Lock()
	h.pki.standing, h.pki.shards = nil, nil
	h.pki.mu.Unlock()
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// client is a TLS client of a kind that Explain knows.
func client(kind keyring.ClientKind, sni string) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, ServerName: sni} // what is served is compared, not believed
	if kind == keyring.ClientRSAOnly {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	return c
}

// serves shakes hands with a listener and returns the thumbprint that it showed.
func (h *house) serves(t *testing.T, listener string, c *tls.Config) (string, error) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(far, h.Ring().Config(listener))
		conn.HandshakeContext(t.Context()) // the client's side tells how it went
		far.Close()
	}()
	conn := tls.Client(near, c)
	err := conn.HandshakeContext(t.Context())
	near.Close()
	<-done
	if err != nil {
		return "", err
	}
	return x509cert.Inspect(conn.ConnectionState().PeerCertificates[0]).Thumbprint, nil
}

// count asks the database.
func (h *house) count(t *testing.T, query string) (n int) {
	t.Helper()
	path := (&url.URL{Path: filepath.Join(h.dir, state.FileName)}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), query).Scan(&n)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}
