package desk

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/peers"
)

// TestEveryWriteOfTheAuthorityFails takes each act of the organisation's own authority, counts what it commits, and fails
// each commit in turn in four ways: refused; done, its answer lost; and both of these with nobody able to read back. Each
// time nothing was signed that was not on disk before, no serial stands twice, no key is kept that nothing refers to; the
// outcome is an error of its own when it is not known; and after a restart whoever asks again has what he wanted, once.
//
// Nobody lists the commits: a new one is in the sweep with its act. That each is reached is checked at the end, and that
// each act is in the table by [TestEveryActOfTheAuthorityIsSwept].
func TestEveryWriteOfTheAuthorityFails(t *testing.T) {
	t.Parallel()
	sites := &writeSites{found: map[string]bool{}}
	t.Run("acts", func(t *testing.T) {
		for name, make := range sweptActs() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := &sweep{sweptAct: make(), dir: t.TempDir(), sites: sites}
				s.run(t)
			})
		}
	})
	writes := writesInSource(t)
	for function := range writes {
		_, other := otherWrites[function]
		if reached := sites.found[function]; reached == other {
			t.Errorf("%s commits: an act of the sweep reaches it %v, it is listed as no business of the authority %v", function, reached, other)
		}
	}
	for function := range otherWrites {
		if !writes[function] {
			t.Errorf("%s is listed and commits nothing", function)
		}
	}
}

// otherWrites are the functions that commit and are no business of the authority, with the test that fails them.
var otherWrites = map[string]string{
	"(*Engine).retire":      "TestThePreviousGenerationRetiresAtItsEnd",
	"(*Desk).accept":        "TestHeadFaults",
	"(*Desk).Backup":        "TestRestoreFaults",
	"(*Desk).Kept":          "TestRecoveryActFaults",
	"(*Desk).Tested":        "TestRecoveryActFaults",
	"(*Desk).releaseKey":    "TestExportRefuses",
	"(*Desk).NewLink":       "TestALinkWorksOnce",
	"(*Desk).SignIn":        "TestALinkWorksOnce",
	"(*Desk).SignOut":       "TestSignInExpires",
	"(*Desk).NewToken":      "TestTokensAreNotInTheState",
	"(*Desk).RevokeToken":   "TestATokenEnds",
	"(*authorityKeys).make": "TestSecurityModule of the command line: a key in a module",
	"install":               "TestRecoverFaults",
	"Setup":                 "TestSetupFaults",
	"noteRestore":           "TestRestoreFaults",
}

// sweptAct is one act of the sweep.
type sweptAct struct {
	before func(t *testing.T, h *house) // what must be there; nil for nothing
	act    func(context.Context, *house) error
	query  string // counts what the act makes
	want   int    // of it, when the act is done
	// again is what the act may say when it is asked for once more and was done; nil means that it says nothing.
	again []error
	// unplanned: it signs requests or lists too, which certify nothing.
	unplanned bool
	several   bool // it is several things, and goes on with the next when one fails
	below     int  // as of Options
}

// sweep runs one act again and again on copies of one organisation.
type sweep struct {
	sweptAct
	dir   string // the organisation in which it was not done
	sites *writeSites
}

func (s *sweep) run(t *testing.T) {
	template(t, s.dir)
	h := openHouse(t, s.dir, nil)
	if s.before != nil {
		s.before(t, h)
	}
	if n := h.count(t, s.query); n == s.want {
		t.Fatalf("before the act there are %d already", n)
	}
	h.close(t)
	h = s.copy(t)
	commits := 0
	h.fault.seen = func() { commits++ }
	if err := s.act(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if n := h.count(t, s.query); n != s.want || commits == 0 {
		t.Fatalf("without a fault: got %d, want %d; %d commits", n, s.want, commits)
	}
	s.wantSound(t, h)
	h.close(t)
	for step := range commits {
		for kind, name := range map[faultKind]string{faultRefused: "refused", faultLost: "lost", faultUnknown: "unknown and done", faultNever: "unknown and not done"} {
			if unknown := kind == faultUnknown || kind == faultNever; unknown && step < commits-peers.Scale(1, commits) {
				continue // in the short run nobody can read back the last one: whoever asked is waiting then
			}
			t.Run(fmt.Sprintf("commit %d of %d %s", step+1, commits, name), func(t *testing.T) { s.fail(t, step, kind) })
		}
	}
}

// fail lets one commit fail, and looks at what is left.
func (s *sweep) fail(t *testing.T, step int, kind faultKind) {
	h := s.copy(t)
	before, rows := h.count(t, s.query), h.count(t, `SELECT count(*) FROM audit`)
	h.fault.setAfter(kind, step)
	err := s.act(t.Context(), h)
	switch {
	case kind == faultLost && err != nil:
		t.Errorf("it was done, and it says %v", err)
	case kind == faultRefused && !errors.Is(err, errFault):
		t.Errorf("it was refused, and it says %v", err)
	case err != nil && (kind == faultNever || kind == faultUnknown) && !errors.Is(err, state.ErrOutcomeUnknown):
		t.Errorf("nobody knows, and it says %v", err) // nil: it has read back, and gone on
	}
	if step == 0 && (kind == faultRefused || kind == faultNever) && err != nil && !s.several {
		if n, r := h.count(t, s.query), h.count(t, `SELECT count(*) FROM audit`); n != before || r != rows {
			t.Errorf("its first commit was not made: got %d after %d, and %d audit rows after %d", n, before, r, rows)
		}
	}
	if err == nil {
		if n := h.count(t, s.query); n != s.want {
			t.Errorf("it says that it was done: got %d, want %d", n, s.want)
		}
	}
	s.wantSound(t, h)
	h.close(t)
	h = openHouse(t, h.dir, nil)
	if err := h.FinishIssuances(t.Context()); err != nil {
		t.Errorf("the next start: %v", err)
	}
	if err != nil {
		err := s.act(t.Context(), h)
		if err != nil && !slices.ContainsFunc(s.again, func(known error) bool { return errors.Is(err, known) }) {
			t.Errorf("asked again: %v", err)
		}
	}
	if n := h.count(t, s.query); n != s.want {
		t.Errorf("in the end there are %d, want %d", n, s.want)
	}
	s.wantSound(t, h)
	if n := peers.KeyOrphans(t, filepath.Join(h.dir, state.FileName)); n != 0 {
		t.Errorf("%d keys are kept that nothing refers to", n)
	}
}

// copy is the organisation anew, one whose signatures are watched.
func (s *sweep) copy(t *testing.T) *house {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(filepath.Join(dir, "sealing-key"), 0o600)); err != nil { // CopyFS gives what the umask gives
		t.Fatal(err)
	}
	h := openHouse(t, dir, nil)
	h.fault.seen = s.sites.note
	h.watch = &watch{dir: dir}
	h.reopen(t, Options{State: h.db, Sealing: h.sealing, Health: h.health, wrap: h.watch.wrap, below: s.below})
	return h
}

