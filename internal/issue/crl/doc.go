// Package crl writes lists of revoked certificates.
//
// A list (RFC 5280 section 5) names, signed by the authority, those of its certificates that must no longer be believed.
// It is published under an address that stands in the certificates themselves, on plain HTTP, because it is signed and
// because fetching it over TLS could need another list. A list that everybody downloads must be small, so an authority
// spreads its certificates over shards: each list says in IssuingDistributionPoint which address it is for, and a client
// must not take one for the other (RFC 5280 section 6.3.3). A list for all of them, without that extension, is the
// complete one.
//
// [Write] streams: it goes over the entries to count their octets, and then to sign and to write them, and never holds the
// list. The entries come from the caller, who orders them and remembers them, one by one or, where there are very many, as
// they stood in a list before ([AppendEntry]); so does the number, which must grow ([NextNumber]).
package crl
