package ceremony

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/issue/ca"
	"postseal/internal/peers"
)

// newRequest asks for a root and one authority.
func newRequest(t testing.TB) *Request {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := ca.RequestAuthority(ca.AuthorityOptions{Purpose: ca.PurposeServers, Subject: Subject("Example", "Servers CA"), Domains: []string{"example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Organisation: "Example", RootKey: "ecdsa-p384", RootList: "http://pki.example.com/pki/root.crl", RootFile: "http://pki.example.com/pki/root.cer",
		Wanted: []Wanted{{Name: "servers", Purpose: "servers", Request: csr, Domains: []string{"example.com"}}}}
}

func marshalled(t testing.TB, v interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	data, err := v.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOpenSSLAccepts holds a ceremony; openssl reads the root's file, and accepts the authority and the list below the root.
func TestOpenSSLAccepts(t *testing.T) {
	t.Parallel()
	file := marshalled(t, newRequest(t))
	q, err := ParseRequest(file)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever stands there reads all that could be another than he came for.
	if plan := strings.Join(Plan(q, nil), "\n"); !strings.Contains(plan, "servers for servers") || !strings.Contains(plan, `"http://pki.example.com/pki/root.crl"`) {
		t.Errorf("it shows %s", plan)
	}
	planned := 0
	plan := func(p ca.Planned) error { planned++; return nil }
	root, err := MakeRoot(q, plan)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := root.Seal(keys.NewSecret("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot("root.pfx", sealed, keys.NewSecret("horse")); err == nil {
		t.Error("it opens with another password")
	}
	if root, err = OpenRoot("root.pfx", sealed, keys.NewSecret("correct horse")); err != nil {
		t.Fatal(err)
	}
	refusing := Options{Plan: func(ca.Planned) error { return errors.New("the disk is full") }}
	if a, err := Sign(q, file, root, refusing); err == nil || a != nil {
		t.Error("it signs what could not be written down")
	}
	a, err := Sign(q, file, root, Options{Plan: plan})
	if err != nil || planned != 2 {
		t.Fatalf("%d were planned, want 2: %v", planned, err)
	}
	answer := marshalled(t, a)
	if !IsAnswer(answer) || IsAnswer(file) {
		t.Error("it does not tell an answer from a request")
	}
	if a, err = ParseAnswer(answer); err != nil {
		t.Fatal(err)
	}
	page, err := Protocol(q, a)
	if err != nil || !strings.Contains(page, "names below example.com") || !strings.Contains(page, a.Request) {
		t.Errorf("the protocol says %s, %v", page, err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"root.pfx": sealed, "list.crl": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: a.List}),
		"root.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Root}), "servers.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificates[0].Certificate})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"openssl", "pkcs12", "-in", "root.pfx", "-passin", "pass:correct horse", "-nodes"},
		{"openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-crl_check", "-CRLfile", "list.crl", "servers.pem"},
	} {
		peers.Succeed(t, peers.Command{Args: args, Dir: dir})
	}
}

// TestParseRefuses: neither side obeys a file that is not what it should be.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	file := marshalled(t, newRequest(t))
	q, err := ParseRequest(file)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(r *Request)) []byte {
		r := *q
		r.Wanted = append([]Wanted{}, q.Wanted...)
		f(&r)
		return marshalled(t, &r)
	}
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"another document": []byte(`{"format":"x"}`),
		"more behind":      append(bytes.Clone(file), '{'),
		"an unknown field": bytes.Replace(file, []byte(`"made"`), []byte(`"mad"`), 1),
		"too large":        append(bytes.Clone(file), bytes.Repeat([]byte(" "), MaxBytes)...),
		"no organisation":  change(func(r *Request) { r.Organisation = "" }),
		"an Ed25519 root":  change(func(r *Request) { r.RootKey = "ed25519" }),
		"no domains":       change(func(r *Request) { r.Wanted[0].Domains = nil }),
		"a root below":     change(func(r *Request) { r.Wanted[0].Purpose = "root" }),
		"twice":            change(func(r *Request) { r.Wanted = append(r.Wanted, r.Wanted[0]) }),
		"a bad signature":  change(func(r *Request) { c := bytes.Clone(r.Wanted[0].Request); c[len(c)-1] ^= 1; r.Wanted[0].Request = c }),
		"a moving cursor":  change(func(r *Request) { r.Wanted[0].Name = "servers\x1b[2K\r" }),
		"a line more":      change(func(r *Request) { r.Wanted[0].Name = "servers\n  3. " }),
		"one turned round": change(func(r *Request) { r.Organisation = "Example\u202e" }),
		"a revoked line":   change(func(r *Request) { r.Revoked = []Fallen{{Name: "x\x1b[A", Serial: "4a", At: time.Now()}} }),
		"a list of files":  change(func(r *Request) { r.RootList = "file:///etc/passwd" }),
		"a list in lines":  change(func(r *Request) { r.RootList = "http://pki.example.com/\u2028" }),
		"a bad number":     change(func(r *Request) { r.ListNumber = "-1" }),
	} {
		if _, err := ParseRequest(data); !errors.As(err, new(*FileError)) {
			t.Errorf("%s: got %v, want a FileError", name, err)
		}
	}
	root, err := MakeRoot(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := MakeRoot(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Sign(q, file, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mixed := *a
	mixed.Root = other.Certificate().Raw
	noList := *a
	noList.List = nil
	for name, data := range map[string][]byte{"a request": file, "another root": marshalled(t, &mixed), "no list": marshalled(t, &noList)} {
		if _, err := ParseAnswer(data); !errors.As(err, new(*FileError)) {
			t.Errorf("%s: got %v, want a FileError", name, err)
		}
	}
	if _, err := NewRoot(root.Certificate(), other.Key()); err == nil {
		t.Error("a key of another root is taken")
	}
	if _, err := OpenRoot("x", certfile.RequestPEM(q.Wanted[0].Request), nil); err == nil {
		t.Error("a request is opened as a root")
	}
}

// FuzzParse: neither parser fails but with a FileError, and what is taken is signed, or refused, without a panic.
func FuzzParse(f *testing.F) {
	file := marshalled(f, newRequest(f))
	q, err := ParseRequest(file)
	if err != nil {
		f.Fatal(err)
	}
	root, err := MakeRoot(q, nil)
	if err != nil {
		f.Fatal(err)
	}
	a, err := Sign(q, file, root, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(marshalled(f, a))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if q, err := ParseRequest(data); err == nil {
			Plan(q, nil)
		} else if !errors.As(err, new(*FileError)) {
			t.Errorf("got %v, want a FileError", err)
		}
		if a, err := ParseAnswer(data); err == nil {
			if _, err := Protocol(&Request{}, a); err != nil {
				t.Errorf("the protocol of an answer that was read: %v", err)
			}
		}
	})
}
