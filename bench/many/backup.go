package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"postseal/bench/gauge"
)

// backups measures `backup create` and `backup verify`, without a server. Its own commands make the recovery key, and
// the numbers are of the whole process: clock, and CPU.
func (m *measurement) backups(ctx context.Context, w io.Writer) error {
	work, err := os.MkdirTemp("", "postseal-bench-backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	key, file := filepath.Join(work, "recovery.key"), filepath.Join(work, "backup.age")
	if _, err := m.run(ctx, "recovery", "init", "--out", key, "--yes"); err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		args []string
	}{
		{"backup create", []string{"backup", "create", file, "--force"}},
		{"backup verify, every key opened", []string{"backup", "verify", file, "--key", key}},
	} {
		var clock, cpu []float64
		for range m.runs {
			cmd := exec.CommandContext(ctx, m.binary, append(c.args, "--data", m.data)...)
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("running %s: %w:\n%.1000s", c.what, err, out)
			}
			clock = append(clock, time.Since(began).Seconds())
			cpu = append(cpu, gauge.Used(cmd).Seconds())
		}
		for _, n := range []struct {
			of     string
			values []float64
		}{{"clock, s", clock}, {"CPU, s", cpu}} {
			gauge.Row(w, c.what+", "+n.of, 2, n.values)
		}
	}
	return nil
}
