-- +goose Up
-- A second opinion on what our own authority makes: zlint reads it, in a program of its own.

-- What it has not read yet. A row comes with the certificate or the list, in the same commit, and goes when what was found
-- is stored: nothing is left out after a crash, or while the program was missing.
CREATE TABLE zlint_unread (
	kind TEXT NOT NULL,                  -- issued: a line of the book; made: of authority_plan; authority: a certificate of one; list
	id   TEXT NOT NULL,                  -- serial, serial, SHA-256, or ID-SHARD-NUMBER
	PRIMARY KEY (kind, id)
);

INSERT INTO zlint_unread (kind, id) SELECT 'issued', serial FROM issuance WHERE certificate IS NOT NULL;
INSERT INTO zlint_unread (kind, id) SELECT 'made', serial FROM authority_plan WHERE certificate IS NOT NULL;
INSERT INTO zlint_unread (kind, id) SELECT 'authority', sha256 FROM authority_certificate;

-- What it found, without that for which there is a reason.
CREATE TABLE zlint_finding (
	kind     TEXT NOT NULL,
	id       TEXT NOT NULL,              -- of a list ID-SHARD
	lint     TEXT NOT NULL,
	severity TEXT NOT NULL,              -- warn, error, fatal
	details  TEXT NOT NULL,
	subject  TEXT NOT NULL,              -- in what, for people
	ends_at  BIGINT NOT NULL,            -- then nobody looks at it any more
	found_at BIGINT NOT NULL,
	PRIMARY KEY (kind, id, lint)
);

CREATE INDEX zlint_finding_by_lint ON zlint_finding (lint, ends_at);

-- Findings that an administrator takes as they are.
CREATE TABLE zlint_accepted (
	lint        TEXT PRIMARY KEY,
	reason      TEXT NOT NULL,
	accepted_by TEXT NOT NULL,
	accepted_at BIGINT NOT NULL
);
