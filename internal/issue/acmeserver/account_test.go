package acmeserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestExternalAccountBinding: whoever shows no key, a wrong one, or one that is over, gets no account.
func TestExternalAccountBinding(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	at := testBase + "/new-account"
	good := h.newEAB(t, state.ACMEKey{Accounts: 100})
	expired := h.newEAB(t, state.ACMEKey{ExpiresAt: time.Now().Add(-time.Second)})
	revoked := h.newEAB(t, state.ACMEKey{})
	h.change(t, func(tx *state.Tx) error { return tx.RevokeACMEKey(revoked.kid) })
	elsewhere := h.newEAB(t, state.ACMEKey{Authority: "clients"})
	for what, tt := range map[string]struct {
		binding func(c *client) json.RawMessage
		status  int
		problem acme.ProblemType
	}{
		"none":                {func(*client) json.RawMessage { return nil }, 403, acme.ExternalAccountRequired},
		"no object":           {func(*client) json.RawMessage { return json.RawMessage(`"x"`) }, 400, acme.Malformed},
		"wrong secret":        {func(c *client) json.RawMessage { return c.binding(eab{good.kid, "wrong"}, at) }, 403, acme.Unauthorized},
		"no such key":         {func(c *client) json.RawMessage { return c.binding(eab{"nobody", good.secret}, at) }, 403, acme.Unauthorized},
		"expired":             {func(c *client) json.RawMessage { return c.binding(expired, at) }, 403, acme.Unauthorized},
		"revoked":             {func(c *client) json.RawMessage { return c.binding(revoked, at) }, 403, acme.Unauthorized},
		"of another purpose":  {func(c *client) json.RawMessage { return c.binding(elsewhere, at) }, 403, acme.Unauthorized},
		"another address":     {func(c *client) json.RawMessage { return c.binding(good, testBase+"/new-order") }, 400, acme.Malformed},
		"about another's key": {func(c *client) json.RawMessage { return h.client(t).binding(good, at) }, 400, acme.Malformed},
		"with a nonce": {func(c *client) json.RawMessage {
			return mac([]byte(good.secret), fmt.Sprintf(`{"alg":"HS256","kid":"%s","url":"%s","nonce":"x"}`, good.kid, at), jwk(t, c))
		}, 400, acme.Malformed},
		"alg none": {func(c *client) json.RawMessage {
			return json.RawMessage(message(encode(fmt.Sprintf(`{"alg":"none","kid":"%s","url":"%s"}`, good.kid, at)), encode(jwk(t, c)), ""))
		}, 400, acme.BadSignatureAlgorithm},
		"signed by the account": {func(c *client) json.RawMessage {
			return c.sign(c.key, acme.Header{URL: at, KeyID: good.kid}, json.RawMessage(jwk(t, c)))
		}, 400, acme.BadSignatureAlgorithm},
	} {
		t.Run(what, func(t *testing.T) {
			c := h.client(t)
			h.registrations.giveBack("192.0.2.7") // what is tested here is not the bound
			c.post(at, acme.Account{ExternalAccountBinding: tt.binding(c)}).want(t, tt.status, tt.problem)
			c.post(at, acme.Account{OnlyReturnExisting: true}).want(t, 400, acme.AccountDoesNotExist)
		})
	}
	c := h.client(t)
	if a := c.register(good); a.status != http.StatusCreated {
		t.Errorf("the right one: got %v", a)
	}
}

func jwk(t testing.TB, c *client) string {
	t.Helper()
	k, err := acme.NewKey(c.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return k.JWK()
}

// TestAKeyMakesSoManyAccounts, however many ask at once, and its first account is found again.
func TestAKeyMakesSoManyAccounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{Accounts: 3})
	answers := make(chan answer, 10)
	var all sync.WaitGroup
	for range cap(answers) {
		c := h.client(t)
		all.Go(func() { answers <- c.register(k) })
	}
	all.Wait()
	made := 0
	for range cap(answers) {
		a := <-answers
		if a.status == http.StatusCreated {
			made++
		} else {
			a.want(t, 403, acme.Unauthorized)
		}
	}
	if made != 3 {
		t.Errorf("got %d accounts, want 3", made)
	}
	c := h.member(t, state.ACMEKey{})
	first := c.kid
	c.kid = ""
	for _, r := range []acme.Account{{}, {OnlyReturnExisting: true}, {Contact: []string{"mailto:other@example.test"}}} {
		a := c.post(testBase+"/new-account", r)
		if a.status != http.StatusOK || a.header.Get("Location") != first || !strings.Contains(string(a.body), "admin@example.test") {
			t.Errorf("%+v: got %v at %s", r, a, a.header.Get("Location"))
		}
	}
}

