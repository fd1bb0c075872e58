package desk

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// sealer makes keys and certificates and keeps the keys only sealed.
type sealer struct {
	recipients map[string][]byte // server id -> sealing public key
	made       []state.Secret
}

// seal seals a private key and returns the id of the secret.
func (s *sealer) seal(kind string, key *keys.Private) (string, error) {
	id := newID()
	plain := key.PKCS8()
	defer plain.Wipe()
	sealed, err := keys.Seal(keys.Object{Kind: kind, ID: id}, plain, s.recipients)
	if err != nil {
		return "", fmt.Errorf("sealing a key: %w", err)
	}
	s.made = append(s.made, state.Secret{ID: id, Kind: kind, Ciphertext: sealed.Ciphertext, Wrapped: sealed.Wrapped})
	return id, nil
}

// lineageSpec says what a new self-signed lineage shall be.
type lineageSpec struct {
	name, friendly string
	server         string // id; empty for the whole organisation
	origin         string
	exportable     bool
	kinds          []keys.Kind // one per algorithm
	options        selfsigned.Options
}

// lineage makes a lineage with one generation, current, of one member per key kind.
func (s *sealer) lineage(spec lineageSpec) (state.Lineage, error) {
	l := state.Lineage{ID: newID(), Name: spec.name, ServerID: spec.server, FriendlyName: spec.friendly, Origin: spec.origin,
		Activation: ActivationAuto, KeyAtRenewal: KeyNew, Exportable: spec.exportable}
	g := state.Generation{ID: newID(), Number: 1, State: "current"}
	for _, kind := range spec.kinds {
		key, err := keys.Generate(kind)
		if err != nil {
			return l, fmt.Errorf("making a key for %q: %w", spec.friendly, err)
		}
		der, err := selfsigned.Create(spec.options, key)
		if err != nil {
			return l, fmt.Errorf("making the certificate %q: %w", spec.friendly, err)
		}
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return l, fmt.Errorf("making the certificate %q: %w", spec.friendly, err)
		}
		secret, err := s.seal(state.SecretMemberKey, key)
		if err != nil {
			return l, err
		}
		g.Members = append(g.Members, state.Member{Algorithm: kind.Algorithm(), Thumbprint: x509cert.Inspect(cert).Thumbprint, Certificate: der, SecretID: secret})
	}
	slices.SortFunc(g.Members, func(a, b state.Member) int { return strings.Compare(a.Algorithm, b.Algorithm) })
	l.Generations = []state.Generation{g}
	return l, nil
}
