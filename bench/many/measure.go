package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/bench/gauge"
)

const settle = 2 * time.Second

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
	gauge.Head(w, fmt.Sprintf("%d certificates, median of %d", m.count, m.runs))

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
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset)
	if err != nil {
		return err
	}
	defer s.Stop() // the numbers are taken
	time.Sleep(settle)
	if err := m.pages(ctx, w, s); err != nil {
		return err
	}
	before, err := s.Memory()
	if err != nil {
		return err
	}
	began, err := s.Processor()
	if err != nil {
		return err
	}
	for _, c := range commands {
		if err := m.times(ctx, w, c.what+", server, ms", c.args); err != nil {
			return err
		}
	}
	ended, err := s.Processor()
	if err != nil {
		return err
	}
	time.Sleep(settle)
	after, err := s.Memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%-52s %9.1f\n%-52s %9.1f\n%-52s %9.2f\n", "memory (VmRSS) after its start and the pages, MiB", before,
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
		values = append(values, gauge.Milliseconds(time.Since(began)))
	}
	gauge.Row(w, what, 1, values)
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
