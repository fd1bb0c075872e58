package acmeserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/challenge"
	"postseal/internal/peers"
)

const (
	testHost  = "ca.example.test"
	testBase  = "https://" + testHost + "/acme/servers"
	testID    = "server-1"
	authority = "servers-id"
)

var errTest = errors.New("a fault of the test")

// house is an ACME server with an authority whose book is a real state, names that lead to this machine, and a web
// server that shows whatever a client puts there.
type house struct {
	*Server
	db     *state.DB
	book   *book
	names  *peers.NameServer
	faults *faults

	mu    sync.Mutex
	pages map[string]string
}

// faults are what happens to commits.
type faults struct {
	mu      sync.Mutex
	commits int
	at      int // the commit of that number, counted from 1, fails; 0: none does
	noRoom  bool
	lost    bool
}

func (f *faults) commit(commit func() error) error {
	f.mu.Lock()
	f.commits++
	hit, lost, noRoom := f.commits == f.at, f.lost, f.noRoom
	f.mu.Unlock()
	if noRoom {
		return syscall.ENOSPC
	}
	if !hit {
		return commit()
	}
	if lost {
		return errors.Join(commit(), errTest)
	}
	return errTest
}

// set lets the nth commit from now fail.
func (f *faults) set(n int, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits, f.at, f.lost = 0, n, lost
}

// full lets every commit find no room on the disk.
func (f *faults) full(noRoom bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noRoom = noRoom
}

func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commits
}

// book is the authority: the numbered steps with a state as the ledger.
type book struct {
	db      *state.DB
	issuer  *ca.Issuer
	offer   *Offer
	secrets map[string]string
	unknown bool // Plan says that the outcome is not known, though it was done
}

func newHouse(t testing.TB, change func(*Options)) *house {
	t.Helper()
	return newHouseIn(t, t.TempDir(), change)
}

func newHouseIn(t testing.TB, dir string, change func(*Options)) *house {
	t.Helper()
	h := &house{faults: &faults{}, pages: map[string]string{}}
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true, Commit: h.faults.commit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // an error when the test has closed it
	h.db = db
	h.book = newBook(t, db)
	h.names = peers.NewNameServer(t)
	h.names.Set(t, "*.example.test", "A", "127.0.0.1")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		fmt.Fprint(w, h.pages[r.URL.Path])
	}))
	t.Cleanup(web.Close)
	validator, err := challenge.New(challenge.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: h.names.Address,
		HTTPPort: netip.MustParseAddrPort(web.Listener.Addr().String()).Port()})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{State: db, Server: testID, Authority: h.book, Validator: validator, Known: func(host string) bool { return host == testHost }, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	if h.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.proofs.running.Wait)
	return h
}

