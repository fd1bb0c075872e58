package acmeserver

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestNonces: each is taken once, and only where it was made; whoever is refused is given a fresh one.
func TestNonces(t *testing.T) {
	t.Parallel()
	h, other := newHouse(t, nil), newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	header := c.header(c.kid)
	body := c.sign(c.key, header, nil)
	if a := c.do(http.MethodPost, c.kid, jose, body); a.status != http.StatusOK {
		t.Fatalf("got %v", a)
	}
	refused := func(what string, body []byte) {
		t.Helper()
		c.nonce = ""
		a := c.do(http.MethodPost, c.kid, jose, body)
		a.want(t, http.StatusBadRequest, acme.BadNonce)
		if c.nonce == "" {
			t.Errorf("%s: no fresh nonce", what)
		} else if a := c.post(c.kid, nil); a.status != http.StatusOK {
			t.Errorf("%s: the fresh nonce gets %v", what, a)
		}
	}
	refused("the same message again", body)
	stranger := other.client(t)
	for what, nonce := range map[string]string{"none": "", "not ours": "AAAA", "of another server": stranger.header("x").Nonce, "changed": strings.ToUpper(header.Nonce)} {
		header := acme.Header{URL: c.kid, KeyID: c.kid, Nonce: nonce}
		refused(what, c.sign(c.key, header, nil))
	}
	// The signature is looked at before the nonce is used up: a stranger cannot take the nonces of others.
	header = c.header(c.kid)
	c.do(http.MethodPost, c.kid, jose, c.sign(generate(t), header, nil)).want(t, http.StatusForbidden, acme.Unauthorized)
	if a := c.do(http.MethodPost, c.kid, jose, c.sign(c.key, header, nil)); a.status != http.StatusOK {
		t.Errorf("after a forged message: got %v", a)
	}
}

