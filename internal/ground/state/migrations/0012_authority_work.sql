-- +goose Up
-- What the organisation's own authority does beyond the book: keys that wait for their lineage, requests that wait for a
-- second person.

-- The sealed key that was made for it here, stored with the plan; absent once a lineage holds it.
ALTER TABLE issuance ADD COLUMN secret_id TEXT REFERENCES secret (id);
-- SHA-1 of the certificate, upper-case hex: what administrators call it by.
ALTER TABLE issuance ADD COLUMN thumbprint TEXT;

CREATE INDEX issuance_by_thumbprint ON issuance (thumbprint) WHERE thumbprint IS NOT NULL;
CREATE INDEX issuance_unheld ON issuance (planned_at) WHERE secret_id IS NOT NULL;

-- Requests that need a second person.
CREATE TABLE approval (
	id         TEXT PRIMARY KEY,
	profile    TEXT NOT NULL,
	requester  TEXT NOT NULL,            -- who asked; he cannot be who agrees
	names      TEXT NOT NULL,            -- what for, for people: separated by spaces
	request    TEXT NOT NULL,            -- JSON of the request
	state      TEXT NOT NULL,            -- waiting, approved, rejected
	asked_at   BIGINT NOT NULL,
	decided_at BIGINT,
	decided_by TEXT NOT NULL DEFAULT '',
	reason     TEXT NOT NULL DEFAULT '', -- of a rejection
	serial     TEXT NOT NULL DEFAULT ''  -- what was issued for it
);

CREATE INDEX approval_waiting ON approval (asked_at) WHERE state = 'waiting';
