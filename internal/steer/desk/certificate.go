package desk

import (
	"context"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Certificate is one member of a generation as people and scripts see it (spec/cli.md, "A certificate in
// JSON").
type Certificate struct {
	Thumbprint    string             `json:"thumbprint"`
	SHA256        string             `json:"sha256"`
	Lineage       string             `json:"lineage"`
	Generation    int                `json:"generation"`
	State         string             `json:"state"`
	Name          string             `json:"name"`
	Subject       string             `json:"subject"`
	Issuer        string             `json:"issuer"`
	Serial        string             `json:"serial"`
	NotBefore     time.Time          `json:"notBefore,omitzero"` // absent while a request is pending
	NotAfter      time.Time          `json:"notAfter,omitzero"`  // absent while a request is pending
	Names         []string           `json:"names"`
	KeyType       string             `json:"keyType"`
	Usages        []string           `json:"usages"`
	SelfSigned    bool               `json:"selfSigned"`
	HasPrivateKey bool               `json:"hasPrivateKey"`
	Exportable    bool               `json:"exportable"`
	RootType      x509cert.RootType  `json:"rootType"`
	Status        x509cert.Status    `json:"status"`
	StatusReason  string             `json:"statusReason"`
	Services      []listener.Service `json:"services"`
	ServicesText  string             `json:"servicesText"`
	Server        string             `json:"server"`
	// Objections are what clients of its listeners will not like, a sentence each that begins with the listeners; never nil.
	Objections []string `json:"objections"`
}

// Role of a lineage beyond its bindings.
const (
	RoleInternal = "internal" // direct trust, internal transport
	RoleAuth     = "auth"     // server-to-server tokens
)

// BindingView is one binding of a certificate.
type BindingView struct {
	Listener string `json:"listener"`
	Role     string `json:"role"`
	Port     uint16 `json:"port"`
	Enabled  bool   `json:"enabled"`
	// Objections are what clients of the listener will not like in its certificate, a sentence each; never nil.
	Objections []string `json:"objections"`
}

// CertificateDetail is everything about one certificate.
type CertificateDetail struct {
	Certificate
	Roles    []string      `json:"roles"`    // RoleInternal, RoleAuth
	Bindings []BindingView `json:"bindings"` // on this server
	Members  []string      `json:"members"`  // thumbprints of its generation, this one included
	Chain    []string      `json:"chain"`    // subjects, the certificate's own first
	Thief    []string      `json:"thief"`    // what a thief of this key could do
	Notes    []string      `json:"notes"`    // what to know about its choice of names
	// Lints are the rules of the CA/Browser Forum that the chain of an authority's certificate breaks. They decide nothing
	// here. Never nil.
	Lints   []string `json:"lints"`
	PEM     string   `json:"pem"`
	History []Entry  `json:"history"` // the last rows of the audit trail about its lineage, newest first; never nil
}

// checkServer accepts the name of a server of the organisation; empty is this one.
func (v *view) checkServer(name string) error {
	if name == "" || strings.EqualFold(name, v.server.Name) {
		return nil
	}
	return &UnknownServerError{Name: name}
}

// certificate makes the view of one member.
func (v *view) certificate(l state.Lineage, g state.Generation, m state.Member) (Certificate, error) {
	c, err := v.plainCertificate(l, g, m)
	if err != nil || g.State != state.StateCurrent {
		return c, err
	}
	c.Objections, err = v.objectionTexts(l)
	return c, err
}

// plainCertificate is certificate without what clients object to.
func (v *view) plainCertificate(l state.Lineage, g state.Generation, m state.Member) (Certificate, error) {
	if m.Certificate == nil {
		return v.pendingCertificate(l, g, m)
	}
	facts, err := v.facts.of(m)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading certificate %s of %s: %w", m.Thumbprint, l.Name, err)
	}
	c := Certificate{
		Thumbprint: facts.Thumbprint, SHA256: facts.SHA256, Lineage: l.Name, Generation: g.Number, State: g.State, Name: l.FriendlyName,
		Subject: facts.Subject, Issuer: facts.Issuer, Serial: facts.Serial, NotBefore: facts.NotBefore, NotAfter: facts.NotAfter,
		Names: facts.Names, KeyType: facts.KeyType, Usages: facts.Usages, SelfSigned: facts.SelfSigned,
		HasPrivateKey: m.SecretID != "", Exportable: l.Exportable, Server: v.server.Name, Objections: []string{},
	}
	c.Services = []listener.Service{}
	if g.State == "current" {
		c.Services = v.services(l.ID)
	}
	c.ServicesText = listener.Cells(c.Services)
	c.RootType, c.Status, c.StatusReason, err = v.worth(l, m, facts)
	return c, err
}

// selfSignedReason is why a certificate that we signed ourselves after setup is Untrusted.
const selfSignedReason = "self-signed: a client trusts it only after comparing its fingerprint"

// ownWorth says what a certificate that we signed ourselves is worth at a moment.
func ownWorth(l state.Lineage, facts x509cert.Facts, now time.Time) (x509cert.RootType, x509cert.Status, string) {
	root, status, reason := x509cert.RootNone, x509cert.StatusUntrusted, selfSignedReason
	if l.Origin == state.OriginSetup {
		root, status, reason = x509cert.RootRegistry, x509cert.StatusValid, "trusted inside the organisation only"
	}
	switch {
	case now.Before(facts.NotBefore):
		return root, x509cert.StatusDateInvalid, "not valid before " + facts.NotBefore.Format(time.RFC3339)
	case now.After(facts.NotAfter):
		return root, x509cert.StatusDateInvalid, "ended at " + facts.NotAfter.Format(time.RFC3339)
	}
	return root, status, reason
}

// services returns those of which any listener has the lineage as its default.
func (v *view) services(lineageID string) []listener.Service {
	services := []listener.Service{}
	for _, s := range listener.Services() {
		if slices.ContainsFunc(s.Listeners(), func(name string) bool { return v.role(name, lineageID) == state.RoleDefault }) {
			services = append(services, s)
		}
	}
	return services
}

// Certificate returns everything about the certificate that id means.
func (d *Desk) Certificate(ctx context.Context, id string) (*CertificateDetail, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	f, err := v.find(id)
	if err != nil {
		return nil, err
	}
	history, err := d.history(ctx, f.lineage.Name)
	if err != nil {
		return nil, err
	}
	c, err := v.certificate(f.lineage, f.generation, f.member)
	if err != nil {
		return nil, err
	}
	detail := &CertificateDetail{Certificate: c, Roles: v.roles(f.lineage.ID), Bindings: v.bindingViews(f.lineage.ID), Chain: []string{c.Subject}, Lints: []string{}, History: history}
	switch {
	case f.member.Certificate == nil:
		detail.PEM = string(certfile.RequestPEM(f.member.Request))
	default:
		if detail.Lints, err = v.lints(f, c.SelfSigned); err != nil {
			return nil, err
		}
		detail.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.member.Certificate}))
		chain, err := chainOf(f.member)
		if err != nil {
			return nil, fmt.Errorf("reading the chain of %s: %w", c.Thumbprint, err)
		}
		for _, issuer := range chain {
			detail.Chain = append(detail.Chain, x509cert.SubjectText(issuer.Subject))
		}
	}
	for _, m := range f.generation.Members {
		detail.Members = append(detail.Members, m.Thumbprint)
	}
	if err := v.objectInDetail(f.lineage, detail); err != nil {
		return nil, err
	}
	detail.Notes = v.cautions(f, detail)
	detail.Thief = v.thief(f, c, detail)
	return detail, nil
}

