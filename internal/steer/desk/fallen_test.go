package desk

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ceremony"
	"postseal/internal/peers"
)

// opensslJudges lets openssl verify the current certificate of a lineage, and the one of its authority that is sent along,
// against every list, up to the root. It ends at the first that is revoked, so the authority is verified alone too.
func (h *house) opensslJudges(t *testing.T, lineage string) (leafSays, authoritySays string) {
	t.Helper()
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, ok := v.named(lineage)
	if !ok {
		t.Fatalf("no lineage %s", lineage)
	}
	g, _ := l.Current()
	leaf, err := x509.ParseCertificate(g.Members[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := x509.ParseCertificates(g.Members[0].Chain)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der ...[]byte) (all []byte) {
		for _, d := range der {
			all = append(all, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: d})...)
		}
		return all
	}
	all, err := h.OwnAuthorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issuer := ""
	for _, a := range all.Authorities {
		if cert, err := x509.ParseCertificate(a.Certificate); err == nil && slices.Equal(cert.SubjectKeyId, leaf.AuthorityKeyId) {
			issuer = a.Name
		}
	}
	var lists []byte
	for _, r := range []ListRequest{{Name: "root"}, {Name: issuer, Shard: 1}} {
		list, err := h.RevocationList(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, text("X509 CRL", list.DER)...)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"leaf.pem": text("CERTIFICATE", leaf.Raw), "chain.pem": text("CERTIFICATE", chain[0].Raw), "root.pem": text("CERTIFICATE", all.Authorities[0].Certificate), "lists.pem": lists} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(args ...string) string {
		got := peers.Run(t, peers.Command{Args: append([]string{"openssl", "verify", "-CAfile", "root.pem", "-CRLfile", "lists.pem", "-crl_check_all"}, args...), Dir: dir})
		return got.Stdout + got.Stderr
	}
	return verify("-untrusted", "chain.pem", "leaf.pem"), verify("chain.pem")
}

// statusOf is that of the current certificate of a lineage.
func (h *house) statusOf(t *testing.T, lineage string) string {
	t.Helper()
	c, err := h.Certificate(t.Context(), lineage)
	if err != nil {
		t.Fatal(err)
	}
	return string(c.Status)
}

func (h *house) wantFallen(t *testing.T, lineage string) {
	t.Helper()
	leaf, authority := h.opensslJudges(t, lineage)
	for what, got := range map[string]string{"": leaf, "the authority above ": authority} {
		if !strings.Contains(got, "error 23 at 0 depth") {
			t.Errorf("openssl says of %s%s: %s", what, lineage, got)
		}
	}
}

// TestRevokeAuthority: an authority falls with everything that it has issued, below each certificate that it has had; its
// successor is not touched; openssl refuses the one and accepts the other.
func TestRevokeAuthority(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "before", "before.example.com")
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org"}}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "old", "old.example.com")
	h.enable(t, EnableRequest{ID: "old", Services: "IMAP"})
	for name, c := range map[string]struct {
		r    RevokeAuthorityRequest
		want error
	}{
		"nobody":         {RevokeAuthorityRequest{Name: "nobody", Reason: "superseded"}, ErrNoAuthority},
		"the root":       {RevokeAuthorityRequest{Name: "root", Reason: "cACompromise"}, ErrRootRevocation},
		"no reason":      {RevokeAuthorityRequest{Name: "servers"}, nil},
		"a leaf's":       {RevokeAuthorityRequest{Name: "servers", Reason: "affiliationChanged"}, nil},
		"without a name": {RevokeAuthorityRequest{Reason: "superseded"}, nil},
	} {
		if _, err := h.RevokeAuthority(t.Context(), tester(), c.r); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	ask := RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise", Doing: Doing{DryRun: true}}
	change, err := h.RevokeAuthority(t.Context(), tester(), ask)
	if text := strings.Join(append(change.Removed, change.Warnings...), "\n"); err != nil || !change.Replaces || change.Undo != "" ||
		!strings.Contains(text, "2 certificates that are valid below it") || !strings.Contains(text, "postseal ca rollover servers") || !strings.Contains(text, "postseal cert renew old") {
		t.Fatalf("the preview says %+v, %v", change, err)
	}
	for _, lineage := range []string{"before", "old"} {
		if got, _ := h.opensslJudges(t, lineage); !strings.Contains(got, ": OK") {
			t.Fatalf("after a preview openssl says of %s: %s", lineage, got)
		}
	}
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "servers"}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "new", "new.example.com")
	ask.DryRun = false
	if change, err = h.RevokeAuthority(t.Context(), tester(), ask); err != nil || strings.Contains(strings.Join(change.Warnings, " "), "nothing") {
		t.Fatalf("got %+v, %v", change, err)
	}
	for _, lineage := range []string{"before", "old"} {
		h.wantFallen(t, lineage)
		if got := h.statusOf(t, lineage); got != "Revoked" {
			t.Errorf("%s is %s", lineage, got)
		}
	}
	if got, _ := h.opensslJudges(t, "new"); !strings.Contains(got, ": OK") {
		t.Errorf("openssl says of the successor's: %s", got)
	}
	// The reason of an authority is none of a certificate that it has issued.
	for shard, want := range map[ListRequest]int{{Name: "root"}: 2, {Name: "servers", Shard: 1}: 0} {
		list, err := h.RevocationList(t.Context(), shard)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseRevocationList(list.DER)
		if err != nil || len(parsed.RevokedCertificateEntries) != 2 {
			t.Fatalf("the list of %s: %v", shard.Name, err)
		}
		for _, e := range parsed.RevokedCertificateEntries {
			if e.ReasonCode != want {
				t.Errorf("the list of %s says reason %d of %x, want %d", shard.Name, e.ReasonCode, e.SerialNumber, want)
			}
		}
	}
	if _, err := h.lint(t, peers.ZLintProgram(t)); err != nil {
		t.Error(err)
	}
	h.wantLints(t, "the lists of what has fallen")
	if got := conditionsOf(t, h); !slices.Contains(got, "!certificateRevoked old") {
		t.Errorf("a revoked certificate in service: got %q", got)
	}
	if _, err := h.RevokeAuthority(t.Context(), tester(), ask); !errors.Is(err, state.ErrAuthorityRevoked) {
		t.Errorf("again: %v", err)
	}
	p, err := h.PKIHealth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Tree {
		if want := map[string]string{"servers": "revoked", "servers-2": "active"}[n.Name]; want != "" && n.State != want {
			t.Errorf("%s is %s", n.Name, n.State)
		}
	}
	// Whoever has looked before the revocation does not issue after it.
	all, _, err := h.authorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		_, err := h.db.Update(t.Context(), tester(), func(tx *state.Tx) error {
			tx.ActFor(h.server)
			return errors.Join(tx.UseShard(a.ID, 1, shardSize), tx.Audit("test", a.Name, nil, nil))
		})
		if (a.Name == "servers") != errors.Is(err, state.ErrAuthorityRevoked) {
			t.Errorf("a place in the list of %s: %v", a.Name, err)
		}
	}
}

