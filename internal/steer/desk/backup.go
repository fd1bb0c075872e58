package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"filippo.io/age"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/state"
)

// BackupRequest asks for a backup.
type BackupRequest struct {
	Recipients []string `json:"recipients,omitempty"` // of age, beside the recovery key
}

// Check reports the first recipient that is none.
func (r BackupRequest) Check() error {
	_, err := backup.Recipients(r.Recipients)
	return err
}

// BackupView is a backup that was made.
type BackupView struct {
	ID       string    `json:"id"`
	File     string    `json:"file"`
	Bytes    int64     `json:"bytes"`
	MadeAt   time.Time `json:"madeAt"`
	TestedAt time.Time `json:"testedAt,omitzero"`
}

// lastBackup returns the newest backup that is known to be whole, nil for none.
func lastBackup(tx *state.Tx) (*BackupView, error) {
	b, err := tx.LastBackup()
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	return &BackupView{b.ID, b.Path, b.Bytes, b.MadeAt, b.TestedAt}, err
}

// maxConfigBytes bounds the configuration file in a backup.
const maxConfigBytes = 1 << 20

// Backup writes a backup to w: the database as it is at one moment, and the configuration file, encrypted
// for the recovery key and whoever else is named. The server goes on meanwhile. began, if it is not nil, is
// called before the first byte with what the backup is; what is refused is refused before.
//
// The audit row is written first: data that leaves is written down even if it does not arrive. The backup
// counts as made when [Desk.Kept] is told that its file is whole.
func (d *Desk) Backup(ctx context.Context, who state.Actor, r BackupRequest, w io.Writer, began func(backup.Header)) error {
	to, err := backup.Recipients(r.Recipients)
	if err != nil {
		return err
	}
	config, err := d.configuration()
	if err != nil {
		return err
	}
	h := backup.Header{ID: newID(), Release: release(), WithConfig: config != nil}
	recovery, err := d.recipient(ctx)
	if err != nil {
		return err
	}
	if recovery != nil {
		own, err := backup.Recipients([]string{recovery.Recipient})
		if err != nil {
			return err
		}
		to, h.RecoveryID = append(own, to...), recovery.ID()
	}
	if len(to) == 0 {
		return fmt.Errorf("making a backup: %w", ErrNoRecoveryKey)
	}
	if h.Schema, err = d.db.Version(); err != nil {
		return err
	}
	if _, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		return tx.Audit("backup", h.ID, nil, map[string]any{"recovery": h.RecoveryID, "recipients": r.Recipients})
	}); err != nil {
		return err
	}
	return d.db.Snapshot(ctx, func(tx *state.Tx, f *os.File) error {
		if err := d.describe(&h, tx, f); err != nil {
			return err
		}
		if began != nil {
			began(h)
		}
		return backup.Write(w, backup.Content{Header: h, Config: config, Database: f}, to)
	})
}

// recipient returns the recovery key's public half; nil for none that the organisation has signed.
func (d *Desk) recipient(ctx context.Context) (*backup.Public, error) {
	v := new(view)
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		if v.org, err = tx.Organisation(); err != nil {
			return err
		}
		return d.lookRecovery(tx, v)
	})
	return v.recovery, err
}

