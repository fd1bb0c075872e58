package desk

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"postseal/internal/ground/health"
	"postseal/internal/ground/hsm"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Errors of keys in a security module.
var (
	// ErrNoSecurityModule: the configuration names none.
	ErrNoSecurityModule = errors.New("no security module is configured")
	// ErrKeyInModule: the key itself is asked for, and it is where nobody gets it.
	ErrKeyInModule = errors.New("the key is in the security module, and never leaves it")
)

// Whose keys are made in the security module.
const (
	ModuleRoot = "root" // the root's; those of the issuing authorities are sealed in the state
	ModuleAll  = "all"
)

// checkModule refuses what cannot be made in the security module.
func (d *Desk) checkModule(r AuthorityRequest) error {
	switch {
	case r.Module == "":
		return nil
	case r.Module != ModuleRoot && r.Module != ModuleAll:
		return &ValueError{"--security-module", r.Module, "want root or all"}
	case r.Superior != "" && r.Module == ModuleRoot:
		return &ValueError{"--security-module", r.Module, "the root's key is not made here; the others' are with all"}
	case d.module == nil:
		return fmt.Errorf("making an authority: %w", ErrNoSecurityModule)
	}
	return nil
}

// authorityKeys makes keys of authorities: sealed in the state, or in the security module.
type authorityKeys struct {
	desk   *Desk
	ctx    context.Context
	who    state.Actor
	sealer *sealer
	module string
}

// make makes a key for an authority of that name, and returns the id of what stands for it in the state.
func (k *authorityKeys) make(kind keys.Kind, name string) (crypto.Signer, string, error) {
	if k.module == "" || k.module == ModuleRoot && name != rootName {
		key, err := keys.Generate(kind)
		if err != nil {
			return nil, "", err
		}
		id, err := k.sealer.seal(state.SecretAuthorityKey, key)
		return k.desk.wrap(key), id, err
	}
	ref, err := hsm.NewRef(k.desk.module.Token(), "postseal "+name)
	if err != nil {
		return nil, "", err
	}
	// Written down before it is made: what a crash leaves in the module is then known by its address.
	err = k.desk.db.Append(k.ctx, k.who, func(tx *state.Tx) error {
		tx.ActFor(k.desk.server)
		return tx.Audit("ca make-key", name, nil, map[string]any{"key": ref.String(), "kind": string(kind)})
	})
	if err != nil {
		return nil, "", err
	}
	key, err := k.desk.module.Generate(kind, ref)
	if err != nil {
		return nil, "", err
	}
	id, err := k.sealer.sealRef(ref)
	return &watched{key, k.desk}, id, err
}

// sealRef seals the address of a key. It is no secret, but whoever changed it would have another key sign.
func (s *sealer) sealRef(ref hsm.Ref) (string, error) {
	id := newID()
	sealed, err := keys.Seal(keys.Object{Kind: state.SecretModuleKey, ID: id}, keys.NewSecret(ref.String()), s.recipients)
	if err != nil {
		return "", fmt.Errorf("sealing the address of a key: %w", err)
	}
	s.made = append(s.made, state.Secret{ID: id, Kind: state.SecretModuleKey, Ciphertext: sealed.Ciphertext, Wrapped: sealed.Wrapped})
	return id, nil
}

// keysLike makes a successor's key where the key of the one before it is, or in the module if that is wanted.
func (d *Desk) keysLike(ctx context.Context, a state.Authority, wanted bool) (*authorityKeys, error) {
	k := &authorityKeys{desk: d, ctx: ctx}
	ref, err := d.moduleRef(ctx, a.SecretID)
	if err != nil || ref == nil && !wanted {
		return k, err
	}
	if d.module == nil {
		return nil, fmt.Errorf("making the successor of %s: %w", a.Name, ErrNoSecurityModule)
	}
	k.module = ModuleAll
	return k, nil
}

