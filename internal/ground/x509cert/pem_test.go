package x509cert

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"testing"
)

// TestPEMIsThatOfEncodingPEM compares it with the library's, for every length of the last line.
func TestPEMIsThatOfEncodingPEM(t *testing.T) {
	t.Parallel()
	var all, want []byte
	for n := range 300 {
		der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Repeat([]byte{5, 0}, n)})
		if err != nil {
			t.Fatal(err)
		}
		one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if got := PEM(der); got != string(one) {
			t.Fatalf("%d octets: got\n%swant\n%s", len(der), got, one)
		}
		all, want = append(all, der...), append(want, one...)
	}
	if got := PEM(all); got != string(want) {
		t.Error("several that stand one after the other are written otherwise than each of them")
	}
	for _, der := range [][]byte{nil, {}, []byte("nonsense"), {0x30, 0x82}, {2, 1, 0}} {
		if got := PEM(der); got != "" {
			t.Errorf("%x: got %q, want nothing", der, got)
		}
	}
}
