package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postseal/internal/ground/listener"
)

// patience bounds every wait for another process.
const patience = 60 * time.Second

// poll asks again and again until done says yes; what names what did not happen.
func poll(ts *testscript.TestScript, what string, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			ts.Fatalf("after %v still not so: %s", patience, what)
		case <-again.C:
		}
	}
}

// address is where a listener of this script's server is.
func address(ts *testscript.TestScript, name string) string {
	k, ok := listener.ByName(name)
	if !ok {
		ts.Fatalf("there is no listener %q", name)
	}
	offset, err := strconv.Atoi(ts.Getenv("OFFSET"))
	ts.Check(err)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(k.Port)+offset))
}

// cmdWaitOpen waits until listeners take connections. A server opens its listeners in the order of `help ports`, so
// the last one stands for all.
//
//	waitopen LISTENER...
func cmdWaitOpen(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	var d net.Dialer
	for _, name := range args {
		poll(ts, name+" is open", func(ctx context.Context) bool {
			for _, c := range ts.BackgroundCmds() {
				if errors.Is(c.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
					ts.Fatalf("%s is not open, and the server has ended", name)
				}
			}
			c, err := d.DialContext(ctx, "tcp", address(ts, name))
			return err == nil && c.Close() == nil
		})
	}
}

// cmdWaitFor waits until a program in the background has written what a pattern matches into a file.
//
//	waitfor PATTERN FILE
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) != 2 {
		ts.Fatalf("usage: waitfor PATTERN FILE")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, args[1]+" has "+args[0], func(context.Context) bool {
		body, err := os.ReadFile(ts.MkAbs(args[1]))
		return err == nil && pattern.Match(body)
	})
}

// cmdClosed wants listeners that take no connection.
//
//	closed LISTENER...
func cmdClosed(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	for _, name := range args {
		if c, err := net.DialTimeout("tcp", address(ts, name), patience); err == nil {
			c.Close()
			ts.Fatalf("%s at %s is open", name, address(ts, name))
		}
	}
}

// cmdOccupy takes the port of a listener, as another program does, until the script ends.
//
//	occupy LISTENER
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	ln, err := net.Listen("tcp", address(ts, args[0]))
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
}

// cmdHold takes the lock of a data directory as a server does that has not opened its socket yet, runs postseal, and
// lets go once postseal has found the directory taken.
//
//	hold DIR COMMAND...
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: hold DIR COMMAND...")
	}
	path := filepath.Join(ts.MkAbs(args[0]), "lock")
	lock, err := os.OpenFile(path, os.O_RDWR, 0)
	ts.Check(err)
	defer lock.Close()
	ts.Check(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	ts.Check(lock.Truncate(0))
	_, err = fmt.Fprintf(lock, "%d serve\n", os.Getpid())
	ts.Check(err)

	program, err := exec.LookPath("postseal")
	ts.Check(err)
	var said bytes.Buffer
	c := exec.Command(program, args[1:]...)
	c.Env, c.Stdout, c.Stderr = []string{"POSTSEAL_DATA=" + ts.Getenv("POSTSEAL_DATA"), "GORACE=" + ts.Getenv("GORACE")}, &said, &said
	ts.Check(c.Start())
	poll(ts, "postseal has the lock file open", func(context.Context) bool {
		folder := fmt.Sprintf("/proc/%d/fd", c.Process.Pid)
		descriptors, err := os.ReadDir(folder)
		ts.Check(err)
		for _, fd := range descriptors {
			if to, err := os.Readlink(filepath.Join(folder, fd.Name())); err == nil && to == path {
				return true
			}
		}
		return false
	})
	ts.Check(lock.Close())
	if err := c.Wait(); err != nil {
		ts.Fatalf("postseal while the directory was taken for a moment: %v\n%s", err, said.String())
	}
}
