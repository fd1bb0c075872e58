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
	Origin       string // OriginSetup, OriginNew, OriginRequest or OriginImport
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
	}
	return nil
}

// Lineages returns every lineage with its generations and members, ordered by name. The order is made
// here, not in SQL, where it depends on the collation of the database.
func (tx *Tx) Lineages() ([]Lineage, error) {
	lineages, err := collect(tx, `SELECT id, name, server_id, friendly_name, origin, activation, key_at_renewal, exportable, created_at FROM lineage`,
		func(scan func(...any) error) (Lineage, error) {
			var l Lineage
			var created int64
			err := scan(&l.ID, &l.Name, &l.ServerID, &l.FriendlyName, &l.Origin, &l.Activation, &l.KeyAtRenewal, &l.Exportable, &created)
			l.CreatedAt = fromMicro(created)
			return l, err
		})
	if err != nil {
		return nil, fmt.Errorf("reading the lineages: %w", err)
	}
	slices.SortFunc(lineages, func(a, b Lineage) int { return strings.Compare(a.Name, b.Name) })
	type row struct {
		lineage string
		g       Generation
		m       Member
	}
	rows, err := collect(tx, `SELECT g.lineage_id, g.id, g.number, g.state, g.created_at, g.activated_at, m.algorithm, m.thumbprint, m.certificate, m.chain, m.request, m.secret_id
		FROM generation g JOIN member m ON m.generation_id = g.id ORDER BY g.lineage_id, g.number DESC, m.algorithm`,
		func(scan func(...any) error) (row, error) {
			var r row
			var created int64
			var activated sql.NullInt64
			var secret sql.NullString
			err := scan(&r.lineage, &r.g.ID, &r.g.Number, &r.g.State, &created, &activated, &r.m.Algorithm, &r.m.Thumbprint, &r.m.Certificate, &r.m.Chain, &r.m.Request, &secret)
			r.g.CreatedAt, r.m.SecretID = fromMicro(created), secret.String
			if activated.Valid {
				r.g.ActivatedAt = fromMicro(activated.Int64)
			}
			return r, err
		})
	if err != nil {
		return nil, fmt.Errorf("reading the generations: %w", err)
	}
	at := make(map[string]int, len(lineages))
	for i, l := range lineages {
		at[l.ID] = i
	}
	for _, r := range rows {
		l := &lineages[at[r.lineage]]
		if n := len(l.Generations); n == 0 || l.Generations[n-1].ID != r.g.ID {
			l.Generations = append(l.Generations, r.g)
		}
		last := &l.Generations[len(l.Generations)-1]
		last.Members = append(last.Members, r.m)
	}
	return lineages, nil
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
