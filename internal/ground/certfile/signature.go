package certfile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// SignatureError says that a certificate is not what its issuer has signed: it was damaged or changed, or it is of
// another issuer with the same name.
type SignatureError struct {
	At     Origin
	Issuer string // RFC 4514; the certificate's own name if it says that it signed itself
}

// Error names the certificate and the issuer.
func (e *SignatureError) Error() string {
	return fmt.Sprintf("checking the certificate of %s: its signature is not that of its issuer %s, so it was damaged or changed", e.At, e.Issuer)
}

// Unchecked is a certificate whose signature nobody could check, because its issuer is not at hand, or because it is of
// a kind that is no longer computed (MD2, DSA).
type Unchecked struct {
	Certificate
	Issuer string // RFC 4514
}

// verdict is what a comparison of a signature with an issuer's key says.
type verdict int

const (
	unknown verdict = iota // nobody looked, or nobody can
	wrong
	verified
)

// minKeyID is the shortest key identifier that is taken for a hash of the key (RFC 5280 section 4.2.1.2 has 20 octets, and
// 8 in its shorter form). Below that it may be a number that every authority counts from 1.
const minKeyID = 8

// checkSignatures verifies each certificate of the files with its issuer, wherever that one was found. A certificate of
// which every issuer at hand says that the signature is not his is a [*SignatureError]; a certificate without an issuer
// at hand is returned.
//
// Who the issuer is, the certificate itself says, and that may be what was damaged. So an issuer counts by his name
// (RFC 5280 section 6.1.3), unless the identifiers of the keys differ: an authority with a new key keeps its name. And he
// counts by the identifier of his key, whatever the name.
func (p *paths) checkSignatures(certs []Certificate) (unchecked []Unchecked, err error) {
	for _, c := range authoritiesFirst(certs) { // what a damaged one has issued is not to blame
		switch p.judge(c.Certificate) {
		case wrong:
			return nil, &SignatureError{At: c.From, Issuer: issuerText(c.Certificate)}
		case unknown:
			unchecked = append(unchecked, Unchecked{c, issuerText(c.Certificate)})
		}
	}
	return unchecked, nil
}

func authoritiesFirst(certs []Certificate) []Certificate {
	var authorities, others []Certificate
	for _, c := range certs {
		if c.IsCA {
			authorities = append(authorities, c)
		} else {
			others = append(others, c)
		}
	}
	return append(authorities, others...)
}

// judge asks every issuer at hand.
func (p *paths) judge(c *x509.Certificate) verdict {
	found := unknown
	selfMade := bytes.Equal(c.RawIssuer, c.RawSubject) && !c.IsCA // only an authority has a newer key under its old name
	for _, issuer := range slices.Concat(p.bySubject[string(c.RawIssuer)], p.roots[string(c.RawIssuer)]) {
		same := sameKeyID(c, issuer) || selfMade && issuer == c
		switch v := p.compare(c, issuer); {
		case v == verified:
			return verified
		case v == wrong && same:
			found = wrong
		}
	}
	if len(c.AuthorityKeyId) < minKeyID {
		return found
	}
	for _, issuer := range p.byKeyID[string(c.AuthorityKeyId)] {
		switch p.compare(c, issuer) {
		case verified:
			return verified
		case wrong:
			found = wrong
		}
	}
	return found
}

// sameKeyID reports whether the identifiers of the keys allow that issuer issued child (RFC 5280 section 4.2.1.1).
func sameKeyID(child, issuer *x509.Certificate) bool {
	return len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, issuer.SubjectKeyId)
}

// compare verifies the signature of child with the key of issuer, once for each pair.
func (p *paths) compare(child, issuer *x509.Certificate) verdict {
	id := [2]*x509.Certificate{child, issuer}
	if v, done := p.verdicts[id]; done {
		return v
	}
	if key, isRSA := issuer.PublicKey.(*rsa.PublicKey); isRSA && key.N.BitLen() > maxRSABits || p.checks >= maxChecks {
		return unknown
	}
	p.checks++
	v := wrong
	err := issuer.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	if _, old := errors.AsType[x509.InsecureAlgorithmError](err); old {
		err = checkOld(child, issuer)
	}
	switch {
	case err == nil:
		v = verified
	case errors.Is(err, x509.ErrUnsupportedAlgorithm):
		v = unknown
	}
	p.verdicts[id] = v
	return v
}

// checkOld verifies what crypto/x509 refuses because a forger could: signatures over MD5 and SHA-1, which are on roots of
// old times. That a certificate was not damaged is all that is asked here; whether it is trusted, package trust says.
func checkOld(child, issuer *x509.Certificate) error {
	hash, sum := crypto.SHA1, make([]byte, 0, sha1.Size)
	switch child.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		of := sha1.Sum(child.RawTBSCertificate)
		sum = of[:]
	case x509.MD5WithRSA:
		of := md5.Sum(child.RawTBSCertificate)
		hash, sum = crypto.MD5, of[:]
	default:
		return x509.ErrUnsupportedAlgorithm
	}
	switch key := issuer.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, hash, sum, child.Signature)
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(key, sum, child.Signature) {
			return nil
		}
	}
	return errors.New("the signature is wrong")
}
