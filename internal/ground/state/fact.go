package state

import (
	"cmp"
	"context"
	"crypto/x509"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
)

// Fact is what lists are searched by: a member without its certificate.
type Fact struct {
	LineageID, Lineage string
	Generation         int
	Algorithm          string
	NotAfter           time.Time // whole seconds, UTC; zero for a request
	Names              []string  // as in [x509cert.Facts]; of a request, those that it asks for
	Unreadable         bool      // nothing is known but that the certificate cannot be read; whoever reads it says why
}

// factsOf reads from a member what its row in the table fact says. It is the only place where that is decided: members
// that come in, members that are answered, and members from before there was the table, all pass here.
func factsOf(certificate, request []byte) (notAfter int64, names sql.NullString) {
	var found []string
	if certificate != nil {
		cert, err := x509cert.ParseCertificate(certificate)
		if err != nil {
			return 0, sql.NullString{}
		}
		notAfter, found = cert.NotAfter.Unix(), x509cert.NamesIn(cert)
	} else {
		csr, err := x509.ParseCertificateRequest(request)
		if err != nil {
			return 0, sql.NullString{}
		}
		found = slices.Clone(csr.DNSNames)
		for _, ip := range csr.IPAddresses {
			found = append(found, ip.String())
		}
	}
	// No name has a line break: NamesIn leaves such out, and a request has none that would be a name.
	return notAfter, sql.NullString{String: strings.Join(found, "\n"), Valid: true}
}

// storeFacts writes the row of a member.
func (tx *Tx) storeFacts(generationID string, m Member) error {
	notAfter, names := factsOf(m.Certificate, m.Request)
	if err := tx.exec(`INSERT INTO fact (generation_id, algorithm, not_after, names) VALUES ($1, $2, $3, $4)
		ON CONFLICT (generation_id, algorithm) DO UPDATE SET not_after = excluded.not_after, names = excluded.names`,
		generationID, m.Algorithm, notAfter, names); err != nil {
		return fmt.Errorf("storing the facts of %s: %w", m.Thumbprint, err)
	}
	return nil
}

// fillFacts makes the rows of members that have none: those of a database from before the table. Each member has one
// afterwards, and counting tells at every opening whether it is so, also after a migration that a kill cut short.
func (db *DB) fillFacts(ctx context.Context) error {
	var members, facts int
	if err := db.write.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM fact)`).Scan(&members, &facts); err != nil {
		return named(err)
	}
	if members == facts {
		return nil
	}
	begun, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return named(err)
	}
	defer begun.Rollback() // does nothing after a commit
	tx := &Tx{tx: statements{tx: begun}, ctx: ctx}
	type row struct {
		generation string
		Member
	}
	missing, err := collect(tx, `SELECT generation_id, algorithm, thumbprint, certificate, request FROM member WHERE NOT EXISTS
		(SELECT 1 FROM fact WHERE fact.generation_id = member.generation_id AND fact.algorithm = member.algorithm)`,
		func(scan func(...any) error) (r row, err error) {
			return r, scan(&r.generation, &r.Algorithm, &r.Thumbprint, &r.Certificate, &r.Request)
		})
	if err != nil {
		return named(err)
	}
	for _, r := range missing {
		if err := tx.storeFacts(r.generation, r.Member); err != nil {
			return named(err)
		}
	}
	return named(begun.Commit())
}

// Facts returns the facts of all members, in the order of [Tx.Lineages]: by name, newest generation first, ECDSA before
// RSA. The tables are joined here, see [Tx.members].
func (tx *Tx) Facts() ([]Fact, error) {
	type pair struct{ id, name string }
	lineages, err := collect(tx, `SELECT id, name FROM lineage`, func(scan func(...any) error) (p pair, err error) {
		return p, scan(&p.id, &p.name)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the names of the lineages: %w", err)
	}
	nameOf := make(map[string]string, len(lineages))
	for _, l := range lineages {
		nameOf[l.id] = l.name
	}
	of := make(map[string]Fact, len(lineages)) // by id of the generation
	if _, err := collect(tx, `SELECT id, lineage_id, number FROM generation`, func(scan func(...any) error) (struct{}, error) {
		var id string
		var f Fact
		err := scan(&id, &f.LineageID, &f.Generation)
		f.Lineage = nameOf[f.LineageID]
		of[id] = f
		return struct{}{}, err
	}); err != nil {
		return nil, fmt.Errorf("reading the generations: %w", err)
	}
	all, err := collect(tx, `SELECT generation_id, algorithm, not_after, names FROM fact`, func(scan func(...any) error) (Fact, error) {
		var id, algorithm string
		var notAfter int64
		var names sql.NullString
		err := scan(&id, &algorithm, &notAfter, &names)
		f := of[id]
		f.Algorithm = algorithm
		f.said(notAfter, names)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the facts: %w", err)
	}
	slices.SortFunc(all, func(a, b Fact) int {
		return cmp.Or(strings.Compare(a.Lineage, b.Lineage), cmp.Compare(b.Generation, a.Generation), strings.Compare(a.Algorithm, b.Algorithm))
	})
	return all, nil
}

// behind joins the members behind a place in the order of [Tx.Facts]: $1 is the lineage, $2 the generation, $3 the algorithm.
// CROSS JOIN: SQLite takes the tables in just this order then, and ends at a limit. Left to itself it reads all and sorts.
// To other databases it is a join like any.
const behind = ` FROM lineage l CROSS JOIN generation g CROSS JOIN fact f
	WHERE g.lineage_id = l.id AND f.generation_id = g.id AND l.name >= $1 AND (l.name > $1 OR g.number < $2 OR g.number = $2 AND f.algorithm > $3)`

// FactsAfter returns the facts of the first members behind a place in the order of [Tx.Facts], at most limit. Behind
// nothing is the beginning. The order is that of octets, as Go's is; lineages are named in ASCII.
func (tx *Tx) FactsAfter(lineage string, generation int, algorithm string, limit int) ([]Fact, error) {
	facts, err := collect(tx, `SELECT l.id, l.name, g.number, f.algorithm, f.not_after, f.names`+behind+` ORDER BY l.name, g.number DESC, f.algorithm LIMIT $4`, scanFact,
		lineage, generation, algorithm, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the facts: %w", err)
	}
	return facts, nil
}

// CountAfter returns how many members are behind a place in that order.
func (tx *Tx) CountAfter(lineage string, generation int, algorithm string) (n int, err error) {
	query, args := `SELECT count(*) FROM fact`, []any(nil) // of all, which an index tells
	if lineage != "" {
		query, args = `SELECT count(*)`+behind, []any{lineage, generation, algorithm}
	}
	if err := tx.tx.QueryRowContext(tx.ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting the facts: %w", err)
	}
	return n, nil
}

func scanFact(scan func(...any) error) (f Fact, err error) {
	var notAfter int64
	var names sql.NullString
	err = scan(&f.LineageID, &f.Lineage, &f.Generation, &f.Algorithm, &notAfter, &names)
	f.said(notAfter, names)
	return f, err
}

// said fills in what the table says of the certificate.
func (f *Fact) said(notAfter int64, names sql.NullString) {
	f.Unreadable = !names.Valid
	if notAfter != 0 {
		f.NotAfter = time.Unix(notAfter, 0).UTC()
	}
	if names.String != "" {
		f.Names = strings.Split(names.String, "\n")
	}
}
