package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"postseal/internal/ground/keys"
)

// maxPasswordBytes bounds a password from a file.
const maxPasswordBytes = 4096

// passwordFlags say where a password comes from: never from an argument, which every user of the machine
// can read.
type passwordFlags struct {
	file, env string
	short     bool
}

func (p *passwordFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&p.file, "password-file", "", "`FILE` whose first line is the password")
	f.StringVar(&p.env, "password-env", "", "environment `VARIABLE` that holds the password")
}

// shortFlag is for passwords of files with private keys, which are eight characters long at least.
func (p *passwordFlags) shortFlag(f *pflag.FlagSet) {
	f.BoolVar(&p.short, "short-password", false, "take a password of fewer than 8 characters")
}

// given says whether a flag names a password.
func (p *passwordFlags) given() bool { return p.file != "" || p.env != "" }

// read returns the password: of the file, of the environment, or, on a terminal, asked for with a prompt. Twice,
// when confirm is set, because nobody can see a slip. Without any of these the error says which flags there are.
func (p *passwordFlags) read(a *app, prompt string, confirm bool) (keys.Secret, error) {
	switch {
	case p.file != "" && p.env != "":
		return nil, &usageError{errors.New("--password-file and --password-env exclude each other")}
	case p.file != "":
		return readSecretFile("password-file", p.file)
	case p.env != "":
		value, ok := os.LookupEnv(p.env)
		if !ok {
			return nil, &usageError{fmt.Errorf("--password-env: %s is not set", p.env)}
		}
		return keys.NewSecret(value), nil
	}
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, &usageError{fmt.Errorf("%s: give it with --password-file or --password-env", strings.ToLower(prompt))}
	}
	first, err := a.askSecret(in, prompt)
	if err != nil || !confirm {
		return first, err
	}
	again, err := a.askSecret(in, prompt+", again")
	if err != nil {
		return nil, err
	}
	if string(first.Bytes()) != string(again.Bytes()) {
		return nil, &usageError{errors.New("the two passwords differ")}
	}
	return first, nil
}

// askSecret reads a line from a terminal without showing it.
func (a *app) askSecret(in *os.File, prompt string) (keys.Secret, error) {
	fmt.Fprintf(a.err, "%s: ", prompt)
	line, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return keys.Secret(line), nil
}

// readSecretFile reads the first line of the file that a flag names.
func readSecretFile(flag, path string) (keys.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordBytes+1))
	if err != nil {
		return nil, &usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	if len(text) > maxPasswordBytes {
		return nil, &usageError{fmt.Errorf("--%s %s: longer than %d bytes", flag, path, maxPasswordBytes)}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return keys.NewSecret(strings.TrimSuffix(line, "\r")), nil
}
