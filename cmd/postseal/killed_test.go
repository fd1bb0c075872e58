package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postseal/internal/peers"
	"postseal/internal/steer/admin"
)

// command prepares this program, as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("postseal")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	return c
}

// says runs this program to its end, and returns whether it succeeded and what it printed.
func says(t *testing.T, args ...string) (bool, string) {
	t.Helper()
	text, err := command(t, args...).CombinedOutput()
	return err == nil, string(text)
}

// mustSay fails the test unless the program succeeds and prints want.
func mustSay(t *testing.T, want string, args ...string) string {
	t.Helper()
	ok, text := says(t, args...)
	if !ok || !strings.Contains(text, want) {
		t.Fatalf("postseal %s: want %q in\n%s", strings.Join(args, " "), want, text)
	}
	return text
}

// mustRefuse fails the test unless the program refuses and prints want.
func mustRefuse(t *testing.T, want string, args ...string) {
	t.Helper()
	if ok, text := says(t, args...); ok || !strings.Contains(text, want) {
		t.Fatalf("postseal %s: done %v, want a refusal with %q in\n%s", strings.Join(args, " "), ok, want, text)
	}
}

// organisation sets one up and returns its directory.
func organisation(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	mustSay(t, "", "setup", "--domain", "example.test", "--host", "mail1.example.test", "--bind", "127.0.0.1", "--data", dir)
	return dir
}

// until waits for what another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v still not so: %s", patience, what)
		case <-again.C:
		}
	}
}

// full is a pipe into which nothing more goes: whoever writes to it stands still.
func full(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	fd := int(w.Fd()) // once: Fd makes it blocking again
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); len(chunk) > 0; {
		if _, err := syscall.Write(fd, chunk); errors.Is(err, syscall.EAGAIN) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// between stands between a command and its server, and does something at a moment of their talk.
type between struct {
	dir string // to be given to the command as its data directory

	mu   sync.Mutex
	when string // "before" or "after" the server acts
	nth  int    // request for the act recovery/init, counted down
	act  func()
}

func standBetween(t *testing.T, data string) *between {
	t.Helper()
	b := &between{dir: t.TempDir()}
	l, err := net.Listen("unix", filepath.Join(b.dir, admin.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "postseal"}) },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(data, admin.SocketName))
		}},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(r *http.Response) error {
			b.moment(r.Request.URL.Path, "after")
			return nil
		},
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		if strings.HasSuffix(r.URL.Path, "/recovery/init") {
			b.nth--
		}
		b.mu.Unlock()
		if b.moment(r.URL.Path, "before") {
			panic(http.ErrAbortHandler) // the rest of the request is on its way and does not arrive
		}
		// The server acts even if the command is gone, as it does when the whole request has arrived.
		proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return b
}

func (b *between) set(when string, nth int, act func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.when, b.nth, b.act = when, nth, act
}

// moment does what was set for it, and says whether there was something.
func (b *between) moment(path, when string) bool {
	b.mu.Lock()
	var act func()
	if strings.HasSuffix(path, "/recovery/init") && b.nth == 0 && when == b.when {
		act, b.act = b.act, nil
	}
	b.mu.Unlock()
	if act != nil {
		act()
	}
	return act != nil
}

