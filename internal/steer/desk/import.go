package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
		i := &importing{request: r, view: v, sealer: v.sealer(), change: newChange(v), roots: roots}
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

// rootIsKnown says whether a chain that stops lacks nothing but its root, and the root is trusted here. Authorities
// leave it out, and rightly: clients believe only their own copy.
func (i *importing) rootIsKnown(b certfile.Bundle) bool {
	last := lastOf(b)
	return slices.ContainsFunc(i.roots, func(root *x509.Certificate) bool {
		return bytes.Equal(root.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(root) == nil
	})
}

// lastOf is the certificate with which a chain stops.
func lastOf(b certfile.Bundle) *x509.Certificate {
	if n := len(b.Chain); n > 0 {
		return b.Chain[n-1]
	}
	return b.Leaf
}

// warnMissing says that the chain of a bundle stops.
func (i *importing) warnMissing(b certfile.Bundle, unchecked []certfile.Unchecked) {
	if b.MissingIssuer == "" || i.rootIsKnown(b) {
		return
	}
	text := fmt.Sprintf("the chain stops: the certificate of %s is missing; import it too, or clients will not trust this one", b.MissingIssuer)
	last := lastOf(b)
	if at := slices.IndexFunc(unchecked, func(u certfile.Unchecked) bool { return u.Equal(last) }); at >= 0 {
		text += fmt.Sprintf("; without it the signature of %s could not be checked", unchecked[at].From)
	}
	i.change.Warnings = append(i.change.Warnings, text)
}

// warnUnchecked names the certificates of authorities that came along and could not be checked, but for those with which
// a chain stops.
func (i *importing) warnUnchecked(a *certfile.Assembly) {
	const most = 5
	var more int
	for _, u := range a.Unchecked {
		if slices.ContainsFunc(a.Bundles, func(b certfile.Bundle) bool { return u.Equal(b.Leaf) || b.MissingIssuer != "" && u.Equal(lastOf(b)) }) {
			continue
		}
		if more++; more <= most {
			i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("the signature of the certificate of %s could not be checked: that of its issuer %s is missing", u.From, u.Issuer))
		}
	}
	if more > most {
		i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("%d more certificates of authorities could not be checked", more-most))
	}
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

// waiting is a request that an authority has answered.
type waiting struct {
	lineage    state.Lineage
	generation state.Generation
	member     state.Member
	csr        *x509.CertificateRequest
}

// waitingFor finds the pending request whose key a certificate holds.
func (v *view) waitingFor(leaf *x509.Certificate) (waiting, bool) {
	return v.asked(leaf, state.StatePending)
}

// asked finds the request in a state whose key a certificate holds.
func (v *view) asked(leaf *x509.Certificate, in string) (waiting, bool) {
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if m.Certificate != nil || m.Request == nil || g.State != in {
					continue
				}
				csr, err := x509.ParseCertificateRequest(m.Request)
				if err == nil && samePublic(csr.PublicKey, leaf.PublicKey) {
					return waiting{l, g, m, csr}, true
				}
			}
		}
	}
	return waiting{}, false
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// complete takes a certificate as the answer to a request. When the last request of a generation is
// answered, the generation is ready: it comes into force if nothing was before it, or if the lineage activates
// by itself; else it waits as next.
func (i *importing) complete(w waiting, b certfile.Bundle) error {
	names := x509cert.Inspect(b.Leaf).Names
	for _, asked := range append(slices.Clone(w.csr.DNSNames), ipTexts(w.csr)...) {
		if !slices.Contains(names, asked) {
			i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("the authority left out %s, which was asked for", asked))
		}
	}
	done := state.Member{Algorithm: w.member.Algorithm, Thumbprint: x509cert.Thumbprint(b.Leaf.Raw), Certificate: b.Leaf.Raw, Chain: chainDER(b), SecretID: w.member.SecretID}
	ready := w.generation
	ready.Members = slices.Clone(w.generation.Members)
	for n, m := range ready.Members {
		if m.Algorithm == done.Algorithm {
			ready.Members[n] = done
		}
	}
	i.replace(w.lineage, ready)
	i.steps = append(i.steps, func(tx *state.Tx) error {
		if err := tx.Complete(w.generation, done); err != nil {
			return err
		}
		return tx.Audit("complete", w.lineage.Name, w.member.Thumbprint, done.Thumbprint)
	})
	if slices.ContainsFunc(ready.Members, func(m state.Member) bool { return m.Certificate == nil }) {
		i.change.Warnings = append(i.change.Warnings, "another request of "+w.lineage.Name+" still waits for its answer")
		return nil
	}
	return i.inForce(w.lineage, ready)
}

// replace puts a generation in the place of its older self, so that the next answer sees it.
func (i *importing) replace(l state.Lineage, g state.Generation) {
	for n, other := range i.view.lineages {
		if other.ID != l.ID {
			continue
		}
		other.Generations = slices.Clone(other.Generations)
		for m := range other.Generations {
			if other.Generations[m].ID == g.ID {
				other.Generations[m] = g
			}
		}
		i.view.lineages[n] = other
	}
}

