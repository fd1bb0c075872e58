package keyring

import "crypto/tls"

// ClientKind is a kind of client that [Ring.Explain] can play. The empty kind is [ClientModern].
type ClientKind string

const (
	// ClientModern speaks TLS 1.3 and every kind of key that crypto/tls can sign with.
	ClientModern ClientKind = "modern"
	// ClientRSAOnly speaks TLS 1.2 and has no cipher suite for anything but RSA, as old mail programs do.
	ClientRSAOnly ClientKind = "rsa-only"
)

// helloOf returns the first message of such a client, without a host name; nil for an unknown kind.
func helloOf(kind ClientKind) *tls.ClientHelloInfo {
	hello := &tls.ClientHelloInfo{
		SupportedVersions: []uint16{tls.VersionTLS12},
		SupportedCurves:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		SupportedPoints:   []uint8{0}, // uncompressed
		SignatureSchemes: []tls.SignatureScheme{
			tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
			tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
		},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
	switch kind {
	case ClientRSAOnly:
		return hello
	case ClientModern, "":
	default:
		return nil
	}
	hello.SupportedVersions = []uint16{tls.VersionTLS13, tls.VersionTLS12}
	hello.SupportedCurves = append(hello.SupportedCurves, tls.X25519MLKEM768)
	hello.SignatureSchemes = append(hello.SignatureSchemes,
		tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.Ed25519)
	hello.CipherSuites = append(hello.CipherSuites,
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
	return hello
}
