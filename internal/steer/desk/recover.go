package desk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// ErrSealingKeyHere: there is a sealing key, so nothing needs to be recovered.
var ErrSealingKeyHere = errors.New("there is a sealing key here already")

// RecoverOptions say how a server gets a new sealing key.
type RecoverOptions struct {
	Sealing string // path of the sealing key file to make
	Server  string // name; empty when there is only one
	DryRun  bool

	disk disk // the zero value is the real one; tests make it fail
}

// Recovered is what became of it.
type Recovered struct {
	Organisation string `json:"organisation"`
	Server       string `json:"server"`
	Secrets      int    `json:"secrets"` // that this server opens again
}

// Recover makes a new sealing key for this server and wraps every secret for it, with the recovery key. The
// old sealing key opens nothing in this state any more. As in [Setup] the key lies beside its place before the
// transaction and is moved there after it; killed anywhere, [Open] or a second Recover finds its way.
func Recover(ctx context.Context, db *state.DB, key *backup.Key, o RecoverOptions, actor state.Actor) (*Recovered, error) {
	if err := finished(ctx, db, o); err != nil {
		return nil, err
	}
	out := new(Recovered)
	var server state.Server
	var org state.Organisation
	err := db.View(ctx, func(tx *state.Tx) (err error) {
		if org, err = tx.Organisation(); err != nil {
			return fmt.Errorf("opening the data directory %s: %w", db.Dir(), err)
		}
		if server, err = serverNamed(tx, o.Server); err != nil {
			return err
		}
		secrets, err := recoverySecrets(tx, key.Owner.PublicKey)
		if err != nil {
			return err
		}
		out.Organisation, out.Server, out.Secrets = org.Name, server.Name, len(secrets.Secrets)
		return secrets.Try(key)
	})
	if err != nil || o.DryRun {
		return out, err
	}
	file := &keys.SealingFile{Server: server.ID, Organisation: key.Owner.PublicKey, Key: keys.NewSealingKey()}
	err = o.install(ctx, db, file, actor, func(tx *state.Tx) error {
		n, err := rewrap(tx, key.Sealing, state.RecipientRecovery, server.ID, file.Key.Public())
		if err != nil {
			return err
		}
		return tx.Audit("recovery-use", server.Name, nil, map[string]any{"recovery": key.Public().ID(), "secrets": n})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// install gives the server of file its new sealing key: beside its place, in the state, in its place.
func (o RecoverOptions) install(ctx context.Context, db *state.DB, file *keys.SealingFile, actor state.Actor, f func(*state.Tx) error) error {
	text := file.Marshal()
	defer text.Wipe()
	if err := o.disk.writeFile(pending(o.Sealing), text); err != nil {
		return fmt.Errorf("writing the sealing key: %w", err)
	}
	if _, err := db.Update(ctx, actor, func(tx *state.Tx) error {
		tx.ActFor(file.Server)
		if err := tx.SetServerKey(file.Server, file.Key.Public()); err != nil {
			return err
		}
		return f(tx)
	}); err != nil {
		// A refusal leaves no key behind; whether an unknown outcome needs it, the next start finds out.
		if !errors.Is(err, state.ErrOutcomeUnknown) {
			err = errors.Join(err, os.Remove(pending(o.Sealing)))
		}
		return err
	}
	if err := o.disk.move(pending(o.Sealing), o.Sealing); err != nil {
		return fmt.Errorf("moving the sealing key to its place: %w", err)
	}
	return nil
}

// finished refuses when there is a sealing key. One that lies beside its place and fits is one that a kill
// kept from being moved: it is in force already.
func finished(ctx context.Context, db *state.DB, o RecoverOptions) error {
	if _, err := os.Lstat(o.Sealing); err == nil {
		return fmt.Errorf("making a sealing key: %w: %s", ErrSealingKeyHere, o.Sealing)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for a sealing key: %w", err)
	}
	left, err := keys.ReadSealingFile(pending(o.Sealing))
	if err != nil {
		return nil // none, or one that was cut short: it is written over
	}
	fits := false
	err = db.View(ctx, func(tx *state.Tx) error {
		org, err := tx.Organisation()
		if err != nil {
			return err
		}
		servers, err := tx.Servers()
		fits = err == nil && belongs(left, org, servers)
		return err
	})
	if err == nil && fits {
		err = fmt.Errorf("making a sealing key: %w: %s", ErrSealingKeyHere, pending(o.Sealing))
	}
	return err
}

// serverNamed finds a server; without a name, the only one.
func serverNamed(tx *state.Tx, name string) (state.Server, error) {
	servers, err := tx.Servers()
	if err != nil {
		return state.Server{}, err
	}
	if name == "" && len(servers) == 1 {
		return servers[0], nil
	}
	if d, err := x509cert.ParseDomain(name); err == nil {
		name = string(d)
	}
	if i := slices.IndexFunc(servers, func(s state.Server) bool { return s.Name == name }); i >= 0 {
		return servers[i], nil
	}
	return state.Server{}, &UnknownServerError{Name: name}
}
