package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// event is one line of `go test -json` (go doc test2json) or of the build before it (go help buildjson).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build events, instead of Package
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// A tally keeps what a run of go test has said so far.
type tally struct {
	w        io.Writer
	output   map[string]*strings.Builder // by package and test, or by import path of a build
	parents  map[string]bool             // tests that have subtests
	running  map[string]bool             // tests that have begun and not ended
	outcome  map[string]string           // by test: pass, fail or skip
	order    []string                    // keys of outcome as they ended
	broken   []string                    // packages that failed although none of their tests did
	failedIn map[string]bool             // packages with a failed test
}

func newTally(w io.Writer) *tally {
	return &tally{
		w: w, output: map[string]*strings.Builder{}, parents: map[string]bool{}, running: map[string]bool{},
		outcome: map[string]string{}, failedIn: map[string]bool{},
	}
}

// read takes events until the end. A line that is no event is shown as it stands.
func (t *tally) read(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(t.w, line)
			} else {
				t.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) take(e event) {
	switch {
	case e.Action == "output":
		t.said(e.Package, e.Test).WriteString(e.Output)
	case e.Action == "run":
		t.testBegins(e)
	case e.Action == "build-output":
		t.said(e.ImportPath, "").WriteString(e.Output)
	case e.Action != "pass" && e.Action != "fail" && e.Action != "skip":
		// start, pause, cont, bench: nothing has ended
	case e.Test != "":
		t.testEnded(e)
	default:
		t.packageEnded(e)
	}
}

func (t *tally) testBegins(e event) {
	t.running[key(e.Package, e.Test)] = true
	for i, c := range e.Test {
		if c == '/' {
			t.parents[key(e.Package, e.Test[:i])] = true
		}
	}
}

func (t *tally) testEnded(e event) {
	k := key(e.Package, e.Test)
	t.outcome[k] = e.Action
	t.order = append(t.order, k)
	// A failing parent shows its own words too: they may name the subtest's cause.
	if e.Action != "pass" {
		fmt.Fprint(t.w, t.said(e.Package, e.Test).String())
	}
	if e.Action == "fail" {
		t.failedIn[e.Package] = true
	}
	delete(t.output, k)
	delete(t.running, k)
}

func (t *tally) packageEnded(e event) {
	if e.Action != "fail" {
		if !strings.Contains(t.said(e.Package, "").String(), "[no test files]") {
			fmt.Fprintf(t.w, "ok    %-40s %6.1fs\n", e.Package, e.Elapsed)
		}
		return
	}
	// What does not build, panics, leaks or runs out of time fails as a package: its unfinished tests
	// fail with it, and what they said is shown.
	if e.FailedBuild != "" {
		fmt.Fprint(t.w, t.said(e.FailedBuild, "").String())
	}
	var left []string // what has said something and not ended
	for k := range t.output {
		if strings.HasPrefix(k, e.Package+"\x00") {
			left = append(left, k)
		}
	}
	sort.Strings(left)
	ended := true
	for _, k := range left {
		fmt.Fprint(t.w, t.output[k].String())
		if t.running[k] {
			t.outcome[k] = "fail"
			t.order = append(t.order, k)
			ended = false
		}
	}
	if ended && !t.failedIn[e.Package] {
		t.broken = append(t.broken, e.Package)
	}
	fmt.Fprintf(t.w, "FAIL  %-40s %6.1fs\n", e.Package, e.Elapsed)
}

// counts are the tests that passed, failed and were skipped.
func (t *tally) counts() (passed, failed, skipped int) {
	for _, k := range t.order {
		switch {
		case t.outcome[k] == "fail" && (!t.parents[k] || !t.childFailed(k)):
			failed++
		case t.parents[k]:
			// its subtests are counted
		case t.outcome[k] == "pass":
			passed++
		case t.outcome[k] == "skip":
			skipped++
		}
	}
	return passed, failed + len(t.broken), skipped
}

func (t *tally) childFailed(parent string) bool {
	for k, how := range t.outcome {
		if how == "fail" && strings.HasPrefix(k, parent+"/") {
			return true
		}
	}
	return false
}

// finish writes the list of what did not pass and, as the last line, the count.
func (t *tally) finish() {
	passed, failed, skipped := t.counts()
	for _, k := range t.order {
		if how := t.outcome[k]; how != "pass" && !t.childFailed(k) {
			pkg, test, _ := strings.Cut(k, "\x00")
			fmt.Fprintf(t.w, "%s: %s %s\n", how, pkg, test)
		}
	}
	for _, pkg := range t.broken {
		fmt.Fprintf(t.w, "fail: %s\n", pkg)
	}
	if skipped > 0 {
		fmt.Fprintln(t.w, "a skipped test shows nothing: install what it needs (make deps) or mend it")
		fmt.Fprintf(t.w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
		return
	}
	fmt.Fprintf(t.w, "%d passed, %d failed\n", passed, failed)
}

// good reports whether something ran and nothing failed or was skipped.
func (t *tally) good() bool {
	passed, failed, skipped := t.counts()
	return passed > 0 && failed == 0 && skipped == 0
}

func (t *tally) said(pkg, test string) *strings.Builder {
	k := key(pkg, test)
	b := t.output[k]
	if b == nil {
		b = &strings.Builder{}
		t.output[k] = b
	}
	return b
}

func key(pkg, test string) string { return pkg + "\x00" + test }
