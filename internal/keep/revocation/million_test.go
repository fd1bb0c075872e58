package revocation

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// million signs a list of n entries in no order, with serial numbers of 16 bytes and reasons, as public authorities
// have them.
func (a *authority) million(n int) (der []byte, serials []*big.Int) {
	a.t.Helper()
	source := rand.NewChaCha8([32]byte{1})
	entry := []byte{0x30, 0x2d, 0x02, 0x10}
	tail := []byte("\x17\x0d260101120000Z\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x04")
	entries := make([]byte, 0, n*(len(entry)+16+len(tail)))
	entry[1] = byte(2 + 16 + len(tail))
	for i := range n {
		var serial [16]byte
		binary.BigEndian.PutUint64(serial[:], source.Uint64())
		binary.BigEndian.PutUint64(serial[8:], source.Uint64())
		serial[0] = serial[0]&0x7f | 1
		if i%(n/100_000+1) == 0 {
			serials = append(serials, new(big.Int).SetBytes(serial[:]))
		}
		entries = append(append(append(entries, entry...), serial[:]...), tail...)
	}
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier([]int{1, 2, 840, 10045, 4, 3, 2}) })
	}
	var tbs cryptobyte.Builder
	tbs.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		algorithm(b)
		b.AddBytes(a.cert.RawSubject)
		b.AddASN1UTCTime(time.Now().Add(-time.Hour))
		b.AddASN1UTCTime(time.Now().Add(time.Hour))
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddBytes([]byte("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x14\x04\x03\x02\x01\x07"))
		})
	})
	return a.seal(tbs.BytesOrPanic(), algorithm), serials
}

func TestManyEntries(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Many")
	der, serials := a.million(50_000)
	c, err := ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	if c.Len() != 50_000 {
		t.Errorf("got %d entries, want 50000", c.Len())
	}
	for _, s := range serials {
		if e, ok := c.Lookup(s); !ok || e.Reason != Superseded {
			t.Errorf("serial %x: got %v, %v, want superseded", s, e.Reason, ok)
		}
		if _, ok := c.Lookup(new(big.Int).Add(s, big.NewInt(1))); ok {
			t.Errorf("serial %x + 1 is listed", s)
		}
	}
}

func BenchmarkParseMillion(b *testing.B) {
	der, _ := newAuthority(b, "Million").million(1_000_000)
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		c, err := ParseCRL(der)
		if err != nil {
			b.Fatal(err)
		}
		if c.Len() != 1_000_000 {
			b.Fatal(fmt.Errorf("got %d entries", c.Len()))
		}
	}
	b.ReportMetric((cpuTime(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(len(der))/(1<<20), "list-MiB")
}

// cpuTime is what this process has used so far, whatever else the machine does.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkVerifyMillion(b *testing.B) {
	a := newAuthority(b, "Million")
	der, _ := a.million(1_000_000)
	c, err := ParseCRL(der)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.algorithm.verify(c.tbs, c.signature, a.cert.PublicKey); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookupMillion(b *testing.B) {
	der, serials := newAuthority(b, "Million").million(1_000_000)
	c, err := ParseCRL(der)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	began := cpuTime(b)
	for b.Loop() {
		if _, ok := c.Lookup(serials[i%len(serials)]); !ok {
			b.Fatal("not found")
		}
		i++
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
