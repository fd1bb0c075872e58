package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"postseal/internal/peers"
)

func TestParseHost(t *testing.T) {
	for _, c := range []struct {
		text, startTLS, name string
		port                 uint16
	}{
		{"mail.example.com", "", "mail.example.com", 0},
		{"Mail.Example.COM.:993", "", "mail.example.com", 993},
		{"bücher.example:25", "", "xn--bcher-kva.example", 25},
		{"localhost:2525", "smtp", "localhost", 2525},
		{"192.0.2.1", "", "192.0.2.1", 0},
		{"[2001:db8::1]:465", "", "2001:db8::1", 465},
		{"2001:db8::1", "", "2001:db8::1", 0},
		{"[2001:db8::1]", "", "2001:db8::1", 0},
	} {
		h, err := ParseHost(c.text, c.startTLS)
		if err != nil || h.Name != c.name || h.Port != c.port || h.StartTLS != c.startTLS {
			t.Errorf("ParseHost(%q, %q): got %+v, %v", c.text, c.startTLS, h, err)
		}
	}
	for text, startTLS := range map[string]string{"": "", "a b": "", "mail:0": "", "mail:65536": "", "mail:https": "", "*.example.com": "", "https://mail.example.com/": "", "mail": "ftp", "\x1b[2J": "", "a:1:2": ""} {
		h, err := ParseHost(text, startTLS)
		if _, ok := errors.AsType[*InvalidTargetError](err); !ok || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("ParseHost(%q, %q): got %+v, %v, want a refusal that is safe to print", text, startTLS, h, err)
		}
	}
}

func TestEndpointsOfAHost(t *testing.T) {
	for _, c := range []struct {
		host Host
		want string
	}{
		{Host{Name: "h"}, "25 smtp true, 465 smtp false, 587 smtp true, 110 pop3 true, 995 pop3 false, 143 imap true, 993 imap false, 443 http false, 4190 sieve true"},
		{Host{Name: "h", StartTLS: "imap"}, "143 imap true"},
		{Host{Name: "h", Port: 143}, "143 imap true"},
		{Host{Name: "h", Port: 10143, StartTLS: "imap"}, "10143 imap true"},
		{Host{Name: "h", Port: 8443}, "8443  false"},
		{Host{Name: "h", Ports: []uint16{25}}, "25 smtp true"},
	} {
		var words []string
		for _, e := range c.host.Endpoints() {
			words = append(words, fmt.Sprint(e.Port, " ", e.Protocol, " ", e.StartTLS))
		}
		if got := strings.Join(words, ", "); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.host, got, c.want)
		}
	}
}

func TestReadHosts(t *testing.T) {
	text := "\ufeff# all of ours\nmail.example.com\n\n  imap.example.com:993   # the store\r\nrelay.example.com:2525 smtp\nold.example.com:1143 STARTTLS imap\nx.example.com:1 starttls=pop3\n"
	var got []string
	for h, err := range ReadHosts(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(h.Name, ":", h.Port, " ", h.StartTLS))
	}
	if got, want := strings.Join(got, ", "), "mail.example.com:0 , imap.example.com:993 , relay.example.com:2525 smtp, old.example.com:1143 imap, x.example.com:1 pop3"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for bad, line := range map[string]int{"ok.test\nnot a host at all\n": 2, "a.test ftp": 1, strings.Repeat("x", 5000): 1, "a.test\n\n# c\nb.test:99999\n": 4} {
		var err error
		for _, e := range ReadHosts(strings.NewReader(bad)) {
			err = e
		}
		if e, ok := errors.AsType[*InvalidTargetError](err); !ok || e.Line != line {
			t.Errorf("%.30q: got %v, want a refusal of line %d", bad, err, line)
		}
	}
}

