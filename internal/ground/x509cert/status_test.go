package x509cert

import (
	"slices"
	"testing"
)

func TestFirst(t *testing.T) {
	t.Parallel()
	tests := []struct {
		faults []Status
		want   Status
	}{
		{nil, StatusValid},
		{[]Status{StatusValid}, StatusValid},
		{[]Status{StatusValid, StatusUnknown}, StatusUnknown},
		{[]Status{StatusUntrusted, StatusDateInvalid, StatusRevoked}, StatusRevoked},
		{[]Status{StatusRevocationCheckFailure, StatusUntrusted}, StatusUntrusted},
		{[]Status{StatusInvalid, StatusPendingRequest}, StatusPendingRequest},
		{[]Status{"valid"}, StatusInvalid},
		{[]Status{""}, StatusInvalid},
	}
	for _, tt := range tests {
		if got := First(tt.faults...); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.faults, got, tt.want)
		}
	}
	// From the back, each word must win over the one found before it.
	var found []Status
	for _, s := range slices.Backward(Statuses()) {
		if found = append(found, s); First(found...) != s {
			t.Errorf("got %v, want %v first of %v", First(found...), s, found)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	want := []Status{"PendingRequest", "Invalid", "Revoked", "DateInvalid", "Untrusted", "RevocationCheckFailure", "Unknown", "Valid"}
	if got := Statuses(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	roots := []RootType{"None", "ThirdParty", "Enterprise", "Registry", "GroupPolicy", "Unknown"}
	if got := RootTypes(); !slices.Equal(got, roots) {
		t.Errorf("got %v, want %v", got, roots)
	}
}
