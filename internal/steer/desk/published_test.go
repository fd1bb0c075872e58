package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ocsp"
	"postseal/internal/peers"
)

// ask asks about a certificate of the servers' authority as a client behind a cache does.
func (h *house) ask(t *testing.T, serial string) (status int, age string) {
	t.Helper()
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	i, err := h.IssuedLine(t.Context(), IssuedRequest{Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(i.DER)
	if err != nil {
		t.Fatal(err)
	}
	question, err := xocsp.CreateRequest(leaf, issuer, &xocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pki/ocsp/servers/"+base64.StdEncoding.EncodeToString(question), nil))
	answer, err := xocsp.ParseResponseForCert(w.Body.Bytes(), leaf, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status, w.Header().Get("Cache-Control")
}

// TestARevocationIsPublished: whoever revokes, lists and answers say so within five seconds, what caches may keep included.
func TestARevocationIsPublished(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		bubbleHouse(t, dir).close(t)
		h := openHouse(t, dir, newRuntime())
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		other, err := Open(t.Context(), Options{State: h.db, Sealing: h.sealing})
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []struct {
			name  string
			desk  *Desk
			fault faultKind
			wait  time.Duration // until the first who asks must be told
		}{{"this process", h.Desk, faultNone, 0}, {"this process, the answer of the disk lost", h.Desk, faultLost, 0}, {"another process", other, faultNone, lookEvery}} {
			c := certify(t, h, "a.example.com")
			if status, _ := h.ask(t, c.Serial); status != xocsp.Good {
				t.Fatalf("%s: before: status %d", by.name, status)
			}
			h.crlSerials(t, "/pki/servers.crl")
			h.crlSerials(t, "/pki/servers/1.crl")
			h.fault.set(by.fault)
			if _, err := by.desk.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(by.wait)
			status, age := h.ask(t, c.Serial)
			if status != xocsp.Revoked || age != "max-age=4, public, no-transform, must-revalidate" {
				t.Errorf("%s, %v later: status %d, %s", by.name, by.wait, status, age)
			}
			if most := 5 * time.Second; by.wait+ocsp.Cacheable > most {
				t.Errorf("with caches it takes %v, want at most %v", by.wait+ocsp.Cacheable, most)
			}
			for _, path := range []string{"/pki/servers.crl", "/pki/servers/1.crl"} {
				if !slices.Contains(h.crlSerials(t, path), c.Serial) {
					t.Errorf("%s: %s does not say it", by.name, path)
				}
			}
		}
		// The health of it all: what a list holds, and when somebody last asked.
		health, err := h.PKIHealth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range health.Lists {
			asked := l.Authority == "servers"
			if room := map[bool]int64{true: shardSize}[l.Shard > 0]; l.Room != room || l.Fetched.IsZero() == asked || asked && (l.Revoked != 3 || time.Since(l.Fetched) > time.Minute || l.Shard > 0 && (l.Issued != 3 || l.EndsAt.Before(time.Now()))) {
				t.Errorf("a list: got %+v", l)
			}
		}
		for _, r := range health.Responders {
			if asked := r.Authority == "servers"; r.Asked.IsZero() == asked || r.Ends.IsZero() == asked || asked && r.Ends.Sub(r.Since) != ca.ResponderLife {
				t.Errorf("a responder: got %+v", r)
			}
		}
	})
}

// TestWhatEndsWasSaid: a certificate that was revoked is on a list that was signed after its end, however long nobody asks,
// also when a list that should have said it was never written; then it is on none (RFC 5280 section 3.3).
func TestWhatEndsWasSaid(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("list lost %v", lost), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := bubbleHouse(t, dir)
				if err := initialise(h.Desk); err != nil {
					t.Fatal(err)
				}
				c := certify(t, h, "a.example.com")
				time.Sleep(time.Until(c.NotAfter) - time.Hour)
				if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
					t.Fatal(err)
				}
				paths := []string{"/pki/servers.crl", "/pki/servers/1.crl"}
				for _, path := range paths {
					h.crlSerials(t, path)
				}
				time.Sleep(20 * 24 * time.Hour)
				if lost { // its number was written down, and then the server died; nobody asked for days
					now := time.Now().UTC()
					h.store(t, func(tx *state.Tx) error {
						a, err := tx.Authorities()
						for _, a := range a {
							if s, none := tx.Shard(a.ID, 1); none == nil {
								for n := range int64(2) {
									s.Number, s.CRLNumber, s.ThisUpdate, s.NextUpdate = n, "99999999999999999", now, now.Add(listLife)
									err = errors.Join(err, tx.Publishing(s))
								}
							}
						}
						return err
					})
					time.Sleep(20 * 24 * time.Hour)
				}
				for _, path := range paths {
					if got := h.crlSerials(t, path); !slices.Equal(got, []string{c.Serial}) {
						t.Errorf("%s: the first list after its end has %v", path, got)
					}
				}
				time.Sleep(listLife)
				for _, path := range paths {
					if got := h.crlSerials(t, path); len(got) != 0 {
						t.Errorf("%s: the second list after its end still has %v", path, got)
					}
				}
			})
		})
	}
}