// watch sees what the keys of the authority sign, and looks into the database, as another program would, whether that was
// written down.
type watch struct {
	dir string

	mu      sync.Mutex
	unknown int // signatures over octets that were on disk nowhere
	failed  error
}

func (w *watch) wrap(key crypto.Signer) crypto.Signer { return &watchedKey{key, w} }

type watchedKey struct {
	crypto.Signer
	watch *watch
}

func (k *watchedKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	planned, err := digestsOnDisk(k.watch.dir)
	k.watch.mu.Lock()
	if !planned[string(digest)] {
		k.watch.unknown++
	}
	k.watch.failed = errors.Join(k.watch.failed, err)
	k.watch.mu.Unlock()
	return k.Signer.Sign(random, digest, o)
}

// digestsOnDisk are the hashes of everything that the books say was to be signed, or was.
func digestsOnDisk(dir string) (map[string]bool, error) {
	path := (&url.URL{Path: filepath.Join(dir, state.FileName)}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	all := map[string]bool{}
	for _, table := range []string{"issuance", "authority_plan"} {
		rows, err := db.Query(`SELECT tbs, certificate FROM ` + table)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var tbs, der []byte
			if err := rows.Scan(&tbs, &der); err != nil {
				return nil, err
			}
			if tbs == nil {
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return nil, err
				}
				tbs = cert.RawTBSCertificate
			}
			short, long := sha256.Sum256(tbs), sha512.Sum384(tbs)
			all[string(short[:])], all[string(long[:])] = true, true
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// wantSound checks what must hold at each moment, whatever failed.
func (s *sweep) wantSound(t *testing.T, h *house) {
	t.Helper()
	if w := h.watch; w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed != nil || w.unknown > 0 && !s.unplanned {
			t.Errorf("%d signatures over what was not written down before, %v", w.unknown, w.failed)
		}
	}
	if n := h.count(t, `SELECT count(*) FROM issuance JOIN authority_plan USING (serial)`); n != 0 {
		t.Errorf("%d serials stand twice", n)
	}
	var rows []state.Issuance
	var plans []state.AuthorityPlan
	if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
		if rows, err = tx.Issuances("", 1000); err != nil {
			return err
		}
		plans, err = tx.AuthorityPlans()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	stands := func(serial string, der []byte) {
		if der == nil {
			return
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil || ca.SerialText(cert.SerialNumber) != serial {
			t.Errorf("the line of %s has another certificate, %v", serial, err)
		}
	}
	for _, i := range rows {
		stands(i.Serial, i.Certificate)
	}
	for _, p := range plans {
		stands(p.Serial, p.Certificate)
	}
}

// writeSites collects the functions of this package that commits come from.
type writeSites struct {
	mu    sync.Mutex
	found map[string]bool
}

// note is called within a commit: the function of this package that called the state stands on the stack.
func (w *writeSites) note() {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	state := false
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/ground/state.(*DB).") {
			state = true
		} else if name, ours := strings.CutPrefix(f.Function, "postseal/internal/steer/desk."); ours && state {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.found[regexp.MustCompile(`(\.func|-range).*`).ReplaceAllString(name, "")] = true
			return
		}
		if !more {
			return
		}
	}
}

// writesInSource are the functions in whose text the state is changed.
func writesInSource(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			called := f.Name.Name
			if f.Recv != nil {
				if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
					called = "(*" + star.X.(*ast.Ident).Name + ")." + called
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.SelectorExpr); ok && (call.Sel.Name == "Update" || call.Sel.Name == "Append") {
					of := ""
					switch x := call.X.(type) {
					case *ast.SelectorExpr:
						of = x.Sel.Name
					case *ast.Ident:
						of = x.Name
					}
					if of == "db" || of == "State" {
						all[called] = true
					}
				}
				return true
			})
		}
	}
	return all
}
