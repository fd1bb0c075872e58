package peers

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// selfSigned makes a certificate for mail.example.test with openssl.
func selfSigned(t *testing.T) Certificate {
	t.Helper()
	dir := t.TempDir()
	c := Certificate{ChainFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	Succeed(t, Command{Args: []string{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN=mail.example.test", "-addext", "subjectAltName=DNS:mail.example.test", "-keyout", c.KeyFile, "-out", c.ChainFile}})
	return c
}

func TestMailServersServeTheirCertificate(t *testing.T) {
	c := selfSigned(t)
	for name, s := range map[string]*MailServer{"postfix": Postfix(t, c), "dovecot": Dovecot(t, c), "nginx": Nginx(t, c)} {
		for listener := range s.Ports {
			e := Endpoint{Addr: s.Addr(listener)}
			switch listener {
			case "smtp", "submission":
				e.StartTLS = "smtp"
			case "imap", "pop3", "sieve":
				e.StartTLS = listener
			}
			if got := Served(t, e); got.Subject.CommonName != "mail.example.test" {
				t.Errorf("%s at %s: got %s", name, listener, got.Subject)
			}
		}
	}
}

func TestMailServersEnd(t *testing.T) {
	c := selfSigned(t)
	pids := map[string]int{}
	t.Run("running", func(t *testing.T) {
		pids["postfix"], pids["dovecot"], pids["nginx"] = Postfix(t, c).PID(), Dovecot(t, c).PID(), Nginx(t, c).PID()
	})
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("%s, process %d, is still there: %v", name, pid, err)
		}
	}
}

func TestDovecotLogsIn(t *testing.T) {
	s := Dovecot(t, selfSigned(t))
	r := Curl(t, "", "--insecure", "--user", "user@example.test:secret", "imaps://"+s.Addr("imaps")+"/", "--request", "NOOP")
	if r.Exit != 0 {
		t.Errorf("logging in to Dovecot: %v", r)
	}
	r = Curl(t, "", "--insecure", "--user", "user@example.test:wrong", "imaps://"+s.Addr("imaps")+"/", "--request", "NOOP")
	if r.Exit == 0 || strings.Contains(r.Stdout, "OK") {
		t.Errorf("a wrong password: %v", r)
	}
}
