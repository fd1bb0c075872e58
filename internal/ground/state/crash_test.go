package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKill ends a process in the middle of its changes: what was answered is there, and at most one more.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	answered := int64(0)
	for round := range 6 {
		p := start(t, "write", dir)
		lines := []string{}
		for range 10 + 9*round { // the last rounds let the -wal grow into the file
			lines = append(lines, p.line(t))
		}
		lines = append(lines, p.kill(t)...)
		last, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			t.Fatalf("the child printed %q", lines[len(lines)-1])
		}
		if last <= answered {
			t.Errorf("the answers ended at %d, and began after %d", last, answered)
		}
		db := openIn(t, dir)
		got := wantSteps(t, db)
		if got != last && got != last+1 {
			t.Errorf("round %d: got %d changes, want %d or one more", round, got, last)
		}
		answered = got
		closeDB(t, db)
	}
}

// TestKillAtBirth ends a process at any moment of making a state: the next finds nothing, or a whole one.
func TestKillAtBirth(t *testing.T) {
	t.Parallel()
	for i := range 10 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			p := start(t, "birth", dir)
			defer time.AfterFunc(time.Duration(i)*8*time.Millisecond, func() { p.cmd.Process.Kill() }).Stop()
			born := slices.Contains(p.drain(), "born")
			db := openIn(t, dir)
			if got := wantSteps(t, db); born && got != 1 || got > 1 {
				t.Errorf("got %d changes, the child made one: %v", got, born)
			}
			if _, err := db.Update(t.Context(), tester, step); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFull: a change that finds no room is refused whole, and the state goes on when there is room again.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		if _, err := db.write.ExecContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // what there is
	var err error
	made := int64(1)
	for range 100 {
		if _, err = db.Update(t.Context(), tester, step); err != nil {
			break
		}
		made++
	}
	if !errors.Is(err, ErrDiskFull) || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, ErrDiskFull)
	}
	if got := wantSteps(t, db); got != made || got != db.Seq() {
		t.Errorf("got %d changes, want %d", got, made)
	}
	limit(1 << 20)
	if seq, err := db.Update(t.Context(), tester, step); err != nil || seq != made+1 {
		t.Errorf("with room again: got %d, %v, want %d", seq, err, made+1)
	}
	closeDB(t, db)
	wantSteps(t, openIn(t, dir))
}

// limitBytes is the largest file of the limited child; making a new state writes some 600 KiB into the journal.
const limitBytes = 1 << 20

// TestFileLimit: a write that the system refuses is an error, and what was answered before stays.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lines := start(t, "limited", dir).drain()
	if len(lines) < 2 {
		t.Fatalf("the child printed %q", lines)
	}
	last, err := strconv.ParseInt(lines[len(lines)-2], 10, 64)
	if err != nil {
		t.Fatalf("the child printed %q", lines)
	}
	if got := lines[len(lines)-1]; !strings.HasPrefix(got, "refused: false ") {
		t.Errorf("got %s, want refused", got)
	}
	t.Log(lines[len(lines)-1])
	db := openIn(t, dir)
	if got := wantSteps(t, db); got != last {
		t.Errorf("got %d changes, want %d", got, last)
	}
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Error(err)
	}
}

// TestNamed: what a person can act on has a name, once; the rest is left as it is.
func TestNamed(t *testing.T) {
	t.Parallel()
	full := os.WriteFile("/dev/full", []byte("x"), 0o600)
	if err := named(full); !errors.Is(err, ErrDiskFull) || !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, ErrDiskFull)
	}
	if once := named(full); named(once) != once {
		t.Errorf("got %v, want %v", named(once), once)
	}
	for _, err := range []error{nil, errTest, ErrStale, context.Canceled, os.ErrPermission} {
		if got := named(err); got != err {
			t.Errorf("got %v, want %v", got, err)
		}
	}
}
