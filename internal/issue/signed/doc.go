// Package signed puts signatures behind octets.
//
// Certificates, revocation lists and answers of OCSP have one shape (RFC 5280 sections 4.1.1 and 5.1.1, RFC 6960 section
// 4.2.1): the octets that are signed, the algorithm, the signature. [AlgorithmOf] picks how a key signs, [Algorithm.Sign]
// signs, and [Algorithm.Assemble] writes the whole. What the octets say is the business of the callers; that they were
// written down before is theirs too.
package signed
