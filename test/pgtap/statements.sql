/*
 * test/pgtap/statements.sql
 *		The statements that loaders send, one by one: what is inserted is decided once, what was
 *		known keeps what it has, what is not inserted leaves no trace.
 */
\set base leadroute_statements
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset

-- plain inserts
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 1);
SELECT is(test.story(), 'decided 1', 'one row');
WITH new AS (INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(2, 60)
	RETURNING *)
SELECT count(*) AS differing FROM new n CROSS JOIN test.reference(n.email, n.country, n.region, n.postal_code, n.employees, n.source) r
 WHERE (n.team, n.territory) IS DISTINCT FROM (r.team, r.territory) OR n.routed_at IS NULL OR n.route_reason IS NULL
	OR (n.owner = ANY (r.owners)) IS DISTINCT FROM (CASE WHEN r.owners IS NOT NULL THEN true END) \gset
SELECT is(:differing, 0, 'RETURNING gives the rows routed');
SELECT is(test.story(), 'decided 59', 'INSERT … SELECT');
INSERT INTO leads (id, email, country, region) VALUES (61, 'a61@x.example', 'US', 'CA'), (62, 'a62@x.example', 'US', 'CA'), (63, 'a63@x.example', 'US', 'CA'),
	(64, 'a64@spam.example', 'US', 'CA'), (65, 'a65@x.example', NULL, NULL);
SELECT is(test.story(), 'decided 5', 'multi-row INSERT');
SELECT is((SELECT count(DISTINCT owner) FROM leads WHERE id IN (61, 62, 63)), 3::bigint, 'three in turn');

-- COPY
SELECT format('COPY (SELECT * FROM test.generated(101, 5100)) TO %L', current_setting('data_directory') || '/leadroute_statements.copy') AS save,
	format('COPY leads (id, email, company, country, region, postal_code, employees, source) FROM %L', current_setting('data_directory') || '/leadroute_statements.copy') AS load \gset
:save;
:load;
SELECT is(test.story(), 'decided 5000', 'COPY of 5,000 rows');
COPY leads (id, email, country, region, employees) FROM STDIN (FORMAT csv);
70,copy70@x.example,US,OR,5
71,copy71@x.example,us,or,
72,"copy72@x.example","DE",,7
\.
SELECT is(test.story(), 'decided 3', 'COPY from STDIN, csv');

-- a statement that fails leaves nothing
SELECT throws_ok(:'load', '23505', NULL, 'a COPY of the same rows fails');
SELECT throws_ok($$INSERT INTO leads (id, email) SELECT 90 + i % 5, 'fail' || i || '@x.example' FROM generate_series(0, 9) i$$, '23505', NULL, 'an INSERT with a key twice fails');
BEGIN;
SAVEPOINT s;
INSERT INTO leads (id, email) SELECT i, 'back' || i || '@x.example' FROM generate_series(91, 99) i;
ROLLBACK TO s;
INSERT INTO leads (id, email) SELECT i, 'back' || i || '@x.example' FROM generate_series(91, 95) i;
ROLLBACK;
SELECT is(test.story(), 'nothing', 'what fails or rolls back leaves nothing');

-- full-row UPDATEs of syncs, three times: the source's owner, NULL, a changed company; blank scores
UPDATE leads SET score = 40 WHERE id <= 1000;
SELECT is(test.story(), 'nothing', 'a column that is nobody''s output here');
CREATE TABLE test.first AS SELECT * FROM leads WHERE id BETWEEN 101 AND 1100;
UPDATE leads l SET owner = NULL, team = NULL, territory = NULL, routed_at = NULL, route_reason = NULL WHERE id BETWEEN 101 AND 1100;
UPDATE leads l SET owner = '', company = company || '!' WHERE id BETWEEN 101 AND 1100;
SELECT is(test.story(), 'nothing', 'full-row UPDATEs with NULL outputs');
SELECT is_empty($$SELECT id, owner, team, territory, routed_at, route_reason FROM leads WHERE id BETWEEN 101 AND 1100
	EXCEPT SELECT id, owner, team, territory, routed_at, route_reason FROM test.first$$, 'and every output stays');

-- known leads come again
BEGIN;
DELETE FROM leads WHERE id BETWEEN 101 AND 1100;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(101, 1100);
COMMIT;
SELECT is(test.story(), 'nothing', 'DELETE and INSERT of unchanged rows');
DELETE FROM leads WHERE id BETWEEN 101 AND 110;
SELECT is(test.story(), 'closed 10', 'DELETE');
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(101, 110);
SELECT is(test.story(), 'restored 10', 'INSERT of deleted leads: they keep what they had');
BEGIN;
DELETE FROM leads WHERE id BETWEEN 101 AND 110;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(101, 105);
COMMIT;
SELECT is(test.story(), 'closed 5', 'the net effect of a transaction');
BEGIN;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(106, 110);
DELETE FROM leads WHERE id BETWEEN 106 AND 110;
COMMIT;
SELECT is(test.story(), 'nothing', 'back and gone again');
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(106, 110);
SELECT is(test.story(), 'restored 5', 'and back');
BEGIN;
INSERT INTO leads (id, email) SELECT i, 'brief' || i || '@x.example' FROM generate_series(6001, 6010) i;
DELETE FROM leads WHERE id BETWEEN 6001 AND 6010;
COMMIT;
SELECT is(test.story(), 'closed 10, decided 10', 'inserted and deleted in one transaction');

