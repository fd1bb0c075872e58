package peers

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 2 * time.Minute
	stopLimit  = 40 * time.Second // sessions get 30 seconds to end
)

// A Server is a running `postseal serve --trial` with a data directory and ports of its own.
type Server struct {
	Binary string
	Data   string // the data directory
	Offset int    // its --port-offset

	t      testing.TB
	args   []string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone
	output *transcript
}

// Binary is the path of the program. `make test` builds it once and names it in POSTSEAL_BINARY; without that it is
// built here, for this test.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("POSTSEAL_BINARY"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "postseal")
	Succeed(t, Command{
		Args:  []string{"go", "build", "-o", path, "postseal/cmd/postseal"},
		Env:   []string{"CGO_ENABLED=0"},
		Limit: 5 * time.Minute, // from clean caches
	})
	return path
}

// Postseal starts a trial server in a new data directory and waits until every listener answers. It is stopped when
// the test ends. args are added to the command line.
func Postseal(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Binary: Binary(t), Data: filepath.Join(t.TempDir(), "data"), Offset: FreeOffset(t), t: t, args: args, output: &transcript{}}
	if err := os.Mkdir(s.Data, 0o700); err != nil {
		t.Fatalf("making the data directory: %v", err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the server said:\n%s", s.output.String())
		}
	})
	return s
}

// Start starts the server, again after a [Server.Stop]. Listeners named in without are not waited for.
func (s *Server) Start(without ...string) {
	s.t.Helper()
	args := append([]string{"serve", "--trial", "--bind", "127.0.0.1", "--port-offset", strconv.Itoa(s.Offset), "--data", s.Data}, s.args...)
	s.cmd = exec.Command(s.Binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting %s: %v", s.Binary, err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		cmd.Wait() // the status is read from ProcessState, after ended
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	for name := range Ports() {
		if !slices.Contains(without, name) {
			s.await(ctx, name)
		}
	}
}

// await returns when the listener takes connections.
func (s *Server) await(ctx context.Context, listener string) {
	s.t.Helper()
	var d net.Dialer
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := d.DialContext(ctx, "tcp", s.Addr(listener))
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("serve ended at once, %v:\n%s", s.cmd.ProcessState, s.output.String())
		case <-ctx.Done():
			s.Stop(syscall.SIGKILL)
			s.t.Fatalf("listener %s at %s does not answer after %v: %v\n%s", listener, s.Addr(listener), startLimit, err, s.output.String())
		case <-again.C:
		}
	}
}

// Stop sends a signal, waits for the end and returns the exit status, -1 after a signal that killed it. A server that
// has ended already keeps the status it ended with.
func (s *Server) Stop(how syscall.Signal) int {
	s.t.Helper()
	select {
	case <-s.ended:
		return s.cmd.ProcessState.ExitCode()
	default:
	}
	if err := s.cmd.Process.Signal(how); err != nil {
		s.t.Logf("signalling process %d: %v", s.cmd.Process.Pid, err) // it ended in between
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-s.ended:
	case <-limit.C:
		s.cmd.Process.Kill()
		<-s.ended
		s.t.Errorf("the server did not stop within %v of %v:\n%s", stopLimit, how, s.output.String())
	}
	return s.cmd.ProcessState.ExitCode()
}

// PID is the process id of the running server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Addr is the address of a listener by name.
func (s *Server) Addr(listener string) string {
	s.t.Helper()
	port, ok := Ports()[listener]
	if !ok {
		s.t.Fatalf("no listener is named %q", listener)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+s.Offset))
}

// Password is that of the account trial@example.test.
func (s *Server) Password() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Data, "trial-password"))
	if err != nil {
		s.t.Fatalf("reading the trial password: %v", err)
	}
	return strings.TrimSpace(string(b))
}

// Output is everything the server wrote so far, over all its starts.
func (s *Server) Output() string { return s.output.String() }

// Command runs the command line on this server's data directory.
func (s *Server) Command(args ...string) Result {
	s.t.Helper()
	return Run(s.t, Command{Args: append(append([]string{s.Binary}, args...), "--data", s.Data)})
}

// transcript collects what a process writes while a test reads it.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
