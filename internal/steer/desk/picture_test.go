package desk

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/state"
)

// picture is what is bound to what, and what is open: the part of the state that the acts change.
type picture struct {
	Default  map[string]string // by listener
	ByName   map[string]string // by listener, sorted and joined
	Internal string
	Enabled  string
	Lineages string
}

func (h *house) picture(t *testing.T) picture {
	t.Helper()
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v.picture()
}

func (v *view) picture() picture {
	p := picture{Default: map[string]string{}, ByName: map[string]string{}}
	byName := map[string][]string{}
	for _, b := range v.bindings {
		l, _ := v.lineage(b.LineageID)
		if b.Role == state.RoleDefault {
			p.Default[b.Listener] = l.Name
		} else {
			byName[b.Listener] = append(byName[b.Listener], l.Name)
		}
	}
	for listener, names := range byName {
		slices.Sort(names)
		p.ByName[listener] = strings.Join(names, " ")
	}
	internal, _ := v.lineage(v.server.InternalLineage)
	p.Internal = internal.Name
	for _, l := range v.listeners {
		if l.Enabled {
			p.Enabled += l.Name + " "
		}
	}
	for _, l := range v.lineages {
		p.Lineages += l.Name + " "
	}
	return p
}

func (p picture) equal(q picture) bool {
	return maps.Equal(p.Default, q.Default) && maps.Equal(p.ByName, q.ByName) && p.Internal == q.Internal && p.Enabled == q.Enabled && p.Lineages == q.Lineages
}
