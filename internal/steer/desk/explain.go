package desk

import (
	"context"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"
)

// ExplainRequest asks which certificate a client would be served.
type ExplainRequest struct {
	Listener string `json:"listener"`
	SNI      string `json:"sni,omitempty"`    // the server name that the client asks for; empty for none
	From     string `json:"from,omitempty"`   // the client's address; no binding depends on it yet
	Client   string `json:"client,omitempty"` // "modern" (also when empty) or "rsa-only"
}

// Explanation walks the selection in words.
type Explanation struct {
	Listener   string      `json:"listener"`
	SNI        string      `json:"sni"`
	Client     string      `json:"client"`
	From       string      `json:"from,omitempty"`
	Thumbprint string      `json:"thumbprint"` // what is served
	KeyType    string      `json:"keyType"`
	NotAfter   time.Time   `json:"notAfter"`
	MemberWhy  string      `json:"memberWhy"`
	Fails      bool        `json:"fails"` // the client can use nothing here
	Candidates []Candidate `json:"candidates"`
	Warnings   []string    `json:"warnings"`
}

// Candidate is one certificate that the listener could have served.
type Candidate struct {
	Role        string   `json:"role"`
	Lineage     string   `json:"lineage"`
	Name        string   `json:"name"`
	Generation  int      `json:"generation"`
	Names       []string `json:"names"`
	Thumbprints []string `json:"thumbprints"`
	Taken       bool     `json:"taken"`
	Why         string   `json:"why"`
	Remarks     []string `json:"remarks"`
}

// Explain says which certificate a client would be served, and why no other. It asks the function that
// handshakes ask.
func (d *Desk) Explain(ctx context.Context, r ExplainRequest) (*Explanation, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if name, err := x509cert.ParseHost(r.SNI); err == nil {
		r.SNI = string(name) // clients send A-labels, people type what they read
	}
	if r.Client == "" {
		r.Client = string(keyring.ClientModern)
	}
	if err := d.ensureRing(ctx); err != nil {
		return nil, err
	}
	a, err := d.ring.Explain(keyring.Question{Listener: r.Listener, SNI: r.SNI, Client: keyring.ClientKind(r.Client)})
	if err != nil {
		return nil, err
	}
	e := &Explanation{Listener: r.Listener, SNI: a.SNI, Client: r.Client, From: r.From, Thumbprint: a.Member.Thumbprint, KeyType: a.Member.KeyType,
		NotAfter: a.Member.NotAfter, MemberWhy: a.MemberWhy, Fails: a.Fails, Candidates: []Candidate{}, Warnings: list(a.Warnings)}
	for _, c := range a.Candidates {
		out := Candidate{Role: string(c.Role), Lineage: c.Lineage, Name: c.FriendlyName, Generation: c.Generation, Names: list(c.Names),
			Thumbprints: []string{}, Taken: c.Taken, Why: c.Why, Remarks: list(c.Remarks)}
		for _, m := range c.Members {
			out.Thumbprints = append(out.Thumbprints, m.Thumbprint)
		}
		e.Candidates = append(e.Candidates, out)
	}
	return e, d.objectInExplanation(ctx, e)
}

// objectInExplanation adds what clients of the listener object to in each candidate.
func (d *Desk) objectInExplanation(ctx context.Context, e *Explanation) error {
	v, err := d.view(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(v.listeners, func(l state.Listener) bool { return l.Name == e.Listener })
	for n := range e.Candidates {
		c := &e.Candidates[n]
		l, ok := v.named(c.Lineage)
		if !ok || at < 0 || v.role(e.Listener, l.ID) == "" {
			continue // the fallback, for those who look at nothing
		}
		said, err := v.objectionsAt(v.listeners[at], v.role(e.Listener, l.ID), l)
		if err != nil {
			return err
		}
		for _, o := range said {
			if o.kind == objectDate || o.kind == objectEarly {
				continue // the ring has said so
			}
			c.Remarks = append(c.Remarks, o.text)
			if c.Taken {
				e.Warnings = append(e.Warnings, o.text)
			}
		}
	}
	return nil
}

// list is s, never nil, so that JSON shows an empty list.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
