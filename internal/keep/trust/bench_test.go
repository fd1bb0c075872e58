package trust

import (
	"crypto/x509"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkVerify is the status of a certificate of the web: two intermediates, RSA-free, with a CRL of each.
func BenchmarkVerify(b *testing.B) {
	root := newRoot(b, "Root", nil)
	policy := root.between(b, "Policy", nil)
	ca := policy.between(b, "CA", nil)
	lists := NewCRLs(root.crlOf(b, nil), policy.crlOf(b, nil), ca.crlOf(b, nil))
	anchors, err := SystemAnchors()
	if err != nil {
		b.Fatal(err)
	}
	v := newVerifier(b, Options{Anchors: append(anchors, Anchor{Cert: root.cert}), Known: certs(policy, ca), Revocation: lists})
	leaves := make([]*x509.Certificate, 100)
	for i := range leaves {
		leaves[i] = ca.leaf(b, fmt.Sprintf("h%d.example.com", i), nil)
	}
	i := 0
	for b.Loop() {
		i++
		if got := v.Verify(b.Context(), Question{Leaf: leaves[i%len(leaves)], At: at, Mode: ModeHard}); len(got.Faults) > 0 {
			b.Fatal(got.Reason)
		}
	}
}

// BenchmarkStatusThousand is the status of a thousand certificates, each another one, whose revocation is known: it shall
// cost less than a second of CPU.
func BenchmarkStatusThousand(b *testing.B) {
	root := newRoot(b, "Root", nil)
	ca := root.between(b, "CA", nil)
	lists := NewCRLs(root.crlOf(b, nil), ca.crlOf(b, nil))
	anchors, err := SystemAnchors()
	if err != nil {
		b.Fatal(err)
	}
	v := newVerifier(b, Options{Anchors: append(anchors, Anchor{Cert: root.cert}), Known: certs(ca), Revocation: lists})
	leaves := make([]*x509.Certificate, 1000)
	for i := range leaves {
		leaves[i] = ca.leaf(b, fmt.Sprintf("h%d.example.com", i), nil)
	}
	began := cpuTime(b)
	for b.Loop() {
		for _, leaf := range leaves {
			if got := v.Verify(b.Context(), Question{Leaf: leaf, At: at, Mode: ModeHard}); len(got.Faults) > 0 {
				b.Fatal(got.Reason)
			}
		}
	}
	b.ReportMetric((cpuTime(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
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

// BenchmarkBatch is the same from text, line by line, with the roots in each line.
func BenchmarkBatch(b *testing.B) {
	root := newRoot(b, "Root", nil)
	ca := root.between(b, "CA", nil)
	line := lineOf(b, map[string]any{
		"id": 1, "leaf": certPEM(ca.leaf(b, "a.example.com", nil)), "chain": []string{certPEM(ca.cert)}, "roots": []string{certPEM(root.cert)}, "at": at,
	})
	v := newVerifier(b, Options{Distrust: &Distrust{}})
	const n = 100
	in := strings.Repeat(line, n)
	for b.Loop() {
		if got := answers(b, v, strings.NewReader(in)); len(got) != n {
			b.Fatalf("got %d answers, want %d", len(got), n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/line")
}
