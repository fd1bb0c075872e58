package desk

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postseal/internal/ground/config"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// Modes of a server.
const (
	ModeBeside = "beside" // certificates go into the mail server that is there; only management listens
	ModeFront  = "front"  // our TLS front ends stand before the mail server
)

// Friendly names of the three default certificates.
const (
	NameInternal   = "Postseal Internal"
	NameAuth       = "Postseal Server Auth Certificate"
	NameManagement = "Postseal Management"
)

// Errors of setup.
var (
	// ErrOrganisationExists: the data directory holds an organisation already.
	ErrOrganisationExists = errors.New("there is an organisation here already")
	// ErrSealingKeyExists: a sealing key without its state; it may open a backup.
	ErrSealingKeyExists = errors.New("a sealing key is here, but no organisation")
	// ErrNotTrial: serve --trial on an organisation that was not made for a trial.
	ErrNotTrial = errors.New("the organisation was not set up as a trial")
)

// ValueError reports a value that cannot be used, of the flag or field Name.
type ValueError struct{ Name, Value, Reason string }

func (e *ValueError) Error() string { return fmt.Sprintf("%s %q: %s", e.Name, clip(e.Value), e.Reason) }

// SetupOptions are what an operator may say about a new organisation.
type SetupOptions struct {
	Organisation string           // its name; empty means the first domain
	Domains      []string         // accepted domains, at least one
	Host         string           // FQDN of this server; empty means the first label of the machine's name in the first domain
	Mode         string           // ModeBeside (also when empty) or ModeFront
	Trial        bool             // for trying: front, with the in-memory mailbox
	Addresses    config.Addresses // where to listen; zero means the well-known ports
	Sealing      string           // path of the sealing key file to make
	Machine      string           // the machine's own name, for Host

	disk disk // the zero value is the real one; tests make it fail
}

// disk is how the sealing key file comes to its place.
type disk struct {
	write  func(path string, data []byte, perm os.FileMode) error // nil means durable.WriteFile
	rename func(from, to string) error                            // nil means durable.Rename
}

func (d disk) writeFile(path string, data []byte) error {
	if d.write != nil {
		return d.write(path, data, 0o600)
	}
	return durable.WriteFile(path, data, 0o600)
}

func (d disk) move(from, to string) error {
	if d.rename != nil {
		return d.rename(from, to)
	}
	return durable.Rename(from, to)
}

// blueprint is a checked SetupOptions.
type blueprint struct {
	name    string
	domains []string
	host    string
	short   string
	mode    string
	trial   bool
	at      config.Addresses
	sealing string
}

func newPlan(o SetupOptions) (*blueprint, error) {
	p := &blueprint{mode: o.Mode, trial: o.Trial, at: o.Addresses, sealing: o.Sealing}
	if p.mode == "" {
		p.mode = ModeBeside
	}
	if p.mode != ModeBeside && p.mode != ModeFront {
		return nil, &ValueError{"--mode", o.Mode, "want beside or front"}
	}
	if len(o.Domains) == 0 {
		return nil, &ValueError{"--domain", "", "at least one accepted domain is needed"}
	}
	for _, text := range o.Domains {
		d, err := x509cert.ParseDomain(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(p.domains, string(d)) {
			p.domains = append(p.domains, string(d))
		}
	}
	p.name = strings.TrimSpace(o.Organisation)
	if p.name == "" {
		p.name = p.domains[0]
	}
	if err := checkText("--org", p.name, 128); err != nil {
		return nil, err
	}
	host := o.Host
	if host == "" {
		host = HostLabel(o.Machine) + "." + p.domains[0]
	}
	fqdn, err := x509cert.ParseDomain(host)
	if err != nil {
		return nil, err
	}
	p.host = string(fqdn)
	var dotted bool
	if p.short, _, dotted = strings.Cut(p.host, "."); !dotted {
		return nil, &ValueError{"--host", o.Host, "want a full name with a domain, like mail1.example.com"}
	}
	return p, p.at.Check()
}

// CheckName accepts a friendly name.
func CheckName(name string) error { return checkText("--name", name, 63) }

// checkText accepts a text for people: valid UTF-8 that can be seen, 1 to max runes. Characters that turn the
// direction of writing, or take no room, would let one name pass for another.
func checkText(name, value string, max int) error {
	switch n := utf8.RuneCountInString(value); {
	case !utf8.ValidString(value):
		return &ValueError{name, strings.ToValidUTF8(value, "?"), "not UTF-8"}
	case n == 0 || n > max:
		return &ValueError{name, value, fmt.Sprintf("want 1 to %d characters", max)}
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp) }):
		return &ValueError{name, strings.Map(seen, value), "control characters, and those that cannot be seen, are not allowed"}
	}
	return nil
}

