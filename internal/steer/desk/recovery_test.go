package desk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/keep/keyring"
)

// recoverable gives the organisation a recovery key.
func (h *house) recoverable(t *testing.T) *backup.Key {
	t.Helper()
	view, err := h.Recovery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := backup.NewKey(view.Owner)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetRecovery(t.Context(), tester(), RecoveryRequest{Public: key.Public()}); err != nil {
		t.Fatal(err)
	}
	return key
}

// opens tries a recovery key on everything that there is.
func (h *house) opens(t *testing.T, key *backup.Key) error {
	t.Helper()
	secrets, err := h.RecoverySecrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return secrets.Try(key)
}

// backedUp returns the bytes of a backup.
func (h *house) backedUp(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := h.Backup(t.Context(), tester(), BackupRequest{}, &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reading opens a backup with a recovery key.
func reading(file []byte, key *backup.Key) Reading {
	return Reading{Source: bytes.NewReader(file), Identities: []age.Identity{key.Identity()}, Key: key}
}

func TestTheRecoveryKeyOpensEverything(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
	first := h.recoverable(t)
	if err := h.opens(t, first); err != nil {
		t.Errorf("what was there before: %v", err)
	}
	h.make(t, NewRequest{Lineage: "two", Domains: []string{"two.example.com"}})
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Three", Domains: []string{"three.example.com"}}); err != nil {
		t.Fatal(err)
	}
	if err := h.opens(t, first); err != nil {
		t.Errorf("what was made after: %v", err)
	}
	old := h.backedUp(t)
	second := h.recoverable(t)
	if err := h.opens(t, second); err != nil {
		t.Error(err)
	}
	if err := h.opens(t, first); !errors.Is(err, ErrRecoveryForeign) {
		t.Errorf("a key that was replaced: got %v, want %v", err, ErrRecoveryForeign)
	}
	if n := h.count(t, `SELECT count(*) FROM secret_recipient WHERE recipient = 'recovery'`); n != h.count(t, `SELECT count(*) FROM secret`) {
		t.Errorf("%d secrets are wrapped for the recovery key", n)
	}
	if _, err := VerifyBackup(t.Context(), reading(old, first), t.TempDir()); err != nil {
		t.Errorf("the old key on a backup of its time: %v", err)
	}
	if _, err := VerifyBackup(t.Context(), reading(old, second), t.TempDir()); !errors.Is(err, backup.ErrOtherKey) {
		t.Errorf("the new key on an old backup: got %v, want %v", err, backup.ErrOtherKey)
	}
	h.close(t)
	wantServing(t, h.dir)
}

// TestAForgedRecoveryKey: whoever can write to the database cannot make himself a reader of new keys.
func TestAForgedRecoveryKey(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.recoverable(t)
	wrapped := h.count(t, `SELECT count(*) FROM secret_recipient WHERE recipient = 'recovery'`)
	view, err := h.Recovery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := backup.NewKey(view.Owner)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := forged.Public().Statement()
	if err != nil {
		t.Fatal(err)
	}
	h.exec(t, `UPDATE recovery SET id = $1, statement = $2`, forged.Public().ID(), statement)
	h.make(t, NewRequest{Lineage: "later"})
	if got := h.count(t, `SELECT count(*) FROM secret_recipient WHERE recipient = 'recovery'`); got != wrapped {
		t.Errorf("%d secrets are wrapped for somebody, want the %d from before", got, wrapped)
	}
	if got := conditionsOf(t, h); !slices.Equal(got, []string{"!recoveryUnsigned "}) {
		t.Errorf("got %q", got)
	}
	if err := h.Backup(t.Context(), tester(), BackupRequest{}, io.Discard, nil); !errors.Is(err, ErrNoRecoveryKey) {
		t.Errorf("a backup for the forged key: got %v, want %v", err, ErrNoRecoveryKey)
	}
	h.wantServed(t)
	if err := h.opens(t, h.recoverable(t)); err != nil {
		t.Errorf("a new key in its place: %v", err)
	}
}

func TestRecoveryConditions(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	want := func(codes ...string) {
		t.Helper()
		if got := conditionsOf(t, h); !slices.Equal(got, codes) {
			t.Errorf("got %q, want %q", got, codes)
		}
	}
	want(always)
	key := h.recoverable(t)
	want("noBackup ", "recoveryUntested ")
	if _, err := h.Tested(t.Context(), tester(), TestedRequest{ID: key.Public().ID()}); err != nil {
		t.Fatal(err)
	}
	want("noBackup ")
	if _, err := h.Kept(t.Context(), tester(), KeptRequest{ID: "b", File: "/mnt/b", Bytes: 7}); err != nil {
		t.Fatal(err)
	}
	want()
	h.exec(t, `UPDATE backup SET made_at = made_at - 8 * 86400000000`)
	want("backupOld ")
	for range 2 { // once again after a lost answer
		if _, err := h.Kept(t.Context(), tester(), KeptRequest{ID: "c", File: "/mnt/c", Bytes: 7}); err != nil {
			t.Fatal(err)
		}
	}
	want()
	h.exec(t, `DELETE FROM secret_recipient WHERE recipient = 'recovery' AND secret_id = (SELECT min(id) FROM secret)`)
	want("!recoveryIncomplete ")
	if _, ok := errors.AsType[*UnrecoverableError](h.opens(t, key)); !ok {
		t.Errorf("got %v", h.opens(t, key))
	}
	h.recoverable(t)
	want("recoveryUntested ")
}

// drill is an organisation with all that there can be, its recovery key, and a backup.
func drill(t *testing.T) (h *house, key *backup.Key, file []byte) {
	t.Helper()
	h = runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}, Services: "IMAP"})
	h.make(t, NewRequest{Lineage: "named", Domains: []string{"named.example.com"}})
	h.enable(t, EnableRequest{ID: "named", Services: "HTTP", ByName: true})
	own, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	ca := newAuthority(t, "Drill CA")
	leaf := ca.issue(t, own.Public(), inAYear(), "imported.example.com")
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Lineage: "imported", Files: []ImportFile{{"a.pem", pemText(leaf, ca.cert.Raw)}, {"a.key", own.PEM().Bytes()}}}); err != nil {
		t.Fatal(err)
	}
	h.enable(t, EnableRequest{ID: "imported", Services: "POP"})
	if _, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Waiting", Domains: []string{"waiting.example.com"}, Lineage: "waiting"}); err != nil {
		t.Fatal(err)
	}
	key = h.recoverable(t)
	return h, key, h.backedUp(t)
}

