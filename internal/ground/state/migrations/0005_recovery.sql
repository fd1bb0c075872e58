-- +goose Up
-- The offline recovery key's public half, and the backups that were made.

CREATE TABLE recovery (
	id         TEXT PRIMARY KEY,           -- of the key; there is one row at most
	statement  BYTEA NOT NULL,             -- the public half, in the bytes that are signed
	signature  BYTEA NOT NULL,             -- Ed25519, by the organisation key
	created_at BIGINT NOT NULL,
	tested_at  BIGINT                      -- when the file was last seen to open the secrets
);

-- A row for each backup whose file is known to be whole on its disk; the newest hundred.
CREATE TABLE backup (
	id          TEXT PRIMARY KEY,
	path        TEXT NOT NULL,             -- where it was put, as the one who made it named it
	bytes       BIGINT NOT NULL,           -- of the file
	recovery_id TEXT NOT NULL,             -- the recovery key that opens it; empty for none
	made_at     BIGINT NOT NULL,
	tested_at   BIGINT                     -- when it was last opened with the recovery key
);
