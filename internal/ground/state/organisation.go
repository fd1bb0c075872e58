package state

import (
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Organisation is the trust domain; a state holds one or none.
type Organisation struct {
	ID          string
	Name        string
	Trial       bool     // made by serve --trial
	Domains     []string // accepted domains, A-labels, the first is the default
	PublicKey   []byte   // Ed25519
	SecretID    string   // the organisation key
	AuthLineage string   // lineage id; empty when there is none
	CreatedAt   time.Time
}

// Server is one machine that runs Postseal.
type Server struct {
	ID               string
	Name             string // FQDN, A-labels
	Role             string // "mailbox", "edge" or "agent"
	Mode             string // "beside" or "front"
	SealingPublicKey []byte
	InternalLineage  string // lineage id
	AddedAt          time.Time
}

// Listener is one port of a server, as stored: flags of serve may place it elsewhere.
type Listener struct {
	Name    string
	Address netip.AddrPort
	Enabled bool
}

// AddOrganisation stores o; there must be none yet.
func (tx *Tx) AddOrganisation(o Organisation) error {
	if there, err := tx.Organisation(); err == nil {
		return fmt.Errorf("storing organisation %s: %s is here already", o.Name, there.Name)
	} else if !errors.Is(err, ErrNoOrganisation) {
		return err
	}
	if err := tx.exec(`INSERT INTO organisation (id, name, trial, public_key, secret_id, auth_lineage_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		o.ID, o.Name, o.Trial, o.PublicKey, o.SecretID, nullable(o.AuthLineage), micro(tx.now)); err != nil {
		return fmt.Errorf("storing the organisation: %w", err)
	}
	for i, d := range o.Domains {
		if err := tx.exec(`INSERT INTO accepted_domain (name, position) VALUES ($1, $2)`, d, i); err != nil {
			return fmt.Errorf("storing accepted domain %s: %w", d, err)
		}
	}
	return nil
}

// Organisation returns the organisation, or [ErrNoOrganisation].
func (tx *Tx) Organisation() (Organisation, error) {
	var o Organisation
	var auth sql.NullString
	var created int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT id, name, trial, public_key, secret_id, auth_lineage_id, created_at FROM organisation`).
		Scan(&o.ID, &o.Name, &o.Trial, &o.PublicKey, &o.SecretID, &auth, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return o, ErrNoOrganisation
	}
	if err != nil {
		return o, fmt.Errorf("reading the organisation: %w", err)
	}
	o.AuthLineage, o.CreatedAt = auth.String, fromMicro(created)
	o.Domains, err = collect(tx, `SELECT name FROM accepted_domain ORDER BY position`, func(scan func(...any) error) (string, error) {
		var name string
		return name, scan(&name)
	})
	return o, err
}

// AddServer stores s.
func (tx *Tx) AddServer(s Server) error {
	if err := tx.exec(`INSERT INTO server (id, name, role, mode, sealing_public_key, internal_lineage_id, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		s.ID, s.Name, s.Role, s.Mode, s.SealingPublicKey, nullable(s.InternalLineage), micro(tx.now)); err != nil {
		return fmt.Errorf("storing server %s: %w", s.Name, err)
	}
	return nil
}

// Servers returns all servers, oldest first.
func (tx *Tx) Servers() ([]Server, error) {
	return collect(tx, `SELECT id, name, role, mode, sealing_public_key, internal_lineage_id, added_at FROM server ORDER BY added_at, id`,
		func(scan func(...any) error) (Server, error) {
			var s Server
			var internal sql.NullString
			var added int64
			err := scan(&s.ID, &s.Name, &s.Role, &s.Mode, &s.SealingPublicKey, &internal, &added)
			s.InternalLineage, s.AddedAt = internal.String, fromMicro(added)
			return s, err
		})
}

// SetInternal makes a lineage the internal one of a server, or returns [ErrNotFound] for an unknown server.
func (tx *Tx) SetInternal(serverID, lineageID string) error {
	if err := tx.hit(`UPDATE server SET internal_lineage_id = $2 WHERE id = $1`, serverID, lineageID); err != nil {
		return fmt.Errorf("setting the internal lineage of server %s: %w", serverID, err)
	}
	return nil
}

// AddListener stores a listener of a server.
func (tx *Tx) AddListener(serverID string, l Listener) error {
	if err := tx.exec(`INSERT INTO listener (server_id, name, address, port, enabled) VALUES ($1, $2, $3, $4, $5)`,
		serverID, l.Name, l.Address.Addr().String(), int64(l.Address.Port()), l.Enabled); err != nil {
		return fmt.Errorf("storing listener %s: %w", l.Name, err)
	}
	return nil
}

// Listeners returns the listeners of a server, ordered by name.
func (tx *Tx) Listeners(serverID string) ([]Listener, error) {
	return collect(tx, `SELECT name, address, port, enabled FROM listener WHERE server_id = $1 ORDER BY name`,
		func(scan func(...any) error) (Listener, error) {
			var l Listener
			var address string
			var port uint16
			if err := scan(&l.Name, &address, &port, &l.Enabled); err != nil {
				return l, err
			}
			addr, err := netip.ParseAddr(address)
			if err != nil {
				return l, fmt.Errorf("reading listener %s: %w", l.Name, err)
			}
			l.Address = netip.AddrPortFrom(addr, port)
			return l, nil
		}, serverID)
}

// SetListenerEnabled opens or closes a listener from now on, or returns [ErrNotFound].
func (tx *Tx) SetListenerEnabled(serverID, name string, enabled bool) error {
	if err := tx.hit(`UPDATE listener SET enabled = $3 WHERE server_id = $1 AND name = $2`, serverID, name, enabled); err != nil {
		return fmt.Errorf("changing listener %s: %w", name, err)
	}
	return nil
}

func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
