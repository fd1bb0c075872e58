package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"postseal/internal/ground/keys"
	"postseal/internal/steer/admin"
)

// tokenVariable is the environment variable that holds the token of --remote.
const tokenVariable = "POSTSEAL_TOKEN"

// farFlags say that a server elsewhere is asked, and how it is known.
type farFlags struct{ remote, fingerprint, tokenFile string }

func (f *farFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.remote, "remote", "", "ask the server at this `URL`, https://HOST:8172, instead of this machine; see: postseal help remote")
	flags.StringVar(&f.fingerprint, "fingerprint", "", "with --remote: `SHA256` of its certificate; kept after the first use")
	flags.StringVar(&f.tokenFile, "token-file", "", "with --remote: `FILE` whose first line is the token (default environment "+tokenVariable+")")
}

// again are the flags with which another command finds the same server.
func (f *farFlags) again() string {
	if f.remote == "" {
		return ""
	}
	flags := " --remote " + shellQuote(f.remote)
	if f.tokenFile != "" {
		flags += " --token-file " + shellQuote(f.tokenFile)
	}
	return flags
}

// checkFar refuses what makes no sense with or without --remote, before anything is asked or made.
func (a *app) checkFar(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	if given("remote") && a.far.remote == "" {
		return &usageError{errors.New("--remote: it is empty")}
	}
	if a.far.remote == "" {
		for _, name := range []string{"fingerprint", "token-file"} {
			if given(name) {
				return &usageError{fmt.Errorf("--%s needs --remote", name)}
			}
		}
		return nil
	}
	for _, name := range []string{"data", "sealing-key", "config"} {
		if given(name) {
			return &usageError{fmt.Errorf("--remote and --%s exclude each other: it is on the other machine", name)}
		}
	}
	path := commandWords(cmd)
	if why, ok := apart()[path]; ok {
		return &usageError{fmt.Errorf("%s has no --remote: %s", cmd.CommandPath(), why)}
	}
	return nil
}

// commandWords is a command without the program's name: "cert new".
func commandWords(cmd *cobra.Command) string {
	_, words, _ := strings.Cut(cmd.CommandPath(), " ")
	return words
}

// dialRemote connects to the server of --remote.
func (a *app) dialRemote(ctx context.Context) (*admin.Client, error) {
	token, err := a.far.token()
	if err != nil {
		return nil, err
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, &usageError{fmt.Errorf("finding where servers are pinned: %w", err)}
	}
	return admin.DialRemote(ctx, admin.RemoteOptions{
		Address: a.far.remote, Fingerprint: a.far.fingerprint, Token: token,
		Pins: admin.Pins{Path: filepath.Join(dir, "postseal", "remotes")},
		Ask:  a.askFingerprint,
		Note: func(text string) { fmt.Fprintf(a.err, "postseal: %s\n", text) },
	})
}

// token reads the token from its file or the environment: never from an argument, which every user of the machine
// can read.
func (f *farFlags) token() (keys.Secret, error) {
	if f.tokenFile != "" {
		token, err := readSecretFile("token-file", f.tokenFile)
		if err != nil {
			return nil, err
		}
		return keys.NewSecret(strings.TrimSpace(string(token.Bytes()))), nil
	}
	if text := strings.TrimSpace(os.Getenv(tokenVariable)); text != "" {
		return keys.NewSecret(text), nil
	}
	return nil, &usageError{fmt.Errorf("--remote needs a token: name its file with --token-file, or set %s", tokenVariable)}
}

// askFingerprint shows the fingerprint of a server that nobody knows yet, and asks on a terminal; elsewhere it is no.
func (a *app) askFingerprint(address, fingerprint string) (bool, error) {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false, nil
	}
	fmt.Fprintf(a.err, "The server %s is not known here. The SHA-256 of its certificate is\n  %s\n"+
		"Compare it with what `postseal admin fingerprint` says on the server. Is it the same? [y/N] ", address, fingerprint)
	answer, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	low := strings.ToLower(strings.TrimSpace(answer))
	return low == "y" || low == "yes", nil
}
