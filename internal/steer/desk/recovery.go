package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
)

// Errors of the recovery key.
var (
	// ErrNoRecoveryKey: the organisation has none.
	ErrNoRecoveryKey = errors.New("the organisation has no recovery key")
	// ErrRecoveryUnsigned: what stands in the database as recovery key was not put there by the organisation.
	ErrRecoveryUnsigned = errors.New("the recovery key in the database is not signed by the organisation")
	// ErrRecoveryForeign: a recovery key of another organisation, or one that was replaced.
	ErrRecoveryForeign = errors.New("the recovery key is not the one of this organisation")
)

// RecoveryRequest gives the organisation a recovery key. Only the public half comes here: the key itself is
// made where it is kept.
type RecoveryRequest struct {
	Doing
	Public backup.Public `json:"public"`
}

// RecoveryView is the recovery key as people and scripts see it, and whose it would be.
type RecoveryView struct {
	Owner     backup.Owner `json:"organisation"`
	ID        string       `json:"id"` // empty: there is none
	Recipient string       `json:"recipient,omitempty"`
	MadeAt    time.Time    `json:"madeAt,omitzero"`
	TestedAt  time.Time    `json:"testedAt,omitzero"`
	Missing   int          `json:"missing"`            // secrets that it does not open
	Unsigned  bool         `json:"unsigned,omitempty"` // one stands in the database that the organisation has not signed: as none
	Backup    *BackupView  `json:"lastBackup,omitempty"`
}

// recoveryOf reads the recovery key and checks that the organisation has signed it.
func recoveryOf(tx *state.Tx, org state.Organisation, pinned ed25519.PublicKey) (*state.Recovery, backup.Public, error) {
	r, err := tx.Recovery()
	if errors.Is(err, state.ErrNotFound) {
		return nil, backup.Public{}, nil
	}
	if err != nil {
		return nil, backup.Public{}, err
	}
	if len(pinned) != ed25519.PublicKeySize || !ed25519.Verify(pinned, r.Statement, r.Signature) {
		return nil, backup.Public{}, ErrRecoveryUnsigned
	}
	p, err := backup.ParseStatement(r.Statement)
	if err != nil {
		return nil, p, err
	}
	if p.Organisation != org.ID || p.ID() != r.ID {
		return nil, p, ErrRecoveryUnsigned
	}
	return &r, p, nil
}

// lookRecovery reads the recovery key into a view. One that the organisation has not signed is as none, and a
// condition: whoever can write to the database must neither become a reader of new keys, nor stop the server.
func (d *Desk) lookRecovery(tx *state.Tx, v *view) error {
	r, public, err := recoveryOf(tx, v.org, d.sealing.Organisation)
	switch {
	case errors.Is(err, ErrRecoveryUnsigned):
		v.unsigned = true
	case err != nil:
		return err
	case r != nil:
		v.recovery = &public
	}
	return nil
}

// Recovery shows the recovery key.
func (d *Desk) Recovery(ctx context.Context) (*RecoveryView, error) {
	r := new(RecoveryView)
	err := d.db.View(ctx, func(tx *state.Tx) error {
		org, err := tx.Organisation()
		if err != nil {
			return err
		}
		r.Owner = backup.Owner{ID: org.ID, Name: org.Name, PublicKey: org.PublicKey}
		key, public, err := recoveryOf(tx, org, d.sealing.Organisation)
		if r.Unsigned = errors.Is(err, ErrRecoveryUnsigned); err != nil && !r.Unsigned {
			return err
		}
		if key != nil {
			r.ID, r.Recipient, r.MadeAt, r.TestedAt = key.ID, public.Recipient, key.CreatedAt, key.TestedAt
			if r.Missing, err = tx.NotWrapped(state.RecipientRecovery); err != nil {
				return err
			}
		}
		r.Backup, err = lastBackup(tx)
		return err
	})
	return r, err
}

// SetRecovery makes a recovery key the organisation's: it is signed, every secret is wrapped for it, and
// what was wrapped for the one before is forgotten, in one transaction. Every secret made later is wrapped
// for it too.
func (d *Desk) SetRecovery(ctx context.Context, who state.Actor, r RecoveryRequest) (*Change, error) {
	if !r.DryRun {
		if err := r.Public.Check(); err != nil {
			return nil, err
		}
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(*state.Tx) error, error) {
		change := newChange(v)
		var before any
		if old := v.recovery; old != nil {
			before = map[string]any{"id": old.ID()}
			change.Replaces = true
			change.Removed = append(change.Removed, fmt.Sprintf("recovery key %s: backups that were written for it open with it alone, so keep it as long as they", old.ID()))
		}
		if r.DryRun {
			return change, nil, nil
		}
		if r.Public.Organisation != v.org.ID {
			return nil, nil, fmt.Errorf("setting the recovery key: %w", ErrRecoveryForeign)
		}
		statement, err := r.Public.Statement()
		if err != nil {
			return nil, nil, err
		}
		organisation, err := d.key(ctx, v.org.SecretID)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the organisation key: %w", err)
		}
		signature, err := organisation.Sign(nil, statement, crypto.Hash(0)) // RFC 8032: Ed25519 hashes by itself
		if err != nil {
			return nil, nil, fmt.Errorf("signing the recovery key: %w", err)
		}
		return change, func(tx *state.Tx) error {
			if err := tx.SetRecovery(state.Recovery{ID: r.Public.ID(), Statement: statement, Signature: signature}); err != nil {
				return err
			}
			n, err := rewrap(tx, d.sealing.Key, d.server, state.RecipientRecovery, r.Public.Sealing)
			if err != nil {
				return err
			}
			return tx.Audit("recovery-init", r.Public.ID(), before, map[string]any{"id": r.Public.ID(), "recipient": r.Public.Recipient, "secrets": n})
		}, nil
	})
}