// TestRecoveryInitIsCutShort kills the command at each of its steps, and the connection too. After each the words say
// where the key is and whether it is in force, and the next command ends with a key that opens everything.
func TestRecoveryInitIsCutShort(t *testing.T) {
	data := organisation(t)
	serve := command(t, "serve", "--data", data, "--port-offset", strconv.Itoa(peers.FreeOffset(t)))
	var said bytes.Buffer
	serve.Stdout, serve.Stderr = &said, &said
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Signal(syscall.SIGTERM); serve.Wait() })
	until(t, "the server answers", func() bool { _, err := admin.Dial(t.Context(), data); return err == nil })
	b := standBetween(t, data)
	inForce := func() string {
		t.Helper()
		var v struct{ ID string }
		if err := json.Unmarshal([]byte(mustSay(t, "{", "recovery", "show", "--json", "--data", data)), &v); err != nil {
			t.Fatal(err)
		}
		return v.ID
	}
	exists := func(path string) bool { _, err := os.Lstat(path); return err == nil }

	const wayOn, finish, again = "remove it, then run this again", "is the recovery key in force", ""
	for _, c := range []struct {
		name       string
		when       string
		nth        int // 1 is the look before, 2 the act
		stdout     bool
		connection bool // is cut, instead of the process being killed
		file, left bool // FILE is there, FILE.new is there
		force      bool // there is a new key in force
		next       string
	}{
		{name: "before the key is written", when: "before", nth: 1, next: again},
		{name: "written, nothing is wrapped", when: "before", nth: 2, left: true, next: wayOn},
		{name: "wrapped, the answer has not come", when: "after", nth: 2, left: true, force: true, next: finish},
		{name: "wrapped, the connection is cut", when: "after", nth: 2, connection: true, left: true, force: true, next: finish},
		{name: "in its place, nothing is said", stdout: true, file: true, force: true, next: "the file exists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := inForce()
			file := filepath.Join(t.TempDir(), "recovery.key")
			p := command(t, "recovery", "init", "--out", file, "--yes", "--data", b.dir)
			var words bytes.Buffer
			p.Stderr = &words
			if c.stdout {
				p.Stdout = full(t)
			}
			reached := make(chan struct{})
			if c.when != "" {
				b.set(c.when, c.nth, func() {
					if c.connection {
						close(reached)
						panic(http.ErrAbortHandler)
					}
					p.Process.Kill()
					p.Process.Wait()
					close(reached)
				})
			}
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			switch {
			case c.stdout:
				until(t, "the key is in its place", func() bool { return exists(file) })
				p.Process.Kill()
			default:
				<-reached
			}
			p.Wait() // killed, or it has failed
			until(t, "the server has acted", func() bool { return (inForce() != before) == c.force })
			if exists(file) != c.file || exists(file+".new") != c.left {
				t.Fatalf("FILE is there: %v, FILE.new: %v", exists(file), exists(file+".new"))
			}
			if c.connection && !strings.Contains(words.String(), "it is kept in "+file+".new") {
				t.Errorf("the command does not say where the key is:\n%s", words.String())
			}
			if c.left {
				mustRefuse(t, "recovery.key.new is a key whose making was cut short", "recovery", "test", file, "--data", data)
			}
			switch c.next {
			case again:
				mustSay(t, "age1", "recovery", "init", "--out", file, "--yes", "--data", data)
			case finish:
				mustSay(t, finish, "recovery", "init", "--out", file, "--data", data)
			default:
				mustRefuse(t, c.next, "recovery", "init", "--out", file, "--yes", "--data", data)
				if c.left {
					if err := os.Remove(file + ".new"); err != nil {
						t.Fatal(err)
					}
					mustSay(t, "age1", "recovery", "init", "--out", file, "--yes", "--data", data)
				}
			}
			mustSay(t, "opens all", "recovery", "test", file, "--data", data)
		})
	}
	t.Run("in force, and never shown", func(t *testing.T) {
		before := inForce()
		p := command(t, "recovery", "init", "--out", "-", "--yes", "--data", data)
		p.Stdout = full(t)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "a new key is in force", func() bool { return inForce() != before })
		p.Process.Kill()
		p.Wait() // killed
		if _, text := says(t, "status", "--data", data); !strings.Contains(text, "the recovery key was never tried") || !strings.Contains(text, "FILE.new") {
			t.Errorf("status does not say that the key was never tried, and where it may lie:\n%s", text)
		}
		file := filepath.Join(t.TempDir(), "recovery.key")
		mustSay(t, "age1", "recovery", "init", "--out", file, "--yes", "--data", data)
		mustSay(t, "opens all", "recovery", "test", file, "--data", data)
	})
}

// TestRestoreIsCutShort kills a restore while it reads, and when all is done but nothing said. The next one succeeds, or
// says that the backup is there; recovery goes on from either.
func TestRestoreIsCutShort(t *testing.T) {
	data := organisation(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "postseal.toml"), []byte("[limits]\nconnections-per-address = 100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, file := filepath.Join(dir, "key"), filepath.Join(dir, "backup.age")
	mustSay(t, "", "recovery", "init", "--out", key, "--data", data)
	mustSay(t, "", "backup", "create", file, "--data", data)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"nothing is read": 0, "the header is read": 70_000, "half is read": len(whole) / 2, "all but the last byte": len(whole) - 1, "done, nothing is said": len(whole)} {
		t.Run(name, func(t *testing.T) {
			into := filepath.Join(t.TempDir(), "new")
			p := command(t, "backup", "restore", "-", "--key", key, "--data", into)
			p.Stdout = full(t)
			in, err := p.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(in, bytes.NewReader(whole[:n])); err != nil {
				t.Fatal(err)
			}
			database := filepath.Join(into, "postseal.db")
			if n == len(whole) {
				if err := in.Close(); err != nil {
					t.Fatal(err)
				}
				until(t, "the database is in its place", func() bool { _, err := os.Lstat(database); return err == nil })
			} else if n >= len(whole)/2 {
				until(t, "the copy grows", func() bool {
					parts, err := filepath.Glob(filepath.Join(into, ".restoring-*", "postseal.db"))
					return err == nil && len(parts) == 1
				})
			}
			p.Process.Kill()
			p.Wait() // killed
			if _, err := os.Lstat(database); errors.Is(err, fs.ErrNotExist) != (n < len(whole)) {
				t.Fatalf("the database: %v", err)
			}
			if n < len(whole) {
				text := mustSay(t, "next: postseal recovery use", "backup", "restore", file, "--key", key, "--data", into)
				if strings.Contains(text, "stays as it is") {
					t.Errorf("the configuration that the killed restore made is called somebody's:\n%s", text)
				}
			} else {
				mustRefuse(t, "what is there is the backup: postseal recovery use", "backup", "restore", file, "--key", key, "--data", into)
			}
			mustSay(t, "open again", "recovery", "use", key, "--data", into)
			mustSay(t, "", "cert", "list", "--data", into)
			if left, err := filepath.Glob(filepath.Join(into, ".restoring-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
