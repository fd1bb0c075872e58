package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// spelled is an entry of a list that a person can read; its length depends on what it says.
func spelled(b []byte, r Revoked) ([]byte, error) {
	return fmt.Appendf(b, "%s %d %d\n", r.Serial, r.RevokedAt.UnixMicro(), r.Reason), nil
}

// wantBookOnList compares what blocks say with what the book says, line by line, from several moments on.
func wantBookOnList(t *testing.T, db *DB, when string, from ...time.Time) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		for _, authority := range []string{"a1", "a2"} {
			for _, from := range append(from, time.Time{}) {
				var want []string
				if err := tx.EachRevoked(authority, 0, from, func(r Revoked) error {
					line, err := spelled(nil, r)
					want = append(want, string(line))
					return err
				}); err != nil {
					return err
				}
				e, err := tx.EncodedRevoked(authority, from, spelled)
				if err != nil {
					return err
				}
				for range 2 { // it can be walked again
					var all bytes.Buffer
					for b, err := range e.All {
						if err != nil {
							return err
						}
						all.Write(b)
					}
					got := strings.SplitAfter(all.String(), "\n")
					got = got[:len(got)-1]
					slices.Sort(got)
					if all.Len() != e.Octets() || !slices.Equal(got, slices.Sorted(slices.Values(want))) {
						t.Fatalf("%s, %s from %v: the list has %d lines in %d octets, %d were counted; the book has %d lines", when, authority, from, len(got), all.Len(), e.Octets(), len(want))
					}
				}
			}
		}
		return nil
	})
}

func planRevoked(tx *Tx, authority, serial string, end time.Time) error {
	return errors.Join(tx.PlanIssuance(Issuance{Serial: serial, AuthorityID: authority, Shard: 1, Profile: "server", Requester: "r", Subject: "CN=x", KeyID: "k", NotAfter: end, TBS: []byte("t")}),
		tx.RecordIssuance(serial, []byte(serial)))
}

// TestBlocksSayWhatTheBookSays: whatever happens, in any order, with commits that fail or whose answer is lost and with a clock that
// goes back, a list made of blocks is the one that is read from the book line by line.
func TestBlocksSayWhatTheBookSays(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	fail, broken := "", errors.New("the disk")
	o := Options{Dir: t.TempDir(), Create: true, Commit: func(commit func() error) error {
		switch fail {
		case "refused":
			return broken
		case "lost":
			return errors.Join(commit(), broken)
		}
		return commit()
	}}
	db := openWith(t, o)
	twoAuthorities(t, db)
	began := time.Now().UTC().Truncate(time.Hour)
	moment := func() time.Time { return began.Add(time.Duration(random.IntN(1000)-500) * time.Hour) }
	n, seen := 0, map[string]int{}
	for step := range 150 {
		fail = []string{"", "", "", "refused", "lost"}[random.IntN(5)]
		op := []string{"revoke", "revoke", "block", "forget", "all", "open"}[random.IntN(6)]
		var err error
		switch op {
		case "revoke":
			_, err = db.Update(t.Context(), tester, audited(func(tx *Tx) (err error) {
				tx.now = moment()
				for range random.IntN(12) {
					n++
					authority, serial := []string{"a1", "a2"}[random.IntN(2)], fmt.Sprintf("%0*x", 2+2*random.IntN(5), n)
					err = errors.Join(err, planRevoked(tx, authority, serial, moment()), tx.Revoke(serial, random.IntN(5)))
				}
				if random.IntN(6) == 0 {
					err = errors.Join(err, broken)
				}
				return err
			}))
		case "block":
			err = db.Keep(t.Context(), func(tx *Tx) error {
				more, err := tx.blockRevoked([]string{"a1", "a2"}[random.IntN(2)], 5, spelled)
				seen[fmt.Sprint("more ", more)]++
				return err
			})
		case "forget":
			at := moment()
			_, err = db.Update(t.Context(), tester, audited(func(tx *Tx) error {
				for _, a := range []string{"a1", "a2"} {
					for n := range int64(2) {
						if err := tx.Publishing(Shard{AuthorityID: a, Number: n, CRLNumber: "1", ThisUpdate: began.Add(1000 * time.Hour), NextUpdate: began.Add(1001 * time.Hour)}); err != nil {
							return err
						}
					}
				}
				ended, err := tx.EndedIssuances("server", at, EndedIssuance{}, random.IntN(8))
				for _, e := range ended {
					err = errors.Join(err, tx.ForgetIssuance(e.Serial, at))
					seen["forgotten"]++
				}
				return err
			}))
		case "all": // everything of an authority at once, and something past this program
			_, err = db.Update(t.Context(), tester, audited(func(tx *Tx) (err error) {
				tx.now = moment()
				n++
				serial := fmt.Sprintf("cc%06x", n)
				err = errors.Join(planRevoked(tx, "a1", serial, moment()), tx.exec(`UPDATE issuance SET revoked_at = $2, reason = 1 WHERE serial = $1`, serial, micro(tx.now)))
				for range random.IntN(9) {
					n++
					err = errors.Join(err, planRevoked(tx, "a2", fmt.Sprintf("bb%06x", n), tx.now.Add(time.Hour)))
				}
				err = errors.Join(err, tx.RevokeAuthority("a2", 4))
				for f, more := (Falling{AuthorityID: "a2", At: tx.now, Reason: 4}), true; more && err == nil; { // in parts of different sizes
					var n int64
					n, err = tx.RevokeBelow(f, time.Time{}, 1+random.IntN(3))
					more = n > 0
				}
				return errors.Join(err, tx.Fallen("a2"))
			}))
		case "open":
			closeDB(t, db)
			db = openWith(t, o)
		}
		if err != nil && !errors.Is(err, broken) {
			t.Fatalf("step %d, %s: %v", step, op, err)
		}
		wantBookOnList(t, db, fmt.Sprintf("step %d, %s %s", step, op, fail), moment(), moment())
	}
	for _, what := range []string{"more true", "more false", "forgotten"} {
		if seen[what] == 0 {
			t.Errorf("it never came to %s", what)
		}
	}
}

