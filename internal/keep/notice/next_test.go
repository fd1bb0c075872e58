package notice

import (
	"testing"
	"time"
)

// TestNext: the reminder that is foreseen is the one that comes.
func TestNext(t *testing.T) {
	t.Parallel()
	end := time.Date(2027, 3, 15, 12, 0, 0, 0, time.UTC)
	for stage, want := range map[int]int{Overdue: 60, 60: 30, 30: 14, 14: 7, 7: 1, 1: 0} {
		got, ok := Next(stage, end)
		if !ok || !got.Equal(end.AddDate(0, 0, -want)) {
			t.Errorf("stage %d: got %v, %v, want %d days before the end", stage, got, ok, want)
		}
		life := Life{NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
		if before, tell := Stage(life, got.Add(-time.Second)); stage != Overdue && (!tell || before != stage) {
			t.Errorf("just before, the stage is %d, %v, want %d", before, tell, stage)
		}
		if then, tell := Stage(life, got); !tell || then != want {
			t.Errorf("at the reminder the stage is %d, %v, want %d", then, tell, want)
		}
	}
	for _, c := range []struct {
		stage int
		end   time.Time
	}{{Now, end}, {Now, time.Time{}}, {30, time.Time{}}} {
		if got, ok := Next(c.stage, c.end); ok {
			t.Errorf("stage %d of %v: got %v, want none", c.stage, c.end, got)
		}
	}
}
