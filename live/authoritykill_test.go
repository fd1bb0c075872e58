package live

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/peers"
)

// mortal is an act of the command line that is killed at some moment, and then asked for again.
type mortal struct {
	args func(round int) []string
	// done is what the program says when it had been done before it was killed; empty: asking again always succeeds.
	done string
	// whole checks what the act has made; nil for nothing.
	whole func(t *testing.T, round int)
}

// TestKillTheAuthoritysCommands kills the program with SIGKILL while it issues for people, for lineages and for requests,
// widens its authorities, gives one a successor, and asks for another's certificate: at moments spread over the time that
// the act takes. Asked for again it is done, or was; files are whole or not there; and the next server finishes what was
// begun: no line of the book is open, and no key is kept that nothing has.
func TestKillTheAuthoritysCommands(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	s.Stop(syscall.SIGTERM)
	a := &authority{Server: s, dir: t.TempDir()}
	below := filepath.Join(a.dir, "below") // an organisation without an authority
	peers.Succeed(t, peers.Command{Args: []string{"cp", "-a", s.Data, below}})
	a.must(t, "ca", "init")
	password := a.file(t, "password", "correct horse\n")
	pfx := func(round int) string { return filepath.Join(a.dir, fmt.Sprintf("kim%d.pfx", round)) }
	request := func(round int) string {
		path := filepath.Join(a.dir, fmt.Sprintf("r%d.csr", round))
		if _, err := os.Stat(path); err != nil {
			openssl(t, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path+".key", "-out", path, "-subj", "/CN=x", "-addext", fmt.Sprintf("subjectAltName=DNS:r%d.example.test", round))
		}
		return path
	}
	for name, m := range map[string]mortal{
		"a person": {args: func(round int) []string {
			return []string{"ca", "issue", "--profile", "user", "--email", fmt.Sprintf("kim%d@example.test", round), "--out", pfx(round), "--password-file", password}
		}, done: "exists", whole: func(t *testing.T, round int) {
			openssl(t, "pkcs12", "-in", pfx(round), "-passin", "pass:correct horse", "-nodes", "-out", os.DevNull)
		}},
		"a lineage": {args: func(round int) []string {
			return []string{"ca", "issue", "--domain", fmt.Sprintf("l%d.example.test", round), "--lineage", fmt.Sprintf("line-%d", round)}
		}, done: "there is a lineage of that name already"},
		"a request": {args: func(round int) []string {
			return []string{"ca", "issue", "--csr", request(round), "--out", request(round) + ".pem"}
		},
			done: "exists", whole: func(t *testing.T, round int) { openssl(t, "x509", "-in", request(round)+".pem", "-noout") }},
		"more domains": {args: func(round int) []string {
			return []string{"ca", "extend", "--domain", fmt.Sprintf("d%d.example.org", round)}
		}, done: "may certify it already"},
		"a successor": {args: func(int) []string { return []string{"ca", "rollover", a.active(t), "--yes"} }},
	} {
		a.dies(t, name, s.Data, m)
	}
	for round := range peers.Scale(2, 20) { // each time an organisation anew
		dir := filepath.Join(a.dir, fmt.Sprintf("below%d", round))
		peers.Succeed(t, peers.Command{Args: []string{"cp", "-a", below, dir}})
		m := mortal{args: func(int) []string { return []string{"ca", "init", "--subordinate"} }, done: "its request waits for the answer of the authority above"}
		a.killed(t, dir, m.args(0), time.Duration(round+1)*60*time.Millisecond)
		a.again(t, "a request to another", dir, m, 0)
		if n := peers.KeyOrphans(t, filepath.Join(dir, state.FileName)); n != 0 {
			t.Errorf("a request to another: %d keys are kept that nothing has", n)
		}
	}
	s.Start()
	var book []struct{ Serial, Status string }
	decode(t, a.Command("ca", "list", "--limit", "1000", "--json"), &book)
	for _, line := range book {
		if line.Status != "issued" && line.Status != "revoked" {
			t.Errorf("%s is %s", line.Serial, line.Status)
		}
	}
	if n := peers.KeyOrphans(t, filepath.Join(s.Data, state.FileName)); n != 0 {
		t.Errorf("%d keys are kept that nothing has", n)
	}
	a.must(t, "audit", "verify")
}

// dies lets an act live once to see how long it takes, and then kills it at moments spread over that.
func (a *authority) dies(t *testing.T, name, dir string, m mortal) {
	t.Helper()
	began := time.Now()
	a.must(t, m.args(0)...)
	lives := time.Since(began)
	rounds := peers.Scale(2, 20)
	for round := 1; round <= rounds; round++ {
		args := m.args(round)
		a.killed(t, dir, args, lives*time.Duration(round)/time.Duration(rounds+1))
		a.again(t, name, dir, m, round)
		if m.whole != nil {
			m.whole(t, round)
		}
	}
}

