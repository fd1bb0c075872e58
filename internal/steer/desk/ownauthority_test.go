package desk

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/request"
)

// authorityHouse is a running server with an authority of its own.
func authorityHouse(t *testing.T) *house {
	t.Helper()
	h := runningHouse(t)
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	return h
}

// newCSR is a request of somebody who has a key.
func newCSR(t testing.TB, names ...string) ImportFile {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := request.Create(request.Options{Names: names}, key)
	if err != nil {
		t.Fatal(err)
	}
	return ImportFile{Name: "a.csr", Data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})}
}

// certified issues for a request.
func (h *house) certified(t testing.TB, who state.Actor, names ...string) *Certified {
	t.Helper()
	c, err := h.Certify(t.Context(), who, CertifyRequest{CSR: newCSR(t, names...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// revokedList reads a list as a client does, over HTTP, and checks its signature.
func (h *house) revokedList(t *testing.T, path string) *x509.RevocationList {
	t.Helper()
	w := httptest.NewRecorder()
	h.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: got %d", path, w.Code)
	}
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := h.authorityNamed(t.Context(), strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/pki/"), ".crl"), "/")[0])
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(cert); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return list
}

func (h *house) crlSerials(t *testing.T, path string) (all []string) {
	t.Helper()
	for _, e := range h.revokedList(t, path).RevokedCertificateEntries {
		all = append(all, hex.EncodeToString(e.SerialNumber.Bytes()))
	}
	return all
}

// TestKeyOfAnIssuedCertificateIsNotLost: the server dies after the certificate is recorded and before its lineage is stored.
// The next one finds key and certificate together, unless the name was taken meanwhile.
func TestKeyOfAnIssuedCertificateIsNotLost(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("name taken %v", taken), func(t *testing.T) {
			t.Parallel()
			h := authorityHouse(t)
			p, err := IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop"}.plan(h.server)
			if err != nil {
				t.Fatal(err)
			}
			v, err := h.view(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.complete(v); err != nil {
				t.Fatal(err)
			}
			profile, err := h.profile(t.Context(), "server")
			if err != nil {
				t.Fatal(err)
			}
			made, err := h.issueLineage(t.Context(), tester(), v.sealer(), issuing{plan: p, profile: profile}) // and then it dies
			if err != nil {
				t.Fatal(err)
			}
			if taken {
				h.make(t, NewRequest{Lineage: "shop"})
			}
			if err := h.FinishIssuances(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := h.count(t, `SELECT count(*) FROM issuance WHERE secret_id IS NOT NULL`); n != 0 {
				t.Errorf("%d keys still wait", n)
			}
			if taken {
				if n := h.count(t, `SELECT count(*) FROM secret WHERE id = '`+made.lineage.Generations[0].Members[0].SecretID+`'`); n != 0 {
					t.Error("the key of nobody is kept")
				}
				if rows := h.audit(t); rows[len(rows)-1].Act != "ca give up" {
					t.Errorf("the last row is %q", rows[len(rows)-1].Act)
				}
				return
			}
			h.enable(t, EnableRequest{ID: "shop", Services: "HTTP"})
			if got, err := h.serves(t, "https", client("", "shop.example.com")); err != nil || got != made.lineage.Generations[0].Members[0].Thumbprint {
				t.Errorf("got %s, %v, want the certificate that was issued", got, err)
			}
			if err := h.FinishIssuances(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestShardBound: the bound of a revocation list holds however many ask at once.
func TestShardBound(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.certified(t, tester(), "a.example.com")
	const room = 3
	h.exec(t, fmt.Sprintf(`UPDATE revocation_shard SET issued = %d WHERE number = 1`, shardSize-room))
	var all sync.WaitGroup
	for n := range 20 {
		csr := newCSR(t, fmt.Sprintf("n%d.example.com", n))
		all.Go(func() {
			if _, err := h.Certify(context.Background(), tester(), CertifyRequest{CSR: csr}); err != nil {
				t.Errorf("certificate %d: %v", n, err)
			}
		})
	}
	all.Wait()
	if n := h.count(t, `SELECT issued FROM revocation_shard WHERE number = 1`); n != shardSize {
		t.Errorf("shard 1 has %d, want %d", n, shardSize)
	}
	if n := h.count(t, `SELECT issued FROM revocation_shard WHERE number = 2`); n != 20-room {
		t.Errorf("shard 2 has %d, want %d", n, 20-room)
	}
	if n := h.count(t, `SELECT count(*) FROM issuance i WHERE certificate IS NULL`); n != 0 {
		t.Errorf("%d were planned and not issued", n)
	}
}

// TestListsOnDisk follows one list from its first signature over a revocation, a restart, a revocation that no server saw,
// a lost file and a clock that went back, to the end of its shard.
func TestListsOnDisk(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	one, two := h.certified(t, tester(), "a.example.com"), h.certified(t, tester(), "b.example.com")
	const complete, shard = "/pki/servers.crl", "/pki/servers/1.crl"
	number := h.revokedList(t, complete).Number
	grows := func(what string, grow bool) {
		t.Helper()
		now := h.revokedList(t, complete).Number
		if grown := now.Cmp(number) > 0; grown != grow || now.Cmp(number) < 0 {
			t.Errorf("%s: number %v after %v, want a new one: %v", what, now, number, grow)
		}
		number = now
	}
	grows("asked again", false)
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: one.Serial, Reason: "keyCompromise"}); err != nil {
		t.Fatal(err)
	}
	grows("revoked", true)
	for _, path := range []string{complete, shard} {
		if got := h.crlSerials(t, path); !slices.Equal(got, []string{one.Serial}) {
			t.Errorf("%s: got %v", path, got)
		}
	}
	if got := h.revokedList(t, complete).RevokedCertificateEntries[0].ReasonCode; got != 1 {
		t.Errorf("reason %d, want 1", got)
	}
	h.reopen(t, Options{State: h.db, Sealing: h.sealing, Runtime: h.runtime, Health: h.health})
	grows("restarted", false)
	other, err := Open(t.Context(), Options{State: h.db, Sealing: h.sealing})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Revoke(t.Context(), tester(), RevokeRequest{ID: two.Serial}); err != nil {
		t.Fatal(err)
	}
	grows("revoked by another process", true)
	if got := h.crlSerials(t, shard); len(got) != 2 {
		t.Errorf("%s: got %v, want both", shard, got)
	}
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.dropLists(a.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	grows("the file was lost", true)
	// The clock was ahead: numbers go on from there.
	ahead := new(big.Int).SetInt64(time.Now().AddDate(1, 0, 0).UnixMicro())
	h.exec(t, `UPDATE revocation_shard SET crl_number = '`+ahead.String()+`', dirty = TRUE WHERE number = 0`)
	if got, want := h.revokedList(t, complete).Number, new(big.Int).Add(ahead, big.NewInt(1)); got.Cmp(want) != 0 {
		t.Errorf("after a clock that was ahead: number %v, want %v", got, want)
	}
	files, err := os.ReadDir(h.dir + "/" + PublishedDir)
	if err != nil || len(files) != 2 {
		t.Errorf("got %v, %v, want the two lists and nothing else", files, err)
	}
	h.exec(t, `UPDATE revocation_shard SET closed = TRUE, ends_at = 1, this_update = 2, next_update = 3 WHERE number = 1`)
	if err := h.TendLists(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, shard, nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a shard at its end: got %d", w.Code)
	}
	if files, _ := os.ReadDir(h.dir + "/" + PublishedDir); len(files) != 1 {
		t.Errorf("its file is still there: %v", files)
	}
}

// TestListFaults: the commit of a list's number fails, refused or with its answer lost. No number is used twice, and the
// list that is asked for next says everything.
func TestListFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		h := authorityHouse(t)
		c := h.certified(t, tester(), "a.example.com")
		before := h.revokedList(t, "/pki/servers.crl").Number
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
			t.Fatal(err)
		}
		h.fault.set(kind)
		_, err := h.RevocationList(t.Context(), ListRequest{})
		if kind == faultRefused && !errors.Is(err, errFault) || kind == faultLost && err != nil {
			t.Errorf("fault %d: got %v", kind, err)
		}
		if list := h.revokedList(t, "/pki/servers.crl"); list.Number.Cmp(before) <= 0 || len(list.RevokedCertificateEntries) != 1 {
			t.Errorf("fault %d: number %v after %v, %d entries", kind, list.Number, before, len(list.RevokedCertificateEntries))
		}
	}
}

// TestNobodyIsAskedAboutOurOwn: what our own authority has issued is judged from the book, and no address of ours is asked.
func TestNobodyIsAskedAboutOurOwn(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop", Enable: "HTTP"}); err != nil {
		t.Fatal(err)
	}
	look := func(lineage string, want x509cert.Status) {
		t.Helper()
		c, err := h.Certificate(t.Context(), lineage)
		if err != nil || c.Status != want {
			t.Errorf("%s: got %s (%s), %v, want %s", lineage, c.Status, c.StatusReason, err, want)
		}
	}
	// One that came back as a file is no lineage of the authority, and is judged like any other.
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := request.Create(request.Options{Names: []string{"post.example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: ImportFile{"post.csr", der}})
	if err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"post.pem", []byte(got.PEM)}, {"post.key", key.PEM().Bytes()}}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Name: "post", Lineage: "post"}); err != nil {
		t.Fatal(err)
	}
	look("shop", x509cert.StatusValid)
	look("post", x509cert.StatusValid)
	for _, id := range []string{"shop", "post"} {
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: id}); err != nil {
			t.Fatal(err)
		}
		look(id, x509cert.StatusRevoked)
	}
	checker, err := h.revoked()
	if err != nil {
		t.Fatal(err)
	}
	if all := checker.Sources(); len(all) != 0 {
		t.Errorf("addresses that would be asked: %+v", all)
	}
	if got := conditionsOf(t, h); !slices.Contains(got, "!certificateRevoked shop") {
		t.Errorf("got %q, want the alarm about what serves", got)
	}
}

// TestWaysToRevoke names what to take back in every way, and what is not ours in every way.
func TestWaysToRevoke(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	kim, lee := state.Actor{Who: "kim", From: "test"}, state.Actor{Who: "lee", From: "test"}
	csr := newCSR(t, "key.example.com")
	certify := func(who state.Actor, csr ImportFile) *Certified {
		t.Helper()
		c, err := h.Certify(t.Context(), who, CertifyRequest{CSR: csr, Profile: "device"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	serial, print, prefix, file := certify(lee, newCSR(t, "a.example.com")), certify(lee, newCSR(t, "b.example.com")), certify(lee, newCSR(t, "c.example.com")), certify(lee, newCSR(t, "d.example.com"))
	certify(lee, csr)
	certify(lee, csr)
	certify(kim, newCSR(t, "e.example.com"))
	certify(kim, newCSR(t, "f.example.com"))
	h.certified(t, lee, "g.example.com") // of profile server
	block, _ := pem.Decode([]byte(file.PEM))
	keyRow, err := h.Issued(t.Context(), IssuedQuery{Search: "key.example.com"})
	if err != nil || len(keyRow.Lines) != 2 {
		t.Fatalf("got %v, %v", keyRow, err)
	}
	foreign := newAuthority(t, "Foreign")
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		r    RevokeRequest
	}{
		{"an unknown serial", RevokeRequest{ID: strings.Repeat("5a", 16)}},
		{"an unknown thumbprint", RevokeRequest{ID: strings.Repeat("AB", 20)}},
		{"a self-signed lineage", RevokeRequest{ID: managementLineage}},
		{"a foreign certificate with a serial of ours", RevokeRequest{Certificate: &ImportFile{"x.cer", foreign.issueWithSerial(t, cert)}}},
		{"a foreign authority", RevokeRequest{Certificate: &ImportFile{"x.cer", foreign.cert.Raw}}},
		{"an unknown key", RevokeRequest{Key: strings.Repeat("00", 32)}},
		{"an unknown requester", RevokeRequest{Requester: "park"}},
		{"an unknown profile", RevokeRequest{Profile: "smime-sign"}},
	} {
		if _, err := h.Revoke(t.Context(), tester(), c.r); err == nil || errors.Is(err, state.ErrExists) {
			t.Errorf("%s: got %v, want a refusal", c.what, err)
		} else if _, ok := errors.AsType[*UnknownIssuedError](err); !ok {
			t.Errorf("%s: got %v, want UnknownIssuedError", c.what, err)
		}
	}
	for _, r := range []RevokeRequest{{}, {ID: "a", Profile: "server"}, {Key: "00"}, {ID: "a", Reason: "whim"}} {
		if _, err := h.Revoke(t.Context(), tester(), r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
	if n := h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`); n != 0 {
		t.Fatalf("%d were revoked by what was refused", n)
	}
	want := 0
	for _, c := range []struct {
		what string
		r    RevokeRequest
		n    int
	}{
		{"serial", RevokeRequest{ID: strings.ToUpper(serial.Serial[:2]) + ":" + serial.Serial[2:]}, 1},
		{"thumbprint", RevokeRequest{ID: print.Thumbprint}, 1},
		{"beginning of a thumbprint", RevokeRequest{ID: prefix.Thumbprint[:9]}, 1},
		{"file", RevokeRequest{Certificate: &ImportFile{"d.pem", []byte(file.PEM)}}, 1},
		{"key", RevokeRequest{Key: h.keyOf(t, keyRow.Lines[0].Serial)}, 2},
		{"requester", RevokeRequest{Requester: "kim"}, 2},
		{"profile", RevokeRequest{Profile: "server"}, 1},
	} {
		c.r.Reason = "superseded"
		if _, err := h.Revoke(t.Context(), tester(), c.r); err != nil {
			t.Errorf("by %s: %v", c.what, err)
		}
		if want += c.n; h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND reason = 4`) != want {
			t.Errorf("by %s: not %d", c.what, c.n)
		}
		if _, err := h.Revoke(t.Context(), tester(), c.r); !errors.Is(err, state.ErrExists) {
			t.Errorf("by %s again: got %v, want ErrExists", c.what, err)
		}
	}
	if got := h.crlSerials(t, "/pki/clients.crl"); len(got) != want-1 {
		t.Errorf("the list names %d, want %d", len(got), want-1)
	}
}

func (h *house) keyOf(t *testing.T, serial string) (id string) {
	t.Helper()
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		i, err := tx.Issuance(serial)
		id = i.KeyID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestStrangersAtThePublisher: how many are answered at once is bounded, and caches are told what they may keep.
func TestStrangersAtThePublisher(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	ask := func(method, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(""))
		if len(header) == 2 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.PKI().ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/pki/servers.crl", "/pki/root.cer", "/pki/root.crl"} {
		w := ask(http.MethodGet, path)
		tag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || tag == "" || w.Header().Get("Cache-Control") != "public, max-age=5" || w.Body.Len() == 0 {
			t.Errorf("%s: got %d, %v", path, w.Code, w.Header())
		}
		if again := ask(http.MethodGet, path, "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s again: got %d with %d octets", path, again.Code, again.Body.Len())
		}
	}
	for path, want := range map[string]int{"/pki/nobody.crl": 404, "/pki/servers/0.crl": 404, "/pki/servers/9.crl": 404, "/pki/servers/x.crl": 404, "/pki/../etc/passwd": 404, "/pki/": 404, "/pki/ocsp/nobody": 404} {
		if w := ask(http.MethodGet, path); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
	if w := ask(http.MethodPost, "/pki/servers.crl"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d", w.Code)
	}
	// One address fills its own share and no more, and all together fill the room.
	get := func(from string) int {
		r := httptest.NewRequest(http.MethodGet, "/pki/servers.crl", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.PKI().ServeHTTP(w, r)
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s was sent away for ever", from)
		}
		return w.Code
	}
	for n, one := range []struct{ network, address string }{
		{"2001:db8::/64", "[2001:db8::1]:1"}, {"2001:db8:0:1::/64", "[2001:db8:0:1::2]:1"}, {"2001:db8:0:2::/64", "[2001:db8:0:2::3]:1"}, {"192.0.2.1/32", "[::ffff:192.0.2.1]:1"},
	} {
		for range atOnceOfOne {
			if !h.pki.room.enter(netip.MustParsePrefix(one.network), atOnce, atOnceOfOne) {
				t.Fatal("no room")
			}
		}
		if got := get(one.address); got != http.StatusServiceUnavailable {
			t.Errorf("%s, one too many: got %d", one.network, got)
		}
		full := (n+1)*atOnceOfOne == atOnce
		if got := get("192.0.2.2:1"); (got == http.StatusServiceUnavailable) != full {
			t.Errorf("another beside %s: got %d", one.network, got)
		}
	}
	h.pki.room.leave(netip.MustParsePrefix("192.0.2.1/32"))
	if got := get("192.0.2.2:1"); got != http.StatusOK {
		t.Errorf("after one has left: got %d", got)
	}
}

// TestWhoDoesNotFinishHoldsNoPlace: strangers that announce a body and send an octet of it are not inside, on addresses that
// take one and on those that take none.
func TestWhoDoesNotFinishHoldsNoPlace(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{{http.MethodPost, "/pki/ocsp/servers", http.StatusOK}, {http.MethodGet, "/pki/servers.crl", http.StatusBadRequest}} {
		body := &oneOctet{room: &h.pki.room}
		r := httptest.NewRequest(tt.method, tt.path, body)
		r.Header.Set("Content-Type", "application/ocsp-request")
		w := httptest.NewRecorder()
		h.PKI().ServeHTTP(w, r)
		if body.inside > 0 || w.Code != tt.status {
			t.Errorf("%s: got %d, with %d inside while it was read", tt.path, w.Code, body.inside)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/pki/ocsp/servers", iotest.ErrReader(errors.New("he hangs up")))
	w := httptest.NewRecorder()
	h.PKI().ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || w.Header().Get("Connection") != "close" || h.pki.room.inside != 0 {
		t.Errorf("a body that breaks off: got %d, %v", w.Code, w.Header())
	}
}

// oneOctet is a body of one octet that looks who is inside while it is read.
type oneOctet struct {
	room   *room
	inside int
	done   bool
}

// Read gives the octet.
func (a *oneOctet) Read(p []byte) (int, error) {
	a.room.mu.Lock()
	a.inside = max(a.inside, a.room.inside)
	a.room.mu.Unlock()
	if a.done {
		return 0, io.EOF
	}
	a.done = true
	return copy(p, "0"), nil
}

// issueWithSerial makes a certificate of a stranger with the serial and names of one of ours.
func (a *authority) issueWithSerial(t *testing.T, like *x509.Certificate) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(nil, &x509.Certificate{SerialNumber: like.SerialNumber, Subject: like.Subject, NotBefore: like.NotBefore, NotAfter: like.NotAfter}, a.cert, like.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestListsOfAKeyElsewhere: the list of a shard that has come to its end is signed once more before it retires. While the key
// is elsewhere it cannot be, so it stays, with the lines that it has to say, and nothing fails; with the key it is signed,
// and retires.
func TestListsOfAKeyElsewhere(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	c, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "a.example.com")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.RevocationList(t.Context(), ListRequest{Shard: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil { // no list says it yet
		t.Fatal(err)
	}
	h.exec(t, `UPDATE issuance SET not_after = 1000000, revoked_at = 950000`)
	h.exec(t, `UPDATE revocation_shard SET closed = TRUE, ends_at = 1000000, this_update = 900000, next_update = 1100000 WHERE number = 1`)
	h.exec(t, `INSERT INTO book_rule (id, keep_days) VALUES (1, 30)`)
	var secret string
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		all, err := tx.Authorities()
		for _, a := range all {
			if a.Name == "servers" {
				secret = a.SecretID
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	key := func(id any) {
		h.exec(t, `UPDATE authority SET secret_id = $1 WHERE name = 'servers'`, id)
		h.close(t)
		h = openHouse(t, h.dir, newRuntime())
	}
	tend := func(when string, lists, lines int) {
		t.Helper()
		if err := h.TendLists(t.Context()); err != nil {
			t.Errorf("%s: the lists: %v", when, err)
		}
		if _, err := h.ForgetEnded(t.Context(), tester()); err != nil {
			t.Errorf("%s: the book: %v", when, err)
		}
		if got := [2]int{h.count(t, `SELECT count(*) FROM revocation_shard WHERE number = 1`), h.count(t, `SELECT count(*) FROM issuance`)}; got != [2]int{lists, lines} {
			t.Errorf("%s: there are %d lists and %d lines, want %d and %d", when, got[0], got[1], lists, lines)
		}
	}
	key(nil)
	tend("the key is elsewhere", 1, 1)
	if _, err := h.RevocationList(t.Context(), ListRequest{Shard: 1}); !errors.Is(err, ErrKeyElsewhere) {
		t.Errorf("a list that has ended is published: %v", err)
	}
	key(secret)
	tend("the key is back, and the list holds for a day", 1, 0)
	h.exec(t, `UPDATE revocation_shard SET next_update = 1100000 WHERE number = 1`)
	tend("a day later", 0, 0)
}
