-- Proof: fairness, why_not, live counts against the tables, drift
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(26);

CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, language text, product text, owner text);
SELECT lives_ok($$SELECT leadroute.attach('leads')$$, 'attach');
SET leadroute.clock = '2026-03-02 15:00+00';
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('night', 'UTC');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'night', d, '00:00', '06:00' FROM generate_series(1, 7) d;
INSERT INTO leadroute.reps (rep, calendar) VALUES ('ana', NULL), ('bo', NULL), ('cy', NULL), ('di', NULL), ('ed', 'night'), ('fay', NULL);
INSERT INTO leadroute.teams (team) VALUES ('t'), ('plain');
INSERT INTO leadroute.team_members (team, rep, weight) SELECT 't', r.rep, CASE rep WHEN 'ana' THEN 2 ELSE 1 END FROM leadroute.reps r;
INSERT INTO leadroute.team_members (team, rep, weight) VALUES ('plain', 'ana', 2), ('plain', 'bo', 1);
UPDATE leadroute.team_members SET capacity = 2 WHERE team = 't' AND rep = 'bo';
UPDATE leadroute.team_members SET caps = '{3 per day}' WHERE team = 't' AND rep = 'cy';
INSERT INTO leadroute.time_off (rep, during) VALUES ('di', '[2026-03-01,2026-03-09)');
INSERT INTO leadroute.rep_skills (rep, skill) SELECT r.rep, 'fr' FROM leadroute.reps r WHERE r.rep <> 'fay';
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, skills, if_unavailable) VALUES
	(1, 'plain', $$product = 'plain'$$, 'team', 'plain', NULL, 'wait'), (2, 't', NULL, 'team', 't', 'array[language]', 'wait');
SELECT lives_ok('SELECT leadroute.activate()', 'activate');
INSERT INTO leads (email, language) SELECT 'x', CASE WHEN i % 2 = 0 THEN 'fr' END FROM generate_series(1, 20) i;

CREATE TEMP TABLE proof AS SELECT * FROM leadroute.fairness('t', '2026-03-02', '2026-03-03');
SELECT is((SELECT sum(actual) FROM proof), 20::numeric, 'every lead is somebody''s');
SELECT is((SELECT round(sum(expected), 1) FROM proof), 20.0, 'and was expected of somebody');
SELECT is((SELECT string_agg(rep || ' ' || actual, ', ' ORDER BY rep) FROM proof), (SELECT string_agg(r.rep || ' ' || coalesce(n, 0), ', ' ORDER BY r.rep) FROM leadroute.reps r LEFT JOIN
	(SELECT owner AS rep, count(*) AS n FROM leads GROUP BY 1) l USING (rep)), 'as the table has them');
SELECT is((SELECT actual FROM proof WHERE rep = 'bo'), 2::bigint, 'one was full');
SELECT ok((SELECT no_capacity > 0 AND off_shift = 0 AND on_leave = 0 AND capped = 0 FROM proof WHERE rep = 'bo'), 'and passed over for that alone');
SELECT ok((SELECT capped > 0 AND no_capacity = 0 AND actual = 3 FROM proof WHERE rep = 'cy'), 'one was at a cap');
SELECT ok((SELECT on_leave > 0 AND expected = 0 AND actual = 0 FROM proof WHERE rep = 'di'), 'one on leave');
SELECT ok((SELECT off_shift > 0 AND expected = 0 AND actual = 0 FROM proof WHERE rep = 'ed'), 'one off shift');
SELECT ok((SELECT no_skill > 0 AND actual > 0 FROM proof WHERE rep = 'fay'), 'one lacked a skill now and then');
SELECT ok((SELECT bool_and(abs(expected - actual) <= 3) FROM proof), 'who was passed over makes up for it by a few, nobody by more');

