package revocation

import (
	"bytes"
	"hash/maphash"
	"math/big"
	"math/bits"
	"sort"
)

// index finds an entry by its serial number and issuer. It is a hash table with open addressing: a slot holds half of
// the hash and the place of the entry, so a look-up touches the list once or not at all. Three quarters of the slots
// are in use. The seed is secret, so a list cannot be made to collide.
type index struct {
	slots []uint64 // hash << 32 | place + 1; zero is free
	seed  maphash.Seed
}

func newIndex(entries int) index {
	return index{slots: make([]uint64, entries+entries/3+1), seed: maphash.MakeSeed()}
}

// slot is where the search for a hash begins: its lower half scaled to the number of slots. The upper half is what the
// slot keeps.
func (x *index) slot(hash uint64) int {
	high, _ := bits.Mul64(hash<<32, uint64(len(x.slots)))
	return int(high)
}

func (x *index) hash(serial []byte, issuer int) uint64 {
	h := maphash.Bytes(x.seed, serial)
	if issuer != 0 {
		h = (h ^ uint64(issuer)*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	return h
}

// issuerAt says whose certificate the entry at a place of the list is.
func (c *CRL) issuerAt(p int) entryIssuer {
	i := sort.Search(len(c.issuers), func(i int) bool { return c.issuers[i].start > p })
	if i == 0 {
		return entryIssuer{}
	}
	return c.issuers[i-1]
}

// pending is an entry that waits to be inserted.
type pending struct {
	hash   uint64
	slot   int
	p      int // place of the entry
	issuer int
	serial []byte
}

// batch collects entries, because the slots of a long list are in no cache: reading those of many entries one right
// after the other lets the processor wait for all of them at once, which halves the time for the whole list.
type batch struct {
	waiting [64]pending
	n       int
	touched uint64 // so that the reading is not optimised away
}

// add inserts the entry at p, sooner or later.
func (b *batch) add(c *CRL, p, issuer int, serial []byte) {
	hash := c.indexed.hash(serial, issuer)
	b.waiting[b.n] = pending{hash: hash, slot: c.indexed.slot(hash), p: p, issuer: issuer, serial: serial}
	if b.n++; b.n == len(b.waiting) {
		b.flush(c)
	}
}

// flush inserts what is waiting.
func (b *batch) flush(c *CRL) {
	for i := range b.n {
		b.touched |= c.indexed.slots[b.waiting[i].slot]
	}
	for i := range b.n {
		c.insert(&b.waiting[i])
	}
	b.n = 0
}

// insert indexes an entry. Of two entries for one certificate the first counts, unless it only takes back a hold: a
// list that contradicts itself revokes.
func (c *CRL) insert(e *pending) {
	x := &c.indexed
	value := e.hash>>32<<32 | uint64(e.p+1)
	for i := e.slot; ; i++ {
		if i == len(x.slots) {
			i = 0
		}
		s := x.slots[i]
		if s == 0 {
			x.slots[i] = value
			return
		}
		if s>>32 != e.hash>>32 {
			continue
		}
		there, ok := c.at(s, e.serial, e.issuer)
		if !ok {
			continue
		}
		if c.entry(there).Reason == RemoveFromCRL {
			x.slots[i] = value
		}
		return
	}
}

// at reads the entry of a slot and says whether it is the one that is looked for.
func (c *CRL) at(slot uint64, serial []byte, issuer int) (rawEntry, bool) {
	e, _, err := readEntry(c.entries, int(uint32(slot))-1)
	if err != nil {
		panic("revocation: internal error: an entry that was read once cannot be read again")
	}
	if !bytes.Equal(e.serial, serial) || len(c.issuers) > 0 && c.issuerAt(e.start).number != issuer {
		return e, false
	}
	return e, true
}

// find looks for a serial number (contents of the DER INTEGER) of the issuer with this nameKey.
func (c *CRL) find(serial []byte, issuerKey string) (Entry, bool) {
	issuer, known := c.issuerNum[issuerKey]
	if !known {
		return Entry{}, false
	}
	x := &c.indexed
	hash := x.hash(serial, issuer)
	for i := x.slot(hash); ; i++ {
		if i == len(x.slots) {
			i = 0
		}
		s := x.slots[i]
		if s == 0 {
			return Entry{}, false
		}
		if s>>32 == hash>>32 {
			if e, ok := c.at(s, serial, issuer); ok {
				return c.entry(e), true
			}
		}
	}
}

// Lookup finds the entry of a certificate of the issuer of the list. It says nothing about whether the list may be
// believed: that is what [Lists] and [Checker] are for.
func (c *CRL) Lookup(serial *big.Int) (Entry, bool) {
	return c.find(serialContents(serial), c.issuerKey)
}

// serialContents are the contents of the DER INTEGER, for negative numbers too: NIST's test suite has them.
func serialContents(n *big.Int) []byte {
	switch n.Sign() {
	case 0:
		return []byte{0}
	case 1:
		b := n.Bytes()
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	// Two's complement: the smallest number of bytes whose highest bit can say that it is negative.
	size := new(big.Int).Not(n).BitLen()/8 + 1
	b := make([]byte, size)
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size))).FillBytes(b)
}
