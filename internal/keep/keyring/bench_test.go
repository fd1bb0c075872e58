package keyring

import (
	"crypto/tls"
	"testing"
)

// BenchmarkChoose is what selection adds to a full handshake.
func BenchmarkChoose(b *testing.B) {
	p := newRing(b, matrixInput(b)).current.Load().ports["imaps"]
	for _, c := range []struct {
		name, sni string
		client    ClientKind
	}{
		{"exact", "imap.example.com", ClientModern},
		{"wildcard", "webmail.example.com", ClientModern},
		{"no name", "", ClientModern},
		{"RSA only", "imap.example.com", ClientRSAOnly},
	} {
		b.Run(c.name, func(b *testing.B) {
			hello := helloOf(c.client)
			hello.ServerName = c.sni
			b.ReportAllocs()
			for b.Loop() {
				if p.choose(hello).unusable {
					b.Fatal("nothing to serve")
				}
			}
		})
	}
}

// BenchmarkHandshake compares the ring with a configuration that has one certificate and nothing to choose.
func BenchmarkHandshake(b *testing.B) {
	r := newRing(b, matrixInput(b))
	member := r.current.Load().ports["imaps"].candidates[0].generation.members[0]
	for _, c := range []struct {
		name   string
		server *tls.Config
	}{
		{"ring", r.Config("imaps")},
		{"bare", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*member.cert}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			client := modern("mail.example.com")
			for b.Loop() {
				mustShake(b, c.server, client)
			}
		})
	}
}
