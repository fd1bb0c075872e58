// Package acme is the words of ACME (RFC 8555), the same for the server that we are and the client that we will be.
//
// ACME is how a machine gets a certificate without a person. It has an account, which is a key and nothing more
// ([Account]). It names what it wants ([Order]), is told for each name what would prove that it holds it
// ([Authorization], with a [Challenge] of each kind), does one of these, and sends a request with its key; then the
// certificate is there. Every question but two is a POST whose body is signed by the account's key ([Message]): TLS says
// who the server is, the signature says who asks. A nonce in it, and the address that it is meant for, keep anybody from
// saying it again or elsewhere. What goes wrong is a [Problem], whose type is for programs and whose detail is for people.
//
// [ParseMessage] and [Message.Verify] read a signed message, [Sign] makes one. [ReadJSON] is how every object from
// outside is read. The package asks nobody, answers nobody, and keeps nothing.
package acme
