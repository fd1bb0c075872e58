package live

import (
	"fmt"
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
	"postseal/internal/peers"
)

// endpoints are the listeners with a certificate, and how a client comes to TLS there.
func endpoints(s *peers.Server) map[string]peers.Endpoint {
	return map[string]peers.Endpoint{
		"smtp":        {Addr: s.Addr("smtp"), StartTLS: "smtp"},
		"submission":  {Addr: s.Addr("submission"), StartTLS: "smtp"},
		"submissions": {Addr: s.Addr("submissions")},
		"imap":        {Addr: s.Addr("imap"), StartTLS: "imap"},
		"imaps":       {Addr: s.Addr("imaps")},
		"pop3":        {Addr: s.Addr("pop3"), StartTLS: "pop3"},
		"pop3s":       {Addr: s.Addr("pop3s")},
		"https":       {Addr: s.Addr("https")},
		"management":  {Addr: s.Addr("management")},
	}
}

func TestOpenSSLSeesWhatTheCommandLineSays(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	var listeners []struct {
		Listener    string
		Thumbprints []string
	}
	decode(t, s.Command("listener", "list", "--json"), &listeners)
	said := make(map[string][]string)
	for _, l := range listeners {
		said[l.Listener] = l.Thumbprints
	}
	for name, at := range endpoints(s) {
		got := x509cert.Thumbprint(peers.Served(t, at).Raw)
		if want := said[name]; len(want) == 0 || got != want[0] {
			t.Errorf("%s: openssl sees %s, listener list says %v", name, got, want)
		}
		at.Options = []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}
		if name == "management" {
			continue // its certificate has one member, ECDSA
		}
		got = x509cert.Thumbprint(peers.Served(t, at).Raw)
		if want := said[name]; len(want) != 2 || got != want[1] {
			t.Errorf("%s: openssl without ECDSA sees %s, want the RSA member of %v", name, got, want)
		}
	}
}

// message is a small message with a line that begins with a dot.
const message = "From: trial@example.test\r\nTo: trial@example.test\r\nSubject: %s\r\n\r\nhello\r\n.dot line\r\n"

func TestCurlSendsAndReads(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	user := "trial@example.test:" + s.Password()
	envelope := []string{"--mail-from", "trial@example.test", "--mail-rcpt", "trial@example.test", "-T", "-"}
	for subject, args := range map[string][]string{
		"by submission":  {"--ssl-reqd", "smtp://" + s.Addr("submission"), "-u", user},
		"by submissions": {"smtps://" + s.Addr("submissions"), "-u", user},
		"by smtp":        {"--ssl-reqd", "smtp://" + s.Addr("smtp")},
	} {
		succeeds(t, peers.Curl(t, fmt.Sprintf(message, subject), append(append([]string{"-k"}, args...), envelope...)...))
	}
	for name, url := range map[string]string{"imaps": "imaps://%s/INBOX;MAILINDEX=1", "pop3s": "pop3s://%s/1"} {
		got := peers.Curl(t, "", "-k", "-u", user, fmt.Sprintf(url, s.Addr(name)))
		succeeds(t, got)
		if !strings.Contains(got.Stdout, "\r\n.dot line\r\n") || !strings.Contains(got.Stdout, "with ESMTPS") {
			t.Errorf("%s: got %v, want the message with its dot line and its trace", name, got)
		}
	}
	for name, url := range map[string]string{"imap": "imap://%s/INBOX;MAILINDEX=1", "pop3": "pop3://%s/1"} {
		got := peers.Curl(t, "", "-k", "--ssl-reqd", "-u", user, fmt.Sprintf(url, s.Addr(name)))
		succeeds(t, got)
		if got := peers.Curl(t, "", "-u", user, fmt.Sprintf(url, s.Addr(name))); got.Exit == 0 {
			t.Errorf("%s: a login in clear was accepted: %v", name, got)
		}
	}
	got := peers.Curl(t, "", "-k", "-i", "https://"+s.Addr("https")+"/")
	succeeds(t, got)
	if !strings.Contains(got.Stdout, "example.test") {
		t.Errorf("https: got %v, want a page that names the server", got)
	}
	got = peers.Curl(t, "", "-i", "http://"+s.Addr("http")+"/a?b=c")
	if want := "https://" + s.Addr("https") + "/a?b=c"; !strings.Contains(got.Stdout, want) {
		t.Errorf("http: got %v, want a redirect to %s", got, want)
	}
	for _, name := range []string{"https", "management"} {
		if got := peers.Curl(t, "", "-k", "https://"+s.Addr(name)+"/healthz"); got.Exit != 0 || !strings.HasPrefix(got.Stdout, "ok") {
			t.Errorf("%s: /healthz: got %v, want ok", name, got)
		}
	}
}

