package state

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"postseal/internal/ground/audit"
)

// walked holds the trail of server against its chain.
func walked(t *testing.T, db *DB, server string) (faults []audit.Fault, rows []AuditRow) {
	t.Helper()
	w := audit.NewWalk(server, 1, audit.Begin(server))
	if err := db.View(t.Context(), func(tx *Tx) error {
		return tx.EachAudit(server, 1, func(r AuditRow, hash []byte) {
			rows = append(rows, r)
			w.Row(r, hash)
		})
	}); err != nil {
		t.Fatal(err)
	}
	return w.Faults(), rows
}

// change is an Update of actor that must succeed.
func change(t *testing.T, db *DB, actor Actor, f func(*Tx) error) {
	t.Helper()
	if _, err := db.Update(t.Context(), actor, f); err != nil {
		t.Fatal(err)
	}
}

// TestAuditChain: rows of two servers, several in one transaction, of texts that a database may mangle.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	odd := []string{"", "mail", "메일 \u00a0", "a\x00b", "bad \xff utf-8", strings.Repeat("long ", 5000), "1e400", "'; DROP TABLE audit; --"}
	for _, who := range odd {
		change(t, db, Actor{Who: who, From: "test"}, func(tx *Tx) error {
			tx.ActFor("a")
			err := errors.Join(tx.Audit("one", who, nil, who), tx.Audit("two", who, who, nil))
			tx.ActFor("b")
			return errors.Join(err, tx.Audit("three", who, nil, nil))
		})
	}
	// A change that is refused leaves no gap.
	if _, err := db.Update(t.Context(), Actor{}, func(tx *Tx) error {
		tx.ActFor("a")
		return errors.Join(tx.Audit("no", "no", nil, nil), errors.New("refused"))
	}); err == nil {
		t.Fatal("a refused change was made")
	}
	change(t, db, Actor{}, func(tx *Tx) error {
		tx.ActFor("a")
		return tx.Audit("last", "", nil, nil)
	})
	for server, want := range map[string]int{"a": 2*len(odd) + 1, "b": len(odd), "none": 0} {
		faults, rows := walked(t, db, server)
		if len(faults) > 0 || len(rows) != want {
			t.Errorf("server %s: %d rows, want %d; faults %v", server, len(rows), want, faults)
		}
	}
	if faults, _ := walked(t, db, "a"); faults != nil {
		t.Error(faults)
	}
}

// TestOldRowsAreChained: rows of a release without the chain are chained when the next one is written, and a row
// says how many they are. Afterwards nothing is chained anew, whoever takes a hash away.
func TestOldRowsAreChained(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	act := func(act string) {
		change(t, db, Actor{Who: "root"}, func(tx *Tx) error {
			tx.ActFor("a")
			return tx.Audit(act, "x", nil, nil)
		})
	}
	for range 2500 {
		if _, err := db.write.ExecContext(t.Context(), `INSERT INTO audit (server_id, number, at, who, origin, act, object, before, after)
			SELECT 'a', coalesce(max(number), 0) + 1, 7, 'root', 'old', 'act', 'x', '', '' FROM audit`); err != nil {
			t.Fatal(err)
		}
	}
	act("new")
	act("newer")
	faults, rows := walked(t, db, "a")
	if len(faults) > 0 || len(rows) != 2503 {
		t.Fatalf("%d rows, faults %v", len(rows), faults)
	}
	if r := rows[2500]; r.Act != AuditBegins || r.Object != "rows 1 to 2500" || !strings.Contains(r.After, `"rows":2500`) || r.From != "migration" {
		t.Errorf("got %+v", r)
	}
	if _, err := db.write.ExecContext(t.Context(), `UPDATE audit SET hash = NULL WHERE number = 2503`); err != nil {
		t.Fatal(err)
	}
	act("after")
	faults, rows = walked(t, db, "a")
	if len(rows) != 2504 || len(faults) != 1 || faults[0].Row != 2503 {
		t.Errorf("%d rows, faults %v", len(rows), faults)
	}
}

func TestAuditTrail(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	for _, c := range [][2]string{{"root", "mail"}, {"root", "web"}, {"uid 7", "mail"}, {"uid 7", "Mail"}} {
		change(t, db, Actor{Who: c[0]}, func(tx *Tx) error {
			tx.ActFor("a")
			return tx.Audit("enable", c[1], nil, nil)
		})
	}
	change(t, db, Actor{}, func(tx *Tx) error {
		for name, c := range map[string]struct {
			filter AuditFilter
			limit  int
			want   []int64
		}{
			"all":       {AuditFilter{}, 10, []int64{4, 3, 2, 1}},
			"limited":   {AuditFilter{}, 2, []int64{4, 3}},
			"next page": {AuditFilter{Before: 3}, 10, []int64{2, 1}},
			"object":    {AuditFilter{Objects: []string{"mail"}}, 10, []int64{3, 1}},
			"objects":   {AuditFilter{Objects: []string{"mail", "web"}}, 10, []int64{3, 2, 1}},
			"who":       {AuditFilter{Who: "uid 7"}, 10, []int64{4, 3}},
			"all three": {AuditFilter{Who: "uid 7", Objects: []string{"mail"}, Before: 4}, 10, []int64{3}},
			"future":    {AuditFilter{Since: tx.Now().Add(1e9)}, 10, nil},
			"past":      {AuditFilter{Since: tx.Now().Add(-3600e9)}, 1, []int64{4}},
		} {
			rows, err := tx.AuditTrail("a", c.filter, c.limit)
			var got []int64
			for _, r := range rows {
				got = append(got, r.Number)
			}
			if err != nil || !bytes.Equal(numbers(got), numbers(c.want)) {
				t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
			}
		}
		tx.ActFor("a")
		return tx.Audit("done", "", nil, nil)
	})
}

func numbers(list []int64) (b []byte) {
	for _, n := range list {
		b = append(b, byte(n))
	}
	return b
}

// BenchmarkAuditedChange is a change with its audit row, chained, and durable.
func BenchmarkAuditedChange(b *testing.B) {
	db, err := Open(b.Context(), Options{Dir: b.TempDir(), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for b.Loop() {
		if _, err := db.Update(b.Context(), Actor{Who: "root", From: "socket"}, func(tx *Tx) error {
			tx.ActFor("a")
			return tx.Audit("enable", "mail", nil, map[string]string{"imap": "mail"})
		}); err != nil {
			b.Fatal(err)
		}
	}
}
