package desk

import (
	"context"

	"postseal/internal/keep/plan"
)

// Opening is what the certificate wizard knows before anybody has answered.
type Opening struct {
	Server  string      `json:"server"`
	Domains []string    `json:"domains"` // of the organisation
	Needs   []plan.Need `json:"needs"`   // the names by which the services that are on are reached today

	Authority bool `json:"authority"` // there is one of our own
}

// Opening returns what the certificate wizard begins with.
func (d *Desk) Opening(ctx context.Context) (*Opening, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	needs, err := v.needs()
	if err != nil {
		return nil, err
	}
	authorities, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	return &Opening{Server: v.server.Name, Domains: list(v.org.Domains), Needs: append([]plan.Need{}, needs...), Authority: len(authorities) > 0}, nil
}
