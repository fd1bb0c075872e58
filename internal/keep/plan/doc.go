// Package plan computes what administrators are otherwise told as best practice: the fewest certificates and the fewest
// host names for the services of a mail organisation, which public authority fits, and which rules change on which date.
//
// A newcomer must know four things about certificates that serve many names:
//
//   - One certificate is one private key. Whoever steals the key can pose as every name in the certificate, and when the
//     certificate is revoked all of them need a new one at once. So names that are exposed differently (the edge and the
//     servers inside, a partner, management) must not share a key, whatever it saves. That is a [Zone].
//   - A wildcard stands for one label (RFC 9525 section 6.3) and so for hosts that nobody has thought of yet. A wildcard
//     is never planned when it would speak for a name of another zone, or over a public suffix.
//   - An authority bounds the names of one certificate, and public ones sign neither names that only a local network
//     knows nor private addresses.
//   - The work is not the certificate but its renewal, and public lives shrink: 200 days now, 47 from 2029. So a cost is
//     renewals in a year, at the dates of the [Calendar].
//
// The normal way: [ReadInventory] or [NewInventory] says what is needed, [Compute] answers with a [Plan] of several
// choices, each an exact optimum of its kind with its cost and its reasons. Within a zone the problem is packing names
// that must be apart into certificates of bounded size; solve.go says why the answer is exact.
//
// [Authorities] and [Rules] are data with sources; a fact that nobody has shown is "unknown". [Impact] says what the
// rules mean for the certificates that there are. Nothing here touches the disk or the network, and nothing is made:
// package desk carries a choice out.
package plan

// Text is a sentence in the two languages of the pages.
type Text struct {
	English string `json:"en"`
	Korean  string `json:"ko"`
}
