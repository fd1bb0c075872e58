package backup

import (
	"errors"
	"fmt"
)

// Errors of reading a backup or a recovery key.
var (
	// ErrNotABackup: the file is not encrypted with age, or what is inside is not ours.
	ErrNotABackup = errors.New("it is not a backup of postseal")
	// ErrTruncated: the file ends before its end.
	ErrTruncated = errors.New("the backup ends too early: it is cut off, or its end was altered")
	// ErrAltered: the content is not what was written.
	ErrAltered = errors.New("the backup was altered, or damaged")
	// ErrOtherKey: the backup was not written for this key.
	ErrOtherKey = errors.New("the key does not open this backup")
	// ErrNotAKey: the file is no recovery key.
	ErrNotAKey = errors.New("it is not a recovery key of postseal")
)

// NewerError reports a backup from a newer release than this one.
type NewerError struct {
	Release      string // that wrote it
	Format       int    // of the file; 0 when it is the database that is newer
	Schema, Ours int64  // versions of the database, or of the format
}

func (e *NewerError) Error() string {
	if e.Format != 0 {
		return fmt.Sprintf("the backup was written by a newer release of postseal (%s): format %d, this release knows %d", e.Release, e.Format, format)
	}
	return fmt.Sprintf("the backup was written by a newer release of postseal (%s): database version %d, this release knows %d", e.Release, e.Schema, e.Ours)
}

// RecipientError reports a text that is no recipient of age.
type RecipientError struct {
	Text string
	Err  error
}

func (e *RecipientError) Error() string { return fmt.Sprintf("recipient %.80q: %v", e.Text, e.Err) }

func (e *RecipientError) Unwrap() error { return e.Err }
