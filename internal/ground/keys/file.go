package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// FileModeError says that a file with a secret in it can be read or written by others than its owner.
type FileModeError struct {
	Path string
	Mode fs.FileMode // the permission bits that it has
}

// Error names the file and its mode.
func (e *FileModeError) Error() string {
	return fmt.Sprintf("reading %s: mode %04o lets others than the owner read or write it", e.Path, e.Mode)
}

// ReadFile reads one private key from a file as [Parse] does. A file that its group or others may read or write is
// refused with a [*FileModeError]: a key that others could copy is not a secret any more.
func ReadFile(path string) (*Private, error) {
	data, err := ReadSecretFile(path, maxFileBytes)
	if err != nil {
		return nil, err
	}
	defer data.Wipe()
	p, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return p, nil
}

// ReadSecretFile reads a regular file that nobody but its owner can read or write, of at most limit bytes. The error
// names path.
func ReadSecretFile(path string, limit int64) (Secret, error) {
	// O_NONBLOCK, because opening a named pipe without it waits for a writer, perhaps for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	defer f.Close() // opened for reading only
	// The open file is asked, not the path: the path could name another file a moment later.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a regular file", path)
	}
	if othersMayUse(f, info.Mode()) {
		return nil, &FileModeError{Path: path, Mode: info.Mode().Perm()}
	}
	data := make(Secret, limit+1)
	n, err := io.ReadFull(f, data)
	if err == nil {
		data.Wipe()
		return nil, fmt.Errorf("reading %s: more than %d KiB", path, limit>>10)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		data.Wipe()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data[:n], nil
}
