package desk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/request"
	"postseal/internal/peers"
)

// childCertifies issues for ever, many at once as clients of an authority come, and prints each serial that it has handed
// out.
func childCertifies(ctx context.Context, dir string) error {
	db, err := state.Open(ctx, state.Options{Dir: dir})
	if err != nil {
		return err
	}
	d, err := Open(ctx, Options{State: db, Sealing: filepath.Join(dir, "sealing-key"), Runtime: newRuntime()})
	if err != nil {
		return err
	}
	if err := d.FinishIssuances(ctx); err != nil {
		return err
	}
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		return err
	}
	der, err := request.Create(request.Options{Names: []string{"kill.example.com"}}, key)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var group errgroup.Group
	for n := range 8 {
		group.Go(func() error {
			for i := 0; ; i++ {
				c, err := d.Certify(ctx, tester(), CertifyRequest{CSR: ImportFile{"a.csr", der}, Domains: []string{fmt.Sprintf("n%d-%d-%d.example.com", os.Getpid(), n, i)}})
				if err != nil {
					return err
				}
				mu.Lock()
				fmt.Println(c.Serial)
				mu.Unlock()
			}
		})
	}
	return group.Wait()
}

// TestKillWhileIssuing kills a server that issues, again and again: what was handed out is in the book, and nothing was
// signed that is not; what was begun is finished; no serial stands in two certificates.
func TestKillWhileIssuing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(*SetupOptions) {})
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	dir := h.dir
	h.close(t)
	all, rounds := peers.Scale(120, 10_000), peers.Scale(3, 20)
	given := map[string]bool{}
	for range rounds {
		p := start(t, "certify", dir, "")
		for n := 0; n < all/rounds; n++ {
			serial := p.line(t)
			if serial == "" {
				t.Fatal("the child has ended by itself")
			}
			if given[serial] {
				t.Fatalf("serial %s was handed out twice", serial)
			}
			given[serial] = true
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for p.lines.Scan() { // what it had printed before it died
			if serial := p.lines.Text(); len(serial) == 32 {
				given[serial] = true
			}
		}
		p.cmd.Wait() // killed
	}
	db, err := state.Open(t.Context(), state.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // everything was looked at
	d, err := Open(t.Context(), Options{State: db, Sealing: filepath.Join(dir, "sealing-key")})
	if err != nil {
		t.Fatal(err)
	}
	h = &house{Desk: d, db: db, dir: dir}
	if err := h.FinishIssuances(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	var rows []state.Issuance
	if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
		rows, err = tx.PickIssuances(state.Picked{Profile: "server"}, 1_000_000)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, i := range rows {
		cert, err := x509.ParseCertificate(i.Certificate)
		if err != nil {
			t.Fatalf("certificate %s: %v", i.Serial, err)
		}
		if got := fmt.Sprintf("%032x", cert.SerialNumber); got != i.Serial {
			t.Errorf("the line of %s has the certificate %s", i.Serial, got)
		}
		if err := cert.CheckSignatureFrom(issuer); err != nil {
			t.Errorf("certificate %s: %v", i.Serial, err)
		}
		delete(given, i.Serial)
	}
	if len(given) > 0 {
		t.Errorf("%d were handed out and are not in the book", len(given))
	}
	if n := h.count(t, `SELECT sum(issued) FROM revocation_shard WHERE number > 0`); n != len(rows) { // in the long run more than one list
		t.Errorf("the lists count %d, the book has %d", n, len(rows))
	}
	if n := h.count(t, fmt.Sprintf(`SELECT count(*) FROM revocation_shard s WHERE number > 0 AND (issued > %d OR issued <> (SELECT count(*) FROM issuance i WHERE i.authority_id = s.authority_id AND i.shard = s.number))`, shardSize)); n != 0 {
		t.Errorf("%d lists have too many certificates, or count others than the book", n)
	}
	acts := map[string]int{}
	for _, r := range h.audit(t) {
		acts[r.Act]++
	}
	if acts["ca plan"] != len(rows) || acts["ca issue"] != len(rows) {
		t.Errorf("the audit trail has %d plans and %d certificates, the book %d lines", acts["ca plan"], acts["ca issue"], len(rows))
	}
	t.Logf("%d certificates, killed %d times", len(rows), rounds)
}

// TestIssuanceFaults fails each commit of an issuance in turn, refused or with its answer lost: nobody gets what is not in
// the book, what is in the book is finished at the next start, and there is one line for each request at most.
func TestIssuanceFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		for step, name := range []string{"plan", "record"} {
			t.Run(fmt.Sprintf("%s %d", name, kind), func(t *testing.T) {
				t.Parallel()
				h := authorityHouse(t)
				csr := newCSR(t, "a.example.com")
				h.fault.setAfter(kind, step)
				c, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: csr})
				if (kind == faultRefused) != errors.Is(err, errFault) {
					t.Errorf("got %v", err)
				}
				wantPlanned := 1
				if kind == faultRefused && step == 0 {
					wantPlanned = 0
				}
				if n := h.count(t, `SELECT count(*) FROM issuance`); n != wantPlanned {
					t.Errorf("%d lines, want %d", n, wantPlanned)
				}
				if err := h.FinishIssuances(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := h.count(t, `SELECT count(*) FROM issuance WHERE certificate IS NOT NULL`); n != wantPlanned {
					t.Errorf("%d certificates, want %d", n, wantPlanned)
				}
				if err == nil {
					if again, err := h.IssuedCertificate(t.Context(), c.Serial); err != nil || again.PEM != c.PEM {
						t.Errorf("what was handed out is not what the book has: %v", err)
					}
				}
			})
		}
	}
}

// TestWhoAsksAgainGetsTheOneThatWasBegun: a command without a server was killed. Asked again it finishes what it had planned,
// however the names are written, and issues no second one.
func TestWhoAsksAgainGetsTheOneThatWasBegun(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	must(t, initialise(h.Desk))
	csr := newCSR(t, "a.example.com")
	ask := CertifyRequest{CSR: csr, Domains: []string{"B.Example.com", "a.example.com", "b.example.com"}}
	h.fault.setAfter(faultRefused, 1)
	if _, err := h.Certify(t.Context(), tester(), ask); !errors.Is(err, errFault) {
		t.Fatalf("got %v", err)
	}
	c, err := h.Certify(t.Context(), tester(), ask)
	if n := h.count(t, `SELECT count(*) FROM issuance`); err != nil || n != 1 || len(c.Names) != 2 {
		t.Errorf("got %+v, %v, and %d certificates", c, err, n)
	}
	ask.Domains = []string{"c.example.com"}
	if other, err := h.Certify(t.Context(), tester(), ask); err != nil || other.Serial == c.Serial {
		t.Errorf("for other names: got %+v, %v", other, err)
	}
}
