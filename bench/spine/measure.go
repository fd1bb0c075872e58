package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 30 * time.Second
	stopLimit  = 40 * time.Second
	// settle is how long an idle server is left alone before its memory is read: start-up garbage goes back meanwhile.
	settle = 10 * time.Second
)

// A measurement is one run of all numbers against one binary.
type measurement struct {
	binary string
	runs   int
	offset int // of the ports

	data string // made and removed by all
}

// all measures everything and writes one line for each number.
func (m *measurement) all(ctx context.Context, w io.Writer) (err error) {
	if m.runs < 1 {
		return fmt.Errorf("measuring %d times: want one or more", m.runs)
	}
	if m.data, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.data)

	// 1. The organisation is made outside the measurement: keys cost what they cost, once.
	s, _, err := m.start(ctx)
	if err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}

	var starts, idles, lists, offline []float64
	for range m.runs {
		// 2. Start to first handshake, then idle memory of that server.
		s, took, err := m.start(ctx)
		if err != nil {
			return err
		}
		starts = append(starts, milliseconds(took))
		memory, err := m.idle(ctx, s)
		if err != nil {
			s.stop()
			return err
		}
		idles = append(idles, memory)
		// 3. cert list through the running server.
		took, err = m.list(ctx)
		if err != nil {
			s.stop()
			return err
		}
		lists = append(lists, milliseconds(took))
		if err := s.stop(); err != nil {
			return err
		}
		// 4. The same without a server, on the state itself.
		if took, err = m.list(ctx); err != nil {
			return err
		}
		offline = append(offline, milliseconds(took))
	}
	fmt.Fprintf(w, "%-44s %9s %9s %9s\n", fmt.Sprintf("median of %d", m.runs), "median", "lowest", "highest")
	report(w, "start to first handshake (imaps), ms", starts)
	report(w, "cert list, server running, ms", lists)
	report(w, "cert list, no server, ms", offline)
	report(w, "idle memory (VmRSS), MiB", idles)
	return nil
}

// A server is the started program.
type server struct {
	cmd    *exec.Cmd
	output *bytes.Buffer // to be read after ended
	ended  chan struct{}
}

// start starts the server and returns when a TLS handshake on imaps has succeeded, with the time that took.
func (m *measurement) start(ctx context.Context) (*server, time.Duration, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(993+m.offset))
	if ln, err := net.Listen("tcp", addr); err != nil {
		return nil, 0, fmt.Errorf("the port of imaps is taken, choose another -port-offset: %w", err)
	} else {
		ln.Close()
	}
	s := &server{output: &bytes.Buffer{}, ended: make(chan struct{})}
	s.cmd = exec.Command(m.binary, "serve", "--trial", "--bind", "127.0.0.1", "--port-offset", strconv.Itoa(m.offset), "--data", m.data)
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
			c.Close()
			return s, took, nil
		}
		select {
		case <-s.ended:
			return nil, 0, fmt.Errorf("starting %s: it ended, %v:\n%s", m.binary, s.cmd.ProcessState, s.output)
		case <-ctx.Done():
			s.stop()
			return nil, 0, fmt.Errorf("waiting for a handshake with %s: %w", addr, err)
		case <-again.C:
		}
	}
}

// stop ends the server in good order.
func (s *server) stop() error {
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

// idle is the resident memory in MiB of a server that nobody has spoken to for a while.
func (m *measurement) idle(ctx context.Context, s *server) (float64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settle):
	}
	path := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status")
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("reading %s: no VmRSS in it", path)
}

// list is how long one `cert list` takes, from the start of its process to the end.
func (m *measurement) list(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, m.binary, "cert", "list", "--json", "--data", m.data)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("running cert list: %w:\n%s", err, out)
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func report(w io.Writer, what string, values []float64) {
	slices.Sort(values)
	fmt.Fprintf(w, "%-44s %9.1f %9.1f %9.1f\n", what, values[len(values)/2], values[0], values[len(values)-1])
}
