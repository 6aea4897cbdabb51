-- The type territory: canonical text, exact errors, operators, constructors, plans.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
RESET client_min_messages;
SET search_path = leadroute, public, pg_catalog;

-- canonical text
SELECT v AS written, v::territory AS read
  FROM unnest(ARRAY[
	'country: us; region: ca, or, wa; employees: [500,)', 'country: !us', 'postal_code: 94*, 95000..95199; industry: saas, fintech', '{}', ' { } ', 'empty', 'EMPTY',
	-- sides sort, names fold unless quoted, labels fold always
	'B: x; a: Y;', '"LastName": Ng', '"a b": x', '"a""b": x', 'region: New York , CALIFORNIA', 'city: MÜNCHEN, ÎLE, Ωmega, STRAẞE, İzmir',
	-- lists merge
	'a: b, a, b', 'a: 94*, 94105', 'a: 94*, 95*', 'a: 1*, 3*, 2*', 'a: 95000..95199, 95200..95300', 'a: ca, "CA"',
	-- ranges of labels
	'a: 95000..95199', 'a: 94..94', 'a: b..<c', 'a: b..<d', 'a: b..=c', 'a: b>..c', 'a: b>..=c', 'a: ..c', 'a: ..<c', 'a: b..', 'a: b>..', 'a: *', 'a: ""*', 'a: ..', 'a: b>..=b', 'a: b..=b',
	-- but not
	'a: !94*', 'a: !us !ca', 'a: ! us ! ca', 'a: !b..d', 'a: 94* !94105', 'a: 94* !941* !94255', 'a: 94* !94', 'a: 9* !94..95', 'a: * !us', 'a: !*', 'a: 94* !*', 'a: 94* !9*', 'a: 94* !95*',
	-- quotes
	'a: "x, y", "a:b", "1*", "!", "q""q", " b ", "", "a..b", "[1]", "(x)", "{x}", "a.", "<3", "a;b"', 'a: a.b, a)b, a]b, a}b, a/b, it''s', 'a: "new "*, "a.."*', 'a: "a"..="b c"',
	-- numbers
	'e: [250]', 'e: [250.00]', 'e: [1,51), [500,)', 'e: (,10]', 'e: (,)', 'e: [1,5), [5,9]', 'e: [1,5), (5,9]', 'e: ![1,51)', 'e: ![250]', 'e: [1,100] ![50] ![60,70)', 'e: [5,5]', 'e: [5,5)', 'e: [1e3,1.5e+4]', 'e: [-0.50,+00012.5]', 'e: [,5]', 'e: [ 1 , 2 ]', 'e: [0.00001],[123456789012345678901234567890]', 'e: [-0]']) WITH ORDINALITY x (v, n)
 ORDER BY n;

