package probe

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// speaks sends a first message of TLS by hand that offers version and nothing newer, and reads the answer as far as the
// version that the server chose. Nothing more is needed to know it, and nothing of TLS 1.0 has to be implemented.
// It returns false without an error when the server declines in words of TLS, or hangs up, as some do instead.
func speaks(rw io.ReadWriter, version uint16, host string) (bool, error) {
	hello, err := clientHello(version, host)
	if err != nil {
		return false, err
	}
	if _, err := rw.Write(hello); err != nil {
		return false, err
	}
	var head [5]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		if isClosed(err) {
			return false, nil
		}
		return false, err
	}
	const recordAlert, recordHandshake = 21, 22
	switch head[0] {
	case recordAlert:
		return false, nil
	case recordHandshake:
	default:
		return false, fmt.Errorf("answering %s: record type %d", tls.VersionName(version), head[0])
	}
	// A hello of the server: type, length, then the version (RFC 5246 section 7.4.1.3).
	var body [6]byte
	if int(binary.BigEndian.Uint16(head[3:])) < len(body) {
		return false, errors.New("answering with a hello that is too short")
	}
	if _, err := io.ReadFull(rw, body[:]); err != nil {
		return false, err
	}
	const serverHello = 2
	return body[0] == serverHello && binary.BigEndian.Uint16(body[4:]) == version, nil
}

// oldSuites are what servers of that time have: the ECDHE and RSA suites with AES-CBC, triple DES and RC4.
func oldSuites() []uint16 {
	return []uint16{0xc009, 0xc00a, 0xc013, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035, 0xc008, 0xc012, 0x0016, 0x000a, 0xc007, 0xc011, 0x0005}
}

// clientHello writes the record of a client that knows version and older ones. host is named (RFC 6066 section 3)
// unless it is empty.
func clientHello(version uint16, host string) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(22)      // handshake
	b.AddUint16(0x0301) // the record says TLS 1.0 whatever comes, RFC 8446 appendix D.1
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(1) // client hello
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(version)
			b.AddBytes(make([]byte, 32)) // nothing is kept secret here: the connection ends with the answer
			b.AddUint8LengthPrefixed(func(*cryptobyte.Builder) {})
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				for _, suite := range oldSuites() {
					b.AddUint16(suite)
				}
				b.AddUint16(0x00ff) // RFC 5746 section 3.3: some refuse a client that does not say this
			})
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { helloExtensions(b, host) })
		})
	})
	return b.Bytes()
}

func helloExtensions(b *cryptobyte.Builder, host string) {
	if host != "" {
		b.AddUint16(0) // server_name
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(host)) })
			})
		})
	}
	b.AddUint16(10) // supported groups: X25519, P-256, P-384
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, group := range []uint16{29, 23, 24} {
				b.AddUint16(group)
			}
		})
	})
	b.AddUint16(11) // points are sent whole
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
	})
}
