-- +goose Up
-- How many were revoked in a month, without a look at all that were.
CREATE INDEX issuance_revoked_at ON issuance (revoked_at) WHERE revoked_at IS NOT NULL;
