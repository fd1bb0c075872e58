package desk

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"

	"postseal/internal/ground/certfile"
)

// rootIsKnown says whether a chain that stops lacks nothing but its root, and the root is trusted here. Authorities
// leave it out, and rightly: clients believe only their own copy.
func (i *importing) rootIsKnown(b certfile.Bundle) bool {
	last := lastOf(b)
	return slices.ContainsFunc(i.roots, func(root *x509.Certificate) bool {
		return bytes.Equal(root.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(root) == nil
	})
}

// lastOf is the certificate with which a chain stops.
func lastOf(b certfile.Bundle) *x509.Certificate {
	if n := len(b.Chain); n > 0 {
		return b.Chain[n-1]
	}
	return b.Leaf
}

// warnMissing says that the chain of a bundle stops.
func (i *importing) warnMissing(b certfile.Bundle, unchecked []certfile.Unchecked) {
	if b.MissingIssuer == "" || i.rootIsKnown(b) {
		return
	}
	text := fmt.Sprintf("the chain stops: the certificate of %s is missing; import it too, or clients will not trust this one", b.MissingIssuer)
	last := lastOf(b)
	if at := slices.IndexFunc(unchecked, func(u certfile.Unchecked) bool { return u.Equal(last) }); at >= 0 {
		text += fmt.Sprintf("; without it the signature of %s could not be checked", unchecked[at].From)
	}
	i.change.Warnings = append(i.change.Warnings, text)
}

// warnUnchecked names the certificates of authorities that came along and could not be checked, but for those with which
// a chain stops.
func (i *importing) warnUnchecked(a *certfile.Assembly) {
	const most = 5
	var more int
	for _, u := range a.Unchecked {
		if slices.ContainsFunc(a.Bundles, func(b certfile.Bundle) bool { return u.Equal(b.Leaf) || b.MissingIssuer != "" && u.Equal(lastOf(b)) }) {
			continue
		}
		if more++; more <= most {
			i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("the signature of the certificate of %s could not be checked: that of its issuer %s is missing", u.From, u.Issuer))
		}
	}
	if more > most {
		i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("%d more certificates of authorities could not be checked", more-most))
	}
}
