package probe

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/ground/x509cert"
)

// Protocols that are spoken at an endpoint. The texts are those of --starttls.
const (
	SMTP  = "smtp"
	IMAP  = "imap"
	POP3  = "pop3"
	Sieve = "sieve"
	HTTP  = "http"
)

// Protocols returns those that have STARTTLS.
func Protocols() []string { return []string{SMTP, IMAP, POP3, Sieve} }

// A Place is a conventional port: what is spoken there, and how TLS begins.
type Place struct {
	Port     uint16
	Protocol string
	StartTLS bool
}

// Places returns the nine ports at which mail servers are looked for, in the order in which people read them.
func Places() []Place {
	return []Place{
		{25, SMTP, true}, {465, SMTP, false}, {587, SMTP, true},
		{110, POP3, true}, {995, POP3, false}, {143, IMAP, true}, {993, IMAP, false},
		{443, HTTP, false}, {4190, Sieve, true},
	}
}

// An Endpoint is one port of one host.
type Endpoint struct {
	// Host is the name or address that a client asks for: it is sent in the handshake, and the certificate must have it.
	Host string
	Port uint16
	// Protocol is spoken before TLS where StartTLS is set, and known from the port elsewhere; empty means unknown.
	Protocol string
	StartTLS bool
	// Address is where to connect; the zero value means that Host is looked up.
	Address netip.AddrPort
	// Names are further names that clients use for it; the certificate should have them too.
	Names []string
	// Want are the SHA-1 thumbprints of which the certificate must have one; empty takes any.
	Want []string
	// Optional means that a port that nobody listens on is no fault.
	Optional bool
	// ForMail marks port 25 of another organisation's mail: servers that deliver there mostly check no names.
	ForMail bool
}

// String is the endpoint as people write it.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// A Host is what somebody asks about: a name or address with one port, or with the nine [Places].
type Host struct {
	Name string
	Port uint16 // zero means the nine ports, of which those that nobody listens on are no fault
	// StartTLS is the protocol for STARTTLS at Port; empty means what the port says, TLS from the first byte otherwise.
	StartTLS string
	// Ports limits the nine to these; empty means all.
	Ports []uint16
	// With are further ports of the same name, looked at and compared together with this one: see [Grouped].
	With []Host
	// Why says where the host comes from, such as "MX of example.com"; empty for what was asked directly.
	Why string
}

// InvalidTargetError says that a text names no host to check.
type InvalidTargetError struct {
	Text   string // as given, escaped and shortened
	Reason string
	Line   int // in a file of hosts; zero elsewhere
}

// Error names the text first, with its line if it stands in a file.
func (e *InvalidTargetError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %q is no host to check: %s", e.Line, e.Text, e.Reason)
	}
	return fmt.Sprintf("%q is no host to check: %s", e.Text, e.Reason)
}

// ParseHost reads HOST, HOST:PORT, [IPV6]:PORT or a bare address. startTLS is one of [Protocols], or empty. The error is
// an [*InvalidTargetError].
func ParseHost(text, startTLS string) (Host, error) {
	refuse := func(reason string) (Host, error) {
		return Host{}, &InvalidTargetError{Text: Visible(text, 80), Reason: reason}
	}
	if startTLS != "" && !slices.Contains(Protocols(), startTLS) {
		return refuse(fmt.Sprintf("STARTTLS is spoken with %s, not with %q", strings.Join(Protocols(), ", "), Visible(startTLS, 20)))
	}
	h := Host{Name: text, StartTLS: startTLS}
	if _, err := netip.ParseAddr(text); err != nil { // a bare IPv6 address has colons, and no port
		if name, port, err := net.SplitHostPort(text); err == nil {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 {
				return refuse("a port is a number from 1 to 65535")
			}
			h.Name, h.Port = name, uint16(n)
		}
	}
	h.Name = strings.TrimSuffix(strings.TrimPrefix(h.Name, "["), "]")
	if addr, err := netip.ParseAddr(h.Name); err == nil {
		h.Name = addr.String()
		return h, nil
	}
	name, err := x509cert.ParseHost(h.Name)
	if err != nil {
		return refuse("neither the name of a host nor an address")
	}
	h.Name = string(name)
	return h, nil
}

// Endpoints returns what to look at for h.
func (h Host) Endpoints() []Endpoint {
	all := h.own()
	for _, w := range h.With {
		all = append(all, w.own()...)
	}
	return all
}

func (h Host) own() []Endpoint {
	if h.Port != 0 {
		e := Endpoint{Host: h.Name, Port: h.Port, Protocol: h.StartTLS, StartTLS: h.StartTLS != ""}
		for _, p := range Places() {
			if p.Port == h.Port && h.StartTLS == "" {
				e.Protocol, e.StartTLS = p.Protocol, p.StartTLS
			}
		}
		e.ForMail = h.Port == 25
		return []Endpoint{e}
	}
	var all []Endpoint
	for _, p := range Places() {
		if len(h.Ports) > 0 && !slices.Contains(h.Ports, p.Port) {
			continue
		}
		if h.StartTLS != "" && (p.Protocol != h.StartTLS || !p.StartTLS) {
			continue // --starttls imap with a bare host asks for 143 alone
		}
		all = append(all, Endpoint{Host: h.Name, Port: p.Port, Protocol: p.Protocol, StartTLS: p.StartTLS, Optional: true, ForMail: p.Port == 25})
	}
	return all
}
