package state

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// withAuthority is a state with one issuing authority and its first shard.
func withAuthority(t *testing.T) *DB {
	t.Helper()
	db := openWith(t, Options{Dir: t.TempDir(), Create: true})
	update(t, db, func(tx *Tx) error {
		if err := tx.AddAuthority(Authority{ID: "a1", Name: "servers", Purpose: "servers", State: AuthorityPending, Request: []byte("csr"), PublicKey: []byte("spki")}); err != nil {
			return err
		}
		if err := tx.AddShard("a1", 0); err != nil {
			return err
		}
		return tx.CertifyAuthority("a1", "00", []byte("cert"), []byte("root"))
	})
	return db
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	update(t, db, func(tx *Tx) error { return tx.CertifyAuthority("a1", "01", []byte("wider"), []byte("root")) })
	view(t, db, func(tx *Tx) error {
		all, err := tx.Authorities()
		if err != nil || len(all) != 1 {
			t.Fatalf("got %v, %v, want one", all, err)
		}
		if a := all[0]; a.State != AuthorityActive || string(a.Certificate) != "wider" || string(a.Chain) != "root" || a.Request != nil || a.SecretID != "" {
			t.Errorf("got %+v", a)
		}
		return nil
	})
	update(t, db, func(tx *Tx) error { return tx.SetAuthorityState("a1", AuthorityRetired) })
	if err := refused(t, db, func(tx *Tx) error { return tx.CertifyAuthority("a1", "02", []byte("x"), nil) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("certifying a retired one: got %v, want ErrNotFound", err)
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.ForgetAuthorityKey("a1") }); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgetting a key that is not here: got %v, want ErrNotFound", err)
	}
	update(t, db, func(tx *Tx) error {
		return errors.Join(tx.SetPKIHost("pki.example.com"), tx.SetProfile("server", "{}"), tx.SetProfile("server", `{"a":1}`))
	})
	view(t, db, func(tx *Tx) error {
		host, err := tx.PKIHost()
		profiles, err2 := tx.Profiles()
		if host != "pki.example.com" || len(profiles) != 1 || profiles["server"] != `{"a":1}` {
			t.Errorf("got %q, %v", host, profiles)
		}
		return errors.Join(err, err2)
	})
}

