package hint

import (
	"postseal/internal/serve/front"
	"postseal/internal/serve/relay"
)

// sessionEntries are about single sessions. They stand in the log, with the session's id.
func sessionEntries() []entry {
	return []entry{
		is("front.ErrNoBackend", front.ErrNoBackend, "no mail server is set behind this listener; see: postseal status"),
		is("front.ErrBackendInClear", front.ErrBackendInClear, "a mail server on another machine is reached over TLS only; let it listen with TLS, or on loopback"),
		is("front.ErrNotPublished", front.ErrNotPublished, "the mail server behind shows a certificate that the organisation has not published: look at who answers there"),
		is("front.ErrNoTLS", front.ErrNoTLS, "give the listener a certificate: postseal cert enable ID --services SERVICE"),
		is("front.ErrPlaintextInjected", front.ErrPlaintextInjected, "somebody sent commands in clear ahead of the TLS handshake; the session was closed, nothing is to be done here"),
		is("front.ErrLineTooLong", front.ErrLineTooLong, "the client is broken or hostile; the session was closed, nothing is to be done here"),
		is("front.ErrBareLF", front.ErrBareLF, "the client ends lines without CR; mend the client (with openssl s_client give -crlf)"),
		is("front.ErrDraining", front.ErrDraining, "the server was stopping; the client comes back by itself"),
		is("front.ErrEvicted", front.ErrEvicted, "the listener or the whole process was full and this connection was silent; more room: limits.connections-per-listener, see: postseal help config, or a higher limit of open files for the service"),
		as("relay.BackendError", always[*relay.BackendError]("look at the mail server behind, and at its log; clients got a temporary error and try again")),
	}
}
