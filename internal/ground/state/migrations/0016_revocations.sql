-- +goose Up
-- How often something was revoked. Who keeps answers about revocation in memory sees by it that they are old, also when
-- another process has revoked.
INSERT INTO change_sequence (id, seq) VALUES (3, 0);
