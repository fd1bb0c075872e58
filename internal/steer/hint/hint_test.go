package hint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// TestEveryExportedErrorHasAHint parses the module: a named error without advice is not finished.
func TestEveryExportedErrorHasAHint(t *testing.T) {
	known := make(map[string]bool)
	for _, e := range entries() {
		if known[e.name] {
			t.Errorf("%s stands in the table twice", e.name)
		}
		known[e.name] = true
	}
	found := make(map[string]bool)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "peers") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, name := range exportedErrors(file) {
			found[file.Name.Name+"."+name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 40 {
		t.Fatalf("only %d exported errors found under %s: the search is broken", len(found), root)
	}
	for name := range found {
		if !known[name] {
			t.Errorf("%s has no hint: add what the user does next to the table in this package", name)
		}
	}
	for name := range known {
		if !found[name] && !strings.HasPrefix(name, "syscall.") && !strings.HasPrefix(name, "fs.") {
			t.Errorf("the table has advice for %s, which is not there", name)
		}
	}
}

// exportedErrors returns the exported Err… variables and …Error types of a file.
func exportedErrors(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if gen.Tok == token.VAR && strings.HasPrefix(n.Name, "Err") {
						names = append(names, n.Name)
					}
				}
			case *ast.TypeSpec:
				if s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}

func TestEveryConditionHasAHint(t *testing.T) {
	for _, code := range health.Codes() {
		if ForCondition(health.Condition{Code: code, Object: "imaps"}) == "" {
			t.Errorf("condition %s has no hint", code)
		}
	}
	if got, want := len(conditions()), len(health.Codes()); got != want {
		t.Errorf("%d conditions have hints, %d are known", got, want)
	}
}

// TestNoConditionLeavesAHole: a condition that names nothing has a placeholder in its commands, where a name would be.
func TestNoConditionLeavesAHole(t *testing.T) {
	for _, code := range health.Codes() {
		for _, object := range []string{"", "mail-example-com"} {
			text := ForCondition(health.Condition{Code: code, Object: object})
			for _, hole := range []string{"  ", " ;", " ,", ": ;"} {
				if strings.Contains(text+";", hole) {
					t.Errorf("%s about %q: %q has a hole (%q)", code, object, text, hole)
				}
			}
		}
	}
}

func TestHintsFollowWrappedErrors(t *testing.T) {
	err := fmt.Errorf("setting up: %w", fmt.Errorf("opening: %w", state.ErrNoOrganisation))
	if got := For(err); !strings.Contains(got.Text, "postseal setup") || got.Usage {
		t.Errorf("got %+v", got)
	}
	if got := For(&desk.ValueError{Name: "--days", Value: "0", Reason: "want more"}); !got.Usage {
		t.Errorf("a wrong value is not wrong usage: %+v", got)
	}
	for _, e := range entries() {
		if e.name == "" {
			t.Error("an entry without a name")
		}
	}
}

func TestARefusedRemovalSaysHowToReplace(t *testing.T) {
	for _, c := range []struct {
		err  desk.InUseError
		want []string
	}{
		{desk.InUseError{Services: "IMAP,POP"}, []string{"--services IMAP,POP"}},
		{desk.InUseError{Services: "SMTP", Role: desk.RoleInternal}, []string{"--services SMTP", "set-internal"}},
		{desk.InUseError{Role: desk.RoleAuth}, []string{"cannot be removed"}},
		{desk.InUseError{Lineage: "shop", ByName: []string{"imaps"}}, []string{"cert disable shop --listener imaps"}},
	} {
		got := For(&c.err).Text
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: got %q, want %q in it", c.err, got, want)
			}
		}
	}
}
