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
	startLimit = 60 * time.Second
	settle     = 2 * time.Second
	ticks      = 100 // a second, of /proc/PID/stat: the kernel's USER_HZ
)

// A measurement is one run of all numbers against one binary.
type measurement struct {
	binary string
	runs   int
	count  int
	offset int    // of the ports
	data   string // the data directory
}

// all seeds, measures everything, and writes one line for each number.
func (m *measurement) all(ctx context.Context, w io.Writer) (err error) {
	if m.runs < 1 || m.count < 1 {
		return fmt.Errorf("measuring %d times with %d certificates: want one or more", m.runs, m.count)
	}
	if m.data == "" {
		if m.data, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(m.data)
	}
	if _, err := os.Stat(filepath.Join(m.data, "postseal.db")); err != nil {
		if _, err := m.run(ctx, "setup", "--org", "Bench", "--domain", "example.com", "--host", "mail1.example.com", "--mode", "front"); err != nil {
			return err
		}
		if err := m.seed(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%-52s %9s %9s %9s\n", fmt.Sprintf("%d certificates, median of %d", m.count, m.runs), "median", "lowest", "highest")

	commands := []struct {
		what string
		args []string
	}{
		{"cert list, first 100", []string{"cert", "list", "--json", "--limit", "100"}},
		{"cert list, 100 from the middle", []string{"cert", "list", "--json", "--limit", "100", "--after", "host05000-example-com/1/ECDSA"}},
		{"cert list, one name", []string{"cert", "list", "--json", "--limit", "100", "--domain", "host07777.example.com"}},
		{"cert list, Valid, first 100", []string{"cert", "list", "--json", "--limit", "100", "--status", "Valid"}},
		{"cert list, all", []string{"cert", "list", "--json"}},
		{"service list", []string{"service", "list", "--json"}},
		{"status", []string{"status", "--json"}},
	}
	for _, c := range commands {
		if err := m.times(ctx, w, c.what+", no server, ms", c.args); err != nil {
			return err
		}
	}
	if err := m.backups(ctx, w); err != nil {
		return err
	}
	s, err := m.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	time.Sleep(settle)
	before, err := memory(s)
	if err != nil {
		return err
	}
	began, err := processor(s)
	if err != nil {
		return err
	}
	for _, c := range commands {
		if err := m.times(ctx, w, c.what+", server, ms", c.args); err != nil {
			return err
		}
	}
	ended, err := processor(s)
	if err != nil {
		return err
	}
	time.Sleep(settle)
	after, err := memory(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%-52s %9.1f\n%-52s %9.1f\n%-52s %9.2f\n", "memory (VmRSS) after its start, MiB", before,
		"memory (VmRSS) after everything was listed, MiB", after, "CPU of the server for all of it, s", ended-began)
	return nil
}

// times runs a command again and again and writes how long it takes.
func (m *measurement) times(ctx context.Context, w io.Writer, what string, args []string) error {
	var values []float64
	runs := m.runs
	if !slices.ContainsFunc(args, func(a string) bool { return a == "--limit" || a == "service" || a == "status" }) {
		runs = 1 // all ten thousand, which takes seconds the first time
	}
	for range runs {
		began := time.Now()
		if _, err := m.run(ctx, args...); err != nil {
			return err
		}
		values = append(values, time.Since(began).Seconds()*1000)
	}
	slices.Sort(values)
	fmt.Fprintf(w, "%-52s %9.1f %9.1f %9.1f\n", what, values[len(values)/2], values[0], values[len(values)-1])
	return nil
}

// run runs one command of the program. status says with 3 that something needs attention, which is no failure here.
func (m *measurement) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, m.binary, append(args, "--data", m.data)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() != 3 {
		return nil, fmt.Errorf("running %s: %w:\n%.1000s", strings.Join(args[:2], " "), err, out)
	}
	return out, nil
}

// A server is the started program.
type server struct {
	cmd    *exec.Cmd
	output *bytes.Buffer // to be read after ended
	ended  chan struct{}
}

// start starts the server and returns when a TLS handshake on imaps has succeeded.
func (m *measurement) start(ctx context.Context) (*server, error) {
	s := &server{output: &bytes.Buffer{}, ended: make(chan struct{})}
	s.cmd = exec.Command(m.binary, "serve", "--bind", "127.0.0.1", "--port-offset", strconv.Itoa(m.offset), "--data", m.data)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.cmd.Wait() // its status stands in ProcessState
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // whether it answers is asked, not who
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(993+m.offset)))
		if err == nil {
			return s, c.Close()
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("starting %s: it ended, %v:\n%s", m.binary, s.cmd.ProcessState, s.output)
		case <-ctx.Done():
			s.stop()
			return nil, fmt.Errorf("waiting for a handshake: %w", err)
		case <-again.C:
		}
	}
}

// stop ends the server in good order.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM) // an ended process needs none
	<-s.ended
}

// memory is the resident memory of a server in MiB.
func memory(s *server) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("reading the status of process %d: no VmRSS in it", s.cmd.Process.Pid)
}

// processor is the CPU that a server has used, in seconds (proc(5): utime and stime are fields 14 and 15).
func processor(s *server) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name, field 3 is the first
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("reading the stat of process %d: %q", s.cmd.Process.Pid, b)
	}
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticks, err
}
