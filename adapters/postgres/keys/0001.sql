-- The one row says under which epoch's key data keys are wrapped now: 0 before there was any, -1 while the first one is being made.
-- checked is what that key made, to tell it from others. destroyed counts the keys destroyed.
CREATE TABLE ring (
	one       boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
	epoch     bigint NOT NULL,
	checked   bytea,
	destroyed bigint NOT NULL DEFAULT 0
);
INSERT INTO ring (epoch) VALUES (0);

-- One row for each owner who has or had a key. A destroyed one has its number in the order of destructions, and in the key's
-- place a word. A page has room for all its rows once more, so that a rotation changes no index.
CREATE TABLE key (
	kind    text COLLATE "C" NOT NULL,
	id      uuid NOT NULL,
	epoch   bigint NOT NULL, -- whose key wraps this one, 0 if destroyed
	gone    bigint,
	wrapped bytea NOT NULL,
	PRIMARY KEY (kind, id)
) WITH (fillfactor = 45);
CREATE UNIQUE INDEX key_gone ON key (gone) WHERE gone IS NOT NULL;

-- destroy overwrites an owner's key, or marks an owner who has none. Destructions take turns by locking the ring's row: so they
-- are numbered in the order of their commits, and whoever has seen one has seen all before it.
CREATE FUNCTION destroy(of_kind text, of_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	number bigint;
BEGIN
	SELECT destroyed + 1 INTO number FROM ring FOR UPDATE;
	INSERT INTO key (kind, id, epoch, gone, wrapped) VALUES (of_kind, of_id, 0, number, repeat('destroyed ', 6)::bytea)
	ON CONFLICT ON CONSTRAINT key_pkey DO UPDATE SET epoch = excluded.epoch, gone = excluded.gone, wrapped = excluded.wrapped
	WHERE key.gone IS NULL;
	IF FOUND THEN
		UPDATE ring SET destroyed = number;
	END IF;
END $$;

-- make keeps a key that was made for an owner, unless the owner has or had one, and tells whether the owner's was destroyed. It gives
-- null if nothing was kept, since the epoch has changed or another key was made at the same time. Who begins an epoch waits for
-- all that make keys under the one before.
CREATE FUNCTION make(of_kind text, of_id uuid, of_epoch bigint, key_wrapped bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	destroyed boolean;
BEGIN
	SELECT gone IS NOT NULL INTO destroyed FROM key WHERE kind = of_kind AND id = of_id;
	IF FOUND THEN
		RETURN destroyed;
	END IF;
	PERFORM FROM ring WHERE epoch = of_epoch FOR SHARE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	INSERT INTO key (kind, id, epoch, wrapped) VALUES (of_kind, of_id, of_epoch, key_wrapped)
	ON CONFLICT ON CONSTRAINT key_pkey DO NOTHING;
	IF FOUND THEN
		RETURN false;
	END IF;
	RETURN NULL;
END $$;
