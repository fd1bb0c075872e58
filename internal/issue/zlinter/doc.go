// Package zlinter is the side of zlint that links it: the program postseal-zlint and tests are made of it, and nothing else,
// because zlint makes its lints before main, and that costs every command its time.
//
// [Look] lets zlint read one thing. [Serve] does so for whoever is at the other end of two pipes: see package zlint, whose
// words it speaks. [Confine] takes away what that needs no more.
package zlinter
