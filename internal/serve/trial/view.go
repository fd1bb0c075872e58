package trial

import (
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// errReadOnly is for a folder that was opened with EXAMINE.
var errReadOnly = errors.New("the folder is open for reading only")

// view is a folder as one IMAP session sees it. Sequence numbers are the session's: they move only when the
// session has been told of a change (RFC 9051 section 5.5), which is what the tracker keeps.
type view struct {
	folder   *folder
	tracker  *imapserver.SessionTracker
	readOnly bool
}

// seen is one message with its number in a view.
type seen struct {
	seq uint32
	*message
}

// open makes a view of a folder.
func (s *store) open(name string, readOnly bool) (*view, *imap.SelectData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return nil, nil, errNoFolder
	}
	flags := []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
	data := &imap.SelectData{NumMessages: uint32(len(f.messages)), UIDNext: f.uidNext, UIDValidity: f.uidValidity}
	for i, m := range f.messages {
		flags = append(flags, m.flags...)
		if data.FirstUnseenSeqNum == 0 && !m.has(imap.FlagSeen) {
			data.FirstUnseenSeqNum = uint32(i + 1)
		}
	}
	slices.Sort(flags)
	data.Flags = slices.Compact(flags)
	if !readOnly {
		data.PermanentFlags = append(slices.Clone(data.Flags), imap.FlagWildcard)
	}
	return &view{folder: f, tracker: f.tracker.NewSession(), readOnly: readOnly}, data, nil
}

// close ends a view. It is called once for each, by the session's goroutine, which numbers no message after it.
func (s *store) close(v *view) { v.tracker.Close() }

// pick returns the messages of a set, in order, as the view numbers them. One that the session has not been
// told of has no number yet and is left out.
func (s *store) pick(v *view, set imap.NumSet) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return chosenOf(v, set)
}

// change gives the messages of a set new flags and returns them as they are now. Every session with the folder
// open is told, but for source if it is not nil: that one is answered by its command.
func (s *store) change(v *view, set imap.NumSet, flags func(*message) []imap.Flag, source *imapserver.SessionTracker) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := numbered(v)
	top := highest(all)
	var changed []seen
	at := 0 // in v.folder.messages, which holds all of all in the same order
	for _, m := range all {
		for v.folder.messages[at] != m.message {
			at++
		}
		if !top.holds(set, m) {
			continue
		}
		if next := m.withFlags(flags(m.message)); !slices.Equal(next.flags, m.flags) {
			m.message = next
			v.folder.messages[at] = next
			v.folder.tracker.QueueMessageFlags(uint32(at+1), m.uid, slices.Clone(next.flags), source)
		}
		changed = append(changed, m)
	}
	return changed
}

// expunge removes the messages that are marked as deleted, all or only those of a set. The tracker tells the
// session itself at the end of its command, like every other.
func (s *store) expunge(v *view, uids *imap.UIDSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	top := highest(numbered(v))
	v.folder.drop(func(m *message) bool {
		return m.has(imap.FlagDeleted) && (uids == nil || top.holds(*uids, seen{message: m}))
	})
}

// copy puts the messages of a set into another folder, or the same one, all or none. The data are nil if there
// was nothing to copy.
func (s *store) copy(v *view, set imap.NumSet, to string) (*imap.CopyData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := chosenOf(v, set)
	var octets int64
	for _, m := range chosen {
		octets += int64(len(m.raw))
	}
	if !s.fits(len(chosen), octets) {
		return nil, errFull
	}
	return s.put(chosen, to)
}

// move is copy and removal in one step (RFC 6851 section 3.3), so it needs no room.
func (s *store) move(v *view, set imap.NumSet, to string) (*imap.CopyData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := chosenOf(v, set)
	data, err := s.put(chosen, to)
	if err != nil {
		return nil, err
	}
	gone := make(map[imap.UID]bool)
	for _, m := range chosen {
		gone[m.uid] = true
	}
	v.folder.drop(func(m *message) bool { return gone[m.uid] })
	return data, nil
}

// put adds messages to a folder. The caller holds store.mu.
func (s *store) put(chosen []seen, to string) (*imap.CopyData, error) {
	dest := s.folders[to]
	if dest == nil {
		return nil, errNoFolder
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	data := &imap.CopyData{UIDValidity: dest.uidValidity}
	for _, m := range chosen {
		data.SourceUIDs.AddNum(m.uid)
		data.DestUIDs.AddNum(dest.add(m.message))
	}
	return data, nil
}

// chosenOf is the part of a view that is in a set. The caller holds store.mu.
func chosenOf(v *view, set imap.NumSet) []seen {
	all := numbered(v)
	top := highest(all)
	return slices.DeleteFunc(all, func(m seen) bool { return !top.holds(set, m) })
}

// numbered is the whole view. The caller holds store.mu.
func numbered(v *view) []seen {
	var all []seen
	for i, m := range v.folder.messages {
		if seq := v.tracker.EncodeSeqNum(uint32(i + 1)); seq != 0 {
			all = append(all, seen{seq: seq, message: m})
		}
	}
	return all
}

// numbers is what "*" stands for in a set: the highest in use. Both are 0 in an empty folder.
type numbers struct {
	seq uint32
	uid imap.UID
}

func highest(all []seen) numbers {
	if len(all) == 0 {
		return numbers{}
	}
	last := all[len(all)-1]
	return numbers{seq: last.seq, uid: last.uid}
}

// holds reports whether m is in set. The set's own Contains cannot know what "*" is.
func (n numbers) holds(set imap.NumSet, m seen) bool {
	switch set := set.(type) {
	case imap.SeqSet:
		return slices.ContainsFunc(set, func(r imap.SeqRange) bool { return between(r.Start, r.Stop, n.seq, m.seq) })
	case imap.UIDSet:
		return slices.ContainsFunc(set, func(r imap.UIDRange) bool { return between(r.Start, r.Stop, n.uid, m.uid) })
	}
	return false
}

// between reads 0 as "*". RFC 9051 section 9, seq-range: the order of the two ends does not matter, so "*:5" and
// "5:*" always hold the last message, whatever its number.
func between[N uint32 | imap.UID](start, stop, top, n N) bool {
	if start == 0 {
		start = top
	}
	if stop == 0 {
		stop = top
	}
	return min(start, stop) <= n && n <= max(start, stop)
}
