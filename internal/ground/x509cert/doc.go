// Package x509cert says what a certificate is: its names and what they match, its facts, what it may be used for, and
// the words in which its state is told.
//
// A certificate (RFC 5280) binds a public key to names. A newcomer must know three things about these names:
//
//   - Clients look at the subjectAltName extension only. The common name in the subject is for people; it counts as a
//     name of a host only in old certificates without that extension.
//   - On the wire a domain name is ASCII. 예시.한국 is written xn--vv4b11d.xn--3e0b707e there, its A-labels (RFC 5890).
//     A [Domain] always holds A-labels, in lower case and without the dot at the end, so two of them can be compared
//     with ==. [Domain.Unicode] is for showing.
//   - A wildcard stands for exactly one label, the left-most: *.example.com is mail.example.com, but neither
//     example.com nor a.b.example.com (RFC 9525 section 6.3).
//
// What people type goes through [ParseDomain] (a domain), [ParseHost] (a host, which may be a short name),
// [ParsePattern] (a domain or a wildcard) or [ParseSAN] (whatever may stand in a certificate). What a client asks for is
// compared with what a certificate holds by [Names] (a certificate), [Covers] (a list of names) or [Match] (one name):
// this is the one rule set for selection, checks and planning. [NameSet] says what a choice of names costs.
// [ParseCertificate] reads DER, [Inspect] tells what it says, and
// [ParseSubject] and [SubjectText] turn the text of a distinguished name into a name and back (RFC 4514).
// [ParseThumbprint] takes thumbprints as people paste them.
//
// Everything here is arithmetic on bytes that came from somewhere: inputs are bounded before they are read, and nothing
// touches the clock, the disk or the network. Whether a certificate is good is decided elsewhere: package trust builds
// chains, package keys judges keys. This package only has the words for the answer ([Status], [RootType]).
package x509cert
