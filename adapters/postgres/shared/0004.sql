-- A command that is under way has a row without an answer: taker is who works on it, until then by this server's clock.
ALTER TABLE answer ADD taker uuid;
ALTER TABLE answer ALTER sealed DROP NOT NULL;

-- take_answer gives the answer of a command, or the command to who asks: mine is true if it is theirs to do, for a term, because nobody has
-- answered it and nobody else works on it. Who asks again has it still.
CREATE FUNCTION take_answer(of_key bytea, by_whom uuid, term bigint, OUT mine boolean, OUT given bytea) LANGUAGE plpgsql AS $$
DECLARE
	at bigint := extract(epoch FROM clock_timestamp()) * 1000000000;
BEGIN
	INSERT INTO answer AS a (key, until, taker) VALUES (of_key, at + term, by_whom)
	ON CONFLICT (key) DO UPDATE SET until = excluded.until, taker = excluded.taker
	WHERE a.sealed IS NULL AND (a.until <= at OR a.taker = by_whom);
	mine := FOUND;
	IF NOT mine THEN
		SELECT sealed INTO given FROM answer WHERE key = of_key;
	END IF;
END $$;
