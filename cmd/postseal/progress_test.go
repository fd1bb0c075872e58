package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// TestProgressOnATerminal: on a terminal a check of many hosts says how far it is while a host keeps it waiting, takes the
// line away, and ends with the counts; the exit status is that of hosts that need attention.
func TestProgressOnATerminal(t *testing.T) {
	peers.Need(t, "script")
	slow, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "hosts.txt")
	if err := os.WriteFile(list, fmt.Appendf(nil, "127.0.0.2:1\n127.0.0.3:1\nlocalhost:%d\n", slow.Addr().(*net.TCPAddr).Port), 0o600); err != nil {
		t.Fatal(err)
	}
	check := command(t, "check", "--quick", "--from", list, "--limit", "1m", "--data", filepath.Join(t.TempDir(), "none"))
	terminal := command(t)
	terminal.Path, terminal.Args = "/usr/bin/script", []string{"script", "--quiet", "--return", "--command", "exec " + strings.Join(check.Args, " "), os.DevNull}
	out, err := terminal.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := terminal.Start(); err != nil {
		t.Fatal(err)
	}
	const line = "\r\x1b[Kpostseal: 2 hosts looked at, 2 with attention"
	var seen strings.Builder
	in, closed := bufio.NewReader(out), false
	for {
		b, err := in.ReadByte()
		if err != nil {
			break
		}
		seen.WriteByte(b)
		if !closed && strings.Contains(seen.String(), line) {
			closed = true
			slow.Close() // whoever waits for it is let go
		}
	}
	err = terminal.Wait()
	if code := terminal.ProcessState.ExitCode(); code != exitAttention {
		t.Errorf("got exit %d, %v, want %d", code, err, exitAttention)
	}
	text := seen.String()
	if !closed {
		t.Fatalf("no progress is shown:\n%q", text)
	}
	_, rest, _ := strings.Cut(text, line)
	if !strings.Contains(rest, "\r\x1b[K") || !strings.Contains(rest, "3 hosts, 3 endpoints: 0 ok, 0 warn, 3 bad") || strings.Contains(rest[strings.LastIndex(rest, "\x1b[K"):], "looked at") {
		t.Errorf("the line does not go, or the counts do not come:\n%q", text)
	}
}
