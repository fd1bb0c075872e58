package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/peers"
)

// TestBehindAForeignWebServer: with the lines of docs/howto-authority.md, as they stand there, an nginx hands out lists and
// answers, by GET and by POST; a revocation is seen through its cache within five seconds; and the last list is still to be
// had while the server is away.
func TestBehindAForeignWebServer(t *testing.T) {
	t.Parallel()
	peers.Need(t, "nginx", "openssl", "curl")
	howto, err := os.ReadFile(filepath.Join("..", "docs", "howto-authority.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(howto), "\nnginx:\n\n```\n")
	block, _, found := strings.Cut(block, "\n```\n")
	if !found {
		t.Fatal("docs/howto-authority.md shows no lines for nginx")
	}
	a := &authority{Server: peers.Postseal(t), dir: t.TempDir()}
	web := peers.NginxPages(t, func(dir string, port int) string {
		lines := block
		for from, to := range map[string]string{"listen 80;": fmt.Sprintf("listen 127.0.0.1:%d;", port), "/var/cache/nginx/pki": filepath.Join(dir, "cache"), "127.0.0.1:8080": a.Addr("http")} {
			if !strings.Contains(lines, from) {
				t.Fatalf("docs/howto-authority.md does not say %q", from)
			}
			lines = strings.Replace(lines, from, to, 1)
		}
		return lines
	})
	a.root = filepath.Join(a.dir, "root.pem")
	a.must(t, "ca", "init", "--name", "Example", "--pki-host", web.Addr("http"))
	a.must(t, "trust", "export", "--for", "pem", "--out", a.root)
	c := a.certify(t, "server", "web.example.test")
	if text := openssl(t, "x509", "-in", c.leaf, "-noout", "-text"); strings.Contains(text, a.Addr("http")) || strings.Count(text, "http://"+web.Addr("http")+"/pki/") < 2 {
		t.Fatalf("its addresses are not those of the web server:\n%s", text)
	}
	answer := func() string {
		return openssl(t, "ocsp", "-issuer", c.issuer, "-cert", c.leaf, "-url", "http://"+web.Addr("http")+"/pki/ocsp/servers", "-CAfile", a.root, "-no_nonce")
	}
	get := func() string { // as clients do that ask by GET, through the cache
		request := filepath.Join(t.TempDir(), "q")
		openssl(t, "ocsp", "-issuer", c.issuer, "-cert", c.leaf, "-reqout", request, "-no_nonce")
		address := strings.TrimSpace(openssl(t, "base64", "-A", "-in", request))
		address = "http://" + web.Addr("http") + "/pki/ocsp/servers/" + strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(address)
		peers.Succeed(t, peers.Command{Args: []string{"curl", "-sSf", "--max-time", "30", "-o", request + ".answer", address}})
		return openssl(t, "ocsp", "-respin", request+".answer", "-issuer", c.issuer, "-cert", c.leaf, "-CAfile", a.root, "-no_nonce")
	}
	verify := func() peers.Result {
		leaf, issuer := a.lists(t, c)
		both := a.file(t, "both.pem", readFile(t, leaf)+readFile(t, issuer))
		return peers.Run(t, peers.Command{Args: []string{"openssl", "verify", "-CAfile", a.root, "-untrusted", c.issuer, "-CRLfile", both, "-crl_check_all", c.leaf}})
	}
	judgedAs(t, "before", verify(), true, "OK")
	for way, said := range map[string]string{"POST": answer(), "GET": get()} {
		if !strings.Contains(said, ": good") {
			t.Errorf("%s: %s", way, said)
		}
	}
	a.revoke(t, c)
	seen := func() bool {
		return strings.Contains(answer(), ": revoked") && strings.Contains(get(), ": revoked") && verify().Exit != 0
	}
	for began := time.Now(); !seen(); {
		if time.Since(began) > 20*time.Second { // five, on a machine that does nothing else
			t.Fatal("the revocation is not seen through the web server")
		}
	}
	a.Stop(syscall.SIGTERM)
	judgedAs(t, "while the server is away", verify(), false, "revoked")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
