package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tree is the whole command tree, with what cobra adds on its own when it runs.
func tree() *cobra.Command {
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("")
	return root
}

// runnable returns the commands that do something, c included; a noun without a verb does nothing.
func runnable(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	if c.HasParent() && (!c.HasSubCommands() || c.LocalNonPersistentFlags().HasFlags()) { // plan does something itself, and has verbs as well
		all = append(all, c)
	}
	for _, sub := range c.Commands() {
		all = append(all, runnable(sub)...)
	}
	return all
}

// output runs the program in this process; it must not touch the disk.
func output(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestEveryCommandIsExplained(t *testing.T) {
	commands := runnable(tree())
	if len(commands) < 18 {
		t.Fatalf("only %d commands: the walk is broken", len(commands))
	}
	for _, c := range commands {
		words := strings.Fields(c.CommandPath())[1:]
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.ToUpper(c.Short[:1]) != c.Short[:1] {
			t.Errorf("%v: the short help is %q, want a sentence without its full stop", words, c.Short)
		}
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%v: the example does not show the command: %q", words, c.Example)
		}
		for _, args := range [][]string{append(slices.Clone(words), "--help"), append([]string{"help"}, words...)} {
			code, out, said := output(t, args...)
			if code != exitDone || said != "" {
				t.Errorf("%v: got exit %d and %q, want 0 and nothing", args, code, said)
			}
			if args[0] == "help" && slices.Contains(topicNames(), words[0]) {
				continue // the topic has the word
			}
			for _, want := range []string{"Usage:\n  " + c.CommandPath(), "Examples:\n" + c.Example, "--data DIR"} {
				if !strings.Contains(out, want) {
					t.Errorf("%v: %q is missing in %q", args, want, out)
				}
			}
		}
	}
}

// TestExamplesParse runs no example, but takes its flags: an example that is refused teaches nothing.
func TestExamplesParse(t *testing.T) {
	for _, c := range runnable(tree()) {
		for line := range strings.Lines(c.Example) {
			words := shellWords(strings.Split(line, " > ")[0])
			if len(words) == 0 || words[0] != "postseal" {
				continue
			}
			root := tree()
			found, rest, err := root.Find(words[1:])
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if found.Flags().Lookup("help") == nil {
				found.InitDefaultHelpFlag()
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// shellWords splits a line at spaces outside of double quotes.
func shellWords(line string) []string {
	quoted := false
	words := strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], `"`, "")
	}
	return words
}

func TestEveryFlagIsExplained(t *testing.T) {
	seen := 0
	look := func(c *cobra.Command) func(*pflag.Flag) {
		return func(f *pflag.Flag) {
			seen++
			if f.Usage == "" {
				t.Errorf("%s --%s has no explanation", c.CommandPath(), f.Name)
			}
			if name, _ := pflag.UnquoteUsage(f); f.Value.Type() != "bool" && (name == "string" || name == "stringArray" || name == "") {
				t.Errorf("%s --%s: what follows it has no name; put one in backquotes: %q", c.CommandPath(), f.Name, f.Usage)
			}
		}
	}
	root := tree()
	root.PersistentFlags().VisitAll(look(root))
	for _, c := range runnable(root) {
		c.LocalNonPersistentFlags().VisitAll(look(c))
	}
	if seen < 30 {
		t.Fatalf("only %d flags: the walk is broken", seen)
	}
}

func TestGlobalFlagsAreThoseOfTheContract(t *testing.T) {
	var got []string
	(&app{}).root().PersistentFlags().VisitAll(func(f *pflag.Flag) { got = append(got, "--"+f.Name) })
	want := []string{"--config", "--data", "--dry-run", "--fingerprint", "--json", "--remote", "--sealing-key", "--server", "--token-file", "--verbose", "--yes"}
	if !slices.Equal(got, want) {
		t.Errorf("global flags: got %v, want %v", got, want)
	}
	if f := (&app{}).root().PersistentFlags().ShorthandLookup("v"); f == nil || f.Name != "verbose" {
		t.Errorf("-v: got %v, want --verbose", f)
	}
}

// TestTopics: each idea that is named has a text, each text is named.
func TestTopics(t *testing.T) {
	files, err := topics.ReadDir("topics")
	if err != nil || len(files) != len(topicNames()) {
		t.Fatalf("topics: got %v, %v, want %v", files, err, topicNames())
	}
	for _, name := range topicNames() {
		code, out, said := output(t, "help", name)
		if code != exitDone || said != "" || len(out) < 200 || strings.Contains(out, "@") && strings.Contains(out, strings.ToUpper("@"+name+"@")) {
			t.Errorf("help %s: got exit %d, %q and %q", name, code, out, said)
		}
		for line := range strings.Lines(out) {
			if len([]rune(line)) > 121 {
				t.Errorf("help %s: a line of %d characters does not fit on a terminal: %q", name, len([]rune(line)), line)
			}
		}
	}
	for _, args := range [][]string{{"help", "nonsense"}, {"help", "cert", "frobnicate"}, {"help", "services", "names"}} {
		code, out, said := output(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(said, "services, names, status, ports, lineages, config, plan, findings, remote") {
			t.Errorf("%v: got exit %d, %q and %q, want 2, nothing, and the topics there are", args, code, out, said)
		}
	}
}
