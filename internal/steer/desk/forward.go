package desk

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/syslog"
)

// Forwarding says where audit rows are sent.
type Forwarding struct {
	Sink string // see package syslog
	PID  int
}

// forwarded is how many rows are sent before it is written down how far.
const forwarded = 100

// Waits between tries while a collector does not answer.
const (
	forwardFirst   = time.Second
	forwardLongest = 5 * time.Minute
)

// CheckForwarding fails when a collector's address is none.
func CheckForwarding(f Forwarding) error {
	_, err := syslog.New(syslog.Options{Sink: f.Sink})
	return err
}

// RunForwarding sends this server's audit rows to a collector until ctx ends: those of before too, in their order.
// How far it came is in the state, so that nothing is lost while the collector or the server is down. A row may be
// sent twice, when the server stops between sending it and writing that down; its number tells.
func (d *Desk) RunForwarding(ctx context.Context, f Forwarding) error {
	var host string
	if err := d.db.View(ctx, func(tx *state.Tx) error {
		servers, err := tx.Servers()
		for _, s := range servers {
			if s.ID == d.server {
				host = s.Name
			}
		}
		return err
	}); err != nil {
		return err
	}
	sender, err := syslog.New(syslog.Options{Sink: f.Sink, Host: host, PID: f.PID})
	if err != nil {
		return err
	}
	defer sender.Close() // nothing is in it that was not sent
	changes, stop := d.db.Watch()
	defer stop()
	wait, failed := forwardFirst, false
	for {
		more, err := d.forward(ctx, sender, f.Sink)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			d.health.Clear(health.CodeAuditNotSent, f.Sink)
			if failed {
				d.log.InfoContext(ctx, "sending audit rows again", "to", f.Sink)
			}
			wait, failed = forwardFirst, false
			if more {
				continue
			}
			select {
			case <-ctx.Done():
				return nil
			case <-changes:
			}
			continue
		}
		d.health.Raise(health.Condition{Code: health.CodeAuditNotSent, Severity: health.Attention, Object: f.Sink, Text: err.Error()})
		d.log.WarnContext(ctx, "sending audit rows", "code", health.CodeAuditNotSent, "err", err)
		failed = true
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait + rand.N(wait/4)):
		}
		wait = min(2*wait, forwardLongest)
	}
}

// forward sends the next rows, and says whether there may be more.
func (d *Desk) forward(ctx context.Context, sender *syslog.Sender, sink string) (bool, error) {
	var rows []state.AuditRow
	err := d.db.View(ctx, func(tx *state.Tx) error {
		from, err := tx.AuditCursor(d.server, sink)
		if err == nil {
			rows, err = tx.AuditAfter(d.server, from, forwarded)
		}
		return err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	records := make([]syslog.Record, len(rows))
	for i, r := range rows {
		records[i] = syslog.Record{At: r.At, Kind: r.Act, Message: auditMessage(r, sender.Fits())}
	}
	if err := sender.Send(ctx, records); err != nil {
		return false, err
	}
	last := rows[len(rows)-1].Number
	return len(rows) == forwarded, d.db.Keep(ctx, func(tx *state.Tx) error { return tx.SetAuditCursor(d.server, sink, last) })
}

// auditMessage is a row as JSON in ASCII. What it was before and after is left out when it does not fit.
func auditMessage(r state.AuditRow, most int) string {
	m := map[string]any{"number": r.Number, "who": clipTo(r.Who, 200), "from": clipTo(r.From, 200), "act": r.Act, "object": clipTo(r.Object, 300)}
	raw := func(name, text string) {
		if text != "" && json.Valid([]byte(text)) {
			m[name] = json.RawMessage(text)
		}
	}
	raw("before", r.Before)
	raw("after", r.After)
	text := asciiJSON(m)
	if len(text) > most {
		delete(m, "before")
		delete(m, "after")
		m["cut"] = true
		text = asciiJSON(m)
	}
	return text
}

func clipTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// asciiJSON writes JSON without anything that a log viewer might take for more than text.
func asciiJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return `{"cut":true}` // maps of texts do not fail
	}
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r < 0x10000:
			out.WriteString(`\u` + hex4(r))
		default:
			r -= 0x10000
			out.WriteString(`\u` + hex4(0xd800+r>>10) + `\u` + hex4(0xdc00+r&0x3ff))
		}
	}
	return out.String()
}

func hex4(r rune) string {
	text := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", 4-len(text)) + text
}
