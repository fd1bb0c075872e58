package trust

import (
	"bytes"
	"crypto/x509"
	"errors"

	"postseal/internal/ground/x509cert"
)

// maxDiagnosis bounds the signatures that are tried only to explain why there is no chain.
const maxDiagnosis = 50

// diagnose explains why leaf reaches no anchor: how far a chain goes, and what stops it.
func (a *anchorage) diagnose(leaf *x509.Certificate, others []*x509.Certificate) ([]*x509.Certificate, Fault) {
	chain := []*x509.Certificate{leaf}
	candidates := others
	for _, anchor := range a.all {
		candidates = append(candidates[:len(candidates):len(candidates)], anchor.Cert)
	}
	budget := maxDiagnosis
	for {
		child := chain[len(chain)-1]
		if selfIssued(child) && insecure(child.SignatureAlgorithm) {
			return chain, invalid("%s is signed with %s, which can be forged", title(chain, len(chain)-1), child.SignatureAlgorithm)
		}
		if selfSigned(child) {
			if len(chain) == 1 {
				return chain, Fault{x509cert.StatusUntrusted, "self-signed, and not one of the certificates that are trusted here"}
			}
			return chain, Fault{x509cert.StatusUntrusted, "the chain ends at " + nameOf(child) + ", which is not trusted here"}
		}
		parent, fault := issuerAmong(child, chain, candidates, &budget)
		if parent == nil {
			return chain, fault
		}
		chain = append(chain, parent)
	}
}

// issuerAmong finds who signed child, or says why nobody of the candidates did.
func issuerAmong(child *x509.Certificate, chain, candidates []*x509.Certificate, budget *int) (*x509.Certificate, Fault) {
	wanted := normalName(child.RawIssuer)
	var wrong, loop, foreign bool
	copied := stripped(child, lenient)
	for _, candidate := range candidates {
		if !bytes.Equal(normalName(candidate.RawSubject), wanted) {
			continue
		}
		if inChain(candidate, chain) {
			loop = true
			continue
		}
		if *budget--; *budget < 0 {
			return nil, Fault{x509cert.StatusUntrusted, "no chain to an anchor was found within the limit of signatures to verify"}
		}
		err := copied.CheckSignatureFrom(stripped(candidate, lenient))
		switch {
		case err == nil:
			return candidate, Fault{}
		case insecure(child.SignatureAlgorithm):
			return nil, invalid("%s is signed with %s, which can be forged", title(chain, len(chain)-1), child.SignatureAlgorithm)
		case errors.Is(err, x509.ErrUnsupportedAlgorithm):
			return nil, invalid("%s is signed with an algorithm that is not supported", title(chain, len(chain)-1))
		case len(child.AuthorityKeyId) > 0 && len(candidate.SubjectKeyId) > 0 && !bytes.Equal(child.AuthorityKeyId, candidate.SubjectKeyId):
			foreign = true // another key of that name: not the issuer, and no forgery
		default:
			wrong = true
		}
	}
	switch {
	case wrong:
		return nil, invalid("the signature on %s is not that of %s", title(chain, len(chain)-1), issuerOf(child))
	case foreign:
		return nil, Fault{x509cert.StatusUntrusted, "the key of " + issuerOf(child) + " that signed " + title(chain, len(chain)-1) + " is not known"}
	case loop:
		return nil, Fault{x509cert.StatusUntrusted, "the chain runs in a circle and reaches nothing that is trusted here"}
	}
	return nil, Fault{x509cert.StatusUntrusted, "its chain needs " + issuerOf(child) + ", which neither came along nor is known"}
}

// inChain compares name and key, so that authorities that sign each other do not keep us for ever.
func inChain(cert *x509.Certificate, chain []*x509.Certificate) bool {
	for _, c := range chain {
		if bytes.Equal(c.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) && bytes.Equal(c.RawSubject, cert.RawSubject) {
			return true
		}
	}
	return false
}

// insecure algorithms are those whose hash can be collided; crypto/x509 verifies none of them. DEVIATION: nor does it
// verify any DSA, which RFC 3279 section 2.2.2 has and FIPS 186-5 withdrew.
func insecure(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}