// TestAShardRetiresWhenEverythingWasSaid: nobody asks for the list of a shard that has come to its end; it is signed once
// more all the same, stands for its life, and then it is gone.
func TestAShardRetiresWhenEverythingWasSaid(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		c := certify(t, h, "a.example.com")
		h.exec(t, `UPDATE revocation_shard SET closed = TRUE WHERE number = 1`)
		time.Sleep(time.Until(c.NotAfter) - time.Hour)
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
			t.Fatal(err)
		}
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			h.RunAuthority(ctx)
		}
		run(2*24*time.Hour + 3*time.Hour)
		if got := h.crlSerials(t, "/pki/servers/1.crl"); !slices.Equal(got, []string{c.Serial}) {
			t.Errorf("two days after its end the list has %v", got)
		}
		if n := h.count(t, `SELECT count(*) FROM audit WHERE act = 'ca retire-lists'`); n != 0 {
			t.Error("it has retired while its last list held")
		}
		run(2 * 24 * time.Hour)
		w := httptest.NewRecorder()
		h.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pki/servers/1.crl", nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("four days after its end: got %d", w.Code)
		}
		if n := h.count(t, `SELECT count(*) FROM audit WHERE act = 'ca retire-lists'`); n != 1 {
			t.Errorf("it has retired %d times", n)
		}
	})
}

// TestTendingFailsAloud: what the authority does by itself and fails is a condition until it is done.
func TestTendingFailsAloud(t *testing.T) {
	dir := t.TempDir()
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
		h.exec(t, `UPDATE revocation_shard SET closed = TRUE WHERE number = 1`)
		time.Sleep(200 * 24 * time.Hour)
		for what, run := range map[string]func(context.Context){"book": h.RunBook, "lists": h.RunAuthority} {
			for n, kind := range []faultKind{faultRefused, faultNone} {
				h.fault.set(kind)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				run(ctx)
				cancel()
				raised := slices.ContainsFunc(h.health.List(), func(c health.Condition) bool {
					return c.Code == health.CodeAuthorityUntended && c.Object == what && strings.Contains(c.Text, errFault.Error())
				})
				if raised != (n == 0) {
					t.Errorf("%s, round %d: raised %v", what, n, raised)
				}
			}
		}
	})
}

