package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Checking a database of ten thousand certificates reads all of it, and takes most of the time of a command that shows
// one. So a holder that ends in good order leaves in the lock file what the database file was then. Whoever opens next
// and finds just that knows that nobody has touched the file since it was last checked, and need not look again.
//
// What that cannot show is a disk that forgets what it was given. A server therefore always checks, and a command does
// when the last check is older than a day.

// trustCheck is how long a check is believed.
const trustCheck = 24 * time.Hour

// seal tells one content of the database file from another as far as the file system can: the inode for a file put in its
// place, size and both times for a change. Of the times the second cannot be set by anybody.
type seal struct {
	inode            uint64
	size             int64
	modified, status int64 // nanoseconds
	checked          int64 // seconds; when the content was checked
}

// String is what stands in the lock file.
func (s seal) String() string {
	return fmt.Sprintf("clean %d %d %d %d %d\n", s.inode, s.size, s.modified, s.status, s.checked)
}

// sealOf reads the seal of the file at path, checked then.
func sealOf(path string, checked int64) (seal, error) {
	info, err := os.Stat(path)
	if err != nil {
		return seal{}, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return seal{stat.Ino, info.Size(), stat.Mtim.Nano(), stat.Ctim.Nano(), checked}, nil
}

// sealed returns when the database file was last checked, if left says so and the file is what it was; 0 otherwise.
func sealed(path, left string, now time.Time) int64 {
	var s seal
	if _, err := fmt.Sscanf(left, "clean %d %d %d %d %d\n", &s.inode, &s.size, &s.modified, &s.status, &s.checked); err != nil {
		return 0
	}
	current, err := sealOf(path, s.checked)
	if err != nil || current != s || s.String() != left {
		return 0
	}
	if age := now.Sub(time.Unix(s.checked, 0)); age < 0 || age > trustCheck {
		return 0
	}
	return s.checked
}

// check reads the whole database, or believes that somebody has since anybody could have touched it.
func (db *DB) check(ctx context.Context, path string, newest int64) (version int64, err error) {
	now := time.Now()
	if db.holder == HolderCommand {
		db.checked = sealed(path, db.lock.left, now)
	}
	version, err = inspect(ctx, path, newest, db.checked == 0)
	if db.checked == 0 {
		db.checked = now.Unix()
	}
	return version, err
}

// noted passes an error on. A database that has shown damage is checked by whoever opens it next.
func (db *DB) noted(err error) error {
	err = named(err)
	if errors.Is(err, ErrCorrupt) {
		db.sound.Store(false)
	}
	return err
}

// leave returns what to leave in the lock file after the database is closed: nothing if there is any doubt.
func (db *DB) leave() string {
	for _, beside := range []string{"-wal", "-journal"} {
		if size, err := fileSize(db.file + beside); err != nil || size > 0 {
			return ""
		}
	}
	s, err := sealOf(db.file, db.checked)
	if err != nil || !db.sound.Load() {
		return ""
	}
	return s.String()
}
