// Package postseal is the root of the module: it holds no code, only the tests of the house itself.
//
// Postseal is the certificate and encryption layer of a mail organisation, in one binary. The program is in
// cmd/postseal; README.md shows its first use and develop.md walks through the rooms of internal. What the tests
// here check (package comments, import direction, sleeping tests, RFC citations, dependencies) is explained in
// develop.md, and each failure says what to do.
//
// Nothing imports this package.
package postseal
