// Package health holds what is wrong with a running server, as named conditions.
//
// A condition is not a log line: it is raised when something begins to hurt, stays with the time since
// when and the last error, and is cleared by whoever raised it once the cause is gone. `postseal
// status`, the pages and the exit code of status read the same [Set]. Each [Code] has a hint in
// steer/hint that says what to do next; a test fails on one without.
//
// Conditions that follow from the state alone (a listener without a certificate, a certificate near its
// end) are computed when asked, by steer/desk; the Set keeps only what is learnt while running.
package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Code names a condition; the string is the wire value.
type Code string

// Severity says whether a condition needs a person.
type Severity string

const (
	// Attention needs a person: status exits with 3.
	Attention Severity = "attention"
	// Information is a reminder: status shows it and exits with 0.
	Information Severity = "information"
)

// The conditions there are.
const (
	// CodeSnapshotRefused: the state as stored cannot be served; the keyring before it goes on serving.
	CodeSnapshotRefused Code = "snapshotRefused"
	// CodeListenerClosed: an enabled listener could not be opened.
	CodeListenerClosed Code = "listenerClosed"
	// CodeManagementWithoutCertificate: nothing is bound to the management listener, so it stays closed.
	CodeManagementWithoutCertificate Code = "managementWithoutCertificate"
	// CodeListenerWithoutCertificate: an enabled mail listener has no default binding.
	CodeListenerWithoutCertificate Code = "listenerWithoutCertificate"
	// CodeCertificateExpired: a bound certificate is past its end.
	CodeCertificateExpired Code = "certificateExpired"
	// CodeCertificateEnding: little is left of a bound certificate: see package renewal.
	CodeCertificateEnding Code = "certificateEnding"
	// CodeCertificateRevoked: the authority of a certificate in use has taken it back.
	CodeCertificateRevoked Code = "certificateRevoked"
	// CodeRevocationUnchecked: for long nobody could say whether a certificate in use was revoked.
	CodeRevocationUnchecked Code = "revocationUnchecked"
	// CodeAuthCertificateMissing: no valid certificate signs server-to-server tokens.
	CodeAuthCertificateMissing Code = "authCertificateMissing"
	// CodeNoBackend: front ends are enabled and no mail server is set behind them.
	CodeNoBackend Code = "noBackend"
	// CodeServerNotRunning: no server runs on this data directory, so nothing is served.
	CodeServerNotRunning Code = "serverNotRunning"
	// CodeNoRecoveryKey: without a recovery key the sealing key is the only way to the private keys.
	CodeNoRecoveryKey Code = "noRecoveryKey"
	// CodeRecoveryUntested: the recovery key was never tried.
	CodeRecoveryUntested Code = "recoveryUntested"
	// CodeRecoveryUnsigned: the recovery key in the database was not put there by the organisation.
	CodeRecoveryUnsigned Code = "recoveryUnsigned"
	// CodeRecoveryIncomplete: there are private keys that the recovery key does not open.
	CodeRecoveryIncomplete Code = "recoveryIncomplete"
	// CodeNoBackup: no backup was made yet.
	CodeNoBackup Code = "noBackup"
	// CodeBackupOld: the newest backup is old.
	CodeBackupOld Code = "backupOld"
	// CodeTrialMailbox: the server runs the in-memory trial mailbox.
	CodeTrialMailbox Code = "trialMailbox"
	// CodeTrialNotServed: the organisation was made for a trial and runs without its mailbox.
	CodeTrialNotServed Code = "trialNotServed"
	// CodeRenewalFailed: a lineage that renews by itself was due and could not be renewed; it is tried again.
	CodeRenewalFailed Code = "renewalFailed"
	// CodeRenewalWaiting: a lineage that renews by itself is due, and its next generation waits for a person.
	CodeRenewalWaiting Code = "renewalWaiting"
	// CodeCertificateUntrusted: a certificate in use, of an authority, that its clients will not trust.
	CodeCertificateUntrusted Code = "certificateUntrusted"
	// CodeServedNotBound: over the wire a listener serves something else than what is bound to it, or does not answer.
	CodeServedNotBound Code = "servedNotBound"
	// CodeTokenEnding: a token of the API ends soon, or has ended.
	CodeTokenEnding Code = "tokenEnding"
	// CodeAuditNotSent: audit rows wait, because their collector does not take them.
	CodeAuditNotSent Code = "auditNotSent"
	// CodeNoticeNotSent: people or programs are not told what needs them, because a channel does not take it.
	CodeNoticeNotSent Code = "noticeNotSent"
	// CodeNameNotCovered: a listener's certificate holds no name that its clients use.
	CodeNameNotCovered Code = "nameNotCovered"
	// CodeClientsObject: clients of a listener will refuse what was enabled there: not trusted outside, not for servers,
	// not valid yet.
	CodeClientsObject Code = "clientsObject"
	// CodeAuditBroken: rows of the audit trail were changed, removed or moved, or an older database was put back.
	CodeAuditBroken Code = "auditBroken"
	// CodeAuditUnsigned: the end of the audit trail could not be signed and kept.
	CodeAuditUnsigned Code = "auditUnsigned"
	// CodeAuthorityUntended: what our own authority does by itself has failed: the book or the lists are not kept as they should.
	CodeAuthorityUntended Code = "authorityUntended"
	// CodeRootListEnding: the revocation list of a root whose key is elsewhere ends soon, or has ended.
	CodeRootListEnding Code = "rootListEnding"
	// CodeSecurityModuleUnreachable: keys of our own authority are in a security module that does not sign.
	CodeSecurityModuleUnreachable Code = "securityModuleUnreachable"
	// CodeRevocationUnsaid: an authority is revoked, and the list of its root, whose key is elsewhere, does not say so.
	CodeRevocationUnsaid Code = "revocationUnsaid"
	// CodeZLintFinds: zlint finds something in what our own authority made, for which nobody has given a reason.
	CodeZLintFinds Code = "zlintFinds"
)

