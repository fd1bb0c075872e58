package postseal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A rule that cannot fail is decoration. Each is shown a small tree that breaks it, and one that only looks as if.
func TestRulesFire(t *testing.T) {
	const testHead = "package a\nimport (\n\t\"testing\"\n\t\"testing/synctest\"\n\t\"time\"\n)\n"
	const skip = "t.Sk" + "ip()"
	for _, c := range []struct {
		name  string
		look  func(*house) []string
		files map[string]string
		want  string // what the one finding says; empty means that there is none
	}{
		{"no package comment", packageComments, map[string]string{"a/a.go": "package a\n"}, "a/a.go:1: package a has no package comment"},
		{"a comment that begins otherwise", packageComments, map[string]string{"a/a.go": "// This is a.\npackage a\n"}, `does not begin with "Package a "`},
		{"a command", packageComments, map[string]string{"cmd/tool/main.go": "// Command tool does it.\npackage main\n"}, ""},
		{"an import of a later room", importDirection, map[string]string{"internal/ground/a/a.go": "package a\nimport _ \"postseal/internal/keep/b\"\n"}, "internal/ground/a/a.go:2: internal/ground/a imports internal/keep/b"},
		{"an import of the own room", importDirection, map[string]string{"internal/keep/a/a.go": "package a\nimport _ \"postseal/internal/keep/b\"\n"}, ""},
		{"the command imports a room", importDirection, map[string]string{"cmd/postseal/a.go": "package main\nimport _ \"postseal/internal/steer/b\"\n"}, ""},
		{"goroutines that nobody races", goroutinesRaced, map[string]string{"Makefile": "MEETING = ./a ./b\nMEET = ^Test(X|Y)$$\n", "a/a_test.go": testHead + "func TestZ(t *testing.T) { go func() {}() }\n"}, "a/a_test.go:7: TestZ starts goroutines"},
		{"goroutines of a group", goroutinesRaced, map[string]string{"Makefile": "MEETING = ./a\nMEET = ^Test(X|Y)$$\n", "a/a_test.go": testHead + "func TestZ(t *testing.T) { g.Go(nil) }\n"}, "TestZ starts goroutines"},
		{"goroutines that are raced", goroutinesRaced, map[string]string{"Makefile": "MEETING = ./a\nMEET = ^Test(X|Z)$$\n", "a/a_test.go": testHead + "func TestZ(t *testing.T) { go func() {}() }\n"}, ""},
		{"goroutines where all is raced", goroutinesRaced, map[string]string{"Makefile": "MEETING = ./b\nMEET = ^TestX$$\n", "a/a_test.go": testHead + "func TestZ(t *testing.T) { go func() {}() }\n"}, ""},
		{"a room of its own", importDirection, map[string]string{"internal/attic/a.go": "package attic\n"}, "is no room of the house"},
		{"a benchmark that reaches inside", importDirection, map[string]string{"bench/x/main.go": "package main\nimport _ \"postseal/internal/keep/b\"\n"}, "bench/x imports internal/keep/b"},
		{"peers outside tests", peersOnlyInTests, map[string]string{"internal/keep/a/a.go": "package a\nimport _ \"postseal/internal/peers\"\n"}, "for tests only"},
		{"a drawer", packageNames, map[string]string{"internal/keep/util/a.go": "package util\n"}, "is a drawer"},
		{"an exported function without comment", exportedNames, map[string]string{"internal/keep/a/a.go": "package a\nfunc Open() {}\n"}, "a.go:2: Open has no comment"},
		{"a comment about something else", exportedNames, map[string]string{"internal/keep/a/a.go": "package a\n// Opens it.\nfunc Open() {}\n"}, "a.go:3: Open has no comment"},
		{"a method of a hidden type", exportedNames, map[string]string{"internal/keep/a/a.go": "package a\ntype x int\nfunc (*x) Open() {}\n"}, ""},
		{"constants with one comment", exportedNames, map[string]string{"internal/keep/a/a.go": "package a\n// States of it.\nconst (\n\tA = 1\n\tB = 2\n)\n"}, ""},
		{"a long file", fileLength, map[string]string{"a/a.go": "package a\n" + strings.Repeat("//\n", 800)}, "801 lines"},
		{"init", noInit, map[string]string{"a/a.go": "package a\nfunc init() {}\n"}, "a/a.go:2: init"},
		{"os.Exit", exitOnlyInMain, map[string]string{"a/a.go": "package a\nimport \"os\"\nfunc f() { os.Exit(1) }\n"}, "a/a.go:3: ends the process"},
		{"os.Exit in main", exitOnlyInMain, map[string]string{"a/main.go": "package main\nimport \"os\"\nfunc f() { os.Exit(1) }\n"}, ""},
		{"the log package", noGlobalLog, map[string]string{"a/a.go": "package a\nimport \"log\"\nvar _ = log.New\n"}, "imports log"},
		{"slog.Info", noGlobalLog, map[string]string{"a/a.go": "package a\nimport \"log/slog\"\nfunc f() { slog.Info(\"x\") }\n"}, "global logger"},
		{"an error with a full stop", errorTexts, map[string]string{"a/a.go": "package a\nimport \"errors\"\nvar e = errors.New(\"it broke.\")\n"}, "ends like a sentence"},
		{"an error that complains", errorTexts, map[string]string{"a/a.go": "package a\nimport \"fmt\"\nvar e = fmt.Errorf(\"failed to open\")\n"}, "says that it is one"},
		{"a file that gofmt would change", formatted, map[string]string{"a/a.go": "package a\nvar  x = 1\n"}, "gofmt -w a/a.go"},
		{"a sleep", noSleep, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { time.Sleep(1) }\n"}, "sleeps in real time"},
		{"a sleep by another name", noSleep, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { <-time.After(1) }\n"}, "sleeps in real time"},
		{"a limit", noSleep, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { select { case <-time.After(1): } }\n"}, ""},
		{"a sleep in a bubble", noSleep, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }\n"}, ""},
		{"a sleep beside a bubble", noSleep, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) {}); time.Sleep(1) }\n"}, "sleeps in real time"},
		{"a sleep in a bubble of the package's own", noSleep, map[string]string{"a/a_test.go": testHead + "func bubble(t *testing.T, f func()) { synctest.Test(t, func(t *testing.T) { f() }) }\nfunc TestA(t *testing.T) { bubble(t, func() { time.Sleep(1) }) }\n"}, ""},
		{"a function that says so", noSleep, map[string]string{"a/a_test.go": testHead + "// wait runs in a bubble.\nfunc wait() { time.Sleep(1) }\n"}, ""},
		{"a skip", noSkip, map[string]string{"a/a_test.go": testHead + "func TestA(t *testing.T) { " + skip + " }\n"}, "may skip"},
		{"a fuzz target without seeds", fuzzSeeds, map[string]string{"a/a_test.go": testHead + "func FuzzA(f *testing.F) { f.Fuzz(nil) }\n"}, "FuzzA has no seed"},
		{"a fuzz target with a seed", fuzzSeeds, map[string]string{"a/a_test.go": testHead + "func FuzzA(f *testing.F) { f.Add(1); f.Fuzz(nil) }\n"}, ""},
		{"a fuzz target that is seeded elsewhere", fuzzSeeds, map[string]string{"a/a_test.go": testHead + "func FuzzA(f *testing.F) { run(f) }\nfunc run(f *testing.F) { f.Add(1) }\n"}, ""},
		{"a fuzz target that hands itself on for nothing", fuzzSeeds, map[string]string{"a/a_test.go": testHead + "func FuzzA(f *testing.F) { run(f) }\nfunc run(f *testing.F) {}\n"}, "FuzzA has no seed"},
		{"a fuzz target with a corpus", fuzzSeeds, map[string]string{"a/a_test.go": testHead + "func FuzzA(f *testing.F) { f.Fuzz(nil) }\n", "a/testdata/fuzz/FuzzA/one": "x"}, ""},
		{"an RFC that is not listed", rfcIndex, map[string]string{"a/a.go": "package a // RF" + "C 9999\n", "docs/rfc.txt": "# index\n"}, "a/a.go:1: cites RF" + "C 9999"},
		{"an RFC that nobody cites", rfcIndex, map[string]string{"docs/rfc.txt": "9998  code  Title\n"}, "docs/rfc.txt:1: no code cites RF" + "C 9998"},
		{"an RFC for documents", rfcIndex, map[string]string{"docs/rfc.txt": "9998  docs  Title\n"}, ""},
		{"an RFC without a space", rfcIndex, map[string]string{"a/a.go": "package a // RF" + "C9998\n", "docs/rfc.txt": "9998  docs  Title\n"}, "with a space"},
		{"a layout of time", rfcIndex, map[string]string{"a/a.go": "package a\nimport \"time\"\nconst l = time.RF" + "C3339\n", "docs/rfc.txt": "# index\n"}, ""},
		{"a word of a protocol", rfcIndex, map[string]string{"a/a.go": "package a\nvar s = \"(RF" + "C822)\"\n", "docs/rfc.txt": "# index\n"}, ""},
		{"an RFC listed twice", rfcIndex, map[string]string{"docs/rfc.txt": "9998  docs  Title\n9998  docs  Title\n"}, "stands at line 1 too"},
		{"a line that is none", rfcIndex, map[string]string{"docs/rfc.txt": "9998 Title\n"}, "two spaces"},
		{"unfinished work", unfinished, map[string]string{"a.md": "one\nTO" + "DO: two\n"}, "a.md:2: "},
		{"a path of this machine", machinePlaces, map[string]string{"a.md": "see /wo" + "rk/main\n"}, "a.md:1: "},
		{"a README that fell behind", sameHeadings, map[string]string{"README.md": "# A\n## B\n", "README.ko.md": "# A\n```\n## B\n```\n"}, "README.ko.md:1: the levels"},
		{"a README that kept up", sameHeadings, map[string]string{"README.md": "# A\n## B\n", "README.ko.md": "# 가\n## 나\n"}, ""},
		{"a module without a paragraph", dependenciesNamed, map[string]string{"go.mod": "module x\n\nrequire example.test/m v1.0.0\n", "docs/dependencies.md": "# D\n"}, "does not name example.test/m"},
		{"a paragraph without a module", dependenciesNamed, map[string]string{"go.mod": "module x\n", "docs/dependencies.md": "### example.test/m\n"}, "is no direct module"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			h, err := load(root)
			if err != nil {
				t.Fatal(err)
			}
			got := c.look(h)
			if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("got %q, want one finding with %q (none if empty)", got, c.want)
			}
		})
	}
	t.Run("another libc", func(t *testing.T) {
		ours, theirs := &module{}, &module{}
		for m, version := range map[*module]string{ours: "v1.2.0", theirs: "v1.1.0"} {
			m.Require = append(m.Require, struct {
				Path, Version string
				Indirect      bool
			}{"libc.test", version, false})
		}
		if got := sameVersion("libc.test", ours, theirs); len(got) != 1 || !strings.Contains(got[0], "go get libc.test@v1.1.0") {
			t.Errorf("got %q", got)
		}
		if got := sameVersion("libc.test", ours, ours); len(got) != 0 {
			t.Errorf("the same version: got %q", got)
		}
	})
}
