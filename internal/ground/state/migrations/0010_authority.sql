-- +goose Up
-- The organisation's own authority: who it is, what may be asked of it, and the book of what it issued.

-- The number of the last commit of DB.Append.
INSERT INTO change_sequence (id, seq) VALUES (2, 0);

CREATE TABLE authority (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL UNIQUE,     -- in addresses and commands: root, servers, clients, smime, code; after a roll-over servers-2
	purpose    TEXT NOT NULL,            -- root, servers, clients, smime, code
	parent_id  TEXT,                     -- the authority above; absent for a root and for one below a foreign root
	state      TEXT NOT NULL,            -- pending (its request waits), active, retired (answers and lists, issues no more)
	request    BYTEA,                    -- PKCS#10 DER, while pending
	public_key BYTEA NOT NULL,           -- SubjectPublicKeyInfo DER
	secret_id  TEXT REFERENCES secret (id), -- absent: its key is elsewhere
	created_at BIGINT NOT NULL
);

-- One key may be certified several times: with other constraints when a domain is added.
CREATE TABLE authority_certificate (
	sha256       TEXT PRIMARY KEY,       -- of the DER, 64 lower-case hex digits
	authority_id TEXT NOT NULL REFERENCES authority (id),
	certificate  BYTEA NOT NULL,         -- DER
	chain        BYTEA,                  -- DER of the issuers above, one after the other; absent for a root
	current      BOOLEAN NOT NULL,
	created_at   BIGINT NOT NULL
);

CREATE UNIQUE INDEX authority_one_current ON authority_certificate (authority_id) WHERE current;

-- Where the outside finds lists and answers; one row.
CREATE TABLE authority_setting (
	id       BIGINT PRIMARY KEY,
	pki_host TEXT NOT NULL               -- host, or host:port, of the http addresses in certificates
);

-- Profiles that an administrator made or changed; those that are not here are built in.
CREATE TABLE profile (
	name       TEXT PRIMARY KEY,
	options    TEXT NOT NULL,            -- JSON of ca.ProfileOptions
	changed_at BIGINT NOT NULL
);

-- The book. A row is written before the key is touched (docs/issuance.md, step 3); certificate follows (step 6).
CREATE TABLE issuance (
	serial       TEXT PRIMARY KEY,       -- lower-case hex
	authority_id TEXT NOT NULL REFERENCES authority (id),
	shard        BIGINT NOT NULL,        -- of its revocation list
	profile      TEXT NOT NULL,
	requester    TEXT NOT NULL,          -- who asked: a user, an ACME account
	subject      TEXT NOT NULL,          -- RFC 4514 text
	key_id       TEXT NOT NULL,          -- SHA-256 of the SubjectPublicKeyInfo, hex
	not_before   BIGINT NOT NULL,
	not_after    BIGINT NOT NULL,
	tbs          BYTEA,                  -- the octets to be signed; absent when the certificate is there, which holds them
	certificate  BYTEA,                  -- DER
	planned_at   BIGINT NOT NULL,
	recorded_at  BIGINT,
	revoked_at   BIGINT,
	reason       BIGINT                  -- CRLReason, RFC 5280 section 5.3.1
);

CREATE INDEX issuance_by_key ON issuance (key_id);
CREATE INDEX issuance_by_time ON issuance (authority_id, planned_at);
CREATE INDEX issuance_by_requester ON issuance (requester, planned_at);
CREATE INDEX issuance_revoked ON issuance (authority_id, shard, serial) WHERE revoked_at IS NOT NULL;
CREATE INDEX issuance_unfinished ON issuance (planned_at) WHERE certificate IS NULL;

CREATE TABLE issuance_name (
	name   TEXT NOT NULL,                -- as in the certificate; the labels of a host reversed, so that a domain is a prefix
	serial TEXT NOT NULL REFERENCES issuance (serial) ON DELETE CASCADE,
	PRIMARY KEY (name, serial)
);

-- A shard closes after so many certificates and retires when the last of them ends.
CREATE TABLE revocation_shard (
	authority_id TEXT NOT NULL REFERENCES authority (id),
	number       BIGINT NOT NULL,        -- 0 is the complete list, which has no certificates of its own
	issued       BIGINT NOT NULL,
	closed       BOOLEAN NOT NULL,
	ends_at      BIGINT NOT NULL,        -- when the last of its certificates ends
	crl_number   TEXT NOT NULL,          -- decimal; empty: there was no list yet
	dirty        BOOLEAN NOT NULL,       -- something was revoked that the last list does not say
	this_update  BIGINT,
	next_update  BIGINT,
	PRIMARY KEY (authority_id, number)
);
