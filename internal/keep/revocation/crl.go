package revocation

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxCRLBytes is the largest list that is read. The places in its index are 32 bits wide, and public lists stay below
// 100 MB.
const MaxCRLBytes = 256 << 20

// MalformedError reports that a list or an answer is not what its standard says, so that nothing of it is believed.
type MalformedError struct {
	What  string // "list" or "OCSP response"
	Cause error
}

func (e *MalformedError) Error() string { return fmt.Sprintf("reading the %s: %v", e.What, e.Cause) }

// Unwrap gives what was wrong with it.
func (e *MalformedError) Unwrap() error { return e.Cause }

// CRL is a list of revoked certificates, read and indexed. It keeps the bytes it was made of and is never changed, so
// it may be used by several goroutines.
type CRL struct {
	raw       []byte
	tbs       []byte // what is signed
	signature []byte
	algorithm signatureAlgorithm

	version    int // 1 or 2
	issuer     []byte
	issuerKey  string // nameKey of issuer
	thisUpdate time.Time
	nextUpdate time.Time // zero if the list does not say

	number    *big.Int // nil if there is none
	base      *big.Int // of the list that a delta builds on; nil unless it is a delta
	keyID     []byte   // of the signer's key; nil if the list does not say
	scope     scope
	freshest  []point // where deltas of it are
	unusable  string  // why RFC 5280 forbids to use it; empty if it does not
	fault     string  // in what it is less than RFC 5280 demands, so that its silence means nothing; empty if it is not
	entries   []byte  // contents of revokedCertificates
	indexed   index
	count     int
	issuers   []entryIssuer  // of an indirect list, in the order of start
	issuerNum map[string]int // nameKey to the number in index keys; 0 is the issuer of the list

	// mu guards verified, the digests of the public keys that signed this list. It is never held while verifying.
	mu       sync.Mutex
	verified map[[32]byte]bool
}

// entryIssuer says whose certificates the entries from start on are.
type entryIssuer struct {
	start  int // in entries
	number int
	name   []byte // DER Name; nil is the issuer of the list
}

const (
	maxCRLExtensions = 64
	maxIssuerChanges = 100_000 // in an indirect list
)

// ParseCRL reads a list in DER and indexes its entries. It keeps der, which must not be changed afterwards. The
// signature is not checked here. The error is a [*MalformedError]; a list that is well formed but must not be used is
// none, and says so when it is asked.
func ParseCRL(der []byte) (*CRL, error) {
	c := &CRL{raw: der}
	if err := c.parse(); err != nil {
		return nil, &MalformedError{What: "list", Cause: err}
	}
	return c, nil
}

