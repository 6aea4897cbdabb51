-- A small map is kept in memory, with precedences and times too, a larger one is asked through its index: all say
-- what SQL says, and follow a changed territory at once, in a transaction and back.
BEGIN;
SELECT plan(12);
SELECT setseed(0.25) \g /dev/null

INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('all');
INSERT INTO leadroute.team_members (team, rep) VALUES ('all', 'ana');
CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, country text, region text, employees integer, code text, territory text);
SELECT leadroute.attach('leads', columns => '{"country": null, "region": null}') \g /dev/null

/* four deep, and gaps */
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'small', concat_ws(' ', c, r, lo), concat_ws('; ', 'country: ' || c, 'region: ' || r, format('employees: [%s,%s)', lo, 2 * lo))::leadroute.territory, 'all'
	  FROM (SELECT c, r, lo FROM generate_series(1, 5) c, generate_series(1, 6) r, unnest('{10, 20, 40}'::integer[]) lo
			UNION ALL SELECT c, r, NULL FROM generate_series(1, 5) c, generate_series(1, 6) r WHERE (c + r) % 3 > 0
			UNION ALL SELECT c, NULL, NULL FROM generate_series(1, 4) c) t;
INSERT INTO leadroute.territories (map, territory, area, team) VALUES
	('small', 'within', 'country: 2; region: 2; employees: [12,15]', 'all'), ('small', 'nowhere', 'empty', 'all');
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'large', territory, area, team FROM leadroute.territories WHERE map = 'small';
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'large', 'far ' || n, format('country: far; employees: [%s]', n)::leadroute.territory, 'all' FROM generate_series(1, 1000) n;
INSERT INTO leadroute.territories (map, territory, area, precedence, during, team) VALUES
	('ranked', 'plain', 'country: 1, 2', 0, '(,)', 'all'), ('ranked', 'first', 'country: 2, 3', 5, '(,)', 'all'),
	('ranked', 'first inside', 'country: 3; employees: [20,40)', 5, '(,)', 'all'), ('ranked', 'plain again', 'country: 1; employees: [1,30)', 0, '(,)', 'all'),
	('timed', 'past', 'country: 1', 0, '(,2020-01-01)', 'all'), ('timed', 'now', 'country: 1; region: 1', 0, '[2020-01-01,)', 'all');
/* lists of codes inside prefixes inside a country, beside all but that country, inside everything */
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'codes', 'list ' || p || ' ' || g, format('country: 1; code: %s', string_agg(p || lpad((g + 7 * k)::text, 3, '0'), ', '))::leadroute.territory, 'all'
	  FROM generate_series(10, 39) p, generate_series(0, 5) g, generate_series(0, 39) k GROUP BY p, g
	UNION ALL SELECT 'codes', 'prefix ' || p, format('country: 1; code: %s*', p)::leadroute.territory, 'all' FROM generate_series(10, 39) p
	UNION ALL SELECT 'codes', 'large ' || p, format('country: 1; code: %s*; employees: [50,)', p)::leadroute.territory, 'all' FROM generate_series(43, 45) p
	ORDER BY 2;
INSERT INTO leadroute.territories (map, territory, area, team) VALUES
	('codes', 'range', 'country: 1; code: 40..45', 'all'), ('codes', 'one', 'country: 1', 'all'), ('codes', 'others', 'country: !1', 'all'),
	('codes', 'all', '{}', 'all'), ('codes', 'of a size', 'country: !1; employees: [20,30)', 'all');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (10, 'map', 'territory', 'small'), (99, 'rest', 'team', 'all');
SELECT leadroute.activate() \g /dev/null

CREATE FUNCTION pg_temp.disagree(map text, n integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE leadroute.rules SET target_name = disagree.map WHERE rule = 'map';
	DELETE FROM leads;
	INSERT INTO leads (country, region, employees, code)
		SELECT (1 + floor(random() * 6))::integer, nullif((floor(random() * 8))::integer, 0), nullif((floor(random() * 90))::integer, 0),
			CASE WHEN random() < 0.95 THEN (10 + floor(random() * 42)) || lpad(floor(random() * 300)::text, 3, '0') END
		  FROM generate_series(1, n);
	RETURN QUERY SELECT format('%s: %s, not %s', to_jsonb(l), l.territory, r.territory)
		FROM leads l
		LEFT JOIN LATERAL (SELECT t.territory FROM leadroute.territories t
							WHERE t.map = disagree.map AND t.during @> now() AND t.area OPERATOR(leadroute.@>) leadroute.territory_point(to_jsonb(l) - 'territory' - 'id')
							ORDER BY t.precedence DESC, t.area USING OPERATOR(leadroute.<) LIMIT 1) r ON true
		WHERE l.territory IS DISTINCT FROM r.territory;
END
$$;
SELECT is_empty($$SELECT pg_temp.disagree('small', 1000)$$, 'the image finds what SQL finds');
SELECT cmp_ok((SELECT count(DISTINCT territory) FROM leads), '>', 60::bigint, '... in most of the map');
SELECT is_empty($$SELECT pg_temp.disagree('codes', 3000)$$, 'lists, prefixes, ranges and all but one');
SELECT cmp_ok((SELECT count(DISTINCT territory) FROM leads), '>', 100::bigint, '... in most of that map');
SELECT is_empty($$SELECT pg_temp.disagree('large', 1000)$$, 'so does the index, in a map too large for that');
SELECT is_empty($$SELECT pg_temp.disagree('ranked', 200)$$, 'the image knows precedences');
SELECT is_empty($$SELECT pg_temp.disagree('timed', 200)$$, '... and times');

UPDATE leadroute.rules SET target_name = 'small' WHERE rule = 'map';
INSERT INTO leads (country, region, employees) VALUES ('2', '2', 13);
SELECT is(territory, 'within', 'the innermost') FROM leads WHERE id = (SELECT max(id) FROM leads);
SAVEPOINT a;
UPDATE leadroute.territories SET area = 'country: 2; region: 2; employees: [14,15]' WHERE map = 'small' AND territory = 'within';
INSERT INTO leads (country, region, employees) VALUES ('2', '2', 13);
SELECT is(territory, '2 2 10', 'a change is seen by the next lead') FROM leads WHERE id = (SELECT max(id) FROM leads);
ROLLBACK TO a;
INSERT INTO leads (country, region, employees) VALUES ('2', '2', 13);
SELECT is(territory, 'within', '... and so is its rollback') FROM leads WHERE id = (SELECT max(id) FROM leads);
DELETE FROM leadroute.territories WHERE map = 'small' AND territory = 'within';
INSERT INTO leads (country, region, employees) VALUES ('2', '2', 13);
SELECT is(territory, '2 2 10', 'a territory that is gone takes no lead') FROM leads WHERE id = (SELECT max(id) FROM leads);
TRUNCATE leadroute.territories;
INSERT INTO leads (country, region, employees) VALUES ('2', '2', 13);
SELECT is(territory, NULL, 'nor does an emptied map') FROM leads WHERE id = (SELECT max(id) FROM leads);
SELECT * FROM finish();
ROLLBACK;