// seen replaces what cannot be seen, so that an error can be printed.
func seen(r rune) rune {
	if !unicode.IsGraphic(r) {
		return '?'
	}
	return r
}

// CheckSetup reports the first value of o that cannot be used.
func CheckSetup(o SetupOptions) error {
	_, err := newPlan(o)
	return err
}

// pending is where a sealing key lies until its organisation is stored.
func pending(path string) string { return path + ".setup" }

// Setup makes an organisation in db: the organisation and its key, this server and its sealing key, the
// listeners, and the three default certificates with their bindings. Everything but the sealing key file
// is one transaction. The file is written beside its place before the transaction and moved there after
// it; killed anywhere, the next start finds no organisation, or a whole one ([Open] finishes the move).
func Setup(ctx context.Context, db *state.DB, o SetupOptions, actor state.Actor) error {
	p, err := newPlan(o)
	if err != nil {
		return err
	}
	if err := db.View(ctx, func(tx *state.Tx) error {
		_, err := tx.Organisation()
		return err
	}); err == nil {
		return fmt.Errorf("setting up in %s: %w", db.Dir(), ErrOrganisationExists)
	} else if !errors.Is(err, state.ErrNoOrganisation) {
		return err
	}
	if _, err := os.Lstat(p.sealing); err == nil {
		return fmt.Errorf("setting up: %w: %s", ErrSealingKeyExists, p.sealing)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("setting up: looking for a sealing key: %w", err)
	}
	b, err := p.build()
	if err != nil {
		return fmt.Errorf("setting up %s: %w", p.name, err)
	}
	if err := o.disk.writeFile(pending(p.sealing), b.file.Marshal()); err != nil {
		return fmt.Errorf("writing the sealing key: %w", err)
	}
	if _, err := db.Update(ctx, actor, func(tx *state.Tx) error { return b.store(tx, p) }); err != nil {
		if !errors.Is(err, state.ErrOutcomeUnknown) { // nothing was stored, so the key opens nothing
			err = errors.Join(err, durable.Remove(pending(p.sealing)))
		}
		return fmt.Errorf("setting up %s: %w", p.name, err)
	}
	if err := o.disk.move(pending(p.sealing), p.sealing); err != nil {
		return fmt.Errorf("moving the sealing key to its place: %w", err)
	}
	return nil
}

// foundation is a new organisation, made but not stored.
type foundation struct {
	file     *keys.SealingFile
	org      state.Organisation
	server   state.Server
	secrets  []state.Secret
	internal state.Lineage
	auth     state.Lineage
	manage   state.Lineage
}

