package selfsigned

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/x509cert"
)

func newECDSA(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func create(t testing.TB, opts Options, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := Create(opts, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509cert.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// openssl prints a certificate as openssl x509 does.
func openssl(t testing.TB, der []byte, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"x509", "-inform", "DER", "-noout"}, args...)...)
	cmd.Stdin = bytes.NewReader(der)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestOpenSSLAgrees makes the three certificates of a new server and has openssl read them.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	p256, p384, rsa2048 := newECDSA(t, elliptic.P256()), newECDSA(t, elliptic.P384()), newRSA(t, 2048)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const (
		rsaUsage = "X509v3 Key Usage: critical\nDigital Signature, Key Encipherment\n"
		usage    = "X509v3 Key Usage: critical\nDigital Signature\n"
	)
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		opts Options
		key  crypto.Signer
		want []string
		not  []string
	}{
		"internal, RSA": {Options{CommonName: "mail1", Names: []string{"mail1", "mail1.example.com"}, Years: 5, NotBefore: begin}, rsa2048, []string{
			"Version: 3 (0x2)\n", "Signature Algorithm: sha256WithRSAEncryption\n", "Issuer: CN = mail1\n", "Subject: CN = mail1\n", rsaUsage,
			"X509v3 Subject Alternative Name:\nDNS:mail1, DNS:mail1.example.com\n", "Public-Key: (2048 bit)\n",
			"Not Before: Nov 1 00:00:00 2026 GMT\nNot After : Nov 1 00:00:00 2031 GMT\n",
		}, nil},
		"internal, P-256": {Options{CommonName: "mail1", Names: []string{"mail1", "mail1.example.com"}, Years: 5}, p256, []string{
			"Signature Algorithm: ecdsa-with-SHA256\n", usage, "NIST CURVE: P-256\n",
		}, []string{"Encipherment"}},
		"auth": {Options{CommonName: "Postseal Server Auth Certificate", Years: 5}, rsa2048, []string{
			"Subject: CN = Postseal Server Auth Certificate\n", rsaUsage,
		}, []string{"Subject Alternative Name"}},
		"management": {Options{CommonName: "Postseal-Management-mail1", Names: []string{"Postseal-Management-mail1", "mail1.example.com"}, Years: 10, NotBefore: begin}, p256, []string{
			"Subject: CN = Postseal-Management-mail1\n", "DNS:postseal-management-mail1, DNS:mail1.example.com\n", "Not After : Nov 1 00:00:00 2036 GMT\n",
		}, nil},
		"order of mixed names": {Options{Names: []string{"*.example.com", "192.0.2.1", "예시.한국", "2001:db8::1", "MAIL1"}, Days: 90, NotBefore: begin}, p384, []string{
			"Signature Algorithm: ecdsa-with-SHA384\n", "Subject: CN = *.example.com\n",
			"DNS:*.example.com, IP Address:192.0.2.1, DNS:xn--vv4b11d.xn--3e0b707e, IP Address:2001:DB8:0:0:0:0:0:1, DNS:mail1\n",
			"Not After : Jan 30 00:00:00 2027 GMT\n",
		}, nil},
		"Ed25519": {Options{CommonName: "a"}, ed, []string{"Signature Algorithm: ED25519\n", usage}, []string{"Encipherment"}},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cert := create(t, tt.opts, tt.key)
			lines := strings.Split(openssl(t, cert.Raw, "-text"), "\n")
			for i, line := range lines { // openssl aligns, and ends some lines with a space
				lines[i] = strings.Join(strings.Fields(line), " ")
			}
			text := strings.Join(lines, "\n")
			always := []string{"X509v3 Extended Key Usage:\nTLS Web Server Authentication\n", "X509v3 Basic Constraints: critical\nCA:FALSE\n"}
			for _, want := range append(always, tt.want...) {
				if !strings.Contains(text, want) {
					t.Errorf("openssl does not print %q:\n%s", want, text)
				}
			}
			for _, not := range append(tt.not, "Key Identifier", "pathlen") {
				if strings.Contains(text, not) {
					t.Errorf("openssl prints %q:\n%s", not, text)
				}
			}
		})
	}
}

