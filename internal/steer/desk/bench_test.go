package desk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/selfsigned"
)

// BenchmarkMany looks at an organisation of ten thousand certificates.
func BenchmarkMany(b *testing.B) {
	ctx := context.Background()
	dir := b.TempDir()
	db, err := state.Open(ctx, state.Options{Dir: dir, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := Setup(ctx, db, SetupOptions{Domains: []string{"example.com"}, Host: "mail1.example.com", Mode: ModeFront, Sealing: dir + "/sealing-key"}, tester()); err != nil {
		b.Fatal(err)
	}
	d, err := Open(ctx, Options{State: db, Sealing: dir + "/sealing-key"})
	if err != nil {
		b.Fatal(err)
	}
	v, err := d.view(ctx)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Update(ctx, tester(), func(tx *state.Tx) error {
		for i := range 9996 {
			s := &sealer{recipients: map[string][]byte{d.server: v.server.SealingPublicKey}}
			name := fmt.Sprintf("host%d.example.com", i)
			l, err := s.lineage(lineageSpec{name: slug(name), friendly: name, server: d.server, origin: state.OriginNew,
				kinds: []keys.Kind{keys.ECDSAP256}, options: selfsigned.Options{Names: []string{name}}})
			if err != nil {
				return err
			}
			for _, secret := range s.made {
				if err := tx.AddSecret(secret); err != nil {
					return err
				}
			}
			if err := tx.AddLineage(l); err != nil {
				return err
			}
		}
		tx.ActFor(d.server)
		return tx.Audit("many", "", nil, nil)
	}); err != nil {
		b.Fatal(err)
	}
	b.Run("Certificates", func(b *testing.B) {
		for b.Loop() {
			if list, err := d.Certificates(ctx, Filter{}); err != nil || len(list) != 10000 {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("Status", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Status(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lineages", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Lineages(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Settle", func(b *testing.B) {
		for b.Loop() {
			if err := d.Settle(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	key := benchRecovery(b, d)
	path := filepath.Join(b.TempDir(), "backup.age")
	b.Run("Backup", func(b *testing.B) { // into a file that is synced
		for b.Loop() {
			f, err := durable.Stage(path, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(d.Backup(ctx, tester(), BackupRequest{}, f, nil), f.Commit(true)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("VerifyBackup", func(b *testing.B) {
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			c, err := VerifyBackup(ctx, Reading{Source: f, Identities: []age.Identity{key.Identity()}, Key: key}, b.TempDir())
			if err := errors.Join(err, f.Close()); err != nil || c.Certificates != 10000 || !c.Keys {
				b.Fatal(c, err)
			}
		}
	})
	b.Run("Preview", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Enable(ctx, tester(), EnableRequest{Doing: Doing{DryRun: true}, ID: "host9-example-com", Services: "IMAP"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchRecovery gives the organisation a recovery key.
func benchRecovery(b *testing.B, d *Desk) *backup.Key {
	view, err := d.Recovery(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	key, err := backup.NewKey(view.Owner)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := d.SetRecovery(b.Context(), tester(), RecoveryRequest{Public: key.Public()}); err != nil {
		b.Fatal(err)
	}
	return key
}
