package main

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdExits runs a program that ends with a status.
//
//	exits 3 postseal status
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitStatus(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status: got %d, want %d", got, want)
	}
}

func exitStatus(ts *testscript.TestScript, err error) int {
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		ts.Fatalf("running it: %v", err)
	}
	return exit.ExitCode()
}

// complaint is all that a refusal says: warnings or what would move may stand before it.
var complaint = regexp.MustCompile(`(?m)^postseal: error: [^\n]*[^\n.]\npostseal: hint: [^\n]+\n\z`)

// cmdRefused runs postseal with arguments that it refuses with a status: nothing on standard output, on standard error
// one line of error and one of hint at the end. It runs twice, the second time with --json.
//
//	refused 2 cert list --nonsense
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 1 {
		ts.Fatalf("usage: refused STATUS [ARGS...]")
	}
	cmdExits(ts, false, append([]string{args[0], "postseal", "--json"}, args[1:]...))
	checkRefusal(ts)
	cmdExits(ts, false, append([]string{args[0], "postseal"}, args[1:]...))
	checkRefusal(ts)
}

// cmdPowerless is refused for a user who may write only where the mode says so. Root may everywhere, and lays that down
// with setpriv first.
//
//	powerless 1 cert list
func cmdPowerless(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	words := []string{args[0], "postseal"}
	if os.Geteuid() == 0 {
		words = []string{args[0], "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search", "postseal"}
	}
	cmdExits(ts, false, append(words, args[1:]...))
	checkRefusal(ts)
}

func checkRefusal(ts *testscript.TestScript) {
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output of a refusal: got %q, want nothing", out)
	}
	text := ts.ReadFile("stderr")
	if !complaint.MatchString(text) || strings.Count(text, "postseal: error:") != 1 || strings.Contains(text, "postseal: undo:") {
		ts.Fatalf("standard error does not end with an error and a hint:\n%s", text)
	}
}

// cmdRemember records every file below a directory for unchanged.
//
//	remember DIR
func cmdRemember(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) != 1 {
		ts.Fatalf("usage: remember DIR")
	}
	ts.Setenv("REMEMBERED", inventory(ts, ts.MkAbs(args[0])))
}

// cmdUnchanged wants every file below a directory as it was remembered, to the byte. Whose turn it is (DIR/lock) and
// the socket do not count.
//
//	unchanged DIR
func cmdUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) != 1 {
		ts.Fatalf("usage: unchanged DIR")
	}
	if got, want := inventory(ts, ts.MkAbs(args[0])), ts.Getenv("REMEMBERED"); got != want {
		ts.Fatalf("files changed: got\n%s\nwant\n%s", got, want)
	}
}

func inventory(ts *testscript.TestScript, dir string) string {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir)
		switch {
		case filepath.Base(name) == "lock", info.Mode()&fs.ModeSocket != 0, strings.HasPrefix(name, "/.tmp"):
			return nil
		case !info.Mode().IsRegular():
			lines = append(lines, fmt.Sprintf("%s %s", name, info.Mode()))
			return nil
		}
		body, err := os.ReadFile(path)
		lines = append(lines, fmt.Sprintf("%s %s %d %x", name, info.Mode(), len(body), sha256.Sum256(body)))
		return err
	})
	ts.Check(err)
	return strings.Join(lines, "\n")
}

// cmdPicture writes all that the organisation is into a file, in JSON.
//
//	picture FILE [FLAGS...]
func cmdPicture(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 1 {
		ts.Fatalf("usage: picture FILE [FLAGS...]")
	}
	var all strings.Builder
	for _, noun := range []string{"cert", "lineage", "listener"} {
		ts.Check(ts.Exec("postseal", append([]string{noun, "list", "--json"}, args[1:]...)...))
		all.WriteString(ts.ReadFile("stdout"))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o600))
}

// cmdUndo runs the command after "postseal: undo: " that the last command printed, in a shell, as somebody does who
// copies the line and says yes to what it asks.
//
//	undo
func cmdUndo(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	var line string
	for text := range strings.Lines(ts.ReadFile("stderr")) {
		if rest, ok := strings.CutPrefix(text, "postseal: undo: "); ok {
			line = rest
		}
	}
	if line == "" {
		ts.Fatalf("the last command printed no line \"postseal: undo: \"")
	}
	ts.Check(ts.Exec("sh", "-euc", "postseal() { command postseal \"$@\" --yes; }\n"+line))
}

// cmdForeign makes a directory of another user and sets $FOREIGN to it. Who cannot give directories away takes one
// that is root's.
//
//	foreign DIR
func cmdForeign(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if os.Geteuid() != 0 {
		ts.Setenv("FOREIGN", "/usr")
		return
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(os.Chown(dir, 12345, 12345))
	ts.Setenv("FOREIGN", dir)
}

// cmdCapture sets a variable to what a pattern's group finds in a file.
//
//	capture VAR FILE PATTERN
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) != 3 {
		ts.Fatalf("usage: capture VAR FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	m := pattern.FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s: nothing matches %s with one group", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// cmdDamage overwrites the second half of a file with zeros.
//
//	damage FILE
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	path := ts.MkAbs(args[0])
	body, err := os.ReadFile(path)
	ts.Check(err)
	clear(body[len(body)/2:])
	ts.Check(os.WriteFile(path, body, 0o600))
}

// cmdSQL changes a stopped server's database.
//
//	sql STATEMENT
func cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	db, err := sql.Open("sqlite", filepath.Join(ts.Getenv("POSTSEAL_DATA"), "postseal.db"))
	ts.Check(err)
	result, err := db.Exec(strings.Join(args, " "))
	ts.Check(errors.Join(err, db.Close()))
	n, err := result.RowsAffected()
	ts.Check(err)
	if n == 0 {
		ts.Fatalf("no row was changed")
	}
}

// cmdTerminate sends SIGTERM to every program in the background, as systemd does. (kill knows INT and KILL.)
//
//	terminate
func cmdTerminate(ts *testscript.TestScript, neg bool, _ []string) {
	positive(ts, neg)
	all := ts.BackgroundCmds()
	if len(all) == 0 {
		ts.Fatalf("nothing runs in the background")
	}
	for _, c := range all {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
	}
}

// cmdPID sets a variable to the process id of the last program started in the background.
//
//	pid VAR
func cmdPID(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	all := ts.BackgroundCmds()
	if len(all) == 0 || len(args) != 1 {
		ts.Fatalf("usage: pid VAR, with something in the background")
	}
	ts.Setenv(args[0], strconv.Itoa(all[len(all)-1].Process.Pid))
}
