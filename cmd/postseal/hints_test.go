package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// nouns are the first words of every command of the contract, those of later releases too.
var nouns = regexp.MustCompile(`\bpostseal (serve|setup|status|listener|service|cert|lineage|check|plan|backup|recovery|audit|admin|trust|target|adopt|eject|acme|renewal|backend|connector|dns|ca|notice|report|version|completion|help)\b([^;:"` + "`" + `]*)`)

var flagged = regexp.MustCompile(`(?:^|[ (])--([a-z][a-z-]*)`)

// advised are the texts in which users are told to run something: the string literals of these packages.
func advised(t *testing.T) map[string][]string {
	t.Helper()
	texts := make(map[string][]string)
	for _, dir := range []string{".", "../../internal/steer/hint", "../../internal/steer/desk", "../../internal/steer/letter",
		"../../internal/steer/probe", "../../internal/steer/wizard", "../../internal/keep/plan", "../../internal/keep/keyring", "../../internal/ground/state"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				text, ok := literal(e)
				if ok {
					texts[path] = append(texts[path], text)
				}
				return !ok
			})
		}
	}
	entries, err := fs.Glob(topics, "topics/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range entries {
		body, err := topics.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.ReplaceAll(string(body), "\\\n", " ") // a command may go on in the next line
		for line := range strings.Lines(whole) {
			texts[path] = append(texts[path], line)
		}
	}
	return texts
}

// literal is the text of a string, or of a sum of strings and of things that only a run knows (an X each).
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, known := literal(e.X) // "a" + b + "c" is ("a" + b) + "c"
		if !known {
			left = "X"
		}
		right, also := literal(e.Y)
		if !also {
			right = "X"
		}
		return left + right, known || also
	}
	return "", false
}

// TestAdviceNamesWhatIsThere: a hint that names a command or flag of a later release sends people into a wall.
func TestAdviceNamesWhatIsThere(t *testing.T) {
	found := 0
	for path, texts := range advised(t) {
		for _, text := range texts {
			for _, m := range nouns.FindAllStringSubmatch(text, -1) {
				found++
				words := append([]string{m[1]}, strings.Fields(m[2])...)
				if line, _, _ := strings.Cut(m[0], "\n"); strings.Contains(strings.TrimSpace(line), "  ") {
					t.Errorf("%s: %q: two spaces, as if something had been left out", path, strings.TrimSpace(line))
				}
				if err := names(tree(), words); err != "" {
					t.Errorf("%s: %q: %s", path, strings.TrimSpace(m[0]), err)
				}
			}
			for _, m := range flagged.FindAllStringSubmatch(text, -1) {
				if strings.Contains(text, "curl ") || strings.Contains(text, "certbot ") { // have flags of their own
					continue
				}
				if !anywhere(tree(), m[1]) {
					t.Errorf("%s: %q: no command has a flag --%s", path, text, m[1])
				}
			}
		}
	}
	if found < 40 {
		t.Fatalf("only %d commands are named in advice: the search is broken", found)
	}
}

// names says what is wrong with a command as it stands in a text, where other words may follow it.
func names(root *cobra.Command, words []string) string {
	c := root
	for i, word := range words {
		if !c.HasSubCommands() || word == "X" {
			words = words[i:]
			break
		}
		word, _, _ = strings.Cut(word, "%") // where flags of the run follow
		next := sub(c, strings.TrimRight(word, ",.)"))
		if next == nil && c.LocalNonPersistentFlags().HasFlags() { // plan does something itself, and has verbs as well
			return ""
		}
		if next == nil {
			return "there is no command " + c.CommandPath() + " " + word
		}
		c = next
		if i == len(words)-1 {
			words = nil
		}
	}
	if c.HasSubCommands() && (len(words) == 0 || words[0] != "X") {
		return c.CommandPath() + " wants a verb"
	}
	for _, m := range flagged.FindAllStringSubmatch(" "+strings.Join(words, " "), -1) {
		if c.Flags().Lookup(m[1]) == nil && c.InheritedFlags().Lookup(m[1]) == nil && m[1] != "help" {
			return c.CommandPath() + " has no flag --" + m[1]
		}
	}
	return ""
}

func sub(c *cobra.Command, name string) *cobra.Command {
	for _, s := range c.Commands() {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

func anywhere(c *cobra.Command, flag string) bool {
	if flag == "help" || c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil {
		return true
	}
	for _, s := range c.Commands() {
		if anywhere(s, flag) {
			return true
		}
	}
	return false
}