// TestRevokeWithoutASuccessor: nothing is issued then, and it is said.
func TestRevokeWithoutASuccessor(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "old", "old.example.com")
	if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cessationOfOperation"}); err != nil {
		t.Fatal(err)
	}
	h.wantFallen(t, "old")
	if _, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "a.example.com")}); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("issuing: %v", err)
	}
}

// TestRevokeFaults: a revocation is there whole or not at all.
func TestRevokeFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		h := authorityHouse(t)
		h.issueLine(t, "old", "old.example.com")
		h.fault.set(kind)
		if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "superseded"}); err == nil && kind == faultRefused {
			t.Error("a refused commit is none")
		}
		got := [3]int{h.count(t, `SELECT count(*) FROM authority WHERE state = 'revoked'`), h.count(t, `SELECT count(*) FROM authority_revocation`), h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`)}
		if want := map[faultKind][3]int{faultRefused: {}, faultLost: {1, 1, 1}}[kind]; got != want {
			t.Errorf("%d: got %v, want %v", kind, got, want)
		}
	}
}

// TestRevokeWithTheRootOut: the root's list says it when the root has signed another, and until then somebody is told. An
// answer that does not name what was revoked since its request is refused.
func TestRevokeWithTheRootOut(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "old", "old.example.com")
	password := keys.NewSecret("correct horse battery")
	exported, err := h.ExportRoot(t.Context(), tester(), RootKeyRequest{Password: NewPassword(password), Confirm: true})
	if err != nil {
		t.Fatal(err)
	}
	file := ImportFile{Name: "root.pfx", Data: exported.Data}
	remove := RootKeyRequest{File: file, Password: NewPassword(password)}
	if _, err := h.RemoveRoot(t.Context(), tester(), remove); err != nil {
		t.Fatal(err)
	}
	root, err := ceremony.OpenRoot("root.pfx", exported.Data, password)
	if err != nil {
		t.Fatal(err)
	}
	early := hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})
	change, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise"})
	if err != nil || !strings.Contains(strings.Join(change.Warnings, " "), "postseal ca ceremony FILE") {
		t.Fatalf("got %+v, %v", change, err)
	}
	waits := "!revocationUnsaid root"
	if got := conditionsOf(t, h); !slices.Contains(got, waits) {
		t.Errorf("before the root has signed: got %q", got)
	}
	if leaf, authority := h.opensslJudges(t, "old"); !strings.Contains(leaf, "error 23 at 0 depth") || !strings.Contains(authority, ": OK") {
		t.Errorf("before the root has signed, what is below is on its list, and the authority on none, but openssl says: %s %s", leaf, authority)
	}
	if _, err := h.answer(t, early); err == nil || !strings.Contains(err.Error(), "does not name the certificate") {
		t.Errorf("an answer from before the revocation: %v", err)
	}
	request := h.waiting(t).Ceremony
	q, err := ceremony.ParseRequest(request)
	if err != nil || len(q.Revoked) != 1 || q.Revoked[0].Name != "servers" || !strings.Contains(strings.Join(ceremony.Plan(q, root), "\n"), "take back the certificate of the authority servers") {
		t.Fatalf("the request says %+v, %v", q, err)
	}
	if _, err := h.answer(t, hold(t, request, &root, ceremony.Options{})); err != nil {
		t.Fatal(err)
	}
	h.wantFallen(t, "old")
	if got := conditionsOf(t, h); slices.Contains(got, waits) {
		t.Errorf("after: got %q", got)
	}
	// Back here, the root's own lists name it too; and out again.
	if _, err := h.ImportRoot(t.Context(), tester(), remove); err != nil {
		t.Fatal(err)
	}
	if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "clients", Reason: "superseded"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		list, err := h.RevocationList(t.Context(), ListRequest{Name: "root"})
		if err != nil {
			t.Fatal(err)
		}
		if read, err := x509.ParseRevocationList(list.DER); err != nil || len(read.RevokedCertificateEntries) != 2 {
			t.Errorf("the root's list names %d, %v", len(read.RevokedCertificateEntries), err)
		}
		if _, err := h.RemoveRoot(t.Context(), tester(), remove); err != nil && !errors.Is(err, ErrKeyElsewhere) {
			t.Fatal(err)
		}
	}
}
