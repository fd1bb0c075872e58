package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/issue/request"
)

// certify issues for a key that is made here and thrown away.
func certify(t *testing.T, h *house, name string) *Certified {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := request.Create(request.Options{Names: []string{name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: ImportFile{Name: "x.csr", Data: csr}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheBookForgetsByItsRule: a line goes days after its end and not before; what was revoked goes when its lists have said
// so after the end; what a lineage still has stays; the audit trail names what went.
func TestTheBookForgetsByItsRule(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		held, revoked, plain := "shop.example.com", certify(t, h, "a.example.com"), certify(t, h, "b.example.com")
		if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{held}, Lineage: "shop"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: revoked.Serial, Reason: "keyCompromise"}); err != nil {
			t.Fatal(err)
		}
		for _, days := range []int{-1, 1, 29, 36501} {
			if _, err := h.KeepBook(t.Context(), tester(), KeepRequest{Days: days}); err == nil {
				t.Errorf("a rule of %d days was taken", days)
			}
		}
		change, err := h.KeepBook(t.Context(), tester(), KeepRequest{Days: 40})
		if err != nil || change.Undo != "postseal ca keep --forever" || change.Replaces {
			t.Fatalf("got %+v, %v", change, err)
		}
		ends := plain.NotAfter.Sub(time.Now())
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			h.RunBook(ctx)
		}
		run(ends + 39*24*time.Hour)
		if n := h.count(t, `SELECT count(*) FROM issuance`); n != 3 {
			t.Errorf("39 days after the end: got %d lines, want 3", n)
		}
		dry, err := h.KeepBook(t.Context(), tester(), KeepRequest{Days: 30, Doing: Doing{DryRun: true}})
		if err != nil || !dry.Replaces || len(dry.Removed) != 1 || !strings.HasPrefix(dry.Removed[0], "1 line of the book") { // the list of the revoked one was not yet signed after its end
			t.Errorf("a dry run: got %+v, %v", dry, err)
		}
		run(3 * 24 * time.Hour)
		page, err := h.Issued(t.Context(), IssuedQuery{})
		if err != nil || len(page.Lines) != 1 || page.Lines[0].Names[0] != held || page.Lines[0].Status != "ended" {
			t.Errorf("42 days after the end: got %+v, %v, want what the lineage has", page, err)
		}
		entries, err := h.Audit(t.Context(), AuditRequest{Object: "book"})
		if err != nil || len(entries) != 2 || entries[0].Act != "ca forget" || !strings.Contains(string(entries[0].Before), plain.Serial) || !strings.Contains(string(entries[0].Before), revoked.Serial) || entries[0].Who != "postseal" {
			t.Errorf("the audit trail: got %v, %v", entries, err)
		}
		// The lineage that ended long ago can still be renewed: its line was read for that.
		if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "shop"}); err != nil {
			t.Errorf("renewing what ended: %v", err)
		}
	})
}

// TestForgettingFaults fails the commit of what is forgotten: refused, everything is there; lost, it is gone once, with its row.
func TestForgettingFaults(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			dir := fmt.Sprintf("%s/%d", dir, kind)
			synctest.Test(t, func(t *testing.T) {
				bubbleHouse(t, dir).close(t)
				h := openHouse(t, dir, newRuntime())
				if err := initialise(h.Desk); err != nil {
					t.Fatal(err)
				}
				certify(t, h, "a.example.com")
				if _, err := h.KeepBook(t.Context(), tester(), KeepRequest{Days: 30}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(200 * 24 * time.Hour)
				h.fault.set(kind)
				n, err := h.ForgetEnded(t.Context(), tester())
				if kind == faultRefused {
					if !errors.Is(err, errFault) || n != 0 || h.count(t, `SELECT count(*) FROM issuance`) != 1 {
						t.Errorf("refused: got %d, %v", n, err)
					}
				}
				if _, err := h.ForgetEnded(t.Context(), tester()); err != nil {
					t.Error(err)
				}
				if lines, rows := h.count(t, `SELECT count(*) FROM issuance`), h.count(t, `SELECT count(*) FROM audit WHERE act = 'ca forget'`); lines != 0 || rows != 1 {
					t.Errorf("got %d lines and %d rows, want none and one", lines, rows)
				}
			})
		})
	}
}

// TestTheBookIsReadInPages: the pages of the desk are those of the state, and what cannot be asked is refused.
func TestTheBookIsReadInPages(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 5 {
		want = append([]string{certify(t, h, fmt.Sprintf("h%d.example.com", i)).Serial}, want...)
	}
	var got []string
	for q := (IssuedQuery{Limit: 2, Authority: "servers", Name: "example.com"}); ; {
		page, err := h.Issued(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Lines {
			got = append(got, l.Serial)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, q := range []IssuedQuery{{Limit: -1}, {Limit: 1001}, {Status: "lost"}, {After: "x"}, {After: "12-"}, {EndsWithin: -1}, {Authority: "nobody"}} {
		if page, err := h.Issued(t.Context(), q); err == nil {
			t.Errorf("%+v: got %v", q, page)
		}
	}
	n, err := h.CountBook(t.Context())
	if err != nil || len(n.Weeks) != bookWeeks || n.Weeks[bookWeeks-1].Issued != 5 || n.Statuses[1].Count != 5 || n.Profiles[0].Current != 5 || len(n.Months) != bookMonths+1 || n.Months[bookMonths].Issued != 5 || n.Months[bookMonths].Ended != 0 {
		t.Errorf("got %+v, %v", n, err)
	}
}
