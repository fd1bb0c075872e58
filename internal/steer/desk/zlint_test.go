package desk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/zlint"
	"postseal/internal/peers"
)

// badLint is what zlint finds in a planted certificate; lintFinding is its condition.
const (
	badLint     = "e_subject_common_name_not_exactly_from_san"
	lintFinding = "!zlintFinds " + badLint
)

// plant puts a certificate into the book that our own authority would never make: its common name is none of its names.
func (h *house) plant(t *testing.T) (serial string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	parent, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: number.SetBit(number, 119, 1), Subject: pkix.Name{CommonName: "wrong.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30), DNSNames: []string{"right.example.com"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageDigitalSignature, IssuingCertificateURL: []string{"http://pki.example.com/pki/servers.cer"}, CRLDistributionPoints: []string{"http://pki.example.com/pki/servers/1.crl"}}
	issuer, err := h.issuer(t.Context(), a, "pki.example.com")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), issuer.Signer())
	if err != nil {
		t.Fatal(err)
	}
	serial = hex.EncodeToString(number.Bytes())
	h.store(t, func(tx *state.Tx) error {
		return errors.Join(tx.UseShard(a.ID, 1, shardSize),
			tx.PlanIssuance(state.Issuance{Serial: serial, AuthorityID: a.ID, Shard: 1, Profile: "server", Requester: "nobody", KeyID: "00", NotBefore: c.NotBefore, NotAfter: c.NotAfter, TBS: []byte{0}}),
			tx.RecordIssuance(serial, der), tx.Audit("test", serial, nil, nil))
	})
	return serial
}

// lint reads everything with a program.
func (h *house) lint(t *testing.T, program string) (int, error) {
	t.Helper()
	h.zlint = program
	l := h.newLinting(zlint.Options{Program: program, Limit: 5 * time.Second})
	defer l.reader.Close() // how a child ends, the test of package zlint asks
	return l.unread(t.Context())
}

func (h *house) wantLints(t *testing.T, when string, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(conditionsOf(t, h), func(c string) bool { return !strings.HasPrefix(c, "!zlintFinds") })
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

// TestZLintReadsTheBook: everything that an authority makes is read, once, and nothing is found in it. What is found in a
// certificate that was planted is a condition, until it is revoked, ends, or is accepted.
func TestZLintReadsTheBook(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	program := peers.ZLintProgram(t)
	for _, name := range []string{"a.example.com", "b.example.com"} {
		if _, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, name)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []ListRequest{{Name: "root"}, {Name: "servers"}, {Name: "servers", Shard: 1}} {
		if _, err := h.RevocationList(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.responder(t.Context(), "servers"); err != nil {
		t.Fatal(err)
	}
	if n, err := h.lint(t, filepath.Join(t.TempDir(), "none")); n != 0 || err != nil {
		t.Errorf("without a program %d were read, %v", n, err)
	}
	p, err := h.PKIHealth(t.Context())
	if err != nil || p.ZLint.There || p.ZLint.Waits < 12 {
		t.Errorf("without a program: %+v, %v", p.ZLint, err)
	}
	waits := p.ZLint.Waits
	if n, err := h.lint(t, program); n != waits || err != nil {
		t.Errorf("%d of %d were read, %v", n, waits, err)
	}
	if p, err = h.PKIHealth(t.Context()); err != nil || !p.ZLint.There || p.ZLint.Waits != 0 || len(p.ZLint.Findings) != 0 {
		t.Errorf("what our own authority makes: %+v, %v", p.ZLint, err)
	}
	if n, err := h.lint(t, program); n != 0 || err != nil {
		t.Errorf("%d were read again, %v", n, err)
	}
	h.wantLints(t, "nothing is wrong")

	first := h.plant(t)
	if n, err := h.lint(t, program); n != 1 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	h.wantLints(t, "planted", lintFinding)
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: first}); err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"", "keyCompromise"} { // each is on a list at once, which names nothing that is later than it
		c, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "gone.example.com")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial, Reason: reason}); err != nil {
			t.Fatal(err)
		}
		for _, list := range []ListRequest{{Name: "servers"}, {Name: "servers", Shard: 1}} {
			if _, err := h.RevocationList(t.Context(), list); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := h.lint(t, program); n < 3 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}
	h.wantLints(t, "revoked")

	h.plant(t)
	h.plant(t)
	if n, err := h.lint(t, program); n != 2 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if p, err = h.PKIHealth(t.Context()); err != nil || len(p.ZLint.Findings) != 1 || p.ZLint.Findings[0].Count != 2 || p.ZLint.Findings[0].Severity != "error" {
		t.Errorf("planted twice: %+v, %v", p.ZLint, err)
	}
	for _, bad := range []ZLintRequest{{}, {Lint: badLint}, {Lint: badLint, Reason: "a\x1b"}, {Lint: badLint, Reason: "a", Withdraw: true}} {
		if _, err := h.AcceptZLint(t.Context(), tester(), bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if _, err := h.AcceptZLint(t.Context(), tester(), ZLintRequest{Lint: badLint, Withdraw: true}); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("withdrawing what is not there: %v", err)
	}
	accept := ZLintRequest{Lint: badLint, Reason: "an old program wants it"}
	for _, dry := range []bool{true, false} {
		accept.DryRun = dry
		change, err := h.AcceptZLint(t.Context(), tester(), accept)
		if err != nil || change.Undo != "postseal ca zlint accept "+badLint+" --withdraw" || len(change.Notes) != 1 {
			t.Errorf("got %+v, %v", change, err)
		}
		if dry {
			h.wantLints(t, "would be accepted", lintFinding)
		}
	}
	h.wantLints(t, "accepted")
	if _, err := h.AcceptZLint(t.Context(), tester(), ZLintRequest{Lint: badLint, Withdraw: true}); err != nil {
		t.Fatal(err)
	}
	h.wantLints(t, "withdrawn", lintFinding)
	h.exec(t, `UPDATE zlint_finding SET ends_at = 1`)
	h.wantLints(t, "ended")
}

