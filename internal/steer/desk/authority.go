package desk

import (
	"context"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// Errors of the organisation's own authority.
var (
	// ErrAuthorityExists: the organisation has an authority already.
	ErrAuthorityExists = errors.New("the organisation has an authority already")
	// ErrNoAuthority: the organisation has none, or none for that purpose.
	ErrNoAuthority = errors.New("the organisation has no such authority")
	// ErrApproval: the profile wants a second person, and nobody can be asked yet.
	ErrApproval = errors.New("a second person must agree to it")
)

// UnknownProfileError reports a profile that is not there.
type UnknownProfileError struct {
	Name  string
	Known []string
}

func (e *UnknownProfileError) Error() string {
	return fmt.Sprintf("profile %q: there are %s", clip(e.Name), strings.Join(e.Known, ", "))
}

// AuthorityRequest asks for the organisation's own authority: a root and one issuing authority for each purpose.
type AuthorityRequest struct {
	Doing
	Name    string   `json:"name,omitempty"`    // of the organisation in the certificates; empty means its own
	PKIHost string   `json:"pkiHost,omitempty"` // host or host:port of the http addresses in certificates; empty means this server
	RootKey string   `json:"rootKey,omitempty"` // kind of the root's key; empty means ecdsa-p384
	Domains []string `json:"domains,omitempty"` // what may be certified; empty means the accepted domains
	Module  string   `json:"module,omitempty"`  // whose keys are made in the security module: root or all; empty means none
	// Superior is where the root is: empty for here, "foreign" for the root of another organisation or program, "ceremony"
	// for our own on another machine. Then requests are made that wait for their answer: see [Desk.ImportAuthority].
	Superior string   `json:"superior,omitempty"`
	Purposes []string `json:"purposes,omitempty"` // of the issuing authorities that are made; empty means one for each purpose
}

// rootName is how the root is called in addresses and commands. The others are called as their purpose.
const rootName = string(ca.PurposeRoot)

// InitAuthority makes the organisation's own authority. The root is trusted here from then on. Where there is one, it adds
// issuing authorities for purposes that have none, if they are named.
func (d *Desk) InitAuthority(ctx context.Context, who state.Actor, r AuthorityRequest) (*Change, error) {
	kind := keys.ECDSAP384
	if r.RootKey != "" {
		var err error
		if kind, err = keys.ParseKind(r.RootKey); err != nil {
			return nil, err
		}
	}
	if kind == keys.Ed25519 {
		return nil, &ValueError{"--root-key", r.RootKey, "mail programs and Windows know no such authority"}
	}
	if r.Name != "" {
		if err := checkText("--name", r.Name, 40); err != nil {
			return nil, err
		}
	}
	if err := checkPKIHost(r.PKIHost); err != nil {
		return nil, err
	}
	purposes, err := r.purposes()
	if err != nil {
		return nil, err
	}
	if err := d.checkModule(r); err != nil {
		return nil, err
	}
	if all, _, err := d.authorities(ctx); err != nil {
		return nil, err
	} else if len(all) > 0 {
		return d.complete(ctx, who, r, purposes)
	}
	var made *founded
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		all, _, err := d.authorities(ctx)
		if err != nil {
			return nil, nil, err
		}
		if len(all) > 0 {
			return nil, nil, fmt.Errorf("making an authority: %w", ErrAuthorityExists)
		}
		f := &founding{name: r.Name, host: r.PKIHost, kind: kind, domains: r.Domains, superior: r.Superior, purposes: purposes, sealer: v.sealer(), signings: &signings{desk: d, ctx: ctx, who: who}}
		f.keys = &authorityKeys{desk: d, ctx: ctx, who: who, sealer: f.sealer, module: r.Module}
		if f.name == "" {
			f.name = shortened(v.org.Name)
		}
		if f.host == "" {
			f.host = v.server.Name
		}
		if len(f.domains) == 0 {
			f.domains = v.org.Domains
		}
		if _, err := ca.NewProfile(ca.ProfileOptions{Name: "server", Domains: f.domains}); err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		change.Notes = append(change.Notes, "the authority certifies names below "+strings.Join(f.domains, ", ")+" and nothing else")
		if slices.ContainsFunc(v.listeners, func(l state.Listener) bool { return l.Name == listener.HTTP && !l.Enabled }) {
			change.Notes = append(change.Notes, "nobody can fetch its revocation lists or ask OCSP yet: the listener http is closed; open it: postseal listener enable http")
		}
		f.describe(change)
		if r.DryRun {
			return change, nil, nil
		}
		if made == nil { // one act makes its keys once
			if made, err = f.make(); err != nil {
				return nil, nil, err
			}
		}
		return change, made.store, nil
	})
}

