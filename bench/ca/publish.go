package main

import (
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
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ocsp"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"postseal/bench/gauge"
)

// stateFile is the name of the database in the data directory.
const stateFile = "postseal.db"

// answers measures answers of OCSP: those that are kept, and those that are signed for each certificate anew.
func (m *measurement) answers(ctx context.Context, s *gauge.Server) error {
	questions, err := m.questions(ctx)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer c.CloseIdleConnections()
	ask := func(which func(n int) string) func() error {
		return func() error {
			for n := range m.batch {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, which(n), nil)
				if err != nil {
					return err
				}
				if _, err := answerOf(c, r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	var cached, fresh []float64
	for run := range m.runs {
		used, err := spent(s, ask(func(n int) string { return questions[(run*m.batch+n)%len(questions)] }))
		if err != nil {
			return err
		}
		fresh = append(fresh, used)
		if used, err = spent(s, ask(func(int) string { return questions[run] })); err != nil {
			return err
		}
		cached = append(cached, used)
	}
	gauge.Row(m.w, "OCSP, each answer signed anew, ms", 0, fresh)
	gauge.Row(m.w, "OCSP, one answer that is kept, ms", 0, cached)
	return nil
}

// questions are one for each certificate of all runs, as addresses to GET.
func (m *measurement) questions(ctx context.Context) ([]string, error) {
	der, err := answerOf(http.DefaultClient, get(ctx, "http://"+m.address()+"/pki/servers.cer"))
	if err != nil {
		return nil, err
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	var all []string
	after := ""
	for len(all) < m.runs*m.batch {
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
			question, err := questionAbout(l.Serial, issuer)
			if err != nil {
				return nil, err
			}
			all = append(all, "http://"+m.address()+"/pki/ocsp/servers/"+url.PathEscape(base64.StdEncoding.EncodeToString(question)))
		}
		last := lines[len(lines)-1]
		after = fmt.Sprintf("%d-%s", last.PlannedAt.UnixMicro(), last.Serial)
	}
	return all, nil
}

func questionAbout(serial string, issuer *x509.Certificate) ([]byte, error) {
	leaf := &x509.Certificate{SerialNumber: number(serial)}
	return ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
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
	db, err := sql.Open("sqlite", "file:"+filepath.Join(m.data, stateFile)+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)")
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