// newBook makes an authority, or finds the one that is there, with the same key.
func newBook(t testing.TB, db *state.DB) *book {
	t.Helper()
	rootKey, key := generate(t), generate(t)
	raw, err := ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: pkix.Name{CommonName: "Example Root"}}, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	root := newIssuer(t, ca.PurposeRoot, raw, rootKey)
	domains := []string{"example.test", "example.com"}
	raw, err = root.Certify(ca.AuthorityOptions{Purpose: ca.PurposeServers, Subject: pkix.Name{CommonName: "Example Servers"}, Key: key.Public(), Domains: domains, Networks: []string{"127.0.0.0/8"},
		CRL: "http://pki.example.test/root.crl", Issuers: "http://pki.example.test/root.cer"})
	if err != nil {
		t.Fatal(err)
	}
	b := &book{db: db, issuer: newIssuer(t, ca.PurposeServers, raw, key), secrets: map[string]string{}}
	b.offer = &Offer{Issuer: b.issuer, Profiles: map[string]*ca.Profile{}, CAA: []string{"pki.example.test"}}
	for _, o := range []ca.ProfileOptions{
		{Name: "server", Domains: domains, Wildcards: true},
		{Name: "numbers", Domains: domains, Networks: []string{"127.0.0.0/8"}, Names: []ca.NameKind{ca.NameHost, ca.NameAddress}},
	} {
		if b.offer.Profiles[o.Name], err = ca.NewProfile(o); err != nil {
			t.Fatal(err)
		}
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Update(t.Context(), state.Actor{Who: "tester", From: "test"}, func(tx *state.Tx) error {
		tx.ActFor(testID)
		sum := sha256.Sum256(raw)
		return errors.Join(tx.AddAuthority(state.Authority{ID: authority, Name: "servers", Purpose: "servers", State: state.AuthorityActive, PublicKey: spki}),
			tx.CertifyAuthority(authority, hex.EncodeToString(sum[:]), raw, nil), tx.AddShard(authority, 1), tx.Audit("test", "servers", nil, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newIssuer(t testing.TB, p ca.Purpose, raw []byte, signer crypto.Signer) *ca.Issuer {
	t.Helper()
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	i, err := ca.NewIssuer(ca.IssuerOptions{Purpose: p, Certificate: cert, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func generate(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (b *book) Offer(_ context.Context, purpose string) (*Offer, error) {
	if purpose != "servers" {
		return nil, ErrNoDirectory
	}
	return b.offer, nil
}

func (b *book) Certify(ctx context.Context, a Ask) error {
	_, err := ca.New(b.issuer, &ledger{book: b, who: a.Who, ask: a}).Issue(ctx, b.offer.Profiles[a.Profile], ca.Request{PublicKey: a.PublicKey, Names: a.Names, CRL: "http://pki.example.test/servers/1.crl"})
	return err
}

func (b *book) Chain(context.Context, state.Issuance) (string, error) {
	return x509cert.PEM(b.issuer.Certificate().Raw), nil
}

func (b *book) Finish(ctx context.Context, serial string) error {
	_, err := ca.New(b.issuer, &ledger{book: b, who: state.Actor{Who: "postseal", From: "acme"}}).Resume(ctx, serial)
	return err
}

func (b *book) TakeBack(ctx context.Context, who state.Actor, serial string, reason int) error {
	_, err := b.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(testID)
		if i, err := tx.Issuance(serial); err != nil || !i.RevokedAt.IsZero() {
			return errors.Join(err, state.ErrExists)
		}
		return errors.Join(tx.Revoke(serial, reason), tx.Audit("ca revoke", serial, nil, nil))
	})
	return err
}

func (b *book) SharedKey(_ context.Context, secretID string) (keys.Secret, error) {
	return keys.Secret(b.secrets[secretID]), nil
}

// ledger is the state as an authority sees it.
type ledger struct {
	*book
	who state.Actor
	ask Ask
}

func (l *ledger) append(ctx context.Context, f func(tx *state.Tx) error) error {
	err := l.db.Append(ctx, l.who, func(tx *state.Tx) error {
		tx.ActFor(testID)
		return f(tx)
	})
	if errors.Is(err, state.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", ca.ErrOutcomeUnknown, err)
	}
	return err
}

func (l *ledger) Plan(ctx context.Context, d *ca.Draft) error {
	err := l.append(ctx, func(tx *state.Tx) error {
		return errors.Join(tx.PlanIssuance(state.Issuance{Serial: d.Serial, AuthorityID: authority, Shard: 1, Profile: d.Profile, Requester: l.ask.Requester, Subject: d.Subject, KeyID: d.KeyID,
			Names: d.Names, NotBefore: d.NotBefore, NotAfter: d.NotAfter, TBS: d.TBS}), l.ask.Planned(tx, d.Serial), tx.Audit("ca plan", d.Serial, nil, nil))
	})
	if err == nil && l.unknown {
		err = fmt.Errorf("%w: %w", ca.ErrOutcomeUnknown, errTest)
	}
	return err
}

func (l *ledger) Record(ctx context.Context, d *ca.Draft, raw []byte) error {
	return l.append(ctx, func(tx *state.Tx) error {
		return errors.Join(tx.RecordIssuance(d.Serial, raw), tx.Audit("ca issue", d.Serial, nil, nil))
	})
}

func (l *ledger) Planned(ctx context.Context, serial string) (d *ca.Draft, raw []byte, err error) {
	err = l.db.View(ctx, func(tx *state.Tx) error {
		i, err := tx.Issuance(serial)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err == nil {
			d, raw = &ca.Draft{Serial: i.Serial, Profile: i.Profile, Subject: i.Subject, NotBefore: i.NotBefore, NotAfter: i.NotAfter, KeyID: i.KeyID, TBS: i.TBS}, i.Certificate
		}
		return err
	})
	return d, raw, err
}

// eab is a key that an administrator gave out.
type eab struct {
	kid    string
	secret string
}

func (h *house) newEAB(t testing.TB, k state.ACMEKey) eab {
	t.Helper()
	k.ID, k.SecretID, k.MadeBy = newID(), newID(), "tester"
	if k.Authority == "" {
		k.Authority = "servers"
	}
	if k.Profile == "" {
		k.Profile = "server"
	}
	k.Accounts = max(k.Accounts, 1)
	if k.ExpiresAt.IsZero() {
		k.ExpiresAt = time.Now().Add(time.Hour)
	}
	h.change(t, func(tx *state.Tx) error {
		return errors.Join(tx.AddSecret(state.Secret{ID: k.SecretID, Kind: state.SecretACMEKey, Ciphertext: []byte("sealed")}), tx.AddACMEKey(k))
	})
	h.book.secrets[k.SecretID] = newToken()
	return eab{k.ID, h.book.secrets[k.SecretID]}
}

// change changes the state as an administrator does.
func (h *house) change(t testing.TB, f func(tx *state.Tx) error) {
	t.Helper()
	_, err := h.db.Update(t.Context(), state.Actor{Who: "tester", From: "test"}, func(tx *state.Tx) error {
		tx.ActFor(testID)
		return errors.Join(f(tx), tx.Audit("test", "object", nil, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// issued counts the book: lines that were planned, and certificates.
func (h *house) issued(t testing.TB) (planned, recorded int) {
	t.Helper()
	err := h.db.View(context.Background(), func(tx *state.Tx) error {
		all, err := tx.Issuances("", 10_000)
		planned = len(all)
		for _, i := range all {
			if i.Certificate != nil {
				recorded++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return planned, recorded
}

// RoundTrip carries a request of any client to the server, without a network.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	in.TLS = httptest.NewRequest(http.MethodGet, "https://x/", nil).TLS
	in.RemoteAddr = "192.0.2.7:4711"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.Handler().ServeHTTP(w, in)
	return w.Result(), nil
}

// client speaks ACME as wrongly as a test wants.
type client struct {
	t     testing.TB
	h     *house
	key   crypto.Signer
	kid   string // empty: it has no account yet
	nonce string // of the last answer
}

func (h *house) client(t testing.TB) *client { return &client{t: t, h: h, key: generate(t)} }

// member is a client with an account.
func (h *house) member(t testing.TB, k state.ACMEKey) *client {
	t.Helper()
	c := h.client(t)
	if a := c.register(h.newEAB(t, k)); a.status != http.StatusCreated {
		t.Fatalf("new account: got %v", a)
	}
	return c
}

// answer is what the server said.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	problem acme.Problem // empty if it is none
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if a.status >= 300 {
		t.Fatalf("got %v", a)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
}

// want fails the test unless the answer is that problem with that status.
func (a answer) want(t testing.TB, status int, problem acme.ProblemType) {
	t.Helper()
	if a.status != status || a.problem.Type != problem || a.header.Get("Content-Type") != "application/problem+json" || a.problem.Status != status {
		t.Errorf("got %v (%s), want %d %s", a, a.header.Get("Content-Type"), status, problem)
	}
}

// do sends a request as it is.
func (c *client) do(method, url, kind string, body []byte) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	response, err := c.h.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header}
	b := new(bytes.Buffer)
	if _, err := b.ReadFrom(response.Body); err != nil {
		c.t.Fatal(err)
	}
	a.body = b.Bytes()
	if n := a.header.Get("Replay-Nonce"); n != "" {
		c.nonce = n
	}
	if a.header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(a.body, &a.problem); err != nil || a.problem.Detail == "" || !bytes.Contains(a.body, []byte(`"urn:ietf:params:acme:error:`)) {
			c.t.Errorf("no problem document: %s, %v", a.body, err)
		}
	}
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		c.t.Errorf("%s %s: pages of strangers may read the answer", method, url)
	}
	return a
}

func (c *client) get(url string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, url, "", nil)
}

// header is that of the next message.
func (c *client) header(url string) acme.Header {
	c.t.Helper()
	if c.nonce == "" {
		c.do(http.MethodHead, testBase+"/new-nonce", "", nil)
	}
	h := acme.Header{URL: url, Nonce: c.nonce, KeyID: c.kid}
	c.nonce = ""
	return h
}

const jose = "application/jose+json"

// post says something. nil is POST-as-GET.
func (c *client) post(url string, payload any) answer {
	c.t.Helper()
	return c.do(http.MethodPost, url, jose, c.sign(c.key, c.header(url), payload))
}

func (c *client) sign(key crypto.Signer, h acme.Header, payload any) []byte {
	c.t.Helper()
	var text []byte
	if payload != nil {
		var err error
		if text, err = json.Marshal(payload); err != nil {
			c.t.Fatal(err)
		}
	}
	body, err := acme.Sign(key, h, text)
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}

// register makes an account with a key of an administrator.
func (c *client) register(k eab) answer {
	c.t.Helper()
	a := c.post(testBase+"/new-account", acme.Account{Contact: []string{"mailto:admin@example.test"}, ExternalAccountBinding: c.binding(k, testBase+"/new-account")})
	if a.status < 300 {
		c.kid = a.header.Get("Location")
	}
	return a
}

func (c *client) binding(k eab, url string) json.RawMessage {
	c.t.Helper()
	jwk, err := acme.NewKey(c.key.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	return mac([]byte(k.secret), fmt.Sprintf(`{"alg":"HS256","kid":"%s","url":"%s"}`, k.kid, url), jwk.JWK())
}

// order asks for names.
func (c *client) order(names ...string) answer {
	c.t.Helper()
	return c.post(testBase+"/new-order", acme.Order{Identifiers: identifiers(names...)})
}

func identifiers(names ...string) []acme.Identifier {
	all := []acme.Identifier{}
	for _, n := range names {
		kind := acme.IdentifierDNS
		if _, err := netip.ParseAddr(n); err == nil {
			kind = acme.IdentifierIP
		}
		all = append(all, acme.Identifier{Type: kind, Value: n})
	}
	return all
}

// placed is an order with its address.
type placed struct {
	acme.Order
	url string
}

// ready orders names and proves them over HTTP.
func (c *client) ready(names ...string) placed {
	c.t.Helper()
	a := c.order(names...)
	o := placed{url: a.header.Get("Location")}
	a.into(c.t, &o.Order)
	for _, at := range o.Authorizations {
		if got := c.prove(at); got.Status != acme.StatusValid {
			c.t.Fatalf("%s: got %+v", at, got)
		}
	}
	return o
}

// prove does what http-01 asks for.
func (c *client) prove(authorization string) acme.Challenge {
	c.t.Helper()
	var z acme.Authorization
	c.post(authorization, nil).into(c.t, &z)
	n := slices.IndexFunc(z.Challenges, func(x acme.Challenge) bool { return x.Type == acme.HTTP01 })
	if n < 0 {
		c.t.Fatalf("%s: no http-01 in %+v", authorization, z)
	}
	key, err := acme.NewKey(c.key.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	c.h.mu.Lock()
	c.h.pages["/.well-known/acme-challenge/"+z.Challenges[n].Token] = key.Authorization(z.Challenges[n].Token)
	c.h.mu.Unlock()
	var done acme.Challenge
	c.post(z.Challenges[n].URL, struct{}{}).into(c.t, &done)
	for done.Status == acme.StatusProcessing { // each question waits for the look
		c.post(z.Challenges[n].URL, nil).into(c.t, &done)
	}
	return done
}

// finalize sends a request.
func (c *client) finalize(o placed, csr []byte) answer {
	c.t.Helper()
	return c.post(o.Finalize, acme.Finalize{CSR: base64.RawURLEncoding.EncodeToString(csr)})
}

// enrol gets a certificate.
func (c *client) enrol(key crypto.Signer, names ...string) *x509.Certificate {
	c.t.Helper()
	o := c.ready(names...)
	c.finalize(o, csr(c.t, key, names...)).into(c.t, &o.Order)
	return c.fetch(o)
}

// fetch reads the certificate of a finished order.
func (c *client) fetch(o placed) *x509.Certificate {
	c.t.Helper()
	if o.Status != acme.StatusValid {
		c.t.Fatalf("the order is %s", o.Status)
	}
	all := chain(c.t, c.post(o.Certificate, nil))
	if err := all[0].CheckSignatureFrom(c.h.book.issuer.Certificate()); err != nil || len(all) != 2 {
		c.t.Fatalf("%d certificates, %v", len(all), err)
	}
	return all[0]
}

// csr is a request for names.
func csr(t testing.TB, key crypto.Signer, names ...string) []byte {
	t.Helper()
	r := &x509.CertificateRequest{}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			r.IPAddresses = append(r.IPAddresses, a.AsSlice())
		} else {
			r.DNSNames = append(r.DNSNames, n)
		}
	}
	return csrOf(t, key, r)
}

func csrOf(t testing.TB, key crypto.Signer, r *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, r, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certID is the identifier of RFC 9773 section 4.1.
func certID(c *x509.Certificate) string {
	serial := c.SerialNumber.Bytes()
	if serial[0] >= 0x80 {
		serial = append([]byte{0}, serial...)
	}
	return strings.Join([]string{base64.RawURLEncoding.EncodeToString(c.AuthorityKeyId), base64.RawURLEncoding.EncodeToString(serial)}, ".")
}

// moveTo makes another authority that of a certificate.
func (h *house) moveTo(t testing.TB, c *x509.Certificate, id string) {
	t.Helper()
	h.sql(t, fmt.Sprintf(`UPDATE issuance SET authority_id = '%s' WHERE serial = '%x'`, id, c.SerialNumber.Bytes()))
}

// sql changes the state behind the server's back.
func (h *house) sql(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.db.Dir()+"/"+state.FileName)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// newQuietServer is one that proves nothing.
func newQuietServer(t testing.TB, db *state.DB, b *book) *Server {
	t.Helper()
	v, err := challenge.New(challenge.Options{Resolver: "127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{State: db, Server: testID, Authority: b, Validator: v, Known: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
