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
CREATE TEMP TABLE batch (id bigint, email text, source text, owner text);
INSERT INTO leads (id, email, source, country, region) VALUES (900, 'm900', 'web', 'DE', NULL), (901, 'm901', 'web', 'DE', NULL);
SELECT test.story() IS NOT NULL AS told \gset
DO $$ BEGIN FOR i IN 1..4 LOOP
	INSERT INTO batch VALUES (1000 + i, 'n' || i, 'event', NULL), (900 + i % 2, 'x', 'web', (SELECT rep FROM (SELECT rep, row_number() OVER (ORDER BY pointer, rep) AS n FROM leadroute.rep_load WHERE team = 'inbound') r WHERE n = i));
	MERGE INTO leads l USING (SELECT * FROM batch ORDER BY id DESC) b ON l.id = b.id
		WHEN MATCHED THEN UPDATE SET owner = b.owner
		WHEN NOT MATCHED THEN INSERT (id, email, source) VALUES (b.id, b.email, b.source);
	ASSERT (SELECT count(*) FROM leads l JOIN batch b ON b.id = l.id WHERE b.owner <> l.owner) = 0, 'a hand-over was lost';
	DELETE FROM batch;
END LOOP; END $$;
SELECT is(regexp_replace(test.story(), 'handed_over \d', 'handed_over n'), 'decided 4, handed_over n', 'MERGE over two partitions');

DELETE FROM leads WHERE id BETWEEN 301 AND 310;
SELECT is(regexp_replace(test.story(), '\d+', 'n'), 'closed n', 'DELETE');
ALTER TABLE leads DETACH PARTITION leads_rest;
ALTER TABLE leads ATTACH PARTITION leads_rest DEFAULT;
SELECT is(test.story(), 'nothing', 'a partition detached and attached');
INSERT INTO leads (id, email, source) VALUES (2000, 'after', 'event');
SELECT is(test.story(), 'decided 1', 'and its rows are routed');

\ir fixture/end.sql
