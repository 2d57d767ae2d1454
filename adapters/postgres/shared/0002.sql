-- How far something has come that only the holder of a lease moves on, such as the relay of messages: a position of the ledger, the leaf
-- hash of the record there, and the number of the lease under which it was last read or moved.
CREATE TABLE place (
	name     text COLLATE "C" NOT NULL PRIMARY KEY,
	epoch    bigint NOT NULL,
	position bigint NOT NULL,
	leaf     bytea NOT NULL
);