func TestSwaksIsServedAndRefused(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	port := func(name string) string { return s.Addr(name)[strings.LastIndex(s.Addr(name), ":")+1:] }
	base := []string{"--server", "127.0.0.1", "--to", "trial@example.test", "--helo", "client.example.net"}
	with := func(more ...string) peers.Result {
		return peers.Swaks(t, append(append([]string{}, base...), more...)...)
	}
	login := []string{"--auth-user", "trial@example.test", "--auth-password", s.Password()}

	succeeds(t, with("--port", port("smtp"), "--tls", "--from", "stranger@elsewhere.test"))
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		succeeds(t, with(append([]string{"--port", port("submission"), "--tls", "--auth", mechanism, "--from", "trial@example.test"}, login...)...))
		succeeds(t, with(append([]string{"--port", port("submissions"), "--tls-on-connect", "--auth", mechanism, "--from", "trial@example.test"}, login...)...))
	}
	for what, got := range map[string]peers.Result{
		"a wrong password":   with("--port", port("submission"), "--tls", "--auth", "PLAIN", "--auth-user", "trial@example.test", "--auth-password", "wrong"),
		"mail without login": with("--port", port("submission"), "--tls", "--from", "stranger@elsewhere.test"),
		"a foreign domain":   peers.Swaks(t, "--server", "127.0.0.1", "--port", port("smtp"), "--tls", "--from", "a@elsewhere.test", "--to", "b@third.test"),
		"login on port 25":   with(append([]string{"--port", port("smtp"), "--tls", "--auth", "PLAIN"}, login...)...),
		"login in clear":     with(append([]string{"--port", port("submission"), "--auth", "PLAIN"}, login...)...),
	} {
		if got.Exit == 0 {
			t.Errorf("%s was accepted: %v", what, got)
		}
	}
}

// pythonScript sends with smtplib, and reads with imaplib and poplib, as programs of administrators do.
const pythonScript = `
import imaplib, poplib, smtplib, ssl, sys
host, submission, imap, pop3, imaps, pop3s, password = "127.0.0.1", *map(int, sys.argv[1:6]), sys.argv[6]
user = "trial@example.test"
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
s = smtplib.SMTP(host, submission, timeout=20); s.starttls(context=c); s.login(user, password)
s.sendmail(user, [user], "Subject: python\r\n\r\n" + "x" * 900 + "\r\n..two dots\r\n" + "line\r\n" * 2000); s.quit()
i = imaplib.IMAP4(host, imap, timeout=20); i.starttls(c); i.login(user, password); i.select("INBOX")
body = i.fetch("1", "(RFC822)")[1][0][1]; assert b"\r\n..two dots\r\n" in body and body.count(b"line\r\n") == 2000; i.logout()
i = imaplib.IMAP4_SSL(host, imaps, ssl_context=c, timeout=20)
try:
    i.login(user, "wrong \"password\\"); raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error: pass
i.authenticate("PLAIN", lambda _: ("\0%s\0%s" % (user, password)).encode()); i.select("INBOX"); i.idle if hasattr(i, "idle") else None; i.logout()
p = poplib.POP3(host, pop3, timeout=20); assert "STLS" in p.capa(); p.stls(c); p.user(user); p.pass_(password); assert p.stat()[0] == 1; p.quit()
p = poplib.POP3_SSL(host, pop3s, context=c, timeout=20); p.user(user); p.pass_(password); assert b"..two dots" in p.retr(1)[1]; p.quit()
print("done")
`

func TestPythonSendsAndReads(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	var args []string
	for _, name := range []string{"submission", "imap", "pop3", "imaps", "pop3s"} {
		args = append(args, s.Addr(name)[strings.LastIndex(s.Addr(name), ":")+1:])
	}
	got := peers.Python(t, pythonScript, append(args, s.Password())...)
	if got.Exit != 0 || !strings.Contains(got.Stdout, "done") {
		t.Error(got)
	}
}
