package request

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"postseal/internal/ground/x509cert"
)

// MaxNames bounds the names of one request; public authorities have the same bound.
const MaxNames = 100

// maxCommonName is ub-common-name, RFC 5280 appendix A.1, in characters; names of hosts are ASCII.
const maxCommonName = 64

var (
	// ErrNoName says that a request has no name. No client would accept the certificate.
	ErrNoName = errors.New("a request without a name")
	// ErrUnknownUsage says that a usage has no name in package x509cert.
	ErrUnknownUsage = errors.New("unknown usage")
)

// TooManyNamesError says that a request has more than [MaxNames] names.
type TooManyNamesError struct {
	Names int // without those that were given twice
}

// Error tells both numbers.
func (e *TooManyNamesError) Error() string {
	return fmt.Sprintf("request for %d names: at most %d", e.Names, MaxNames)
}

// Options say what to ask for. Names must be given; all else may be zero.
type Options struct {
	// Subject, of x509cert.ParseSubject or made by the program. Zero: nothing but the common name.
	Subject pkix.Name
	// Names are domains, wildcards, short host names and IP addresses, as x509cert.ParseSAN takes them, in the order in
	// which they are to stand. What is there already is left out.
	Names []string
	// NoCommonName leaves Subject as it is. Otherwise, if Subject has no common name, it gets the first of Names that
	// fits into 64 characters; if none does, it stays without.
	NoCommonName bool
	// Usages are the extended key usages. Empty: serverAuth.
	Usages []x509cert.Usage
}

// asked is a checked set of options. Only check makes one.
type asked struct {
	subject pkix.Name
	names   []string // as x509cert.ParseSAN writes them
	usages  []x509cert.Usage
}

func (o Options) check() (asked, error) {
	a := asked{subject: o.Subject, usages: slices.Clone(o.Usages)}
	for _, text := range o.Names {
		name, err := x509cert.ParseSAN(text)
		if err != nil {
			return asked{}, err
		}
		if !slices.Contains(a.names, name) {
			a.names = append(a.names, name)
		}
	}
	if len(a.names) == 0 {
		return asked{}, ErrNoName
	}
	if len(a.names) > MaxNames {
		return asked{}, &TooManyNamesError{Names: len(a.names)}
	}
	if len(a.usages) == 0 {
		a.usages = []x509cert.Usage{x509cert.UsageServerAuth}
	}
	for _, u := range a.usages {
		if _, ok := u.OID(); !ok {
			return asked{}, fmt.Errorf("usage %q: %w", string(u), ErrUnknownUsage)
		}
	}
	if !o.NoCommonName {
		a.addCommonName()
	}
	if len(a.subject.ToRDNSequence()) == 0 {
		// RFC 2986 section 4.1 allows it, and the names are elsewhere.
		return a, nil
	}
	return a, x509cert.CheckSubject(a.subject)
}

// addCommonName puts the common name at the end, which is where it stands in the DER of every authority. An IP address
// is no common name: no client has ever looked for one there.
func (a *asked) addCommonName() {
	oid := asn1.ObjectIdentifier{2, 5, 4, 3}
	for _, set := range a.subject.ToRDNSequence() {
		if slices.ContainsFunc(set, func(part pkix.AttributeTypeAndValue) bool { return part.Type.Equal(oid) }) {
			return
		}
	}
	i := slices.IndexFunc(a.names, func(name string) bool {
		_, notAddress := netip.ParseAddr(name)
		return len(name) <= maxCommonName && notAddress != nil
	})
	if i < 0 {
		return
	}
	if len(a.subject.ExtraNames) > 0 { // its order is kept, as of x509cert.ParseSubject
		a.subject.ExtraNames = append(slices.Clip(a.subject.ExtraNames), pkix.AttributeTypeAndValue{Type: oid, Value: a.names[i]})
	}
	a.subject.CommonName = a.names[i]
}