-- what is refused, and where it says so
\set SHOW_CONTEXT never
SELECT ''::territory;
SELECT ' '::territory;
SELECT 'us'::territory;
SELECT 'country us'::territory;
SELECT ': us'::territory;
SELECT '"": us'::territory;
SELECT 'country:'::territory;
SELECT 'country: '::territory;
SELECT 'country: us,'::territory;
SELECT 'country: us,,ca'::territory;
SELECT 'country: us; ; region: ca'::territory;
SELECT 'country: us; Country: ca'::territory;
SELECT 'country: us; "Country": ca; country: x'::territory;
SELECT 'country: us:ca'::territory;
SELECT 'name: yahoo!'::territory;
SELECT 'name: "yahoo'::territory;
SELECT 'name: "a" b'::territory;
SELECT 'name: a "b"'::territory;
SELECT 'zip: 94**'::territory;
SELECT 'zip: 9*4'::territory;
SELECT 'zip: 94..95*'::territory;
SELECT 'zip: 95..94'::territory;
SELECT 'zip: b..a'::territory;
SELECT 'zip: 1..2..3'::territory;
SELECT 'zip: 1..<'::territory;
SELECT 'country: !us, !ca'::territory;
SELECT 'country: ca, !us'::territory;
SELECT 'country: !'::territory;
SELECT 'country: !!us'::territory;
SELECT 'zip: 94105, [94107]'::territory;
SELECT 'zip: 9* ![94107]'::territory;
SELECT 'e: [1,2'::territory;
SELECT 'e: [1; b: x'::territory;
SELECT 'e: []'::territory;
SELECT 'e: (5)'::territory;
SELECT 'e: [5)'::territory;
SELECT 'e: [6,5]'::territory;
SELECT 'e: [1,2,3]'::territory;
SELECT 'e: [x]'::territory;
SELECT 'e: [NaN]'::territory;
SELECT 'e: [1,infinity)'::territory;
SELECT 'e: [1 000]'::territory;
SELECT 'e: [1e500]'::territory;
SELECT 'e: [1] x'::territory;
SELECT '{'::territory;
SELECT '{a: b}'::territory;
SELECT '{} ; a: b'::territory;
SELECT 'straße: ä, é, ö:'::territory;
\set VERBOSITY sqlstate
SELECT 'country us'::territory;
SELECT ('a: ' || repeat('x', 256))::territory;
SELECT (SELECT string_agg('s' || i || ': x', ';') FROM generate_series(1, 33) i)::territory;
SELECT ('a: ' || (SELECT string_agg('x' || i || '_', ',') FROM generate_series(1, 10001) i))::territory;
\set VERBOSITY default
SELECT (SELECT string_agg('s' || i || ': x', ';') FROM generate_series(1, 33) i)::territory;
SELECT ('a: ' || (SELECT string_agg('x' || i || '_', ',') FROM generate_series(1, 10001) i))::territory;
SELECT (SELECT string_agg('s' || s || ': ' || (SELECT string_agg(repeat('x', 200) || i, ',') FROM generate_series(1, 500) i), ';') FROM generate_series(1, 10) s)::territory;

-- operators
SELECT a, b, a @> b AS "@>", a <@ b AS "<@", a && b AS "&&", a = b AS "=", a ?# b AS "?#", a < b AS "<", a * b AS "*"
  FROM (VALUES ('country: us', 'country: us; region: ca'), ('country: us; region: ca, or', 'country: us; region: or, wa'), ('country: us', 'country: us'), ('country: us', 'country: fr'),
			   ('country: us', 'region: ca'), ('{}', 'country: us'), ('{}', 'empty'), ('empty', 'empty'), ('empty', 'country: us'), ('{}', '{}'), ('a: *', '{}'), ('a: *', 'a: [1]'), ('a: x', 'a: [1]'),
			   ('zip: 9*', 'zip: !94*'), ('zip: 95000..95199', 'zip: 95199-0001'), ('e: [1,51)', 'e: [51,201)'), ('e: [1,51]', 'e: [51,201)'), ('e: [1,100]', 'e: [250,)')) x (u, v), LATERAL (SELECT u::territory AS a, v::territory AS b) y;
-- a column that is NULL is not in the point: outside what constrains it
SELECT area, area::territory @> 'country: us' AS region_is_null, area::territory @> 'country: us; region: ca; email: x' AS region_is_ca
  FROM unnest(ARRAY['country: us', 'country: us; region: ca', 'region: *', 'region: !ny', '{}']) area;

-- functions
SELECT side('country: us; region: ca', 'region'), side('country: us', 'region'), side('empty', 'region'), isempty('empty'::territory), isempty('{}'::territory);
SELECT * FROM sides('region: ca; country: us; "Z": [1]');
SELECT count(*) FROM sides('{}');
SELECT territory('company', ARRAY['Smith, Jones: Inc.', 'a*', '!']), territory('x', '{}'::text[]), territory('Country', '{us}'::text[]);
SELECT territory('e', ARRAY['[1,5)', '[5,8]', 'empty', '(,0)']::numrange[]), territory('e', '{"(,)"}'::numrange[]), territory('e', '{}'::numrange[]);
SELECT territory('x', ARRAY['a', NULL]);
SELECT territory('', ARRAY['a']);
SELECT territory('x', ARRAY[repeat('x', 256)]);
SELECT territory('e', '{"[1,infinity]"}'::numrange[]);
SELECT territory_shared('country: us; region: ca, or', 'region: or, wa; employees: [1,5)');

