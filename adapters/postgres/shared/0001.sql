-- What several instances of the program share besides events and keys. Instants are nanoseconds since the beginning of 1970, by the
-- callers' clocks, and durations are nanoseconds.

-- One row for each session: token is the SHA-256 of what the browser shows, and sealed is under a key that only that gives. There is
-- room in each page for the next version of a row, so that no index grows by a request.
CREATE UNLOGGED TABLE session (
	token   bytea NOT NULL PRIMARY KEY,
	id      uuid NOT NULL UNIQUE,
	actor   uuid NOT NULL,
	number  bigint NOT NULL, -- in the order in which the actor's began
	seen    bigint NOT NULL,
	idle    bigint NOT NULL,
	ends    bigint NOT NULL,
	version bigint NOT NULL,
	sealed  bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX session_actor ON session (actor, number);

-- Whoever adds or removes several rows takes this turn, so that none waits for another who waits for it.
CREATE FUNCTION sessions_turn() RETURNS void LANGUAGE sql AS $$
	SELECT pg_advisory_xact_lock(hashtextextended('samtykke sessions ' || current_schema, 0))
$$;

-- add_session adds a session unless it is there already, after it has made room among those of the actor and, unless most is null,
-- among all: then it tells how many more there is room for. To count is the dear part.
CREATE FUNCTION add_session(
	at bigint, most bigint, most_of_actor bigint,
	of_token bytea, of_id uuid, of_actor uuid, of_seen bigint, of_idle bigint, of_ends bigint, of_version bigint, of_sealed bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	room bigint;
BEGIN
	PERFORM sessions_turn();
	IF EXISTS (SELECT FROM session WHERE token = of_token) THEN
		RETURN NULL;
	END IF;
	DELETE FROM session WHERE token = ANY (ARRAY(SELECT token FROM session WHERE actor = of_actor ORDER BY number DESC OFFSET most_of_actor - 1));
	SELECT most - count(*) INTO room FROM session WHERE most IS NOT NULL;
	IF room <= 0 THEN
		DELETE FROM session WHERE at >= least(seen + idle, ends);
		DELETE FROM session WHERE token = ANY (ARRAY(
			SELECT token FROM session ORDER BY seen LIMIT greatest((SELECT count(*) FROM session) - most + 1, 0)));
		SELECT most - count(*) INTO room FROM session;
	END IF;
	INSERT INTO session (token, id, actor, number, seen, idle, ends, version, sealed)
	SELECT of_token, of_id, of_actor, coalesce(max(number), 0) + 1, of_seen, of_idle, of_ends, of_version, of_sealed
	FROM session WHERE actor = of_actor;
	RETURN room - 1;
END $$;

-- find_session gives a session, and notes that it was seen unless that was noted less than every ago. One that is over is removed.
CREATE FUNCTION find_session(of_token bytea, at bigint, every bigint) RETURNS SETOF session LANGUAGE plpgsql AS $$
DECLARE
	s session;
BEGIN
	SELECT * INTO s FROM session WHERE token = of_token;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF at >= least(s.seen + s.idle, s.ends) THEN
		DELETE FROM session WHERE token = of_token AND at >= least(seen + idle, ends);
		RETURN;
	END IF;
	IF at - s.seen >= every THEN
		UPDATE session SET seen = greatest(seen, at) WHERE token = of_token RETURNING * INTO s;
		IF NOT FOUND THEN -- it has ended meanwhile
			RETURN;
		END IF;
	END IF;
	RETURN NEXT s;
END $$;

-- end_sessions removes the sessions of an actor, and tells how many.
CREATE FUNCTION end_sessions(of_actor uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	ended bigint;
BEGIN
	PERFORM sessions_turn();
	DELETE FROM session WHERE actor = of_actor;
	GET DIAGNOSTICS ended = ROW_COUNT;
	RETURN ended;
END $$;

-- forget_sessions removes what is over.
CREATE FUNCTION forget_sessions(at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM sessions_turn();
	DELETE FROM session WHERE at >= least(seen + idle, ends);
END $$;

-- The day's salt, in one row or none.
CREATE UNLOGGED TABLE day (
	salt  bytea NOT NULL,
	until bigint NOT NULL
);

-- One row for each bucket that is not full: when it will be, if nobody takes anything before. That says all there is to a bucket: it
-- holds a token less for each interval, or part of one, between now and then.
CREATE UNLOGGED TABLE bucket (
	kind    text COLLATE "C" NOT NULL,
	key     bytea NOT NULL, -- a keyed hash
	full_at bigint NOT NULL,
	PRIMARY KEY (kind, key)
) WITH (fillfactor = 70);

-- Whoever counts takes this turn: so that several buckets are one.
CREATE FUNCTION limits_turn() RETURNS void LANGUAGE sql AS $$
	SELECT pg_advisory_xact_lock(hashtextextended('samtykke limits ' || current_schema, 0))
$$;

-- this_day gives the day at an instant. If there is none, it becomes the one that was drawn.
CREATE FUNCTION this_day(at bigint, drawn bytea, drawn_until bigint) RETURNS SETOF day LANGUAGE plpgsql AS $$
BEGIN
	PERFORM limits_turn();
	IF NOT EXISTS (SELECT FROM day WHERE day.until > at) THEN
		DELETE FROM day;
		DELETE FROM bucket;
		INSERT INTO day VALUES (drawn, drawn_until);
	END IF;
	RETURN QUERY SELECT * FROM day;
END $$;

-- take_tokens takes a token out of each bucket, or none if one of them is empty, and gives how long it is until each has one; null
-- if the day is another. of_day is the SHA-256 of its salt.
CREATE FUNCTION take_tokens(
	at bigint, of_day bytea, kinds text[], keys bytea[], everies bigint[], bursts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	wait bigint;
BEGIN
	PERFORM limits_turn();
	IF NOT EXISTS (SELECT FROM day WHERE sha256(salt) = of_day AND until > at) THEN
		RETURN NULL;
	END IF;
	SELECT max(greatest(b.full_at, at) + a.every - a.burst * a.every - at) INTO wait
	FROM unnest(kinds, keys, everies, bursts) a (kind, key, every, burst) LEFT JOIN bucket b ON b.kind = a.kind AND b.key = a.key;
	IF wait > 0 THEN
		RETURN wait;
	END IF;
	INSERT INTO bucket (kind, key, full_at)
	SELECT a.kind, a.key, greatest(b.full_at, at) + a.every
	FROM unnest(kinds, keys, everies) a (kind, key, every) LEFT JOIN bucket b ON b.kind = a.kind AND b.key = a.key
	ON CONFLICT ON CONSTRAINT bucket_pkey DO UPDATE SET full_at = excluded.full_at;
	RETURN 0;
END $$;

-- forget_limits removes the day that is over with all its buckets, or else the buckets that are full and, of each kind, those beyond
-- the most there may be that are full soonest. It tells whether the day was over.
CREATE FUNCTION forget_limits(at bigint, most bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM limits_turn();
	DELETE FROM day WHERE until <= at;
	IF FOUND THEN
		DELETE FROM bucket;
		RETURN true;
	END IF;
	DELETE FROM bucket WHERE full_at <= at;
	DELETE FROM bucket b USING (
		SELECT kind, key, row_number() OVER (PARTITION BY kind ORDER BY full_at DESC) AS n FROM bucket
	) o WHERE o.n > most AND b.kind = o.kind AND b.key = o.key;
	RETURN false;
END $$;

-- One row for each lease: how often it was taken. Unlike the tables above it survives a crash of the server.
CREATE TABLE lease (
	name  text COLLATE "C" NOT NULL PRIMARY KEY,
	epoch bigint NOT NULL
);
