package acmeserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("n%d.example.test", i))
	}
	return names
}

// TestOrdersThatAreRefused: names that are none, of other kinds, or beyond what the account may have.
func TestOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{Domains: []string{"web.example.test"}})
	wide := h.member(t, state.ACMEKey{})
	numbers := h.member(t, state.ACMEKey{Profile: "numbers"})
	bound := h.member(t, state.ACMEKey{Profile: "numbers", Domains: []string{"web.example.test"}})
	day := time.Now().Add(24 * time.Hour)
	dns := func(v string) acme.Order {
		return acme.Order{Identifiers: []acme.Identifier{{Type: acme.IdentifierDNS, Value: v}}}
	}
	for what, tt := range map[string]struct {
		who     *client
		order   acme.Order
		status  int
		problem acme.ProblemType
	}{
		"no name":                 {c, acme.Order{}, 400, acme.Malformed},
		"101 names":               {wide, acme.Order{Identifiers: identifiers(many(101)...)}, 400, acme.Malformed},
		"unknown type":            {c, acme.Order{Identifiers: []acme.Identifier{{Type: "email", Value: "a@web.example.test"}}}, 400, acme.UnsupportedIdentifier},
		"no type":                 {c, acme.Order{Identifiers: []acme.Identifier{{Value: "web.example.test"}}}, 400, acme.UnsupportedIdentifier},
		"beyond the key":          {c, dns("mail.example.test"), 403, acme.RejectedIdentifier},
		"beside the key":          {c, dns("xweb.example.test"), 403, acme.RejectedIdentifier},
		"above the key":           {c, dns("example.test"), 403, acme.RejectedIdentifier},
		"wildcard above the key":  {c, dns("*.example.test"), 403, acme.RejectedIdentifier},
		"beyond the profile":      {wide, dns("www.example.org"), 403, acme.RejectedIdentifier},
		"no host name":            {wide, dns("a_b.example.test"), 403, acme.RejectedIdentifier},
		"two wildcards":           {wide, dns("*.*.example.test"), 403, acme.RejectedIdentifier},
		"a wildcard in between":   {wide, dns("a.*.example.test"), 403, acme.RejectedIdentifier},
		"long":                    {wide, dns(strings.Repeat("a", 400) + ".example.test"), 400, acme.Malformed},
		"an address as a name":    {numbers, dns("127.0.0.1"), 400, acme.Malformed},
		"a name as an address":    {numbers, acme.Order{Identifiers: []acme.Identifier{{Type: acme.IdentifierIP, Value: "web.example.test"}}}, 400, acme.Malformed},
		"an address of others":    {numbers, acme.Order{Identifiers: identifiers("192.0.2.1")}, 403, acme.RejectedIdentifier},
		"an address beyond names": {bound, acme.Order{Identifiers: identifiers("127.0.0.1")}, 403, acme.RejectedIdentifier},
		"an address for hosts":    {wide, acme.Order{Identifiers: identifiers("127.0.0.1")}, 403, acme.RejectedIdentifier},
		"own times":               {wide, acme.Order{Identifiers: identifiers("a.example.test"), NotAfter: &day}, 400, acme.Malformed},
		"another profile":         {wide, acme.Order{Identifiers: identifiers("a.example.test"), Profile: "numbers"}, 400, acme.InvalidProfile},
		"no profile":              {wide, acme.Order{Identifiers: identifiers("a.example.test"), Profile: "nothing"}, 400, acme.InvalidProfile},
	} {
		t.Run(what, func(t *testing.T) {
			tt.who.t = t
			a := tt.who.post(testBase+"/new-order", tt.order)
			a.want(t, tt.status, tt.problem)
			if tt.problem == acme.RejectedIdentifier && a.problem.Identifier == nil {
				t.Error("the problem does not say which name")
			}
		})
	}
	wide.t = t
	// RFC 8555 section 6.7.1: several names, each with its problem.
	a := wide.order("good.example.test", "www.example.org", "a_b.example.test")
	a.want(t, 403, acme.RejectedIdentifier)
	if len(a.problem.Subproblems) != 2 || a.problem.Subproblems[0].Identifier.Value != "www.example.org" {
		t.Errorf("got %s", a.body)
	}
	delete(h.book.offer.Profiles, "server")
	wide.order("good.example.test").want(t, 400, acme.InvalidProfile)
}

