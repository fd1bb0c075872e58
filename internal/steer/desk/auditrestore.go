package desk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
)

// noteRestore makes a restore leave its row in the audit trail, and puts the head of the backup in place of the one that
// may be there: that one is ahead of the backup, and would pass for a proof of a database that somebody put back
// unseen. What it said stands in the row. The row is signed when the sealing key is there again. Sign-in links and
// sessions are forgotten; tokens of the API stay, or the machines that use them would stand still on a bad day.
func (o RestoreOptions) noteRestore(ctx context.Context, p *state.Placing, c *Checked) {
	h := c.Header
	path := filepath.Join(o.Dir, audit.HeadFile)
	var head []byte
	check := p.Check
	p.Check = func(db *state.DB) error {
		if err := check(db); err != nil {
			return err
		}
		after := map[string]any{"madeAt": h.MadeAt, "release": h.Release}
		replaced, err := readHead(path)
		switch {
		case errors.Is(err, audit.ErrNotAHead):
			after["headHere"] = "damaged"
		case err != nil:
			return fmt.Errorf("reading the head of the audit trail: %w", err)
		case replaced != nil:
			after["headHere"] = map[string]any{"server": replaced.Server, "number": replaced.Number, "hash": hex.EncodeToString(replaced.Hash), "at": replaced.At}
		}
		_, err = db.Update(ctx, o.Actor, func(tx *state.Tx) error {
			server, err := serverNamed(tx, h.Server)
			if err != nil {
				return err
			}
			tx.ActFor(server.ID)
			// Who has signed out since the backup must not be signed in again.
			if err := tx.ForgetSignIns(); err != nil {
				return err
			}
			tokens, err := tx.Tokens()
			if err != nil {
				return err
			}
			if n := len(tokens); n > 0 {
				c.Findings = append(c.Findings, fmt.Sprintf("%d API tokens are as they were when the backup was made: one that was revoked since works again; see: postseal admin token list", n))
			}
			if head, err = tx.AuditHead(server.ID); err != nil && !errors.Is(err, state.ErrNotFound) {
				return err
			}
			return tx.Audit("restore", h.ID, nil, after)
		})
		return err
	}
	p.Before = func() error {
		if head != nil {
			return o.disk.writeFile(path, head)
		}
		if err := durable.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
}
