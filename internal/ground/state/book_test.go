package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fillBook plans n lines below two authorities, one a minute; every third is revoked, and the first hundredth has ended.
func fillBook(t *testing.T, db *DB, n int) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		if err := tx.AddAuthority(Authority{ID: "a2", Name: "clients", Purpose: "clients", State: AuthorityPending, Request: []byte("csr"), PublicKey: []byte("spki2")}); err != nil {
			return err
		}
		return errors.Join(tx.AddShard("a2", 0), tx.AddShard("a1", 1), tx.AddShard("a2", 1))
	})
	began := time.Now().Add(-time.Duration(n) * time.Minute)
	update(t, db, func(tx *Tx) (err error) {
		for i := range n {
			authority := []string{"a1", "a2"}[i%2]
			end := time.Now().Add(time.Hour)
			if i < n/100+1 {
				end = time.Now().Add(-time.Hour)
			}
			tx.now = began.Add(time.Duration(i) * time.Minute)
			serial := fmt.Sprintf("%032x", i)
			err = errors.Join(err, tx.PlanIssuance(Issuance{Serial: serial, AuthorityID: authority, Shard: 1, Profile: []string{"server", "user"}[i%2], Requester: fmt.Sprint("r", i%5), Subject: fmt.Sprint("CN=", i),
				KeyID: fmt.Sprintf("%064x", i/2), Names: []string{fmt.Sprintf("h%d.s%d.example.com", i, i%3), fmt.Sprintf("u%d@example.com", i)}, NotAfter: end, TBS: []byte("tbs")}))
			if i%7 != 6 {
				err = errors.Join(err, tx.RecordIssuance(serial, []byte("cert")))
			}
			if i%3 == 2 {
				err = errors.Join(err, tx.Revoke(serial, 1))
			}
		}
		return err
	})
}

