// Command plan measures how much processor time `postseal plan` takes for a large file, the process included.
//
// It writes inventories into a temporary directory and runs the built binary on each, as an administrator would: 2,000
// names of 40 domains in four zones; the same with pairs that must be apart, which is where the search is; and 300 names
// with many pairs. Each number is the median of -runs, with the lowest and the highest beside it; the kernel's count of
// user and system time is the scale. docs/benchmarks.md keeps the last ones.
//
//	go run ./bench/plan -binary bin/postseal
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
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

func main() {
	binary := flag.String("binary", "bin/postseal", "the program to measure")
	runs := flag.Int("runs", 5, "measurements for each number; the median counts")
	flag.Parse()
	os.Exit(gauge.Run("plan", func(ctx context.Context) error { return measure(ctx, *binary, *runs, os.Stdout) }))
}

// inventories are the files to plan for.
func inventories() []struct{ name, text string } {
	names := func(n, domains, every int) string { // with a zone for each domain, or for so many names
		var b strings.Builder
		for k := range n {
			zone := []string{"inside", "inside", "edge", "partner:bank"}[k%domains/every%4]
			fmt.Fprintf(&b, "h%04d.d%02d.com IMAP,SMTP %s\n", k, k%domains, zone)
		}
		return b.String()
	}
	pairs := func(n, every, domains int) string {
		var b strings.Builder
		for k := 0; k+every < n; k += every {
			fmt.Fprintf(&b, "apart h%04d.d%02d.com h%04d.d%02d.com\n", k, k%domains, k+every, (k+every)%domains)
		}
		return b.String()
	}
	return []struct{ name, text string }{
		{"2,000 names", names(2000, 40, 1)},
		{"2,000 names, 285 pairs apart", names(2000, 40, 1) + pairs(2000, 7, 40)},
		{"300 names, 149 pairs apart", names(300, 10, 10) + pairs(300, 2, 10)},
	}
}

func measure(ctx context.Context, binary string, runs int, w io.Writer) error {
	if runs < 1 {
		return fmt.Errorf("measuring %d times: want one or more", runs)
	}
	dir, err := os.MkdirTemp("", "postseal-bench-plan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "names.txt")
	for _, i := range inventories() {
		if err := os.WriteFile(file, []byte(i.text), 0o600); err != nil {
			return err
		}
		var took []time.Duration
		var says string
		for range runs {
			one, out, err := run(ctx, binary, "plan", "--from", file, "--authority", "letsencrypt", "--json")
			if err != nil {
				return fmt.Errorf("planning for %s: %w", i.name, err)
			}
			took = append(took, one)
			if says, err = summary(out); err != nil {
				return fmt.Errorf("planning for %s: %w", i.name, err)
			}
		}
		slices.Sort(took)
		fmt.Fprintf(w, "plan, %-30s %6.0f ms CPU (%.0f to %.0f)  %s\n", i.name, gauge.Milliseconds(took[len(took)/2]), gauge.Milliseconds(took[0]), gauge.Milliseconds(took[len(took)-1]), says)
	}
	return nil
}

// run runs a command and returns the processor time that it took.
func run(ctx context.Context, binary string, args ...string) (time.Duration, []byte, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return 0, nil, fmt.Errorf("%w: %s", err, said.Bytes())
	}
	return gauge.Used(cmd), out.Bytes(), nil
}

// summary says what came out, so that a fast answer that is no answer is seen.
func summary(out []byte) (string, error) {
	var p struct {
		Choices []struct {
			Name   string
			Proven bool
			Cost   struct{ Certificates int }
		}
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return "", err
	}
	var parts []string
	for _, c := range p.Choices {
		text := fmt.Sprintf("%s %d", c.Name, c.Cost.Certificates)
		if !c.Proven {
			text += " (not proven)"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), nil
}
