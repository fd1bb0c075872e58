package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/peers"
)

// foreignRoot is the authority of another organisation, made by openssl.
type foreignRoot struct {
	dir   string
	chain []string // files, the one that signs first, the root last
}

func openssl(t *testing.T, dir, stdin string, args ...string) string {
	t.Helper()
	return peers.Succeed(t, peers.Command{Args: append([]string{"openssl"}, args...), Dir: dir, Stdin: stdin}).Stdout
}

// newForeignRoot makes a root, and below it an authority with the path length between, if it is not negative.
func newForeignRoot(t *testing.T, between int) *foreignRoot {
	t.Helper()
	f := &foreignRoot{dir: t.TempDir(), chain: []string{"root.pem"}}
	openssl(t, f.dir, "", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-days", "3650", "-subj", "/O=Corp/CN=Corp Root",
		"-addext", "keyUsage=critical,keyCertSign,cRLSign")
	if between >= 0 {
		openssl(t, f.dir, "", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "policy.key", "-out", "policy.csr", "-subj", "/O=Corp/CN=Corp Policy CA")
		f.write(t, "policy.ext", fmt.Sprintf("basicConstraints=critical,CA:TRUE,pathlen:%d\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n", between))
		openssl(t, f.dir, "", "x509", "-req", "-in", "policy.csr", "-CA", "root.pem", "-CAkey", "root.key", "-out", "policy.pem", "-days", "3000", "-extfile", "policy.ext", "-sha256")
		f.chain = []string{"policy.pem", "root.pem"}
	}
	return f
}

func (f *foreignRoot) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// goodSubordinate is what AD CS gives by its template SubCA, with a path length.
const goodSubordinate = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"

// sign certifies a request, and returns the certificate in PEM.
func (f *foreignRoot) sign(t *testing.T, csr, ext string, more ...string) []byte {
	t.Helper()
	f.write(t, "sub.csr", csr)
	f.write(t, "sub.ext", ext)
	signer := strings.TrimSuffix(f.chain[0], ".pem")
	args := []string{"x509", "-req", "-in", "sub.csr", "-CA", f.chain[0], "-CAkey", signer + ".key", "-extfile", "sub.ext"}
	if len(more) == 0 {
		more = []string{"-sha256", "-days", "2000"}
	}
	return []byte(openssl(t, f.dir, "", append(args, more...)...))
}

// above is the chain above what it signs, in PEM.
func (f *foreignRoot) above(t *testing.T) (all []byte) {
	t.Helper()
	for _, name := range f.chain {
		text, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// subordinateHouse has a request that waits.
func subordinateHouse(t *testing.T, purposes ...string) (*house, *WaitingRequests) {
	t.Helper()
	h := runningHouse(t)
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Superior: state.WayForeign, Purposes: purposes}); err != nil {
		t.Fatal(err)
	}
	return h, h.waiting(t)
}

// again is the same organisation after a restart.
func (h *house) again(t *testing.T) *house {
	t.Helper()
	h.close(t)
	next := openHouse(t, h.dir, newRuntime())
	if err := next.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return next
}

func (h *house) waiting(t *testing.T) *WaitingRequests {
	t.Helper()
	w, err := h.AuthorityRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (h *house) answer(t *testing.T, files ...[]byte) (*Change, error) {
	t.Helper()
	var r AuthorityAnswer
	for n, f := range files {
		r.Files = append(r.Files, ImportFile{fmt.Sprintf("file-%d", n), f})
	}
	change, err := h.ImportAuthority(t.Context(), tester(), r)
	// A foreign root that is not trusted yet is named by whoever has compared it: see TestAForeignRootIsNamed.
	if untrusted, ok := errors.AsType[*UntrustedRootError](err); ok {
		r.Root = untrusted.SHA256
		return h.ImportAuthority(t.Context(), tester(), r)
	}
	return change, err
}

// rootIn is the SHA-256 of the root in the answer of a ceremony.
func rootIn(t *testing.T, answer []byte) string {
	t.Helper()
	a, err := ceremony.ParseAnswer(answer)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(a.Root))
}

