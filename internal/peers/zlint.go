package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/ocsp"
)

// ZLintProgram is the path of the program postseal-zlint: beside the one that `make test` has built, or built here.
func ZLintProgram(t testing.TB) string {
	t.Helper()
	const name = "postseal-zlint"
	if path := os.Getenv("POSTSEAL_BINARY"); path != "" {
		path = filepath.Join(filepath.Dir(path), name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path := filepath.Join(t.TempDir(), name)
	Succeed(t, Command{Args: []string{"go", "build", "-trimpath", "-o", path, "postseal/cmd/" + name}, Env: []string{"CGO_ENABLED=0"}, Limit: 5 * time.Minute})
	return path
}

// ZLints collects what zlint finds in all that a test lets it read: certificates, revocation lists and answers of OCSP. The
// zero value is ready.
type ZLints struct {
	found map[string][]string // name of the lint -> in what
	read  int
}

// Certificate lets zlint read one.
func (z *ZLints) Certificate(t testing.TB, what string, der []byte) {
	t.Helper()
	c, err := zx509.ParseCertificate(der)
	if err != nil {
		t.Errorf("%s: zlint cannot read it: %v", what, err)
		return
	}
	z.note(what, zlint.LintCertificate(c))
}

// List lets zlint read a revocation list.
func (z *ZLints) List(t testing.TB, what string, der []byte) {
	t.Helper()
	l, err := zx509.ParseRevocationList(der)
	if err != nil {
		t.Errorf("%s: zlint cannot read it: %v", what, err)
		return
	}
	z.note(what, zlint.LintRevocationList(l))
}

// Answer lets zlint read an answer of OCSP.
func (z *ZLints) Answer(t testing.TB, what string, der []byte) {
	t.Helper()
	r, err := ocsp.ParseResponse(der, nil)
	if err != nil {
		t.Errorf("%s: it cannot be read: %v", what, err)
		return
	}
	z.note(what, zlint.LintOcspResponse(r))
}

func (z *ZLints) note(what string, found *zlint.ResultSet) {
	if z.found == nil {
		z.found = map[string][]string{}
	}
	z.read++
	for name, r := range found.Results {
		if r.Status >= lint.Warn {
			z.found[name] = append(z.found[name], fmt.Sprintf("%s (%v) %s", what, r.Status, r.Details))
		}
	}
}

// Report fails the test for each warning and error without a reason, and for each reason that nothing needs. Reasons are
// sentences, by the names of lints.
func (z *ZLints) Report(t testing.TB, reasons map[string]string) {
	t.Helper()
	if z.read == 0 {
		t.Error("zlint has read nothing")
	}
	for name, where := range z.found {
		if reasons[name] == "" {
			t.Errorf("zlint, %s: in %d of %d, first %s", name, len(where), z.read, where[0])
		}
	}
	for name := range reasons {
		if z.found[name] == nil {
			t.Errorf("nothing is found by %s: take its reason out", name)
		}
	}
}
