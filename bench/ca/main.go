// Command ca measures the organisation's own authority: what issuing over the API costs, alone and with a million
// certificates in the book, what its revocation lists and answers of OCSP cost, and what memory the server holds.
//
// It drives the built binary from outside: certificates are asked for over the management socket, sixteen clients at once,
// with requests made beforehand; what counts is the processor time of the server, disk included. With -step-ca it asks
// Smallstep's step-ca the same in the same run: a certificate for a request and a one-time token, with its database on
// disk. A million lines are put into the book with SQL, because issuing them would take an hour.
//
//	go run ./bench/ca -binary bin/postseal -step-ca PATH
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"postseal/bench/gauge"
)

func main() {
	var m measurement
	flag.StringVar(&m.binary, "binary", "bin/postseal", "the program to measure")
	flag.StringVar(&m.peer, "step-ca", "", "`PATH` of step-ca; empty measures without it")
	flag.StringVar(&m.cfssl, "cfssl", "", "`PATH` of cfssl, which serves answers of OCSP that were signed before; empty measures without it")
	flag.IntVar(&m.runs, "runs", 5, "measurements for each number; the median counts")
	flag.IntVar(&m.batch, "batch", 1000, "certificates in a measurement")
	flag.IntVar(&m.book, "book", 1_000_000, "lines that are put into the book")
	flag.StringVar(&m.only, "only", "", "one `PART` of the numbers alone: issue, ocsp or list; empty measures all")
	flag.IntVar(&m.offset, "port-offset", 12000, "offset of the ports that the server listens on")
	flag.StringVar(&m.data, "data", "", "`DIR` to make and to leave; one that an earlier run has left with a full book is not filled again")
	idle := flag.String("floor", "", "answer HTTP on `ADDRESS` and do nothing else")
	flag.Parse()
	if *idle != "" {
		fmt.Fprintln(os.Stderr, floor(*idle))
		os.Exit(1)
	}
	os.Exit(gauge.Run("ca", func(ctx context.Context) error { return m.all(ctx, os.Stdout) }))
}

// A measurement is one run of all numbers against one binary.
type measurement struct {
	binary, peer, cfssl, only string
	runs, batch, book, offset int
	data                      string // the data directory, and before all begins the one that holds it
	asked                     int    // certificates asked for so far: each has a name of its own
	w                         io.Writer
}

func (m *measurement) all(ctx context.Context, w io.Writer) (err error) {
	m.w = w
	if m.data == "" {
		if m.data, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(m.data)
	}
	data := filepath.Join(m.data, "data")
	_, missing := os.Stat(filepath.Join(data, stateFile))
	peer := filepath.Join(m.data, "peer")
	m.data = data
	if missing == nil {
		return m.large(ctx)
	}
	for _, args := range [][]string{{"setup", "--org", "Bench", "--domain", "example.com", "--host", "mail1.example.com", "--mode", "front"}, {"ca", "init", "--pki-host", m.address()}} {
		if err := m.run(ctx, args...); err != nil {
			return err
		}
	}
	gauge.Head(w, fmt.Sprintf("CPU of the server for %d, median of %d", m.batch, m.runs))
	if m.peer != "" && m.wants("issue") {
		if err := m.stepCA(ctx, peer); err != nil {
			return fmt.Errorf("measuring step-ca: %w", err)
		}
	}
	if err := m.small(ctx); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	return m.large(ctx)
}

// wants says whether a part is to be measured.
func (m *measurement) wants(part string) bool { return m.only == "" || m.only == part }

// small measures with an empty book.
func (m *measurement) small(ctx context.Context) error {
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset)
	if err != nil {
		return err
	}
	defer s.Stop() // the numbers are taken
	time.Sleep(settle)
	idle, err := s.Memory()
	if err != nil {
		return err
	}
	if m.wants("issue") {
		err = m.issuing(ctx, s, "API issuance, ms")
	} else {
		err = m.issue(ctx, burst) // to be revoked
	}
	if err != nil || !m.wants("issue") {
		return err
	}
	for m.asked < 10_000 {
		if err := m.issue(ctx, m.batch); err != nil {
			return err
		}
	}
	time.Sleep(settle)
	after, err := s.Memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(m.w, "%-52s %9.1f\n%-52s %9.1f\n", "memory (VmRSS) idle, MiB", idle, fmt.Sprintf("the same after %d certificates, MiB", m.asked), after)
	return m.searches(ctx, "search, one name of ten thousand, ms")
}

const settle = 2 * time.Second

// large measures with the book full.
func (m *measurement) large(ctx context.Context) error {
	if m.wants("issue") {
		if err := m.issueBesideAMillion(ctx); err != nil {
			return err
		}
	}
	if m.wants("ocsp") {
		if err := m.answers(ctx); err != nil {
			return err
		}
	}
	if !m.wants("list") {
		return nil
	}
	if err := m.revokeAll(ctx); err != nil {
		return err
	}
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset)
	if err != nil {
		return err
	}
	defer s.Stop() // the numbers are taken
	time.Sleep(settle)
	return m.list(ctx, s)
}

func (m *measurement) issueBesideAMillion(ctx context.Context) error {
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset)
	if err != nil {
		return err
	}
	defer s.Stop() // the numbers are taken
	time.Sleep(settle)
	if err := m.issuing(ctx, s, fmt.Sprintf("API issuance, %d in the book, ms", m.book)); err != nil {
		return err
	}
	return m.searches(ctx, fmt.Sprintf("search, one name of %d, ms", m.book))
}

// searches times the command that looks for one name: its own processor time, and the wall.
func (m *measurement) searches(ctx context.Context, what string) error {
	var values []float64
	for n := range m.runs {
		began := time.Now()
		if err := m.run(ctx, "ca", "list", "--search", fmt.Sprintf("n%d.example.com", 100*n+7), "--json"); err != nil {
			return err
		}
		values = append(values, gauge.Milliseconds(time.Since(began)))
	}
	gauge.Row(m.w, what, 1, values)
	return nil
}

// run runs one command of the program.
func (m *measurement) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, m.binary, append(args, "--data", m.data)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w:\n%.1000s", strings.Join(args[:2], " "), err, out)
	}
	return nil
}

// address is that of the http listener.
func (m *measurement) address() string { return fmt.Sprintf("127.0.0.1:%d", 80+m.offset) }
