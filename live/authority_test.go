package live

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// An authority is our own, on a running trial server: what strangers have of it are its root in a file, and the addresses
// in its certificates.
type authority struct {
	*peers.Server
	dir  string
	root string // PEM file
}

// newAuthority starts a server, makes its authority, and lets one person issue what otherwise wants two.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{Server: peers.Postseal(t), dir: t.TempDir()}
	a.root = filepath.Join(a.dir, "root.pem")
	a.must(t, "ca", "init", "--name", "Example", "--pki-host", a.Addr("http"))
	a.must(t, "trust", "export", "--for", "pem", "--out", a.root)
	for _, name := range []string{"code-signing", "mail-partner"} {
		var shown struct {
			Profile map[string]any `json:"profile"`
		}
		decode(t, a.Command("ca", "profile", "show", name, "--json"), &shown)
		delete(shown.Profile, "approval")
		shown.Profile["domains"] = []string{"example.test"}
		text, err := json.Marshal(shown.Profile)
		if err != nil {
			t.Fatal(err)
		}
		a.must(t, "ca", "profile", "set", a.file(t, name+".json", string(text)), "--yes")
	}
	return a
}

func (a *authority) must(t *testing.T, args ...string) string {
	t.Helper()
	r := a.Command(args...)
	if r.Exit != 0 {
		t.Fatalf("postseal %s: %v", strings.Join(args, " "), r)
	}
	return r.Stdout
}

func (a *authority) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certified is what somebody has who made a key himself.
type certified struct {
	key    string // PEM files
	leaf   string
	chain  string // leaf and the issuing authority
	issuer string
}

// certify makes a key and a request with openssl, as others do, and lets the authority certify it. The name is a host or
// an e-mail address.
func (a *authority) certify(t *testing.T, profile, name string) certified {
	t.Helper()
	base := filepath.Join(a.dir, profile+"-"+strings.ReplaceAll(name, "@", "-"))
	c := certified{key: base + ".key", leaf: base + ".pem", chain: base + "-chain.pem", issuer: base + "-issuer.pem"}
	kind := "DNS:"
	if strings.Contains(name, "@") {
		kind = "email:"
	}
	algorithm := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	if profile == "smime-encrypt" {
		algorithm = []string{"-newkey", "rsa:2048"} // what mail programs know
	}
	openssl(t, append([]string{"req", "-new", "-nodes", "-keyout", c.key, "-out", base + ".csr", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + kind + name}, algorithm...)...)
	a.must(t, "ca", "issue", "--profile", profile, "--csr", base+".csr", "--out", c.chain)
	text, err := os.ReadFile(c.chain)
	if err != nil {
		t.Fatal(err)
	}
	const end = "-----END CERTIFICATE-----\n"
	leaf, issuer, _ := strings.Cut(string(text), end)
	a.file(t, filepath.Base(c.leaf), leaf+end)
	a.file(t, filepath.Base(c.issuer), issuer)
	return c
}

func openssl(t *testing.T, args ...string) string {
	t.Helper()
	return peers.Succeed(t, peers.Command{Args: append([]string{"openssl"}, args...)}).Stdout
}

// lists fetches, over HTTP from the addresses in a certificate and in its issuer's, the revocation lists that say whether
// the two are good, as PEM files.
func (a *authority) lists(t *testing.T, c certified) (leaf, issuer string) {
	t.Helper()
	fetch := func(certificate, name string) string {
		text := openssl(t, "x509", "-in", certificate, "-noout", "-ext", "crlDistributionPoints")
		_, rest, _ := strings.Cut(text, "URI:")
		url, _, _ := strings.Cut(rest, "\n")
		path := filepath.Join(t.TempDir(), name)
		peers.Succeed(t, peers.Command{Args: []string{"curl", "-sSf", "--max-time", "30", "-o", path + ".der", url}})
		openssl(t, "crl", "-inform", "DER", "-in", path+".der", "-out", path)
		return path
	}
	return fetch(c.leaf, "leaf.crl"), fetch(c.issuer, "issuer.crl")
}

// revoke takes one back, with a command of its own.
func (a *authority) revoke(t *testing.T, c certified) {
	t.Helper()
	a.must(t, "ca", "revoke", "--certificate", c.leaf, "--reason", "keyCompromise", "--yes")
}

// judged fails the test unless a judge takes what he must take, and refuses what he must refuse for the reason wanted.
func judgedAs(t *testing.T, what string, r peers.Result, good bool, wants ...string) {
	t.Helper()
	said := fmt.Sprint(r)
	if (r.Exit == 0) != good {
		t.Errorf("%s: want it taken %v, got %v", what, good, r)
	}
	for _, w := range wants {
		if !strings.Contains(said, w) {
			t.Errorf("%s: want %q, got %v", what, w, r)
		}
	}
}
