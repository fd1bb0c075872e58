// Package challenge looks whether somebody who asks for a certificate holds the names that he asks for (RFC 8555 section 8,
// RFC 8737, RFC 8738).
//
// He proves it by putting what the server gave him where only the holder of the name can put it: a page of the web server
// (http-01), a record in the name's zone (dns-01), a certificate at the TLS port (tls-alpn-01). The server then looks. A
// newcomer should see what that means: strangers choose where this machine connects to. So a [Validator] is a guard first.
// It resolves names itself and connects to the address that it has judged, never to a name, so a name that changes its
// address meanwhile (DNS rebinding) gains nothing. It goes to the two ports of the web and no other, and a redirect does not
// lead it elsewhere. It reads a bounded answer in a bounded time, and says little about what it found.
//
// Which addresses it goes to is the administrator's to say ([Options]). Without a word of his it goes to public and to
// private addresses, since an organisation's own servers have either, and never to this machine itself, to the link, or
// where nothing is.
//
// [New] makes a Validator, [Validator.Validate] looks once, [Validator.CAA] reads what a domain says about who may issue
// for it. Retrying is for whoever asks.
package challenge
