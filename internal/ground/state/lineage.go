package state

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Lineage is a named line of certificates for one purpose.
type Lineage struct {
	ID           string
	Name         string // unique in the organisation
	ServerID     string // the server that uses it; empty for the whole organisation
	FriendlyName string
	Origin       string // OriginSetup, OriginNew, OriginRequest, OriginImport or OriginAuthority
	Activation   string // "auto" or "approve"
	KeyAtRenewal string // "new" or "keep"
	Exportable   bool
	CreatedAt    time.Time
	Generations  []Generation // newest first
}

// Where a lineage comes from.
const (
	OriginSetup   = "setup"   // one of the three defaults
	OriginNew     = "new"     // made later, self-signed
	OriginRequest = "request" // asked of an authority by hand
	OriginImport  = "import"  // taken from files
	// OriginAuthority: issued by our own authority, which renews it.
	OriginAuthority = "authority"
)

// States of a generation.
const (
	StateNext     = "next"     // waits to be activated
	StateCurrent  = "current"  // in force
	StatePrevious = "previous" // in force before; kept to its own end, so that one can go back
	StateRetired  = "retired"  // kept for the record
	StatePending  = "pending"  // a request without its answer
)

// Generation is one step of a lineage.
type Generation struct {
	ID          string
	Number      int
	State       string // StateNext, StateCurrent, StatePrevious, StateRetired or StatePending
	CreatedAt   time.Time
	ActivatedAt time.Time // zero: never
	Members     []Member  // ECDSA before RSA
}

// Member is one certificate of a generation.
type Member struct {
	Algorithm   string // of its key: "ECDSA", "Ed25519" or "RSA"
	Thumbprint  string // of the certificate; of the request while it is pending
	Certificate []byte // DER; nil while pending
	Request     []byte // PKCS#10 DER; nil when none was made
	Chain       []byte // DER of the issuers, one after the other
	SecretID    string // its sealed private key; empty when we hold none
}

// Current returns the generation in force.
func (l Lineage) Current() (Generation, bool) {
	for _, g := range l.Generations {
		if g.State == StateCurrent {
			return g, true
		}
	}
	return Generation{}, false
}

