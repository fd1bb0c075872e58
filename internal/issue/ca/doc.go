// Package ca is the organisation's own authority: it decides what may be certified, writes that down, and signs it.
//
// An authority is trusted for what it does not do. A newcomer must know three things. A certificate cannot be called
// back: it can only be named in a list of revoked ones, so everything is checked before the key is touched. A
// certificate that nobody remembers cannot even be named, so it is written down before it is signed. And an authority
// that may sign anything is stolen for that: each issuing authority here is good for one [Purpose], below one root,
// for the organisation's own names (RFC 5280 section 4.2.1.10), and signs no further authorities.
//
// What may be asked is a [Profile], made of [ProfileOptions] by [NewProfile], which cannot be wrong afterwards. An
// [Issuer] is an authority's certificate with its key. [Issuer.Draft] turns a [Request] into a [Draft]: the octets to
// be signed, complete and linted. [Authority.Issue] takes it through the numbered steps of docs/issuance.md, which
// stand in the code with the same numbers:
//
//	1 decide   profile, names, key, life            nothing is written yet
//	2 draft    serial, octets to be signed, lints   nothing is written yet
//	3 plan     the draft is stored                  a crash from here on leaves a record
//	4 sign     the key is used
//	5 compare  what was signed is what was linted
//	6 record   the certificate is stored
//	7 hand out
//
// It does not know who asks: whoever calls has established that. It does not publish revocation (packages crl and
// ocsp write what an authority says later), and keeps nothing: that is the [Ledger]'s work.
package ca
