-- +goose Up
-- Each audit row has the hash of itself and the one before (package audit). Rows from before this migration
-- have none until the next one is written: it chains them, and says so in a row of its own.
ALTER TABLE audit ADD COLUMN hash BYTEA;

CREATE INDEX audit_object ON audit (server_id, object, number);

-- The newest signed head of each server's trail; the server also has it in a file.
CREATE TABLE audit_head (
	server_id TEXT PRIMARY KEY,
	head      BYTEA NOT NULL               -- package audit reads it
);
