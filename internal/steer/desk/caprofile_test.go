package desk

import (
	"strings"
	"testing"

	"postseal/internal/issue/ca"
)

// TestAProfileBeyondItsAuthority: a profile may have domains that its authority may not certify yet; whoever sets it hears so,
// and no more when the authority was extended.
func TestAProfileBeyondItsAuthority(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	set := func(domains ...string) string {
		t.Helper()
		change, err := h.SetCAProfile(t.Context(), tester(), ProfileRequest{Profile: ProfileFile{ProfileOptions: ca.ProfileOptions{Name: "partners", Purpose: ca.PurposeServers, Domains: domains}}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(change.Warnings, "\n")
	}
	if got := set("example.com", "print.example.com"); got != "" {
		t.Errorf("within: %q", got)
	}
	if got := set("example.com", "partner.example.org", "notexample.com"); got != "the authority for servers may not certify names below partner.example.org, notexample.com: postseal ca extend --domain DOMAIN" {
		t.Errorf("beyond: %q", got)
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org", "notexample.com"}}); err != nil {
		t.Fatal(err)
	}
	if got := set("example.com", "partner.example.org", "notexample.com"); got != "" {
		t.Errorf("extended: %q", got)
	}
}

// TestAMistypedProfile: nothing found of a profile is nothing there; of one that nobody knows it is a mistake.
func TestAMistypedProfile(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	for profile, unknown := range map[string]bool{"server": false, "server,device": false, "sever": true, "server,sever": true} {
		page, err := h.Issued(t.Context(), IssuedQuery{Profile: profile})
		if is[*UnknownProfileError](err) != unknown || !unknown && (err != nil || len(page.Lines) != 0) {
			t.Errorf("%s: got %+v, %v", profile, page, err)
		}
	}
}
