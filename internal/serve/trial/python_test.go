package trial

import (
	"encoding/pem"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// pythonWalk sends and reads with Python's own mail libraries, which are strict where Go's are not.
const pythonWalk = `
import imaplib, poplib, smtplib, ssl, sys
ca, user, password, imap, pop3, smtp, submission = sys.argv[1:]
context = ssl.create_default_context(cafile=ca); context.check_hostname = False
message = b"From: a@b.test\r\nSubject: from python\r\n\r\n.dot\r\n..\r\ncaf\xc3\xa9\r\n"

s = smtplib.SMTP_SSL("127.0.0.1", int(smtp), context=context, timeout=20)
s.sendmail("a@b.test", [user], message)
try:
    s.sendmail("a@b.test", ["x@third.test"], message); raise AssertionError("open relay")
except smtplib.SMTPRecipientsRefused as e:
    assert e.recipients["x@third.test"][0] == 550, e
try:
    s.login(user, password); raise AssertionError("strangers may log in")
except smtplib.SMTPNotSupportedError:
    pass
s.quit()

s = smtplib.SMTP_SSL("127.0.0.1", int(submission), context=context, timeout=20)
try:
    s.sendmail(user, [user], message); raise AssertionError("submission without a login")
except smtplib.SMTPSenderRefused as e:
    assert e.smtp_code == 530, e
s.login(user, password); s.sendmail(user, [user], message); s.quit()

i = imaplib.IMAP4_SSL("127.0.0.1", int(imap), ssl_context=context, timeout=20)
i.login(user, password); assert i.select("INBOX") == ("OK", [b"2"])
assert i.search(None, "SUBJECT", '"from python"')[1] == [b"1 2"]
for n in b"1", b"2":
    got = i.fetch(n, "(RFC822)")[1][0][1]; assert got == message, got
i.create("Kept"); i.copy("1", "Kept"); i.store("1", "+FLAGS", "\\Deleted"); assert i.expunge()[1] == [b"1"]
assert len(i.list()[1]) == 2
i.append("INBOX", "\\Seen", None, message); i.logout()

p = poplib.POP3_SSL("127.0.0.1", int(pop3), context=context, timeout=20)
assert "UIDL" in p.capa(); p.user(user); p.pass_(password)
count, size = p.stat(); assert count == 2 and size == 2 * len(message), (count, size)
for n in 1, 2:
    assert b"\r\n".join(p.retr(n)[1]) + b"\r\n" == message
assert p.top(1, 0)[1] == [b"From: a@b.test", b"Subject: from python", b""]
p.dele(1); p.quit()
p = poplib.POP3_SSL("127.0.0.1", int(pop3), context=context, timeout=20); p.user(user); p.pass_(password)
assert len(p.list()[1]) == 1; p.rset(); p.noop(); p.quit()
`

func TestPythonsClients(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.tls.Certificates[0].Certificate[0]})
	ca := writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(cert), 0o600)
	args := []string{"-c", pythonWalk, ca, DefaultAddress, testPassword}
	for _, protocol := range []string{IMAP, POP3, SMTP, Submission} {
		_, port, err := net.SplitHostPort(h.Addr(protocol))
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, port)
	}
	if out, err := exec.CommandContext(t.Context(), "python3", args...).CombinedOutput(); err != nil {
		t.Errorf("python3: %v\n%s", err, out)
	}
}
