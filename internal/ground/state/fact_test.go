package state

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
)

// TestFactsAreThoseOfTheMembers: whatever way a member came, by an import, as a request that was answered, or before there
// was the table, its facts are those that a fresh look finds.
func TestFactsAreThoseOfTheMembers(t *testing.T) {
	t.Parallel()
	dir := organisation(t)
	db := openIn(t, dir)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a.example.com", "*.example.com"},
		IPAddresses: []net.IP{{192, 0, 2, 1}}, NotAfter: end}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"asked.example.com"}, IPAddresses: template.IPAddresses}, key)
	if err != nil {
		t.Fatal(err)
	}
	waiting := Generation{ID: "g2", Number: 1, State: StatePending, Members: []Member{{Algorithm: "ECDSA", Thumbprint: "02", Request: csr}}}
	change := func(f func(tx *Tx) error) {
		t.Helper()
		if _, err := db.Update(t.Context(), tester, func(tx *Tx) error {
			tx.ActFor(serverID)
			if err := f(tx); err != nil {
				return err
			}
			return tx.Audit("test", "", nil, nil)
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(func(tx *Tx) error {
		if err := tx.AddLineage(Lineage{ID: "b", Name: "zz-b", Generations: []Generation{{ID: "g1", Number: 1, State: StateCurrent,
			Members: []Member{{Algorithm: "ECDSA", Thumbprint: "01", Certificate: cert}, {Algorithm: "RSA", Thumbprint: "03", Certificate: []byte("no certificate")}}}}}); err != nil {
			return err
		}
		return tx.AddLineage(Lineage{ID: "a", Name: "zz-a", Generations: []Generation{waiting}})
	})
	facts := func() (all []Fact) {
		t.Helper()
		if err := db.View(t.Context(), func(tx *Tx) (err error) { all, err = tx.Facts(); return err }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	says := func(when, want string) {
		t.Helper()
		all := facts()
		if got := fmt.Sprint(all[max(0, len(all)-3):]); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", when, got, want)
		}
	}
	b := "{b zz-b 1 ECDSA 2031-02-03 04:05:06 +0000 UTC [a.example.com *.example.com 192.0.2.1] false} {b zz-b 1 RSA 0001-01-01 00:00:00 +0000 UTC [] true}]"
	says("a request", "[{a zz-a 1 ECDSA 0001-01-01 00:00:00 +0000 UTC [asked.example.com 192.0.2.1] false} "+b)
	change(func(tx *Tx) error {
		return tx.Complete(waiting, Member{Algorithm: "ECDSA", Thumbprint: "04", Certificate: cert})
	})
	says("answered", "[{a zz-a 1 ECDSA 2031-02-03 04:05:06 +0000 UTC [a.example.com *.example.com 192.0.2.1] false} "+b)

	written := facts()
	change(func(tx *Tx) error { return tx.exec(`DELETE FROM fact WHERE algorithm = 'ECDSA'`) })
	closeDB(t, db)
	db = openIn(t, dir)
	if filled := facts(); !slices.EqualFunc(filled, written, func(a, b Fact) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("filled at the opening: got\n%v\nwritten with the members:\n%v", filled, written)
	}
	change(func(tx *Tx) error { return tx.RemoveGeneration(Lineage{ID: "a", Name: "zz-a"}, waiting) })
	if left := facts(); len(left) != len(written)-1 {
		t.Errorf("a removed generation left its facts: %v", left)
	}
}

// TestFactsAfter: a page is the same part of the whole list, wherever it begins, whatever its length.
func TestFactsAfter(t *testing.T) {
	t.Parallel()
	db := openIn(t, organisation(t))
	number := 0
	update(t, db, func(tx *Tx) error {
		for _, name := range []string{"b", "a-b", "ab", "a", "a1"} {
			l := Lineage{ID: "id-" + name, Name: name}
			for g := range 3 {
				generation := Generation{ID: fmt.Sprint(name, g), Number: g + 1, State: StateRetired}
				for _, algorithm := range []string{"ECDSA", "RSA"}[:1+g%2] {
					number++
					generation.Members = append(generation.Members, Member{Algorithm: algorithm, Thumbprint: fmt.Sprint(number), Certificate: []byte("none")})
				}
				l.Generations = append(l.Generations, generation)
			}
			if err := tx.AddLineage(l); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, func(tx *Tx) error {
		all, err := tx.Facts()
		if err != nil || len(all) < number {
			t.Fatalf("got %d facts, %v", len(all), err)
		}
		for begin := -1; begin < len(all); begin++ {
			var at Fact
			if begin >= 0 {
				at = all[begin]
			}
			for _, limit := range []int{1, 2, 5, len(all), len(all) + 1} {
				got, err := tx.FactsAfter(at.Lineage, at.Generation, at.Algorithm, limit)
				want := all[begin+1:]
				want = want[:min(limit, len(want))]
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%d behind %d: got %d, %v, want %d", limit, begin, len(got), err, len(want))
				}
			}
			if n, err := tx.CountAfter(at.Lineage, at.Generation, at.Algorithm); err != nil || n != len(all)-begin-1 {
				t.Errorf("behind %d: counted %d, %v, want %d", begin, n, err, len(all)-begin-1)
			}
		}
		return nil
	})
}
