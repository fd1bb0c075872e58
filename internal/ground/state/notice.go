package state

import (
	"database/sql"
	"errors"
	"time"
)

// Notice is one thing that people are told, from its beginning to its end.
type Notice struct {
	ID       string
	Kind     string // the code of a condition
	Object   string
	Stage    int // days left, 0 for now
	Text     string
	EndsAt   time.Time // zero: what it is about has no end
	OpenedAt time.Time
	ClosedAt time.Time // zero: its cause is still there
	Told     []NoticeTold
}

// NoticeTold is the last that a channel said of a notice.
type NoticeTold struct {
	Channel string
	Stage   int
	Closing bool   // that its cause is gone
	Outcome string // see the constants
	At      time.Time
}

// Outcomes of telling.
const (
	NoticeSent    = "told"
	NoticeUnsure  = "unsure"  // begun, and nobody knows yet; it is tried once more
	NoticePerhaps = "perhaps" // nobody knows, and it is not tried again
	NoticeGaveUp  = "gaveUp"  // not told, and not tried again
)

// NoticeChannel is how a channel does.
type NoticeChannel struct {
	Channel      string
	Tries        int       // that failed, one after the other
	WaitingSince time.Time // of the first of them
	NextAt       time.Time // not before
	LastError    string
	LastTold     time.Time
	LastReport   time.Time // the Monday that was reported last
	ReportDoubt  int       // how often nobody knew whether that report arrived
}

// Notices returns a server's notices: the open ones, oldest first, and of the closed ones the newest, at most limit.
func (tx *Tx) Notices(serverID string, limit int) ([]Notice, error) {
	all, err := collect(tx, `SELECT id, kind, object, stage, text, ends_at, opened_at, closed_at FROM notice WHERE server_id = $1 AND closed_at IS NULL ORDER BY opened_at, kind, object`, scanNotice, serverID)
	if err != nil {
		return nil, err
	}
	closed, err := collect(tx, `SELECT id, kind, object, stage, text, ends_at, opened_at, closed_at FROM notice WHERE server_id = $1 AND closed_at IS NOT NULL ORDER BY closed_at DESC, id LIMIT $2`, scanNotice, serverID, limit)
	if err != nil {
		return nil, err
	}
	all = append(all, closed...)
	type told struct {
		id string
		NoticeTold
	}
	rows, err := collect(tx, `SELECT t.notice_id, t.channel, t.stage, t.closing, t.outcome, t.at FROM notice_told t JOIN notice n ON n.id = t.notice_id WHERE n.server_id = $1 ORDER BY t.channel`,
		func(scan func(...any) error) (told, error) {
			var t told
			var at int64
			err := scan(&t.id, &t.Channel, &t.Stage, &t.Closing, &t.Outcome, &at)
			t.At = fromMicro(at)
			return t, err
		}, serverID)
	if err != nil {
		return nil, err
	}
	by := make(map[string]int, len(all))
	for i, n := range all {
		by[n.ID] = i
	}
	for _, t := range rows {
		if i, ok := by[t.id]; ok {
			all[i].Told = append(all[i].Told, t.NoticeTold)
		}
	}
	return all, nil
}

func scanNotice(scan func(...any) error) (Notice, error) {
	var n Notice
	var opened int64
	var ends, closed sql.NullInt64
	err := scan(&n.ID, &n.Kind, &n.Object, &n.Stage, &n.Text, &ends, &opened, &closed)
	n.OpenedAt = fromMicro(opened)
	n.EndsAt, n.ClosedAt = fromNull(ends), fromNull(closed)
	return n, err
}

func fromNull(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return fromMicro(n.Int64)
}

func toNull(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: micro(t), Valid: true}
}

// OpenNotice stores a new notice. One of that kind and object must not be open.
func (tx *Tx) OpenNotice(serverID string, n Notice) error {
	return tx.exec(`INSERT INTO notice (id, server_id, kind, object, stage, text, ends_at, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n.ID, serverID, n.Kind, n.Object, n.Stage, n.Text, toNull(n.EndsAt), micro(tx.now))
}

// MoveNotice gives a notice another urgency and text.
func (tx *Tx) MoveNotice(n Notice) error {
	return tx.exec(`UPDATE notice SET stage = $2, text = $3, ends_at = $4 WHERE id = $1`, n.ID, n.Stage, n.Text, toNull(n.EndsAt))
}

// CloseNotice closes a notice now, once.
func (tx *Tx) CloseNotice(id string) error {
	return tx.exec(`UPDATE notice SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL`, id, micro(tx.now))
}

// ForgetNotices forgets notices that were closed before a time.
func (tx *Tx) ForgetNotices(serverID string, before time.Time) error {
	if err := tx.exec(`DELETE FROM notice_told WHERE notice_id IN (SELECT id FROM notice WHERE server_id = $1 AND closed_at < $2)`, serverID, micro(before)); err != nil {
		return err
	}
	return tx.exec(`DELETE FROM notice WHERE server_id = $1 AND closed_at < $2`, serverID, micro(before))
}

// NoticeSaid writes down what a channel has said of a notice.
func (tx *Tx) NoticeSaid(id string, t NoticeTold) error {
	return tx.exec(`INSERT INTO notice_told (notice_id, channel, stage, closing, outcome, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (notice_id, channel) DO UPDATE SET stage = excluded.stage, closing = excluded.closing, outcome = excluded.outcome, at = excluded.at`,
		id, t.Channel, t.Stage, t.Closing, t.Outcome, micro(tx.now))
}

// NoticeUnsaid takes back what [Tx.NoticeSaid] wrote where nothing stood before.
func (tx *Tx) NoticeUnsaid(id, channel string) error {
	return tx.exec(`DELETE FROM notice_told WHERE notice_id = $1 AND channel = $2`, id, channel)
}

// NoticeChannel returns how a channel does; one that was never used is as new.
func (tx *Tx) NoticeChannel(serverID, channel string) (NoticeChannel, error) {
	c := NoticeChannel{Channel: channel}
	var waiting, next, told, report sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT tries, waiting_since, next_at, last_error, last_told, last_report, report_doubt FROM notice_channel WHERE server_id = $1 AND channel = $2`,
		serverID, channel).Scan(&c.Tries, &waiting, &next, &c.LastError, &told, &report, &c.ReportDoubt)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	c.WaitingSince, c.NextAt, c.LastTold, c.LastReport = fromNull(waiting), fromNull(next), fromNull(told), fromNull(report)
	return c, err
}

// SetNoticeChannel writes down how a channel does.
func (tx *Tx) SetNoticeChannel(serverID string, c NoticeChannel) error {
	return tx.exec(`INSERT INTO notice_channel (server_id, channel, tries, waiting_since, next_at, last_error, last_told, last_report, report_doubt)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (server_id, channel) DO UPDATE SET tries = excluded.tries, waiting_since = excluded.waiting_since, next_at = excluded.next_at,
			last_error = excluded.last_error, last_told = excluded.last_told, last_report = excluded.last_report, report_doubt = excluded.report_doubt`,
		serverID, c.Channel, c.Tries, toNull(c.WaitingSince), toNull(c.NextAt), c.LastError, toNull(c.LastTold), toNull(c.LastReport), c.ReportDoubt)
}
