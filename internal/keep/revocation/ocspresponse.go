package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

// MaxOCSPBytes is the largest OCSP response that is read; those of public responders have 500 to 3,000 bytes.
const MaxOCSPBytes = 64 << 10

const (
	maxOCSPAnswers    = 128
	maxOCSPSigners    = 8
	maxOCSPExtensions = 16
	idBasicResponse   = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
)

// ResponderError reports that an OCSP responder declined to answer.
type ResponderError struct {
	Status string // the word of RFC 6960 section 4.2.1: "tryLater", "unauthorized"
}

func (e *ResponderError) Error() string { return "the responder answered " + e.Status }

// responderStatuses are the values of OCSPResponseStatus. 4 is not used.
var responderStatuses = map[int]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}

// response is a BasicOCSPResponse, read.
type response struct {
	raw        []byte
	tbs        []byte
	algorithm  signatureAlgorithm
	signature  []byte
	certs      []*x509.Certificate
	byName     []byte // DER Name of the responder; nil if it is given by key
	byKey      []byte // SHA-1 of the responder's key; nil if it is given by name
	producedAt time.Time
	answers    []answer
	nonce      []byte // nil if there is none
}

// answer is a SingleResponse.
type answer struct {
	id         certID
	status     Status
	revokedAt  time.Time
	reason     Reason
	thisUpdate time.Time
	nextUpdate time.Time // zero if it does not say
}

// parseResponse reads an OCSPResponse in DER. The error is a *ResponderError if the responder declined, otherwise a
// *MalformedError. Nothing is checked but the form.
func parseResponse(der []byte) (*response, error) {
	r := &response{raw: der}
	err := r.parse()
	if err == nil {
		return r, nil
	}
	if e, ok := errors.AsType[*ResponderError](err); ok {
		return nil, e
	}
	return nil, &MalformedError{What: "OCSP response", Cause: err}
}

func (r *response) parse() error {
	if len(r.raw) > MaxOCSPBytes {
		return fmt.Errorf("it is larger than %d bytes", MaxOCSPBytes)
	}
	s := cryptobyte.String(r.raw)
	var all, wrapped, contents, id, basic cryptobyte.String
	var status int
	var present bool
	if !s.ReadASN1(&all, asn1.SEQUENCE) || !s.Empty() || !all.ReadASN1Enum(&status) {
		return errors.New("it is no OCSPResponse")
	}
	if status != 0 {
		if word := responderStatuses[status]; word != "" {
			return &ResponderError{Status: word}
		}
		return fmt.Errorf("its status %d is unknown", status)
	}
	if !all.ReadOptionalASN1(&wrapped, &present, asn1.Tag(0).ContextSpecific().Constructed()) || !present || !all.Empty() ||
		!wrapped.ReadASN1(&contents, asn1.SEQUENCE) || !wrapped.Empty() || !contents.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
		!contents.ReadASN1(&basic, asn1.OCTET_STRING) || !contents.Empty() {
		return errors.New("it holds no answer")
	}
	if string(id) != idBasicResponse {
		return errors.New("it is not a basic response")
	}
	return r.parseBasic(basic)
}

func (r *response) parseBasic(s cryptobyte.String) error {
	var basic, tbs, algorithm, certs, list cryptobyte.String
	var hasCerts bool
	if !s.ReadASN1(&basic, asn1.SEQUENCE) || !s.Empty() || !basic.ReadASN1Element(&tbs, asn1.SEQUENCE) ||
		!basic.ReadASN1Element(&algorithm, asn1.SEQUENCE) || !basic.ReadASN1BitStringAsBytes(&r.signature) ||
		!basic.ReadOptionalASN1(&certs, &hasCerts, asn1.Tag(0).ContextSpecific().Constructed()) || !basic.Empty() {
		return errors.New("the basic response is malformed")
	}
	element := algorithm
	if _, _, ok := readAlgorithm(&element); !ok {
		return errors.New("the algorithm of the signature is malformed")
	}
	r.tbs, r.algorithm = tbs, readSignatureAlgorithm(algorithm)
	if hasCerts {
		if !certs.ReadASN1(&list, asn1.SEQUENCE) || !certs.Empty() {
			return errors.New("the responder's certificates are no SEQUENCE")
		}
		for !list.Empty() {
			var der cryptobyte.String
			if !list.ReadASN1Element(&der, asn1.SEQUENCE) {
				return errors.New("a certificate of the responder is malformed")
			}
			if len(r.certs) == maxOCSPSigners {
				return fmt.Errorf("it carries more than %d certificates", maxOCSPSigners)
			}
			// One that cannot be read cannot sign for us; another may.
			if cert, err := x509cert.ParseCertificate(der); err == nil {
				r.certs = append(r.certs, cert)
			}
		}
	}
	return r.parseData(tbs)
}

