package peers

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failureOf runs f and returns what it failed with.
func failureOf(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.failure
}

func TestNeedNamesTheCommandThatInstalls(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := failureOf(t, func(t testing.TB) { Need(t, "swaks") })
	if want := "apt-get install --yes swaks"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

func TestRun(t *testing.T) {
	r := Run(t, Command{Args: []string{"sh", "-c", `read line; echo "out $line $WORD"; echo err >&2; exit 3`}, Stdin: "in\n", Env: []string{"WORD=given"}})
	if r.Stdout != "out in given\n" || r.Stderr != "err\n" || r.Exit != 3 {
		t.Errorf("got %v, want what the script wrote and exit 3", r)
	}
	got := failureOf(t, func(t testing.TB) { Succeed(t, Command{Args: []string{"sh", "-c", "exit 3"}}) })
	if !strings.Contains(got, "exit 3") {
		t.Errorf("Succeed after exit 3: got %q", got)
	}
	got = failureOf(t, func(t testing.TB) {
		Run(t, Command{Args: []string{"sleep", "600"}, Limit: 50 * time.Millisecond})
	})
	if !strings.Contains(got, "not done after 50ms") {
		t.Errorf("a program that does not end: got %q", got)
	}
}

// TestFreePorts: no port is given twice.
func TestFreePorts(t *testing.T) {
	t.Parallel()
	seen := make(map[int]bool)
	for _, port := range FreePorts(t, 500) {
		if seen[port] {
			t.Errorf("%d is given twice", port)
		}
		seen[port] = true
	}
}

func TestNoTwoOffsetsShareAPort(t *testing.T) {
	taken := map[int]string{}
	ports := Ports()
	ports["sieve"], ports["outbound"], ports["internal"] = 4190, 717, 2525
	for offset := offsetFirst; offset <= offsetLast; offset += offsetStep {
		for name, port := range ports {
			at := fmt.Sprintf("%s with %d", name, offset)
			if other, both := taken[port+offset]; both {
				t.Errorf("port %d: %s and %s", port+offset, at, other)
			}
			if port+offset >= 32768 {
				t.Errorf("%s is port %d, among those of outgoing connections", at, port+offset)
			}
			taken[port+offset] = at
		}
	}
}

func TestFreeOffsetIsNotGivenTwice(t *testing.T) {
	seen := map[int]bool{}
	for range 5 {
		offset := FreeOffset(t)
		if seen[offset] {
			t.Errorf("offset %d given twice", offset)
		}
		seen[offset] = true
	}
	offset := 0
	t.Run("held", func(t *testing.T) {
		offset = FreeOffset(t)
		if release, ok := claim(offset); ok {
			release()
			t.Errorf("offset %d can be claimed while a test has it", offset)
		}
	})
	release, ok := claim(offset)
	if !ok {
		t.Fatalf("offset %d is not free after its test", offset)
	}
	release()
}

func TestClients(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s says hello", r.Method)
	}))
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()

	t.Run("openssl shows the certificate that is served", func(t *testing.T) {
		for _, e := range []Endpoint{{Addr: addr}, {Addr: addr, ServerName: "example.com", Options: []string{"-tls1_2"}}} {
			if got := Served(t, e); !got.Equal(srv.Certificate()) {
				t.Errorf("got %v, want %v", got.Subject, srv.Certificate().Subject)
			}
		}
		got := failureOf(t, func(t testing.TB) { Served(t, Endpoint{Addr: fmt.Sprintf("127.0.0.1:%d", FreePort(t))}) })
		if !strings.Contains(got, "got no certificate") {
			t.Errorf("where nobody listens: got %q", got)
		}
	})
	t.Run("curl", func(t *testing.T) {
		if r := Curl(t, "", "--insecure", srv.URL); r.Stdout != "GET says hello" || r.Exit != 0 {
			t.Errorf("got %v", r)
		}
		if r := Curl(t, "", srv.URL); r.Exit != 60 {
			t.Errorf("an untrusted certificate: got %v, want curl's exit 60", r)
		}
	})
	t.Run("python", func(t *testing.T) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		r := Python(t, "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))", host, port)
		block, _ := pem.Decode([]byte(r.Stdout))
		if block == nil || !bytes.Equal(block.Bytes, srv.Certificate().Raw) {
			t.Errorf("got %v, want the certificate that is served", r)
		}
	})
}

func TestAServerFromStartToStop(t *testing.T) {
	s := Postseal(t)
	var d tls.Dialer
	d.Config = &tls.Config{InsecureSkipVerify: true}
	c, err := d.DialContext(t.Context(), "tcp", s.Addr("imaps"))
	if err != nil {
		t.Fatalf("imaps: %v\n%s", err, s.Output())
	}
	served := c.(*tls.Conn).ConnectionState().PeerCertificates[0]
	c.Close()
	if got := Served(t, Endpoint{Addr: s.Addr("imap"), StartTLS: "imap"}); !got.Equal(served) {
		t.Errorf("imap serves %v, imaps %v", got.Subject, served.Subject)
	}
	if r := Swaks(t, "--server", s.Addr("smtp"), "--tls", "--quit-after", "EHLO"); r.Exit != 0 {
		t.Errorf("swaks: got %v, want exit 0", r)
	}
	if s.Password() == "" {
		t.Errorf("no trial password in %s", filepath.Join(s.Data, "trial-password"))
	}
	if r := s.Command("cert", "list", "--json"); r.Exit != 0 || !strings.Contains(r.Stdout, "Postseal Internal") {
		t.Errorf("cert list: got %v", r)
	}
	if syscall.Kill(s.PID(), 0) != nil {
		t.Errorf("process %d is gone", s.PID())
	}
	if got := s.Stop(syscall.SIGTERM); got != 0 {
		t.Errorf("SIGTERM: exit %d, want 0\n%s", got, s.Output())
	}
	s.Start()
	if got := Served(t, Endpoint{Addr: s.Addr("imaps")}); !got.Equal(served) {
		t.Errorf("started again it serves %v, want %v", got.Subject, served.Subject)
	}
	if got := s.Stop(syscall.SIGKILL); got != -1 {
		t.Errorf("SIGKILL: exit %d, want -1", got)
	}
}