-- jsonb
SELECT 'country: us; zip: 94* !94105, "a,b"; employees: [1,51), [500,)'::territory::jsonb, '{}'::territory::jsonb, 'empty'::territory::jsonb, 'a: !b !c'::territory::jsonb;
SELECT '{"Country": "us", "zip": ["94*", "\"a,b\""], "employees": [250, "[500,)"]}'::jsonb::territory, '{}'::jsonb::territory, '"empty"'::jsonb::territory, '{"a": []}'::jsonb::territory;
SELECT '[]'::jsonb::territory;
SELECT '{"a": null}'::jsonb::territory;
SELECT '{"a": ["x", {"y": 1}]}'::jsonb::territory;
SELECT '{"a": ["x", 1]}'::jsonb::territory;
SELECT '{"a": ["x", "!y"]}'::jsonb::territory;
SELECT '{"": "x"}'::jsonb::territory;
SELECT '{"a": "x, y"}'::jsonb::territory;

-- order: empty, then inside before outside; hash and btree
SELECT area FROM unnest(ARRAY['{}', 'country: us', 'country: us; region: ca', 'empty', 'country: us, ca', 'country: us; region: ca, or', 'country: *']::territory[]) area ORDER BY area;
SELECT count(*), area FROM unnest(ARRAY['a: x, y', 'a: Y, X', 'a: z']::territory[]) area GROUP BY area ORDER BY area;
CREATE TABLE territory_test (id integer, area territory);
INSERT INTO territory_test SELECT i, format('zip: %s; e: [%s,%s)', lpad(i::text, 5, '0'), i % 7, i % 7 + 2)::territory FROM generate_series(1, 5000) i;
INSERT INTO territory_test VALUES (0, 'empty'), (-1, '{}'), (-2, NULL), (-3, 'zip: 01*');
CREATE INDEX territory_test_gist ON territory_test USING gist (area);
ANALYZE territory_test;

-- the planner takes the index by itself
EXPLAIN (COSTS off) SELECT * FROM territory_test WHERE area @> 'zip: 01234; e: [3]';
EXPLAIN (COSTS off) SELECT * FROM territory_test WHERE area = 'zip: 01234; e: [2,4)';
EXPLAIN (COSTS off) SELECT * FROM territory_test WHERE area ?# 'zip: 01234..=01235; e: [3]';
EXPLAIN (COSTS off) SELECT * FROM territory_test WHERE area && 'zip: 01234';
EXPLAIN (COSTS off) SELECT * FROM territory_test WHERE area <@ 'zip: 01234';
EXPLAIN (COSTS off) SELECT count(*) FROM territory_test a JOIN territory_test b ON a.area @> b.area WHERE b.id < 5;
SELECT * FROM territory_test WHERE area @> 'zip: 01234; e: [3]' ORDER BY area;
SELECT * FROM territory_test WHERE area ?# 'zip: 01234..=01235; e: [3]' ORDER BY id;
SELECT id FROM territory_test WHERE area <@ 'zip: 0123*; e: [0,7)' ORDER BY id;
-- indexes of the other kinds
CREATE UNIQUE INDEX territory_test_btree ON territory_test (area);
CREATE INDEX territory_test_hash ON territory_test USING hash (area);
INSERT INTO territory_test VALUES (1, 'e: [1,3); zip: 00001');
DROP TABLE territory_test;

-- in a domain
CREATE DOMAIN somewhere AS territory CHECK (NOT isempty(VALUE));
SELECT 'a: x'::somewhere;
SELECT 'empty'::somewhere;
DROP DOMAIN somewhere;
-- operator classes stand as they should
SELECT amname, opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = 'territory'::regtype ORDER BY 1, 2;
SELECT provolatile, proisstrict, proparallel, count(*) > 30 AS many FROM pg_proc p
 WHERE pronamespace = 'leadroute'::regnamespace AND (proname LIKE '%territory%' OR proname IN ('side', 'sides', 'isempty', 'jsonb')) AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND proname NOT LIKE '%sel' GROUP BY 1, 2, 3;
