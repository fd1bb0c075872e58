package desk

import (
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ceremony"
)

// TestMissingPurposes: an organisation from before the authority for IPsec, or that has left some out, gets them without
// anything else being touched; so does one whose authority was revoked.
func TestMissingPurposes(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Purposes: []string{"servers", "clients"}}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "before", "before.example.com")
	missing := func() []string {
		v, err := h.OwnAuthorities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v.Missing
	}
	if got := missing(); !slices.Equal(got, []string{"smime", "code", "ipsec"}) {
		t.Errorf("missing are %q", got)
	}
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{}); !errors.Is(err, ErrAuthorityExists) || !strings.Contains(err.Error(), "none for smime, code, ipsec") {
		t.Errorf("init again: %v", err)
	}
	for name, r := range map[string]AuthorityRequest{"one that is there": {Purposes: []string{"ipsec", "servers"}}, "another name": {Purposes: []string{"ipsec"}, Name: "Other"}, "another host": {Purposes: []string{"ipsec"}, PKIHost: "other.example.com"},
		"elsewhere": {Purposes: []string{"ipsec"}, Superior: state.WayCeremony}, "no purpose": {Purposes: []string{"tea"}}} {
		if _, err := h.InitAuthority(t.Context(), tester(), r); err == nil {
			t.Errorf("%s: it is made", name)
		}
	}
	for _, kind := range []faultKind{faultRefused, faultNone} {
		h.fault.set(kind)
		_, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Purposes: []string{"ipsec"}})
		if (kind == faultRefused) != errors.Is(err, errFault) {
			t.Errorf("fault %d: %v", kind, err)
		}
	}
	if got := missing(); !slices.Equal(got, []string{"smime", "code"}) {
		t.Errorf("missing are %q", got)
	}
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Profile: "ipsec", Domains: []string{"gw.example.com"}, Lineage: "gw"}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "after", "after.example.com")
	for lineage, host := range map[string]string{"before": "before.example.com", "gw": "gw.example.com", "after": "after.example.com"} {
		if err := h.accepted(t, lineage, host, h.anchorsNamed(t, "root")); err != nil {
			t.Errorf("%s: %v", lineage, err)
		}
	}
	if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Purposes: []string{"servers"}}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "new", "new.example.com")
	if got, _ := h.opensslJudges(t, "new"); !strings.Contains(got, ": OK") {
		t.Errorf("below servers-2 openssl says %s", got)
	}
	h.wantFallen(t, "before")
}

// TestMissingPurposesElsewhere: where the root is not here they are requests, which a ceremony answers.
func TestMissingPurposesElsewhere(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Superior: state.WayCeremony, Purposes: []string{"servers"}}); err != nil {
		t.Fatal(err)
	}
	var root *ceremony.Root
	if _, err := h.answer(t, hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})); err != nil {
		t.Fatal(err)
	}
	change, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Purposes: []string{"ipsec"}})
	if err != nil || change.Undo != "postseal ca withdraw" {
		t.Fatalf("got %+v, %v", change, err)
	}
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Purposes: []string{"ipsec"}}); !errors.Is(err, ErrAuthorityExists) {
		t.Errorf("while it waits: %v", err)
	}
	if _, err := h.answer(t, hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Profile: "ipsec", Domains: []string{"gw.example.com"}, Lineage: "gw"}); err != nil {
		t.Fatal(err)
	}
	h.verified(t, "gw", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate().Raw}))
}