// TestTheBook plans, records and revokes, and looks after each what there is.
func TestTheBook(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	line := func(serial string) Issuance {
		return Issuance{Serial: serial, AuthorityID: "a1", Shard: 1, Profile: "server", Requester: "root", Subject: "CN=a", KeyID: "k", Names: []string{"a.example.com", "kim@example.com"}, NotAfter: end, TBS: []byte("tbs" + serial)}
	}
	update(t, db, func(tx *Tx) error {
		if n, err := tx.CurrentShard("a1", 2); err != nil || n != 1 {
			t.Errorf("the first shard: got %d, %v", n, err)
		}
		return errors.Join(tx.UseShard("a1", 1, 2), tx.PlanIssuance(line("aa")), tx.PlanIssuance(line("bb")))
	})
	if err := refused(t, db, func(tx *Tx) error { return tx.PlanIssuance(line("aa")) }); !errors.Is(err, ErrExists) {
		t.Errorf("a serial twice: got %v, want ErrExists", err)
	}
	view(t, db, func(tx *Tx) error {
		all, err := tx.UnfinishedIssuances(time.Now().Add(time.Minute), 10)
		if len(all) != 2 || string(all[0].TBS) != "tbs"+all[0].Serial {
			t.Errorf("unfinished: got %+v", all)
		}
		return err
	})
	update(t, db, func(tx *Tx) error {
		return errors.Join(tx.RecordIssuance("aa", []byte("A")), tx.RecordIssuance("aa", []byte("A")))
	})
	for what, f := range map[string]func(tx *Tx) error{
		"another certificate for it": func(tx *Tx) error { return tx.RecordIssuance("aa", []byte("B")) },
	} {
		if err := refused(t, db, f); !errors.Is(err, ErrExists) {
			t.Errorf("%s: got %v, want ErrExists", what, err)
		}
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.RecordIssuance("cc", []byte("C")) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("recording what was never planned: got %v, want ErrNotFound", err)
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.UseShard("a1", 1, 2) }); !errors.Is(err, ErrShardFull) {
		t.Errorf("a third certificate in a shard of two: got %v, want ErrShardFull", err)
	}
	update(t, db, func(tx *Tx) error {
		n, err := tx.CurrentShard("a1", 2)
		if err != nil || n != 2 {
			t.Errorf("a full shard: got %d, %v, want the next", n, err)
		}
		return errors.Join(tx.UseShard("a1", n, 2), tx.Publishing(Shard{AuthorityID: "a1", Number: 1, CRLNumber: "7", ThisUpdate: end, NextUpdate: end}))
	})
	if err := refused(t, db, func(tx *Tx) error { return tx.UseShard("a1", 1, 9) }); !errors.Is(err, ErrShardFull) {
		t.Errorf("a closed shard: got %v, want ErrShardFull", err)
	}
	update(t, db, func(tx *Tx) error { return tx.Revoke("aa", 1) })
	if err := refused(t, db, func(tx *Tx) error { return tx.Revoke("aa", 4) }); !errors.Is(err, ErrExists) {
		t.Errorf("revoking again: got %v, want ErrExists", err)
	}
	view(t, db, func(tx *Tx) error {
		i, err := tx.Issuance("aa")
		if string(i.Certificate) != "A" || i.TBS != nil || i.RecordedAt.IsZero() || i.RevokedAt.IsZero() || i.Reason != 1 || !i.NotAfter.Equal(end) {
			t.Errorf("got %+v", i)
		}
		for _, c := range []struct {
			shard int64
			from  time.Time
			want  int
		}{{0, time.Now(), 1}, {1, time.Now(), 1}, {2, time.Now(), 0}, {0, end.Add(time.Second), 0}, {0, end, 1}} {
			n := 0
			err = errors.Join(err, tx.EachRevoked("a1", c.shard, c.from, func(r Revoked) error { n++; return nil }))
			if n != c.want {
				t.Errorf("shard %d from %v: got %d, want %d", c.shard, c.from, n, c.want)
			}
		}
		shards, err2 := tx.Shards()
		got := fmt.Sprint(shards[0].Dirty, shards[1].Dirty, shards[2].Dirty, shards[1].Closed, shards[2].Closed, shards[1].Issued, shards[1].CRLNumber)
		if got != "true true true true false 27" {
			t.Errorf("shards: got %s", got)
		}
		if n, err := tx.Revocations(); err != nil || n != 1 {
			t.Errorf("revocations: got %d, %v", n, err)
		}
		return errors.Join(err, err2)
	})
	said := Shard{AuthorityID: "a1", Number: 1, CRLNumber: "8", ThisUpdate: end.Add(time.Second), NextUpdate: time.Now()}
	for what, s := range map[string]Shard{"something unsaid": {}, "a list from before its end": {AuthorityID: "a1", Number: 1, CRLNumber: "8", ThisUpdate: end, NextUpdate: time.Now()},
		"a list that holds": {AuthorityID: "a1", Number: 1, CRLNumber: "8", ThisUpdate: said.ThisUpdate, NextUpdate: time.Now().Add(time.Minute)}} {
		update(t, db, func(tx *Tx) error {
			if s.CRLNumber != "" {
				if err := tx.Publishing(s); err != nil {
					return err
				}
			}
			gone, err := tx.RetireShards(end.Add(time.Second))
			if len(gone) > 0 {
				t.Errorf("%s: it has retired", what)
			}
			return err
		})
	}
	// What zlint has not read: of each list the newest alone, and none of one that has retired, however long nobody reads.
	unread := func() (lists []string) {
		view(t, db, func(tx *Tx) error {
			all, err := tx.Unread(Unread{}, 1000)
			for _, u := range all {
				if u.Kind == LintList {
					lists = append(lists, u.ID)
				}
			}
			return err
		})
		return lists
	}
	said.CRLNumber = "10"
	update(t, db, func(tx *Tx) error { return tx.Publishing(said) })
	if got := unread(); !slices.Equal(got, []string{ListID("a1", 1, "10")}) {
		t.Errorf("zlint is to read %v, want the newest list", got)
	}
	update(t, db, func(tx *Tx) error {
		gone, err := tx.RetireShards(end.Add(time.Second))
		if len(gone) != 1 || gone[0].Number != 1 {
			t.Errorf("retiring: got %+v", gone)
		}
		return err
	})
	if got := unread(); len(got) != 0 {
		t.Errorf("zlint is to read %v, of a shard that has retired", got)
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.UseShard("a1", 1, 9) }); !errors.Is(err, ErrShardFull) {
		t.Errorf("a retired shard: got %v, want ErrShardFull", err)
	}
	view(t, db, func(tx *Tx) error {
		shards, err := tx.Shards()
		if len(shards) != 2 || shards[0].Number != 0 || shards[1].Number != 2 {
			t.Errorf("after retiring: got %+v", shards)
		}
		return err
	})
}

