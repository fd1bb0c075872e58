package desk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// deeds makes n changes that cost little.
func (h *house) deeds(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := h.NewLink(t.Context(), tester()); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *house) seal(t *testing.T) {
	t.Helper()
	if err := h.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (h *house) verdict(t *testing.T) *AuditVerdict {
	t.Helper()
	v, err := h.VerifyAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.Whole != (len(v.Faults) == 0) || v.Server != "mail1.example.com" {
		t.Errorf("got %+v", v)
	}
	return v
}

// texts are the faults in words.
func texts(v *AuditVerdict) string {
	var all []string
	for _, f := range v.Faults {
		all = append(all, f.Text)
	}
	return strings.Join(all, "\n")
}

// rewriteHashes writes all hashes of a trail anew, as one who can write to the database would.
func (h *house) rewriteHashes(t *testing.T) {
	t.Helper()
	var rows []state.AuditRow
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		return tx.EachAudit(h.server, 1, func(r state.AuditRow, _ []byte) { rows = append(rows, r) })
	}); err != nil {
		t.Fatal(err)
	}
	previous := audit.Begin(h.server)
	for _, r := range rows {
		previous = audit.Hash(previous, h.server, r)
		h.exec(t, `UPDATE audit SET hash = $1 WHERE number = $2`, previous, r.Number)
	}
}

