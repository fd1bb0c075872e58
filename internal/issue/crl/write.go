package crl

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/issue/signed"
)

// A Reason is why a certificate was revoked: CRLReason, RFC 5280 section 5.3.1. The zero value, unspecified, is not
// written.
type Reason uint8

// The reasons that an administrator may give. The others are for holds and for lists of differences, which we do not
// write.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	PrivilegeWithdrawn   Reason = 9
)

// reasons are the words of RFC 5280 section 5.3.1.
func reasons() map[string]Reason {
	return map[string]Reason{"unspecified": Unspecified, "keyCompromise": KeyCompromise, "cACompromise": CACompromise, "affiliationChanged": AffiliationChanged,
		"superseded": Superseded, "cessationOfOperation": CessationOfOperation, "privilegeWithdrawn": PrivilegeWithdrawn}
}

// ErrUnknownReason says that a word is none of RFC 5280 section 5.3.1 that may be given.
var ErrUnknownReason = errors.New("unknown reason: want keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn, cACompromise or unspecified")

// ParseReason returns the reason of that word.
func ParseReason(word string) (Reason, error) {
	r, ok := reasons()[word]
	if !ok {
		return 0, fmt.Errorf("reason %.40q: %w", word, ErrUnknownReason)
	}
	return r, nil
}

// String is the word of RFC 5280 section 5.3.1.
func (r Reason) String() string {
	for word, other := range reasons() {
		if other == r {
			return word
		}
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Entry is one revoked certificate.
type Entry struct {
	// Serial is the number in big-endian octets, at most 20, without zeros before it (RFC 5280 section 4.1.2.2).
	Serial    []byte
	RevokedAt time.Time
	Reason    Reason
}

// Options describe a list. Issuer, Signer, Number, ThisUpdate and NextUpdate are needed.
type Options struct {
	Issuer     *x509.Certificate
	Signer     crypto.Signer
	Number     *big.Int // see NextNumber
	ThisUpdate time.Time
	NextUpdate time.Time
	// Point is the address in the certificates of this shard (IssuingDistributionPoint, RFC 5280 section 5.2.5). Empty: the
	// list is complete.
	Point string
	// Entries are walked up to three times and must be the same each time. Nil means none.
	Entries iter.Seq2[Entry, error]
	// Encoded are more entries, each made by [AppendEntry], many in one piece, and EncodedOctets is how many octets all of
	// them have. They are walked up to twice.
	Encoded       iter.Seq2[[]byte, error]
	EncodedOctets int
}

// maxNumber is the longest number: 20 octets, RFC 5280 section 5.2.3.
const maxNumber = 20 * 8

// NextNumber returns the number of a list made now: larger than the previous one, and not smaller than the time in
// microseconds. So it grows when the clock goes back, and it grows when the previous number was lost with a database that
// came back from a backup.
func NextNumber(previous *big.Int, now time.Time) *big.Int {
	n := big.NewInt(now.UnixMicro())
	if previous != nil && previous.Cmp(n) >= 0 {
		n.Add(previous, big.NewInt(1))
	}
	return n
}

// Write writes a list in DER. An error of Entries, of the signer or of w ends it; then what was written is no list. A w that
// can be written at a place, as a file can, must be empty; then the entries are signed as they are written, in one walk.
func Write(w io.Writer, o Options) error {
	a, err := o.check()
	if err != nil {
		return fmt.Errorf("writing a revocation list: %w", err)
	}
	head, tail, err := o.frame(a)
	if err != nil {
		return fmt.Errorf("writing the revocation list of %s: %w", o.Issuer.Subject, err)
	}
	if err := o.write(w, a, head, tail); err != nil {
		return fmt.Errorf("writing the revocation list of %s: %w", o.Issuer.Subject, err)
	}
	return nil
}

func (o Options) check() (signed.Algorithm, error) {
	switch {
	case o.Issuer == nil || o.Signer == nil:
		return signed.Algorithm{}, errors.New("no issuer")
	case o.Issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return signed.Algorithm{}, errors.New("the issuer may not sign lists")
	case o.Number == nil || o.Number.Sign() <= 0 || o.Number.BitLen() >= maxNumber:
		return signed.Algorithm{}, errors.New("the number is not positive, or too long")
	case !o.NextUpdate.After(o.ThisUpdate):
		return signed.Algorithm{}, errors.New("it runs out before it begins")
	}
	pub, ok := o.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(o.Issuer.PublicKey) {
		return signed.Algorithm{}, errors.New("the key belongs to another issuer")
	}
	a, err := signed.AlgorithmOf(o.Issuer.PublicKey)
	if err == nil && a.Hash() == nil {
		// Ed25519 wants all octets at once; lists may have a hundred million.
		err = fmt.Errorf("lists are signed as they are written, which Ed25519 cannot: %w", signed.ErrUnsuitableKey)
	}
	return a, err
}

// frame is what stands before and after the entries.
func (o Options) frame(a signed.Algorithm) (head, tail []byte, err error) {
	var b cryptobyte.Builder
	b.AddASN1Int64(1) // version 2
	b.AddBytes(a.Identifier)
	b.AddBytes(o.Issuer.RawSubject)
	addTime(&b, o.ThisUpdate)
	addTime(&b, o.NextUpdate)
	if head, err = b.Bytes(); err != nil {
		return nil, nil, err
	}
	var e cryptobyte.Builder
	e.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, 35, false, func(b *cryptobyte.Builder) { // authorityKeyIdentifier, RFC 5280 section 5.2.1
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(o.Issuer.SubjectKeyId) })
				})
			})
			addExtension(b, 20, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(o.Number) }) // cRLNumber
			if o.Point == "" {
				return
			}
			addExtension(b, 28, true, func(b *cryptobyte.Builder) { // issuingDistributionPoint
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
						b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
							b.AddASN1(der.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.Point)) })
						})
					})
				})
			})
		})
	})
	tail, err = e.Bytes()
	return head, tail, err
}

