-- One row for each command that was answered. The key and what seals the answer follow from what only its caller has.
CREATE UNLOGGED TABLE answer (
	key    bytea NOT NULL PRIMARY KEY,
	until  bigint NOT NULL, -- when it is removed
	sealed bytea NOT NULL
);
CREATE INDEX answer_until ON answer (until);
