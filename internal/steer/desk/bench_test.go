package desk

import (
	"context"
	"fmt"
	"testing"

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
	b.Run("Preview", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Enable(ctx, tester(), EnableRequest{Doing: Doing{DryRun: true}, ID: "host9-example-com", Services: "IMAP"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
