package live

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// everyProfile is one name for each profile that every organisation has, and what openssl calls its purpose.
func everyProfile() map[string][2]string {
	const host, person = "judge.example.test", "kim@example.test"
	return map[string][2]string{
		"server": {host, "sslserver"}, "client": {host, "sslclient"}, "user": {person, "sslclient"}, "device": {host, "sslserver"},
		"smime-sign": {person, "smimesign"}, "smime-encrypt": {person, "smimeencrypt"}, "ipsec": {host, "any"}, "code-signing": {host, "any"}, "mail-partner": {host, "sslclient"},
	}
}

// TestJudgesOfTheAuthority lets foreign programs judge what our own authority issues: good before it is revoked, and not
// afterwards, where they are told.
func TestJudgesOfTheAuthority(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	issued := map[string]certified{}
	for profile, of := range everyProfile() {
		issued[profile] = a.certify(t, profile, of[0])
	}
	t.Run("OpenSSL", func(t *testing.T) {
		for profile, c := range issued {
			a.opensslJudges(t, profile, c)
		}
	})
	t.Run("NSS", func(t *testing.T) { a.nssJudges(t, issued) })
	t.Run("GnuTLS", func(t *testing.T) { a.gnutlsJudges(t, issued) })
	t.Run("strongSwan", func(t *testing.T) { a.strongswanJudges(t, issued["ipsec"]) })
	t.Run("keytool", func(t *testing.T) { a.keytoolJudges(t) })
	t.Run("nginx and curl", func(t *testing.T) { a.nginxJudges(t, issued) })
	t.Run("revoked", func(t *testing.T) {
		for profile, c := range issued {
			a.revoke(t, c)
			a.opensslRefuses(t, profile, c)
		}
		a.nssRefuses(t, issued["server"])
		leaf, issuer := a.lists(t, issued["server"])
		r := peers.Run(t, peers.Command{Args: []string{"certtool", "--verify", "--load-ca-certificate", a.root, "--load-crl", leaf, "--infile", issued["server"].chain}})
		judgedAs(t, "certtool", r, false, "revoked")
		a.strongswanRefuses(t, issued["ipsec"])
		leaf, issuer = a.lists(t, issued["client"])
		a.nginxRefusesRevoked(t, issued, leaf, issuer)
	})
}

func (a *authority) verify(t *testing.T, c certified, purpose string) peers.Result {
	t.Helper()
	leaf, issuer := a.lists(t, c)
	return peers.Run(t, peers.Command{Args: []string{"openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", purpose, "-CAfile", a.root, "-untrusted", c.issuer, "-CRLfile", issuer, "-CRLfile", leaf, c.leaf}})
}

// ocsp asks the responder that the certificate names.
func (a *authority) ocsp(t *testing.T, c certified) peers.Result {
	t.Helper()
	url := strings.TrimSpace(openssl(t, "x509", "-in", c.leaf, "-noout", "-ocsp_uri"))
	return peers.Run(t, peers.Command{Args: []string{"openssl", "ocsp", "-issuer", c.issuer, "-cert", c.leaf, "-CAfile", a.root, "-verify_other", c.issuer, "-url", url, "-timeout", "30"}})
}

// cachedOCSP asks as a cache does, with GET and without a nonce, so that the answer is one that the server keeps.
func (a *authority) cachedOCSP(t *testing.T, c certified) string {
	t.Helper()
	url := strings.TrimSpace(openssl(t, "x509", "-in", c.leaf, "-noout", "-ocsp_uri"))
	dir := t.TempDir()
	question, answer := filepath.Join(dir, "question"), filepath.Join(dir, "answer")
	openssl(t, "ocsp", "-issuer", c.issuer, "-cert", c.leaf, "-no_nonce", "-reqout", question)
	der, err := os.ReadFile(question)
	if err != nil {
		t.Fatal(err)
	}
	at := url + "/" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(base64.StdEncoding.EncodeToString(der))
	peers.Succeed(t, peers.Command{Args: []string{"curl", "-sSf", "--max-time", "30", "-o", answer, at}})
	return openssl(t, "ocsp", "-respin", answer, "-issuer", c.issuer, "-cert", c.leaf, "-CAfile", a.root, "-verify_other", c.issuer)
}

func (a *authority) opensslJudges(t *testing.T, profile string, c certified) {
	t.Helper()
	judgedAs(t, profile+": openssl verify", a.verify(t, c, everyProfile()[profile][1]), true, ": OK")
	judgedAs(t, profile+": openssl ocsp", a.ocsp(t, c), true, ": good", "Response verify OK")
	if got := a.cachedOCSP(t, c); !strings.Contains(got, ": good") {
		t.Errorf("%s: a cached answer says %s", profile, got)
	}
}

// opensslRefuses asks at once after the command that has revoked has ended: the server that answers is another process.
func (a *authority) opensslRefuses(t *testing.T, profile string, c certified) {
	t.Helper()
	judgedAs(t, profile+": openssl verify", a.verify(t, c, everyProfile()[profile][1]), false, "certificate revoked")
	judgedAs(t, profile+": openssl ocsp", a.ocsp(t, c), true, ": revoked", "Reason: keyCompromise")
	if got := a.cachedOCSP(t, c); !strings.Contains(got, ": revoked") {
		t.Errorf("%s: the answer that was kept before the revocation is given after it: %s", profile, got)
	}
}