func TestCreateFacts(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	opts := Options{CommonName: "mail1", Names: []string{"mail1", "MAIL1", "mail1.example.com", "mail1.example.com."}, Years: 5}
	f := x509cert.Inspect(create(t, opts, key))
	if want := []string{"mail1", "mail1.example.com"}; !slices.Equal(f.Names, want) {
		t.Errorf("got names %q, want %q", f.Names, want)
	}
	if f.Subject != "CN=mail1" || f.Issuer != "CN=mail1" || f.KeyType != "ECDSA-P256" || !f.SelfSigned || !slices.Equal(f.Usages, []string{"serverAuth"}) {
		t.Errorf("got %+v, want a self-signed server certificate of CN=mail1", f)
	}
	opts.Names, opts.CommonName = nil, "Postseal Server Auth Certificate"
	if f := x509cert.Inspect(create(t, opts, key)); len(f.Names) != 0 {
		t.Errorf("got names %q, want none", f.Names)
	}
}

func TestCreateSubject(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	const text = `CN=mail.example.com,OU=메일,O=Example\, Ltd.,C=KR`
	subject, err := x509cert.ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	cert := create(t, Options{Subject: subject, CommonName: "not used", Names: []string{"mail.example.com"}}, key)
	if got := x509cert.Inspect(cert).Subject; got != text {
		t.Errorf("got subject %q, want %q", got, text)
	}
	if got, want := openssl(t, cert.Raw, "-subject", "-nameopt", "RFC2253,utf8,-esc_msb"), "subject="+text+"\n"; got != want {
		t.Errorf("got %q of openssl, want %q", got, want)
	}
	// Mail domains with private attributes survive too.
	subject, err = x509cert.ParseSubject("E=postmaster@example.com,CN=a,DC=example,DC=com")
	if err != nil {
		t.Fatal(err)
	}
	cert = create(t, Options{Subject: subject}, key)
	if got, want := x509cert.Inspect(cert).Subject, "emailAddress=postmaster@example.com,CN=a,DC=example,DC=com"; got != want {
		t.Errorf("got subject %q, want %q", got, want)
	}
	// The first name is the common name, unless it is too long for one.
	long := strings.Repeat("a", 60) + ".example.com"
	if got := create(t, Options{Names: []string{long, "b.example.com"}}, key).Subject.CommonName; got != "b.example.com" {
		t.Errorf("got common name %q, want b.example.com", got)
	}
}

