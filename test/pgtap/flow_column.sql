/*
 * test/pgtap/flow_column.sql
 *		One table for several flows, each row in the one that it names: unknown ones, rows that
 *		move from one to another and back.
 */
\set base leadroute_flow_column
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
ALTER TABLE leads ADD unit text, ADD gone text;
DELETE FROM test.input;
INSERT INTO test.input SELECT $$SELECT id::text, email, country, region, postal_code, employees::numeric, source, owner, CASE WHEN unit = 'emea' THEN unit ELSE 'default' END FROM leads$$;
INSERT INTO leadroute.flows (flow) VALUES ('emea');
INSERT INTO leadroute.reps (flow, rep) SELECT 'emea', rep FROM leadroute.reps WHERE flow = 'default';
INSERT INTO leadroute.queues (flow, queue) VALUES ('emea', 'partners');
INSERT INTO leadroute.teams (flow, team) SELECT 'emea', team FROM leadroute.teams;
INSERT INTO leadroute.team_members (flow, team, rep) SELECT 'emea', team, rep FROM leadroute.team_members;
INSERT INTO leadroute.territories (flow, map, territory, area, team, rep) SELECT 'emea', map, territory, area, team, rep FROM leadroute.territories;
INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name) SELECT 'emea', position, rule, condition, target, target_name FROM leadroute.rules;
SELECT leadroute.attach('public.leads', flow_column => 'unit', columns => '{"deleted": "gone"}') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) + count(leadroute.activate('emea')) AS activated \gset

INSERT INTO leads (id, email, company, country, region, postal_code, employees, source, unit) SELECT g.*, (ARRAY['default', 'emea'])[1 + id % 2] FROM test.generated(1, 200) g;
SELECT is(test.story(), 'decided 200', 'rows of two flows in one statement');
SELECT is((SELECT string_agg(flow || ' ' || n, ', ' ORDER BY flow) FROM (SELECT flow, count(*) AS n FROM leadroute.lead_states GROUP BY flow) x), 'default 100, emea 100', 'each in its own');
INSERT INTO leads (id, email, unit) VALUES (301, 'u1', NULL), (302, 'u2', 'nowhere');
SELECT is(test.story(), 'decided 2', 'a flow that does not exist');
SELECT is((SELECT string_agg(code, ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('301', '302')), 'no_flow, no_flow', 'falls to the attachment''s, with a code of its own');
UPDATE leads SET unit = 'emea', company = 'moved' WHERE id IN (2, 4, 6);
SELECT is(test.story(), 'closed 3, decided 3', 'rows that move to another flow are new there');
UPDATE leads SET unit = 'default', owner = NULL WHERE id IN (2, 4, 6);
SELECT alike(test.story(), 'closed 3, restored 3%', 'and back');
SELECT is((SELECT count(*) FROM leads l JOIN leadroute.lead_states s ON s.flow = 'default' AND s.lead = l.id::text WHERE l.id IN (2, 4, 6) AND s.closed_at IS NULL AND s.owner IS NOT DISTINCT FROM l.owner), 3::bigint, 'where they are what they were');
SELECT is_empty('SELECT leadroute.rotation_drift()', 'places agree');
BEGIN;
UPDATE leads SET unit = 'emea' WHERE id BETWEEN 8 AND 20 AND id % 2 = 0;
UPDATE leads SET unit = 'default' WHERE id BETWEEN 8 AND 20 AND id % 2 = 0;
COMMIT;
SELECT is((SELECT count(*) FROM leadroute.lead_states WHERE flow = 'default' AND closed_at IS NOT NULL), 0::bigint, 'there and back in one transaction');
SELECT test.story() IS NOT NULL AS told \gset
INSERT INTO leads (id, email, unit) VALUES (4, 'p4@c4.example', 'default') ON CONFLICT (id) DO UPDATE SET unit = EXCLUDED.unit, owner = EXCLUDED.owner;
SELECT is(test.story(), 'nothing', 'an upsert');

-- the deleted column
UPDATE leads SET gone = 'true' WHERE id BETWEEN 31 AND 40;
SELECT alike(test.story(), 'closed 10%', 'a deleted column means DELETE');
UPDATE leads SET gone = 'TRUE', company = 'again' WHERE id BETWEEN 31 AND 40;
SELECT unalike(test.story(), 'closed%', 'once');
UPDATE leads SET gone = 'f', owner = NULL WHERE id BETWEEN 31 AND 40;
SELECT is(test.story(), 'restored 10', 'and back');
BEGIN;
UPDATE leads SET gone = '1' WHERE id BETWEEN 31 AND 40;
UPDATE leads SET gone = '' WHERE id BETWEEN 31 AND 40;
COMMIT;
SELECT is(test.story(), 'nothing', 'there and back in one transaction');
INSERT INTO leads (id, email, country, gone, unit) VALUES (401, 'd1', 'US', 'yes', 'default'), (402, 'd2', 'US', 'no', 'default');
SELECT is((SELECT string_agg(lead || ' ' || code, ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('401', '402')), '401 deleted, 402 assigned', 'a row that arrives deleted is not routed');
UPDATE leads SET gone = 'no' WHERE id = 401;
SELECT is((SELECT string_agg(lead || ' ' || code, ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('401', '402')), '401 assigned, 402 assigned', 'until it is no longer');
BEGIN;
UPDATE leads SET gone = 'yes' WHERE id = 402;
DELETE FROM leads WHERE id = 402;
INSERT INTO leads (id, email, country, unit) VALUES (402, 'd2', 'US', 'default');
COMMIT;
SELECT is((SELECT closed_at FROM leadroute.lead_states WHERE lead = '402'), NULL, 'marked, deleted, inserted again');
UPDATE leads SET gone = 'yes' WHERE id = 402;
BEGIN;
DELETE FROM leads WHERE id = 402;
SAVEPOINT s;
INSERT INTO leads (id, email, country, unit) VALUES (402, 'd2', 'US', 'default');
RELEASE s;
COMMIT;
SELECT is((SELECT closed_at FROM leadroute.lead_states WHERE lead = '402'), NULL, 'marked; then deleted and inserted again without the mark');
SELECT is_empty('SELECT leadroute.rotation_drift()', 'places agree');

\ir fixture/end.sql
