package postseal_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// packageComments wants one package comment for each package, in one file.
func packageComments(h *house) (findings []string) {
	first := map[string]*goFile{}
	comments := map[string][]*goFile{}
	for _, f := range h.goFiles {
		name := f.ast.Name.Name
		if f.isTest() {
			continue
		}
		dir := f.dir()
		if first[dir] == nil {
			first[dir] = f
		}
		if f.ast.Doc == nil {
			continue
		}
		comments[dir] = append(comments[dir], f)
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(f.ast.Doc.Text(), want) {
			findings = append(findings, h.at(f.ast.Doc.Pos(), "the package comment does not begin with %q", want))
		}
	}
	for dir, f := range first {
		switch n := len(comments[dir]); {
		case n == 0:
			findings = append(findings, h.at(f.ast.Package, "package %s has no package comment; write what it is, what a newcomer must know, and its normal use", f.ast.Name.Name))
		case n > 1:
			for _, f := range comments[dir] {
				findings = append(findings, h.at(f.ast.Doc.Pos(), "package %s has %d package comments; keep one", f.ast.Name.Name, n))
			}
		}
	}
	slices.Sort(findings)
	return findings
}

// rank orders the rooms of internal, the direction of the data, and what stands on them all.
func rank(room string) (int, bool) {
	i := slices.Index([]string{"ground", "issue", "keep", "serve", "steer", "cmd", "live"}, room)
	return i, i >= 0
}

// room is the room of a directory: "keep" of internal/keep/keyring, "cmd" of cmd/postseal.
func room(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[1]
	}
	return parts[0]
}

func importDirection(h *house) (findings []string) {
	for _, f := range h.goFiles {
		from := room(f.dir())
		mine, ordered := rank(from)
		if !ordered && !slices.Contains([]string{".", "peers", "bench"}, from) {
			findings = append(findings, h.at(f.ast.Package, "%s is no room of the house; use ground, issue, keep, serve or steer", f.dir()))
			continue
		}
		for _, i := range f.ast.Imports {
			dir, ours := strings.CutPrefix(importPath(i), "postseal/")
			to := room(dir)
			if !ours || to == "peers" || from == "bench" && to == "bench" { // only tests use peers: a rule of its own
				continue
			}
			if theirs, known := rank(to); !known || !ordered || theirs > mine {
				findings = append(findings, h.at(i.Pos(), "%s imports %s, which comes after it; move what both need to the earlier room", f.dir(), dir))
			}
		}
	}
	return findings
}

func peersOnlyInTests(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if f.imports("postseal/internal/peers") && !f.isTest() {
			findings = append(findings, h.at(f.ast.Package, "imports internal/peers, which is for tests only"))
		}
	}
	return findings
}

func packageNames(h *house) (findings []string) {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "core", "shared", "types", "manager", "service"}
	for _, f := range h.goFiles {
		if slices.Contains(drawers, f.ast.Name.Name) || slices.Contains(drawers, path.Base(f.dir())) {
			findings = append(findings, h.at(f.ast.Package, "package %s in %s is a drawer; name it by what it provides", f.ast.Name.Name, f.dir()))
		}
	}
	return findings
}

// exportedNames wants a comment for whatever another package can name. Constants and variables in one block may share
// one, and methods whose meaning is that of errors and fmt need none.
func exportedNames(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if f.isTest() || !strings.HasPrefix(f.path, "internal/") {
			continue
		}
		check := func(name *ast.Ident, doc *ast.CommentGroup) {
			if name.IsExported() && !beginsWith(doc, name.Name) {
				findings = append(findings, h.at(name.Pos(), "%s has no comment that begins with its name", name.Name))
			}
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				wellKnown := slices.Contains([]string{"Error", "Unwrap", "Is", "As", "String"}, d.Name.Name)
				if d.Recv == nil || ast.IsExported(receiver(d)) && !wellKnown {
					check(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						check(s.Name, either(s.Doc, d))
					case *ast.ValueSpec:
						shared := d.Lparen.IsValid() && d.Doc != nil
						for _, name := range s.Names {
							if !shared && s.Comment == nil {
								check(name, either(s.Doc, d))
							}
						}
					}
				}
			}
		}
	}
	return findings
}

// either is the comment of a spec, or that of its declaration when the spec is the only one.
func either(spec *ast.CommentGroup, d *ast.GenDecl) *ast.CommentGroup {
	if spec == nil && !d.Lparen.IsValid() {
		return d.Doc
	}
	return spec
}

// beginsWith reports whether a comment's first word, after an article, is name.
func beginsWith(doc *ast.CommentGroup, name string) bool {
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	rest, ok := strings.CutPrefix(text, name)
	return ok && rest != "" && strings.ContainsAny(rest[:1], " \n,:;.'")
}

// receiver is the type name of a method's receiver.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch e := x.(type) {
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.IndexListExpr:
			x = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func fileLength(h *house) (findings []string) {
	const most = 800
	for _, f := range h.goFiles {
		if n := bytes.Count(f.src, []byte("\n")); n > most && !f.isTest() {
			findings = append(findings, fmt.Sprintf("%s:%d: %d lines, at most %d; split it by idea", f.path, most, n, most))
		}
	}
	return findings
}

func noInit(h *house) (findings []string) {
	for _, f := range h.goFiles {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" && !f.isTest() {
				findings = append(findings, h.at(d.Pos(), "init runs behind the reader's back; make it a constructor that main calls"))
			}
		}
	}
	return findings
}

func exitOnlyInMain(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if f.isTest() || f.ast.Name.Name == "main" && path.Base(f.path) == "main.go" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if isCall(n, "os", "Exit") || isCall(n, "log", "Fatal", "Fatalf", "Fatalln") {
				findings = append(findings, h.at(n.Pos(), "ends the process; return an error and let main decide"))
			}
			return true
		})
	}
	return findings
}

func noGlobalLog(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if f.isTest() {
			continue
		}
		if f.imports("log") {
			findings = append(findings, h.at(f.ast.Package, "imports log; take a *slog.Logger in the struct"))
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if isCall(n, "slog", "Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs",
				"DebugContext", "InfoContext", "WarnContext", "ErrorContext", "With") {
				findings = append(findings, h.at(n.Pos(), "uses the global logger; take a *slog.Logger in the struct"))
			}
			return true
		})
	}
	return findings
}

func errorTexts(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if f.isTest() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if !isCall(n, "errors", "New") && !isCall(n, "fmt", "Errorf") {
				return true
			}
			call := n.(*ast.CallExpr)
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			switch {
			case err != nil:
				findings = append(findings, h.at(n.Pos(), "reading the text of this error: %v", err))
			case strings.HasSuffix(text, ".") || strings.HasSuffix(text, "\n"):
				findings = append(findings, h.at(n.Pos(), "the error %q ends like a sentence; it will stand in the middle of a line", text))
			case strings.Contains(text, "failed to") || strings.Contains(text, "could not"):
				findings = append(findings, h.at(n.Pos(), "the error %q says that it is one; write what was being done, to which thing: cause", text))
			}
			return true
		})
	}
	return findings
}

func formatted(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if got, err := format.Source(f.src); err != nil || !bytes.Equal(got, f.src) {
			findings = append(findings, fmt.Sprintf("%s:1: is not formatted; run: gofmt -w %s", f.path, f.path))
		}
	}
	return findings
}
