package front

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestBackendIsLocal(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"/run/dovecot/imap": true, "127.0.0.1:143": true, "127.9.9.9:143": true, "[::1]:143": true, "[::ffff:127.0.0.1]:143": true,
		"localhost:143": false, "192.0.2.1:143": false, "mail.example.test:143": false, "127.0.0.1": false, "127.0.0.1.example.test:1": false, "": false,
	} {
		if got := (Backend{Address: address}).local(); got != want {
			t.Errorf("%q is local: got %v, want %v", address, got, want)
		}
	}
}

func TestBackendOnAUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := Backend{Address: path, TLS: TLSNone}.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestDirectTrust: byte for byte, every member, and whatever is published at this moment.
func TestDirectTrust(t *testing.T) {
	t.Parallel()
	mine, other := newCertificate(t), newCertificate(t)
	var published [][]byte
	config := DirectTrust(func() [][]byte { return published })
	longer := append(slices.Clone(mine.Certificate[0]), 0)
	for _, test := range []struct {
		name      string
		published [][]byte
		want      error
	}{
		{"the only one", mine.Certificate, nil},
		{"one of two", [][]byte{other.Certificate[0], mine.Certificate[0]}, nil},
		{"another", other.Certificate, ErrNotPublished},
		{"a byte more", [][]byte{longer}, ErrNotPublished},
		{"none", nil, ErrNotPublished},
		{"an empty one", [][]byte{{}}, ErrNotPublished},
	} {
		published = test.published
		here, there := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- tls.Server(there, serverTLS(mine)).Handshake() }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Backend{Address: "/pipe", Config: config}.Secure(ctx, here)
		cancel()
		here.Close()
		<-served
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

// TestDialEndsWithContext: a back end that never finishes its handshake holds nobody.
func TestDialEndsWithContext(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 1)) // the ClientHello is under way
		cancel()
		conn.Read(make([]byte, 1<<16))
		conn.Read(make([]byte, 1))
	}()
	if conn, err := (Backend{Address: ln.Addr().String(), Config: DirectTrust(func() [][]byte { return nil })}).Dial(ctx); err == nil {
		conn.Close()
		t.Error("Dial went through without a handshake")
	}
	<-accepted
}
