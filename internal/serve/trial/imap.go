package trial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// newIMAPServer makes go-imap's server over the store. Its connections are TLS already.
func newIMAPServer(ctx context.Context, m *Mailbox, login func(user, password string) error) *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			// The library sets a time limit only after its greeting, and the greeting waits for the handshake.
			if t, ok := c.NetConn().(*tls.Conn); ok {
				ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
				defer cancel()
				if err := t.HandshakeContext(ctx); err != nil {
					return nil, nil, fmt.Errorf("handshake: %w", err)
				}
			}
			return &imapSession{store: m.store, login: login}, nil, nil
		},
		Caps: imap.CapSet{
			// No LITERAL+: go-imap reads the octets of a refused literal that came unasked as commands.
			imap.CapIMAP4rev1:  {},
			imap.CapESearch:    {},
			imap.CapListStatus: {},
			imap.CapMove:       {},
			imap.CapNamespace:  {},
			imap.CapStatusSize: {},
			imap.CapUIDPlus:    {},
		},
		Logger: libraryLog{log: m.log, protocol: IMAP},
	})
}

// libraryLog takes the lines of a protocol library. Most are noise from clients; a panic is ours to see.
type libraryLog struct {
	log      *slog.Logger
	protocol string
}

func (l libraryLog) Printf(format string, args ...any) {
	level := slog.LevelDebug
	if strings.HasPrefix(format, "panic") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "trial mailbox connection", "protocol", l.protocol, "detail", fmt.Sprintf(format, args...))
}

func (l libraryLog) Println(args ...any) { l.Printf("%s", fmt.Sprintln(args...)) }

// imapSession is one connection. Its methods are called one after the other by the connection's goroutine,
// but for Idle, which has one of its own.
type imapSession struct {
	store *store
	login func(user, password string) error
	view  atomic.Pointer[view] // nil while no folder is selected
}

var (
	_ imapserver.SessionNamespace   = (*imapSession)(nil)
	_ imapserver.SessionMove        = (*imapSession)(nil)
	_ imapserver.SessionAppendLimit = (*imapSession)(nil)
)

// refusal puts an error of the store into the words of RFC 5530 section 3.
func refusal(err error) error {
	var code imap.ResponseCode
	switch {
	case errors.Is(err, errFull), errors.Is(err, errFolders):
		code = imap.ResponseCodeOverQuota
	case errors.Is(err, errNoFolder):
		code = imap.ResponseCodeNonExistent
	case errors.Is(err, errFolder):
		code = imap.ResponseCodeAlreadyExists
	case errors.Is(err, errFolderName), errors.Is(err, errReadOnly):
		code = imap.ResponseCodeCannot
	default:
		return err
	}
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: err.Error()}
}

// refusalTo is refusal for a command that puts messages into a folder: RFC 9051 section 6.3.12, TRYCREATE tells
// the client that it may make the folder first.
func refusalTo(err error) error {
	if errors.Is(err, errNoFolder) {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeTryCreate, Text: err.Error()}
	}
	return refusal(err)
}

func (s *imapSession) Login(user, password string) error {
	if s.login(user, password) != nil {
		return imapserver.ErrAuthFailed
	}
	return nil
}

func (s *imapSession) Close() error {
	s.leave()
	return nil
}

func (s *imapSession) leave() {
	if v := s.view.Swap(nil); v != nil {
		s.store.close(v)
	}
}

func (s *imapSession) Select(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	s.leave()
	v, data, err := s.store.open(name, options != nil && options.ReadOnly)
	if err != nil {
		return nil, refusal(err)
	}
	s.view.Store(v)
	return data, nil
}

func (s *imapSession) Unselect() error {
	s.leave()
	return nil
}

func (s *imapSession) Create(name string, _ *imap.CreateOptions) error {
	return refusalOrNil(s.store.create(name))
}

func (s *imapSession) Delete(name string) error { return refusalOrNil(s.store.delete(name)) }

func (s *imapSession) Rename(from, to string, _ *imap.RenameOptions) error {
	return refusalOrNil(s.store.rename(from, to))
}

func (s *imapSession) Subscribe(name string) error {
	return refusalOrNil(s.store.subscribe(name, true))
}

func (s *imapSession) Unsubscribe(name string) error {
	return refusalOrNil(s.store.subscribe(name, false))
}

func refusalOrNil(err error) error {
	if err == nil {
		return nil
	}
	return refusal(err)
}

func (s *imapSession) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: delimiter}}}, nil
}

func (s *imapSession) AppendLimit() uint32 { return maxMessageBytes }

func (s *imapSession) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	// go-imap has held the size against AppendLimit, and reads on to the end of what is refused here.
	data, err := s.store.receive(name, r, options)
	if err != nil {
		return nil, refusalTo(err)
	}
	return data, nil
}

func (s *imapSession) Status(name string, options *imap.StatusOptions) (*imap.StatusData, error) {
	data, err := s.store.status(name, options)
	if err != nil {
		return nil, refusal(err)
	}
	return data, nil
}

func (s *imapSession) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if len(patterns) == 0 {
		// RFC 9051 section 6.3.9: an empty pattern asks for the delimiter only.
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	var found []imap.ListData
	for _, data := range s.store.list(options) {
		if slices.ContainsFunc(patterns, func(p string) bool { return imapserver.MatchList(data.Mailbox, delimiter, ref, p) }) {
			found = append(found, data)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Mailbox < found[j].Mailbox })
	for _, data := range found {
		if err := w.WriteList(&data); err != nil {
			return err
		}
	}
	return nil
}

func (s *imapSession) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if v := s.view.Load(); v != nil {
		return v.tracker.Poll(w, allowExpunge)
	}
	return nil
}

func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	v := s.view.Load()
	if v == nil {
		<-stop
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	// The tracker tells only of what changes while its own Idle is under way. What came a moment before would
	// wait for the next change, so it is looked at first, and again every second.
	for ctx.Err() == nil {
		if err := v.tracker.Poll(w, true); err != nil {
			return err
		}
		round, end := context.WithTimeout(ctx, time.Second)
		err := v.tracker.Idle(w, round.Done())
		end()
		if err != nil {
			return err
		}
	}
	return nil
}
