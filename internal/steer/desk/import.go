package desk

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// Errors of an import.
var (
	// ErrNothingToImport: the files hold nothing that can be taken in.
	ErrNothingToImport = errors.New("the files hold no certificate")
	// ErrNoMatchingKey: a certificate came without its key, and no request waits for it.
	ErrNoMatchingKey = errors.New("no private key for it came along, and no request waits for it")
	// ErrImportEnded: a certificate past its end is not taken in.
	ErrImportEnded = errors.New("it has ended")
	// ErrKeyFromOutside: a private key that was made elsewhere does not come into a lineage that setup made.
	ErrKeyFromOutside = errors.New("it is one of the lineages that setup made, whose keys are made here and whose certificates the organisation trusts for that")
)

// ImportFile is one file of an import.
type ImportFile struct {
	Name string `json:"name"` // for errors; nothing is opened
	Data []byte `json:"data"`
}

// ImportRequest asks that certificates are taken in from files.
type ImportRequest struct {
	Doing
	Files      []ImportFile `json:"files"`
	Name       string       `json:"name,omitempty"`       // friendly name; empty means that of the file, or the first name
	Lineage    string       `json:"lineage,omitempty"`    // join this lineage as its next generation, or name the new one
	Exportable bool         `json:"exportable,omitempty"` // whether the key may leave again
	Password   Password     `json:"password,omitzero"`
}

// Import takes certificates in: with their keys into a lineage, or, when a request waits for them, as its
// answer. It binds nothing. A lineage that has one in force gets its next generation, which comes into force
// by itself if the lineage says so. The same certificate again changes nothing.
func (d *Desk) Import(ctx context.Context, who state.Actor, r ImportRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	read, err := r.read(ctx)
	if err != nil {
		return nil, r.together(err)
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		known, err := d.knownIssuers(ctx)
		if err != nil {
			return nil, nil, err
		}
		roots := v.roots()
		assembly, err := certfile.Assemble(read, known, roots...)
		if err != nil {
			return nil, nil, r.together(err)
		}
		i := &importing{request: r, view: v, sealer: v.sealer(), change: newChange(v), roots: roots, belowAdmin: belowAdmin(ctx)}
		if err := i.judge(d.publicKeys, assembly); err != nil {
			return nil, nil, err
		}
		if err := i.sort(assembly); err != nil {
			return nil, nil, r.together(err)
		}
		return i.change, i.store(), nil
	})
}

// read reads every file, as long as somebody waits for it.
func (r ImportRequest) read(ctx context.Context) ([]*certfile.Contents, error) {
	if len(r.Files) == 0 {
		return nil, ErrNothingToImport
	}
	o := certfile.ReadOptions{Budget: new(certfile.Budget), Password: func(string) (keys.Secret, error) { return r.Password.Secret(), nil }}
	var all []*certfile.Contents
	for _, f := range r.Files {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reading %s: %w", clip(f.Name), context.Cause(ctx))
		}
		c, err := certfile.Read(f.Name, f.Data, o)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// together names the files that came together: which of them is wrong is often a matter of opinion, as with a key of
// one and the certificate of the other.
func (r ImportRequest) together(err error) error {
	const most = 4
	if len(r.Files) < 2 {
		return err
	}
	var names []string
	for _, f := range r.Files[:min(most, len(r.Files))] {
		names = append(names, certfile.Origin{File: clip(f.Name)}.String())
	}
	if more := len(r.Files) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	last := len(names) - 1
	return fmt.Errorf("importing %s and %s: %w", strings.Join(names[:last], ", "), names[last], err)
}

// knownIssuers are the certificates of authorities that came along with earlier ones.
func (d *Desk) knownIssuers(ctx context.Context) ([]*x509.Certificate, error) {
	var known []*x509.Certificate
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.KnownIssuers()
		if err != nil {
			return err
		}
		for _, der := range all {
			cert, err := x509cert.ParseCertificate(der)
			if err != nil {
				return fmt.Errorf("reading a known issuer: %w", err)
			}
			known = append(known, cert)
		}
		return nil
	})
	return known, err
}

// importing is one import on its way into the state.
type importing struct {
	request ImportRequest
	view    *view
	sealer  *sealer
	change  *Change
	roots   []*x509.Certificate // that clients know by themselves
	steps   []func(tx *state.Tx) error

	belowAdmin bool // whoever asks must not touch what management serves
}

