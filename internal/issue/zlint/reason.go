package zlint

// Reasons say why what zlint finds is right for an authority that its own organisation alone trusts, by the names of lints.
// Almost all are rules of the CA/B Forum and of browsers for authorities that the public trusts. A test lets zlint read a
// certificate of every kind that we make, and fails for a reason that none of them needs.
func Reasons() map[string]string {
	const (
		public   = "a rule for authorities that the public trusts: our policies are the profiles, and no certificate names one"
		byHand   = "the profile is for what leaves by file, which nobody can renew every few weeks; public authorities alone must be shorter"
		aRequest = "the answers of OCSP have a signer below this authority, and whoever intersects usages along the chain wants that one there too (docs/issuance.md)"
		private  = "an organisation certifies the addresses of its own networks, which a public authority may not"
		short    = "RFC 9608 section 3: what is never revoked names no responder"
		internal = "an organisation certifies names of its own, also below domains that no public registry knows, and publishes there"
	)
	return map[string]string{
		"e_sub_cert_certificate_policies_missing":                  public,
		"e_sub_cert_cert_policy_empty":                             public,
		"e_sub_ca_certificate_policies_missing":                    public,
		"e_invalid_ca_certificate_policies":                        public,
		"e_exactly_one_smime_policy":                               public,
		"e_ca_country_name_missing":                                "an organisation that certifies itself need not say where it is",
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
		"e_dnsname_not_valid_tld":                                  internal,
		"w_sub_cert_aia_contains_internal_names":                   internal,
		"e_cab_crl_has_valid_reason_code":                          "cACompromise is the reason of an authority (RFC 5280 section 5.3.1), and stands on lists of roots alone",
		"e_crl_next_update_invalid":                                "a rule for lists of subscribers' certificates; a root's list names authorities alone, and its key is to be in a safe",
	}
}
