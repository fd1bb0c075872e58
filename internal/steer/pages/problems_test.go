package pages

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/steer/hint"
)

// unsaid are errors that no page ever words, with the reason.
func unsaid() map[string]string {
	all := map[string]string{
		"front.": "of a single session; it stands in the log", "relay.": "of a single session; it stands in the log", "trial.": "said when a trial starts",
		"backup.": "backups are read by commands alone", "config.AddressError": "said at the start", "config.ErrPortOffset": "said at the start", "config.FileError": "said at the start", "syslog.": "said at the start",
	}
	for _, name := range []string{"ErrInClear", "ErrNoToken", "FingerprintError", "LockedOutError", "PinError", "PinsError", "RemoteAddressError", "UnpinnedError"} {
		all["admin."+name] = "said by the command line, of another server"
	}
	for _, name := range []string{"ErrBackupForeign", "ErrNotTrial", "ErrOrganisationExists", "ErrRecoveryForeign", "ErrRecoveryUnsigned", "ErrSealingKeyExists", "ErrSealingKeyForeign", "ErrSealingKeyHere", "ErrSealingKeyMissing", "KeysLostError", "UnrecoverableError"} {
		all["desk."+name] = "without an open desk there are no pages"
	}
	for _, name := range []string{"ErrCorrupt", "ErrDirectory", "ErrNewer", "ErrNoOrganisation", "ErrNotEmpty", "ErrNotOurs", "InUseError"} {
		all["state."+name] = "without an open state there are no pages"
	}
	return all
}

// TestEveryRefusalIsKorean: each error of the module that has a name, and could come to a page, is told in Korean; and no
// words are left of one that is gone.
func TestEveryRefusalIsKorean(t *testing.T) {
	t.Parallel()
	ko, reasons := languages()[1], unsaid()
	never := func(name string) bool {
		room, _, _ := strings.Cut(name, ".")
		return reasons[name] != "" || reasons[room+"."] != ""
	}
	names := hint.Names()
	if len(names) < 150 {
		t.Fatalf("got %d names of errors, want all of the module", len(names))
	}
	for _, name := range names {
		switch text, there := ko.problems[name]; {
		case never(name) && there:
			t.Errorf("%s is said to come to no page, and has words", name)
		case !never(name) && !isKorean(text):
			t.Errorf("%s: got the words %q, want Korean in problems.go", name, text)
		}
	}
	for name := range ko.problems {
		if !slices.Contains(names, name) {
			t.Errorf("there are words for %s, which there is not", name)
		}
	}
	for name := range reasons {
		if !strings.HasSuffix(name, ".") && !slices.Contains(names, name) {
			t.Errorf("%s, which there is not, is said to come to no page", name)
		}
	}
	for _, table := range []map[string]string{authorityProblems(), deskProblems()} {
		for name := range table {
			if _, twice := koreanProblems()[name]; twice {
				t.Errorf("%s has words twice", name)
			}
		}
	}
}
