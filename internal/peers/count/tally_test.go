package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// module writes a module with the given files into a new directory and makes it the working directory.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module sample\n\ngo 1.26\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestRealRuns(t *testing.T) {
	const head = "package sample\nimport \"testing\"\n"
	for _, c := range []struct {
		name string
		test string
		ok   bool
		last string
		says string
	}{
		{
			name: "subtests are counted instead of their parent",
			test: head + `func TestA(t *testing.T) { t.Run("x", func(*testing.T) {}); t.Run("y", func(*testing.T) {}) }
				func TestB(*testing.T) {}`,
			ok: true, last: "3 passed, 0 failed",
		},
		{
			name: "a failure is shown in full and counted once",
			test: head + `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("the reason") }); t.Run("y", func(*testing.T) {}) }`,
			last: "1 passed, 1 failed", says: "the reason",
		},
		{
			name: "a parent that fails beside good subtests",
			test: head + `func TestA(t *testing.T) { t.Run("x", func(*testing.T) {}); t.Error("the parent's reason") }`,
			last: "1 passed, 1 failed", says: "the parent's reason",
		},
		{
			name: "a skipped test is no success",
			test: head + `func TestA(t *testing.T) { t.` + `Skip("no peer here") }
				func TestB(*testing.T) {}`,
			last: "1 passed, 0 failed, 1 skipped", says: "no peer here",
		},
		{
			name: "a panic",
			test: head + `func TestA(*testing.T) { panic("the ground opened") }`,
			last: "0 passed, 1 failed", says: "the ground opened",
		},
		{
			name: "a test that does not end, beside one that fails",
			test: head + `func TestA(t *testing.T) { t.Error("one reason") }
				func TestB(*testing.T) { select {} }`,
			last: "0 passed, 2 failed", says: "test timed out after 2s",
		},
		{
			name: "a leak found after the tests",
			test: head + "import \"os\"\n" + `func TestA(*testing.T) {}
				func TestMain(m *testing.M) { m.Run(); println("leaked"); os.Exit(1) }`,
			last: "1 passed, 1 failed", says: "leaked",
		},
		{
			name: "what does not build",
			test: head + `func TestA(t *testing.T) { undefinedWord() }`,
			last: "0 passed, 1 failed", says: "undefinedWord",
		},
		{name: "no test at all", test: "package sample\n", last: "0 passed, 0 failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			module(t, map[string]string{"sample_test.go": c.test})
			var out strings.Builder
			ok, err := run([]string{"-timeout=2s", "./..."}, &out)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; ok != c.ok || last != c.last || !strings.Contains(out.String(), c.says) {
				t.Errorf("got %v and last line %q, want %v, %q and %q somewhere in\n%s", ok, last, c.ok, c.last, c.says, out.String())
			}
		})
	}
}

func TestLinesThatAreNoEventsAreShown(t *testing.T) {
	var out strings.Builder
	tl := newTally(&out)
	in := "go: downloading something\n" + `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p","Elapsed":0.1}`
	if err := tl.read(bufio.NewReader(strings.NewReader(in))); err != nil {
		t.Fatal(err)
	}
	tl.finish()
	if want := regexp.MustCompile(`^go: downloading something\nok +p +0\.1s\n1 passed, 0 failed\n$`); !want.MatchString(out.String()) {
		t.Errorf("got %q, want %v", out.String(), want)
	}
}
