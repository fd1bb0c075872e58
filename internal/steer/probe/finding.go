package probe

import (
	"cmp"
	"slices"
)

// A Severity says how much a finding matters.
type Severity string

// The severities, from the best to the worst.
const (
	OK   Severity = "ok"
	Info Severity = "info" // good to know; nothing is wrong
	Warn Severity = "warn" // works today, and will hurt somebody
	Bad  Severity = "bad"  // clients fail, or are not safe
)

func (s Severity) rank() int { return slices.Index([]Severity{OK, Info, Warn, Bad}, s) }

// Attention says whether somebody has to do something.
func (s Severity) Attention() bool { return s == Warn || s == Bad }

// A Code names a finding; the string is the wire value.
type Code string

// What can be found. The sentence of a finding tells the particulars; [Finding].Do says what to do.
const (
	CodeNoAddress          Code = "noAddress"             // the name has no address
	CodeLookupFailed       Code = "lookupFailed"          // nobody could say whether it has
	CodeUnreachable        Code = "unreachable"           // no connection
	CodeNothingOffered     Code = "nothingOffered"        // none of the nine ports is open
	CodeTimedOut           Code = "timedOut"              // an answer came too slowly, or never
	CodeTooMuch            Code = "tooMuch"               // an answer without end
	CodeClosedEarly        Code = "closedEarly"           // hung up before TLS
	CodeOtherProtocol      Code = "otherProtocol"         // something else is spoken there
	CodeRefusesService     Code = "refusesService"        // greets with a refusal
	CodeStartTLSMissing    Code = "startTLSMissing"       // no way to TLS
	CodeStartTLSRefused    Code = "startTLSRefused"       // offered, and refused or led elsewhere
	CodeStartTLSExtra      Code = "startTLSExtra"         // clear text behind the answer to STARTTLS
	CodeStartTLSInjection  Code = "startTLSInjection"     // a command from before TLS is answered within it
	CodeTLSFailed          Code = "tlsFailed"             // no handshake
	CodeChainTooLarge      Code = "chainTooLarge"         // more certificates than any client reads
	CodePlainLogin         Code = "plainLogin"            // passwords are taken in clear
	CodeOldVersion         Code = "oldVersion"            // TLS 1.0 or 1.1 is spoken
	CodeOnlyOldVersions    Code = "onlyOldVersions"       // nothing newer is
	CodeNoTLS13            Code = "noTLS13"               // TLS 1.2 is the newest
	CodeWeakCipher         Code = "weakCipher"            // no forward secrecy, or a broken cipher
	CodeNotPostQuantum     Code = "notPostQuantum"        // what is recorded today can be read one day
	CodeExpired            Code = "expired"               // the certificate has ended
	CodeNotYetValid        Code = "notYetValid"           // it has not begun
	CodeEndsSoon           Code = "endsSoon"              // little is left of it
	CodeWrongName          Code = "wrongName"             // it is not for the host
	CodeNamesMissing       Code = "namesMissing"          // it lacks a name that clients use too
	CodeAskedByAddress     Code = "askedByAddress"        // names cannot be compared
	CodeSelfSigned         Code = "selfSigned"            // nobody vouches for it
	CodeChainIncomplete    Code = "chainIncomplete"       // an intermediate is missing
	CodeUntrusted          Code = "untrusted"             // its root is not known here
	CodeOrganisationOnly   Code = "organisationOnly"      // trusted by us, and not by strangers
	CodeInvalidCertificate Code = "invalidCertificate"    // the chain breaks a rule
	CodeRevoked            Code = "revoked"               // its authority has taken it back
	CodeRevocationUnknown  Code = "revocationUnknown"     // nobody could say
	CodeWeakKey            Code = "weakKey"               // a key that can be broken
	CodeWeakSignature      Code = "weakSignature"         // a signature that can be forged
	CodeChainOrder         Code = "chainOrder"            // not each signed by the next
	CodeChainExtra         Code = "chainExtra"            // certificates that nobody needs
	CodeRootSent           Code = "rootSent"              // the root travels along for nothing
	CodeOnlyECDSA          Code = "onlyECDSA"             // clients without ECDSA fail
	CodeStaleCertificate   Code = "staleCertificate"      // another port has a newer one for the name
	CodeDifferent          Code = "differentCertificates" // another port has another one for the name
	CodeServedNotBound     Code = "servedNotBound"        // not what the organisation has bound there
)

// Codes returns every code, for the test that each has advice.
func Codes() []Code {
	return []Code{
		CodeNoAddress, CodeLookupFailed, CodeUnreachable, CodeNothingOffered, CodeTimedOut, CodeTooMuch, CodeClosedEarly, CodeOtherProtocol,
		CodeRefusesService, CodeStartTLSMissing, CodeStartTLSRefused, CodeStartTLSExtra, CodeStartTLSInjection, CodeTLSFailed, CodeChainTooLarge,
		CodePlainLogin, CodeOldVersion, CodeOnlyOldVersions, CodeNoTLS13, CodeWeakCipher, CodeNotPostQuantum, CodeExpired, CodeNotYetValid,
		CodeEndsSoon, CodeWrongName, CodeNamesMissing, CodeAskedByAddress, CodeSelfSigned, CodeChainIncomplete, CodeUntrusted, CodeOrganisationOnly,
		CodeInvalidCertificate, CodeRevoked, CodeRevocationUnknown, CodeWeakKey, CodeWeakSignature, CodeChainOrder, CodeChainExtra, CodeRootSent,
		CodeOnlyECDSA, CodeStaleCertificate, CodeDifferent, CodeServedNotBound,
	}
}

