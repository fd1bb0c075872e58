package ca

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

// keyUsage is what the key of a profile may do. RFC 8813 section 3 forbids keyEncipherment to ECDSA; RFC 5753 wants
// keyAgreement there.
func (u KeyUse) keyUsage(pub crypto.PublicKey) x509.KeyUsage {
	_, isRSA := pub.(*rsa.PublicKey)
	switch {
	case u == KeyUseSign:
		return x509.KeyUsageDigitalSignature
	case u == KeyUseDecrypt && isRSA:
		return x509.KeyUsageKeyEncipherment
	case u == KeyUseDecrypt:
		return x509.KeyUsageKeyAgreement
	}
	return x509cert.ServerKeyUsage(pub)
}

// extKeyUsage encodes RFC 5280 section 4.2.1.12.
func extKeyUsage(usages []x509cert.Usage) ([]byte, error) {
	var oids []asn1.ObjectIdentifier
	for _, u := range usages {
		oid, err := usageOID(u)
		if err != nil {
			return nil, err
		}
		oids = append(oids, oid)
	}
	return asn1.Marshal(oids)
}

// policies encodes RFC 5280 section 4.2.1.4, without qualifiers.
func policies(texts []string) ([]byte, error) {
	type information struct{ ID asn1.ObjectIdentifier }
	var all []information
	for _, text := range texts {
		oid, err := parseOID(text)
		if err != nil {
			return nil, err
		}
		all = append(all, information{oid})
	}
	return asn1.Marshal(all)
}

// keyID encodes an authority's identifier, [0] of RFC 5280 section 4.2.1.1.
func authorityKeyID(id []byte) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		})
	})
}

// basicConstraints encodes RFC 5280 section 4.2.1.9. pathLength below zero means that there is none.
func basicConstraints(isCA bool, pathLength int) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if isCA {
				b.AddASN1Boolean(true)
			}
			if pathLength >= 0 {
				b.AddASN1Int64(int64(pathLength))
			}
		})
	})
}

// nameConstraints encodes RFC 5280 section 4.2.1.10: host names and e-mail addresses below these domains, and addresses
// of these networks; without networks, all addresses are excluded, because a kind that is not named is not constrained.
// addresses false leaves them out ([Purpose.constrainsAddresses]): then our own checks alone refuse them.
func nameConstraints(domains []string, networks []netip.Prefix, addresses bool) []byte {
	subtree := func(b *cryptobyte.Builder, tag uint8, value []byte) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				for _, d := range domains {
					subtree(b, 2, []byte(d))
					// A host for its own addresses, with a dot for those of the hosts below: both are needed.
					subtree(b, 1, []byte(d))
					subtree(b, 1, []byte("."+d))
				}
				for _, n := range networks {
					if !addresses {
						break
					}
					subtree(b, 7, addressAndMask(n))
				}
			})
			if len(networks) == 0 && addresses {
				b.AddASN1(der.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					subtree(b, 7, make([]byte, 8))
					subtree(b, 7, make([]byte, 32))
				})
			}
		})
	})
}

// addressAndMask is a network in 8 or 32 octets.
func addressAndMask(n netip.Prefix) []byte {
	octets := n.Addr().AsSlice()
	mask := make([]byte, len(octets))
	for i := range n.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return append(octets, mask...)
}
