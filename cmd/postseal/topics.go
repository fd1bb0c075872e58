package main

import (
	"embed"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"postseal/internal/ground/config"
	"postseal/internal/ground/listener"
	"postseal/internal/steer/probe"
)

//go:embed topics/*.txt
var topics embed.FS

// topicNames are the ideas that `postseal help` explains, in the order in which they are named.
func topicNames() []string {
	return []string{"services", "names", "status", "ports", "lineages", "config", "plan", "findings", "remote", "acme", "profiles", "people", "revocation"}
}

// addTopics replaces cobra's help command, which would exit with 0 on an unknown word.
func (a *app) addTopics(root *cobra.Command) {
	names := topicNames()
	help := &cobra.Command{
		Use: "help [COMMAND | TOPIC]", Short: "Explain a command, or an idea: " + strings.Join(names, ", "), Example: "  postseal help services",
		ValidArgs:             names,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if text, ok := topic(args[0]); ok && !isCommand(root, args[0]) || ok && (args[0] == "status" || args[0] == "plan") {
					fmt.Fprint(a.out, text)
					return nil
				}
			}
			target, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{fmt.Errorf("help: there is neither a command nor a topic %q; the topics are %s", strings.Join(args, " "), strings.Join(names, ", "))}
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
	root.SetHelpCommand(help)
}

func isCommand(root *cobra.Command, word string) bool {
	found, _, err := root.Find([]string{word})
	return err == nil && found != root
}

// topic returns the text of a topic, with its tables filled in from the code.
func topic(name string) (string, bool) {
	text, err := topics.ReadFile("topics/" + name + ".txt")
	if err != nil {
		return "", false
	}
	for mark, table := range map[string]func() string{"@PORTS@\n": portsTable, "@SERVICES@\n": servicesTable, "@CONFIG@\n": configTable, "@FINDINGS@\n": findingsTable} {
		if strings.Contains(string(text), mark) {
			text = []byte(strings.Replace(string(text), mark, table(), 1))
		}
	}
	return string(text), true
}

func portsTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  LISTENER\tPORT\tWITH --port-offset 10000\tTLS")
	for _, k := range listener.Kinds() {
		fmt.Fprintf(w, "  %s\t%d\t%d\t%s\n", k.Name, k.Port, k.Port+10000, k.Upgrade)
	}
	w.Flush() // strings.Builder does not fail
	return b.String()
}

func servicesTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  SERVICE\tLISTENERS")
	for _, s := range listener.Services() {
		fmt.Fprintf(w, "  %s\t%s\n", s, strings.Join(s.Listeners(), ", "))
	}
	w.Flush()
	return b.String()
}

func findingsTable() string {
	var b strings.Builder
	for _, code := range probe.Codes() {
		fmt.Fprintf(&b, "  %s\n", code)
		for _, line := range wrap(probe.Advice(code)) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

func configTable() string {
	var b strings.Builder
	for _, k := range config.Keys() {
		fmt.Fprintf(&b, "  %s (default: %s)\n", k.Name, k.Default)
		for _, line := range wrap(k.Meaning) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

// wrap breaks a text into lines that fit on a terminal beside their margin.
func wrap(text string) []string {
	const width = 90
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) > width:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
