package trial

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
)

func (s *imapSession) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, _ *imap.SearchOptions) (*imap.SearchData, error) {
	all := s.store.pick(s.view.Load(), imap.SeqSet{{Start: 1, Stop: 0}})
	q := query{top: highest(all)}
	var seqs imap.SeqSet
	var uids imap.UIDSet
	data := &imap.SearchData{}
	for _, m := range all {
		if !q.matches(m, criteria) {
			continue
		}
		number := m.seq
		if kind == imapserver.NumKindUID {
			number = uint32(m.uid)
			uids.AddNum(m.uid)
		} else {
			seqs.AddNum(m.seq)
		}
		if data.Count == 0 {
			data.Min = number
		}
		data.Max = number
		data.Count++
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data, nil
}

// query answers SEARCH keys, RFC 9051 section 6.4.4.
type query struct{ top numbers }

// matches reports whether m fits every key of c.
func (q query) matches(m seen, c *imap.SearchCriteria) bool {
	for _, set := range c.SeqNum {
		if !q.top.holds(set, m) {
			return false
		}
	}
	for _, set := range c.UID {
		if !q.top.holds(set, m) {
			return false
		}
	}
	for _, flag := range c.Flag {
		if !m.has(flag) {
			return false
		}
	}
	for _, flag := range c.NotFlag {
		if m.has(flag) {
			return false
		}
	}
	size := int64(len(m.raw))
	if (c.Larger != 0 && size <= c.Larger) || (c.Smaller != 0 && size >= c.Smaller) || !onDay(m.at, c.Since, c.Before) {
		return false
	}
	for i := range c.Not {
		if q.matches(m, &c.Not[i]) {
			return false
		}
	}
	for i := range c.Or {
		if !q.matches(m, &c.Or[i][0]) && !q.matches(m, &c.Or[i][1]) {
			return false
		}
	}
	return contains(m.raw, c)
}

// onDay compares dates as RFC 9051 section 6.4.4 has it: the day as written, whatever the zone.
func onDay(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

// contains answers the keys that need the message parsed, and parses it only for them.
func contains(raw []byte, c *imap.SearchCriteria) bool {
	if len(c.Header)+len(c.Body)+len(c.Text) == 0 && c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true
	}
	// An entity comes back with most errors too (an unknown charset, say); a message that is none at all has no
	// header to search.
	entity, _ := gomessage.Read(bytes.NewReader(raw))
	if entity == nil {
		entity = &gomessage.Entity{Body: bytes.NewReader(nil)}
	}
	header := mail.Header{Header: entity.Header}
	for _, want := range c.Header {
		if !fieldHas(header.FieldsByKey(want.Key), want.Value) {
			return false
		}
	}
	if !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		if sent, err := header.Date(); err != nil || sent.IsZero() || !onDay(sent, c.SentSince, c.SentBefore) {
			return false
		}
	}
	if len(c.Body)+len(c.Text) == 0 {
		return true
	}
	body := strings.ToLower(readable(entity))
	for _, want := range c.Body {
		if !strings.Contains(body, strings.ToLower(want)) {
			return false
		}
	}
	return !slices.ContainsFunc(c.Text, func(want string) bool {
		return !fieldHas(header.Fields(), want) && !strings.Contains(body, strings.ToLower(want))
	})
}

// fieldHas reports whether one of the fields has the text in it, decoded and without regard to case. The empty
// text asks only whether there is a field.
func fieldHas(fields gomessage.HeaderFields, text string) bool {
	text = strings.ToLower(text)
	for fields.Next() {
		value, err := fields.Text()
		if err != nil {
			value = fields.Value() // an unknown charset: what is written there
		}
		if strings.Contains(strings.ToLower(value), text) {
			return true
		}
	}
	return false
}

// readable is the decoded text of all parts of a message that are text.
func readable(entity *gomessage.Entity) string {
	var text strings.Builder
	add := func(_ []int, part *gomessage.Entity, err error) error {
		if err != nil && part == nil {
			return err
		}
		kind, _, _ := part.Header.ContentType()
		if strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "message/") {
			// A transfer encoding that breaks off leaves what came before it, and that is searched.
			io.Copy(&text, part.Body)
			text.WriteByte('\n')
		}
		return nil
	}
	// The walk ends early at a broken part: the parts before it are searched.
	entity.Walk(add)
	return text.String()
}
