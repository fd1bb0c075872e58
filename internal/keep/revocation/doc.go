// Package revocation answers one question: has the issuer of this certificate taken it back?
//
// A certificate is valid until its end, unless its issuer says otherwise. He says so in a list, signed and published
// every few hours or days (a CRL), or he answers for one certificate at a time (OCSP). A newcomer must know four things.
// The answer is signed, so it does not matter who delivers it; but a delivery can be held back, so it matters how old
// it is. A list may cover only a part of the certificates (its scope), only some reasons, or only what changed since
// another list (a delta), and one that does not cover the certificate says nothing about it. A list may be signed by
// another than the issuer of the certificate, if the certificate says so. And "not listed" is an answer only of a
// list that was allowed to give it: whatever else happens, the answer is [Unknown], never [Good] and never [Revoked].
//
// [New] makes a [Checker], which asks the addresses that certificates carry, keeps the answers on disk, and with
// [Checker.Run] fetches them anew before they run out. [FromCRLs] makes [Lists], which ask nobody. Both answer a
// [Query] with a [Finding]. [ParseCRL] reads a list of a million entries in a quarter of a second; looking one up
// takes less than a microsecond.
//
// One rule goes beyond the standard: an authentic list that has run out and names the certificate still revokes it,
// unless the entry was a hold, because a revocation cannot be taken back. It cannot make anything good.
//
// The package does not build chains: whoever asks says who the issuer is, and vouches for other signers of lists
// ([Query.Vouch]). It does not decide what an unknown status means for the use of a certificate. Lists over LDAP are
// not fetched.
//
// CRLs are RFC 5280 sections 5 and 6.3, OCSP is RFC 6960 with the nonce of RFC 9654.
package revocation