// addExtension writes an extension of id-ce.
func addExtension(b *cryptobyte.Builder, arc int, critical bool, value func(*cryptobyte.Builder)) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier([]int{2, 5, 29, arc})
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(der.OCTET_STRING, value)
	})
}

// addTime writes a time as RFC 5280 section 5.1.2.4 says: two digits of the year until 2049, then four.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// write signs and writes. Lengths stand before what they are of, so everything is counted first.
func (o Options) write(w io.Writer, a signed.Algorithm, head, tail []byte) error {
	entries, err := o.length()
	if err != nil {
		return err
	}
	list := 0
	if entries > 0 { // RFC 5280 section 5.1.2.6: without entries there is no list of them
		list = headerLength(entries) + entries
	}
	contents := len(head) + list + len(tail)
	p := part{head: head, tail: tail, entries: entries, contents: contents}
	h := a.Hash()
	// The length of an ECDSA signature is not known before it is made, and what stands at the very beginning depends on it.
	outer := func(signature int) int { return headerLength(contents) + contents + len(a.Identifier) + signature }
	room := headerLength(outer(0))
	if at, ok := w.(io.WriterAt); ok && room == headerLength(outer(bitStringLength(a.MaxSignature))) {
		return o.writeOnce(w, at, room, a, h, p)
	}
	// So what is signed goes into the hash first, and to w afterwards.
	sign := &sink{w: bufio.NewWriterSize(h, bufferBytes)}
	if err := o.body(sign, p); err != nil {
		return err
	}
	signature, err := o.signature(a, h)
	if err != nil {
		return err
	}
	out := &sink{w: bufio.NewWriterSize(w, bufferBytes)}
	out.header(tagSequence, outer(len(signature)))
	if err := o.body(out, p); err != nil {
		return err
	}
	out.bytes(a.Identifier)
	out.bytes(signature)
	return out.flush()
}

const bufferBytes = 128 << 10

// part is what is signed, but for its entries.
type part struct {
	head, tail        []byte
	entries, contents int // octets
}

// writeOnce leaves room for the outermost header, and fills it when the length of the signature is known.
func (o Options) writeOnce(w io.Writer, at io.WriterAt, room int, a signed.Algorithm, h hash.Hash, p part) error {
	if _, err := w.Write(make([]byte, room)); err != nil {
		return err
	}
	out := &sink{w: bufio.NewWriterSize(io.MultiWriter(w, h), bufferBytes)}
	if err := o.body(out, p); err != nil {
		return err
	}
	signature, err := o.signature(a, h)
	if err != nil {
		return err
	}
	header := appendHeader(nil, tagSequence, out.n+len(a.Identifier)+len(signature))
	if len(header) != room {
		return fmt.Errorf("a signature of %d octets, longer than its kind is", len(signature))
	}
	if _, err := w.Write(append(bytes.Clone(a.Identifier), signature...)); err != nil {
		return err
	}
	_, err = at.WriteAt(header, 0)
	return err
}

// signature is the BIT STRING of the signature.
func (o Options) signature(a signed.Algorithm, h hash.Hash) ([]byte, error) {
	s, err := a.SignHash(o.Signer, h)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1BitString(s)
	return b.Bytes()
}

// body writes the part that is signed.
func (o Options) body(s *sink, p part) error {
	s.header(tagSequence, p.contents)
	s.bytes(p.head)
	if p.entries > 0 {
		s.header(tagSequence, p.entries)
		written := s.n
		if o.Encoded != nil {
			for b, err := range o.Encoded {
				if err != nil {
					return fmt.Errorf("reading the revoked certificates: %w", err)
				}
				if s.bytes(b); s.err != nil {
					return s.err
				}
			}
		}
		if err := o.each(func(e Entry) error { s.bytes(s.entry(e)); return s.err }); err != nil {
			return err
		}
		if s.n-written != p.entries {
			return errors.New("the entries have changed meanwhile")
		}
	}
	s.bytes(p.tail)
	return s.flush()
}

// length is how many octets the entries have.
func (o Options) length() (int, error) {
	n := o.EncodedOctets
	err := o.each(func(e Entry) error {
		if err := e.check(); err != nil {
			return err
		}
		n += entryLength(e)
		return nil
	})
	return n, err
}

// check finds what no list can say.
func (e Entry) check() error {
	if len(e.Serial) == 0 || len(e.Serial) > 20 || e.Serial[0] == 0 {
		return fmt.Errorf("a serial of %d octets", len(e.Serial))
	}
	return nil
}

// AppendEntry appends an entry as it stands in a list, an element of revokedCertificates (RFC 5280 section 5.1), to b.
func AppendEntry(b []byte, e Entry) ([]byte, error) {
	if err := e.check(); err != nil {
		return b, fmt.Errorf("encoding an entry of a revocation list: %w", err)
	}
	return appendEntry(b, e), nil
}

func (o Options) each(f func(Entry) error) error {
	if o.Entries == nil {
		return nil
	}
	for e, err := range o.Entries {
		if err != nil {
			return fmt.Errorf("reading the revoked certificates: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
