package desk

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/config"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

func TestSetupRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	value, name := is[*ValueError], is[*x509cert.InvalidNameError]
	offset := 60000
	for title, c := range map[string]struct {
		change func(o *SetupOptions)
		want   func(error) bool
	}{
		"no domain":          {func(o *SetupOptions) { o.Domains = nil }, value},
		"single label":       {func(o *SetupOptions) { o.Domains = []string{"localhost"} }, name},
		"address":            {func(o *SetupOptions) { o.Domains = []string{"192.0.2.1"} }, name},
		"wildcard":           {func(o *SetupOptions) { o.Domains = []string{"*.example.com"} }, name},
		"second is wrong":    {func(o *SetupOptions) { o.Domains = []string{"example.com", "a_b.example"} }, name},
		"empty":              {func(o *SetupOptions) { o.Domains = []string{""} }, name},
		"mode":               {func(o *SetupOptions) { o.Mode = "behind" }, value},
		"host without a dot": {func(o *SetupOptions) { o.Host = "mail1" }, name},
		"host wildcard":      {func(o *SetupOptions) { o.Host = "*.example.com" }, name},
		"long name":          {func(o *SetupOptions) { o.Organisation = strings.Repeat("x", 129) }, value},
		"control character":  {func(o *SetupOptions) { o.Organisation = "a\x1b[31m" }, value},
		"not UTF-8":          {func(o *SetupOptions) { o.Organisation = "\xff" }, value},
		"bind":               {func(o *SetupOptions) { o.Addresses.Bind = "everywhere" }, is[*config.AddressError]},
		"offset":             {func(o *SetupOptions) { o.Addresses.PortOffset = &offset }, func(err error) bool { return errors.Is(err, config.ErrPortOffset) }},
		"listener":           {func(o *SetupOptions) { o.Addresses.Listen = map[string]string{"gopher": "127.0.0.1:70"} }, is[*config.UnknownListenerError]},
	} {
		o := exampleSetup(dir)
		c.change(&o)
		if err := Setup(t.Context(), db, o, tester()); !c.want(err) {
			t.Errorf("%s: setup: got %v", title, err)
		}
		if err := CheckSetup(o); !c.want(err) {
			t.Errorf("%s: check: got %v", title, err)
		}
	}
	if found := files(t, dir); len(found[exampleSetup(dir).Sealing])+len(found[pending(exampleSetup(dir).Sealing)]) > 0 || db.Seq() != 0 {
		t.Error("a refused setup left something")
	}
}

func TestSetupValues(t *testing.T) {
	t.Parallel()
	offset := 10000
	h := newHouse(t, func(o *SetupOptions) {
		o.Organisation = "  "
		o.Domains = []string{"Bücher.Example", "example.org.", "EXAMPLE.org", "xn--bcher-kva.example"}
		o.Host = ""
		o.Machine = strings.Repeat("long-", 20) + ".corp.example"
		o.Addresses = config.Addresses{Bind: "127.0.0.2", PortOffset: &offset, Listen: map[string]string{"imaps": "[2001:db8::1]:993"}}
	})
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"xn--bcher-kva.example", "example.org"}; !slices.Equal(v.org.Domains, want) || v.org.Name != want[0] {
		t.Errorf("got domains %q, name %q, want %q", v.org.Domains, v.org.Name, want)
	}
	if want := HostLabel(strings.Repeat("long-", 20)) + ".xn--bcher-kva.example"; v.server.Name != want || v.server.Mode != ModeFront || v.server.Role != "mailbox" {
		t.Errorf("got server %+v, want %s", v.server, want)
	}
	for _, l := range v.listeners {
		k, _ := listener.ByName(l.Name)
		address, port := "127.0.0.2", k.Port+10000
		if l.Name == "imaps" {
			address, port = "2001:db8::1", 993
		}
		if l.Address.Addr().String() != address || l.Address.Port() != port || !l.Enabled {
			t.Errorf("%s: got %+v, want %s and %d", l.Name, l, address, port)
		}
	}
	for _, c := range h.named(t, NameManagement) {
		if label := c.Names[0]; len(label) > 63 || strings.HasSuffix(label, "-") || !strings.HasPrefix(strings.ToLower(label), "postseal-management-long-") {
			t.Errorf("management: got names %q", c.Names)
		}
	}
	h.wantServed(t)
	h.close(t)
	if whole(t, h.dir) == nil {
		t.Error("the organisation is gone")
	}
}
