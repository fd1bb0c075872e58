// Package desk is the administrator's desk: every act on the organisation and every look at it, in one
// place, whoever asks.
//
// The command line (with or without a running server), the management API on the Unix socket and the
// pages all end here, so they cannot differ. An act checks what it was given (usage), then the state,
// and only then changes it, in one transaction with an audit row. The acts that replace or destroy take
// DryRun and answer with a [Change]: what would move from which certificate to which, and the command
// that undoes it; IfSeq makes sure that what was shown is what is done.
//
// In a running server an act returns when it is in force: the desk reads the state into the keyring and
// asks its [Runtime] to open and close listeners. Without a server the runtime is [Stopped].
//
// [Setup] makes an organisation; [Open] opens an existing one. The words (lineage, generation, binding)
// are those of docs/design.md.
package desk

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/health"
	"postseal/internal/ground/hsm"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/keep/keyring"
	"postseal/internal/keep/revocation"
)

// Errors of opening an organisation.
var (
	// ErrSealingKeyMissing: the organisation is there, the file that opens its keys is not.
	ErrSealingKeyMissing = errors.New("the sealing key is missing")
	// ErrSealingKeyForeign: the sealing key file belongs to another server or organisation.
	ErrSealingKeyForeign = errors.New("the sealing key does not belong to this state")
)

// Options say what a desk works on.
type Options struct {
	State   *state.DB
	Sealing string      // path of the sealing key file
	Runtime Runtime     // nil means Stopped
	Health  *health.Set // what the running server has found; nil means nothing
	Log     *slog.Logger
	// Revocation says which certificates their authorities took back. Whoever gives it runs it. Nil means what an earlier
	// server has left on disk.
	Revocation *revocation.Checker
	Config     string // path of the configuration file, which goes into backups; there need not be one
	Notices    Noticing
	// Module holds keys of our own authority; nil means that no security module is configured.
	Module *hsm.Module
	// ZLint is the path of the program postseal-zlint, which need not be there; empty means none. Whoever gives it runs
	// [Desk.RunZLint].
	ZLint string

	disk disk // the zero value is the real one; tests make it fail
	// wrap, when set, is given each key of an authority before anything signs with it, and what it returns signs. Tests see
	// there what is signed, and when.
	wrap func(crypto.Signer) crypto.Signer
	// below is how many certificates one transaction revokes; zero means a thousand.
	below int
}

// Desk is an open organisation, seen from one of its servers. Its methods may be called from any
// goroutine.
type Desk struct {
	db      *state.DB
	sealing *keys.SealingFile
	server  string // id of this server
	config  string // path of the configuration file
	disk    disk   // where the head of the audit trail is written
	runtime Runtime
	health  *health.Set
	log     *slog.Logger
	ring    *keyring.Ring
	module  *hsm.Module // nil: none is configured
	zlint   string      // path of postseal-zlint
	wrap    func(crypto.Signer) crypto.Signer
	below   int // certificates that one transaction revokes
	// noticing is how people and programs are told.
	noticing Noticing

	// acting is held for the length of one act, before settling.
	acting sync.Mutex
	// auditing is held while the audit trail is signed or judged: its head has two places.
	auditing sync.Mutex
	checked  *auditCheck // the last look at the whole trail, held under auditing; nil for none
	// settling is held while the state is read into the keyring and the runtime follows, so that
	// two changes settle in their order.
	settling sync.Mutex
	// judge is the last one that was needed; guarded by judging.
	judging sync.Mutex
	judge   *judge
	// revoked is opened when somebody asks: most commands do not.
	revoked func() (*revocation.Checker, error)

	// publicKeys judges the keys of certificates that are taken in.
	publicKeys *keys.PublicJudge
	// seen is the last look at each listener over the wire; guarded by seeing.
	seeing sync.Mutex
	seen   map[string]Seen

	// kept is what looks at the state share while it does not change.
	kept keptState

	// pki is what the organisation's own authority has at hand.
	pki publishing
	// approving are requests that a second person agrees to just now.
	approving approving
	// public is what strangers are shown to trust.
	public publicState

	// signers are the opened private keys by secret id; guarded by settling.
	signers map[string]*keys.Private
}

