package x509cert

import "slices"

// A Status says in one word how a certificate stands. The words are those of Exchange.
type Status string

// The words, in the order in which they apply: one certificate can have many faults, and the first is its status.
const (
	StatusPendingRequest         Status = "PendingRequest"         // a request that waits for its authority's answer
	StatusInvalid                Status = "Invalid"                // malformed, or its chain is broken in a way not named below
	StatusRevoked                Status = "Revoked"                // its authority took it back
	StatusDateInvalid            Status = "DateInvalid"            // before notBefore or after notAfter
	StatusUntrusted              Status = "Untrusted"              // the chain ends nowhere that we trust
	StatusRevocationCheckFailure Status = "RevocationCheckFailure" // nobody could say whether it is revoked
	StatusUnknown                Status = "Unknown"                // not evaluated yet
	StatusValid                  Status = "Valid"                  // none of all these
)

// Statuses lists the words in the order in which they apply, [StatusValid] last.
func Statuses() []Status {
	return []Status{
		StatusPendingRequest, StatusInvalid, StatusRevoked, StatusDateInvalid,
		StatusUntrusted, StatusRevocationCheckFailure, StatusUnknown, StatusValid,
	}
}

// First returns the status of a certificate with these faults, in whatever order they were found: the first that
// applies. Without a fault it is [StatusValid]. A fault that is none of the words counts as [StatusInvalid], so that a
// misspelt word never makes a certificate good.
func First(faults ...Status) Status {
	first := StatusValid
	for _, fault := range faults {
		if !slices.Contains(Statuses(), fault) {
			fault = StatusInvalid
		}
		if slices.Index(Statuses(), fault) < slices.Index(Statuses(), first) {
			first = fault
		}
	}
	return first
}

// A RootType says where the root of a certificate's chain comes from. The words are those of Exchange.
type RootType string

// The words, in Exchange's order.
const (
	RootNone        RootType = "None"        // own self-signed certificates made after setup
	RootThirdParty  RootType = "ThirdParty"  // the root store of the system
	RootEnterprise  RootType = "Enterprise"  // our own authority
	RootRegistry    RootType = "Registry"    // setup's own certificates, and roots added by hand
	RootGroupPolicy RootType = "GroupPolicy" // pushed by an administrator's tool
	RootUnknown     RootType = "Unknown"     // pending requests
)

// RootTypes lists the words in Exchange's order.
func RootTypes() []RootType {
	return []RootType{RootNone, RootThirdParty, RootEnterprise, RootRegistry, RootGroupPolicy, RootUnknown}
}
