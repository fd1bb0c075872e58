// Package trust says how much a certificate is worth: a status, one sentence why, and the chain that was judged.
//
// A certificate is believed because somebody who is believed signed it (RFC 5280 section 6). A newcomer must know:
//
//   - The beginning of all belief is an anchor, and an anchor is believed because we say so: the system's root store,
//     our own authority, roots added by hand, roots pushed by an administrator's tool. A server's own certificate can be
//     an anchor too, for itself alone ([Anchor].Direct): that is how the organisation's servers trust each other.
//   - Between anchor and certificate there may be several chains, because authorities sign each other. One good chain is
//     enough, so every chain is tried, and the best of them is the answer.
//   - A chain can be right and its certificate still worthless: revoked by its authority ([Revocation]), or distrusted by
//     the world before any authority acts ([Distrust]).
//   - One certificate can have many faults. All are found, and the first in the order of [x509cert.Statuses] is the
//     status. "Could not be checked" is never "revoked", and it is never silent either.
//
// The normal use is
//
//	v, err := trust.New(trust.Options{Anchors: anchors, Revocation: source})
//	verdict := v.Verify(ctx, trust.Question{Leaf: cert, Name: "mail.example.com", Purpose: x509cert.UsageServerAuth})
//
// Building chains and verifying signatures is the work of crypto/x509. It is given copies of the certificates that keep
// only what it shall decide: names in the normal form of RFC 5280 section 7.1, and neither path lengths, critical
// extensions, name constraints nor key usages. All these are judged here, one by one, so that each fault has its
// sentence and none hides another. Certificate policies are decided by crypto/x509 again, chain by chain.
//
// The rules of RFC 5280 decide always. Those of the CA/Browser Forum's Baseline Requirements are shown as [Lint] and
// decide only under [ProfileWebPKI], because they bind public authorities and not ours.
//
// This package fetches nothing: CRLs are handed to it as files ([NewCRLs]), or a [Revocation] that knows the network is
// given. It does not judge private keys, does not decide which certificate a listener serves, and never takes a common
// name for the name of a host, because no client does.
//
// RFC 5280 and RFC 9618 (paths, policies), RFC 6818 (corrections), RFC 9525 (names of servers), RFC 9608 (no revocation
// available).
package trust
