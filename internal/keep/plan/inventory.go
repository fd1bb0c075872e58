package plan

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

// Zone says how a name is exposed. Names of different zones never share a private key.
type Zone string

// The zones. A partner's is [PartnerZone].
const (
	ZoneInside     Zone = "inside"     // servers with mailboxes; clients reach them from inside and outside by one name
	ZoneEdge       Zone = "edge"       // servers in the perimeter network, which strangers reach first
	ZoneManagement Zone = "management" // administrators only
	ZoneInternal   Zone = "internal"   // server to server; the organisation trusts it directly
)

const partnerPrefix = "partner:"

// PartnerZone is the zone of connections to one partner.
func PartnerZone(name string) Zone { return Zone(partnerPrefix + name) }

// Partner returns the name of the partner whose zone it is.
func (z Zone) Partner() (string, bool) {
	return strings.CutPrefix(string(z), partnerPrefix)
}

// private says that no public authority has a part in the zone: only our own servers and administrators look.
func (z Zone) private() bool { return z == ZoneManagement || z == ZoneInternal }

// ParseZone reads a zone.
func ParseZone(text string) (Zone, error) {
	z := Zone(strings.ToLower(text))
	switch z {
	case ZoneInside, ZoneEdge, ZoneManagement, ZoneInternal:
		return z, nil
	}
	if name, ok := z.Partner(); ok && name != "" && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" {
		return z, nil
	}
	return "", fmt.Errorf("zone %.80q: want inside, edge, management, internal or partner:NAME", text)
}

// Need is one name by which services are reached.
type Need struct {
	Name     string             `json:"name"` // a domain, a wildcard, a short name or an address
	Services []listener.Service `json:"services"`
	Zone     Zone               `json:"zone"`
	Keep     bool               `json:"keep,omitempty"` // others rely on the name: it is not among those that could go
}

// Pair are two names that must not share a private key, though their zone is the same.
type Pair [2]string

// Bounds of an inventory.
const (
	MaxNeeds = 10_000
	MaxPairs = 10_000
)

// Inventory is all that is needed, checked: names in one spelling, each once in a zone, in order.
type Inventory struct {
	needs []Need
	apart []Pair
	zones []Zone // that there are, in order
}

// Needs returns what is needed, by zone and name. The caller must not change it.
func (i *Inventory) Needs() []Need { return i.needs }

// Apart returns the pairs that must not share a key. The caller must not change it.
func (i *Inventory) Apart() []Pair { return i.apart }

// InventoryError says what in an inventory cannot be.
type InventoryError struct {
	Subject string // the name, the zone or the pair
	Reason  string
}

func (e *InventoryError) Error() string {
	return fmt.Sprintf("planning for %s: %s", e.Subject, e.Reason)
}

// NewInventory checks needs and pairs. A name that is given twice in a zone is one need with the services of both. The
// errors are [*InventoryError] and [*x509cert.InvalidNameError].
func NewInventory(needs []Need, apart []Pair) (*Inventory, error) {
	if len(needs) > MaxNeeds {
		return nil, &InventoryError{fmt.Sprintf("%d names", len(needs)), fmt.Sprintf("at most %d", MaxNeeds)}
	}
	if len(apart) > MaxPairs {
		return nil, &InventoryError{fmt.Sprintf("%d pairs", len(apart)), fmt.Sprintf("at most %d", MaxPairs)}
	}
	i := &Inventory{}
	at := make(map[place]int)
	for _, n := range needs {
		name, err := x509cert.ParseSAN(n.Name)
		if err != nil {
			return nil, err
		}
		if n.Zone, err = ParseZone(string(n.Zone)); err != nil {
			return nil, &InventoryError{name, err.Error()}
		}
		services, err := ordered(n.Services)
		if err != nil {
			return nil, &InventoryError{name, err.Error()}
		}
		n.Name, n.Services = name, services
		if k, twice := at[place{name, n.Zone}]; twice {
			both, err := ordered(append(slices.Clone(i.needs[k].Services), services...))
			if err != nil {
				return nil, err
			}
			i.needs[k].Services, i.needs[k].Keep = both, i.needs[k].Keep || n.Keep
			continue
		}
		at[place{name, n.Zone}] = len(i.needs)
		i.needs = append(i.needs, n)
	}
	slices.SortFunc(i.needs, func(a, b Need) int {
		if a.Zone != b.Zone {
			return strings.Compare(string(a.Zone), string(b.Zone))
		}
		return compareNames(a.Name, b.Name)
	})
	for _, n := range i.needs {
		if len(i.zones) == 0 || i.zones[len(i.zones)-1] != n.Zone { // they are sorted
			i.zones = append(i.zones, n.Zone)
		}
	}
	seen := make(map[Pair]bool)
	for _, p := range apart {
		one, err := i.pair(p, at)
		if err != nil {
			return nil, err
		}
		if !seen[one] {
			i.apart, seen[one] = append(i.apart, one), true
		}
	}
	return i, nil
}

// place is where a name is needed.
type place struct {
	name string
	zone Zone
}

// where returns the zones in which a name is needed.
func (i *Inventory) where(name string, at map[place]int) []Zone {
	var zones []Zone
	for _, z := range i.zones {
		if _, ok := at[place{name, z}]; ok {
			zones = append(zones, z)
		}
	}
	return zones
}

// pair checks two names that must be apart.
func (i *Inventory) pair(p Pair, at map[place]int) (Pair, error) {
	subject := fmt.Sprintf("%.80s apart from %.80s", p[0], p[1])
	for k := range p {
		name, err := x509cert.ParseSAN(p[k])
		if err != nil {
			return p, err
		}
		if len(i.where(name, at)) == 0 {
			return p, &InventoryError{subject, fmt.Sprintf("%s is not among the names", name)}
		}
		p[k] = name
	}
	switch {
	case p[0] == p[1]:
		return p, &InventoryError{subject, "a name cannot be apart from itself"}
	case x509cert.Match(p[0], p[1]), x509cert.Match(p[1], p[0]):
		return p, &InventoryError{subject, "the wildcard speaks for the other name"}
	case p[0] > p[1]:
		p[0], p[1] = p[1], p[0]
	}
	if parent := parentOf(p[0]); parent != "" && parent == parentOf(p[1]) {
		if len(i.where("*."+parent, at)) > 0 { // of whatever zone: its one key speaks for both
			return p, &InventoryError{subject, fmt.Sprintf("the needed wildcard *.%s speaks for both", parent)}
		}
	}
	return p, nil
}

// ordered puts services in the order of [listener.Services], each once.
func ordered(services []listener.Service) ([]listener.Service, error) {
	var words []string
	for _, s := range services {
		words = append(words, string(s))
	}
	return listener.ParseServices(strings.Join(words, ","))
}

// compareNames orders names by domain, so that hosts of one domain stand together: by their labels from the right.
func compareNames(a, b string) int {
	return slices.Compare(backwards(a), backwards(b))
}

func backwards(name string) []string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return labels
}
