package pages

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// TestMain wants two things of the whole run: that no goroutine is left, and that the browser has gone through every form.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(everyFlow{m})
}

// everyFlow runs the tests, and fails when a form of the admin center was never sent by Chromium with success. The tests that
// drive it are many; which of them sends what is theirs.
type everyFlow struct{ *testing.M }

// flows are the forms that a browser has gone through, of all tests of this run.
var flows = struct {
	sync.Mutex
	done map[string]bool
}{done: make(map[string]bool)}

func (m everyFlow) Run() int {
	code := m.M.Run()
	if code != 0 || isSet("test.run") || isSet("test.skip") || isSet("test.list") || isSet("test.bench") {
		return code // not all of them ran
	}
	if missing := flowsMissing(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "no TestBrowser… goes to the end of these forms:\n\t%s\n--- FAIL: every flow in Chromium\n", strings.Join(missing, "\n\t"))
		return 1
	}
	return 0
}

// isSet says whether a flag of go test was given.
func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name && f.Value.String() != "" })
	return set
}

// flowsMissing are the forms that no browser has gone through.
func flowsMissing() []string {
	flows.Lock()
	defer flows.Unlock()
	var missing []string
	for path, methods := range (&center{printer: newPrinter(nil)}).routes() {
		if methods[http.MethodPost] != nil && !flows.done[path] {
			missing = append(missing, path)
		}
	}
	slices.Sort(missing)
	return missing
}

// follows notes what the browser of one test sends to h. A form whose answer is a preview counts when what it shows was
// confirmed and done; any other when it was answered with what it is for.
func follows(h http.Handler) http.Handler {
	var mu sync.Mutex
	var previewed string
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.Contains(r.UserAgent(), "HeadlessChrome") {
			h.ServeHTTP(w, r)
			return
		}
		seen := &looker{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		mu.Lock()
		defer mu.Unlock()
		flows.Lock()
		defer flows.Unlock()
		switch {
		case seen.status >= http.StatusBadRequest:
		case seen.preview && r.URL.Path == "/confirm": // the state has changed since: it is shown anew
		case seen.preview:
			previewed = r.URL.Path
		case r.URL.Path == "/confirm":
			flows.done["/confirm"], flows.done[previewed] = true, true
		default:
			flows.done[r.URL.Path] = true
		}
	})
}

// looker is an answer whose status is noted, and whether it has the form of a preview.
type looker struct {
	http.ResponseWriter
	status  int
	preview bool
}

func (l *looker) WriteHeader(status int) {
	l.status = status
	l.ResponseWriter.WriteHeader(status)
}

func (l *looker) Write(b []byte) (int, error) {
	l.preview = l.preview || bytes.Contains(b, []byte(`action="/confirm"`))
	return l.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what flushes.
func (l *looker) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// TestFlowsAreFollowed: what follows counts is counted for the right reasons.
func TestFlowsAreFollowed(t *testing.T) {
	t.Parallel()
	answers := map[string]func(http.ResponseWriter){
		"/x-refused":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnprocessableEntity) },
		"/x-previewed": func(w http.ResponseWriter) { w.Write([]byte(`<form method="post" action="/confirm">`)) },
		"/x-left":      func(w http.ResponseWriter) { w.Write([]byte(`<form method="post" action="/confirm">`)) },
		"/x-done":      func(w http.ResponseWriter) { w.WriteHeader(http.StatusSeeOther) },
		"/confirm":     func(w http.ResponseWriter) { w.WriteHeader(http.StatusSeeOther) },
	}
	h := follows(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w) }))
	send := func(path, agent string) {
		ask(t, h, request{method: http.MethodPost, target: path, header: map[string]string{"User-Agent": agent}})
	}
	for _, path := range []string{"/x-refused", "/x-left", "/x-previewed", "/confirm", "/x-done"} {
		send(path, "Mozilla/5.0 HeadlessChrome/1")
	}
	send("/x-left", "curl")
	flows.Lock()
	defer flows.Unlock()
	got := maps.Clone(flows.done)
	for path, want := range map[string]bool{"/x-refused": false, "/x-left": false, "/x-previewed": true, "/x-done": true} {
		if got[path] != want {
			t.Errorf("%s: got %v, want %v", path, got[path], want)
		}
	}
}
