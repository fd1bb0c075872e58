package trust

import (
	"context"
	"strconv"

	"postseal/internal/keep/revocation"
)

// CRLs is a [Revocation] that has nothing but the lists it was given. It fetches nothing.
type CRLs struct {
	lists      *revocation.Lists
	unreadable string // why one of them could not be read; it may have been the one that matters
}

// NewCRLs parses lists in DER. One that cannot be read does not spoil the others, but while it is there, no certificate
// whose status it may have held is called good: [CRLs.Check] says so.
func NewCRLs(lists ...[]byte) *CRLs {
	s := &CRLs{lists: new(revocation.Lists)}
	for i, der := range lists {
		if err := s.lists.Add(strconv.Itoa(i+1), der); err != nil {
			s.unreadable = clip(err.Error())
		}
	}
	return s
}

// Check follows RFC 5280 section 6.3.3: every distribution point of the certificate, every list that covers it, until a
// list names the certificate or all reasons are covered.
func (s *CRLs) Check(ctx context.Context, link Link) Finding {
	found, err := s.lists.Check(ctx, link.query(s))
	if err != nil {
		return Finding{State: StateUnknown, Why: "the check was interrupted"}
	}
	f := findingOf(found)
	switch {
	case f.State == StateUnknown && s.unreadable != "" && !f.Refused:
		f.Why, f.Refused = s.unreadable, true
	case f.State == StateUnknown && found.NotOffered:
		f.Why = "no CRL of " + issuerOf(link.Cert) + " covers it"
	}
	return f
}
