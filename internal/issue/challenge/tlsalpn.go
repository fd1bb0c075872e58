package challenge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"strings"

	"postseal/internal/issue/acme"
)

// protocolALPN is what is spoken for the challenge and for nothing else, RFC 8737 section 6.2.
const protocolALPN = "acme-tls/1"

// tlsalpn01 looks at the certificate that the name's TLS server shows for the challenge, RFC 8737 section 3.
func (v *Validator) tlsalpn01(ctx context.Context, q Question) error {
	conn, err := v.dial(ctx, q.Identifier.Value, v.tlsPort)
	if err != nil {
		return err
	}
	defer conn.Close()
	name := q.Identifier.Value
	if q.Identifier.Type == acme.IdentifierIP {
		if name, err = reverse(q.Identifier.Value); err != nil {
			return acme.Problemf(acme.Malformed, "not an address")
		}
	}
	// InsecureSkipVerify: the certificate signs itself, and what it must say is checked below.
	t := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: []string{protocolALPN}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err := t.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return acme.Problemf(acme.TLS, "the TLS handshake for %s failed", protocolALPN)
	}
	state := t.ConnectionState()
	if state.NegotiatedProtocol != protocolALPN {
		return acme.Problemf(acme.Unauthorized, "the server does not speak %s", protocolALPN)
	}
	want := sha256.Sum256([]byte(q.Account.Authorization(q.Token)))
	return isAnswer(state.PeerCertificates[0], q.Identifier, want[:])
}

// isAnswer checks that a certificate names the identifier alone and carries the digest, RFC 8737 section 3.
func isAnswer(cert *x509.Certificate, id acme.Identifier, digest []byte) error {
	wrong := func(what string) error {
		return acme.Problemf(acme.Unauthorized, "the certificate for %s %s", protocolALPN, what)
	}
	switch {
	case countNames(cert) != 1:
		return wrong("does not have exactly one name")
	case id.Type == acme.IdentifierDNS && (len(cert.DNSNames) != 1 || !strings.EqualFold(cert.DNSNames[0], id.Value)):
		return wrong("is for another name")
	case id.Type == acme.IdentifierIP:
		a, err := netip.ParseAddr(id.Value)
		if err != nil || len(cert.IPAddresses) != 1 || !bytes.Equal(cert.IPAddresses[0], a.Unmap().AsSlice()) && !cert.IPAddresses[0].Equal(a.Unmap().AsSlice()) {
			return wrong("is for another address")
		}
	}
	oid := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} // id-pe-acmeIdentifier, RFC 8737 section 6.1
	found := 0
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oid) {
			continue
		}
		found++
		var got []byte
		rest, err := asn1.Unmarshal(e.Value, &got)
		if !e.Critical || err != nil || len(rest) > 0 || !bytes.Equal(got, digest) {
			return wrong("does not carry this account's key authorization")
		}
	}
	if found != 1 {
		return wrong("does not carry this account's key authorization")
	}
	return nil
}

// countNames is how many names of any kind stand in the certificate; crypto/x509 gives out four of them.
func countNames(cert *x509.Certificate) int {
	n := 0
	for _, e := range cert.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) { // id-ce-subjectAltName, RFC 5280 section 4.2.1.6
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return 0
		}
		n += len(names)
	}
	return n
}

// reverse is the name of an address for SNI, RFC 8738 section 6.
func reverse(address string) (string, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", err
	}
	a = a.Unmap()
	var b strings.Builder
	octets := a.AsSlice()
	const digits = "0123456789abcdef"
	for i := len(octets) - 1; i >= 0; i-- {
		if a.Is4() {
			b.WriteString(netip.AddrFrom4([4]byte{0, 0, 0, octets[i]}).String()[len("0.0.0."):])
			b.WriteByte('.')
			continue
		}
		b.WriteByte(digits[octets[i]&15])
		b.WriteByte('.')
		b.WriteByte(digits[octets[i]>>4])
		b.WriteByte('.')
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa", nil
	}
	return b.String() + "ip6.arpa", nil
}