// parseData reads a ResponseData.
func (r *response) parseData(s cryptobyte.String) error {
	var data, responder, list, extensions cryptobyte.String
	var tag asn1.Tag
	if !s.ReadASN1(&data, asn1.SEQUENCE) {
		return errors.New("what is signed is no SEQUENCE")
	}
	var version cryptobyte.String
	var hasVersion bool
	if !data.ReadOptionalASN1(&version, &hasVersion, asn1.Tag(0).ContextSpecific().Constructed()) || hasVersion && !bytes.Equal(version, []byte{2, 1, 0}) {
		return errors.New("its version is not 1")
	}
	if !data.ReadAnyASN1(&responder, &tag) {
		return errors.New("the responder is malformed")
	}
	switch tag {
	case asn1.Tag(1).ContextSpecific().Constructed():
		if _, err := nameKey(responder); err != nil {
			return fmt.Errorf("the responder: %w", err)
		}
		r.byName = responder
	case asn1.Tag(2).ContextSpecific().Constructed():
		var key cryptobyte.String
		if !responder.ReadASN1(&key, asn1.OCTET_STRING) || !responder.Empty() {
			return errors.New("the responder's key is malformed")
		}
		r.byKey = key
	default:
		return errors.New("the responder is neither a name nor a key")
	}
	var ok bool
	if r.producedAt, ok = readGeneralizedTime(&data); !ok || !data.ReadASN1(&list, asn1.SEQUENCE) {
		return errors.New("the time or the answers are malformed")
	}
	for !list.Empty() {
		if len(r.answers) == maxOCSPAnswers {
			return fmt.Errorf("it has more than %d answers", maxOCSPAnswers)
		}
		a, err := readAnswer(&list)
		if err != nil {
			return err
		}
		r.answers = append(r.answers, a)
	}
	var hasExtensions bool
	if !data.ReadOptionalASN1(&extensions, &hasExtensions, asn1.Tag(1).ContextSpecific().Constructed()) || !data.Empty() {
		return errors.New("there is something behind the answers that is no extensions")
	}
	if !hasExtensions {
		return nil
	}
	return readOCSPExtensions(extensions, func(e extension) error {
		value := cryptobyte.String(e.value)
		var nonce cryptobyte.String
		if e.id == idOCSPNonce {
			if !value.ReadASN1(&nonce, asn1.OCTET_STRING) || !value.Empty() {
				return errors.New("the nonce is malformed")
			}
			r.nonce = nonce
			return nil
		}
		return refuseCritical(e)
	})
}

func readOCSPExtensions(s cryptobyte.String, do func(extension) error) error {
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) || !s.Empty() {
		return errors.New("the extensions are no SEQUENCE")
	}
	return eachExtension(contents, maxOCSPExtensions, do)
}

func refuseCritical(e extension) error {
	if e.critical {
		return errors.New("its critical extension " + e.name() + " is unknown")
	}
	return nil
}

// readGeneralizedTime: RFC 6960 section 4.2.2.1 knows no other time than this.
func readGeneralizedTime(s *cryptobyte.String) (time.Time, bool) {
	if !s.PeekASN1Tag(asn1.GeneralizedTime) {
		return time.Time{}, false
	}
	return readTime(s)
}

// readAnswer reads a SingleResponse.
func readAnswer(list *cryptobyte.String) (a answer, err error) {
	var one, status, next, extensions cryptobyte.String
	var tag asn1.Tag
	var hasNext, hasExtensions bool
	if !list.ReadASN1(&one, asn1.SEQUENCE) {
		return a, errors.New("an answer is no SEQUENCE")
	}
	if a.id, err = readCertID(&one); err != nil {
		return a, err
	}
	if !one.ReadAnyASN1(&status, &tag) {
		return a, errors.New("the status of an answer is malformed")
	}
	switch tag {
	case asn1.Tag(0).ContextSpecific():
		a.status = Good
	case asn1.Tag(1).ContextSpecific().Constructed():
		a.status, a.reason = Revoked, Unspecified
		if err := a.readRevoked(status); err != nil {
			return a, err
		}
	case asn1.Tag(2).ContextSpecific():
		a.status = Unknown
	default:
		return a, errors.New("the status of an answer is none of the three")
	}
	if tag != asn1.Tag(1).ContextSpecific().Constructed() && len(status) != 0 {
		return a, errors.New("the status of an answer is no NULL")
	}
	var ok bool
	if a.thisUpdate, ok = readGeneralizedTime(&one); !ok ||
		!one.ReadOptionalASN1(&next, &hasNext, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!one.ReadOptionalASN1(&extensions, &hasExtensions, asn1.Tag(1).ContextSpecific().Constructed()) || !one.Empty() {
		return a, errors.New("the times of an answer are malformed")
	}
	if hasNext {
		if a.nextUpdate, ok = readGeneralizedTime(&next); !ok || !next.Empty() {
			return a, errors.New("nextUpdate of an answer is no DER time")
		}
	}
	if hasExtensions {
		err = readOCSPExtensions(extensions, refuseCritical)
	}
	return a, err
}

func (a *answer) readRevoked(s cryptobyte.String) error {
	var reason cryptobyte.String
	var hasReason, ok bool
	if a.revokedAt, ok = readGeneralizedTime(&s); !ok || !s.ReadOptionalASN1(&reason, &hasReason, asn1.Tag(0).ContextSpecific().Constructed()) || !s.Empty() {
		return errors.New("a revocation is malformed")
	}
	if hasReason {
		var code int
		if !reason.ReadASN1Enum(&code) || !reason.Empty() || code < 0 || code > 0x7f {
			return errors.New("a reason is malformed")
		}
		a.reason = reasonOf(byte(code))
	}
	return nil
}

// says is the status of cert in the response; empty if it is about another.
func (r *response) says(cert, issuer *x509.Certificate) Status {
	a, err := r.find(cert, issuer)
	if err != nil {
		return ""
	}
	return a.status
}

// find is the answer about cert.
func (r *response) find(cert, issuer *x509.Certificate) (answer, error) {
	made := map[crypto.Hash]certID{}
	for _, a := range r.answers {
		if a.id.hash == 0 {
			continue
		}
		want, ok := made[a.id.hash]
		if !ok {
			var err error
			if want, err = newCertID(a.id.hash, cert, issuer); err != nil {
				return answer{}, err
			}
			made[a.id.hash] = want
		}
		if want.is(a.id) {
			return a, nil
		}
	}
	return answer{}, errors.New("it is about another certificate")
}
