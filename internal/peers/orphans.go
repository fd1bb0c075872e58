package peers

import (
	"database/sql"
	"net/url"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

// KeyOrphans counts the sealed keys in the database at path that nothing refers to. It asks the tables which of them have
// a column for keys, so one that comes later is asked too; keys of people are found by the serial in their own id.
func KeyOrphans(t testing.TB, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND p.name = 'secret_id' AND m.name <> 'secret_recipient'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	query, tables := `SELECT count(*) FROM secret WHERE NOT EXISTS (SELECT 1 FROM issuance WHERE secret.id = 'person-' || serial)`, 0
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables++
		query += ` AND id NOT IN (SELECT secret_id FROM ` + table + ` WHERE secret_id IS NOT NULL)`
	}
	if err := rows.Err(); err != nil || tables < 5 {
		t.Fatalf("%d tables refer to keys, %v", tables, err)
	}
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
