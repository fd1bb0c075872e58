// Package acmeserver is the ACME server of the organisation's own authority (RFC 8555).
//
// A client speaks to one directory, /acme/AUTHORITY/directory, and finds the rest from there. What a newcomer must know is
// where the truth is. Accounts and orders are rows. An order is *ready*, *processing* or *valid* because its
// authorizations and the book say so: there is no field that could say otherwise after a crash. An order costs three
// commits:
//
//	1 the order, with what must be proved about each name
//	2 what was proved, the order's serial, and the draft that is to be signed: one commit (docs/issuance.md, step 3)
//	3 the certificate (step 6)
//
// What is proved between 1 and 2 is in memory, and written down by [Server.Run] when the client takes longer than five
// seconds to go on, or when the server ends. After a crash within these seconds he is asked to prove it again: nothing was
// issued, nothing is lost but his answer.
//
// An account is bound to a profile, and to names, by a key that an administrator gave out (external account binding,
// section 7.3.4); a directory takes others only if it was opened. Which certificates may be had is the profile's to say,
// as for everybody: the server hands a request to [Authority], which takes it through the numbered steps.
//
// Nonces are good at the server that made them, once, for an hour; what is remembered of them has a fixed size. Bodies,
// names, orders, validations and accounts have bounds; what goes beyond gets the problem of RFC 8555 section 6.7 and the
// time at which to come back. [Server.Handler] is mounted where TLS is spoken; [Server.Run] tidies until its context ends.
package acmeserver
