package ca

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/issue/crl"
	"postseal/internal/issue/zlint"
	"postseal/internal/peers"
)

// TestZLintReadsEverything issues from every profile, for every kind of key and name that it takes, below authorities with
// every kind of key, and lets zlint read all of it, the authorities and the signers of OCSP included.
func TestZLintReadsEverything(t *testing.T) {
	t.Parallel()
	var z peers.ZLints
	made := map[keys.Kind]*keys.Private{}
	for _, k := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048, keys.RSA3072, keys.RSA4096} {
		made[k] = newKey(t, k)
	}
	for _, kinds := range [][2]keys.Kind{{keys.ECDSAP384, keys.ECDSAP256}, {keys.RSA3072, keys.RSA2048}} {
		h := newHierarchy(t, kinds[0], kinds[1])
		z.Certificate(t, "root", h.root.cert.Raw)
		var list bytes.Buffer // that of a root lives long
		if err := crl.Write(&list, crl.Options{Issuer: h.root.cert, Signer: h.root.signer, Number: crl.NextNumber(nil, now()), ThisUpdate: now().Truncate(time.Second), NextUpdate: now().AddDate(2, 0, 0).Truncate(time.Second), Entries: func(yield func(crl.Entry, error) bool) {
			yield(crl.Entry{Serial: []byte{7}, RevokedAt: RevocationDate(now()), Reason: crl.CACompromise}, nil)
		}}); err != nil {
			t.Fatal(err)
		}
		z.List(t, "list of the root", list.Bytes())
		for purpose, i := range h.issuers {
			z.Certificate(t, "authority of "+string(purpose), i.cert.Raw)
			signer, err := i.CertifyResponder(newKey(t, keys.ECDSAP256).Public(), now(), nil)
			if err != nil {
				t.Fatal(err)
			}
			z.Certificate(t, "signer of OCSP", signer.Raw)
		}
		profiles := Builtin([]string{"example.com", "예시.한국"})
		profiles = append(profiles,
			ProfileOptions{Name: "short", Domains: []string{"example.com"}, Life: LifeShort, NoRevocation: true},
			ProfileOptions{Name: "no-common-name", Domains: []string{"example.com"}, NoCommonName: true},
			ProfileOptions{Name: "addresses", Networks: []string{"192.0.2.0/24", "2001:db8::/32"}, Names: []NameKind{NameAddress}},
			ProfileOptions{Name: "longest", Domains: []string{"example.com"}, Life: MaxLife, Policies: []string{"2.23.140.1.2.1"}})
		for _, o := range profiles {
			if len(o.Domains) == 0 && len(o.Networks) == 0 {
				o.Domains = []string{"example.com"} // a partner's, which an administrator names
			}
			p := newProfile(t, o)
			for kind, key := range made {
				for _, names := range namesFor(p) {
					r := Request{PublicKey: key.Public(), Names: names, CRL: "http://pki.example.com/1.crl"}
					issued, err := New(h.issuers[p.Purpose()], newMemory()).Issue(t.Context(), p, r)
					if err != nil {
						if _, refused := err.(*KeyError); !refused {
							t.Errorf("%s, %s, %v: %v", o.Name, kind, names, err)
						}
						continue
					}
					z.Certificate(t, fmt.Sprintf("%s for %v with %s", o.Name, names, kind), issued.Certificate.Raw)
				}
			}
		}
	}
	reasons := zlint.Reasons()
	// Those that ca init makes have the organisation's name, so this is no reason in the program.
	reasons["e_ca_organization_name_missing"] = "the test's issuing authorities have a common name alone"
	// The names and addresses here are public ones; TestZLintReadsInternalNames (package desk) has others.
	delete(reasons, "e_dnsname_not_valid_tld")
	delete(reasons, "w_sub_cert_aia_contains_internal_names")
	z.Report(t, reasons)
}

// namesFor are lists of names that a profile takes.
func namesFor(p *Profile) (all [][]string) {
	for _, kind := range p.o.Names {
		switch kind {
		case NameEmail:
			all = append(all, []string{"kim@example.com"}, []string{"kim@example.com", "k.i.m+x@sub.example.com"})
		case NameAddress:
			all = append(all, []string{"192.0.2.7", "2001:db8::7"})
		case NameHost:
			all = append(all, []string{"mail.example.com"}, []string{"example.com", "a.example.com", "b.c.example.com"}, []string{"b.example.com"})
			if slices.Contains(p.o.Domains, "xn--vv4b11d.xn--3e0b707e") {
				all = append(all, []string{"메일.예시.한국"})
			}
			if p.o.Wildcards {
				all = append(all, []string{"*.example.com"})
			}
		}
	}
	return all
}
