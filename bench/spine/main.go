// Command spine measures what an administrator feels of the program as a whole: how long an existing server takes from
// its start to the first TLS handshake, how long `cert list` takes, and how much memory the server needs while idle.
//
// It drives the built binary from outside, as a stranger would, on a trial organisation in a temporary directory; the
// kernel's own numbers (/proc) are its scales, so it runs on Linux. Each number is the median of -runs measurements,
// with the lowest and the highest beside it. docs/benchmarks.md says what the numbers mean and keeps the last ones.
//
//	go run ./bench/spine -binary bin/postseal
package main

import (
	"context"
	"flag"
	"os"

	"postseal/bench/gauge"
)

func main() {
	binary := flag.String("binary", "bin/postseal", "the program to measure")
	runs := flag.Int("runs", 5, "measurements for each number; the median counts")
	offset := flag.Int("port-offset", 11000, "offset of the ports that the server listens on")
	flag.Parse()
	m := measurement{binary: *binary, runs: *runs, offset: *offset}
	os.Exit(gauge.Run("spine", func(ctx context.Context) error { return m.all(ctx, os.Stdout) }))
}