// TestTheRootOfACeremonyIsNamed: nobody puts another root in the place of the one that was made, on the way back.
func TestTheRootOfACeremonyIsNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if err := asked(state.WayCeremony)(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	var ours, theirs *ceremony.Root
	good, evil := hold(t, h.waiting(t).Ceremony, &ours, ceremony.Options{}), hold(t, h.waiting(t).Ceremony, &theirs, ceremony.Options{})
	take := func(answer []byte, named string, dry bool) (*Change, error) {
		return h.ImportAuthority(t.Context(), tester(), AuthorityAnswer{Doing: Doing{DryRun: dry}, Files: []ImportFile{{"answer.json", answer}}, Root: named})
	}
	if _, err := take(evil, "", false); !is[*UntrustedRootError](err) {
		t.Errorf("a root that nobody has named: got %v", err)
	}
	if _, err := take(evil, rootIn(t, good), false); err == nil {
		t.Error("a root is taken in that another was named for")
	}
	if change, err := take(good, "", true); err != nil || !strings.Contains(strings.Join(change.Warnings, " "), "--root "+rootIn(t, good)) {
		t.Errorf("a preview says %+v, %v", change, err)
	}
	if n := h.count(t, `SELECT (SELECT count(*) FROM anchor) + (SELECT count(*) FROM authority WHERE state = 'active')`); n != 0 {
		t.Errorf("%d things were taken in", n)
	}
	if _, err := take(good, rootIn(t, good), false); err != nil {
		t.Fatal(err)
	}
}

// TestAForeignRootIsNamed: whoever takes in an answer has everybody here trust the root above it, so he names it.
func TestAForeignRootIsNamed(t *testing.T) {
	t.Parallel()
	h, w := subordinateHouse(t, "servers")
	root := newForeignRoot(t, -1)
	r := AuthorityAnswer{Files: []ImportFile{{"a.pem", root.sign(t, w.Requests[0].PEM, goodSubordinate)}, {"root.pem", root.above(t)}}}
	_, err := h.ImportAuthority(t.Context(), tester(), r)
	untrusted, ok := errors.AsType[*UntrustedRootError](err)
	if !ok {
		t.Fatalf("a root that nobody has named: got %v", err)
	}
	if n := h.count(t, `SELECT (SELECT count(*) FROM anchor) + (SELECT count(*) FROM authority WHERE state = 'active')`); n != 0 {
		t.Errorf("%d things were taken in", n)
	}
	r.DryRun = true
	if change, err := h.ImportAuthority(t.Context(), tester(), r); err != nil || !strings.Contains(strings.Join(change.Warnings, " "), "--root "+untrusted.SHA256) {
		t.Errorf("a preview says %+v, %v", change, err)
	}
	r.DryRun = false
	for _, bad := range []string{"x", untrusted.SHA256[:16], strings.Repeat("0", 64)} {
		r.Root = bad
		if _, err := h.ImportAuthority(t.Context(), tester(), r); err == nil {
			t.Errorf("the root is taken as %q", bad)
		}
	}
	r.Root = strings.ToUpper(untrusted.SHA256)
	if _, err := h.ImportAuthority(t.Context(), tester(), r); err != nil {
		t.Fatal(err)
	}
	// It is trusted now: what comes below it later needs no word.
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "servers"}); err != nil {
		t.Fatal(err)
	}
	r = AuthorityAnswer{Files: []ImportFile{{"b.pem", root.sign(t, h.waiting(t).Requests[0].PEM, goodSubordinate)}}, Root: strings.Repeat("0", 64)}
	if _, err := h.ImportAuthority(t.Context(), tester(), r); err == nil {
		t.Error("another root than the trusted one was named, and nobody minds")
	}
	r.Root = ""
	if _, err := h.ImportAuthority(t.Context(), tester(), r); err != nil {
		t.Errorf("below a root that is trusted: %v", err)
	}
}

