package ca

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
)

// TestEveryWriteFailsTwice is the fault matrix of issuance: each write refused, and each write done with its answer lost.
// Afterwards nothing is signed that was not planned, nothing is handed out that was not recorded, and whoever resumes
// ends with one certificate, the recorded one.
func TestEveryWriteFailsTwice(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	r := Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}}
	for _, tt := range []struct {
		name                      string
		call                      int
		applied                   bool
		step                      int
		wantPlanned, wantRecorded bool // at once, before anybody resumes
	}{
		{"plan refused", 0, false, 3, false, false},
		{"plan done, answer lost", 0, true, 3, true, false},
		{"record refused", 1, false, 6, true, false},
		{"record done, answer lost", 1, true, 6, true, true},
	} {
		counted := &counting{Signer: i.signer}
		mine := *i
		mine.signer = counted
		m := newMemory()
		m.failAt, m.applied, m.fault = tt.call, tt.applied, fmt.Errorf("the disk: %w", ErrOutcomeUnknown)
		a := New(&mine, m)
		issued, err := a.Issue(t.Context(), p, r)
		var step *StepError
		if issued != nil || !errors.As(err, &step) || step.Step != tt.step || !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("%s: got %v, %v, want step %d and an unknown outcome", tt.name, issued, err, tt.step)
		}
		d, raw, err := m.Planned(t.Context(), step.Serial)
		if err != nil || (d != nil) != tt.wantPlanned || (raw != nil) != tt.wantRecorded {
			t.Errorf("%s: planned %v, recorded %v, %v", tt.name, d != nil, raw != nil, err)
		}
		if !tt.wantPlanned && counted.signed > 0 {
			t.Errorf("%s: the key was used for what was never planned", tt.name)
		}
		again, err := a.Resume(t.Context(), step.Serial)
		if err != nil || (again != nil) != tt.wantPlanned {
			t.Errorf("%s: resuming: got %v, %v", tt.name, again, err)
		}
		if again == nil {
			continue
		}
		if _, raw, _ := m.Planned(t.Context(), step.Serial); !bytes.Equal(raw, again.Certificate.Raw) || !bytes.Equal(again.Certificate.RawTBSCertificate, d.TBS) {
			t.Errorf("%s: what was handed out is not what was recorded, or not what was planned", tt.name)
		}
		if len(m.issued) != 1 {
			t.Errorf("%s: %d certificates, want 1", tt.name, len(m.issued))
		}
	}
}

type counting struct {
	crypto.Signer
	signed int
}

func (c *counting) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	c.signed++
	return c.Signer.Sign(random, digest, o)
}

// TestASignerThatSignsSomethingElse is step 5: a device with a mind of its own gets nothing past it.
func TestASignerThatSignsSomethingElse(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	for what, signer := range map[string]crypto.Signer{
		"another key":    foreign{h.issuers[PurposeServers].signer, newKey(t, keys.ECDSAP256)},
		"another digest": twisted{h.issuers[PurposeServers].signer},
		"garbage":        garbage{h.issuers[PurposeServers].signer},
	} {
		i := *h.issuers[PurposeServers]
		i.signer = signer
		m := newMemory()
		issued, err := New(&i, m).Issue(t.Context(), p, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}})
		var step *StepError
		if issued != nil || !errors.As(err, &step) || step.Step != 5 || len(m.issued) != 0 || len(m.drafts) != 1 {
			t.Errorf("%s: got %v, %v; %d drafts, %d recorded; want an end at step 5", what, issued, err, len(m.drafts), len(m.issued))
		}
	}
}

type foreign struct {
	crypto.Signer
	other crypto.Signer
}

func (f foreign) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return f.other.Sign(random, digest, o)
}

type twisted struct{ crypto.Signer }

func (f twisted) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	digest[0] ^= 1
	return f.Signer.Sign(random, digest, o)
}

type garbage struct{ crypto.Signer }

func (garbage) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte("signed, honestly"), nil
}

// TestASerialThatIsTaken: two alike never leave the ledger's door.
func TestASerialThatIsTaken(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	m := newMemory()
	d, err := h.issuers[PurposeServers].Draft(p, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}}, now())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Plan(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := m.Plan(t.Context(), d); !errors.Is(err, ErrSerialTaken) {
		t.Errorf("got %v, want ErrSerialTaken", err)
	}
}

// TestManyAtOnce issues from many goroutines: every serial is another, and sorts with the rest as text of one length.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	m := newMemory()
	a := New(h.issuers[PurposeServers], m)
	key := newKey(t, keys.ECDSAP256)
	errs := make(chan error)
	for n := range 50 {
		go func() {
			_, err := a.Issue(context.WithoutCancel(t.Context()), p, Request{PublicKey: key.Public(), Names: []string{fmt.Sprintf("h%d.example.com", n)}})
			errs <- err
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for serial := range m.issued {
		if len(serial) != 2*serialOctets || strings.Trim(serial, "0123456789abcdef") != "" {
			t.Errorf("serial %q", serial)
		}
	}
	if len(m.issued) != 50 {
		t.Errorf("got %d serials, want 50", len(m.issued))
	}
}

func BenchmarkIssue(b *testing.B) {
	h := newHierarchy(b, keys.ECDSAP256, keys.ECDSAP256)
	p := newProfile(b, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	a := New(h.issuers[PurposeServers], newMemory())
	key := newKey(b, keys.ECDSAP256)
	for b.Loop() {
		if _, err := a.Issue(b.Context(), p, Request{PublicKey: key.Public(), Names: []string{"a.example.com"}, CRL: "http://pki.example.com/1.crl"}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWhatIsReadBackIsTheDraft is step 5 without the key: a certificate that is signed well, and is not of the octets that
// were planned, or not of those that the lints have read, is none.
func TestWhatIsReadBackIsTheDraft(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	d, _, err := draft(t, i, p, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	other, otherCert, err := draft(t, i, p, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"b.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	for what, mixed := range map[string]*Draft{
		"another was planned":         {TBS: d.TBS, read: d.read},
		"the lints read another":      {TBS: other.TBS, read: d.read},
		"the lints read what is here": {TBS: d.TBS, read: other.read},
		"another is in the book":      {TBS: d.TBS},
	} {
		if cert, err := i.readBack(otherCert.Raw, mixed); err == nil {
			t.Errorf("%s: got a certificate for %v, want an error", what, cert.DNSNames)
		}
	}
	cert, err := i.readBack(otherCert.Raw, &Draft{TBS: other.TBS})
	if err != nil {
		t.Fatal(err)
	}
	if !cert.Equal(otherCert) || !bytes.Equal(cert.Signature, otherCert.Signature) || len(cert.Signature) == 0 || cert.DNSNames[0] != otherCert.DNSNames[0] {
		t.Error("what the lints have read and what is parsed anew are not the same certificate")
	}
}
