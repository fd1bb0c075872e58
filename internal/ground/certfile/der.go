package certfile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

// maxRequestBytes bounds a request, and with it what verifying its signature costs.
const maxRequestBytes = 64 << 10

// maxRSABits is the largest RSA key with which a signature is verified here.
const maxRSABits = 16384

// readDER reads one element of DER or BER, whatever it is.
func (r *reader) readDER(data []byte, at Origin) error {
	der, err := r.der(data, at)
	if err != nil {
		return err
	}
	switch s := structureOf(der); s {
	case isCertificate:
		return r.readCertificate(der, at, Label{})
	case isRequest:
		return r.readRequest(der, at)
	case isCRL:
		return r.readCRL(der, at)
	case isContentInfo:
		return r.readPKCS7(der, at)
	case isPFX:
		return r.readPFX(der, at)
	case isPrivateKey:
		return r.readKey(der, at, Label{})
	case isEncryptedKey:
		return r.readEncryptedKey(der, at)
	case isPublicKey:
		return formatErrorf(at, "a public key alone; a certificate or a private key is needed")
	}
	return formatErrorf(at, "a structure that is neither certificate, request, CRL, key, PKCS #7 nor PFX")
}

// der is toDER with the place in the error.
func (r *reader) der(data []byte, at Origin) ([]byte, error) {
	der, err := toDER(data)
	if errors.Is(err, errNested) {
		return nil, &LimitError{At: at, What: "levels of nesting", Limit: maxNesting}
	} else if err != nil {
		return nil, formatErrorf(at, "%v", err)
	}
	return der, nil
}

type structure int

const (
	isUnknown structure = iota
	isCertificate
	isRequest
	isCRL
	isContentInfo
	isPFX
	isPrivateKey
	isEncryptedKey
	isPublicKey
)

// structureOf tells what a SEQUENCE is by the tags of its first elements.
func structureOf(der []byte) structure {
	outer := cryptobyte.String(der)
	var s cryptobyte.String
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) {
		return isUnknown
	}
	inner, tags := firstElements(s, 3)
	switch {
	case tags == [8]cbasn1.Tag{cbasn1.SEQUENCE, cbasn1.SEQUENCE, cbasn1.BIT_STRING}:
		return signedStructure(inner[0])
	case tags[0] == cbasn1.OBJECT_IDENTIFIER:
		return isContentInfo // RFC 5652 section 3
	case tags[0] == cbasn1.INTEGER && tags[1] == cbasn1.SEQUENCE && tags[2] == cbasn1.OCTET_STRING:
		return isPrivateKey // RFC 5958 section 2
	case tags[0] == cbasn1.INTEGER && tags[1] == cbasn1.SEQUENCE && (tags[2] == cbasn1.SEQUENCE || tags[2] == 0):
		return isPFX // RFC 7292 section 4
	case tags[0] == cbasn1.INTEGER && (tags[1] == cbasn1.INTEGER || tags[1] == cbasn1.OCTET_STRING):
		return isPrivateKey // RFC 8017 appendix A.1.2, RFC 5915 section 3
	case tags == [8]cbasn1.Tag{cbasn1.SEQUENCE, cbasn1.OCTET_STRING}:
		return isEncryptedKey // RFC 5958 section 3
	case tags == [8]cbasn1.Tag{cbasn1.SEQUENCE, cbasn1.BIT_STRING}:
		return isPublicKey // RFC 5280 section 4.1
	}
	return isUnknown
}

// signedStructure tells certificate, request and CRL apart, which are all signed in the same way.
func signedStructure(tbs []byte) structure {
	version := cbasn1.Tag(0).Constructed().ContextSpecific()
	_, t := firstElements(tbs, 8)
	isTime := func(tag cbasn1.Tag) bool { return tag == cbasn1.UTCTime || tag == cbasn1.GeneralizedTime }
	switch {
	case t[0] == version, t[0] == cbasn1.INTEGER && t[1] == cbasn1.SEQUENCE && t[2] == cbasn1.SEQUENCE && t[3] == cbasn1.SEQUENCE:
		return isCertificate // RFC 5280 section 4.1; the first version has no version number
	case t[0] == cbasn1.INTEGER && t[1] == cbasn1.SEQUENCE && t[2] == cbasn1.SEQUENCE && isTime(t[3]),
		t[0] == cbasn1.SEQUENCE && t[1] == cbasn1.SEQUENCE && isTime(t[2]):
		return isCRL // RFC 5280 section 5.1
	case t[0] == cbasn1.INTEGER && t[1] == cbasn1.SEQUENCE && t[2] == cbasn1.SEQUENCE && (t[3] == version || t[3] == 0):
		return isRequest // RFC 2986 section 4.1
	}
	return isUnknown
}

