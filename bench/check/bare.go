package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
)

// shakers are the handshakes at the same time, as many as check makes.
const shakers = 32

// shakeAll makes the handshake of check with every host and does nothing else: what it costs is what no check that speaks
// through crypto/tls can save.
func shakeAll(ctx context.Context, dir string) error {
	f, err := os.Open(filepath.Join(dir, "hosts"))
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hosts := make(chan string)
	var wg sync.WaitGroup
	for range shakers {
		wg.Go(func() {
			for host := range hosts {
				conn, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true}) // it is the handshake that is measured
				if err != nil {
					cancel(err)
					return
				}
				conn.NetConn().Close()
			}
		})
	}
	lines := bufio.NewScanner(f)
	for ctx.Err() == nil && lines.Scan() {
		select {
		case hosts <- lines.Text():
		case <-ctx.Done():
		}
	}
	close(hosts)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return lines.Err()
}
