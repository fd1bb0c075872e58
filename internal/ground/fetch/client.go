package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options are what an administrator may ask of a client; [New] checks them. The zero value asks public servers only.
type Options struct {
	Allow   []netip.Prefix // addresses that are asked although they are not public; empty means none
	Ports   []uint16       // ports that are asked beside 80 and 443; empty means none
	Proxy   *url.URL       // http or https proxy for everything; nil means none, whatever the environment says
	RootCAs *x509.CertPool // who may vouch for https servers; nil means the system's roots
	Timeout time.Duration  // for one question with all its redirects; zero means 30 seconds
}

// Client asks. It is safe for use by several goroutines and holds nothing open.
type Client struct {
	allow   []netip.Prefix
	ports   []uint16
	timeout time.Duration
	http    http.Client
}

const (
	defaultTimeout = 30 * time.Second
	maxHeaderBytes = 64 << 10
	// firstBytes is the most that is set aside for an answer on the word of the server alone.
	firstBytes = 1 << 20
)

// New makes a client of checked options.
func New(o Options) (*Client, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("making a web client: the timeout %v is negative", o.Timeout)
	}
	for _, p := range o.Allow {
		if !p.IsValid() {
			return nil, errors.New("making a web client: an allowed range of addresses is empty")
		}
	}
	c := &Client{
		allow:   slices.Clone(o.Allow),
		ports:   append([]uint16{80, 443}, o.Ports...),
		timeout: o.Timeout,
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	dialer := &net.Dialer{Timeout: c.timeout}
	transport := &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true, // an answer is as large as what was sent for it
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if o.Proxy != nil {
		if (o.Proxy.Scheme != "http" && o.Proxy.Scheme != "https") || o.Proxy.Hostname() == "" {
			return nil, fmt.Errorf("making a web client: proxy %s: not an http or https address", o.Proxy.Redacted())
		}
		transport.Proxy = http.ProxyURL(o.Proxy) // every connection goes to the proxy, which an administrator chose
	} else {
		dialer.ControlContext = c.control
	}
	transport.DialContext = dialer.DialContext
	c.http = http.Client{Transport: transport, CheckRedirect: c.judgeRedirect}
	return c, nil
}

// Request is one question.
type Request struct {
	URL         string
	Accept      string            // media types that are wanted; empty means any
	Body        []byte            // nil asks with GET, anything else with POST
	ContentType string            // of Body
	MaxBytes    int64             // of the answer; zero means 64 KiB
	Header      map[string]string // further header fields, of our own making
	AnySuccess  bool              // any status of 2xx is an answer, not just 200
}

// Response is a whole answer with status 200, or another of success if that was asked for.
type Response struct {
	URL         string // who answered in the end
	ContentType string // as the server says
	Body        []byte
}

const defaultMaxBytes = 64 << 10

// Do asks and reads the whole answer. Its errors wrap [*RefusedURLError], [*RefusedAddressError], [*StatusError],
// [*TooLargeError], [context.DeadlineExceeded], or what the network said.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.MaxBytes == 0 {
		r.MaxBytes = defaultMaxBytes
	}
	u, err := c.parse(r.URL)
	if err != nil {
		return nil, err // its text names the address already
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.ask(ctx, u, r)
	if err != nil {
		err = cause(err)
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err) // a read that was cut off says so in the words of the network
		}
		return nil, fmt.Errorf("fetching %s: %w", shown(u), err)
	}
	return resp, nil
}

func (c *Client) ask(ctx context.Context, u *url.URL, r Request) (*Response, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "postseal")
	if r.Accept != "" {
		req.Header.Set("Accept", r.Accept)
	}
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // opened for reading only
	switch coding := resp.Header.Get("Content-Encoding"); {
	case resp.StatusCode != http.StatusOK && !(r.AnySuccess && resp.StatusCode/100 == 2):
		return nil, &StatusError{Code: resp.StatusCode}
	case coding != "" && !strings.EqualFold(coding, "identity"):
		return nil, fmt.Errorf("the server compressed its answer with %q unasked", coding)
	case resp.ContentLength > r.MaxBytes:
		return nil, &TooLargeError{MaxBytes: r.MaxBytes}
	}
	got, err := read(resp.Body, resp.ContentLength, r.MaxBytes)
	if err != nil {
		return nil, err
	}
	return &Response{URL: resp.Request.URL.String(), ContentType: resp.Header.Get("Content-Type"), Body: got}, nil
}

// read reads all of r, at most maxBytes. announced is how much the server said it would send, -1 if it did not say; it
// is believed only when firstBytes of it have come, so that a lie costs the server more than us.
func read(r io.Reader, announced, maxBytes int64) ([]byte, error) {
	size := min(maxBytes+1, firstBytes)
	if announced >= 0 {
		size = min(announced+1, firstBytes)
	}
	buf := make([]byte, 0, size)
	for {
		if len(buf) == cap(buf) {
			next := min(2*int64(cap(buf)), maxBytes+1)
			if announced >= int64(cap(buf)) {
				next = announced + 1 // one copy and no more, which matters for a list of 50 MB
			}
			buf = append(make([]byte, 0, max(next, int64(cap(buf))+1)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > maxBytes:
			return nil, &TooLargeError{MaxBytes: maxBytes}
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// cause strips the method and address that net/http puts before an error: our own text names the address once.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
