package admin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/door"
)

// served is a management listener over real TLS, with the certificate that the keyring has for it.
type served struct {
	organisation
	url     string
	door    *door.Door
	stolen  atomic.Pointer[tls.Certificate] // served instead, when set
	asked   atomic.Int32                    // requests with a token
	handler http.Handler
}

func serveManagement(t *testing.T) *served {
	t.Helper()
	s := &served{organisation: newOrganisation(t, running{}), door: new(door.Door)}
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			status := http.StatusForbidden
			if r.FormValue("token") == "good" {
				status = http.StatusSeeOther
			}
			w.WriteHeader(status)
			return
		}
		io.WriteString(w, "pages")
	})
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "numbers") })
	s.handler = Remote(Options{Desk: s.Desk, Door: s.door, Log: testLog(t), Metrics: metrics}, pages)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			s.asked.Add(1)
		}
		s.handler.ServeHTTP(w, r)
	}))
	ring := s.Ring().Config("management")
	server.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c := s.stolen.Load(); c != nil {
			return &tls.Config{Certificates: []tls.Certificate{*c}}, nil
		}
		return ring.GetConfigForClient(hello)
	}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *served) token(t *testing.T, name string, scope desk.Scope) string {
	t.Helper()
	token, err := s.NewToken(t.Context(), tester(), desk.TokenRequest{Name: name, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}

func (s *served) fingerprint(t *testing.T) string {
	t.Helper()
	v, err := s.Fingerprints(t.Context())
	if err != nil || len(v.Fingerprints) != 1 {
		t.Fatalf("got %v, %v", v, err)
	}
	return v.Fingerprints[0]
}

// ask sends a request over TLS as the listener sees it.
func (s *served) ask(t *testing.T, method, path, authorization, from, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://mail1.example.com:8172"+path, strings.NewReader(body))
	r.RemoteAddr = from + ":4000"
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func TestTokensReachAsFarAsTheirScope(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	tokens := map[desk.Scope]string{}
	for _, scope := range desk.Scopes() {
		tokens[scope] = s.token(t, string(scope), scope)
	}
	for name, a := range acts(s.Desk) {
		for scope, token := range tokens {
			w := s.ask(t, "POST", "/api/v1/"+name, "Bearer "+token, "192.0.2.1", `{"nonsense":1}`)
			if scope.Allows(a.scope) {
				if w.Code != http.StatusBadRequest { // it was let in, and its request is wrong
					t.Errorf("%s with %s: got %d, %s", name, scope, w.Code, w.Body)
				}
				continue
			}
			p := new(Problem)
			if err := json.Unmarshal(w.Body.Bytes(), p); w.Code != http.StatusForbidden || err != nil || p.Name != "admin.ScopeError" || p.Hint == "" {
				t.Errorf("%s with %s: got %d, %s", name, scope, w.Code, w.Body)
			}
			if got, want := w.Header().Get("WWW-Authenticate"), fmt.Sprintf(`Bearer realm="postseal", error="insufficient_scope", scope="%s"`, a.scope); got != want {
				t.Errorf("%s with %s: got %s, want %s", name, scope, got, want)
			}
		}
	}
	w := s.ask(t, "POST", "/api/v1/cert/new", "bearer "+tokens[desk.ScopeOperate], "192.0.2.1", `{"name":"N","kinds":["ed25519"]}`)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d, %s", w.Code, w.Body)
	}
	var last state.AuditRow
	if err := s.State().View(t.Context(), func(tx *state.Tx) error {
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		rows, err := tx.AuditRows(servers[0].ID, 1)
		last = rows[0]
		return err
	}); err != nil || last.Who != "token operate" || last.From != "api 192.0.2.1" {
		t.Errorf("the audit row says %+v, %v", last, err)
	}
	// A token cannot make one that outlives it.
	w = s.ask(t, "POST", "/api/v1/admin/token-new", "Bearer "+tokens[desk.ScopeAdmin], "192.0.2.1", `{"name":"heir","scope":"admin","expiresIn":34387200}`)
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "must not outlive") {
		t.Errorf("an heir: got %d, %s", w.Code, w.Body)
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	good := s.token(t, "good", desk.ScopeRead)
	revoked := s.token(t, "revoked", desk.ScopeAdmin)
	if _, err := s.RevokeToken(t.Context(), tester(), desk.TokenNameRequest{Name: "revoked"}); err != nil {
		t.Fatal(err)
	}
	near := good[:len(good)-1] + string(good[len(good)-1]^1)
	invalid, none := `error="invalid_token"`, `Bearer realm="postseal"`
	for name, c := range map[string]struct {
		authorization string
		status        int
		challenge     string
	}{
		"none":           {"", 401, none},
		"another scheme": {"Basic " + good, 401, none},
		"no scheme":      {good, 401, none},
		"empty":          {"Bearer ", 401, invalid},
		"near":           {"Bearer " + near, 401, invalid},
		"revoked":        {"Bearer " + revoked, 401, invalid},
		"a part":         {"Bearer " + good[:30], 401, invalid},
		"two":            {"Bearer " + good + " " + good, 401, invalid},
		"huge":           {"Bearer " + strings.Repeat("a", 10000), 401, invalid},
		"good":           {"Bearer " + good, 200, ""},
	} {
		w := s.ask(t, "POST", "/api/v1/cert/list", c.authorization, "192.0.2."+fmt.Sprint(len(name)), "")
		if w.Code != c.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), c.challenge) || c.challenge == none && w.Header().Get("WWW-Authenticate") != none {
			t.Errorf("%s: got %d, %v, %s", name, w.Code, w.Header(), w.Body)
		}
		if p := new(Problem); c.status != 200 && (json.Unmarshal(w.Body.Bytes(), p) != nil || p.Hint == "") {
			t.Errorf("%s: got %s, want a hint", name, w.Body)
		}
	}
	in := httptest.NewRequestWithContext(t.Context(), "POST", "http://mail1.example.com/api/v1/cert/list", nil)
	in.Header.Set("Authorization", "Bearer "+good)
	w := httptest.NewRecorder()
	if s.handler.ServeHTTP(w, in); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "TLS only") {
		t.Errorf("in clear: got %d, %s", w.Code, w.Body)
	}
	list, err := s.Tokens(t.Context())
	if err != nil || len(list) != 1 || list[0].UsedAt.IsZero() || list[0].Expired {
		t.Errorf("got %+v, %v, want a last use", list, err)
	}
	if raw, err := os.ReadFile(filepath.Join(s.State().Dir(), state.FileName)); err != nil || strings.Contains(string(raw), good) {
		t.Errorf("the state holds the token itself, or %v", err)
	}
}

