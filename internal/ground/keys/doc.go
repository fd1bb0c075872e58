// Package keys makes, judges, reads and seals private keys.
//
// A private key is a number that nobody else may know. It comes to us in three ways: we make it ([Generate]), an
// administrator brings it in a file ([ReadFile], [Parse]), or we read back what we sealed ([ParsePKCS8]). All three
// end in [Judge], so a [Private] is never a key that somebody can guess. Files hold keys in PEM (RFC 7468) or plain
// DER, in one of three forms: PKCS #8 (RFC 5958) for every kind, and two older ones, PKCS #1 for RSA (RFC 8017) and
// SEC 1 for ECDSA (RFC 5915). We read all three and write PKCS #8 only; Ed25519 is inside it as RFC 8410 says.
//
// Nothing in this package prints a secret. Private, [Secret] and [SealingKey] answer every verb of fmt, every slog
// handler and encoding/json with a short text in brackets, because a key reaches a log by accident, as a field of
// something else. (Secret, being plain bytes, has one gap, which its comment names.) For the few places that need the bytes there is one method each, easy to search for:
// [Private.PKCS8], [Private.PEM], [Secret.Bytes], [SealingKey.Seed] and [SealingFile.Marshal].
//
// # Sealing
//
// The database holds secrets only sealed. [Seal] encrypts a secret under a fresh data key, and wraps that data key
// once for each server that may use it, with HPKE (RFC 9180) to the server's sealing key: ML-KEM-768 and X25519
// together, so that a copy of the database taken today stays closed to the quantum computer of tomorrow.
// Adding a server is one more wrapped data key ([SealingKey.Rewrap]); the ciphertext stays as it is. Both are bound
// to the kind and the id of the object, so that nobody who can write to the database can pass one secret off as
// another. A sealing key itself lies in a file of its own ([SealingFile]).
//
// Sealing keeps a secret from readers. It does not say who sealed it: whoever has the public half of a sealing key
// can seal something else in its place. So the caller compares what came out with what he expects of it, a private
// key with its certificate for instance ([Private.Matches]).
//
// Public keys of others, in certificates and requests, are judged by [PublicJudge], as far as anybody can see from outside
// that their private half is no secret.
//
// The package does not decide who is a server, does not write files (package durable does), and does not decrypt keys
// under a passphrase.
package keys
