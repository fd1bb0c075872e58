package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// runLimit is how long one run of a peer may take; a client that waits longer waits for ever.
const runLimit = time.Minute

// A Command is one run of a program. Only Args is needed.
type Command struct {
	Args  []string      // the program and its arguments
	Stdin string        // what it reads; empty means end of file at once
	Dir   string        // where it runs; empty means the test's directory
	Env   []string      // added to the test's own environment, as KEY=value
	Limit time.Duration // zero means one minute
}

// A Result is what a program said and how it ended.
type Result struct {
	Stdout string
	Stderr string
	Exit   int
}

// String is the whole result as a failing test shows it.
func (r Result) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s\n--- stderr\n%s", r.Exit, strings.TrimRight(r.Stdout, "\n"), strings.TrimRight(r.Stderr, "\n"))
}

// Run runs c to its end. A program that is missing or does not end in time fails the test; an exit status does not,
// because refusals are what many tests are about.
func Run(t testing.TB, c Command) Result {
	t.Helper()
	Need(t, c.Args[0])
	limit := c.Limit
	if limit == 0 {
		limit = runLimit
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.Stdin), &stdout, &stderr
	cmd.Dir = c.Dir
	cmd.Env = append(cmd.Environ(), c.Env...)
	// A grandchild that keeps the pipes open must not hold the test after the limit.
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Exit: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		t.Fatalf("running %s: not done after %v\n%v", strings.Join(c.Args, " "), limit, r)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s: %v", strings.Join(c.Args, " "), err)
	}
	return r
}

// Succeed runs c and fails the test unless it exits with 0.
func Succeed(t testing.TB, c Command) Result {
	t.Helper()
	r := Run(t, c)
	if r.Exit != 0 {
		t.Fatalf("%s: got %v, want exit 0", strings.Join(c.Args, " "), r)
	}
	return r
}
