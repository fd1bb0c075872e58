package desk

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/request"
)

func usedCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// issuingDesk is one with an authority, on the disk as a server has it.
func issuingDesk(b *testing.B) (*Desk, ImportFile) {
	b.Helper()
	ctx, dir := context.Background(), b.TempDir()
	db, err := state.Open(ctx, state.Options{Dir: dir, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() }) // nothing is asked of it any more
	if err := Setup(ctx, db, exampleSetup(dir), tester()); err != nil {
		b.Fatal(err)
	}
	d, err := Open(ctx, Options{State: db, Sealing: dir + "/sealing-key", Runtime: newRuntime()})
	if err != nil {
		b.Fatal(err)
	}
	if err := initialise(d); err != nil {
		b.Fatal(err)
	}
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		b.Fatal(err)
	}
	der, err := request.Create(request.Options{Names: []string{"a.example.com"}}, key)
	if err != nil {
		b.Fatal(err)
	}
	return d, ImportFile{"a.csr", der}
}

// issueMany issues n certificates, sixteen clients at once.
func issueMany(b *testing.B, d *Desk, csr ImportFile, n int) {
	b.Helper()
	next := make(chan int)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range next {
				if _, err := d.Certify(context.Background(), tester(), CertifyRequest{CSR: csr, Domains: []string{fmt.Sprintf("n%d.example.com", i)}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// BenchmarkIssueThousand issues a thousand certificates for requests, with lints, book, audit trail and disk, and says how
// much memory they have left behind.
func BenchmarkIssueThousand(b *testing.B) {
	d, csr := issuingDesk(b)
	issueMany(b, d, csr, 100) // keys are open, pages are there
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse) / (1 << 20)
	}
	before := heap()
	began := usedCPU(b)
	for b.Loop() {
		issueMany(b, d, csr, 1000)
	}
	b.ReportMetric(float64((usedCPU(b)-began).Milliseconds())/float64(b.N), "cpu-ms/1000")
	b.ReportMetric(heap()-before, "MiB-more")
}
