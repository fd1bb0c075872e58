package peers

import (
	"net"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// NameServer answers questions on 127.0.0.1, over UDP and TCP, until the test ends. What it has no record for is not
// there. Its methods may be called while it answers.
type NameServer struct {
	Address string // 127.0.0.1:PORT

	// mu guards what follows.
	mu      sync.Mutex
	records map[string][]dns.RR // by name and type
	codes   map[string]int      // by name and type
	asked   map[string]int
}

// NewNameServer starts one.
func NewNameServer(t testing.TB) *NameServer {
	t.Helper()
	s := &NameServer{records: map[string][]dns.RR{}, codes: map[string]int{}, asked: map[string]int{}}
	packets, streams := bothSockets(t)
	s.Address = packets.LocalAddr().String()
	var running sync.WaitGroup
	t.Cleanup(running.Wait) // the last of these
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		running.Go(func() { server.ActivateAndServe() }) // ends with Shutdown
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

// bothSockets finds a port that is free for UDP and for TCP.
func bothSockets(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("starting a name server: %v", err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		packets.Close()
	}
	t.Fatal("starting a name server: no port is free for UDP and for TCP")
	return nil, nil
}

func questionKey(name string, kind uint16) string {
	return dns.CanonicalName(name) + dns.TypeToString[kind]
}

// Set makes the records of a name and type those in the text, each as in a zone file without its name: "A 192.0.2.1".
// None takes them away.
func (s *NameServer) Set(t testing.TB, name, kind string, values ...string) {
	t.Helper()
	var records []dns.RR
	for _, v := range values {
		rr, err := dns.NewRR(dns.Fqdn(name) + " 1 IN " + kind + " " + v)
		if err != nil {
			t.Fatalf("record %s %s %s: %v", name, kind, v, err)
		}
		records = append(records, rr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[questionKey(name, dns.StringToType[kind])] = records
}

// Fail makes it answer questions for a name and type with a code, such as [dns.RcodeServerFailure].
func (s *NameServer) Fail(name, kind string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[questionKey(name, dns.StringToType[kind])] = code
}

// Asked says how often it was asked for a name and type.
func (s *NameServer) Asked(name, kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[questionKey(name, dns.StringToType[kind])]
}

// ServeDNS answers one question. A name *.example.test has the records of every name below example.test that has none.
func (s *NameServer) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(m)
	q := m.Question[0]
	key := questionKey(q.Name, q.Qtype)
	s.mu.Lock()
	s.asked[key]++
	answer.Rcode = s.codes[key]
	records, known := s.records[key]
	for at := q.Name; !known && at != ""; {
		n, end := dns.NextLabel(at, 0)
		if end {
			break
		}
		at = at[n:]
		records, known = s.records[questionKey("*."+at, q.Qtype)]
	}
	s.mu.Unlock()
	for _, rr := range records {
		rr = dns.Copy(rr)
		rr.Header().Name = q.Name
		answer.Answer = append(answer.Answer, rr)
	}
	if answer.Rcode != dns.RcodeSuccess {
		answer.Answer = nil
	}
	if w.LocalAddr().Network() == "udp" {
		answer.Truncate(dns.MinMsgSize)
	}
	w.WriteMsg(answer) // whoever asked waits no more when this fails
}
