package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"postseal/bench/gauge"
)

// stateFile is the name of the database in the data directory.
const stateFile = "postseal.db"

// answers measures answers of OCSP over HTTP, kept and signed for each certificate anew, with one connection for all and
// with one for each; beside them openssl's responder, and a server that does nothing.
func (m *measurement) answers(ctx context.Context, s *gauge.Server) error {
	questions, err := m.questions(ctx)
	if err != nil {
		return err
	}
	idle, address, stop, err := m.idleServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range []struct {
		name    string
		clients int
		each    bool // a connection for each
	}{{", 16 clients", clients, false}, {", 1 client", 1, false}, {", a connection each", 1, true}} {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableKeepAlives: c.each}}
		ask := func(which func(n int) string) func() error {
			return func() error {
				var next atomic.Int64
				var all errgroup.Group
				for range c.clients {
					all.Go(func() error {
						for n := next.Add(1) - 1; n < int64(m.batch); n = next.Add(1) - 1 {
							if _, err := answerOf(client, get(ctx, which(int(n)))); err != nil {
								return err
							}
						}
						return nil
					})
				}
				return all.Wait()
			}
		}
		var fresh, kept, nothing []float64
		for run := range m.runs {
			// What is kept is for a CertID, in its octets, so a hash for which nobody has asked yet makes all of them anew.
			mine := questions[c.name]
			used, err := spent(s, ask(func(n int) string { return mine[(run*m.batch+n)%len(mine)] }))
			if err != nil {
				return err
			}
			fresh = append(fresh, used)
			if used, err = spent(s, ask(func(int) string { return mine[run] })); err != nil {
				return err
			}
			kept = append(kept, used)
			if used, err = spent(idle, ask(func(int) string { return address })); err != nil {
				return err
			}
			nothing = append(nothing, used)
		}
		client.CloseIdleConnections()
		gauge.Row(m.w, "OCSP, each signed anew"+c.name+", ms", 0, fresh)
		gauge.Row(m.w, "OCSP, one that is kept"+c.name+", ms", 0, kept)
		gauge.Row(m.w, "HTTP alone (net/http)"+c.name+", ms", 0, nothing)
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
	after, n := "", 0
	for ; n < m.runs*m.batch; n += 1000 {
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
			return nil, errors.New("the book has fewer certificates than are asked about")
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
			for way, question := range map[string][]byte{", 16 clients": one, ", 1 client": two, ", a connection each": withoutNULL(one)} {
				all[way] = append(all[way], "http://"+m.address()+"/pki/ocsp/servers/"+url.PathEscape(base64.StdEncoding.EncodeToString(question)))
			}
		}
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

// fill puts lines into the book, copies of the first in all but what must differ, in lists of ten thousand. The server
// must not run.
func (m *measurement) fill(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(m.data, stateFile)+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)&_pragma=cache_size(-400000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	began := time.Now()
	for _, query := range []string{
		`INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, certificate, planned_at, recorded_at, thumbprint)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1),
			one AS (SELECT * FROM issuance WHERE certificate IS NOT NULL LIMIT 1)
			SELECT '4' || substr(lower(hex(randomblob(16))), 2), authority_id, 1000 + i / 10000, profile, requester, 'CN=old' || i || '.example.com', lower(hex(randomblob(32))), not_before, not_after, certificate, planned_at - i * 1000, recorded_at - i * 1000, hex(randomblob(20))
			FROM n, one`,
		`INSERT INTO issuance_name (name, serial) SELECT 'com.example.' || substr(subject, 4, length(subject) - 15), serial FROM issuance WHERE shard >= 1000 AND $1 > 0`,
	} {
		if _, err := db.ExecContext(ctx, query, m.book); err != nil {
			return fmt.Errorf("filling the book: %w", err)
		}
	}
	fmt.Fprintf(m.w, "%-52s %9.0f\n", fmt.Sprintf("filling the book with %d lines took, s", m.book), time.Since(began).Seconds())
	return nil
}
