package acmeserver

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// sweptAct is what a client asks for. query counts what comes of it, and it comes once.
type sweptAct struct {
	before func(c *client)
	act    func(c *client) answer
	query  string
}

func sweptActs(t *testing.T) map[string]func() sweptAct {
	t.Helper()
	member := func(c *client) { c.register(c.h.newEAB(c.t, state.ACMEKey{})) }
	return map[string]func() sweptAct{
		"new account": func() sweptAct {
			var k eab
			return sweptAct{func(c *client) { k = c.h.newEAB(c.t, state.ACMEKey{}) }, func(c *client) answer {
				c.kid = ""
				return c.register(k)
			}, `SELECT count(*) FROM acme_account`}
		},
		"contacts": func() sweptAct {
			return sweptAct{member, func(c *client) answer { return c.post(c.kid, acme.Account{Contact: []string{"mailto:b@example.test"}}) }, `SELECT count(*) FROM acme_account WHERE contact LIKE '%b@example.test%'`}
		},
		"deactivation": func() sweptAct {
			return sweptAct{member, func(c *client) answer { return c.post(c.kid, acme.Account{Status: acme.StatusDeactivated}) }, `SELECT count(*) FROM acme_account WHERE status = 'deactivated'`}
		},
		"order": func() sweptAct {
			return sweptAct{member, func(c *client) answer { return c.order("a.example.test") }, `SELECT count(*) FROM acme_order`}
		},
		"finalize": func() sweptAct {
			var o placed
			key := generate(t)
			return sweptAct{func(c *client) {
				member(c)
				o = c.ready("a.example.test")
			}, func(c *client) answer {
				a := c.finalize(o, csr(c.t, key, "a.example.test"))
				if a.status == http.StatusOK {
					c.h.ages(c.t) // whoever looks finishes what was planned a while ago
					return c.post(o.url, nil)
				}
				return a
			}, `SELECT count(*) FROM issuance WHERE certificate IS NOT NULL`}
		},
		"key change": func() sweptAct {
			fresh := generate(t)
			return sweptAct{member, func(c *client) answer {
				at := testBase + "/key-change"
				body := acme.KeyChange{Account: c.kid, OldKey: json.RawMessage(jwk(c.t, c))}
				return c.post(at, json.RawMessage(c.sign(fresh, acme.Header{URL: at}, body)))
			}, `SELECT count(*) FROM audit WHERE act = 'acme key'`}
		},
		"revocation": func() sweptAct {
			var der string
			return sweptAct{func(c *client) {
				member(c)
				der = base64.RawURLEncoding.EncodeToString(c.enrol(generate(t), "a.example.test").Raw)
			}, func(c *client) answer { return c.post(testBase+"/revoke-cert", acme.Revocation{Certificate: der}) }, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`}
		},
	}
}

// TestEveryWriteFails counts the commits of each thing that a client asks for, and fails each in turn, refused or done with
// its answer lost. What was refused is a problem of the server (RFC 8555 section 6.7) and has left nothing, and is done when
// it is asked for again; what was done is done, once.
func TestEveryWriteFails(t *testing.T) {
	t.Parallel()
	for name, make := range sweptActs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := make()
			start := func(t *testing.T) *client {
				h := newHouse(t, nil)
				c := h.client(t)
				s.before(c)
				if n := h.counted(t, s.query); n != 0 {
					t.Fatalf("before it there are %d", n)
				}
				return c
			}
			c := start(t)
			c.h.faults.set(0, false) // from here on they are counted
			if a := s.act(c); a.status >= 300 {
				t.Fatalf("without a fault: got %v", a)
			}
			commits := c.h.faults.count()
			if n := c.h.counted(t, s.query); n != 1 || commits == 0 {
				t.Fatalf("without a fault: got %d, want 1; %d commits", n, commits)
			}
			for commit := range commits {
				for _, lost := range []bool{false, true} {
					t.Run(fmt.Sprintf("commit %d of %d lost %v", commit+1, commits, lost), func(t *testing.T) {
						c := start(t)
						c.h.faults.set(commit+1, lost)
						a := s.act(c)
						switch n := c.h.counted(t, s.query); {
						case lost && a.status >= 300:
							t.Errorf("it was done: got %v", a)
						case a.status >= 300:
							a.want(t, http.StatusInternalServerError, acme.ServerInternal)
							if n != 0 {
								t.Errorf("refused, and there are %d", n)
							}
							if a := s.act(c); a.status >= 300 {
								t.Errorf("asked again: got %v", a)
							}
						}
						if n := c.h.counted(t, s.query); n != 1 {
							t.Errorf("in the end there are %d", n)
						}
						if planned, recorded := c.h.issued(t); planned != recorded {
							t.Errorf("%d were planned, %d recorded", planned, recorded)
						}
					})
				}
			}
		})
	}
}

// counted asks the database.
func (h *house) counted(t testing.TB, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.db.Dir()+"/"+state.FileName+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
