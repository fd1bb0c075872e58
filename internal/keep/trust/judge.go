package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/x509cert"
)

// A path is one chain under judgement. The checks add to its faults.
type path struct {
	verifier *Verifier
	question Question
	anchors  *anchorage
	chain    []*x509.Certificate // leaf first
	whole    bool                // it ends in an anchor
	faults   []Fault
	lints    []Lint
	checked  string // what could not be checked, see [Verdict].Unchecked
	budget   *int   // comparisons of names that are left to the question, see [maxComparisons]
}

// fault adds an Invalid of chain[i]. The text goes on after its title.
func (p *path) fault(i int, format string, args ...any) {
	p.faults = append(p.faults, invalid("%s %s", title(p.chain, i), fmt.Sprintf(format, args...)))
}

func (p *path) anchorAt(i int) (Anchor, bool) {
	if !p.whole || i != len(p.chain)-1 {
		return Anchor{}, false
	}
	key := string(p.chain[i].Raw)
	if a, ok := p.anchors.direct[key]; ok && len(p.chain) == 1 {
		return a, true
	}
	a, ok := p.anchors.all[key]
	return a, ok
}

// judge makes every check that needs no one else: dates, the rules of RFC 5280 section 6.1 that crypto/x509 was not
// asked, distrust, and the name and purpose that are wanted of the leaf.
func (p *path) judge() {
	for i, cert := range p.chain {
		p.dates(i)
		p.critical(i)
		p.conform(i)
		if i > 0 {
			p.mayIssue(i)
		}
		if reason := p.verifier.distrust.finds(cert); reason != "" {
			p.faults = append(p.faults, Fault{x509cert.StatusUntrusted, title(p.chain, i) + " is distrusted: " + reason})
		}
	}
	p.depth()
	p.constraints()
	p.policies()
	p.purpose()
	p.name()
	p.baseline()
}

// dates: RFC 5280 section 6.1.3 (a) (2), for the anchor too, because that is what people expect of an expired root.
func (p *path) dates(i int) {
	cert, at := p.chain[i], p.question.At
	text := ""
	switch {
	case at.Before(cert.NotBefore):
		text = "is not valid before " + moment(cert.NotBefore)
	case at.After(cert.NotAfter):
		text = "expired on " + moment(cert.NotAfter)
	default:
		return
	}
	p.faults = append(p.faults, Fault{x509cert.StatusDateInvalid, title(p.chain, i) + " " + text})
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// critical: RFC 5280 section 4.2, an extension that is not understood and critical. crypto/x509 does not understand name
// constraints on directories, and subjectAltNames of other kinds; we do.
func (p *path) critical(i int) {
	for _, id := range p.chain[i].UnhandledCriticalExtensions {
		switch {
		case id.Equal(extNameConstraints), id.Equal(extSubjectAltName):
			// Whether they can be read is seen in [path.constraints].
		case id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}):
			p.fault(i, "is a precertificate, made for the logs of Certificate Transparency only")
		default:
			p.fault(i, "has the critical extension %s, which is not known", id)
		}
	}
}

// mayIssue: RFC 5280 section 6.1.4 (k) to (n).
func (p *path) mayIssue(i int) {
	cert := p.chain[i]
	_, isAnchor := p.anchorAt(i)
	switch {
	case cert.Version == 3 && (!cert.BasicConstraintsValid || !cert.IsCA):
		p.fault(i, "is no authority, it must not issue certificates")
	case cert.Version != 3 && !isAnchor:
		p.fault(i, "is of version %d and cannot say that it is an authority", cert.Version)
	}
	if extension(cert, extKeyUsage) != nil && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		p.fault(i, "must not sign certificates by its key usage")
	}
	if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 {
		below := 0
		for _, c := range p.chain[1:i] {
			if !selfIssued(c) {
				below++
			}
		}
		if below > cert.MaxPathLen {
			p.fault(i, "allows %d authorities below it, and there are %d", cert.MaxPathLen, below)
		}
	}
}