// TestMessagesThatAreRefused: what is wrong with the outside of a message.
func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	account, err := acme.NewKey(c.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := testBase + "/new-order"
	for what, tt := range map[string]struct {
		url     string
		kind    string
		body    func(nonce string) string
		status  int
		problem acme.ProblemType
	}{
		"another type": {at, "application/json", func(n string) string { return string(c.sign(c.key, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, nil)) }, 415, acme.Malformed},
		"no type":      {at, "", func(n string) string { return string(c.sign(c.key, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, nil)) }, 415, acme.Malformed},
		"64 KiB":       {at, jose, func(string) string { return `{"payload":"` + strings.Repeat("A", maxBodyBytes) + `"}` }, 413, acme.Malformed},
		"no JSON":      {at, jose, func(string) string { return `hello` }, 400, acme.Malformed},
		"nested":       {at, jose, func(string) string { return strings.Repeat(`{"a":`, 1000) + strings.Repeat(`}`, 1000) }, 400, acme.Malformed},
		"alg none": {at, jose, func(n string) string {
			return message(encode(`{"alg":"none","nonce":"`+n+`","url":"`+at+`","kid":"`+c.kid+`"}`), "", "")
		}, 400, acme.BadSignatureAlgorithm},
		"alg HS256": {at, jose, func(n string) string {
			return string(mac([]byte(account.JWK()), `{"alg":"HS256","nonce":"`+n+`","url":"`+at+`","kid":"`+c.kid+`"}`, ""))
		}, 400, acme.BadSignatureAlgorithm},
		"alg RS1": {at, jose, func(n string) string {
			return message(encode(`{"alg":"RS1","nonce":"`+n+`","url":"`+at+`","kid":"`+c.kid+`"}`), "", "AAAA")
		}, 400, acme.BadSignatureAlgorithm},
		"alg of another": {at, jose, func(n string) string {
			return message(encode(`{"alg":"EdDSA","nonce":"`+n+`","url":"`+at+`","kid":"`+c.kid+`"}`), "", strings.Repeat("A", 64))
		}, 400, acme.BadSignatureAlgorithm},
		"both keys": {at, jose, func(n string) string {
			return message(encode(`{"alg":"ES256","nonce":"`+n+`","url":"`+at+`","kid":"`+c.kid+`","jwk":`+account.JWK()+`}`), "", "")
		}, 400, acme.Malformed},
		"neither key": {at, jose, func(n string) string {
			return message(encode(`{"alg":"ES256","nonce":"`+n+`","url":"`+at+`"}`), "", "")
		}, 400, acme.Malformed},
		"the key itself": {at, jose, func(n string) string { return string(c.sign(c.key, acme.Header{URL: at, Nonce: n}, nil)) }, 400, acme.Malformed},
		"an account": {testBase + "/new-account", jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: testBase + "/new-account", Nonce: n, KeyID: c.kid}, nil))
		}, 400, acme.Malformed},
		"wrong address": {at, jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: testBase + "/key-change", Nonce: n, KeyID: c.kid}, nil))
		}, 403, acme.Unauthorized},
		"http": {at, jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: "http" + strings.TrimPrefix(at, "https"), Nonce: n, KeyID: c.kid}, nil))
		}, 403, acme.Unauthorized},
		"unknown account": {at, jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: at, Nonce: n, KeyID: testBase + "/account/nobody"}, nil))
		}, 400, acme.AccountDoesNotExist},
		"foreign account": {at, jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: at, Nonce: n, KeyID: "https://elsewhere.example.org/account/1"}, nil))
		}, 400, acme.AccountDoesNotExist},
		"other's key": {at, jose, func(n string) string {
			return string(c.sign(generate(t), acme.Header{URL: at, Nonce: n, KeyID: c.kid}, nil))
		}, 403, acme.Unauthorized},
		"wrong kind": {at, jose, func(n string) string { return string(c.sign(edKey, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, nil)) }, 400, acme.BadSignatureAlgorithm},
		"P-521": {testBase + "/new-account", jose, func(n string) string {
			return message(encode(`{"alg":"ES512","nonce":"`+n+`","url":"`+testBase+`/new-account","jwk":{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}}`), encode("{}"), "AAAA")
		}, 400, acme.BadPublicKey},
		"payload no JSON": {at, jose, func(n string) string {
			return rawPayload(t, c, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, `nothing`)
		}, 400, acme.Malformed},
		"payload twice": {at, jose, func(n string) string {
			return rawPayload(t, c, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, `{"identifiers":[],"identifiers":[]}`)
		}, 400, acme.Malformed},
		"payload nested": {at, jose, func(n string) string {
			return rawPayload(t, c, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, strings.Repeat(`{"a":`, 50)+`1`+strings.Repeat(`}`, 50))
		}, 400, acme.Malformed},
		"payload of a page": {at, jose, func(n string) string { return rawPayload(t, c, acme.Header{URL: at, Nonce: n, KeyID: c.kid}, `[]`) }, 400, acme.Malformed},
		"nothing is there":  {testBase + "/nothing", jose, func(string) string { return "" }, 404, acme.Malformed},
		"too deep":          {testBase + "/order/1/2", jose, func(string) string { return "" }, 404, acme.Malformed},
		"another directory": {"https://" + testHost + "/acme/clients/new-order", jose, func(string) string { return "" }, 404, acme.Malformed},
		"another host":      {"https://elsewhere.example.org/acme/servers/new-order", jose, func(string) string { return "" }, 421, acme.Malformed},
		"with a query":      {at + "?a=b", jose, func(string) string { return "" }, 404, acme.Malformed},
		"an order of nobody": {testBase + "/order/nobody", jose, func(n string) string {
			return string(c.sign(c.key, acme.Header{URL: testBase + "/order/nobody", Nonce: n, KeyID: c.kid}, nil))
		}, 404, acme.Malformed},
	} {
		t.Run(what, func(t *testing.T) {
			c.t = t
			a := c.do(http.MethodPost, tt.url, tt.kind, []byte(tt.body(c.header("").Nonce)))
			a.want(t, tt.status, tt.problem)
			if tt.problem == acme.BadSignatureAlgorithm && len(a.problem.Algorithms) != len(acme.Algorithms()) { // RFC 8555 section 6.2
				t.Errorf("got algorithms %v", a.problem.Algorithms)
			}
		})
	}
	c.t = t
	if a := c.post(c.kid, nil); a.status != http.StatusOK {
		t.Errorf("after all of that: got %v", a)
	}
}

