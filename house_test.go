package postseal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rules of the house are tests, so that nobody has to remember them in review. Each is one function that reads the
// tree and returns findings as "file:line: what is wrong; what to do". house_fires_test.go shows that each can fail.
func TestHouse(t *testing.T) {
	h, err := load(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(h.goFiles) == 0 {
		t.Fatal("no Go file found: the rules would hold of nothing")
	}
	for _, r := range rules() {
		t.Run(r.sentence, func(t *testing.T) {
			for _, finding := range r.look(h) {
				t.Error(finding)
			}
		})
	}
}

// A rule is a sentence about the tree and the function that looks for where it is not true.
type rule struct {
	sentence string
	look     func(*house) []string
}

func rules() []rule {
	return []rule{
		{"every package has exactly one package comment and it begins with the name", packageComments},
		{"packages import their own room and the rooms before it", importDirection},
		{"only tests use peers", peersOnlyInTests},
		{"packages are named by what they provide", packageNames},
		{"every exported name in internal has a comment that begins with it", exportedNames},
		{"no file is above 800 lines", fileLength},
		{"nothing happens in init", noInit},
		{"only main ends the process", exitOnlyInMain},
		{"logs go to the injected logger", noGlobalLog},
		{"errors are lower-case facts without a full stop", errorTexts},
		{"Go files are formatted", formatted},
		{"tests sleep only in a synctest bubble", noSleep},
		{"no test skips", noSkip},
		{"tests that start goroutines are raced", goroutinesRaced},
		{"every fuzz target has seeds", fuzzSeeds},
		{"the index of RFCs lists what the code cites and nothing else", rfcIndex},
		{"nothing is left marked as unfinished", unfinished},
		{"no path or host of one machine is in the tree", machinePlaces},
		{"the Korean README has the headings of the English one", sameHeadings},
		{"the document on dependencies names the direct modules and no other", dependenciesNamed},
		{"libc is the version that the SQLite driver was made for", libcVersion},
	}
}

// A house is the tree as the rules read it.
type house struct {
	root    string
	fset    *token.FileSet
	goFiles []*goFile
	texts   []textFile // every file but binary ones, Go files too
}

type goFile struct {
	path string // with slashes, from the root
	src  []byte
	ast  *ast.File
}

type textFile struct {
	path string
	text string
}

// dir is the directory of the file, "." for the root.
func (f *goFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f *goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// imports reports whether the file imports path.
func (f *goFile) imports(path string) bool {
	return slices.ContainsFunc(f.ast.Imports, func(i *ast.ImportSpec) bool { return importPath(i) == path })
}

func importPath(i *ast.ImportSpec) string { return strings.Trim(i.Path.Value, `"`) }

// load reads the tree under root, without what the Makefile makes.
func load(root string) (*house, error) {
	h := &house{root: root, fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "run", "artifacts"}, rel) || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if rel == ".git" { // of a work tree: a file that says where the repository is
			return nil
		}
		if !d.Type().IsRegular() || slices.Contains([]string{".png", ".jpg", ".p12", ".der"}, filepath.Ext(rel)) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h.texts = append(h.texts, textFile{path: rel, text: string(b)})
		if filepath.Ext(rel) != ".go" || strings.Contains("/"+rel, "/testdata/") {
			return nil
		}
		f, err := parser.ParseFile(h.fset, rel, b, parser.ParseComments)
		if err != nil {
			return err
		}
		h.goFiles = append(h.goFiles, &goFile{path: rel, src: b, ast: f})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	return h, nil
}

// at is a finding at a place in a Go file.
func (h *house) at(p token.Pos, format string, args ...any) string {
	pos := h.fset.Position(p)
	return fmt.Sprintf("%s:%d: %s", pos.Filename, pos.Line, fmt.Sprintf(format, args...))
}

// text is the file at path, or a finding that it is not there.
func (h *house) text(path string) (text string, missing []string) {
	for _, f := range h.texts {
		if f.path == path {
			return f.text, nil
		}
	}
	return "", []string{path + ":1: the file is missing"}
}

// eachLine calls f with every line of text, counted from 1.
func eachLine(text string, f func(number int, line string)) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		f(number, strings.TrimRight(line, "\r\n"))
	}
}

// isCall reports whether n calls pkg.name for one of the names, pkg being the name the package has in the file.
func isCall(n ast.Node, pkg string, names ...string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, sel.Sel.Name)
}