// moduleRef is where the key of a secret is in the security module; nil if it is sealed here, or elsewhere.
func (d *Desk) moduleRef(ctx context.Context, secretID string) (*hsm.Ref, error) {
	if secretID == "" {
		return nil, nil
	}
	var s state.Secret
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		s, err = tx.Secret(secretID, d.server)
		return err
	})
	if err != nil || s.Kind != state.SecretModuleKey {
		return nil, err
	}
	plain, err := d.sealing.Key.Open(keys.Object{Kind: s.Kind, ID: s.ID}, d.server, s.Ciphertext, s.Wrapped[d.server])
	if err != nil {
		return nil, err
	}
	ref, err := hsm.ParseRef(string(plain))
	return &ref, err
}

// inModule says whether an authority's key is in the security module. Nothing is opened for it.
func (d *Desk) inModule(tx *state.Tx, a state.Authority) (bool, error) {
	if a.SecretID == "" {
		return false, nil
	}
	s, err := tx.Secret(a.SecretID, d.server)
	if errors.Is(err, state.ErrNotFound) { // nobody can open it any more: it is not for us to say here
		return false, nil
	}
	return s.Kind == state.SecretModuleKey, err
}

// authorityKey opens the key of an authority, wherever it is.
func (d *Desk) authorityKey(ctx context.Context, secretID string) (crypto.Signer, error) {
	ref, err := d.moduleRef(ctx, secretID)
	switch {
	case err != nil:
		return nil, err
	case ref == nil:
		key, err := d.key(ctx, secretID)
		if err != nil {
			return nil, err
		}
		return d.wrap(key), nil
	case d.module == nil:
		err := fmt.Errorf("looking for %s: %w", ref, ErrNoSecurityModule)
		d.sawModule(err)
		return nil, err
	}
	key, err := d.module.Signer(*ref)
	d.sawModule(err)
	if err != nil {
		return nil, err
	}
	return &watched{key, d}, nil
}

// sawModule raises or clears the condition that the module does not sign.
func (d *Desk) sawModule(err error) {
	if err == nil {
		d.health.Clear(health.CodeSecurityModuleUnreachable, "")
		return
	}
	d.health.Raise(health.Condition{Code: health.CodeSecurityModuleUnreachable, Severity: health.Attention, Text: "the security module does not sign: " + err.Error()})
}

// watched is a key in the module whose failures are seen.
type watched struct {
	crypto.Signer
	desk *Desk
}

// Sign implements [crypto.Signer].
func (w *watched) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := w.Signer.Sign(random, digest, opts)
	w.desk.sawModule(err)
	return signature, err
}

// ModuleView is what is in the security module.
type ModuleView struct {
	Library string      `json:"library"`
	Token   string      `json:"token"`
	Keys    []ModuleKey `json:"keys"`
}

// ModuleKey is a key pair there.
type ModuleKey struct {
	ID        string `json:"id"` // CKA_ID, hex
	Label     string `json:"label"`
	Kind      string `json:"kind"`
	Public    string `json:"public"`              // SHA-256 of the public key
	Authority string `json:"authority,omitempty"` // whose it is; empty: none of ours, or its making was cut short
}

// SecurityModule opens the security module and lists its keys.
func (d *Desk) SecurityModule(ctx context.Context) (*ModuleView, error) {
	if d.module == nil {
		return nil, fmt.Errorf("looking into the security module: %w", ErrNoSecurityModule)
	}
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	owners := make(map[string]string)
	for _, a := range all {
		ref, err := d.moduleRef(ctx, a.SecretID)
		if err != nil {
			return nil, fmt.Errorf("reading where the key of %s is: %w", a.Name, err)
		}
		if ref != nil && ref.Token() == d.module.Token() {
			owners[ref.ID()] = a.Name
		}
	}
	found, err := d.module.List()
	d.sawModule(err)
	if err != nil {
		return nil, err
	}
	out := &ModuleView{Library: d.module.Library(), Token: d.module.Token(), Keys: []ModuleKey{}}
	for _, f := range found {
		k := ModuleKey{ID: f.ID, Label: f.Label, Kind: x509cert.KeyType(f.Public), Authority: owners[f.ID]}
		if spki, err := x509.MarshalPKIXPublicKey(f.Public); err == nil {
			k.Public = fmt.Sprintf("%x", sha256.Sum256(spki))
		}
		out.Keys = append(out.Keys, k)
	}
	slices.SortFunc(out.Keys, func(a, b ModuleKey) int {
		return cmp.Or(strings.Compare(a.Authority, b.Authority), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}