// TestTheDrill: the machine is gone; a backup and the recovery key bring everything back.
func TestTheDrill(t *testing.T) {
	t.Parallel()
	h, key, file := drill(t)
	served, before := h.shown(t), h.picture(t)
	h.close(t)
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "new")
	checked, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: dir})
	if err != nil || !checked.Whole || !checked.Keys || len(checked.Findings) != 0 {
		t.Fatalf("got %+v, %v", checked, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the new directory has %v, want the database and the lock", entries)
	}
	recoverIn(t, dir, key)
	again := openHouse(t, dir, newRuntime())
	if err := again.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := again.shown(t); !slices.Equal(got, served) {
		t.Errorf("the new machine serves %v, want %v", got, served)
	}
	if got := again.picture(t); !got.equal(before) {
		t.Errorf("got %+v, want %+v", got, before)
	}
	if err := again.opens(t, key); err != nil {
		t.Errorf("the recovery key on the new machine: %v", err)
	}
	again.make(t, NewRequest{Lineage: "after"})
}

// recoverIn makes a sealing key in dir.
func recoverIn(t *testing.T, dir string, key *backup.Key) {
	t.Helper()
	db, err := state.Open(t.Context(), state.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Recover(t.Context(), db, key, RecoverOptions{Sealing: filepath.Join(dir, "sealing-key")}, tester())
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestBadBackups: each is refused with its own error, and nothing is made.
func TestBadBackups(t *testing.T) {
	t.Parallel()
	h, key, file := drill(t)
	other := newHouse(t, func(o *SetupOptions) { o.Organisation = "Other" })
	otherKey := other.recoverable(t)
	newer := rewritten(t, file, key, func(h *backup.Header) { h.Schema = 4711 })
	middle := slices.Clone(file)
	middle[len(middle)/2] ^= 1
	cases := map[string]struct {
		file []byte
		key  *backup.Key
		want error
	}{
		"empty":                   {nil, key, backup.ErrNotABackup},
		"not a backup":            {[]byte("hello, world\n"), key, backup.ErrNotABackup},
		"another key":             {file, otherKey, backup.ErrOtherKey},
		"altered":                 {middle, key, backup.ErrAltered},
		"does not fit its header": {rewritten(t, file, key, func(h *backup.Header) { h.Secrets++ }), key, backup.ErrAltered},
		"another database":        {rewritten(t, file, key, func(h *backup.Header) { h.DatabaseSHA256 = strings.Repeat("0", 64) }), key, backup.ErrAltered},
		"another organisation":    {rewritten(t, file, key, func(h *backup.Header) { h.OrganisationID = "x" }), key, ErrBackupForeign},
	}
	for _, n := range []int{1, 100, len(file) / 3, len(file) / 2, len(file) - 70_000, len(file) - 1} {
		want := backup.ErrTruncated
		if n <= 100 {
			want = backup.ErrNotABackup // cut off before the first word of the content
		}
		cases["cut off after "+string(rune('a'+len(cases)))] = struct {
			file []byte
			key  *backup.Key
			want error
		}{file[:n], key, want}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new")
			_, err := RestoreBackup(t.Context(), reading(c.file, c.key), RestoreOptions{Dir: dir})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("refused, and the directory is there: %v", err)
			}
		})
	}
	_, err := RestoreBackup(t.Context(), reading(newer, key), RestoreOptions{Dir: filepath.Join(t.TempDir(), "new")})
	if e, ok := errors.AsType[*backup.NewerError](err); !ok || e.Schema != 4711 || e.Ours == 0 {
		t.Errorf("newer: got %v", err)
	}
	_, err = RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: h.dir})
	if _, ok := errors.AsType[*state.InUseError](err); !ok && !errors.Is(err, state.ErrNotEmpty) {
		t.Errorf("into a directory in use: got %v", err)
	}
	h.close(t)
	if _, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: h.dir}); !errors.Is(err, state.ErrNotEmpty) {
		t.Errorf("into a directory with a database: got %v, want %v", err, state.ErrNotEmpty)
	}
	wantServing(t, h.dir)
}

