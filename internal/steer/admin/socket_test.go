package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// serveIn serves an organisation on a socket in dir until stop is called, which returns what ServeSocket
// did.
func serveIn(t *testing.T, dir string, d *desk.Desk) (stop func() error) {
	t.Helper()
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeSocket(ctx, l, d, testLog(t)) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return stop
}

// dial must find a server.
func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSocketAndLocalAnswerAlike: a command does the same whether a server runs or not.
func TestSocketAndLocalAnswerAlike(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	o.makeCertificate(t, "Mail", 90, "IMAP")
	// A deep directory: a socket's path has room for 108 bytes.
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 60))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stop := serveIn(t, dir, o.Desk)
	socket, local := dial(t, dir), Local(o.Desk, tester())
	for _, c := range []struct {
		act     string
		request any
	}{
		{"cert/list", desk.Filter{}},
		{"cert/list", desk.Filter{Domain: "mail.example.com"}},
		{"cert/show", Named{ID: "auth"}},
		{"cert/show", Named{ID: "no"}},
		{"cert/explain", desk.ExplainRequest{Listener: "imaps", SNI: "mail.example.com"}},
		{"cert/explain", desk.ExplainRequest{Listener: "gopher"}},
		{"cert/enable", desk.EnableRequest{Doing: desk.Doing{DryRun: true}, ID: "auth", Services: "IMAP,POP"}},
		{"cert/enable", desk.EnableRequest{ID: "auth", Services: "UM"}},
		{"cert/remove", desk.RemoveRequest{ID: "auth"}},
		{"lineage/list", Nothing{}},
		{"lineage/show", Named{ID: "x"}},
		{"listener/list", Nothing{}},
		{"service/list", Nothing{}},
		{"status/show", Nothing{}},
		{"dog/list", Nothing{}},
	} {
		var texts [2]string
		for i, client := range []*Client{socket, local} {
			var raw json.RawMessage
			if err := client.Call(t.Context(), c.act, c.request, &raw); err != nil {
				p, ok := errors.AsType[*Problem](err)
				if !ok {
					t.Fatalf("%s: %v", c.act, err)
				}
				raw = fmt.Appendf(nil, "%+v", *p)
			}
			texts[i] = string(raw)
		}
		if texts[0] != texts[1] || texts[0] == "" {
			t.Errorf("%s: the socket answered\n%s\nlocal\n%s", c.act, texts[0], texts[1])
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := Dial(t.Context(), dir); err == nil {
		t.Error("the server has ended and still answers")
	}
}

// TestWhoAsks: the audit trail names the user and the process at the other end.
func TestWhoAsks(t *testing.T) {
	t.Parallel()
	o, dir := newOrganisation(t, running{}), t.TempDir()
	serveIn(t, dir, o.Desk)
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("got %v, %v, want a socket for its owner", info.Mode(), err)
	}
	var link desk.Link
	if err := dial(t, dir).Call(t.Context(), "admin/link", Nothing{}, &link); err != nil || link.Token == "" {
		t.Fatalf("got %+v, %v", link, err)
	}
	var last state.AuditRow
	if err := o.State().View(t.Context(), func(tx *state.Tx) error {
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		rows, err := tx.AuditRows(servers[0].ID, 1)
		if err == nil {
			last = rows[0]
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("socket, process %d", os.Getpid()); last.Who != UserName(os.Geteuid()) || last.From != want || last.Act != "sign-in-link" {
		t.Errorf("got %+v, want %s from %q", last, UserName(os.Geteuid()), want)
	}
	if got := UserName(2_000_000_001); got != "uid 2000000001" {
		t.Errorf("a user without a name: got %q", got)
	}
}

// stranger is a user that owns nothing of ours.
const stranger = 65534

// TestAnotherUserIsRefused opens the directory and the socket to everybody; the kernel still says who asks.
func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	r := func(cred any) *http.Request {
		request, err := http.NewRequestWithContext(context.WithValue(t.Context(), credentialKey{}, cred), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	for uid, allowed := range map[uint32]bool{0: true, uint32(os.Geteuid()): true, stranger: os.Geteuid() == stranger, uint32(os.Geteuid()) + 1: false} {
		if _, err := peer(r(&syscall.Ucred{Uid: uid})); (err == nil) != allowed {
			t.Errorf("uid %d: got %v, want allowed %v", uid, err, allowed)
		}
	}
	if _, err := peer(r(nil)); err == nil {
		t.Error("nobody knows who asks, and he is let in")
	}
	if os.Geteuid() != 0 {
		return // only root can become somebody else; the rest is for him
	}
	o, dir := newOrganisation(t, running{}), t.TempDir()
	serveIn(t, dir, o.Desk)
	for _, path := range []string{filepath.Dir(dir), dir, filepath.Join(dir, SocketName)} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	seq := o.State().Seq()
	status, answer, err := asStranger(t.Context(), filepath.Join(dir, SocketName), "admin/link")
	if err != nil || status != http.StatusForbidden || answer != `{"error":"not allowed"}` {
		t.Errorf("got %d, %s, %v", status, answer, err)
	}
	if o.State().Seq() != seq {
		t.Error("a stranger changed something")
	}
	if err := os.Chmod(filepath.Join(dir, SocketName), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := asStranger(t.Context(), filepath.Join(dir, SocketName), "admin/link"); !errors.Is(err, syscall.EACCES) {
		t.Errorf("the socket as we make it: got %v, want %v", err, syscall.EACCES)
	}
}

// asStranger runs an act as another user. Only one thread changes its user, and it ends with that; the
// kernel notes who connects at that moment.
func asStranger(ctx context.Context, path, act string) (status int, answer string, err error) {
	done := make(chan struct{})
	var fd int
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread goes with this goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, stranger, stranger, stranger); errno != 0 {
			err = errno
			return
		}
		if fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		}
	}()
	<-done
	if err != nil {
		return 0, "", err
	}
	f := os.NewFile(uintptr(fd), path)
	conn, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postseal/api/v1/"+act, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), errors.Join(err, response.Body.Close())
}

// TestOnlyAUnixSocketSaysWhoAsks: over anything else everybody is a stranger.
func TestOnlyAUnixSocketSaysWhoAsks(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeSocket(ctx, l, nil, testLog(t)) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/api/v1/cert/list", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, %v", response.Status, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestASocketOfADeadServer: what a killed server leaves neither answers nor stands in the way.
func TestASocketOfADeadServer(t *testing.T) {
	t.Parallel()
	o, dir := newOrganisation(t, running{}), t.TempDir()
	if _, err := Dial(t.Context(), dir); err == nil {
		t.Error("no socket, and somebody answers")
	}
	if _, err := Dial(t.Context(), filepath.Join(dir, "missing")); err == nil {
		t.Error("no directory, and somebody answers")
	}
	dead, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, SocketName)); err != nil {
		t.Errorf("the file of the dead server is gone: %v; then this test shows nothing", err)
	}
	if _, err := Dial(t.Context(), dir); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want %v", err, syscall.ECONNREFUSED)
	}
	serveIn(t, dir, o.Desk)
	var list []desk.Certificate
	if err := dial(t, dir).Call(t.Context(), "cert/list", Nothing{}, &list); err != nil || len(list) != 4 {
		t.Errorf("got %d certificates, %v", len(list), err)
	}
}

func TestListenSocketRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, SocketName, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "missing")} {
		if l, err := ListenSocket(d); err == nil {
			t.Errorf("%s: listens at %v", d, l.Addr())
		} else if !strings.HasPrefix(err.Error(), "opening the management socket") {
			t.Errorf("got %v", err)
		}
	}
}

// TestServeSocketEnds with its context, also when that has ended already or the listener is gone.
func TestServeSocketEnds(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := ServeSocket(ended, l, o.Desk, testLog(t)); err != nil {
		t.Errorf("ended before it began: got %v", err)
	}
	if _, err := Dial(t.Context(), dir); err == nil {
		t.Error("the listener is still open")
	}
	if l, err = ListenSocket(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ServeSocket(t.Context(), l, o.Desk, testLog(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: got %v, want %v", err, net.ErrClosed)
	}
}
