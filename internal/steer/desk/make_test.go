package desk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

func TestNewNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".example.com"
	for _, c := range []struct {
		domains []string
		names   []string
		subject string
		lineage string
	}{
		{nil, []string{"mail1", "mail1.example.com"}, "CN=mail1", "mail1"},
		{[]string{"Mail.Example.com", "mail.example.com.", "MAIL.example.com"}, []string{"mail.example.com"}, "CN=mail.example.com", "mail-example-com"},
		{[]string{"mail.example.com"}, []string{"mail.example.com"}, "CN=mail.example.com", "mail-example-com-2"},
		{[]string{"*.example.com", "example.com"}, []string{"*.example.com", "example.com"}, "CN=*.example.com", "wildcard-example-com"},
		{[]string{"bücher.example", "xn--bcher-kva.example"}, []string{"xn--bcher-kva.example"}, "CN=xn--bcher-kva.example", "xn-bcher-kva-example"},
		{[]string{"192.0.2.1", "::ffff:192.0.2.1", "2001:DB8::1"}, []string{"192.0.2.1", "2001:db8::1"}, "CN=192.0.2.1", "192-0-2-1"},
		{[]string{"2001:db8::2"}, []string{"2001:db8::2"}, "CN=2001:db8::2", "2001-db8-2"},
		{[]string{"decafbad"}, []string{"decafbad"}, "CN=decafbad", "cert-decafbad"},
		{[]string{"decafbad"}, []string{"decafbad"}, "CN=decafbad", "cert-decafbad-2"},
		{[]string{long, "short.example.com"}, []string{long, "short.example.com"}, "CN=short.example.com", slug(long[:100])},
		{[]string{long}, []string{long}, "CN=Friendly", slug(long[:100]) + "-2"},
	} {
		made := h.make(t, NewRequest{Name: "Friendly", Domains: c.domains})
		got := made.Certificates[0]
		if !slices.Equal(got.Names, c.names) || got.Subject != c.subject || got.Lineage != c.lineage {
			t.Errorf("%q: got names %q, subject %q, lineage %q, want %q, %q, %q", c.domains, got.Names, got.Subject, got.Lineage, c.names, c.subject, c.lineage)
		}
		if got.Status != x509cert.StatusUntrusted || got.RootType != x509cert.RootNone || got.StatusReason == "" || got.Exportable || !got.HasPrivateKey || len(got.Services) != 0 {
			t.Errorf("%q: got %+v", c.domains, got)
		}
		if want := "postseal cert remove " + c.lineage; made.Undo != want || made.Replaces || len(made.Moves) != 0 {
			t.Errorf("%q: got %+v, want undo %q", c.domains, made, want)
		}
		if d, err := h.Certificate(t.Context(), c.lineage); err != nil || d.Thumbprint != got.Thumbprint || d.Generation != 1 || d.State != state.StateCurrent {
			t.Errorf("%q: found %+v, %v under its lineage", c.domains, d, err)
		}
	}
}

func TestNewKindsAndDays(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, c := range []struct {
		r     NewRequest
		types []string
		days  int
	}{
		{NewRequest{Kinds: []string{"rsa-2048", "ecdsa-p384"}, Days: 1}, []string{"ECDSA-P384", "RSA-2048"}, 1},
		{NewRequest{Kinds: []string{"ed25519"}, Days: selfsigned.MaxDays, Exportable: true}, []string{"Ed25519"}, selfsigned.MaxDays},
		{NewRequest{Subject: "CN=Somebody,O=Example,C=KR", Kinds: []string{"ecdsa-p256"}}, []string{"ECDSA-P256"}, 825},
	} {
		c.r.Name = "N"
		made, err := h.New(t.Context(), tester(), c.r)
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		for _, cert := range made.Certificates {
			types = append(types, cert.KeyType)
			if life := cert.NotAfter.Sub(cert.NotBefore); life != time.Duration(c.days)*24*time.Hour {
				t.Errorf("%+v: life of %v", c.r, life)
			}
			if cert.Exportable != c.r.Exportable {
				t.Errorf("%+v: exportable %v", c.r, cert.Exportable)
			}
			if c.r.Subject != "" && cert.Subject != c.r.Subject {
				t.Errorf("got subject %q, want %q", cert.Subject, c.r.Subject)
			}
		}
		slices.Sort(types)
		if !slices.Equal(types, c.types) {
			t.Errorf("%+v: got keys %v, want %v", c.r, types, c.types)
		}
	}
	both, err := h.New(t.Context(), tester(), NewRequest{Name: "Both"})
	if err != nil || len(both.Certificates) != 2 {
		t.Errorf("no kinds: got %+v, %v, want two members", both, err)
	}
}

func TestNewRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	seq, secrets := h.db.Seq(), h.count(t, `SELECT count(*) FROM secret`)
	var many []string
	for i := range maxNames + 1 {
		many = append(many, fmt.Sprintf("h%d.example.com", i))
	}
	value, name := is[*ValueError], is[*x509cert.InvalidNameError]
	kind := func(err error) bool { return err != nil && strings.Contains(err.Error(), "key") }
	for title, c := range map[string]struct {
		r    NewRequest
		want func(error) bool
	}{
		"no name":               {NewRequest{}, value},
		"long name":             {NewRequest{Name: strings.Repeat("ü", 64)}, value},
		"control character":     {NewRequest{Name: "a\nb"}, value},
		"not UTF-8":             {NewRequest{Name: "a\xff"}, value},
		"two of one algorithm":  {NewRequest{Name: "N", Kinds: []string{"ecdsa-p256", "ecdsa-p384"}}, value},
		"the same twice":        {NewRequest{Name: "N", Kinds: []string{"rsa-2048", "rsa-2048"}}, value},
		"three kinds":           {NewRequest{Name: "N", Kinds: []string{"rsa-2048", "ecdsa-p256", "ed25519"}}, value},
		"unknown kind":          {NewRequest{Name: "N", Kinds: []string{"dsa-1024"}}, kind},
		"negative days":         {NewRequest{Name: "N", Days: -1}, value},
		"too many days":         {NewRequest{Name: "N", Days: selfsigned.MaxDays + 1}, value},
		"too many names":        {NewRequest{Name: "N", Domains: many}, value},
		"empty domain":          {NewRequest{Name: "N", Domains: []string{""}}, name},
		"wildcard inside":       {NewRequest{Name: "N", Domains: []string{"a.*.example.com"}}, name},
		"public suffix":         {NewRequest{Name: "N", Domains: []string{"*.com"}}, name},
		"zone":                  {NewRequest{Name: "N", Domains: []string{"fe80::1%eth0"}}, name},
		"long label":            {NewRequest{Name: "N", Domains: []string{strings.Repeat("a", 64) + ".example.com"}}, name},
		"long domain":           {NewRequest{Name: "N", Domains: []string{strings.Repeat("abcdefghi.", 25) + "example.com"}}, name},
		"subject":               {NewRequest{Name: "N", Subject: "nonsense"}, is[*x509cert.InvalidSubjectError]},
		"services":              {NewRequest{Name: "N", Services: "UM"}, is[*listener.UnknownServiceError]},
		"lineage in capitals":   {NewRequest{Name: "N", Lineage: "Mail"}, value},
		"lineage with a space":  {NewRequest{Name: "N", Lineage: "a b"}, value},
		"long lineage":          {NewRequest{Name: "N", Lineage: strings.Repeat("a", 101)}, value},
		"lineage is thumbprint": {NewRequest{Name: "N", Lineage: "0123456789abcdef"}, value},
		"lineage exists":        {NewRequest{Name: "N", Lineage: "auth"}, func(err error) bool { return errors.Is(err, ErrLineageExists) }},
	} {
		for _, dry := range []bool{true, false} {
			c.r.DryRun = dry
			if _, err := h.New(t.Context(), tester(), c.r); !c.want(err) {
				t.Errorf("%s: got %v", title, err)
			}
		}
	}
	if h.db.Seq() != seq || h.count(t, `SELECT count(*) FROM secret`) != secrets {
		t.Error("a refused act changed the state")
	}
}

