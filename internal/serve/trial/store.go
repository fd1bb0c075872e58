package trial

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// inbox is where SMTP delivers and what POP3 shows.
const inbox = "INBOX"

// delimiter divides folder names into levels.
const delimiter = '/'

// limits bound what is kept in memory, over all folders.
type limits struct {
	messages int
	bytes    int64 // messages that are still arriving included
	folders  int
}

var defaultLimits = limits{messages: 1000, bytes: 200 << 20, folders: 100}

// What the store refuses. IMAP and SMTP say each in their own words.
var (
	errFull       = errors.New("the trial mailbox is full")
	errNoFolder   = errors.New("no such folder")
	errFolder     = errors.New("the folder exists already")
	errFolderName = errors.New("not a usable folder name")
	errFolders    = errors.New("too many folders")
)

// store holds the folders of the account.
type store struct {
	limits limits

	// mu guards everything below, the fields of each folder included. It is never held across I/O.
	mu              sync.Mutex
	folders         map[string]*folder
	lastUIDValidity uint32
	arriving        int64 // bytes of messages that are not in a folder yet
}

// folder is one IMAP mailbox. Sessions may still hold one that was deleted.
type folder struct {
	name        string
	subscribed  bool
	uidValidity uint32
	uidNext     imap.UID
	messages    []*message // in order of uid
	tracker     *imapserver.MailboxTracker
}

func newStore(lim limits) *store {
	s := &store{
		limits:  lim,
		folders: make(map[string]*folder),
		// RFC 9051 section 2.3.1.1: identifiers must not come back with another meaning. The messages are gone
		// after a restart and numbers begin again at 1, so the validity has to be a new one: the time is.
		lastUIDValidity: uint32(time.Now().Unix()),
	}
	s.folders[inbox] = s.newFolder(inbox)
	return s
}

func (s *store) newFolder(name string) *folder {
	s.lastUIDValidity++
	return &folder{name: name, uidValidity: s.lastUIDValidity, uidNext: 1, tracker: imapserver.NewMailboxTracker(0)}
}

// add puts m at the end of the folder and tells its sessions. The caller holds store.mu.
func (f *folder) add(m *message) imap.UID {
	m = m.inFolder(f.uidNext)
	f.uidNext++
	f.messages = append(f.messages, m)
	// One at a time: the tracker cannot count back over a larger step.
	f.tracker.QueueNumMessages(uint32(len(f.messages)))
	return m.uid
}

// drop takes messages out and tells the sessions of the folder. The caller holds store.mu.
func (f *folder) drop(gone func(*message) bool) {
	kept := make([]*message, 0, len(f.messages))
	for _, m := range f.messages {
		if gone(m) {
			f.tracker.QueueExpunge(uint32(len(kept) + 1))
			continue
		}
		kept = append(kept, m)
	}
	f.messages = kept
}

// used counts what the folders hold. The caller holds mu. A copied message counts twice although its octets
// are shared: the limit is for people, who would not see why it does not.
func (s *store) used() (messages int, octets int64) {
	for _, f := range s.folders {
		messages += len(f.messages)
		for _, m := range f.messages {
			octets += int64(len(m.raw))
		}
	}
	return messages, octets
}

// fits reports whether this much more has room. The caller holds mu.
func (s *store) fits(messages int, octets int64) bool {
	n, b := s.used()
	return n+messages <= s.limits.messages && b+s.arriving+octets <= s.limits.bytes
}

// room returns errFull if a message of this size would be refused now.
func (s *store) room(octets int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(1, octets) {
		return errFull
	}
	return nil
}

// arrival collects a message that is on its way in. It counts against the limits as it grows, so that many
// senders at once cannot take more memory than the mailbox may have.
type arrival struct {
	store *store
	raw   bytes.Buffer
}

func (a *arrival) Write(p []byte) (int, error) {
	a.store.mu.Lock()
	ok := a.store.fits(1, int64(len(p)))
	if ok {
		a.store.arriving += int64(len(p))
	}
	a.store.mu.Unlock()
	if !ok {
		return 0, errFull
	}
	return a.raw.Write(p)
}

// receive reads a whole message and puts it into a folder. A message that r ends with an error is dropped.
func (s *store) receive(name string, r io.Reader, options *imap.AppendOptions) (*imap.AppendData, error) {
	a := &arrival{store: s}
	defer func() {
		s.mu.Lock()
		s.arriving -= int64(a.raw.Len())
		s.mu.Unlock()
	}()
	if _, err := io.Copy(a, r); err != nil {
		return nil, err
	}
	m := newMessage(bytes.Clone(a.raw.Bytes()), options.Time, options.Flags) // without the buffer's spare half
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return nil, errNoFolder
	}
	if !s.fits(1, 0) { // another message came first; the octets of this one are counted already
		return nil, errFull
	}
	return &imap.AppendData{UID: f.add(m), UIDValidity: f.uidValidity}, nil
}

// snapshot is what a folder holds now.
func (s *store) snapshot(name string) (messages []*message, uidValidity uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return nil, 0
	}
	return slices.Clone(f.messages), f.uidValidity
}

// remove deletes the messages with these identifiers; one that is gone already is no error.
func (s *store) remove(name string, uids map[imap.UID]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[name]; f != nil {
		f.drop(func(m *message) bool { return uids[m.uid] })
	}
}

func (s *store) create(name string) error {
	// RFC 9051 section 6.3.4: a delimiter at the end only announces inferior names.
	name = strings.TrimRight(name, string(delimiter))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "" || len(name) > 255:
		return errFolderName
	case s.folders[name] != nil:
		return errFolder
	case len(s.folders) >= s.limits.folders:
		return errFolders
	}
	s.folders[name] = s.newFolder(name)
	return nil
}

func (s *store) delete(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders[name] == nil {
		return errNoFolder
	}
	// RFC 9051 section 6.3.5: INBOX cannot be deleted.
	if name == inbox {
		return errFolderName
	}
	delete(s.folders, name)
	return nil
}

// rename moves a folder and those below it. DEVIATION from RFC 9051 section 6.3.6: renaming INBOX, which would
// move its messages and leave it empty, is refused; no client of today does it by itself.
func (s *store) rename(from, to string) error {
	to = strings.TrimRight(to, string(delimiter))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders[from] == nil {
		return errNoFolder
	}
	below := from + string(delimiter)
	if from == inbox || to == "" || len(to) > 255 || strings.HasPrefix(to, below) {
		return errFolderName
	}
	moved := make(map[string]*folder)
	for name, f := range s.folders {
		if name != from && !strings.HasPrefix(name, below) {
			continue
		}
		next := to + strings.TrimPrefix(name, from)
		if s.folders[next] != nil {
			return errFolder
		}
		moved[next] = f
	}
	for name, f := range moved {
		delete(s.folders, f.name)
		f.name = name
	}
	for name, f := range moved {
		s.folders[name] = f
	}
	return nil
}