func (a *authority) killed(t *testing.T, dir string, args []string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), a.Binary, append(args, "--data", dir)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(after, func() { cmd.Process.Kill() }).Stop() // it may have ended
	cmd.Wait()                                                        // killed, mostly
}

func (a *authority) again(t *testing.T, name, dir string, m mortal, round int) {
	t.Helper()
	r := peers.Run(t, peers.Command{Args: append(append([]string{a.Binary}, m.args(round)...), "--data", dir)})
	if r.Exit != 0 && (m.done == "" || !strings.Contains(r.Stderr, m.done)) {
		t.Errorf("%s, round %d, asked again: %v", name, round, r)
	}
}

// active is the authority for servers that issues: there is one, always.
func (a *authority) active(t *testing.T) string {
	t.Helper()
	var shown struct {
		Authorities []struct{ Name, State string }
	}
	if err := json.Unmarshal([]byte(a.must(t, "ca", "show", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range shown.Authorities {
		if strings.HasPrefix(o.Name, "servers") && o.State == state.AuthorityActive {
			names = append(names, o.Name)
		}
	}
	if len(names) != 1 {
		t.Fatalf("%v issue for servers", names)
	}
	return names[0]
}

// TestKillWhileApproving kills the server with SIGKILL while a second person agrees to requests. He agrees again, and each
// request has one certificate, or one lineage, in the end.
func TestKillWhileApproving(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	a := &authority{Server: s, dir: t.TempDir()}
	a.must(t, "ca", "init")
	token := strings.TrimSpace(a.must(t, "admin", "token", "new", "--name", "second", "--scope", "admin"))
	pinned := strings.TrimSpace(a.must(t, "admin", "fingerprint"))
	second := func(id string) peers.Result {
		return peers.Run(t, peers.Command{Args: []string{s.Binary, "ca", "approve", id, "--remote", "https://" + s.Addr("management"), "--fingerprint", pinned},
			Env: []string{"POSTSEAL_TOKEN=" + token, "XDG_CONFIG_HOME=" + filepath.Join(a.dir, "second"), "POSTSEAL_DATA=" + filepath.Join(a.dir, "nowhere")}})
	}
	var ids []string
	rounds := peers.Scale(3, 20)
	for n := range rounds {
		args := []string{"ca", "issue", "--profile", "code-signing", "--domain", fmt.Sprintf("sign%d.example.test", n), "--lineage", fmt.Sprintf("sign-%d", n), "--json"}
		if n%2 == 1 {
			path := filepath.Join(a.dir, fmt.Sprintf("build%d.csr", n))
			openssl(t, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path+".key", "-out", path, "-subj", "/", "-addext", fmt.Sprintf("subjectAltName=DNS:build%d.example.test", n))
			args = []string{"ca", "issue", "--profile", "code-signing", "--csr", path, "--json"}
		}
		a.must(t, args...)
	}
	var waiting []struct{ ID, Status, Serial string }
	decode(t, s.Command("ca", "pending", "--json"), &waiting)
	if len(waiting) != rounds {
		t.Fatalf("got %v", waiting)
	}
	for n, w := range waiting {
		ids = append(ids, w.ID)
		timer := time.AfterFunc(time.Duration(n+1)*40*time.Millisecond, func() { syscall.Kill(s.PID(), syscall.SIGKILL) }) // while it is asked, mostly
		first := second(w.ID)
		timer.Stop()
		s.Stop(syscall.SIGKILL)
		s.Start()
		if r := second(w.ID); r.Exit != 0 && !strings.Contains(r.Stderr, "it was decided already") {
			t.Errorf("request %d: first %v, again %v", n, first, r)
		}
	}
	decode(t, s.Command("ca", "pending", "--all", "--json"), &waiting)
	serials := map[string]bool{}
	for _, w := range waiting {
		if w.Status != "approved" || w.Serial == "" || serials[w.Serial] {
			t.Errorf("got %+v", w)
		}
		serials[w.Serial] = true
	}
	var book []struct{ Serial, Status string }
	decode(t, s.Command("ca", "list", "--json"), &book)
	if len(book) != len(ids) {
		t.Errorf("%d certificates for %d requests", len(book), len(ids))
	}
	for _, line := range book {
		if line.Status != "issued" || !serials[line.Serial] {
			t.Errorf("got %+v, which no request names", line)
		}
	}
	if n := peers.KeyOrphans(t, filepath.Join(s.Data, state.FileName)); n != 0 {
		t.Errorf("%d keys are kept that nothing has", n)
	}
}
