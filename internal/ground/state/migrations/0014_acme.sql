-- +goose Up
-- The ACME server of the organisation's own authority (RFC 8555).

-- Keys with which accounts are bound to a profile and names (external account binding).
CREATE TABLE acme_key (
	id         TEXT PRIMARY KEY,         -- the kid that the client is given
	authority  TEXT NOT NULL,            -- name of the authority whose directory takes it
	profile    TEXT NOT NULL,
	domains    TEXT NOT NULL,            -- JSON list; empty: those of the profile
	secret_id  TEXT NOT NULL REFERENCES secret (id),
	accounts   BIGINT NOT NULL,          -- how many accounts it may make
	made_by    TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,          -- makes no account any more; those that it made go on
	revoked_at BIGINT                    -- its accounts are shut out too
);

CREATE TABLE acme_account (
	id         TEXT PRIMARY KEY,
	authority  TEXT NOT NULL,
	thumbprint TEXT NOT NULL,            -- of its key, RFC 7638
	jwk        TEXT NOT NULL,
	contact    TEXT NOT NULL,            -- JSON list of addresses
	status     TEXT NOT NULL,            -- valid, deactivated (by its holder), revoked (by an administrator)
	key_id     TEXT REFERENCES acme_key (id), -- absent: the directory was open
	created_at BIGINT NOT NULL,
	UNIQUE (authority, thumbprint)
);

CREATE INDEX acme_account_by_key ON acme_account (key_id);

-- One order with its authorizations, which belong to it alone. That it is ready, processing or valid follows from them
-- and from the book: there is no second place that could say otherwise.
CREATE TABLE acme_order (
	id             TEXT PRIMARY KEY,
	account_id     TEXT NOT NULL REFERENCES acme_account (id) ON DELETE CASCADE,
	profile        TEXT NOT NULL,
	authorizations TEXT NOT NULL,        -- JSON
	replaces       TEXT NOT NULL,        -- certificate that it renews (RFC 9773); empty: none
	serial         TEXT,                 -- of what was planned for it
	error          TEXT NOT NULL,        -- JSON of a problem; empty: none
	created_at     BIGINT NOT NULL,
	expires_at     BIGINT NOT NULL
);

CREATE INDEX acme_order_by_account ON acme_order (account_id, created_at);
CREATE INDEX acme_order_by_end ON acme_order (expires_at);
CREATE INDEX acme_order_replacing ON acme_order (replaces) WHERE replaces <> '';

-- Windows in which clients shall renew, moved by an administrator.
CREATE TABLE acme_window (
	id            TEXT PRIMARY KEY,
	authority     TEXT NOT NULL,
	profile       TEXT NOT NULL,         -- empty: every one
	issued_before BIGINT NOT NULL,
	starts_at     BIGINT NOT NULL,
	ends_at       BIGINT NOT NULL,
	explanation   TEXT NOT NULL,         -- address of a page for people; empty: none
	created_at    BIGINT NOT NULL
);
