package ca

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

// An extension is one of a certificate, in the order in which it is written.
type extension struct {
	id       asn1.ObjectIdentifier
	critical bool
	value    []byte // DER
}

// A body is a TBSCertificate before it is octets (RFC 5280 section 4.1.2).
type body struct {
	serial     *big.Int
	signature  []byte // AlgorithmIdentifier in DER
	issuer     []byte // Name in DER
	notBefore  time.Time
	notAfter   time.Time
	subject    []byte // Name in DER
	publicKey  []byte // SubjectPublicKeyInfo in DER
	extensions []extension
}

// encode writes the octets that are signed.
func (t body) encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // version 3
		b.AddASN1BigInt(t.serial)
		b.AddBytes(t.signature)
		b.AddBytes(t.issuer)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { addTime(b, t.notBefore); addTime(b, t.notAfter) })
		b.AddBytes(t.subject)
		b.AddBytes(t.publicKey)
		b.AddASN1(der.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range t.extensions {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(e.id)
						if e.critical { // DER: the default, false, is not written
							b.AddASN1Boolean(true)
						}
						b.AddASN1OctetString(e.value)
					})
				}
			})
		})
	})
	octets, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a certificate: %w", err)
	}
	return octets, nil
}

// addTime writes a time as RFC 5280 section 4.1.2.5 says: two digits of the year until 2049, then four.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// publicKeyInfo encodes a public key, and returns its identifier: the first 160 bits of the SHA-256 of the key's bits
// (RFC 7093 section 2, method 1). SHA-1 would do as well, and would be asked about in every audit.
func publicKeyInfo(pub crypto.PublicKey) (info, id []byte, err error) {
	info, err = x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key of type %s: %w", x509cert.KeyType(pub), err)
	}
	s := cryptobyte.String(info)
	var inner, identifier cryptobyte.String
	var key []byte
	if !s.ReadASN1(&inner, der.SEQUENCE) || !inner.ReadASN1(&identifier, der.SEQUENCE) || !inner.ReadASN1BitStringAsBytes(&key) {
		return nil, nil, errors.New("encoding a public key: its bits cannot be read back")
	}
	sum := sha256.Sum256(key)
	return info, sum[:20], nil
}

// build returns what f writes.
func build(f func(b *cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	f(&b)
	return b.BytesOrPanic() // only lengths beyond 4 GiB fail
}

// keyUsageBits encodes RFC 5280 section 4.2.1.3: the first bit is the highest, and no zero bits at the end.
func keyUsageBits(usage x509.KeyUsage) []byte {
	octet := bits.Reverse8(byte(usage))
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) {
			b.AddUint8(uint8(bits.TrailingZeros8(octet)))
			b.AddUint8(octet)
		})
	})
}

// generalNames encodes names: rfc822Name is [1], dNSName [2], iPAddress [7] with 4 or 16 octets.
func generalNames(names []name) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, n := range names {
				tag, value := uint8(2), []byte(n.text)
				switch n.kind {
				case kindEmail:
					tag = 1
				case kindIP:
					tag, value = 7, n.ip.Unmap().AsSlice()
				}
				b.AddASN1(der.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(value) })
			}
		})
	})
}

// crlPoint encodes CRLDistributionPoints with one address, RFC 5280 section 4.2.1.13.
func crlPoint(url string) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addURI(b, url) })
				})
			})
		})
	})
}

// authorityInfo encodes where the issuer's certificate and its OCSP responder are; empty ones are left out.
func authorityInfo(ocsp, issuers string) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, access := range []struct {
				method asn1.ObjectIdentifier
				url    string
			}{{accessOCSP(), ocsp}, {accessIssuers(), issuers}} {
				if access.url == "" {
					continue
				}
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(access.method)
					addURI(b, access.url)
				})
			}
		})
	})
}

// addURI writes a uniformResourceIdentifier, [6] of GeneralName.
func addURI(b *cryptobyte.Builder, url string) {
	b.AddASN1(der.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
}