// lints are those of the verdict on a certificate. Nobody's rules bind what signs itself.
func (v *view) lints(f found, selfSigned bool) ([]string, error) {
	texts := []string{}
	if selfSigned {
		return texts, nil
	}
	verdict, err := v.judge.opinionOn(f.member, "")
	if err != nil {
		return nil, fmt.Errorf("judging certificate %s: %w", f.member.Thumbprint, err)
	}
	for _, l := range verdict.Lints {
		texts = append(texts, l.Rule+": "+l.Text)
	}
	return texts, nil
}

// roles returns what a lineage is beyond its bindings.
func (v *view) roles(lineageID string) []string {
	roles := []string{}
	if lineageID == v.server.InternalLineage {
		roles = append(roles, RoleInternal)
	}
	if lineageID == v.org.AuthLineage {
		roles = append(roles, RoleAuth)
	}
	return roles
}

// bindingViews returns where a lineage serves.
func (v *view) bindingViews(lineageID string) []BindingView {
	views := []BindingView{}
	for _, l := range v.listeners {
		if role := v.role(l.Name, lineageID); role != "" {
			views = append(views, BindingView{Listener: l.Name, Role: role, Port: l.Address.Port(), Enabled: l.Enabled, Objections: []string{}})
		}
	}
	return views
}

// found is what an ID means.
type found struct {
	lineage    state.Lineage
	generation state.Generation
	member     state.Member
}

// find resolves an ID of the command line: a thumbprint or an unambiguous prefix of one, 8 characters
// or more; SERVER\THUMBPRINT; or a lineage name, which means its current generation.
func (v *view) find(id string) (found, error) {
	text := strings.TrimSpace(id)
	if server, rest, ok := strings.Cut(text, `\`); ok {
		if err := v.checkServer(server); err != nil {
			return found{}, err
		}
		text = rest
	}
	if l, ok := v.named(text); ok {
		g, ok := l.Current()
		if !ok && len(l.Generations) > 1 {
			return found{}, fmt.Errorf("finding certificate %q: the lineage has no current generation: %w", l.Name, ErrNotCurrent)
		}
		if !ok {
			g = l.Generations[0] // a first request that waits: nothing else can be meant
		}
		return found{l, g, g.Members[0]}, nil
	}
	prefix, err := x509cert.ParseThumbprint(text)
	if err != nil && slug(text) == text && strings.ContainsAny(text, "ghijklmnopqrstuvwxyz-") {
		return found{}, &UnknownCertificateError{ID: clip(id)} // it could be the name of a lineage, and of none that there is
	}
	if err != nil {
		return found{}, fmt.Errorf("finding certificate %q: %w", clip(id), err)
	}
	var hits []found
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if strings.HasPrefix(m.Thumbprint, prefix) {
					hits = append(hits, found{l, g, m})
				}
			}
		}
	}
	switch len(hits) {
	case 0:
		return found{}, &UnknownCertificateError{ID: clip(id)}
	case 1:
		return hits[0], nil
	}
	ambiguous := &AmbiguousIDError{ID: clip(id)}
	for _, h := range hits {
		ambiguous.Thumbprints = append(ambiguous.Thumbprints, h.member.Thumbprint)
	}
	return found{}, ambiguous
}

// clip bounds what is repeated to the user.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// Fingerprint prints a SHA-256 as browsers show it, in pairs.
func Fingerprint(sum string) string {
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return sum
	}
	pairs := make([]string, len(raw))
	for i, b := range raw {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
