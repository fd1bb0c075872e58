// Package hsm keeps private keys in a security module: a device, or a program, that makes keys, signs with them, and never
// gives them out.
//
// The way to it is PKCS #11: a shared library of the module's maker, in which tokens lie in slots, and in tokens objects, of
// which a key pair is two with one CKA_ID. We name a key by a URI of RFC 7512, [Ref], and keep that where we would keep the
// key: whoever copies the database has nothing to sign with.
//
// A shared library needs cgo, and our program is one static binary. So the way is open only in a program that was built
// with the tag pkcs11 (make pkcs11); in any other [Module] answers [ErrNotBuilt]. Everything but the last step is in both.
//
// [New] checks options and touches nothing; the module is opened when it is needed, and again after it failed: it may be a
// box that somebody restarts. A PIN that was refused is not tried a second time, because three refusals lock most tokens
// for good. What hangs inside the maker's library hangs here: PKCS #11 has no deadlines, the library's configuration does.
package hsm
