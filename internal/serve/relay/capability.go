package relay

import (
	"strconv"
	"strings"
	"sync/atomic"
)

// headroomOctets is kept free of the back end's SIZE for the Received: field that we add to every message.
const headroomOctets = 1024

// offers is what we can offer to clients: the part of a back end's EHLO reply that this relay understands. The zero
// value offers nothing.
type offers struct {
	eightBitMIME bool // RFC 6152
	size         bool // RFC 1870
	sizeMax      int64
	smtpUTF8     bool // RFC 6531
	dsn          bool // RFC 3461
	enhanced     bool // RFC 2034
	auth         bool // RFC 4954, with the mechanism PLAIN
	startTLS     bool // RFC 3207; between us and the back end, never shown to clients
}

// parseOffers reads a reply to EHLO (RFC 5321 section 4.1.1.1); the first line is the greeting and says nothing.
func parseOffers(r reply) offers {
	var o offers
	for _, line := range r.lines[min(1, len(r.lines)):] {
		words := strings.Fields(strings.ToUpper(line))
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "8BITMIME":
			o.eightBitMIME = true
		case "SIZE":
			o.size = true
			if len(words) > 1 {
				// RFC 1870 section 4: no number or zero is no fixed limit. So is one that we cannot read.
				if n, err := strconv.ParseInt(words[1], 10, 64); err == nil && n > 0 {
					o.sizeMax = n
				}
			}
		case "SMTPUTF8":
			o.smtpUTF8 = true
		case "DSN":
			o.dsn = true
		case "ENHANCEDSTATUSCODES":
			o.enhanced = true
		case "STARTTLS":
			o.startTLS = true
		case "AUTH":
			for _, mechanism := range words[1:] {
				o.auth = o.auth || mechanism == "PLAIN"
			}
		}
	}
	// RFC 6531 section 3.1: a server that offers SMTPUTF8 must offer 8BITMIME. One that does not is believed
	// neither.
	o.smtpUTF8 = o.smtpUTF8 && o.eightBitMIME
	return o
}

// lost names an extension that was offered to a client and that the back end has no more, or is empty.
func (o offers) lost(now offers) string {
	for _, e := range []struct {
		name     string
		had, has bool
	}{
		{"8BITMIME", o.eightBitMIME, now.eightBitMIME},
		{"SIZE", o.size, now.size},
		{"SMTPUTF8", o.smtpUTF8, now.smtpUTF8},
		{"DSN", o.dsn, now.dsn},
		{"ENHANCEDSTATUSCODES", o.enhanced, now.enhanced},
		{"AUTH", o.auth, now.auth},
	} {
		if e.had && !e.has {
			return e.name
		}
	}
	return ""
}

// Capabilities is what the back end offered when it was last asked. Listeners with the same back end share one. The
// zero value knows nothing yet: then only PIPELINING is offered, and AUTH on the submission role, because a client
// that is told to try again later does, and one that sees no AUTH tells its user that the account is wrong.
type Capabilities struct {
	last atomic.Pointer[offers] // what it points to never changes
}

// Known says whether a back end has been asked.
func (c *Capabilities) Known() bool { return c.last.Load() != nil }

func (c *Capabilities) store(o offers) { c.last.Store(&o) }

// forRole is what may be offered to clients of this role now, limited to our own maximum size.
func (c *Capabilities) forRole(role Role, maxMessageBytes int64) offers {
	o := offers{auth: true}
	if p := c.last.Load(); p != nil {
		o = *p
	}
	o.auth = o.auth && role == Submission
	o.startTLS = false
	if o.size {
		if o.sizeMax > headroomOctets {
			o.sizeMax -= headroomOctets
		}
		if o.sizeMax == 0 || o.sizeMax > maxMessageBytes {
			o.sizeMax = maxMessageBytes
		}
	}
	return o
}
