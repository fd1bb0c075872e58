package health

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAConditionKeepsItsFirstTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set
		began := time.Now().UTC()
		s.Raise(Condition{Code: CodeListenerClosed, Severity: Attention, Object: "imaps", Text: "first"})
		time.Sleep(time.Hour)
		s.Raise(Condition{Code: CodeListenerClosed, Severity: Attention, Object: "imaps", Text: "second"})
		got := s.List()
		if len(got) != 1 || !got[0].Since.Equal(began) || got[0].Text != "second" {
			t.Fatalf("got %v, want one condition since %v with the second text", got, began)
		}
		s.Clear(CodeListenerClosed, "imaps")
		if got := s.List(); len(got) != 0 {
			t.Fatalf("cleared, still %v", got)
		}
	})
}

func TestAttentionComesFirst(t *testing.T) {
	var s Set
	s.Raise(Condition{Code: CodeNoRecoveryKey, Severity: Information})
	s.Raise(Condition{Code: CodeSnapshotRefused, Severity: Attention})
	if got := s.List(); got[0].Code != CodeSnapshotRefused {
		t.Errorf("got %v first", got[0].Code)
	}
}
