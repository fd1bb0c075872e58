package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Holder says what a process holds a data directory for.
type Holder string

const (
	// HolderServe is a running server: whoever wants the directory talks to it instead.
	HolderServe Holder = "serve"
	// HolderCommand is one command working on the state directly; it is over soon.
	HolderCommand Holder = "command"
)

// InUseError reports that another process holds the data directory.
type InUseError struct {
	Dir    string
	PID    int // 0 when it could not be read
	Holder Holder
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("opening the data directory %s: in use by another process", e.Dir)
	}
	return fmt.Sprintf("opening the data directory %s: in use by process %d (postseal %s)", e.Dir, e.PID, e.Holder)
}

// lock is the exclusive right to one data directory, kept until close.
type lock struct {
	f    *os.File
	left string // what the last holder left in it, see clean.go
}

// commandPatience is how long a process waits for a command to be done with the directory.
const commandPatience = 10 * time.Second

// takeLock takes the lock of dir for holder. It waits for a command to finish, up to commandPatience,
// and never for a server. The lock is flock(2) on DIR/lock: it goes with the process, however that ends.
func takeLock(ctx context.Context, dir string, holder Holder) (*lock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w: %w", ErrDirectory, named(err))
	}
	deadline := time.Now().Add(commandPatience)
	var before InUseError
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		// One look is not enough: a holder that has only just locked has not yet written over the name
		// of a killed one.
		other := readHolder(f)
		other.Dir = dir
		if other.Holder == HolderServe && *other == before || time.Now().After(deadline) {
			f.Close()
			return nil, other
		}
		before = *other
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	left := make([]byte, 200)
	n, _ := f.ReadAt(left, 0) // what cannot be read says nothing
	text := fmt.Sprintf("%d %s\n", os.Getpid(), holder)
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing %s: %w", path, named(err))
	}
	return &lock{f, string(left[:n])}, nil
}

// readHolder reads who wrote the lock file.
func readHolder(f *os.File) *InUseError {
	buf := make([]byte, 64)
	n, _ := f.ReadAt(buf, 0) // a short file is an unknown holder
	pid, holder, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	e := &InUseError{Holder: Holder(holder)}
	e.PID, _ = strconv.Atoi(pid)
	return e
}

// close gives the directory back, and leaves a word to the next holder. The file stays: removing it would let two
// processes lock two files.
func (l *lock) close(left string) error {
	l.f.Truncate(0)              // a stale pid is harmless; flock decides
	l.f.WriteAt([]byte(left), 0) // half a word is none
	return l.f.Close()
}
