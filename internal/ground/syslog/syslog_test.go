package syslog

import (
	"bufio"
	"errors"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var line = regexp.MustCompile(`^<109>1 2026-01-02T03:04:05\.000006Z mail1\.example\.com postseal 42 cert_renew - (.*)$`)

func record(message string) Record {
	return Record{At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Kind: "cert renew", Message: message}
}

func sender(t *testing.T, sink string) *Sender {
	t.Helper()
	s, err := New(Options{Sink: sink, Host: "mail1.example.com", PID: 42})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAddresses(t *testing.T) {
	for _, sink := range []string{"unix:/dev/log", "unix:///dev/log", "udp://192.0.2.1:514", "tcp://[2001:db8::1]:601", "tcp://log.example.com:601"} {
		if _, err := New(Options{Sink: sink}); err != nil {
			t.Errorf("%s: %v", sink, err)
		}
	}
	for _, sink := range []string{"", "unix:", "log.example.com", "udp://x", "tcp://:601", "tcp://x:0", "tcp://x:70000", "tls://x:6514", "tcp://u:p@x:1", "tcp://x:1/y", "udp://x:1?y", "::"} {
		if _, err := New(Options{Sink: sink}); !errors.Is(err, ErrSink) {
			t.Errorf("%s: got %v, want %v", sink, err, ErrSink)
		}
	}
}

func TestDatagrams(t *testing.T) {
	dir := t.TempDir()
	for network, address := range map[string]string{"unixgram": filepath.Join(dir, "log"), "udp": "127.0.0.1:0"} {
		collector, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer collector.Close()
		sink := "unix:" + address
		if network == "udp" {
			sink = "udp://" + collector.LocalAddr().String()
		}
		if err := sender(t, sink).Send(t.Context(), []Record{record(`{"a":1}`), record(`{"a":2}`)}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`{"a":1}`, `{"a":2}`} {
			b := make([]byte, 4096)
			if err := collector.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, _, err := collector.ReadFrom(b)
			if m := line.FindStringSubmatch(string(b[:n])); err != nil || m == nil || m[1] != want {
				t.Errorf("%s: got %q, %v, want %s", network, b[:n], err, want)
			}
		}
	}
}

// TestStreamsAreCounted, and a collector that has gone is noticed: at the latest by the call after.
func TestStreamsAreCounted(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "log")
		}
		collector, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer collector.Close()
		sink := "tcp://" + collector.Addr().String()
		if network == "unix" {
			sink = "unix:" + address
		}
		s := sender(t, sink)
		accepted := make(chan net.Conn, 2)
		go func() {
			for range 2 {
				c, err := collector.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		if err := s.Send(t.Context(), []Record{record("one\x20two"), record("three")}); err != nil {
			t.Fatal(err)
		}
		c := <-accepted
		in := bufio.NewReader(c)
		for _, want := range []string{"one two", "three"} {
			digits, err := in.ReadString(' ')
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(digits))
			if err != nil {
				t.Fatal(err)
			}
			frame := make([]byte, n)
			if _, err := io.ReadFull(in, frame); err != nil {
				t.Fatal(err)
			}
			if m := line.FindStringSubmatch(string(frame)); m == nil || m[1] != want {
				t.Errorf("got %q, want %s", frame, want)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), []Record{record("lost?")}); err == nil {
			t.Errorf("%s: a collector that has gone took it", network)
		}
		if err := s.Send(t.Context(), []Record{record("again")}); err != nil {
			t.Errorf("%s: connecting again: %v", network, err)
		}
		(<-accepted).Close()
	}
}

func TestNobodyListens(t *testing.T) {
	for _, sink := range []string{"unix:" + filepath.Join(t.TempDir(), "none"), "tcp://127.0.0.1:1"} {
		if err := sender(t, sink).Send(t.Context(), []Record{record("x")}); err == nil {
			t.Errorf("%s took it", sink)
		}
	}
}
