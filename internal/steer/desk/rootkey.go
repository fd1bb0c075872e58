package desk

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/issue/crl"
)

// Errors of a root whose key comes and goes.
var (
	// ErrKeyHere: the key that is to come back never left.
	ErrKeyHere = errors.New("its key is on this server")
	// ErrExportUnproven: the file that was shown is not an export of this root, or cannot be opened.
	ErrExportUnproven = errors.New("the file is no export of this root")
)

// RootKeyRequest is about the key of a root of ours.
type RootKeyRequest struct {
	Doing
	Name     string     `json:"name,omitempty"` // of the root, see ca show; empty means the one in force
	File     ImportFile `json:"file,omitzero"`  // of the export; not for an export
	Password Password   `json:"password,omitzero"`
	Short    bool       `json:"shortPassword,omitempty"` // export: a password of fewer than eight characters is meant
	Confirm  bool       `json:"confirm,omitempty"`       // export: the user knows that a private key leaves
}

// rootNamed finds a root of ours that has a certificate.
func (d *Desk) rootNamed(ctx context.Context, name string) (state.Authority, error) {
	all, _, err := d.authorities(ctx)
	if err != nil {
		return state.Authority{}, err
	}
	for _, a := range all {
		if a.Purpose == rootName && a.Certificate != nil && (a.Name == name || name == "" && a.State == state.AuthorityActive) {
			return a, nil
		}
	}
	return state.Authority{}, fmt.Errorf("root %q: %w", clip(name), ErrNoAuthority)
}

// rootWithKey opens the key of a root.
func (d *Desk) rootWithKey(ctx context.Context, a state.Authority) (*ceremony.Root, error) {
	if a.SecretID == "" {
		return nil, fmt.Errorf("opening the key of %s: %w", a.Name, ErrKeyElsewhere)
	}
	key, err := d.key(ctx, a.SecretID)
	if err != nil {
		return nil, err
	}
	cert, err := x509cert.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, err
	}
	return ceremony.NewRoot(cert, key)
}

// ExportRoot writes a root with its key as a PFX under a password. That a key left is in the audit trail.
func (d *Desk) ExportRoot(ctx context.Context, who state.Actor, r RootKeyRequest) (*Exported, error) {
	a, err := d.rootNamed(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	if a.SecretID == "" {
		return nil, fmt.Errorf("exporting %s: %w", a.Name, ErrKeyElsewhere)
	}
	if err := CheckFilePassword(r.Password, r.Short); err != nil {
		return nil, fmt.Errorf("exporting %s: %w", a.Name, err)
	}
	cert, err := x509cert.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, err
	}
	out := &Exported{Secret: true, What: "the root " + x509cert.SubjectText(cert.Subject) + " with its key", Others: []string{}}
	if r.DryRun {
		return out, nil
	}
	if !r.Confirm {
		return nil, fmt.Errorf("exporting %s: %w", a.Name, ErrConfirmation)
	}
	if _, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		return tx.Audit("ca root-export", a.Name, nil, map[string]string{"thumbprint": x509cert.Thumbprint(cert.Raw)})
	}); err != nil {
		return nil, err
	}
	root, err := d.rootWithKey(ctx, a)
	if err != nil {
		return nil, err
	}
	out.Data, err = root.Seal(r.Password.Secret())
	return out, err
}

// proven opens an export, and says whether it is of this root, key and all.
func (r RootKeyRequest) proven(a state.Authority) (*ceremony.Root, error) {
	root, err := ceremony.OpenRoot(r.File.Name, r.File.Data, r.Password.Secret())
	if err != nil {
		return nil, err
	}
	if !slices.Equal(root.Certificate().Raw, a.Certificate) {
		return nil, fmt.Errorf("%s holds %q: %w", clip(r.File.Name), x509cert.SubjectText(root.Certificate().Subject), ErrExportUnproven)
	}
	return root, nil
}

