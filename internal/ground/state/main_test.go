package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The test binary runs itself as another process for what only another process can show: a lock with
// its own pid, kill -9, and a limit on file sizes.
const (
	childRole = "POSTSEAL_STATE_TEST_ROLE"
	childDir  = "POSTSEAL_STATE_TEST_DIR"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := child(role, os.Getenv(childDir)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child does what its role says. It prints one line for each step that is done.
func child(role, dir string) error {
	ctx := context.Background()
	if role == "limited" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: limitBytes, Max: limitBytes}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	holder := HolderCommand
	if role == "serve" {
		holder = HolderServe
	}
	db, err := Open(ctx, Options{Dir: dir, Holder: holder, Create: true})
	if err != nil {
		return err
	}
	switch role {
	case "serve", "command": // hold the directory until the parent closes our input
		fmt.Println("ready")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
	case "write", "limited": // change the state again and again, and say so after each answer
		for {
			seq, err := db.Update(ctx, tester, step)
			if err != nil {
				fmt.Println("refused:", errors.Is(err, ErrOutcomeUnknown), err)
				break
			}
			fmt.Println(seq)
		}
	case "revoke":
		if err := revokeForEver(ctx, db); err != nil {
			return err
		}
	case "birth": // one change in a new state
		if _, err := db.Update(ctx, tester, step); err != nil {
			return err
		}
		fmt.Println("born")
	}
	return db.Close()
}

// process is a child of the test.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// start runs this test binary in a role. It is killed when the test is over.
func start(t *testing.T, role, dir string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		p.cmd.Process.Kill() // an error if it has ended, as it should
		p.cmd.Wait()
	})
	return p
}

// line returns the next line of the process.
func (p *process) line(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("the child ended: %v", p.lines.Err())
	}
	if text, failed := strings.CutPrefix(p.lines.Text(), "error: "); failed {
		t.Fatalf("child: %s", text)
	}
	return p.lines.Text()
}

// kill ends the process as a power cut would, and returns what it had still printed.
func (p *process) kill(t *testing.T) (rest []string) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	return p.drain()
}

// drain reads the process to its end and forgets how it ended.
func (p *process) drain() (rest []string) {
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	p.cmd.Wait()
	return rest
}
