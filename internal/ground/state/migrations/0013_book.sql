-- +goose Up
-- The book is searched, counted and shortened.

-- The names of a line; and without it each line that is deleted would look through all names.
CREATE INDEX issuance_name_of ON issuance_name (serial);
-- What ended, and how many of a profile are there, without a look at the lines.
CREATE INDEX issuance_by_profile ON issuance (profile, not_after);

-- How long lines stay; one row, or none: for ever.
CREATE TABLE book_rule (
	id        BIGINT PRIMARY KEY,
	keep_days BIGINT NOT NULL            -- after the certificate's end
);
