package peers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A MailServer is a running Postfix, Dovecot or nginx, on ports of 127.0.0.1 of its own, with files of its own below Dir.
// It is stopped by its process id when the test ends.
type MailServer struct {
	Dir   string         // configuration, queue, sockets and log; it goes with the test
	Ports map[string]int // by listener, as named in each constructor

	t      testing.TB
	name   string
	cmd    *exec.Cmd
	ended  chan struct{}
	output *transcript
	log    string // file that the program writes; empty if it logs to its output
}

// A Certificate is where a server finds what it serves: PEM files of the chain, leaf first, and of the key.
type Certificate struct {
	ChainFile string
	KeyFile   string
}

// Addr is the address of one of the server's listeners.
func (s *MailServer) Addr(listener string) string {
	s.t.Helper()
	port, ok := s.Ports[listener]
	if !ok {
		s.t.Fatalf("%s has no listener %q", s.name, listener)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// PID is the process id of the server's master.
func (s *MailServer) PID() int { return s.cmd.Process.Pid }

// Log is what the server has logged.
func (s *MailServer) Log() string {
	text := s.output.String()
	if s.log != "" {
		if b, err := os.ReadFile(s.log); err == nil {
			text += string(b)
		}
	}
	return text
}

// Reload makes the server read its configuration and certificates again (SIGHUP). It returns at once: wait for what you
// want to see.
func (s *MailServer) Reload() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatalf("reloading %s: %v", s.name, err)
	}
}

// newMailServer makes the directory of a server. Its processes run as users of their own and must get in, which they
// cannot in t.TempDir; and its sockets must have short paths.
func newMailServer(t testing.TB, name string, listeners ...string) *MailServer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("%s starts as root only; run the tests as root", name)
	}
	dir, err := os.MkdirTemp("", "ps-"+name+"-")
	if err != nil {
		t.Fatalf("making the directory of %s: %v", name, err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatalf("opening the directory of %s: %v", name, err)
	}
	s := &MailServer{Dir: dir, Ports: map[string]int{}, t: t, name: name, output: &transcript{}}
	for i, port := range FreePorts(t, len(listeners)) {
		s.Ports[listeners[i]] = port
	}
	return s
}

// write writes a file of the server.
func (s *MailServer) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatalf("writing %s of %s: %v", name, s.name, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatalf("writing %s of %s: %v", name, s.name, err)
	}
	return path
}

// run starts the program, waits until every listener takes connections, and stops it when the test ends.
func (s *MailServer) run(program string, args ...string) {
	s.t.Helper()
	Need(s.t, program)
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.Dir = s.Dir
	// Postfix ends its children by their process group, which must not be that of the test.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting %s: %v", s.name, err)
	}
	s.ended = make(chan struct{})
	go func() {
		s.cmd.Wait() // how it ended stands in ProcessState
		close(s.ended)
	}()
	s.t.Cleanup(func() {
		s.stop()
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", s.name, s.Log())
		}
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	for listener := range s.Ports {
		s.await(ctx, listener)
	}
}

func (s *MailServer) await(ctx context.Context, listener string) {
	s.t.Helper()
	var d net.Dialer
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := d.DialContext(ctx, "tcp", s.Addr(listener))
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("%s ended at once, %v:\n%s", s.name, s.cmd.ProcessState, s.Log())
		case <-ctx.Done():
			s.t.Fatalf("%s does not answer at %s (%s) after %v:\n%s", s.name, s.Addr(listener), listener, startLimit, s.Log())
		case <-again.C:
		}
	}
}

// stop ends the server and waits for it. Each of the three ends its own children on SIGTERM.
func (s *MailServer) stop() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Logf("signalling %s, process %d: %v", s.name, s.cmd.Process.Pid, err) // it ended by itself
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-s.ended:
	case <-limit.C:
		s.cmd.Process.Kill()
		<-s.ended
		s.t.Errorf("%s did not stop within %v", s.name, stopLimit)
	}
}

// settings writes "key = value" lines after those that are always there; of two with one key the later counts.
func settings(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

// Postfix starts a Postfix with the listeners smtp, submission and submissions. extra are lines of main.cf that are added
// to the ones here, such as "smtpd_tls_auth_only = no". It knows the domain example.test and delivers to nobody.
func Postfix(t testing.TB, c Certificate, extra ...string) *MailServer {
	t.Helper()
	Need(t, "postfix")
	s := newMailServer(t, "postfix", "smtp", "submission", "submissions")
	for _, dir := range []string{"queue", "data"} {
		if err := os.Mkdir(filepath.Join(s.Dir, dir), 0o755); err != nil {
			t.Fatalf("making the directory %s of Postfix: %v", dir, err)
		}
	}
	Succeed(t, Command{Args: []string{"chown", "postfix", filepath.Join(s.Dir, "data")}})
	s.log = filepath.Join(s.Dir, "log")
	s.write("main.cf", settings(append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(s.Dir, "queue"),
		"data_directory = " + filepath.Join(s.Dir, "data"),
		"command_directory = /usr/sbin",
		"daemon_directory = /usr/lib/postfix/sbin",
		"mail_owner = postfix",
		"setgid_group = postdrop",
		"multi_instance_enable = no",
		"maillog_file = " + s.log,
		"maillog_file_prefixes = " + s.Dir,
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		// The greeting must not wait for whatever name server this machine asks about 127.0.0.2.
		"smtpd_peername_lookup = no",
		"myhostname = mail.example.test",
		"mydestination = example.test",
		"mynetworks =",
		"local_recipient_maps =",
		"local_transport = error:there are no mailboxes here",
		"alias_maps =",
		"alias_database =",
		"smtpd_relay_restrictions = reject_unauth_destination",
		"smtpd_tls_security_level = may",
		"smtpd_tls_chain_files = " + c.KeyFile + ", " + c.ChainFile,
		"smtpd_tls_auth_only = yes",
		"smtpd_sasl_type = dovecot",
		"smtpd_sasl_path = private/auth",
	}, extra...)...))
	line := func(port int, options ...string) string {
		entry := fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd", port)
		for _, o := range options {
			entry += "\n  -o " + o
		}
		return entry
	}
	s.write("master.cf", settings(
		line(s.Ports["smtp"]),
		line(s.Ports["submission"], "smtpd_tls_security_level=encrypt"),
		line(s.Ports["submissions"], "smtpd_tls_wrappermode=yes"),
		"cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
		"rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
		"verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp", "relay unix - - n - - smtp", "error unix - - n - - error", "retry unix - - n - - error", "discard unix - - n - - discard",
		"local unix - n n - - local", "virtual unix - n n - - virtual", "lmtp unix - - n - - lmtp", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
		"showq unix n - n - - showq", "postlog unix-dgram n - n - 1 postlogd",
	))
	Succeed(t, Command{Args: []string{"postfix", "-c", s.Dir, "check"}, Limit: 5 * time.Minute})
	s.run("/usr/lib/postfix/sbin/master", "-c", s.Dir, "-s")
	return s
}
