-- duplicates whose first lead goes: one of them takes its place, with keys, owner, place and clocks; the others are its duplicates
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
\set base leadroute_heirs
SET client_min_messages = warning;
DROP DATABASE IF EXISTS :"base";
CREATE DATABASE :"base";
\connect :"base"
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION leadroute CASCADE;
CREATE SCHEMA test;
SELECT no_plan();

INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('t', 'bo');
INSERT INTO leadroute.queues (queue) VALUES ('q');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(1, 'trash', $$note = 'trash'$$, 'discard', NULL), (2, 'later', $$note = 'later'$$, 'queue', 'q'), (9, 'all', NULL, 'team', 't');
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('call', 1, 'first_touch', '1 hour');
CREATE TABLE leads (id bigint PRIMARY KEY, email text, phone text, last_name text, country text, note text, unit text, owner text, duplicate_of text);
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset

/* Leads, what they are, and who holds which key; after the sweep rows and states say the same and places are those of the leads. */
CREATE FUNCTION test.story(VARIADIC ids bigint[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM leadroute.rotation_drift())
		OR (SELECT sum(r.open) FROM leadroute.rotation r) IS DISTINCT FROM
		   (SELECT count(*) FROM leadroute.lead_states s WHERE s.status = 'assigned' AND s.owner IS NOT NULL AND s.closed_at IS NULL) THEN
		RETURN 'places are not those of the leads';
	END IF;
	RETURN (SELECT string_agg(concat_ws(' ', s.lead, s.status, s.code, 'of ' || s.duplicate_of, s.outcome, (SELECT string_agg(i.key, ' ' ORDER BY i.key) FROM leadroute.identities i WHERE i.lead = s.lead)), ', ' ORDER BY s.lead::bigint)
			FROM leadroute.lead_states s WHERE s.lead::bigint = ANY (ids));
END $$;
CREATE FUNCTION test.rows(VARIADIC ids bigint[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', l.id, 'of ' || l.duplicate_of, CASE WHEN (l.owner, l.duplicate_of) IS DISTINCT FROM (s.owner, s.duplicate_of) THEN 'differs' END), ', ' ORDER BY l.id)
	FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id = ANY (ids)
$$;

-- who asked first is the person's lead then
INSERT INTO leads (id, email) VALUES (1, 'kim@x.example');
INSERT INTO leads (id, email, phone, last_name, country) VALUES (3, 'kim@x.example', '(415) 555-2671', 'Ng', 'US');
INSERT INTO leads (id, email) VALUES (2, 'kim@x.example');
SELECT owner AS had FROM leads WHERE id = 1 \gset
DELETE FROM leads WHERE id = 1;
SELECT is(test.story(1, 2, 3), '1 assigned assigned deleted, 2 duplicate duplicate of 3, 3 assigned succeeded +14155552671|ng kim@x.example', 'the first duplicate stands for the person, with all its keys; the other is its duplicate');
SELECT is((SELECT string_agg(DISTINCT owner, ' ') FROM leadroute.lead_states WHERE lead IN ('2', '3')), :'had', 'they have the owner that they had');
SELECT is((SELECT sum(pointer) FROM leadroute.rep_load), 1::numeric, 'without a turn');
INSERT INTO leads (id, email) VALUES (4, 'kim@x.example');
SELECT is(test.story(4), '4 duplicate duplicate of 3', 'who comes next is its duplicate');
SELECT is(test.rows(2, 3), '2 of 1 differs, 3 of 1 differs', 'their rows are not written in the transaction that deletes');
CALL leadroute.sweep(parts => '{heirs}');
SELECT is(test.rows(2, 3), '2 of 3, 3', 'the sweep writes them');
SELECT is((SELECT count(*) FROM leadroute.pending_heirs), 0::bigint, 'and is done');
SELECT is((SELECT string_agg(concat_ws(' ', lead, kind, reason), '; ' ORDER BY lead) FROM leadroute.events WHERE kind IN ('succeeded', 'linked')),
	'2 linked duplicate of lead 3: lead 1 is gone; 3 succeeded lead 1 is gone: its duplicate stands for the person', 'events say so');
SELECT is((SELECT concat_ws(' ', policy, owner, started_at = (SELECT submitted_at FROM leadroute.lead_states WHERE lead = '3')) FROM leadroute.clocks WHERE lead = '3'), 'call ' || :'had' || ' t', 'the clock that nobody stopped is its own, from when it asked');

-- the first comes back: its keys are the heir's now, and people may say that they are one
INSERT INTO leads (id, email) VALUES (1, 'kim@x.example');
SELECT is(test.story(1, 3), '1 assigned assigned, 3 assigned succeeded +14155552671|ng kim@x.example', 'two leads then');
SELECT is((SELECT concat_ws(' ', lead, other, status) FROM leadroute.duplicate_candidates), '1 3 open', 'with a suggestion');
DELETE FROM leads;
SELECT is((SELECT count(*) FROM leadroute.identities), 0::bigint, 'all of them gone: no key is left');

-- deleted with its duplicates; deleted and inserted again; rolled back
INSERT INTO leads (id, email) VALUES (10, 'a@x.example'), (11, 'a@x.example'), (12, 'a@x.example');
DELETE FROM leads WHERE id IN (10, 11);
SELECT is(test.story(10, 11, 12), '10 assigned assigned deleted, 11 duplicate duplicate of 10 deleted, 12 assigned succeeded a@x.example', 'who goes with it is no heir');
BEGIN;
DELETE FROM leads WHERE id = 12;
INSERT INTO leads (id, email) VALUES (12, 'a@x.example'), (13, 'a@x.example');
COMMIT;
SELECT is(test.story(12, 13), '12 assigned succeeded a@x.example, 13 duplicate duplicate of 12', 'a loader''s delete and insert changes nothing');
BEGIN;
DELETE FROM leads WHERE id = 12;
SELECT is((SELECT count(*) FROM leadroute.explain(13)) > 0, true, 'asked in between');
ROLLBACK;
SELECT is(test.story(12, 13), '12 assigned succeeded a@x.example, 13 duplicate duplicate of 12', 'rolled back');
BEGIN;
SAVEPOINT s;
DELETE FROM leads WHERE id = 12;
ROLLBACK TO s;
COMMIT;
SELECT is(test.story(12, 13), '12 assigned succeeded a@x.example, 13 duplicate duplicate of 12', 'to a savepoint');

-- the heir's own row says who it is: it may be another's by now
INSERT INTO leads (id, email) VALUES (20, 'b@x.example');
INSERT INTO leads (id, email) VALUES (21, 'b@x.example'), (22, 'b@x.example');
INSERT INTO leads (id, email) VALUES (23, 'c@x.example');
UPDATE leads SET email = 'c@x.example' WHERE id = 21;
DELETE FROM leads WHERE id = 20;
SELECT is(test.story(21, 22, 23), '21 duplicate duplicate of 23, 22 assigned succeeded b@x.example, 23 assigned assigned c@x.example', 'each by its own keys');

-- without an owner: it waits, or was discarded, as the first did
INSERT INTO leads (id, email, note) VALUES (30, 'd@x.example', 'later');
INSERT INTO leads (id, email, note) VALUES (31, 'd@x.example', 'later');
INSERT INTO leads (id, email, note) VALUES (32, 'e@x.example', 'trash');
INSERT INTO leads (id, email, note) VALUES (33, 'e@x.example', 'trash');
DELETE FROM leads WHERE id IN (30, 32);
SELECT is(test.story(31, 33), '31 waiting succeeded d@x.example, 33 discarded succeeded e@x.example', 'no owner');
SELECT is((SELECT queue FROM leadroute.lead_states WHERE lead = '31'), 'q', 'in the queue');

-- marked as deleted, in another flow, not found again
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset
ALTER TABLE leads ADD is_deleted boolean;
INSERT INTO leadroute.flows (flow) VALUES ('other');
SELECT leadroute.attach('public.leads', flow_column => 'unit', columns => '{"deleted": "is_deleted"}') IS NOT NULL AS attached \gset
INSERT INTO leads (id, email) VALUES (40, 'f@x.example');
INSERT INTO leads (id, email) VALUES (41, 'f@x.example');
UPDATE leads SET is_deleted = true WHERE id = 40;
SELECT is(test.story(40, 41), '40 assigned no_flow deleted, 41 assigned succeeded f@x.example', 'marked as deleted');
INSERT INTO leads (id, email) VALUES (42, 'g@x.example');
INSERT INTO leads (id, email) VALUES (43, 'g@x.example');
UPDATE leads SET unit = 'other' WHERE id = 42;
SELECT is((SELECT string_agg(concat_ws(' ', flow, lead, status, code, outcome), ', ' ORDER BY flow, lead) FROM leadroute.lead_states WHERE lead IN ('42', '43')),
	'default 42 assigned no_flow moved, default 43 assigned succeeded, other 42 unrouted flow_off', 'moved to another flow');
INSERT INTO leads (id, email) VALUES (44, 'h@x.example');
INSERT INTO leads (id, email) VALUES (45, 'h@x.example');
SET leadroute.clock = '2030-01-01';
BEGIN;
CREATE TEMP TABLE kept AS SELECT * FROM leads WHERE id <> 44;
TRUNCATE leads;
INSERT INTO leads SELECT * FROM kept;
COMMIT;
SET leadroute.clock = '2030-02-01';
CALL leadroute.sweep();
CALL leadroute.sweep();
SELECT is(test.story(44, 45), '44 assigned no_flow gone, 45 assigned succeeded h@x.example', 'not found again after a refresh');
SELECT is(test.rows(45), '45', 'the row says so');
RESET leadroute.clock;

-- what was merged into the first is known by its heir
INSERT INTO leads (id, email) VALUES (50, 'm@x.example');
INSERT INTO leads (id, email) VALUES (51, 'm@x.example');
UPDATE leadroute.flows SET duplicate_policy = 'merge' WHERE flow = 'default';
INSERT INTO leads (id, email) VALUES (52, 'm@x.example');
DELETE FROM leads WHERE id = 50;
SELECT is(test.story(51, 52), '51 assigned succeeded m@x.example, 52 merged absorbed of 51', 'merged ones go along');
INSERT INTO leads (id, email) VALUES (52, 'm@x.example');
SELECT is((SELECT count(*) FROM leads WHERE id = 52), 0::bigint, 'their next sync is known');

-- left behind by a race: the sweep finds them
UPDATE leadroute.flows SET duplicate_policy = 'link' WHERE flow = 'default';
INSERT INTO leads (id, email) VALUES (60, 'o@x.example');
INSERT INTO leads (id, email) VALUES (61, 'o@x.example');
UPDATE leadroute.lead_states SET closed_at = now(), outcome = 'deleted' WHERE lead = '60';
SELECT leadroute.rotation_open('default', team, owner, -1) FROM leadroute.lead_states WHERE lead = '60' \gset
CALL leadroute.sweep(parts => '{orphans,heirs}');
SELECT is(test.story(60, 61), '60 assigned no_flow deleted, 61 assigned succeeded o@x.example', 'an orphan');
SELECT is(test.rows(61), '61', 'and its row');

\ir fixture/end.sql