func (c *CRL) parse() error {
	if len(c.raw) > MaxCRLBytes {
		return fmt.Errorf("it is larger than %d bytes", MaxCRLBytes)
	}
	input := cryptobyte.String(c.raw)
	var outer, tbs, inner, algorithm cryptobyte.String
	if !input.ReadASN1(&outer, asn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Element(&tbs, asn1.SEQUENCE) {
		return errors.New("it is no DER SEQUENCE of the right length")
	}
	c.tbs = tbs
	if !outer.ReadASN1Element(&algorithm, asn1.SEQUENCE) || !outer.ReadASN1BitStringAsBytes(&c.signature) || !outer.Empty() {
		return errors.New("the signature is malformed")
	}
	if !tbs.ReadASN1(&tbs, asn1.SEQUENCE) {
		return errors.New("what is signed is malformed")
	}
	c.version = 1
	if tbs.PeekASN1Tag(asn1.INTEGER) {
		var version int64
		if !tbs.ReadASN1Integer(&version) || version != 1 {
			return errors.New("its version is neither 1 nor 2")
		}
		c.version = 2
	}
	// RFC 5280 section 5.1.1.2: the algorithm outside must be the one inside, which is signed.
	if !tbs.ReadASN1Element(&inner, asn1.SEQUENCE) || !bytes.Equal(inner, algorithm) {
		return errors.New("the algorithm of the signature stands there in two ways")
	}
	c.algorithm = readSignatureAlgorithm(inner)
	var issuer cryptobyte.String
	if !tbs.ReadASN1Element(&issuer, asn1.SEQUENCE) {
		return errors.New("the issuer is malformed")
	}
	var err error
	if c.issuerKey, err = nameKey(issuer); err != nil {
		return fmt.Errorf("the issuer: %w", err)
	}
	c.issuer = issuer
	var ok bool
	if c.thisUpdate, ok = readTime(&tbs); !ok {
		return errors.New("thisUpdate is no DER time")
	}
	if tbs.PeekASN1Tag(asn1.UTCTime) || tbs.PeekASN1Tag(asn1.GeneralizedTime) {
		if c.nextUpdate, ok = readTime(&tbs); !ok {
			return errors.New("nextUpdate is no DER time")
		}
	}
	var entries, extensions cryptobyte.String
	var hasExtensions bool
	if tbs.PeekASN1Tag(asn1.SEQUENCE) && !tbs.ReadASN1(&entries, asn1.SEQUENCE) {
		return errors.New("the entries are no SEQUENCE")
	}
	if !tbs.ReadOptionalASN1(&extensions, &hasExtensions, asn1.Tag(0).ContextSpecific().Constructed()) || !tbs.Empty() {
		return errors.New("there is something behind the entries that is no extensions")
	}
	c.entries = entries
	c.scope.reasons = allReasons
	if hasExtensions {
		if err := c.readExtensions(extensions); err != nil {
			return err
		}
	}
	c.judge()
	return c.readEntries()
}

func (c *CRL) readExtensions(s cryptobyte.String) error {
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) || !s.Empty() {
		return errors.New("the extensions are no SEQUENCE")
	}
	if c.version == 1 {
		return errors.New("a list of version 1 has extensions")
	}
	return eachExtension(contents, maxCRLExtensions, func(e extension) (err error) {
		value := cryptobyte.String(e.value)
		switch e.id {
		case idCRLNumber:
			c.number, err = readNumber(value)
			if err == nil && e.critical {
				c.fault = "its number is marked critical, against RFC 5280 section 5.2.3"
			}
		case idDeltaCRLIndicator:
			c.base, err = readNumber(value)
		case idIssuingDistribution:
			c.scope, err = readScope(value, c.issuer)
		case idFreshestCRL:
			c.freshest, err = readPoints(value, c.issuer)
		case idAuthorityKeyID:
			var id, key cryptobyte.String
			var present bool
			if !value.ReadASN1(&id, asn1.SEQUENCE) || !id.ReadOptionalASN1(&key, &present, asn1.Tag(0).ContextSpecific()) {
				return errors.New("the key identifier is malformed")
			}
			if present {
				c.keyID = key
			}
		default:
			if e.critical {
				// RFC 5280 section 5.2: such a list must not be used at all.
				c.unusable = "its critical extension " + e.name() + " is unknown"
			}
		}
		return err
	})
}

func readNumber(s cryptobyte.String) (*big.Int, error) {
	n := new(big.Int)
	// RFC 5280 section 5.2.3: up to 20 octets.
	if len(s) > 24 || !s.ReadASN1Integer(n) || !s.Empty() || n.Sign() < 0 {
		return nil, errors.New("the number of a list is malformed")
	}
	return n, nil
}

// judge notes what makes a well-formed list less than it must be.
func (c *CRL) judge() {
	only := 0
	for _, set := range []bool{c.scope.onlyUsers, c.scope.onlyCAs, c.scope.onlyAttributes} {
		if set {
			only++
		}
	}
	switch {
	case c.unusable != "":
	case only > 1:
		c.unusable = "its issuing distribution point contradicts itself" // RFC 5280 section 5.2.5
	case c.nextUpdate.IsZero():
		c.fault = "it does not say until when it holds" // RFC 5280 section 5.1.2.5
	case c.nextUpdate.Before(c.thisUpdate):
		c.fault = "it ends before it begins"
	case c.version == 2 && c.number == nil:
		c.fault = "it has no number, against RFC 5280 section 5.2.3" // version 1 cannot have one
	}
}

