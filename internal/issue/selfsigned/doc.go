// Package selfsigned makes certificates that vouch for themselves.
//
// Such a certificate is signed with the key that it holds, so it proves nothing to a stranger: whoever meets it has to
// know it already. That is enough inside an organisation, where every server has every other server's certificate and
// compares it byte for byte (direct trust), and for a person who compares the fingerprint once. The three certificates
// of a new server are of this kind, as they are in Exchange (spec/exchange.md, section 1).
//
// There is one function, [Create]. It checks what is asked ([Options]), signs, and then reads the result back and
// compares it with what was asked before it lets go of it:
//
//	der, err := selfsigned.Create(selfsigned.Options{CommonName: "mail1", Names: []string{"mail1", "mail1.example.com"}, Years: 5}, key)
//
// What comes out follows RFC 5280: version 3, a random serial of 128 bits, usable for a TLS server only, and an end
// entity, so that its key can never issue for others. The key is made and judged in package keys, names are those of
// package x509cert. The defaults of a new server, storing and renewing are the business of others; so are requests to
// an authority and our own authority.
package selfsigned
