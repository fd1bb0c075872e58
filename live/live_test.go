package live

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"postseal/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// succeeds fails the test unless a peer ended well.
func succeeds(t *testing.T, r peers.Result) {
	t.Helper()
	if r.Exit != 0 {
		t.Error(r)
	}
}

// decode reads the one JSON document that a command printed.
func decode(t *testing.T, r peers.Result, into any) {
	t.Helper()
	if r.Exit != 0 {
		t.Fatal(r)
	}
	if err := json.Unmarshal([]byte(r.Stdout), into); err != nil {
		t.Fatalf("%v: %v", err, r)
	}
}
