/*
 * test/pgtap/partitions.sql
 *		A partitioned leads table: rows through the root and straight into a partition, rows that
 *		move between partitions, with and without a hand-over, MERGE over several of them.
 */
\set base leadroute_partitions
\ir fixture/leads.sql
CREATE TABLE leads (id bigint NOT NULL, email text, company text, country text, region text, postal_code text, employees integer, source text,
	owner text, team text, territory text, routed_at timestamptz, route_reason text, score numeric, UNIQUE (id, source), UNIQUE (email, source)) PARTITION BY LIST (source);
CREATE TABLE leads_web PARTITION OF leads FOR VALUES IN ('web', 'partner');
/* columns in another order, and one that is dropped */
CREATE TABLE leads_rest (dropped text, route_reason text, owner text, id bigint NOT NULL, email text, company text, country text, region text, postal_code text,
	employees integer, source text, team text, territory text, routed_at timestamptz, score numeric);
ALTER TABLE leads_rest DROP dropped;
ALTER TABLE leads ATTACH PARTITION leads_rest DEFAULT;
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads', columns => '{"key": "id"}') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset

INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 300);
SELECT is(test.story(), 'decided 300', 'through the root');
INSERT INTO leads_rest (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(301, 400) WHERE source IS NULL OR source NOT IN ('web', 'partner');
SELECT is(test.story(), (SELECT 'decided ' || count(*) FROM leads WHERE id > 300), 'straight into a partition');
INSERT INTO leads_web (id, email, country, region, source) SELECT i, 'w' || i, 'US', 'CA', 'web' FROM generate_series(501, 530) i
	ON CONFLICT (email, source) DO NOTHING;
SELECT is(test.story(), 'decided 30', 'straight into the other, ON CONFLICT');

UPDATE leads SET source = 'event' WHERE id BETWEEN 1 AND 50 AND source = 'web';
SELECT is(test.story(), 'nothing', 'rows that move between partitions');
UPDATE leads SET source = CASE source WHEN 'event' THEN 'web' ELSE 'event' END, owner = NULL, team = NULL WHERE id BETWEEN 1 AND 100;
SELECT is(test.story(), 'nothing', 'rows that move with blank outputs');
SELECT count(*) AS handed FROM leads WHERE id BETWEEN 1 AND 100 AND owner IS DISTINCT FROM 'w2' \gset
UPDATE leads SET source = CASE source WHEN 'event' THEN 'web' ELSE 'event' END, owner = 'w2' WHERE id BETWEEN 1 AND 100;
SELECT is(test.story(), 'handed_over ' || :handed, 'rows that move and are handed over');
SELECT is((SELECT count(*) FROM leads WHERE id <= 100 AND owner = 'w2'), 100::bigint, 'all of them');
UPDATE leads_web SET owner = 'w1' WHERE id BETWEEN 501 AND 505 AND owner <> 'w1';
SELECT is(regexp_replace(test.story(), '\d+', 'n'), 'handed_over n', 'UPDATE of a partition');

-- MERGE that inserts into one partition and hands over in another, to whoever the inserted one got
INSERT INTO leads (id, email, source) SELECT i, 'm' || i, 'web' FROM generate_series(900, 903) i;
SELECT test.story() IS NOT NULL AS told \gset
CREATE FUNCTION test.mixed(run integer) RETURNS bigint LANGUAGE sql SET enable_hashjoin = off SET enable_mergejoin = off AS $$
	MERGE INTO leads l USING (SELECT 1000 + run AS id, NULL AS owner UNION ALL SELECT 900 + j, 'i' || (1 + (j + run) % 4) FROM generate_series(0, 3) j) b ON l.id = b.id
		WHEN MATCHED THEN UPDATE SET owner = b.owner
		WHEN NOT MATCHED THEN INSERT (id, email, source) VALUES (b.id, 'new' || b.id, 'event');
	SELECT count(*) FROM leads WHERE id BETWEEN 900 AND 903 AND owner = 'i' || (1 + (id - 900 + run) % 4);
$$;
SELECT is((SELECT array_agg(test.mixed(i)) FROM generate_series(1, 8) i), '{4,4,4,4,4,4,4,4}'::bigint[], 'every hand-over of a MERGE holds');
SELECT alike(test.story(), 'decided 8, handed_over __', 'MERGE over two partitions');

DELETE FROM leads WHERE id BETWEEN 301 AND 310;
SELECT is(regexp_replace(test.story(), '\d+', 'n'), 'closed n', 'DELETE');
ALTER TABLE leads DETACH PARTITION leads_rest;
ALTER TABLE leads ATTACH PARTITION leads_rest DEFAULT;
SELECT is(test.story(), 'nothing', 'a partition detached and attached');
INSERT INTO leads (id, email, source) VALUES (2000, 'after', 'event');
SELECT is(test.story(), 'decided 1', 'and its rows are routed');

\ir fixture/end.sql