// Open opens the organisation in o.State with the sealing key. [state.ErrNoOrganisation] means that
// nothing was set up. A setup that was killed before its last step is finished here.
func Open(ctx context.Context, o Options) (*Desk, error) {
	if o.Runtime == nil {
		o.Runtime = Stopped{}
	}
	if o.Health == nil {
		o.Health = new(health.Set)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.wrap == nil {
		o.wrap = func(key crypto.Signer) crypto.Signer { return key }
	}
	d := &Desk{db: o.State, runtime: o.Runtime, health: o.Health, log: o.Log, config: o.Config, noticing: o.Notices, module: o.Module, zlint: o.ZLint, disk: o.disk, wrap: o.wrap, below: cmp.Or(o.below, fallenLines), publicKeys: keys.NewPublicJudge(), signers: make(map[string]*keys.Private)}
	d.ring = keyring.New(keyring.Options{Log: o.Log})
	d.revoked = revokedBy(o)
	err := d.db.View(ctx, func(tx *state.Tx) error {
		org, err := tx.Organisation()
		if err != nil {
			return fmt.Errorf("opening the data directory %s: %w", d.db.Dir(), err)
		}
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		err = d.unlock(o, org, servers)
		if errors.Is(err, ErrSealingKeyMissing) {
			return lost(tx, o.Sealing, err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// unlock reads the sealing key file and finds out which of the servers we are.
func (d *Desk) unlock(o Options, org state.Organisation, servers []state.Server) error {
	path := o.Sealing
	file, err := keys.ReadSealingFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A setup ended before its last step, or the file is gone. A pending key of another setup is none of ours.
		if left, leftErr := keys.ReadSealingFile(pending(path)); leftErr == nil && belongs(left, org, servers) {
			file, err = left, o.disk.move(pending(path), path)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the sealing key %s: %w", path, ErrSealingKeyMissing)
	}
	if err != nil {
		return err
	}
	if !belongs(file, org, servers) {
		return fmt.Errorf("reading the sealing key %s: %w", path, ErrSealingKeyForeign)
	}
	d.sealing, d.server = file, file.Server
	return nil
}

// lost says what hangs on a sealing key that is missing. cause stands if that cannot be found out.
func lost(tx *state.Tx, path string, cause error) error {
	servers, err := tx.Servers()
	if err != nil || len(servers) == 0 {
		return cause
	}
	v, err := bareView(tx, servers[0].Name)
	if err != nil {
		return cause
	}
	_, err = tx.Recovery()
	return &KeysLostError{Path: path, Recovery: err == nil, Losses: v.losses()}
}

func belongs(file *keys.SealingFile, org state.Organisation, servers []state.Server) bool {
	for _, s := range servers {
		if s.ID == file.Server {
			return bytes.Equal(org.PublicKey, file.Organisation) && bytes.Equal(s.SealingPublicKey, file.Key.Public())
		}
	}
	return false
}

// Ring returns the keyring, which the listeners serve from. It is empty until [Desk.Settle].
func (d *Desk) Ring() *keyring.Ring { return d.ring }

// State returns the state below the desk.
func (d *Desk) State() *state.DB { return d.db }

// newID returns a fresh identifier of 128 random bits.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return hex.EncodeToString(b[:])
}

// view is everything that one look at the state needs, read at one moment.
type view struct {
	org       state.Organisation
	server    state.Server
	servers   []state.Server
	lineages  []state.Lineage
	bindings  []state.Binding
	listeners []state.Listener
	seq       int64
	judge     *judge
	recovery  *backup.Public // nil: there is none that the organisation has signed
	unsigned  bool           // somebody else has put one there: nothing is wrapped for it
	issued    *issuedHere    // what our own authority knows of our lineages
	// resolve is [Runtime.Address]; nil means that listeners are where the state says.
	resolve func(name string, stored netip.AddrPort) netip.AddrPort
	facts   *keptState

	// Indexes, because there may be ten thousand lineages and each is asked where it serves.
	byID   map[string]int // place in lineages
	byName map[string]int // place in lineages
	held   map[place]string
}

// place is where a lineage can have a role.
type place struct{ listener, lineageID string }

// look reads a view.
func (d *Desk) look(tx *state.Tx) (*view, error) {
	v, err := d.glance(tx)
	if err != nil {
		return nil, err
	}
	if v.lineages, err = d.kept.lineagesAt(tx, v.seq); err != nil {
		return nil, err
	}
	v.index()
	return v, nil
}

// glance reads a view without its lineages.
func (d *Desk) glance(tx *state.Tx) (*view, error) {
	v := &view{facts: &d.kept, resolve: d.runtime.Address}
	var err error
	if v.seq, err = tx.Seq(); err != nil {
		return nil, err
	}
	if v.org, err = tx.Organisation(); err != nil {
		return nil, err
	}
	if v.servers, err = tx.Servers(); err != nil {
		return nil, err
	}
	for _, s := range v.servers {
		if s.ID == d.server {
			v.server = s
		}
	}
	if v.bindings, err = tx.Bindings(d.server); err != nil {
		return nil, err
	}
	if v.listeners, err = tx.Listeners(d.server); err != nil {
		return nil, err
	}
	sortListeners(v.listeners)
	if err := d.lookRecovery(tx, v); err != nil {
		return nil, err
	}
	if v.issued, err = d.pki.issuedAt(tx, v.seq); err != nil {
		return nil, err
	}
	v.judge, err = d.judgeFor(tx)
	return v, err
}

func (v *view) index() {
	v.byID, v.byName, v.held = make(map[string]int), make(map[string]int), make(map[place]string)
	for i, l := range v.lineages {
		v.byID[l.ID], v.byName[l.Name] = i, i
	}
	for _, b := range v.bindings {
		v.held[place{b.Listener, b.LineageID}] = b.Role
	}
}

// View reads a view in a transaction of its own.
func (d *Desk) view(ctx context.Context) (v *view, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		v, err = d.look(tx)
		return err
	})
	return v, err
}

// lineage returns the lineage with that id.
func (v *view) lineage(id string) (state.Lineage, bool) {
	i, ok := v.byID[id]
	if !ok {
		return state.Lineage{}, false
	}
	return v.lineages[i], true
}

// named returns the lineage of that name.
func (v *view) named(name string) (state.Lineage, bool) {
	i, ok := v.byName[name]
	if !ok {
		return state.Lineage{}, false
	}
	return v.lineages[i], true
}

// defaultOf returns the lineage that is the default of a listener. One whose generation in force was
// removed is none: it has nothing to serve.
func (v *view) defaultOf(listener string) (state.Lineage, bool) {
	for _, b := range v.bindings {
		if b.Listener == listener && b.Role == state.RoleDefault {
			l, _ := v.lineage(b.LineageID)
			_, ok := l.Current()
			return l, ok
		}
	}
	return state.Lineage{}, false
}

// role returns the role of a lineage at a listener, empty for none.
func (v *view) role(listener, lineageID string) string {
	return v.held[place{listener, lineageID}]
}
