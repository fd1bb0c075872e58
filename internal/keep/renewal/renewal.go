// Package renewal decides when certificates are renewed, and keeps at it.
//
// The time of renewal is a fraction of the life, not a number of days, so that it is right for lives of six
// days and of ten years: a certificate is due when two thirds of its life are over. Whoever signs for
// itself could wait longer; but the machines that trust it by its published bytes must hear of the new one
// before the old one ends, however long they were switched off.
//
// [At] is the arithmetic. [Run] is the loop: it asks its [Work] what there is, renews what is due, tries
// again what failed, and sleeps until the next one. It knows nothing of keys or databases; package desk is
// the Work of a running server. It renews only what is asked of it, and never twice at once.
package renewal

import (
	"context"
	"log/slog"
	"time"
)

// A Line is a lineage that renews by itself.
type Line struct {
	Name                string
	NotBefore, NotAfter time.Time // of its current generation; of the member that ends first
}

// Work is what Run works on.
type Work interface {
	// Lines returns the lineages that renew by themselves.
	Lines(ctx context.Context) ([]Line, error)
	// Renew makes and activates the next generation of a lineage. An error means that nothing changed;
	// it is called again later.
	Renew(ctx context.Context, name string) error
}

// At returns when a certificate of that life is due.
func At(notBefore, notAfter time.Time) time.Time {
	return notBefore.Add(notAfter.Sub(notBefore) / 3 * 2)
}

// Overdue returns when a certificate that should have renewed by itself calls for a person: a sixth of its
// life is left.
func Overdue(notBefore, notAfter time.Time) time.Time {
	return notAfter.Add(-notAfter.Sub(notBefore) / 6)
}

// Ending returns when little is left of a certificate that a person renews: thirty days, but never more than
// the last third of its life, so that a certificate of six days is not always near its end.
func Ending(notBefore, notAfter time.Time) time.Time {
	return notAfter.Add(-min(30*24*time.Hour, notAfter.Sub(notBefore)/3))
}

const (
	// longest is how long Run sleeps at most: clocks are set, machines are suspended, lineages come.
	longest = 6 * time.Hour
	// firstRetry is the pause after a failure; each further one doubles it, up to lastRetry.
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// Run renews what is due until ctx ends. It never returns for a failure: that is logged, and tried again.
func Run(ctx context.Context, work Work, log *slog.Logger) {
	retry := firstRetry
	for {
		next, failed := round(ctx, work, log)
		pause := min(max(time.Until(next), time.Second), longest)
		if failed {
			pause, retry = min(pause, retry), min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// round renews what is due now, and returns when something is due next.
func round(ctx context.Context, work Work, log *slog.Logger) (next time.Time, failed bool) {
	next = time.Now().Add(longest)
	lines, err := work.Lines(ctx)
	if err != nil {
		if ctx.Err() == nil {
			log.ErrorContext(ctx, "looking for certificates to renew", "err", err)
		}
		return next, true
	}
	for _, l := range lines {
		due := At(l.NotBefore, l.NotAfter)
		if time.Now().Before(due) {
			if due.Before(next) {
				next = due
			}
			continue
		}
		if err := work.Renew(ctx, l.Name); err != nil {
			failed = true
			if ctx.Err() == nil {
				log.ErrorContext(ctx, "renewing", "lineage", l.Name, "due", due, "notAfter", l.NotAfter, "err", err)
			}
			continue
		}
		log.InfoContext(ctx, "renewed", "lineage", l.Name, "due", due)
	}
	return next, failed
}
