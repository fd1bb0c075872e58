package ocsp

import (
	"crypto"
	_ "crypto/sha1" // names a key here, it protects nothing
	_ "crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// MaxRequestBytes bounds a question. One about one certificate with a nonce has about 150 octets.
	MaxRequestBytes = 4 << 10
	// maxQuestions bounds the certificates of one question. Clients ask about one (RFC 5019 section 2.1.1 demands it).
	maxQuestions = 8
	// maxNonce is the longest nonce, RFC 9654 section 2.1.
	maxNonce = 128
	// maxSerial is the longest number, RFC 5280 section 4.1.2.2, and its sign.
	maxSerial = 21
)

// ErrMalformed says that a question cannot be read.
var ErrMalformed = errors.New("malformed OCSP request")

// CertID names a certificate by its number and the hashes of its issuer (RFC 6960 section 4.1.1).
type CertID struct {
	Hash           crypto.Hash // 0: one that we do not know
	IssuerNameHash []byte
	IssuerKeyHash  []byte
	Serial         []byte // big-endian, without zeros before it

	raw []byte // as it came; the answer repeats it
}

// Request is a question.
type Request struct {
	Questions []CertID // at least one
	Nonce     []byte   // nil if there is none
}

// hashes are those that a CertID may be made with, by the contents of their OBJECT IDENTIFIER.
func hashOf(oid string) crypto.Hash {
	switch oid {
	case "\x2b\x0e\x03\x02\x1a":
		return crypto.SHA1
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x01":
		return crypto.SHA256
	}
	return 0
}

// nonceOID are the contents of id-pkix-ocsp-nonce.
const nonceOID = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"

// ParseRequest reads an OCSPRequest in DER. Signatures and requestor names are passed over, as RFC 6960 section 4.1.2
// allows. The error wraps [ErrMalformed].
func ParseRequest(raw []byte) (*Request, error) {
	bad := func(what string) (*Request, error) { return nil, fmt.Errorf("%w: %s", ErrMalformed, what) }
	if len(raw) > MaxRequestBytes {
		return bad(fmt.Sprintf("longer than %d octets", MaxRequestBytes))
	}
	s := cryptobyte.String(raw)
	var request, tbs, list cryptobyte.String
	if !s.ReadASN1(&request, der.SEQUENCE) || !s.Empty() || !request.ReadASN1(&tbs, der.SEQUENCE) {
		return bad("it is no OCSPRequest")
	}
	if !request.SkipOptionalASN1(der.Tag(0).ContextSpecific().Constructed()) || !request.Empty() {
		return bad("something stands behind it")
	}
	var version cryptobyte.String
	var hasVersion bool
	if !tbs.ReadOptionalASN1(&version, &hasVersion, der.Tag(0).ContextSpecific().Constructed()) {
		return bad("the version cannot be read")
	}
	var v int
	if hasVersion && (!version.ReadASN1Integer(&v) || !version.Empty() || v != 0) {
		return bad("the version is not 1")
	}
	if !tbs.SkipOptionalASN1(der.Tag(1).ContextSpecific().Constructed()) || !tbs.ReadASN1(&list, der.SEQUENCE) {
		return bad("there is no list of certificates")
	}
	r := new(Request)
	for !list.Empty() {
		if len(r.Questions) == maxQuestions {
			return bad(fmt.Sprintf("it asks about more than %d certificates", maxQuestions))
		}
		var one cryptobyte.String
		if !list.ReadASN1(&one, der.SEQUENCE) {
			return bad("a question is no SEQUENCE")
		}
		id, ok := readCertID(&one)
		if !ok || !one.SkipOptionalASN1(der.Tag(0).ContextSpecific().Constructed()) || !one.Empty() {
			return bad("a CertID cannot be read")
		}
		r.Questions = append(r.Questions, id)
	}
	if len(r.Questions) == 0 {
		return bad("it asks about nothing")
	}
	var extensions cryptobyte.String
	var has bool
	if !tbs.ReadOptionalASN1(&extensions, &has, der.Tag(2).ContextSpecific().Constructed()) || !tbs.Empty() {
		return bad("its extensions cannot be read")
	}
	if has {
		var err error
		if r.Nonce, err = readNonce(extensions); err != nil {
			return bad(err.Error())
		}
	}
	return r, nil
}

func readCertID(s *cryptobyte.String) (id CertID, ok bool) {
	var element, contents, algorithm, oid, name, key, serial cryptobyte.String
	if !s.ReadASN1Element(&element, der.SEQUENCE) {
		return id, false
	}
	id.raw = element
	if !element.ReadASN1(&contents, der.SEQUENCE) || !contents.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1(&oid, der.OBJECT_IDENTIFIER) ||
		!contents.ReadASN1(&name, der.OCTET_STRING) || !contents.ReadASN1(&key, der.OCTET_STRING) || !contents.ReadASN1(&serial, der.INTEGER) || !contents.Empty() {
		return id, false
	}
	// What an answer is kept for is the CertID as it came. If one certificate could be asked about in many ways, each with
	// some thousand octets that nobody reads, a stranger would fill the memory with answers about it.
	if !noParameters(algorithm) || !shortest(serial) || len(serial) > maxSerial {
		return id, false
	}
	id.Hash, id.IssuerNameHash, id.IssuerKeyHash = hashOf(string(oid)), name, key
	for id.Serial = serial; len(id.Serial) > 1 && id.Serial[0] == 0; {
		id.Serial = id.Serial[1:]
	}
	return id, true
}

// noParameters says whether nothing stands behind the algorithm of a hash, or a NULL: RFC 5754 section 2.
func noParameters(rest cryptobyte.String) bool {
	return rest.Empty() || string(rest) == "\x05\x00"
}

// shortest says whether an INTEGER has no octet that it does not need, X.690 section 8.3.2.
func shortest(integer cryptobyte.String) bool {
	return len(integer) == 1 || len(integer) > 1 && !(integer[0] == 0 && integer[1] < 0x80)
}

// readNonce finds the nonce among the extensions; others are passed over unless they are critical.
func readNonce(s cryptobyte.String) ([]byte, error) {
	var list cryptobyte.String
	if !s.ReadASN1(&list, der.SEQUENCE) || !s.Empty() {
		return nil, errors.New("the extensions are no SEQUENCE")
	}
	var nonce []byte
	for !list.Empty() {
		var one, oid, value cryptobyte.String
		var critical bool
		if !list.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1(&oid, der.OBJECT_IDENTIFIER) ||
			!one.ReadOptionalASN1Boolean(&critical, der.BOOLEAN, false) || !one.ReadASN1(&value, der.OCTET_STRING) || !one.Empty() {
			return nil, errors.New("an extension cannot be read")
		}
		switch {
		case string(oid) == nonceOID:
			var inner cryptobyte.String
			if nonce != nil || !value.ReadASN1(&inner, der.OCTET_STRING) || !value.Empty() || len(inner) == 0 || len(inner) > maxNonce {
				return nil, fmt.Errorf("the nonce is not one of 1 to %d octets", maxNonce)
			}
			nonce = inner
		case critical:
			return nil, errors.New("a critical extension that we do not know")
		}
	}
	return nonce, nil
}