// TestTheBookIsSearchedInPages: whatever is asked, the pages together are just the lines that have it, once each and the
// newest first.
func TestTheBookIsSearchedInPages(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	const n = 300
	fillBook(t, db, n)
	all := func(q BookQuery) (serials []string) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			for q.Limit = 17; ; {
				page, err := tx.Book(q)
				if err != nil {
					return err
				}
				for _, l := range page {
					if len(l.Names) != 2 || l.Certificate != nil || l.TBS != nil {
						t.Errorf("got %+v", l)
					}
					serials = append(serials, l.Serial)
				}
				if len(page) < q.Limit {
					return nil
				}
				q.After = BookPlace{page[len(page)-1].PlannedAt, page[len(page)-1].Serial}
			}
		})
		return serials
	}
	want := func(is func(i int) bool) (serials []string) {
		for i := n - 1; i >= 0; i-- {
			if is(i) {
				serials = append(serials, fmt.Sprintf("%032x", i))
			}
		}
		return serials
	}
	revoked := func(i int) bool { return i%3 == 2 }
	recorded := func(i int) bool { return i%7 != 6 }
	ended := func(i int) bool { return i < n/100+1 }
	for name, c := range map[string]struct {
		q  BookQuery
		is func(i int) bool
	}{
		"everything":           {BookQuery{}, func(int) bool { return true }},
		"a serial":             {BookQuery{Search: fmt.Sprintf("%032X", 7)}, func(i int) bool { return i == 7 }},
		"a key":                {BookQuery{KeyID: fmt.Sprintf("%064x", 3)}, func(i int) bool { return i/2 == 3 }},
		"a key, as text":       {BookQuery{Search: fmt.Sprintf("%064x", 3)}, func(i int) bool { return i/2 == 3 }},
		"a name":               {BookQuery{Name: "H8.s2.Example.com"}, func(i int) bool { return i == 8 }},
		"a domain":             {BookQuery{Name: "s1.example.com"}, func(i int) bool { return i%3 == 1 }},
		"a domain of people":   {BookQuery{Search: "example.com"}, func(int) bool { return true }},
		"half a label":         {BookQuery{Search: "xample.com"}, func(int) bool { return false }},
		"a person":             {BookQuery{Name: "u9@example.com"}, func(i int) bool { return i == 9 }},
		"a requester":          {BookQuery{Requester: "r2"}, func(i int) bool { return i%5 == 2 }},
		"a profile":            {BookQuery{Profiles: []string{"user"}}, func(i int) bool { return i%2 == 1 }},
		"two profiles":         {BookQuery{Profiles: []string{"user", "server"}}, func(int) bool { return true }},
		"a domain of profiles": {BookQuery{Search: "s1.example.com", Profiles: []string{"user", "nobody"}}, func(i int) bool { return i%3 == 1 && i%2 == 1 }},
		"an authority":         {BookQuery{Authority: "a1"}, func(i int) bool { return i%2 == 0 }},
		"revoked":              {BookQuery{Status: BookRevoked}, revoked},
		"planned":              {BookQuery{Status: BookPlanned}, func(i int) bool { return !recorded(i) && !revoked(i) }},
		"ended":                {BookQuery{Status: BookEnded}, func(i int) bool { return ended(i) && recorded(i) && !revoked(i) }},
		"issued":               {BookQuery{Status: BookIssued}, func(i int) bool { return recorded(i) && !revoked(i) && !ended(i) }},
		"revoked of a person":  {BookQuery{Status: BookRevoked, Requester: "r1", Profiles: []string{"user"}}, func(i int) bool { return revoked(i) && i%5 == 1 && i%2 == 1 }},
		"one that ends sooner": {BookQuery{Ends: time.Now()}, ended},
		"the last hour":        {BookQuery{Since: time.Now().Add(-time.Hour - 30*time.Second)}, func(i int) bool { return i >= n-60 }},
		"before the last hour": {BookQuery{Until: time.Now().Add(-time.Hour - 30*time.Second), Authority: "a2"}, func(i int) bool { return i < n-60 && i%2 == 1 }},
		"a text with signs":    {BookQuery{Search: `%' OR 1=1 --`}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, few := range []int{0, 1} { // found and put in order, and looked for in order
				c.q.few = few
				if got, want := all(c.q), want(c.is); !slices.Equal(got, want) {
					t.Errorf("few %d: got %d lines, want %d: %v", few, len(got), len(want), got)
				}
			}
		})
	}
}

// TestTheBookIsCounted: the four states are all there is, and the weeks have every line.
func TestTheBookIsCounted(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	const n = 300
	fillBook(t, db, n)
	view(t, db, func(tx *Tx) error {
		c, err := tx.CountBook(time.Now().AddDate(-1, 0, 0))
		issued := 0
		for _, w := range c.Weeks {
			issued += w.Issued
			if w.Begins.Weekday() != time.Monday || w.Begins.Hour() != 0 || time.Since(w.Begins) < 0 {
				t.Errorf("a week begins at %v", w.Begins)
			}
		}
		if issued != n || c.Planned+c.Revoked+c.Valid+c.Ended != n || c.Revoked != 100 || c.Ended != 3 || len(c.Profiles) != 2 || c.Profiles[0].All != 150 {
			t.Errorf("got %+v", c)
		}
		whole := []time.Time{time.Now().AddDate(0, 0, -1), time.Now().Add(-100*time.Minute - 30*time.Second), time.Now().Add(24 * time.Hour)}
		if c, err := tx.CountBook(time.Now(), whole...); err != nil || len(c.Months) != 3 || c.Months[0] != (MonthCount{whole[0].UTC(), 200, 66, 0}) || c.Months[1] != (MonthCount{whole[1].UTC(), 100, 34, 4}) || c.Months[2] != (MonthCount{Begins: whole[2].UTC()}) {
			t.Errorf("months: got %+v, %v", c.Months, err)
		}
		c, err2 := tx.CountBook(time.Now().Add(time.Hour))
		if len(c.Weeks) != 0 {
			t.Errorf("weeks that have not come: got %+v", c.Weeks)
		}
		return errors.Join(err, err2)
	})
}