// rewrap wraps every secret for one more recipient, and returns how many there are. key is that of the recipient from.
func rewrap(tx *state.Tx, key *keys.SealingKey, from, to string, public []byte) (int, error) {
	secrets, err := tx.Secrets(from)
	if err != nil {
		return 0, err
	}
	for _, s := range secrets {
		wrapped, err := key.Rewrap(keys.Object{Kind: s.Kind, ID: s.ID}, from, s.Wrapped[from], to, public)
		if err != nil {
			return 0, err
		}
		if err := tx.Wrap(s.ID, to, wrapped); err != nil {
			return 0, err
		}
	}
	return len(secrets), nil
}

// SealedSecret is a secret as the database holds it: only the recovery key opens it.
type SealedSecret struct {
	ID         string `json:"id"`
	Kind       string `json:"kind"`
	Ciphertext []byte `json:"ciphertext"`
	Wrapped    []byte `json:"wrapped"` // for the recovery key; absent when it is not
}

// RecoverySecrets is what a recovery key is tried on, by the one who holds it.
type RecoverySecrets struct {
	Owner     backup.Owner   `json:"organisation"`
	Statement []byte         `json:"statement"`
	Signature []byte         `json:"signature"`
	Secrets   []SealedSecret `json:"secrets"`
}

// RecoverySecrets returns every secret, sealed, so that the holder of the recovery key can see that it
// opens them all; the key itself is not sent here.
func (d *Desk) RecoverySecrets(ctx context.Context) (*RecoverySecrets, error) {
	var out *RecoverySecrets
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		out, err = recoverySecrets(tx, d.sealing.Organisation)
		return err
	})
	return out, err
}

func recoverySecrets(tx *state.Tx, pinned ed25519.PublicKey) (*RecoverySecrets, error) {
	org, err := tx.Organisation()
	if err != nil {
		return nil, err
	}
	key, _, err := recoveryOf(tx, org, pinned)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fmt.Errorf("looking for the recovery key: %w", ErrNoRecoveryKey)
	}
	out := &RecoverySecrets{Owner: backup.Owner{ID: org.ID, Name: org.Name, PublicKey: org.PublicKey}, Statement: key.Statement, Signature: key.Signature, Secrets: []SealedSecret{}}
	secrets, err := tx.Secrets(state.RecipientRecovery)
	for _, s := range secrets {
		out.Secrets = append(out.Secrets, SealedSecret{s.ID, s.Kind, s.Ciphertext, s.Wrapped[state.RecipientRecovery]})
	}
	return out, err
}

// Try opens every secret with the recovery key and throws it away. The errors are [ErrRecoveryForeign],
// [ErrRecoveryUnsigned] and [*UnrecoverableError].
func (r *RecoverySecrets) Try(key *backup.Key) error {
	if err := r.belongs(key); err != nil {
		return err
	}
	broken := &UnrecoverableError{Secrets: len(r.Secrets)}
	for _, s := range r.Secrets {
		plain, err := key.Sealing.Open(keys.Object{Kind: s.Kind, ID: s.ID}, state.RecipientRecovery, s.Ciphertext, s.Wrapped)
		if err != nil {
			broken.IDs = append(broken.IDs, s.ID)
		}
		plain.Wipe()
	}
	if len(broken.IDs) > 0 {
		return broken
	}
	return nil
}

// belongs checks that key is the recovery key of the organisation that it was made for.
func (r *RecoverySecrets) belongs(key *backup.Key) error {
	if key.Owner.ID != r.Owner.ID || !bytes.Equal(key.Owner.PublicKey, r.Owner.PublicKey) {
		return fmt.Errorf("trying %v of %q on %q: %w", key, key.Owner.Name, r.Owner.Name, ErrRecoveryForeign)
	}
	// The organisation's public key of the file: the one in the database may have been replaced with everything else.
	if !ed25519.Verify(key.Owner.PublicKey, r.Statement, r.Signature) {
		return ErrRecoveryUnsigned
	}
	public, err := backup.ParseStatement(r.Statement)
	if err != nil {
		return err
	}
	if public.ID() != key.Public().ID() {
		return fmt.Errorf("trying %v, the organisation has %s: %w", key, public.ID(), ErrRecoveryForeign)
	}
	return nil
}

// UnrecoverableError reports secrets that the recovery key does not open.
type UnrecoverableError struct {
	IDs     []string
	Secrets int // in all
}

func (e *UnrecoverableError) Error() string {
	return fmt.Sprintf("trying the recovery key: %d of %d secrets do not open with it", len(e.IDs), e.Secrets)
}

// TestedRequest records that the recovery key opened the organisation's secrets, and perhaps a backup.
type TestedRequest struct {
	ID     string `json:"id"`               // of the recovery key
	Backup string `json:"backup,omitempty"` // id of the backup that it opened
}

// Tested records a test of the recovery key.
func (d *Desk) Tested(ctx context.Context, who state.Actor, r TestedRequest) (*RecoveryView, error) {
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.SetRecoveryTested(r.ID); err != nil {
			return err
		}
		if r.Backup != "" {
			// One that this state does not remember was opened all the same.
			if err := tx.SetBackupTested(r.Backup); err != nil && !errors.Is(err, state.ErrNotFound) {
				return err
			}
		}
		return tx.Audit("recovery-test", r.ID, nil, map[string]any{"backup": r.Backup})
	})
	if err != nil {
		return nil, err
	}
	return d.Recovery(ctx)
}
