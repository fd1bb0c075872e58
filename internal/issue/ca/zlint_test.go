package ca

import (
	"fmt"
	"slices"
	"testing"

	"postseal/internal/ground/keys"
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
	z.Report(t, zlintReasons())
}

// zlintReasons say why what zlint finds is right for an authority that its own organisation alone trusts. Almost all are
// rules of the CA/B Forum and of browsers for authorities that the public trusts.
func zlintReasons() map[string]string {
	const (
		public   = "a rule for authorities that the public trusts: our policies are the profiles, and no certificate names one"
		byHand   = "the profile is for what leaves by file, which nobody can renew every few weeks; public authorities alone must be shorter"
		aRequest = "the answers of OCSP have a signer below this authority, and whoever intersects usages along the chain wants that one there too (docs/issuance.md)"
		private  = "the test certifies addresses that are set aside for examples"
		short    = "RFC 9608 section 3: what is never revoked names no responder"
	)
	return map[string]string{
		"e_sub_cert_certificate_policies_missing":                  public,
		"e_sub_cert_cert_policy_empty":                             public,
		"e_sub_ca_certificate_policies_missing":                    public,
		"e_invalid_ca_certificate_policies":                        public,
		"e_exactly_one_smime_policy":                               public,
		"e_ca_country_name_missing":                                "an organisation that certifies itself need not say where it is",
		"e_ca_organization_name_missing":                           "the test's issuing authorities have a common name alone; those that ca init makes have the organisation's name",
		"e_server_cert_valid_time_longer_than_200_days":            byHand,
		"w_server_cert_valid_time_longer_than_199_days":            byHand,
		"e_tls_server_cert_valid_time_longer_than_398_days":        "825 days are the most that a profile may have, and the most that Apple takes from a private authority",
		"w_tls_server_cert_valid_time_longer_than_397_days":        byHand,
		"w_subject_common_name_included":                           "old programs show it and look for it; a profile can leave it out",
		"w_ext_subject_key_identifier_not_recommended_subscriber":  "RFC 5280 section 4.2.1.2: an end entity should have one",
		"e_sub_cert_eku_check":                                     "a gateway of IPsec has the usage for IKE beside that of servers",
		"e_ca_invalid_eku":                                         aRequest,
		"e_ocsp_cert_cdp_forbidden":                                aRequest,
		"e_ocsp_cert_invalid_ku":                                   aRequest,
		"e_ocsp_id_pkix_ocsp_nocheck_ext_not_included_server_auth": aRequest,
		"e_ext_nc_intersects_reserved_ip":                          private,
		"e_ext_san_contains_reserved_ip":                           private,
		"w_sub_cert_aia_does_not_contain_issuing_ca_url":           short,
		"e_sub_cert_aia_missing":                                   short,
	}
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
