// Package keyring holds the certificates that are in force, by name, and hands a [tls.Config] to anybody who
// listens.
//
// A mail server answers on many ports, and one port may have several certificates. In the first message of a TLS
// handshake the client may say which host it wants (SNI, RFC 6066 section 3) and says which kinds of key it
// understands. From these two facts and the listener's name the ring chooses: first a lineage (an exact name, then a
// wildcard of one label, then the listener's default), then the member of its generation that the client can use
// (ECDSA before RSA, because RSA costs several times as much). [Ring.Explain] tells in words what a handshake does,
// and walks through the same code.
//
// What can be chosen from is a snapshot: immutable, checked as a whole, swapped with one atomic store. A handshake
// reads the snapshot only, never the disk, the database or the network, and keys are used only as [crypto.Signer].
// Session tickets (RFC 5077, RFC 8446 section 4.6.1) carry what they were issued for, so a resumed session never
// hides a swap and never crosses from one listener to another.
//
// Normal use: [New] once, [Ring.Config] once for each listener when it opens, and [Ring.Swap] with a fresh [Input]
// after each change of the state. Connections that exist already go on undisturbed.
//
// keyring does not read the state, does not renew, does not judge whether a client will trust what it serves, and
// never refuses a certificate because it has expired: an old certificate is better than none, and Explain says so.
package keyring

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
)

// Options are what a Ring can be told at the start. The zero value is good.
type Options struct {
	// Log hears which certificate comes into force where. Nil means that nobody is told.
	Log *slog.Logger
}

// A Ring is the set of certificates in force. It may be used by many goroutines at once.
type Ring struct {
	log *slog.Logger

	// swapping lets one Swap build at a time, so that an older Input cannot overtake a newer one. Handshakes never
	// wait for it.
	swapping sync.Mutex
	current  atomic.Pointer[snapshot] // never nil; what it points to is never changed
	tickets  atomic.Pointer[tls.Config]
}

// New returns a Ring with nothing in force: until the first [Ring.Swap] every handshake fails with
// [ErrNoCertificate].
func New(opts Options) *Ring {
	r := &Ring{log: opts.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.current.Store(&snapshot{seq: -1})
	r.RotateTickets()
	return r
}

// Swap builds a new snapshot from in, checks it, and puts it in force: a handshake that starts after Swap has
// returned sees the new certificates. If anything in it does not check, Swap returns a [*SnapshotError] and the old
// snapshot goes on serving, on every listener.
//
// An Input with a smaller Seq than the one in force has been overtaken: it is ignored, without an error. Equal is
// taken.
func (r *Ring) Swap(in Input) error {
	r.swapping.Lock()
	defer r.swapping.Unlock()
	old := r.current.Load()
	if in.Seq < old.seq {
		return nil
	}
	s, err := r.build(in)
	if err != nil {
		return fmt.Errorf("building the certificate snapshot %d: %w", in.Seq, err)
	}
	r.current.Store(s)
	r.logChanges(old, s)
	return nil
}

// Seq returns the state change sequence of the snapshot in force, or -1 before the first one. Whoever made change n
// has it served when Seq is n or more.
func (r *Ring) Seq() int64 { return r.current.Load().seq }

// Config returns the configuration with which the named listener answers. Ask once, when the listener opens: the
// configuration stays good for the life of the process and follows every swap by itself. It must not be changed.
//
// While the listener has no binding, or is not in the snapshot, its handshakes fail with [ErrNoCertificate].
func (r *Ring) Config(listener string) *tls.Config {
	missing := fmt.Errorf("listener %q: %w", listener, ErrNoCertificate)
	return r.outer(missing, func(s *snapshot) *port { return s.ports[listener] })
}

// Internal returns the configuration of a server that shows the internal certificate, whatever the listeners are
// bound to: the organisation's own servers compare it byte for byte (see [Ring.InternalLeaves]). Like that of
// [Ring.Config] it follows every swap and must not be changed. Without an internal lineage its handshakes fail with
// [ErrNoCertificate].
func (r *Ring) Internal() *tls.Config {
	missing := fmt.Errorf("internal certificate: %w", ErrNoCertificate)
	return r.outer(missing, func(s *snapshot) *port { return s.internal })
}

// InternalLeaves returns the DER of every member of the internal certificate, for direct trust: a peer that shows one
// of them is this server. The bytes belong to the ring and must not be changed. It is empty without an internal
// lineage.
func (r *Ring) InternalLeaves() [][]byte {
	p := r.current.Load().internal
	if p == nil {
		return nil
	}
	gen := p.standard.generation
	leaves := make([][]byte, len(gen.members))
	for i, m := range gen.members {
		leaves[i] = m.leaf.Raw
	}
	return leaves
}

// logChanges tells which default bindings serve something else than before. At the start everything is new, which
// the caller announces better: that is for debugging only.
func (r *Ring) logChanges(old, now *snapshot) {
	level := slog.LevelInfo
	if old.seq < 0 {
		level = slog.LevelDebug
	}
	names := make([]string, 0, len(now.ports))
	for name := range now.ports {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p, before := now.ports[name], old.ports[name]
		switch {
		case len(p.candidates) == 0:
			if before != nil && len(before.candidates) > 0 {
				r.log.Log(context.Background(), level, "no certificate in force", "listener", name, "seq", now.seq)
			}
		case before == nil || len(before.candidates) == 0 || before.standard.digest != p.standard.digest:
			gen := p.standard.generation
			r.log.Log(context.Background(), level, "certificate in force", "listener", name, "lineage", gen.lineage,
				"generation", gen.number, "thumbprint", gen.members[0].facts.Thumbprint, "seq", now.seq)
		}
	}
}