// shortened is a name that leaves room in a common name for what stands behind it.
func shortened(name string) string {
	const most = 40
	if letters := []rune(name); len(letters) > most {
		return string(letters[:most])
	}
	return name
}

// checkPKIHost accepts what can stand between http:// and the path.
func checkPKIHost(host string) error {
	if host == "" {
		return nil
	}
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		name = h
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return &ValueError{"--pki-host", host, "want a host or host:port"}
		}
	}
	if _, err := x509cert.ParseSAN(name); err != nil || strings.HasPrefix(name, "*") {
		return &ValueError{"--pki-host", host, "want a host or host:port, like pki.example.com"}
	}
	return nil
}

// founding is what an authority is made of.
type founding struct {
	name, host string
	kind       keys.Kind
	domains    []string
	superior   string // as in AuthorityRequest
	purposes   []ca.Purpose
	sealer     *sealer
	keys       *authorityKeys
	signings   *signings
}

// founded is an authority that was made and not stored.
type founded struct {
	host        string
	secrets     []state.Secret
	authorities []state.Authority // the root first
	requests    []state.AuthorityRequest
	rootKind    keys.Kind // of a root that is made elsewhere; empty otherwise
}

func (f *founding) make() (*founded, error) {
	if f.superior != "" {
		return f.ask()
	}
	subject := func(what string) pkix.Name { return ceremony.Subject(f.name, what) }
	rootKey, rootSecret, err := f.keys.make(f.kind, rootName)
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	raw, err := ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: subject("Root CA"), Plan: f.signings.plan}, rootKey)
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	issuer, err := ca.NewIssuer(ca.IssuerOptions{Purpose: ca.PurposeRoot, Certificate: cert, Signer: rootKey})
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	out := &founded{host: f.host}
	root := state.Authority{ID: newID(), Name: rootName, Purpose: rootName, State: state.AuthorityActive, PublicKey: cert.RawSubjectPublicKeyInfo, Certificate: raw, SecretID: rootSecret}
	out.authorities = append(out.authorities, root)
	for _, purpose := range f.purposes {
		what := titleOf(purpose)
		key, secret, err := f.keys.make(keys.ECDSAP256, string(purpose))
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", purpose, err)
		}
		// No OCSP for the authorities themselves: the root's key is to be taken away, and its list lives longer.
		raw, err := issuer.Certify(ca.AuthorityOptions{Purpose: purpose, Subject: subject(what), Key: key.Public(), Domains: f.domains,
			CRL: listAddress(f.host, rootName, 0), Issuers: certificateAddress(f.host, rootName), Plan: f.signings.plan})
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", purpose, err)
		}
		cert, err := x509cert.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", purpose, err)
		}
		a := state.Authority{ID: newID(), Name: string(purpose), Purpose: string(purpose), ParentID: root.ID, State: state.AuthorityActive, PublicKey: cert.RawSubjectPublicKeyInfo, Certificate: raw, Chain: root.Certificate, SecretID: secret}
		out.authorities = append(out.authorities, a)
	}
	out.secrets = f.sealer.made
	return out, nil
}

func (f *founded) store(tx *state.Tx) error {
	for _, s := range f.secrets {
		if err := tx.AddSecret(s); err != nil {
			return err
		}
	}
	if err := tx.SetPKIHost(f.host); err != nil {
		return err
	}
	if len(f.requests) > 0 {
		return f.storeRequests(tx)
	}
	for _, a := range f.authorities {
		if err := record(tx, a.Certificate); err != nil {
			return err
		}
		sum := sha256.Sum256(a.Certificate)
		id := hex.EncodeToString(sum[:])
		if err := tx.AddAuthority(a); err != nil {
			return err
		}
		if err := tx.CertifyAuthority(a.ID, id, a.Certificate, a.Chain); err != nil {
			return err
		}
		if err := tx.AddShard(a.ID, 0); err != nil {
			return err
		}
		var err error
		if a.ParentID == "" {
			err = tx.AddAnchor(state.Anchor{SHA256: id, Certificate: a.Certificate, Origin: state.AnchorAuthority})
		} else {
			err = tx.AddKnownIssuer(id, a.Certificate)
		}
		if err != nil {
			return err
		}
		if err := tx.Audit("ca init", a.Name, nil, map[string]any{"sha256": id, "pkiHost": f.host}); err != nil {
			return err
		}
	}
	return nil
}
