// Command postseal is the certificate and encryption layer of a mail organisation: one program on each
// mail server.
//
// `postseal serve` runs the server; every other command talks to it over the Unix socket in the data
// directory, or, when none runs, works on the state directly. The command line is a contract: what it
// prints on standard output is data, standard error is for people, and the exit status is 0 (done),
// 1 (failed or refused), 2 (wrong usage) or 3 (running, but something needs attention).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends at once: nobody at a terminal has to wait for draining.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
