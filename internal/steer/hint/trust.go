package hint

import (
	"postseal/internal/ground/fetch"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
	"postseal/internal/keep/trustfile"
	"postseal/internal/steer/desk"
)

// trustEntries are about what certificates are worth.
func trustEntries() []entry {
	return []entry{
		wrong(as("trust.InvalidWordError", always[*trust.InvalidWordError]("every word is explained with: postseal trust verify --help"))),
		as("trust.InvalidDistrustError", always[*trust.InvalidDistrustError]("correct the list, or leave it: what was distrusted before still is")),
		is("trust.ErrDistrustVersion", trust.ErrDistrustVersion, "a newer release of postseal reads it"),
		is("trust.ErrDistrustNumber", trust.ErrDistrustNumber, "each edition of a list has a higher sequence than the one before: raise it in the file; what was distrusted before still is"),
		is("trust.ErrDistrustOlder", trust.ErrDistrustOlder, "take a newer list; what was distrusted before still is"),
		is("trust.ErrNotParsed", trust.ErrNotParsed, "give certificates in PEM or DER; look into one with: openssl x509 -in FILE -noout -text"),
		is("trust.ErrNoSystemStore", trust.ErrNoSystemStore, "install it (Debian: apt-get install ca-certificates), or name roots with --roots FILE"),
		is("trust.ErrSignerNotTrusted", trust.ErrSignerNotTrusted, "whoever signed the revocation data is not of this authority: ask the authority where its CRL is"),
		wrong(as("trustfile.UnknownPlatformError", always[*trustfile.UnknownPlatformError]("every platform is explained with: postseal trust export --help"))),
		is("trustfile.ErrNoCertificates", trustfile.ErrNoCertificates, "say what to trust: postseal trust add FILE; or name a self-signed certificate of ours: postseal trust export --lineage NAME"),
		is("trustfile.ErrTooMany", trustfile.ErrTooMany, "remove what nobody needs: postseal trust list, postseal trust remove ID"),
		is("desk.ErrNothingToTrust", desk.ErrNothingToTrust, "say what to trust: postseal trust add FILE; or name a self-signed certificate of ours: postseal trust export --lineage NAME"),
		is("desk.ErrTrustItsAuthority", desk.ErrTrustItsAuthority, "add its authority: postseal trust add FILE; or name a self-signed one: postseal lineage list"),
		as("desk.UnknownTrustError", always[*desk.UnknownTrustError]("see the IDs, of what is trusted and of what is not any more: postseal trust list")),
		as("revocation.MalformedError", always[*revocation.MalformedError]("look into it with: openssl crl -in FILE -inform DER -noout -text; then ask the authority for a good one")),
		as("revocation.SignatureError", always[*revocation.SignatureError]("the revocation data is damaged or forged: fetch it again from the authority")),
		as("revocation.ListError", always[*revocation.ListError]("give CRLs in DER or PEM; look into one with: openssl crl -in FILE -noout -text")),
		as("revocation.ResponderError", always[*revocation.ResponderError]("the authority's OCSP responder does not answer as it should; it is asked again later")),
		as("revocation.ResponderTrustError", always[*revocation.ResponderTrustError]("whoever signed the OCSP answer may not: somebody stands between, or the authority has made a mistake")),
		is("revocation.ErrOutdated", revocation.ErrOutdated, "fetch newer revocation data from the authority"),
		as("fetch.RefusedURLError", always[*fetch.RefusedURLError]("addresses that certificates bring are fetched over http and https only")),
		as("fetch.RefusedAddressError", always[*fetch.RefusedAddressError]("a certificate may not send us to addresses of this machine or network; allow the address in the configuration if it is the authority's")),
		as("fetch.StatusError", always[*fetch.StatusError]("the authority's server answers with an error; it is asked again later")),
		as("fetch.TooLargeError", always[*fetch.TooLargeError]("the authority's server sends more than any revocation list needs; it is asked again later")),
	}
}
