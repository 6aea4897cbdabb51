/* Rows and columns that a loader may bring: keys that come later, owners that a type spells its own way, triggers behind ours. */
BEGIN;
SET client_min_messages = error;
SELECT plan(17);
CREATE TABLE ad_leads (leadgen_id text, email text, owner uuid, note text);
CREATE INDEX ON ad_leads (leadgen_id);
INSERT INTO leadroute.reps (rep) VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'all', 'rep', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11');
SELECT leadroute.attach('ad_leads', columns => '{"key": "leadgen_id"}');
SELECT is(problem || ' | ' || hint, 'stands in column "owner" of table public.ad_leads as "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" | Name it "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11": what comes back from the table would be somebody else.',
	'a rep whose name the column spells otherwise') FROM leadroute.check_flow() WHERE severity = 'error';
SELECT throws_ok('SELECT leadroute.activate()', '55000', 'flow "default" is not complete', 'keeps the flow off');
INSERT INTO leadroute.reps (rep) VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
UPDATE leadroute.rules SET target_name = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
DELETE FROM leadroute.reps WHERE rep LIKE 'A%';
SELECT lives_ok('SELECT leadroute.activate()', 'named as the column has it, it is fine');

CREATE FUNCTION pg_temp.state(key text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', s.status, s.code, s.outcome) FROM leadroute.lead_states s WHERE s.lead = key $$;
/* a key that comes later */
INSERT INTO ad_leads VALUES (NULL, 'a@ad.example'), (repeat('x', 3000), 'b@ad.example'), (NULL, 'c@ad.example');
SELECT is((SELECT count(*) FROM leadroute.lead_states)::int, 0, 'a row without a key, or with one too long, is no lead');
UPDATE ad_leads SET leadgen_id = 'l:1' WHERE email = 'a@ad.example';
SELECT is(pg_temp.state('l:1'), 'assigned assigned', 'until an UPDATE gives it one');
SELECT is(owner IS NOT NULL, true, 'with an owner') FROM ad_leads WHERE leadgen_id = 'l:1';
UPDATE ad_leads SET leadgen_id = 'l:2' WHERE email = 'b@ad.example';
SELECT is(pg_temp.state('l:2'), 'assigned assigned', 'or a shorter one');
UPDATE ad_leads SET note = 'x' WHERE email = 'c@ad.example';
SELECT is((SELECT count(*) FROM leadroute.lead_states)::int, 2, 'not by another UPDATE');
SAVEPOINT before;
UPDATE ad_leads SET leadgen_id = 'l:3' WHERE email = 'c@ad.example';
SELECT is(pg_temp.state('l:3'), 'assigned assigned', 'decided');
ROLLBACK TO before;
SELECT is(pg_temp.state('l:3'), NULL, 'and taken back');
SELECT is((SELECT sum(open) FROM leadroute.rotation)::int, 2, 'with its place');
/* and one that is taken away */
UPDATE ad_leads SET leadgen_id = NULL WHERE leadgen_id = 'l:2';
SELECT count(*) FROM leadroute.explain('l:1') \g /dev/null
SELECT is(pg_temp.state('l:2'), 'assigned assigned deleted', 'a lead whose row lost its key is gone');
SELECT is((SELECT sum(open) FROM leadroute.rotation)::int, 1, 'and frees its place');
UPDATE ad_leads SET leadgen_id = 'l:2' WHERE email = 'b@ad.example';
SELECT count(*) FROM leadroute.explain('l:1') \g /dev/null
SELECT is(pg_temp.state('l:2'), 'assigned assigned', 'until it has it again');
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = 'l:2' AND kind = 'decided')::int, 1, 'which is no new decision');

/* a trigger that was made behind ours */
CREATE FUNCTION pg_temp.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SELECT is((SELECT status FROM leadroute.health WHERE check_name = 'trigger order'), 'ok', 'nothing fires after ours');
CREATE TRIGGER zzzz_own BEFORE INSERT ON ad_leads FOR EACH ROW EXECUTE FUNCTION pg_temp.own();
SELECT is((SELECT detail FROM leadroute.health WHERE check_name = 'trigger order'), 'trigger "zzzz_own" of table ad_leads fires after leadroute''s and may change what was decided on', 'health says what does');
SELECT * FROM finish();
ROLLBACK;
