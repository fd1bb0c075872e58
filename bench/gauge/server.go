package gauge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = time.Minute
	stopLimit  = 40 * time.Second // sessions get 30 seconds to end
	ticks      = 100              // a second, of /proc/PID/stat: the kernel's USER_HZ
)

// A Server is a running `postseal serve`.
type Server struct {
	cmd    *exec.Cmd
	output *bytes.Buffer // to be read after ended
	ended  chan struct{}
}

// Start starts a server on loopback ports and returns when a TLS handshake on imaps has succeeded, with the time that
// took. args are added to the command line.
func Start(ctx context.Context, binary, data string, offset int, args ...string) (*Server, time.Duration, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(993+offset))
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, 0, fmt.Errorf("the port of imaps is taken, choose another -port-offset: %w", err)
	}
	ln.Close()
	s := &Server{output: &bytes.Buffer{}, ended: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"serve", "--bind", "127.0.0.1", "--port-offset", strconv.Itoa(offset), "--data", data}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	go func() {
		s.cmd.Wait() // its status stands in ProcessState
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	// Nothing is verified: the time of a handshake is wanted, not its peer.
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			took := time.Since(began)
			return s, took, c.Close()
		}
		select {
		case <-s.ended:
			return nil, 0, fmt.Errorf("starting %s: it ended, %v:\n%s", binary, s.cmd.ProcessState, s.output)
		case <-ctx.Done():
			s.Stop() // that it would not start is the error
			return nil, 0, fmt.Errorf("waiting for a handshake with %s: %w", addr, err)
		case <-again.C:
		}
	}
}

// Stop ends the server in good order. A server that does not end is an error, and killed.
func (s *Server) Stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM) // an ended process needs none
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-s.ended:
	case <-limit.C:
		s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("the server did not stop within %v:\n%s", stopLimit, s.output)
	}
	if !s.cmd.ProcessState.Success() {
		return fmt.Errorf("the server ended with %v:\n%s", s.cmd.ProcessState, s.output)
	}
	return nil
}

// Memory is the server's resident memory in MiB (proc(5): VmRSS).
func (s *Server) Memory() (float64, error) { return s.status("VmRSS:") }

// Peak is the most that the server's resident memory was since it started, or since [Server.ForgetPeak], in MiB (proc(5): VmHWM).
func (s *Server) Peak() (float64, error) { return s.status("VmHWM:") }

// ForgetPeak begins a new peak at what is resident now (proc(5): 5 to clear_refs).
func (s *Server) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// status reads a line of /proc/PID/status, in MiB.
func (s *Server) status(line string) (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == line {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("reading %s: no %s in it", path, line)
}

// Processor is the CPU that the server has used so far, in seconds.
func (s *Server) Processor() (float64, error) { return Processor(s.cmd.Process.Pid) }

// Processor is the CPU that a running process has used so far, in seconds (proc(5): utime and stime are fields 14 and 15).
func Processor(pid int) (float64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name, field 3 is the first
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("reading %s: %q", path, b)
	}
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticks, err
}
