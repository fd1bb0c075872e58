package desk

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/config"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

func TestEnableIsAdditive(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"mail1.example.com"}})
	want := h.picture(t).Default
	for _, step := range []struct {
		services  string
		listeners []string
		takes     []string
		all       string
	}{
		{"pop3", nil, []string{"pop3", "pop3s"}, ".P....."},
		{"IMAP", []string{"imaps", "imaps"}, []string{"imaps"}, "IP....."},
		{"IIS,WMSVC", nil, []string{"https", "management"}, "IP.W..."},
		{"IMAP,SMTP", []string{"submissions"}, []string{"submissions"}, "IP.WS.."},
	} {
		c := h.enable(t, EnableRequest{ID: "one", Services: step.services, Listeners: step.listeners})
		if len(c.Moves) != len(step.takes) || !c.Replaces || len(c.Certificates) != 1 {
			t.Errorf("%s: got %+v", step.services, c)
		}
		for i, m := range c.Moves {
			if m.Listener != step.takes[i] || m.Role != state.RoleDefault || m.To.Lineage != "one" || m.From.Lineage != want[m.Listener] || m.Port == 0 || m.From.NotAfter.IsZero() || m.To.NotAfter.IsZero() {
				t.Errorf("%s: move %d: got %+v", step.services, i, m)
			}
			want[m.Listener] = "one"
		}
		if got := h.picture(t).Default; !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", step.services, got, want)
		}
		if got := h.named(t, "one")[0].ServicesText; got != step.all {
			t.Errorf("%s: got services %s, want %s", step.services, got, step.all)
		}
		for _, name := range step.takes {
			if got, err := h.serves(t, name, client("", "")); err != nil || got != h.named(t, "one")[0].Thumbprint {
				t.Errorf("%s: %s serves %s, %v", step.services, name, got, err)
			}
		}
	}
}

func TestANameBindingIsServedByName(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "shop", Domains: []string{"shop.example.com", "*.shop.example.com"}})
	c := h.enable(t, EnableRequest{ID: "shop", Services: "IMAP,HTTP", ByName: true})
	if c.Replaces || len(c.Moves) != 3 {
		t.Errorf("got %+v, want three bindings added and nothing replaced", c)
	}
	standard, shop := h.named(t, NameInternal)[0].Thumbprint, h.named(t, "shop")[0]
	if len(shop.Services) != 0 {
		t.Errorf("a name binding is none of the services: got %v", shop.Services)
	}
	for sni, want := range map[string]string{"": standard, "mail1.example.com": standard, "shop.example.com": shop.Thumbprint, "a.shop.example.com": shop.Thumbprint, "a.b.shop.example.com": standard} {
		for _, name := range []string{"imap", "imaps", "https"} {
			if got, err := h.serves(t, name, client("", sni)); err != nil || got != want {
				t.Errorf("%s, %q: got %s, %v, want %s", name, sni, got, err, want)
			}
		}
		if got, err := h.serves(t, "pop3s", client("", sni)); err != nil || got != standard {
			t.Errorf("pop3s, %q: got %s, %v, want %s", sni, got, err, standard)
		}
	}

	again := h.enable(t, EnableRequest{ID: "shop", Services: "IMAP", ByName: true})
	if len(again.Moves) != 0 || len(again.Warnings) == 0 || again.Undo != "" {
		t.Errorf("by name again: got %+v, want nothing", again)
	}
	taken := h.enable(t, EnableRequest{ID: "shop", Services: "IMAP"})
	if p := h.picture(t); p.Default["imaps"] != "shop" || p.ByName["imaps"] != "" || p.ByName["https"] != "shop" {
		t.Errorf("the default taken over by what was bound by name: got %+v", p)
	}
	if want := "postseal cert enable " + internalLineage + " --services IMAP && postseal cert enable shop --services IMAP --sni-only"; taken.Undo != want {
		t.Errorf("undo: got %q, want %q", taken.Undo, want)
	}
	if c := h.enable(t, EnableRequest{ID: "shop", Services: "IMAP", ByName: true}); len(c.Moves) != 0 {
		t.Errorf("the default bound by name: got %+v, want nothing", c)
	}

	if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "shop", Listener: "imaps"}); !errors.Is(err, ErrDefaultBinding) {
		t.Errorf("disabling a default: got %v, want %v", err, ErrDefaultBinding)
	}
	if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "shop", Listener: "pop3s"}); !errors.Is(err, ErrNotBound) {
		t.Errorf("disabling what is not bound: got %v, want %v", err, ErrNotBound)
	}
	if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "shop", Listener: "https"}); err != nil {
		t.Error(err)
	}
	if got, err := h.serves(t, "https", client("", "shop.example.com")); err != nil || got != standard {
		t.Errorf("disabled: got %s, %v, want %s", got, err, standard)
	}
}

