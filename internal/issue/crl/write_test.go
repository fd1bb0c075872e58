package crl

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/peers"
)

func newRoot(t testing.TB, kind keys.Kind) (*x509.Certificate, *keys.Private) {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: pkix.Name{CommonName: "Root"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func of(entries ...Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestOthersReadIt compares what crypto/x509 and openssl read with what was written, around each length at which DER
// writes lengths otherwise, and around 2050.
func TestOthersReadIt(t *testing.T) {
	t.Parallel()
	var z peers.ZLints
	defer z.Report(t, map[string]string{"e_crl_revocation_time_after_this_update": "years after 2049 have another form, which is to be read too", "e_crl_unique_revoked_certificate": "the serials here are of every length, and short ones repeat"})
	for _, kind := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048} {
		cert, key := newRoot(t, kind)
		for _, n := range []int{0, 1, 3, 4, 6, 7, 8, 1500, 1600} {
			var entries []Entry
			for i := range n {
				serial := make([]byte, 1+i%20)
				serial[0] = byte(i%255) + 1
				if len(serial) > 8 {
					binary.BigEndian.PutUint64(serial[1:], uint64(i))
				}
				entries = append(entries, Entry{Serial: serial, RevokedAt: time.Date(2026+i%40, 11, 28, 3, 4, i%60, 0, time.UTC), Reason: []Reason{Unspecified, KeyCompromise, Superseded}[i%3]})
			}
			o := Options{Issuer: cert, Signer: key, Number: NextNumber(nil, time.Now()), ThisUpdate: time.Now().Truncate(time.Second), NextUpdate: time.Now().Add(24 * time.Hour).Truncate(time.Second), Entries: of(entries...)}
			if n%2 == 1 {
				o.Point = "http://pki.example.com/" + strings.Repeat("x", n%200) + ".crl"
			}
			var b bytes.Buffer
			if err := Write(&b, o); err != nil {
				t.Fatal(err)
			}
			list, err := x509.ParseRevocationList(b.Bytes())
			if err != nil {
				t.Fatalf("%s, %d entries: %v", kind, n, err)
			}
			z.List(t, fmt.Sprintf("%s, %d entries", kind, n), b.Bytes())
			if err := list.CheckSignatureFrom(cert); err != nil {
				t.Errorf("%s, %d entries: %v", kind, n, err)
			}
			if list.Number.Cmp(o.Number) != 0 || !list.ThisUpdate.Equal(o.ThisUpdate) || !list.NextUpdate.Equal(o.NextUpdate) || !bytes.Equal(list.AuthorityKeyId, cert.SubjectKeyId) || len(list.RevokedCertificateEntries) != n {
				t.Errorf("%s, %d entries: got %v, %v, %v, %d entries", kind, n, list.Number, list.ThisUpdate, list.NextUpdate, len(list.RevokedCertificateEntries))
			}
			for i, got := range list.RevokedCertificateEntries {
				want := entries[i]
				if !bytes.Equal(got.SerialNumber.Bytes(), want.Serial) || !got.RevocationTime.Equal(want.RevokedAt) || got.ReasonCode != int(want.Reason) {
					t.Fatalf("%s, entry %d of %d: got %v, want %v", kind, i, n, got, want)
				}
			}
			hasPoint := slices.ContainsFunc(list.Extensions, func(e pkix.Extension) bool {
				return e.Id.String() == "2.5.29.28" && e.Critical && bytes.Contains(e.Value, []byte(o.Point))
			})
			if hasPoint != (o.Point != "") {
				t.Errorf("%s, %d entries: issuing distribution point %v, want %v", kind, n, hasPoint, o.Point != "")
			}
			if n == 8 {
				file := filepath.Join(t.TempDir(), "list.der")
				if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				root := filepath.Join(t.TempDir(), "root.pem")
				if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
					t.Fatal(err)
				}
				got := peers.Succeed(t, peers.Command{Args: []string{"openssl", "crl", "-inform", "DER", "-in", file, "-CAfile", root, "-noout", "-text"}})
				if text := got.Stdout + got.Stderr; !strings.Contains(text, "verify OK") || strings.Count(text, "Serial Number:") != n || !strings.Contains(text, "Key Compromise") {
					t.Errorf("%s: openssl says %v", kind, got)
				}
			}
		}
	}
}

// TestItFailsWhole: whatever fails, no list comes out that anybody could take for one.
func TestItFailsWhole(t *testing.T) {
	t.Parallel()
	cert, key := newRoot(t, keys.ECDSAP256)
	other, _ := newRoot(t, keys.ECDSAP256)
	ed, edKey := newRoot(t, keys.Ed25519)
	broken := errors.New("the disk")
	walks := 0
	changing := func(yield func(Entry, error) bool) {
		walks++
		for i := range walks {
			if !yield(Entry{Serial: []byte{byte(i + 1)}}, nil) {
				return
			}
		}
	}
	good := func() Options {
		return Options{Issuer: cert, Signer: key, Number: big.NewInt(7), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), Entries: of(Entry{Serial: []byte{1}, RevokedAt: time.Now()})}
	}
	for what, change := range map[string]func(*Options){
		"nothing":             func(o *Options) { *o = Options{} },
		"another's key":       func(o *Options) { o.Issuer = other },
		"Ed25519":             func(o *Options) { o.Issuer, o.Signer = ed, edKey },
		"no number":           func(o *Options) { o.Number = nil },
		"number zero":         func(o *Options) { o.Number = new(big.Int) },
		"number too long":     func(o *Options) { o.Number = new(big.Int).Lsh(big.NewInt(1), 160) },
		"ends first":          func(o *Options) { o.NextUpdate = o.ThisUpdate },
		"empty serial":        func(o *Options) { o.Entries = of(Entry{}) },
		"zeros before":        func(o *Options) { o.Entries = of(Entry{Serial: []byte{0, 1}}) },
		"long serial":         func(o *Options) { o.Entries = of(Entry{Serial: make([]byte, 21)}) },
		"entries cannot come": func(o *Options) { o.Entries = func(yield func(Entry, error) bool) { yield(Entry{}, broken) } },
		"entries change":      func(o *Options) { o.Entries = changing },
		"device gone":         func(o *Options) { o.Signer = gone{key} },
	} {
		o := good()
		change(&o)
		var b bytes.Buffer
		if err := Write(&b, o); err == nil || b.Len() > 0 {
			t.Errorf("%s: got %v and %d octets", what, err, b.Len())
		}
	}
	if err := Write(full{broken}, good()); !errors.Is(err, broken) {
		t.Errorf("full disk: got %v", err)
	}
}

