// Command acme measures what a certificate over ACME costs the server, beside Pebble and step-ca.
//
// Each server runs alone, as a process of its own, with an authority of P-256 keys, and is asked by the same client
// (golang.org/x/crypto/acme, 16 orders at once, one account) for -orders certificates of one name each, proved over HTTP.
// The name server and the web server of the proofs are in this process. What counts is the kernel's account of the
// server's user and system time between the first order and the last certificate, divided by the orders; 32 orders before
// that are not counted. Pebble does not sleep and refuses no nonces; it keeps its book in memory, where Postseal and
// step-ca write to the disk. The peers are built by `go install` into a temporary directory, unless -pebble and -stepca
// name them; one that cannot be had is left out. docs/benchmarks.md keeps the last numbers.
//
//	go run ./bench/acme -binary bin/postseal
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"postseal/bench/gauge"
)

// measurement is what the flags say.
type measurement struct {
	binary         string
	pebble, stepca string
	runs, orders   int
	offset         int
}

func main() {
	var m measurement
	flag.StringVar(&m.binary, "binary", "bin/postseal", "the program to measure")
	flag.StringVar(&m.pebble, "pebble", "", "a built pebble; empty builds one")
	flag.StringVar(&m.stepca, "stepca", "", "a built step-ca; empty builds one")
	flag.IntVar(&m.runs, "runs", 5, "measurements of each server; the median counts")
	flag.IntVar(&m.orders, "orders", 200, "certificates in a measurement")
	flag.IntVar(&m.offset, "port-offset", 10600, "added to our ports")
	flag.Parse()
	os.Exit(gauge.Run("acme", func(ctx context.Context) error { return m.all(ctx, os.Stdout) }))
}

// peers are the versions that are measured.
const (
	pebbleModule = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"
	stepcaModule = "github.com/smallstep/certificates/cmd/step-ca@v0.30.2"
)

func (m measurement) all(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "postseal-bench-acme-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := newProver()
	if err != nil {
		return err
	}
	defer p.close()
	pebble, stepca := built(ctx, w, m.pebble, pebbleModule, dir), built(ctx, w, m.stepca, stepcaModule, dir)
	gauge.Head(w, "a certificate over ACME")
	medians := map[string]float64{}
	for _, s := range []struct {
		name  string
		start func(ctx context.Context, dir string, p *prover) (*server, error)
		have  bool
	}{
		{"postseal", m.startPostseal, true},
		{"pebble", func(ctx context.Context, dir string, p *prover) (*server, error) {
			return startPebble(ctx, pebble, dir, p)
		}, pebble != ""},
		{"step-ca", func(ctx context.Context, dir string, p *prover) (*server, error) {
			return startStepCA(ctx, stepca, dir, p)
		}, stepca != ""},
	} {
		if !s.have {
			continue
		}
		var values []float64
		for n := range m.runs {
			v, err := m.one(ctx, filepath.Join(dir, fmt.Sprint(s.name, n)), p, s.start)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			values = append(values, v)
		}
		gauge.Row(w, s.name+", CPU of the server, ms", 2, values)
		medians[s.name] = gauge.Median(values)
	}
	for _, peer := range []string{"pebble", "step-ca"} {
		if v := medians[peer]; v > 0 {
			fmt.Fprintf(w, "postseal / %s %.2f\n", peer, medians["postseal"]/v)
		}
	}
	return nil
}

// warm is how many orders are made before anything counts.
const warm = 32

// one starts a server, makes its orders, and returns the CPU of one in milliseconds.
func (m measurement) one(ctx context.Context, dir string, p *prover, start func(context.Context, string, *prover) (*server, error)) (ms float64, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	s, err := start(ctx, dir, p)
	if err != nil {
		return 0, err
	}
	defer func() {
		if stopped := s.stop(); err == nil {
			err = stopped
		}
	}()
	c, err := newClient(ctx, s.directory, p)
	if err != nil {
		return 0, err
	}
	if err := c.enrol(ctx, "warm", warm); err != nil {
		return 0, err
	}
	before, err := s.processor()
	if err != nil {
		return 0, err
	}
	if err := c.enrol(ctx, "counted", m.orders); err != nil {
		return 0, err
	}
	after, err := s.processor()
	return gauge.Milliseconds(time.Duration((after-before)*float64(time.Second))) / float64(m.orders), err
}