// verified lets openssl say whether what a lineage serves is good below a root.
func (h *house) verified(t *testing.T, lineage string, root []byte) {
	t.Helper()
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, _ := v.named(lineage)
	g, _ := l.Current()
	dir := t.TempDir()
	chain, err := x509.ParseCertificates(g.Members[0].Chain)
	if err != nil {
		t.Fatal(err)
	}
	var between bytes.Buffer
	for _, c := range chain {
		pem.Encode(&between, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	for name, data := range map[string][]byte{"root.pem": root, "chain.pem": between.Bytes(), "leaf.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Members[0].Certificate})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openssl(t, dir, "", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem")
}

// TestSubordinate: the requests go to a root that openssl made, directly and below another authority; the answers come as
// PEM, DER and P7B; afterwards certificates are issued that openssl accepts below that root.
func TestSubordinate(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]int{"below the root": -1, "two levels": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, w := subordinateHouse(t)
			if len(w.Requests) != len(ca.Purposes()) || strings.Count(w.PEM, "BEGIN") != len(ca.Purposes()) || w.Ceremony != nil {
				t.Fatalf("got %d requests", len(w.Requests))
			}
			if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"a.example.com"}}); err == nil {
				t.Error("it issues without a certificate")
			}
			h = h.again(t)
			if again := h.waiting(t); again.PEM != w.PEM {
				t.Error("after a restart the requests are others")
			}
			root := newForeignRoot(t, between)
			text := openssl(t, root.dir, w.Requests[0].PEM, "req", "-verify", "-noout", "-text")
			for _, want := range []string{"CA:TRUE, pathlen:0", "DNS:example.com", "Certificate Sign, CRL Sign"} {
				if !strings.Contains(text, want) {
					t.Errorf("the request does not say %q:\n%s", want, text)
				}
			}
			for n, r := range w.Requests {
				cert := root.sign(t, r.PEM, goodSubordinate)
				root.write(t, "cert.pem", string(cert))
				files := [][]byte{append(cert, root.above(t)...)}
				switch n {
				case 1: // DER, each in its own file, the chain first
					block, _ := pem.Decode(cert)
					files = [][]byte{root.above(t), block.Bytes}
				case 2:
					root.write(t, "all.pem", string(files[0]))
					files = [][]byte{[]byte(openssl(t, root.dir, "", "crl2pkcs7", "-nocrl", "-certfile", "all.pem", "-outform", "DER"))}
				}
				change, err := h.answer(t, files...)
				if err != nil {
					t.Fatalf("%s: %v", r.Name, err)
				}
				if warned := strings.Join(change.Warnings, "\n"); !strings.Contains(warned, "no name constraints") {
					t.Errorf("%s: got the warnings %q", r.Name, warned)
				}
			}
			if _, err := h.AuthorityRequests(t.Context()); !errors.Is(err, ErrNothingWaits) {
				t.Errorf("got %v, want ErrNothingWaits", err)
			}
			h.issueLine(t, "one", "one.example.com")
			top, err := os.ReadFile(filepath.Join(root.dir, "root.pem"))
			if err != nil {
				t.Fatal(err)
			}
			h.verified(t, "one", top)
			if c, err := h.Certificate(t.Context(), "one"); err != nil || c.Status != "Valid" || c.RootType != "Enterprise" {
				t.Errorf("it is %s, %s (%s), %v", c.Status, c.RootType, c.StatusReason, err)
			}
			h.revokedList(t, "/pki/servers.crl")
			if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "servers"}); err != nil {
				t.Fatal(err)
			}
			h.issueLine(t, "two", "two.example.com") // by the old one, until the answer comes
			w = h.waiting(t)
			if len(w.Requests) != 1 || w.Requests[0].Replaces != "servers" {
				t.Fatalf("got %+v", w.Requests)
			}
			if _, err := h.answer(t, append(root.sign(t, w.Requests[0].PEM, goodSubordinate), root.above(t)...)); err != nil {
				t.Fatal(err)
			}
			h.issueLine(t, "three", "three.example.com")
			h.verified(t, "two", top)
			h.verified(t, "three", top)
			if c, err := h.Certificate(t.Context(), "three"); err != nil || !strings.Contains(c.Issuer, "Servers CA 2") {
				t.Errorf("issued by %s, %v", c.Issuer, err)
			}
			if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org"}}); err != nil {
				t.Fatal(err)
			}
			w = h.waiting(t)
			for _, r := range w.Requests {
				if _, err := h.answer(t, append(root.sign(t, r.PEM, goodSubordinate+"nameConstraints=critical,permitted;DNS:example.com,permitted;DNS:example.org\n"), root.above(t)...)); err != nil {
					t.Fatal(err)
				}
			}
			h.issueLine(t, "four", "four.example.org")
			h.verified(t, "four", top)
		})
	}
}

