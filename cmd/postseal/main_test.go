package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postseal/internal/peers"
)

// TestMain makes the test binary the program itself when a script runs postseal.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postseal": main})
}

// TestScripts runs testdata/*.txtar: one script for each command, and one for each rule of the contract. A script has
// a work directory of its own, in which $POSTSEAL_DATA names the data directory (there is none at first).
//
// POSTSEAL_UPDATE=1 writes what the program prints into the scripts that compare it.
func TestScripts(t *testing.T) { testscript.Run(t, scripts(t, "testdata")) }

// scripts are those in a directory.
func scripts(t *testing.T, dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("POSTSEAL_UPDATE") != "",
		Deadline:            time.Now().Add(25 * time.Minute), // a command that hangs is shown where it hangs
		Setup: func(e *testscript.Env) error {
			e.Setenv("POSTSEAL_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("UID", strconv.Itoa(os.Geteuid()))
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // with -race every program would sleep for a second before it ends
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"refused":   cmdRefused,
			"exits":     cmdExits,
			"powerless": cmdPowerless,
			"remember":  cmdRemember,
			"unchanged": cmdUnchanged,
			"picture":   cmdPicture,
			"undo":      cmdUndo,
			"foreign":   cmdForeign,
			"capture":   cmdCapture,
			"damage":    cmdDamage,
			"sql":       cmdSQL,
			"json":      cmdJSON,
			"jsonenv":   cmdJSONEnv,
			"jsonkeys":  cmdJSONKeys,
			"offset":    func(ts *testscript.TestScript, neg bool, _ []string) { cmdOffset(t, ts, neg) },
			"occupy":    cmdOccupy,
			"waitopen":  cmdWaitOpen,
			"waitfor":   cmdWaitFor,
			"closed":    cmdClosed,
			"terminate": cmdTerminate,
			"pid":       cmdPID,
			"tls":       cmdTLS,
			"talk":      cmdTalk,
			"hold":      cmdHold,
		},
	}
}

// cmdOffset claims a port offset for this script and sets $OFFSET to it.
//
//	offset
func cmdOffset(t *testing.T, ts *testscript.TestScript, neg bool) {
	positive(ts, neg)
	ts.Setenv("OFFSET", strconv.Itoa(peers.FreeOffset(scriptTB{t, ts})))
}

// scriptTB lets helpers that want a test fail the script and end with it. The rest is the test's.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

// Helper says nothing: a script has lines of its own.
func (scriptTB) Helper() {}

// Cleanup runs f when the script ends.
func (s scriptTB) Cleanup(f func()) { s.ts.Defer(f) }

// Fatalf ends the script.
func (s scriptTB) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }

// positive ends a script that negates a command which cannot be negated.
func positive(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("this command cannot be negated with !")
	}
}
