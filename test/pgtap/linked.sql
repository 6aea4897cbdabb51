-- duplicates without an owner: they have the one that their first lead gets later
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, company text, owner text, team text, duplicate_of text, route_reason text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep, active) VALUES ('ana', true), ('bo', true);
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana');
INSERT INTO leadroute.queues (queue) VALUES ('q');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(1, 'trash', $$company = 'Trash'$$, 'discard', NULL), (2, 'later', $$company = 'Later'$$, 'queue', 'q'),
	(3, 'good', $$company = 'Good'$$, 'rep', 'bo'), (9, 'all', NULL, 'team', 't');
SELECT count(leadroute.activate()) \g /dev/null
/* Leads of two, first and duplicates: owner; "!" where a row says otherwise than its state. */
CREATE FUNCTION lr.owners(first text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', s.lead, s.status, coalesce(s.owner, '-'), CASE WHEN (l.owner, l.team, l.route_reason) IS DISTINCT FROM (s.owner, s.team, s.route_reason) THEN '!' END), ', ' ORDER BY s.lead::int)
	FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE first IN (s.lead, s.duplicate_of)
$$;

-- drain
UPDATE leadroute.reps SET active = false WHERE rep = 'ana';
INSERT INTO lr.leads (id, email) VALUES (1, 'a@x.example'), (2, 'a@x.example');
INSERT INTO lr.leads (id, email) VALUES (3, 'a@x.example'), (4, 'other@x.example');
SELECT is(lr.owners('1'), '1 waiting -, 2 duplicate -, 3 duplicate -', 'all wait');
UPDATE leadroute.reps SET active = true WHERE rep = 'ana';
CALL leadroute.drain();
SELECT is(lr.owners('1'), '1 assigned ana, 2 duplicate ana, 3 duplicate ana', 'drained: duplicates have the first one''s owner');
SELECT is((SELECT route_reason FROM lr.leads WHERE id = 2), 'duplicate of lead 1: ana has it', 'the reason says so');
SELECT results_eq($$SELECT lead COLLATE "default", kind, code, owner COLLATE "default", team COLLATE "default" FROM leadroute.events WHERE kind = 'followed' ORDER BY lead$$,
	$$VALUES ('2', 'followed', 'duplicate', 'ana', 't'), ('3', 'followed', 'duplicate', 'ana', 't')$$, 'an event each');
SELECT results_eq($$SELECT open::int, pointer::int FROM leadroute.rep_load WHERE rep = 'ana'$$, $$VALUES (2, 2)$$, 'no turn and no place: two leads and their duplicates are two');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'places are those of the leads');

-- by hand
INSERT INTO lr.leads (id, email, company) SELECT i, 'p' || i / 10 || '@x.example', 'Later' FROM unnest(ARRAY[10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 52, 60, 61, 62]) i;
SELECT is(lr.owners('10'), '10 waiting -, 11 duplicate -', 'both wait in a queue');
SAVEPOINT s;
SELECT is(leadroute.claim(10, 'bo'), true, 'claimed');
ROLLBACK TO s;
SELECT is(lr.owners('10'), '10 waiting -, 11 duplicate -', 'what rolls back is undone');
SELECT is(leadroute.claim(10, 'bo'), true, 'claimed again');
SELECT is(lr.owners('10'), '10 assigned bo, 11 duplicate bo', 'claim');
SELECT is(leadroute.reassign(20, 'bo'), true, 'reassigned');
SELECT is(lr.owners('20'), '20 assigned bo, 21 duplicate bo', 'reassign');
SELECT is(leadroute.reassign(20, 'ana'), true, 'once more');
SELECT is(lr.owners('20'), '20 assigned ana, 21 duplicate bo', 'one that has an owner keeps him');
UPDATE lr.leads SET company = 'Good' WHERE id = 30;
SELECT is(leadroute.reroute(30), 'bo', 'rerouted');
SELECT is(lr.owners('30'), '30 assigned bo, 31 duplicate bo', 'reroute');
UPDATE lr.leads SET owner = 'ana' WHERE id = 40;
SELECT is(lr.owners('40'), '40 assigned ana, 41 duplicate ana', 'an UPDATE of the owner');
UPDATE lr.leads SET owner = CASE id WHEN 50 THEN 'ana' WHEN 51 THEN 'bo' END WHERE id IN (50, 51, 52);
SELECT is(lr.owners('50'), '50 assigned ana, 51 assigned bo, 52 duplicate ana', 'of the first and duplicates at once: the hand''s own word counts');
DELETE FROM lr.leads WHERE id = 61;
UPDATE lr.leads SET duplicate_of = NULL WHERE id = 62;
SELECT is(leadroute.claim(60, 'ana'), true, 'claimed, a duplicate''s row being gone');
SELECT is(lr.owners('60'), '60 assigned ana, 62 duplicate ana', 'the others follow');
SELECT is((SELECT owner FROM leadroute.lead_states WHERE lead = '61'), NULL, 'and who is gone does not');
SELECT is((SELECT duplicate_of FROM lr.leads WHERE id = 62), '60', 'its row says all that its state does');

-- a duplicate whose own values give the first an owner gives him to those before it
INSERT INTO lr.leads (id, email, company) VALUES (70, 'q@x.example', 'Trash'), (71, 'q@x.example', 'Trash');
INSERT INTO lr.leads (id, email, company) VALUES (72, 'q@x.example', 'Trash'), (73, 'q@x.example', 'Good');
SELECT is(lr.owners('70'), '70 assigned bo, 71 duplicate bo, 72 duplicate bo, 73 duplicate bo', 'asked again');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'places are those of the leads still');

-- accept_duplicate: the linked lead keeps its keys, and who comes with one is a duplicate of the original
INSERT INTO lr.leads (id, email, company) VALUES (80, 'r@x.example', 'Good'), (81, 's@x.example', 'Good'), (82, 't@x.example', 'Good');
INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at)
	SELECT 'default', a, b, 1, '{}', now(), now() FROM (VALUES ('81', '82'), ('80', '81')) v(a, b);
SELECT is(leadroute.accept_duplicate(82, 81), '81', 'accepted');
INSERT INTO lr.leads (id, email) VALUES (83, 't@x.example');
SELECT is((SELECT duplicate_of FROM lr.leads WHERE id = 83), '81', 'a key of the linked one');
SELECT is(leadroute.accept_duplicate(80, 81), '80', 'the original is linked to another');
INSERT INTO lr.leads (id, email) VALUES (84, 't@x.example'), (85, 's@x.example'), (86, 'r@x.example');
SELECT is(lr.owners('80'), '80 assigned bo, 81 duplicate bo, 82 duplicate bo, 83 duplicate bo, 84 duplicate bo, 85 duplicate bo, 86 duplicate bo', 'all name the one that stands for them');
SELECT results_eq($$SELECT key COLLATE "default", lead COLLATE "default" FROM leadroute.identities WHERE key IN ('r@x.example', 's@x.example', 't@x.example') ORDER BY key$$,
	$$VALUES ('r@x.example', '80'), ('s@x.example', '81'), ('t@x.example', '82')$$, 'and each key is held by who brought it');

SELECT * FROM finish();
ROLLBACK;
