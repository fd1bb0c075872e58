// Package ocsp answers whether a certificate of ours was revoked, one at a time.
//
// OCSP (RFC 6960) is a small question over plain HTTP: a client sends the number of a certificate with hashes of its
// issuer's name and key, and gets a signed answer: good, revoked, or unknown. A newcomer must know three things. The
// answer is signed by a key that the authority has certified for nothing else, so that strangers' questions never touch
// the authority's own. An answer without a nonce may be kept and given to everybody until it runs out, by us and by
// whatever stands between; one with a nonce (RFC 9654) is made for one client. And "good" is said only of a certificate
// that we know to have issued: of any other number we say unknown, or a forger who guesses well would be confirmed.
//
// [ParseRequest] reads a question, [Responder] answers questions over HTTP by GET and POST (RFC 6960 appendix A, RFC 5019
// section 5). What it knows it asks its [Source] for.
package ocsp