-- staging shapes: COPY to a temp table, UPDATE-join then INSERT anti-join
CREATE TEMP TABLE batch (LIKE leads);
INSERT INTO batch (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(5051, 5150);
BEGIN;
UPDATE leads l SET (email, company, country, region, postal_code, employees, source, owner) =
		(b.email, b.company, b.country, b.region, b.postal_code, b.employees, b.source, b.owner) FROM batch b WHERE b.id = l.id;
INSERT INTO leads SELECT b.* FROM batch b WHERE NOT EXISTS (SELECT FROM leads l WHERE l.id = b.id);
COMMIT;
SELECT is(test.story(), 'decided 50', 'UPDATE-join, then INSERT anti-join (pipelinewise)');
TRUNCATE batch;
INSERT INTO batch (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(5101, 5250);
BEGIN;
INSERT INTO leads SELECT b.* FROM batch b LEFT JOIN leads l USING (id) WHERE l.id IS NULL;
UPDATE leads l SET (email, company, country, region, postal_code, employees, source, owner, team, route_reason) =
		(b.email, b.company, b.country, b.region, b.postal_code, b.employees, b.source, b.owner, b.team, b.route_reason) FROM batch b WHERE b.id = l.id;
COMMIT;
SELECT is(test.story(), 'decided 100', 'INSERT anti-join, then UPDATE of all (Meltano)');

-- MERGE
TRUNCATE batch;
INSERT INTO batch (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(5201, 5300);
MERGE INTO leads l USING batch b ON l.id = b.id
	WHEN MATCHED THEN UPDATE SET company = b.company, owner = b.owner, team = b.team
	WHEN NOT MATCHED THEN INSERT (id, email, company, country, region, postal_code, employees, source)
		VALUES (b.id, b.email, b.company, b.country, b.region, b.postal_code, b.employees, b.source);
SELECT is(test.story(), 'decided 50', 'MERGE');
UPDATE leads SET owner = 'i1' WHERE id = 5300;
SELECT test.story() IS NOT NULL AS told \gset
UPDATE batch SET owner = 'boss', id = id + 5;
MERGE INTO leads l USING batch b ON l.id = b.id
	WHEN MATCHED AND l.id % 10 = 0 THEN DO NOTHING
	WHEN MATCHED AND l.id % 10 = 1 THEN DELETE
	WHEN MATCHED AND (l.owner IS DISTINCT FROM 'boss') AND l.id % 10 = 2 THEN UPDATE SET owner = b.owner
	WHEN NOT MATCHED THEN INSERT (id, email, country, region) VALUES (b.id, 'm' || b.email, b.country, b.region);
SELECT is(test.story(), (SELECT format('closed 9, decided 5, handed_over %s', count(*)) FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE s.code = 'by_hand' AND l.id BETWEEN 5201 AND 5299),
	'MERGE that inserts, hands over, deletes');
SELECT cmp_ok((SELECT count(*) FROM leads l WHERE owner = 'boss' AND id BETWEEN 5201 AND 5299 AND id % 10 = 2), '=', 9::bigint, 'the hand-overs reached the rows');

-- a writable CTE
TRUNCATE batch;
INSERT INTO batch (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(5401, 5450);
WITH incoming AS (SELECT * FROM batch), stored AS (INSERT INTO leads SELECT * FROM incoming RETURNING id, owner)
	UPDATE batch b SET owner = s.owner FROM stored s WHERE s.id = b.id;
SELECT is(test.story(), 'decided 50', 'INSERT in a CTE');
SELECT is_empty('SELECT id, owner FROM batch EXCEPT SELECT id, owner FROM leads', 'whose RETURNING is what is stored');
WITH gone AS (DELETE FROM leads WHERE id BETWEEN 5401 AND 5410 RETURNING *)
	INSERT INTO leads (id, email, company) SELECT id + 1000000, email || '2', company FROM gone;
SELECT is(test.story(), 'closed 10, decided 10', 'DELETE in a CTE, INSERT under other keys');

-- TRUNCATE and reload
BEGIN;
TRUNCATE leads;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(101, 5100);
COMMIT;
SELECT is((SELECT refreshed_at IS NOT NULL FROM leadroute.attachments), true, 'TRUNCATE is a full refresh');
SELECT is(test.story(refreshed => true), 'nothing', 'TRUNCATE and reload');
SELECT is((SELECT count(*) FROM leads WHERE owner IS NULL AND route_reason IS NULL), 0::bigint, 'with what they had');

\ir fixture/end.sql
