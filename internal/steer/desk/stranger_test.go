package desk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// slowReader takes nothing until it is told to, and remembers until when it may.
type slowReader struct {
	*httptest.ResponseRecorder
	reading, more chan struct{}
	once          sync.Once
	until         time.Time
}

// SetWriteDeadline is for http.ResponseController.
func (s *slowReader) SetWriteDeadline(until time.Time) error {
	s.until = until
	return nil
}

// Write waits.
func (s *slowReader) Write(p []byte) (int, error) {
	s.once.Do(func() {
		close(s.reading)
		<-s.more
	})
	return s.ResponseRecorder.Write(p)
}

// TestWhoReadsSlowlyIsInNobodysWay: he who is given a long list leaves the room of the others, has a time that goes with its
// length, and there are not too many of him.
func TestWhoReadsSlowlyIsInNobodysWay(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	certify(t, h, "first.example.com")
	const many = 1000
	h.exec(t, fmt.Sprintf(`INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, certificate, planned_at, revoked_at, reason, revocation)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d), one AS (SELECT * FROM issuance WHERE certificate IS NOT NULL AND profile = 'server')
		SELECT printf('40%%030x', i), authority_id, 1, profile, requester, subject, printf('%%064x', i), not_before, not_after, certificate, planned_at, planned_at, 4, i FROM n, one`, many))
	h.exec(t, `UPDATE revocation_shard SET dirty = TRUE`)
	ask := func(path string, w http.ResponseWriter) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = "192.0.2.1:1"
		h.PKI().ServeHTTP(w, r)
	}
	s := &slowReader{ResponseRecorder: httptest.NewRecorder(), reading: make(chan struct{}), more: make(chan struct{})}
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		ask("/pki/servers/1.crl", s)
	}()
	<-s.reading
	h.pki.room.mu.Lock()
	inside := h.pki.room.inside
	h.pki.room.mu.Unlock()
	if inside != 0 || s.until.Sub(began) < longBegins || s.until.Sub(began) > longLonger {
		t.Errorf("%d are inside with him; he has %v", inside, s.until.Sub(began))
	}
	from := netip.MustParsePrefix("192.0.2.1/32")
	for range longAtOnceOfOne - 1 {
		if !h.pki.long.enter(from, longAtOnce, longAtOnceOfOne) {
			t.Fatal("no room")
		}
	}
	for path, want := range map[string]int{"/pki/servers/1.crl": http.StatusServiceUnavailable, "/pki/root.cer": http.StatusOK, "/pki/root.crl": http.StatusOK} {
		w := httptest.NewRecorder()
		if ask(path, w); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
	close(s.more)
	<-done
	if s.Code != http.StatusOK || s.Body.Len() <= longAnswer {
		t.Errorf("got %d, %d octets", s.Code, s.Body.Len())
	}
	w := httptest.NewRecorder()
	if ask("/pki/servers/1.crl", w); w.Code != http.StatusOK {
		t.Errorf("after he has gone: got %d", w.Code)
	}
	if short, long := longTime(longAnswer), longTime(1<<40); short >= long || long != longLonger {
		t.Errorf("got %v and %v", short, long)
	}
}
