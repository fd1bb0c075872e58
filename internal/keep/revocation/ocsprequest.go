package revocation

import (
	"bytes"
	"crypto"
	"crypto/rand"
	_ "crypto/sha1" // SHA-1 names a key here, it protects nothing
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// certID is a CertID (RFC 6960 section 4.1.1): a certificate by its number and the hashes of its issuer.
type certID struct {
	hash       crypto.Hash
	issuerName []byte
	issuerKey  []byte
	serial     []byte // contents of the DER INTEGER
}

// certIDHashes are the hashes of a CertID by the contents of their OBJECT IDENTIFIER. Responders that sign their
// answers beforehand have them for SHA-1 alone (RFC 5019 section 2.1.1), so we ask with that.
var certIDHashes = map[string]crypto.Hash{
	"\x2b\x0e\x03\x02\x1a":                 crypto.SHA1,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x01": crypto.SHA256,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x02": crypto.SHA384,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x03": crypto.SHA512,
}

// keyBits are the contents of the BIT STRING of a certificate's public key: what OCSP takes the hash of.
func keyBits(cert *x509.Certificate) ([]byte, error) {
	s := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info, algorithm cryptobyte.String
	var bits []byte
	if !s.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1(&algorithm, asn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil, errors.New("the public key of the issuer is malformed")
	}
	return bits, nil
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b) // a hash never fails
	return d.Sum(nil)
}

// newCertID names cert, with one of the hashes of certIDHashes.
func newCertID(hash crypto.Hash, cert, issuer *x509.Certificate) (certID, error) {
	bits, err := keyBits(issuer)
	if err != nil {
		return certID{}, err
	}
	return certID{hash: hash, issuerName: digest(hash, issuer.RawSubject), issuerKey: digest(hash, bits), serial: serialContents(cert.SerialNumber)}, nil
}

// is compares all of a CertID. RFC 6960 section 3.2: the answer must be about the certificate that was asked for, and
// a serial number alone is that of many certificates.
func (id certID) is(other certID) bool {
	return id.hash == other.hash && bytes.Equal(id.serial, other.serial) && bytes.Equal(id.issuerName, other.issuerName) && bytes.Equal(id.issuerKey, other.issuerKey)
}

// readCertID reads a CertID. The hash is 0 if it is one that we do not know.
func readCertID(s *cryptobyte.String) (id certID, err error) {
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) {
		return id, errors.New("a CertID is no SEQUENCE")
	}
	oid, _, ok := readAlgorithm(&contents)
	var name, key, serial cryptobyte.String
	if !ok || !contents.ReadASN1(&name, asn1.OCTET_STRING) || !contents.ReadASN1(&key, asn1.OCTET_STRING) ||
		!contents.ReadASN1(&serial, asn1.INTEGER) || !minimalInteger(serial) || !contents.Empty() {
		return id, errors.New("a CertID is malformed")
	}
	return certID{hash: certIDHashes[oid], issuerName: name, issuerKey: key, serial: serial}, nil
}

func (id certID) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for oid, h := range certIDHashes {
				if h == id.hash {
					b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid)) })
				}
			}
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(id.issuerName)
		b.AddASN1OctetString(id.issuerKey)
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(id.serial) })
	})
}

// ocspRequest is an OCSPRequest about one certificate, with a nonce unless it is nil.
func ocspRequest(id certID, nonce []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // tbsRequest, version v1 is the default
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, id.add)
			})
			if nonce == nil {
				return
			}
			b.AddASN1(asn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(idOCSPNonce)) })
						// RFC 9654 section 2.1: the value is an OCTET STRING inside the OCTET STRING of every extension.
						b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
					})
				})
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing an OCSP request: %w", err)
	}
	return der, nil
}

// newNonce has the 32 bytes that RFC 9654 section 2.1 asks for.
func newNonce() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
}