func TestTooManyBadTokens(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	good := s.token(t, "good", desk.ScopeRead)
	for i := range door.Tries {
		if w := s.ask(t, "POST", "/api/v1/cert/list", "Bearer forged", "192.0.2.9", ""); w.Code != http.StatusUnauthorized {
			t.Fatalf("try %d: got %d", i, w.Code)
		}
	}
	for _, path := range []string{"/api/v1/cert/list", "/sign-in"} {
		w := s.ask(t, "POST", path, "Bearer "+good, "192.0.2.9", "")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" {
			t.Errorf("%s: got %d, %v", path, w.Code, w.Header())
		}
	}
	if w := s.ask(t, "POST", "/api/v1/cert/list", "Bearer "+good, "192.0.2.10", ""); w.Code != http.StatusOK {
		t.Errorf("a neighbour: got %d", w.Code)
	}
	// The Unix socket has no door.
	if status, _, _ := post(t, apiOf(t, s.organisation), "/api/v1/cert/list", ""); status != http.StatusOK {
		t.Errorf("the socket: got %d", status)
	}
	// Links count the same.
	for range door.Tries {
		s.ask(t, "POST", "/sign-in", "", "192.0.2.11", "")
	}
	if wait := s.door.Wait(netip.MustParseAddr("192.0.2.11")); wait == 0 {
		t.Error("bad links are not counted")
	}
	if w := s.ask(t, "GET", "/sign-in", "", "192.0.2.11", ""); w.Body.String() != "pages" {
		t.Errorf("a look: got %s", w.Body)
	}
}

