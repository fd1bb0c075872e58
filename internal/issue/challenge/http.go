package challenge

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"postseal/internal/issue/acme"
)

// maxAnswer is what is read of a web server's answer. A key authorization has 87 octets; RFC 8555 section 8.3 allows white
// space behind it.
const maxAnswer = 1024

// http01 asks the name's web server, RFC 8555 section 8.3.
func (v *Validator) http01(ctx context.Context, q Question) error {
	host := q.Identifier.Value
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if v.httpPort != 80 {
		host = fmt.Sprintf("%s:%d", host, v.httpPort)
	}
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		// Whatever port an address names, the connection goes to one of the two.
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			name, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return v.dial(ctx, name, v.httpPort)
		},
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			name, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			conn, err := v.dial(ctx, name, v.tlsPort)
			if err != nil {
				return nil, err
			}
			// A server that asks for its first certificate has none that could be believed; the answer proves itself.
			t := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err := t.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, acme.Problemf(acme.TLS, "the redirect's TLS handshake failed")
			}
			return t, nil
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: v.refuseRedirect}
	where := url.URL{Scheme: "http", Host: host, Path: "/.well-known/acme-challenge/" + q.Token}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return acme.Problemf(acme.Malformed, "the name cannot be asked over HTTP")
	}
	r.Header.Set("User-Agent", "postseal (validation of ACME)")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return acme.Problemf(acme.Unauthorized, "the web server answered with status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(body) > maxAnswer {
		return acme.Problemf(acme.Unauthorized, "the web server's answer is longer than %d octets", maxAnswer)
	}
	want := q.Account.Authorization(q.Token)
	if got := strings.TrimRight(string(body), " \t\r\n"); subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return acme.Problemf(acme.Unauthorized, "the web server answered with something else than this account's key authorization")
	}
	return nil
}
