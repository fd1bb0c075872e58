package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// openssl runs the program in dir.
func openssl(t testing.TB, dir string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatalf("running openssl: %v (apt-get install openssl)", err)
	}
	return out, err
}

func mustOpenSSL(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	out, err := openssl(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// A shop is an authority as people have it that was made with openssl alone.
type shop struct {
	t   *testing.T
	dir string
	ca  *x509.Certificate
}

const shopConfig = `
[ca]
default_ca = shop
[shop]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = anything
unique_subject = no
[anything]
commonName = supplied
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[v3_responder]
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
[crl_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@partition
[partition]
fullname = URI:` + pointA + `
onlyuser = TRUE
[crl_base]
authorityKeyIdentifier = keyid
[crl_delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical,DER:020101
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
`

func newShop(t *testing.T, key ...string) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir()}
	for name, content := range map[string]string{"openssl.cnf": shopConfig, "index.txt": "", "serial": "1000\n", "crlnumber": "01\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpenSSL(t, s.dir, append([]string{"genpkey", "-out", "ca.key"}, key...)...)
	mustOpenSSL(t, s.dir, "req", "-new", "-x509", "-config", "openssl.cnf", "-extensions", "v3_ca", "-key", "ca.key", "-subj", "/CN=Shop", "-days", "300", "-out", "ca.pem")
	s.ca = s.cert("ca.pem")
	return s
}

func (s *shop) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *shop) cert(name string) *x509.Certificate {
	s.t.Helper()
	block, _ := pem.Decode(s.read(name))
	if block == nil {
		s.t.Fatalf("no PEM in %s", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert
}

// issue makes a certificate with the extensions of a section, none if it is empty.
func (s *shop) issue(name, section string) *x509.Certificate {
	s.t.Helper()
	mustOpenSSL(s.t, s.dir, "req", "-new", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key", "-subj", "/CN="+name, "-out", name+".csr")
	args := []string{"ca", "-batch", "-notext", "-config", "openssl.cnf", "-in", name + ".csr", "-out", name + ".pem"}
	if section != "" {
		args = append(args, "-extensions", section)
	}
	mustOpenSSL(s.t, s.dir, args...)
	return s.cert(name + ".pem")
}

func (s *shop) revoke(name string, args ...string) {
	s.t.Helper()
	mustOpenSSL(s.t, s.dir, append([]string{"ca", "-config", "openssl.cnf", "-revoke", name + ".pem"}, args...)...)
}

func (s *shop) list(args ...string) []byte {
	s.t.Helper()
	mustOpenSSL(s.t, s.dir, append([]string{"ca", "-gencrl", "-config", "openssl.cnf", "-out", "list.pem"}, args...)...)
	return s.read("list.pem")
}

func (s *shop) check(cert *x509.Certificate, lists ...[]byte) Finding {
	s.t.Helper()
	l, err := FromCRLs(lists)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := l.Check(s.t.Context(), Query{Cert: cert, Issuer: s.ca})
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func TestListsOfOpenSSL(t *testing.T) {
	t.Parallel()
	s := newShop(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
	good, key, hold, plain := s.issue("good", ""), s.issue("key", ""), s.issue("hold", ""), s.issue("plain", "")
	base := s.list("-crlexts", "crl_base")
	s.revoke("key", "-crl_compromise", "20260102030405Z")
	s.revoke("hold", "-crl_hold", "holdInstructionReject")
	s.revoke("plain")
	list := s.list()

	block, _ := pem.Decode(list)
	want, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	same(t, mustParse(t, block.Bytes), want)

	for _, c := range []struct {
		name   string
		cert   *x509.Certificate
		list   []byte
		want   Status
		reason Reason
	}{
		{"good", good, list, Good, ""},
		{"revoked for its key", key, list, Revoked, KeyCompromise},
		{"on hold", hold, list, Revoked, CertificateHold},
		{"revoked without a reason", plain, list, Revoked, Unspecified},
		{"before the revocation", key, base, Good, ""},
	} {
		if f := s.check(c.cert, c.list); f.Status != c.want || f.Reason != c.reason {
			t.Errorf("%s: got %s %s (%s), want %s %s", c.name, f.Status, f.Reason, f.Why, c.want, c.reason)
		}
	}
	if f := s.check(good, s.list("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")); f.Status != Unknown || !errors.Is(errors.Join(f.Problems...), ErrOutdated) {
		t.Errorf("an old list: got %s (%s)", f.Status, f.Why)
	}
	if f := s.check(good, s.list("-crlexts", "crl_partition")); f.Status != Unknown {
		t.Errorf("another part: got %s (%s)", f.Status, f.Why)
	}
	delta := s.list("-crlexts", "crl_delta")
	for _, c := range []struct {
		cert *x509.Certificate
		want Status
	}{{good, Good}, {key, Revoked}} {
		if f := s.check(c.cert, base, delta); f.Status != c.want {
			t.Errorf("a delta on its base: got %s (%s), want %s", f.Status, f.Why, c.want)
		}
	}
	if f := s.check(key, delta); f.Status != Unknown {
		t.Errorf("a delta alone: got %s (%s)", f.Status, f.Why)
	}
	other := newShop(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	if f := s.check(good, other.list()); f.Status != Unknown || !strings.Contains(f.Why, "its signature does not fit") {
		t.Errorf("the list of another shop of the same name: got %s (%s)", f.Status, f.Why)
	}
}

// Every kind of signature that our keys can have, as openssl makes it.
func TestSignaturesOfOpenSSL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ key, sign []string }{
		"RSA":                  {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, nil},
		"RSA, SHA-384":         {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-md", "sha384"}},
		"RSA, SHA-1":           {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-md", "sha1"}},
		"PSS, longest salt":    {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-sigopt", "rsa_padding_mode:pss"}},
		"PSS, salt as digest":  {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", "-md", "sha512"}},
		"ECDSA P-256":          {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, nil},
		"ECDSA P-521, SHA-512": {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"}, []string{"-md", "sha512"}},
		"Ed25519":              {[]string{"-algorithm", "ED25519"}, []string{"-md", "null"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, c.key...)
			block, _ := pem.Decode(s.list(c.sign...))
			l := mustParse(t, block.Bytes)
			if err := l.verify(s.ca); err != nil {
				t.Error(err)
			}
			l.signature[len(l.signature)-1] ^= 1
			l.verified = nil
			if err := l.verify(s.ca); err == nil {
				t.Error("a changed signature fits")
			}
		})
	}
}

// allowed are the reasons for which we refuse a list or an answer that openssl reads, by a part of our error. openssl
// reads on where DER has one form only, or where nothing but printing is asked of it.
var allowed = map[string]string{
	"no DER time":                      "openssl keeps a malformed time until somebody compares it",
	"a revocation date is no DER time": "the same, of an entry",
	"stands there in two ways":         "RFC 5280 section 5.1.1.2 wants the algorithm twice alike; openssl looks when it verifies",
	"the issuer":                       "openssl takes every type of string in a name",
	"neither 1 nor 2":                  "openssl prints a version that there is not",
	"extension":                        "openssl leaves an extension that it cannot read unread",
	"issuing distribution point":       "the same",
	"distribution point":               "the same",
	"number of a list":                 "the same",
	"key identifier":                   "the same",
	"a reason":                         "the same",
	"a name":                           "the same",
	"names":                            "the same",
	"address":                          "the same",
	"no DER INTEGER":                   "openssl takes INTEGERs that are not the shortest",
	"an answer":                        "openssl takes what it does not print",
	"status":                           "openssl prints statuses that there are not",
	"version":                          "openssl prints a version that there is not",
	"it is not a basic response":       "openssl reads no further, and has nothing to verify then",
	"the responder":                    "openssl takes every type of string in a name",
	"nonce":                            "openssl compares it only with one that it sent",
	"no SEQUENCE":                      "openssl takes BER, in which a length has many forms",
	"malformed":                        "openssl takes BER, in which a length has many forms",
}

// agreement holds what we take against what openssl takes, of one message with each third octet changed.
func agreement(t *testing.T, der []byte, theirs func(file string) error, ours func([]byte) error) {
	t.Helper()
	dir := t.TempDir()
	agree, stricter := 0, map[string]int{}
	for i := 0; i < len(der); i += 3 {
		changed := bytes.Clone(der)
		changed[i] ^= 1 << (i % 8)
		file := filepath.Join(dir, fmt.Sprintf("%d.der", i))
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		theirErr, ourErr := theirs(file), ours(changed)
		switch {
		case theirErr != nil && ourErr == nil:
			t.Errorf("byte %d changed: openssl refuses what we take: %x", i, changed)
		case theirErr == nil && ourErr != nil:
			reason := ""
			for part := range allowed {
				if strings.Contains(ourErr.Error(), part) {
					reason = part
				}
			}
			if reason == "" {
				t.Errorf("byte %d changed: we refuse what openssl takes, for no reason that is allowed: %v", i, ourErr)
			}
			stricter[reason]++
		default:
			agree++
		}
	}
	t.Logf("agreed on %d, stricter on %v", agree, stricter)
	if agree < 20 {
		t.Errorf("agreed on %d only", agree)
	}
}

// A list that openssl refuses is not one that we take; what we refuse alone, we refuse for a reason.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	der := a.list(listSpec{number: 3, scope: scopeSpec{uri: pointA}.der(), entries: []entrySpec{{serial: 5, reason: 1}, {serial: 700}}})
	agreement(t, der, func(file string) error {
		_, err := openssl(t, "", "crl", "-inform", "DER", "-noout", "-in", file)
		return err
	}, func(der []byte) error {
		_, err := ParseCRL(der)
		return err
	})
}

// The same of an OCSP response.
func TestOpenSSLAgreesOnResponses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	der := a.answer(a, ocsp.Response{Status: ocsp.Revoked, SerialNumber: big.NewInt(700), RevokedAt: time.Now().Add(-time.Hour), RevocationReason: 1})
	agreement(t, der, func(file string) error {
		// It ends with 0 whatever the status is, and says so when it cannot read.
		out, err := openssl(t, "", "ocsp", "-respin", file, "-noverify", "-resp_text")
		if err == nil && bytes.Contains(out, []byte("Error reading OCSP response")) {
			err = errors.New("it cannot be read")
		}
		return err
	}, func(der []byte) error {
		_, err := parseResponse(der)
		return err
	})
}

func TestResponsesOfOpenSSL(t *testing.T) {
	t.Parallel()
	s := newShop(t, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
	good, bad := s.issue("good", ""), s.issue("bad", "")
	s.issue("responder", "v3_responder")
	s.revoke("bad", "-crl_reason", "superseded")
	for _, c := range []struct {
		name   string
		cert   *x509.Certificate
		args   []string
		nonce  []byte
		want   Status
		reason Reason
		why    string
	}{
		{"good, of a delegate", good, []string{"-rsigner", "responder.pem", "-rkey", "responder.key", "-ndays", "1"}, nil, Good, "", ""},
		{"good, by key", good, []string{"-rsigner", "responder.pem", "-rkey", "responder.key", "-ndays", "1", "-resp_key_id"}, nil, Good, "", ""},
		{"good, of the authority", good, []string{"-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1"}, nil, Good, "", ""},
		{"good, with our nonce", good, []string{"-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1"}, newNonce(), Good, "", ""},
		{"revoked", bad, []string{"-rsigner", "responder.pem", "-rkey", "responder.key", "-ndays", "1"}, nil, Revoked, Superseded, ""},
		{"PSS", good, []string{"-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1", "-rsigopt", "rsa_padding_mode:pss"}, nil, Good, "", ""},
		{"a signer who may not", good, []string{"-rsigner", "bad.pem", "-rkey", "bad.key", "-ndays", "1"}, nil, "", "", "not for OCSP"},
	} {
		id, err := newCertID(certIDHashes["\x2b\x0e\x03\x02\x1a"], c.cert, s.ca)
		if err != nil {
			t.Fatal(err)
		}
		request, err := ocspRequest(id, c.nonce)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "request.der"), request, 0o600); err != nil {
			t.Fatal(err)
		}
		mustOpenSSL(t, s.dir, append([]string{"ocsp", "-index", "index.txt", "-CA", "ca.pem", "-reqin", "request.der", "-respout", "response.der"}, c.args...)...)
		r, err := parseResponse(s.read("response.der"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.nonce != nil && !bytes.Equal(r.nonce, c.nonce) {
			t.Errorf("%s: the nonce came back as %x, want %x", c.name, r.nonce, c.nonce)
		}
		q := Query{Cert: c.cert, Issuer: s.ca, At: time.Now()}
		f, _, err := r.judge(q, "openssl", c.nonce)
		if c.why != "" {
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s: got %s, %v, want an error with %q", c.name, f.Status, err, c.why)
			}
			continue
		}
		if err != nil || f.Status != c.want || f.Reason != c.reason {
			t.Errorf("%s: got %s %s, %v, want %s %s", c.name, f.Status, f.Reason, err, c.want, c.reason)
		}
		if c.nonce != nil {
			if _, _, err := r.judge(q, "openssl", newNonce()); err == nil {
				t.Errorf("%s: another nonce was taken", c.name)
			}
		}
	}
}
