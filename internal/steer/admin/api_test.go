package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// post asks a handler and returns the status and the body.
func post(t *testing.T, h http.Handler, path, body string) (int, []byte, http.Header) {
	t.Helper()
	return perform(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://postseal"+path, strings.NewReader(body)))
}

func perform(h http.Handler, r *http.Request) (int, []byte, http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes(), w.Header()
}

// apiOf is the API of an organisation, asked by tester.
func apiOf(t *testing.T, o organisation) http.Handler {
	return API(o.Desk, testLog(t), func(*http.Request) (state.Actor, error) { return tester(), nil })
}

// TestTheActs names the acts of the API: scripts rely on them.
func TestTheActs(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	api := apiOf(t, o)
	want := strings.Fields("admin/link cert/disable cert/enable cert/explain cert/list cert/new cert/remove cert/set-internal cert/show " +
		"lineage/list lineage/show listener/list listener/set service/list status/show")
	there := slices.Collect(maps.Keys(acts(o.Desk)))
	for _, act := range want {
		if !slices.Contains(there, act) {
			t.Errorf("%s is gone", act)
		}
	}
	for _, act := range there {
		for _, body := range []string{"", "{}", " {}\n", "null"} {
			status, answer, header := post(t, api, "/api/v1/"+act, body)
			if status != http.StatusOK && status != http.StatusBadRequest && status != http.StatusConflict {
				t.Errorf("%s, %q: got status %d", act, body, status)
			}
			if !json.Valid(answer) || header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %q: got %s, %v", act, body, answer, header)
			}
			if p := new(Problem); status != http.StatusOK && (json.Unmarshal(answer, p) != nil || p.Text == "" || p.Hint == "" || p.Usage != (status == http.StatusBadRequest)) {
				t.Errorf("%s, %q: status %d, got %s, want a problem with a hint", act, body, status, answer)
			}
		}
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	api := apiOf(t, newOrganisation(t, running{}))
	huge := strings.Repeat(" ", maxRequestBytes)
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"unknown noun":        {"/api/v1/dog/list", "", http.StatusNotFound, "no such act"},
		"unknown verb":        {"/api/v1/cert/eat", "{}", http.StatusNotFound, "no such act"},
		"in capitals":         {"/api/v1/Cert/List", "", http.StatusNotFound, "no such act"},
		"escaped":             {"/api/v1/cert%2Flist/x", "", http.StatusNotFound, "no such act"},
		"unknown, huge":       {"/api/v1/dog/list", huge + "{}", http.StatusNotFound, "no such act"},
		"too large":           {"/api/v1/cert/list", huge + "{}", http.StatusRequestEntityTooLarge, "at most 1048576 bytes"},
		"no JSON":             {"/api/v1/cert/list", "list them", http.StatusBadRequest, "reading the request"},
		"half":                {"/api/v1/cert/list", `{"server":`, http.StatusBadRequest, "reading the request"},
		"an array":            {"/api/v1/cert/list", "[]", http.StatusBadRequest, "reading the request"},
		"a number":            {"/api/v1/cert/list", "7", http.StatusBadRequest, "reading the request"},
		"two documents":       {"/api/v1/cert/list", "{}{}", http.StatusBadRequest, "more than one"},
		"something after":     {"/api/v1/cert/list", "{} x", http.StatusBadRequest, "more than one"},
		"a brace after":       {"/api/v1/cert/list", "{}}", http.StatusBadRequest, "more than one"},
		"unknown member":      {"/api/v1/cert/list", `{"colour":"red"}`, http.StatusBadRequest, "colour"},
		"member of another":   {"/api/v1/cert/show", `{"id":"auth","services":"IMAP"}`, http.StatusBadRequest, "services"},
		"member of nothing":   {"/api/v1/status/show", `{"id":"auth"}`, http.StatusBadRequest, "id"},
		"a number for a text": {"/api/v1/cert/show", `{"id":5}`, http.StatusBadRequest, "reading the request"},
		"a text for a truth":  {"/api/v1/cert/enable", `{"id":"auth","services":"POP","byName":"yes"}`, http.StatusBadRequest, "reading the request"},
		"a text for a list":   {"/api/v1/cert/new", `{"name":"N","domains":"a.example.com"}`, http.StatusBadRequest, "reading the request"},
		"out of range":        {"/api/v1/cert/new", `{"name":"N","days":1e30}`, http.StatusBadRequest, "reading the request"},
		"deep":                {"/api/v1/cert/list", strings.Repeat(`{"server":`, 20000), http.StatusBadRequest, "reading the request"},
		"wrong value":         {"/api/v1/cert/list", `{"status":"Splendid"}`, http.StatusBadRequest, "there is no such status"},
		"unknown service":     {"/api/v1/cert/enable", `{"id":"auth","services":"UM"}`, http.StatusBadRequest, "unified messaging"},
		"unknown certificate": {"/api/v1/cert/show", `{"id":"00000000"}`, http.StatusConflict, "there is none"},
		"in use":              {"/api/v1/cert/remove", `{"id":"auth"}`, http.StatusConflict, "in use"},
		"stale":               {"/api/v1/cert/remove", `{"id":"management-mail1-example-com","ifSeq":9999}`, http.StatusPreconditionFailed, "has changed"},
	} {
		status, answer, _ := post(t, api, c.path, c.body)
		p := new(Problem)
		if err := json.Unmarshal(answer, p); status != c.status || err != nil || !strings.Contains(p.Text, c.says) {
			t.Errorf("%s: got %d, %s, want %d and %q", name, status, answer, c.status, c.says)
		}
		if wantUsage := status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusRequestEntityTooLarge; p.Usage != wantUsage {
			t.Errorf("%s: got usage %v, want %v", name, p.Usage, wantUsage)
		}
		if len(answer) > 2000 {
			t.Errorf("%s: an answer of %d bytes", name, len(answer))
		}
	}
	for method, path := range map[string]string{http.MethodGet: "/api/v1/cert/list", http.MethodPut: "/api/v1/cert/list", http.MethodDelete: "/api/v1/cert/list"} {
		if status, _, _ := perform(api, httptest.NewRequestWithContext(t.Context(), method, path, nil)); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d, want %d", method, status, http.StatusMethodNotAllowed)
		}
	}
	for _, path := range []string{"/", "/api/v1/", "/api/v1/cert", "/api/v1/cert/list/more", "/api/v2/cert/list"} {
		if status, _, _ := post(t, api, path, ""); status != http.StatusNotFound {
			t.Errorf("%s: got %d, want %d", path, status, http.StatusNotFound)
		}
	}
	cut := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/cert/list", io.MultiReader(strings.NewReader("{"), broken{}))
	if status, _, _ := perform(api, cut); status < 400 {
		t.Errorf("a request that breaks off: got %d", status)
	}
}

