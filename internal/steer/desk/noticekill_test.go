package desk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/keep/courier"
)

// spool is a channel whose messages outlive the process that sends them.
type spool struct {
	path string
	at   func(step string)
	told func() // is called when a message has left
}

// Name is that of mail.
func (*spool) Name() string { return "mail" }

// To is its file.
func (s *spool) To() string { return s.path }

// Reports: no.
func (*spool) Reports() bool { return false }

// Deliver appends the message to the file.
func (s *spool) Deliver(_ context.Context, m courier.Message) error {
	s.at(stepSay)
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(m.Text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	s.at(stepSaid)
	s.told()
	return nil
}

// closedListener is a condition that needs a person, and so is a notice.
func closedListener() *health.Set {
	s := new(health.Set)
	s.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "cannot be opened"})
	return s
}

// TestKillTelling ends a server between any two effects of telling a notice. It is told, at most twice, and the second
// time says that it may be one.
func TestKillTelling(t *testing.T) {
	t.Parallel()
	for step, want := range map[string][]string{ // of each message, whether it says that it was perhaps said before
		stepCommit:    {"doubt false"},
		stepCommitted: {"doubt true"}, // nothing has left; nobody can know
		stepSay:       {"doubt true"},
		stepSaid:      {"doubt false", "doubt true"},
		stepBook:      {"doubt false", "doubt true"},
		stepBooked:    {"doubt false"},
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			template(t, dir)
			h := openHouse(t, dir, nil)
			h.health.Raise(closedListener().List()[0])
			if err := h.takeNotice(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.exec(t, `UPDATE notice SET opened_at = opened_at - 600000000`) // long enough to be told
			h.close(t)
			start(t, "tell", dir, step).drain(t)
			for range 2 { // the next round tells what is missing, and the one after it nothing
				h = openHouse(t, dir, nil)
				h.exec(t, `UPDATE notice_channel SET next_at = NULL`)
				h.close(t)
				start(t, "tell", dir, "").drain(t)
			}
			text, err := os.ReadFile(filepath.Join(dir, "spool"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(string(text)) {
				if _, after, first := strings.Cut(line, "kind notices "); first {
					got = append(got, after[:strings.Index(after, " late")])
				}
			}
			if strings.Join(got, ", ") != strings.Join(want, ", ") || strings.Count(string(text), "listenerClosed imaps") != len(want) {
				t.Errorf("killed %s: got %q, want %q:\n%s", step, got, want, text)
			}
		})
	}
}
