package postseal_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

// noSleep keeps real time out of tests. In a bubble of testing/synctest sleeping is exact and costs nothing; outside
// it, it is a bet on the machine. A function that is only called in a bubble says so in its comment: "runs in a bubble".
func noSleep(h *house) (findings []string) {
	for _, f := range h.goFiles {
		if !f.isTest() && !strings.HasPrefix(f.path, "internal/peers/") {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && strings.Contains(strings.Join(strings.Fields(fn.Doc.Text()), " "), "runs in a bubble") && f.imports("testing/synctest") {
				continue
			}
			limits := map[ast.Node]bool{}
			ast.Inspect(d, func(n ast.Node) bool {
				if isCall(n, "synctest", "Test") {
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
		}
	}
	return findings
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
	for _, f := range h.goFiles {
		if !f.isTest() && !strings.HasPrefix(f.path, "internal/peers/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			for _, receiver := range []string{"t", "b", "f", "tb"} {
				if isCall(n, receiver, "Skip", "Skipf", "SkipNow") {
					findings = append(findings, h.at(n.Pos(), "may skip; call peers.Need and add the program to the deps of the Makefile"))
				}
			}
			return true
		})
	}
	return findings
}

// fuzzSeeds wants f.Add in every fuzz target, or a corpus beside it: without seeds `go test` runs none of it.
func fuzzSeeds(h *house) (findings []string) {
	for _, f := range h.goFiles {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !f.isTest() || !strings.HasPrefix(fn.Name.Name, "Fuzz") || len(fn.Type.Params.List) != 1 || len(fn.Type.Params.List[0].Names) != 1 {
				continue
			}
			seeded := false
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				seeded = seeded || isCall(n, fn.Type.Params.List[0].Names[0].Name, "Add")
				return !seeded
			})
			corpus := path.Join(f.dir(), "testdata/fuzz", fn.Name.Name) + "/"
			if !seeded && !slices.ContainsFunc(h.texts, func(t textFile) bool { return strings.HasPrefix(t.path, corpus) }) {
				findings = append(findings, h.at(fn.Pos(), "%s has no seed; call f.Add or put a corpus into %s", fn.Name.Name, corpus))
			}
		}
	}
	return findings
}
