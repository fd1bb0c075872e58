package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEverythingThatCommandsDoIsInTheAPI: each command names the acts that it asks for, or is an exception with its
// reason; each act is there, and is some command's; and the source asks for no other.
func TestEverythingThatCommandsDoIsInTheAPI(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Paths map[string]any }
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	described := make(map[string]bool)
	for path := range document.Paths {
		described[strings.TrimPrefix(path, "/api/v1/")] = false
	}
	there := make(map[string]bool)
	for _, c := range runnable(tree()) {
		words := commandWords(c)
		first, _, _ := strings.Cut(words, " ")
		if first == "help" || first == "completion" || first == "__complete" {
			continue
		}
		there[words] = true
		acts, talks := actsOf()[words]
		if why, alone := apart()[words]; talks == alone || alone && why == "" || talks && len(acts) == 0 {
			t.Errorf("%s: put it into actsOf with its acts, or into apart with the reason why it asks no server", words)
		}
		for _, act := range acts {
			if _, ok := described[act]; !ok {
				t.Errorf("%s asks for %s, which is not in the API", words, act)
			}
			described[act] = true
		}
	}
	for words := range actsOf() {
		if !there[words] {
			t.Errorf("actsOf has %q, which is no command", words)
		}
	}
	for act, asked := range described {
		if why := uncalled()[act]; asked == (why != "") {
			t.Errorf("%s: some command must ask for it, or uncalled say why none does", act)
		}
	}
	asked := askedInSource(t)
	if len(asked) < 15 {
		t.Fatalf("only %d acts are asked for in the source: the search is broken", len(asked))
	}
	for _, act := range asked {
		if _, ok := described[act]; !ok {
			t.Errorf("the source asks for %s, which is not in the API", act)
		}
	}
}

var actName = regexp.MustCompile(`^[a-z]+/[a-z-]+$`)

// askedInSource finds the acts that the source of the commands names in calls.
func askedInSource(t *testing.T) (acts []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
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
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.IndexExpr:
				if id, ok := f.X.(*ast.Ident); ok {
					name = id.Name
				}
			}
			if !slices.Contains([]string{"Call", "call", "change", "carryOut"}, name) {
				return true
			}
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil && actName.MatchString(text) {
						acts = append(acts, text)
					}
				}
			}
			return true
		})
	}
	return acts
}

// TestRemoteNeedsACommandThatAsks: what does not talk to a server refuses --remote before it does anything.
func TestRemoteNeedsACommandThatAsks(t *testing.T) {
	for _, args := range [][]string{
		{"serve", "--remote", "https://mail1.example.com"}, {"setup", "--remote", "https://mail1.example.com", "--domain", "example.com"},
		{"version", "--remote", "https://mail1.example.com"}, {"status", "--remote", ""}, {"status", "--fingerprint", "00"}, {"status", "--token-file", "x"},
		{"status", "--remote", "https://mail1.example.com", "--data", "x"}, {"status", "--remote", "https://mail1.example.com"},
	} {
		code, out, said := output(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(said, "--remote") {
			t.Errorf("%v: got exit %d, %q and %q, want 2", args, code, out, said)
		}
	}
}
