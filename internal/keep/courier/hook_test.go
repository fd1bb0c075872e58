package courier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/fetch"
)

func decoded(m *mail.Message) io.Reader {
	if m.Header.Get("Content-Transfer-Encoding") == "base64" {
		return base64.NewDecoder(base64.StdEncoding, m.Body)
	}
	return quotedprintable.NewReader(m.Body)
}

// TestHook posts to a real web server, which checks the signature; what it answers is the outcome.
func TestHook(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("k3y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		name    string
		status  int
		allow   []netip.Prefix
		refused string // in the error; empty: taken
		doubt   bool
	}{
		{"200", 200, loopback, "", false},
		{"204", 204, loopback, "", false},
		{"202", 202, loopback, "", false},
		{"500", 500, loopback, "status 500", false},
		{"404", 404, loopback, "status 404", false},
		{"an address that is not public", 200, nil, "loopback", false},
		{"hangs up", 0, loopback, "broke", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				at, sum, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Postseal-Signature"), "t="), ",v1=")
				mac := hmac.New(sha256.New, []byte("k3y"))
				io.WriteString(mac, at+"."+string(body))
				if hex.EncodeToString(mac.Sum(nil)) != sum || r.Header.Get("Postseal-Delivery") != "d1" || r.Header.Get("Content-Type") != "application/json" || r.Method != http.MethodPost {
					t.Errorf("got %s %v", r.Method, r.Header)
				}
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			h, err := NewHook(HookOptions{URL: server.URL + "/s3cretpath", KeyFile: keyFile, Fetch: fetch.Options{Allow: c.allow}})
			if err != nil {
				t.Fatal(err)
			}
			err = h.Deliver(t.Context(), Message{ID: "d1", JSON: []byte(`{"version":1}`)})
			if c.refused == "" {
				if err != nil || asked != 1 {
					t.Errorf("got %v, asked %d times", err, asked)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "s3cretpath") || errors.Is(err, ErrOutcomeUnknown) != c.doubt {
				t.Errorf("got %v, want %q", err, c.refused)
			}
			if c.allow == nil && asked != 0 {
				t.Error("it was asked nevertheless")
			}
		})
	}
}

func TestHookOptions(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "ftp://h.test/", "https:///x", "https://u:p@h.test/", "https://h.test:0/", "hooks.example.com"} {
		if _, err := NewHook(HookOptions{URL: url}); err == nil {
			t.Errorf("%q: accepted", url)
		}
	}
	h, err := NewHook(HookOptions{URL: "https://hooks.example.com:8443/services/T0/secret"})
	if err != nil || strings.Contains(h.To(), "secret") {
		t.Errorf("got %v, %v", h, err)
	}
}