-- written down by a sweep, and kept
SELECT ok(leadroute.write_tallies('default') > 0, 'a sweep writes the figures down');
SELECT results_eq($$SELECT * FROM leadroute.fairness('t', '2026-03-02', '2026-03-03')$$, 'TABLE proof', 'they are the same then');
SELECT is((SELECT sum(actual) FROM leadroute.fairness('t', '2026-03-03')), 0::numeric, 'another day has others');
-- a team that goes by turns alone: shares by weight
INSERT INTO leads (email, product) SELECT 'x', 'plain' FROM generate_series(1, 9);
SELECT is((SELECT string_agg(format('%s %s/%s', rep, actual, expected), ' ' ORDER BY rep) FROM leadroute.fairness('plain')), 'ana 6/6.00 bo 3/3.00', 'a plain team');

-- leads that somebody gets later: from the queue, after another, by hand, a person who comes back
INSERT INTO leadroute.teams (team) VALUES ('late');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('late', 'ana', 1), ('late', 'bo', 1);
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (3, 'late', $$product = 'late'$$, 'team', 'late', 'wait');
UPDATE leadroute.rules SET condition = 'product IS NULL' WHERE rule = 't';
INSERT INTO leadroute.queues (queue) VALUES ('rest');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'rest', 'queue', 'rest');
INSERT INTO leads (email, product) SELECT 'l' || n, 'late' FROM generate_series(1, 6) n;
SELECT is((SELECT string_agg(format('%s %s %s', rep, actual, given), ' ' ORDER BY rep) FROM leadroute.fairness('late')), 'ana 1 0 bo 1 0', 'two have one, four wait');
UPDATE leadroute.team_members SET capacity = 3 WHERE team = 'late';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT is((SELECT string_agg(format('%s %s %s', rep, actual, given), ' ' ORDER BY rep) FROM leadroute.fairness('late')), 'ana 3 0 bo 3 0', 'from the queue, too, they are theirs');
SELECT leadroute.reassign((SELECT min(id) FROM leads WHERE owner = 'ana' AND product = 'late'), 'bo', 'swap') \gset by_hand_
UPDATE leadroute.team_members SET capacity = 9 WHERE team = 'late';
SELECT leadroute.release((SELECT min(id) FROM leads WHERE owner = 'bo' AND product = 'late'), 'no time') \gset given_back_
SELECT is((SELECT string_agg(format('%s %s %s', rep, actual, given), ' ' ORDER BY rep) FROM leadroute.fairness('late')), 'ana 4 0 bo 3 1', 'one that another gave back is picked anew, one from a hand is given');
SELECT is((SELECT sum(actual) - sum(expected) FROM leadroute.fairness('late')), 0::numeric, 'expected are as many as were picked');

-- why_not
SELECT is(leadroute.why_not((SELECT max(id) FROM leads WHERE product IS NULL), 'bo'), 'bo was passed over: at capacity 2/2; he would have been first', 'why_not: full');
SELECT is(leadroute.why_not((SELECT max(id) FROM leads WHERE product IS NULL), 'di'), 'di was passed over: on leave; he would have been first', 'why_not: on leave');
SELECT is(leadroute.why_not((SELECT max(id) FROM leads WHERE product = 'plain'), 'cy'), 'cy was not asked: rule "plain" (1): team "plain", round robin: ' || (SELECT owner FROM leads WHERE product = 'plain' ORDER BY id DESC LIMIT 1), 'why_not: of another team');
SELECT throws_ok($$SELECT leadroute.why_not(0, 'bo')$$, 'P0002', 'lead "0" of flow "default" is not known', 'why_not: a lead that is none');

-- live counts against the tables
SELECT is_empty($$SELECT * FROM (SELECT team, owner AS rep, count(*) AS open FROM leadroute.lead_states WHERE status = 'assigned' AND closed_at IS NULL GROUP BY 1, 2) s
	FULL JOIN (SELECT team, rep, open FROM leadroute.rep_load WHERE open <> 0) r USING (team, rep) WHERE s.open IS DISTINCT FROM r.open$$, 'rep_load counts what the table has');
SELECT is_empty('SELECT * FROM leadroute.cap_drift()', 'so do caps');
SELECT * FROM finish();
ROLLBACK;
