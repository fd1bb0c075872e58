package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// TestRequestsThatTakeMuchWaitForRoom: as many as there is room for are read, and no more. Twelve imports of 60 MiB at
// the same time once took 2.5 GiB.
func TestRequestsThatTakeMuchWaitForRoom(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	synctest.Test(t, func(t *testing.T) {
		h := API(o.Desk, slog.New(slog.DiscardHandler), func(*http.Request) (state.Actor, error) { return tester(), nil })
		ask := func(act string, body io.Reader) *deadlined {
			w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/"+act, body))
			return w
		}
		var wg sync.WaitGroup
		var slow []*io.PipeWriter
		for range atOnce {
			r, w := io.Pipe()
			slow = append(slow, w)
			wg.Go(func() {
				if got := ask("cert/import", r); got.Code != http.StatusConflict { // nothing was in it
					t.Errorf("got %d, %s", got.Code, got.Body)
				}
			})
		}
		synctest.Wait()

		began := time.Now()
		got, p := ask("trust/add", strings.NewReader("{}")), new(Problem)
		if err := json.Unmarshal(got.Body.Bytes(), p); err != nil || got.Code != http.StatusServiceUnavailable || p.Name != "admin.ErrBusy" || p.Hint == "" {
			t.Errorf("got %d, %s; want no room", got.Code, got.Body)
		}
		if waited := time.Since(began); waited != roomWait || got.Header().Get("Retry-After") != "20" {
			t.Errorf("waited %v, told to come back after %s", waited, got.Header().Get("Retry-After"))
		}
		if !got.until.Equal(began.Add(roomWait + bodyBegins)) {
			t.Errorf("the body may come until %v after the beginning", got.until.Sub(began))
		}
		for _, act := range []string{"check/run", "plan/show"} { // each sort has a room of its own
			if got := ask(act, strings.NewReader(`{"nonsense":1}`)); got.Code != http.StatusBadRequest {
				t.Errorf("%s: got %d, %s", act, got.Code, got.Body)
			}
		}

		// One who waits gets the place of the first that is done.
		wg.Go(func() {
			if got := ask("cert/import", strings.NewReader("{}")); got.Code != http.StatusConflict {
				t.Errorf("the one who waited: got %d, %s", got.Code, got.Body)
			}
		})
		synctest.Wait()
		for _, w := range slow {
			w.Close()
		}
		wg.Wait()
	})
}

// deadlined is a recorder with a deadline for the body.
type deadlined struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlined) SetReadDeadline(until time.Time) error { d.until = until; return nil }

// TestARequestThatBreaksOffIsNotCalledLong: whoever is told that his request is too long makes it shorter, in vain.
func TestARequestThatBreaksOffIsNotCalledLong(t *testing.T) {
	t.Parallel()
	h := API(nil, slog.New(slog.DiscardHandler), func(*http.Request) (state.Actor, error) { return tester(), nil })
	for _, c := range []struct {
		name string
		body io.Reader
		want int
		text string
	}{
		{"broken off", io.MultiReader(strings.NewReader(`{"id":`), iotest.ErrReader(os.ErrDeadlineExceeded)), http.StatusBadRequest, "broke off"},
		{"long", bytes.NewReader(make([]byte, maxRequestBytes+1)), http.StatusRequestEntityTooLarge, "at most"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/cert/show", c.body))
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: got %d, %s", c.name, w.Code, w.Body)
		}
	}
}

// TestALookReachesAsFarAsTheToken: with operate this server is not sent round the network that it stands in.
func TestALookReachesAsFarAsTheToken(t *testing.T) {
	t.Parallel()
	s := serveManagement(t)
	operate, all := s.token(t, "operate", desk.ScopeOperate), s.token(t, "admin", desk.ScopeAdmin)
	const look = `{"hosts":["127.0.0.1:1"],"quick":true}`
	w, p := s.ask(t, "POST", "/api/v1/check/run", "Bearer "+operate, "192.0.2.1", look), new(Problem)
	if err := json.Unmarshal(w.Body.Bytes(), p); err != nil || w.Code != http.StatusForbidden || p.Name != "desk.NotOursError" || p.Hint == "" {
		t.Errorf("operate: got %d, %s", w.Code, w.Body)
	}
	if w := s.ask(t, "POST", "/api/v1/check/run", "Bearer "+all, "192.0.2.1", look); w.Code != http.StatusOK {
		t.Errorf("admin: got %d, %s", w.Code, w.Body)
	}
}

// TestWhatOperateMayDo: an act is not given away by a word in a long table. What operate may do neither lets keys out, nor
// changes whom we trust, by what we are known or who may act, nor writes to anybody.
func TestWhatOperateMayDo(t *testing.T) {
	t.Parallel()
	want := strings.Fields("ca/issue cert/activate cert/disable cert/enable cert/import cert/new cert/remove cert/renew cert/renew-request cert/request cert/rollback check/run lineage/set plan/apply")
	var got []string
	for name, a := range acts(nil) {
		if a.scope == desk.ScopeOperate {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
