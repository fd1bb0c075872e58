package live

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/peers"
)

// judged is what testssl.sh says of one thing in its JSON.
type judged struct{ ID, Severity, Finding string }

// checkOf is what check says of one endpoint.
type checkOf struct {
	Hosts []struct{ Endpoints []endpointOf }
}

type endpointOf struct {
	Port        int
	Versions    []string
	KeyExchange string
	Certificate struct {
		NotAfter time.Time
		SHA256   string
	}
	Trust    struct{ Machine string }
	Findings []struct{ Code string }
}

// agrees holds what check says of an endpoint against what openssl's own client sees: versions, certificate, trust.
func agrees(t *testing.T, a *peers.Authority, e endpointOf, starttls string) {
	t.Helper()
	ask := func(more ...string) peers.Result {
		args := append([]string{"openssl", "s_client", "-connect", fmt.Sprintf("127.0.0.1:%d", e.Port), "-servername", "localhost", "-CAfile", a.RootFile}, more...)
		if starttls != "" {
			args = append(args, "-starttls", starttls)
		}
		return peers.Run(t, peers.Command{Args: args})
	}
	for version, flags := range map[string][]string{"TLS 1.0": {"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, "TLS 1.1": {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, "TLS 1.2": {"-tls1_2"}, "TLS 1.3": {"-tls1_3"}} {
		r := ask(flags...)
		theirs := strings.Contains(r.Stdout, "Cipher is ") && !strings.Contains(r.Stdout, "Cipher is (NONE)")
		if ours := slices.Contains(e.Versions, version); ours != theirs {
			t.Errorf("%d speaks %s: check says %v, openssl %v", e.Port, version, e.Versions, r)
		}
	}
	r := ask("-verify_hostname", "localhost")
	has := func(code string) bool {
		return slices.ContainsFunc(e.Findings, func(f struct{ Code string }) bool { return f.Code == code })
	}
	for code, theirs := range map[string]bool{"expired": strings.Contains(r.Stdout, "certificate has expired"), "wrongName": strings.Contains(r.Stdout, "ostname mismatch")} {
		if has(code) != theirs {
			t.Errorf("%d, %s: check says %v, openssl %v", e.Port, code, e.Findings, r)
		}
	}
	block, _ := pem.Decode([]byte(r.Stdout[max(strings.Index(r.Stdout, "-----BEGIN"), 0):]))
	if block == nil || fmt.Sprintf("%x", sha256.Sum256(block.Bytes)) != e.Certificate.SHA256 {
		t.Errorf("%d serves: check says %s, openssl %v", e.Port, e.Certificate.SHA256, r)
	}
}

// TestANewcomerLearnsThreeTrueThings runs the built program on a list of three foreign servers, with no organisation, and
// lets testssl.sh and openssl judge what it says.
func TestANewcomerLearnsThreeTrueThings(t *testing.T) {
	a := peers.NewAuthority(t)
	now := time.Now()
	good := a.Certificate("localhost", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	ended := a.Certificate("localhost", now.Add(-90*24*time.Hour), now.Add(-75*time.Hour))
	nginx := peers.Nginx(t, good, "ssl_protocols TLSv1.2 TLSv1.3;")
	dovecot := peers.Dovecot(t, ended, "disable_plaintext_auth = no")
	postfix := peers.Postfix(t, a.Certificate("elsewhere.example.test", now.Add(-time.Hour), now.Add(90*24*time.Hour)), "smtpd_tls_mandatory_protocols = >=TLSv1")
	dir := t.TempDir()
	list := filepath.Join(dir, "hosts.txt")
	text := fmt.Sprintf("# three servers\nlocalhost:%d\nlocalhost:%d imap\nlocalhost:%d smtp\n", nginx.Ports["https"], dovecot.Ports["imap"], postfix.Ports["submission"])
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	data, binary := filepath.Join(dir, "none"), peers.Binary(t)
	run := func(args ...string) peers.Result {
		return peers.Run(t, peers.Command{Args: append([]string{binary, "check", "--from", list, "--data", data, "--limit", "60s"}, args...), Env: []string{"SSL_CERT_FILE=" + a.RootFile}, Limit: 5 * time.Minute})
	}
	r := run()
	if r.Exit != 3 {
		t.Fatalf("check: %v", r)
	}
	for _, truth := range []string{
		fmt.Sprintf("%d: takes passwords in clear, before TLS", dovecot.Ports["imap"]),
		fmt.Sprintf("%d: the certificate ended on %s, 3 days ago", dovecot.Ports["imap"], now.Add(-75*time.Hour).UTC().Format(time.DateOnly)),
		fmt.Sprintf("%d: the certificate is not for \"localhost\", only for elsewhere.example.test", postfix.Ports["submission"]),
		fmt.Sprintf("%d: still speaks TLS 1.0 and TLS 1.1", postfix.Ports["submission"]),
	} {
		if !strings.Contains(r.Stdout, truth) {
			t.Errorf("check does not say %q:\n%v", truth, r)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("check made a data directory")
	}
	var seen checkOf
	if out := run("--json"); json.Unmarshal([]byte(out.Stdout), &seen) != nil || len(seen.Hosts) != 1 || len(seen.Hosts[0].Endpoints) != 3 {
		t.Fatalf("check --json: %v", out)
	}
	for i, starttls := range []string{"", "imap", "smtp"} {
		agrees(t, a, seen.Hosts[0].Endpoints[i], starttls)
	}
	// testssl.sh is a shell script: its protocols alone (-p) take 32 seconds of the processor, its certificates (-S) more, so
	// only the long run waits for it.
	for i, starttls := range []string{"", "imap", "smtp"}[:peers.Scale(0, 3)] {
		e := seen.Hosts[0].Endpoints[i]
		says := testssl(t, a, fmt.Sprintf("localhost:%d", e.Port), starttls)
		has := func(code string) bool {
			for _, f := range e.Findings {
				if f.Code == code {
					return true
				}
			}
			return false
		}
		// openssl of this machine speaks no SSL 3; testssl names versions TLS1, TLS1_1, TLS1_2, TLS1_3.
		for version, id := range map[string]string{"TLS 1.0": "TLS1", "TLS 1.1": "TLS1_1", "TLS 1.2": "TLS1_2", "TLS 1.3": "TLS1_3"} {
			theirs := strings.HasPrefix(says[id].Finding, "offered")
			if ours := strings.Contains(strings.Join(e.Versions, ","), version); ours != theirs {
				t.Errorf("%d speaks %s: check says %v, testssl %q", e.Port, version, ours, says[id].Finding)
			}
		}
		if theirs := strings.HasPrefix(says["cert_chain_of_trust"].Finding, "passed"); theirs != (e.Trust.Machine == "Valid") && !has("expired") {
			t.Errorf("%d is trusted: check says %s, testssl %q", e.Port, e.Trust.Machine, says["cert_chain_of_trust"].Finding)
		}
		if theirs := strings.HasPrefix(says["cert_expirationStatus"].Finding, "expired"); theirs != has("expired") {
			t.Errorf("%d has ended: check says %v, testssl %q", e.Port, has("expired"), says["cert_expirationStatus"].Finding)
		}
		if theirs := !strings.Contains(says["cert_trust"].Finding, "Ok via"); theirs != has("wrongName") {
			t.Errorf("%d is for another name: check says %v, testssl %q", e.Port, has("wrongName"), says["cert_trust"].Finding)
		}
		if got := says["cert_fingerprintSHA256"].Finding; !strings.EqualFold(got, e.Certificate.SHA256) {
			t.Errorf("%d serves: check says %s, testssl %s", e.Port, e.Certificate.SHA256, got)
		}
	}
}

// testssl lets testssl.sh look at protocols and the certificate of an endpoint, and returns what it says by its names.
func testssl(t *testing.T, a *peers.Authority, at, starttls string) map[string]judged {
	t.Helper()
	out := filepath.Join(t.TempDir(), "testssl.json")
	args := []string{"testssl", "--openssl", "/usr/bin/openssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "-p", "-S", "--add-ca", a.RootFile, "--jsonfile", out}
	if starttls != "" {
		args = append(args, "--starttls", starttls)
	}
	r := peers.Run(t, peers.Command{Args: append(args, at), Limit: 15 * time.Minute})
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("testssl of %s: %v\n%v", at, err, r)
	}
	var list []judged
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("testssl of %s: %v\n%s", at, err, text)
	}
	says := make(map[string]judged)
	for _, j := range list {
		says[j.ID] = j
	}
	return says
}
