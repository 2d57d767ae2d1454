-- The views of a ledger, in generations. A generation's documents are in a table of its own, document_N, which add_generation makes: so a
-- generation that nobody reads any more is dropped at once, whatever its size.

CREATE TABLE generation (
	number int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	shape  text NOT NULL,                  -- which views, in which versions
	state  text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'live', 'retired')),
	cursor bigint NOT NULL DEFAULT 0,      -- the position up to which all of its documents are folded
	leaf   bytea NOT NULL                  -- of the record there
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX generation_live ON generation (state) WHERE state = 'live';

-- grouped and due are tokens that a document is listed and ordered by. Full parts of a long document never change. There is room in each
-- page for the next version of a row.
CREATE FUNCTION add_generation(of_shape text, no_leaf bytea) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	INSERT INTO generation (shape, leaf) VALUES (of_shape, no_leaf) RETURNING number INTO n;
	EXECUTE format('CREATE TABLE document_%s (
		view    smallint NOT NULL,
		id      uuid NOT NULL,
		part    int NOT NULL,
		parts   int NOT NULL,
		at      bigint NOT NULL,
		version bigint NOT NULL,
		grouped uuid,
		due     uuid,
		body    bytea NOT NULL,
		PRIMARY KEY (view, id, part)
	) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)', n);
	EXECUTE format('CREATE INDEX ON document_%s (view, grouped) WHERE grouped IS NOT NULL', n);
	EXECUTE format('CREATE INDEX ON document_%s (view, due) WHERE due IS NOT NULL', n);
	RETURN n;
END $$;