// build makes every key and certificate of a new organisation.
func (p *blueprint) build() (*foundation, error) {
	b := &foundation{}
	sealing := keys.NewSealingKey()
	organisation, err := keys.Generate(keys.Ed25519)
	if err != nil {
		return nil, err
	}
	public := organisation.Public().(ed25519.PublicKey)
	b.server = state.Server{ID: newID(), Name: p.host, Role: "mailbox", Mode: p.mode, SealingPublicKey: sealing.Public()}
	b.file = &keys.SealingFile{Server: b.server.ID, Organisation: public, Key: sealing}
	s := &sealer{recipients: map[string][]byte{b.server.ID: b.server.SealingPublicKey}}
	orgSecret, err := s.seal(state.SecretOrganisationKey, organisation)
	if err != nil {
		return nil, err
	}
	b.org = state.Organisation{ID: newID(), Name: p.name, Trial: p.trial, Domains: p.domains, PublicKey: public, SecretID: orgSecret}

	suffix := strings.ReplaceAll(p.host, ".", "-")
	if b.internal, err = s.lineage(lineageSpec{
		name: "internal-" + suffix, friendly: NameInternal, server: b.server.ID, origin: state.OriginSetup,
		kinds: []keys.Kind{keys.ECDSAP256, keys.RSA2048}, options: selfsigned.Options{CommonName: p.short, Names: []string{p.short, p.host}, Years: 5},
	}); err != nil {
		return nil, err
	}
	if b.auth, err = s.lineage(lineageSpec{
		name: "auth", friendly: NameAuth, origin: state.OriginSetup, exportable: true,
		kinds: []keys.Kind{keys.RSA2048}, options: selfsigned.Options{CommonName: NameAuth, Years: 5},
	}); err != nil {
		return nil, err
	}
	management := "Postseal-Management-" + p.short
	if len(management) > 63 { // a label holds 63 octets, RFC 1035 section 2.3.4
		management = strings.TrimRight(management[:63], "-")
	}
	if b.manage, err = s.lineage(lineageSpec{
		name: "management-" + suffix, friendly: NameManagement, server: b.server.ID, origin: state.OriginSetup, exportable: true,
		kinds: []keys.Kind{keys.ECDSAP256}, options: selfsigned.Options{CommonName: management, Names: []string{management, p.host}, Years: 10},
	}); err != nil {
		return nil, err
	}
	b.secrets = s.made
	b.org.AuthLineage, b.server.InternalLineage = b.auth.ID, b.internal.ID
	return b, nil
}

// store writes the foundation in one transaction.
func (b *foundation) store(tx *state.Tx, p *blueprint) error {
	if _, err := tx.Organisation(); err == nil {
		return ErrOrganisationExists
	}
	for _, s := range b.secrets {
		if err := tx.AddSecret(s); err != nil {
			return err
		}
	}
	if err := tx.AddOrganisation(b.org); err != nil {
		return err
	}
	if err := tx.AddServer(b.server); err != nil {
		return err
	}
	for _, l := range []state.Lineage{b.internal, b.auth, b.manage} {
		if err := tx.AddLineage(l); err != nil {
			return err
		}
	}
	for _, k := range listener.Kinds() {
		if err := tx.AddListener(b.server.ID, p.listener(k)); err != nil {
			return err
		}
		lineage := b.internal.ID
		switch k.Service {
		case "":
			continue
		case listener.ServiceManagement:
			lineage = b.manage.ID
		}
		if err := tx.Bind(b.server.ID, state.Binding{Listener: k.Name, LineageID: lineage, Role: state.RoleDefault}); err != nil {
			return err
		}
	}
	tx.ActFor(b.server.ID)
	return tx.Audit("setup", b.org.Name, nil, map[string]any{"organisation": b.org.Name, "domains": b.org.Domains, "server": b.server.Name, "mode": p.mode, "trial": p.trial,
		"thumbprints": thumbprints(b.internal, b.auth, b.manage)})
}

// listener says where a listener of the new server is and whether it is enabled (spec/cli.md, "Ports").
func (p *blueprint) listener(k listener.Kind) state.Listener {
	everywhere := netip.IPv6Unspecified() // takes IPv4 too
	l := state.Listener{Name: k.Name, Enabled: p.mode == ModeFront || k.Service == listener.ServiceManagement}
	if k.Service == listener.ServiceManagement {
		// Management stays on loopback unless it is told otherwise by name or with everything.
		everywhere = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	l.Address = p.at.Resolve(k, netip.AddrPortFrom(everywhere, k.Port))
	return l
}

func thumbprints(lineages ...state.Lineage) []string {
	var all []string
	for _, l := range lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				all = append(all, m.Thumbprint)
			}
		}
	}
	return all
}
