package state

// Watch returns a channel that gets the sequence number of the newest change, and a function that ends
// the watch. Changes made while nobody receives are merged: only the newest number waits.
func (db *DB) Watch() (changes <-chan int64, stop func()) {
	ch := make(chan int64, 1)
	db.mu.Lock()
	defer db.mu.Unlock()
	db.watchers[ch] = struct{}{}
	return ch, func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		delete(db.watchers, ch)
	}
}

// Seq returns the number of the last change.
func (db *DB) Seq() int64 {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.seq
}

// announce tells every watcher about seq. The channels have room for one: an older number is replaced.
func (db *DB) announce(seq int64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.seq = max(db.seq, seq)
	for ch := range db.watchers {
		select {
		case <-ch:
		default:
		}
		ch <- db.seq
	}
}

// Changes is another number after each [DB.Update] that was made or may have been made, and costs no look at the
// database: the process holds the state alone, so there is nobody else whose changes it could miss. Who remembers what he
// has read asks for the number before he reads; what he remembers holds as long as the number is the same.
func (db *DB) Changes() int64 { return db.changes.Load() }
