package desk

import (
	"context"
	"crypto/x509"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/x509cert"
)

// TestOwnCertificatesRenewForTwoYears: what our own authority issued renews by itself, each time before a third of its life
// is left, and is accepted by whoever trusts the root, on every tenth day of two years.
func TestOwnCertificatesRenewForTwoYears(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop", Enable: "HTTP"}); err != nil {
			t.Fatal(err)
		}
		if err := h.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		roots := h.anchorsNamed(t, "root")
		seen := map[string]bool{}
		const step = 10 * 24 * time.Hour
		for day := 0; day < 730; day += 10 {
			ctx, cancel := context.WithTimeout(t.Context(), step)
			h.RunRenewals(ctx, slog.New(slog.DiscardHandler))
			cancel()
			c, err := h.Certificate(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			seen[c.Thumbprint] = true
			if c.Status != x509cert.StatusValid || time.Until(c.NotAfter) < 47*24*time.Hour/4 {
				t.Errorf("day %d: %s, %v left", day, c.Status, time.Until(c.NotAfter))
			}
			if err := h.acceptedAt(t, roots); err != nil {
				t.Errorf("day %d: %v", day, err)
			}
		}
		if n := len(seen); n < 730/47 || n > 30 {
			t.Errorf("%d generations in two years", n)
		}
		if n := h.count(t, `SELECT count(*) FROM issuance WHERE secret_id IS NOT NULL OR certificate IS NULL`); n != 0 {
			t.Errorf("%d issuances are not finished", n)
		}
		got, err := h.serves(t, "https", client("", "shop.example.com"))
		if err != nil || !seen[got] {
			t.Errorf("https serves %s, %v", got, err)
		}
	})
}

func (h *house) acceptedAt(t *testing.T, roots *x509.CertPool) error {
	t.Helper()
	return h.accepted(t, "shop", "shop.example.com", roots)
}
