package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/crl"
)

// Limits of what the book shows at once.
const (
	bookListed = 100  // when nobody says how many
	maxBook    = 1000 // lines in one answer
	bookWeeks  = 26   // that are counted
)

// BookStatuses are the words for what a line of the book is.
func BookStatuses() []string {
	return []string{state.BookPlanned, state.BookIssued, state.BookRevoked, state.BookEnded}
}

// IssuedQuery asks for lines of the book. Whatever is not empty narrows it.
type IssuedQuery struct {
	Search     string    `json:"search,omitempty"`     // a serial, the SHA-256 of a key, a name, or a domain with everything below it
	Serial     string    `json:"serial,omitempty"`     // hex, with or without colons
	Key        string    `json:"key,omitempty"`        // SHA-256 of the SubjectPublicKeyInfo, hex
	Name       string    `json:"name,omitempty"`       // a host, an address, or a domain with everything below it
	Requester  string    `json:"requester,omitempty"`  // exactly as it is listed
	Profile    string    `json:"profile,omitempty"`    // or several, with commas between
	Authority  string    `json:"authority,omitempty"`  // its name
	Status     string    `json:"status,omitempty"`     // planned, issued, revoked or ended
	Since      time.Time `json:"since,omitzero"`       // asked for from then on
	Until      time.Time `json:"until,omitzero"`       // asked for before
	EndsWithin int       `json:"endsWithin,omitempty"` // days from now in which it ends, if it has not ended; 0 for any
	After      string    `json:"after,omitempty"`      // Next of the page before
	Limit      int       `json:"limit,omitempty"`      // 0 means 100; at most 1000
}

// Check finds what is wrong with the query itself.
func (q IssuedQuery) Check() error {
	_, err := q.asked()
	return err
}

// profilesIn are the names of profiles in a list. Their letters are a-z, 0-9 and hyphens, so a comma is none of them.
func profilesIn(list string) (all []string) {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

func (q IssuedQuery) asked() (state.BookQuery, error) {
	plain := func(hex string) string {
		return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(hex), ":", ""))
	}
	b := state.BookQuery{Search: strings.TrimSpace(q.Search), Serial: plain(q.Serial), KeyID: plain(q.Key), Name: strings.TrimSpace(q.Name), Requester: q.Requester, Profiles: profilesIn(q.Profile), Status: q.Status,
		Since: q.Since, Until: q.Until, Limit: cmp.Or(q.Limit, bookListed)}
	if b.Limit < 1 || b.Limit > maxBook {
		return b, &ValueError{"--limit", fmt.Sprint(q.Limit), fmt.Sprintf("want 1 to %d", maxBook)}
	}
	if q.EndsWithin < 0 || q.EndsWithin > 36500 {
		return b, &ValueError{"--expiring-within", fmt.Sprint(q.EndsWithin), "want a number of days"}
	}
	if q.EndsWithin > 0 {
		b.Ends = time.Now().AddDate(0, 0, q.EndsWithin)
		b.Status = cmp.Or(b.Status, state.BookIssued)
	}
	if b.Status != "" && !slices.Contains(BookStatuses(), b.Status) {
		return b, &ValueError{"--status", q.Status, "want " + strings.Join(BookStatuses(), ", ")}
	}
	if q.After != "" {
		at, serial, _ := strings.Cut(q.After, "-")
		micro, err := strconv.ParseInt(at, 10, 64)
		if err != nil || serial == "" {
			return b, &ValueError{"--after", q.After, "want what the page before has named"}
		}
		b.After = state.BookPlace{PlannedAt: time.UnixMicro(micro), Serial: serial}
	}
	return b, nil
}

// IssuedPage is a page of the book, the newest first.
type IssuedPage struct {
	Lines []IssuedView `json:"lines"`
	Next  string       `json:"next,omitempty"` // the After of the next page; empty on the last
}

// IssuedView is one line of the book.
type IssuedView struct {
	Serial    string    `json:"serial"`
	Authority string    `json:"authority"`
	Profile   string    `json:"profile"`
	Requester string    `json:"requester"`
	Subject   string    `json:"subject"`
	Names     []string  `json:"names"`
	KeyID     string    `json:"keyId"`  // SHA-256 of the SubjectPublicKeyInfo
	Status    string    `json:"status"` // planned, issued, revoked or ended
	PlannedAt time.Time `json:"plannedAt"`
	NotAfter  time.Time `json:"notAfter"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	KeyKept   bool      `json:"keyKept,omitempty"` // the key of a person is kept, and can be exported again
}

// Issued shows a page of what our own authority has issued, the newest first.
func (d *Desk) Issued(ctx context.Context, q IssuedQuery) (*IssuedPage, error) {
	asked, err := q.asked()
	if err != nil {
		return nil, err
	}
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(all))
	for _, a := range all {
		names[a.ID] = a.Name
		if a.Name == q.Authority {
			asked.Authority = a.ID
		}
	}
	if q.Authority != "" && asked.Authority == "" {
		return nil, fmt.Errorf("authority %q: %w", clip(q.Authority), ErrNoAuthority)
	}
	page := &IssuedPage{Lines: []IssuedView{}}
	limit := asked.Limit
	asked.Limit++ // one more shows whether there is another page
	var rows []state.Issuance
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		rows, err = tx.Book(asked)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		if err := d.knowsProfiles(ctx, asked.Profiles); err != nil {
			return nil, err
		}
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		page.Next = fmt.Sprintf("%d-%s", last.PlannedAt.UnixMicro(), last.Serial)
	}
	now := time.Now()
	for _, i := range rows {
		page.Lines = append(page.Lines, issuedView(i, names[i.AuthorityID], now))
	}
	return page, nil
}

// knowsProfiles fails with an [*UnknownProfileError] for one that there is not, and of which the book has no line either: it
// was mistyped, and nothing found would be taken for nothing there.
func (d *Desk) knowsProfiles(ctx context.Context, names []string) error {
	for _, name := range names {
		_, err := d.profile(ctx, name)
		if err == nil {
			continue
		}
		var book []string
		if viewErr := d.db.View(ctx, func(tx *state.Tx) (err error) {
			book, err = tx.BookProfiles()
			return err
		}); viewErr != nil {
			return viewErr
		}
		if !slices.Contains(book, name) {
			return err
		}
	}
	return nil
}

func issuedView(i state.Issuance, authority string, now time.Time) IssuedView {
	v := IssuedView{Serial: i.Serial, Authority: authority, Profile: i.Profile, Requester: i.Requester, Subject: i.Subject, Names: append([]string{}, i.Names...), KeyID: i.KeyID,
		Status: state.BookIssued, PlannedAt: i.PlannedAt.UTC(), NotAfter: i.NotAfter.UTC(), KeyKept: i.KeyKept && !i.RecordedAt.IsZero()}
	switch {
	case !i.RevokedAt.IsZero():
		v.Status, v.RevokedAt, v.Reason = state.BookRevoked, i.RevokedAt.UTC(), crl.Reason(i.Reason).String()
	case i.RecordedAt.IsZero():
		v.Status = state.BookPlanned
	case now.After(i.NotAfter):
		v.Status = state.BookEnded
	}
	return v
}
