package desk

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/issue/crl"
)

// TestAcceptListKnowsTheTime: a machine without a network has nobody who sets its clock. A list from one that is ahead would
// have every client refuse everything until then.
func TestAcceptListKnowsTheTime(t *testing.T) {
	t.Parallel()
	root, err := ceremony.MakeRoot(&ceremony.Request{Organisation: "Example", RootKey: "ecdsa-p384"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ahead time.Duration
		want  string
	}{
		"a good clock":         {-ca.Backdate, ""},
		"one that is ahead":    {time.Hour, "begins only on"},
		"one of two years ago": {-ceremony.ListLife - time.Hour, "not newer"},
	} {
		var list bytes.Buffer
		this := time.Now().Add(c.ahead).UTC().Truncate(time.Second)
		if err := crl.Write(&list, crl.Options{Issuer: root.Certificate(), Signer: root.Key(), Number: big.NewInt(7), ThisUpdate: this, NextUpdate: this.Add(ceremony.ListLife),
			Entries: func(func(crl.Entry, error) bool) {}}); err != nil {
			t.Fatal(err)
		}
		_, err := acceptList(list.Bytes(), state.Authority{ID: "r", Name: "root"}, "6", nil)
		if refused, is := errors.AsType[*AnswerError](err); c.want == "" && err != nil || c.want != "" && (!is || !strings.Contains(refused.Reason, c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