func twoAuthorities(t *testing.T, db *DB) {
	t.Helper()
	update(t, db, func(tx *Tx) (err error) {
		for _, id := range []string{"a1", "a2"} {
			err = errors.Join(err, tx.AddAuthority(Authority{ID: id, Name: id, Purpose: "servers", State: AuthorityPending, Request: []byte("csr"), PublicKey: []byte(id)}), tx.CertifyAuthority(id, id, []byte("cert"), nil), tx.AddShard(id, 0), tx.AddShard(id, 1))
		}
		return err
	})
}

// TestKillWhileRevoking ends a process that revokes and makes blocks: what it has answered is on the list, and the list is
// what the book says.
func TestKillWhileRevoking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	twoAuthorities(t, db)
	closeDB(t, db)
	for round := range 4 {
		p := start(t, "revoke", dir)
		last := ""
		for range 8 + 5*round {
			last = p.line(t)
		}
		if rest := p.kill(t); len(rest) > 0 {
			last = rest[len(rest)-1]
		}
		answered, err := strconv.Atoi(last)
		if err != nil {
			t.Fatalf("the child printed %q", last)
		}
		db := openIn(t, dir)
		wantBookOnList(t, db, fmt.Sprintf("round %d", round))
		view(t, db, func(tx *Tx) error {
			n, err := tx.Revocations()
			if err != nil || n < int64(answered) {
				t.Errorf("round %d: %d revocations, %v, and %d were answered", round, n, err, answered)
			}
			return err
		})
		closeDB(t, db)
	}
}

// revokeForEver is the child of [TestKillWhileRevoking].
func revokeForEver(ctx context.Context, db *DB) error {
	for {
		var n int64
		_, err := db.Update(ctx, tester, audited(func(tx *Tx) (err error) {
			if n, err = tx.Revocations(); err != nil {
				return err
			}
			for range 3 {
				n++
				serial := fmt.Sprintf("%06x", n)
				err = errors.Join(err, planRevoked(tx, "a1", serial, tx.now.Add(time.Duration(n%3)*time.Hour)), tx.Revoke(serial, 1))
			}
			return err
		}))
		if err != nil {
			return err
		}
		fmt.Println(n)
		if err := db.Keep(ctx, func(tx *Tx) error { _, err := tx.blockRevoked("a1", 4, spelled); return err }); err != nil {
			return err
		}
	}
}

// TestRevokedBeforeBlocks: what was revoked by a release that had no numbers for it is on the list.
func TestRevokedBeforeBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openWith(t, Options{Dir: dir, Create: true, migrations: without(t, "0018")})
	twoAuthorities(t, db)
	update(t, db, func(tx *Tx) (err error) {
		for n := range 20 {
			serial := fmt.Sprintf("%04x", n)
			err = errors.Join(err, planRevoked(tx, []string{"a1", "a2"}[n%2], serial, tx.now.Add(time.Hour)))
			if n%3 > 0 {
				err = errors.Join(err, tx.exec(`UPDATE issuance SET revoked_at = $2, reason = 1 WHERE serial = $1`, serial, micro(tx.now)), tx.exec(`UPDATE change_sequence SET seq = seq + 1 WHERE id = 3`))
			}
		}
		return err
	})
	closeDB(t, db)
	db = openIn(t, dir)
	wantBookOnList(t, db, "as it was")
	for round := range 3 {
		update(t, db, func(tx *Tx) error {
			serial := fmt.Sprintf("ff%02x", round)
			return errors.Join(planRevoked(tx, "a1", serial, tx.now), tx.Revoke(serial, 1))
		})
		if err := db.Keep(t.Context(), func(tx *Tx) error { _, err := tx.blockRevoked("a1", 3, spelled); return err }); err != nil {
			t.Fatal(err)
		}
		wantBookOnList(t, db, fmt.Sprint("round ", round))
	}
}
