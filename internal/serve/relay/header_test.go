package relay

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestHeaderFilter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "A: 1\r\n\r\nb\r\n", "A: 1\r\n\r\nb\r\n"},
		{"reserved, folded", "X-Postseal-A: 1\r\n\t2\r\n 3\r\nB: 4\r\n\r\n", "B: 4\r\n\r\n"},
		{"reserved in odd case and spacing", "x-POSTSEAL-a \t: 1\r\nB: 4\r\n\r\n", "B: 4\r\n\r\n"},
		{"reserved only", "X-Postseal-A: 1\r\n\r\nb\r\n", "\r\nb\r\n"},
		{"reserved in the body", "A: 1\r\n\r\nX-Postseal-A: 1\r\n", "A: 1\r\n\r\nX-Postseal-A: 1\r\n"},
		{"nearly reserved", "X-Postseal: 1\r\nX-Postsealed-A: 1\r\n\r\n", "X-Postseal: 1\r\nX-Postsealed-A: 1\r\n\r\n"},
		{"no header section", "hello\r\nworld\r\n", "\r\nhello\r\nworld\r\n"},
		{"a body at once", "\r\nhello\r\n", "\r\nhello\r\n"},
		{"nothing", "", ""},
		{"hidden behind a line that is no field", "A: 1\r\nwhat\r\nX-Postseal-A: 1\r\n\r\n", "A: 1\r\n\r\nwhat\r\nX-Postseal-A: 1\r\n\r\n"},
		{"hidden behind a first line that is folded", " what\r\nX-Postseal-A: 1\r\n", "\r\n what\r\nX-Postseal-A: 1\r\n"},
		{"a mailbox line", "From a@b Mon Nov  2 10:00:00 2026\r\nX-Postseal-A: 1\r\nA: 1\r\n\r\n", "A: 1\r\n\r\n"},
		{"a mailbox line, later", "A: 1\r\nFrom a@b x\r\n", "A: 1\r\n\r\nFrom a@b x\r\n"},
		{"a line of spaces is folding", "A: 1\r\n  \r\nX-Postseal-A: 1\r\nB: 1\r\n\r\n", "A: 1\r\n  \r\nB: 1\r\n\r\n"},
	} {
		for _, size := range []int{1, 2, 3, 5, 12, 1000} {
			var got bytes.Buffer
			h := &headerFilter{w: &got, maxOctets: 1000}
			for line := range strings.SplitAfterSeq(tc.in, "\r\n") {
				for len(line) > 0 {
					n := min(size, len(line))
					if n == len(line)-1 {
						n = len(line) // a CRLF is never cut in two
					}
					if _, err := h.Write([]byte(line[:n])); err != nil {
						t.Errorf("%s: %v", tc.name, err)
					}
					line = line[n:]
				}
			}
			if got.String() != tc.want {
				t.Errorf("%s, in pieces of %d: got %q, want %q", tc.name, size, got.String(), tc.want)
			}
		}
	}
}

func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	h := &headerFilter{w: &bytes.Buffer{}, maxOctets: 100}
	if _, err := h.Write([]byte("A: " + strings.Repeat("x", 97))); err != nil {
		t.Errorf("100 octets: %v", err)
	}
	if _, err := h.Write([]byte("x")); !errors.Is(err, errHeader) {
		t.Errorf("101 octets: got %v, want %v", err, errHeader)
	}
}
