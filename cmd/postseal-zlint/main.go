// Command postseal-zlint lets zlint read what the organisation's own authority makes.
//
// postseal serve starts it when there is something to read, if it lies beside postseal, and ends it again. It speaks on its
// standard input and output what package zlint says, and needs nothing else: no file, no connection, no environment.
package main

import (
	"errors"
	"fmt"
	"os"

	"postseal/internal/issue/zlinter"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "postseal-zlint: error:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		return errors.New("starting: postseal serve starts it, without arguments")
	}
	if err := zlinter.Confine(); err != nil {
		return err
	}
	return zlinter.Serve(os.Stdin, os.Stdout)
}
