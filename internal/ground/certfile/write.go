package certfile

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
)

// The labels of RFC 7468 that we write. No others: OpenSSL and Windows agree on these.
const (
	labelCertificate  = "CERTIFICATE"
	labelRequest      = "CERTIFICATE REQUEST"
	labelPKCS7        = "PKCS7"
	labelEncryptedKey = "ENCRYPTED PRIVATE KEY"
)

// PEMOptions say what to write. The zero value writes the key, without a password, the certificate and its chain.
type PEMOptions struct {
	Password keys.Secret // empty: the key is not encrypted
	NoKey    bool
	NoChain  bool
}

// PEM writes the private key in PKCS #8, the certificate, and its chain in the order of TLS, in one text. A Bundle
// without a key has none in its text.
func PEM(b Bundle, opts PEMOptions) (keys.Secret, error) {
	var out bytes.Buffer
	if b.Key != nil && !opts.NoKey {
		if !b.Key.Matches(b.Leaf) {
			return nil, &MismatchError{Key: b.KeyFrom, Certificate: b.LeafFrom}
		}
		key, err := keyPEM(b.Key, opts.Password)
		if err != nil {
			return nil, err
		}
		out.Write(key.Bytes())
		key.Wipe()
	}
	out.Write(encodePEM(labelCertificate, b.Leaf.Raw))
	if !opts.NoChain {
		for _, c := range b.Chain {
			out.Write(encodePEM(labelCertificate, c.Raw))
		}
	}
	return out.Bytes(), nil
}

// keyPEM writes a private key, encrypted if there is a password (RFC 5958 section 3).
func keyPEM(key *keys.Private, password keys.Secret) (keys.Secret, error) {
	if len(password) == 0 {
		return key.PEM(), nil
	}
	p := passphrases(password)[0]
	defer p.wipe()
	der := key.PKCS8()
	defer der.Wipe()
	algorithm, ciphertext, err := sealPBES2(p, der.Bytes(), modernIterations)
	if err != nil {
		return nil, fmt.Errorf("encrypting a private key: %w", err)
	}
	var s cryptobyte.Builder
	addSealed(&s, algorithm, ciphertext)
	sealed, err := s.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encrypting a private key: %w", err)
	}
	return encodePEM(labelEncryptedKey, sealed), nil
}

// DER returns the certificate alone, without chain and key, which is all that this form can hold.
func DER(b Bundle) []byte { return bytes.Clone(b.Leaf.Raw) }

// P7B writes certificate and chain as PKCS #7 without signers (RFC 5652 section 5.1), for Windows and Java.
func P7B(b Bundle) ([]byte, error) {
	var s cryptobyte.Builder
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(oidSignedData())
		s.AddASN1(explicit0, func(s *cryptobyte.Builder) {
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1Int64(1)
				s.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) { s.AddASN1ObjectIdentifier(oidData()) })
				// A SET has no order, but nobody sorts this one, and some readers take the first for the leaf.
				s.AddASN1(explicit0, func(s *cryptobyte.Builder) {
					s.AddBytes(b.Leaf.Raw)
					for _, c := range b.Chain {
						s.AddBytes(c.Raw)
					}
				})
				s.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	der, err := s.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing PKCS #7: %w", err)
	}
	return der, nil
}

// P7BPEM is [P7B] in PEM.
func P7BPEM(b Bundle) ([]byte, error) {
	der, err := P7B(b)
	if err != nil {
		return nil, err
	}
	return encodePEM(labelPKCS7, der), nil
}

// RequestPEM writes a PKCS #10 request in PEM. Its DER is what the request is made of.
func RequestPEM(der []byte) []byte { return encodePEM(labelRequest, der) }

func encodePEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}