// TestRevokeManyAtOnce takes back everything of a profile, part by part, each with its row in the audit trail. What a full disk
// has left, whoever asks again takes back.
func TestRevokeManyAtOnce(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	first := h.certified(t, tester(), "a.example.com")
	block, _ := pem.Decode([]byte(first.PEM))
	all := peers.Scale(500, 10_000)
	h.store(t, func(tx *state.Tx) error {
		one, err := tx.Issuance(first.Serial)
		if err != nil {
			return err
		}
		for n := 1; n < all; n++ {
			one.Serial, one.TBS = fmt.Sprintf("40%030x", n), []byte{1}
			one.Names = []string{fmt.Sprintf("n%d.example.com", n)}
			if err := errors.Join(tx.PlanIssuance(one), tx.RecordIssuance(one.Serial, append(slices.Clone(block.Bytes), byte(n), byte(n>>8)))); err != nil {
				return err
			}
		}
		return nil
	})
	h.reopen(t, Options{State: h.db, Sealing: h.sealing, Health: h.health, Runtime: h.runtime, below: 100})
	h.fault.setAfter(faultRefused, 2)
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{Requester: tester().Who, Reason: "superseded"}); !errors.Is(err, errFault) || !strings.Contains(err.Error(), ": 200 are revoked, ask again for the others") {
		t.Errorf("a full disk in the middle: got %v", err)
	}
	if n := h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`); n != 200 {
		t.Errorf("%d are revoked", n)
	}
	all -= 200
	kept, _ := h.ask(t, first.Serial) // it is kept now
	began := time.Now()
	change, err := h.Revoke(t.Context(), tester(), RevokeRequest{Profile: "server", Reason: "superseded"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d revoked in %v", all, time.Since(began))
	if n := len(change.Removed); n != 101 || change.Removed[100] != fmt.Sprintf("the trust in %d more certificates", all-100) {
		t.Errorf("it says %d lines, the last %q", n, change.Removed[n-1])
	}
	for _, path := range []string{"/pki/servers.crl", "/pki/servers/1.crl"} {
		if n := len(h.crlSerials(t, path)); n != all+200 {
			t.Errorf("%s has %d", path, n)
		}
	}
	if n := h.count(t, `SELECT count(*) FROM audit WHERE act = 'ca revoke'`); n != all+200 {
		t.Errorf("%d rows in the audit trail", n)
	}
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{Profile: "server"}); !errors.Is(err, state.ErrExists) {
		t.Errorf("again: got %v", err)
	}
	if now, _ := h.ask(t, first.Serial); kept != xocsp.Good || now != xocsp.Revoked {
		t.Errorf("OCSP said %d and says %d", kept, now)
	}
	raw, err := hex.DecodeString(first.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := h.Answer(t.Context(), "servers", raw); err != nil || a.Status != ocsp.Revoked {
		t.Errorf("OCSP: got %v, %v", a, err)
	}
}

// TestALongListRests: a list with very many entries is not signed for each revocation, and says each within five seconds, what
// caches may keep included.
func TestALongListRests(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		bubbleHouse(t, dir).close(t)
		h := openHouse(t, dir, newRuntime())
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		const many = 22_000
		certify(t, h, "first.example.com")
		h.exec(t, fmt.Sprintf(`INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, certificate, planned_at, revoked_at, reason, revocation)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d), one AS (SELECT * FROM issuance WHERE certificate IS NOT NULL AND profile = 'server')
			SELECT printf('40%%030x', i), authority_id, 1000 + i / 10000, profile, requester, subject, printf('%%064x', i), not_before, not_after, certificate, planned_at, planned_at, 4, i FROM n, one`, many))
		h.exec(t, fmt.Sprintf(`UPDATE change_sequence SET seq = seq + %d WHERE id = 3`, many))
		h.exec(t, `UPDATE revocation_shard SET dirty = TRUE`)
		look := func() (list []byte, number, age string) {
			w := httptest.NewRecorder()
			h.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pki/servers.crl", nil))
			return w.Body.Bytes(), w.Header().Get("ETag"), w.Header().Get("Cache-Control")
		}
		says := func(list []byte, serial string) bool { // parsing all of them would take longer than all the rest
			raw, err := hex.DecodeString(serial)
			return err == nil && bytes.Contains(list, raw)
		}
		all, before, age := look()
		if list, err := x509.ParseRevocationList(all); err != nil || len(list.RevokedCertificateEntries) != many || age != "public, max-age=2" {
			t.Errorf("got %v, not %d entries; %s", err, many, age)
		}
		numbers := map[string]bool{}
		var last string
		began := time.Now()
		const each, n = 100 * time.Millisecond, 60
		for i := range n {
			c := certify(t, h, fmt.Sprintf("n%d.example.com", i))
			if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
				t.Fatal(err)
			}
			if last == "" {
				last = c.Serial
			}
			got, number, _ := look()
			numbers[number] = true
			if !says(got, last) && time.Since(began) >= longListRest {
				t.Errorf("%v after the first revocation it is not on the list", time.Since(began))
			}
			if i == n-1 {
				last = c.Serial
			}
			time.Sleep(each)
		}
		if most := int(n*each/longListRest) + 2; len(numbers) > most {
			t.Errorf("%d revocations in %v made %d lists, want at most %d", n, n*each, len(numbers), most)
		}
		time.Sleep(longListRest)
		if got, number, _ := look(); !says(got, last) || number == before {
			t.Errorf("%v after the last revocation it is not on the list", longListRest)
		}
		if most := 5 * time.Second; longListRest+longListCached+time.Second > most { // the last one for signing
			t.Errorf("with caches it takes longer than %v", most)
		}
	})
}