// TestOrder shows an order from its beginning, and who may see it.
func TestOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	a := c.post(testBase+"/new-order", acme.Order{Identifiers: identifiers("A.example.test.", "a.example.test", "*.b.example.test"), Profile: "server"})
	o := placed{url: a.header.Get("Location")}
	a.into(t, &o.Order)
	if a.status != http.StatusCreated || o.Status != acme.StatusPending || o.Profile != "server" || len(o.Identifiers) != 2 || o.Identifiers[0].Value != "a.example.test" || o.Identifiers[1].Value != "*.b.example.test" || o.Certificate != "" {
		t.Fatalf("got %v", a)
	}
	var z acme.Authorization
	c.post(o.Authorizations[0], nil).into(t, &z)
	if len(z.Challenges) != 3 || z.Wildcard || z.Status != acme.StatusPending || z.Expires == nil {
		t.Errorf("got %+v", z)
	}
	c.post(o.Authorizations[1], nil).into(t, &z)
	// RFC 8555 section 7.1.4: without *., and that it is one. Section 8.4: only a zone proves it.
	if !z.Wildcard || z.Identifier.Value != "b.example.test" || len(z.Challenges) != 1 || z.Challenges[0].Type != acme.DNS01 {
		t.Errorf("got %+v", z)
	}
	c.post(strings.Replace(z.Challenges[0].URL, "dns-01", "http-01", 1), struct{}{}).want(t, 404, acme.Malformed)
	c.finalize(o, csr(t, generate(t), "a.example.test")).want(t, 403, acme.OrderNotReady)
	c.post(o.url, struct{}{}).want(t, 400, acme.Malformed)
	for _, at := range []string{o.url, o.Authorizations[0], z.Challenges[0].URL} {
		other.post(at, nil).want(t, 403, acme.Unauthorized)
	}
	other.finalize(o, csr(t, generate(t), "a.example.test")).want(t, 403, acme.Unauthorized)
	c.post(o.Authorizations[0]+"9", nil).want(t, 404, acme.Malformed)
	c.post(testBase+"/authz/"+strings.TrimPrefix(o.url, testBase+"/order/")+"/-1", nil).want(t, 404, acme.Malformed)

	var list struct{ Orders []string }
	orders := strings.Replace(c.kid, "/account/", "/orders/", 1)
	c.post(orders, nil).into(t, &list)
	if !slices.Equal(list.Orders, []string{o.url}) {
		t.Errorf("got %v", list.Orders)
	}
	other.post(orders, nil).want(t, 403, acme.Unauthorized)
	c.post(testBase+"/new-authz", acme.Order{}).want(t, 404, acme.Malformed) // pre-authorization is not offered
}

// TestNotProved: an order one of whose names was not proved is over, and says why.
func TestNotProved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	a := c.order("a.example.test", "b.example.test")
	o := placed{url: a.header.Get("Location")}
	a.into(t, &o.Order)
	if got := c.prove(o.Authorizations[0]); got.Status != acme.StatusValid || got.Validated == nil {
		t.Errorf("got %+v", got)
	}
	var z acme.Authorization
	c.post(o.Authorizations[1], nil).into(t, &z)
	var done acme.Challenge
	c.post(z.Challenges[0].URL, struct{}{}).into(t, &done)
	for done.Status == acme.StatusProcessing {
		c.post(z.Challenges[0].URL, nil).into(t, &done)
	}
	if done.Status != acme.StatusInvalid || done.Error == nil || done.Error.Type != acme.Unauthorized || done.Error.Status != 403 {
		t.Errorf("got %+v", done)
	}
	c.post(o.Authorizations[1], nil).into(t, &z)
	if z.Status != acme.StatusInvalid || len(z.Challenges) != 1 { // RFC 8555 section 7.1.4
		t.Errorf("got %+v", z)
	}
	c.post(o.url, nil).into(t, &o.Order)
	if o.Status != acme.StatusInvalid || o.Error == nil {
		t.Errorf("got %+v", o)
	}
	c.finalize(o, csr(t, generate(t), "a.example.test", "b.example.test")).want(t, 403, acme.OrderNotReady)
	if n, _ := h.issued(t); n != 0 {
		t.Errorf("%d certificates", n)
	}
}

// TestDeactivatedAuthorization stays so, though a look at the name was under way.
func TestDeactivatedAuthorization(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test")
	var z acme.Authorization
	c.post(o.Authorizations[0], map[string]any{"status": "valid"}).want(t, 400, acme.Malformed)
	c.post(o.Authorizations[0], map[string]any{"status": "deactivated"}).into(t, &z)
	if z.Status != acme.StatusDeactivated {
		t.Errorf("got %+v", z)
	}
	row, err := h.complete(orderRow(t, h, o))
	if err != nil {
		t.Fatal(err)
	}
	h.found(t.Context(), state.Actor{Who: "tester", From: "test"}, row, 0, nil) // the look ends now
	now := time.Now()
	h.keepProofs(t.Context(), now, now.Add(time.Second))
	c.post(o.url, nil).into(t, &o.Order)
	if o.Status != acme.StatusInvalid {
		t.Errorf("got %+v", o)
	}
	c.finalize(o, csr(t, generate(t), "a.example.test")).want(t, 403, acme.OrderNotReady)
}

func orderRow(t testing.TB, h *house, o placed) (row state.ACMEOrder) {
	t.Helper()
	if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
		row, err = tx.ACMEOrder(strings.TrimPrefix(o.url, testBase+"/order/"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return row
}
