package state

import (
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The errors of Open that a person can act on; each names the directory or file in its text.
var (
	ErrNoOrganisation = errors.New("there is no organisation here")
	ErrCorrupt        = errors.New("the state is damaged")
	ErrNewer          = errors.New("the state was written by a newer release of postseal")
	ErrNotOurs        = errors.New("the data directory belongs to another user")
	ErrDirectory      = errors.New("the data directory cannot be used")
)

// Errors of a change, or of a look.
var (
	// ErrOutcomeUnknown: the change may or may not have been made, and reading back failed too.
	ErrOutcomeUnknown = errors.New("it is unknown whether the change was made")
	// ErrStale: somebody else changed the state since the caller looked at it.
	ErrStale = errors.New("the state has changed since it was shown")
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists: there is one of that name already, and it is another.
	ErrExists = errors.New("there is one already")
	// ErrDiskFull: the disk or the quota has no room; nothing was changed. Open returns it too.
	ErrDiskFull = errors.New("no space is left in the data directory")
)

// Faults of the program: a change that leaves no trace, or one in nobody's trail.
var (
	errNoAudit    = errors.New("state: internal error: a change without an audit row")
	errKeptChange = errors.New("state: internal error: bookkeeping that leaves an audit row")
	errNoServer   = errors.New("state: internal error: an audit row before ActFor")
)

// named gives an error of the database or the file system the name that a person can act on. It leaves
// every other error as it is.
func named(err error) error {
	var name error
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		switch primary := e.Code() & 0xff; {
		case primary == lib.SQLITE_FULL, e.Code() == lib.SQLITE_IOERR_SHMSIZE: // the second: no room for the -shm
			name = ErrDiskFull
		case primary == lib.SQLITE_CORRUPT, primary == lib.SQLITE_NOTADB:
			name = ErrCorrupt
		}
	} else if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		name = ErrDiskFull
	}
	if name == nil || errors.Is(err, name) {
		return err
	}
	return fmt.Errorf("%w: %w", name, err)
}
