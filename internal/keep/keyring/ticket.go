package keyring

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
)

// ticketMark begins our entry in [tls.SessionState.Extra], which other layers may share. The number is the version
// of what follows.
const ticketMark = "postseal ticket 1\x00"

// ticketDigest stands for everything but the SNI that a ticket is bound to. It is made once for each binding, so a
// handshake only copies it.
type ticketDigest [sha256.Size]byte

// digestFor hashes {listener, client-certificate policy, lineage, generation} and the leaves themselves: a lineage
// that was removed and made again begins with generation 1 again.
func digestFor(p *port, gen *generation) ticketDigest {
	var b []byte
	field := func(s []byte) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	field([]byte(p.name))
	b = binary.BigEndian.AppendUint64(b, uint64(p.clients.Auth))
	field([]byte(gen.lineage))
	b = binary.BigEndian.AppendUint64(b, uint64(gen.number))
	for _, m := range gen.members {
		field(m.leaf.Raw)
	}
	return sha256.Sum256(b)
}

// ticketTag returns what a ticket for this client must carry, or nil if the client is to have none that works.
func (p *port) ticketTag(sni string) []byte {
	name := cleanName(sni)
	if name.odd {
		return nil
	}
	c, _ := p.candidateFor(name)
	tag := make([]byte, 0, len(ticketMark)+len(c.digest)+len(name.host))
	tag = append(tag, ticketMark...)
	tag = append(tag, c.digest[:]...)
	return append(tag, name.host...)
}

// wrap returns the function that makes a ticket of a session. The keys belong to the ring and not to the
// configuration, because a configuration from GetConfigForClient would inherit the keys of the outer one, and with
// them the sessions of every snapshot before.
func (r *Ring) wrap(p *port) func(tls.ConnectionState, *tls.SessionState) ([]byte, error) {
	return func(cs tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		if tag := p.ticketTag(cs.ServerName); tag != nil {
			session.Extra = append(session.Extra, tag)
		}
		return r.tickets.Load().EncryptTicket(cs, session)
	}
}

// unwrap returns the function that makes a session of a ticket again. Whatever is wrong with the ticket, the client
// gets a full handshake: an error here would end the connection of somebody who only kept a ticket for too long.
func (r *Ring) unwrap(p *port) func([]byte, tls.ConnectionState) (*tls.SessionState, error) {
	return func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if len(ticket) == 0 { // TLS 1.2 asks without one too
			return nil, nil
		}
		session, err := r.tickets.Load().DecryptTicket(ticket, cs)
		if err != nil || session == nil {
			return nil, nil
		}
		want := p.ticketTag(cs.ServerName)
		for _, extra := range session.Extra {
			if want != nil && bytes.Equal(extra, want) {
				return session, nil
			}
		}
		return nil, nil
	}
}

// RotateTickets makes every ticket issued so far useless at once. It is for the day when memory of this process may
// have been read; the keys also change by themselves, once a day, and are forgotten after seven.
func (r *Ring) RotateTickets() {
	// A configuration of its own makes, rotates and forgets its keys; nothing but tickets goes through it.
	r.tickets.Store(&tls.Config{MinVersion: tls.VersionTLS12})
}
