package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	maxFileBytes = 64 << 10 // room for a key and a long chain of certificates in one PEM file
	// maxDERBytes bounds the numbers that the parsers compute with. An RSA key of 8192 bits takes 4.7 KiB.
	maxDERBytes = 8 << 10

	labelPKCS8     = "PRIVATE KEY"           // RFC 7468 section 10
	labelEncrypted = "ENCRYPTED PRIVATE KEY" // RFC 7468 section 11
)

var (
	// ErrEncrypted says that a private key is under a passphrase.
	ErrEncrypted = errors.New("the private key is encrypted")
	// ErrNoPrivateKey says that there is no private key in a file, or that what looks like one is damaged.
	ErrNoPrivateKey = errors.New("no readable private key")
)

// Parse reads one private key from PEM or DER, in PKCS #8, PKCS #1 or SEC 1. Other PEM blocks, such as the chain of
// certificates, are passed over; a second private key is refused, because nobody could say which one is meant. Data
// beyond 64 KiB is refused. The error is [ErrEncrypted], [ErrNoPrivateKey], or one of [New]; for PEM it names the
// line.
func Parse(data []byte) (*Private, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("more than %d KiB: %w", maxFileBytes>>10, ErrNoPrivateKey)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // Windows editors put a byte order mark first
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return parseDER(data)
	}

	var found *pem.Block
	var line int
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if !strings.HasSuffix(block.Type, labelPKCS8) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("line %d: a second private key after the one in line %d: %w",
				lineOf(data, rest, block.Type), line, ErrNoPrivateKey)
		}
		found, line = block, lineOf(data, rest, block.Type)
	}
	if found == nil {
		if at := bytes.Index(data, []byte(labelPKCS8+"-----")); at >= 0 {
			return nil, fmt.Errorf("line %d: damaged PEM block: %w", 1+bytes.Count(data[:at], []byte("\n")), ErrNoPrivateKey)
		}
		return nil, fmt.Errorf("PEM without a private key block: %w", ErrNoPrivateKey)
	}
	p, err := parseBlock(found)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return p, nil
}

// lineOf returns the line, counted from one, in which the PEM block that ends where rest begins has its BEGIN.
func lineOf(data, rest []byte, label string) int {
	consumed := data[:len(data)-len(rest)]
	begin := max(0, bytes.LastIndex(consumed, []byte("-----BEGIN "+label+"-----")))
	return 1 + bytes.Count(consumed[:begin], []byte("\n"))
}

func parseBlock(block *pem.Block) (*Private, error) {
	// OpenSSL's old way (RFC 1421 headers), which keeps the label of the key inside.
	if block.Type == labelEncrypted || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, ErrEncrypted
	}
	if block.Type == "OPENSSH PRIVATE KEY" {
		return nil, fmt.Errorf("a key for SSH: %w", ErrNoPrivateKey)
	}
	// The label is not believed beyond this: certificate tools have written PKCS #8 under each of the others.
	return parseDER(block.Bytes)
}

// ParsePKCS8 reads one private key in PKCS #8 DER, as [Private.PKCS8] writes it.
func ParsePKCS8(der []byte) (*Private, error) {
	if form := formOf(der); form != formPKCS8 {
		return nil, fmt.Errorf("not PKCS #8: %w", ErrNoPrivateKey)
	}
	return parseDER(der)
}

// form is the structure that a DER private key has.
type form int

const (
	formNone form = iota
	formPKCS8
	formPKCS1
	formSEC1
	formEncrypted
)

// formOf tells the structures apart by their first two elements, so that one parser runs and its error is the right
// one. RFC 5958 section 2: version, then the SEQUENCE of the algorithm. RFC 8017 appendix A.1.2: version, then the
// modulus, an INTEGER. RFC 5915 section 3: version, then an OCTET STRING. RFC 5958 section 3: an encrypted key has no
// version and begins with the SEQUENCE.
func formOf(der []byte) form {
	var outer, first, second asn1.RawValue
	if len(der) > maxDERBytes {
		return formNone
	}
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil || len(rest) > 0 || outer.Tag != asn1.TagSequence || !outer.IsCompound {
		return formNone
	}
	if rest, err = asn1.Unmarshal(outer.Bytes, &first); err != nil {
		return formNone
	}
	if _, err = asn1.Unmarshal(rest, &second); err != nil || first.Class != asn1.ClassUniversal || second.Class != asn1.ClassUniversal {
		return formNone
	}
	switch [2]int{first.Tag, second.Tag} {
	case [2]int{asn1.TagInteger, asn1.TagSequence}:
		return formPKCS8
	case [2]int{asn1.TagInteger, asn1.TagInteger}:
		return formPKCS1
	case [2]int{asn1.TagInteger, asn1.TagOctetString}:
		return formSEC1
	case [2]int{asn1.TagSequence, asn1.TagOctetString}:
		return formEncrypted
	}
	return formNone
}

