package desk

import (
	"errors"
	"maps"
	"math/rand/v2"
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
	if c := h.enable(t, EnableRequest{ID: "second", Services: "MANAGEMENT"}); c.Undo != "" || c.Moves[0].From != nil || c.Replaces {
		t.Errorf("the first default: got %+v, want nothing before and no undo", c)
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
	if c := h.enable(t, EnableRequest{ID: "good", Services: "SMTP"}); len(c.Warnings) != 0 {
		t.Errorf("got %q, want no warning", c.Warnings)
	}
}

func TestSetInternal(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"mail1.example.com"}})
	before := h.picture(t)
	c, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: h.named(t, "one")[0].Thumbprint[:8]})
	if err != nil || c.Undo != "postseal cert set-internal "+internalLineage || !c.Replaces || len(c.Warnings) != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	after := h.picture(t)
	if after.Internal != "one" || !maps.Equal(after.Default, before.Default) {
		t.Errorf("got %+v, want only the internal certificate changed", after)
	}
	if leaves := h.Ring().InternalLeaves(); len(leaves) != 1 || x509cert.Thumbprint(leaves[0]) != h.named(t, "one")[0].Thumbprint {
		t.Error("the keyring has not heard of the internal certificate")
	}
	if c, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "one"}); err != nil || len(c.Warnings) != 1 || c.Undo != "" {
		t.Errorf("again: got %+v, %v, want nothing to change", c, err)
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "auth"}); !is[*ValueError](err) {
		t.Errorf("the auth certificate: got %v", err)
	}
}

func TestSetListener(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap"})
	if err != nil || !c.Replaces || len(c.Removed) != 1 || c.Undo != "postseal listener enable imap" {
		t.Errorf("disable: got %+v, %v", c, err)
	}
	if got := h.runtime.opened(); slices.Contains(got, "imap") || len(got) != 9 {
		t.Errorf("open: got %v, want all but imap", got)
	}
	busy := &ListenError{Listener: "imap", Address: "*:143", Err: errFault}
	h.runtime.cannot = busy
	if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap", Enabled: true}); !errors.Is(err, busy) || strings.Contains(h.picture(t).Enabled, "imap ") {
		t.Errorf("a port in use: got %v", err)
	}
	if c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imaps", Enabled: true}); err != nil || len(c.Warnings) != 1 {
		t.Errorf("enabled already: got %+v, %v", c, err)
	}
	h.runtime.cannot = nil
	if c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap", Enabled: true}); err != nil || c.Replaces || c.Undo != "postseal listener disable imap" {
		t.Errorf("enable: got %+v, %v", c, err)
	}
	if got := h.runtime.opened(); !slices.Contains(got, "imap") {
		t.Errorf("open: got %v, want imap too", got)
	}
	if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "gopher"}); !is[*config.UnknownListenerError](err) {
		t.Errorf("got %v", err)
	}
}

