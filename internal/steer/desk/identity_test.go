package desk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// TestNoKeyFromOutsideComesIntoADefaultLineage: a certificate that signs itself was called Valid there, and trusted
// directly, whoever had its key.
func TestNoKeyFromOutsideComesIntoADefaultLineage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Somebody Else")
	key, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"key.der", key}, {"cert.der", ca.cert.Raw}}
	for _, lineage := range []string{"internal-mail1-example-com", "management-mail1-example-com"} {
		_, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Lineage: lineage})
		if !errors.Is(err, ErrKeyFromOutside) {
			t.Errorf("%s: got %v, want %v", lineage, err, ErrKeyFromOutside)
		}
		if c, err := h.Certificate(t.Context(), lineage); err != nil || c.Generation != 1 {
			t.Errorf("%s: got generation %d, %v", lineage, c.Generation, err)
		}
	}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Lineage: "own"}); err != nil {
		t.Fatal(err)
	}
	if c, err := h.Certificate(t.Context(), "own"); err != nil || c.Status != x509cert.StatusUntrusted {
		t.Errorf("in a lineage of its own: got %s, %v", c.Status, err)
	}
}

// TestOperateDoesNotChooseTheCertificateOfManagement: it could bring one whose key it knows, and be the server to every
// administrator who shows his token.
func TestOperateDoesNotChooseTheCertificateOfManagement(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	with := func(scope Scope) Bearer { return Bearer{Name: "t", Scope: scope} }
	for _, r := range []EnableRequest{
		{ID: "internal-mail1-example-com", Services: "MANAGEMENT"},
		{ID: "internal-mail1-example-com", Services: "POP,WMSVC"},
		{ID: "internal-mail1-example-com", Services: "MANAGEMENT", ByName: true},
	} {
		r.DryRun = true
		if _, err := h.Enable(WithBearer(t.Context(), with(ScopeOperate)), tester(), r); !errors.Is(err, ErrOwnIdentity) {
			t.Errorf("%+v with operate: got %v, want %v", r, err, ErrOwnIdentity)
		}
		if _, err := h.Enable(WithBearer(t.Context(), with(ScopeAdmin)), tester(), r); err != nil {
			t.Errorf("%+v with admin: %v", r, err)
		}
		if _, err := h.Enable(t.Context(), tester(), r); err != nil {
			t.Errorf("%+v at the server: %v", r, err)
		}
	}
	if _, err := h.Enable(WithBearer(t.Context(), with(ScopeOperate)), tester(), EnableRequest{ID: "internal-mail1-example-com", Services: "POP,IMAP"}); err != nil {
		t.Errorf("other services with operate: %v", err)
	}
}

// TestNoOtherWayToTheCertificateOfManagement: enabling was refused, and making one for it, issuing one, and importing a key from
// outside into the lineage that it has were not.
func TestNoOtherWayToTheCertificateOfManagement(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"mgmt.example.com"}, Lineage: "mgmt", Enable: "MANAGEMENT"}); err != nil {
		t.Fatal(err)
	}
	other := newAuthority(t, "Another CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"mgmt.key", key.PEM().Bytes()}, {"mgmt.cer", other.issue(t, key.Public(), inAYear(), "mgmt.example.com")}}
	for name, act := range map[string]func(context.Context) error{
		"new": func(ctx context.Context) error {
			_, err := h.New(ctx, tester(), NewRequest{Doing: Doing{DryRun: true}, Name: "m", Domains: []string{"m.example.com"}, Services: "MANAGEMENT"})
			return err
		},
		"issue": func(ctx context.Context) error {
			_, err := h.Issue(ctx, tester(), IssueRequest{Doing: Doing{DryRun: true}, Domains: []string{"m.example.com"}, Enable: "MANAGEMENT"})
			return err
		},
		"import": func(ctx context.Context) error {
			_, err := h.Import(ctx, tester(), ImportRequest{Doing: Doing{DryRun: true}, Files: files, Lineage: "mgmt"})
			return err
		},
	} {
		if err := act(WithBearer(t.Context(), Bearer{Name: "t", Scope: ScopeOperate})); !errors.Is(err, ErrOwnIdentity) {
			t.Errorf("%s with operate: got %v, want %v", name, err, ErrOwnIdentity)
		}
		if err := act(WithBearer(t.Context(), Bearer{Name: "t", Scope: ScopeAdmin})); err != nil {
			t.Errorf("%s with admin: %v", name, err)
		}
	}
	if _, err := h.Issue(WithBearer(t.Context(), Bearer{Name: "t", Scope: ScopeOperate}), tester(), IssueRequest{Doing: Doing{DryRun: true}, Domains: []string{"m.example.com"}, Enable: "IMAP"}); err != nil {
		t.Errorf("for another service with operate: %v", err)
	}
}

// TestThePathOfABackupCannotMoveTheCursor: status shows it.
func TestThePathOfABackupCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, r := range []KeptRequest{{ID: "b", File: "/mnt/\x1b[2Jb"}, {ID: "b\n", File: "/mnt/b"}, {ID: "b", File: "/mnt/b", RecoveryID: "\u202e"}, {ID: "b", File: "/" + strings.Repeat("b", 5000)}} {
		if _, err := h.Kept(t.Context(), tester(), r); !isA[*ValueError](err) {
			t.Errorf("%.60q: got %v, want a ValueError", fmt.Sprint(r), err)
		}
	}
	if v, err := h.Kept(t.Context(), tester(), KeptRequest{ID: "b", File: "/mnt/백업 1.age"}); err != nil || v.Backup.File != "/mnt/백업 1.age" {
		t.Errorf("got %+v, %v", v, err)
	}
}

// TestAnotherAuthorityIsAskedForItsOwn: a certificate of somebody else, imported into a lineage of our own authority, was
// looked for in its book, and the renewal failed with "not found".
func TestAnotherAuthorityIsAskedForItsOwn(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop"}); err != nil {
		t.Fatal(err)
	}
	other := newAuthority(t, "Another CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"shop.key", key.PEM().Bytes()}, {"shop.cer", other.issue(t, key.Public(), inAYear(), "shop.example.com")}}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Lineage: "shop"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "shop"}); !errors.Is(err, ErrNotSelfSigned) {
		t.Errorf("got %v, want %v", err, ErrNotSelfSigned)
	}
}
