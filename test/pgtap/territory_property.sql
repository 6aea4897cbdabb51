/*
 * test/pgtap/territory_property.sql
 *		The type territory against a slow reference: random territories, made as data, are
 *		judged point by point in SQL and as text by the type. Bounds are strings of up to two
 *		of a, b, c; the points have every string of up to three of !, a, b, c, d, so that
 *		between any two cuts lies a point. A point may lack a side (NULL).
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
SELECT plan(37);
SELECT setseed(0.20261122) \gset

CREATE TEMP TABLE label_values ON COMMIT DROP AS
	WITH RECURSIVE chars AS (SELECT unnest(ARRAY['!', 'a', 'b', 'c', 'd']) AS c),
	strings (s) AS (SELECT '' UNION ALL SELECT s || c FROM strings, chars WHERE length(s) < 3)
	SELECT s COLLATE "C" AS v FROM strings;
CREATE TEMP TABLE number_values ON COMMIT DROP AS
	SELECT unnest(ARRAY[-20001, -20000, -1, 0, 0.00005, 0.0001, 0.5, 1, 2, 2.5, 2.7, 3, 4, 12345678.9, 12345679])::numeric AS v;
/* what a side of a point can be: side r has all labels and numbers, side n numbers, and a label that is never in it */
CREATE TEMP TABLE side_values ON COMMIT DROP AS
	SELECT row_number() OVER (ORDER BY side, label, number)::integer AS id, *
	  FROM (SELECT 'r' AS side, v AS label, NULL::numeric AS number FROM label_values
			UNION ALL SELECT 'r', NULL, v FROM number_values
			UNION ALL SELECT 'r', NULL, NULL
			UNION ALL SELECT 'n', NULL, v FROM number_values
			UNION ALL SELECT 'n', v, NULL FROM label_values WHERE v = 'a'
			UNION ALL SELECT 'n', NULL, NULL) x;

CREATE FUNCTION pg_temp.any_label() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT substr(translate(floor(random() * 9)::integer::text, '012345678', 'abcabcabc') || translate(floor(random() * 9)::integer::text, '012345678', 'abcabcabc'), 1,
					 CASE WHEN random() < 0.05 THEN 0 WHEN random() < 0.5 THEN 1 ELSE 2 END) $$;
CREATE FUNCTION pg_temp.any_number() RETURNS numeric LANGUAGE sql VOLATILE AS
	$$ SELECT (ARRAY[-20000, 0, 0.0001, 1, 2.5, 3, 12345678.9])[1 + floor(random() * 7)::integer]::numeric $$;

/* a random base: {"how": ..., "a": ..., "b": ...} */
CREATE FUNCTION pg_temp.any_base(is_number boolean) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	a text; b text; x numeric; y numeric; how text;
BEGIN
	IF is_number THEN
		x := CASE WHEN random() < 0.15 THEN NULL ELSE pg_temp.any_number() END;
		y := CASE WHEN random() < 0.15 THEN NULL ELSE pg_temp.any_number() END;
		RETURN jsonb_build_object('how', 'numbers', 'a', numrange(least(x, coalesce(y, x)), greatest(y, coalesce(x, y)),
			(ARRAY['[]', '[)', '(]', '()'])[1 + floor(random() * 4)::integer]));
	END IF;
	a := pg_temp.any_label();
	b := pg_temp.any_label();
	IF a COLLATE "C" > b THEN
		how := a; a := b; b := how;
	END IF;
	RETURN jsonb_build_object('a', a, 'b', b, 'how', (ARRAY['one', 'one', 'prefix', 'prefix', 'through', 'before', 'to', 'after', 'from', 'until'])[1 + floor(random() * 10)::integer]);
END $$;

