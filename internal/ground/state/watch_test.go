package state

import (
	"sync"
	"testing"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	nothing := func(*Tx) error { return nil }
	t.Run("changes are merged while nobody receives", func(t *testing.T) {
		changes, stop := db.Watch()
		defer stop()
		if len(changes) != 0 {
			t.Errorf("before any change: got %d", <-changes)
		}
		update(t, db, nothing)
		update(t, db, nothing)
		want := update(t, db, nothing)
		if got := <-changes; got != want || got != db.Seq() {
			t.Errorf("got %d, want %d", got, want)
		}
		if len(changes) != 0 {
			t.Errorf("once more: got %d", <-changes)
		}
	})
	t.Run("a refused change is no change", func(t *testing.T) {
		changes, stop := db.Watch()
		defer stop()
		refused(t, db, func(*Tx) error { return errTest })
		if len(changes) != 0 {
			t.Errorf("got %d, want nothing", <-changes)
		}
	})
	t.Run("a stopped watch gets nothing more", func(t *testing.T) {
		changes, stop := db.Watch()
		other, stopOther := db.Watch()
		defer stopOther()
		stop()
		stop() // twice does no harm
		want := update(t, db, nothing)
		if len(changes) != 0 {
			t.Errorf("got %d, want nothing", <-changes)
		}
		if got := <-other; got != want {
			t.Errorf("the other watch: got %d, want %d", got, want)
		}
	})
	t.Run("many watchers all come to the last change", func(t *testing.T) {
		const watchers, writers, changes = 50, 4, 10
		last := db.Seq() + writers*changes
		var all sync.WaitGroup
		for range watchers {
			ch, stop := db.Watch()
			all.Go(func() {
				defer stop()
				for before := int64(0); ; {
					select {
					case seq := <-ch:
						if seq < before {
							t.Errorf("got %d after %d", seq, before)
						}
						if before = seq; seq == last {
							return
						}
					case <-t.Context().Done():
						t.Errorf("the last number seen is %d, want %d", before, last)
						return
					}
				}
			})
		}
		for range writers {
			all.Go(func() {
				for range changes {
					if _, err := db.Update(t.Context(), tester, audited(nothing)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if got := db.Seq(); got != last {
			t.Errorf("got %d, want %d", got, last)
		}
	})
}