func TestPortsOfOneNameAreOneHost(t *testing.T) {
	text := "a.test:443\na.test:993\nb.test:25\na.test:1143 imap\na.test\nnot a host at all\n"
	var got []string
	var last error
	for h, err := range Grouped(ReadHosts(strings.NewReader(text))) {
		if last = err; err == nil {
			got = append(got, fmt.Sprint(h.Name, " ", len(h.Endpoints())))
		}
	}
	if want := "a.test 2, b.test 1, a.test 10"; strings.Join(got, ", ") != want || last == nil {
		t.Errorf("got %q, %v, want %q and an error", got, last, want)
	}
}

func FuzzReadHosts(f *testing.F) {
	f.Add("mail.example.com:993 smtp # x\n")
	f.Add("[::1]:25\n\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for h, err := range ReadHosts(strings.NewReader(text)) {
			if err == nil {
				if again, err := ParseHost(h.Name, h.StartTLS); err != nil || again.Name != h.Name {
					t.Errorf("%q is read as %+v, which is read as %+v, %v", text, h, again, err)
				}
			}
		}
	})
}

// FuzzDialogue gives a server's bytes to each protocol: no panic, an end, and nothing that moves a cursor.
func FuzzDialogue(f *testing.F) {
	f.Add("220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n")
	f.Add("* OK x\r\n* CAPABILITY STARTTLS\r\na1 OK\r\na2 OK\r\n")
	f.Add("+OK\r\n+OK\r\nSTLS\r\n.\r\n+OK\r\n")
	f.Add("\"SASL\" \"PLAIN\"\r\n\"STARTTLS\"\r\nOK\r\nOK\r\n")
	f.Add("220-\x1b[2J\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, protocol := range Protocols() {
			d := &dialogue{conn: &bounded{Conn: talker{r: strings.NewReader(text)}, left: maxBytes}, protocol: protocol}
			c, fault := d.open()
			if fault == nil && c.StartTLS {
				fault = d.upgrade("")
			}
			shown := c.Banner
			if fault != nil {
				shown += fault.text
			}
			if strings.ContainsFunc(shown, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0x202e }) {
				t.Errorf("%s: %q would be printed", protocol, shown)
			}
		}
	})
}

// FuzzServerHello gives the answer to a first message by hand.
func FuzzServerHello(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 6, 2, 0, 0, 2, 3, 1})
	f.Add([]byte{21, 3, 1, 0, 2, 2, 70})
	f.Fuzz(func(t *testing.T, answer []byte) {
		rw := struct {
			io.Reader
			io.Writer
		}{strings.NewReader(string(answer)), io.Discard}
		if ok, err := speaks(rw, 0x0301, "mail.example.test"); ok && (err != nil || len(answer) < 11 || answer[10] != 1) {
			t.Errorf("% x: got %v, %v", answer, ok, err)
		}
	})
}

// TestCrowd: reports come in the order of the hosts, memory does not grow with their number, and an error ends it all.
func TestCrowd(t *testing.T) {
	a := newAuthority(t)
	where := serveTLS(t, with(a.issue(t, wish{names: []string{"127.0.0.1"}})))
	p := a.prober(t, Options{Quick: true})
	n := peers.Scale(300, 20_000)
	var waiting, most atomic.Int64
	hosts := func(yield func(Host, error) bool) {
		for i := range n {
			most.Store(max(most.Load(), waiting.Add(1)))
			if !yield(Host{Name: "127.0.0.1", Port: where.Port(), Why: fmt.Sprint(i)}, nil) {
				return
			}
		}
	}
	next := 0
	err := p.Crowd(t.Context(), hosts, 4, func(r Report) error {
		waiting.Add(-1)
		if r.Why != fmt.Sprint(next) || r.Verdict != OK {
			return fmt.Errorf("report %d: got %s of %s: %s", next, r.Verdict, r.Why, said(r.All()))
		}
		next++
		return nil
	})
	if err != nil || next != n {
		t.Fatalf("got %d reports, %v, want %d", next, err, n)
	}
	if most.Load() > 4*ahead+10 {
		t.Errorf("%d hosts were read ahead of their reports", most.Load())
	}

	stop := errors.New("the disk is full")
	if err := p.Crowd(t.Context(), hosts, 4, func(Report) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the printer: got %v", err)
	}
	broken := func(yield func(Host, error) bool) {
		_ = yield(Host{Name: "127.0.0.1", Port: where.Port()}, nil) && yield(Host{}, stop)
	}
	if err := p.Crowd(t.Context(), broken, 4, func(Report) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("an error of the list: got %v", err)
	}
}

