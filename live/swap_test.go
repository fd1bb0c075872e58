package live

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/peers"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// dialTimeout bounds every step of a test client.
const dialTimeout = 20 * time.Second

// handshake makes one full handshake and returns the thumbprint served.
func handshake(at peers.Endpoint) (string, error) {
	raw, err := net.DialTimeout("tcp", at.Addr, dialTimeout)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return "", err
	}
	if err := upgrade(raw, at.StartTLS); err != nil {
		return "", err
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	return x509cert.Thumbprint(conn.ConnectionState().PeerCertificates[0].Raw), nil
}

// upgrade speaks a protocol up to the TLS handshake.
func upgrade(raw net.Conn, protocol string) error {
	if protocol == "" {
		return nil
	}
	r := bufio.NewReader(raw)
	say := map[string][]string{"smtp": {"", "EHLO me.test", "STARTTLS"}, "imap": {"", "a STARTTLS"}, "pop3": {"", "STLS"}}[protocol]
	for _, line := range say {
		if line != "" {
			if _, err := fmt.Fprintf(raw, "%s\r\n", line); err != nil {
				return err
			}
		}
		for {
			got, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			if protocol == "smtp" && len(got) > 3 && got[3] == '-' {
				continue
			}
			if protocol == "imap" && strings.HasPrefix(got, "* ") && line != "" {
				continue
			}
			if !strings.HasPrefix(got, "2") && !strings.HasPrefix(got, "+OK") && !strings.Contains(got, "OK") {
				return fmt.Errorf("%s: answered %q", line, got)
			}
			break
		}
	}
	return nil
}

// TestSwapsUnderLoad swaps the certificate of every mail listener again and again while clients connect to all of
// them. Not one handshake may fail, and whoever connects after an answered swap gets the new certificate.
func TestSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	succeeds(t, s.Command("cert", "new", "--name", "other", "--lineage", "other", "--key", "ecdsa-p256", "--yes"))
	client, err := admin.Dial(t.Context(), s.Data)
	if err != nil {
		t.Fatal(err)
	}
	var certificates []desk.Certificate
	decode(t, s.Command("cert", "list", "--json"), &certificates)
	thumbprints := make(map[string]string) // lineage -> ECDSA member
	internal := ""
	for _, c := range certificates {
		if strings.HasPrefix(c.KeyType, "ECDSA") {
			thumbprints[c.Lineage] = c.Thumbprint
		}
		if c.Name == desk.NameInternal {
			internal = c.Lineage
		}
	}

	var load sync.WaitGroup
	var made, failed atomic.Int64
	stop := make(chan struct{})
	for name, at := range endpoints(s) {
		if name == "management" {
			continue
		}
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := handshake(at); err != nil {
					failed.Add(1)
					t.Errorf("%s: handshake during swaps: %v", name, err)
					return
				}
				made.Add(1)
			}
		})
	}
	swaps := peers.Scale(100, 1000)
	for i := range swaps {
		lineage := []string{"other", internal}[i%2]
		var change desk.Change
		if err := client.Call(t.Context(), "cert/enable", desk.EnableRequest{ID: lineage, Services: "IMAP,POP,SMTP,HTTP"}, &change); err != nil {
			t.Fatalf("swap %d: %v", i, err)
		}
		at := endpoints(s)[[]string{"imaps", "smtp", "pop3", "https"}[i%4]]
		got, err := handshake(at)
		if err != nil || got != thumbprints[lineage] {
			t.Errorf("swap %d: after its answer %s serves %s, %v; want %s", i, at.Addr, got, err, thumbprints[lineage])
		}
	}
	close(stop)
	load.Wait()
	if made.Load() < int64(swaps) {
		t.Errorf("only %d handshakes beside %d swaps: no load", made.Load(), swaps)
	}
	t.Logf("%d swaps, %d handshakes beside them, %d failed", swaps, made.Load(), failed.Load())
}
