-- +goose Up
-- What is signed for our own authorities, and authorities whose superior is elsewhere: in a safe, or at another organisation.

-- A certificate of an authority, or of a signer of OCSP answers. A row is written before the key is touched.
CREATE TABLE authority_plan (
	serial      TEXT PRIMARY KEY,        -- lower-case hex
	issuer      TEXT NOT NULL,           -- RFC 4514 text
	purpose     TEXT NOT NULL,           -- root, servers, clients, smime, code, ocsp
	tbs         BYTEA,                   -- the octets to be signed; absent when the certificate is there, which holds them
	certificate BYTEA,                   -- DER; absent: nobody was given it, and perhaps it was never signed
	planned_at  BIGINT NOT NULL,
	recorded_at BIGINT
);

-- What waits for the authority above: the certificate of a new authority, or another one for an authority in force.
CREATE TABLE authority_request (
	authority_id TEXT PRIMARY KEY REFERENCES authority (id),
	way          TEXT NOT NULL,          -- foreign: another organisation certifies it; ceremony: our own root does, on another machine
	request      BYTEA NOT NULL,         -- PKCS#10 DER
	domains      TEXT NOT NULL,          -- JSON: what it may certify
	networks     TEXT NOT NULL,          -- JSON
	replaces     TEXT,                   -- id of the authority that is retired when the answer comes
	created_at   BIGINT NOT NULL
);

-- The list of an authority whose key is elsewhere: it cannot be signed anew here, so it does not lie on the disk alone.
CREATE TABLE authority_list (
	authority_id TEXT PRIMARY KEY REFERENCES authority (id),
	der          BYTEA NOT NULL,
	stored_at    BIGINT NOT NULL
);

-- Which kind of key the root shall have that a ceremony is to make.
ALTER TABLE authority_setting ADD COLUMN root_key TEXT;