// TestSubordinateRefuses: what clients would not accept does not come in, and the request waits on.
func TestSubordinateRefuses(t *testing.T) {
	t.Parallel()
	h, w := subordinateHouse(t, "servers")
	root, low := newForeignRoot(t, -1), newForeignRoot(t, 0)
	csr := w.Requests[0].PEM
	other, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ca.RequestAuthority(ca.AuthorityOptions{Purpose: ca.PurposeServers, Subject: ceremony.Subject("Other", "CA"), Domains: []string{"example.com"}}, other)
	if err != nil {
		t.Fatal(err)
	}
	foreignPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: foreign}))
	with := func(cert []byte, f *foreignRoot) []byte { return append(cert, f.above(t)...) }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"another key":      {with(root.sign(t, foreignPEM, goodSubordinate), root), "no request that waits has the key"},
		"no authority":     {with(root.sign(t, csr, "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\nsubjectKeyIdentifier=hash\n"), root), "not for an authority"},
		"no lists":         {with(root.sign(t, csr, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"), root), "may not sign revocation lists"},
		"other usages":     {with(root.sign(t, csr, goodSubordinate+"extendedKeyUsage=codeSigning\n"), root), "leave out serverAuth"},
		"path length":      {with(low.sign(t, csr, goodSubordinate), low), "its path length is 0, and 1 would stand below it"},
		"weak signature":   {with(root.sign(t, csr, goodSubordinate, "-sha1", "-days", "2000"), root), "SHA1"},
		"ended":            {with(root.sign(t, csr, goodSubordinate, "-sha256", "-days", "-1"), root), "it has ended on "},
		"without chain":    {root.sign(t, csr, goodSubordinate), "its issuer is not among the files"},
		"chain of another": {with(root.sign(t, csr, goodSubordinate), low), "its issuer is not among the files"},
		"no certificate":   {[]byte(csr), "hold no certificate"},
	} {
		_, err := h.answer(t, c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if h.waiting(t).PEM != csr || h.count(t, `SELECT count(*) FROM authority_certificate`) != 0 {
		t.Error("something came in")
	}
	if _, err := h.Withdraw(t.Context(), tester(), WithdrawRequest{}); err != nil {
		t.Fatal(err)
	}
	if n := h.count(t, `SELECT count(*) FROM authority`) + h.count(t, `SELECT count(*) FROM secret WHERE kind = '`+state.SecretAuthorityKey+`'`); n != 0 {
		t.Errorf("%d authorities and keys are left", n)
	}
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{}); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}

// TestRootOut takes the root's key out of the server. Everything goes on but what needs it, which writes requests; the list
// of the root is there, long enough, also when the disk has lost it.
func TestRootOut(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "one", "one.example.com")
	password := NewPassword(keys.NewSecret("correct horse"))
	if _, err := h.ExportRoot(t.Context(), tester(), RootKeyRequest{Password: password}); !errors.Is(err, ErrConfirmation) {
		t.Errorf("got %v, want ErrConfirmation", err)
	}
	out, err := h.ExportRoot(t.Context(), tester(), RootKeyRequest{Password: password, Confirm: true})
	if err != nil {
		t.Fatal(err)
	}
	proof := RootKeyRequest{File: ImportFile{"root.pfx", out.Data}, Password: password}
	for name, r := range map[string]RootKeyRequest{
		"no file":        {Password: password},
		"wrong password": {File: proof.File, Password: NewPassword(keys.NewSecret("horse"))},
		"another file":   {File: ImportFile{"x.pem", []byte("nothing")}, Password: password},
	} {
		if _, err := h.RemoveRoot(t.Context(), tester(), r); err == nil {
			t.Errorf("%s: the root is removed", name)
		}
	}
	other := authorityHouse(t)
	stranger, err := other.ExportRoot(t.Context(), tester(), RootKeyRequest{Password: password, Confirm: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.RemoveRoot(t.Context(), tester(), RootKeyRequest{File: ImportFile{"root.pfx", stranger.Data}, Password: password}); !errors.Is(err, ErrExportUnproven) {
		t.Errorf("the export of another root: got %v, want ErrExportUnproven", err)
	}
	secrets := h.count(t, `SELECT count(*) FROM secret`)
	change, err := h.RemoveRoot(t.Context(), tester(), proof)
	if err != nil || !change.Replaces || !strings.Contains(change.Undo, "ca root import root.pfx") {
		t.Fatalf("got %+v, %v", change, err)
	}
	if n := h.count(t, `SELECT count(*) FROM secret`); n != secrets-1 {
		t.Errorf("%d secrets after %d", n, secrets)
	}
	list := h.revokedList(t, "/pki/root.crl")
	if left := list.NextUpdate.Sub(list.ThisUpdate); left < ceremony.ListLife {
		t.Errorf("the root's list holds for %v", left)
	}
	for _, f := range lists(t, h.dir) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if again := h.revokedList(t, "/pki/root.crl"); again.Number.Cmp(list.Number) != 0 {
		t.Error("the root's list is another")
	}
	h.issueLine(t, "two", "two.example.com")
	h.revokedList(t, "/pki/servers.crl")
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "root"}); !errors.Is(err, ErrKeyElsewhere) {
		t.Errorf("got %v, want ErrKeyElsewhere", err)
	}
	if _, err := h.RemoveRoot(t.Context(), tester(), proof); !errors.Is(err, ErrKeyElsewhere) {
		t.Errorf("again: got %v, want ErrKeyElsewhere", err)
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ImportRoot(t.Context(), tester(), RootKeyRequest{File: ImportFile{"root.pfx", stranger.Data}, Password: password}); !errors.Is(err, ErrExportUnproven) {
		t.Errorf("another root comes in: %v", err)
	}
	if _, err := h.ImportRoot(t.Context(), tester(), proof); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ImportRoot(t.Context(), tester(), proof); !errors.Is(err, ErrKeyHere) {
		t.Errorf("got %v, want ErrKeyHere", err)
	}
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	if err := h.accepted(t, "two", "two.example.com", h.anchorsNamed(t, "root-2")); err != nil {
		t.Error(err)
	}
}

func lists(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, PublishedDir, "*.crl"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hold holds a ceremony: what an offline machine does with a request.
func hold(t *testing.T, request []byte, root **ceremony.Root, o ceremony.Options) []byte {
	t.Helper()
	q, err := ceremony.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	if *root == nil {
		if *root, err = ceremony.MakeRoot(q, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, err := ceremony.Sign(q, request, *root, o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := a.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCeremony: the root is never on the server. Founding, extending and rolling over go through files.
func TestCeremony(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.InitAuthority(t.Context(), tester(), AuthorityRequest{Superior: state.WayCeremony}); err != nil {
		t.Fatal(err)
	}
	h = h.again(t)
	var root *ceremony.Root
	answer := hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})
	change, err := h.answer(t, answer)
	if err != nil || !strings.Contains(strings.Join(change.Notes, " "), "is trusted from now on: SHA-256 "+rootIn(t, answer)) {
		t.Fatalf("got %+v, %v", change, err)
	}
	if n := h.count(t, `SELECT count(*) FROM authority WHERE name = 'root' AND secret_id IS NULL`); n != 1 {
		t.Error("the root's key is here")
	}
	h.issueLine(t, "one", "one.example.com")
	top := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate().Raw})
	h.verified(t, "one", top)
	h.revokedList(t, "/pki/root.crl")
	if _, err := h.answer(t, answer); err == nil {
		t.Error("the same answer again is taken")
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "clients"}); err != nil {
		t.Fatal(err)
	}
	request := h.waiting(t).Ceremony
	var stranger *ceremony.Root
	q, err := ceremony.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.MakeRoot(q, nil); err == nil {
		t.Error("a root is made for a request that has one")
	}
	if stranger, err = ceremony.MakeRoot(&ceremony.Request{Organisation: "X", RootKey: "ecdsa-p384"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Sign(q, request, stranger, ceremony.Options{}); err == nil {
		t.Error("another root signs")
	}
	narrow := *q
	narrow.Wanted = append([]ceremony.Wanted{}, q.Wanted...)
	narrow.Wanted[0].Domains = []string{"example.net"}
	tampered, err := ceremony.Sign(&narrow, request, root, ceremony.Options{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := tampered.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.answer(t, data); err == nil || !strings.Contains(err.Error(), "other domains") {
		t.Errorf("a certificate for other domains: got %v", err)
	}
	if _, err := h.answer(t, hold(t, request, &root, ceremony.Options{ListLife: rootListWarning / 2})); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "two", "two.example.org")
	h.verified(t, "one", top)
	h.verified(t, "two", top)
	warned := func() bool {
		s, err := h.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Attention {
			if c.Code == health.CodeRootListEnding {
				return true
			}
		}
		return false
	}
	if !warned() {
		t.Error("nobody is told that the root's list ends")
	}
	if _, err := h.answer(t, hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})); err != nil { // a new list, and nothing else
		t.Fatal(err)
	}
	if warned() {
		t.Error("the new list is not seen")
	}
}

// TestSuperiorFaults fails the commit of each act, refused and done with its answer lost: a key is never in use without its
// request, and a root is never gone without its list.
func TestSuperiorFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	password := NewPassword(keys.NewSecret("correct horse"))
	for _, kind := range []faultKind{faultRefused, faultLost} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			h := runningHouse(t)
			twice := func(what string, before, after int, query string, act func() error) {
				t.Helper()
				h.fault.set(kind)
				err := act()
				if (kind == faultRefused) != errors.Is(err, errFault) {
					t.Fatalf("%s: got %v", what, err)
				}
				if kind == faultRefused {
					if n := h.count(t, query); n != before {
						t.Errorf("%s, refused: got %d, want %d", what, n, before)
					}
					if err := act(); err != nil {
						t.Fatalf("%s, again: %v", what, err)
					}
				}
				if n := h.count(t, query); n != after {
					t.Errorf("%s: got %d, want %d", what, n, after)
				}
			}
			twice("init", 0, len(ca.Purposes()), `SELECT count(*) FROM authority_request`, func() error {
				_, err := h.InitAuthority(ctx, tester(), AuthorityRequest{Superior: state.WayCeremony})
				return err
			})
			var root *ceremony.Root
			answer := hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})
			twice("import", 0, 1+len(ca.Purposes()), `SELECT count(*) FROM authority WHERE state = 'active'`, func() error {
				_, err := h.answer(t, answer)
				return err
			})
			sealed, err := root.Seal(password.Secret())
			if err != nil {
				t.Fatal(err)
			}
			proof := RootKeyRequest{File: ImportFile{"root.pfx", sealed}, Password: password}
			twice("root import", 0, 1, `SELECT count(*) FROM authority WHERE name = 'root' AND secret_id IS NOT NULL`, func() error {
				_, err := h.ImportRoot(ctx, tester(), proof)
				return err
			})
			twice("root remove", 1, 0, `SELECT count(*) FROM authority WHERE name = 'root' AND secret_id IS NOT NULL`, func() error {
				_, err := h.RemoveRoot(ctx, tester(), proof)
				return err
			})
			h.revokedList(t, "/pki/root.crl")
			twice("extend", 0, len(ca.Purposes()), `SELECT count(*) FROM authority_request`, func() error {
				_, err := h.Extend(ctx, tester(), ExtendRequest{Domains: []string{"example.org"}})
				return err
			})
		})
	}
}

