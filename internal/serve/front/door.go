package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// door lets connections in, one at a time, as fast as the pool can take them.
type door struct {
	net.Listener
	name string
	pool *Pool
	log  *slog.Logger

	warned time.Time // when the log last told of a failure; belongs to the goroutine that accepts
}

// next returns the next connection. It returns an error when ctx has ended or the listener failed by itself.
func (d *door) next(ctx context.Context) (net.Conn, error) {
	var pause time.Duration
	for {
		d.pool.settle(ctx)
		raw, err := d.Listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				raw.Close()
			}
			return nil, net.ErrClosed
		case err == nil:
			return raw, nil
		case !passing(err):
			return nil, fmt.Errorf("accepting on %s: %w", d.name, err)
		}
		// A loop without a pause would not help those who will close something.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		gone := 0
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			// Somebody took the files that the pool counts on. Waiting for them may take for ever, so those
			// go who would go for a newcomer; as soon as one has closed there is a file again.
			if gone = d.pool.relieve(); gone > 0 {
				pause = 5 * time.Millisecond
			}
		}
		level := slog.LevelDebug
		if time.Since(d.warned) >= 10*time.Second {
			level, d.warned = slog.LevelWarn, time.Now() // the log is a file too, and a flood shall not fill it
		}
		d.log.Log(ctx, level, "accepting a connection", "listener", d.name, "err", err, "pause", pause, "evicted", gone)
		wait(ctx, pause)
	}
}

// passing reports whether an error of Accept goes away by itself.
func passing(err error) bool {
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && temporary.Temporary()
}

// wait pauses for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