// firstElements returns up to n elements of the contents of a SEQUENCE, at most eight, and their tags.
func firstElements(s cryptobyte.String, n int) (contents [8][]byte, tags [8]cbasn1.Tag) {
	for i := 0; i < n && !s.Empty(); i++ {
		var content cryptobyte.String
		if !s.ReadAnyASN1(&content, &tags[i]) {
			return contents, [8]cbasn1.Tag{}
		}
		contents[i] = content
	}
	return contents, tags
}

// readTrusted reads OpenSSL's TRUSTED CERTIFICATE: a certificate, and after it what its owner thinks of it, which is his
// affair.
func (r *reader) readTrusted(der []byte, at Origin) error {
	s := cryptobyte.String(der)
	var cert cryptobyte.String
	if !s.ReadASN1Element(&cert, cbasn1.SEQUENCE) {
		return formatErrorf(at, "the block TRUSTED CERTIFICATE is damaged")
	}
	return r.readCertificate(cert, at, Label{})
}

func (r *reader) readCertificate(der []byte, at Origin, label Label) error {
	cert, err := x509cert.ParseCertificate(bytes.Clone(der))
	if errors.Is(err, x509cert.ErrCertificateTooLong) {
		return &LimitError{At: at, What: "octets of one certificate", Limit: x509cert.MaxCertificateBytes}
	} else if err != nil {
		return formatErrorf(at, "%v", err)
	}
	if !r.isNew("certificate", der) {
		return nil
	}
	if len(r.contents.Certificates) >= maxCertificates {
		return &LimitError{At: at, What: "certificates", Limit: maxCertificates}
	}
	if err := r.another(func(b *Budget) *int { return &b.certificates }, "certificates", maxAllCertificates, at); err != nil {
		return err
	}
	r.contents.Certificates = append(r.contents.Certificates, Certificate{Certificate: cert, From: at, Label: label})
	return nil
}

func (r *reader) readRequest(der []byte, at Origin) error {
	if len(der) > maxRequestBytes {
		return &LimitError{At: at, What: "octets of one request", Limit: maxRequestBytes}
	}
	request, err := x509.ParseCertificateRequest(bytes.Clone(der))
	if err != nil {
		return formatErrorf(at, "parsing a request: %v", err)
	}
	if !x509cert.WellFormedRequest(der) {
		return formatErrorf(at, "parsing a request: an element too many, or one of another kind than RFC 2986 section 4 has there")
	}
	if key, ok := request.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return &LimitError{At: at, What: "bits of an RSA key", Limit: maxRSABits}
	}
	if !r.isNew("request", der) {
		return nil
	}
	if len(r.contents.Requests) >= maxRequests {
		return &LimitError{At: at, What: "requests", Limit: maxRequests}
	}
	// RFC 2986 section 3: the signature shows that who asks has the key.
	if err := request.CheckSignature(); err != nil {
		return formatErrorf(at, "verifying a request: %v", err)
	}
	r.contents.Requests = append(r.contents.Requests, Request{CertificateRequest: request, From: at})
	return nil
}

func (r *reader) readCRL(der []byte, at Origin) error {
	if r.isNew("CRL", der) {
		r.contents.CRLs = append(r.contents.CRLs, CRL{DER: bytes.Clone(der), From: at})
	}
	return nil
}