// broken is a reader whose connection is gone.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestAStrangerLearnsNothing: who may not ask is told just that, whatever he asks for.
func TestAStrangerLearnsNothing(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	api := API(o.Desk, testLog(t), func(*http.Request) (state.Actor, error) { return state.Actor{}, errors.New("a stranger") })
	seq := o.State().Seq()
	for _, c := range [][2]string{{"cert/list", ""}, {"dog/list", ""}, {"cert/list", "garbage"}, {"admin/link", ""}, {"cert/remove", `{"id":"management-mail1-example-com"}`}} {
		status, answer, _ := post(t, api, "/api/v1/"+c[0], c[1])
		if status != http.StatusForbidden || string(answer) != `{"error":"not allowed"}` {
			t.Errorf("%s: got %d, %s", c[0], status, answer)
		}
	}
	if o.State().Seq() != seq {
		t.Error("a stranger changed something")
	}
}

// TestJSON checks the shape that scripts rely on: the members of a certificate, and lists that are never
// null.
func TestJSON(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	api := apiOf(t, o)
	_, answer, _ := post(t, api, "/api/v1/cert/list", "")
	var list []map[string]any
	if err := json.Unmarshal(answer, &list); err != nil || len(list) != 4 {
		t.Fatalf("got %s, %v", answer, err)
	}
	want := strings.Fields("exportable generation hasPrivateKey issuer keyType lineage name names notAfter notBefore rootType selfSigned serial server services servicesText sha256 state status statusReason subject thumbprint usages")
	for _, c := range list {
		got := slices.Sorted(maps.Keys(c))
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%v has no %s", c["name"], name)
			}
		}
		if end, ok := c["notAfter"].(string); !ok || !strings.HasSuffix(end, "Z") {
			t.Errorf("notAfter: got %v, want UTC", c["notAfter"])
		}
	}
	_, answer, _ = post(t, api, "/api/v1/cert/list", `{"status":"Revoked"}`)
	if string(answer) != "[]" {
		t.Errorf("an empty list: got %s", answer)
	}
	for _, c := range [][2]string{
		{"cert/list", ""}, {"cert/show", `{"id":"auth"}`}, {"cert/show", `{"id":"internal-mail1-example-com"}`}, {"lineage/list", ""}, {"lineage/show", `{"id":"auth"}`},
		{"listener/list", ""}, {"service/list", ""}, {"status/show", ""}, {"cert/explain", `{"listener":"imaps"}`},
		{"cert/new", `{"name":"N","key":null,"dryRun":true}`},
		{"cert/new", `{"name":"N","dryRun":true}`}, {"cert/new", `{"name":"N","kinds":["ed25519"]}`}, {"cert/enable", `{"id":"management-mail1-example-com","services":"POP","dryRun":true}`},
		{"cert/set-internal", `{"id":"management-mail1-example-com","dryRun":true}`}, {"cert/remove", `{"id":"management-mail1-example-com","dryRun":true}`},
		{"listener/set", `{"listener":"imap","dryRun":true}`},
	} {
		status, answer, _ := post(t, api, "/api/v1/"+c[0], c[1])
		if strings.Contains(c[1], `"key"`) {
			if status != http.StatusBadRequest {
				t.Errorf("%s %s: got %d", c[0], c[1], status)
			}
			continue
		}
		var v any
		if err := json.Unmarshal(answer, &v); status != http.StatusOK || err != nil {
			t.Errorf("%s %s: got %d, %s", c[0], c[1], status, answer)
			continue
		}
		for _, path := range nulls(v, "") {
			t.Errorf("%s %s: %s is null", c[0], c[1], path)
		}
	}
}

