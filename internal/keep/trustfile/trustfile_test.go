package trustfile

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/peers"
)

func newRoot(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name, Organization: []string{"Beispiel & Söhne"}},
		NotBefore: time.Now().Add(-time.Hour).Truncate(time.Second), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func two(t *testing.T) []*x509.Certificate {
	t.Helper()
	return []*x509.Certificate{newRoot(t, "Wurzel ' \"1\" $(touch x)"), newRoot(t, "루트")}
}

// file makes a file and keeps it in a directory.
func file(t *testing.T, p Platform, o Options) (*File, string) {
	t.Helper()
	f, err := Make(p, o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	return f, path
}

// holds checks that DERs are those of certificates, in any order.
func holds(t *testing.T, what string, got [][]byte, want []*x509.Certificate) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d certificates, want %d", what, len(got), len(want))
	}
	for _, c := range want {
		if !slices.ContainsFunc(got, func(der []byte) bool { return bytes.Equal(der, c.Raw) }) {
			t.Errorf("%s: %s is not in it", what, c.Subject)
		}
	}
}

func inPEM(text []byte) (ders [][]byte) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		ders = append(ders, block.Bytes)
	}
	return ders
}

func TestMake(t *testing.T) {
	t.Parallel()
	roots := two(t)
	for _, p := range Platforms() {
		a, err := Make(p, Options{Certificates: roots, Organisation: "예시 <b>'$(x)"})
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		b, err := Make(p, Options{Certificates: []*x509.Certificate{roots[1], roots[0], roots[1]}, Organisation: "예시 <b>'$(x)"})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Data, b.Data) || a.Name != b.Name {
			t.Errorf("%s: the same certificates made another file", p)
		}
		if a.Name == "" || a.Type == "" || len(a.Install) == 0 || len(a.Fingerprints) != 2 || filepath.Base(a.Name) != a.Name {
			t.Errorf("%s: got %+v", p, a)
		}
		if _, err := Make(p, Options{}); !errors.Is(err, ErrNoCertificates) {
			t.Errorf("%s, empty: got %v", p, err)
		}
		if _, err := Make(p, Options{Certificates: []*x509.Certificate{nil}}); !errors.Is(err, ErrNoCertificates) {
			t.Errorf("%s, nil: got %v", p, err)
		}
	}
	var unknown *UnknownPlatformError
	if _, err := Make("amiga", Options{Certificates: roots}); !errors.As(err, &unknown) {
		t.Errorf("got %v, want an UnknownPlatformError", err)
	}
}

func TestPEM(t *testing.T) {
	t.Parallel()
	roots := two(t)
	for _, p := range []Platform{PEM, Postfix} {
		f, path := file(t, p, Options{Certificates: roots})
		holds(t, string(p), inPEM(f.Data), roots)
		r := peers.OpenSSL(t, "", "storeutl", "-noout", "-certs", path)
		if r.Exit != 0 || !strings.Contains(r.Stdout, "Total found: 2") {
			t.Errorf("%s: openssl: %v", p, r)
		}
		if p == Postfix && !strings.Contains(string(f.Data), "postconf -e smtp_tls_CAfile=/etc/postfix/organisation-ca.pem") {
			t.Errorf("postfix: the lines for main.cf are missing")
		}
	}
}

