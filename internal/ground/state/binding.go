package state

import (
	"errors"
	"fmt"
)

// Roles of a binding.
const (
	RoleDefault = "default" // answers no server name or an unknown one; one per listener
	RoleName    = "name"    // answers the names of its certificate
)

// Binding ties a listener to a lineage.
type Binding struct {
	Listener  string
	LineageID string
	Role      string
}

// Bindings returns the bindings of a server by listener, oldest first.
func (tx *Tx) Bindings(serverID string) ([]Binding, error) {
	return collect(tx, `SELECT listener, lineage_id, role FROM binding WHERE server_id = $1 ORDER BY listener, created_at, lineage_id`,
		func(scan func(...any) error) (Binding, error) {
			var b Binding
			return b, scan(&b.Listener, &b.LineageID, &b.Role)
		}, serverID)
}

// Bind stores b. A default binding takes the place of the listener's default before it, and a lineage
// has one role at a listener. The default of a listener cannot become a name binding there, which would
// leave the listener without a default: it can only be taken over.
func (tx *Tx) Bind(serverID string, b Binding) error {
	if b.Role == RoleDefault {
		if err := tx.exec(`DELETE FROM binding WHERE server_id = $1 AND listener = $2 AND role = $3`, serverID, b.Listener, RoleDefault); err != nil {
			return fmt.Errorf("taking over the default binding of %s: %w", b.Listener, err)
		}
	}
	err := tx.hit(`INSERT INTO binding (server_id, listener, lineage_id, role, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (server_id, listener, lineage_id) DO UPDATE SET role = excluded.role, created_at = excluded.created_at WHERE binding.role <> $6`,
		serverID, b.Listener, b.LineageID, b.Role, micro(tx.now), RoleDefault)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("binding %s: the lineage is its default, which can only be taken over", b.Listener)
	}
	if err != nil {
		return fmt.Errorf("binding %s: %w", b.Listener, err)
	}
	return nil
}

// Unbind removes the binding between a listener and a lineage.
func (tx *Tx) Unbind(serverID, listener, lineageID string) error {
	return tx.exec(`DELETE FROM binding WHERE server_id = $1 AND listener = $2 AND lineage_id = $3`, serverID, listener, lineageID)
}
