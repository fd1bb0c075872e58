-- +goose Up
-- What lists are searched by, so that finding ten of ten thousand certificates reads no certificate. Everything here
-- stands in the certificate or request of the member too: a row is written with its member, in the same transaction,
-- and those of older members are made when the database is opened (fact.go).

CREATE TABLE fact (
	generation_id TEXT NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
	algorithm     TEXT NOT NULL,
	not_after     BIGINT NOT NULL,         -- whole seconds since 1970; 0 for a request
	names         TEXT,                    -- one a line; NULL when the certificate cannot be read
	PRIMARY KEY (generation_id, algorithm)
);