// AddLineage stores l with its generations.
func (tx *Tx) AddLineage(l Lineage) error {
	if err := tx.exec(`INSERT INTO lineage (id, name, server_id, friendly_name, origin, activation, key_at_renewal, exportable, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		l.ID, l.Name, l.ServerID, l.FriendlyName, l.Origin, l.Activation, l.KeyAtRenewal, l.Exportable, micro(tx.now)); err != nil {
		return fmt.Errorf("storing lineage %s: %w", l.Name, err)
	}
	for _, g := range l.Generations {
		if err := tx.addGeneration(l, g); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) addGeneration(l Lineage, g Generation) error {
	if n := len(g.Members); n < 1 || n > 2 {
		return fmt.Errorf("storing generation %d of %s: %d members, want one or two", g.Number, l.Name, n)
	}
	activated := sql.NullInt64{Int64: micro(tx.now), Valid: g.State == StateCurrent}
	if err := tx.exec(`INSERT INTO generation (id, lineage_id, number, state, created_at, activated_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		g.ID, l.ID, g.Number, g.State, micro(tx.now), activated); err != nil {
		return fmt.Errorf("storing generation %d of %s: %w", g.Number, l.Name, err)
	}
	for _, m := range g.Members {
		if err := tx.exec(`INSERT INTO member (generation_id, algorithm, thumbprint, certificate, chain, request, secret_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			g.ID, m.Algorithm, m.Thumbprint, m.Certificate, m.Chain, m.Request, nullable(m.SecretID)); err != nil {
			return fmt.Errorf("storing certificate %s of %s: %w", m.Thumbprint, l.Name, err)
		}
		if err := tx.storeFacts(g.ID, m); err != nil {
			return err
		}
	}
	return nil
}

// Lineages returns every lineage with its generations and members, ordered by name. The order is made
// here, not in SQL, where it depends on the collation of the database.
func (tx *Tx) Lineages() ([]Lineage, error) { return tx.lineages("", "", "") }

// LineagesOf returns the lineages with these ids as [Tx.Lineages] does: a few of many thousand cost as much as a few.
func (tx *Tx) LineagesOf(ids []string) ([]Lineage, error) {
	const most = 500 // parameters in one query; every database takes that many
	var all []Lineage
	for some := range slices.Chunk(ids, most) {
		args, marks := make([]any, len(some)), make([]string, len(some))
		for i, id := range some {
			args[i], marks[i] = id, fmt.Sprint("$", i+1)
		}
		in := " IN (" + strings.Join(marks, ", ") + ")"
		found, err := tx.lineages(" WHERE id"+in, " WHERE lineage_id"+in, " WHERE generation_id IN (SELECT id FROM generation WHERE lineage_id"+in+")", args...)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b Lineage) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// lineages reads lineages with their generations and members; each of the three tables as far as its condition goes.
func (tx *Tx) lineages(which, whichGenerations, whichMembers string, args ...any) ([]Lineage, error) {
	lineages, err := collect(tx, `SELECT id, name, server_id, friendly_name, origin, activation, key_at_renewal, exportable, created_at FROM lineage`+which,
		func(scan func(...any) error) (Lineage, error) {
			var l Lineage
			var created int64
			err := scan(&l.ID, &l.Name, &l.ServerID, &l.FriendlyName, &l.Origin, &l.Activation, &l.KeyAtRenewal, &l.Exportable, &created)
			l.CreatedAt = fromMicro(created)
			return l, err
		}, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the lineages: %w", err)
	}
	slices.SortFunc(lineages, func(a, b Lineage) int { return strings.Compare(a.Name, b.Name) })
	byID := make(map[string]*Lineage, len(lineages))
	for i := range lineages {
		byID[lineages[i].ID] = &lineages[i]
	}
	members, err := tx.members(whichMembers, args...)
	if err != nil {
		return nil, err
	}
	if err := tx.generations(whichGenerations, args, func(lineage string, g Generation) {
		g.Members = members[g.ID]
		if l := byID[lineage]; l != nil && len(g.Members) > 0 {
			l.Generations = append(l.Generations, g)
		}
	}); err != nil {
		return nil, err
	}
	for _, l := range lineages {
		slices.SortFunc(l.Generations, func(a, b Generation) int { return b.Number - a.Number })
	}
	return lineages, nil
}

// members reads members by the id of their generation, each in order. The tables are read as they lie on disk, and
// joined and ordered here: for ten thousand certificates that is half the work of asking the database for both.
func (tx *Tx) members(which string, args ...any) (map[string][]Member, error) {
	members := make(map[string][]Member)
	chains := make(map[string][]byte) // by content: the certificates of one authority share theirs
	if _, err := collect(tx, `SELECT generation_id, algorithm, thumbprint, certificate, chain, request, secret_id FROM member`+which,
		func(scan func(...any) error) (struct{}, error) {
			var generation string
			var m Member
			var secret sql.NullString
			err := scan(&generation, &m.Algorithm, &m.Thumbprint, &m.Certificate, &m.Chain, &m.Request, &secret)
			m.SecretID = secret.String
			if shared, ok := chains[string(m.Chain)]; ok {
				m.Chain = shared
			} else {
				chains[string(m.Chain)] = m.Chain
			}
			members[generation] = append(members[generation], m)
			return struct{}{}, err
		}, args...); err != nil {
		return nil, fmt.Errorf("reading the certificates: %w", err)
	}
	for _, of := range members {
		slices.SortFunc(of, func(a, b Member) int { return strings.Compare(a.Algorithm, b.Algorithm) })
	}
	return members, nil
}

// generations reads generations, without their members, in no order.
func (tx *Tx) generations(which string, args []any, each func(lineage string, g Generation)) error {
	if _, err := collect(tx, `SELECT lineage_id, id, number, state, created_at, activated_at FROM generation`+which,
		func(scan func(...any) error) (struct{}, error) {
			var lineage string
			var g Generation
			var created int64
			var activated sql.NullInt64
			err := scan(&lineage, &g.ID, &g.Number, &g.State, &created, &activated)
			g.CreatedAt = fromMicro(created)
			if activated.Valid {
				g.ActivatedAt = fromMicro(activated.Int64)
			}
			each(lineage, g)
			return struct{}{}, err
		}, args...); err != nil {
		return fmt.Errorf("reading the generations: %w", err)
	}
	return nil
}

// RemoveGeneration removes a generation with its members and their keys; with the last generation the
// lineage goes too, and its bindings. A key that another generation uses as well stays. What is left is
// asked of the database: l may be older than this transaction.
func (tx *Tx) RemoveGeneration(l Lineage, g Generation) error {
	if err := tx.hit(`DELETE FROM generation WHERE id = $1 AND lineage_id = $2`, g.ID, l.ID); err != nil {
		return fmt.Errorf("removing generation %d of %s: %w", g.Number, l.Name, err)
	}
	for _, m := range g.Members {
		if err := tx.exec(`DELETE FROM secret WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM member WHERE secret_id = $1)`, m.SecretID); err != nil {
			return fmt.Errorf("removing the key of %s: %w", m.Thumbprint, err)
		}
	}
	for _, query := range []string{
		`DELETE FROM binding WHERE lineage_id = $1 AND NOT EXISTS (SELECT 1 FROM generation WHERE lineage_id = $1)`,
		`DELETE FROM lineage WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM generation WHERE lineage_id = $1)`,
	} {
		if err := tx.exec(query, l.ID); err != nil {
			return fmt.Errorf("removing lineage %s: %w", l.Name, err)
		}
	}
	return nil
}
