package trial

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Expunge is also called by CLOSE.
func (s *imapSession) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	v := s.view.Load()
	if v.readOnly {
		// RFC 9051 section 6.4.1: CLOSE of a folder that is open for reading removes nothing and is no error.
		return nil
	}
	s.store.expunge(v, uids)
	return nil
}

func (s *imapSession) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	data, err := s.store.copy(s.view.Load(), set, to)
	if err != nil {
		return nil, refusalTo(err)
	}
	return data, nil
}

func (s *imapSession) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	v := s.view.Load()
	if v.readOnly {
		return refusal(errReadOnly)
	}
	data, err := s.store.move(v, set, to)
	if err != nil {
		return refusalTo(err)
	}
	if data == nil {
		return nil
	}
	// The EXPUNGE responses follow at the end of the command.
	return w.WriteCopyData(data)
}