func TestMetricsNeedATokenOrLoopback(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	token := "Bearer " + s.token(t, "prometheus", desk.ScopeRead)
	for _, c := range []struct {
		from, authorization string
		status              int
	}{{"192.0.2.1", "", 401}, {"127.0.0.1", "", 401}, {"192.0.2.1", token, 200}} {
		if w := s.ask(t, "GET", "/metrics", c.authorization, c.from, ""); w.Code != c.status {
			t.Errorf("%v: got %d, want %d", c, w.Code, c.status)
		}
	}
	local := Remote(Options{Desk: s.Desk, LoopbackMetrics: true, Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, http.NotFoundHandler())
	for name, c := range map[string]struct {
		from, header string
		status       int
	}{"here": {"127.0.0.1:1", "", 200}, "here, IPv6": {"[::1]:1", "", 200}, "elsewhere": {"192.0.2.1:1", "", 401}, "passed on": {"127.0.0.1:1", "X-Forwarded-For", 401}, "by Via": {"[::1]:1", "Via", 401}} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "https://x/metrics", nil)
		r.RemoteAddr = c.from
		if c.header != "" {
			r.Header.Set(c.header, "x")
		}
		w := httptest.NewRecorder()
		if local.ServeHTTP(w, r); w.Code != c.status {
			t.Errorf("%s: got %d, want %d", name, w.Code, c.status)
		}
	}
}

