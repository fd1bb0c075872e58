package pages

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"postseal/internal/steer/desk"
)

// benchCertificates is how many there are. Each is an act of its own, and each act settles, so more take long to make.
const benchCertificates = 1_000

// BenchmarkPages shows pages of an organisation of many certificates. The numbers to answer for are those of the first
// page, 150 ms of the processor and 300 kB; what it shows is bounded, whatever there is.
func BenchmarkPages(b *testing.B) {
	o := newOrganisation(b, running{})
	for i := range benchCertificates {
		if _, err := o.New(b.Context(), tester(), desk.NewRequest{Name: fmt.Sprintf("Host %d", i), Domains: []string{fmt.Sprintf("host%d.example.com", i)}, Kinds: []string{"ecdsa-p256"}}); err != nil {
			b.Fatal(err)
		}
	}
	h := Admin(o.Desk, slog.New(slog.DiscardHandler))
	link, err := o.NewLink(b.Context(), tester())
	if err != nil {
		b.Fatal(err)
	}
	session, _, err := o.SignIn(b.Context(), link.Token, "test")
	if err != nil {
		b.Fatal(err)
	}
	for _, page := range []string{"/", "/certificates", "/certificates?domain=host777.example.com", "/audit"} {
		b.Run(page, func(b *testing.B) {
			size, before := 0, processor(b)
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "https://mail1.example.com:8172"+page, nil)
				r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if size = w.Body.Len(); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(float64(processor(b)-before)/float64(b.N)/1e6, "cpu-ms/page")
			b.ReportMetric(float64(size)/1e3, "kB/page")
		})
	}
}

// processor is the time that this process has had of the processor, in nanoseconds.
func processor(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
