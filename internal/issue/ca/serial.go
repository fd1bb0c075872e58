package ca

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"time"
)

// serialOctets is the length of a serial, of which timeOctets say when the life of its certificate begins.
const (
	serialOctets = 16
	timeOctets   = 5
)

// newSerial draws a serial for a certificate whose life begins then. RFC 5280 section 4.1.2.2 wants it positive and at most 20
// octets; the CA/B Forum's Baseline Requirements section 7.1 want 64 bits from a generator: it has 88. The first bit is 0,
// so that the integer has no sign octet, and the second is 1, so that every serial has the same length and sorts as text.
// The seconds since 1970 follow: what is issued one after another lies side by side in each index of the book, as notBefore
// says the time to everybody anyway. That two are alike does not happen; the ledger refuses it all the same.
func newSerial(begins time.Time) *big.Int {
	var b [serialOctets]byte
	rand.Read(b[timeOctets:]) // never fails, crypto/rand
	binary.BigEndian.PutUint32(b[1:timeOctets], uint32(begins.Unix()))
	b[0] = 0x40 | byte(begins.Unix()>>32)&0x3f
	return new(big.Int).SetBytes(b[:])
}
