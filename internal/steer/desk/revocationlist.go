package desk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

const (
	listLife = 24 * time.Hour // of a revocation list
	// rootListLife is longer: a root's key may be in a safe, and it certifies five authorities.
	rootListLife = 180 * 24 * time.Hour
)

// listLifeOf is how long a list of an authority holds; it is signed again after half of that, or when something was revoked.
func listLifeOf(a state.Authority) time.Duration {
	if a.Purpose == string(ca.PurposeRoot) {
		return rootListLife
	}
	return listLife
}

// PublishedDir is where, in the data directory, revocation lists lie as they were signed. They are public, and each can be
// signed anew: nothing is lost with the directory.
const PublishedDir = "pki"

// ListRequest asks for a revocation list of our own authority.
type ListRequest struct {
	Name  string `json:"name,omitempty"`  // of the authority; empty means servers
	Shard int64  `json:"shard,omitempty"` // 0 is the complete list
}

// ListView is a revocation list.
type ListView struct {
	DER []byte `json:"der"`
}

// RevocationList returns the list that is published now.
func (d *Desk) RevocationList(ctx context.Context, r ListRequest) (*ListView, error) {
	if r.Name == "" {
		r.Name = string(ca.PurposeServers)
	}
	k, err := d.listOf(ctx, r.Name, r.Shard)
	if err != nil {
		return nil, err
	}
	der, err := os.ReadFile(k.path)
	if err != nil {
		return nil, fmt.Errorf("reading the revocation list of %s: %w", r.Name, err)
	}
	return &ListView{DER: der}, nil
}

// A long list is not signed anew for each revocation: a million entries take a third of a second, and a million people
// may be asking. One that is as long as longListBytes is given for longListRest although something was revoked meanwhile,
// and caches may keep it for longListCached; with the time that signing takes that makes less than five seconds.
const (
	longListBytes  = 1 << 20 // about 20,000 entries
	longListRest   = 2 * time.Second
	longListCached = 2 * time.Second
	listCached     = 5 * time.Second // of a list that is signed anew at once
)

// keptList is a list on disk.
type keptList struct {
	path   string
	number string
	made   time.Time
	next   time.Time
	long   bool
}

// listOf returns a list that says everything that was revoked before it was asked for, or, if it is a long one, everything
// that was revoked longListRest before.
//
// Which list that is, the state says: the number of the last one, and whether something was revoked since. The file has that
// number in its name, so a file that was written half, or belongs to another state, is not taken for it.
func (d *Desk) listOf(ctx context.Context, name string, shard int64) (keptList, error) {
	a, host, err := d.authorityNamed(ctx, name)
	if err != nil {
		return keptList{}, err
	}
	if k, fresh, err := d.listOnDisk(ctx, a, shard); err != nil || fresh {
		return k, err
	}
	d.pki.signing.Lock()
	defer d.pki.signing.Unlock()
	last, fresh, err := d.listOnDisk(ctx, a, shard)
	if err != nil || fresh {
		return last, err
	}
	if a.SecretID == "" {
		return d.listFromElsewhere(ctx, a, shard, last)
	}
	issuer, err := d.issuer(ctx, a, host)
	if err != nil {
		return keptList{}, err
	}
	k, err := d.signList(ctx, listing{authority: a, issuer: issuer, host: host, shard: shard})
	if err != nil {
		return keptList{}, fmt.Errorf("signing the revocation list of %s: %w", name, err)
	}
	return k, nil
}

// listOnDisk finds the last list; fresh says that it still says everything. Without one, its path is empty.
func (d *Desk) listOnDisk(ctx context.Context, a state.Authority, shard int64) (k keptList, fresh bool, err error) {
	var s state.Shard
	err = d.db.View(ctx, func(tx *state.Tx) error {
		s, err = tx.Shard(a.ID, shard)
		return err
	})
	if err != nil || s.CRLNumber == "" {
		return keptList{}, false, err
	}
	k = d.listPublished(s)
	info, err := os.Lstat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return keptList{}, false, nil
	}
	if err != nil {
		return keptList{}, false, fmt.Errorf("looking for the revocation list of %s: %w", a.Name, err)
	}
	k.long = info.Size() >= longListBytes
	age := time.Since(k.made)
	if s.Dirty {
		// It was read after the moment that it bears, so what it does not say was revoked later still.
		return k, k.long && age < longListRest && age >= 0, nil
	}
	return k, age < listLifeOf(a)/2 && age > -time.Minute, nil
}

// listPublished is the list that a shard says was signed last, wherever its file is.
func (d *Desk) listPublished(s state.Shard) keptList {
	return keptList{path: d.listPath(s.AuthorityID, s.Number, s.CRLNumber), number: s.CRLNumber, made: s.ThisUpdate.Add(ca.Backdate), next: s.NextUpdate}
}

// cached is how long caches between us and clients may keep a list.
func (k keptList) cached() time.Duration {
	if k.long {
		return longListCached
	}
	return listCached
}

func (d *Desk) listPath(authorityID string, shard int64, number string) string {
	return filepath.Join(d.db.Dir(), PublishedDir, fmt.Sprintf("%s-%d-%s.crl", authorityID, shard, number))
}

func listKey(name string, shard int64) string { return fmt.Sprintf("%s/%d", name, shard) }

// listing is a list to be written.
type listing struct {
	authority state.Authority
	issuer    *ca.Issuer
	host      string
	shard     int64
}

