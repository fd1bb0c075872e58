package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"postseal/bench/gauge"
)

const (
	burst = 100             // revocations one after another
	again = 3 * time.Second // after which a long list is signed anew, and more
)

// revokeAll revokes everything that was put into the book, in an order that is not that of the book. The server must not
// run.
func (m *measurement) revokeAll(ctx context.Context) error {
	return m.sql(ctx, `UPDATE issuance SET revoked_at = o.planned_at + 1000000, reason = 4, revocation = o.n
			FROM (SELECT serial AS s, planned_at, row_number() OVER (ORDER BY serial) AS n FROM issuance WHERE shard >= 1000) AS o WHERE o.s = issuance.serial`,
		`UPDATE change_sequence SET seq = seq + (SELECT count(*) FROM issuance WHERE shard >= 1000) WHERE id = 3`,
		`UPDATE revocation_shard SET dirty = TRUE WHERE number = 0`)
}

// sql changes the book behind the back of the server.
func (m *measurement) sql(ctx context.Context, queries ...string) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(m.data, stateFile)+"?_pragma=busy_timeout(60000)&_pragma=cache_size(-400000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, query := range queries {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("%.60s: %w", query, err)
		}
	}
	return nil
}

// list measures the complete list of everything that was put into the book: from the book, signed, on disk, and sent. The
// first one meets a million revocations that were on no list yet; what the others meet is one that has changed.
func (m *measurement) list(ctx context.Context, s *gauge.Server) error {
	idle, err := s.Memory()
	if err != nil {
		return err
	}
	first, peak, err := m.oneList(ctx, s)
	if err != nil {
		return err
	}
	gauge.Row(m.w, fmt.Sprintf("complete list of %d, all revoked since the last, ms", m.book), 0, []float64{first})
	fmt.Fprintf(m.w, "%-52s %9.1f\n%-52s %9.1f\n", "memory (VmRSS) idle, MiB", idle, "its peak (VmHWM) meanwhile, MiB", peak)
	var values, peaks, sent []float64
	for range m.runs {
		time.Sleep(again)
		if err := m.sql(ctx, `UPDATE revocation_shard SET dirty = TRUE WHERE number = 0`); err != nil {
			return err
		}
		used, peak, err := m.oneList(ctx, s)
		if err != nil {
			return err
		}
		values, peaks = append(values, used), append(peaks, peak)
		if used, _, err = m.oneList(ctx, s); err != nil {
			return err
		}
		sent = append(sent, used)
	}
	gauge.Row(m.w, fmt.Sprintf("complete list of %d entries, ms", m.book), 0, values)
	gauge.Row(m.w, "of which sending it is, ms", 0, sent)
	gauge.Row(m.w, "peak (VmHWM) meanwhile, MiB", 1, peaks)
	return m.burst(ctx, s)
}

// oneList fetches the list, and returns the processor time that it took and the peak of memory.
func (m *measurement) oneList(ctx context.Context, s *gauge.Server) (used, peak float64, err error) {
	if err := s.ForgetPeak(); err != nil {
		return 0, 0, err
	}
	var size int
	used, err = spent(s, func() error {
		got, err := m.fetchList(ctx)
		size = len(got)
		return err
	})
	if err == nil && size < 20*m.book {
		err = fmt.Errorf("the list has %d octets, too few for %d entries", size, m.book)
	}
	if err != nil {
		return 0, 0, err
	}
	peak, err = s.Peak()
	return used, peak, err
}

func (m *measurement) fetchList(ctx context.Context) ([]byte, error) {
	return answerOf(http.DefaultClient, get(ctx, "http://"+m.address()+"/pki/servers.crl"))
}

// burst revokes certificates one after another while somebody fetches the list after each.
func (m *measurement) burst(ctx context.Context, s *gauge.Server) error {
	out, err := exec.CommandContext(ctx, m.binary, "ca", "list", "--json", "--limit", fmt.Sprint(burst), "--data", m.data).Output()
	if err != nil {
		return err
	}
	var lines []struct {
		Serial string `json:"serial"`
	}
	if err := json.Unmarshal(out, &lines); err != nil {
		return err
	}
	time.Sleep(again)
	var last []byte
	lists := map[string]bool{}
	began := time.Now()
	used, err := spent(s, func() error {
		for _, l := range lines {
			if err := m.revoke(ctx, l.Serial); err != nil {
				return err
			}
			got, err := m.fetchList(ctx)
			if err != nil {
				return err
			}
			lists[string(got[len(got)-32:])] = true // its signature ends otherwise each time
			if last, err = hex.DecodeString(l.Serial); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	took, revoked := time.Since(began), time.Now()
	for {
		got, err := m.fetchList(ctx)
		if err != nil {
			return err
		}
		if bytes.Contains(got, last) {
			break
		}
	}
	fmt.Fprintf(m.w, "%-52s %9.0f\n", fmt.Sprintf("%d revocations, the list fetched after each, ms", len(lines)), used)
	fmt.Fprintf(m.w, "%-52s %9.1f\n%-52s %9d\n%-52s %9.1f\n", "wall clock of that, s", took.Seconds(), "lists signed meanwhile", len(lists), "the last one was on the list after, s", time.Since(revoked).Seconds())
	return nil
}

// revoke takes one certificate back over the management socket.
func (m *measurement) revoke(ctx context.Context, serial string) error {
	body, err := json.Marshal(map[string]string{"id": serial, "reason": "superseded"})
	if err != nil {
		return err
	}
	socket := m.socket()
	defer socket.CloseIdleConnections()
	return post(ctx, &http.Client{Transport: socket}, "http://postseal/api/v1/ca/revoke", body)
}
