/*
 * test/pgtap/territory_fuzz.sql
 *		Garbage into the type territory: it is refused with one of two SQLSTATEs or accepted,
 *		and what is accepted comes back from its own text unchanged. Fixed seed.
 */
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL search_path = leadroute, public, pg_catalog;
SET LOCAL client_min_messages = warning;
SELECT plan(11);
SELECT setseed(0.7) \gset

/* what became of a text: the SQLSTATE, or 00000, or what is wrong with the round trip */
CREATE FUNCTION pg_temp.try(txt text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	area territory;
BEGIN
	area := txt::territory;
	IF area::text::territory IS DISTINCT FROM area OR area::jsonb::territory IS DISTINCT FROM area OR area::text::territory::text <> area::text THEN
		RETURN 'round trip of ' || txt;
	END IF;
	IF NOT area @> area OR (area && area) = isempty(area) OR area * area <> area THEN
		RETURN 'operators on ' || txt;
	END IF;
	RETURN '00000';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.pieces(pieces text[], n integer) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT string_agg(pieces[1 + floor(random() * cardinality(pieces))::integer], '') FROM generate_series(1, n) $$;

CREATE TEMP TABLE tried (kind text, txt text, state text) ON COMMIT DROP;
/* tokens of the grammar in any order, after a side's name */
INSERT INTO tried SELECT 'labels', 'a:' || pg_temp.pieces(ARRAY['a', 'b', '9', 'Z', ' ', ',', '!', '*', '..', '<', '=', '>', '"', '""', '.', E'\n', E'\x01', 'é', 'Ω', E'\U0010FFFF', E'\u007F', E'\uD7FF', '/', '-'], 1 + i % 9) FROM generate_series(1, 20000) i;
INSERT INTO tried SELECT 'numbers', 'a:' || (ARRAY['[', '(', '!['])[1 + i % 3] || pg_temp.pieces(ARRAY['0', '1', '99999', '.', '-', '+', 'e', 'e5', 'e-7', ',', ',', ' ', '00', 'x'], 1 + i % 7) || (ARRAY[']', ')', ''])[1 + i % 5 % 3] FROM generate_series(1, 10000) i;
INSERT INTO tried SELECT 'sides', pg_temp.pieces(ARRAY['a', 'b: x', ':', ';', '; ', '{', '}', '{}', 'empty', '"', '"Q"', ' ', 'c: [1]', '[', 'd: *'], 1 + i % 8) FROM generate_series(1, 10000) i;
INSERT INTO tried SELECT 'bytes', string_agg(chr(1 + floor(random() * CASE WHEN random() < 0.8 THEN 126 ELSE 50000 END)::integer), '') FROM generate_series(1, 4000) i, generate_series(1, 1 + i % 30) GROUP BY i;
UPDATE tried SET state = pg_temp.try(txt);
SELECT is(array_agg(DISTINCT state ORDER BY state), ARRAY['00000', '22P02'], 'small texts are refused as text or come back') FROM tried;
SELECT cmp_ok(count(DISTINCT txt) FILTER (WHERE state = '00000' AND kind = 'labels'), '>', 500::bigint, 'many of them are good labels') FROM tried;
SELECT cmp_ok(count(DISTINCT txt) FILTER (WHERE state = '00000' AND kind = 'numbers'), '>', 300::bigint, 'and many good numbers') FROM tried;

SELECT is(array_agg(pg_temp.try(txt) ORDER BY n), ARRAY['00000', '22P02', '22P02', '22P02', '54000', '22P02', '00000', '54000', '00000', '22P02'], 'long texts')
  FROM unnest(ARRAY['a: ' || repeat('x', 255), 'a: ' || repeat('x', 256), 'a: ' || repeat('x', 1000000), 'a: ' || repeat('"', 100001),
					(SELECT string_agg('s' || i || ': x', ';') FROM generate_series(1, 33) i), repeat('{', 100000),
					'a: ' || (SELECT string_agg(i::text, ',') FROM generate_series(1, 10000) i), 'a: ' || (SELECT string_agg(i || 'x', ',') FROM generate_series(1, 10001) i),
					'a: ' || repeat('x,', 100000) || 'x', repeat('!', 100000)]) WITH ORDINALITY x (txt, n);
SELECT is(array_agg(pg_temp.try(txt) ORDER BY n), ARRAY['00000', '22P02', '22P02', '22P02', '00000', '00000', '54000'], 'long numbers and exceptions')
  FROM unnest(ARRAY['a: [' || repeat('9', 248) || '.' || repeat('9', 248) || ']', 'a: [1' || repeat('0', 248) || ']', 'a: [1e99999999999]', 'a: [' || repeat('1', 100000) || ']',
					'a: [' || repeat('0', 100000) || '1]', 'a: *' || (SELECT string_agg('!' || i, ' ') FROM generate_series(1, 9999) i),
					'a: *' || (SELECT string_agg('!' || i || 'x', ' ') FROM generate_series(1, 20000) i)]) WITH ORDINALITY x (txt, n);
/* the code of numbers keeps their order and their value */
CREATE TEMP TABLE numbers ON COMMIT DROP AS
	SELECT DISTINCT trim_scale((CASE WHEN random() < 0.5 THEN -1 ELSE 1 END * floor(random() * 10 ^ (i % 12))::numeric) * 10::numeric ^ (i % 37 - 18)) AS n FROM generate_series(1, 600) i;
SELECT is((SELECT count(*) FROM numbers WHERE format('a: [%s]', n)::territory <> territory('a', ARRAY[numrange(n, n, '[]')])
					OR (regexp_match(format('a: [%s]', n)::territory::text, '\[(.*)\]'))[1]::numeric <> n), 0::bigint, 'numbers come back');
SELECT is((SELECT count(*) FROM numbers a, numbers b WHERE (format('a: (,%s]', a.n)::territory @> format('a: [%s]', b.n)::territory) <> (b.n <= a.n)), 0::bigint, 'numbers keep their order');
/* binary: a version we do not know, and text as strict as text */
CREATE TEMP TABLE wire (area territory) ON COMMIT DROP;
SELECT throws_ok(format($$ COPY wire FROM PROGRAM 'printf "PGCOPY\\n\\377\\r\\n\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\001\\0\\0\\0\\005%s\\377\\377"' (FORMAT binary) $$, bytes), state, message, 'binary: ' || bytes)
  FROM (VALUES (1, '\\002a: x', '22P03', 'unsupported territory version number 2'),
			   (2, '\\001a: ,', '22P02', 'invalid input syntax for type territory: "a: ,"'),
			   (3, '\\001a:\\303x', '22021', NULL)) x (n, bytes, state, message) ORDER BY n;
SELECT lives_ok($$ COPY wire FROM PROGRAM 'printf "PGCOPY\\n\\377\\r\\n\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\001\\0\\0\\0\\005\\001a: x\\377\\377"' (FORMAT binary) $$, 'binary: good');
SELECT * FROM finish();
ROLLBACK;
