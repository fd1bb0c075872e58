// Package wizard is the certificate wizard without its fronts: the answers that a person gives, as they were typed, go
// in; the names to propose, what is still missing, and the request to make come out. The terminal
// (cmd/postseal) and the admin center (package pages) both ask by it, so they propose the same.
//
// A newcomer must know why there is a wizard at all. One does not begin with the names of a certificate, but with what
// clients do: which service, and by which name they reach it from inside and from outside. The names follow from that, and
// package plan computes them: what one certificate may hold, what must not share its key, and what no public authority
// signs.
//
// The normal way: fill an [Answers], ask [Answers.Problem] whether a [Step] is answered, show [Answers.Propose] and
// [Answers.Fits], and carry out [Answers.Result], which is a plain request of package desk with the command line
// that would do the same.
//
// What somebody has changed by hand is an answer like any other: it stays until it is changed, whichever way
// the reader goes. (Exchange's wizard computed the names anew on the way back, and lost what had been typed.)
//
// Nothing here reads or changes the state, asks anybody, or touches the disk or the network.
package wizard
