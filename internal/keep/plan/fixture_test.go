package plan

import (
	"testing"
	"time"

	"postseal/internal/ground/listener"
)

// today is the day for which tests plan: 200 days are the law, 100 are to come.
var today = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// need is a name of a zone that serves IMAP.
func need(name string, zone Zone, services ...listener.Service) Need {
	if len(services) == 0 {
		services = []listener.Service{listener.ServiceIMAP}
	}
	return Need{Name: name, Zone: zone, Services: services}
}

func inventory(t *testing.T, needs []Need, apart ...Pair) *Inventory {
	t.Helper()
	i, err := NewInventory(needs, apart)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func compute(t *testing.T, i *Inventory, authority string) *Plan {
	t.Helper()
	p, err := Compute(i, authority, today)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
