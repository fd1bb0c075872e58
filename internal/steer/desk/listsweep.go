package desk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
)

// listNamed reads the name of a file as [Desk.listPath] makes one.
func listNamed(file string) (name state.ShardName, ok bool) {
	stem, crl := strings.CutSuffix(file, ".crl")
	front, _, number := cutLast(stem)
	authority, shard, of := cutLast(front)
	n, err := strconv.ParseInt(shard, 10, 64)
	return state.ShardName{AuthorityID: authority, Number: n}, crl && number && of && err == nil
}

func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// filesOfLists are what lies where lists are published. There need not be anything yet.
func (d *Desk) filesOfLists() ([]fs.DirEntry, error) {
	all, err := os.ReadDir(filepath.Join(d.db.Dir(), PublishedDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// dropLists removes what is on disk of a shard but for one file. Whoever is reading one reads it to its end.
func (d *Desk) dropLists(authorityID string, shard int64, but string) error {
	all, err := d.filesOfLists()
	failed := []error{err}
	for _, e := range all {
		path := filepath.Join(d.db.Dir(), PublishedDir, e.Name())
		if name, ok := listNamed(e.Name()); ok && name == (state.ShardName{AuthorityID: authorityID, Number: shard}) && path != but {
			failed = append(failed, durable.Remove(path))
		}
	}
	return errors.Join(failed...)
}

// stagedFor is longer than anybody writes at a list.
const stagedFor = time.Hour

// sweepLists removes what a crash has left: lists of shards that are gone, whose names stand nowhere any more, and lists that
// were half written.
func (d *Desk) sweepLists(ctx context.Context) error {
	all, err := d.filesOfLists() // first: a list has its line in the state before it has a file
	if err != nil || len(all) == 0 {
		return err
	}
	known := map[state.ShardName]bool{}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		shards, err := tx.Shards()
		for _, s := range shards {
			known[state.ShardName{AuthorityID: s.AuthorityID, Number: s.Number}] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range all {
		name, list := listNamed(e.Name())
		half, err := filepath.Match(durable.Temporary, e.Name())
		if err == nil && half {
			info, err := e.Info()
			half = err == nil && time.Since(info.ModTime()) > stagedFor
		}
		if list && !known[name] || half {
			failed = append(failed, durable.Remove(filepath.Join(d.db.Dir(), PublishedDir, e.Name())))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("removing what is left of old lists: %w", err)
	}
	return nil
}