// nssUses are what certutil calls the use of each profile.
func nssUses() map[string]string {
	return map[string]string{"server": "V", "client": "C", "user": "C", "device": "V", "smime-sign": "S", "smime-encrypt": "R", "code-signing": "J", "mail-partner": "C"}
}

func (a *authority) nss(t *testing.T, args ...string) peers.Result {
	t.Helper()
	dir := filepath.Join(a.dir, "nss")
	if _, err := os.Stat(dir); err != nil {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		peers.Succeed(t, peers.Command{Args: []string{"certutil", "-N", "--empty-password", "-d", "sql:" + dir}})
		peers.Succeed(t, peers.Command{Args: []string{"certutil", "-A", "-n", "root", "-t", "CT,C,C", "-i", a.root, "-d", "sql:" + dir}})
	}
	return peers.Run(t, peers.Command{Args: append(args, "-d", "sql:"+dir)})
}

func (a *authority) nssJudges(t *testing.T, issued map[string]certified) {
	for profile, use := range nssUses() {
		c := issued[profile]
		judgedAs(t, "adding the issuer", a.nss(t, "certutil", "-A", "-n", profile+" issuer", "-t", ",,", "-i", c.issuer), true)
		judgedAs(t, "adding "+profile, a.nss(t, "certutil", "-A", "-n", profile, "-t", ",,", "-i", c.leaf), true)
		judgedAs(t, profile+" as "+use, a.nss(t, "certutil", "-V", "-e", "-u", use, "-n", profile), true, "certificate is valid")
	}
	for profile, use := range map[string]string{"client": "V", "server": "S", "code-signing": "V", "smime-sign": "J"} {
		judgedAs(t, profile+" as "+use, a.nss(t, "certutil", "-V", "-e", "-u", use, "-n", profile), false)
	}
}

func (a *authority) nssRefuses(t *testing.T, c certified) {
	t.Helper()
	// NSS knows no list of a part (RFC 5280 section 5.2.5): it gets the complete one.
	complete := filepath.Join(t.TempDir(), "complete.crl")
	peers.Succeed(t, peers.Command{Args: []string{"curl", "-sSf", "--max-time", "30", "-o", complete, "http://" + a.Addr("http") + "/pki/servers.crl"}})
	judgedAs(t, "crlutil", a.nss(t, "crlutil", "-I", "-i", complete), true)
	judgedAs(t, "server, revoked", a.nss(t, "certutil", "-V", "-e", "-u", "V", "-n", "server"), false, "revoked")
}

func (a *authority) gnutlsJudges(t *testing.T, issued map[string]certified) {
	const serverAuth, clientAuth, email, code = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.3"
	of := map[string]string{"server": serverAuth, "client": clientAuth, "user": clientAuth, "device": serverAuth, "smime-sign": email, "smime-encrypt": email, "code-signing": code, "mail-partner": clientAuth, "ipsec": serverAuth}
	for profile, purpose := range of {
		leaf, _ := a.lists(t, issued[profile])
		r := peers.Run(t, peers.Command{Args: []string{"certtool", "--verify", "--verify-purpose", purpose, "--load-ca-certificate", a.root, "--load-crl", leaf, "--infile", issued[profile].chain}})
		judgedAs(t, "certtool, "+profile, r, true, "The certificate is trusted")
	}
	r := peers.Run(t, peers.Command{Args: []string{"certtool", "--verify", "--verify-purpose", code, "--load-ca-certificate", a.root, "--infile", issued["server"].chain}})
	judgedAs(t, "certtool, a server that signs code", r, false)
	r = peers.Run(t, peers.Command{Args: []string{"certtool", "--verify", "--verify-hostname", "other.example.test", "--load-ca-certificate", a.root, "--infile", issued["server"].chain}})
	judgedAs(t, "certtool, another name", r, false)
}

// strongswan runs the verifier of strongSwan, which knows the authorities that it is given and fetches nothing.
func (a *authority) strongswan(t *testing.T, c certified) peers.Result {
	t.Helper()
	leaf, issuer := a.lists(t, c)
	return peers.Run(t, peers.Command{Args: []string{"pki", "--verify", "--in", c.leaf, "--cacert", a.root, "--cacert", c.issuer, "--crl", leaf, "--crl", issuer}})
}

