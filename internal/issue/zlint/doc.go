// Package zlint lets a stranger read what our own authority makes: zlint, with its four hundred lints for certificates and
// revocation lists, in a program of its own beside this one.
//
// Our own lints (package ca) are of the same hand as what they judge. zlint is not; but linked in it makes every command start
// more slowly, server or not, and its parser of what strangers send would stand in the process that holds the keys. So it is
// a child: it gets DER on its standard input and answers with a line of JSON. It has no environment, no key, may open no
// file, and has bounds on its memory and its time; whatever it does, nothing waits for it.
//
// A [Reader] starts the child when there is something to read. What it finds is a [Finding]; [Reasons] has those that are
// right as they are for an authority that its own organisation alone trusts, and is the list that the tests use too.
// Package zlinter is the other side, which the program postseal-zlint is made of. This package does not link zlint.
package zlint