// TestALongListIsNotHeld reads 100,000 lines.
func TestALongListIsNotHeld(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		out := bufio.NewWriter(w)
		for i := range 100_000 {
			fmt.Fprintf(out, "host%d.example.test:993 # number %d\n", i, i)
		}
		w.CloseWithError(out.Flush())
	}()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	for _, err := range ReadHosts(r) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n != 100_000 || int64(after.HeapAlloc)-int64(before.HeapAlloc) > 4<<20 {
		t.Errorf("%d lines, %d bytes more on the heap", n, int64(after.HeapAlloc)-int64(before.HeapAlloc))
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain, 한국어": "plain, 한국어", "a\x1b[31mb": `a\x1b[31mb`, "\xff\x00": `\xff\x00`, "\u202e\u200b": `\u{202e}\u{200b}`,
		strings.Repeat("x", 30): strings.Repeat("x", 20) + "…",
	} {
		if got := Visible(in, 20); got != want {
			t.Errorf("Visible(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestADomain(t *testing.T) {
	a := newAuthority(t)
	server := nameServer(t, map[string][]string{
		"example.test MX":     {"mx2.example.test", "mx1.example.test"},
		"mail.example.test A": {"127.0.0.1"}, "mx1.example.test A": {"127.0.0.1"},
		"quiet.test MX": {"."}, "bare.test A": {"127.0.0.1"},
	})
	resolver, err := NewResolver(server)
	if err != nil {
		t.Fatal(err)
	}
	p := a.prober(t, Options{Resolver: resolver})
	names := func(domain string) string {
		hosts, err := p.Domain(t.Context(), domain)
		if err != nil {
			return err.Error()
		}
		var words []string
		for _, h := range hosts {
			words = append(words, h.Name)
		}
		return strings.Join(words, " ")
	}
	conventionalNames := func(d string) string { return "mail." + d + " imap." + d + " smtp." + d + " autodiscover." + d }
	for domain, want := range map[string]string{
		"example.test": "mx2.example.test mx1.example.test " + conventionalNames("example.test"),
		"quiet.test":   conventionalNames("quiet.test"),
		"bare.test":    "bare.test " + conventionalNames("bare.test"),
	} {
		if got := names(domain); got != want {
			t.Errorf("%s: got %q, want %q", domain, got, want)
		}
	}
	// A name that need not be there is no fault, one that was asked for is.
	r := p.Host(t.Context(), Host{Name: "imap.example.test", Why: "name that mail programs try"})
	if r.Verdict != OK || codes(r.Findings, Info) != "info noAddress" {
		t.Errorf("a conventional name: got %s", said(r.Findings))
	}
	if r := p.Host(t.Context(), Host{Name: "imap.example.test"}); codes(r.Findings, Info) != "bad noAddress" {
		t.Errorf("a name that was asked for: got %s", said(r.Findings))
	}
	where := serveTLS(t, with(a.issue(t, wish{})))
	if r := p.Host(t.Context(), Host{Name: "mail.example.test", Port: where.Port()}); r.Verdict != OK || r.Endpoints[0].Address != netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), where.Port()).String() {
		t.Errorf("a name of ours: got %+v", r)
	}
	dead, err := NewResolver("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	p = a.prober(t, Options{Resolver: dead})
	if _, err := p.Domain(t.Context(), "example.test"); err == nil {
		t.Error("a name server that is dead found hosts")
	}
	if r := p.Host(t.Context(), Host{Name: "mail.example.test"}); codes(r.Findings, Bad) != "bad lookupFailed" {
		t.Errorf("a name server that is dead: got %s", said(r.Findings))
	}
	if _, err := NewResolver("dns.example.test"); err == nil {
		t.Error("a name server by name was taken")
	}
}
