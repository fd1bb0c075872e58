package keys

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// wellFormed says whether a private key has the elements that its form has, and none behind them. The standard library
// passes over what is too many, and other programs refuse it: a key that only we can read is a trap.
func wellFormed(der []byte, f form) bool {
	s := cryptobyte.String(der)
	switch f {
	case formPKCS8:
		return wellFormedPKCS8(s)
	case formPKCS1:
		return wellFormedPKCS1(s)
	case formSEC1:
		return wellFormedSEC1(s)
	}
	return false
}

// wellFormedPKCS8 is RFC 5958 section 2. The private key in it is looked at by its own form; of an Edwards curve it is an
// OCTET STRING (RFC 8410 section 7).
func wellFormedPKCS8(s cryptobyte.String) bool {
	var outer, algorithm, parameters, key, rest cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadASN1(&outer, cbasn1.SEQUENCE) || !s.Empty() || !outer.SkipASN1(cbasn1.INTEGER) ||
		!outer.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !outer.ReadASN1(&key, cbasn1.OCTET_STRING) ||
		!outer.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !outer.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific()) || !outer.Empty() {
		return false
	}
	if !algorithm.SkipASN1(cbasn1.OBJECT_IDENTIFIER) || !algorithm.Empty() && !algorithm.ReadAnyASN1(&parameters, &tag) || !algorithm.Empty() {
		return false
	}
	switch formOf(key) {
	case formPKCS1:
		return wellFormedPKCS1(key)
	case formSEC1:
		return wellFormedSEC1(key)
	}
	return key.ReadASN1(&rest, cbasn1.OCTET_STRING) && key.Empty()
}

// wellFormedPKCS1 is RFC 8017 appendix A.1.2: version, eight numbers, and more primes if there are.
func wellFormedPKCS1(s cryptobyte.String) bool {
	var key cryptobyte.String
	if !s.ReadASN1(&key, cbasn1.SEQUENCE) || !s.Empty() {
		return false
	}
	for range 9 {
		if !key.SkipASN1(cbasn1.INTEGER) {
			return false
		}
	}
	return key.SkipOptionalASN1(cbasn1.SEQUENCE) && key.Empty()
}

// wellFormedSEC1 is RFC 5915 section 3.
func wellFormedSEC1(s cryptobyte.String) bool {
	var key cryptobyte.String
	return s.ReadASN1(&key, cbasn1.SEQUENCE) && s.Empty() && key.SkipASN1(cbasn1.INTEGER) && key.SkipASN1(cbasn1.OCTET_STRING) &&
		oneIn(&key, 0) && oneIn(&key, 1) && key.Empty()
}

// oneIn reads an EXPLICIT tag, if it is there, with one element in it.
func oneIn(s *cryptobyte.String, number cbasn1.Tag) bool {
	var box, content cryptobyte.String
	var has bool
	var tag cbasn1.Tag
	if !s.ReadOptionalASN1(&box, &has, number.Constructed().ContextSpecific()) {
		return false
	}
	return !has || box.ReadAnyASN1(&content, &tag) && box.Empty()
}
