package desk

import (
	"encoding/hex"
	"fmt"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

// pile holds the entries of a list packed, 30 octets each: a million of them as values would be a hundred megabytes.
type pile struct{ chunks [][]byte }

const (
	pileEntry = 1 + 20 + 8 + 1 // length of the serial, serial, seconds, reason
	pileChunk = 32_768 * pileEntry
)

func (p *pile) add(r state.Revoked) error {
	serial, err := hex.DecodeString(r.Serial)
	if err != nil || len(serial) > 20 {
		return fmt.Errorf("the book has a serial %q that is none", clip(r.Serial))
	}
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last]) == cap(p.chunks[last]) {
		size := pileChunk
		if last < 0 {
			size = 256 * pileEntry // most lists are short
		}
		p.chunks = append(p.chunks, make([]byte, 0, size))
		last++
	}
	var one [pileEntry]byte
	one[0] = byte(len(serial))
	copy(one[1:], serial)
	seconds := ca.RevocationDate(r.RevokedAt).Unix()
	for i := range 8 {
		one[21+i] = byte(seconds >> (8 * i))
	}
	one[29] = byte(r.Reason)
	p.chunks[last] = append(p.chunks[last], one[:]...)
	return nil
}

// all goes over the entries in the order in which they were added.
func (p *pile) all(yield func(crl.Entry, error) bool) {
	for _, chunk := range p.chunks {
		for ; len(chunk) > 0; chunk = chunk[pileEntry:] {
			var seconds int64
			for i := range 8 {
				seconds |= int64(chunk[21+i]) << (8 * i)
			}
			if !yield(crl.Entry{Serial: chunk[1 : 1+chunk[0]], RevokedAt: time.Unix(seconds, 0), Reason: crl.Reason(chunk[29])}, nil) {
				return
			}
		}
	}
}
