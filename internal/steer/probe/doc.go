// Package probe looks at a mail server from outside and says what a stranger sees.
//
// Everything that wants to know "what is really served there" asks here: the command `postseal check`, the background
// look at our own listeners, proofs of a deployment. Nothing of the server's configuration is believed; only what comes
// over the wire counts. A newcomer must know:
//
//   - An endpoint is a host, a port and a protocol. On 465, 993, 995 and 443 TLS begins with the first byte (RFC 8314);
//     on 25, 587, 143, 110 and 4190 a few lines in clear come first, and STARTTLS turns to TLS (RFC 3207, RFC 9051
//     section 6.2.1, RFC 2595 section 4, RFC 5804 section 2.2).
//   - What is offered in clear before that is a finding by itself: a server that takes a password there has lost it.
//   - One handshake shows one version, one key exchange and one certificate. The rest takes more of them: with RSA
//     alone, with ECDSA alone, and with versions that crypto/tls should not speak any more, whose first message is
//     written by hand and whose answer is only read as far as its version.
//
// The normal use is
//
//	p, err := probe.New(probe.Options{Machine: verifier})
//	report := p.Host(ctx, probe.Host{Name: "mail.example.com"})
//
// A [Report] has facts and [Finding] values: a code, a severity, one sentence, and what to do. [Prober.Endpoint] looks
// at one endpoint, [Crowd] at any number of hosts with bounded memory, [Domain] finds the hosts of a domain.
//
// Strangers answer, so everything about an answer is bounded: the time of each connection and of the endpoint, the bytes
// read, the lines, the number of connections. Texts of theirs are shown with everything invisible escaped. No password is
// ever sent, nothing is changed, no mail is sent. The addresses in a certificate (lists of revoked certificates, OCSP) are
// asked only when the caller gives a verifier that does so.
package probe
