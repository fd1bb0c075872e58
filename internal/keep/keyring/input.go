package keyring

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
)

// Input is what the caller has read from the state, at one moment, for this server. The ring keeps no reference to
// its slices, but to the certificates and signers in it.
type Input struct {
	// Seq is the state's change sequence at that moment. It orders Inputs; see [Ring.Swap].
	Seq       int64
	Listeners []Listener
	// Lineages may hold more than is bound. Only what is bound, or internal, is looked at: a broken certificate that
	// nobody uses stops nothing.
	Lineages []Lineage
	// Internal is the name of the lineage of the server's internal certificate; empty if it has none.
	Internal string
}

// A Listener is one address, port and protocol that we answer on.
type Listener struct {
	Name string // "imaps"; unique in an Input
	// Opportunistic says that clients here go on in clear text when the handshake fails, as mail servers do on port
	// 25 (RFC 3207 section 4.1). When such a client can use no member of the chosen generation, it gets the internal
	// certificate if it can use that one: any encryption is better than none to a peer that does not look at names
	// anyway. Such a listener issues no tickets (golang/go#70232).
	Opportunistic bool
	// NextProtos are the application protocols offered, best first (ALPN, RFC 7301). Empty is right for mail.
	NextProtos []string
	Clients    ClientPolicy
	// Bindings say what this listener serves, oldest first. Either there are none, and handshakes fail with
	// [ErrNoCertificate], or exactly one has [RoleDefault].
	Bindings []Binding
}

// ClientPolicy says whether clients are asked for a certificate. The zero value does not ask. Where clients are asked
// there is no resumption: each connection shows its certificate again.
type ClientPolicy struct {
	Auth tls.ClientAuthType
	// CAs are the authorities of client certificates. They must be set when Auth verifies: nil would mean every
	// authority that the operating system trusts.
	CAs *x509.CertPool
	// Verify is called at the end of every handshake, see [tls.Config.VerifyConnection]. Nil checks nothing more.
	Verify func(tls.ConnectionState) error
}

// Role is what a binding answers. Its values are those of the state.
type Role string

const (
	// RoleDefault answers clients that name no host or one that nobody has, and its own names.
	RoleDefault Role = "default"
	// RoleName answers the names of its lineage and nothing else.
	RoleName Role = "name"
	// RoleFallback appears only in answers of [Ring.Explain]: the internal certificate of an opportunistic listener.
	RoleFallback Role = "fallback"
)

// A Binding lets a listener serve a lineage: whatever generation of it is current.
type Binding struct {
	Lineage string
	Role    Role
}

// A Lineage is a named line of certificates, here with its current generation only.
type Lineage struct {
	Name         string
	FriendlyName string // what people call it; may be empty
	Generation   int
	// Names are the DNS names that this generation answers (A-labels, "*." for one label). Nil means those that the
	// first member's leaf answers, see [x509cert.Names.Hosts].
	Names []string
	// Members are one certificate per key algorithm, usually an ECDSA and an RSA one.
	Members []Member
}

// A Member is one certificate with its key. It prints without them.
type Member struct {
	// Chain is DER, the leaf first, then the intermediates in the order in which they are sent.
	Chain [][]byte
	// Signer is the leaf's private key. It must allow use by many goroutines at once.
	Signer crypto.Signer
}

// redacted stands for a Member wherever it is printed, because the Signer may be a bare private key.
const redacted = "[certificate and key]"

// Format prints the Member without its key, whatever the verb.
func (Member) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // fmt.State has nowhere to report to
}

// MarshalText keeps the key out of JSON and out of logs.
func (Member) MarshalText() ([]byte, error) { return []byte(redacted), nil }
