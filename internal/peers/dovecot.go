package peers

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Dovecot starts a Dovecot with the listeners imap, imaps, pop3, pop3s and sieve, for the one user user@example.test with
// the password "secret". extra are lines of its configuration that are added to the ones here, such as
// "disable_plaintext_auth = no".
func Dovecot(t testing.TB, c Certificate, extra ...string) *MailServer {
	t.Helper()
	Need(t, "dovecot")
	s := newMailServer(t, "dovecot", "imap", "imaps", "pop3", "pop3s", "sieve")
	s.log = filepath.Join(s.Dir, "log")
	inet := func(listener string, tls bool) string {
		options := ""
		if tls {
			options = "\n    ssl = yes"
		}
		return fmt.Sprintf("  inet_listener %s {\n    address = 127.0.0.1\n    port = %d%s\n  }", listener, s.Ports[listener], options)
	}
	path := s.write("dovecot.conf", settings(append([]string{
		"base_dir = " + filepath.Join(s.Dir, "run"),
		"state_dir = " + filepath.Join(s.Dir, "state"),
		"log_path = " + s.log,
		"protocols = imap pop3 sieve",
		"listen = 127.0.0.1",
		"ssl = yes",
		"ssl_cert = <" + c.ChainFile,
		"ssl_key = <" + c.KeyFile,
		"disable_plaintext_auth = yes",
		"auth_mechanisms = plain login",
		"mail_location = maildir:" + filepath.Join(s.Dir, "mail", "%u"),
		"first_valid_uid = 1",
		"passdb {\n  driver = static\n  args = password=secret\n}",
		"userdb {\n  driver = static\n  args = uid=dovecot gid=dovecot home=" + filepath.Join(s.Dir, "mail", "%u") + "\n}",
		"service imap-login {\n" + inet("imap", false) + "\n" + inet("imaps", true) + "\n}",
		"service pop3-login {\n" + inet("pop3", false) + "\n" + inet("pop3s", true) + "\n}",
		"service managesieve-login {\n" + inet("sieve", false) + "\n}",
		// Without these it wants its own users to own a directory in /run.
		"service stats {\n  chroot =\n}",
	}, extra...)...))
	s.run("dovecot", "-F", "-c", path)
	return s
}
