package zlint_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/issue/zlint"
	"postseal/internal/peers"
)

// badCertificate has a common name that is none of its names.
func badCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "a"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 0, 30), DNSNames: []string{"b.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestAChildReads: it finds what is wrong, says what it cannot read, and is one and the same until it is ended; it has no
// environment and can open nothing.
func TestAChildReads(t *testing.T) {
	t.Parallel()
	r := zlint.NewReader(zlint.Options{Program: peers.ZLintProgram(t)})
	der := badCertificate(t)
	pid := 0
	for range 3 {
		a, err := r.Read(t.Context(), zlint.Certificate, der)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(a.Findings); !strings.Contains(text, "e_subject_common_name_not_exactly_from_san") || a.Unreadable != "" {
			t.Errorf("got %s, %q", text, a.Unreadable)
		}
		if pid != 0 && r.PID() != pid {
			t.Error("each is read by a child of its own")
		}
		pid = r.PID()
		for _, bad := range [][]byte{nil, der[:len(der)-1], []byte("garbage")} {
			for _, k := range []zlint.Kind{zlint.Certificate, zlint.List} {
				if a, err := r.Read(t.Context(), k, bad); err != nil || a.Unreadable == "" {
					t.Errorf("got %v, %v for what nobody can read", a, err)
				}
			}
		}
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(environment) != 0 {
		t.Errorf("its environment is %q, %v", environment, err)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	for _, want := range []string{"Max open files 0 0", "Max core file size 0 0", "Max data size 536870912 536870912"} {
		if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), want) {
			t.Errorf("its limits are %s, want %s: %v", limits, want, err)
		}
	}
	if _, err := r.Read(t.Context(), zlint.List, make([]byte, zlint.MaxBytes+1)); err == nil {
		t.Errorf("got %v for what is too large", err)
	}
	if err := r.Close(); err != nil || r.Running() {
		t.Errorf("ending it: %v", err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Error("it is still there")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ended, zlint.Certificate, der); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// fake writes a program that begins as a child does and goes on with a script.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), zlint.Program)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const hello = `echo '{"program":"postseal-zlint","protocol":1}'` + "\n"

// TestABadChild: whatever it does, whoever asks gets an error in time, and no child stays.
func TestABadChild(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   error  // nil: one about what was to be read
		text   string // of the error
	}{
		"not a program":          {"exec /nonexistent", zlint.ErrNoChild, ""},
		"says nothing":           {"exit 3", zlint.ErrNoChild, "exit status 3"},
		"says why":               {"echo out of luck >&2; exit 3", zlint.ErrNoChild, "out of luck"},
		"is another":             {`echo '{"program":"cat","protocol":1}'`, zlint.ErrNoChild, `"cat"`},
		"of another release":     {`echo '{"program":"postseal-zlint","protocol":2}'`, zlint.ErrNoChild, "protocol 2"},
		"talks for ever":         {"exec awk 'BEGIN { while (1) printf \"x\" }'", zlint.ErrNoChild, "too long"},
		"ends":                   {hello + "exit 1", nil, ""},
		"ends when it reads":     {hello + "head -c 1 >/dev/null; kill -9 $$", nil, "killed"},
		"hangs":                  {hello + "exec sleep 1000", nil, "killed"},
		"answers garbage":        {hello + "echo garbage; exec sleep 1000", nil, "its answer is none"},
		"answers something else": {hello + `echo '{"findings":[],"more":1}'; exec sleep 1000`, nil, "its answer is none"},
		"names no lint":          {hello + `echo '{"findings":[{"lint":""}]}'; exec sleep 1000`, nil, "names no lint"},
		"names what is no name":  {hello + `echo '{"findings":[{"lint":"\u001b[2J"}]}'; exec sleep 1000`, nil, "names no lint"},
		"answers for ever":       {hello + "exec awk 'BEGIN { while (1) printf \"x\" }'", nil, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := zlint.NewReader(zlint.Options{Program: fake(t, c.script), Limit: 300 * time.Millisecond})
			octets := 1
			if name == "hangs" { // nor does it read
				octets = zlint.MaxBytes
			}
			_, err := r.Read(t.Context(), zlint.Certificate, make([]byte, octets))
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && (err == nil || errors.Is(err, zlint.ErrNoChild)) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
			if r.Running() {
				t.Error("it is still there")
			}
		})
	}
	r := zlint.NewReader(zlint.Options{Program: filepath.Join(t.TempDir(), "none")})
	if _, err := r.Read(t.Context(), zlint.Certificate, []byte{1}); !errors.Is(err, zlint.ErrNoProgram) || r.There() || r.Close() != nil {
		t.Errorf("without a program: got %v", err)
	}
}

// TestADetailIsBounded: what a child says goes into texts for people.
func TestADetailIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("가", 1000)
	r := zlint.NewReader(zlint.Options{Program: fake(t, hello+`echo '{"findings":[{"lint":"e_x","severity":"error","details":"a\u001bb`+long+`"}]}'; cat >/dev/null`)})
	a, err := r.Read(t.Context(), zlint.Certificate, []byte{1})
	if err != nil || len(a.Findings) != 1 || len(a.Findings[0].Details) > zlint.MaxDetailBytes || !strings.HasPrefix(a.Findings[0].Details, "ab가") {
		t.Errorf("got %v, %v", a, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzReadItem: what is read is what was written, and nothing larger than it may be is made room for.
func FuzzReadItem(f *testing.F) {
	f.Add([]byte("C\x00\x00\x00\x01x"))
	f.Add([]byte("L\xff\xff\xff\xff"))
	f.Add([]byte("C\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, der, err := zlint.ReadItem(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := zlint.WriteItem(&again, k, der); err != nil || !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("%q was read as %q: %v", data, again.Bytes(), err)
		}
	})
}
