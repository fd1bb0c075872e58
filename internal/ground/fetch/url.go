package fetch

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	maxURLBytes  = 2048
	maxRedirects = 3
)

// shown is a URL as it may stand in an error: escaped, without credentials, and not endless.
func shown(u *url.URL) string {
	stripped := *u
	stripped.User = nil
	s := stripped.String()
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}

// parse takes a URL out of a certificate.
func (c *Client) parse(raw string) (*url.URL, error) {
	if len(raw) > maxURLBytes {
		return nil, &RefusedURLError{URL: strconv.QuoteToASCII(raw[:60]) + "...", Why: fmt.Sprintf("it is longer than %d bytes", maxURLBytes)}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &RefusedURLError{URL: strconv.QuoteToASCII(raw), Why: "it is no URL"}
	}
	if err := c.judgeURL(u); err != nil {
		return nil, err
	}
	return u, nil
}

// judgeURL is all that can be said before the name is resolved.
func (c *Client) judgeURL(u *url.URL) error {
	refuse := func(why string) error { return &RefusedURLError{URL: shown(u), Why: why} }
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("only http and https are followed")
	case u.User != nil:
		return refuse("it carries credentials")
	case host == "":
		return refuse("it names no host")
	}
	port := map[string]uint64{"http": 80, "https": 443}[u.Scheme]
	if p := u.Port(); p != "" {
		var err error
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return refuse("its port is no number from 0 to 65535")
		}
	}
	if !slices.Contains(c.ports, uint16(port)) {
		return refuse(fmt.Sprintf("port %d is not one of those that are asked", port))
	}
	a, numeric := literal(host)
	if numeric {
		return refuse("its host is neither a name nor an address")
	}
	if a.IsValid() {
		return c.judge(host, a)
	}
	// RFC 6761 section 6.3: the names under localhost are this machine, and no resolver needs to be asked.
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if (name == "localhost" || strings.HasSuffix(name, ".localhost")) && !c.allows(netip.IPv6Loopback()) && !c.allows(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
		return &RefusedAddressError{Host: host, Why: "loopback"}
	}
	return nil
}

func (c *Client) allows(a netip.Addr) bool {
	return slices.ContainsFunc(c.allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// judgeRedirect is called before each redirect is followed; via holds the requests so far.
func (c *Client) judgeRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return &RefusedURLError{URL: shown(r.URL), Why: fmt.Sprintf("it is redirect %d of at most %d", len(via), maxRedirects)}
	case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
		return &RefusedURLError{URL: shown(r.URL), Why: "a redirect leads from https to http"}
	case r.Method != via[0].Method:
		// A redirect that turns POST into GET drops the question (RFC 9110 section 15.4.2); 307 and 308 keep it.
		return &RefusedURLError{URL: shown(r.URL), Why: "the redirect drops the question"}
	case len(r.URL.String()) > maxURLBytes:
		return &RefusedURLError{URL: shown(r.URL), Why: fmt.Sprintf("it is longer than %d bytes", maxURLBytes)}
	}
	r.Header.Del("Referer") // the address before this one is nobody's business
	return c.judgeURL(r.URL)
}
