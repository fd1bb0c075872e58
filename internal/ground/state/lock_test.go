package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	t.Run("by a server: refused at once", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p := start(t, "serve", dir)
		p.line(t)
		begun := time.Now()
		_, err := Open(t.Context(), Options{Dir: dir})
		want := InUseError{Dir: dir, PID: p.cmd.Process.Pid, Holder: HolderServe}
		if e, ok := errors.AsType[*InUseError](err); !ok || *e != want {
			t.Errorf("got %v, want %v", err, &want)
		}
		if got := time.Since(begun); got > commandPatience/2 {
			t.Errorf("it took %v, want to be refused at once", got)
		}
		if got, want := err.Error(), fmt.Sprintf("opening the data directory %s: in use by process %d (postseal serve)", dir, p.cmd.Process.Pid); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		p.kill(t)
		openIn(t, dir) // the lock went with the process
	})
	t.Run("by a command: waits for its end", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p := start(t, "command", dir)
		p.line(t)
		if _, err := Open(shortly(t), Options{Dir: dir}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		opened := make(chan error)
		go func() {
			db, err := Open(t.Context(), Options{Dir: dir})
			if err == nil {
				err = db.Close()
			}
			opened <- err
		}()
		p.stdin.Close()
		if err := <-opened; err != nil {
			t.Error(err)
		}
		p.drain()
	})
}

// TestPatience: a command that does not end is reported after commandPatience, a server at the second look.
func TestPatience(t *testing.T) {
	t.Parallel()
	for holder, want := range map[Holder]time.Duration{HolderCommand: commandPatience, HolderServe: 20 * time.Millisecond} {
		t.Run(string(holder), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			openWith(t, Options{Dir: dir, Holder: holder, Create: true})
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				_, err := Open(t.Context(), Options{Dir: dir})
				if e, ok := errors.AsType[*InUseError](err); !ok || e.PID != os.Getpid() || e.Holder != holder {
					t.Errorf("got %v, want in use by %d for %s", err, os.Getpid(), holder)
				}
				if got := time.Since(begun); got < want || got > want+20*time.Millisecond {
					t.Errorf("it took %v, want %v", got, want)
				}
			})
		})
	}
}

// TestStaleHolder: the lock file of a killed server still names it when the next holder has locked and not yet written.
func TestStaleHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeDB(t, openIn(t, dir))
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	write("4194304 serve\n")
	synctest.Test(t, func(t *testing.T) {
		opened := make(chan error, 1)
		go func() {
			db, err := Open(t.Context(), Options{Dir: dir})
			if err == nil {
				err = db.Close()
			}
			opened <- err
		}()
		synctest.Wait() // it has looked once
		write("1 command\n")
		time.Sleep(time.Second)
		if len(opened) != 0 {
			t.Fatalf("got %v, want to wait for the command", <-opened)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Error(err)
		}
	})
}

func TestUnknownHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeDB(t, openIn(t, dir)) // leaves an empty lock file
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := Open(t.Context(), Options{Dir: dir})
		if want := "opening the data directory " + dir + ": in use by another process"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %v", err, want)
		}
	})
}
