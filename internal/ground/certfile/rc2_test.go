package certfile

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestRC2 has the vectors of RFC 2268 section 5.
func TestRC2(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key, plain, cipher string
		bits               int
	}{
		{"0000000000000000", "0000000000000000", "ebb773f993278eff", 63},
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49", 64},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2", 64},
		{"88", "0000000000000000", "61a8a244adacccf0", 64},
		{"88bca90e90875a", "0000000000000000", "6ccf4308974c267f", 64},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "1a807d272bbe5db1", 64},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6", 128},
	} {
		key, _ := hex.DecodeString(tt.key)
		ciphertext, _ := hex.DecodeString(tt.cipher)
		want, _ := hex.DecodeString(tt.plain)
		got := make([]byte, 8)
		newRC2(key, tt.bits).Decrypt(got, ciphertext)
		if !bytes.Equal(got, want) {
			t.Errorf("key %s of %d bits: got %x, want %x", tt.key, tt.bits, got, want)
		}
	}
}
