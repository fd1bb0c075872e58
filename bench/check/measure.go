package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postseal/bench/gauge"
)

// startLimit is for making the certificates of all endpoints.
const startLimit = time.Minute

type measurement struct {
	binary                 string
	runs, endpoints, peers int
	dir                    string // made and removed by all
}

// all measures everything and writes one line for each number.
func (m *measurement) all(ctx context.Context, w io.Writer) (err error) {
	if m.runs < 1 || m.endpoints < 1 || m.peers < 1 || m.peers > m.endpoints {
		return errors.New("want one or more runs and endpoints, and no more peers than endpoints")
	}
	if m.dir, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	stop, err := m.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var ours, walls, bare, theirs []float64
	for range m.runs {
		cpu, wall, err := m.check(ctx)
		if err != nil {
			return err
		}
		ours, walls = append(ours, gauge.Milliseconds(cpu)/float64(m.endpoints)), append(walls, wall.Seconds())
		if cpu, err = m.bare(ctx); err != nil {
			return err
		}
		bare = append(bare, gauge.Milliseconds(cpu)/float64(m.endpoints))
		if cpu, err = m.openssl(ctx); err != nil {
			return err
		}
		theirs = append(theirs, gauge.Milliseconds(cpu)/float64(m.peers))
	}
	gauge.Head(w, fmt.Sprintf("median of %d", m.runs))
	gauge.Row(w, "check --quick, CPU per endpoint, ms", 2, ours)
	gauge.Row(w, fmt.Sprintf("check --quick of %d endpoints, one core, s", m.endpoints), 2, walls)
	gauge.Row(w, "the same handshakes and nothing else, CPU per endpoint, ms", 2, bare)
	gauge.Row(w, "openssl s_client, CPU per endpoint, ms", 2, theirs)
	return nil
}

// start starts the servers and waits for their list.
func (m *measurement) start(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", m.dir, "-endpoints", strconv.Itoa(m.endpoints))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM) // an ended process needs none
		cmd.Wait()                          // the numbers are taken
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := os.Stat(filepath.Join(m.dir, "hosts")); err == nil {
			return stop, nil
		}
		select {
		case <-ctx.Done():
			stop()
			return nil, fmt.Errorf("waiting for the servers: %w", ctx.Err())
		case <-again.C:
		}
	}
}

// check looks at all endpoints. Each must be good: a check that fails early would be quick.
func (m *measurement) check(ctx context.Context) (cpu, wall time.Duration, err error) {
	cmd := exec.CommandContext(ctx, m.binary, "check", "--quick", "--from", filepath.Join(m.dir, "hosts"), "--data", filepath.Join(m.dir, "none"))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "SSL_CERT_FILE="+filepath.Join(m.dir, "root.pem"))
	began := time.Now()
	out, err := cmd.CombinedOutput()
	wall = time.Since(began)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := lines[len(lines)-1]
	if want := fmt.Sprintf("%d ok, 0 warn, 0 bad", m.endpoints); err != nil || !strings.HasSuffix(last, want) {
		return 0, 0, fmt.Errorf("running check: %v: %q, want %q", err, last, want)
	}
	return gauge.Used(cmd), wall, nil
}

// bare makes the same handshakes without looking at anything.
func (m *measurement) bare(ctx context.Context) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "-bare", m.dir)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("making handshakes: %w:\n%s", err, out)
	}
	return gauge.Used(cmd), nil
}

// openssl makes one handshake with each of the first endpoints.
func (m *measurement) openssl(ctx context.Context) (time.Duration, error) {
	f, err := os.Open(filepath.Join(m.dir, "hosts"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var cpu time.Duration
	lines := bufio.NewScanner(f)
	for n := 0; n < m.peers && lines.Scan(); n++ {
		host, _, err := net.SplitHostPort(lines.Text())
		if err != nil {
			return 0, err
		}
		cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", lines.Text(), "-CAfile", filepath.Join(m.dir, "root.pem"), "-verify_ip", host, "-verify_return_error")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("running openssl s_client: %w:\n%s", err, out)
		}
		cpu += gauge.Used(cmd)
	}
	return cpu, lines.Err()
}
