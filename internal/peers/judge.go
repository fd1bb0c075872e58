package peers

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

//go:embed judge/openssl.py
var opensslJudge string

//go:embed judge/Keystore.java
var javaJudge string

// OpenSSLTakes asks OpenSSL which files it takes as form: certificate, request, CRL, P7B, PFX, OCSP response, key or
// PEM. It is asked for all of them at once, because starting it costs more than a thousand answers.
func OpenSSLTakes(t testing.TB, form, password string, files []Mutant) []bool {
	t.Helper()
	return verdicts(t, files, form+"\n"+password+"\n", "python3", "-c", opensslJudge)
}

// JavaTakes asks Java which files it takes as a keystore of type JKS, all keys opened.
func JavaTakes(t testing.TB, password string, files []Mutant) []bool {
	t.Helper()
	source := filepath.Join(t.TempDir(), "Keystore.java")
	if err := os.WriteFile(source, []byte(javaJudge), 0o600); err != nil {
		t.Fatal(err)
	}
	return verdicts(t, files, "", "java", "-XX:TieredStopAtLevel=1", "-Xmx256m", source, password)
}

// verdicts sends the files to a judge and reads one digit for each.
func verdicts(t testing.TB, files []Mutant, head string, judge ...string) []bool {
	t.Helper()
	in := []byte(head)
	for _, f := range files {
		in = append(binary.BigEndian.AppendUint32(in, uint32(len(f.Data))), f.Data...)
	}
	r := Succeed(t, Command{Args: judge, Stdin: string(in), Limit: 5 * time.Minute})
	if len(r.Stdout) != len(files) {
		t.Fatalf("the judge answered %d of %d times: %s", len(r.Stdout), len(files), r.Stderr)
	}
	taken := make([]bool, len(files))
	for i := range taken {
		taken[i] = r.Stdout[i] == '1'
	}
	return taken
}

// A Difference is a reason for which we and a judge answer differently on purpose. A file that is answered differently
// and has no such reason is a finding.
type Difference struct {
	Name string // of a few words
	Why  string // a sentence
	RFC  string // with its section; empty where no RFC speaks of it
	// Refused recognises our refusal of what the judge takes; nil: it is not about such.
	Refused func(error) bool
	// Taken recognises a file that we take and the judge refuses; nil: it is not about such.
	Taken func(Mutant) bool
}

// A Trial holds our answers against a judge's.
type Trial struct {
	Files       []Mutant
	Theirs      []bool             // what the judge takes, file by file
	Ours        func(Mutant) error // nil if we take it
	Differences []Difference       // each of which some file needs
	Also        []Difference       // which may be needed; another trial is held to need them
}

// Run fails the test for each file that is answered differently for no reason of the list, for each reason that no file
// needs, since a list of excuses that nobody uses hides the next one, and if the first file is not taken by both, or
// nothing is refused by both.
func (trial Trial) Run(t testing.TB) {
	t.Helper()
	if !trial.Theirs[0] || trial.Ours(trial.Files[0]) != nil {
		t.Fatalf("%s: taken by the judge %v, by us %v", trial.Files[0].Name, trial.Theirs[0], trial.Ours(trial.Files[0]))
	}
	used, both, neither, findings := map[string]int{}, 0, 0, 0
	for i, f := range trial.Files {
		err := trial.Ours(f)
		switch theirs := trial.Theirs[i]; {
		case theirs && err == nil:
			both++
			continue
		case !theirs && err != nil:
			neither++
			continue
		}
		all := slices.Concat(trial.Differences, trial.Also)
		at := slices.IndexFunc(all, func(d Difference) bool {
			return err != nil && d.Refused != nil && d.Refused(err) || err == nil && d.Taken != nil && d.Taken(f)
		})
		if at >= 0 {
			used[all[at].Name]++
			continue
		}
		if findings++; findings > 30 {
			continue
		}
		if err != nil {
			t.Errorf("%s: the judge takes it, we do not, and nobody has said why: %v%s", f.Name, err, octets(f.Data))
		} else {
			t.Errorf("%s: we take it, the judge does not%s", f.Name, octets(f.Data))
		}
	}
	var tally strings.Builder
	for _, d := range trial.Differences {
		fmt.Fprintf(&tally, ", %s %d", d.Name, used[d.Name])
		if used[d.Name] == 0 {
			t.Errorf("no file is answered differently because of %q: take the reason out", d.Name)
		}
	}
	if neither == 0 {
		t.Error("nothing is refused by both")
	}
	t.Logf("%d files: taken by both %d, by none %d, without a reason %d%s", len(trial.Files), both, neither, findings, tally.String())
}

// octets are those of a file that is short enough to be shown.
func octets(data []byte) string {
	if len(data) > 1024 {
		return ""
	}
	return fmt.Sprintf("\n%x", data)
}
