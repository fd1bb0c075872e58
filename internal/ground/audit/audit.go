// Package audit chains the rows of the audit trail, so that one that was changed, removed or moved is found.
//
// Each row has a hash: SHA-256 over the hash of the row before it and over everything that the row says
// ([Hash]). Whoever changes a row without its hash is found at that row; whoever changes both, at the next one
// ([Walk]). Nothing in a database can protect it from one who writes every hash anew. Therefore the newest
// hash, the [Head], is signed with the organisation's key and kept outside the database too: a database that
// does not lead to its head was written anew, cut, or replaced by an older one.
//
// The head lags behind by the rows of the last few seconds, because a signature and a durable file for each
// change would cost more than the change. It never leads: it is made of what has been committed. Who has both
// the database and the file may put back an older pair of both; only a copy elsewhere tells (docs/trust.md).
//
// The package holds the arithmetic. Rows are kept by package state, signed and judged by steer/desk.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"time"
)

// Row is one row of the trail of a server.
type Row struct {
	Number        int64 // 1, 2, 3 and so on, without a gap
	At            time.Time
	Who, From     string
	Act, Object   string
	Before, After string // JSON, or empty
}

// Begin is what the first row of a server follows.
func Begin(server string) []byte {
	sum := sha256.Sum256([]byte("postseal audit chain 1\x00" + server))
	return sum[:]
}

// Hash is the hash of a row that follows one with the hash previous. Every part goes in with its length
// before it, so that no two rows have the same bytes.
func Hash(previous []byte, server string, r Row) []byte {
	h := sha256.New()
	part(h, previous)
	part(h, []byte(server))
	number(h, r.Number)
	number(h, r.At.UnixMicro())
	for _, s := range []string{r.Who, r.From, r.Act, r.Object, r.Before, r.After} {
		part(h, []byte(s))
	}
	return h.Sum(nil)
}

func number(h hash.Hash, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	part(h, b[:])
}

func part(h hash.Hash, b []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(b)))
	h.Write(length[:]) // a hash takes everything
	h.Write(b)
}

// Fault is one thing that is wrong with a trail.
type Fault struct {
	Row  int64  `json:"row"` // its number; 0 for none in particular
	Text string `json:"text"`
}

// What a walk remembers at most.
const (
	maxFaults = 50 // beyond, they are counted
	maxMoved  = 32 // rows among which it looks for those that changed places: its work grows with the cube
)

// Walk follows a trail from its first row to its last. Make one with [NewWalk], give it every row with the
// hash that is stored with it, in the order of their numbers, and ask for [Walk.Faults].
type Walk struct {
	server   string
	next     int64  // number that must come now
	previous []byte // stored hash of the row before; nil: that row is missing
	faults   []Fault
	more     int // faults that are counted only
	bad      []misfit
}

// misfit is a row whose hash does not follow from what is before it.
type misfit struct {
	row            Row
	previous, hash []byte
	fault          int // its place among the faults
}

// NewWalk begins before row from, which follows a row with the hash base.
func NewWalk(server string, from int64, base []byte) *Walk {
	return &Walk{server: server, next: from, previous: base}
}

// Row takes the next row.
func (w *Walk) Row(r Row, hash []byte) {
	if r.Number > w.next {
		w.missing(w.next, r.Number-1)
		w.previous = nil
	}
	switch {
	case len(hash) != sha256.Size:
		w.fault(r.Number, "row %d has no hash: it was not written by postseal", r.Number)
	case w.previous != nil && !bytes.Equal(Hash(w.previous, w.server, r), hash):
		if w.fault(r.Number, "row %d was changed, or it does not follow row %d", r.Number, r.Number-1) && len(w.bad) < maxMoved {
			w.bad = append(w.bad, misfit{r, w.previous, hash, len(w.faults) - 1})
		}
	}
	w.next, w.previous = r.Number+1, hash
}

func (w *Walk) missing(from, to int64) {
	if from == to {
		w.fault(from, "row %d is missing", from)
		return
	}
	w.fault(from, "rows %d to %d are missing", from, to)
}

func (w *Walk) fault(row int64, format string, args ...any) bool {
	if len(w.faults) == maxFaults {
		w.more++
		return false
	}
	w.faults = append(w.faults, Fault{row, fmt.Sprintf(format, args...)})
	return true
}

// Last is the number of the last row.
func (w *Walk) Last() int64 { return w.next - 1 }

// Faults says what is wrong. Rows that changed places are named as such.
func (w *Walk) Faults() []Fault {
	for _, m := range w.bad {
		if text := w.moved(m); text != "" {
			w.faults[m.fault].Text = text
		}
	}
	if w.more > 0 {
		return append(w.faults[:len(w.faults):len(w.faults)], Fault{0, fmt.Sprintf("%d more rows are wrong", w.more)})
	}
	return w.faults
}

// moved looks for the place where a row fits: with its own hash, behind any row that is known. Empty for none:
// then its content is not the one that was written.
func (w *Walk) moved(m misfit) string {
	for _, place := range w.bad {
		r := m.row
		r.Number = place.row.Number
		for _, near := range w.bad {
			for _, previous := range [][]byte{near.previous, near.hash} {
				if !bytes.Equal(Hash(previous, w.server, r), m.hash) {
					continue
				}
				if r.Number == m.row.Number {
					return fmt.Sprintf("row %d is as it was written, but the row before it is another", r.Number)
				}
				return fmt.Sprintf("row %d was moved: it was written as row %d", m.row.Number, r.Number)
			}
		}
	}
	return ""
}
