package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
)

// maxPortOffset leaves room for the highest port that moves, 8172.
const maxPortOffset = 50000

// Addresses says where the listeners shall be. The zero value changes nothing.
type Addresses struct {
	Bind       string            // IP address of all; empty keeps each listener's own
	PortOffset *int              // added to the well-known ports; nil keeps each listener's own port
	Listen     map[string]string // by listener name, "address:port", as it stands; wins over the others
}

// ErrPortOffset reports a port offset out of range.
var ErrPortOffset = errors.New("the port offset must be between 0 and 50000")

// AddressError reports an address that cannot be used for a listener.
type AddressError struct {
	Listener, Address, Reason string
}

func (e *AddressError) Error() string {
	if e.Listener == "" {
		return fmt.Sprintf("address %q: %s", e.Address, e.Reason)
	}
	return fmt.Sprintf("listener %s: address %q: %s", e.Listener, e.Address, e.Reason)
}

// UnknownListenerError reports a word that names no listener.
type UnknownListenerError struct{ Name string }

func (e *UnknownListenerError) Error() string {
	return fmt.Sprintf("listener %.100q: there is no such listener", e.Name)
}

// Check reports the first value of a that cannot be used.
func (a Addresses) Check() error {
	if a.Bind != "" {
		if _, err := netip.ParseAddr(a.Bind); err != nil {
			return &AddressError{Address: a.Bind, Reason: "not an IP address"}
		}
	}
	if a.PortOffset != nil && (*a.PortOffset < 0 || *a.PortOffset > maxPortOffset) {
		return ErrPortOffset
	}
	taken := make(map[netip.AddrPort]string)
	for _, name := range slices.Sorted(maps.Keys(a.Listen)) {
		text := a.Listen[name]
		if _, ok := listener.ByName(name); !ok {
			return &UnknownListenerError{Name: name}
		}
		at, err := parse(name, text)
		if err != nil {
			return err
		}
		if other, twice := taken[at]; twice {
			return &AddressError{Listener: name, Address: text, Reason: "listener " + other + " is there already"}
		}
		taken[at] = name
	}
	return nil
}

// Resolve returns where the listener of kind k shall be when its stored place is old. The caller has
// called Check.
func (a Addresses) Resolve(k listener.Kind, old netip.AddrPort) netip.AddrPort {
	if text, ok := a.Listen[k.Name]; ok {
		at, err := parse(k.Name, text)
		if err == nil {
			return at
		}
	}
	addr, port := old.Addr(), old.Port()
	if a.Bind != "" {
		if bind, err := netip.ParseAddr(a.Bind); err == nil {
			addr = bind
		}
	}
	if a.PortOffset != nil {
		port = k.Port + uint16(*a.PortOffset)
	}
	return netip.AddrPortFrom(addr, port)
}

// Over returns a with what is not set taken from b.
func (a Addresses) Over(b Addresses) Addresses {
	if a.Bind == "" {
		a.Bind = b.Bind
	}
	if a.PortOffset == nil {
		a.PortOffset = b.PortOffset
	}
	merged := make(map[string]string)
	for name, text := range b.Listen {
		merged[name] = text
	}
	for name, text := range a.Listen {
		merged[name] = text
	}
	a.Listen = merged
	return a
}

// ParseListen reads the values of --listen, each NAME=ADDRESS:PORT.
func ParseListen(values []string) (map[string]string, error) {
	m := make(map[string]string)
	for _, value := range values {
		name, text, ok := strings.Cut(value, "=")
		if !ok {
			return nil, &AddressError{Address: value, Reason: "want NAME=ADDRESS:PORT"}
		}
		if _, known := listener.ByName(name); !known {
			return nil, &UnknownListenerError{Name: name}
		}
		m[name] = text
	}
	return m, nil
}

func parse(name, text string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return at, &AddressError{Listener: name, Address: text, Reason: "want an IP address and a port, like 192.0.2.1:993 or [2001:db8::1]:993"}
	}
	if at.Port() == 0 {
		return at, &AddressError{Listener: name, Address: text, Reason: "port 0 is no place to be found at"}
	}
	return at, nil
}

// unknownKey says which key was probably meant.
func unknownKey(path []string) error {
	name := strings.Join(path, ".")
	best, distance := "", 4
	for _, k := range Keys() {
		if d := editDistance(name, k.Name); d < distance {
			best, distance = k.Name, d
		}
	}
	if best != "" {
		return fmt.Errorf("unknown key %s (nearest: %s)", name, best)
	}
	return fmt.Errorf("unknown key %s", name)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], slices.Min([]int{row[j+1] + 1, row[j] + 1, diagonal + cost})
		}
	}
	return row[len(b)]
}
