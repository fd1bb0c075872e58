package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a line of the book is at a moment.
const (
	BookPlanned = "planned" // it was written down, and not recorded as signed
	BookIssued  = "issued"
	BookRevoked = "revoked"
	BookEnded   = "ended"
)

// BookQuery asks for lines of the book, the newest first. Empty fields ask for nothing.
type BookQuery struct {
	Search    string // a serial, the SHA-256 of a key, a name, or a domain with everything below it
	Serial    string
	KeyID     string
	Name      string // as Search, a name only
	Requester string
	Profiles  []string // one of these
	Authority string   // its id
	Status    string   // one of the words above, at the time of the transaction
	Since     time.Time
	Until     time.Time // planned before
	Ends      time.Time // ends before
	After     BookPlace // only what stands behind it
	Limit     int

	few int // tests look for little in the order of time too; 0 means 5000
}

// BookPlace is a place in the book, where a page ends. The zero value is its beginning.
type BookPlace struct {
	PlannedAt time.Time
	Serial    string
}

// Book returns lines with their names, without the octets of certificates.
//
// A million lines must not be read to show fifty of them. What few lines have, a serial, a key, a name, is found by its
// index, and put in order. What many have is looked for in the order of time, where it is met soon.
func (tx *Tx) Book(q BookQuery) ([]Issuance, error) {
	const few = 5000 // so many lines are read and put in order rather than looked for in order
	q.few = cmp.Or(q.few, few)
	w := &where{}
	if q.Serial != "" {
		w.and("i.serial = %s", strings.ToLower(q.Serial))
	}
	if q.KeyID != "" {
		w.and("i.key_id = %s", strings.ToLower(q.KeyID))
	}
	if q.Requester != "" {
		w.and("i.requester = %s", q.Requester)
	}
	indexed := q.Serial != "" || q.KeyID != "" || q.Requester != "" || q.Status == BookPlanned
	if q.Search != "" {
		names, found, err := tx.namesLike(q.Search, q.few)
		if err != nil {
			return nil, err
		}
		indexed = indexed || found
		text := strings.ToLower(q.Search)
		w.and("(i.serial = %s OR i.key_id = %s OR "+names.text(found)+")", append([]any{text, text}, names.args...)...)
	}
	if q.Name != "" {
		names, found, err := tx.namesLike(q.Name, q.few)
		if err != nil {
			return nil, err
		}
		indexed = indexed || found
		w.and(names.text(found), names.args...)
	}
	if q.Status == BookRevoked && !indexed {
		n, err := tx.atMost(q.few, `SELECT 1 FROM issuance WHERE revoked_at IS NOT NULL`)
		if err != nil {
			return nil, err
		}
		indexed = n < q.few
	}
	switch now := micro(tx.now); q.Status {
	case BookPlanned:
		w.and("i.certificate IS NULL AND i.revoked_at IS NULL")
	case BookRevoked:
		w.and(map[bool]string{true: "i.revoked_at IS NOT NULL", false: "i.revoked_at + 0 IS NOT NULL"}[indexed]) // with + 0 no index is used
	case BookIssued:
		w.and("i.certificate IS NOT NULL AND i.revoked_at IS NULL AND i.not_after >= %s", now)
	case BookEnded:
		w.and("i.certificate IS NOT NULL AND i.revoked_at IS NULL AND i.not_after < %s", now)
	}
	if len(q.Profiles) > 0 {
		// Few lines are found by the index of profiles; with many it is no help to what is wanted in the order of time.
		column := "i.profile || ''" // no index knows that
		if !indexed {
			n, err := tx.ofProfiles(q.Profiles, q.few)
			if err != nil {
				return nil, err
			}
			if n < q.few {
				column, indexed = "i.profile", true
			}
		}
		args := make([]any, len(q.Profiles))
		for n, one := range q.Profiles {
			args[n] = one
		}
		w.and(column+" IN (%s"+strings.Repeat(", %s", len(args)-1)+")", args...)
	}
	if !q.Ends.IsZero() {
		w.and("i.not_after < %s", micro(q.Ends))
	}
	if !q.Since.IsZero() {
		w.and("i.planned_at >= %s", micro(q.Since))
	}
	if !q.Until.IsZero() {
		w.and("i.planned_at < %s", micro(q.Until))
	}
	if q.After.Serial != "" {
		at := micro(q.After.PlannedAt)
		w.and("i.planned_at <= %s AND (i.planned_at < %s OR i.serial < %s)", at, at, q.After.Serial)
	}
	return tx.bookPage(q, w, indexed)
}

