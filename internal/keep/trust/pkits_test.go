package trust

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

// pkitsDir is where Debian's python3-cryptography-vectors puts the suite.
const pkitsDir = "/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data"

// pkitsDiffer are the cases that we answer otherwise than the suite, and why. Each is asserted to differ still.
var pkitsDiffer = map[string]string{
	"4.1.4": "DSA with SHA-1: crypto/x509 verifies no DSA, and SHA-1 can be forged",
	"4.1.5": "DSA with SHA-1, and crypto/x509 does not read keys that inherit their parameters",
}

type pkitsCase struct {
	section, title string
	valid          bool
	certs, crls    []string
	settings       string
}

// TestPKITS runs every case of the suite with its CRLs, and with ModeHard, because the suite wants every certificate's
// status to be known.
func TestPKITS(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(pkitsDir); err != nil {
		t.Fatalf("the vectors of NIST PKITS are not installed; run: apt-get install --yes python3-cryptography-vectors   (or: make deps)")
	}
	v := newVerifier(t, Options{})
	cases := pkitsCases(t)
	if got, want := len(cases), 249; got != want {
		t.Fatalf("got %d cases, want %d", got, want)
	}
	differ := 0
	for _, c := range cases {
		why, differs := pkitsDiffer[c.section]
		verdict := runPKITS(t, v, c)
		got := verdict.Status == x509cert.StatusValid
		if differs {
			differ++
		}
		if agrees := got == c.valid; agrees == differs {
			t.Errorf("%s %s: got %v (%s), want valid %v, known to differ %v %s", c.section, c.title, verdict.Status, verdict.Reason, c.valid, differs, why)
		}
	}
	if differ != len(pkitsDiffer) {
		t.Errorf("got %d cases known to differ in the table, want %d", differ, len(pkitsDiffer))
	}
	t.Logf("%d cases, %d as NIST says, %d otherwise for a reason", len(cases), len(cases)-differ, differ)
}

func runPKITS(t *testing.T, v *Verifier, c pkitsCase) Verdict {
	t.Helper()
	read := func(dir, name, ext string) []byte {
		der, err := os.ReadFile(filepath.Join(pkitsDir, dir, name+ext))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var certs []*x509.Certificate
	for _, name := range append([]string{"TrustAnchorRootCertificate"}, c.certs...) {
		cert, err := x509cert.ParseCertificate(read("certs", name, ".crt"))
		if err != nil {
			return Verdict{Status: x509cert.StatusInvalid, Reason: err.Error()}
		}
		certs = append(certs, cert)
	}
	var lists [][]byte
	for _, name := range c.crls {
		lists = append(lists, read("crls", name, ".crl"))
	}
	return v.Verify(t.Context(), Question{
		Leaf: certs[len(certs)-1], Intermediates: certs[1 : len(certs)-1], Roots: certs[:1],
		At: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Mode: ModeHard, Policies: pkitsPolicies(t, c.settings), Revocation: NewCRLs(lists...),
	})
}

func pkitsPolicies(t *testing.T, settings string) *Policies {
	t.Helper()
	if settings == "" {
		return nil
	}
	p := &Policies{}
	for word := range strings.FieldsSeq(settings) {
		numbers, isSet := strings.CutPrefix(word, "policies=")
		switch {
		case isSet:
			for n := range strings.SplitSeq(numbers, ",") {
				oid, err := x509.ParseOID("2.16.840.1.101.3.2.1.48." + n)
				if err != nil {
					t.Fatal(err)
				}
				p.Accept = append(p.Accept, oid)
			}
		case word == "explicit":
			p.RequireExplicit = true
		case word == "nomapping":
			p.InhibitMapping = true
		case word == "noany":
			p.InhibitAny = true
		default:
			t.Fatalf("unknown setting %q", word)
		}
	}
	return p
}

func pkitsCases(t *testing.T) (cases []pkitsCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/pkits.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.Split(strings.TrimRight(line, "\n"), "|")
		if len(f) != 6 {
			t.Fatalf("%q has %d fields, want 6", line, len(f))
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		cases = append(cases, pkitsCase{
			section: f[0], title: f[1], valid: f[2] == "valid", certs: strings.Fields(f[3]), crls: strings.Fields(f[4]), settings: f[5],
		})
	}
	return cases
}

func newVerifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
