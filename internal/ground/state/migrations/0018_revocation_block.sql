-- +goose Up
-- What was revoked, in the order in which it was. A complete list of a million entries is then not read line by line: what
-- the book says of a range of these numbers never changes, but for lines that are forgotten, and is kept as it stands in a list.
ALTER TABLE issuance ADD COLUMN revocation BIGINT; -- the number of its revocation, from change_sequence 3; absent: it was not revoked

UPDATE issuance SET revocation = o.n
	FROM (SELECT serial, row_number() OVER (ORDER BY revoked_at, serial) AS n FROM issuance WHERE revoked_at IS NOT NULL) AS o
	WHERE o.serial = issuance.serial;
UPDATE change_sequence SET seq = seq + (SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL) WHERE id = 3;

-- It has all that a list says, so that the lines themselves are not read.
CREATE INDEX issuance_by_revocation ON issuance (authority_id, revocation, serial, revoked_at, reason, not_after) WHERE revocation IS NOT NULL;

-- A line that was revoked without a number is on the list all the same. There is none, unless somebody writes past this program.
CREATE INDEX issuance_unnumbered ON issuance (authority_id, serial) WHERE revoked_at IS NOT NULL AND revocation IS NULL;

-- The ranges of an authority begin with its first revocation and follow one another; behind the last one stands what is
-- read from the book.
CREATE TABLE revocation_block (
	authority_id TEXT NOT NULL REFERENCES authority (id),
	first_number BIGINT NOT NULL,
	last_number  BIGINT NOT NULL,
	ends_first   BIGINT NOT NULL,        -- the earliest moment after which one of its entries may be left out
	ends_last    BIGINT NOT NULL,        -- and the latest
	octets       BIGINT NOT NULL,        -- of entries
	marks        BYTEA,                  -- of each entry: that moment, 8 octets, and how many octets it has, 1; absent: a line was forgotten
	entries      BYTEA,                  -- elements of revokedCertificates in DER, RFC 5280 section 5.1; absent as marks
	PRIMARY KEY (authority_id, last_number)
);
