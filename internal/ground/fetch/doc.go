// Package fetch asks web servers whose addresses strangers have chosen.
//
// A certificate carries addresses: of the list of revoked certificates, of the OCSP responder, of its issuer. Whoever
// makes a certificate writes them, and a program that follows them asks wherever he wants it to: the router's
// administration page, a cloud provider's metadata service, a database on loopback (server-side request forgery). So
// this client refuses, before a byte is sent, every address that is not out in the public network, and everything
// about an answer is bounded: its size, its header, its time, the number of redirects.
//
// [New] checks the options, [Client.Do] asks. The address is judged when the connection is made, after the name has
// been resolved: a name that answers differently the second time gains nothing by it. Every redirect is judged as the
// first address was, and none leads from https to http. There are no cookies, no credentials, no compression, no
// proxy from the environment, and no connection that stays open.
//
// With [Options.Proxy] it is the proxy that resolves names, so only an address written out in the URL can be judged
// here. The proxy must refuse the rest; an administrator who sets one should know that.
//
// The package does not check revocation of the https servers that it asks: what it fetches is signed, and its reader
// checks that. The reserved addresses are those of the IANA special-purpose registries (RFC 6890), with RFC 1918,
// RFC 4193, RFC 6598, and the forms of RFC 3056 and RFC 6052 in which an IPv6 address carries an IPv4 address.
package fetch
