package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/peers"
)

// TestANewcomerHasAnAuthority types the two commands that make an authority and a certificate of it, on a terminal, into the
// organisation of a newcomer. After that curl, which knows the root and nothing else, accepts every listener of the four
// services; certbot gets a certificate over ACME; and what is revoked is revoked for openssl, in list and answer, with the
// first question after the command.
func TestANewcomerHasAnAuthority(t *testing.T) {
	t.Parallel()
	names := peers.NewNameServer(t)
	names.Set(t, "*.example.test", "A", "127.0.0.1")
	challenge := peers.FreeOffset(t) // certbot listens there
	s := peers.Postseal(t)
	s.Stop(syscall.SIGTERM)
	config := fmt.Sprintf("[acme]\nnetworks = [\"127.0.0.0/8\"]\nresolver = %q\nhttp-port = %d\n", names.Address, challenge)
	if err := os.WriteFile(filepath.Join(s.Data, "postseal.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	bin := t.TempDir()
	if err := os.Symlink(s.Binary, filepath.Join(bin, "postseal")); err != nil {
		t.Fatal(err)
	}
	const typed = `postseal ca init && postseal ca issue --profile server --domain mail.example.test --enable SMTP,IMAP,POP,HTTP`
	peers.Need(t, "script")
	peers.Succeed(t, peers.Command{Args: []string{"script", "-qec", typed, "/dev/null"}, Stdin: "y\n", Env: []string{"POSTSEAL_DATA=" + s.Data, "PATH=" + bin + ":" + os.Getenv("PATH")}})

	a := &authority{Server: s, dir: t.TempDir()}
	a.root = filepath.Join(a.dir, "root.pem")
	a.must(t, "trust", "export", "--for", "pem", "--out", a.root)
	a.curlAccepts(t)

	var eab struct{ ID, Key string }
	decode(t, s.Command("ca", "eab", "new", "--profile", "server", "--domain", "web.example.test", "--json"), &eab)
	_, https, _ := strings.Cut(s.Addr("https"), ":")
	home := filepath.Join(a.dir, "certbot")
	peers.Succeed(t, peers.Command{Args: []string{"certbot", "certonly", "--standalone", "--non-interactive", "--agree-tos", "--no-verify-ssl", "--register-unsafely-without-email",
		"--config-dir", home, "--work-dir", home + "-work", "--logs-dir", home + "-logs", "--server", "https://127.0.0.1:" + https + "/acme/servers/directory",
		"--http-01-address", "127.0.0.1", "--http-01-port", strconv.Itoa(challenge), "-d", "web.example.test", "--eab-kid", eab.ID, "--eab-hmac-key", eab.Key}})
	got := filepath.Join(home, "live", "web.example.test")
	c := certified{leaf: filepath.Join(got, "cert.pem"), issuer: filepath.Join(got, "chain.pem")}
	list := a.complete(t, c)
	judgedAs(t, "openssl verify -crl_check", a.checked(t, c, list), true, ": OK")
	judgedAs(t, "openssl ocsp", a.asked(t, c), true, ": good")
	a.must(t, "ca", "revoke", "--certificate", c.leaf, "--reason", "keyCompromise", "--yes")
	judgedAs(t, "openssl ocsp", a.asked(t, c), true, ": revoked", "Reason: keyCompromise")
	judgedAs(t, "openssl verify -crl_check", a.checked(t, c, a.complete(t, c)), false, "certificate revoked")
}

// curlAccepts lets curl speak to each listener of the four services by the name in the certificate.
func (a *authority) curlAccepts(t *testing.T) {
	t.Helper()
	user := []string{"-u", "trial@example.test:" + a.Password()}
	send := []string{"--mail-from", "trial@example.test", "--mail-rcpt", "trial@example.test", "-T", "-"}
	for _, l := range []struct {
		listener, url string
		more          []string
	}{
		{"smtp", "smtp://%s", append([]string{"--ssl-reqd"}, send...)},
		{"submission", "smtp://%s", append(append([]string{"--ssl-reqd"}, send...), user...)},
		{"submissions", "smtps://%s", append(append([]string{}, send...), user...)},
		{"imap", "imap://%s/INBOX;MAILINDEX=1", append([]string{"--ssl-reqd"}, user...)},
		{"imaps", "imaps://%s/INBOX;MAILINDEX=1", user},
		{"pop3", "pop3://%s/1", append([]string{"--ssl-reqd"}, user...)},
		{"pop3s", "pop3s://%s/1", user},
		{"https", "https://%s/", nil},
	} {
		_, port, _ := strings.Cut(a.Addr(l.listener), ":")
		for name, good := range map[string]bool{"mail.example.test": true, "other.example.test": false} {
			at := name + ":" + port
			args := append([]string{"--cacert", a.root, "--capath", a.dir, "--resolve", at + ":127.0.0.1", fmt.Sprintf(l.url, at)}, l.more...)
			judgedAs(t, l.listener+" as "+name, peers.Curl(t, fmt.Sprintf(message, l.listener), args...), good)
		}
	}
}

// complete fetches the complete list of an authority from the address that its own certificates have, which leads to this
// server once its name does.
func (a *authority) complete(t *testing.T, c certified) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "complete.crl")
	host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(openssl(t, "x509", "-in", c.leaf, "-noout", "-ocsp_uri")), "http://"), "/")
	peers.Succeed(t, peers.Command{Args: []string{"curl", "-sSf", "--max-time", "30", "--connect-to", host + ":80:" + a.Addr("http"), "-o", path + ".der", "http://" + host + "/pki/servers.crl"}})
	openssl(t, "crl", "-inform", "DER", "-in", path+".der", "-out", path)
	return path
}

func (a *authority) checked(t *testing.T, c certified, list string) peers.Result {
	t.Helper()
	return peers.Run(t, peers.Command{Args: []string{"openssl", "verify", "-crl_check", "-CAfile", a.root, "-untrusted", c.issuer, "-CRLfile", list, c.leaf}})
}

// asked asks the responder that the certificate names, at the port that it really has here.
func (a *authority) asked(t *testing.T, c certified) peers.Result {
	t.Helper()
	url := strings.TrimSpace(openssl(t, "x509", "-in", c.leaf, "-noout", "-ocsp_uri"))
	_, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	return peers.Run(t, peers.Command{Args: []string{"openssl", "ocsp", "-issuer", c.issuer, "-cert", c.leaf, "-CAfile", a.root, "-verify_other", c.issuer, "-url", "http://" + a.Addr("http") + "/" + path, "-timeout", "30"}})
}
