package desk

import (
	"context"
	"slices"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// standing is what issuing needs to know of our own authority, as of a number of the changes of the state. Reading it anew for each
// certificate costs more than the certificate. It is never changed, only replaced.
type standing struct {
	changes     int64
	authorities []state.Authority
	host        string              // of the addresses in certificates
	options     []ca.ProfileOptions // of all profiles
	profiles    map[string]*ca.Profile
	chains      map[string]chain // what goes with a certificate, by the id of its authority
}

// chain is what goes with a certificate: its issuer and those above it. Nobody changes it.
type chain struct {
	der []byte // one after the other
	pem string
}

// standing returns it as the state is now. It is read once for each change of the state.
func (d *Desk) standing(ctx context.Context) (*standing, error) {
	changes := d.db.Changes()
	d.pki.mu.Lock()
	known := d.pki.standing
	d.pki.mu.Unlock()
	if known != nil && known.changes == changes {
		return known, nil
	}
	fresh := &standing{changes: changes}
	if err := d.db.View(ctx, fresh.read); err != nil {
		return nil, err
	}
	fresh.profiles = make(map[string]*ca.Profile, len(fresh.options))
	for _, o := range fresh.options {
		// One that cannot be made is the fault of whoever asks for it, not of all.
		if p, err := ca.NewProfile(o); err == nil {
			fresh.profiles[o.Name] = p
		}
	}
	fresh.chains = make(map[string]chain, len(fresh.authorities))
	for _, a := range fresh.authorities {
		fresh.chains[a.ID] = chainBelow(a)
	}
	d.pki.mu.Lock()
	defer d.pki.mu.Unlock()
	if d.pki.standing == nil || fresh.changes > d.pki.standing.changes {
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
