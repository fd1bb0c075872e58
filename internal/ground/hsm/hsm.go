package hsm

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"postseal/internal/ground/keys"
)

// Errors of a security module. A caller finds them with errors.Is in whatever this package returns.
var (
	// ErrNotBuilt: this program has no way to security modules.
	ErrNotBuilt = errors.New("this program was built without security modules (PKCS #11)")
	// ErrUnreachable: the library, or the token in it, does not answer as it should.
	ErrUnreachable = errors.New("the security module cannot be used")
	// ErrPIN: the token has refused the PIN, which is not tried again.
	ErrPIN = errors.New("the security module refuses the PIN")
	// ErrNoKey: the token does not hold the key.
	ErrNoKey = errors.New("the security module does not hold the key")
	// ErrKind: the module makes no key of that kind.
	ErrKind = errors.New("the security module makes ECDSA keys on P-256 and P-384, and RSA keys")
	// ErrOptions: it is not said how to reach the module.
	ErrOptions = errors.New("the keys of the security module in the configuration cannot be used")
)

// Options say which token of which module. The zero value names none.
type Options struct {
	Library string // path of the maker's shared library, absolute
	Token   string // label of the token
	PINFile string // of mode 0600; read each time the module is opened, so that it can be changed
}

// Module is one token of a security module. Only [New] makes one. Its methods may be called from any goroutine.
type Module struct {
	o    Options
	open func(o Options, pin keys.Secret) (driver, error)

	// mu guards what follows. It is held while the module is opened, so that a crowd opens it once, and not while it signs.
	mu      sync.Mutex
	driver  driver   // nil: closed, or it has failed
	refused [32]byte // SHA-256 of the PIN that was refused; zero for none
}

// driver is an open token.
type driver interface {
	generate(kind keys.Kind, r Ref) (crypto.Signer, error)
	find(r Ref) (crypto.Signer, error) // nil without an error: it is not there
	list() ([]Found, error)
	close() error
}

// Found is a key pair in the token.
type Found struct {
	ID     string // CKA_ID in hex; empty if it has none
	Label  string // CKA_LABEL
	Public crypto.PublicKey
}

// maxPIN bounds the file of the PIN.
const maxPIN = 256

// New checks options. The error wraps [ErrOptions].
func New(o Options) (*Module, error) {
	switch {
	case !filepath.IsAbs(o.Library):
		// dlopen would look for another in a list of directories.
		return nil, fmt.Errorf("library %q: want an absolute path: %w", o.Library, ErrOptions)
	case !printable(o.Token, maxToken):
		return nil, fmt.Errorf("token: want its label, 1 to %d printable ASCII characters: %w", maxToken, ErrOptions)
	case o.PINFile == "":
		return nil, fmt.Errorf("the file with the PIN is not named: %w", ErrOptions)
	}
	return &Module{o: o, open: open}, nil
}

// Library is the path of the maker's library.
func (m *Module) Library() string { return m.o.Library }

// Token is the label of the token.
func (m *Module) Token() string { return m.o.Token }

// Generate makes a key pair in the token, which never leaves it. The caller has written down r before: a key of which
// nobody knows is found with [Module.List] alone.
func (m *Module) Generate(kind keys.Kind, r Ref) (crypto.Signer, error) {
	switch kind {
	case keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048, keys.RSA3072, keys.RSA4096:
	default:
		return nil, fmt.Errorf("making a key of kind %q: %w", string(kind), ErrKind)
	}
	d, err := m.session(r.token)
	if err != nil {
		return nil, err
	}
	made, err := d.generate(kind, r)
	if err != nil {
		return nil, m.failed(d, "making a key", err)
	}
	return &signer{module: m, ref: r, public: made.Public(), driver: d, key: made}, nil
}

// Signer finds a key. It goes on working when the module was away and is back.
func (m *Module) Signer(r Ref) (crypto.Signer, error) {
	s := &signer{module: m, ref: r}
	d, key, err := s.current()
	if err != nil {
		return nil, err
	}
	s.public, s.driver, s.key = key.Public(), d, key
	return s, nil
}

// List returns every key pair in the token, of whomever it is.
func (m *Module) List() ([]Found, error) {
	d, err := m.session(m.o.Token)
	if err != nil {
		return nil, err
	}
	all, err := d.list()
	if err != nil {
		return nil, m.failed(d, "listing the keys", err)
	}
	return all, nil
}

// Close lets go of the module. It is opened again when it is needed.
func (m *Module) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.driver
	m.driver = nil
	if d == nil {
		return nil
	}
	return d.close()
}

// session opens the module, if it is not open.
func (m *Module) session(token string) (driver, error) {
	if token != m.o.Token {
		return nil, fmt.Errorf("the key is in the token %q, and the configuration names %q: %w", token, m.o.Token, ErrUnreachable)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.driver != nil {
		return m.driver, nil
	}
	pin, err := keys.ReadSecretFile(m.o.PINFile, maxPIN)
	if err != nil {
		return nil, fmt.Errorf("opening the security module: %w", err)
	}
	defer pin.Wipe()
	sum := sha256.Sum256(pin)
	if sum == m.refused {
		return nil, fmt.Errorf("opening the token %q: it was refused before, and is not tried again: %w", m.o.Token, ErrPIN)
	}
	d, err := m.open(m.o, keys.Secret(bytes.TrimRight(pin, "\r\n")))
	if errors.Is(err, ErrPIN) {
		m.refused = sum
	}
	if err != nil {
		return nil, fmt.Errorf("opening the token %q: %w", m.o.Token, err)
	}
	m.driver, m.refused = d, [32]byte{}
	return d, nil
}

// failed lets go of a driver that has failed, so that the next call opens the module again.
func (m *Module) failed(d driver, doing string, cause error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.driver == d {
		m.driver = nil
		// Before anybody opens it again: some libraries see a token that was away only when all is closed.
		if err := d.close(); err != nil {
			cause = errors.Join(cause, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnreachable, cause)
}

// signer is a key in the token.
type signer struct {
	module *Module
	ref    Ref
	public crypto.PublicKey

	mu     sync.Mutex // guards what follows; not held while the module works
	driver driver     // where key was found
	key    crypto.Signer
}

// Public implements [crypto.Signer].
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign implements [crypto.Signer]. If the module fails it is opened again and asked once more: a signature that nobody was
// given harms nobody.
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	for again := true; ; again = false {
		d, key, err := s.current()
		if err != nil {
			return nil, err
		}
		signature, err := key.Sign(random, digest, opts)
		if err == nil {
			return signature, nil
		}
		if err = s.module.failed(d, "signing", err); !again {
			return nil, err
		}
	}
}

// current is the key in the module as it is open now.
func (s *signer) current() (driver, crypto.Signer, error) {
	d, err := s.module.session(s.ref.token)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	known, key := s.driver == d, s.key
	s.mu.Unlock()
	if known {
		return d, key, nil
	}
	if key, err = d.find(s.ref); err != nil {
		return nil, nil, s.module.failed(d, "looking for a key", err)
	}
	if key == nil {
		return nil, nil, fmt.Errorf("looking for %s: %w", s.ref, ErrNoKey)
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); s.public != nil && (!ok || !pub.Equal(s.public)) {
		return nil, nil, fmt.Errorf("looking for %s: what is there is another key: %w", s.ref, ErrNoKey)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.driver, s.key = d, key
	return d, key, nil
}