// TestTamperedTrails: whoever edits the database, or the file beside it, is found, and nothing is signed over it.
func TestTamperedTrails(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		tamper func(t *testing.T, h *house)
		want   []string
	}{
		{"a row changed", func(t *testing.T, h *house) { h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 4`) }, []string{"row 4 was changed"}},
		{"what was after changed", func(t *testing.T, h *house) { h.exec(t, `UPDATE audit SET after = '{}' WHERE number = 4`) }, []string{"row 4 was changed"}},
		{"a row removed", func(t *testing.T, h *house) { h.exec(t, `DELETE FROM audit WHERE number = 4`) }, []string{"row 4 is missing"}},
		{"rows in another order", func(t *testing.T, h *house) {
			h.exec(t, `UPDATE audit SET number = CASE number WHEN 4 THEN -1 WHEN 6 THEN -2 ELSE number END; UPDATE audit SET number = CASE number WHEN -1 THEN 6 WHEN -2 THEN 4 ELSE number END`)
		}, []string{"row 4 was moved: it was written as row 6", "row 6 was moved: it was written as row 4"}},
		{"a row given to another server", func(t *testing.T, h *house) { h.exec(t, `UPDATE audit SET server_id = 'x' WHERE number = 4`) },
			[]string{"row 4 is missing", `a server "x" that is none`}},
		{"a row put in at the end", func(t *testing.T, h *house) {
			h.exec(t, `INSERT INTO audit SELECT server_id, number + 1, at, who, origin, act, object, before, after, hash FROM audit ORDER BY number DESC LIMIT 1`)
		}, []string{"row 12 was changed, or it does not follow row 11"}},
		{"hashes taken away", func(t *testing.T, h *house) { h.exec(t, `UPDATE audit SET hash = NULL`) }, []string{"row 1 has no hash", "row 11 is not the one that was signed"}},
		{"the end cut off", func(t *testing.T, h *house) { h.exec(t, `DELETE FROM audit WHERE number > 9`) }, []string{"ends at row 9, but row 11 was signed"}},
		{"everything removed", func(t *testing.T, h *house) { h.exec(t, `DELETE FROM audit; DELETE FROM audit_head`) }, []string{"ends at row 0, but row 11 was signed"}},
		{"the end cut off, and other acts after it", func(t *testing.T, h *house) {
			h.exec(t, `DELETE FROM audit WHERE number > 9`)
			h.deeds(t, 4)
		}, []string{"row 11 is not the one that was signed"}},
		{"a row changed, and all hashes written anew", func(t *testing.T, h *house) {
			h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 4`)
			h.rewriteHashes(t)
		}, []string{"row 11 is not the one that was signed", "were written anew"}},
		{"a head that is signed by another key", func(t *testing.T, h *house) {
			h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 4`)
			h.rewriteHashes(t)
			other := newHouse(t, func(*SetupOptions) {}) // not of the template
			key, err := other.key(t.Context(), other.secretOfOrganisation(t))
			if err != nil {
				t.Fatal(err)
			}
			head, err := readHead(h.headPath())
			if err != nil {
				t.Fatal(err)
			}
			if err := h.db.View(t.Context(), func(tx *state.Tx) error {
				head.Number, head.Hash, err = tx.LastAudit(h.server)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(head.Sign(key), durable.WriteFile(h.headPath(), head.Marshal(), 0o600)); err != nil {
				t.Fatal(err)
			}
			h.exec(t, `UPDATE audit_head SET head = $1`, head.Marshal())
		}, []string{"the head in the database: the head of the audit trail is not signed by the organisation", "audit-head: the head of the audit trail is not signed by the organisation"}},
		{"the file is gone", func(t *testing.T, h *house) { remove(t, h.headPath()) }, []string{"audit-head is missing, although row 11 was signed"}},
		{"the file is damaged", func(t *testing.T, h *house) {
			if err := os.WriteFile(h.headPath(), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"audit-head is damaged"}},
		{"the head in the database is damaged", func(t *testing.T, h *house) { h.exec(t, `UPDATE audit_head SET head = 'x'`) }, []string{"the head in the database: it is not the head"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.deeds(t, 10) // row 1 is setup
			h.seal(t)
			if v := h.verdict(t); !v.Whole || v.Rows != 11 || v.Signed != 11 || v.Unsigned != 0 || v.From != 1 {
				t.Fatalf("before: got %+v", v)
			}
			c.tamper(t, h)
			v := h.verdict(t)
			for _, want := range c.want {
				if !strings.Contains(texts(v), want) {
					t.Errorf("got %q, want %q", texts(v), want)
				}
			}
			if len(v.Faults) == 0 || slices.ContainsFunc(v.Faults, func(f audit.Fault) bool { return f.Text == "" }) {
				t.Errorf("got %+v", v)
			}

			// A person accepts the faults: they stand in a row, and everything after it is held against the head again.
			if c.name == "a row given to another server" {
				return // these rows stay where they are
			}
			// What appears after that person has looked is not accepted with it.
			if err := h.accept(t.Context(), tester(), v.Faults[1:]); !errors.Is(err, state.ErrStale) {
				t.Errorf("other faults than were seen: got %v", err)
			}
			accepted, err := h.AcceptAudit(t.Context(), tester(), Doing{})
			if err != nil || !accepted.Whole || accepted.From != accepted.Rows || accepted.Unsigned != 0 {
				t.Fatalf("got %+v, %v", accepted, err)
			}
			if rows := h.audit(t); rows[len(rows)-1].Act != "audit-accept" || !strings.Contains(rows[len(rows)-1].After, c.want[0][:5]) {
				t.Errorf("got %+v", rows[len(rows)-1])
			}
			h.deeds(t, 2)
			h.seal(t)
			h.exec(t, `UPDATE audit SET who = 'x' WHERE number = (SELECT max(number) - 1 FROM audit)`)
			if v := h.verdict(t); v.Whole || len(v.Faults) != 1 {
				t.Errorf("after: got %+v", v)
			}
			if _, err := h.AcceptAudit(t.Context(), tester(), Doing{DryRun: true}); err != nil {
				t.Error(err)
			}
		})
	}
}

func (h *house) secretOfOrganisation(t *testing.T) (id string) {
	t.Helper()
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		org, err := tx.Organisation()
		id = org.SecretID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsSignedOverAFault: of what changed before and after the head, nothing is; status says so, with and
// without a server.
func TestNothingIsSignedOverAFault(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		h := newHouse(t, nil)
		if running {
			h = runningHouse(t)
		}
		h.deeds(t, 3)
		h.seal(t)
		h.deeds(t, 3)
		before, err := os.ReadFile(h.headPath())
		if err != nil {
			t.Fatal(err)
		}
		h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 6`)
		var broken *AuditBrokenError
		if err := h.SealAudit(t.Context()); !errors.As(err, &broken) || broken.Faults[0].Row != 6 {
			t.Fatalf("got %v", err)
		}
		after, err := os.ReadFile(h.headPath())
		if err != nil || string(after) != string(before) {
			t.Errorf("the head became %s, %v", after, err)
		}
		has := func() bool {
			return slices.ContainsFunc(conditionsOf(t, h), func(c string) bool { return strings.HasPrefix(c, "!auditBroken") })
		}
		if !has() {
			t.Errorf("running %v: got %q", running, conditionsOf(t, h))
		}
		h.exec(t, `UPDATE audit SET who = $1 WHERE number = 6`, tester().Who)
		h.checkAudit(t.Context())
		if has() {
			t.Errorf("running %v, mended: got %q", running, conditionsOf(t, h))
		}
		if _, err := h.AcceptAudit(t.Context(), tester(), Doing{}); !errors.Is(err, ErrAuditWhole) {
			t.Errorf("accepting nothing: got %v", err)
		}
		h.seal(t)
	}
}

