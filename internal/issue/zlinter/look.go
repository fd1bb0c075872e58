package zlinter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	zx509 "github.com/zmap/zcrypto/x509"
	library "github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"postseal/internal/issue/zlint"
)

// Look lets zlint read one thing. What zlint cannot read, or fails at, is said in the answer.
func Look(k zlint.Kind, der []byte) (a zlint.Answer) {
	defer func() {
		// A lint that panics is a lint's fault, and something to look at all the same.
		if p := recover(); p != nil {
			a = zlint.Answer{Unreadable: "zlint failed: " + clip(fmt.Sprint(p))}
		}
	}()
	var found *library.ResultSet
	if k == zlint.List {
		l, err := zx509.ParseRevocationList(der)
		if err != nil {
			return zlint.Answer{Unreadable: clip(err.Error())}
		}
		found = library.LintRevocationList(l)
	} else {
		c, err := zx509.ParseCertificate(der)
		if err != nil {
			return zlint.Answer{Unreadable: clip(err.Error())}
		}
		found = library.LintCertificate(c)
	}
	a.Findings = Findings(found)
	return a
}

// Findings are the warnings and errors of a result, by name.
func Findings(found *library.ResultSet) []zlint.Finding {
	all := []zlint.Finding{}
	for name, r := range found.Results {
		if r.Status >= lint.Warn {
			all = append(all, zlint.Finding{Lint: name, Severity: r.Status.String(), Details: clip(r.Details)})
		}
	}
	slices.SortFunc(all, func(a, b zlint.Finding) int { return strings.Compare(a.Lint, b.Lint) })
	return all[:min(len(all), zlint.MaxFindings)]
}

func clip(s string) string {
	if len(s) > zlint.MaxDetailBytes {
		s = strings.ToValidUTF8(s[:zlint.MaxDetailBytes], "")
	}
	return s
}

// Serve answers each thing on r with a line on w, until r ends.
func Serve(r io.Reader, w io.Writer) error {
	out := json.NewEncoder(w)
	if err := out.Encode(zlint.Hello{Program: zlint.Program, Protocol: zlint.Protocol}); err != nil {
		return err
	}
	for {
		k, der, err := zlint.ReadItem(r)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Encode(Look(k, der)); err != nil {
			return err
		}
	}
}
