package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const serverID = "server-1"

var tester = Actor{Who: "root", From: "command"}

// openIn opens the state in dir, makes it if there is none, and closes it after the test.
func openIn(t *testing.T, dir string) *DB {
	t.Helper()
	return openWith(t, Options{Dir: dir, Create: true})
}

func openWith(t *testing.T, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // an error when the test has closed it already
	return db
}

func closeDB(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// update changes the state, with an audit row.
func update(t *testing.T, db *DB, f func(*Tx) error) int64 {
	t.Helper()
	seq, err := db.Update(t.Context(), tester, audited(f))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// refused is update for a change that must fail, and must change nothing.
func refused(t *testing.T, db *DB, f func(*Tx) error) error {
	t.Helper()
	before := db.Seq()
	_, err := db.Update(t.Context(), tester, audited(f))
	if err == nil {
		t.Fatal("the change was made, want an error")
	}
	if got := stored(t, db); got != before {
		t.Errorf("sequence after a refused change: got %d, want %d", got, before)
	}
	return err
}

func audited(f func(*Tx) error) func(*Tx) error {
	return func(tx *Tx) error {
		tx.ActFor(serverID)
		if err := f(tx); err != nil {
			return err
		}
		return tx.Audit("test", "object", nil, nil)
	}
}

func view(t *testing.T, db *DB, f func(*Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// stored is the sequence number in the database, which may differ from what db remembers.
func stored(t *testing.T, db *DB) (seq int64) {
	t.Helper()
	view(t, db, func(tx *Tx) (err error) {
		seq, err = tx.Seq()
		return err
	})
	return seq
}

// step makes a change of two rows that belong together: the secret "step-N" of some size, and audit row N.
func step(tx *Tx) error {
	seq, err := tx.Seq()
	if err != nil {
		return err
	}
	tx.ActFor(serverID)
	id := fmt.Sprintf("step-%d", seq+1)
	if err := tx.AddSecret(Secret{ID: id, Kind: SecretMemberKey, Ciphertext: make([]byte, 3000), Wrapped: map[string][]byte{serverID: {1}}}); err != nil {
		return err
	}
	return tx.Audit("step", id, nil, seq+1)
}

// wantSteps checks that the state is whole: as many secrets and audit rows as changes, without gaps.
func wantSteps(t *testing.T, db *DB) (seq int64) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		var err error
		if seq, err = tx.Seq(); err != nil {
			return err
		}
		rows, err := tx.AuditRows(serverID, int(seq)+10)
		if err != nil {
			return err
		}
		if got := int64(len(rows)); got != seq {
			t.Errorf("audit rows: got %d, want %d", got, seq)
		}
		for i, r := range rows {
			n := seq - int64(i)
			if want := fmt.Sprintf("step-%d", n); r.Number != n || r.Object != want {
				t.Errorf("audit row: got %d of %s, want %d of %s", r.Number, r.Object, n, want)
			}
			if _, err := tx.Secret(r.Object, serverID); err != nil {
				return err
			}
		}
		var secrets int64
		if err := tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM secret`).Scan(&secrets); err != nil {
			return err
		}
		if secrets != seq {
			t.Errorf("secrets: got %d, want %d", secrets, seq)
		}
		return nil
	})
	return seq
}

// server stores a server with the named listeners.
func server(tx *Tx, id string, listeners ...string) error {
	if err := tx.AddServer(Server{ID: id, Name: id + ".example.com", Role: "mailbox", Mode: "front", SealingPublicKey: []byte{1}}); err != nil {
		return err
	}
	for i, name := range listeners {
		if err := tx.AddListener(id, Listener{Name: name, Address: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(1000+i)), Enabled: true}); err != nil {
			return err
		}
	}
	return nil
}

// lineage makes a lineage with one generation for each state, the first the oldest, with an ECDSA and an RSA member each.
func lineage(id string, states ...string) Lineage {
	l := Lineage{ID: id, Name: "name-of-" + id, ServerID: serverID, FriendlyName: "Friendly " + id, Origin: OriginNew, Activation: "auto", KeyAtRenewal: "new"}
	for i, state := range states {
		g := Generation{ID: fmt.Sprintf("%s-g%d", id, i+1), Number: i + 1, State: state}
		for _, algorithm := range []string{"ECDSA", "RSA"} {
			name := g.ID + "-" + algorithm
			g.Members = append(g.Members, Member{Algorithm: algorithm, Thumbprint: name, Certificate: []byte("der of " + name), SecretID: "key-" + name})
		}
		l.Generations = append([]Generation{g}, l.Generations...)
	}
	return l
}

// addLineage stores l with a secret for each of its keys.
func addLineage(tx *Tx, l Lineage) error {
	for _, g := range l.Generations {
		for _, m := range g.Members {
			if m.SecretID == "" {
				continue
			}
			if err := tx.AddSecret(Secret{ID: m.SecretID, Kind: SecretMemberKey, Ciphertext: []byte("sealed"), Wrapped: map[string][]byte{serverID: []byte("wrapped")}}); err != nil {
				return err
			}
		}
	}
	return tx.AddLineage(l)
}

// fingerprint is one line for each file under dir but the lock: name, size, time of change and hash.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		lines = append(lines, fmt.Sprintf("%s %d %d %s", d.Name(), info.Size(), info.ModTime().UnixNano(), hex.EncodeToString(sum[:8])))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// copyFiles copies the named files of one directory to another; a -shm is left out, it dies with the machine.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
