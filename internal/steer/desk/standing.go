package desk

import (
	"context"
	"slices"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// standing is what issuing needs to know of our own authority, as of the change seq. Reading it anew for each certificate
// costs more than the certificate. It is never changed, only replaced.
type standing struct {
	seq         int64
	authorities []state.Authority
	host        string              // of the addresses in certificates
	options     []ca.ProfileOptions // of all profiles
	profiles    map[string]*ca.Profile
	chains      map[string][]byte // what goes with a certificate, by the id of its authority
}

// standing returns it as the state is now: one number is read to know that nothing has changed.
func (d *Desk) standing(ctx context.Context) (*standing, error) {
	d.pki.mu.Lock()
	known := d.pki.standing
	d.pki.mu.Unlock()
	var fresh *standing
	err := d.db.View(ctx, func(tx *state.Tx) error {
		seq, err := tx.Seq()
		if err != nil || known != nil && known.seq == seq {
			return err
		}
		fresh = &standing{seq: seq}
		return fresh.read(tx)
	})
	if err != nil || fresh == nil {
		return known, err
	}
	fresh.profiles = make(map[string]*ca.Profile, len(fresh.options))
	for _, o := range fresh.options {
		// One that cannot be made is the fault of whoever asks for it, not of all.
		if p, err := ca.NewProfile(o); err == nil {
			fresh.profiles[o.Name] = p
		}
	}
	fresh.chains = make(map[string][]byte, len(fresh.authorities))
	for _, a := range fresh.authorities {
		fresh.chains[a.ID] = chainBelow(a)
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.standing == nil || fresh.seq > d.pki.standing.seq {
		d.pki.standing = fresh
	}
	return fresh, nil
}

func (s *standing) read(tx *state.Tx) (err error) {
	if s.authorities, err = tx.Authorities(); err != nil {
		return err
	}
	if s.host, err = tx.PKIHost(); err != nil {
		return err
	}
	s.options, err = readProfiles(tx, s.authorities)
	return err
}

// authorities reads the organisation's own, and the host of their addresses.
func (d *Desk) authorities(ctx context.Context) (all []state.Authority, host string, err error) {
	s, err := d.standing(ctx)
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(s.authorities), s.host, nil
}

// place returns the revocation list that the next certificate of an authority belongs to. What is remembered may be full:
// the commit that uses it finds out.
func (d *Desk) place(ctx context.Context, authorityID string) (shard int64, err error) {
	d.pki.mu.Lock()
	shard = d.pki.shards[authorityID]
	d.pki.mu.Unlock()
	if shard > 0 {
		return shard, nil
	}
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		shard, err = tx.CurrentShard(authorityID, shardSize)
		return err
	})
	if err != nil {
		return 0, err
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.shards == nil {
		d.pki.shards = make(map[string]int64)
	}
	d.pki.shards[authorityID] = shard
	return shard, nil
}

// noPlace forgets which list that was.
func (d *Desk) noPlace(authorityID string) {
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	delete(d.pki.shards, authorityID)
}