// strongswanJudges: strongSwan takes the chain, and reads in it what IKEv2 gateways and Windows ask for (RFC 4945 section
// 5.1.3.12): its own flag for serverAuth, and that for IKE.
func (a *authority) strongswanJudges(t *testing.T, c certified) {
	judgedAs(t, "pki --verify", a.strongswan(t, c), true, "certificate trusted, lifetimes valid, certificate not revoked")
	r := peers.Run(t, peers.Command{Args: []string{"pki", "--print", "--in", c.leaf}})
	judgedAs(t, "pki --print", r, true, "serverAuth", "judge.example.test")
	if text := openssl(t, "x509", "-in", c.leaf, "-noout", "-ext", "extendedKeyUsage"); !strings.Contains(text, "ipsec Internet Key Exchange") && !strings.Contains(text, "1.3.6.1.5.5.7.3.17") {
		t.Errorf("no usage for IKE: %s", text)
	}
	self := filepath.Join(t.TempDir(), "self.pem")
	openssl(t, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self+".key", "-out", self, "-subj", "/CN=x")
	r = peers.Run(t, peers.Command{Args: []string{"pki", "--verify", "--in", self, "--cacert", a.root}})
	judgedAs(t, "pki --verify of a stranger", r, false)
}

func (a *authority) strongswanRefuses(t *testing.T, c certified) {
	t.Helper()
	judgedAs(t, "pki --verify", a.strongswan(t, c), false, "revoked")
}

// keytoolJudges makes the key where Java has it, and brings the answer back: keytool takes it if it verifies up to the
// root.
func (a *authority) keytoolJudges(t *testing.T) {
	dir := t.TempDir()
	store, csr, chain := filepath.Join(dir, "store.p12"), filepath.Join(dir, "java.csr"), filepath.Join(dir, "java.pem")
	keytool := func(args ...string) peers.Result {
		return peers.Run(t, peers.Command{Args: append(append([]string{"keytool"}, args...), "-keystore", store, "-storepass", "changeit")})
	}
	judgedAs(t, "genkeypair", keytool("-genkeypair", "-alias", "java", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=java.example.test", "-ext", "san=dns:java.example.test"), true)
	judgedAs(t, "certreq", keytool("-certreq", "-alias", "java", "-file", csr, "-ext", "san=dns:java.example.test"), true)
	a.must(t, "ca", "issue", "--csr", csr, "--domain", "java.example.test", "--out", chain)
	leaf := filepath.Join(dir, "leaf.pem")
	openssl(t, "x509", "-in", chain, "-out", leaf) // the first of the file
	judgedAs(t, "the answer alone", keytool("-importcert", "-noprompt", "-alias", "java", "-file", leaf), false, "Failed to establish chain")
	judgedAs(t, "the root", keytool("-importcert", "-noprompt", "-alias", "root", "-file", a.root), true)
	judgedAs(t, "the answer", keytool("-importcert", "-noprompt", "-alias", "java", "-file", chain), true, "Certificate reply was installed")
	judgedAs(t, "list", keytool("-list", "-v", "-alias", "java"), true, "Certificate chain length: 3", "CN=java.example.test")
}

// visit asks nginx, which wants a certificate of the client, as curl.
func (a *authority) visit(t *testing.T, addr string, c *certified) peers.Result {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	args := []string{"curl", "-sS", "-f", "--max-time", "30", "--cacert", a.root, "--resolve", "judge.example.test:" + port + ":127.0.0.1", "https://judge.example.test:" + port + "/"}
	if c != nil {
		args = append(args, "--cert", c.chain, "--key", c.key)
	}
	return peers.Run(t, peers.Command{Args: args})
}

// nginxJudges: nginx serves a certificate of the authority, which curl verifies, and asks for one, which it verifies.
func (a *authority) nginxJudges(t *testing.T, issued map[string]certified) {
	server := issued["server"]
	n := peers.Nginx(t, peers.Certificate{ChainFile: server.chain, KeyFile: server.key}, "ssl_client_certificate "+a.root+";", "ssl_verify_client on;", "ssl_verify_depth 3;")
	for _, profile := range []string{"client", "user", "device", "mail-partner"} {
		c := issued[profile]
		judgedAs(t, profile, a.visit(t, n.Addr("https"), &c), true, "hello")
	}
	judgedAs(t, "nobody", a.visit(t, n.Addr("https"), nil), false, "400")
	for _, profile := range []string{"smime-sign", "code-signing"} {
		c := issued[profile]
		judgedAs(t, profile, a.visit(t, n.Addr("https"), &c), false, "400")
	}
}

func (a *authority) nginxRefusesRevoked(t *testing.T, issued map[string]certified, leaf, issuer string) {
	t.Helper()
	var both string
	for _, path := range []string{leaf, issuer} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both += string(text)
	}
	server := a.certify(t, "server", "again.example.test")
	n := peers.Nginx(t, peers.Certificate{ChainFile: server.chain, KeyFile: server.key}, "ssl_client_certificate "+a.root+";", "ssl_verify_client on;", "ssl_verify_depth 3;", "ssl_crl "+a.file(t, "both.crl", both)+";")
	visit := func(c certified) peers.Result {
		_, port, _ := strings.Cut(n.Addr("https"), ":")
		return peers.Run(t, peers.Command{Args: []string{"curl", "-sS", "-f", "--max-time", "30", "--cacert", a.root, "--resolve", "again.example.test:" + port + ":127.0.0.1", "https://again.example.test:" + port + "/", "--cert", c.chain, "--key", c.key}})
	}
	judgedAs(t, "a client that was revoked", visit(issued["client"]), false, "400")
	judgedAs(t, "another client", visit(a.certify(t, "client", "other.example.test")), true, "hello")
}