// rewritten is a backup with another header, encrypted anew.
func rewritten(t *testing.T, file []byte, key *backup.Key, change func(*backup.Header)) []byte {
	t.Helper()
	a, err := backup.Open(bytes.NewReader(file), key.Identity())
	if err != nil {
		t.Fatal(err)
	}
	var database, out bytes.Buffer
	if err := a.Database(&database); err != nil {
		t.Fatal(err)
	}
	change(&a.Header)
	to, err := backup.Recipients([]string{key.Public().Recipient})
	if err != nil {
		t.Fatal(err)
	}
	if err := backup.Write(&out, backup.Content{Header: a.Header, Config: a.Config, Database: &database}, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRecoverFaults fails each write in both ways: afterwards the key is in force, or it is not and the next
// try succeeds.
func TestRecoverFaults(t *testing.T) {
	t.Parallel()
	_, key, file := drill(t)
	lost := func(path string, data []byte, perm os.FileMode) error {
		return errors.Join(durable.WriteFile(path, data, perm), errFault)
	}
	for name, c := range map[string]struct {
		disk   disk
		commit faultKind
		done   bool // Recover says that it is done
		force  bool // the new key is in force
	}{
		"nothing fails":  {disk{}, faultNone, true, true},
		"write refused":  {disk{write: func(string, []byte, os.FileMode) error { return errFault }}, faultNone, false, false},
		"write lost":     {disk{write: lost}, faultNone, false, false},
		"commit refused": {disk{}, faultRefused, false, false},
		"commit lost":    {disk{}, faultLost, true, true},
		"move refused":   {disk{rename: func(string, string) error { return errFault }}, faultNone, false, true},
		"move lost":      {disk{rename: func(from, to string) error { return errors.Join(durable.Rename(from, to), errFault) }}, faultNone, false, true},
	} {
		for role, act := range map[string]func(*state.DB, RecoverOptions) error{
			"recover": func(db *state.DB, o RecoverOptions) error {
				_, err := Recover(t.Context(), db, key, o, tester())
				return err
			},
			"abandon": func(db *state.DB, o RecoverOptions) error {
				_, err := AbandonKeys(t.Context(), db, o, tester())
				return err
			},
		} {
			t.Run(role+" "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				if _, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: dir}); err != nil {
					t.Fatal(err)
				}
				f := new(fault)
				db, err := state.Open(t.Context(), state.Options{Dir: dir, Commit: f.commit})
				if err != nil {
					t.Fatal(err)
				}
				f.set(c.commit)
				o := RecoverOptions{Sealing: filepath.Join(dir, "sealing-key"), disk: c.disk}
				if err := act(db, o); (err == nil) != c.done || err != nil && !errors.Is(err, errFault) {
					t.Errorf("got %v, want it done: %v", err, c.done)
				}
				o.disk = disk{}
				if err := act(db, o); (err == nil) == c.force || err != nil && !errors.Is(err, ErrSealingKeyHere) {
					t.Errorf("again: got %v, want it refused: %v", err, c.force)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				wantServing(t, dir)
			})
		}
	}
}