// TestSignedIsPlanned: whatever the root and the issuing authorities sign for authorities and signers of answers was
// written down before, also when the act that wanted it fails.
func TestSignedIsPlanned(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		h := authorityHouse(t)
		h.issueLine(t, "one", "one.example.com")
		for step, name := range []string{"plan of the root", "plan of the cross", "plan of an authority", "the act"} {
			after := step
			if name == "the act" {
				after = 2 + len(ca.Purposes()) // root, cross, and each authority
			}
			plans := h.count(t, `SELECT count(*) FROM authority_plan`)
			h.fault.setAfter(kind, after)
			_, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "root"})
			if kind == faultRefused {
				if !errors.Is(err, errFault) {
					t.Errorf("%s: got %v", name, err)
				}
				if n := h.count(t, `SELECT count(*) FROM authority WHERE name <> 'root' AND purpose = 'root'`); n != 0 {
					t.Errorf("%s: %d new roots", name, n)
				}
				if n := h.count(t, `SELECT count(*) FROM authority_plan`); n != plans+after {
					t.Errorf("%s: %d plans, want %d", name, n, plans+after)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, its answer lost: %v", name, err)
			}
			break // it is done
		}
		var plans []state.AuthorityPlan
		if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
			plans, err = tx.AuthorityPlans()
			return err
		}); err != nil {
			t.Fatal(err)
		}
		planned := map[string]bool{}
		for _, p := range plans {
			if (p.TBS == nil) == (p.Certificate == nil) {
				t.Errorf("serial %s has neither or both", p.Serial)
			}
			planned[p.Serial] = true
		}
		all, _, err := h.authorities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			cert, err := x509.ParseCertificate(a.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if !planned[ca.SerialText(cert.SerialNumber)] {
				t.Errorf("%s was signed without a plan", a.Name)
			}
		}
	}
}
