package certfile

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// The purposes for which PKCS #12 makes octets from a password, RFC 7292 appendix B.3.
const (
	purposeKey = 1
	purposeIV  = 2
	purposeMAC = 3
)

// pkcs12Hash makes size octets from a password, RFC 7292 appendix B.2, with the names used there.
func pkcs12Hash(newHash func() hash.Hash, purpose byte, p pkcs12Input, size int) []byte {
	h := newHash()
	v := h.BlockSize()
	fill := func(s []byte) []byte { // copies of s, cut to whole blocks
		if len(s) == 0 {
			return nil
		}
		out := make([]byte, (len(s)+v-1)/v*v)
		for i := range out {
			out[i] = s[i%len(s)]
		}
		return out
	}
	d := make([]byte, v)
	for i := range d {
		d[i] = purpose
	}
	in := append(fill(p.salt), fill(p.password)...)
	var out []byte
	for {
		h.Reset()
		h.Write(d)
		h.Write(in)
		a := h.Sum(nil)
		for i := int64(1); i < p.iterations; i++ {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		if out = append(out, a...); len(out) >= size {
			return out[:size]
		}
		b := fill(a)[:v]
		for j := 0; j < len(in); j += v { // each block of it plus b plus one, as large numbers
			carry := uint16(1)
			for k := v - 1; k >= 0; k-- {
				carry += uint16(in[j+k]) + uint16(b[k])
				in[j+k] = byte(carry)
				carry >>= 8
			}
		}
	}
}

type pkcs12Input struct {
	password   []byte // in UTF-16, see passphrase
	salt       []byte
	iterations int64
}

// blocks is how often the hash runs over all iterations to make size octets.
func blocks(newHash func() hash.Hash, size int) int64 {
	n := newHash().Size()
	return int64((size + n - 1) / n)
}

// hashAlgorithm returns the hash of an OID of a digest.
func hashAlgorithm(oid asn1.ObjectIdentifier) (func() hash.Hash, bool) {
	newHash, ok := map[string]func() hash.Hash{
		"1.3.14.3.2.26":          sha1.New,
		"2.16.840.1.101.3.4.2.4": sha256.New224,
		"2.16.840.1.101.3.4.2.1": sha256.New,
		"2.16.840.1.101.3.4.2.2": sha512.New384,
		"2.16.840.1.101.3.4.2.3": sha512.New,
		"2.16.840.1.101.3.4.2.5": sha512.New512_224,
		"2.16.840.1.101.3.4.2.6": sha512.New512_256,
	}[oid.String()]
	return newHash, ok
}

// hmacAlgorithm returns the hash of an OID of an HMAC, RFC 8018 appendix B.1.
func hmacAlgorithm(oid asn1.ObjectIdentifier) (func() hash.Hash, bool) {
	newHash, ok := map[string]func() hash.Hash{
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.8":  sha256.New224,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
		"1.2.840.113549.2.12": sha512.New512_224,
		"1.2.840.113549.2.13": sha512.New512_256,
	}[oid.String()]
	return newHash, ok
}

// algorithm is an AlgorithmIdentifier, RFC 5280 section 4.1.1.2.
type algorithm struct {
	oid    asn1.ObjectIdentifier
	params cryptobyte.String // one element, or nothing
}

func readAlgorithm(s *cryptobyte.String, a *algorithm) bool {
	var inner cryptobyte.String
	if !s.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&a.oid) {
		return false
	}
	a.params = inner
	var parameters cryptobyte.String
	var tag cbasn1.Tag
	return inner.Empty() || inner.ReadAnyASN1(&parameters, &tag) && inner.Empty()
}

// derivation makes a key of size octets from a password in UTF-8. cost is how many iterations that is.
type derivation struct {
	cost   int64
	size   int // of the key if the file says; else 0
	derive func(password []byte, size int) ([]byte, error)
}

const (
	maxSaltBytes   = 1 << 10
	maxScryptBytes = 64 << 20
	// scryptCost is what one octet of scrypt's memory costs compared with iterations: 64 MiB take as long as about
	// 500,000 of PBKDF2.
	scryptOctetsPerIteration = 128
)