// wantServing opens the organisation in dir and shakes hands with every listener.
func wantServing(t *testing.T, dir string) *house {
	t.Helper()
	h := openHouse(t, dir, newRuntime())
	if _, err := os.Lstat(pending(h.sealing)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the pending sealing key is still there: %v", err)
	}
	h.wantServed(t)
	return h
}

// TestKillRecovery ends restore, recovery and giving up between any two of their effects; the next try, or the
// next start, goes on from there.
func TestKillRecovery(t *testing.T) {
	t.Parallel()
	h, key, file := drill(t)
	if err := h.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealed := h.backedUp(t) // with a head of the audit trail, which a restore puts beside the database
	for _, role := range []string{"restore", "recover", "abandon"} {
		file := file
		if role == "restore" {
			file = sealed
		}
		steps := []string{stepWrite, stepWritten, stepCommit, stepCommitted, stepMove, stepMoved}
		if role == "restore" {
			steps = []string{stepWrite, stepWritten, stepCommit, stepCommitted, stepHead, stepHeaded, stepMove, stepMoved}
		}
		for _, step := range steps {
			t.Run(role+" "+step, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for name, content := range map[string][]byte{"recovery.key": key.Marshal(), "backup.age": file} {
					if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if role != "restore" {
					if _, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: dir}); err != nil {
						t.Fatal(err)
					}
				}
				start(t, role, dir, step).drain(t)
				done := slices.Contains([]string{stepCommitted, stepMove, stepMoved}, step)
				if role == "restore" {
					done = step == stepMoved
					if _, err := os.Lstat(filepath.Join(dir, state.FileName)); (err == nil) != done {
						t.Errorf("the database is there: %v, want %v", err == nil, done)
					}
				} else {
					_, err := os.Lstat(filepath.Join(dir, "sealing-key"))
					if (err == nil) != (step == stepMoved) {
						t.Errorf("killed %s, and the sealing key is there: %v", step, err == nil)
					}
				}
				if !done { // once more, and without a kill
					start(t, role, dir, "").drain(t)
				}
				if role == "restore" {
					if left, err := filepath.Glob(filepath.Join(dir, ".restoring-*")); err != nil || !done && len(left) != 0 {
						t.Errorf("left behind: %v, %v", left, err)
					}
					recoverIn(t, dir, key)
				}
				wantServing(t, dir)
			})
		}
	}
}

// childRestores restores DIR/backup.age with DIR/recovery.key into DIR.
func childRestores(ctx context.Context, dir string, at func(string)) error {
	key, err := backup.ReadKey(filepath.Join(dir, "recovery.key"))
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, "backup.age"))
	if err != nil {
		return err
	}
	defer f.Close()
	o := RestoreOptions{Dir: dir, Actor: tester(),
		Accept: func(*backup.Archive) error { at(stepWrite); return nil },
		Before: func([]byte) error { at(stepWritten); return nil },
		commit: func(commit func() error) error {
			at(stepCommit)
			defer at(stepCommitted)
			return commit()
		},
		disk: disk{
			write: func(path string, data []byte, perm os.FileMode) error {
				at(stepHead)
				defer at(stepHeaded)
				return durable.WriteFile(path, data, perm)
			},
			rename: func(from, to string) error {
				at(stepMove)
				defer at(stepMoved)
				return durable.Rename(from, to)
			}}}
	_, err = RestoreBackup(ctx, Reading{Source: f, Identities: []age.Identity{key.Identity()}, Key: key}, o)
	return err
}

