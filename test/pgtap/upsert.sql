/*
 * test/pgtap/upsert.sql
 *		INSERT … ON CONFLICT on the key and on another column, and the writable CTE of loaders that
 *		make no unique key at all: what is not really inserted takes nothing, and what EXCLUDED
 *		carries is no hand's.
 */
\set base leadroute_upsert
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 200);
SELECT is(test.story(), 'decided 200', 'leads that stand there');

-- on the key
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(151, 250)
	ON CONFLICT (id) DO NOTHING;
SELECT is(test.story(), 'decided 50', 'ON CONFLICT (id) DO NOTHING');
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(201, 300)
	ON CONFLICT (id) DO UPDATE SET company = EXCLUDED.company || '+', owner = EXCLUDED.owner, team = EXCLUDED.team, route_reason = EXCLUDED.route_reason;
SELECT is(test.story(), 'decided 50', 'ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner');
INSERT INTO leads AS l (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(251, 350)
	ON CONFLICT (id) DO UPDATE SET company = 'never' WHERE l.company = 'nobody''s';
SELECT is(test.story(), 'decided 50', 'ON CONFLICT (id) DO UPDATE … WHERE false');
INSERT INTO leads (id, email, owner) SELECT id, email, NULL FROM test.generated(1, 100)
	ON CONFLICT (id) DO UPDATE SET (email, owner, team, territory, routed_at, route_reason) = (EXCLUDED.email, EXCLUDED.owner, EXCLUDED.team, EXCLUDED.territory, EXCLUDED.routed_at, EXCLUDED.route_reason);
SELECT is(test.story(), 'nothing', 'every output from EXCLUDED');
SELECT is((SELECT count(*) FROM leads WHERE id <= 100 AND route_reason IS NULL), 0::bigint, 'keeps every output');
-- a hand-over through an upsert: the third value is a hand's
INSERT INTO leads (id, email, owner) SELECT id, email, 'boss' FROM leads WHERE owner LIKE 'i%' ORDER BY id LIMIT 10
	ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner;
SELECT is(test.story(), 'handed_over 10', 'an owner that the loader gives is handed over');
INSERT INTO leads (id, email, owner) SELECT id, email, 'boss' FROM leads WHERE owner = 'boss' AND team IS NULL ORDER BY id LIMIT 10
	ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner;
SELECT is(test.story(), 'nothing', 'and sent again changes nothing');

-- on another unique column: the row that is to be inserted has a key of its own
INSERT INTO leads (id, email, company) SELECT i + 10000, format('p%s@c%s.example', i, i % 7), 'other key' FROM generate_series(101, 120) i WHERE i % 29 <> 0
	ON CONFLICT (email) DO NOTHING;
SELECT is(test.story(), 'nothing', 'ON CONFLICT (email) DO NOTHING');
INSERT INTO leads (id, email, company) SELECT i + 10000, format('p%s@c%s.example', i, i % 7), 'other key' FROM generate_series(101, 120) i WHERE i % 29 <> 0
	ON CONFLICT DO NOTHING;
SELECT is(test.story(), 'nothing', 'ON CONFLICT DO NOTHING');
INSERT INTO leads (id, email, company) SELECT i + 10000, format('p%s@c%s.example', i, i % 7), 'other key' FROM generate_series(101, 120) i WHERE i % 29 <> 0
	ON CONFLICT (email) DO UPDATE SET company = EXCLUDED.company, owner = EXCLUDED.owner;
SELECT is(test.story(), 'nothing', 'ON CONFLICT (email) DO UPDATE SET owner = EXCLUDED.owner');
INSERT INTO leads (id, email, company, owner) SELECT i + 10000, format('p%s@c%s.example', i, i % 7), 'third key', NULL FROM generate_series(101, 120) i WHERE i % 29 <> 0
	ON CONFLICT (email) DO UPDATE SET (company, owner, team, territory, routed_at, route_reason) = (EXCLUDED.company, EXCLUDED.owner, EXCLUDED.team, EXCLUDED.territory, EXCLUDED.routed_at, EXCLUDED.route_reason);
SELECT is(test.story(), 'nothing', 'the same with every output');
SELECT is((SELECT count(*) FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text
			WHERE (l.owner, l.team, l.territory, l.routed_at, l.route_reason) IS DISTINCT FROM (s.owner, s.team, s.territory, s.routed_at, s.route_reason)),
	0::bigint, 'and the rows say what their states say');
-- hand-overs through an upsert on email, next to rows that are inserted
INSERT INTO leads (id, email, company, owner) VALUES (20001, 'new1@x.example', 'a', NULL), (20002, 'p102@c4.example', 'b', 'w1'), (20003, 'new2@x.example', 'c', NULL),
		(20004, 'p103@c5.example', 'd', NULL), (20005, 'p104@c6.example', 'e', 'w2'), (20006, 'new3@x.example', 'f', NULL)
	ON CONFLICT (email) DO UPDATE SET company = EXCLUDED.company, owner = EXCLUDED.owner;
SELECT is(test.story(), 'decided 3, handed_over 2', 'both in one statement');
SELECT results_eq($$SELECT owner FROM leads WHERE id IN (102, 104) ORDER BY id$$, '{w1,w2}'::text[], 'the given owners stand');
-- rows twice in one statement, through DO NOTHING
INSERT INTO leads (id, email) VALUES (20011, 'd1@x.example'), (20011, 'd2@x.example'), (20012, 'd1@x.example'), (20013, 'd3@x.example') ON CONFLICT DO NOTHING;
SELECT is(test.story(), 'decided 2', 'one key, and one e-mail, twice in one statement');
SELECT throws_ok($$INSERT INTO leads (id, email) VALUES (20021, 'e1@x.example'), (20021, 'e2@x.example') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email$$, '21000', NULL, 'DO UPDATE twice of one row fails');
SELECT is(test.story(), 'nothing', 'and leaves nothing');

-- single-row upserts that are mostly known, as a queue worker sends them; then what comes is in turn
DO $$ BEGIN FOR i IN 20031..20130 LOOP
	INSERT INTO leads (id, email, owner) VALUES (i, CASE WHEN i % 3 = 0 THEN 'single' || i ELSE 'p105@c0.example' END, NULL)
		ON CONFLICT (email) DO UPDATE SET company = 'again', owner = EXCLUDED.owner;
END LOOP; END $$;
SELECT is(test.story(), 'decided 34', 'single-row upserts in a loop with 66 of one e-mail');

-- no unique key at all: one statement that deletes, updates and inserts (Airbyte)
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset
DELETE FROM leadroute.lead_states;
DROP TABLE leads;
SELECT test.make_leads('public.leads', false);
CREATE INDEX ON leads (id);
SELECT leadroute.attach('public.leads', columns => '{"key": "id"}') IS NOT NULL AS attached \gset
TRUNCATE leadroute.events, test.owned, test.decided_as, leadroute.rotation;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 100);
SELECT is(test.story(), 'decided 100', 'a table without a unique key');
CREATE TABLE incoming (LIKE leads);
ALTER TABLE incoming ADD deleted_at timestamptz, ADD extracted_at integer;
INSERT INTO incoming (id, email, company, country, region, postal_code, employees, source, deleted_at, extracted_at)
	SELECT *, CASE WHEN id % 10 = 0 THEN now() END, 1 FROM test.generated(51, 150)
	UNION ALL SELECT *, NULL, 2 FROM test.generated(140, 145);
