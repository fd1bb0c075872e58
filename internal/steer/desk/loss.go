package desk

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Loss is a lineage whose private key cannot be opened without the sealing key, and what it takes to have
// it back.
type Loss struct {
	Lineage    string   `json:"lineage"`
	Name       string   `json:"name"`
	Issuer     string   `json:"issuer"` // "self", or the name of the authority; empty for a request without its answer
	State      string   `json:"state"`  // current, or pending for a request that waits
	Thumbprint string   `json:"thumbprint"`
	Domains    []string `json:"domains"`
	Listeners  []string `json:"listeners"` // that it serves
	Roles      []string `json:"roles"`     // RoleInternal, RoleAuth
	Reissued   bool     `json:"reissued"`  // recovery abandon-keys makes it anew
	Remedy     string   `json:"remedy"`    // what to do, with the command
}

// losses lists every lineage that holds a key: the defaults first, then those that serve.
func (v *view) losses() []Loss {
	list := []Loss{}
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok {
			if g, ok = l.InState(state.StatePending); !ok {
				continue
			}
		}
		if !slices.ContainsFunc(g.Members, func(m state.Member) bool { return m.SecretID != "" }) {
			continue
		}
		list = append(list, v.loss(l, g))
	}
	rank := func(x Loss) int {
		switch {
		case x.Reissued:
			return 0
		case len(x.Listeners)+len(x.Roles) > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b Loss) int { return rank(a) - rank(b) })
	return list
}

func (v *view) loss(l state.Lineage, g state.Generation) Loss {
	x := Loss{Lineage: l.Name, Name: l.FriendlyName, State: g.State, Thumbprint: g.Members[0].Thumbprint, Domains: []string{}, Listeners: []string{}, Roles: []string{}}
	x.Roles = append(x.Roles, v.roles(l.ID)...)
	for _, b := range v.bindingViews(l.ID) {
		x.Listeners = append(x.Listeners, b.Listener)
	}
	again := ""
	if cert, err := x509cert.ParseCertificate(g.Members[0].Certificate); err == nil && g.State == state.StateCurrent {
		facts := x509cert.Inspect(cert)
		x.Domains, x.Issuer = facts.Names, facts.Issuer
		if facts.SelfSigned {
			x.Issuer = "self"
		}
		if len(x.Listeners) > 0 {
			again = "; then bind it again: " + enableCommand(l.Name, x.Listeners, false)
		}
	}
	domains := " --domain DOMAIN"
	if len(x.Domains) > 0 {
		domains = ""
		for _, name := range x.Domains {
			domains += " --domain " + name
		}
	}
	ask := fmt.Sprintf("postseal cert request --name %q%s --lineage %s --out FILE", l.FriendlyName, domains, l.Name)
	switch {
	case slices.Contains(x.Roles, RoleAuth) && x.Issuer == "self":
		x.Reissued = true
		x.Remedy = "abandon-keys makes a new one; whoever checks this organisation's tokens must be given the new certificate"
	case slices.Contains(x.Roles, RoleInternal) && x.Issuer == "self":
		x.Reissued = true
		x.Remedy = "abandon-keys makes a new one; clients that compared its fingerprint must compare the new one"
	case l.Origin == state.OriginSetup && x.Issuer == "self":
		x.Reissued = true
		x.Remedy = "abandon-keys makes a new one; browsers that were told to accept it ask again"
	case g.State == state.StatePending:
		x.Remedy = "its answer will be of no use: withdraw it at the authority, and ask again: " + ask
	case x.Issuer == "self":
		x.Remedy = "make its next generation: postseal cert renew " + l.Name + again
	default:
		x.Remedy = fmt.Sprintf("ask %s for another with a new key, and to revoke %s: %s%s", x.Issuer, x.Thumbprint, ask, again)
	}
	return x
}

// KeysLostError reports that the sealing key file is missing, and all that hangs on it.
type KeysLostError struct {
	Path     string // where the sealing key was looked for
	Recovery bool   // there is a recovery key: nothing is lost yet
	Losses   []Loss
}

func (e *KeysLostError) Error() string {
	return fmt.Sprintf("reading the sealing key %s: %v", e.Path, ErrSealingKeyMissing)
}

func (e *KeysLostError) Unwrap() error { return ErrSealingKeyMissing }

// Lines says in words what is lost, one line for each lineage.
func (e *KeysLostError) Lines() []string {
	var lines []string
	for _, x := range e.Losses {
		what := "serves nothing"
		if uses := append(slices.Clone(x.Roles), x.Listeners...); len(uses) > 0 {
			what = strings.Join(uses, ", ")
		}
		lines = append(lines, fmt.Sprintf("%s (%q, %s): %s", x.Lineage, x.Name, what, x.Remedy))
	}
	return lines
}
