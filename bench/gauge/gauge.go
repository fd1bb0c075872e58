// Package gauge is what the measuring programs share: it drives the built binary from outside, as a stranger would, and
// reads the kernel's own numbers (/proc), so it runs on Linux. A measuring program has its flags, its steps, and nothing
// of this.
package gauge

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// Run runs a measuring program and returns its exit status. SIGINT and SIGTERM end ctx.
func Run(name string, measure func(ctx context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: error: %v\n", name, err)
		return 1
	}
	return 0
}

// Used is the processor time of a process that has ended, with that of its children that it waited for.
func Used(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// Milliseconds is a duration as the tables show it.
func Milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// Head writes the first line of a table.
func Head(w io.Writer, what string) {
	fmt.Fprintf(w, "%-52s %9s %9s %9s\n", what, "median", "lowest", "highest")
}

// Median is the middle one of some values.
func Median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// Row writes the median of some values, the lowest and the highest, with so many decimals.
func Row(w io.Writer, what string, decimals int, values []float64) {
	values = slices.Sorted(slices.Values(values))
	fmt.Fprintf(w, "%-52s %9.*f %9.*f %9.*f\n", what, decimals, values[len(values)/2], decimals, values[0], decimals, values[len(values)-1])
}
