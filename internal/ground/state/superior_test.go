package state

import (
	"errors"
	"slices"
	"testing"
)

// TestSuperior: requests of authorities are kept, replaced and withdrawn; plans are there once; a list from elsewhere stays.
func TestSuperior(t *testing.T) {
	t.Parallel()
	db := openIn(t, organisation(t))
	update := func(f func(tx *Tx) error) {
		t.Helper()
		if _, err := db.Update(t.Context(), Actor{Who: "tester", From: "test"}, func(tx *Tx) error {
			tx.ActFor(serverID)
			return errors.Join(f(tx), tx.Audit("test", "superior", nil, nil))
		}); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *Tx) error {
		return errors.Join(tx.AddAuthority(Authority{ID: "s1", Name: "servers", Purpose: "servers", State: AuthorityPending, Request: []byte("csr"), PublicKey: []byte("spki")}),
			tx.PutAuthorityRequest(AuthorityRequest{AuthorityID: "s1", Way: WayForeign, Request: []byte("one"), Domains: []string{"example.com"}}),
			tx.PutAuthorityRequest(AuthorityRequest{AuthorityID: "s1", Way: WayCeremony, Request: []byte("two"), Domains: []string{"example.com"}, Networks: []string{"192.0.2.0/24"}, Replaces: "s0"}),
			tx.PlanAuthority(AuthorityPlan{Serial: "01", Issuer: "CN=Root", Purpose: "servers", TBS: []byte("tbs")}),
			tx.KeepAuthorityList("s1", []byte("a")), tx.KeepAuthorityList("s1", []byte("b")), tx.SetPKIHost("pki"), tx.SetRootKey("ecdsa-p384"))
	})
	err := db.View(t.Context(), func(tx *Tx) error {
		all, err := tx.AuthorityRequests()
		if err != nil || len(all) != 1 || string(all[0].Request) != "two" || all[0].Replaces != "s0" || all[0].Way != WayCeremony || !slices.Equal(all[0].Networks, []string{"192.0.2.0/24"}) {
			t.Errorf("got %+v, %v", all, err)
		}
		if der, err := tx.AuthorityList("s1"); err != nil || string(der) != "b" {
			t.Errorf("got the list %q, %v", der, err)
		}
		if kind, err := tx.RootKey(); err != nil || kind != "ecdsa-p384" {
			t.Errorf("got the kind %q, %v", kind, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Update(t.Context(), Actor{Who: "tester", From: "test"}, func(tx *Tx) error {
		return tx.PlanAuthority(AuthorityPlan{Serial: "01", Issuer: "CN=Root", Purpose: "servers", TBS: []byte("other")})
	}); !errors.Is(err, ErrExists) {
		t.Errorf("a serial twice: got %v, want ErrExists", err)
	}
	if _, err := db.Update(t.Context(), Actor{Who: "tester", From: "test"}, func(tx *Tx) error { return tx.RecordAuthority("02", []byte("der")) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was never planned: got %v, want ErrNotFound", err)
	}
	update(func(tx *Tx) error {
		return errors.Join(tx.RecordAuthority("01", []byte("der")), tx.ForgetAuthorityList("s1"), tx.RemoveAuthority("s1"), tx.SetRootKey(""))
	})
	err = db.View(t.Context(), func(tx *Tx) error {
		plans, err := tx.AuthorityPlans()
		if err != nil || len(plans) != 1 || plans[0].TBS != nil || string(plans[0].Certificate) != "der" {
			t.Errorf("got %+v, %v", plans, err)
		}
		all, err := tx.Authorities()
		if err != nil || len(all) != 0 {
			t.Errorf("got %+v, %v", all, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
