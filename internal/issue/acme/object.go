package acme

import (
	"encoding/json"
	"time"
)

// Status is where an object of ACME is on its way, RFC 8555 section 7.1.6.
type Status string

// The states, as they stand on the wire.
const (
	StatusPending     Status = "pending"
	StatusReady       Status = "ready"
	StatusProcessing  Status = "processing"
	StatusValid       Status = "valid"
	StatusInvalid     Status = "invalid"
	StatusDeactivated Status = "deactivated"
	StatusExpired     Status = "expired"
	StatusRevoked     Status = "revoked"
)

// IdentifierType is a kind of name.
type IdentifierType string

// The kinds: RFC 8555 section 9.7.7 and RFC 8738 section 3.
const (
	IdentifierDNS IdentifierType = "dns"
	IdentifierIP  IdentifierType = "ip"
)

// Identifier is a name that a certificate is asked for.
type Identifier struct {
	Type  IdentifierType `json:"type"`
	Value string         `json:"value"`
}

// ChallengeType is a way to prove that one holds a name.
type ChallengeType string

// The ways: RFC 8555 section 8.3 and 8.4, RFC 8737 section 3.
const (
	HTTP01    ChallengeType = "http-01"
	DNS01     ChallengeType = "dns-01"
	TLSALPN01 ChallengeType = "tls-alpn-01"
)

// Directory is where a server's resources are, RFC 8555 section 7.1.1.
type Directory struct {
	NewNonce    string        `json:"newNonce"`
	NewAccount  string        `json:"newAccount"`
	NewOrder    string        `json:"newOrder"`
	RevokeCert  string        `json:"revokeCert"`
	KeyChange   string        `json:"keyChange"`
	RenewalInfo string        `json:"renewalInfo,omitempty"` // RFC 9773
	Meta        DirectoryMeta `json:"meta"`
}

// DirectoryMeta says what a server wants and offers.
type DirectoryMeta struct {
	TermsOfService          string            `json:"termsOfService,omitempty"`
	Website                 string            `json:"website,omitempty"`
	CAAIdentities           []string          `json:"caaIdentities,omitempty"`
	ExternalAccountRequired bool              `json:"externalAccountRequired,omitempty"`
	Profiles                map[string]string `json:"profiles,omitempty"` // draft-ietf-acme-profiles section 3: a name, and a sentence for people
}

// Account is an account as both sides write it, RFC 8555 section 7.1.2.
type Account struct {
	Status                 Status          `json:"status,omitempty"`
	Contact                []string        `json:"contact,omitempty"`
	TermsOfServiceAgreed   bool            `json:"termsOfServiceAgreed,omitempty"`
	OnlyReturnExisting     bool            `json:"onlyReturnExisting,omitempty"`
	ExternalAccountBinding json.RawMessage `json:"externalAccountBinding,omitempty"`
	Orders                 string          `json:"orders,omitempty"`
}

// Order is what is asked for, RFC 8555 section 7.1.3.
type Order struct {
	Status         Status       `json:"status,omitempty"`
	Expires        *time.Time   `json:"expires,omitempty"`
	Identifiers    []Identifier `json:"identifiers"`
	Profile        string       `json:"profile,omitempty"`
	Replaces       string       `json:"replaces,omitempty"` // RFC 9773 section 5
	NotBefore      *time.Time   `json:"notBefore,omitempty"`
	NotAfter       *time.Time   `json:"notAfter,omitempty"`
	Error          *Problem     `json:"error,omitempty"`
	Authorizations []string     `json:"authorizations,omitempty"`
	Finalize       string       `json:"finalize,omitempty"`
	Certificate    string       `json:"certificate,omitempty"`
}

// Authorization is what must be proved about one name, RFC 8555 section 7.1.4.
type Authorization struct {
	Identifier Identifier  `json:"identifier"`
	Status     Status      `json:"status"`
	Expires    *time.Time  `json:"expires,omitempty"`
	Challenges []Challenge `json:"challenges"`
	Wildcard   bool        `json:"wildcard,omitempty"`
}

// Challenge is one way to prove it, RFC 8555 section 7.1.5.
type Challenge struct {
	Type      ChallengeType `json:"type"`
	URL       string        `json:"url"`
	Status    Status        `json:"status"`
	Validated *time.Time    `json:"validated,omitempty"`
	Error     *Problem      `json:"error,omitempty"`
	Token     string        `json:"token"`
}

// Finalize brings the request for the certificate, RFC 8555 section 7.4.
type Finalize struct {
	CSR string `json:"csr"` // base64url of PKCS#10 DER
}

// Revocation asks to take a certificate back, RFC 8555 section 7.6.
type Revocation struct {
	Certificate string `json:"certificate"` // base64url of DER
	Reason      *int   `json:"reason,omitempty"`
}

// KeyChange is what the new key signs, RFC 8555 section 7.3.5.
type KeyChange struct {
	Account string          `json:"account"`
	OldKey  json.RawMessage `json:"oldKey"`
}

// RenewalInfo says when a certificate should be renewed, RFC 9773 section 4.2.
type RenewalInfo struct {
	SuggestedWindow Window `json:"suggestedWindow"`
	ExplanationURL  string `json:"explanationURL,omitempty"`
}

// Window is a span of time; a client takes a random moment in it.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}