// TestAPinMovesWithTheCertificate: the first use, a renewal, two renewals at once, and somebody in between.
func TestAPinMovesWithTheCertificate(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	token := keys.NewSecret(s.token(t, "far", desk.ScopeAdmin))
	pins := Pins{Path: filepath.Join(t.TempDir(), "postseal", "remotes")}
	var notes []string
	dial := func(fingerprint string, ask bool) error {
		o := RemoteOptions{Address: s.url, Fingerprint: fingerprint, Token: token, Pins: pins, Note: func(n string) { notes = append(notes, n) }}
		if ask {
			o.Ask = func(_, shown string) (bool, error) { return shown == s.fingerprint(t), nil }
		}
		c, err := DialRemote(t.Context(), o)
		if err != nil {
			return err
		}
		var list []desk.Certificate
		if err := c.Call(t.Context(), "cert/list", Nothing{}, &list); err != nil || len(list) == 0 {
			return fmt.Errorf("asking: %d, %w", len(list), err)
		}
		return nil
	}
	asked := func(step string, want int32) {
		t.Helper()
		if got := s.asked.Swap(0); got != want {
			t.Errorf("%s: the token was shown %d times, want %d", step, got, want)
		}
	}
	if err := dial("", false); !is[*UnpinnedError](err) {
		t.Errorf("unknown: got %v", err)
	}
	if err := dial("00", false); !is[*FingerprintError](err) {
		t.Errorf("no fingerprint: got %v", err)
	}
	if err := dial(strings.Repeat("00", 32), false); !is[*PinError](err) {
		t.Errorf("another: got %v", err)
	}
	asked("before it is pinned", 0)
	first := s.fingerprint(t)
	upper := strings.ToUpper(first)
	var colons []string
	for pair := range slices.Chunk([]byte(upper), 2) {
		colons = append(colons, string(pair))
	}
	if err := dial("SHA256:"+strings.Join(colons, ":"), false); err != nil {
		t.Fatal(err)
	}
	if err := dial("", false); err != nil {
		t.Errorf("kept: %v", err)
	}
	asked("pinned", 2)

	renew := func() {
		t.Helper()
		if _, err := s.Renew(t.Context(), tester(), desk.RenewRequest{ID: "management-mail1-example-com"}); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	if err := dial("", false); err != nil || len(notes) != 1 || s.fingerprint(t) == first {
		t.Errorf("renewed: got %v, %q", err, notes)
	}
	if err := dial(first, false); err != nil {
		t.Errorf("a script that still gives the first: %v", err)
	}
	renew()
	renew() // the key of the pinned one is that of a retired generation now
	if err := dial("", false); err != nil {
		t.Errorf("renewed twice: %v", err)
	}
	asked("renewed", 3)
	if pin, err := pins.Get(strings.TrimPrefix(s.url, "https://")); err != nil || pin != s.fingerprint(t) {
		t.Errorf("kept is %s, %v", pin, err)
	}

	// Somebody in between, with a certificate of his own and everything that the true server ever said.
	s.stolen.Store(foreign(t))
	if err := dial("", false); !is[*PinError](err) {
		t.Errorf("in between: got %v", err)
	}
	if err := dial(first, false); !is[*PinError](err) {
		t.Errorf("in between, with the first: got %v", err)
	}
	asked("in between", 0)
	s.stolen.Store(nil)
	if err := dial("", false); err != nil {
		t.Errorf("back: %v", err)
	}
	// The first use on a terminal.
	pins.Path = filepath.Join(t.TempDir(), "remotes")
	if err := dial("", true); err != nil {
		t.Error(err)
	}
}

func is[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

// foreign is a certificate that has nothing to do with the organisation.
func foreign(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mail1.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestASuccessionSaysOnlyWhatItSays(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	first := s.fingerprint(t)
	if _, err := s.Renew(t.Context(), tester(), desk.RenewRequest{ID: "management-mail1-example-com"}); err != nil {
		t.Fatal(err)
	}
	second := s.fingerprint(t)
	nonce := desk.NewSuccessionNonce()
	good, err := s.Succession(t.Context(), first, nonce)
	if err != nil || !good.Follows(nonce, first, second) {
		t.Fatalf("got %+v, %v", good, err)
	}
	if good.Follows(nonce, second, first) || good.Follows(nonce, first, first) || good.Follows(nonce, strings.Repeat("00", 32), second) {
		t.Error("it says more")
	}
	if good.Follows(desk.NewSuccessionNonce(), first, second) {
		t.Error("an answer that somebody has kept is believed")
	}
	for _, none := range []string{"", "00", strings.Repeat("g", 64)} {
		if _, err := s.Succession(t.Context(), first, none); !errors.Is(err, desk.ErrSuccessionNonce) {
			t.Errorf("nonce %q: got %v", none, err)
		}
	}
	bad := *good
	bad.Fingerprint = append(slices.Clone(bad.Fingerprint), strings.Repeat("11", 32))
	if bad.Follows(nonce, first, strings.Repeat("11", 32)) || bad.Follows(nonce, first, second) {
		t.Error("an added successor is believed")
	}
	bad = *good
	bad.Signature = slices.Clone(bad.Signature)
	bad.Signature[len(bad.Signature)-1] ^= 1
	if bad.Follows(nonce, first, second) {
		t.Error("a broken signature is believed")
	}
	if _, err := s.Succession(t.Context(), strings.Repeat("00", 32), nonce); !errors.Is(err, desk.ErrNoSuccession) {
		t.Errorf("got %v", err)
	}
	for _, kind := range []string{"rsa-2048", "ed25519"} {
		if _, err := s.New(t.Context(), tester(), desk.NewRequest{Name: kind, Lineage: kind, Domains: []string{"mail1.example.com"}, Kinds: []string{kind}, Services: "MANAGEMENT"}); err != nil {
			t.Fatal(err)
		}
		from := s.fingerprint(t)
		if _, err := s.Enable(t.Context(), tester(), desk.EnableRequest{ID: "management-mail1-example-com", Services: "MANAGEMENT"}); err != nil {
			t.Fatal(err)
		}
		if next, err := s.Succession(t.Context(), from, nonce); err != nil || !next.Follows(nonce, from, second) {
			t.Errorf("%s: got %+v, %v", kind, next, err)
		}
	}
}

func TestAddressesAndPins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://mail1.example.com": "mail1.example.com:8172", "https://MAIL1.example.com:443/": "mail1.example.com:443", "https://[2001:db8::1]": "[2001:db8::1]:8172",
		"https://[2001:db8::1]:1": "[2001:db8::1]:1", "http://mail1.example.com": "", "mail1.example.com": "", "https://": "", "https://a/b": "", "https://u@a": "", "https://a:0": "", "https://a:x": "",
	} {
		if got, err := hostPort(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	pin := strings.Repeat("ab", 32)
	p := Pins{Path: filepath.Join(t.TempDir(), "remotes")}
	for _, address := range []string{"a:1", "b:2", "a:1"} {
		if err := p.Set(address, pin); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(p.Path)
	if err != nil || string(text) != pinsHead+"a:1 "+pin+"\nb:2 "+pin+"\n" {
		t.Errorf("got %s, %v", text, err)
	}
	if got, err := p.Get("c:3"); got != "" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if err := os.WriteFile(p.Path, []byte("a:1 rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get("a:1"); !is[*PinsError](err) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(p.Path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get("b:2"); !is[*PinsError](err) {
		t.Errorf("others may write: got %v", err)
	}
}
