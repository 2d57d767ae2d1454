-- Whoever appends takes its turn by locking this table, which is always empty. So positions are given in the order of commits,
-- and nothing is left behind by it, as the old versions of a row would be that everybody updates.
CREATE TABLE turn ();

-- One row for each record, written once. Partitions are made ahead by positions: see room.
CREATE TABLE event (
	position bigint NOT NULL PRIMARY KEY,
	version  bigint NOT NULL,
	id       uuid NOT NULL,
	sealed   boolean NOT NULL, -- whether the record had sealed bytes when it was appended
	stream   text COLLATE "C" NOT NULL,
	data     bytea NOT NULL
) PARTITION BY RANGE (position);

-- The sealed bytes of a record, in a row of their own that erasure removes.
CREATE TABLE sealed (
	position bigint NOT NULL PRIMARY KEY,
	bytes    bytea NOT NULL
) PARTITION BY RANGE (position);
ALTER TABLE sealed ALTER bytes SET STORAGE EXTERNAL; -- they cannot be compressed

-- Where each stream stands. There is room in each page for the next version of a row, so that no index grows by an update.
CREATE TABLE stream (
	name    text COLLATE "C" NOT NULL PRIMARY KEY,
	version bigint NOT NULL
) WITH (fillfactor = 70);

-- The partitions that there are, by their first position.
CREATE TABLE partition (
	first bigint NOT NULL PRIMARY KEY,
	last  bigint NOT NULL
);

CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'an event is never changed or removed';
END $$;

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION keep();

-- room makes partitions, each of so many positions, until one holds the position up_to, and gives the last position there is
-- room for.
CREATE FUNCTION room(up_to bigint, size bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	lowest bigint;
	highest bigint;
	suffix text;
BEGIN
	LOCK TABLE partition IN EXCLUSIVE MODE;
	SELECT coalesce(max(last), 0) INTO highest FROM partition;
	WHILE highest < up_to LOOP
		lowest := highest + 1;
		highest := highest + size;
		suffix := to_char(lowest, 'FM0000000000000000000');
		-- Made beside and attached, a partition keeps neither readers nor writers waiting.
		EXECUTE format('CREATE TABLE %I (LIKE event INCLUDING ALL)', 'event_' || suffix);
		EXECUTE format('CREATE UNIQUE INDEX ON %I (stream, version)', 'event_' || suffix);
		EXECUTE format('ALTER TABLE event ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', 'event_' || suffix, lowest, highest + 1);
		EXECUTE format('CREATE TABLE %I (LIKE sealed INCLUDING ALL)', 'sealed_' || suffix);
		EXECUTE format('ALTER TABLE sealed ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', 'sealed_' || suffix, lowest, highest + 1);
		INSERT INTO partition VALUES (lowest, highest);
	END LOOP;
	RETURN highest;
END $$;

-- append writes a group of appends, all of them or none. Each asks for a stream to be at the version after, and goes from there to
-- the version last; in a group no two ask for one stream. Records stand in the order of the appends, and get the positions behind
-- the head, which is at known or beyond.
--
-- If streams are at other versions, nothing is written: others are those appends, by their numbers from 1, and actual the
-- versions. Otherwise head is the position before the group's first. secret tells which
-- records have sealed bytes; if none has, seals is null.
CREATE FUNCTION append(
	known bigint, streams text[], afters bigint[], lasts bigint[],
	names text[], versions bigint[], ids uuid[], datas bytea[], secret boolean[], seals bytea[],
	OUT head bigint, OUT others bigint[], OUT actual bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
	LOCK TABLE turn IN EXCLUSIVE MODE;

	SELECT array_agg(a.n), array_agg(coalesce(s.version, 0)) INTO others, actual
	FROM unnest(streams, afters) WITH ORDINALITY a (name, after, n) LEFT JOIN stream s ON s.name = a.name
	WHERE coalesce(s.version, 0) <> a.after;
	IF others IS NOT NULL THEN
		RETURN;
	END IF;

	WITH before AS MATERIALIZED (
		SELECT coalesce((SELECT e.position FROM event e WHERE e.position > known ORDER BY e.position DESC LIMIT 1), known) AS position
	), events AS (
		INSERT INTO event (position, version, id, sealed, stream, data)
		SELECT b.position + r.n, r.version, r.id, r.sealed, r.name, r.data
		FROM before b, unnest(names, versions, ids, datas, secret) WITH ORDINALITY r (name, version, id, data, sealed, n)
	), streams AS (
		INSERT INTO stream (name, version) SELECT a.name, a.last FROM unnest(streams, lasts) a (name, last)
		ON CONFLICT ON CONSTRAINT stream_pkey DO UPDATE SET version = excluded.version
	)
	SELECT b.position INTO head FROM before b;
	IF seals IS NOT NULL THEN
		INSERT INTO sealed (position, bytes)
		SELECT head + r.n, r.bytes FROM unnest(seals) WITH ORDINALITY r (bytes, n) WHERE r.bytes IS NOT NULL;
	END IF;
	PERFORM pg_notify('samtykke ' || current_schema, '');
END $$;