// TestWhatAListMustSayIsNotForgotten: a revoked line goes only after its lists were signed after its end.
func TestWhatAListMustSayIsNotForgotten(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	const n = 300
	fillBook(t, db, n) // 0 to 3 have ended; 2 was revoked
	later := time.Now().Add(time.Minute)
	ended := func() (serials []string) {
		view(t, db, func(tx *Tx) error {
			for _, profile := range []string{"server", "user"} {
				after := EndedIssuance{}
				for {
					part, err := tx.EndedIssuances(profile, later, after, 1)
					if err != nil {
						return err
					}
					if len(part) == 0 {
						break
					}
					after = part[0]
					serials = append(serials, strings.TrimLeft(part[0].Serial, "0"))
				}
			}
			return nil
		})
		return serials
	}
	if got := fmt.Sprint(ended()); got != "[ 1 3]" {
		t.Errorf("before any list: got %s", got)
	}
	revoked := fmt.Sprintf("%032x", 2)
	if err := refused(t, db, func(tx *Tx) error { return tx.ForgetIssuance(revoked, later) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgetting what a list must say: got %v, want ErrNotFound", err)
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.ForgetIssuance(fmt.Sprintf("%032x", n-1), later) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgetting what has not ended: got %v, want ErrNotFound", err)
	}
	publish := func(number int64, at time.Time) {
		update(t, db, func(tx *Tx) error {
			return tx.Publishing(Shard{AuthorityID: "a1", Number: number, CRLNumber: "1", ThisUpdate: at, NextUpdate: at.Add(time.Hour)})
		})
	}
	unsaid := func() (got string) {
		view(t, db, func(tx *Tx) error {
			lists, err := tx.UnsaidLists(later)
			for _, s := range lists {
				got += fmt.Sprint(s.AuthorityID, "/", s.Number, " ")
			}
			return err
		})
		return got
	}
	if got := unsaid(); got != "a1/0 a1/1 " {
		t.Errorf("lists to be signed: got %q", got)
	}
	publish(0, time.Now().Add(-2*time.Hour)) // before the end
	publish(1, time.Now())
	if got := unsaid(); got != "a1/0 " || slices.Contains(ended(), "2") {
		t.Errorf("after the shard alone: got %q, %v", got, ended())
	}
	publish(0, time.Now())
	if got := unsaid(); got != "" || fmt.Sprint(ended()) != "[ 2 1 3]" {
		t.Errorf("after both: got %q, %v", got, ended())
	}
	update(t, db, func(tx *Tx) error { return tx.ForgetIssuance(revoked, later) })
	view(t, db, func(tx *Tx) error {
		if _, err := tx.Issuance(revoked); !errors.Is(err, ErrNotFound) {
			t.Errorf("after it was forgotten: got %v", err)
		}
		if all, err := tx.Unread(Unread{}, 1000); err != nil || slices.Contains(all, Unread{LintIssued, revoked}) {
			t.Errorf("zlint is to read a line that was forgotten, %v", err)
		}
		var names int
		return errors.Join(tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM issuance_name WHERE serial = $1`, revoked).Scan(&names), map[bool]error{true: errors.New("its names stayed")}[names > 0])
	})
	update(t, db, func(tx *Tx) error { return errors.Join(tx.SetBookRule(30), tx.SetBookRule(400)) })
	view(t, db, func(tx *Tx) error {
		days, err := tx.BookRule()
		if days != 400 {
			t.Errorf("the rule: got %d", days)
		}
		return err
	})
}

func TestReadable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mail.example.com", "*.example.com", "kim@example.com", "mail", "192.0.2.1", "2001:db8::1"} {
		if got := readable(searchable(name)); got != name {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
