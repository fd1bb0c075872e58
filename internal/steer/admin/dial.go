package admin

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/steer/desk"
)

// maxSuccessionBytes bounds what a server that is not trusted yet may say: a certificate, a signature, two hashes.
const maxSuccessionBytes = 64 << 10

// remoteTimeout bounds the wait for an answer to begin: making RSA keys takes a while.
const remoteTimeout = 2 * time.Minute

// RemoteOptions say which server, and how it is known.
type RemoteOptions struct {
	Address     string // https://HOST or https://HOST:PORT; 8172 without a port
	Fingerprint string // SHA-256 of its certificate in hex; empty means the one in Pins
	Token       keys.Secret
	Pins        Pins
	// Ask is called for a server that is not pinned yet; nil, or its no, is an [*UnpinnedError].
	Ask func(address, fingerprint string) (bool, error)
	// Note tells the user that a pin has moved to the certificate that follows; nil tells nobody.
	Note func(text string)
}

// DialRemote returns a client of a server elsewhere.
//
// No authority is asked: the server is known by its certificate, the way ssh knows hosts. A new certificate is
// believed when the key of the pinned one signs that it follows ([desk.Succession]); the server renews its own
// years before the end, and keeps the key before. Whoever holds the pinned key could answer in its place anyway,
// so this gives away nothing. A pin whose key was stolen is replaced by hand, on the server and here.
//
// The token leaves this machine only on a connection whose certificate is pinned.
func DialRemote(ctx context.Context, o RemoteOptions) (*Client, error) {
	address, err := hostPort(o.Address)
	if err != nil {
		return nil, err
	}
	pin, kept := o.Fingerprint, ""
	if kept, err = o.Pins.Get(address); err != nil {
		return nil, err
	}
	if pin != "" {
		if pin, err = ParseFingerprint(pin); err != nil {
			return nil, &FingerprintError{Err: err}
		}
	} else {
		pin = kept
	}
	presents, err := presented(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("speaking to %s: %w", address, err)
	}
	switch {
	case pin == "":
		agreed := false
		if o.Ask != nil {
			if agreed, err = o.Ask(address, presents); err != nil {
				return nil, err
			}
		}
		if !agreed {
			return nil, &UnpinnedError{Address: address, Presents: presents}
		}
	case pin != presents:
		if err := follow(ctx, address, pin, presents); err != nil {
			return nil, err
		}
		if o.Note != nil && kept != presents {
			o.Note(fmt.Sprintf("the certificate of %s was renewed, which its former key confirms; now pinned is %s", address, presents))
		}
	}
	if kept != presents {
		if err := o.Pins.Set(address, presents); err != nil {
			return nil, err
		}
	}
	transport := pinned(address, presents)
	transport.ResponseHeaderTimeout = remoteTimeout
	return &Client{http: &http.Client{Transport: transport, CheckRedirect: noRedirect}, base: "https://" + address, token: o.Token}, nil
}

// noRedirect keeps a token from being led elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// errNotPinned breaks a handshake off; nothing has been said by then.
var errNotPinned = errors.New("the certificate is not the pinned one")

// pinned is a transport that speaks to a server with just that certificate.
func pinned(address, fingerprint string) *http.Transport {
	host, _, _ := net.SplitHostPort(address)
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig: &tls.Config{
			ServerName: serverName(host), MinVersion: tls.VersionTLS13,
			InsecureSkipVerify: true, // the certificate is compared byte for byte instead, in VerifyConnection, which runs on resumption too
			VerifyConnection: func(cs tls.ConnectionState) error {
				if len(cs.PeerCertificates) == 0 || leafHash(cs) != fingerprint {
					return errNotPinned
				}
				return nil
			},
		},
		TLSHandshakeTimeout: 10 * time.Second,
		DisableKeepAlives:   true,
	}
}

// serverName is what a host is asked by; addresses have no place in SNI (RFC 6066 section 3).
func serverName(host string) string {
	if net.ParseIP(host) != nil {
		return ""
	}
	return host
}

func leafHash(cs tls.ConnectionState) string {
	sum := sha256.Sum256(cs.PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:])
}

// presented asks a server for its certificate, and says nothing to it. That it holds the key is proved by the
// handshake; who it is, is not.
func presented(ctx context.Context, address string) (string, error) {
	host, _, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: &tls.Config{ServerName: serverName(host), MinVersion: tls.VersionTLS13,
		InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	cs := conn.(*tls.Conn).ConnectionState()
	if err := conn.Close(); err != nil {
		return "", err
	}
	return leafHash(cs), nil
}

// follow asks a server that presents another certificate than the pinned one whether that follows the pinned one,
// and believes the pinned key alone.
func follow(ctx context.Context, address, pin, presents string) error {
	refused := &PinError{Address: address, Pinned: pin, Presents: presents}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	nonce := desk.NewSuccessionNonce()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+succeededAt+"?"+url.Values{"from": {pin}, "nonce": {nonce}}.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: pinned(address, presents), CheckRedirect: noRedirect}).Do(r)
	if err != nil {
		return refused
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSuccessionBytes))
	if err != nil || response.StatusCode != http.StatusOK {
		return refused
	}
	var s desk.Succession
	if json.Unmarshal(body, &s) != nil || !s.Follows(nonce, pin, presents) {
		return refused
	}
	return nil
}