// depth: what the question allows. As with path lengths (RFC 5280 section 4.2.1.9), self-issued certificates do not count.
func (p *path) depth() {
	most := p.question.MaxDepth
	if most == nil || !p.whole || len(p.chain) < 2 {
		return
	}
	have := 0
	for _, c := range p.chain[1 : len(p.chain)-1] {
		if !selfIssued(c) {
			have++
		}
	}
	if have > *most {
		p.faults = append(p.faults, invalid("the chain has %d authorities between the certificate and its anchor, and %d are allowed", have, *most))
	}
}

// constraints: RFC 5280 section 6.1.3 (b) and (c). Self-issued certificates are exempt, unless they are the leaf.
func (p *path) constraints() {
	names := make([][]general, len(p.chain))
	for i := range p.chain {
		var err error
		if names[i], err = namesOf(p.chain[i]); err != nil {
			p.fault(i, "has a %s", err)
		}
		t, err := readConstraints(p.chain[i])
		if err != nil {
			p.fault(i, "cannot be followed: %s", err)
			continue
		}
		if t == nil {
			continue
		}
		for j := range i {
			if j > 0 && selfIssued(p.chain[j]) {
				continue
			}
			if text := t.violation(names[j], p.budget); text != "" {
				p.fault(i, "%s", text)
				break
			}
		}
	}
}

// policies: RFC 5280 section 6.1 with RFC 9618, by crypto/x509. It decides nothing unless somebody demands a policy.
func (p *path) policies() {
	if len(p.chain) < 2 || !p.policiesMatter() {
		return
	}
	n := len(p.chain)
	copies := make([]*x509.Certificate, n)
	for i, cert := range p.chain {
		copies[i] = p.policyCopy(i, cert)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(copies[n-1])
	for _, c := range copies[1 : n-1] {
		between.AddCert(c)
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: p.question.At, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if q := p.question.Policies; q != nil {
		o.CertificatePolicies = q.Accept
	}
	found, err := copies[0].Verify(o)
	if err != nil || !slices.ContainsFunc(found, func(chain []*x509.Certificate) bool { return slices.Equal(chain, copies) }) {
		p.faults = append(p.faults, invalid("the chain has no certificate policy that all its authorities and the question accept"))
	}
}

func (p *path) policiesMatter() bool {
	if p.question.Policies != nil {
		return true
	}
	return slices.ContainsFunc(p.chain[:len(p.chain)-1], func(c *x509.Certificate) bool {
		return c.RequireExplicitPolicy > 0 || c.RequireExplicitPolicyZero || len(c.PolicyMappings) > 0
	})
}

// policyCopy leaves crypto/x509 nothing to judge but policies, and tells it the user's inputs for which it has no
// option, in words that certificates have.
func (p *path) policyCopy(i int, cert *x509.Certificate) *x509.Certificate {
	c := stripped(cert, lenient)
	if i == len(p.chain)-1 {
		return c
	}
	c.Policies, c.PolicyMappings = cert.Policies, cert.PolicyMappings
	c.RequireExplicitPolicy, c.RequireExplicitPolicyZero = cert.RequireExplicitPolicy, cert.RequireExplicitPolicyZero
	c.InhibitAnyPolicy, c.InhibitAnyPolicyZero = cert.InhibitAnyPolicy, cert.InhibitAnyPolicyZero
	c.InhibitPolicyMapping, c.InhibitPolicyMappingZero = cert.InhibitPolicyMapping, cert.InhibitPolicyMappingZero
	q := p.question.Policies
	if q == nil {
		return c
	}
	if q.RequireExplicit && i == 0 {
		// RFC 5280 section 6.1.5 (b): a zero in the last certificate demands a policy of the whole chain.
		c.RequireExplicitPolicyZero = true
	}
	if q.InhibitMapping { // section 6.1.4 (b) (2): what would be mapped is taken away
		mapped := c.PolicyMappings
		c.PolicyMappings = nil
		c.Policies = slices.DeleteFunc(slices.Clone(c.Policies), func(policy x509.OID) bool {
			return slices.ContainsFunc(mapped, func(m x509.PolicyMapping) bool { return m.IssuerDomainPolicy.Equal(policy) })
		})
	}
	if q.InhibitAny && (i == 0 || !selfIssued(cert)) { // section 6.1.3 (d) (2)
		c.Policies = slices.DeleteFunc(slices.Clone(c.Policies), func(policy x509.OID) bool { return policy.String() == "2.5.29.32.0" })
	}
	return c
}