// RemoveRoot takes a root's key out of the state, once the file that it was exported to has been opened. Before, the root
// signs a revocation list that holds until somebody brings the key again.
func (d *Desk) RemoveRoot(ctx context.Context, who state.Actor, r RootKeyRequest) (*Change, error) {
	var der []byte
	var shard state.Shard
	var gone string
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		a, err := d.rootNamed(ctx, r.Name)
		if err != nil {
			return nil, nil, err
		}
		if a.SecretID == "" {
			return nil, nil, fmt.Errorf("removing the key of %s: %w", a.Name, ErrKeyElsewhere)
		}
		root, err := r.proven(a)
		if err != nil {
			return nil, nil, fmt.Errorf("removing the key of %s: %w", a.Name, err)
		}
		change := newChange(v)
		change.Replaces = true
		change.Removed = append(change.Removed, "the key of the root "+a.Name+" from this server; "+clip(r.File.Name)+" was opened and holds it")
		change.Notes = append(change.Notes, "issuing, revoking and the lists of the issuing authorities go on; ca extend and ca rollover write requests from then on, for: postseal ca ceremony FILE",
			"the root's revocation list is signed for "+fmt.Sprint(int(ceremony.ListLife/(24*time.Hour)))+" days, or until the root ends; status says in time when it needs another")
		change.Warnings = append(change.Warnings, "backups and copies of the database from before hold the key too: make a new backup and destroy them; keep two copies of "+clip(r.File.Name)+" in two places")
		change.Undo = "postseal ca root import " + shellWord(r.File.Name)
		if r.DryRun {
			return change, nil, nil
		}
		if der == nil { // one act signs once
			if der, shard, err = d.longList(ctx, who, a, root); err != nil {
				return nil, nil, fmt.Errorf("signing the revocation list of %s: %w", a.Name, err)
			}
		}
		return change, func(tx *state.Tx) error {
			gone = a.SecretID
			return errors.Join(tx.Publishing(shard), tx.KeepAuthorityList(a.ID, der), tx.ForgetAuthorityKey(a.ID),
				tx.Audit("ca root-remove", a.Name, map[string]any{"key": "here"}, map[string]any{"key": "elsewhere", "listUntil": shard.NextUpdate}))
		}, nil
	})
	if err == nil && gone != "" {
		d.forgetKey(gone)
	}
	return change, err
}

// shellWord is a file name for a command that is shown; the command line knows the path, the server only what it was told.
func shellWord(name string) string {
	if name == "" {
		return "FILE"
	}
	return name
}

// forgetKey drops what memory holds of a key that left.
func (d *Desk) forgetKey(secretID string) {
	d.settling.Lock()
	delete(d.signers, secretID)
	d.settling.Unlock()
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	clear(d.pki.issuers)
}

// longList signs the list of a root that is about to leave. Its number is written down before.
func (d *Desk) longList(ctx context.Context, who state.Actor, a state.Authority, root *ceremony.Root) ([]byte, state.Shard, error) {
	d.pki.signing.Lock()
	defer d.pki.signing.Unlock()
	now := time.Now().UTC().Truncate(time.Second)
	s := state.Shard{AuthorityID: a.ID, ThisUpdate: now.Add(-ca.Backdate), NextUpdate: now.Add(ceremony.ListLife)}
	previous := ""
	err := d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		before, err := tx.Shard(a.ID, 0)
		if err != nil {
			return err
		}
		previous = before.CRLNumber
		last, _ := new(big.Int).SetString(previous, 10) // nil: there was none
		s.CRLNumber = crl.NextNumber(last, now).String()
		if err := tx.Publishing(s); err != nil {
			return err
		}
		return tx.Audit("ca crl", listKey(a.Name, 0), nil, map[string]any{"number": s.CRLNumber, "nextUpdate": s.NextUpdate})
	})
	if err != nil {
		return nil, s, err
	}
	fallen, err := d.fallen(ctx, a.ID)
	if err != nil {
		return nil, s, err
	}
	der, err := root.List(previous, 0, fallen)
	if err != nil {
		return nil, s, err
	}
	s, err = acceptList(der, a, previous, fallen)
	return der, s, err
}

// ImportRoot brings the key of a root back, for a roll-over or for good.
func (d *Desk) ImportRoot(ctx context.Context, who state.Actor, r RootKeyRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		a, err := d.rootNamed(ctx, r.Name)
		if err != nil {
			return nil, nil, err
		}
		if a.SecretID != "" {
			return nil, nil, fmt.Errorf("bringing back the key of %s: %w", a.Name, ErrKeyHere)
		}
		root, err := r.proven(a)
		if err != nil {
			return nil, nil, fmt.Errorf("bringing back the key of %s: %w", a.Name, err)
		}
		change := newChange(v)
		change.Notes = append(change.Notes, "the root "+a.Name+" signs here again: postseal ca extend, postseal ca rollover; requests that wait for a ceremony wait on, or take them back: postseal ca withdraw")
		change.Undo = "postseal ca root remove --exported " + shellWord(r.File.Name)
		if r.DryRun {
			return change, nil, nil
		}
		sealer := v.sealer()
		id, err := sealer.seal(state.SecretAuthorityKey, root.Key())
		if err != nil {
			return nil, nil, err
		}
		return change, func(tx *state.Tx) error {
			return errors.Join(addSecrets(tx, sealer.made), tx.SetAuthorityKey(a.ID, id),
				tx.Audit("ca root-import", a.Name, map[string]any{"key": "elsewhere"}, map[string]any{"key": "here"}))
		}, nil
	})
}

func addSecrets(tx *state.Tx, made []state.Secret) error {
	for _, s := range made {
		if err := tx.AddSecret(s); err != nil {
			return err
		}
	}
	return nil
}