// TestADryRunChangesNothing also says what the act itself then says.
func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
	h.enable(t, EnableRequest{ID: "one", Services: "HTTP", ByName: true})
	before, rows, seq, secrets := h.picture(t), len(h.audit(t)), h.db.Seq(), h.count(t, `SELECT count(*) FROM secret`)
	for name, act := range map[string]func(Doing) (*Change, error){
		"enable": func(d Doing) (*Change, error) {
			return h.Enable(t.Context(), tester(), EnableRequest{d, "one", "IMAP", nil, false})
		},
		"by name": func(d Doing) (*Change, error) {
			return h.Enable(t.Context(), tester(), EnableRequest{d, "one", "IMAP", nil, true})
		},
		"disable": func(d Doing) (*Change, error) {
			return h.Disable(t.Context(), tester(), DisableRequest{d, "one", "https"})
		},
		"set-internal": func(d Doing) (*Change, error) { return h.SetInternal(t.Context(), tester(), InternalRequest{d, "one"}) },
		"listener": func(d Doing) (*Change, error) {
			return h.SetListener(t.Context(), tester(), ListenerRequest{d, "pop3", false})
		},
		"remove": func(d Doing) (*Change, error) {
			return h.Remove(t.Context(), tester(), RemoveRequest{d, managementLineage, false})
		},
		"new": func(d Doing) (*Change, error) {
			return h.New(t.Context(), tester(), NewRequest{Doing: d, Name: "N", Kinds: []string{"ed25519"}, Services: "POP"})
		},
		"renew": func(d Doing) (*Change, error) {
			return h.Renew(t.Context(), tester(), RenewRequest{Doing: d, ID: "one"})
		},
	} {
		preview, err := act(Doing{DryRun: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if preview.Seq != seq {
			t.Errorf("%s: sequence %d, want %d", name, preview.Seq, seq)
		}
		if got := h.count(t, `SELECT count(*) FROM secret`); !h.picture(t).equal(before) || len(h.audit(t)) != rows || h.db.Seq() != seq || got != secrets {
			t.Errorf("%s: a dry run changed something", name)
		}
		if name == "enable" {
			done, err := act(Doing{IfSeq: preview.Seq})
			if err != nil || !slices.EqualFunc(done.Moves, preview.Moves, func(a, b Move) bool { return a.Listener == b.Listener && *a.From == *b.From && *a.To == *b.To }) || done.Undo != preview.Undo {
				t.Errorf("%s: got %+v, %v, shown was %+v", name, done, err, preview)
			}
			if err := h.run(t, done.Undo); err != nil {
				t.Fatal(err)
			}
			if _, err := act(Doing{IfSeq: preview.Seq}); !errors.Is(err, state.ErrStale) {
				t.Errorf("%s at an old sequence: got %v, want %v", name, err, state.ErrStale)
			}
			before, rows, seq = h.picture(t), len(h.audit(t)), h.db.Seq()
		}
	}
}

// TestUndoRestores does random acts, each followed by the command that it says undoes it, and compares
// what is bound to what.
func TestUndoRestores(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ids := []string{internalLineage, managementLineage, "one", "two", "three"}
	for _, id := range ids[2:] {
		h.make(t, NewRequest{Lineage: id, Domains: []string{id + ".example.com"}})
	}
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	undone := 0
	for n := range 150 {
		before := h.picture(t)
		c, what, err := randomAct(t, h, pick, r)
		if err != nil {
			if after := h.picture(t); !after.equal(before) {
				t.Fatalf("seed %d, act %d, %s was refused (%v) and changed %+v to %+v", seed, n, what, err, before, after)
			}
			continue
		}
		if c.Undo == "" {
			if after := h.picture(t); !after.equal(before) {
				t.Fatalf("seed %d, act %d, %s: changed %+v to %+v and names no undo", seed, n, what, before, after)
			}
			continue
		}
		if r.IntN(3) == 0 {
			continue // let it be, so that the next act meets another state
		}
		if err := h.run(t, c.Undo); err != nil {
			t.Fatalf("seed %d, act %d, %s, then %q: %v", seed, n, what, c.Undo, err)
		}
		if after := h.picture(t); !after.equal(before) {
			t.Fatalf("seed %d, act %d, %s, then %q:\ngot  %+v\nwant %+v", seed, n, what, c.Undo, after, before)
		}
		undone++
	}
	if undone < 40 {
		t.Errorf("only %d acts were undone", undone)
	}
	h.wantServed(t)
}

// randomAct does an act that can be undone.
func randomAct(t *testing.T, h *house, pick func([]string) string, r *rand.Rand) (*Change, string, error) {
	ids := []string{internalLineage, managementLineage, "one", "two", "three"}
	id := pick(ids)
	var services []string
	for _, s := range listener.Services() {
		if r.IntN(2) == 0 {
			services = append(services, string(s))
		}
	}
	list := strings.Join(services, ",")
	var only []string
	if names, err := listenersOf(list, nil); err == nil && r.IntN(2) == 0 {
		for _, name := range names {
			if r.IntN(2) == 0 {
				only = append(only, name)
			}
		}
	}
	switch r.IntN(8) {
	case 0, 1, 2:
		c, err := h.Enable(t.Context(), tester(), EnableRequest{Doing{}, id, list, only, false})
		return c, "enable " + id + " " + list + " " + strings.Join(only, " "), err
	case 3, 4:
		c, err := h.Enable(t.Context(), tester(), EnableRequest{Doing{}, id, list, only, true})
		return c, "enable by name " + id + " " + list + " " + strings.Join(only, " "), err
	case 5:
		at := pick(listener.Names())
		c, err := h.Disable(t.Context(), tester(), DisableRequest{Doing{}, id, at})
		return c, "disable " + id + " " + at, err
	case 6:
		c, err := h.SetInternal(t.Context(), tester(), InternalRequest{Doing{}, id})
		return c, "set-internal " + id, err
	}
	if r.IntN(2) == 0 {
		at := pick(listener.Names())
		c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Doing{}, at, r.IntN(2) == 0})
		return c, "listener " + at, err
	}
	c, err := h.New(t.Context(), tester(), NewRequest{Name: "New", Kinds: []string{"ed25519"}, Domains: []string{pick(ids) + ".test"}, Services: list})
	return c, "new " + list, err
}

// run runs commands as an undo line names them.
func (h *house) run(t *testing.T, line string) error {
	t.Helper()
	for command := range strings.SplitSeq(line, " && ") {
		words := strings.Fields(command)
		if len(words) < 4 || words[0] != "postseal" {
			t.Fatalf("no command: %q", command)
		}
		act, id, flags := words[1]+" "+words[2], words[3], words[4:]
		services, listeners, byName := "", []string(nil), false
		for i := 0; i < len(flags); i++ {
			switch flags[i] {
			case "--services":
				i++
				services = flags[i]
			case "--listener":
				i++
				listeners = append(listeners, flags[i])
			case "--sni-only":
				byName = true
			default:
				t.Fatalf("unknown flag in %q", command)
			}
		}
		var err error
		switch act {
		case "cert enable":
			_, err = h.Enable(t.Context(), tester(), EnableRequest{ID: id, Services: services, Listeners: listeners, ByName: byName})
		case "cert disable":
			_, err = h.Disable(t.Context(), tester(), DisableRequest{ID: id, Listener: listeners[0]})
		case "cert set-internal":
			_, err = h.SetInternal(t.Context(), tester(), InternalRequest{ID: id})
		case "cert remove":
			_, err = h.Remove(t.Context(), tester(), RemoveRequest{ID: id})
		case "listener enable", "listener disable":
			_, err = h.SetListener(t.Context(), tester(), ListenerRequest{Listener: id, Enabled: act == "listener enable"})
		default:
			t.Fatalf("unknown command: %q", command)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
