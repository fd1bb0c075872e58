package trial

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// message is one message in one folder. It never changes: new flags make a new message around the same octets,
// so a session may keep one and write it to its client without holding the store's lock.
type message struct {
	uid   imap.UID
	raw   []byte // as received
	at    time.Time
	flags []imap.Flag
	// popBytes is the size that POP3 tells, in octets: with every line ended by CRLF (RFC 1939 section 11).
	popBytes int64
}

func newMessage(raw []byte, at time.Time, flags []imap.Flag) *message {
	if at.IsZero() {
		at = time.Now()
	}
	m := &message{raw: raw, at: at, popBytes: int64(len(raw))}
	bare := bytes.Count(raw, []byte("\n")) - bytes.Count(raw, []byte("\r\n"))
	m.popBytes += int64(bare)
	switch {
	case len(raw) == 0 || raw[len(raw)-1] == '\n':
	case raw[len(raw)-1] == '\r':
		m.popBytes++
	default:
		m.popBytes += 2
	}
	return m.withFlags(flags)
}

// withFlags is m with exactly these flags, in one spelling, sorted, each once.
func (m *message) withFlags(flags []imap.Flag) *message {
	own := make([]imap.Flag, len(flags))
	for i, f := range flags {
		own[i] = spelled(f)
	}
	slices.Sort(own)
	changed := *m
	changed.flags = slices.Compact(own)
	return &changed
}

func (m *message) has(flag imap.Flag) bool { return slices.Contains(m.flags, spelled(flag)) }

// inFolder is m as the message uid of a folder.
func (m *message) inFolder(uid imap.UID) *message {
	copied := *m
	copied.uid = uid
	return &copied
}

// spelled gives a flag its usual spelling: flags have no case (RFC 9051 section 2.3.2), but some clients
// compare as if they had.
func spelled(flag imap.Flag) imap.Flag {
	for _, known := range []imap.Flag{
		imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft,
		imap.FlagForwarded, imap.FlagMDNSent, imap.FlagJunk, imap.FlagNotJunk, imap.FlagPhishing, imap.FlagImportant,
	} {
		if strings.EqualFold(string(flag), string(known)) {
			return known
		}
	}
	return imap.Flag(strings.ToLower(string(flag)))
}

// halves divides a message after the empty line that ends its header. Without one, all of it is header.
func halves(raw []byte) (header, text []byte) {
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return raw[:2], raw[2:]
	}
	if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
		return raw[:i+4], raw[i+4:]
	}
	return raw, nil
}