// judge refuses a certificate whose private key anybody can find by the public half, and names issuers with such a key:
// they are theirs to replace.
func (i *importing) judge(publicKeys *keys.PublicJudge, a *certfile.Assembly) error {
	for _, b := range a.Bundles {
		if err := publicKeys.Judge(b.Leaf.PublicKey); err != nil {
			return fmt.Errorf("importing %s: %w", b.LeafFrom, err)
		}
		for _, issuer := range b.Chain {
			if err := publicKeys.Judge(issuer.PublicKey); err != nil {
				i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("the chain of %s: its issuer %s: %v", b.LeafFrom, x509cert.SubjectText(issuer.Subject), err))
			}
		}
	}
	return nil
}

// sort decides what becomes of each bundle.
func (i *importing) sort(a *certfile.Assembly) error {
	var issuers []*x509.Certificate
	for _, c := range a.Extra {
		issuers = append(issuers, c.Certificate)
	}
	var fresh []certfile.Bundle
	for _, b := range a.Bundles {
		issuers = append(issuers, b.Chain...)
		if b.Root != nil {
			issuers = append(issuers, b.Root) // not trusted by that, but named when trust is judged
		}
		if b.Leaf.IsCA && b.Key == nil {
			issuers = append(issuers, b.Leaf)
			continue
		}
		if f, err := i.view.find(x509cert.Thumbprint(b.Leaf.Raw)); err == nil {
			i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("%s is here already, in lineage %s", b.LeafFrom, f.lineage.Name))
			continue
		}
		if time.Now().After(b.Leaf.NotAfter) {
			return fmt.Errorf("taking in the certificate of %s: %w on %s", b.LeafFrom, ErrImportEnded, b.Leaf.NotAfter.UTC().Format(time.DateOnly))
		}
		i.warnMissing(b, a.Unchecked)
		if waiting, ok := i.view.waitingFor(b.Leaf); ok {
			if err := i.complete(waiting, b); err != nil {
				return err
			}
			continue
		}
		if b.Key == nil {
			if old, ok := i.view.asked(b.Leaf, state.StateRetired); ok {
				return fmt.Errorf("taking in the certificate of %s: it answers generation %d of %s, a request that another one has replaced: %w", b.LeafFrom, old.generation.Number, old.lineage.Name, ErrNoMatchingKey)
			}
			return fmt.Errorf("taking in the certificate of %s: %w", b.LeafFrom, ErrNoMatchingKey)
		}
		fresh = append(fresh, b)
	}
	i.warnUnchecked(a)
	i.keepIssuers(issuers)
	if err := i.take(fresh); err != nil {
		return err
	}
	if len(i.steps) == 0 && len(i.change.Warnings) == 0 {
		return ErrNothingToImport
	}
	return nil
}

// roots are the certificates that clients know by themselves: of this organisation and of the system. Without a store of
// the system there are none of it, which the status of every certificate says.
func (v *view) roots() []*x509.Certificate {
	var roots []*x509.Certificate
	for _, a := range v.judge.anchors {
		if root, err := x509cert.ParseCertificate(a.Certificate); err == nil {
			roots = append(roots, root)
		}
	}
	system, err := trust.SystemAnchors()
	if err != nil {
		return roots
	}
	for _, a := range system {
		roots = append(roots, a.Cert)
	}
	return roots
}

// keepIssuers remembers the certificates of authorities, to complete chains with.
func (i *importing) keepIssuers(issuers []*x509.Certificate) {
	if len(issuers) == 0 {
		return
	}
	i.steps = append(i.steps, func(tx *state.Tx) error {
		for _, cert := range issuers {
			sum := sha256.Sum256(cert.Raw)
			if err := tx.AddKnownIssuer(hex.EncodeToString(sum[:]), cert.Raw); err != nil {
				return err
			}
		}
		return tx.Audit("known-issuers", fmt.Sprint(len(issuers), " certificates"), nil, nil)
	})
}

// store returns how everything is stored, or nil when nothing changes.
func (i *importing) store() func(tx *state.Tx) error {
	if len(i.steps) == 0 {
		return nil
	}
	return func(tx *state.Tx) error {
		for _, secret := range i.sealer.made {
			if err := tx.AddSecret(secret); err != nil {
				return err
			}
		}
		for _, step := range i.steps {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	}
}