// bookPage reads a page: at once, or from each authority, which has an index in the order of time.
func (tx *Tx) bookPage(q BookQuery, w *where, indexed bool) ([]Issuance, error) {
	authorities := []string{q.Authority}
	if q.Authority == "" && !indexed {
		all, err := collect(tx, `SELECT id FROM authority`, func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
		if err != nil {
			return nil, err
		}
		authorities = all
	}
	var lines []Issuance
	for _, id := range authorities {
		one := w.clone()
		if id != "" {
			one.and("i.authority_id = %s", id)
		}
		one.args = append(one.args, q.Limit)
		page, err := collect(tx, `SELECT i.serial, i.authority_id, i.shard, i.profile, i.requester, i.subject, i.key_id, i.not_before, i.not_after,
			i.planned_at, i.recorded_at, i.revoked_at, i.reason FROM issuance i`+one.clause()+fmt.Sprintf(` ORDER BY i.planned_at DESC, i.serial DESC LIMIT $%d`, len(one.args)), scanLine, one.args...)
		if err != nil {
			return nil, fmt.Errorf("reading the book: %w", err)
		}
		lines = append(lines, page...)
	}
	slices.SortFunc(lines, func(a, b Issuance) int {
		return cmp.Or(b.PlannedAt.Compare(a.PlannedAt), strings.Compare(b.Serial, a.Serial))
	})
	lines = lines[:min(len(lines), q.Limit)]
	return lines, tx.nameLines(lines)
}

// scanLine reads a line without what only issuing needs.
func scanLine(scan func(...any) error) (Issuance, error) {
	var i Issuance
	var d issuanceDates
	err := scan(&i.Serial, &i.AuthorityID, &i.Shard, &i.Profile, &i.Requester, &i.Subject, &i.KeyID, &d.before, &d.after, &d.planned, &d.recorded, &d.revoked, &d.reason)
	d.into(&i)
	return i, err
}

// nameLines reads the names of lines, and which have a key that is kept for a person.
func (tx *Tx) nameLines(lines []Issuance) error {
	const most = 500 // placeholders in one question
	for part := range slices.Chunk(lines, most) {
		places, args := []string{}, []any{}
		index := make(map[string]int, len(part))
		for i, l := range part {
			places, args = append(places, fmt.Sprintf("$%d", i+1)), append(args, l.Serial)
			index[l.Serial] = i
		}
		type row struct{ serial, name string }
		rows, err := collect(tx, `SELECT serial, name FROM issuance_name WHERE serial IN (`+strings.Join(places, ", ")+`)`, func(scan func(...any) error) (r row, err error) {
			return r, scan(&r.serial, &r.name)
		}, args...)
		if err != nil {
			return fmt.Errorf("reading the names in the book: %w", err)
		}
		for _, r := range rows {
			l := &part[index[r.serial]]
			l.Names = append(l.Names, readable(r.name))
		}
		for i := range part {
			slices.Sort(part[i].Names)
		}
		for i, serial := range args {
			args[i] = PersonKeyID(serial.(string))
		}
		kept, err := collect(tx, `SELECT id FROM secret WHERE id IN (`+strings.Join(places, ", ")+`)`, func(scan func(...any) error) (id string, err error) {
			return id, scan(&id)
		}, args...)
		if err != nil {
			return fmt.Errorf("reading which keys of the book are kept: %w", err)
		}
		for _, id := range kept {
			part[index[strings.TrimPrefix(id, PersonKeyID(""))]].KeyKept = true
		}
	}
	return nil
}

// ofProfiles counts the lines of profiles, up to a number.
func (tx *Tx) ofProfiles(profiles []string, most int) (n int, err error) {
	for _, one := range profiles {
		some, err := tx.atMost(most, `SELECT 1 FROM issuance WHERE profile = $1`, one)
		if n += some; err != nil || n >= most {
			return n, err
		}
	}
	return n, nil
}

// where is a condition with its arguments.
type where struct {
	terms []string
	args  []any
}

// and adds a term; each %s in it is the place of an argument.
func (w *where) and(term string, args ...any) {
	places := []any{}
	for _, a := range args {
		w.args = append(w.args, a)
		places = append(places, fmt.Sprintf("$%d", len(w.args)))
	}
	w.terms = append(w.terms, fmt.Sprintf(term, places...))
}

func (w *where) clone() *where { return &where{slices.Clone(w.terms), slices.Clone(w.args)} }

func (w *where) clause() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// namesLike finds out whether few lines have a name like text, and what to ask for.
func (tx *Tx) namesLike(text string, few int) (n nameTerm, found bool, err error) {
	name := searchable(strings.ToLower(text))
	// "/" follows "." in ASCII, so this is everything that begins with the name and a dot, and behind "@" every address.
	n.args = []any{name, name + ".", name + "/", name + "@", name + "A"}
	const like = `(name = $1 OR name > $2 AND name < $3 OR name > $4 AND name < $5)`
	count, err := tx.atMost(few, `SELECT 1 FROM issuance_name WHERE `+like, n.args...)
	return n, count < few, err
}

// nameTerm is the condition that a line has one of some names.
type nameTerm struct{ args []any }

func (nameTerm) text(found bool) string {
	const like = `(n.name = %s OR n.name > %s AND n.name < %s OR n.name > %s AND n.name < %s)`
	if found {
		return `i.serial IN (SELECT n.serial FROM issuance_name n WHERE ` + like + `)`
	}
	return `EXISTS (SELECT 1 FROM issuance_name n WHERE n.serial = i.serial AND ` + like + `)`
}

// atMost counts rows, up to a number.
func (tx *Tx) atMost(most int, query string, args ...any) (n int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, fmt.Sprintf(`SELECT count(*) FROM (%s LIMIT %d) AS found`, query, most), args...).Scan(&n)
	return n, err
}

// readable is a name as it stands in certificates, of what [searchable] made of it.
func readable(name string) string {
	host, local, isAddress := strings.Cut(name, "@")
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	host = strings.Join(labels, ".")
	if isAddress {
		return local + "@" + host
	}
	return host
}
