package desk

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

func TestFind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.named(t, NameManagement)[0]
	print := c.Thumbprint
	var pairs []string
	for i := 0; i < len(print); i += 2 {
		pairs = append(pairs, print[i:i+2])
	}
	for _, id := range []string{
		print, strings.ToLower(print), print[:8], print[:39], " " + print + "\n", strings.Join(pairs, ":"), strings.ToLower(strings.Join(pairs, " ")), "\u200e" + print,
		`mail1.example.com\` + print, `MAIL1.EXAMPLE.COM\` + strings.ToLower(print[:10]), `\` + print, "SHA1 Fingerprint=" + strings.Join(pairs, ":"),
		managementLineage, " " + managementLineage + " ", `mail1.example.com\` + managementLineage,
	} {
		if got, err := h.Certificate(t.Context(), id); err != nil || got.Thumbprint != print {
			t.Errorf("%q: got %+v, %v, want %s", id, got, err, print)
		}
	}
	for id, want := range map[string]func(error) bool{
		"":                               is[*x509cert.InvalidThumbprintError],
		print[:7]:                        is[*x509cert.InvalidThumbprintError],
		print + "0":                      is[*x509cert.InvalidThumbprintError],
		c.SHA256:                         is[*x509cert.InvalidThumbprintError],
		"no-such-lineage":                is[*UnknownCertificateError],
		strings.ToUpper(c.Lineage):       is[*x509cert.InvalidThumbprintError],
		strings.Repeat("0", 40):          is[*UnknownCertificateError],
		`mail2.example.com\` + print:     is[*UnknownServerError],
		`mail1.example.com\a\` + print:   is[*x509cert.InvalidThumbprintError],
		`mail1.example.com\` + print[:7]: is[*x509cert.InvalidThumbprintError],
	} {
		if got, err := h.Certificate(t.Context(), id); !want(err) {
			t.Errorf("%q: got %+v, %v", id, got, err)
		}
	}
}

// TestFindAmbiguous plants certificates whose thumbprints begin alike, which nobody can make on purpose.
func TestFindAmbiguous(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for i, lineage := range []string{"one", "two"} {
		h.make(t, NewRequest{Lineage: lineage, Domains: []string{lineage + ".example.com"}})
		print := "ABCDEF0123" + strings.Repeat("01"[i:i+1], 30)
		h.exec(t, `UPDATE member SET thumbprint = $2 WHERE thumbprint = $1`, h.named(t, lineage)[0].Thumbprint, print)
	}
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"abcdef01", "ABCDEF0123"} {
		_, err := v.find(id)
		if e, ok := errors.AsType[*AmbiguousIDError](err); !ok || e.ID != id || len(e.Thumbprints) != 2 {
			t.Errorf("%s: got %v, want both named", id, err)
		}
	}
	if f, err := v.find("ABCDEF01231"); err != nil || f.lineage.Name != "two" {
		t.Errorf("got %s, %v, want two", f.lineage.Name, err)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "ABCDEF0123"}); !is[*AmbiguousIDError](err) {
		t.Errorf("remove: got %v", err)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "short", Domains: []string{"short.example.com", "*.shop.example.com", "192.0.2.7"}, Days: 10})
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "auth internal internal management short"},
		{Filter{Server: "MAIL1.example.com"}, "auth internal internal management short"},
		{Filter{Status: x509cert.StatusUntrusted}, "short"},
		{Filter{Status: x509cert.StatusValid}, "auth internal internal management"},
		{Filter{Status: x509cert.StatusRevoked}, ""},
		{Filter{Domain: "a.shop.example.com"}, "short"},
		{Filter{Domain: "A.Shop.Example.com."}, "short"},
		{Filter{Domain: "*.shop.example.com"}, "short"},
		{Filter{Domain: "a.b.shop.example.com"}, ""},
		{Filter{Domain: "mail1.example.com"}, "internal internal management"},
		{Filter{Domain: "mail1"}, "internal internal"},
		{Filter{Domain: "192.0.2.7"}, "short"},
		{Filter{ExpiringWithin: int64(11 * 24 * time.Hour / time.Second)}, "short"},
		{Filter{ExpiringWithin: int64(9 * 24 * time.Hour / time.Second)}, ""},
		{Filter{ExpiringWithin: 1 << 62}, "auth internal internal management short"},
	} {
		list, err := h.Certificates(t.Context(), c.f)
		var got []string
		for _, x := range list {
			first, _, _ := strings.Cut(x.Lineage, "-")
			got = append(got, first)
		}
		if err != nil || strings.Join(got, " ") != c.want || list == nil {
			t.Errorf("%+v: got %v, %v, want %s", c.f, got, err, c.want)
		}
	}
	for _, f := range []Filter{{Server: "mail2.example.com"}, {Status: "valid"}, {Domain: "a b"}, {ExpiringWithin: -1}} {
		if _, err := h.Certificates(t.Context(), f); err == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	d, err := h.Certificate(t.Context(), internalLineage)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Members) != 2 || !slices.Equal(d.Roles, []string{RoleInternal}) || len(d.Bindings) != 8 || len(d.Chain) != 1 || !strings.HasPrefix(d.PEM, "-----BEGIN CERTIFICATE-----\n") {
		t.Errorf("got %+v", d)
	}
	thief := strings.Join(d.Thief, "\n")
	for _, want := range []string{"pose as mail1, mail1.example.com", "imaps (port 993)", "direct trust"} {
		if !strings.Contains(thief, want) {
			t.Errorf("a thief: got %q, want it to say %q", thief, want)
		}
	}
	if d, err := h.Certificate(t.Context(), "auth"); err != nil || d.Names == nil || d.Bindings == nil || !slices.Equal(d.Roles, []string{RoleAuth}) || len(d.Thief) != 2 || !strings.Contains(d.Thief[0], "sign tokens") || !strings.Contains(d.Thief[1], "exportable") {
		t.Errorf("auth: got %+v, %v", d, err)
	}
	h.make(t, NewRequest{Lineage: "idle", Domains: []string{"idle.example.com"}})
	if d, err := h.Certificate(t.Context(), "idle"); err != nil || len(d.Thief) != 1 || !strings.Contains(d.Thief[0], "pose as idle.example.com") {
		t.Errorf("idle: got %+v, %v", d, err)
	}
}

func TestLineagesAndServices(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	all, err := h.Lineages(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("got %+v, %v", all, err)
	}
	for i, want := range []LineageView{
		{Lineage: "auth", Name: NameAuth, Roles: []string{RoleAuth}, Services: []listener.Service{}, Exportable: true},
		{Lineage: internalLineage, Name: NameInternal, Server: "mail1.example.com", Roles: []string{RoleInternal}, Services: []listener.Service{"HTTP", "IMAP", "POP", "SMTP"}},
		{Lineage: managementLineage, Name: NameManagement, Server: "mail1.example.com", Roles: []string{}, Services: []listener.Service{"MANAGEMENT"}, Exportable: true},
	} {
		got := all[i]
		if got.Lineage != want.Lineage || got.Name != want.Name || got.Server != want.Server || !slices.Equal(got.Roles, want.Roles) || !slices.Equal(got.Services, want.Services) || got.Exportable != want.Exportable ||
			got.Activation != "auto" || got.KeyAtRenewal != "new" || got.Issuer != "self" || len(got.Generations) != 1 || got.Generations[0].State != state.StateCurrent {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if one, err := h.Lineage(t.Context(), want.Lineage); err != nil || one.Name != want.Name {
			t.Errorf("%s: got %+v, %v", want.Lineage, one, err)
		}
	}
	if _, err := h.Lineage(t.Context(), "no-such"); !is[*UnknownLineageError](err) {
		t.Errorf("got %v", err)
	}
	services, err := h.Services(t.Context())
	if err != nil || len(services) != 5 {
		t.Fatalf("got %+v, %v", services, err)
	}
	n := 0
	for _, s := range services {
		for _, l := range s.Listeners {
			n++
			if l.Service != s.Service || l.State != ListenerStopped || len(l.Thumbprints) == 0 {
				t.Errorf("%s: got %+v", s.Service, l)
			}
		}
	}
	if n != 9 {
		t.Errorf("got %d listeners in services, want all but http", n)
	}
}
