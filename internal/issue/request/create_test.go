package request

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/peers"
)

func newKey(t testing.TB, kind keys.Kind) *keys.Private {
	t.Helper()
	k, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func create(t testing.TB, opts Options, signer crypto.Signer) *x509.CertificateRequest {
	t.Helper()
	der, err := Create(opts, signer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOpenSSLReadsIt shows what OpenSSL sees in a request with everything, for each kind of key.
func TestOpenSSLReadsIt(t *testing.T) {
	t.Parallel()
	subject, err := x509cert.ParseSubject("OU=메일,O=Example\\, Ltd.,C=KR")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048, keys.Ed25519} {
		key := newKey(t, kind)
		r := create(t, Options{Subject: subject, Names: []string{"Mail.Example.com", "*.예시.한국", "192.0.2.1", "2001:db8::1", "mail.example.com"},
			Usages: []x509cert.Usage{x509cert.UsageServerAuth, x509cert.UsageClientAuth}}, key)
		out := peers.Succeed(t, peers.Command{Args: []string{"openssl", "req", "-verify", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb,utf8"}, Stdin: string(certfile.RequestPEM(r.Raw))})
		text := out.Stdout + out.Stderr
		usage := "Digital Signature"
		if kind == keys.RSA2048 {
			usage += ", Key Encipherment"
		}
		for _, want := range []string{
			"verify OK", "Subject: CN=mail.example.com,OU=메일,O=Example\\, Ltd.,C=KR",
			"DNS:mail.example.com, DNS:*.xn--vv4b11d.xn--3e0b707e, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1\n",
			"X509v3 Key Usage: critical\n                    " + usage + "\n", "TLS Web Server Authentication, TLS Web Client Authentication", "CA:FALSE",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", kind, want, text)
			}
		}
		c, err := certfile.Read("mail.csr", certfile.RequestPEM(r.Raw), certfile.ReadOptions{})
		if err != nil || len(c.Requests) != 1 || !bytes.Equal(c.Requests[0].Raw, r.Raw) {
			t.Errorf("%s: reading it again: %v", kind, err)
		}
	}
}

func TestCommonName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + ".example.com"
	key := newKey(t, keys.ECDSAP256)
	named := func(text string) pkix.Name {
		n, err := x509cert.ParseSubject(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for what, tt := range map[string]struct {
		opts Options
		want string
	}{
		"the first":              {Options{Names: []string{"a.example.com", "b.example.com"}}, "CN=a.example.com"},
		"the first that fits":    {Options{Names: []string{long, "b.example.com"}}, "CN=b.example.com"},
		"none fits":              {Options{Names: []string{long}}, ""},
		"no address":             {Options{Names: []string{"192.0.2.1", "b.example.com"}}, "CN=b.example.com"},
		"told not to":            {Options{Names: []string{"a.example.com"}, NoCommonName: true}, ""},
		"told not to, a subject": {Options{Subject: named("O=E"), Names: []string{"a.example.com"}, NoCommonName: true}, "O=E"},
		"there is one":           {Options{Subject: named("CN=Mail,O=E"), Names: []string{"a.example.com"}}, "CN=Mail,O=E"},
		"made by a program":      {Options{Subject: pkix.Name{Organization: []string{"E"}}, Names: []string{"a.example.com"}}, "CN=a.example.com,O=E"},
		"typed":                  {Options{Subject: named("O=E,C=KR"), Names: []string{"a.example.com"}}, "CN=a.example.com,O=E,C=KR"},
	} {
		r := create(t, tt.opts, key)
		if got := r.Subject.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", what, got, tt.want)
		}
		i := slices.IndexFunc(r.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.17" })
		if len(r.DNSNames) == 0 || i < 0 || r.Extensions[i].Critical != (tt.want == "") {
			t.Errorf("%s: got names %v, critical %v", what, r.DNSNames, i >= 0 && r.Extensions[i].Critical)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, keys.ECDSAP256)
	good := []string{"a.example.com"}
	many := make([]string, MaxNames+1)
	for i := range many {
		many[i] = fmt.Sprintf("h%d.example.com", i)
	}
	as := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for what, tt := range map[string]struct {
		opts Options
		key  crypto.Signer
		want func(error) bool
	}{
		"no name":          {Options{Subject: pkix.Name{CommonName: "a"}}, key, is(ErrNoName)},
		"bad name":         {Options{Names: []string{"*.com"}}, key, as(new(*x509cert.InvalidNameError))},
		"too many":         {Options{Names: many}, key, as(new(*TooManyNamesError))},
		"bad subject":      {Options{Names: good, Subject: pkix.Name{Country: []string{"Korea"}}}, key, as(new(*x509cert.InvalidSubjectError))},
		"unknown usage":    {Options{Names: good, Usages: []x509cert.Usage{"1.2.3"}}, key, is(ErrUnknownUsage)},
		"no key":           {Options{Names: good}, nil, as(new(*UnsuitableKeyError))},
		"a key of no kind": {Options{Names: good}, brokenSigner{public: "key"}, as(new(*UnsuitableKeyError))},
		"broken signature": {Options{Names: good}, brokenSigner{public: key.Public(), signature: []byte("none")}, func(err error) bool { return strings.Contains(err.Error(), "a.example.com") }},
		"device gone":      {Options{Names: good}, brokenSigner{public: key.Public(), err: io.ErrClosedPipe}, is(io.ErrClosedPipe)},
	} {
		if der, err := Create(tt.opts, tt.key); der != nil || err == nil || !tt.want(err) {
			t.Errorf("%s: got %d octets, %v", what, len(der), err)
		}
	}
}

// TestVerifySeesEveryDifference changes one thing of what was asked at a time.
func TestVerifySeesEveryDifference(t *testing.T) {
	t.Parallel()
	key := newKey(t, keys.ECDSAP256)
	a, err := Options{Names: []string{"a.example.com"}}.check()
	if err != nil {
		t.Fatal(err)
	}
	der, err := Create(Options{Names: []string{"a.example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	template := func() *x509.CertificateRequest {
		extensions, err := a.extensions(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return &x509.CertificateRequest{Subject: a.subject, SignatureAlgorithm: x509.ECDSAWithSHA256, ExtraExtensions: extensions}
	}
	if err := verify(der, template(), key.Public()); err != nil {
		t.Fatalf("got %v of what was asked", err)
	}
	if err := verify(der, template(), newKey(t, keys.ECDSAP256).Public()); err == nil {
		t.Error("another public key is not noticed")
	}
	for what, change := range map[string]func(*x509.CertificateRequest){
		"signature algorithm": func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.ECDSAWithSHA384 },
		"subject":             func(r *x509.CertificateRequest) { r.Subject.CommonName = "b" },
		"fewer extensions":    func(r *x509.CertificateRequest) { r.ExtraExtensions = r.ExtraExtensions[1:] },
		"critical":            func(r *x509.CertificateRequest) { r.ExtraExtensions[0].Critical = !r.ExtraExtensions[0].Critical },
		"value":               func(r *x509.CertificateRequest) { r.ExtraExtensions[0].Value = []byte{0x30, 0} },
	} {
		r := template()
		change(r)
		if err := verify(der, r, key.Public()); err == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// brokenSigner is a device with a mind of its own.
type brokenSigner struct {
	public    crypto.PublicKey
	signature []byte
	err       error
}

func (s brokenSigner) Public() crypto.PublicKey { return s.public }

func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.signature, s.err
}

// FuzzCreate asks for names and subjects as people type them: what is made is what was asked, as far as it can be.
func FuzzCreate(f *testing.F) {
	f.Add("mail.example.com", "CN=mail.example.com,O=Example,C=KR", false)
	f.Add("*.예시.한국 192.0.2.1 mail", "", true)
	f.Add(strings.Repeat("a", 60)+".example.com", "O=E", false)
	key := newKey(f, keys.Ed25519)
	f.Fuzz(func(t *testing.T, names, subject string, noCommonName bool) {
		opts := Options{Names: strings.Fields(names), NoCommonName: noCommonName}
		opts.Subject, _ = x509cert.ParseSubject(subject)
		der, err := Create(opts, key)
		if err != nil {
			return
		}
		c, err := certfile.Read("fuzzed", der, certfile.ReadOptions{})
		if err != nil || len(c.Requests) != 1 || len(c.Requests[0].DNSNames)+len(c.Requests[0].IPAddresses) == 0 {
			t.Fatalf("reading what was made: %v", err)
		}
	})
}
