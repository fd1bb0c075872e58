package x509cert

import (
	"crypto"
	"crypto/dsa"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strconv"
	"strings"
)

// unknownKeyType is the label of a key that has not even an algorithm.
const unknownKeyType = "Unknown"

// KeyType returns the label of a public key: "RSA-2048", "ECDSA-P256", "Ed25519", and for keys of others also
// "RSA-1024", "ECDSA-P521", "X25519" or "DSA-1024". What it does not know is "Unknown". It does not judge: package keys
// says which keys are good.
func KeyType(pub crypto.PublicKey) string {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if pub != nil && pub.N != nil {
			return "RSA-" + strconv.Itoa(pub.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if pub != nil && pub.Curve != nil {
			return "ECDSA-" + strings.ReplaceAll(pub.Curve.Params().Name, "-", "") // "P-256"
		}
	case ed25519.PublicKey:
		return "Ed25519"
	case *ecdh.PublicKey:
		if pub != nil && pub.Curve() == ecdh.X25519() {
			return "X25519"
		}
	case *dsa.PublicKey:
		if pub != nil && pub.P != nil {
			return "DSA-" + strconv.Itoa(pub.P.BitLen())
		}
	}
	return unknownKeyType
}

// keyTypeOf also labels keys that crypto/x509 leaves out: their algorithm alone says what they are.
func keyTypeOf(cert *x509.Certificate) string {
	if label := KeyType(cert.PublicKey); label != unknownKeyType {
		return label
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		return unknownKeyType
	}
	switch oid := spki.Algorithm.Algorithm.String(); oid {
	case "1.3.101.110": // RFC 8410 section 3
		return "X25519"
	case "1.3.101.111":
		return "X448"
	case "1.3.101.113":
		return "Ed448"
	case "1.2.840.113549.1.1.10": // RFC 4055 section 3
		return "RSASSA-PSS"
	case "2.16.840.1.101.3.4.3.17": // RFC 9881 section 2
		return "ML-DSA-44"
	case "2.16.840.1.101.3.4.3.18":
		return "ML-DSA-65"
	case "2.16.840.1.101.3.4.3.19":
		return "ML-DSA-87"
	default:
		return oid
	}
}
