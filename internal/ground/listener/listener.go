// Package listener is the vocabulary of what a server answers on: the names of the listeners, the
// port and protocol of each, and the services that group them.
//
// A listener is one address, port and protocol (design.md, "Words"). Administrators enable a
// certificate for services, a binding is made for each listener of the service:
//
//	HTTP = https    IMAP = imap, imaps    POP = pop3, pop3s
//	SMTP = smtp, submission, submissions    MANAGEMENT = management
//
// The words are Exchange's where Exchange has one; [ParseServices] also takes the other names that its
// administrators type. The package holds names and numbers only: whether a listener is enabled, and
// at which address, is state.
package listener

import "slices"

// Kind describes one of the listeners that a server can have. Kinds are constants of the program.
type Kind struct {
	Name     string  // "imaps": the name in commands, JSON and pages
	Port     uint16  // the registered port, before any offset
	Protocol string  // "smtp", "imap", "pop3" or "http": what is spoken
	Upgrade  string  // "implicit" (TLS first), "starttls" or "none" (http, which only redirects)
	Service  Service // the service that the listener belongs to; empty for http, which serves no certificate
	// Opportunistic marks port 25: other mail servers try TLS and go on in clear without it, so no
	// handshake may fail for want of a certificate type (design.md, keyring).
	Opportunistic bool
}

// Names of the listeners of a mailbox server.
const (
	SMTP        = "smtp"
	Submission  = "submission"
	Submissions = "submissions"
	IMAP        = "imap"
	IMAPS       = "imaps"
	POP3        = "pop3"
	POP3S       = "pop3s"
	HTTP        = "http"
	HTTPS       = "https"
	Management  = "management"
)

// Kinds returns every kind of listener in the order in which people read them.
func Kinds() []Kind {
	return []Kind{
		{Name: SMTP, Port: 25, Protocol: "smtp", Upgrade: "starttls", Service: ServiceSMTP, Opportunistic: true},
		{Name: Submission, Port: 587, Protocol: "smtp", Upgrade: "starttls", Service: ServiceSMTP},
		// RFC 8314 section 3.3: implicit TLS for submission. Exchange uses 465 for something else.
		{Name: Submissions, Port: 465, Protocol: "smtp", Upgrade: "implicit", Service: ServiceSMTP},
		{Name: IMAP, Port: 143, Protocol: "imap", Upgrade: "starttls", Service: ServiceIMAP},
		{Name: IMAPS, Port: 993, Protocol: "imap", Upgrade: "implicit", Service: ServiceIMAP},
		{Name: POP3, Port: 110, Protocol: "pop3", Upgrade: "starttls", Service: ServicePOP},
		{Name: POP3S, Port: 995, Protocol: "pop3", Upgrade: "implicit", Service: ServicePOP},
		{Name: HTTP, Port: 80, Protocol: "http", Upgrade: "none"},
		{Name: HTTPS, Port: 443, Protocol: "http", Upgrade: "implicit", Service: ServiceHTTP},
		{Name: Management, Port: 8172, Protocol: "http", Upgrade: "implicit", Service: ServiceManagement},
	}
}

// ByName returns the kind called name.
func ByName(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds()[i], true
}

// Names returns the names of all kinds, in order.
func Names() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}