type gone struct{ crypto.Signer }

func (gone) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.ErrClosedPipe
}

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestNextNumber(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	first := NextNumber(nil, now)
	if again := NextNumber(first, now); again.Cmp(first) <= 0 {
		t.Errorf("in the same moment: got %v after %v", again, first)
	}
	if back := NextNumber(first, now.Add(-time.Hour)); back.Cmp(first) <= 0 {
		t.Errorf("after the clock went back: got %v after %v", back, first)
	}
	if later := NextNumber(first, now.Add(time.Hour)); later.Int64() != now.Add(time.Hour).UnixMicro() {
		t.Errorf("an hour later: got %v", later)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for word, r := range reasons() {
		got, err := ParseReason(word)
		if err != nil || got != r || got.String() != word {
			t.Errorf("%s: got %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "certificateHold", "removeFromCRL", "KEYCOMPROMISE", "1"} {
		if _, err := ParseReason(word); !errors.Is(err, ErrUnknownReason) {
			t.Errorf("%q: got %v, want ErrUnknownReason", word, err)
		}
	}
}

// many yields n entries that are made as they are walked.
func many(n int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		serial := make([]byte, 16)
		for i := range n {
			binary.BigEndian.PutUint64(serial, 0x4000_0000_0000_0000|uint64(i))
			if !yield(Entry{Serial: serial, RevokedAt: at, Reason: Superseded}, nil) {
				return
			}
		}
	}
}

func BenchmarkMillion(b *testing.B) {
	cert, key := newRoot(b, keys.ECDSAP384)
	b.ReportAllocs()
	for b.Loop() {
		o := Options{Issuer: cert, Signer: key, Number: big.NewInt(7), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), Entries: many(1_000_000)}
		if err := Write(io.Discard, o); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseReason() {
	r, err := ParseReason("keyCompromise")
	fmt.Println(r, err)
	// Output: keyCompromise <nil>
}
