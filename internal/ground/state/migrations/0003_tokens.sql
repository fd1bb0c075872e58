-- +goose Up
-- Tokens of the API, for programs; only hashes of them.
CREATE TABLE api_token (
	name       TEXT PRIMARY KEY,
	token_hash TEXT NOT NULL UNIQUE,       -- SHA-256 in hex
	scope      TEXT NOT NULL,              -- read, operate, admin
	made_by    TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at    BIGINT                      -- absent: never; kept to some minutes
);

-- How far the audit rows of a server have been sent to a collector.
CREATE TABLE audit_cursor (
	server_id TEXT NOT NULL,
	sink      TEXT NOT NULL,               -- as configured: "unix:/dev/log"
	number    BIGINT NOT NULL,             -- of the last row that was sent
	PRIMARY KEY (server_id, sink)
);
