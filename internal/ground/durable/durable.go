// Package durable writes files that are there, whole, after the power cut.
//
// A newcomer must know three things about files on Linux. A write sits in memory until fsync(2) has returned. A new
// name sits in memory until the folder that holds it has been synced too; syncing the file does not do that. And
// rename(2) is atomic: another process sees the old file or the new one, never half of either. So a file that
// matters is written beside its final place under a temporary name, synced, renamed, and then its folder is synced.
//
// [WriteFile] puts content in place, whatever was there before. [Create] does the same but never replaces a file.
// [Rename] and [Remove] are the two other changes of a folder that must outlive a power cut.
//
// A call that fails leaves what was there before, and no temporary file. There is one exception, and its error says
// so: when the very last step fails, the sync of the folder, then the change is already visible and cannot be taken
// back safely. A power cut in the middle can leave a file named .postseal-*.tmp, which may be deleted.
//
// The new file belongs to the caller and has exactly the permissions asked for; the umask has no say, and the
// permissions are there before the first byte of content is. If path is a symbolic link, WriteFile replaces the
// link, not what it points to. The package does not make folders, does not lock, and does not read.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Temporary is the pattern of names of files that are being written, and of those that a crash has left. They do not contain
// the final name, which may already be as long as the file system allows.
const Temporary = ".postseal-*.tmp"

// WriteFile makes path a file with this content and these permissions, replacing what is there.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	return disk{sync: (*os.File).Sync}.writeFile(path, data, perm)
}

// Create is WriteFile for a file that must not exist yet. If anything is there under that name, even a dangling
// symbolic link, it stays untouched and the error is [fs.ErrExist]. Of several callers at once exactly one succeeds.
func Create(path string, data []byte, perm os.FileMode) error {
	return disk{sync: (*os.File).Sync}.create(path, data, perm)
}

// Rename moves old to new, replacing a file that is there. The content of a regular file is synced first, so that a
// file which another program wrote without care cannot turn up empty under its new name.
func Rename(old, new string) error {
	return disk{sync: (*os.File).Sync}.rename(old, new)
}

// Remove deletes the file or empty folder at path. It is [fs.ErrNotExist] if there is none.
func Remove(path string) error {
	return disk{sync: (*os.File).Sync}.remove(path)
}

// disk is the one thing that a test must be able to break: a sync that fails cannot be had from a healthy disk.
type disk struct {
	sync func(*os.File) error // syncs a file or a folder; never nil
}

func (d disk) writeFile(path string, data []byte, perm os.FileMode) error {
	err := d.place(path, data, perm, os.Rename)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func (d disk) create(path string, data []byte, perm os.FileMode) error {
	// link(2) refuses an existing name atomically; a check before a rename would leave a gap between the two.
	linkAndRemove := func(temporary, path string) error {
		if err := os.Link(temporary, path); err != nil {
			return err
		}
		// The temporary name goes before the folder is synced, so one sync covers both changes.
		if err := os.Remove(temporary); err != nil {
			return errors.Join(cause(err), discard(path)) // path is ours: the link was made a moment ago
		}
		return nil
	}
	err := d.place(path, data, perm, linkAndRemove)
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return nil
}

// place writes a temporary file beside path and lets put give it its name. The order of the steps is what makes the
// file durable.
func (d disk) place(path string, data []byte, perm os.FileMode, put func(temporary, path string) error) error {
	// 1. Open the folder. One that cannot be opened cannot be synced: better to know before anything has changed.
	folder, err := openFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close() // opened for reading only: nothing can be lost

	// 2. Write and sync the content under a temporary name.
	temporary, err := d.writeTemporary(filepath.Dir(path), data, perm)
	if err != nil {
		return err
	}

	// 3. Give it its name.
	if err := put(temporary, path); err != nil {
		return errors.Join(cause(err), discard(temporary))
	}

	// 4. Sync the name.
	return d.syncFolder(folder)
}

// writeTemporary returns the name of a synced file in folder that holds data. When it fails there is none.
func (d disk) writeTemporary(folder string, data []byte, perm os.FileMode) (string, error) {
	f, err := os.CreateTemp(folder, Temporary) // mode 0600
	if err != nil {
		return "", fmt.Errorf("making a temporary file: %w", cause(err))
	}
	err = func() error {
		// Chmod before Write: a reader who opens the file early must not keep a handle that the final
		// permissions would have denied, and chmod, unlike open, is not subject to the umask.
		if err := f.Chmod(perm); err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		return d.sync(f)
	}()
	if closeErr := f.Close(); err == nil {
		err = closeErr // some file systems report a full disk only here
	}
	if err != nil {
		return "", errors.Join(cause(err), discard(f.Name()))
	}
	return f.Name(), nil
}

func (d disk) rename(old, new string) error {
	err := func() error {
		from, err := openFolder(filepath.Dir(old))
		if err != nil {
			return err
		}
		defer from.Close() // opened for reading only
		to, err := openFolder(filepath.Dir(new))
		if err != nil {
			return err
		}
		defer to.Close() // opened for reading only

		if err := d.syncContent(old); err != nil {
			return err
		}
		if err := os.Rename(old, new); err != nil {
			return cause(err)
		}
		// The new name first: after a power cut between the two syncs the file has two names rather than none.
		if err := d.syncFolder(to); err != nil {
			return err
		}
		if filepath.Dir(old) == filepath.Dir(new) {
			return nil
		}
		return d.syncFolder(from)
	}()
	if err != nil {
		return fmt.Errorf("renaming %s to %s: %w", old, new, err)
	}
	return nil
}

// syncContent syncs a regular file and leaves everything else alone: opening a named pipe would wait for a writer.
func (d disk) syncContent(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return cause(err)
	}
	defer f.Close() // opened for reading only
	return cause(d.sync(f))
}

func (d disk) remove(path string) error {
	err := func() error {
		folder, err := openFolder(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer folder.Close() // opened for reading only
		if err := os.Remove(path); err != nil {
			return cause(err)
		}
		return d.syncFolder(folder)
	}()
	if err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

func openFolder(path string) (*os.File, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening folder %s: %w", path, cause(err))
	}
	return folder, nil
}

func (d disk) syncFolder(folder *os.File) error {
	if err := d.sync(folder); err != nil {
		return fmt.Errorf("done, but it may be lost in a power cut: syncing folder %s: %w", folder.Name(), cause(err))
	}
	return nil
}

// discard deletes a temporary file after a failure. It is no error if it is gone already.
func discard(temporary string) error {
	err := os.Remove(temporary)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// cause strips what the os package puts before an error: our own text names the file that the caller asked for,
// theirs the temporary one.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
