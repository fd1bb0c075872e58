package revocation

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Entry is one revoked certificate of a list.
type Entry struct {
	Serial    []byte // contents of the DER INTEGER; a part of the list, not to be changed
	RevokedAt time.Time
	Reason    Reason
	// Issuer is the certificate's issuer as a DER Name if an entry of an indirect list says so or an earlier one
	// did; nil means the issuer of the list.
	Issuer []byte
}

// rawEntry is an entry as the walk over a list sees it: places, no values, so that a million of them cost nothing.
type rawEntry struct {
	start      int    // of the entry in the list
	serial     []byte // contents
	date       []byte // contents, checked
	utc        bool   // date is a UTCTime
	extensions []byte // contents of the SEQUENCE; nil if there is none
}

// element reads the tag and length at p and returns where the contents lie. It takes what cryptobyte takes: one byte
// of tag, the shortest form of a length. It exists because this is where a long list spends its time.
func element(der []byte, p int) (tag byte, start, end int, ok bool) {
	if len(der)-p < 2 {
		return 0, 0, 0, false
	}
	tag = der[p]
	n := int(der[p+1])
	p += 2
	if n >= 0x80 {
		count := n & 0x7f
		if count == 0 || count > 4 || len(der)-p < count || der[p] == 0 {
			return 0, 0, 0, false
		}
		n = 0
		for _, b := range der[p : p+count] {
			n = n<<8 | int(b)
		}
		p += count
		if n < 0x80 {
			return 0, 0, 0, false
		}
	}
	if tag&0x1f == 0x1f || n > len(der)-p {
		return 0, 0, 0, false
	}
	return tag, p, p + n, true
}

// readEntry reads the entry at p and returns the place behind it.
func readEntry(der []byte, p int) (e rawEntry, next int, err error) {
	tag, start, end, ok := element(der, p)
	if !ok || tag != 0x30 {
		return e, 0, errors.New("an entry is no SEQUENCE")
	}
	e.start = p
	body := der[start:end]
	tag, s, n, ok := element(body, 0)
	if !ok || tag != 0x02 || !minimalInteger(body[s:n]) {
		return e, 0, errors.New("a serial number is no DER INTEGER")
	}
	e.serial = body[s:n]
	tag, s, m, ok := element(body, n)
	if !ok || !validTime(tag, body[s:m]) {
		return e, 0, errors.New("a revocation date is no DER time")
	}
	e.date, e.utc = body[s:m], tag == 0x17
	if m < len(body) {
		tag, s, n, ok = element(body, m)
		if !ok || tag != 0x30 || n != len(body) {
			return e, 0, errors.New("the extensions of an entry are no SEQUENCE")
		}
		e.extensions = body[s:n]
	}
	return e, end, nil
}

func minimalInteger(b []byte) bool {
	if len(b) < 2 {
		return len(b) == 1
	}
	return (b[0] != 0 || b[1]&0x80 != 0) && (b[0] != 0xff || b[1]&0x80 == 0)
}

// validTime checks a UTCTime or GeneralizedTime in the only form that DER and RFC 5280 section 4.1.2.5 allow.
func validTime(tag byte, b []byte) bool {
	switch {
	case tag == 0x17 && len(b) == 13:
	case tag == 0x18 && len(b) == 15:
		if !isDigits(b[:2]) {
			return false
		}
		b = b[2:]
	default:
		return false
	}
	if b[12] != 'Z' || !isDigits(b[:12]) {
		return false
	}
	month, day := two(b[2:]), two(b[4:])
	if month < 1 || month > 12 || day < 1 || two(b[6:]) > 23 || two(b[8:]) > 59 || two(b[10:]) > 59 {
		return false
	}
	return day <= 28 || day <= daysIn(month) && (month != 2 || two(b)%4 == 0)
}

func daysIn(month int) int { return [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1] }

func two(b []byte) int { return int(b[0]-'0')*10 + int(b[1]-'0') }

func isDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// timeOf is the value of a time that validTime has passed.
func timeOf(b []byte, utc bool) time.Time {
	year := 0
	if utc {
		if year = 1900 + two(b); year < 1950 { // RFC 5280 section 4.1.2.5.1
			year += 100
		}
	} else {
		year = two(b)*100 + two(b[2:])
		b = b[2:]
	}
	return time.Date(year, time.Month(two(b[2:])), two(b[4:]), two(b[6:]), two(b[8:]), two(b[10:]), 0, time.UTC)
}

// readTime reads a time of a list or an answer.
func readTime(s *cryptobyte.String) (t time.Time, ok bool) {
	var contents cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&contents, &tag) || !validTime(byte(tag), contents) {
		return t, false
	}
	return timeOf(contents, tag == asn1.UTCTime), true
}

// onlyReason is the beginning of the extensions of nearly every entry: one reasonCode of one byte.
var onlyReason = []byte{0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01}

// entryExtensions are what the extensions of an entry say.
type entryExtensions struct {
	reason byte
	issuer []byte // DER Name of certificateIssuer; nil if absent
	// unknown is a critical extension that we do not understand; empty if there is none.
	unknown string
}

const maxEntryExtensions = 16

// readEntryExtensions reads the extensions of an entry (RFC 5280 section 5.3).
func readEntryExtensions(der []byte) (x entryExtensions, err error) {
	if len(der) == len(onlyReason)+1 && bytes.Equal(der[:len(onlyReason)], onlyReason) {
		x.reason = der[len(der)-1]
		return x, nil
	}
	err = eachExtension(der, maxEntryExtensions, func(e extension) error {
		value := cryptobyte.String(e.value)
		switch e.id {
		case idReasonCode:
			var code int
			if !value.ReadASN1Enum(&code) || !value.Empty() || code < 0 || code > 0x7f {
				return errors.New("a reason is malformed")
			}
			x.reason = byte(code)
		case idInvalidityDate: // says since when the key may have been in other hands; it changes no answer
		case idCertificateIssuer:
			names, err := readGeneralNames(value)
			if err != nil {
				return fmt.Errorf("a certificate issuer: %w", err)
			}
			for _, n := range names {
				if n.directory != nil {
					x.issuer = n.directory
				}
			}
			if x.issuer == nil {
				return errors.New("a certificate issuer is no directory name")
			}
		default:
			if e.critical {
				x.unknown = e.id
			}
		}
		return nil
	})
	return x, err
}
