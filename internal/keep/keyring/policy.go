package keyring

import "crypto/tls"

// outer returns a configuration that only finds the port in force and hands its configuration on. Every handshake
// stays with the snapshot in which it began.
func (r *Ring) outer(missing error, find func(*snapshot) *port) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Tickets are wrapped with the ring's keys, see inner; those of this configuration are never used, so it
		// need not make any.
		SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			p := find(r.current.Load())
			if p == nil || p.config == nil {
				return nil, missing
			}
			return p.config, nil
		},
	}
}

// inner returns the configuration of a port. It is made once for each listener and snapshot, and never changed.
func (r *Ring) inner(p *port, nextProtos []string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9325 section 4.2). The suites of TLS
		// 1.3 are all good and not configurable. CurvePreferences stays nil: Go's default has the hybrid
		// X25519MLKEM768 first, which protects mail that somebody records today.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:       append([]string(nil), nextProtos...),
		ClientAuth:       p.clients.Auth,
		ClientCAs:        p.clients.CAs,
		VerifyConnection: p.clients.Verify,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.choose(hello).member.cert, nil
		},
		SessionTicketsDisabled: p.opportunistic || p.clients.Auth != tls.NoClientCert,
		WrapSession:            r.wrap(p),
		UnwrapSession:          r.unwrap(p),
	}
}
