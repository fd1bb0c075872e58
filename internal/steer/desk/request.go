package desk

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/request"
)

// AskRequest asks for a key and a certificate request (PKCS #10) to send to an authority.
type AskRequest struct {
	Doing
	Name         string   `json:"name"`                   // friendly name, at most 63 characters
	Domains      []string `json:"domains"`                // at least one
	Subject      string   `json:"subject,omitempty"`      // RFC 4514; a common name is added to it
	NoCommonName bool     `json:"noCommonName,omitempty"` // leave the subject as it is
	Kinds        []string `json:"kinds,omitempty"`        // one per algorithm; empty means P-256
	Exportable   bool     `json:"exportable,omitempty"`
	Lineage      string   `json:"lineage,omitempty"` // of an existing lineage: ask for its next generation; else the new one's name
}

// AskAnswer is what became of a request for a certificate.
type AskAnswer struct {
	Change
	Requests []RequestView `json:"requests"` // one per key
}

// RequestView is a certificate request as it is sent to an authority.
type RequestView struct {
	Thumbprint string `json:"thumbprint"` // SHA-1 of the DER
	KeyType    string `json:"keyType"`
	PEM        string `json:"pem"`
	DER        []byte `json:"der"`
}

// Ask makes keys and certificate requests. They stay, as a pending generation, until the authority's answer
// is imported.
func (d *Desk) Ask(ctx context.Context, who state.Actor, r AskRequest) (*AskAnswer, error) {
	p, err := r.plan(d.server)
	if err != nil {
		return nil, err
	}
	p.spec.origin = state.OriginRequest
	answer := &AskAnswer{Requests: []RequestView{}}
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		answer.Requests = []RequestView{}
		l, existing := v.named(p.wanted)
		if !existing {
			if err := p.complete(v); err != nil {
				return nil, nil, err
			}
			l = state.Lineage{ID: newID(), Name: p.spec.name, ServerID: d.server, FriendlyName: r.Name, Origin: p.spec.origin, Activation: ActivationAuto, KeyAtRenewal: KeyNew, Exportable: r.Exportable}
		}
		change := newChange(v)
		old := existing && oldMail(listenersOfBindings(v.bindingViews(l.ID)))
		if existing && l.ID == v.org.AuthLineage {
			return nil, nil, fmt.Errorf("asking for a certificate in %s: %w", l.Name, ErrAuthCertificate)
		}
		if existing {
			change.warnReplaced(l)
		}
		change.Notes = append(change.Notes, v.nameSet(l.ID, p.spec.options.Names, !r.NoCommonName || p.spec.options.Subject.CommonName != "", old).Cautions()...)
		if r.DryRun {
			return change, nil, nil
		}
		s := v.sealer()
		g := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StatePending}
		o := request.Options{Subject: p.spec.options.Subject, Names: p.spec.options.Names, NoCommonName: r.NoCommonName}
		for _, kind := range p.spec.kinds {
			m, err := s.request(kind, o)
			if err != nil {
				return nil, nil, err
			}
			g.Members = append(g.Members, m)
		}
		store, err := answer.keep(v, change, asking{lineage: l, generation: g, existing: existing, made: s.made})
		return change, store, err
	})
	if err != nil {
		return nil, err
	}
	answer.Change = *change
	return answer, nil
}

// asking is a pending generation on its way into the state.
type asking struct {
	lineage    state.Lineage
	generation state.Generation
	existing   bool // the lineage is there already
	made       []state.Secret
}

// keep fills in the answer and returns how to store a pending generation.
func (a *AskAnswer) keep(v *view, change *Change, k asking) (func(tx *state.Tx) error, error) {
	l, g := k.lineage, k.generation
	for _, m := range g.Members {
		view, err := requestView(m)
		if err != nil {
			return nil, fmt.Errorf("making a request for %s: %w", l.Name, err)
		}
		a.Requests = append(a.Requests, view)
	}
	if err := change.list(v, l, g); err != nil {
		return nil, err
	}
	change.Undo = "postseal cert remove " + g.Members[0].Thumbprint
	return func(tx *state.Tx) error {
		for _, secret := range k.made {
			if err := tx.AddSecret(secret); err != nil {
				return err
			}
		}
		if k.existing {
			if err := tx.AddGeneration(l, g); err != nil {
				return err
			}
		} else {
			l.Generations = []state.Generation{g}
			if err := tx.AddLineage(l); err != nil {
				return err
			}
		}
		return tx.Audit("request", l.Name, nil, generationFacts(g))
	}, nil
}

// requestView shows a request as it goes to an authority.
func requestView(m state.Member) (RequestView, error) {
	csr, err := x509.ParseCertificateRequest(m.Request)
	if err != nil {
		return RequestView{}, fmt.Errorf("reading back request %s: %w", m.Thumbprint, err)
	}
	return RequestView{Thumbprint: m.Thumbprint, KeyType: x509cert.KeyType(csr.PublicKey), PEM: string(certfile.RequestPEM(m.Request)), DER: m.Request}, nil
}

// request makes a key and a certificate request for it.
func (s *sealer) request(kind keys.Kind, o request.Options) (state.Member, error) {
	key, err := keys.Generate(kind)
	if err != nil {
		return state.Member{}, fmt.Errorf("making a key: %w", err)
	}
	return s.requestFor(key, o)
}

// requestFor makes a certificate request for a key, which it seals.
func (s *sealer) requestFor(key *keys.Private, o request.Options) (state.Member, error) {
	m := state.Member{Algorithm: key.Kind().Algorithm()}
	var err error
	if m.Request, err = request.Create(o, key); err != nil {
		return m, fmt.Errorf("making a request: %w", err)
	}
	m.Thumbprint = requestThumbprint(m.Request)
	m.SecretID, err = s.seal(state.SecretMemberKey, key)
	return m, err
}

// requestThumbprint is the SHA-1 of a request, by which it is named until it is a certificate.
func requestThumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// pendingCertificate is the view of a request without its answer.
func (v *view) pendingCertificate(l state.Lineage, g state.Generation, m state.Member) (Certificate, error) {
	csr, err := x509.ParseCertificateRequest(m.Request)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading request %s of %s: %w", m.Thumbprint, l.Name, err)
	}
	c := Certificate{Thumbprint: m.Thumbprint, Lineage: l.Name, Generation: g.Number, State: g.State, Name: l.FriendlyName, Subject: x509cert.SubjectText(csr.Subject),
		Names: list(csr.DNSNames), KeyType: x509cert.KeyType(csr.PublicKey), Usages: []string{}, HasPrivateKey: m.SecretID != "", Exportable: l.Exportable, Server: v.server.Name,
		RootType: x509cert.RootUnknown, Status: x509cert.StatusPendingRequest, StatusReason: "its authority has not answered yet", Services: []listener.Service{}, Objections: []string{}}
	for _, ip := range csr.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	c.ServicesText = listener.Cells(nil)
	return c, nil
}
