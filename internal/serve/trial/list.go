package trial

import "github.com/emersion/go-imap/v2"

// list describes the folders, in no order.
func (s *store) list(options *imap.ListOptions) []imap.ListData {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []imap.ListData
	for _, f := range s.folders {
		if options.SelectSpecialUse || (options.SelectSubscribed && !f.subscribed) {
			continue
		}
		data := imap.ListData{Mailbox: f.name, Delim: delimiter}
		if f.subscribed {
			data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
		}
		if options.ReturnStatus != nil {
			data.Status = f.status(options.ReturnStatus)
		}
		all = append(all, data)
	}
	return all
}

func (s *store) status(name string, options *imap.StatusOptions) (*imap.StatusData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return nil, errNoFolder
	}
	return f.status(options), nil
}

// status counts what was asked for. The caller holds store.mu.
func (f *folder) status(options *imap.StatusOptions) *imap.StatusData {
	data := &imap.StatusData{Mailbox: f.name, UIDNext: f.uidNext, UIDValidity: f.uidValidity}
	var recent, unseen, deleted uint32
	var octets int64
	for _, m := range f.messages {
		octets += int64(len(m.raw))
		if !m.has(imap.FlagSeen) {
			unseen++
		}
		if m.has(imap.FlagDeleted) {
			deleted++
		}
	}
	if options.NumMessages {
		count := uint32(len(f.messages))
		data.NumMessages = &count
	}
	if options.NumRecent {
		data.NumRecent = &recent
	}
	if options.NumUnseen {
		data.NumUnseen = &unseen
	}
	if options.NumDeleted {
		data.NumDeleted = &deleted
	}
	if options.Size {
		data.Size = &octets
	}
	if options.AppendLimit {
		limit := uint32(maxMessageBytes)
		data.AppendLimit = &limit
	}
	return data
}

func (s *store) subscribe(name string, subscribed bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return errNoFolder
	}
	f.subscribed = subscribed
	return nil
}