// TestHeadFaults: each of the two writes of the head is refused, or made with its answer lost. The head lags, never
// leads, and the next one is signed as if nothing had been.
func TestHeadFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		for _, place := range []string{"file", "database"} {
			for _, first := range []bool{true, false} {
				h := newHouse(t, nil)
				if !first {
					h.seal(t)
				}
				h.deeds(t, 2)
				if place == "database" {
					h.fault.set(kind)
				} else {
					h.disk.write = func(path string, data []byte, perm os.FileMode) error {
						if kind == faultRefused {
							return errFault
						}
						return errors.Join(durable.WriteFile(path, data, perm), errFault)
					}
				}
				if err := h.SealAudit(t.Context()); !errors.Is(err, errFault) {
					t.Fatalf("got %v", err)
				}
				if got := conditionsOf(t, h); !slices.ContainsFunc(got, func(c string) bool { return strings.HasPrefix(c, "!auditUnsigned") }) {
					t.Errorf("got %q", got)
				}
				if v := h.verdict(t); !v.Whole || v.Signed > v.Rows {
					t.Errorf("%s %v: got %+v", place, kind, v)
				}
				h.disk.write = nil
				h.close(t)
				again := openHouse(t, h.dir, nil)
				if v := again.verdict(t); !v.Whole || v.Rows != 3 {
					t.Errorf("%s %v, opened again: got %+v", place, kind, v)
				}
				again.deeds(t, 1)
				again.seal(t)
				again.seal(t) // nothing to do
				if v := again.verdict(t); !v.Whole || v.Signed != 4 || v.Unsigned != 0 {
					t.Errorf("%s %v, signed again: got %+v", place, kind, v)
				}
				again.close(t)
			}
		}
	}
}

// TestKillBeforeTheHead: killed between the change and its signature, the trail is whole, and says what is not signed.
func TestKillBeforeTheHead(t *testing.T) {
	t.Parallel()
	for _, step := range []string{stepCommitted, stepWrite, stepWritten, stepHead, stepHeaded} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.seal(t)
			h.close(t)
			start(t, "seal", h.dir, step).drain(t)
			h = openHouse(t, h.dir, nil)
			v := h.verdict(t)
			unsigned := map[string]int64{stepCommitted: 1, stepWrite: 1}[step]
			if !v.Whole || v.Rows != 2 || v.Unsigned != unsigned {
				t.Errorf("got %+v, want %d unsigned", v, unsigned)
			}
			h.seal(t)
			if v := h.verdict(t); !v.Whole || v.Unsigned != 0 {
				t.Errorf("afterwards: got %+v", v)
			}
		})
	}
}

// TestAnOlderDatabaseIsFound: put back by hand it is a fault; restored from a backup it is explained.
func TestAnOlderDatabaseIsFound(t *testing.T) {
	t.Parallel()
	h, key, _ := drill(t)
	link, err := h.NewLink(t.Context(), tester())
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := h.SignIn(t.Context(), link.Token, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.NewToken(t.Context(), tester(), TokenRequest{Name: "monitor"}); err != nil {
		t.Fatal(err)
	}
	h.seal(t)
	file := h.backedUp(t)
	h.deeds(t, 3)
	h.seal(t)
	head, err := readHead(h.headPath())
	if err != nil {
		t.Fatal(err)
	}
	h.close(t)
	remove(t, filepath.Join(h.dir, state.FileName))
	if _, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: h.dir}); err != nil { // as by hand: nobody notes it
		t.Fatal(err)
	}
	by := openHouse(t, h.dir, nil)
	v := by.verdict(t)
	if v.Whole || !strings.Contains(texts(v), "or an older database was put back") {
		t.Errorf("got %+v", v)
	}
	var broken *AuditBrokenError
	if err := by.SealAudit(t.Context()); !errors.As(err, &broken) {
		t.Errorf("got %v", err)
	}
	by.close(t)

	remove(t, filepath.Join(h.dir, state.FileName))
	checked, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: h.dir, Actor: tester()})
	if err != nil || len(checked.Findings) != 1 || !strings.Contains(checked.Findings[0], "1 API tokens are as they were") {
		t.Fatalf("got %+v, %v", checked, err)
	}
	restored := openHouse(t, h.dir, nil)
	if _, err := restored.Session(t.Context(), session); err == nil {
		t.Error("a session outlives a restore")
	}
	if tokens, err := restored.Tokens(t.Context()); err != nil || len(tokens) != 1 {
		t.Errorf("tokens: got %+v, %v", tokens, err)
	}
	v = restored.verdict(t)
	if !v.Whole || v.Unsigned == 0 {
		t.Errorf("got %+v", v)
	}
	rows := restored.audit(t)
	if last := rows[len(rows)-1]; last.Act != "restore" || !strings.Contains(last.After, `"number":`+strconv.FormatInt(head.Number, 10)) {
		t.Errorf("got %+v", last)
	}
	restored.seal(t)
	if v := restored.verdict(t); !v.Whole || v.Unsigned != 0 {
		t.Errorf("got %+v", v)
	}
}

