package acmeserver

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestRenewalInfo: the window of a certificate, moved and back, and of what was revoked (RFC 9773 section 4).
func TestRenewalInfo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	cert := c.enrol(generate(t), "a.example.test")
	at := testBase + "/renewal-info/"
	read := func() (info acme.RenewalInfo) {
		t.Helper()
		a := c.get(at + certID(cert))
		a.into(t, &info)
		if a.header.Get("Retry-After") != "21600" || a.header.Get("Replay-Nonce") != "" || !info.SuggestedWindow.End.After(info.SuggestedWindow.Start) {
			t.Errorf("got %v, %v", a, a.header)
		}
		return info
	}
	w := read().SuggestedWindow
	life := cert.NotAfter.Sub(cert.NotBefore)
	if w.Start.Before(cert.NotBefore.Add(life/2)) || !w.End.Before(cert.NotAfter) {
		t.Errorf("got %v of %v to %v", w, cert.NotBefore, cert.NotAfter)
	}
	now := time.Now().UTC().Truncate(time.Second)
	moved := state.ACMEWindow{ID: newID(), Authority: "servers", IssuedBefore: now.Add(time.Minute), StartsAt: now, EndsAt: now.Add(time.Hour), Explanation: "https://status.example.test/"}
	for _, other := range []state.ACMEWindow{
		{ID: newID(), Authority: "clients", IssuedBefore: now.Add(time.Hour), StartsAt: now, EndsAt: now.Add(time.Hour)},
		{ID: newID(), Authority: "servers", Profile: "numbers", IssuedBefore: now.Add(time.Hour), StartsAt: now, EndsAt: now.Add(time.Hour)},
		{ID: newID(), Authority: "servers", IssuedBefore: now.Add(-time.Hour), StartsAt: now, EndsAt: now.Add(time.Hour)},
	} {
		h.change(t, func(tx *state.Tx) error { return tx.AddACMEWindow(other) })
		if got := read(); got.SuggestedWindow != w {
			t.Errorf("a window of others (%+v): got %v", other, got)
		}
	}
	h.change(t, func(tx *state.Tx) error { return tx.AddACMEWindow(moved) })
	if got := read(); !got.SuggestedWindow.Start.Equal(moved.StartsAt) || !got.SuggestedWindow.End.Equal(moved.EndsAt) || got.ExplanationURL != moved.Explanation {
		t.Errorf("moved: got %+v", got)
	}
	h.change(t, func(tx *state.Tx) error { return tx.RemoveACMEWindow(moved.ID) })
	if got := read(); got.SuggestedWindow != w {
		t.Errorf("taken back: got %+v", got)
	}
	key, serial, _ := strings.Cut(certID(cert), ".")
	octets, err := base64.RawURLEncoding.DecodeString(serial)
	if err != nil {
		t.Fatal(err)
	}
	// The wrong way round: a key identifier is twenty octets of a hash, half of which begin with a set bit. Those are no serial
	// in DER at all; the others are one that nobody issued.
	wrongWayRound := http.StatusNotFound
	if id := cert.AuthorityKeyId; id[0]>>7 == 1 || id[0] == 0 && id[1]>>7 == 0 {
		wrongWayRound = http.StatusBadRequest
	}
	for id, status := range map[string]int{
		serial + "." + key: wrongWayRound,
		"":                 400, "x": 400, ".": 400, key: 400, key + ".": 400, "." + serial: 404, key + ".AQ": 404, "AAAA." + serial: 404, key + "." + serial + "=": 400,
		key + "." + base64.RawURLEncoding.EncodeToString(append([]byte{0, 0}, octets...)): 400, key + "." + strings.Repeat("A", 100): 400, key + ".AA": 400,
	} {
		c.get(at+id).want(t, status, acme.Malformed)
	}
	if a := c.post(at+certID(cert), nil); a.status != http.StatusNotFound {
		t.Errorf("POST: got %v", a)
	}
	if a := c.post(testBase+"/revoke-cert", acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(cert.Raw)}); a.status != http.StatusOK {
		t.Fatalf("got %v", a)
	}
	if got := read().SuggestedWindow; got.End.After(time.Now()) {
		t.Errorf("revoked: got %v", got)
	}
	// Of another purpose: it is not this directory's.
	h.change(t, func(tx *state.Tx) error {
		return tx.AddAuthority(state.Authority{ID: "clients-id", Name: "clients", Purpose: "clients", State: state.AuthorityActive, PublicKey: []byte("x")})
	})
	foreign := c.enrol(generate(t), "b.example.test")
	h.moveTo(t, foreign, "clients-id")
	c.get(at+certID(foreign)).want(t, 404, acme.Malformed)
}

// TestReplaces: an order says which certificate it renews (RFC 9773 section 5).
func TestReplaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *Options) { o.OrdersPerHour = 4 })
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	cert := c.enrol(generate(t), "a.example.test")
	ask := func(who *client, id string, names ...string) answer {
		return who.post(testBase+"/new-order", acme.Order{Identifiers: identifiers(names...), Replaces: id})
	}
	ask(c, "x", "a.example.test").want(t, 400, acme.Malformed)
	ask(c, certID(h.book.issuer.Certificate()), "a.example.test").want(t, 400, acme.Malformed)
	ask(c, certID(cert), "b.example.test").want(t, 400, acme.Malformed)
	ask(other, certID(cert), "a.example.test").want(t, 403, acme.Unauthorized)
	var o placed
	a := ask(c, certID(cert), "a.example.test", "b.example.test")
	o.url = a.header.Get("Location")
	a.into(t, &o.Order)
	if o.Replaces != certID(cert) {
		t.Errorf("got %+v", o)
	}
	for _, at := range o.Authorizations {
		c.prove(at)
	}
	if a := ask(c, certID(cert), "a.example.test"); a.status != http.StatusCreated { // it came to nothing yet
		t.Errorf("got %v", a)
	}
	c.finalize(o, csr(t, generate(t), "a.example.test", "b.example.test")).into(t, &o.Order)
	renewed := c.fetch(o)
	ask(c, certID(cert), "a.example.test").want(t, 409, acme.AlreadyReplaced)
	// Renewals have a bound too: a client that loops with them is held.
	for range 2 {
		if a := ask(c, certID(renewed), "a.example.test"); a.status != http.StatusCreated {
			t.Errorf("got %v", a)
		}
	}
	ask(c, certID(renewed), "a.example.test").want(t, 429, acme.RateLimited)
	if a := c.order("a.example.test"); a.status != http.StatusCreated {
		t.Errorf("what is new does not wait for renewals: got %v", a)
	}
}