// describe fills in the header from the copy itself, so that both are of one moment.
func (d *Desk) describe(h *backup.Header, tx *state.Tx, f *os.File) error {
	org, err := tx.Organisation()
	if err != nil {
		return err
	}
	servers, err := tx.Servers()
	if err != nil {
		return err
	}
	for _, s := range servers {
		if s.ID == d.server {
			h.Server = s.Name
		}
	}
	counts, err := tx.Counts()
	if err != nil {
		return err
	}
	h.Organisation, h.OrganisationID, h.OrganisationKey, h.MadeAt = org.Name, org.ID, org.PublicKey, tx.Now()
	h.Lineages, h.Certificates, h.Secrets = counts.Lineages, counts.Certificates, counts.Secrets
	sum := sha256.New()
	if h.DatabaseBytes, err = io.Copy(sum, f); err != nil {
		return err
	}
	h.DatabaseSHA256 = hex.EncodeToString(sum.Sum(nil))
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// configuration reads the configuration file, nil for none.
func (d *Desk) configuration() ([]byte, error) {
	if d.config == "" {
		return nil, nil
	}
	f, err := os.Open(d.config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	defer f.Close() // opened for reading only
	b, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(b) > maxConfigBytes {
		err = fmt.Errorf("more than %d bytes", maxConfigBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file %s: %w", d.config, err)
	}
	return b, nil
}

// release names this program's version.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// KeptRequest says that the file of a backup is whole on its disk.
type KeptRequest struct {
	ID         string `json:"id"`
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
	RecoveryID string `json:"recoveryId,omitempty"`
}

// maxBackupText bounds what is remembered of a backup; a path has at most 4096 octets.
const maxBackupText = 4096

// Kept remembers a backup.
func (d *Desk) Kept(ctx context.Context, who state.Actor, r KeptRequest) (*RecoveryView, error) {
	if r.ID == "" || r.File == "" {
		return nil, &ValueError{"id", r.ID, "want the id of a backup and the name of its file"}
	}
	for name, text := range map[string]string{"id": r.ID, "file": r.File, "recoveryId": r.RecoveryID} {
		if text == "" {
			continue
		}
		if err := checkText(name, text, maxBackupText); err != nil { // status shows it on terminals
			return nil, err
		}
	}
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.AddBackup(state.Backup{ID: r.ID, Path: r.File, Bytes: r.Bytes, RecoveryID: r.RecoveryID}); err != nil {
			return err
		}
		return tx.Audit("backup-kept", r.ID, nil, r)
	})
	if err != nil {
		return nil, err
	}
	return d.Recovery(ctx)
}

// Checked is what was found in a backup.
type Checked struct {
	backup.Header
	Recipients []string `json:"recipients"`         // kinds, as seen from outside
	Whole      bool     `json:"whole"`              // decrypted to its end, and the database fits the header and is sound
	Keys       bool     `json:"keys"`               // every secret was opened with the recovery key
	Config     []byte   `json:"-"`                  // of postseal.toml
	Findings   []string `json:"findings,omitempty"` // what could not be checked, in words
}

// Reading is a backup that is read, and what opens it.
type Reading struct {
	Source     io.Reader
	Identities []age.Identity
	Key        *backup.Key // nil: the identities are no recovery key, and secrets are not tried
}

// VerifyBackup reads a whole backup and checks all that can be checked without the machine it came from.
// It works in a directory of its own below dir, which it removes.
func VerifyBackup(ctx context.Context, r Reading, dir string) (*Checked, error) {
	work, err := os.MkdirTemp(dir, "postseal-verify-") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("checking the backup: %w", err)
	}
	defer os.RemoveAll(work)
	return RestoreBackup(ctx, r, RestoreOptions{Dir: work})
}

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	Dir string
	// Accept looks at the header before anything is made; nil accepts all.
	Accept func(*backup.Archive) error
	Before func(config []byte) error // is called when all is checked, before the database is put in force; nil for nothing

	// Actor restores: a row of the audit trail says so, and the head in Dir is that of the backup, so that an older
	// trail than the one that was here is explained. Without one nothing is written down, as for a look.
	Actor state.Actor

	disk   disk                            // the zero value is the real one; tests make it fail
	commit func(commit func() error) error // of the row in the audit trail; nil is the real one
}

// RestoreBackup puts the database of a backup into o.Dir, after everything in it was checked: whole or not
// at all. The private keys in it stay sealed, for the old machine's sealing key and for the recovery key;
// [Recover] is the next step on a new machine.
func RestoreBackup(ctx context.Context, r Reading, o RestoreOptions) (*Checked, error) {
	a, err := backup.Open(r.Source, r.Identities...)
	if err != nil {
		return nil, err
	}
	ours, err := state.NewestVersion()
	if err != nil {
		return nil, err
	}
	if a.Header.Schema > ours {
		return nil, &backup.NewerError{Release: a.Header.Release, Schema: a.Header.Schema, Ours: ours}
	}
	if r.Key != nil && (r.Key.Owner.ID != a.Header.OrganisationID) {
		return nil, fmt.Errorf("opening a backup of %q with the recovery key of %q: %w", a.Header.Organisation, r.Key.Owner.Name, ErrBackupForeign)
	}
	if o.Accept != nil {
		if err := o.Accept(a); err != nil {
			return nil, err
		}
	}
	c := &Checked{Header: a.Header, Config: a.Config}
	p := state.Placing{Rename: o.disk.rename, Commit: o.commit,
		Fill:  func(f *os.File) error { return a.Database(f) },
		Check: func(db *state.DB) error { return c.check(ctx, db, r.Key) }}
	if o.Actor.Who != "" {
		o.noteRestore(ctx, &p, c)
	}
	if o.Before != nil {
		note := p.Before
		p.Before = func() error {
			if err := o.Before(a.Config); err != nil || note == nil {
				return err
			}
			return note()
		}
	}
	if err := state.Place(ctx, o.Dir, p); err != nil {
		return nil, err
	}
	c.Whole = true
	return c, nil
}

// ErrBackupForeign: a backup of another organisation.
var ErrBackupForeign = errors.New("the backup is one of another organisation")

// check compares a database with the header that came with it, and tries the recovery key on it.
func (c *Checked) check(ctx context.Context, db *state.DB, key *backup.Key) error {
	return db.View(ctx, func(tx *state.Tx) error {
		org, err := tx.Organisation()
		if err != nil {
			return err
		}
		counts, err := tx.Counts()
		if err != nil {
			return err
		}
		if org.ID != c.OrganisationID || string(org.PublicKey) != string(c.OrganisationKey) || counts != (state.Counts{Lineages: c.Lineages, Certificates: c.Certificates, Secrets: c.Secrets}) {
			return fmt.Errorf("checking the database: %w: it does not fit the header", backup.ErrAltered)
		}
		if key == nil {
			c.Findings = append(c.Findings, "it was opened with a key that is not the recovery key: whether the private keys in it can be opened was not tried")
			return nil
		}
		secrets, err := recoverySecrets(tx, key.Owner.PublicKey)
		if err != nil {
			return err
		}
		if err := secrets.Try(key); err != nil {
			return err
		}
		c.Keys = true
		return nil
	})
}
