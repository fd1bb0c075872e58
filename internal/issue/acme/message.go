package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strings"
)

// Header is the protected header of a message, RFC 8555 section 6.2.
type Header struct {
	Algorithm Algorithm       `json:"alg"`
	Nonce     string          `json:"nonce,omitempty"`
	URL       string          `json:"url"`
	KeyID     string          `json:"kid,omitempty"` // address of the account
	JWK       json.RawMessage `json:"jwk,omitempty"` // or the key itself
}

// Message is a signed message: a JSON Web Signature in the flattened form, with a protected header and no other
// (RFC 8555 section 6.2).
type Message struct {
	Header    Header
	Payload   []byte // empty: POST-as-GET (RFC 8555 section 6.3)
	signed    string
	signature []byte
}

// ErrSignature: a message was not signed by the key.
var ErrSignature = errors.New("the signature is not that of the key")

// AlgorithmError says that a message names an algorithm that its key does not sign with.
type AlgorithmError struct{ Algorithm Algorithm }

// Error names the algorithm.
func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("algorithm %q is none that this key may sign with", clip(string(e.Algorithm)))
}

// ParseMessage reads a message without checking its signature.
func ParseMessage(body []byte) (*Message, error) {
	var j struct {
		Protected, Payload, Signature *string
		Header                        json.RawMessage
		Signatures                    json.RawMessage
	}
	if err := ReadJSON(body, &j); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	switch {
	case j.Header != nil:
		return nil, errors.New("message: it has a header that is not protected")
	case j.Signatures != nil:
		return nil, errors.New("message: it has several signatures")
	case j.Protected == nil || j.Payload == nil || j.Signature == nil:
		return nil, errors.New("message: want protected, payload and signature")
	}
	protected, err := decode(*j.Protected)
	if err != nil {
		return nil, errors.New("message: its header is not base64url")
	}
	m := &Message{signed: *j.Protected + "." + *j.Payload}
	if m.Payload, err = decode(*j.Payload); err != nil {
		return nil, errors.New("message: its payload is not base64url")
	}
	if m.signature, err = decode(*j.Signature); err != nil {
		return nil, errors.New("message: its signature is not base64url")
	}
	var header struct {
		Header
		Crit, B64 json.RawMessage
	}
	if err := ReadJSON(protected, &header); err != nil {
		return nil, fmt.Errorf("message header: %w", err)
	}
	m.Header = header.Header
	// RFC 7515 section 4.1.11: what is critical and not known must be refused. RFC 7797's b64 would change what is signed.
	if header.Crit != nil || header.B64 != nil {
		return nil, errors.New("message header: it wants an extension that is not known here")
	}
	return m, nil
}

// Verify checks the signature with a key. The key says which algorithm it must be.
func (m *Message) Verify(k *Key) error {
	if m.Header.Algorithm != k.algorithm {
		return &AlgorithmError{Algorithm: m.Header.Algorithm}
	}
	ok := false
	switch p := k.public.(type) {
	case *ecdsa.PublicKey:
		digest := k.algorithm.digest([]byte(m.signed))
		size := (p.Curve.Params().BitSize + 7) / 8
		if len(m.signature) == 2*size { // RFC 7518 section 3.4: r and s, each of the length of the field
			r, s := new(big.Int).SetBytes(m.signature[:size]), new(big.Int).SetBytes(m.signature[size:])
			ok = ecdsa.Verify(p, digest, r, s)
		}
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(p, crypto.SHA256, k.algorithm.digest([]byte(m.signed)), m.signature) == nil
	case ed25519.PublicKey:
		ok = ed25519.Verify(p, []byte(m.signed), m.signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

func (a Algorithm) digest(octets []byte) []byte {
	if a == ES384 {
		sum := sha512.Sum384(octets)
		return sum[:]
	}
	sum := sha256.Sum256(octets)
	return sum[:]
}

// macAlgorithms are those of an external account binding. A message of an account never has one of them.
func macAlgorithms() map[Algorithm]func() hash.Hash {
	return map[Algorithm]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
}

// VerifyMAC checks an external account binding, whose key is shared: RFC 8555 section 7.3.4.
func (m *Message) VerifyMAC(key []byte) error {
	h, ok := macAlgorithms()[m.Header.Algorithm]
	if !ok {
		return &AlgorithmError{Algorithm: m.Header.Algorithm}
	}
	mac := hmac.New(h, key)
	mac.Write([]byte(m.signed))
	if len(key) == 0 || !hmac.Equal(mac.Sum(nil), m.signature) {
		return ErrSignature
	}
	return nil
}

// Sign makes a message. h needs its address, its nonce, and the address of the account; without the last, the key itself
// goes into it. A nil payload is POST-as-GET.
func Sign(signer crypto.Signer, h Header, payload []byte) ([]byte, error) {
	k, err := NewKey(signer.Public())
	if err != nil {
		return nil, err
	}
	h.Algorithm = k.algorithm
	if h.KeyID == "" {
		h.JWK = json.RawMessage(k.jwk)
	}
	return seal(h, payload, func(signed []byte) ([]byte, error) {
		switch p := k.public.(type) {
		case *ecdsa.PublicKey:
			hash := crypto.SHA256
			if k.algorithm == ES384 {
				hash = crypto.SHA384
			}
			der, err := signer.Sign(rand.Reader, k.algorithm.digest(signed), hash)
			if err != nil {
				return nil, err
			}
			return fixed(der, (p.Curve.Params().BitSize+7)/8)
		case *rsa.PublicKey:
			return signer.Sign(rand.Reader, k.algorithm.digest(signed), crypto.SHA256)
		}
		return signer.Sign(rand.Reader, signed, crypto.Hash(0))
	})
}

// SignMAC makes an external account binding: the account's key, under the shared key of kid.
func SignMAC(key []byte, kid, url string, account *Key) ([]byte, error) {
	return seal(Header{Algorithm: "HS256", KeyID: kid, URL: url}, []byte(account.jwk), func(signed []byte) ([]byte, error) {
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		return mac.Sum(nil), nil
	})
}

func seal(h Header, payload []byte, sign func([]byte) ([]byte, error)) ([]byte, error) {
	protected, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	first, second := encode(protected), encode(payload)
	signature, err := sign([]byte(first + "." + second))
	if err != nil {
		return nil, fmt.Errorf("signing a message: %w", err)
	}
	return json.Marshal(map[string]string{"protected": first, "payload": second, "signature": encode(signature)})
}

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
