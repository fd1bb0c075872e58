package state

import (
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// States of a request that needs a second person.
const (
	ApprovalWaiting  = "waiting"
	ApprovalApproved = "approved"
	ApprovalRejected = "rejected"
)

// Approval is a request that needs a second person, before and after he decides.
type Approval struct {
	ID        string
	Profile   string
	Requester string
	Names     []string
	Request   string // JSON
	State     string
	AskedAt   time.Time
	DecidedAt time.Time // zero: not yet
	DecidedBy string
	Reason    string // of a rejection
	Serial    string // what was issued for it
}

// AddApproval stores a request that waits.
func (tx *Tx) AddApproval(a Approval) error {
	if err := tx.exec(`INSERT INTO approval (id, profile, requester, names, request, state, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		a.ID, a.Profile, a.Requester, strings.Join(a.Names, " "), a.Request, ApprovalWaiting, micro(tx.now)); err != nil {
		return fmt.Errorf("storing request %s: %w", a.ID, err)
	}
	return nil
}

// DecideApproval writes down what the second person said. A request that waits no more is [ErrNotFound].
func (tx *Tx) DecideApproval(id, by, state, reason string) error {
	return tx.hit(`UPDATE approval SET state = $2, decided_at = $3, decided_by = $4, reason = $5 WHERE id = $1 AND state = 'waiting'`, id, state, micro(tx.now), by, reason)
}

// ServedApproval writes down what was issued for a request that was approved.
func (tx *Tx) ServedApproval(id, serial string) error {
	return tx.hit(`UPDATE approval SET serial = $2 WHERE id = $1 AND state = 'approved'`, id, serial)
}

const approvalColumns = `id, profile, requester, names, request, state, asked_at, decided_at, decided_by, reason, serial`

func scanApproval(scan func(...any) error) (Approval, error) {
	var a Approval
	var names string
	var asked int64
	var decided sql.NullInt64
	err := scan(&a.ID, &a.Profile, &a.Requester, &names, &a.Request, &a.State, &asked, &decided, &a.DecidedBy, &a.Reason, &a.Serial)
	a.Names, a.AskedAt = strings.Fields(names), fromMicro(asked)
	if decided.Valid {
		a.DecidedAt = fromMicro(decided.Int64)
	}
	return a, err
}

// Approval returns one request, or fails with [ErrNotFound].
func (tx *Tx) Approval(id string) (Approval, error) {
	a, err := scanApproval(tx.tx.QueryRowContext(tx.ctx, `SELECT `+approvalColumns+` FROM approval WHERE id = $1`, id).Scan)
	if err != nil {
		return a, fmt.Errorf("reading request %s: %w", id, notFound(err))
	}
	return a, nil
}

// CountWaiting says how many requests wait, up to a limit. Their texts, of which each may be as long as a request, are not read.
func (tx *Tx) CountWaiting(limit int) (n int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM (SELECT 1 FROM approval WHERE state = 'waiting' LIMIT $1) AS found`, limit).Scan(&n)
	return n, err
}

// Approvals returns the newest requests, first those that wait; all says whether to return those that were decided too.
func (tx *Tx) Approvals(all bool, limit int) ([]Approval, error) {
	query := `SELECT ` + approvalColumns + ` FROM approval`
	if !all {
		query += ` WHERE state = 'waiting'`
	}
	return collect(tx, query+` ORDER BY state = 'waiting' DESC, asked_at DESC, id LIMIT $1`, scanApproval, limit)
}