// readEntries checks every entry and indexes it.
func (c *CRL) readEntries() error {
	// The entries are counted first, by their lengths alone: a table of the right size is made once.
	for p := 0; p < len(c.entries); {
		_, _, end, ok := element(c.entries, p)
		if !ok {
			return fmt.Errorf("entry %d is malformed", c.count)
		}
		p = end
		c.count++
	}
	c.indexed = newIndex(c.count)
	c.issuerNum = map[string]int{c.issuerKey: 0}
	issuer := 0
	var b batch
	for p, i := 0, 0; p < len(c.entries); i++ {
		e, next, err := readEntry(c.entries, p)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if e.extensions != nil {
			x, err := c.extensionsOf(e)
			if err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
			if x.issuer != nil {
				if issuer, err = c.noteIssuer(p, x.issuer); err != nil {
					return fmt.Errorf("entry %d: %w", i, err)
				}
			}
		}
		b.add(c, p, issuer, e.serial)
		p = next
	}
	b.flush(c)
	return nil
}

func (c *CRL) extensionsOf(e rawEntry) (entryExtensions, error) {
	x, err := readEntryExtensions(e.extensions)
	if err != nil {
		return x, err
	}
	if c.version == 1 {
		return x, errors.New("a list of version 1 has extensions")
	}
	if x.unknown != "" {
		// RFC 5280 section 5.3: then the list must not be used for any certificate.
		c.unusable = "the critical extension " + extension{id: x.unknown}.name() + " of an entry is unknown"
	}
	if x.issuer != nil && !c.scope.indirect {
		c.unusable = "an entry is of another issuer, but the list is not indirect" // RFC 5280 section 5.3.3
	}
	return x, nil
}

// noteIssuer notes that from here on the entries are those of another issuer (RFC 5280 section 5.3.3).
func (c *CRL) noteIssuer(start int, name []byte) (int, error) {
	key, err := nameKey(name)
	if err != nil {
		return 0, err
	}
	number, known := c.issuerNum[key]
	if !known {
		number = len(c.issuerNum)
		c.issuerNum[key] = number
	}
	if n := len(c.issuers); n > 0 && c.issuers[n-1].number == number {
		return number, nil
	}
	if len(c.issuers) == maxIssuerChanges {
		return 0, fmt.Errorf("the issuer of the entries changes more than %d times", maxIssuerChanges)
	}
	c.issuers = append(c.issuers, entryIssuer{start: start, number: number, name: name})
	return number, nil
}

// Len is the number of entries.
func (c *CRL) Len() int { return c.count }

// Number is the number of the list, nil if it has none.
func (c *CRL) Number() *big.Int {
	if c.number == nil {
		return nil
	}
	return new(big.Int).Set(c.number)
}

// ThisUpdate is when the list was made.
func (c *CRL) ThisUpdate() time.Time { return c.thisUpdate }

// NextUpdate is when the next list will be there at the latest; zero if the list does not say.
func (c *CRL) NextUpdate() time.Time { return c.nextUpdate }

// IsDelta reports whether the list says only what changed since another one.
func (c *CRL) IsDelta() bool { return c.base != nil }

// RawIssuer is the DER Name of the issuer of the list.
func (c *CRL) RawIssuer() []byte { return bytes.Clone(c.issuer) }

// All are the entries in the order of the list.
func (c *CRL) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for p := 0; p < len(c.entries); {
			e, next, err := readEntry(c.entries, p)
			if err != nil {
				panic("revocation: internal error: an entry that was read once cannot be read again")
			}
			if !yield(c.entry(e)) {
				return
			}
			p = next
		}
	}
}

// entry gives an entry its values.
func (c *CRL) entry(e rawEntry) Entry {
	x, _ := readEntryExtensions(e.extensions) // no error: they were read before
	return Entry{Serial: e.serial, RevokedAt: timeOf(e.date, e.utc), Reason: reasonOf(x.reason), Issuer: c.issuerAt(e.start).name}
}