// signList signs a list in three steps, of which only the first keeps other writers waiting:
//
//	1 its number is written down, and with it that the shard is clean
//	2 what was revoked is read, as of after step 1: whatever is revoked later makes the shard dirty again
//	3 it is signed and written to disk as a stream, and takes the place of the one before
//
// A crash after step 1 loses a number, which is never used again; the next who asks has the next one signed.
func (d *Desk) signList(ctx context.Context, l listing) (keptList, error) {
	if l.shard == 0 {
		if err := d.blockRevoked(ctx, l.authority.ID); err != nil {
			return keptList{}, err
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	s := state.Shard{AuthorityID: l.authority.ID, Number: l.shard, ThisUpdate: now.Add(-ca.Backdate), NextUpdate: now.Add(listLifeOf(l.authority))}
	var number *big.Int
	var before state.Shard
	err := d.db.Append(ctx, publisher(), func(tx *state.Tx) error {
		tx.ActFor(d.server)
		var err error
		if before, err = tx.Shard(s.AuthorityID, s.Number); err != nil {
			return err
		}
		previous, _ := new(big.Int).SetString(before.CRLNumber, 10) // nil: there was none
		number = crl.NextNumber(previous, now)
		s.CRLNumber = number.String()
		if err := tx.Publishing(s); err != nil {
			return err
		}
		return tx.Audit("ca crl", listKey(l.authority.Name, l.shard), nil, map[string]any{"number": s.CRLNumber, "nextUpdate": s.NextUpdate})
	})
	if err != nil {
		return keptList{}, err
	}
	from, err := d.unsaidSince(before, now.Add(-2*listLifeOf(l.authority)))
	if err != nil {
		return keptList{}, err
	}
	var entries pile
	o := crl.Options{Issuer: l.issuer.Certificate(), Signer: l.issuer.Signer(), Number: number, ThisUpdate: s.ThisUpdate, NextUpdate: s.NextUpdate, Entries: entries.all}
	if l.shard == 0 {
		return d.keepList(s, func(staged *durable.Staged) error {
			return d.db.View(ctx, func(tx *state.Tx) error {
				fallen, err := tx.AuthorityRevocations(l.authority.ID) // a root has no book: its list names authorities
				if err != nil {
					return err
				}
				for _, r := range fallen {
					if err := entries.add(r.Revoked); err != nil {
						return err
					}
				}
				revoked, err := tx.EncodedRevoked(l.authority.ID, from, encodeRevoked)
				if err != nil {
					return err
				}
				o.Encoded, o.EncodedOctets = revoked.All, revoked.Octets()
				return crl.Write(staged, o)
			})
		})
	}
	err = d.db.View(ctx, func(tx *state.Tx) error { return tx.EachRevoked(l.authority.ID, l.shard, from, entries.add) })
	if err != nil {
		return keptList{}, err
	}
	o.Point = listAddress(l.host, l.authority.Name, l.shard)
	return d.keepList(s, func(staged *durable.Staged) error { return crl.Write(staged, o) })
}

// blockRevoked puts away, encoded, what was revoked since the last list: a few thousand at a time, so that nobody waits
// for a million. It changes nothing of what a list says.
func (d *Desk) blockRevoked(ctx context.Context, authorityID string) error {
	var more bool
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		more, err = tx.Unblocked(authorityID)
		return err
	})
	for err == nil && more {
		err = d.db.Keep(ctx, func(tx *state.Tx) (err error) {
			more, err = tx.BlockRevoked(authorityID, encodeRevoked)
			return err
		})
	}
	return err
}

// encodeRevoked is how a line of the book stands in a list.
func encodeRevoked(b []byte, r state.Revoked) ([]byte, error) {
	var raw [20]byte // of a serial, RFC 5280 section 4.1.2.2
	if hex.DecodedLen(len(r.Serial)) > len(raw) {
		return b, fmt.Errorf("the book has a serial %q that is none", clip(r.Serial))
	}
	n, err := hex.Decode(raw[:], []byte(r.Serial))
	if err != nil {
		return b, fmt.Errorf("the book has a serial %q that is none", clip(r.Serial))
	}
	return crl.AppendEntry(b, crl.Entry{Serial: raw[:n], RevokedAt: ca.RevocationDate(r.RevokedAt), Reason: crl.Reason(r.Reason)})
}

// unsaidSince says from which end on certificates belong on the next list. RFC 5280 section 3.3: an entry stays until it was
// on a list after the certificate's end. Lists are signed when somebody asks for them, so the last one may be older than
// any rule of days; and if its file is not there, nobody knows that it ever was, and everything is said once more.
func (d *Desk) unsaidSince(last state.Shard, rule time.Time) (time.Time, error) {
	there, err := d.listIsThere(last)
	if err != nil || !there {
		return time.Time{}, err
	}
	if last.ThisUpdate.Before(rule) {
		return last.ThisUpdate, nil
	}
	return rule, nil
}

// listIsThere says whether the file of a list that was signed last is on disk.
func (d *Desk) listIsThere(s state.Shard) (bool, error) {
	if s.CRLNumber == "" {
		return false, nil
	}
	_, err := os.Lstat(d.listPath(s.AuthorityID, s.Number, s.CRLNumber))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// keepList puts a list into its place, and removes the ones before.
func (d *Desk) keepList(s state.Shard, write func(staged *durable.Staged) error) (k keptList, err error) {
	k = d.listPublished(s)
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return keptList{}, err
	}
	staged, err := durable.Stage(k.path, 0o644)
	if err != nil {
		return keptList{}, err
	}
	if err := write(staged); err != nil {
		return keptList{}, errors.Join(err, staged.Discard())
	}
	if err := staged.Commit(true); err != nil {
		return keptList{}, err
	}
	info, err := os.Lstat(k.path)
	if err != nil {
		return keptList{}, err
	}
	k.long = info.Size() >= longListBytes
	return k, d.dropLists(s.AuthorityID, s.Number, k.path)
}

// publisher is who signs lists.
func publisher() state.Actor { return state.Actor{Who: "postseal", From: "publishing"} }