PREPARE airbyte AS
WITH deduped AS (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY extracted_at DESC) AS n FROM incoming) i WHERE n = 1),
	deleted AS (DELETE FROM leads l USING deduped d WHERE d.id = l.id AND d.deleted_at IS NOT NULL RETURNING l.id),
	updates AS (UPDATE leads l SET email = d.email, company = d.company, country = d.country, region = d.region, postal_code = d.postal_code,
			employees = d.employees, source = d.source, owner = d.owner, team = d.team, territory = d.territory, routed_at = d.routed_at, route_reason = d.route_reason, score = d.score
		FROM deduped d WHERE d.id = l.id AND d.deleted_at IS NULL)
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source, owner, team, territory, routed_at, route_reason, score)
	SELECT d.id, d.email, d.company, d.country, d.region, d.postal_code, d.employees, d.source, d.owner, d.team, d.territory, d.routed_at, d.route_reason, d.score
	  FROM deduped d WHERE d.deleted_at IS NULL AND NOT EXISTS (SELECT FROM leads l WHERE l.id = d.id);
EXECUTE airbyte;
SELECT is(test.story(), 'closed 5, decided 46', 'WITH … DELETE, UPDATE, INSERT … WHERE NOT EXISTS');
EXECUTE airbyte;
SELECT is(test.story(), 'nothing', 'the same once more');
-- append mode: the same key again is another row of the same lead
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 20);
SELECT is(test.story(), 'nothing', 'a second row of a known key takes no turn');
SELECT is((SELECT count(*) FROM (SELECT FROM leads GROUP BY id HAVING count(DISTINCT owner) > 1) x), 0::bigint, 'and gets the same owner');
INSERT INTO leads (id, email, country) VALUES (501, 'twice@x.example', 'US'), (502, 'once@x.example', 'US'), (501, 'twice@x.example', 'US');
SELECT is(test.story(), 'decided 2', 'two rows of one key in one statement are one lead');
SELECT is((SELECT count(DISTINCT owner) FROM leads WHERE id = 501), 1::bigint, 'with one owner');
DELETE FROM leads WHERE ctid = (SELECT max(ctid) FROM leads WHERE id = 501);
SELECT is(test.story(), 'nothing', 'one of two rows goes: the lead stands');
DELETE FROM leads WHERE id = 501;
SELECT is(test.story(), 'closed 1', 'both gone');
WITH gone AS (DELETE FROM leads WHERE id BETWEEN 90 AND 99 RETURNING *)
	INSERT INTO leads (id, email, company) SELECT id, email, company || '!' FROM gone;
