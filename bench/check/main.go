// Command check measures what `postseal check` costs for an endpoint, beside openssl s_client.
//
// A process of its own serves TLS 1.3 at -endpoints loopback addresses, each with a P-256 certificate of its own below one
// root. Then the built binary looks at all of them with --quick (one handshake each, the chain judged), on one processor
// (GOMAXPROCS=1), and the kernel's account of its user and system time is divided by the number of endpoints: the start of
// the program is in it. openssl s_client does one handshake for each of -peers of them. Both verify the chain against the
// same root. docs/benchmarks.md keeps the last numbers.
//
//	go run ./bench/check -binary bin/postseal
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
	endpoints := flag.Int("endpoints", 2000, "endpoints to look at")
	peers := flag.Int("peers", 50, "handshakes of openssl s_client in a run")
	serve := flag.String("serve", "", "be the servers, and write the root and the list of hosts into this directory")
	bare := flag.String("bare", "", "make one handshake with each host of the list in this directory and nothing else, and end")
	flag.Parse()
	os.Exit(gauge.Run("check", func(ctx context.Context) error {
		if *serve != "" {
			return serveAll(ctx, *serve, *endpoints)
		}
		if *bare != "" {
			return shakeAll(ctx, *bare)
		}
		m := measurement{binary: *binary, runs: *runs, endpoints: *endpoints, peers: *peers}
		return m.all(ctx, os.Stdout)
	}))
}
