package x509cert

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// errStructure says that a certificate or a request has an element more than its definition. crypto/x509 passes over such
// ones, other programs refuse them: what is served must be readable for everyone, and what nobody reads has no business in
// it.
var errStructure = errors.New("an element too many, or one of another kind than RFC 5280 section 4.1 has there")

// wellFormed compares the elements of a certificate with RFC 5280 section 4.1: those that are there, in their order, and
// none behind them. The contents of extensions are not looked at.
func wellFormed(der []byte) bool {
	s := cryptobyte.String(der)
	var cert, tbs, extensions cryptobyte.String
	var has bool
	if !s.ReadASN1(&cert, cbasn1.SEQUENCE) || !s.Empty() || !cert.ReadASN1(&tbs, cbasn1.SEQUENCE) || !algorithm(&cert) || !cert.SkipASN1(cbasn1.BIT_STRING) || !cert.Empty() {
		return false
	}
	return tbs.SkipOptionalASN1(context(0).Constructed()) && tbs.SkipASN1(cbasn1.INTEGER) && algorithm(&tbs) &&
		name(&tbs) && validity(&tbs) && name(&tbs) && publicKey(&tbs) &&
		tbs.SkipOptionalASN1(context(1)) && tbs.SkipOptionalASN1(context(2)) &&
		tbs.ReadOptionalASN1(&extensions, &has, context(3).Constructed()) && tbs.Empty() &&
		(!has || extensionList(&extensions) && extensions.Empty())
}

// WellFormedRequest compares the elements of a PKCS #10 request with RFC 2986 section 4, as [ParseCertificate] does those of
// a certificate. crypto/x509 passes over what is too many.
func WellFormedRequest(der []byte) bool {
	s := cryptobyte.String(der)
	var request, info, attributes cryptobyte.String
	var has bool
	if !s.ReadASN1(&request, cbasn1.SEQUENCE) || !s.Empty() || !request.ReadASN1(&info, cbasn1.SEQUENCE) || !algorithm(&request) || !request.SkipASN1(cbasn1.BIT_STRING) || !request.Empty() ||
		!info.SkipASN1(cbasn1.INTEGER) || !name(&info) || !publicKey(&info) || !info.ReadOptionalASN1(&attributes, &has, context(0).Constructed()) || !info.Empty() {
		return false
	}
	for !attributes.Empty() {
		var attribute cryptobyte.String
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !identifier(&attribute) || !attribute.SkipASN1(cbasn1.SET) || !attribute.Empty() {
			return false
		}
	}
	return true
}

// identifier reads an OBJECT IDENTIFIER that is one.
func identifier(s *cryptobyte.String) bool {
	var oid asn1.ObjectIdentifier
	return s.ReadASN1ObjectIdentifier(&oid)
}

// text reads what an attribute of a name may be, RFC 5280 appendix A.1. Of certificates crypto/x509 reads no others, of
// requests it takes anything.
func text(s *cryptobyte.String) bool {
	const numeric, bmp = cbasn1.Tag(18), cbasn1.Tag(30)
	for _, tag := range []cbasn1.Tag{cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.T61String, cbasn1.IA5String, numeric, bmp} {
		if s.PeekASN1Tag(tag) {
			return s.SkipASN1(tag)
		}
	}
	return false
}

func context(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

// algorithm reads an AlgorithmIdentifier, RFC 5280 section 4.1.1.2: at most one element of parameters.
func algorithm(s *cryptobyte.String) bool {
	var a, parameters cryptobyte.String
	var tag cbasn1.Tag
	return s.ReadASN1(&a, cbasn1.SEQUENCE) && identifier(&a) && (a.Empty() || a.ReadAnyASN1(&parameters, &tag) && a.Empty())
}

// name reads a Name, RFC 5280 section 4.1.2.4.
func name(s *cryptobyte.String) bool {
	var sequence, set, attribute cryptobyte.String
	if !s.ReadASN1(&sequence, cbasn1.SEQUENCE) {
		return false
	}
	for !sequence.Empty() {
		if !sequence.ReadASN1(&set, cbasn1.SET) {
			return false
		}
		for !set.Empty() {
			if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !identifier(&attribute) || !text(&attribute) || !attribute.Empty() {
				return false
			}
		}
	}
	return true
}

// validity reads two times, RFC 5280 section 4.1.2.5.
func validity(s *cryptobyte.String) bool {
	var both, time cryptobyte.String
	var tag cbasn1.Tag
	return s.ReadASN1(&both, cbasn1.SEQUENCE) && both.ReadAnyASN1(&time, &tag) && both.ReadAnyASN1(&time, &tag) && both.Empty()
}

// publicKey reads a SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7.
func publicKey(s *cryptobyte.String) bool {
	var key cryptobyte.String
	return s.ReadASN1(&key, cbasn1.SEQUENCE) && algorithm(&key) && key.SkipASN1(cbasn1.BIT_STRING) && key.Empty()
}

// extensionList reads Extensions, RFC 5280 section 4.1.2.9.
func extensionList(s *cryptobyte.String) bool {
	var list, extension cryptobyte.String
	if !s.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.SkipASN1(cbasn1.OBJECT_IDENTIFIER) || !extension.SkipOptionalASN1(cbasn1.BOOLEAN) ||
			!extension.SkipASN1(cbasn1.OCTET_STRING) || !extension.Empty() {
			return false
		}
	}
	return true
}
