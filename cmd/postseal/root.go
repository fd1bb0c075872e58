package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
)

// Exit statuses.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitAttention = 3
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// app is one run of the program.
type app struct {
	streams
	data, sealing, config, server string
	json, yes, dryRun, verbose    bool
	configGiven, dataGiven        bool // named by a flag
	far                           farFlags
}

// attention asks for exit status 3, without a word: the output has said it.
var attention = errors.New("something needs attention")

// usageError is a command line that is wrong in itself.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	called, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, attention):
		return exitAttention
	case errors.Is(err, errNotValid):
		return exitFailed
	}
	return a.complain(called, err)
}

// complain prints an error with its hint, and returns the exit status.
func (a *app) complain(called *cobra.Command, err error) int {
	if lost, ok := errors.AsType[*desk.KeysLostError](err); ok && !lost.Recovery {
		a.printWarnings(lost.Lines())
	}
	fmt.Fprintf(a.err, "postseal: error: %s\n", oneLine(err.Error()))
	advice := adviceFor(err)
	if _, ok := errors.AsType[*usageError](err); ok {
		advice.Usage = true
		if advice.Text == "" {
			advice.Text = "see: " + called.CommandPath() + " --help"
		}
	}
	if advice.Text == "" && a.far.remote != "" {
		advice.Text = "see that the server runs, and that management can be reached at that address: postseal help remote"
	}
	if advice.Text == "" {
		advice.Text = "see what needs attention: postseal status"
	}
	fmt.Fprintf(a.err, "postseal: hint: %s\n", oneLine(advice.Text))
	if advice.Usage {
		return exitUsage
	}
	return exitFailed
}

// adviceFor finds the hint of an error, which a server may have sent along. Files are written here, whoever answers.
func adviceFor(err error) hint.Hint {
	switch {
	case errors.Is(err, errFileExists):
		return hint.Hint{Text: "nothing was written; name another file, or replace this one with --force"}
	case errors.Is(err, errNoDirectory):
		return hint.Hint{Text: "nothing was made; make the directory first (mkdir -p DIR), or name one that is there"}
	}
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		return hint.Hint{Text: p.Hint, Usage: p.Usage}
	}
	return hint.For(err)
}

// oneLine keeps joined errors on one line.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "postseal",
		Short:         "Certificates and encryption for mail servers",
		Long:          "Postseal makes the certificates of a mail organisation, serves them, and tells the truth about what is served, to whom, until when.",
		Example:       "  postseal serve --trial --bind 127.0.0.1 --port-offset 10000 --data ./run",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          showHelp,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkFar(cmd); err != nil {
				return err
			}
			return a.globals(cmd)
		},
	}
	root.Version = version() // what people type first
	root.SetVersionTemplate(fmt.Sprintf("postseal %s, %s\n", version(), runtime.Version()))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// A noun does not know the flags of a verb that is not there: the verb is what is wrong.
		if rest := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(rest) > 0 && rest[0] != "" {
			return noArgs(cmd, rest)
		}
		return &usageError{err}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "", "data `DIR` (environment POSTSEAL_DATA; default /var/lib/postseal for root, else ~/.local/share/postseal)")
	flags.StringVar(&a.sealing, "sealing-key", "", "sealing key `FILE` (default DIR/sealing-key)")
	flags.StringVar(&a.config, "config", "", "configuration `FILE` (default DIR/postseal.toml, optional)")
	flags.StringVar(&a.server, "server", "", "server `NAME` (default this one)")
	a.far.flags(flags)
	flags.BoolVar(&a.json, "json", false, "print exactly one JSON document")
	flags.BoolVar(&a.yes, "yes", false, "do it without asking")
	flags.BoolVar(&a.dryRun, "dry-run", false, "only say what would change")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	root.AddCommand(a.serveCommand(), a.setupCommand(), a.statusCommand(), a.certCommand(), a.lineageCommand(), a.listenerCommand(), a.serviceCommand(), a.trustCommand(), a.caCommand(), a.checkCommand(), a.planCommand(), a.backupCommand(), a.recoveryCommand(), a.auditCommand(), a.noticeCommand(), a.reportCommand(), a.adminCommand(), a.versionCommand(), a.completionCommand())
	a.addTopics(root)
	return root
}

// globals fills in the defaults of the global flags.
func (a *app) globals(cmd *cobra.Command) error {
	a.dataGiven = a.data != ""
	if a.data == "" {
		a.data = os.Getenv("POSTSEAL_DATA")
	}
	if a.data == "" {
		a.data = "/var/lib/postseal"
		if os.Geteuid() != 0 {
			home, err := os.UserHomeDir()
			if err != nil {
				return &usageError{fmt.Errorf("finding the data directory: %w; name it with --data", err)}
			}
			a.data = filepath.Join(home, ".local", "share", "postseal")
		}
	}
	dir, err := filepath.Abs(a.data)
	if err != nil {
		return fmt.Errorf("finding the data directory %s: %w", a.data, err)
	}
	a.data = dir
	if a.sealing == "" {
		a.sealing = filepath.Join(dir, "sealing-key")
	}
	if a.sealing, err = filepath.Abs(a.sealing); err != nil { // an undo line works anywhere
		return fmt.Errorf("finding the sealing key %s: %w", a.sealing, err)
	}
	a.configGiven = a.config != ""
	if a.config == "" {
		a.config = filepath.Join(dir, "postseal.toml")
	}
	return nil
}

// noArgs is cobra.NoArgs as wrong usage. Every noun needs it, or a wrong verb would exit with 0.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasAvailableSubCommands() {
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if instead, ok := elsewhere()[commandWords(cmd)+"/"+args[0]]; ok {
			return &usageError{errors.New(text + "; " + instead)}
		}
		cmd.SuggestionsMinimumDistance = 2 // letters that may be wrong
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %s?", strings.Join(near, ", "))
		}
		return &usageError{errors.New(text)}
	}
	return &usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])}
}

// elsewhere are commands that people expect where they are not, and what does it: the nearest word may do harm.
func elsewhere() map[string]string {
	return map[string]string{
		"cert/revoke": "what our own authority issued is taken back with postseal ca revoke ID; what signs itself, with postseal cert renew ID and postseal trust distrust FILE",
	}
}

// oneArg wants just one argument, called name.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		if len(args) == 1 {
			return &usageError{fmt.Errorf("%s wants one argument, %s; got an empty one", cmd.CommandPath(), name)}
		}
		return &usageError{fmt.Errorf("%s wants one argument, %s; got %d", cmd.CommandPath(), name, len(args))}
	}
}

// showHelp is what a noun without a verb does: it is not a command.
func showHelp(cmd *cobra.Command, _ []string) error {
	if cmd.HasParent() {
		cmd.SetOut(cmd.ErrOrStderr()) // standard output is data
	}
	if err := cmd.Help(); err != nil {
		return err
	}
	if cmd.HasParent() {
		return &usageError{fmt.Errorf("%s wants a verb", cmd.CommandPath())}
	}
	return nil
}

// noun makes a command that only groups verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: showHelp, Example: verbs[0].Example}
	c.AddCommand(verbs...)
	return c
}
