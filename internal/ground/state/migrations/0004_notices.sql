-- +goose Up
-- What people are told: one row from the time that something began until its cause is gone, and after that.
CREATE TABLE notice (
	id        TEXT PRIMARY KEY,
	server_id TEXT NOT NULL,
	kind      TEXT NOT NULL,               -- the code of a condition
	object    TEXT NOT NULL,
	stage     BIGINT NOT NULL,             -- the urgency that was reached: days left, 0 for now
	text      TEXT NOT NULL,
	ends_at   BIGINT,                      -- of what it is about, if that ends
	opened_at BIGINT NOT NULL,
	closed_at BIGINT                       -- absent: its cause is still there
);
CREATE UNIQUE INDEX notice_open ON notice (server_id, kind, object) WHERE closed_at IS NULL;

-- What each channel has said of a notice. Written before it is said, as unsure, so that a crash in between is seen; a
-- second time in doubt is written as perhaps, and there is no third.
CREATE TABLE notice_told (
	notice_id TEXT NOT NULL,
	channel   TEXT NOT NULL,               -- mail, webhook
	stage     BIGINT NOT NULL,
	closing   BIGINT NOT NULL,             -- 1: that its cause is gone
	outcome   TEXT NOT NULL,               -- told, unsure, perhaps, gaveUp
	at        BIGINT NOT NULL,
	PRIMARY KEY (notice_id, channel)
);

-- How each channel does.
CREATE TABLE notice_channel (
	server_id     TEXT NOT NULL,
	channel       TEXT NOT NULL,
	tries         BIGINT NOT NULL,         -- that failed, one after the other
	waiting_since BIGINT,                  -- of the first of them
	next_at       BIGINT,                  -- not before
	last_error    TEXT NOT NULL,
	last_told     BIGINT,
	last_report   BIGINT,                  -- the Monday that was reported last
	report_doubt  BIGINT NOT NULL,         -- how often nobody knew whether that report arrived
	PRIMARY KEY (server_id, channel)
);
