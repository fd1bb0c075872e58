package desk

import (
	"context"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
)

// counter is a [revocation.Fetcher] that never has anything.
type counter struct{ asked atomic.Int64 }

func (c *counter) Do(context.Context, fetch.Request) (*fetch.Response, error) {
	c.asked.Add(1)
	return nil, errors.New("connection refused")
}

// TestVerdictIsKept: a verdict is good for ten minutes, unless the revocation data change or the certificate ends.
func TestVerdictIsKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		checker, err := revocation.Open(revocation.Options{Fetch: new(counter)})
		if err != nil {
			t.Fatal(err)
		}
		h := bubbleHouse(t, dir)
		h.reopen(t, Options{State: h.db, Sealing: h.sealing, Runtime: h.runtime, Health: h.health, Revocation: checker})
		h.importListed(t, newAuthority(t, "Example CA"), "http://crl.example.test/ca.crl")
		h.wantShop(t, x509cert.StatusRevocationCheckFailure, "nobody has been asked yet")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- checker.Run(ctx) }()
		synctest.Wait()
		h.wantShop(t, x509cert.StatusRevocationCheckFailure, "connection refused")

		kept := h.judge.said[h.named(t, "shop")[0].Thumbprint]
		if got := time.Until(kept.until); got != freshFor || !kept.asked {
			t.Errorf("got a verdict for %v, asked %v, want %v, asked", got, kept.asked, freshFor)
		}
		time.Sleep(freshFor - time.Second)
		h.named(t, "shop")
		if again := h.judge.said[h.named(t, "shop")[0].Thumbprint]; !again.until.Equal(kept.until) {
			t.Error("judged anew within ten minutes, without new data")
		}
		time.Sleep(2 * time.Second)
		h.named(t, "shop")
		if again := h.judge.said[h.named(t, "shop")[0].Thumbprint]; again.until.Equal(kept.until) {
			t.Error("not judged anew after ten minutes")
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
		h.close(t)
	})
}

// TestAddressesOf: those of the anchor do not count, unless it is all there is.
func TestAddressesOf(t *testing.T) {
	t.Parallel()
	leaf := &x509.Certificate{OCSPServer: []string{"o"}, CRLDistributionPoints: []string{"c"}}
	between, anchor := &x509.Certificate{CRLDistributionPoints: []string{"b"}}, &x509.Certificate{CRLDistributionPoints: []string{"a"}}
	for _, c := range []struct {
		chain []*x509.Certificate
		want  int
	}{{nil, 0}, {[]*x509.Certificate{anchor}, 1}, {[]*x509.Certificate{leaf, anchor}, 2}, {[]*x509.Certificate{leaf, between, anchor}, 3}} {
		if got := addressesOf(c.chain); len(got) != c.want {
			t.Errorf("got %q, want %d addresses", got, c.want)
		}
	}
}
