package desk

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/syslog"
)

// collected reads numbers of audit rows from a connection until it has found one.
func collected(t *testing.T, c net.Conn, until int64) (numbers []int64) {
	t.Helper()
	in := bufio.NewReader(c)
	for {
		digits, err := in.ReadString(' ')
		if err != nil {
			t.Fatalf("after %v: %v", numbers, err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			t.Fatal(err)
		}
		var row struct {
			Number int64
			Who    string
		}
		_, message, _ := strings.Cut(string(frame), " - ")
		if err := json.Unmarshal([]byte(message), &row); err != nil || row.Who == "" || strings.ContainsAny(message, "\n\x7f한") {
			t.Fatalf("got %q, %v", frame, err)
		}
		numbers = append(numbers, row.Number)
		if row.Number == until {
			return numbers
		}
	}
}

// TestAuditRowsOutliveTheirCollector: it is down, comes, goes and comes again with our server stopped between, and
// gets each row, in order.
func TestAuditRowsOutliveTheirCollector(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	path := filepath.Join(h.dir, "collector")
	act := func(n int) int64 {
		t.Helper()
		for i := range n {
			if _, err := h.NewToken(t.Context(), state.Actor{Who: "관리자\n\x7f", From: "test"}, TokenRequest{Name: fmt.Sprintf("t%d-%d", h.State().Seq(), i)}); err != nil {
				t.Fatal(err)
			}
		}
		var last int64
		if err := h.State().View(t.Context(), func(tx *state.Tx) error {
			rows, err := tx.AuditRows(h.server, 1)
			last = rows[0].Number
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return last
	}
	start := func() func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.RunForwarding(ctx, Forwarding{Sink: "unix:" + path}) }()
		return func() {
			t.Helper()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	seenTrouble := func() bool {
		return slices.ContainsFunc(conditionsOf(t, h), func(c string) bool { return strings.HasPrefix(c, "!auditNotSent ") })
	}
	last := act(forwarded + 20)
	if _, err := h.forward(t.Context(), mustSender(t, path), "unix:"+path); err == nil {
		t.Fatal("sent to nobody")
	}
	collector, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	stop := start()
	c, err := collector.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got := collected(t, c, last)
	for i, n := range got {
		if n != int64(i)+1 {
			t.Fatalf("row %d came as number %d", n, i+1)
		}
	}
	next := act(3) // while it runs
	if got := collected(t, c, next); len(got) != 3 {
		t.Errorf("got %v, want three more", got)
	}
	stop()
	c.Close()
	next = act(2) // while it does not
	stop = start()
	if c, err = collector.Accept(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got = collected(t, c, next)
	if len(got) < 2 || len(got) > 5 || !slices.IsSorted(got) { // the three may come twice: their cursor may not have been written
		t.Errorf("after a restart: got %v", got)
	}
	if seenTrouble() {
		t.Error("trouble is said although all is well")
	}
	stop()
}

func TestALargeRowIsCut(t *testing.T) {
	t.Parallel()
	row := state.AuditRow{Number: 1, Who: strings.Repeat("가", 500), Act: "x", Object: strings.Repeat("o", 5000), Before: `{"a":"` + strings.Repeat("b", 3000) + `"}`, After: "no JSON"}
	text := auditMessage(row, 2000)
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil || len(text) > 2000 || m["cut"] != true || m["before"] != nil || !strings.HasPrefix(m["who"].(string), "가가") {
		t.Errorf("got %d bytes, %v: %.300s", len(text), err, text)
	}
	if text := asciiJSON("😀\x7f<"); text != `"\ud83d\ude00\u007f\u003c"` {
		t.Errorf("got %s", text)
	}
}

func mustSender(t *testing.T, path string) *syslog.Sender {
	t.Helper()
	s, err := syslog.New(syslog.Options{Sink: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// saying is a log whose messages a test waits for.
type saying struct {
	slog.Handler
	said chan<- string
}

// Enabled: everything is said.
func (saying) Enabled(context.Context, slog.Level) bool { return true }

// Handle passes the message on.
func (s saying) Handle(_ context.Context, r slog.Record) error {
	s.said <- r.Message
	return nil
}

// TestAuditIsNotSent raises a condition, which goes when the collector is there.
func TestAuditIsNotSent(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	path := filepath.Join(h.dir, "collector")
	said := make(chan string, 100) // more than the tries in this test
	h.log = slog.New(saying{slog.DiscardHandler, said})
	await := func(text string) {
		t.Helper()
		for got := range said {
			if got == text {
				return
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.RunForwarding(ctx, Forwarding{Sink: "unix:" + path}) }()
	trouble := func() bool {
		return slices.ContainsFunc(h.health.List(), func(c health.Condition) bool { return c.Code == health.CodeAuditNotSent })
	}
	await("sending audit rows")
	if !trouble() {
		t.Error("nobody answers, and no condition says so")
	}
	collector, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	c, err := collector.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	collected(t, c, 1)
	await("sending audit rows again")
	if trouble() {
		t.Error("the rows are sent, and the condition stays")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