func parseDER(der []byte) (*Private, error) {
	var key crypto.PrivateKey
	var err error
	f := formOf(der)
	switch f {
	case formPKCS8:
		key, err = x509.ParsePKCS8PrivateKey(der)
	case formPKCS1:
		key, err = x509.ParsePKCS1PrivateKey(der)
	case formSEC1:
		key, err = x509.ParseECPrivateKey(der)
	case formEncrypted:
		return nil, ErrEncrypted
	default:
		return nil, fmt.Errorf("neither PKCS #8 nor PKCS #1 nor SEC 1: %w", ErrNoPrivateKey)
	}
	if err != nil {
		// The cause stays outside: its types are those of encoding/asn1 and say nothing to a caller.
		return nil, fmt.Errorf("%w: %v", ErrNoPrivateKey, err)
	}
	if !wellFormed(der, f) {
		return nil, fmt.Errorf("%w: an element too many, or one that should not be there", ErrNoPrivateKey)
	}
	p, err := New(key)
	if err == nil && !halvesAgree(der, p) {
		return nil, &WeakKeyError{Kind: p.Kind(), Reason: "its private half does not belong to the public half beside it"}
	}
	return p, err
}

// halvesAgree compares the public key that a file for an ECDSA or Ed25519 key carries with the one that its private half
// makes. The standard library does not look at it, and so a scalar damaged on the way would silently become another key.
// RSA needs no such look: its numbers are checked against each other.
func halvesAgree(der []byte, p *Private) bool {
	var carried []byte
	var has, readable bool
	switch pub := p.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return false
		}
		if carried, has, readable = carriedPoint(der); !has || !readable {
			return readable
		}
		// SEC 1 section 2.3.3: a compressed point is the parity of the second coordinate, and the first one.
		last := len(point) - 1
		compressed := append([]byte{2 | point[last]&1}, point[1:1+last/2]...)
		return bytes.Equal(carried, point) || bytes.Equal(carried, compressed)
	case ed25519.PublicKey:
		carried, has, readable = carriedPublic(der)
		return readable && (!has || bytes.Equal(carried, pub))
	}
	return true
}

// carriedPoint is the public key [1] of RFC 5915 section 3, in SEC 1 or in PKCS #8 around it.
func carriedPoint(der []byte) (point []byte, has, readable bool) {
	outer := cryptobyte.String(der)
	var s, inner, box cryptobyte.String
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.INTEGER) {
		return nil, false, false
	}
	if s.PeekASN1Tag(cbasn1.SEQUENCE) { // PKCS #8
		if !s.SkipASN1(cbasn1.SEQUENCE) || !s.ReadASN1(&inner, cbasn1.OCTET_STRING) || !inner.ReadASN1(&s, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.INTEGER) {
			return nil, false, false
		}
	}
	if !s.SkipASN1(cbasn1.OCTET_STRING) || !s.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!s.ReadOptionalASN1(&box, &has, cbasn1.Tag(1).Constructed().ContextSpecific()) {
		return nil, false, false
	}
	if has && !box.ReadASN1BitStringAsBytes(&point) {
		return nil, true, false
	}
	return point, has, true
}

// carriedPublic is the publicKey [1] of RFC 5958 section 2, which OpenSSL leaves out and some libraries write.
func carriedPublic(der []byte) (key []byte, has, readable bool) {
	outer := cryptobyte.String(der)
	var s, box cryptobyte.String
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.INTEGER) || !s.SkipASN1(cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.OCTET_STRING) ||
		!s.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !s.ReadOptionalASN1(&box, &has, cbasn1.Tag(1).ContextSpecific()) {
		return nil, false, false
	}
	if has && len(box) > 0 { // IMPLICIT BIT STRING: the first octet counts unused bits
		return box[1:], true, box[0] == 0
	}
	return nil, has, !has
}