// TestDebian: dpkg-deb takes the package, says what is in it, and unpacks it.
func TestDebian(t *testing.T) {
	t.Parallel()
	roots := two(t)
	_, path := file(t, Debian, Options{Certificates: roots, Organisation: "Beispiel GmbH"})
	info := peers.Succeed(t, peers.Command{Args: []string{"dpkg-deb", "--info", path}}).Stdout
	for _, part := range []string{"new Debian package, version 2.0", "Package: ca-beispiel-gmbh", "Depends: ca-certificates", "Architecture: all", "postinst", "postrm"} {
		if !strings.Contains(info, part) {
			t.Errorf("%q is not in\n%s", part, info)
		}
	}
	list := peers.Succeed(t, peers.Command{Args: []string{"dpkg-deb", "--contents", path}}).Stdout
	if strings.Count(list, "-rw-r--r-- root/root") != 2 || strings.Count(list, "drwxr-xr-x root/root") != 6 {
		t.Errorf("got\n%s", list)
	}
	dir := t.TempDir()
	peers.Succeed(t, peers.Command{Args: []string{"dpkg-deb", "--raw-extract", path, dir}})
	var ders [][]byte
	found, err := filepath.Glob(filepath.Join(dir, "usr/local/share/ca-certificates/ca-beispiel-gmbh/*.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ders = append(ders, inPEM(text)...)
	}
	holds(t, "package", ders, roots)
	for _, script := range []string{"postinst", "postrm"} {
		peers.Succeed(t, peers.Command{Args: []string{"sh", "-n", filepath.Join(dir, "DEBIAN", script)}})
	}
}

// TestRHEL runs the script with another directory and another command.
func TestRHEL(t *testing.T) {
	t.Parallel()
	roots := two(t)
	_, path := file(t, RHEL, Options{Certificates: roots, Organisation: "$(touch here) `touch here` '"})
	dir := t.TempDir()
	run := func(args ...string) string {
		return peers.Succeed(t, peers.Command{
			Args: append([]string{"sh", path}, args...), Dir: dir, Env: []string{"ANCHORS=" + dir, "UPDATE_CA_TRUST=echo update"},
		}).Stdout
	}
	if got := run(); got != "update extract\n" {
		t.Errorf("got %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ders [][]byte
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		ders = append(ders, inPEM(text)...)
	}
	holds(t, "script", ders, roots)
	if len(entries) != 2 {
		t.Errorf("got %v, want two files", entries)
	}
	run("--remove")
	if entries, err = os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("removed: got %v, %v", entries, err)
	}
}

// TestJava: keytool lists them as trusted.
func TestJava(t *testing.T) {
	t.Parallel()
	roots := two(t)
	f, path := file(t, Java, Options{Certificates: roots})
	r := peers.Succeed(t, peers.Command{Args: []string{"keytool", "-J-Duser.language=en", "-list", "-keystore", path, "-storepass", "changeit"}})
	if strings.Count(r.Stdout, "trustedCertEntry") != 2 {
		t.Errorf("got %v", r)
	}
	for _, line := range f.Fingerprints {
		colons := strings.TrimSuffix(regexp.MustCompile("..").ReplaceAllString(line[:64], "$0:"), ":")
		if !strings.Contains(r.Stdout, colons) {
			t.Errorf("%s is not in %v", colons, r)
		}
	}
}

// TestApple: Python's plistlib reads the profile, and finds what Apple documents.
func TestApple(t *testing.T) {
	t.Parallel()
	roots := two(t)
	_, path := file(t, Apple, Options{Certificates: roots, Organisation: "예시 & <Söhne>"})
	r := peers.Python(t, `
import plistlib, sys, json, base64, uuid
p = plistlib.load(open(sys.argv[1], "rb"))
assert p["PayloadType"] == "Configuration" and p["PayloadVersion"] == 1
ids = [uuid.UUID(p["PayloadUUID"])] + [uuid.UUID(c["PayloadUUID"]) for c in p["PayloadContent"]]
assert len(set(ids)) == len(ids) and all(i.variant == uuid.RFC_4122 for i in ids)
for c in p["PayloadContent"]:
    assert c["PayloadType"] == "com.apple.security.root" and c["PayloadVersion"] == 1
    assert c["PayloadIdentifier"].startswith(p["PayloadIdentifier"] + ".")
print(json.dumps([base64.b64encode(c["PayloadContent"]).decode() for c in p["PayloadContent"]]))
`, path)
	if r.Exit != 0 {
		t.Fatal(r)
	}
	var ders [][]byte
	if err := json.Unmarshal([]byte(r.Stdout), &ders); err != nil {
		t.Fatal(err)
	}
	holds(t, "profile", ders, roots)
}

// TestAndroid: one in DER, several in a ZIP of such.
func TestAndroid(t *testing.T) {
	t.Parallel()
	roots := two(t)
	f, path := file(t, Android, Options{Certificates: roots[:1]})
	if r := peers.OpenSSL(t, "", "x509", "-inform", "DER", "-noout", "-in", path); r.Exit != 0 || !strings.HasSuffix(f.Name, ".crt") {
		t.Errorf("%s: %v", f.Name, r)
	}
	f, _ = file(t, Android, Options{Certificates: roots})
	var ders [][]byte
	for _, data := range unzip(t, f.Data) {
		ders = append(ders, data)
	}
	holds(t, "ZIP", ders, roots)
}

func unzip(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestFirefox: the policy names files that the ZIP has.
func TestFirefox(t *testing.T) {
	t.Parallel()
	roots := two(t)
	type policies struct {
		Policies struct {
			Certificates struct {
				ImportEnterpriseRoots bool
				Install               []string
			}
		} `json:"policies"`
	}
	plain, _ := file(t, Firefox, Options{Certificates: roots})
	archive, _ := file(t, Firefox, Options{Certificates: roots, Archive: true})
	members := unzip(t, archive.Data)
	if !bytes.Equal(members["distribution/policies.json"], plain.Data) {
		t.Error("the policy of the ZIP is another")
	}
	var p policies
	if err := json.Unmarshal(plain.Data, &p); err != nil {
		t.Fatal(err)
	}
	if !p.Policies.Certificates.ImportEnterpriseRoots {
		t.Error("ImportEnterpriseRoots is off")
	}
	var ders [][]byte
	for _, name := range p.Policies.Certificates.Install {
		ders = append(ders, inPEM(members["distribution/certificates/"+name])...)
	}
	holds(t, "ZIP", ders, roots)
}

// TestWindows: there is no Windows here, so the script is read: ASCII, CRLF, and the right bytes where it takes them from.
func TestWindows(t *testing.T) {
	t.Parallel()
	roots := two(t)
	f, _ := file(t, WindowsGPO, Options{Certificates: roots, Organisation: "예시 ' $(x)"})
	text := string(f.Data)
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") || strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		t.Error("it is not ASCII with CRLF")
	}
	var ders [][]byte
	for _, m := range regexp.MustCompile(`Der = '([^']+)'`).FindAllStringSubmatch(text, -1) {
		der, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		ders = append(ders, der)
	}
	holds(t, "script", ders, roots)
	for i, m := range regexp.MustCompile(`Blob = '([^']+)'`).FindAllStringSubmatch(text, -1) {
		blob, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		// Property 3 with 20 octets, then property 32 with the certificate.
		if !bytes.HasPrefix(blob, []byte{3, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0}) || !bytes.HasPrefix(blob[32:], []byte{32, 0, 0, 0, 1, 0, 0, 0}) ||
			!bytes.Equal(blob[44:], ders[i]) {
			t.Errorf("blob %d is none", i)
		}
	}
	quoted := regexp.MustCompile(`'[^'\r\n]*'`)
	if strings.Contains(quoted.ReplaceAllString(text, ""), "'") {
		t.Error("a quote is open at the end of a line")
	}
}
