package acme

import "fmt"

// ProblemType is the name of a problem, the last part of its urn.
type ProblemType string

// The problems of RFC 8555 section 6.7, and those that other documents add, as they stand on the wire.
const (
	AccountDoesNotExist     ProblemType = "accountDoesNotExist"
	AlreadyReplaced         ProblemType = "alreadyReplaced" // RFC 9773 section 7.4
	AlreadyRevoked          ProblemType = "alreadyRevoked"
	BadCSR                  ProblemType = "badCSR"
	BadNonce                ProblemType = "badNonce"
	BadPublicKey            ProblemType = "badPublicKey"
	BadRevocationReason     ProblemType = "badRevocationReason"
	BadSignatureAlgorithm   ProblemType = "badSignatureAlgorithm"
	CAA                     ProblemType = "caa"
	Compound                ProblemType = "compound"
	Connection              ProblemType = "connection"
	DNS                     ProblemType = "dns"
	ExternalAccountRequired ProblemType = "externalAccountRequired"
	IncorrectResponse       ProblemType = "incorrectResponse"
	InvalidContact          ProblemType = "invalidContact"
	InvalidProfile          ProblemType = "invalidProfile" // draft-ietf-acme-profiles section 6.3
	Malformed               ProblemType = "malformed"
	OrderNotReady           ProblemType = "orderNotReady"
	RateLimited             ProblemType = "rateLimited"
	RejectedIdentifier      ProblemType = "rejectedIdentifier"
	ServerInternal          ProblemType = "serverInternal"
	TLS                     ProblemType = "tls"
	Unauthorized            ProblemType = "unauthorized"
	UnsupportedContact      ProblemType = "unsupportedContact"
	UnsupportedIdentifier   ProblemType = "unsupportedIdentifier"
	UserActionRequired      ProblemType = "userActionRequired"
)

const problemPrefix = "urn:ietf:params:acme:error:"

// Problem is what went wrong, as an RFC 9457 document.
type Problem struct {
	Type        ProblemType  `json:"type"`
	Detail      string       `json:"detail,omitempty"`
	Status      int          `json:"status,omitempty"` // of HTTP
	Algorithms  []string     `json:"algorithms,omitempty"`
	Identifier  *Identifier  `json:"identifier,omitempty"`
	Subproblems []Subproblem `json:"subproblems,omitempty"` // RFC 8555 section 6.7.1
}

// Subproblem says which name a part of a problem is about.
type Subproblem struct {
	Type       ProblemType `json:"type"`
	Detail     string      `json:"detail,omitempty"`
	Identifier Identifier  `json:"identifier"`
}

// Problemf makes a problem with a detail for people.
func Problemf(t ProblemType, format string, args ...any) *Problem {
	return &Problem{Type: t, Detail: fmt.Sprintf(format, args...)}
}

// Error is the name and the detail.
func (p *Problem) Error() string { return string(p.Type) + ": " + p.Detail }

// MarshalText writes the urn of RFC 8555 section 6.7.
func (t ProblemType) MarshalText() ([]byte, error) { return []byte(problemPrefix + string(t)), nil }

// UnmarshalText reads it. What is no problem of ACME keeps its whole address.
func (t *ProblemType) UnmarshalText(text []byte) error {
	*t = ProblemType(text)
	if s := string(text); len(s) > len(problemPrefix) && s[:len(problemPrefix)] == problemPrefix {
		*t = ProblemType(s[len(problemPrefix):])
	}
	return nil
}