/* as text for the type */
CREATE FUNCTION pg_temp.base_text(base jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE base->>'how'
		WHEN 'numbers' THEN CASE WHEN isempty((base->>'a')::numrange) THEN '[7,7)' ELSE base->>'a' END
		WHEN 'one' THEN a WHEN 'prefix' THEN a || '*' WHEN 'through' THEN a || '..' || b WHEN 'before' THEN a || '..<' || b
		WHEN 'to' THEN a || ' ..= ' || b WHEN 'after' THEN a || '>..' || b WHEN 'from' THEN upper(a) || '..' WHEN 'until' THEN '..' || upper(b) END
	  FROM (SELECT '"' || (base->>'a') || '"' AS a, '"' || (base->>'b') || '"' AS b) q $$;

/* the reference: does a value lie in a base */
CREATE FUNCTION pg_temp.base_has(base jsonb, label text, number numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(CASE base->>'how'
		WHEN 'numbers' THEN (base->>'a')::numrange @> number
		WHEN 'one' THEN label = a
		WHEN 'prefix' THEN starts_with(label, a)
		WHEN 'through' THEN label >= a AND (label <= b OR starts_with(label, b))
		WHEN 'before' THEN label >= a AND label < b
		WHEN 'to' THEN label >= a AND label <= b
		WHEN 'after' THEN label > a AND (label <= b OR starts_with(label, b))
		WHEN 'from' THEN label >= a
		WHEN 'until' THEN label <= b OR starts_with(label, b) END, false)
	  FROM (SELECT (base->>'a') COLLATE "C" AS a, (base->>'b') COLLATE "C" AS b) q $$;

/* a random side: [{"base": base or null, "without": [base, ...]}, ...] */
CREATE FUNCTION pg_temp.any_side(is_number boolean) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	items jsonb := '[]';
	without jsonb;
	alone boolean := random() < 0.25;
BEGIN
	FOR i IN 1 .. CASE WHEN alone THEN 1 ELSE 1 + floor(random() * 3)::integer END LOOP
		without := '[]';
		FOR j IN 1 .. CASE WHEN alone THEN 1 + floor(random() * 2)::integer WHEN random() < 0.3 THEN 1 ELSE 0 END LOOP
			without := without || jsonb_build_array(pg_temp.any_base(is_number));
		END LOOP;
		items := items || jsonb_build_array(jsonb_build_object('base', CASE WHEN alone THEN NULL ELSE pg_temp.any_base(is_number) END, 'without', without));
	END LOOP;
	RETURN items;
END $$;
CREATE FUNCTION pg_temp.side_text(side jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(coalesce(CASE WHEN jsonb_typeof(item->'base') = 'object' THEN pg_temp.base_text(item->'base') END, '')
					  || coalesce((SELECT string_agg('!' || pg_temp.base_text(w), ' ') FROM jsonb_array_elements(item->'without') w), ''), ' , ')
	  FROM jsonb_array_elements(side) item $$;
CREATE FUNCTION pg_temp.side_has(side jsonb, is_number boolean, label text, number numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT (CASE WHEN is_number THEN number ELSE 0 END IS NOT NULL AND CASE WHEN is_number THEN '' ELSE label END IS NOT NULL)
	   AND EXISTS (SELECT FROM jsonb_array_elements(side) item
					WHERE (jsonb_typeof(item->'base') <> 'object' OR pg_temp.base_has(item->'base', label, number))
					  AND NOT EXISTS (SELECT FROM jsonb_array_elements(item->'without') w WHERE pg_temp.base_has(w, label, number))) $$;

CREATE TEMP TABLE made (id integer, r_number boolean, r jsonb, n_number boolean, n jsonb) ON COMMIT DROP;
INSERT INTO made
	SELECT id, rn, CASE WHEN random() < 0.8 THEN pg_temp.any_side(rn) END, nn, CASE WHEN random() < 0.6 THEN pg_temp.any_side(nn) END
	  FROM (SELECT id, random() < 0.15 AS rn, true AS nn FROM generate_series(1, 260) id OFFSET 0) x;
INSERT INTO made VALUES (0, false, '[]', true, NULL);		/* empty */

CREATE TEMP TABLE t ON COMMIT DROP AS
	SELECT id, txt, txt::territory AS area, points.set
	  FROM (SELECT *, CASE WHEN r = '[]' THEN 'empty' ELSE
					  coalesce(nullif(concat_ws(' ; ', 'n :' || pg_temp.side_text(n), 'R: ' || pg_temp.side_text(r)), ''), '{}') END AS txt FROM made) m,
	LATERAL (SELECT string_agg((rs.has AND ns.has)::integer::text, '' ORDER BY rs.id, ns.id)::bit varying AS set
			   FROM (SELECT id, m.r IS NULL OR pg_temp.side_has(m.r, m.r_number, label, number) AS has FROM side_values WHERE side = 'r' OFFSET 0) rs,
					(SELECT id, m.n IS NULL OR pg_temp.side_has(m.n, m.n_number, label, number) AS has FROM side_values WHERE side = 'n' OFFSET 0) ns) points;
ANALYZE t;

CREATE TEMP TABLE p ON COMMIT DROP AS
	SELECT row_number() OVER (ORDER BY rv.id, nv.id)::integer - 1 AS bit,
		   CASE WHEN rv.label IS NOT NULL THEN territory('r', ARRAY[rv.label]) WHEN rv.number IS NOT NULL THEN territory('r', ARRAY[numrange(rv.number, rv.number, '[]')]) ELSE '{}' END
		   * CASE WHEN nv.label IS NOT NULL THEN territory('n', ARRAY[nv.label]) WHEN nv.number IS NOT NULL THEN territory('n', ARRAY[numrange(nv.number, nv.number, '[]')]) ELSE '{}' END AS point
	  FROM side_values rv, side_values nv WHERE rv.side = 'r' AND nv.side = 'n';

/* the sample is worth something */
SELECT cmp_ok(count(DISTINCT set), '>', 180::bigint, 'there are many different territories') FROM t;
SELECT cmp_ok(count(*) FILTER (WHERE bit_count(set) = 0), '>', 3::bigint, 'some are empty') FROM t;
SELECT cmp_ok(count(*), '>', 300::bigint, 'many lie strictly inside another') FROM t a, t b WHERE a.set <> b.set AND (a.set & b.set) = a.set AND bit_count(a.set) > 0;

/* text, jsonb, binary */
SELECT is_empty($$ SELECT area FROM t WHERE area::text::territory IS DISTINCT FROM area OR area::text::territory::text <> area::text $$, 'text round trip');
SELECT is_empty($$ SELECT area FROM t WHERE area::jsonb::territory IS DISTINCT FROM area $$, 'jsonb round trip');
SELECT format('/tmp/leadroute_territory_%s.copy', pg_backend_pid()) AS copy_file \gset
SELECT format('cat > %s', :'copy_file') AS copy_out, format('cat %s; rm %s', :'copy_file', :'copy_file') AS copy_in \gset
CREATE TEMP TABLE back (id integer, area territory) ON COMMIT DROP;
COPY (SELECT id, area FROM t) TO PROGRAM :'copy_out' (FORMAT binary);
COPY back FROM PROGRAM :'copy_in' (FORMAT binary);
SELECT is((SELECT count(*) FROM back JOIN t USING (id) WHERE back.area = t.area), (SELECT count(*) FROM t), 'binary round trip');

/* points */
SELECT is((SELECT count(*) FROM t, p WHERE (t.area @> p.point) <> (get_bit(t.set, p.bit) = 1)), 0::bigint, 'area @> point');
SELECT is((SELECT count(*) FROM t, p WHERE (p.point <@ t.area) <> (get_bit(t.set, p.bit) = 1)), 0::bigint, 'point <@ area');
SELECT is((SELECT count(*) FROM t WHERE isempty(area) <> (bit_count(set) = 0)), 0::bigint, 'isempty');

CREATE TEMP TABLE lead_points ON COMMIT DROP AS
	SELECT p.point, territory_point(jsonb_build_object('n', CASE WHEN nv.number IS NOT NULL THEN to_jsonb(nv.number) ELSE to_jsonb(upper(nv.label)) END, 'x', NULL,
													   'r', CASE WHEN rv.number IS NOT NULL THEN to_jsonb(rv.number) ELSE to_jsonb(upper(rv.label)) END)) AS made
	  FROM (SELECT row_number() OVER (ORDER BY rv.id, nv.id)::integer - 1 AS bit, rv.id AS r, nv.id AS n FROM side_values rv, side_values nv WHERE rv.side = 'r' AND nv.side = 'n') b
	  JOIN p USING (bit) JOIN side_values rv ON rv.id = b.r JOIN side_values nv ON nv.id = b.n;
SELECT is((SELECT count(*) FROM lead_points WHERE point <> made), 0::bigint, 'a lead''s point is the territory that is exactly it');
SELECT cmp_ok((SELECT count(DISTINCT made) FROM lead_points), '=', (SELECT count(*) FROM p), 'and no two are one');
SELECT ok(territory('a', ARRAY[repeat('x', 255)]) @> territory_point(jsonb_build_object('a', repeat('X', 255)))
		  AND NOT territory('a', ARRAY[repeat('x', 255)]) @> territory_point(jsonb_build_object('a', repeat('X', 256)))
		  AND format('a: %s*', repeat('x', 255))::territory @> territory_point(jsonb_build_object('a', repeat('X', 100000)))
		  AND format('a: ..=%s', repeat('é', 127))::territory @> territory_point(jsonb_build_object('a', repeat('É', 127)))
		  AND NOT format('a: ..=%s', repeat('é', 127))::territory @> territory_point(jsonb_build_object('a', repeat('É', 128)))
		  AND format('a: %s*', repeat('k', 255))::territory @> territory_point(jsonb_build_object('a', repeat(U&'\212A', 100000))), 'labels longer than a territory can hold');
SELECT ok('a: (1,2)'::territory @> territory_point(('{"a": 1.' || repeat('0', 3000) || '1}')::jsonb)
		  AND 'a: (1,2)'::territory @> territory_point(('{"a": 1.' || repeat('9', 3000) || '}')::jsonb)
		  AND 'a: (0,0.00001)'::territory @> territory_point('{"a": 1e-5000}') AND NOT 'a: [0]'::territory @> territory_point('{"a": 1e-5000}')
		  AND ('a: (-1e-247,0)')::territory @> territory_point('{"a": -1e-5000}')
		  AND ('a: (1e247,)')::territory @> territory_point('{"a": 1e5000}') AND ('a: (,-1e247)')::territory @> territory_point('{"a": -1e5000}'), 'numbers beyond what a territory can hold');
SELECT is(territory_point('{"b": true, "A": "x", "c": [1], "d": {}, "e": null, "": "y", "f": -0.0}'), '"A": x; b: true; f: [0]', 'what a point leaves out');
SELECT ok(NOT 'a: (,)'::territory @> '{}' AND NOT 'a: *'::territory @> territory_point('{"a": null}') AND territory_point('{}') = '{}', 'a NULL is outside what constrains its column');

/* all pairs */
CREATE TEMP TABLE pairs ON COMMIT DROP AS
	SELECT a.id AS a_id, b.id AS b_id, a.area AS a, b.area AS b, a.set AS a_set, b.set AS b_set,
		   (a.set & b.set) = b.set AS a_has_b, (a.set & b.set) = a.set AS b_has_a, bit_count(a.set & b.set) > 0 AS share
	  FROM t a, t b;
SELECT is((SELECT count(*) FROM pairs WHERE (a = b) <> (a_set = b_set)), 0::bigint, '=');
SELECT is((SELECT count(*) FROM pairs WHERE (a <> b) <> (a_set <> b_set)), 0::bigint, '<>');
SELECT is((SELECT count(*) FROM pairs WHERE (a::text = b::text) <> (a_set = b_set)), 0::bigint, 'one set, one text');
SELECT is((SELECT count(*) FROM pairs WHERE (territory_send(a) = territory_send(b)) <> (a_set = b_set)), 0::bigint, 'one set, one binary form');
SELECT is((SELECT count(*) FROM pairs WHERE a_set = b_set AND (territory_hash(a) <> territory_hash(b) OR territory_hash_extended(a, 7) <> territory_hash_extended(b, 7))), 0::bigint, 'equal areas hash alike');
SELECT is((SELECT count(*) FROM pairs WHERE (a @> b) <> a_has_b), 0::bigint, '@>');
SELECT is((SELECT count(*) FROM pairs WHERE (a <@ b) <> b_has_a), 0::bigint, '<@');
SELECT is((SELECT count(*) FROM pairs WHERE (a && b) <> share), 0::bigint, '&&');
SELECT is((SELECT count(*) FROM pairs WHERE (a ?# b) <> (share AND a_has_b = b_has_a)), 0::bigint, '?#');
SELECT is((SELECT count(*) FROM pairs WHERE a * b <> b * a), 0::bigint, '* commutes');
SELECT is((SELECT count(*) FROM pairs WHERE (a * b = a) <> b_has_a OR isempty(a * b) = share), 0::bigint, '* against the sets');
SELECT is((SELECT count(*) FROM (SELECT * FROM pairs WHERE a_id % 20 = 3 AND b_id % 20 = 7) q, p WHERE (q.a * q.b @> p.point) <> (get_bit(a_set & b_set, p.bit) = 1)), 0::bigint, '* point by point');
SELECT is((SELECT count(*) FROM pairs WHERE (a * b)::text::territory <> a * b), 0::bigint, 'what * makes has a text');

/* order */
SELECT is((SELECT count(*) FROM pairs WHERE sign(territory_cmp(a, b)) <> -sign(territory_cmp(b, a)) OR (territory_cmp(a, b) = 0) <> (a_set = b_set)), 0::bigint, 'the order is antisymmetric');
SELECT is((SELECT count(*) FROM pairs WHERE b_has_a AND NOT a_has_b AND NOT a < b), 0::bigint, 'inside sorts before outside');
CREATE TEMP TABLE ranked ON COMMIT DROP AS SELECT area, rank() OVER (ORDER BY area) AS place FROM t;
SELECT is((SELECT count(*) FROM ranked x, ranked y WHERE (x.area < y.area) <> (x.place < y.place) OR (x.area <= y.area) <> (x.place <= y.place)
													OR (x.area > y.area) <> (x.place > y.place) OR (x.area >= y.area) <> (x.place >= y.place)), 0::bigint, 'the order is one line');

/* the index agrees with the table: a tree of a few levels, large areas (lossy keys) and empty ones in it */
CREATE TEMP TABLE many ON COMMIT DROP AS
	SELECT row_number() OVER () AS id, a.area * b.area AS area FROM t a JOIN t b ON (a.id * 7 + b.id) % 16 = 0;
INSERT INTO many
	SELECT 100000 + i, territory('r', ARRAY(SELECT md5((i * 1000 + j)::text) FROM generate_series(1, 200) j)) FROM generate_series(1, 30) i;
/* keys of the largest size that compress well: the server must not have squeezed them */
INSERT INTO many
	SELECT 200000 + i, territory('r', ARRAY(SELECT repeat('ab', 10) || (i * 1000 + j) FROM generate_series(1, 31) j)) FROM generate_series(1, 30) i;
CREATE INDEX many_area ON many USING gist (area);
ANALYZE many;
CREATE FUNCTION pg_temp.disagree(op text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	by_index bigint[]; by_table bigint[]; bad bigint := 0; hits bigint := 0; q record; plan jsonb;
BEGIN
	FOR q IN SELECT area FROM t WHERE id % 4 = 0 UNION ALL SELECT point FROM p WHERE bit % 97 = 0 UNION ALL SELECT area FROM many WHERE id > 100000 AND id % 10 = 0
			 UNION ALL SELECT territory('r', ARRAY[repeat('ab', 10) || (i * 1000 + i)]) FROM generate_series(1, 30) i LOOP
		SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_bitmapscan = on;
		EXECUTE format('EXPLAIN (FORMAT json) SELECT FROM many WHERE area OPERATOR(leadroute.%s) %L', op, q.area) INTO plan;
		IF plan::text NOT LIKE '%many_area%' THEN
			RAISE EXCEPTION 'no index scan for %', op;
		END IF;
		EXECUTE format('SELECT array_agg(id ORDER BY id) FROM many WHERE area OPERATOR(leadroute.%s) $1', op) INTO by_index USING q.area;
		SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
		EXECUTE format('SELECT array_agg(id ORDER BY id) FROM many WHERE area OPERATOR(leadroute.%s) $1', op) INTO by_table USING q.area;
		bad := bad + (by_index IS DISTINCT FROM by_table)::integer;
		hits := hits + coalesce(cardinality(by_table), 0);
	END LOOP;
	RETURN CASE WHEN hits = 0 THEN -1 ELSE bad END;
END $$;
SELECT is(pg_temp.disagree(op), 0::bigint, 'index and table agree on ' || op) FROM unnest(ARRAY['@>', '<@', '&&', '=', '?#']) op;
RESET enable_seqscan; RESET enable_indexscan; RESET enable_bitmapscan;

/* nested four deep: the innermost answers */
CREATE TEMP TABLE nested (territory text, area territory, EXCLUDE USING gist (area WITH ?#)) ON COMMIT DROP;
INSERT INTO nested VALUES ('us', 'country: us'), ('bay', 'country: us; region: ca; postal_code: 94*'), ('west', 'country: us; region: ca, or, wa'),
	('mission', 'country: us; region: ca; postal_code: 94103, 94110'), ('east', 'country: us; region: ny'), ('world', '{}');
SELECT is((SELECT array_agg(point || ' -> ' || (SELECT territory FROM nested WHERE area @> point::territory ORDER BY area LIMIT 1) ORDER BY n)
			 FROM unnest(ARRAY['country: us; region: ca; postal_code: 94110', 'country: us; region: ca; postal_code: 94111', 'country: us; region: or', 'country: us', 'country: us; region: ca', 'region: ca']) WITH ORDINALITY x (point, n)),
		  ARRAY['country: us; region: ca; postal_code: 94110 -> mission', 'country: us; region: ca; postal_code: 94111 -> bay', 'country: us; region: or -> west', 'country: us -> us', 'country: us; region: ca -> west', 'region: ca -> world'],
		  'the innermost of a map nested four deep');
SELECT * FROM finish();
ROLLBACK;
