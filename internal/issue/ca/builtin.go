package ca

import (
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// Builtin are the options of the profiles that every organisation has, for its accepted domains. An administrator may
// replace one by another of the same name.
//
//	server         TLS servers; renews by itself
//	client         programs that show a certificate to a server; renews by itself
//	user           people's browsers and mail programs; leaves by file
//	device         telephones, scanners, printers, which are also asked as servers; leaves by file
//	smime-sign     a person's signature; the key is never kept for others
//	smime-encrypt  a person's letters; the key is kept, or old letters would be lost with it
//	ipsec          gateways of IKEv2 (RFC 4945)
//	code-signing   programs and scripts; a second person agrees
//	mail-partner   another organisation's mail server, which shows it to ours; a second person agrees
func Builtin(domains []string) []ProfileOptions {
	person := []x509cert.Usage{x509cert.UsageEmailProtection}
	return []ProfileOptions{
		{Name: "server", Domains: domains, Wildcards: true},
		{Name: "client", Purpose: PurposeClients, Usages: []x509cert.Usage{x509cert.UsageClientAuth}, KeyUse: KeyUseSign, Domains: domains, Names: []NameKind{NameHost, NameEmail}},
		{Name: "user", Purpose: PurposeClients, Usages: []x509cert.Usage{x509cert.UsageClientAuth}, KeyUse: KeyUseSign, Domains: domains, Names: []NameKind{NameEmail}, Subject: true, Life: LifeByHand},
		{Name: "device", Purpose: PurposeClients, Usages: []x509cert.Usage{x509cert.UsageClientAuth, x509cert.UsageServerAuth}, Domains: domains, Life: LifeByHand},
		{Name: "smime-sign", Purpose: PurposeSMIME, Usages: person, KeyUse: KeyUseSign, Domains: domains, Names: []NameKind{NameEmail}, Subject: true, Life: LifeByHand},
		// Not Ed25519, which cannot decrypt.
		{Name: "smime-encrypt", Purpose: PurposeSMIME, Usages: person, KeyUse: KeyUseDecrypt, Domains: domains, Names: []NameKind{NameEmail}, Subject: true, Life: LifeByHand},
		{Name: "ipsec", Purpose: PurposeIPsec, Usages: []x509cert.Usage{UsageIKE, x509cert.UsageServerAuth}, Domains: domains, Life: LifeByHand},
		{Name: "code-signing", Purpose: PurposeCode, Usages: []x509cert.Usage{x509cert.UsageCodeSigning}, KeyUse: KeyUseSign, Domains: domains, Names: []NameKind{NameEmail, NameHost}, Subject: true, Life: LifeByHand,
			Keys: []keys.Kind{keys.RSA3072, keys.RSA4096, keys.ECDSAP256, keys.ECDSAP384}, Approval: true},
		{Name: "mail-partner", Purpose: PurposeClients, Usages: []x509cert.Usage{x509cert.UsageClientAuth, x509cert.UsageServerAuth}, Life: LifeByHand, Approval: true},
	}
}
