-- +goose Up
-- What the organisation trusts beyond the system's store, and what it trusts no more.

CREATE TABLE anchor (
	sha256      TEXT PRIMARY KEY,          -- of the certificate's DER, 64 lower-case hex digits
	certificate BYTEA NOT NULL,            -- DER
	origin      TEXT NOT NULL,             -- added (by hand), pushed (by an administrator's tool)
	added_at    BIGINT NOT NULL
);

CREATE TABLE distrust (
	id       TEXT PRIMARY KEY,             -- kind and value, as people type them
	kind     TEXT NOT NULL,                -- certificate, spki (both SHA-256 in hex), issuer (RFC 4514 text)
	value    TEXT NOT NULL,
	after    BIGINT,                       -- issuer: only what it issued after this; absent for everything
	added_at BIGINT NOT NULL
);

-- Certificates of authorities that came along with others: they complete chains, and are not trusted by
-- themselves.
CREATE TABLE known_issuer (
	sha256      TEXT PRIMARY KEY,          -- of the certificate's DER, 64 lower-case hex digits
	certificate BYTEA NOT NULL,            -- DER
	added_at    BIGINT NOT NULL
);
