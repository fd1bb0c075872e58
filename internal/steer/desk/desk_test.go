package desk

import (
	"errors"
	"slices"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

func TestSetupMakesThreeDefaults(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	internal, auth, management := h.named(t, NameInternal), h.named(t, NameAuth), h.named(t, NameManagement)
	if len(internal) != 2 || len(auth) != 1 || len(management) != 1 {
		t.Fatalf("got %d internal, %d auth and %d management certificates, want 2, 1 and 1", len(internal), len(auth), len(management))
	}
	for _, c := range internal {
		if c.Exportable || !slices.Equal(c.Names, []string{"mail1", "mail1.example.com"}) || c.ServicesText != "IP.WS.." {
			t.Errorf("internal: got %+v", c)
		}
	}
	if got := []string{internal[0].KeyType, internal[1].KeyType}; !slices.Equal(got, []string{"ECDSA-P256", "RSA-2048"}) {
		t.Errorf("internal keys: got %v", got)
	}
	if c := auth[0]; c.KeyType != "RSA-2048" || len(c.Names) != 0 || !c.Exportable || c.Subject != "CN=Postseal Server Auth Certificate" || c.ServicesText != "......." {
		t.Errorf("auth: got %+v", c)
	}
	if c := management[0]; c.KeyType != "ECDSA-P256" || !c.Exportable || !slices.Equal(c.Services, []listener.Service{listener.ServiceManagement}) ||
		!slices.Equal(c.Names, []string{"Postseal-Management-mail1", "mail1.example.com"}) && !slices.Equal(c.Names, []string{"postseal-management-mail1", "mail1.example.com"}) {
		t.Errorf("management: got %+v", c)
	}
	for _, c := range h.certificates(t) {
		if c.Status != x509cert.StatusValid || c.StatusReason != "trusted inside the organisation only" || c.RootType != x509cert.RootRegistry || !slices.Equal(c.Usages, []string{"serverAuth"}) || !c.SelfSigned || len(c.Serial) != 32 {
			t.Errorf("%s: got status %s (%s), root %s, usages %v, self-signed %v, serial %s", c.Name, c.Status, c.StatusReason, c.RootType, c.Usages, c.SelfSigned, c.Serial)
		}
	}
}

func TestEnableTakesOverAndSaysHowToUndo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made, err := h.New(t.Context(), tester(), NewRequest{Name: "Mail", Domains: []string{"mail.example.com"}, Kinds: []string{"ecdsa-p256"}, Services: "IMAP,SMTP"})
	if err != nil {
		t.Fatal(err)
	}
	if !made.Replaces || len(made.Moves) != 5 {
		t.Errorf("got %+v, want five listeners moved", made)
	}
	want := "postseal cert enable internal-mail1-example-com --services IMAP,SMTP && postseal cert remove mail-example-com"
	if made.Undo != want {
		t.Errorf("undo: got %q, want %q", made.Undo, want)
	}
	if got := h.named(t, "Mail")[0].ServicesText; got != "I...S.." {
		t.Errorf("services: got %s", got)
	}
	if got := h.named(t, NameInternal)[0].ServicesText; got != ".P.W..." {
		t.Errorf("services left to the internal certificate: got %s", got)
	}
	again, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "mail-example-com", Services: "IMAP"})
	if err != nil || len(again.Moves) != 0 || again.Replaces {
		t.Errorf("enabled again: got %+v, %v, want nothing moved", again, err)
	}
	part, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "internal-mail1-example-com", Services: "IMAP", Listeners: []string{"imaps"}})
	if err != nil || part.Undo != "postseal cert enable mail-example-com --services IMAP --listener imaps" {
		t.Errorf("one listener: got %+v, %v", part, err)
	}
}

func TestAStaleChangeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	preview, err := h.New(t.Context(), tester(), NewRequest{Doing: Doing{DryRun: true}, Name: "A", Services: "POP"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.New(t.Context(), tester(), NewRequest{Name: "B", Kinds: []string{"ecdsa-p256"}, Services: "POP"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.New(t.Context(), tester(), NewRequest{Doing: Doing{IfSeq: preview.Seq}, Name: "A", Services: "POP"}); !errors.Is(err, state.ErrStale) {
		t.Errorf("got %v, want ErrStale", err)
	}
	if got := h.named(t, "A"); len(got) != 0 {
		t.Errorf("a refused act left %v", got)
	}
}

func TestRemoveRefusesWhatIsInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for id, want := range map[string]InUseError{
		"internal-mail1-example-com": {Role: RoleInternal, Services: "SMTP,IMAP,POP,HTTP"},
		"auth":                       {Role: RoleAuth},
	} {
		_, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: id})
		got, ok := errors.AsType[*InUseError](err)
		if !ok || got.Role != want.Role || got.Services != want.Services {
			t.Errorf("%s: got %+v, want role %q and services %q", id, got, want.Role, want.Services)
		}
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "management-mail1-example-com"}); err != nil {
		t.Errorf("removing the management certificate: %v", err)
	}
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Attention, func(c health.Condition) bool { return c.Code == "managementWithoutCertificate" }) {
		t.Errorf("status does not say that management has no certificate: %+v", s.Attention)
	}
}