// TestNamesWithoutADefault: management may lose its default, and what is bound by name beside it must
// neither be served then, nor stop the other listeners.
func TestNamesWithoutADefault(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "named", Domains: []string{"admin.example.com"}})
	h.enable(t, EnableRequest{ID: "named", Services: "MANAGEMENT", ByName: true})
	c, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage})
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "management") {
		t.Fatalf("got %+v, %v, want a warning that management closes", c, err)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Errorf("the rest is not served: %v", err)
	}
	if got := h.runtime.opened(); slices.Contains(got, "management") || len(got) != 9 {
		t.Errorf("open: got %v, want all but management", got)
	}
	if _, err := h.serves(t, "management", client("", "admin.example.com")); err == nil {
		t.Error("management serves a name without a default")
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "named"}); err != nil {
		t.Fatal(err)
	}
	h.make(t, NewRequest{Lineage: "second", Domains: []string{"second.example.com"}})
	if c := h.enable(t, EnableRequest{ID: "second", Services: "MANAGEMENT", ByName: true}); !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, "stays closed") }) {
		t.Errorf("by name without a default: got warnings %q", c.Warnings)
	}
	if c := h.enable(t, EnableRequest{ID: "second", Services: "MANAGEMENT"}); c.Undo != "" || c.Moves[0].From != nil || !c.Replaces {
		t.Errorf("the first default: got %+v, want nothing before, no undo, and a question because of its name", c)
	}
	if got, err := h.serves(t, "management", client("", "admin.example.com")); err != nil || got != h.named(t, "named")[0].Thumbprint {
		t.Errorf("management serves %s, %v, want what is bound by name", got, err)
	}
	if got := h.runtime.opened(); !slices.Contains(got, "management") {
		t.Errorf("open: got %v, want management too", got)
	}
	// What is bound by name loses its generation in force, while the one before is kept.
	if c, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "named"}); err != nil || len(c.Warnings) != 0 {
		t.Errorf("got %+v, %v, want no warning: the default stays", c, err)
	}
	if got, err := h.serves(t, "management", client("", "admin.example.com")); err != nil || got != h.named(t, "second")[0].Thumbprint {
		t.Errorf("management serves %s, %v, want the default", got, err)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Errorf("the rest is not served: %v", err)
	}
}

// TestAGenerationInForceGoes: the generation that serves management can go while the one before is kept.
func TestAGenerationInForceGoes(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: managementLineage}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
		t.Fatal(err)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Errorf("the rest is not served: %v", err)
	}
	if got := h.runtime.opened(); slices.Contains(got, "management") || len(got) != 9 {
		t.Errorf("open: got %v, want all but management", got)
	}
	if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: managementLineage}); err != nil {
		t.Fatal(err)
	}
	if got, err := h.serves(t, "management", client("", "")); err != nil || got != h.named(t, NameManagement)[0].Thumbprint {
		t.Errorf("rolled back: management serves %s, %v", got, err)
	}
	c, err := h.Renew(t.Context(), tester(), RenewRequest{ID: managementLineage})
	if err != nil {
		t.Fatal(err)
	}
	old := slices.DeleteFunc(h.named(t, NameManagement), func(c Certificate) bool { return c.State == state.StateCurrent })[0]
	gone, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: old.Thumbprint})
	if err != nil || len(gone.Warnings) != 0 {
		t.Errorf("the generation before removed: got %+v, %v, want no warning", gone, err)
	}
	if got, err := h.serves(t, "management", client("", "")); err != nil || got != c.Certificates[0].Thumbprint {
		t.Errorf("management serves %s, %v", got, err)
	}
}

func TestEnableRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	seq := h.db.Seq()
	for name, c := range map[string]struct {
		r    EnableRequest
		want func(error) bool
	}{
		"no service":        {EnableRequest{ID: "auth"}, is[*listener.UnknownServiceError]},
		"unknown service":   {EnableRequest{ID: "auth", Services: "IMAP,FTP"}, is[*listener.UnknownServiceError]},
		"outside":           {EnableRequest{ID: "auth", Services: "IMAP", Listeners: []string{"smtp"}}, is[*ListenerServiceError]},
		"http":              {EnableRequest{ID: "auth", Services: "HTTP", Listeners: []string{"http"}}, is[*ListenerServiceError]},
		"unknown listener":  {EnableRequest{ID: "auth", Services: "IMAP", Listeners: []string{"imaps", "gopher"}}, is[*config.UnknownListenerError]},
		"unknown ID":        {EnableRequest{ID: "0123456789", Services: "IMAP"}, is[*UnknownCertificateError]},
		"no ID":             {EnableRequest{ID: "", Services: "IMAP"}, is[*x509cert.InvalidThumbprintError]},
		"service before ID": {EnableRequest{ID: "", Services: "FTP"}, is[*listener.UnknownServiceError]},
		"another server":    {EnableRequest{ID: `mail2.example.com\auth`, Services: "IMAP"}, is[*UnknownServerError]},
	} {
		if _, err := h.Enable(t.Context(), tester(), c.r); !c.want(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, word := range []string{"UM", "um", "UMCallRouter", "IMAP,UM"} {
		_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "auth", Services: word})
		if e, ok := errors.AsType[*listener.UnknownServiceError](err); !ok || !e.UnifiedMessaging {
			t.Errorf("%s: got %v", word, err)
		}
	}
	if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "auth", Listener: "gopher"}); !is[*config.UnknownListenerError](err) {
		t.Errorf("disable: got %v", err)
	}
	if h.db.Seq() != seq {
		t.Error("a refused act changed the state")
	}
}

// is says whether an error is of a type.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestEnableWithoutAPrivateKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "keyless", Domains: []string{"k.example.com"}})
	h.exec(t, `UPDATE member SET secret_id = NULL WHERE thumbprint = $1`, h.named(t, "keyless")[0].Thumbprint)
	if _, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "keyless", Services: "IMAP"}); !errors.Is(err, ErrNoPrivateKey) {
		t.Errorf("enable: got %v, want %v", err, ErrNoPrivateKey)
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "keyless"}); !errors.Is(err, ErrNoPrivateKey) {
		t.Errorf("set-internal: got %v, want %v", err, ErrNoPrivateKey)
	}
}

func TestEnableWarns(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "other", Domains: []string{"other.example.com"}})
	got := strings.Join(h.enable(t, EnableRequest{ID: "other", Services: "SMTP"}).Warnings, "; ")
	for _, want := range []string{"does not name this server, mail1.example.com", "no RSA member"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to say %q", got, want)
		}
	}
	h.make(t, NewRequest{Lineage: "good", Domains: []string{"*.example.com"}, Kinds: []string{"rsa-2048", "ecdsa-p384"}})
	if c := h.enable(t, EnableRequest{ID: "good", Services: "SMTP"}); len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "clients from outside will not trust it: self-signed") {
		t.Errorf("got %q, want no warning but that it is self-signed", c.Warnings)
	}
	if c := h.enable(t, EnableRequest{ID: "good", Services: "MANAGEMENT"}); len(c.Warnings) != 0 {
		t.Errorf("got %q, want no warning", c.Warnings)
	}
}
