package fetch

import (
	"fmt"
	"net/netip"
)

// RefusedAddressError reports that nothing was asked, because the server's address is not one of the public network
// and [Options.Allow] does not name it.
type RefusedAddressError struct {
	Host string     // as in the URL; empty if the name was resolved and only the address is known
	Addr netip.Addr // the zero Addr if Host is a name for this machine, such as localhost
	Why  string     // what the address is: "loopback", "private"
}

func (e *RefusedAddressError) Error() string {
	if !e.Addr.IsValid() {
		return fmt.Sprintf("host %s is %s, not in the public network", e.Host, e.Why)
	}
	return fmt.Sprintf("address %s is %s, not in the public network", e.Addr, e.Why)
}

// RefusedURLError reports that an address on the web is not one that is followed, whatever it leads to.
type RefusedURLError struct {
	URL string // escaped, and cut off at 200 characters
	Why string
}

func (e *RefusedURLError) Error() string { return fmt.Sprintf("not following %s: %s", e.URL, e.Why) }

// TooLargeError reports that an answer is larger than its reader takes. Nothing of it was kept.
type TooLargeError struct {
	MaxBytes int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.MaxBytes)
}

// StatusError reports that the server answered with something else than 200.
type StatusError struct {
	Code int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered with status %d", e.Code)
}