// TestKeysOfPlans: a key that is stored with a plan waits until a lineage holds it, or is forgotten.
func TestKeysOfPlans(t *testing.T) {
	t.Parallel()
	db := withAuthority(t)
	update(t, db, func(tx *Tx) error {
		err := tx.UseShard("a1", 1, 9)
		for _, n := range []string{"aa", "bb"} {
			err = errors.Join(err, tx.AddSecret(Secret{ID: "s" + n, Kind: SecretMemberKey, Ciphertext: []byte("x")}), tx.PlanIssuance(Issuance{Serial: n, AuthorityID: "a1", Shard: 1, Profile: "server", Requester: "lineage x", SecretID: "s" + n, KeyID: "k" + n}))
		}
		return errors.Join(err, tx.RecordIssuance("aa", []byte("A")))
	})
	unheld := func(want ...string) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			all, err := tx.UnheldIssuances(9)
			var got []string
			for _, i := range all {
				got = append(got, i.Serial+" "+i.SecretID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("unheld: got %q, want %q", got, want)
			}
			return err
		})
	}
	unheld("aa saa", "bb sbb")
	update(t, db, func(tx *Tx) error { return errors.Join(tx.HoldKey("aa"), tx.DropKey("bb")) })
	unheld()
	for _, f := range []func(tx *Tx) error{func(tx *Tx) error { return tx.HoldKey("aa") }, func(tx *Tx) error { return tx.DropKey("bb") }} {
		if err := refused(t, db, f); !errors.Is(err, ErrNotFound) {
			t.Errorf("again: got %v, want ErrNotFound", err)
		}
	}
	view(t, db, func(tx *Tx) error {
		if _, err := tx.Secret("sbb", "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a forgotten key: got %v", err)
		}
		const sum = "6DCD4CE23D88E2EE9568BA546C007C63D9131C1B" // SHA-1 of "A"
		for _, c := range []struct {
			p    Picked
			want int
		}{{Picked{Serial: "aa"}, 1}, {Picked{Thumbprint: sum[:8]}, 1}, {Picked{Thumbprint: sum}, 1}, {Picked{Thumbprint: "6DCD4CE3"}, 0}, {Picked{KeyID: "kbb"}, 1}, {Picked{Requester: "lineage x"}, 2}, {Picked{Profile: "server"}, 2}, {Picked{Profile: "client"}, 0}} {
			if all, err := tx.PickIssuances(c.p, 9); err != nil || len(all) != c.want {
				t.Errorf("%+v: got %d, %v, want %d", c.p, len(all), err, c.want)
			}
		}
		_, err := tx.PickIssuances(Picked{}, 9)
		if err == nil {
			t.Error("nothing picked: no error")
		}
		return nil
	})
}

func TestSearchable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"mail.example.com": "com.example.mail", "*.example.com": "com.example.*", "kim@example.com": "com.example@kim", "mail": "mail"} {
		if got := searchable(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	hosts := []string{searchable("a.example.com"), searchable("example.org"), searchable("kim@example.com"), searchable("b.example.com")}
	slices.Sort(hosts)
	if hosts[3] != "org.example" {
		t.Errorf("got %v: a domain is not together", hosts)
	}
}
