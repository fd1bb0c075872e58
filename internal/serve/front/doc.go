// Package front answers mail clients over TLS on behalf of the servers behind.
//
// IMAP and POP3 clients say a few lines before they log in: what can you do, start TLS, who I am. This
// package speaks those lines itself and refuses everything else, so a stranger never reaches the mail
// server. With the login it dials the back end, logs in there with the client's own credentials, and from
// then on only passes bytes. It keeps no accounts, no mail and no passwords.
//
// What a newcomer must know:
//   - One [Listener] is one port. [Listener.Serve] accepts, holds the limits of [Limits], makes the TLS
//     handshake when TLS is implicit, and gives every client as a [Conn] to its [Handler]: [IMAP], [POP3],
//     or the SMTP relay of package relay, which never splices.
//   - STARTTLS is an upgrade in the middle of a clear conversation. Whatever was sent in clear behind the
//     command must not be taken for something said inside TLS (CVE-2011-0411, CVE-2021-38371):
//     [Conn.StartTLS] refuses when a byte is waiting, and no buffer survives it.
//   - A full listener lets the session go that has been silent longest before login, and so does a full
//     [Pool], which all listeners of the process share, since files run out for all at once. Silent is
//     whoever keeps us waiting, with half a command as well as with none; it ends with a whole command. A
//     session that is logged in is never sent away for a newcomer.
//   - When the context of Serve ends, sessions are told goodbye at their next command; those that pass
//     bytes get [Limits].Drain to finish.
//   - The back end is outside too: its lines are bounded, timed and cleaned before a client sees them. By
//     default it is known by its certificate, byte for byte ([DirectTrust]), without any authority.
//
// Web pages are served by [ServeHTTPS], with [ServeRedirect] for port 80, under the same limits. Who speaks
// HTTP to a mail port is sent off at the first line: see [IsHTTP].
//
// It follows RFC 9051 and RFC 3501 (IMAP), RFC 1939, RFC 2449, RFC 2595 and RFC 5034 (POP3), RFC 8314 (TLS
// for mail) and RFC 4616 (PLAIN). It does not choose certificates (package keyring does, through the
// tls.Config it is given) and does not decide who may log in: the back end does.
package front