// TestZLintFails: a child that dies at a certificate makes a condition about it, and a better one mends that; one that
// dies at everything is the fault itself; what was not read stays, and a lost answer of the state reads it again.
func TestZLintFails(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	program := peers.ZLintProgram(t)
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), zlint.Program)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const hello = `echo '{"program":"postseal-zlint","protocol":1}'` + "\n"
	waits := h.count(t, `SELECT count(*) FROM zlint_unread`)
	for name, text := range map[string]string{"does not start": "exit 1", "dies at everything": hello + "head -c 1 >/dev/null; kill -9 $$", "answers garbage": hello + "echo garbage; cat >/dev/null"} {
		if n, err := h.lint(t, script(text)); n != 0 || !errors.Is(err, zlint.ErrNoChild) {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		if n := h.count(t, `SELECT count(*) FROM zlint_unread`); n != waits {
			t.Errorf("%s: %d wait, want %d", name, n, waits)
		}
	}
	h.wantLints(t, "the child is at fault")
	for _, kind := range []faultKind{faultRefused, faultLost} {
		h.fault.set(kind)
		if _, err := h.lint(t, program); err == nil {
			t.Error("a fault of the disk is none")
		}
	}
	if _, err := h.lint(t, program); err != nil {
		t.Fatal(err)
	}
	if n := h.count(t, `SELECT count(*) FROM zlint_unread`); n != 0 {
		t.Errorf("%d wait", n)
	}

	// Seven in a row, on each of which it dies, are what is wrong; what is among them, and behind them, is read.
	for range 7 {
		h.plant(t)
	}
	if _, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "good.example.com")}); err != nil {
		t.Fatal(err)
	}
	const picky = hello + `while octets=$(head -c 5 | od -An -tu1) && [ -n "$octets" ]; do
set -- $octets
if head -c $(($2 * 16777216 + $3 * 65536 + $4 * 256 + $5)) | grep -qa wrong.example.com; then exit 7; fi
echo '{"findings":[]}'
done`
	l := h.newLinting(zlint.Options{Program: script(picky)})
	for again, want := range []int{8, 0} { // those on which it dies rest
		if n, err := l.unread(t.Context()); n != want || err != nil {
			t.Errorf("look %d: read %d, %v, want %d", again, n, err, want)
		}
	}
	if err := l.reader.Close(); err != nil {
		t.Error(err)
	}
	if n := h.count(t, `SELECT count(*) FROM zlint_unread`); n != 7 {
		t.Errorf("%d wait, want 7", n)
	}
	h.wantLints(t, "a child dies at some", "!zlintFinds unreadable")
	if n, err := h.lint(t, program); n != 7 || err != nil { // another server, an hour later
		t.Errorf("read %d, %v", n, err)
	}
	h.wantLints(t, "a better child", lintFinding)
}

// TestZLintReadsInternalNames: an organisation whose domain no registry knows, as a trial's is, and whose networks are its
// own, issues from every profile; nothing of it is an alarm.
func TestZLintReadsInternalNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *SetupOptions) { o.Domains, o.Host = []string{"corp.test"}, "mail1.corp.test" })
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Networks: []string{"10.0.0.0/8"}}); err != nil {
		t.Fatal(err)
	}
	profiles, err := h.profileOptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range profiles {
		for _, names := range [][]string{{"mail.corp.test"}, {"corp.test", "a.corp.test"}, {"*.corp.test"}, {"10.1.2.3"}} {
			if _, err := h.Certify(t.Context(), tester(), CertifyRequest{Profile: p.Name, CSR: newCSR(t, "x.corp.test"), Domains: names}); err == nil {
				n++
			}
		}
		if _, err := h.Certify(t.Context(), tester(), CertifyRequest{Profile: p.Name, CSR: newCSR(t, "x.corp.test"), Emails: []string{"kim@corp.test"}}); err == nil {
			n++
		}
	}
	if n < 10 {
		t.Fatalf("only %d were issued", n)
	}
	if _, err := h.RevocationList(t.Context(), ListRequest{Name: "servers", Shard: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.responder(t.Context(), "servers"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.lint(t, peers.ZLintProgram(t)); err != nil {
		t.Fatal(err)
	}
	health, err := h.PKIHealth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range health.ZLint.Findings {
		t.Errorf("%s (%d): %s: %s", f.Lint, f.Count, f.Subject, f.Details)
	}
}
