package desk

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"
)

// BenchmarkAnswersThousand answers a thousand questions of OCSP by GET: in this process, without a network, what is kept and
// what is signed for each anew.
func BenchmarkAnswersThousand(b *testing.B) {
	d, csr := issuingDesk(b)
	a, _, err := d.authorityNamed(context.Background(), "servers")
	if err != nil {
		b.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		b.Fatal(err)
	}
	var asked []*http.Request
	for n := range 1000 {
		c, err := d.Certify(context.Background(), tester(), CertifyRequest{CSR: csr, Domains: []string{fmt.Sprintf("n%d.example.com", n)}})
		if err != nil {
			b.Fatal(err)
		}
		block, _ := pem.Decode([]byte(c.PEM))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			b.Fatal(err)
		}
		question, err := xocsp.CreateRequest(leaf, issuer, &xocsp.RequestOptions{Hash: crypto.SHA1})
		if err != nil {
			b.Fatal(err)
		}
		asked = append(asked, httptest.NewRequest(http.MethodGet, "/pki/ocsp/servers/"+base64.StdEncoding.EncodeToString(question), nil))
	}
	handler := d.PKI()
	for _, c := range []struct {
		name  string
		which func(n int) *http.Request
		fresh bool
	}{{"kept", func(int) *http.Request { return asked[0] }, false}, {"keptMany", func(n int) *http.Request { return asked[n] }, false}, {"fresh", func(n int) *http.Request { return asked[n] }, true}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for _, r := range asked {
				handler.ServeHTTP(&nowhere{header: http.Header{}}, r)
			}
			began := usedCPU(b)
			for b.Loop() {
				if c.fresh {
					d.pki.responder("servers").ForgetAll()
				}
				for n := range asked {
					w := &nowhere{header: http.Header{}}
					if handler.ServeHTTP(w, c.which(n)); w.octets < 300 {
						b.Fatalf("an answer of %d octets", w.octets)
					}
				}
			}
			b.ReportMetric(float64((usedCPU(b)-began).Microseconds())/1000/float64(b.N), "cpu-ms/1000")
		})
	}
}

// nowhere counts what is written.
type nowhere struct {
	io.Writer
	header http.Header
	octets int
}

func (w *nowhere) Header() http.Header { return w.header }
func (w *nowhere) WriteHeader(int)     {}
func (w *nowhere) Write(b []byte) (int, error) {
	w.octets += len(b)
	return len(b), nil
}
