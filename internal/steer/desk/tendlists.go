package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/state"
)

// TendLists forgets the lists of shards whose last certificate ended long enough ago that nobody asks for them. Before, each is
// signed once more, and stays for the life of that list: what was revoked shortly before its end was on no list after it
// otherwise, if nobody has asked in these days.
func (d *Desk) TendLists(ctx context.Context) error {
	before := time.Now().Add(-2 * listLife)
	var due, unsaid []state.Shard
	if err := d.sweepLists(ctx); err != nil {
		return err
	}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.Shards()
		for _, s := range all {
			if !s.Closed || s.Number == 0 || !s.EndsAt.Before(before) {
				continue
			}
			due = append(due, s)
			if there, err := d.listIsThere(s); err != nil || !there || s.Dirty || !s.ThisUpdate.After(s.EndsAt) {
				unsaid = append(unsaid, s)
			}
		}
		return err
	})
	if err != nil || len(due) == 0 {
		return err
	}
	failed := []error{d.sayOnce(ctx, unsaid)}
	var gone []state.Shard
	err = d.db.Append(ctx, publisher(), func(tx *state.Tx) (err error) {
		tx.ActFor(d.server)
		if gone, err = tx.RetireShards(before); err != nil {
			return err
		}
		if len(gone) == 0 {
			return errNothingToDo
		}
		var shards []string
		for _, s := range gone {
			shards = append(shards, listKey(s.AuthorityID, s.Number))
		}
		return tx.Audit("ca retire-lists", fmt.Sprint(len(gone)), map[string]any{"shards": shards}, nil)
	})
	if err != nil {
		gone = nil // they are not: what was found within the change was not made
		if !errors.Is(err, errNothingToDo) {
			failed = append(failed, err)
		}
	}
	for _, s := range gone {
		failed = append(failed, d.dropLists(s.AuthorityID, s.Number, ""))
	}
	return errors.Join(failed...)
}

// errNothingToDo ends an Append that has found nothing to change.
var errNothingToDo = errors.New("there is nothing to do")
