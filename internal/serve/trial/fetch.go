package trial

import (
	"bytes"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

func (s *imapSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	if len(options.BinarySection)+len(options.BinarySectionSize) > 0 {
		return &imap.Error{Type: imap.StatusResponseTypeBad, Text: "BINARY is not offered"}
	}
	v := s.view.Load()
	var messages []seen
	if reads(options) && !v.readOnly {
		// RFC 9051 section 6.4.5: reading a body marks the message as seen, unless it is a peek.
		marked := func(m *message) []imap.Flag { return append(slices.Clip(m.flags), imap.FlagSeen) }
		messages = s.store.change(v, set, marked, nil)
	} else {
		messages = s.store.pick(v, set)
	}
	// The lock is free again: a client that reads slowly holds up nobody.
	for _, m := range messages {
		if err := writeMessage(w.CreateMessage(m.seq), m.message, options); err != nil {
			return err
		}
	}
	return nil
}

// reads reports whether a FETCH returns text and is not a peek.
func reads(options *imap.FetchOptions) bool {
	for _, section := range options.BodySection {
		if !section.Peek {
			return true
		}
	}
	return false
}

func (s *imapSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	v := s.view.Load()
	if v.readOnly {
		return refusal(errReadOnly)
	}
	changed := s.store.change(v, set, func(m *message) []imap.Flag { return combined(m, flags) }, v.tracker)
	if flags.Silent {
		return nil
	}
	for _, m := range changed {
		if err := writeMessage(w.CreateMessage(m.seq), m.message, &imap.FetchOptions{UID: true, Flags: true}); err != nil {
			return err
		}
	}
	return nil
}

// combined is what STORE makes of the flags of m, RFC 9051 section 6.4.6.
func combined(m *message, change *imap.StoreFlags) []imap.Flag {
	named := m.withFlags(change.Flags)
	switch change.Op {
	case imap.StoreFlagsAdd:
		return append(named.flags, m.flags...)
	case imap.StoreFlagsDel:
		var left []imap.Flag
		for _, f := range m.flags {
			if !named.has(f) {
				left = append(left, f)
			}
		}
		return left
	default: // imap.StoreFlagsSet
		return named.flags
	}
}

// writeMessage writes one FETCH response. It always closes w, or go-imap would keep the connection's write lock
// for ever.
func writeMessage(w *imapserver.FetchResponseWriter, m *message, options *imap.FetchOptions) (err error) {
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	if options.UID {
		w.WriteUID(m.uid)
	}
	if options.Flags {
		w.WriteFlags(m.flags)
	}
	if options.InternalDate {
		w.WriteInternalDate(m.at)
	}
	if options.RFC822Size {
		w.WriteRFC822Size(int64(len(m.raw)))
	}
	if options.Envelope {
		w.WriteEnvelope(envelope(m.raw))
	}
	if options.BodyStructure != nil {
		w.WriteBodyStructure(whole(imapserver.ExtractBodyStructure(bytes.NewReader(m.raw))))
	}
	for _, section := range options.BodySection {
		text := bodySection(m.raw, section)
		body := w.WriteBodySection(section, int64(len(text)))
		if _, err := body.Write(text); err != nil {
			return err
		}
		if err := body.Close(); err != nil {
			return err
		}
	}
	return nil
}