// TestGivingUpTheKeys: sealing key lost, no recovery key. What must be issued again is said exactly; then the
// server serves again, and each lineage comes back with the command that was said.
func TestGivingUpTheKeys(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}, Services: "IMAP"})
	h.make(t, NewRequest{Lineage: "idle", Domains: []string{"idle.example.com"}})
	h.make(t, NewRequest{Lineage: "named", Domains: []string{"named.example.com"}})
	h.enable(t, EnableRequest{ID: "named", Services: "HTTP", ByName: true})
	if _, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Waiting", Domains: []string{"waiting.example.com"}, Lineage: "waiting"}); err != nil {
		t.Fatal(err)
	}
	before := h.shown(t)
	h.close(t)
	if err := os.Remove(h.sealing); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(t.Context(), state.Options{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{State: db, Sealing: h.sealing})
	lost, ok := errors.AsType[*KeysLostError](err)
	if !ok || lost.Recovery || !errors.Is(err, ErrSealingKeyMissing) {
		t.Fatalf("got %v", err)
	}
	said := strings.Join(lost.Lines(), "\n")
	for _, want := range []string{
		"one (\"one\", imap, imaps): make its next generation: postseal cert renew one; then bind it again: postseal cert enable one --services IMAP",
		"idle (\"idle\", serves nothing): make its next generation: postseal cert renew idle",
		"waiting (\"Waiting\", serves nothing): its answer will be of no use",
		"auth (\"Postseal Server Auth Certificate\", auth): abandon-keys makes a new one",
		internalLineage, managementLineage,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
	if len(lost.Losses) != 7 {
		t.Errorf("got %d losses, want 7:\n%s", len(lost.Losses), said)
	}
	o := RecoverOptions{Sealing: h.sealing, DryRun: true}
	seq := db.Seq()
	if got, err := AbandonKeys(t.Context(), db, o, tester()); err != nil || db.Seq() != seq || len(got.Losses) != 7 || len(got.Made) != 0 {
		t.Errorf("only looking: got %+v, %v", got, err)
	}
	o.DryRun = false
	got, err := AbandonKeys(t.Context(), db, o, tester())
	if err != nil || len(got.Made) != 4 || !slices.Equal(got.Moved, []string{"imap", "imaps"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := AbandonKeys(t.Context(), db, o, tester()); !errors.Is(err, ErrSealingKeyHere) {
		t.Errorf("again: got %v, want %v", err, ErrSealingKeyHere)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := wantServing(t, h.dir)
	for _, l := range again.shown(t) {
		if slices.Contains(before, l) && !strings.HasSuffix(l, " nothing") {
			t.Errorf("still served, though its key is gone: %s", l)
		}
	}
	if _, err := again.Enable(t.Context(), tester(), EnableRequest{ID: "one", Services: "IMAP"}); !errors.Is(err, ErrNoPrivateKey) {
		t.Errorf("enabling what has no key: got %v, want %v", err, ErrNoPrivateKey)
	}
	if _, err := again.Renew(t.Context(), tester(), RenewRequest{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Rollback(t.Context(), tester(), RollbackRequest{Lineage: "one"}); err == nil {
		t.Error("rolled back to a generation without its key")
	}
	again.enable(t, EnableRequest{ID: "one", Services: "IMAP"})
	if got, err := again.serves(t, "imaps", client(keyring.ClientModern, "")); err != nil || got != again.named(t, "one")[0].Thumbprint {
		t.Errorf("imaps serves %s, %v", got, err)
	}
	if err := again.opens(t, again.recoverable(t)); err != nil {
		t.Errorf("a recovery key for the new keys: %v", err)
	}
}

// TestRecoveryActFaults fails the commit of each act in both ways: refused, nothing has changed and the next
// try succeeds; with the answer lost, it is done.
func TestRecoveryActFaults(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	key := h.recoverable(t)
	id := key.Public().ID()
	for name, act := range map[string]func() error{
		"init": func() error {
			_, err := h.SetRecovery(t.Context(), tester(), RecoveryRequest{Public: key.Public()})
			return err
		},
		"tested": func() error { _, err := h.Tested(t.Context(), tester(), TestedRequest{ID: id}); return err },
		"kept": func() error {
			_, err := h.Kept(t.Context(), tester(), KeptRequest{ID: "b", File: "/mnt/b"})
			return err
		},
		"backup": func() error { return h.Backup(t.Context(), tester(), BackupRequest{}, io.Discard, nil) },
	} {
		seq, rows := h.db.Seq(), len(h.audit(t))
		h.fault.set(faultRefused)
		if err := act(); !errors.Is(err, errFault) || h.db.Seq() != seq || len(h.audit(t)) != rows {
			t.Errorf("%s refused: got %v, sequence %d, want %d", name, err, h.db.Seq(), seq)
		}
		h.fault.set(faultLost)
		if err := act(); err != nil || h.db.Seq() != seq+1 || len(h.audit(t)) != rows+1 {
			t.Errorf("%s lost: got %v, sequence %d, want %d", name, err, h.db.Seq(), seq+1)
		}
		if err := h.opens(t, key); err != nil {
			t.Errorf("%s: the recovery key: %v", name, err)
		}
	}
}