// Codes returns every condition code, for the test that each has a hint.
func Codes() []Code {
	return []Code{
		CodeSnapshotRefused, CodeListenerClosed, CodeManagementWithoutCertificate, CodeListenerWithoutCertificate,
		CodeCertificateExpired, CodeCertificateEnding, CodeAuthCertificateMissing, CodeNoBackend, CodeServerNotRunning,
		CodeNoRecoveryKey, CodeTrialMailbox, CodeTrialNotServed, CodeRenewalFailed, CodeRenewalWaiting, CodeCertificateUntrusted, CodeNameNotCovered,
		CodeCertificateRevoked, CodeRevocationUnchecked, CodeServedNotBound, CodeClientsObject,
		CodeRecoveryUntested, CodeRecoveryUnsigned, CodeRecoveryIncomplete, CodeNoBackup, CodeBackupOld,
		CodeTokenEnding, CodeAuditNotSent, CodeNoticeNotSent,
		CodeAuditBroken, CodeAuditUnsigned, CodeAuthorityUntended, CodeRootListEnding, CodeSecurityModuleUnreachable, CodeRevocationUnsaid, CodeZLintFinds,
	}
}

// Condition is one thing to know, about one object.
type Condition struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Object   string    `json:"object,omitempty"` // listener, lineage or server; empty when there is only one
	Text     string    `json:"text"`             // one sentence in English
	Since    time.Time `json:"since,omitzero"`   // zero for what follows from the state
}

// Set is the conditions of one running server. The zero value is empty and ready; its methods may be
// called from any goroutine.
type Set struct {
	// mu guards held. It is never held across I/O.
	mu   sync.Mutex
	held map[key]Condition
}

type key struct {
	code   Code
	object string
}

// Raise records c, or renews its text when it is already raised; Since stays that of the first time.
func (s *Set) Raise(c Condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[key]Condition)
	}
	k := key{c.Code, c.Object}
	if old, ok := s.held[k]; ok {
		c.Since = old.Since
	} else {
		c.Since = time.Now().UTC()
	}
	s.held[k] = c
}

// Clear removes the condition code about object, if it is raised.
func (s *Set) Clear(code Code, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, key{code, object})
}

// List returns the conditions that hold: attention first, then by code and object.
func (s *Set) List() []Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Condition, 0, len(s.held))
	for _, c := range s.held {
		list = append(list, c)
	}
	Sort(list)
	return list
}

// Sort orders conditions as people read them: attention first, then by code and object.
func Sort(list []Condition) {
	slices.SortFunc(list, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
	})
}
