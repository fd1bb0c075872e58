package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"postseal/bench/gauge"
)

// settle is how long an idle server is left alone before its memory is read: start-up garbage goes back meanwhile.
const settle = 10 * time.Second

// A measurement is one run of all numbers against one binary.
type measurement struct {
	binary string
	runs   int
	offset int // of the ports

	data string // made and removed by all
}

// all measures everything and writes one line for each number.
func (m *measurement) all(ctx context.Context, w io.Writer) (err error) {
	if m.runs < 1 {
		return fmt.Errorf("measuring %d times: want one or more", m.runs)
	}
	if m.data, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.data)

	// 1. The organisation is made outside the measurement: keys cost what they cost, once.
	s, _, err := gauge.Start(ctx, m.binary, m.data, m.offset, "--trial")
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}

	var starts, idles, lists, offline []float64
	for range m.runs {
		// 2. Start to first handshake, then idle memory of that server.
		s, took, err := gauge.Start(ctx, m.binary, m.data, m.offset, "--trial")
		if err != nil {
			return err
		}
		starts = append(starts, gauge.Milliseconds(took))
		memory, err := m.idle(ctx, s)
		if err != nil {
			s.Stop()
			return err
		}
		idles = append(idles, memory)
		// 3. cert list through the running server.
		took, err = m.list(ctx)
		if err != nil {
			s.Stop()
			return err
		}
		lists = append(lists, gauge.Milliseconds(took))
		if err := s.Stop(); err != nil {
			return err
		}
		// 4. The same without a server, on the state itself.
		if took, err = m.list(ctx); err != nil {
			return err
		}
		offline = append(offline, gauge.Milliseconds(took))
	}
	gauge.Head(w, fmt.Sprintf("median of %d", m.runs))
	gauge.Row(w, "start to first handshake (imaps), ms", 1, starts)
	gauge.Row(w, "cert list, server running, ms", 1, lists)
	gauge.Row(w, "cert list, no server, ms", 1, offline)
	gauge.Row(w, "idle memory (VmRSS), MiB", 1, idles)
	return nil
}

// idle is the resident memory in MiB of a server that nobody has spoken to for a while.
func (m *measurement) idle(ctx context.Context, s *gauge.Server) (float64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settle):
	}
	return s.Memory()
}

// list is how long one `cert list` takes, from the start of its process to the end.
func (m *measurement) list(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, m.binary, "cert", "list", "--json", "--data", m.data)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("running cert list: %w:\n%s", err, out)
	}
	return took, nil
}
