package desk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
)

// The test binary runs itself as another process where a process must be killed.
const (
	childRole = "POSTSEAL_DESK_TEST_ROLE"
	childDir  = "POSTSEAL_DESK_TEST_DIR"
	childStep = "POSTSEAL_DESK_TEST_STEP"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := child(context.Background(), role, os.Getenv(childDir)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Steps of a setup, at which a child can end itself. What runs between two of them has no other effect
// that outlives the process.
const (
	stepWrite     = "before the key is written"
	stepWritten   = "after the key is written"
	stepCommit    = "before the commit"
	stepCommitted = "after the commit"
	stepMove      = "before the key is moved"
	stepMoved     = "after the key is moved"

	stepHead   = "before the head is committed" // of the audit trail; its file is written like a key
	stepHeaded = "after the head is committed"

	stepSay    = "before the message leaves" // of a notice; before it, a commit says that it may have left
	stepSaid   = "after the message has left"
	stepBook   = "before it is written down that it was told"
	stepBooked = "after it is written down that it was told"
)

// stepFull, with a number of KiB, is no step: no file may grow above that.
const stepFull = "full at KiB "

// child does what its role says.
func child(ctx context.Context, role, dir string) error {
	at := func(step string) {
		if os.Getenv(childStep) == step {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err == nil {
				select {} // not one step further
			}
		}
	}
	if kib, limited := strings.CutPrefix(os.Getenv(childStep), stepFull); limited {
		n, err := strconv.Atoi(kib)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: uint64(n) << 10, Max: uint64(n) << 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	if role == "roll over" {
		return childRollsOver(ctx, dir)
	}
	if role == "certify" {
		return childCertifies(ctx, dir)
	}
	if role == "fall" {
		return childFalls(ctx, dir)
	}
	if role == "restore" {
		return childRestores(ctx, dir, at)
	}
	before, after := stepCommit, stepCommitted
	db, err := state.Open(ctx, state.Options{Dir: dir, Create: true, Commit: func(commit func() error) error {
		at(before)
		defer at(after)
		return commit()
	}})
	if err != nil {
		return err
	}
	o := RecoverOptions{Sealing: filepath.Join(dir, "sealing-key"), disk: disk{
		write: func(path string, data []byte, perm os.FileMode) error {
			at(stepWrite)
			defer at(stepWritten)
			return durable.WriteFile(path, data, perm)
		},
		rename: func(from, to string) error {
			at(stepMove)
			defer at(stepMoved)
			return durable.Rename(from, to)
		}}}
	switch role {
	case "tell": // one round of one channel
		before, after = "never", "never"
		told := func() { before, after = stepBook, stepBooked }
		c := &spool{path: filepath.Join(dir, "spool"), at: at, told: told}
		d, err := Open(ctx, Options{State: db, Sealing: o.Sealing, Health: closedListener(), Notices: Noticing{Channels: []courier.Channel{c}, Word: plain}})
		if err != nil {
			return err
		}
		if err := d.takeNotice(ctx); err != nil {
			return err
		}
		before, after = stepCommit, stepCommitted
		if err := d.tell(ctx, c); err != nil {
			return err
		}
	case "init": // a recovery key, which lies in DIR/recovery.key as the command line leaves it
		before, after = "never", "never"
		d, err := Open(ctx, Options{State: db, Sealing: o.Sealing})
		if err != nil {
			return err
		}
		key, err := backup.ReadKey(filepath.Join(dir, "recovery.key"))
		if err != nil {
			return err
		}
		before, after = stepCommit, stepCommitted
		if _, err := d.SetRecovery(ctx, tester(), RecoveryRequest{Public: key.Public()}); err != nil {
			return err
		}
	case "seal": // one change, and its signature
		d, err := Open(ctx, Options{State: db, Sealing: o.Sealing, disk: o.disk})
		if err != nil {
			return err
		}
		if _, err := d.NewLink(ctx, tester()); err != nil {
			return err
		}
		before, after = stepHead, stepHeaded
		if err := d.SealAudit(ctx); err != nil {
			return err
		}
	case "recover":
		key, err := backup.ReadKey(filepath.Join(dir, "recovery.key"))
		if err != nil {
			return err
		}
		if _, err := Recover(ctx, db, key, o, tester()); err != nil {
			return errors.Join(err, db.Close())
		}
	case "abandon":
		if _, err := AbandonKeys(ctx, db, o, tester()); err != nil {
			return errors.Join(err, db.Close())
		}
	case "setup":
		o := exampleSetup(dir)
		o.disk.write = func(path string, data []byte, perm os.FileMode) error {
			at(stepWrite)
			defer at(stepWritten)
			return durable.WriteFile(path, data, perm)
		}
		o.disk.rename = func(from, to string) error {
			at(stepMove)
			defer at(stepMoved)
			return durable.Rename(from, to)
		}
		fmt.Println("begin")
		if err := Setup(ctx, db, o, tester()); err != nil {
			return errors.Join(err, db.Close())
		}
		fmt.Println("set up")
	case "change": // change bindings and certificates for ever, and print the sequence number after each answer
		d, err := Open(ctx, Options{State: db, Sealing: filepath.Join(dir, "sealing-key")})
		if err != nil {
			return err
		}
		for {
			for _, id := range []string{"one", "internal-mail1-example-com"} {
				if _, err := d.Enable(ctx, tester(), EnableRequest{ID: id, Services: "IMAP,POP"}); err != nil {
					return err
				}
				fmt.Println(db.Seq())
			}
			if _, err := d.New(ctx, tester(), NewRequest{Name: "Two", Kinds: []string{"ecdsa-p256", "ed25519"}, Lineage: "two", Services: "SMTP"}); err != nil {
				return err
			}
			fmt.Println(db.Seq())
			if _, err := d.Enable(ctx, tester(), EnableRequest{ID: "one", Services: "SMTP"}); err != nil {
				return err
			}
			fmt.Println(db.Seq())
			if _, err := d.Remove(ctx, tester(), RemoveRequest{ID: "two"}); err != nil {
				return err
			}
			fmt.Println(db.Seq())
		}
	}
	return db.Close()
}

// process is a child of the test.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// start runs this test binary in a role. It is killed when the test is over.
func start(t *testing.T, role, dir, step string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir, childStep+"="+step)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		p.cmd.Process.Kill() // an error if it has ended, as it should
		p.cmd.Wait()
	})
	return p
}

// line returns the next line of the process, empty at its end.
func (p *process) line(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		return ""
	}
	if text, failed := strings.CutPrefix(p.lines.Text(), "error: "); failed {
		t.Fatalf("child: %s", text)
	}
	return p.lines.Text()
}

// drain returns what the process still prints, to its end.
func (p *process) drain(t *testing.T) (rest []string) {
	t.Helper()
	for line := p.line(t); line != ""; line = p.line(t) {
		rest = append(rest, line)
	}
	p.cmd.Wait() // how it ended is for the caller to see in what it left
	return rest
}

// template makes one organisation for all tests that only need any: keys take time.
func template(t *testing.T, dir string) {
	t.Helper()
	made, err := exampleFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range made {
		if err := durable.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// makeExample sets up the organisation of the tests in a directory of its own and returns its files.
func makeExample() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "postseal-desk")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := state.Open(context.Background(), state.Options{Dir: dir, Create: true})
	if err != nil {
		return nil, err
	}
	err = Setup(context.Background(), db, exampleSetup(dir), tester())
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	files = make(map[string][]byte)
	for _, name := range []string{state.FileName, "sealing-key"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}

// forget makes the next look read the state.
func (k *keptState) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lineages = nil
}