// readPKCS7 takes the certificates and CRLs out of a SignedData, RFC 5652 section 5.1. Its signers do not matter:
// certificates and CRLs are signed themselves.
func (r *reader) readPKCS7(der []byte, at Origin) error {
	outer := cryptobyte.String(der)
	var info, content, signed cryptobyte.String
	var kind asn1.ObjectIdentifier
	certificates, crls := cbasn1.Tag(0).Constructed().ContextSpecific(), cbasn1.Tag(1).Constructed().ContextSpecific()
	if !outer.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) {
		return formatErrorf(at, "PKCS #7 is damaged")
	}
	if !kind.Equal(oidSignedData()) {
		return &UnsupportedError{At: at, What: "PKCS #7 of type " + nameOf(kind)}
	}
	var digests, inside, certs, lists cryptobyte.String
	var digest algorithm
	var version int64
	if !info.ReadASN1(&content, certificates) || !content.ReadASN1(&signed, cbasn1.SEQUENCE) ||
		!signed.ReadASN1Integer(&version) || !signed.ReadASN1(&digests, cbasn1.SET) || !signed.ReadASN1(&inside, cbasn1.SEQUENCE) ||
		!inside.ReadASN1ObjectIdentifier(&kind) || !inside.SkipOptionalASN1(certificates) || !inside.Empty() ||
		!signed.ReadOptionalASN1(&certs, nil, certificates) || !signed.ReadOptionalASN1(&lists, nil, crls) ||
		!signed.SkipASN1(cbasn1.SET) || !signed.Empty() || !content.Empty() || !info.Empty() {
		return formatErrorf(at, "PKCS #7 is damaged")
	}
	for !digests.Empty() {
		if !readAlgorithm(&digests, &digest) {
			return formatErrorf(at, "PKCS #7 is damaged")
		}
	}
	for at.Item = 1; !certs.Empty(); at.Item++ {
		var cert cryptobyte.String
		var tag cbasn1.Tag
		if !certs.ReadAnyASN1Element(&cert, &tag) {
			return formatErrorf(at, "PKCS #7 is damaged")
		}
		if tag != cbasn1.SEQUENCE { // other kinds of certificates, RFC 5652 section 10.2.2
			continue
		}
		if err := r.count(at); err != nil {
			return err
		}
		if err := r.readCertificate(cert, at, Label{}); err != nil {
			return err
		}
	}
	for ; !lists.Empty(); at.Item++ {
		var list cryptobyte.String
		var tag cbasn1.Tag
		if !lists.ReadAnyASN1Element(&list, &tag) {
			return formatErrorf(at, "PKCS #7 is damaged")
		}
		if tag != cbasn1.SEQUENCE {
			continue
		}
		if structureOf(list) != isCRL {
			return formatErrorf(at, "PKCS #7 has a CRL that is none")
		}
		if err := r.readCRL(list, at); err != nil {
			return err
		}
	}
	return nil
}

// nameOf names an algorithm or a structure for people.
func nameOf(oid asn1.ObjectIdentifier) string {
	names := map[string]string{
		"1.2.840.113549.1.7.1":   "data",
		"1.2.840.113549.1.7.3":   "envelopedData",
		"1.2.840.113549.1.7.5":   "digestedData",
		"1.2.840.113549.1.7.6":   "encryptedData",
		"2.16.840.1.113730.2.5":  "a Netscape certificate sequence",
		"1.2.840.113549.1.5.1":   "pbeWithMD2AndDES-CBC",
		"1.2.840.113549.1.5.4":   "pbeWithMD2AndRC2-CBC",
		"1.2.840.113549.1.5.6":   "pbeWithMD5AndRC2-CBC",
		"1.2.840.113549.1.5.11":  "pbeWithSHA1AndRC2-CBC",
		"1.2.840.113549.1.1.10":  "RSASSA-PSS",
		"1.2.840.10040.4.1":      "DSA",
		"1.2.840.113549.1.3.1":   "Diffie-Hellman",
		"1.3.101.110":            "X25519",
		"1.3.101.111":            "X448",
		"1.3.101.113":            "Ed448",
		"2.16.840.1.101.3.4.1.6": "AES-128-GCM", "2.16.840.1.101.3.4.1.26": "AES-192-GCM", "2.16.840.1.101.3.4.1.46": "AES-256-GCM",
		"1.2.840.113549.2.2": "MD2", "1.2.840.113549.2.5": "MD5",
		"1.3.132.0.33": "P-224", "1.3.132.0.35": "P-521", "1.3.132.0.10": "secp256k1", "1.2.840.10045.3.1.1": "P-192",
		"1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
		"2.16.840.1.101.3.4.3.17": "ML-DSA-44", "2.16.840.1.101.3.4.3.18": "ML-DSA-65", "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
	}
	if name, ok := names[oid.String()]; ok {
		return name
	}
	return fmt.Sprintf("OID %s", oid)
}

func oidData() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1} }
func oidSignedData() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} }
func oidEncryptedData() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
}
