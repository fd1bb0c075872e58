// Package live holds the tests that drive the real program with real clients: what a newcomer does, and what
// strangers do to a server on the Internet.
//
// Each test starts `postseal serve --trial` on ports of its own (package peers) and speaks to it with OpenSSL, curl,
// swaks and Python, or with many plain sockets at once. `make soak` runs the same tests with large numbers. There is
// nothing here to import.
package live