// TestAWeakKeyIsNoAccounts: a key whose private half anybody can find makes no account, and uses no key for accounts up.
// Nobody has it looked for who could not make an account anyway: that takes long.
func TestAWeakKeyIsNoAccounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{})
	weak := &client{t: t, h: h, key: mustWeak(t)}
	weak.post(testBase+"/new-account", acme.Account{}).want(t, 403, acme.ExternalAccountRequired)
	weak.register(eab{k.kid, "wrong"}).want(t, 403, acme.Unauthorized)
	a := weak.register(k)
	a.want(t, 400, acme.BadPublicKey)
	if len(a.problem.Algorithms) != len(acme.Algorithms()) { // RFC 8555 section 6.2
		t.Errorf("got algorithms %v", a.problem.Algorithms)
	}
	if a := h.client(t).register(k); a.status != http.StatusCreated {
		t.Errorf("another with the key: got %v", a)
	}
}

func TestContacts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	for contact, problem := range map[string]acme.ProblemType{
		"tel:+4930123456": acme.UnsupportedContact, "admin@example.test": acme.UnsupportedContact, "mailto:": acme.InvalidContact, "mailto:a@b.test,c@d.test": acme.InvalidContact,
		"mailto:a@b.test?subject=x": acme.InvalidContact, "mailto:A <a@b.test>": acme.InvalidContact, "mailto:" + strings.Repeat("a", 300) + "@b.test": acme.InvalidContact,
	} {
		c.post(c.kid, map[string]any{"contact": []string{contact}}).want(t, 400, problem)
	}
	c.post(c.kid, map[string]any{"contact": make([]string, 11)}).want(t, 400, acme.InvalidContact)
	var a acme.Account
	c.post(c.kid, map[string]any{"contact": []string{"mailto:new@example.test"}}).into(t, &a)
	if len(a.Contact) != 1 || a.Contact[0] != "mailto:new@example.test" {
		t.Errorf("got %v", a.Contact)
	}
	c.post(c.kid, map[string]any{"contact": []string{}}).into(t, &a)
	c.post(c.kid, map[string]any{"status": "revoked"}).want(t, 400, acme.Malformed)
}

// TestDeactivatedAccount: it can do nothing any more, and its key makes no other.
func TestDeactivatedAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test")
	other.post(c.kid, map[string]any{"status": "deactivated"}).want(t, 403, acme.Unauthorized)
	var a acme.Account
	c.post(c.kid, map[string]any{"status": "deactivated"}).into(t, &a)
	if a.Status != acme.StatusDeactivated {
		t.Errorf("got %s", a.Status)
	}
	c.order("a.example.test").want(t, 403, acme.Unauthorized)
	c.finalize(o, csr(t, generate(t), "a.example.test")).want(t, 403, acme.Unauthorized)
	c.post(c.kid, nil).want(t, 403, acme.Unauthorized)
	c.kid = ""
	c.register(h.newEAB(t, state.ACMEKey{})).want(t, 403, acme.Unauthorized)
	if n, _ := h.issued(t); n != 0 {
		t.Errorf("%d certificates", n)
	}
}

// TestShutOutMeanwhile: an administrator shuts the account out while its request is being drawn up.
func TestShutOutMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	id := strings.TrimPrefix(c.kid, testBase+"/account/")
	o := c.ready("a.example.test")
	h.Authority = shuttingOut{h.book, func() { h.change(t, func(tx *state.Tx) error { return tx.EndACMEAccount(id, state.ACMERevoked) }) }}
	c.finalize(o, csr(t, generate(t), "a.example.test")).want(t, 403, acme.Unauthorized)
	if n, _ := h.issued(t); n != 0 {
		t.Errorf("%d certificates", n)
	}
}

func TestKeyChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	at := testBase + "/key-change"
	fresh := generate(t)
	inner := func(signer interface{}, header acme.Header, body acme.KeyChange) json.RawMessage {
		k := fresh
		if signer != nil {
			k = mustWeak(t)
		}
		return c.sign(k, header, body)
	}
	right := acme.KeyChange{Account: c.kid, OldKey: json.RawMessage(jwk(t, c))}
	for what, tt := range map[string]struct {
		inner   json.RawMessage
		status  int
		problem acme.ProblemType
	}{
		"no message":         {json.RawMessage(`{}`), 400, acme.Malformed},
		"another address":    {inner(nil, acme.Header{URL: testBase + "/new-order"}, right), 400, acme.Malformed},
		"with a nonce":       {inner(nil, acme.Header{URL: at, Nonce: "x"}, right), 400, acme.Malformed},
		"with an account":    {inner(nil, acme.Header{URL: at, KeyID: c.kid}, right), 400, acme.Malformed},
		"wrong old key":      {inner(nil, acme.Header{URL: at}, acme.KeyChange{Account: c.kid, OldKey: json.RawMessage(jwk(t, other))}), 400, acme.Malformed},
		"no old key":         {inner(nil, acme.Header{URL: at}, acme.KeyChange{Account: c.kid, OldKey: json.RawMessage(`{}`)}), 400, acme.Malformed},
		"another's account":  {inner(nil, acme.Header{URL: at}, acme.KeyChange{Account: other.kid, OldKey: json.RawMessage(jwk(t, c))}), 400, acme.Malformed},
		"a weak key":         {inner(1, acme.Header{URL: at}, right), 400, acme.BadPublicKey},
		"the key of another": {other.sign(other.key, acme.Header{URL: at}, right), 409, acme.Malformed},
		"its own key":        {c.sign(c.key, acme.Header{URL: at}, right), 409, acme.Malformed},
		"signed by another":  {json.RawMessage(strings.Replace(string(inner(nil, acme.Header{URL: at}, right)), `"signature":"`, `"signature":"AAAA`, 1)), 403, acme.Unauthorized},
	} {
		t.Run(what, func(t *testing.T) {
			c.t = t
			a := c.post(at, tt.inner)
			a.want(t, tt.status, tt.problem)
			if tt.status == http.StatusConflict && a.header.Get("Location") == "" { // RFC 8555 section 7.3.5
				t.Error("no address of the account that has the key")
			}
		})
	}
	c.t = t
	// Two at once: the old key gives the account away once.
	old := c.key
	first, second := c.sign(old, c.header(at), inner(nil, acme.Header{URL: at}, right)), []byte(nil)
	late := generate(t)
	second = c.sign(old, c.header(at), json.RawMessage(c.sign(late, acme.Header{URL: at}, right)))
	gate := &gated{Authority: h.book}
	h.Authority = gate
	gate.before = func() { // the second has been read when the first is done
		gate.before = nil
		if a := c.do(http.MethodPost, at, jose, first); a.status != http.StatusOK {
			t.Errorf("the change: got %v", a)
		}
	}
	if a := c.do(http.MethodPost, at, jose, second); a.status == http.StatusOK {
		t.Errorf("the old key gave the account away twice: %v", a)
	}
	c.post(c.kid, nil).want(t, 403, acme.Unauthorized)
	c.key = fresh
	if a := c.post(c.kid, nil); a.status != http.StatusOK {
		t.Errorf("the new key: got %v", a)
	}
}

// TestOpenDirectory takes accounts without a key, for one profile.
func TestOpenDirectory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *Options) { o.OpenProfile = "server" })
	c := h.client(t)
	a := c.post(testBase+"/new-account", acme.Account{})
	if a.status != http.StatusCreated {
		t.Fatalf("got %v", a)
	}
	c.kid = a.header.Get("Location")
	c.enrol(generate(t), "a.example.test")
	h.OpenProfile = ""
	c.order("a.example.test").want(t, 403, acme.ExternalAccountRequired)
}
