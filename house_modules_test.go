package postseal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// module is what `go mod edit -json` says of a go.mod file.
type module struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
}

// readModule reads the go.mod at path; an empty path is that of the house.
func (h *house) readModule(path string) (*module, error) {
	args := []string{"mod", "edit", "-json"}
	if path != "" {
		args = append(args, path)
	}
	out, err := h.goCommand(args...)
	if err != nil {
		return nil, err
	}
	var m module
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("reading go.mod: %w", err)
	}
	return &m, nil
}

func (h *house) goCommand(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = h.root
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("running go %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}

// version is the version that m requires of a module.
func (m *module) version(path string) string {
	for _, r := range m.Require {
		if r.Path == path {
			return r.Version
		}
	}
	return ""
}

// dependenciesNamed reads the headings "### MODULE" of docs/dependencies.md. A dependency that nobody can give a
// paragraph for is one that we do not need.
func dependenciesNamed(h *house) (findings []string) {
	const list = "docs/dependencies.md"
	text, missing := h.text(list)
	if missing != nil {
		return missing
	}
	m, err := h.readModule("")
	if err != nil {
		return []string{err.Error()}
	}
	heading := regexp.MustCompile(`^### (\S+)`)
	named := map[string]int{}
	eachLine(text, func(number int, line string) {
		if m := heading.FindStringSubmatch(line); m != nil {
			named[m[1]] = number
		}
	})
	for _, r := range m.Require {
		if r.Indirect {
			continue
		}
		if named[r.Path] == 0 {
			findings = append(findings, fmt.Sprintf("%s:1: does not name %s; give it a heading and a paragraph: what for, what we would write instead, who keeps it, what it drags in", list, r.Path))
		}
		delete(named, r.Path)
	}
	for path, number := range named {
		findings = append(findings, fmt.Sprintf("%s:%d: %s is no direct module of go.mod; remove the paragraph", list, number, path))
	}
	slices.Sort(findings)
	return findings
}

// libcVersion guards a promise that Go's version selection does not: modernc.org/sqlite is C translated against one
// version of modernc.org/libc, and works with that one only.
func libcVersion(h *house) []string {
	const sqlite, libc = "modernc.org/sqlite", "modernc.org/libc"
	path, err := h.goCommand("list", "-m", "-f", "{{.GoMod}}", sqlite)
	if err != nil {
		return []string{err.Error()}
	}
	theirs, err := h.readModule(strings.TrimSpace(string(path)))
	if err != nil {
		return []string{err.Error()}
	}
	ours, err := h.readModule("")
	if err != nil {
		return []string{err.Error()}
	}
	return sameVersion(libc, ours, theirs)
}

func sameVersion(path string, ours, theirs *module) []string {
	if got, want := ours.version(path), theirs.version(path); got != want || want == "" {
		return []string{fmt.Sprintf("go.mod:1: %s is %q; run: go get %s@%s", path, got, path, want)}
	}
	return nil
}
