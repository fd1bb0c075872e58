package ca

import (
	"crypto/rand"
	"math/big"
)

// serialOctets is the length of a serial: 128 bits, 127 of them random.
const serialOctets = 16

// newSerial draws a serial. RFC 5280 section 4.1.2.2 wants it positive and at most 20 octets; the CA/B Forum's Baseline
// Requirements section 7.1 want 64 bits from a generator. The first bit is 0, so that the integer has no sign octet,
// and the second is 1, so that every serial has the same length and sorts as text. That two are alike does not happen;
// the ledger refuses it all the same.
func newSerial() *big.Int {
	var b [serialOctets]byte
	rand.Read(b[:]) // never fails, crypto/rand
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}