// A Finding is one thing that a stranger sees.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Port     uint16   `json:"port,omitempty"` // zero when it is about the host
	Text     string   `json:"text"`           // one sentence, without a full stop
	Do       string   `json:"do"`             // what to do next, one sentence
}

// sortFindings puts the worst first; findings of one severity stay in the order in which they were made.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity.rank(), a.Severity.rank()), cmp.Compare(a.Port, b.Port))
	})
}

// worst is the severity of the worst of findings; [OK] if there are none but reminders.
func worst(list []Finding) Severity {
	s := OK
	for _, f := range list {
		if f.Severity.rank() > s.rank() {
			s = f.Severity
		}
	}
	if s == Info {
		return OK
	}
	return s
}

// Advice returns what to do about a code, one sentence without a full stop.
func Advice(c Code) string { return advice()[c] }

// advice says for each code what to do. It speaks to whoever runs the server that was looked at, whatever program it is.
func advice() map[Code]string {
	return map[Code]string{
		CodeNoAddress:          "correct the name, or publish an A or AAAA record for it",
		CodeLookupFailed:       "look at the name servers of this machine, then check again",
		CodeUnreachable:        "see whether the service runs and whether a firewall lies between",
		CodeNothingOffered:     "see whether the services run and whether a firewall lies between; name a port that is not one of the nine as HOST:PORT",
		CodeTimedOut:           "see what the service does with its time, and whether a firewall lies between",
		CodeTooMuch:            "see what answers there; it is no mail server that clients can use",
		CodeClosedEarly:        "read the service's log: it hangs up on strangers before TLS",
		CodeOtherProtocol:      "name the protocol with --starttls smtp, imap, pop3 or sieve, or look at what listens there",
		CodeRefusesService:     "read the service's log; it may refuse the address from which this check came",
		CodeStartTLSMissing:    "give the service a certificate and turn STARTTLS on",
		CodeStartTLSRefused:    "read the service's log: the key or certificate may not be readable for it",
		CodeStartTLSExtra:      "update the service; clients that are careful hang up here",
		CodeStartTLSInjection:  "update the service at once: whoever sits between can put commands into the client's session",
		CodeTLSFailed:          "read the service's log for this moment, and see which versions and certificates are configured",
		CodeChainTooLarge:      "send the certificate and its intermediates and nothing else",
		CodePlainLogin:         "allow logins only with TLS (Dovecot: disable_plaintext_auth = yes; Postfix: smtpd_tls_auth_only = yes; nginx: starttls only)",
		CodeOldVersion:         "allow TLS 1.2 and 1.3 only; RFC 8996 has retired the others",
		CodeOnlyOldVersions:    "turn on TLS 1.2 and 1.3: clients of today do not connect here",
		CodeNoTLS13:            "turn on TLS 1.3; a newer TLS library may be needed",
		CodeWeakCipher:         "allow ECDHE with AES-GCM or ChaCha20 only",
		CodeNotPostQuantum:     "turn on the group X25519MLKEM768 (OpenSSL 3.5 and newer have it)",
		CodeExpired:            "renew it now, and install it at every port that serves it",
		CodeNotYetValid:        "look at the clocks of both machines, or serve the certificate before it until then",
		CodeEndsSoon:           "renew it, and install it at every port that serves it",
		CodeWrongName:          "serve a certificate with this name here, or tell clients the name that it has",
		CodeNamesMissing:       "add the names when it is renewed, or tell clients the name that it has",
		CodeAskedByAddress:     "check again by the name that clients use",
		CodeSelfSigned:         "serve a certificate of an authority that clients trust",
		CodeChainIncomplete:    "put the intermediate certificate behind the server's own in the file that is served",
		CodeUntrusted:          "serve a certificate of an authority that clients trust, or give its root to the clients",
		CodeOrganisationOnly:   "fine for your own servers; clients from outside need a public certificate",
		CodeInvalidCertificate: "have it issued again, and correctly",
		CodeRevoked:            "replace it at once, with a new key",
		CodeRevocationUnknown:  "check again later; whoever checks hard will refuse it until then",
		CodeWeakKey:            "make a new key, ECDSA P-256 or RSA of 2048 bits or more",
		CodeWeakSignature:      "have it issued again with SHA-256",
		CodeChainOrder:         "put the server's certificate first, and behind each the one that signed it",
		CodeChainExtra:         "leave out what is not needed: it costs time in each handshake",
		CodeRootSent:           "leave the root out: clients believe only the one that they have",
		CodeOnlyECDSA:          "serve an RSA certificate beside it if old clients must connect",
		CodeStaleCertificate:   "install the newer certificate there too, and reload the program behind that port",
		CodeDifferent:          "nothing, if two programs look after their certificates themselves",
		CodeServedNotBound:     "see which program has the port, and what lies between; then: postseal cert explain --listener NAME",
	}
}