// nulls returns where v holds null.
func nulls(v any, path string) (all []string) {
	switch v := v.(type) {
	case nil:
		return []string{path}
	case map[string]any:
		for name, x := range v {
			all = append(all, nulls(x, path+"."+name)...)
		}
	case []any:
		for i, x := range v {
			all = append(all, nulls(x, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return all
}

// TestCallsAtOnce changes and looks from many sides.
func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	c := Local(o.Desk, tester())
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			var change desk.Change
			if err := c.Call(t.Context(), "cert/new", desk.NewRequest{Name: fmt.Sprint("N", n), Kinds: []string{"ed25519"}, Domains: []string{"same.example.com"}, Services: "POP"}, &change); err != nil {
				t.Errorf("new: %v", err)
			}
		})
		wg.Go(func() {
			var status desk.Status
			if err := c.Call(t.Context(), "status/show", Nothing{}, &status); err != nil || len(status.Listeners) != 10 {
				t.Errorf("status: got %+v, %v", status, err)
			}
			var e desk.Explanation
			if err := c.Call(t.Context(), "cert/explain", desk.ExplainRequest{Listener: "pop3s"}, &e); err != nil || e.Thumbprint == "" {
				t.Errorf("explain: got %+v, %v", e, err)
			}
		})
	}
	wg.Wait()
	var list []desk.Certificate
	if err := c.Call(t.Context(), "cert/list", desk.Filter{Domain: "same.example.com"}, &list); err != nil || len(list) != 6 {
		t.Errorf("got %d certificates, %v, want 6", len(list), err)
	}
	serving := slices.DeleteFunc(list, func(c desk.Certificate) bool { return c.ServicesText == "......." })
	if len(serving) != 1 || !bytes.Equal([]byte(serving[0].ServicesText), []byte(".P.....")) {
		t.Errorf("got %+v, want one that serves POP", serving)
	}
}
