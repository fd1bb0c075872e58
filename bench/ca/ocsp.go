package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/sync/errgroup"

	"postseal/bench/gauge"
)

// manyAnswers is how many answers are asked for in a measurement, in thousands: one of a thousand takes a few ticks of the
// clock that counts processor time.
const manyAnswers = 10

// A way to ask for answers over HTTP.
type way struct {
	name    string
	clients int
	each    bool // a connection for each question
}

// ways are that of a crowd, that of one who asks on, and that of openssl's command.
func ways() []way {
	return []way{{", 16 clients", clients, false}, {", 1 client", 1, false}, {", a connection each", 1, true}}
}

// thousand asks the addresses that address returns for 0, 1 and so on, and returns what a thousand answers cost whoever
// gives them, in ms.
func (w way) thousand(ctx context.Context, by server, address func(n int) string) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableKeepAlives: w.each}}
	defer client.CloseIdleConnections()
	used, err := spent(by, func() error {
		var next atomic.Int64
		var all errgroup.Group
		for range w.clients {
			all.Go(func() error {
				for n := next.Add(1) - 1; n < manyAnswers*1000; n = next.Add(1) - 1 {
					if _, err := answerOf(client, get(ctx, address(int(n)))); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return all.Wait()
	})
	return used / manyAnswers, err
}

// answers measures answers of OCSP over HTTP, kept and signed for each certificate anew; beside them a server that does
// nothing, cfssl with answers that were signed before, and openssl's responder.
func (m *measurement) answers(ctx context.Context) error {
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset)
	if err != nil {
		return err
	}
	defer s.Stop() // the numbers are taken
	time.Sleep(settle)
	questions, err := m.questions(ctx)
	if err != nil {
		return err
	}
	idle, idleAddress, stop, err := m.idleServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	type row struct {
		what    string
		by      server
		address func(w way, run, n int) string
	}
	rows := []row{
		// What is kept is for a CertID, in its octets, so a way that writes them otherwise has all of them made anew.
		{"OCSP, each signed anew", s, func(w way, run, n int) string { return questions[w.name][run*manyAnswers*1000+n] }},
		{"OCSP, a thousand that are kept", s, func(w way, run, n int) string { return questions[w.name][run*manyAnswers*1000+n%1000] }},
		{"HTTP alone (net/http)", idle, func(way, int, int) string { return idleAddress }},
	}
	if m.cfssl != "" {
		peer, addresses, stop, err := m.signedBefore(ctx)
		if err != nil {
			return fmt.Errorf("measuring cfssl: %w", err)
		}
		defer stop()
		rows = append(rows, row{"OCSP, cfssl, a thousand signed before", peer, func(_ way, _, n int) string { return addresses[n%len(addresses)] }})
	}
	for _, w := range ways() {
		values := make([][]float64, len(rows))
		for run := range m.runs {
			for i, r := range rows {
				used, err := w.thousand(ctx, r.by, func(n int) string { return r.address(w, run, n) })
				if err != nil {
					return fmt.Errorf("%s%s: %w", r.what, w.name, err)
				}
				values[i] = append(values[i], used)
			}
		}
		for i, r := range rows {
			gauge.Row(m.w, r.what+w.name+", ms", 0, values[i])
		}
	}
	return m.openssl(ctx)
}

// idleServer starts this program as a server that does nothing.
func (m *measurement) idleServer(ctx context.Context) (p process, address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return process{}, "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	addr := fmt.Sprintf("127.0.0.1:%d", 9200+m.offset)
	p = process{exec.CommandContext(ctx, self, "-floor", addr)}
	if err := p.Start(); err != nil {
		cancel()
		return process{}, "", nil, err
	}
	stop = func() {
		cancel()
		p.Wait() // it was told to end
	}
	if err := ready(ctx, http.DefaultClient, "http://"+addr); err != nil {
		stop()
		return process{}, "", nil, err
	}
	return p, "http://" + addr + "/pki/ocsp/servers/" + strings.Repeat("M", 110), stop, nil
}

// questions are those of each way to ask, as addresses to GET: other octets in each, so that what one has asked is not kept
// for the next.
func (m *measurement) questions(ctx context.Context) (map[string][]string, error) {
	der, err := answerOf(http.DefaultClient, get(ctx, "http://"+m.address()+"/pki/servers.cer"))
	if err != nil {
		return nil, err
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	after := ""
	for n := 0; n < m.runs*manyAnswers*1000; {
		args := []string{"ca", "list", "--json", "--limit", "1000", "--data", m.data}
		if after != "" {
			args = append(args, "--after", after)
		}
		out, err := exec.CommandContext(ctx, m.binary, args...).Output()
		if err != nil {
			return nil, err
		}
		var lines []struct {
			Serial    string    `json:"serial"`
			PlannedAt time.Time `json:"plannedAt"`
		}
		if err := json.Unmarshal(out, &lines); err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			return nil, errors.New("the book has fewer certificates than are asked about: it needs -book 50000")
		}
		for _, l := range lines {
			one, err := questionAbout(l.Serial, issuer, crypto.SHA1)
			if err != nil {
				return nil, err
			}
			two, err := questionAbout(l.Serial, issuer, crypto.SHA256)
			if err != nil {
				return nil, err
			}
			for i, question := range [][]byte{one, two, withoutNULL(one)} {
				name := ways()[i].name
				all[name] = append(all[name], "http://"+m.address()+"/pki/ocsp/servers/"+url.PathEscape(base64.StdEncoding.EncodeToString(question)))
			}
		}
		n += len(lines)
		last := lines[len(lines)-1]
		after = fmt.Sprintf("%d-%s", last.PlannedAt.UnixMicro(), last.Serial)
	}
	return all, nil
}

func questionAbout(serial string, issuer *x509.Certificate, hash crypto.Hash) ([]byte, error) {
	leaf := &x509.Certificate{SerialNumber: number(serial)}
	return ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: hash})
}

// withoutNULL is a question whose hash algorithm has no parameters: the same to whoever reads it, in other octets.
func withoutNULL(question []byte) []byte {
	sha1 := []byte{0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0}
	at := bytes.Index(question, sha1)
	out := append(bytes.Clone(question[:at]), 0x30, 7, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a)
	out = append(out, question[at+len(sha1):]...)
	for i := 1; i < at; i += 2 { // every length around it has one octet
		out[i] -= 2
	}
	return out
}

func get(ctx context.Context, address string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		panic(err) // the address is ours
	}
	return r
}