// inForce activates a generation that is ready, or lets it wait.
func (i *importing) inForce(l state.Lineage, g state.Generation) error {
	_, had := l.Current()
	i.change.note(i.view, l, g, listenersOfBindings(i.view.bindingViews(l.ID)))
	if had && l.Activation != ActivationAuto {
		i.steps = append(i.steps, func(tx *state.Tx) error { return tx.SetGenerationState(g, state.StateNext) })
		i.change.Warnings = append(i.change.Warnings, "it waits as the next generation of "+l.Name+"; put it in force with: postseal cert activate "+l.Name)
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert remove "+g.Members[0].Thumbprint)
		g.State = state.StateNext
		return i.change.list(i.view, l, g)
	}
	if had {
		i.change.moveGenerations(i.view, l, heldGeneration(l, g))
		i.change.Replaces = i.change.Replaces || len(i.change.Moves) > 0
		if err := i.change.objectTo(i.view, l, g); err != nil {
			return err
		}
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert rollback "+l.Name)
	}
	i.steps = append(i.steps, func(tx *state.Tx) error { return tx.Activate(l, g) })
	g.State = state.StateCurrent
	return i.change.list(i.view, l, g)
}

// take takes in certificates that came with their keys. Two of the same names and issuer, of different kinds
// of key, are one generation.
func (i *importing) take(bundles []certfile.Bundle) error {
	for len(bundles) > 0 {
		group := bundles[:1]
		if len(bundles) > 1 && paired(bundles[0], bundles[1]) {
			group = bundles[:2]
		}
		if err := i.takeGroup(group); err != nil {
			return err
		}
		bundles = bundles[len(group):]
	}
	return nil
}

// paired says whether two certificates are members of one generation.
func paired(a, b certfile.Bundle) bool {
	one, two := x509cert.Inspect(a.Leaf), x509cert.Inspect(b.Leaf)
	slices.Sort(one.Names)
	slices.Sort(two.Names)
	return a.Key.Kind().Algorithm() != b.Key.Kind().Algorithm() && slices.Equal(one.Names, two.Names) && bytes.Equal(a.Leaf.RawIssuer, b.Leaf.RawIssuer)
}

// takeGroup takes in the members of one generation.
func (i *importing) takeGroup(group []certfile.Bundle) error {
	l, existing := i.view.named(i.request.Lineage)
	if !existing {
		l = i.newLineage(group[0])
	}
	if l.ID == i.view.org.AuthLineage {
		return fmt.Errorf("importing %s into %s: %w", group[0].LeafFrom, l.Name, ErrAuthCertificate)
	}
	if l.Origin == state.OriginSetup { // what signs itself in there is trusted directly, because we made its key
		return fmt.Errorf("importing %s into %s: %w", group[0].LeafFrom, l.Name, ErrKeyFromOutside)
	}
	g := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StateNext}
	for _, b := range group {
		m := state.Member{Algorithm: b.Key.Kind().Algorithm(), Thumbprint: x509cert.Thumbprint(b.Leaf.Raw), Certificate: b.Leaf.Raw, Chain: chainDER(b)}
		if !i.request.DryRun {
			var err error
			if m.SecretID, err = i.sealer.seal(state.SecretMemberKey, b.Key); err != nil {
				return err
			}
		}
		g.Members = append(g.Members, m)
	}
	slices.SortFunc(g.Members, func(a, b state.Member) int { return strings.Compare(a.Algorithm, b.Algorithm) })
	if !existing {
		l.Generations = []state.Generation{g}
		l.Generations[0].State = state.StateCurrent
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert remove "+l.Name)
		i.steps = append(i.steps, func(tx *state.Tx) error {
			if err := tx.AddLineage(l); err != nil {
				return err
			}
			return tx.Audit("import", l.Name, nil, generationFacts(g))
		})
		// One more in the indexes: to make them anew for each of thousands would take longer than all the rest.
		i.view.byID[l.ID], i.view.byName[l.Name] = len(i.view.lineages), len(i.view.lineages)
		i.view.lineages = append(i.view.lineages, l)
		i.change.note(i.view, l, g, nil)
		return i.change.list(i.view, l, l.Generations[0])
	}
	i.steps = append(i.steps, func(tx *state.Tx) error {
		if err := tx.AddGeneration(l, g); err != nil {
			return err
		}
		return tx.Audit("import", l.Name, nil, generationFacts(g))
	})
	return i.inForce(l, g)
}

// newLineage is the lineage that an imported certificate begins.
func (i *importing) newLineage(b certfile.Bundle) state.Lineage {
	names := x509cert.Inspect(b.Leaf).Names
	friendly := i.request.Name
	for _, candidate := range append([]string{b.FriendlyName}, names...) {
		if friendly == "" && checkText("--name", candidate, 63) == nil {
			friendly = candidate
		}
	}
	if friendly == "" {
		friendly = "Imported"
	}
	stem := friendly
	if len(names) > 0 {
		stem = names[0]
	}
	name := i.request.Lineage
	if name == "" {
		name = i.view.freeName(stem)
	}
	return state.Lineage{ID: newID(), Name: name, ServerID: i.view.server.ID, FriendlyName: friendly, Origin: state.OriginImport,
		Activation: ActivationAuto, KeyAtRenewal: KeyNew, Exportable: i.request.Exportable}
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

// chainDER is the chain of a bundle as it is stored.
func chainDER(b certfile.Bundle) []byte {
	var der []byte
	for _, cert := range b.Chain {
		der = append(der, cert.Raw...)
	}
	return der
}

// ipTexts are the addresses that a request asks for.
func ipTexts(csr *x509.CertificateRequest) []string {
	var texts []string
	for _, ip := range csr.IPAddresses {
		texts = append(texts, ip.String())
	}
	return texts
}
