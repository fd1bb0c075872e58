// Command count runs `go test -json` and ends with one line: how many tests passed, failed and were skipped.
//
// It takes the arguments of go test, shows one line per package as it ends and the whole output of whatever failed,
// and exits with 1 unless go test succeeded, something ran and nothing was skipped. Being the parent of go test rather
// than the end of a pipe, it cannot hide its exit status. `make test` uses it:
//
//	go run ./internal/peers/count -race ./internal/serve/... -- ./internal/ground/...
//
// A lone -- begins another run of go test; all of them are one count. The race detector makes arithmetic ten times
// slower and finds nothing in it, so not every package is worth it.
//
// It counts leaves: a test with subtests counts as its subtests, and for itself only when it fails beside them.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

func main() {
	ok, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "count: error: %v\n", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// run runs go test with args, once for each part between lone --, and reports on w whether all is well.
func run(args []string, w io.Writer) (ok bool, err error) {
	t := newTally(w)
	all := true
	for len(args) > 0 {
		n := slices.Index(args, "--")
		if n < 0 {
			n = len(args)
		}
		ok, err := part(args[:n], t)
		if err != nil {
			return false, err
		}
		all = all && ok
		args = args[min(n+1, len(args)):]
	}
	t.finish()
	return all && t.good(), nil
}

// part runs go test once, and says whether it succeeded.
func part(args []string, t *tally) (ok bool, err error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("starting go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("starting go test: %w", err)
	}
	readErr := t.read(bufio.NewReader(out))
	waitErr := cmd.Wait() // its status is judged only after all it said is shown
	if readErr != nil {
		return false, fmt.Errorf("reading go test: %w", readErr)
	}
	return waitErr == nil, nil
}
