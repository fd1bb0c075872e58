package x509cert

import (
	"errors"
	"strings"
	"testing"
)

func TestParseThumbprint(t *testing.T) {
	t.Parallel()
	const whole = "0123456789ABCDEF0123456789ABCDEF01234567"
	tests := []struct{ in, want, reason string }{
		{in: whole, want: whole},
		{in: strings.ToLower(whole), want: whole},
		{in: "\u200e01 23 45 67 89 ab cd ef 01 23 45 67 89 ab cd ef 01 23 45 67", want: whole},
		{in: "SHA1 Fingerprint=01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67\n", want: whole},
		{in: "sha1 Fingerprint=01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67", want: whole},
		{in: "deadbeef", want: "DEADBEEF"},
		{in: "de:ad:be:ef:0", want: "DEADBEEF0"},
		{in: "", reason: "0 digits are too few; at least 8"},
		{in: "deadbee", reason: "7 digits are too few; at least 8"},
		{in: "mail-example-com", reason: "not hex digits"},
		{in: "dead-beef", reason: "not hex digits"}, // that is the name of a lineage
		{in: "０１２３４５６７", reason: "not hex digits"},
		{in: whole + "0", reason: "41 digits are too many; at most 40"},
		{in: strings.Repeat("ab", 32), reason: "64 digits are a SHA-256 fingerprint; a thumbprint is the SHA-1, 40 digits"},
		{in: strings.Repeat(" ", 1025), reason: "longer than 1024 octets"},
	}
	for _, tt := range tests {
		got, err := ParseThumbprint(tt.in)
		reason := ""
		if err != nil {
			var invalid *InvalidThumbprintError
			if !errors.As(err, &invalid) {
				t.Fatalf("%q: got %T, want *InvalidThumbprintError", tt.in, err)
			}
			reason = invalid.Reason
		}
		if got != tt.want || reason != tt.reason {
			t.Errorf("%.80q: got %q, %q, want %q, %q", tt.in, got, reason, tt.want, tt.reason)
		}
		if got := IsThumbprintPrefix(tt.in); got != (tt.reason == "") {
			t.Errorf("%.80q: IsThumbprintPrefix got %v, want %v", tt.in, got, tt.reason == "")
		}
	}
}