// TestSerial looks at what RFC 5280 section 4.1.2.2 asks, over many serials.
func TestSerial(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var highest int
	for range 500 {
		serial, err := newSerial()
		if err != nil {
			t.Fatal(err)
		}
		octets := serial.BitLen()/8 + 1 // of the INTEGER, with room for the sign
		if serial.Sign() <= 0 || octets > 17 || seen[serial.String()] {
			t.Errorf("got serial %v, want it positive, at most 17 octets, new", serial)
		}
		seen[serial.String()] = true
		highest = max(highest, serial.BitLen())
	}
	if highest != 128 {
		t.Errorf("got at most %d bits, want 128", highest)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	leap := time.Date(2028, 2, 29, 12, 0, 0, 999, time.FixedZone("KST", 9*3600))
	tests := map[string]struct {
		opts Options
		days int // 0 for refused
	}{
		"five years by default":   {Options{}, 1826},
		"five years":              {Options{Years: 5}, 1826},
		"ten years":               {Options{Years: 10}, 3653}, // 29 February of 2028, 2032 and 2036
		"a year from 29 February": {Options{Years: 1, NotBefore: leap}, 366},
		"a day":                   {Options{Days: 1}, 1},
		"the most days":           {Options{Days: MaxDays}, MaxDays},
		"too many days":           {Options{Days: MaxDays + 1}, 0},
		"too many years":          {Options{Years: MaxYears + 1}, 0},
		"negative days":           {Options{Days: -1}, 0},
		"negative years":          {Options{Years: -1}, 0},
		"both":                    {Options{Years: 1, Days: 1}, 0},
		"before 1950":             {Options{NotBefore: time.Date(1949, 12, 31, 0, 0, 0, 0, time.UTC)}, 0},
		"after 9999":              {Options{NotBefore: time.Date(9995, 1, 1, 0, 0, 0, 0, time.UTC)}, 0},
		"past 2049":               {Options{Years: 10, NotBefore: time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)}, 3652},
	}
	key := newECDSA(t, elliptic.P256())
	for what, tt := range tests {
		opts := tt.opts
		opts.CommonName = "a"
		if opts.NotBefore.IsZero() {
			opts.NotBefore = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		}
		der, err := Create(opts, key)
		if tt.days == 0 {
			var life *LifeError
			if !errors.As(err, &life) || life.Years != opts.Years || life.Days != opts.Days {
				t.Errorf("%s: got %v, want a LifeError with what was asked", what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		f := x509cert.Inspect(mustParse(t, der))
		if got := f.NotAfter.Sub(f.NotBefore); got != time.Duration(tt.days)*24*time.Hour {
			t.Errorf("%s: got %v, want %d days", what, got, tt.days)
		}
		if want := opts.NotBefore.Truncate(time.Second); !f.NotBefore.Equal(want) {
			t.Errorf("%s: got notBefore %v, want %v", what, f.NotBefore, want)
		}
	}
}

func mustParse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509cert.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestBackdate(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(400 * time.Millisecond) // between two seconds
		f := x509cert.Inspect(create(t, Options{CommonName: "a", Days: 1}, key))
		if want := time.Now().Truncate(time.Second).Add(-Backdate); !f.NotBefore.Equal(want) {
			t.Errorf("got notBefore %v, want %v", f.NotBefore, want)
		}
		if want := f.NotBefore.Add(24 * time.Hour); !f.NotAfter.Equal(want) {
			t.Errorf("got notAfter %v, want %v", f.NotAfter, want)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	var many []string
	for i := range MaxNames + 1 {
		many = append(many, "a"+strings.Repeat("b", i%50)+strings.Repeat("c", i/50)+".example.com")
	}
	as := func(target any) func(error) bool {
		return func(err error) bool { return errors.As(err, target) }
	}
	tests := map[string]struct {
		opts Options
		key  crypto.Signer
		want func(error) bool
	}{
		"nothing":          {Options{}, key, func(err error) bool { return errors.Is(err, ErrNoSubject) }},
		"long name only":   {Options{Names: []string{strings.Repeat("a", 60) + ".example.com"}}, key, func(err error) bool { return errors.Is(err, ErrNoSubject) }},
		"bad name":         {Options{Names: []string{"mail.example.com", "-bad-.example..test"}}, key, as(new(*x509cert.InvalidNameError))},
		"wide wildcard":    {Options{Names: []string{"*.com"}}, key, as(new(*x509cert.InvalidNameError))},
		"too many names":   {Options{Names: many}, key, as(new(*TooManyNamesError))},
		"bad subject":      {Options{CommonName: strings.Repeat("a", 65)}, key, as(new(*x509cert.InvalidSubjectError))},
		"control":          {Options{Subject: pkix.Name{CommonName: "a\x00b"}}, key, as(new(*x509cert.InvalidSubjectError))},
		"no key":           {Options{CommonName: "a"}, nil, as(new(*UnsuitableKeyError))},
		"P-521":            {Options{CommonName: "a"}, newECDSA(t, elliptic.P521()), as(new(*UnsuitableKeyError))},
		"RSA-1024":         {Options{CommonName: "a"}, newRSA(t, 1024), as(new(*UnsuitableKeyError))},
		"key of no kind":   {Options{CommonName: "a"}, brokenSigner{public: "key"}, as(new(*UnsuitableKeyError))},
		"broken signature": {Options{CommonName: "a"}, brokenSigner{public: key.Public(), signature: []byte("no signature")}, as(new(interface{ Unwrap() error }))},
		"device gone":      {Options{CommonName: "a"}, brokenSigner{public: key.Public(), err: io.ErrClosedPipe}, func(err error) bool { return errors.Is(err, io.ErrClosedPipe) }},
	}
	for what, tt := range tests {
		if der, err := Create(tt.opts, tt.key); der != nil || err == nil || !tt.want(err) {
			t.Errorf("%s: got %d octets, %v", what, len(der), err)
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

// TestVerifySeesEveryDifference changes one thing of what was asked at a time.
func TestVerifySeesEveryDifference(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	opts := Options{CommonName: "mail1", Names: []string{"mail1"}, Days: 30}
	made := func() (request, *x509.Certificate, []byte) {
		r, err := opts.check()
		if err != nil {
			t.Fatal(err)
		}
		template, err := r.template(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		template.SignatureAlgorithm = x509.ECDSAWithSHA256
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return r, template, der
	}
	r, template, der := made()
	if err := r.verify(der, template, key.Public()); err != nil {
		t.Fatalf("got %v of what was asked", err)
	}
	pub := crypto.PublicKey(key.Public())
	for what, change := range map[string]func(*request, *x509.Certificate){
		"public key":         func(*request, *x509.Certificate) { pub = newECDSA(t, elliptic.P256()).Public() },
		"signature":          func(_ *request, c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 },
		"subject":            func(r *request, _ *x509.Certificate) { r.subject.CommonName = "mail2" },
		"serial":             func(_ *request, c *x509.Certificate) { c.SerialNumber.Add(c.SerialNumber, c.SerialNumber) },
		"life":               func(r *request, _ *x509.Certificate) { r.notAfter = r.notAfter.Add(time.Second) },
		"names":              func(r *request, _ *x509.Certificate) { r.names = nil },
		"key usage":          func(_ *request, c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign },
		"names, other order": func(r *request, _ *x509.Certificate) { r.names = []string{"mail2", "mail1"} },
	} {
		pub = key.Public()
		r, template, der := made()
		change(&r, template)
		subject, _, _ := strings.Cut(what, ",")
		if err := r.verify(der, template, pub); err == nil || !strings.Contains(err.Error(), "the "+subject+" is not") {
			t.Errorf("%s: got %v, want it noticed", what, err)
		}
	}
}

// TestHandshake serves a certificate to a client that trusts just this one.
func TestHandshake(t *testing.T) {
	t.Parallel()
	for what, key := range map[string]crypto.Signer{"P-256": newECDSA(t, elliptic.P256()), "RSA": newRSA(t, 2048)} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cert := create(t, Options{Names: []string{"mail1.example.com", "*.예시.한국", "192.0.2.1"}}, key)
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			for name, good := range map[string]bool{"mail1.example.com": true, "mail.xn--vv4b11d.xn--3e0b707e": true, "192.0.2.1": true, "mail2.example.com": false} {
				served := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
				if err := shake(t, served, &tls.Config{RootCAs: roots, ServerName: name}); (err == nil) != good {
					t.Errorf("%s: got %v, want good %v", name, err, good)
				}
			}
		})
	}
}

// shake serves a certificate to one client on loopback and returns what the client says.
func shake(t *testing.T, served tls.Certificate, config *tls.Config) error {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{served}})
		if server.HandshakeContext(ctx) == nil { // the client tells what is wrong if it is not
			_, _ = io.Copy(io.Discard, server)
		}
		_ = conn.Close()
	}()
	defer func() { <-done }()
	defer ln.Close()
	client, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", ln.Addr().String())
	if err == nil {
		err = client.Close()
	}
	return err
}
