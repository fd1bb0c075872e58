package x509cert

import (
	"fmt"
	"slices"
	"strings"
)

// NameSet is a choice of names for one certificate, or the choice that one has made.
type NameSet struct {
	Names      []string // as [Facts] writes them
	CommonName bool     // the subject has a common name
	OldMail    bool     // POP or IMAP clients are to be served with it
	Extended   bool     // it says that it is of extended validation
	// Singles is how many other certificates in use hold one name each.
	Singles int
}

// Cautions say, a sentence each, what an administrator should know about such a choice. None is a fault: each kind of
// certificate has its price, and this is where it stands.
func (s NameSet) Cautions() []string {
	var cautions, wildcards []string
	for _, name := range s.Names {
		if IsWildcard(name) {
			wildcards = append(wildcards, name)
		}
	}
	if len(wildcards) > 0 {
		parents := strings.ReplaceAll(strings.Join(wildcards, ", "), "*.", "")
		cautions = append(cautions, fmt.Sprintf("wildcard %s: whoever steals this one key can pose as every host directly under %s", strings.Join(wildcards, ", "), parents))
		if s.OldMail {
			cautions = append(cautions, "wildcard: old POP and IMAP clients take no wildcard; give them a certificate with the exact name of the server")
		}
		if s.Extended {
			cautions = append(cautions, "wildcard: it says that it is of extended validation, which allows no wildcard, so the wildcard counts for nothing")
		}
	}
	switch n := len(s.Names); {
	case n > 1:
		cautions = append(cautions, fmt.Sprintf("its %d names share one certificate: when it is revoked or replaced for one of them, it is for all", n))
	case n == 1 && len(wildcards) == 0 && s.Singles > 0:
		cautions = append(cautions, fmt.Sprintf("one name each means many certificates: %d in use hold a single name, each renewed and bound for itself; one certificate can hold them all", s.Singles+1))
	}
	if !s.CommonName && slices.ContainsFunc(s.Names, func(name string) bool { return name != "" }) {
		cautions = append(cautions, "no common name: old devices that do not know subjectAltName (telephones, printers, scanners) find no name in it")
	}
	return cautions
}
