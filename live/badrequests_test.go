package live

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// badRequests are requests that nobody may get a certificate for, as DER.
func badRequests(t *testing.T) map[string][]byte {
	t.Helper()
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	three, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 3))
	if err != nil {
		t.Fatal(err)
	}
	request := func(key crypto.Signer, r x509.CertificateRequest) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &r, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	extension := func(id asn1.ObjectIdentifier, value any) pkix.Extension {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.Extension{Id: id, Value: der}
	}
	names := extension(asn1.ObjectIdentifier{2, 5, 29, 17}, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a.example.test")}})
	ours := []string{"a.example.test"}
	signed := request(good, x509.CertificateRequest{DNSNames: ours})
	return map[string][]byte{
		"bad signature":          append(slices.Clone(signed[:len(signed)-1]), signed[len(signed)-1]^1),
		"signed by another":      swapped(t, signed, request(p224, x509.CertificateRequest{DNSNames: ours})),
		"RSA of 1024 bits":       request(short, x509.CertificateRequest{DNSNames: ours}),
		"P-224":                  request(p224, x509.CertificateRequest{DNSNames: ours}),
		"the scalar is 3":        request(three, x509.CertificateRequest{DNSNames: ours}),
		"foreign name":           request(good, x509.CertificateRequest{DNSNames: []string{"a.example.org"}}),
		"one foreign among good": request(good, x509.CertificateRequest{DNSNames: append(slices.Clone(ours), "a.example.org")}),
		"extension twice":        request(good, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{names, names}}),
		"10 MB":                  request(good, x509.CertificateRequest{DNSNames: ours, ExtraExtensions: []pkix.Extension{extension(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, make([]byte, 10<<20))}}),
		"a CN that is no host":   request(good, x509.CertificateRequest{Subject: pkix.Name{CommonName: "Our web server"}}),
		"a name with a zero":     request(good, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{extension(asn1.ObjectIdentifier{2, 5, 29, 17}, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a.example.test\x00.example.org")}})}}),
		"cut off":                signed[:len(signed)/2],
		"no request":             []byte("hello"),
	}
}

// swapped is a request with the signature of another.
func swapped(t *testing.T, of, from []byte) []byte {
	t.Helper()
	var parts [2]struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	for n, der := range [][]byte{of, from} {
		if _, err := asn1.Unmarshal(der, &parts[n]); err != nil {
			t.Fatal(err)
		}
	}
	parts[0].Signature = parts[1].Signature
	der, err := asn1.Marshal(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestBadRequestsAtEveryDoor brings requests that nobody may get a certificate for to the command line as a file, to the
// API, to the form of the admin center and to a table of many: each door refuses with a sentence, and nothing is planned.
// The door of ACME has the same ones in TestRequestsThatAreRefused.
func TestBadRequestsAtEveryDoor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	api, page := a.api(t), a.page(t)
	for what, der := range badRequests(t) {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.csr")
			if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out.pem")
			r := a.Command("ca", "issue", "--profile", "server", "--csr", path, "--out", out)
			if _, err := os.Stat(out); r.Exit == 0 || err == nil || !strings.Contains(r.Stderr, "postseal: error: ") || !strings.Contains(r.Stderr, "postseal: hint: ") {
				t.Errorf("file: got %v", r)
			}
			if status, text := api(t, der); status < 400 || status >= 500 || !strings.Contains(text, `"error"`) {
				t.Errorf("API: got %d %.300s", status, text)
			}
			status, text := page(t, der) // the form again, with what is wrong; or a page that says that it is too large
			if again := strings.Contains(text, `role="alert"`); status >= 500 || !again && status != http.StatusRequestEntityTooLarge {
				t.Errorf("page: got %d %.300s", status, text)
			}
			dir := t.TempDir()
			table := filepath.Join(dir, "table.csv")
			if err := os.WriteFile(table, []byte("names,profile,cn,csr\n,server,,"+path+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := a.Command("ca", "bulk", table, "--out", filepath.Join(dir, "out")); r.Exit != 1 {
				t.Errorf("bulk: got %v", r)
			}
			if all, err := filepath.Glob(filepath.Join(dir, "out", "*.pem")); err != nil || len(all) != 0 {
				t.Errorf("bulk: got %v, %v", all, err)
			}
		})
	}
	var book []any
	if decode(t, a.Command("ca", "list", "--json"), &book); len(book) != 0 {
		t.Errorf("the book has %v", book)
	}
	// What does not matter in a request is left out and does no harm: the name that is no host does not come into it.
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.test"}, Subject: pkix.Name{CommonName: "Our web server"}}, good)
	if err != nil {
		t.Fatal(err)
	}
	if status, text := api(t, der); status != http.StatusOK {
		t.Errorf("a good name beside it: got %d %s", status, text)
	}
	decode(t, a.Command("ca", "list", "--json"), &book)
	if text, err := json.Marshal(book); err != nil || len(book) != 1 || strings.Contains(string(text), "Our web server") {
		t.Errorf("got %s, %v", text, err)
	}
}

// api is how a program asks over the socket.
func (a *authority) api(t *testing.T) func(t *testing.T, der []byte) (int, string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(a.Data, "postseal.sock"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport, Timeout: time.Minute}
	return func(t *testing.T, der []byte) (int, string) {
		t.Helper()
		body := `{"profile":"server","csr":{"name":"x.csr","data":"` + base64.StdEncoding.EncodeToString(der) + `"}}`
		return answered(t, c, "http://postseal/api/v1/ca/certify", "application/json", strings.NewReader(body))
	}
}

// page is how a person asks, who is signed in to the admin center.
func (a *authority) page(t *testing.T) func(t *testing.T, der []byte) (int, string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the certificate of management signs itself
	t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport, Jar: jar, Timeout: time.Minute}
	link, err := url.Parse(strings.TrimSpace(a.must(t, "admin", "link")))
	if err != nil {
		t.Fatal(err)
	}
	base := "https://" + link.Host
	if status, text := answered(t, c, base+"/sign-in", "application/x-www-form-urlencoded", strings.NewReader("token="+link.Query().Get("token"))); status != http.StatusOK {
		t.Fatalf("signing in: got %d %.300s", status, text)
	}
	return func(t *testing.T, der []byte) (int, string) {
		t.Helper()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if err := form.WriteField("profile", "server"); err != nil {
			t.Fatal(err)
		}
		part, err := form.CreateFormFile("file", "x.csr")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(der); err != nil {
			t.Fatal(err)
		}
		if err := form.Close(); err != nil {
			t.Fatal(err)
		}
		return answered(t, c, base+"/authority/certify", form.FormDataContentType(), &body)
	}
}

func answered(t *testing.T, c *http.Client, at, kind string, body io.Reader) (int, string) {
	t.Helper()
	r, err := c.Post(at, kind, body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}
