/*
 * test/pgtap/owner.sql
 *		Who is master of the owner: owners given in the row, syncs that send theirs with every
 *		UPDATE, hand-overs, owner_master = crm; explain says beforehand what INSERT does.
 */
\set base leadroute_owner
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
ALTER TABLE leads ADD fit numeric, ADD grade text;
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset

-- explain(row), then INSERT, 1,000 times
CREATE TABLE test.explained (id bigint, owner text, rule text, text text);
SELECT setseed(0.5) IS NOT NULL AS seeded \gset
CREATE TABLE test.random (LIKE leads);
INSERT INTO test.random (id, email, country, region, postal_code, employees, source)
	SELECT i, format('r%s@%s.example', i, (ARRAY['spam', 'a', 'b', 'c', 'd'])[1 + floor(random() * 5)::integer]),
		(ARRAY['US', 'us', 'DE', NULL])[1 + floor(random() * 4)::integer], (ARRAY['CA', 'ca', 'or', 'NY', NULL])[1 + floor(random() * 5)::integer],
		(ARRAY['94105', '94', '9', NULL])[1 + floor(random() * 4)::integer], floor(random() * random() * 20000)::integer, (ARRAY['web', 'partner', NULL])[1 + floor(random() * 3)::integer]
	  FROM generate_series(1, 1000) i;
DO $$
DECLARE
	asked leads;
BEGIN
	FOR asked IN SELECT * FROM test.random ORDER BY id LOOP
		INSERT INTO test.explained
			SELECT asked.id, nullif(max(e.name) FILTER (WHERE e.item = 'decision' AND e.verdict = 'assigned'), ''),
				(array_agg(e.name ORDER BY e.step DESC) FILTER (WHERE e.item = 'rule'))[1], max(e.detail) FILTER (WHERE e.item = 'decision')
			  FROM leadroute.explain(asked) e;
		INSERT INTO leads SELECT asked.*;
	END LOOP;
END $$;
SELECT is(test.story(), 'decided 1000', 'explain(row) 1,000 times takes no turn and writes nothing');
SELECT is_empty($$SELECT e.id, e.owner, e.rule, e.text FROM test.explained e
	EXCEPT SELECT l.id, l.owner, s.rule, l.route_reason FROM leads l JOIN leadroute.lead_states s ON s.flow = 'default' AND s.lead = l.id::text$$,
	'and says beforehand the owner, the rule and the very text of 1,000 INSERTs');

-- owners given
INSERT INTO leads (id, email, owner) VALUES (2001, 'g1', 'w1'), (2002, 'g2', 'nobody'), (2003, 'g3', ''), (2004, 'g4', ' '), (2005, 'g5', 'boss');
SELECT is(test.story(), 'decided 5', 'owners given, keep');
SELECT is((SELECT string_agg(id || ' ' || code, ', ' ORDER BY id) FROM leads JOIN leadroute.lead_states s ON lead = id::text WHERE id BETWEEN 2001 AND 2005),
	'2001 given, 2002 assigned, 2003 assigned, 2004 assigned, 2005 given', 'an active rep''s key stays, any other value is routed');
SELECT is((SELECT string_agg(coalesce(source_owner, '-'), ',' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('2001', '2002', '2003')), 'w1,nobody,-', 'what the source gave is remembered');
UPDATE leads SET owner = 'nobody', company = 'x' WHERE id = 2002;
SELECT is(test.story(), 'nothing', 'the source sends it again');
UPDATE leadroute.reps SET active = false WHERE rep = 'w1';
INSERT INTO leads (id, email, owner) VALUES (2011, 'g11', 'w1');
SELECT is((SELECT code || ' ' || (owner <> 'w1') FROM leadroute.lead_states WHERE lead = '2011'), 'assigned true', 'a rep who is not active is no owner');
UPDATE leadroute.reps SET active = true WHERE rep = 'w1';
UPDATE leadroute.flows SET given_owner = 'route';
INSERT INTO leads (id, email, owner) VALUES (2021, 'g21', 'w1'), (2022, 'g22', 'w1');
SELECT is((SELECT string_agg(code || ' ' || team, ',' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('2021', '2022')), 'assigned inbound,assigned inbound', 'given_owner = route');
UPDATE leads SET owner = 'w1' WHERE id IN (2021, 2022);
SELECT is(test.story(), 'decided 3', 'and what the source gave then is no hand-over');
UPDATE leadroute.flows SET given_owner = 'keep';

-- a sync that sends its own OwnerId and NULL scores with every row, three times
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source, owner, score)
	SELECT g.*, '005' || g.id % 7, NULL FROM test.generated(3001, 4000) g;
SELECT is(test.story(), 'decided 1000', '1,000 leads with the source''s OwnerId');
CREATE TABLE test.before AS SELECT * FROM leads WHERE id BETWEEN 3001 AND 4000;
UPDATE leads l SET (email, company, country, region, postal_code, employees, source, owner, team, territory, routed_at, route_reason, score, fit, grade)
	= (g.email, g.company, g.country, g.region, g.postal_code, g.employees, g.source, '005' || g.id % 7, NULL, NULL, NULL, NULL, NULL, NULL, NULL) FROM test.generated(3001, 4000) g WHERE g.id = l.id;
UPDATE leads l SET (email, company, country, region, postal_code, employees, source, owner, team, territory, routed_at, route_reason, score, fit, grade)
	= (g.email, g.company || '.', g.country, g.region, g.postal_code, g.employees, g.source, '005' || g.id % 7, NULL, NULL, NULL, NULL, NULL, NULL, NULL) FROM test.generated(3001, 4000) g WHERE g.id = l.id;
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source, owner)
	SELECT g.*, '005' || g.id % 7 FROM test.generated(3001, 4000) g
	ON CONFLICT (id) DO UPDATE SET (email, company, owner, team, territory, routed_at, route_reason, score)
	= (EXCLUDED.email, EXCLUDED.company, EXCLUDED.owner, EXCLUDED.team, EXCLUDED.territory, EXCLUDED.routed_at, EXCLUDED.route_reason, EXCLUDED.score);