func TestErrorsStayShort(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	huge := strings.Repeat("é", 1<<19)
	for name, do := range map[string]func() error{
		"find":         func() error { _, err := h.Certificate(t.Context(), huge); return err },
		"find hex":     func() error { _, err := h.Certificate(t.Context(), strings.Repeat("a", 1<<20)); return err },
		"server":       func() error { _, err := h.Certificate(t.Context(), huge+`\0123456789`); return err },
		"lineage":      func() error { _, err := h.Lineage(t.Context(), huge); return err },
		"name":         func() error { _, err := h.New(t.Context(), tester(), NewRequest{Name: huge}); return err },
		"lineage name": func() error { _, err := h.New(t.Context(), tester(), NewRequest{Name: "N", Lineage: huge}); return err },
		"domain": func() error {
			_, err := h.New(t.Context(), tester(), NewRequest{Name: "N", Domains: []string{huge}})
			return err
		},
		"status":      func() error { _, err := h.Certificates(t.Context(), Filter{Status: x509cert.Status(huge)}); return err },
		"domain list": func() error { _, err := h.Certificates(t.Context(), Filter{Domain: huge}); return err },
		"client": func() error {
			_, err := h.Explain(t.Context(), ExplainRequest{Listener: "imap", Client: huge})
			return err
		},
		"from": func() error {
			_, err := h.Explain(t.Context(), ExplainRequest{Listener: "imap", From: huge})
			return err
		},
	} {
		err := do()
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if n := len(err.Error()); n > 500 {
			t.Errorf("%s: an error of %d bytes", name, n)
		}
	}
}

// TestActsAtOnce: acts that do not say what they saw never get in each other's way.
func TestActsAtOnce(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			if _, err := h.New(t.Context(), tester(), NewRequest{Name: "N", Kinds: []string{"ed25519"}, Domains: []string{"same.example.com"}}); err != nil {
				t.Errorf("new %d: %v", n, err)
			}
		})
		wg.Go(func() {
			id := []string{"one", internalLineage}[n%2]
			if _, err := h.Enable(t.Context(), tester(), EnableRequest{ID: id, Services: "IMAP"}); err != nil {
				t.Errorf("enable %d: %v", n, err)
			}
		})
		wg.Go(func() {
			if _, err := h.NewLink(t.Context(), tester()); err != nil {
				t.Errorf("link %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"same-example-com", "same-example-com-2", "same-example-com-3", "same-example-com-4"} {
		if _, err := h.Lineage(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	h.wantServed(t)
	if h.Ring().Seq() != h.db.Seq() {
		t.Errorf("the ring is at %d, the state at %d", h.Ring().Seq(), h.db.Seq())
	}
}

func TestKeysAreForgotten(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	opened := func() int {
		h.settling.Lock()
		defer h.settling.Unlock()
		return len(h.signers)
	}
	before := opened()
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}, Services: "POP"})
	if got := opened(); got != before+1 {
		t.Errorf("got %d opened keys, want %d", got, before+1)
	}
	h.enable(t, EnableRequest{ID: internalLineage, Services: "POP"})
	if got := opened(); got != before {
		t.Errorf("got %d opened keys, want %d: what serves no more stays in memory", got, before)
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "certificate", "---": "certificate", "Mail 2026!": "mail-2026", "ünü": "n", "a..b": "a-b", "-a-": "a", strings.Repeat("ab-", 50): strings.Trim(strings.Repeat("ab-", 34)[:100], "-")} {
		if got := slug(text); got != want || slug(got) != got {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for _, kind := range keys.Kinds() {
		if _, err := keys.ParseKind(string(kind)); err != nil {
			t.Error(err)
		}
	}
}