SELECT is(test.story(), 'nothing', 'DELETE and INSERT of the same keys in one statement');
WITH gone AS (DELETE FROM leads WHERE id BETWEEN 21 AND 30 RETURNING *), there AS (INSERT INTO leads (id, email) SELECT i, 'cte' || i FROM generate_series(601, 610) i)
	UPDATE leads SET company = 'x', owner = NULL WHERE id BETWEEN 31 AND 40;
SELECT is(test.story(), 'closed 10, decided 10', 'DELETE, INSERT and UPDATE of different leads in one statement');
BEGIN;
SAVEPOINT s;
INSERT INTO leads (id, email) SELECT i, 'sp' || i FROM generate_series(701, 710) i;
ROLLBACK TO s;
INSERT INTO leads (id, email) SELECT i, 'sp' || i FROM generate_series(701, 705) i;
COMMIT;
SELECT is(test.story(), 'decided 5', 'keys claimed in a savepoint that rolled back are free');
SELECT is((SELECT count(*) FROM leadroute.identities WHERE kind = 'key'), (SELECT count(*) FROM leadroute.lead_states), 'each key is claimed once');

-- keys change where no unique key keeps two leads apart
UPDATE leads SET id = CASE id WHEN 1 THEN 2 ELSE 1 END WHERE id IN (1, 2);
SELECT is((SELECT count(*) FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id IN (1, 2) AND l.owner IS DISTINCT FROM s.owner), 0::bigint, 'two keys change places');
UPDATE leads SET id = 61 WHERE id IN (62, 63);
SELECT results_eq($$SELECT lead COLLATE "default", closed_at IS NOT NULL FROM leadroute.lead_states WHERE lead IN ('61', '62', '63') ORDER BY lead$$,
	$$VALUES ('61', false), ('62', true), ('63', true)$$, 'leads that take another''s key join it');
SELECT is((SELECT count(*) FROM (SELECT * FROM leadroute.identities WHERE kind = 'key') i FULL JOIN leadroute.lead_states s ON s.flow = i.flow AND s.lead = i.key WHERE i.lead IS DISTINCT FROM i.key OR s.lead IS NULL OR (i.key IS NULL AND s.closed_at IS NULL)), 0::bigint, 'open leads hold their keys');
SELECT is_empty('SELECT leadroute.rotation_drift()', 'places agree');

-- without any index: a MERGE that inserts, and hands over to whoever the inserted one got
DROP INDEX leads_id_idx;
INSERT INTO leads (id, email) SELECT i, 'handed' FROM generate_series(900, 903) i;
CREATE FUNCTION test.mixed(run integer) RETURNS bigint LANGUAGE sql SET enable_hashjoin = off SET enable_mergejoin = off AS $$
	MERGE INTO leads l USING (SELECT 1000 + run AS id, NULL AS owner UNION ALL SELECT 900 + j, 'i' || (1 + (j + run) % 4) FROM generate_series(0, 3) j) b ON l.id = b.id
		WHEN MATCHED THEN UPDATE SET owner = b.owner
		WHEN NOT MATCHED THEN INSERT (id, email) VALUES (b.id, 'new');
	SELECT count(*) FROM leads WHERE id BETWEEN 900 AND 903 AND owner = 'i' || (1 + (id - 900 + run) % 4);
$$;
SELECT is((SELECT array_agg(test.mixed(i)) FROM generate_series(1, 8) i), '{4,4,4,4,4,4,4,4}'::bigint[], 'every hand-over holds');
SELECT is((SELECT count(*) FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id BETWEEN 900 AND 903 AND l.owner IS DISTINCT FROM s.owner), 0::bigint,
	'hand-overs next to inserts, without an index');

\ir fixture/end.sql
