package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Nginx starts an nginx with the listeners https, and imap, imaps, pop3, pop3s, smtp and submissions of its mail proxy,
// which has nobody behind it: its clients come as far as the login. extra are lines that are added to both blocks, http
// and mail, such as "ssl_protocols TLSv1.2;".
func Nginx(t testing.TB, c Certificate, extra ...string) *MailServer {
	t.Helper()
	Need(t, "nginx")
	const module = "/usr/lib/nginx/modules/ngx_mail_module.so"
	if _, err := os.Stat(module); err != nil {
		t.Fatalf("nginx has no mail module; run: apt-get install --yes libnginx-mod-mail   (or: make deps)")
	}
	s := newMailServer(t, "nginx", "https", "imap", "imaps", "pop3", "pop3s", "smtp", "submissions")
	s.log = filepath.Join(s.Dir, "log")
	served := settings(append([]string{"ssl_certificate " + c.ChainFile + ";", "ssl_certificate_key " + c.KeyFile + ";"}, extra...)...)
	mail := func(listener, protocol, tls string) string {
		if tls == "" {
			return fmt.Sprintf("server { listen 127.0.0.1:%d ssl; protocol %s; }", s.Ports[listener], protocol)
		}
		return fmt.Sprintf("server { listen 127.0.0.1:%d; protocol %s; starttls %s; }", s.Ports[listener], protocol, tls)
	}
	path := s.write("nginx.conf", settings(
		"load_module "+module+";",
		"daemon off; worker_processes 1; user www-data; pid "+filepath.Join(s.Dir, "pid")+"; error_log "+s.log+";",
		"events { worker_connections 256; }",
		"http {", "access_log off;", served,
		fmt.Sprintf("server { listen 127.0.0.1:%d ssl; server_name _; return 200 \"hello\\n\"; }", s.Ports["https"]),
		"}",
		"mail {", "auth_http 127.0.0.1:1/; server_name mail.example.test; smtp_auth login plain; imap_auth plain; pop3_auth plain;", served,
		mail("imap", "imap", "only"), mail("imaps", "imap", ""), mail("pop3", "pop3", "only"), mail("pop3s", "pop3", ""),
		mail("smtp", "smtp", "only"), mail("submissions", "smtp", ""),
		"}",
	))
	s.run("nginx", "-p", s.Dir, "-c", path, "-e", s.log)
	return s
}

// NginxPages starts an nginx with one listener, http, whose block http is what http returns for a directory that nginx may
// write and a port.
func NginxPages(t testing.TB, http func(dir string, port int) string) *MailServer {
	t.Helper()
	Need(t, "nginx")
	s := newMailServer(t, "nginx", "http")
	s.log = filepath.Join(s.Dir, "log")
	path := s.write("nginx.conf", settings(
		"daemon off; worker_processes 1; user root; pid "+filepath.Join(s.Dir, "pid")+"; error_log "+s.log+";",
		"events { worker_connections 256; }",
		"http { access_log off;", http(s.Dir, s.Ports["http"]), "}",
	))
	s.run("nginx", "-p", s.Dir, "-c", path, "-e", s.log)
	return s
}
