// Command many measures an organisation of ten thousand certificates: how long a page of `cert list` takes, the whole
// list, `status` and `service list`, with a server and without one, and what memory the server holds.
//
// It drives the built binary from outside. The certificates are real: each has its own P-256 key, is issued by one of
// two intermediate authorities under a root that the organisation trusts, and is taken in by `cert import` from PEM
// bundles, a hundred to a file. That takes a while; it is not measured. Wall time is the median of -runs, of the whole list that of one; CPU is that
// of the command, or of the server while it answers. docs/benchmarks.md keeps the last numbers.
//
//	go run ./bench/many -binary bin/postseal
package main

import (
	"context"
	"flag"
	"os"

	"postseal/bench/gauge"
)

func main() {
	binary := flag.String("binary", "bin/postseal", "the program to measure")
	runs := flag.Int("runs", 3, "measurements for each number; the median counts")
	count := flag.Int("count", 10_000, "certificates in the organisation")
	offset := flag.Int("port-offset", 12000, "offset of the ports that the server listens on")
	keep := flag.String("keep", "", "make the organisation in this `DIR`, or measure the one there, and leave it")
	flag.Parse()
	m := measurement{binary: *binary, runs: *runs, count: *count, offset: *offset, data: *keep}
	os.Exit(gauge.Run("many", func(ctx context.Context) error { return m.all(ctx, os.Stdout) }))
}
