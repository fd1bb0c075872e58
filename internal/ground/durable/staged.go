package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Staged is a file that is being written under a temporary name beside its place, for content that is
// too long to hold in memory. Until [Staged.Commit] nobody sees it; [Staged.Discard] forgets it. One of the two
// must be called. A caller that is killed leaves a file named .postseal-*.tmp.
type Staged struct {
	disk disk
	path string
	f    *os.File
	err  error // of the first write that failed
	done bool
}

// Stage begins a file that shall become path, with these permissions.
func Stage(path string, perm os.FileMode) (*Staged, error) {
	return disk{sync: (*os.File).Sync}.stage(path, perm)
}

func (d disk) stage(path string, perm os.FileMode) (*Staged, error) {
	f, err := os.CreateTemp(filepath.Dir(path), Temporary) // mode 0600
	if err != nil {
		return nil, fmt.Errorf("writing %s: making a temporary file: %w", path, cause(err))
	}
	s := &Staged{disk: d, path: path, f: f}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(fmt.Errorf("writing %s: %w", path, cause(err)), s.Discard())
	}
	return s, nil
}

// Write appends to the file.
func (s *Staged) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	if err != nil && s.err == nil {
		s.err = cause(err)
	}
	return n, err
}

// WriteAt writes over what was written, for a beginning that is not known before the end.
func (s *Staged) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.f.WriteAt(p, off)
	if err != nil && s.err == nil {
		s.err = cause(err)
	}
	return n, err
}

// Commit makes the file durable and gives it its name. With replace it takes the place of what is there; without, an
// existing file stays and the error is [fs.ErrExist]. When it fails there is no temporary file, as with [WriteFile].
func (s *Staged) Commit(replace bool) error {
	err := s.commit(replace)
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.path, errors.Join(err, s.Discard()))
	}
	return nil
}

func (s *Staged) commit(replace bool) error {
	if s.err != nil {
		return s.err // a file with a hole is none
	}
	folder, err := openFolder(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer folder.Close() // opened for reading only
	if err := s.disk.sync(s.f); err != nil {
		return cause(err)
	}
	if err := s.f.Close(); err != nil {
		return cause(err)
	}
	put := os.Rename
	if !replace {
		put = os.Link // link(2) refuses an existing name atomically
	}
	if err := put(s.f.Name(), s.path); err != nil {
		return cause(err)
	}
	if !replace {
		if err := discard(s.f.Name()); err != nil {
			return errors.Join(cause(err), discard(s.path))
		}
	}
	s.done = true
	return s.disk.syncFolder(folder)
}

// Discard forgets the file. After a Commit that succeeded it does nothing.
func (s *Staged) Discard() error {
	if s.done {
		return nil
	}
	s.done = true
	if err := s.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return errors.Join(cause(err), discard(s.f.Name()))
	}
	return discard(s.f.Name())
}