// readDerivation reads the key derivation of PBES2 and PBMAC1: PBKDF2 (RFC 8018 appendix A.2) or scrypt (RFC 7914
// section 7). size is how long a key is wanted, 0 if the file must say.
func readDerivation(a algorithm, size int, at Origin) (derivation, error) {
	switch a.oid.String() {
	case "1.2.840.113549.1.5.12":
		return readPBKDF2(a, size, at)
	case "1.3.6.1.4.1.11591.4.11":
		return readScrypt(a, at)
	}
	return derivation{}, &UnsupportedError{At: at, What: "key derivation with " + nameOf(a.oid)}
}

func readPBKDF2(a algorithm, size int, at Origin) (derivation, error) {
	var s, salt cryptobyte.String
	var iterations, keyLength int64
	prf := algorithm{oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}} // the default, HMAC with SHA-1
	if !a.params.ReadASN1(&s, cbasn1.SEQUENCE) {
		return derivation{}, formatErrorf(at, "the parameters of PBKDF2 are damaged")
	}
	if s.PeekASN1Tag(cbasn1.SEQUENCE) {
		return derivation{}, &UnsupportedError{At: at, What: "a salt of PBKDF2 from elsewhere"}
	}
	if !s.ReadASN1(&salt, cbasn1.OCTET_STRING) || !s.ReadASN1Integer(&iterations) ||
		s.PeekASN1Tag(cbasn1.INTEGER) && !s.ReadASN1Integer(&keyLength) ||
		!s.Empty() && !readAlgorithm(&s, &prf) || !s.Empty() ||
		iterations < 1 || len(salt) > maxSaltBytes || keyLength < 0 || keyLength > 64 {
		return derivation{}, formatErrorf(at, "the parameters of PBKDF2 are damaged")
	}
	newHash, ok := hmacAlgorithm(prf.oid)
	if !ok {
		return derivation{}, &UnsupportedError{At: at, What: "PBKDF2 with " + nameOf(prf.oid)}
	}
	if iterations > maxIterations {
		return derivation{}, &LimitError{At: at, What: "iterations of its password hash", Limit: maxIterations}
	}
	d := derivation{cost: iterations * blocks(newHash, max(size, int(keyLength))), size: int(keyLength)}
	d.derive = func(password []byte, size int) ([]byte, error) {
		return pbkdf2.Key(newHash, string(password), salt, int(iterations), size)
	}
	return d, nil
}

func readScrypt(a algorithm, at Origin) (derivation, error) {
	var s, salt cryptobyte.String
	var n, r, p, keyLength int64
	if !a.params.ReadASN1(&s, cbasn1.SEQUENCE) || !s.ReadASN1(&salt, cbasn1.OCTET_STRING) ||
		!s.ReadASN1Integer(&n) || !s.ReadASN1Integer(&r) || !s.ReadASN1Integer(&p) ||
		s.PeekASN1Tag(cbasn1.INTEGER) && !s.ReadASN1Integer(&keyLength) || !s.Empty() ||
		n < 2 || n&(n-1) != 0 || r < 1 || p < 1 || len(salt) > maxSaltBytes || keyLength < 0 || keyLength > 64 {
		return derivation{}, formatErrorf(at, "the parameters of scrypt are damaged")
	}
	if n > maxScryptBytes || r > maxScryptBytes || 128*n*r > maxScryptBytes || 128*r*p > maxScryptBytes {
		return derivation{}, &LimitError{At: at, What: "octets of memory for scrypt", Limit: maxScryptBytes}
	}
	d := derivation{cost: 128 * n * r / scryptOctetsPerIteration * p, size: int(keyLength)}
	d.derive = func(password []byte, size int) ([]byte, error) {
		return scrypt.Key(password, salt, int(n), int(r), int(p), size)
	}
	return d, nil
}

// derive pays for the derivation and does it.
func (r *reader) derive(d derivation, password []byte, size int, at Origin) ([]byte, error) {
	if err := r.spend(d.cost, at); err != nil {
		return nil, err
	}
	key, err := d.derive(password, size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: deriving a key: %w", at, err)
	}
	return key, nil
}
