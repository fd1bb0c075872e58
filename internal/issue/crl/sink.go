package crl

import (
	"bufio"
	"time"
)

const (
	tagInteger         = 0x02
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
)

// A sink writes DER and remembers the first error. cryptobyte would hold everything until the end.
type sink struct {
	w       *bufio.Writer
	n       int
	err     error
	scratch []byte
}

func (s *sink) bytes(b []byte) {
	if s.err == nil {
		var n int
		n, s.err = s.w.Write(b)
		s.n += n
	}
}

func (s *sink) header(tag byte, length int) {
	s.scratch = appendHeader(s.scratch[:0], tag, length)
	s.bytes(s.scratch)
}

func (s *sink) flush() error {
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return s.err
}

// entry encodes one element of revokedCertificates (RFC 5280 section 5.1.2.6). What it returns holds until the next call.
func (s *sink) entry(e Entry) []byte {
	s.scratch = appendEntry(s.scratch[:0], e)
	return s.scratch
}

func appendEntry(b []byte, e Entry) []byte {
	b = appendHeader(b, tagSequence, entryContents(e))
	b = appendHeader(b, tagInteger, integerLength(e.Serial))
	if e.Serial[0]&0x80 != 0 {
		b = append(b, 0) // positive, RFC 5280 section 4.1.2.2
	}
	b = append(b, e.Serial...)
	b = appendTime(b, e.RevokedAt)
	if e.Reason != Unspecified {
		// reasonCode, RFC 5280 section 5.3.1: SEQUENCE OF one Extension, whose value is an ENUMERATED.
		b = append(b, tagSequence, 12, tagSequence, 10, 6, 3, 0x55, 0x1d, 0x15, 4, 3, 10, 1, byte(e.Reason))
	}
	return b
}

func entryContents(e Entry) int {
	n := 2 + integerLength(e.Serial) + timeLength(e.RevokedAt)
	if e.Reason != Unspecified {
		n += 14
	}
	return n
}

func entryLength(e Entry) int {
	n := entryContents(e)
	return headerLength(n) + n
}

func integerLength(serial []byte) int {
	if serial[0]&0x80 != 0 {
		return len(serial) + 1
	}
	return len(serial)
}

func timeLength(t time.Time) int {
	if t.UTC().Year() < 2050 {
		return 2 + len("YYMMDDhhmmssZ")
	}
	return 2 + len("YYYYMMDDhhmmssZ")
}

// appendTime writes a time by hand: formatting a million of them is half of the work otherwise.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 2050 {
		b = append(b, tagUTCTime, 13)
	} else {
		b = append(b, tagGeneralizedTime, 15)
		b = appendTwo(b, year/100)
	}
	for _, n := range [...]int{year % 100, int(month), day, hour, minute, second} {
		b = appendTwo(b, n)
	}
	return append(b, 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// headerLength is how many octets tag and length have (X.690 section 8.1.3).
func headerLength(length int) int {
	n := 2
	if length >= 0x80 {
		for ; length > 0; length >>= 8 {
			n++
		}
	}
	return n
}

// bitStringLength is how many octets a BIT STRING of whole octets has.
func bitStringLength(octets int) int { return headerLength(octets+1) + octets + 1 }

func appendHeader(b []byte, tag byte, length int) []byte {
	b = append(b, tag)
	if length < 0x80 {
		return append(b, byte(length))
	}
	n := headerLength(length) - 2
	b = append(b, 0x80|byte(n))
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(length>>(8*i)))
	}
	return b
}
