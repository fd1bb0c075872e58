package postseal_test

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// noSleep keeps real time out of tests. In a bubble of testing/synctest sleeping is exact and costs nothing; outside
// it, it is a bet on the machine. In a bubble is: what is written in a call of synctest.Test, or of a function of the
// same package that calls it, or a function whose comment says that it "runs in a bubble".
func noSleep(h *house) (findings []string) {
	bubbles := map[string]bool{} // by directory and name: functions that call synctest.Test
	h.eachTestFunc(func(f *goFile, fn *ast.FuncDecl) {
		bubbles[f.dir()+" "+fn.Name.Name] = calls(fn, func(n ast.Node) bool { return isCall(n, "synctest", "Test") })
	})
	h.eachTestFunc(func(f *goFile, fn *ast.FuncDecl) {
		if strings.Contains(strings.Join(strings.Fields(fn.Doc.Text()), " "), "runs in a bubble") && f.imports("testing/synctest") {
			return
		}
		limits := map[ast.Node]bool{}
		ast.Inspect(fn, func(n ast.Node) bool {
			if isCall(n, "synctest", "Test") || bubbles[f.dir()+" "+called(n)] {
				return false // what is in there sleeps well
			}
			if c, ok := n.(*ast.CommClause); ok && c.Comm != nil {
				limits[c.Comm] = true
			}
			if isCall(n, "time", "Sleep") || isBareAfter(n) && !limits[n] {
				findings = append(findings, h.at(n.Pos(), "sleeps in real time; wait for the event itself, or use synctest.Test"))
			}
			return true
		})
	})
	return findings
}

// eachTestFunc calls f with every function that only tests run.
func (h *house) eachTestFunc(do func(*goFile, *ast.FuncDecl)) {
	for _, f := range h.goFiles {
		if !f.isTest() && !strings.HasPrefix(f.path, "internal/peers/") {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				do(f, fn)
			}
		}
	}
}

// calls reports whether something in fn is what is looked for.
func calls(fn *ast.FuncDecl, wanted func(ast.Node) bool) (found bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		found = found || wanted(n)
		return !found
	})
	return found
}

// called is the bare name of the function or method that n calls; empty if n is no call.
func called(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// isBareAfter finds the statement <-time.After(d): a sleep by another name. As a case of a select it is a limit.
func isBareAfter(n ast.Node) bool {
	s, ok := n.(*ast.ExprStmt)
	if !ok {
		return false
	}
	u, ok := s.X.(*ast.UnaryExpr)
	return ok && isCall(u.X, "time", "After") && u.Op.String() == "<-"
}

// noSkip finds tests that may show nothing. What a test needs, `make deps` installs.
func noSkip(h *house) (findings []string) {
	h.eachTestFunc(func(_ *goFile, fn *ast.FuncDecl) {
		ast.Inspect(fn, func(n ast.Node) bool {
			for _, receiver := range []string{"t", "b", "f", "tb"} {
				if isCall(n, receiver, "Skip", "Skipf", "SkipNow") {
					findings = append(findings, h.at(n.Pos(), "may skip; call peers.Need and add the program to the deps of the Makefile"))
				}
			}
			return true
		})
	})
	return findings
}

// fuzzSeeds wants f.Add in every fuzz target, in it or in a function that it hands f to, or a corpus beside it: without
// seeds `go test` runs none of it.
func fuzzSeeds(h *house) (findings []string) {
	adds := map[string]bool{} // by directory and name: functions that seed the *testing.F they are given
	h.eachTestFunc(func(f *goFile, fn *ast.FuncDecl) {
		if name := fuzzParameter(fn); name != "" {
			adds[f.dir()+" "+fn.Name.Name] = calls(fn, func(n ast.Node) bool { return isCall(n, name, "Add") })
		}
	})
	h.eachTestFunc(func(f *goFile, fn *ast.FuncDecl) {
		if !strings.HasPrefix(fn.Name.Name, "Fuzz") || fuzzParameter(fn) == "" || adds[f.dir()+" "+fn.Name.Name] {
			return
		}
		seeded := calls(fn, func(n ast.Node) bool { return adds[f.dir()+" "+called(n)] })
		corpus := path.Join(f.dir(), "testdata/fuzz", fn.Name.Name) + "/"
		if !seeded && !slices.ContainsFunc(h.texts, func(t textFile) bool { return strings.HasPrefix(t.path, corpus) }) {
			findings = append(findings, h.at(fn.Pos(), "%s has no seed; call f.Add or put a corpus into %s", fn.Name.Name, corpus))
		}
	})
	return findings
}

// fuzzParameter is the name of fn's parameter of type *testing.F; empty if it has none.
func fuzzParameter(fn *ast.FuncDecl) string {
	for _, p := range fn.Type.Params.List {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok || len(p.Names) == 0 {
			continue
		}
		if sel, ok := star.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "F" {
			return p.Names[0].Name
		}
	}
	return ""
}

// goroutinesRaced wants the tests that start goroutines, in the packages that are not raced whole, in the Makefile's list
// of those that are.
func goroutinesRaced(h *house) (findings []string) {
	i := slices.IndexFunc(h.texts, func(f textFile) bool { return f.path == "Makefile" })
	if i < 0 {
		return nil
	}
	value := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + ` = (.*)$`).FindStringSubmatch(h.texts[i].text)
		if m == nil {
			return ""
		}
		return strings.ReplaceAll(m[1], "$$", "$")
	}
	listed, err := regexp.Compile(value("MEET"))
	if err != nil || value("MEET") == "" {
		return []string{"Makefile:1: MEET is no list of tests"}
	}
	packages := strings.Fields(value("MEETING"))
	h.eachTestFunc(func(f *goFile, fn *ast.FuncDecl) {
		if !slices.Contains(packages, "./"+f.dir()) || !strings.HasPrefix(fn.Name.Name, "Test") || listed.MatchString(fn.Name.Name) {
			return
		}
		if calls(fn, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				return true
			}
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return false
			}
			s, ok := c.Fun.(*ast.SelectorExpr)
			return ok && s.Sel.Name == "Go" // of a sync.WaitGroup or an errgroup.Group
		}) {
			findings = append(findings, h.at(fn.Pos(), "%s starts goroutines; name it in MEET of the Makefile", fn.Name.Name))
		}
	})
	return findings
}
