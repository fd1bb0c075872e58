package x509cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
)

// SignatureAlgorithm picks how a key signs certificates and requests: SHA-256, which everyone knows; with P-384 its own
// SHA-384, as public authorities must, or the hash would be weaker than the curve. False: no certificate should hold or be
// signed by such a key; taken are ECDSA on P-256 and P-384, Ed25519, and RSA of 2048 to 8192 bits.
func SignatureAlgorithm(pub crypto.PublicKey) (x509.SignatureAlgorithm, bool) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		// PKCS #1 v1.5, not PSS: Windows and older mail programs refuse certificates signed with PSS.
		return x509.SHA256WithRSA, pub != nil && pub.N != nil && pub.N.BitLen() >= 2048 && pub.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		switch {
		case pub == nil:
		case pub.Curve == elliptic.P256():
			return x509.ECDSAWithSHA256, true
		case pub.Curve == elliptic.P384():
			return x509.ECDSAWithSHA384, true
		}
	case ed25519.PublicKey:
		return x509.PureEd25519, true
	}
	return x509.UnknownSignatureAlgorithm, false
}