SELECT is(test.story(), 'nothing', 'full-row UPDATEs of 1,000 leads, three times: no event');
SELECT is_empty('SELECT id, owner, team, territory, routed_at, route_reason, score FROM leads WHERE id BETWEEN 3001 AND 4000
	EXCEPT SELECT id, owner, team, territory, routed_at, route_reason, score FROM test.before', 'no output changed');
UPDATE leads SET owner = 'i2' WHERE id = 3003 AND owner <> 'i2';
UPDATE leads SET owner = '005' || id % 7 WHERE id = 3003;
SELECT is((SELECT string_agg(kind || ' ' || owner, ', ' ORDER BY id) FROM leadroute.events WHERE lead = '3003' AND kind <> 'decided'), 'handed_over i2, handed_over 0050', 'a third value is a hand-over, and back to another one too');
SELECT test.story() IS NOT NULL AS told \gset

-- crm is master
UPDATE leadroute.flows SET owner_master = 'crm';
UPDATE leads SET owner = '005x' WHERE id BETWEEN 3010 AND 3019;
SELECT is(test.story(), 'handed_over 10', 'owner_master = crm: what the source sends is taken over');
UPDATE leads SET owner = '005x', company = 'y' WHERE id BETWEEN 3010 AND 3019;
UPDATE leads SET owner = NULL WHERE id BETWEEN 3010 AND 3019;
SELECT is(test.story(), 'nothing', 'the same again, or NULL, is not');
INSERT INTO leads (id, email, owner) SELECT id + 10000, email, NULL FROM leads WHERE id BETWEEN 3010 AND 3019
	ON CONFLICT (email) DO UPDATE SET owner = EXCLUDED.owner;
SELECT is(test.story(), 'nothing', 'nor what EXCLUDED carries');

-- old leads, ignored: their owner is the user's
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset
INSERT INTO leads (id, email, owner) SELECT i, 'old' || i, 'old owner' FROM generate_series(8001, 8100) i;
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
CALL leadroute.catch_up('public.leads');
UPDATE leads SET owner = NULL WHERE id BETWEEN 8001 AND 8050;
UPDATE leads SET owner = 'w1' WHERE id BETWEEN 8051 AND 8060;
INSERT INTO leads (id, email, company) SELECT i, 'old' || i, 'again' FROM generate_series(8061, 8070) i ON CONFLICT (id) DO UPDATE SET company = EXCLUDED.company, owner = EXCLUDED.owner;
INSERT INTO leads (id, email) SELECT i + 1000, 'old' || i FROM generate_series(8071, 8080) i ON CONFLICT (email) DO NOTHING;
BEGIN;
DELETE FROM leads WHERE id BETWEEN 8081 AND 8090;
INSERT INTO leads (id, email, owner) SELECT i, 'old' || i, 'other' FROM generate_series(8081, 8090) i;
COMMIT;
SELECT is(test.story(), 'nothing', 'old leads are left alone');
SELECT is((SELECT string_agg(o || ' ' || n, ', ' ORDER BY o) FROM (SELECT coalesce(owner, 'NULL') AS o, count(*) AS n FROM leads WHERE id BETWEEN 8001 AND 8100 GROUP BY 1) x),
	'NULL 60, old owner 20, other 10, w1 10', 'and their owner is the user''s');

\ir fixture/end.sql
