-- +goose Up
-- Times are microseconds since 1970 in UTC, passed by Go; there are no defaults in SQL.

CREATE TABLE organisation (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	trial      BOOLEAN NOT NULL,
	public_key BYTEA NOT NULL,             -- Ed25519, the organisation key's public half
	secret_id  TEXT NOT NULL,              -- the organisation key, sealed to the mailbox servers
	auth_lineage_id TEXT,                  -- signs server-to-server tokens
	created_at BIGINT NOT NULL
);

CREATE TABLE accepted_domain (
	name     TEXT PRIMARY KEY,             -- A-labels
	position BIGINT NOT NULL
);

-- Who is a server, and its sealing key, is signed by the organisation key over the stored bytes of
-- membership; the signing comes with organisations of several servers.
CREATE TABLE server (
	id                   TEXT PRIMARY KEY,
	name                 TEXT NOT NULL UNIQUE, -- FQDN, A-labels
	role                 TEXT NOT NULL,        -- mailbox, edge, agent
	mode                 TEXT NOT NULL,        -- beside, front
	sealing_public_key   BYTEA NOT NULL,
	membership           BYTEA,
	membership_signature BYTEA,
	internal_lineage_id  TEXT,
	added_at             BIGINT NOT NULL
);

-- A secret is sealed with a data key of its own; secret_recipient holds that key wrapped for each
-- server that uses the secret, and for the recovery key. Adding a server is one row.
CREATE TABLE secret (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	ciphertext BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE secret_recipient (
	secret_id  TEXT NOT NULL REFERENCES secret (id) ON DELETE CASCADE,
	recipient  TEXT NOT NULL,              -- server id, or "recovery"
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (secret_id, recipient)
);

CREATE TABLE lineage (
	id             TEXT PRIMARY KEY,
	name           TEXT NOT NULL UNIQUE,
	server_id      TEXT NOT NULL,          -- the server that uses it; empty for the whole organisation
	friendly_name  TEXT NOT NULL,
	origin         TEXT NOT NULL,          -- setup, new
	activation     TEXT NOT NULL,          -- auto, approve
	key_at_renewal TEXT NOT NULL,          -- new, keep
	exportable     BOOLEAN NOT NULL,
	created_at     BIGINT NOT NULL
);

CREATE TABLE generation (
	id           TEXT PRIMARY KEY,
	lineage_id   TEXT NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
	number       BIGINT NOT NULL,
	state        TEXT NOT NULL,            -- next, current, previous, retired, pending
	created_at   BIGINT NOT NULL,
	activated_at BIGINT,
	UNIQUE (lineage_id, number)
);

CREATE UNIQUE INDEX generation_one_current ON generation (lineage_id) WHERE state = 'current';

-- One or two members, at most one per key algorithm.
CREATE TABLE member (
	generation_id TEXT NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
	algorithm     TEXT NOT NULL,           -- ECDSA, RSA, Ed25519
	thumbprint    TEXT NOT NULL UNIQUE,    -- SHA-1 of the DER, 40 upper-case hex digits
	certificate   BYTEA,                   -- DER; absent while a request is pending
	chain         BYTEA,                   -- DER of the issuers, one after the other, leaf's issuer first
	request       BYTEA,                   -- PKCS#10 DER
	secret_id     TEXT REFERENCES secret (id),
	PRIMARY KEY (generation_id, algorithm)
);

CREATE TABLE listener (
	server_id TEXT NOT NULL REFERENCES server (id) ON DELETE CASCADE,
	name      TEXT NOT NULL,
	address   TEXT NOT NULL,
	port      BIGINT NOT NULL,
	enabled   BOOLEAN NOT NULL,
	PRIMARY KEY (server_id, name)
);

-- Bindings name lineages, never a thumbprint, so a renewal cannot strand a service.
CREATE TABLE binding (
	server_id  TEXT NOT NULL,
	listener   TEXT NOT NULL,
	lineage_id TEXT NOT NULL REFERENCES lineage (id),
	role       TEXT NOT NULL,              -- default, name
	created_at BIGINT NOT NULL,
	PRIMARY KEY (server_id, listener, lineage_id),
	FOREIGN KEY (server_id, listener) REFERENCES listener (server_id, name) ON DELETE CASCADE
);

CREATE UNIQUE INDEX binding_one_default ON binding (server_id, listener) WHERE role = 'default';

-- One-time sign-in links and the sessions that they become; only hashes of the tokens.
CREATE TABLE sign_in (
	token_hash TEXT PRIMARY KEY,           -- SHA-256 in hex
	kind       TEXT NOT NULL,              -- link, session
	who        TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE TABLE audit (
	server_id TEXT NOT NULL,
	number    BIGINT NOT NULL,
	at        BIGINT NOT NULL,
	who       TEXT NOT NULL,
	origin    TEXT NOT NULL,               -- from where: socket, command, pages
	act       TEXT NOT NULL,
	object    TEXT NOT NULL,
	before    TEXT NOT NULL,               -- JSON, or empty
	after     TEXT NOT NULL,               -- JSON, or empty
	PRIMARY KEY (server_id, number)
);

-- The number of the last change. A reader that has seen it has seen everything.
CREATE TABLE change_sequence (
	id  BIGINT PRIMARY KEY,
	seq BIGINT NOT NULL
);

INSERT INTO change_sequence (id, seq) VALUES (1, 0);