// mustWeak is a key that anybody can find: its scalar is 3.
func mustWeak(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 3))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rawPayload(t testing.TB, c *client, h acme.Header, payload string) string {
	t.Helper()
	b, err := acme.Sign(c.key, h, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAccountsOfEveryKind: RS256, ES384 and EdDSA sign as well as ES256.
func TestAccountsOfEveryKind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := keys.Generate(keys.ECDSAP384)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{{t: t, h: h, key: r}, {t: t, h: h, key: e}, {t: t, h: h, key: p384}} {
		if a := c.register(h.newEAB(t, state.ACMEKey{})); a.status != http.StatusCreated {
			t.Errorf("%T: got %v", c.key.Public(), a)
		}
		if a := c.order("a.example.test"); a.status != http.StatusCreated {
			t.Errorf("%T: got %v", c.key.Public(), a)
		}
	}
}

// TestAddresses: what is asked without a signature, and how.
func TestAddresses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.client(t)
	a := c.get(testBase + "/directory")
	var d acme.Directory
	a.into(t, &d)
	if d.NewAccount != testBase+"/new-account" || d.RenewalInfo != testBase+"/renewal-info" || !d.Meta.ExternalAccountRequired || d.Meta.Profiles["server"] == "" || len(d.Meta.CAAIdentities) != 1 {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(string(a.body), "newAuthz") || a.header.Get("Cache-Control") != "max-age=300" || a.header.Get("Replay-Nonce") != "" {
		t.Errorf("got %s, %v", a.body, a.header)
	}
	a = c.get(testBase + "/new-nonce")
	if a.status != http.StatusNoContent || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Replay-Nonce") == "" || a.header.Get("Link") != `<`+testBase+`/directory>;rel="index"` {
		t.Errorf("got %v, %v", a, a.header)
	}
	if a := c.do(http.MethodHead, testBase+"/new-nonce", "", nil); a.status != http.StatusOK || a.header.Get("Replay-Nonce") == "" {
		t.Errorf("got %v, %v", a, a.header)
	}
	a = c.get(testBase + "/new-order") // RFC 8555 section 6.3
	a.want(t, http.StatusMethodNotAllowed, acme.Malformed)
	if a.header.Get("Allow") != http.MethodPost {
		t.Errorf("got %v", a.header)
	}
	c.do(http.MethodOptions, testBase+"/new-order", "", nil).want(t, http.StatusMethodNotAllowed, acme.Malformed)
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://"+testHost+"/acme/servers/directory", nil))
	var p acme.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || p.Type != acme.Malformed {
		t.Errorf("without TLS: got %d %s", w.Code, w.Body)
	}
}

// TestManyNonces: whoever takes more than are remembered makes nobody's answer wrong, only old ones.
func TestManyNonces(t *testing.T) {
	t.Parallel()
	n := newNonces()
	first := n.fresh()
	var last string
	for range nonceWindow {
		last = n.fresh()
	}
	if number, ok := n.made(first); !ok || n.use(number) {
		t.Errorf("one beyond the window is taken")
	}
	number, ok := n.made(last)
	if !ok || !n.use(number) || n.use(number) {
		t.Error("the last is not taken once")
	}
	if n.use(n.next) {
		t.Error("one that was not made is taken")
	}
	seen := map[string]bool{}
	for range 1000 {
		x := n.fresh()
		if seen[x] {
			t.Fatal("a nonce was made twice")
		}
		seen[x] = true
	}
	for _, x := range []string{"", "A", strings.Repeat("A", 43), last + "A", fmt.Sprintf("%43s", "-")} {
		if _, ok := n.made(x); ok {
			t.Errorf("%q is taken", x)
		}
	}
}
