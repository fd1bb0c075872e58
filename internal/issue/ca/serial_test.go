package ca

import (
	"testing"
	"time"
)

// TestSerials: every serial has sixteen octets without a sign octet, as DER writes it, and sorts by the time.
func TestSerials(t *testing.T) {
	t.Parallel()
	last := ""
	for _, begins := range []string{"1970-01-01T00:00:00Z", "2026-11-28T18:00:00Z", "2026-11-28T18:00:01Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z", "2199-01-01T00:00:00Z"} {
		when, err := time.Parse(time.RFC3339, begins)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range 100 {
			s := newSerial(when)
			text := SerialText(s)
			if len(text) != 2*serialOctets || s.BitLen() != 8*serialOctets-1 || text <= last {
				t.Fatalf("%s: serial %s behind %s: want %d octets that sort by the time", begins, text, last, serialOctets)
			}
			seen[text] = true
		}
		if len(seen) != 100 {
			t.Errorf("%s: %d serials of 100", begins, len(seen))
		}
		last = ""
		for text := range seen {
			last = max(last, text)
		}
	}
}