// TestTheTrailOutlivesGivenUpKeys: the new organisation key takes the trail over, also after a kill before the file is
// written; and what was changed before that is still found.
func TestTheTrailOutlivesGivenUpKeys(t *testing.T) {
	t.Parallel()
	for _, tampered := range []bool{false, true} {
		h := newHouse(t, nil)
		h.deeds(t, 3)
		h.seal(t)
		h.deeds(t, 1)
		if tampered {
			h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 3`)
			h.rewriteHashes(t)
		}
		h.close(t)
		remove(t, h.sealing)
		db, err := state.Open(t.Context(), state.Options{Dir: h.dir})
		if err != nil {
			t.Fatal(err)
		}
		_, err = AbandonKeys(t.Context(), db, RecoverOptions{Sealing: h.sealing}, tester())
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		h = openHouse(t, h.dir, nil)
		v := h.verdict(t)
		if v.Whole == tampered || v.Signed != 6 {
			t.Errorf("tampered %v: got %+v", tampered, v)
		}
		if err := h.SealAudit(t.Context()); (err == nil) == tampered {
			t.Errorf("tampered %v: got %v", tampered, err)
		}
		if v = h.verdict(t); v.Whole == tampered {
			t.Errorf("tampered %v, signed: got %+v", tampered, v)
		}
	}
}

// TestRunAudit: many changes share a head, and what is tampered with while the server runs is found within a day.
func TestRunAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := exampleSetup(dir)
		db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := Setup(t.Context(), db, o, tester()); err != nil {
			t.Fatal(err)
		}
		set := new(health.Set)
		d, err := Open(t.Context(), Options{State: db, Sealing: o.Sealing, Health: set, Runtime: newRuntime()})
		if err != nil {
			t.Fatal(err)
		}
		writes := 0
		d.disk.write = func(path string, data []byte, perm os.FileMode) error {
			writes++
			return durable.WriteFile(path, data, perm)
		}
		h := &house{Desk: d, db: db, dir: dir, health: set}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.RunAudit(ctx); close(done) }()
		time.Sleep(time.Second)
		for range 20 {
			h.deeds(t, 1)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * auditSettles)
		synctest.Wait()
		if writes < 2 || writes > 3 {
			t.Errorf("%d heads were written, want the first and one of all changes, or two", writes)
		}
		if v := h.verdict(t); !v.Whole || v.Unsigned != 0 {
			t.Errorf("got %+v", v)
		}
		h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 4`) // before the head: no later signature looks at it
		time.Sleep(auditChecks)
		synctest.Wait()
		if list := set.List(); len(list) != 1 || list[0].Code != health.CodeAuditBroken {
			t.Errorf("got %+v", list)
		}
		stop()
		<-done
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSignedWhileChanging: acts, signatures and checks at once. Nothing leads, and in the end all is signed.
func TestSignedWhileChanging(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	done := make(chan error, 3)
	for range 2 {
		go func() {
			var err error
			for range 20 {
				_, e := h.NewLink(t.Context(), tester())
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	go func() {
		var err error
		for range 15 {
			e := h.SealAudit(t.Context())
			v, e2 := h.VerifyAudit(t.Context())
			if e2 == nil && !v.Whole {
				e2 = errors.New(texts(v))
			}
			err = errors.Join(err, e, e2)
		}
		done <- err
	}()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	h.seal(t)
	if v := h.verdict(t); !v.Whole || v.Rows != 41 || v.Unsigned != 0 {
		t.Errorf("got %+v", v)
	}
}

// TestHistory: rows are found under every name of what they are about.
func TestHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "one"})
	h.enable(t, EnableRequest{ID: "one", Services: "IMAP"})
	h.make(t, NewRequest{Lineage: "two"})
	thumbprint := h.named(t, "one")[0].Thumbprint
	acts := func(list []Entry) string {
		var words []string
		for _, e := range list {
			words = append(words, e.Act+" "+e.Object)
		}
		return strings.Join(words, ", ")
	}
	for _, id := range []string{"one", thumbprint, thumbprint[:8]} {
		list, err := h.Audit(t.Context(), AuditRequest{Object: id})
		if err != nil || acts(list) != "enable one, new one" {
			t.Errorf("%s: got %s, %v", id, acts(list), err)
		}
	}
	detail, err := h.Certificate(t.Context(), "one")
	if err != nil || acts(detail.History) != "enable one, new one" {
		t.Errorf("got %s, %v", acts(detail.History), err)
	}
	lineage, err := h.Lineage(t.Context(), "two")
	if err != nil || acts(lineage.History) != "new two" {
		t.Errorf("got %s, %v", acts(lineage.History), err)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "two"}); err != nil {
		t.Fatal(err)
	}
	gone, err := h.Audit(t.Context(), AuditRequest{Object: "two"})
	if err != nil || acts(gone) != "remove two, new two" {
		t.Errorf("of one that is gone: got %s, %v", acts(gone), err)
	}
	for _, bad := range []AuditRequest{{Limit: -1}, {Limit: maxAudit + 1}, {Before: -1}} {
		if _, err := h.Audit(t.Context(), bad); !errors.As(err, new(*ValueError)) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	h.exec(t, `UPDATE audit SET after = 'no json' WHERE number = 2`)
	if list, err := h.Audit(t.Context(), AuditRequest{}); err != nil || string(list[len(list)-2].After) != `"no json"` {
		t.Errorf("got %+v, %v", list, err)
	}
}

// TestAnUpgradedTrail: the rows of a release without the chain are no fault before the first act of this one, which begins
// the chain and says how many nothing watched over.
func TestAnUpgradedTrail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.deeds(t, 3)
	h.exec(t, `UPDATE audit SET hash = NULL`)
	h.exec(t, `DELETE FROM audit_head`)
	if err := os.Remove(h.headPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	before := h.verdict(t)
	if !before.Whole || before.Rows == 0 || before.Unproved != before.Rows || before.Signed != 0 {
		t.Errorf("before the first act: got %+v", before)
	}
	h.seal(t) // signs nothing, and finds no fault
	if v := h.verdict(t); !v.Whole || v.Signed != 0 {
		t.Errorf("sealed before the first act: got %+v", v)
	}
	h.deeds(t, 1)
	h.seal(t)
	if v := h.verdict(t); !v.Whole || v.Unproved != before.Rows || v.Signed != v.Rows || v.Rows != before.Rows+2 {
		t.Errorf("after the first act: got %+v, want %d old rows", v, before.Rows)
	}
}

// TestAGlanceReadsTheEnd: a glance does not walk the rows before the signed head, so it does not see a change there; the
// look at every row does, and from then on the glance says so too, until every row is good again.
func TestAGlanceReadsTheEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.deeds(t, 6)
	h.seal(t)
	h.deeds(t, 2)
	glance := func() *AuditVerdict {
		t.Helper()
		v, err := h.GlanceAudit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := glance(); !v.Whole || !v.CheckedAt.IsZero() || v.Unsigned != 2 {
		t.Errorf("a good trail: got %+v", v)
	}
	who := ""
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		return tx.EachAudit(h.server, 4, func(r state.AuditRow, _ []byte) {
			if r.Number == 4 {
				who = r.Who
			}
		})
	}); err != nil {
		t.Fatal(err)
	}
	h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = 4`)
	if v := glance(); !v.Whole {
		t.Errorf("before every row was looked at: got %v", v.Faults)
	}
	if v := h.verdict(t); v.Whole {
		t.Fatal("the look at every row misses a changed row")
	}
	if v := glance(); v.Whole || v.CheckedAt.IsZero() || !strings.Contains(texts(v), "row 4 was changed") {
		t.Errorf("after every row was looked at: got %+v", v)
	}
	h.exec(t, `UPDATE audit SET who = $1 WHERE number = 4`, who)
	if v := h.verdict(t); !v.Whole {
		t.Fatalf("put back: got %v", v.Faults)
	}
	if v := glance(); !v.Whole {
		t.Errorf("put back and looked at: got %v", v.Faults)
	}
	h.exec(t, `UPDATE audit SET who = 'nobody' WHERE number = (SELECT max(number) FROM audit)`)
	if v := glance(); v.Whole {
		t.Error("a changed row behind the signed head is not seen at a glance")
	}
}
