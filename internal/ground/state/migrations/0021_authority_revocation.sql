-- +goose Up
-- Certificates of our own authorities that the authority above has taken back: what a root's list names.
CREATE TABLE authority_revocation (
	issuer_id    TEXT NOT NULL REFERENCES authority (id), -- whose list names it
	serial       TEXT NOT NULL,                           -- lower-case hex
	authority_id TEXT NOT NULL REFERENCES authority (id), -- whose certificate it is
	revoked_at   BIGINT NOT NULL,
	reason       BIGINT NOT NULL,                         -- CRLReason, RFC 5280 section 5.3.1
	PRIMARY KEY (issuer_id, serial)
);
