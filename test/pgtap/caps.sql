-- Caps: by the clock of the team's zone and back from now, of a member and of a rep, and who may go beyond
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(43);

CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, product text, owner text);
SELECT lives_ok($$SELECT leadroute.attach('leads')$$, 'attach');
INSERT INTO leadroute.reps (rep) SELECT r FROM string_to_table('abcdefgh', NULL) r;
INSERT INTO leadroute.teams (team, timezone) VALUES ('ny', 'America/New_York'), ('kathmandu', 'Asia/Kathmandu'), ('two', NULL), ('one', NULL), ('rest', NULL);
INSERT INTO leadroute.team_members (team, rep) VALUES ('rest', 'h');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable)
	SELECT row_number() OVER (ORDER BY team), team, CASE WHEN team <> 'rest' THEN format('product = %L', team) END, 'team', team, 'fallthrough' FROM leadroute.teams WHERE team <> 'rest';
INSERT INTO leadroute.queues (queue) VALUES ('left');
-- who is held back goes to a queue: behind one that waits for the team itself the next would wait too
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (98, 'rest', 'product IS NULL', 'team', 'rest'), (99, 'left', NULL, 'queue', 'left');
CREATE FUNCTION pg_temp.route(n integer, team text, at timestamptz) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT set_config('leadroute.clock', at::text, true);
	WITH new AS (INSERT INTO leads (email, product) SELECT 'x', route.team FROM generate_series(1, n) RETURNING id, owner)
	SELECT string_agg(coalesce(owner, '-'), '' ORDER BY id) FROM new $$;

-- what a cap may be
SELECT throws_ok($$INSERT INTO leadroute.team_members (team, rep, caps) VALUES ('ny', 'a', '{3 a day}')$$, '23514', NULL, 'a cap that is none');
SELECT throws_ok($$INSERT INTO leadroute.team_members (team, rep, caps) VALUES ('ny', 'a', '{1 per hour,2 per day,3 per week,4 per month}')$$, '23514', NULL, 'four of them');
SELECT throws_ok($$INSERT INTO leadroute.team_members (team, rep, caps) VALUES ('ny', 'a', '{}')$$, '23514', NULL, 'none of them: NULL says so');
INSERT INTO leadroute.team_members (team, rep, caps) VALUES ('ny', 'a', '{3 per day}'), ('kathmandu', 'b', '{2 per hour,5 per week,8 per month}'),
	('two', 'c', '{2 per rolling hour}'), ('two', 'd', '{3 per rolling week}'), ('one', 'e', NULL);
SELECT lives_ok('SELECT leadroute.activate()', 'activate');

-- a day of New York: three, and the fourth waits until midnight there
SELECT is(pg_temp.route(2, 'ny', '2026-03-06 15:00 America/New_York'), 'aa', 'two in the afternoon');
SELECT is(pg_temp.route(2, 'ny', '2026-03-06 23:59 America/New_York'), 'a-', 'one more, the fourth waits');
SELECT is((SELECT path->0->>'why' FROM leadroute.events WHERE kind = 'decided' ORDER BY lead::bigint DESC LIMIT 1), 'team "ny" has no eligible member (1 at a cap)', 'and it says why');
SELECT is(pg_temp.route(1, 'ny', '2026-03-07 04:59+00'), '-', 'until midnight there');
SELECT is((SELECT verdict FROM leadroute.explain((SELECT max(id) FROM leads)) WHERE item = 'rep'), 'passed over: had 3 of 3 per day', 'explain says which cap');
SELECT is(pg_temp.route(4, 'ny', '2026-03-07 05:00+00'), 'aaa-', 'then three again');
/* the day of 23 hours */
SELECT is(pg_temp.route(4, 'ny', '2026-03-08 00:00 America/New_York'), 'aaa-', 'on the day the clocks go forward');
SELECT is(pg_temp.route(1, 'ny', '2026-03-08 23:59 America/New_York'), '-', 'to its end');
SELECT is(pg_temp.route(4, 'ny', '2026-03-09 04:00+00'), 'aaa-', 'which is an hour earlier');

-- hours, weeks and months; a zone that is 45 minutes off
SELECT is(pg_temp.route(3, 'kathmandu', '2026-03-30 10:14+00'), 'bb-', 'two an hour: 15:59 there');
SELECT is(pg_temp.route(3, 'kathmandu', '2026-03-30 10:15+00'), 'bb-', 'whose next begins at a quarter past here');
SELECT is(pg_temp.route(3, 'kathmandu', '2026-03-31 10:15+00'), 'b--', 'five a week');
SELECT is(pg_temp.route(3, 'kathmandu', '2026-04-05 18:14+00'), '---', 'to the end of Sunday');
SELECT is(pg_temp.route(2, 'kathmandu', '2026-04-05 18:15+00'), 'bb', 'and again on Monday: the month is a new one too');
SELECT is(pg_temp.route(2, 'kathmandu', '2026-04-07 00:00+00') || pg_temp.route(2, 'kathmandu', '2026-04-13 00:00+00') || pg_temp.route(2, 'kathmandu', '2026-04-14 00:00+00')
	|| pg_temp.route(2, 'kathmandu', '2026-04-21 00:00+00'), 'bbbbbb--', 'eight a month');

-- back from now: never too early, and late by a thirtieth at most
SELECT is(pg_temp.route(6, 'two', '2026-03-02 09:00:30+00'), 'cdcdd-', 'two and three');
SELECT is(pg_temp.route(1, 'two', '2026-03-02 10:00:29+00'), '-', 'not before an hour has passed');
SELECT is(pg_temp.route(3, 'two', '2026-03-02 10:02:30+00'), 'cc-', 'and two minutes after it at the latest');
SELECT is(pg_temp.route(1, 'two', '2026-03-09 09:00:29+00'), 'c', 'a week: not before');
SELECT is(replace(pg_temp.route(8, 'two', '2026-03-09 14:37+00'), 'c', ''), 'ddd---', 'and 5.6 hours after it at the latest');

-- a rep's own, over all teams
UPDATE leadroute.reps SET caps = '{3 per day}' WHERE rep = 'e';
INSERT INTO leadroute.team_members (team, rep) VALUES ('two', 'e');
UPDATE leadroute.team_members SET weight = 0 WHERE team = 'two' AND rep <> 'e';
SELECT is(pg_temp.route(2, 'one', '2026-03-12 09:00+00') || pg_temp.route(2, 'two', '2026-03-12 09:00+00') || pg_temp.route(1, 'one', '2026-03-12 23:59+00'), 'eee--', 'a rep''s cap holds over all teams');
SELECT is((SELECT verdict FROM leadroute.explain((SELECT max(id) FROM leads)) WHERE item = 'rep'), 'passed over: had 3 of 3 per day over all teams', 'explain');

-- who may go beyond
INSERT INTO leads (email, owner) VALUES ('given', 'e');
SELECT is((SELECT code || ', ' || over_cap FROM leadroute.events WHERE kind = 'decided' ORDER BY lead::bigint DESC LIMIT 1), 'given, 3 per day', 'a lead that brings its owner goes beyond his cap, and says so');
UPDATE leadroute.reps SET capacity = 1 WHERE rep = 'e';
INSERT INTO leads (email, owner) VALUES ('given', 'e');
SELECT is((SELECT over_cap FROM leadroute.events WHERE kind = 'decided' ORDER BY lead::bigint DESC LIMIT 1), 'capacity 1, 3 per day', 'and beyond his capacity');
UPDATE leads SET owner = 'e' WHERE id = (SELECT max(id) FROM leads WHERE owner = 'c');
SELECT is((SELECT code || ', ' || over_cap FROM leadroute.events WHERE kind = 'handed_over'), 'by_hand, capacity 1, 3 per day', 'so may a hand');
UPDATE leads SET owner = 'a' WHERE id = (SELECT max(id) FROM leads WHERE owner = 'c');
SELECT is((SELECT count(*)::int FROM leadroute.events WHERE over_cap IS NULL AND kind = 'handed_over'), 1, 'who is below says nothing');
SELECT is((SELECT count(*)::int FROM leadroute.events WHERE over_cap IS NOT NULL AND code = 'assigned'), 0, 'no pick ever does');

-- each lead of a long statement counts by its own instant, which is its routed_at
INSERT INTO leadroute.reps (rep, caps) VALUES ('long', '{2 per hour}');
INSERT INTO leadroute.teams (team) VALUES ('long');
INSERT INTO leadroute.team_members (team, rep) VALUES ('long', 'long');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (97, 'long', $$product = 'long'$$, 'team', 'long', 'fallthrough');
INSERT INTO leads (email, product) SELECT set_config('leadroute.clock', at, true), 'long'
	FROM unnest('{2026-03-18 09:58+00,2026-03-18 09:59+00,2026-03-18 09:59:59+00,2026-03-18 10:05+00,2026-03-18 10:06+00,2026-03-18 10:07+00}'::text[]) WITH ORDINALITY u(at, n) ORDER BY n;
SELECT is((SELECT string_agg(coalesce(owner, '-'), ' ' ORDER BY id) FROM leads WHERE product = 'long'), 'long long - long long -', 'one statement, begun at 09:58: two are of nine o''clock, two of ten');
SELECT is_empty($$SELECT l.id FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.product = 'long' AND s.routed_at <> l.email::timestamptz$$, 'routed_at is the instant of each');

-- what is not inserted, or rolled back, counts for nothing
UPDATE leadroute.reps SET caps = '{2 per day}' WHERE rep = 'h';
SELECT set_config('leadroute.clock', '2026-03-20 09:00+00', true) IS NOT NULL;
SAVEPOINT s;
INSERT INTO leads (email) VALUES ('x'), ('x');
ROLLBACK TO s;
SELECT is(pg_temp.route(3, NULL, '2026-03-20 09:00+00'), 'hh-', 'a savepoint gives back what it counted');
INSERT INTO leads (id, email) OVERRIDING SYSTEM VALUE SELECT id, 'again' FROM leads WHERE owner = 'h' ON CONFLICT (id) DO NOTHING;
SELECT is(pg_temp.route(3, NULL, '2026-03-21 09:00+00'), 'hh-', 'so does a row that met ON CONFLICT');
DELETE FROM leads WHERE owner = 'h';
SELECT is(pg_temp.route(1, NULL, '2026-03-21 09:00+00'), '-', 'a lead that is deleted has been given all the same');

-- folding keeps what caps may ask, and no more
SELECT * FROM leadroute.explain((SELECT max(id) FROM leads)) LIMIT 0;
CREATE TEMP TABLE before AS SELECT flow, team, rep, sum(pointer) AS pointer, sum(open) AS open FROM leadroute.rotation GROUP BY 1, 2, 3;
SELECT ok(leadroute.fold_rotation() > 0, 'fold');
SELECT is_empty($$SELECT flow, team, rep, sum(pointer), sum(open) FROM leadroute.rotation GROUP BY 1, 2, 3 HAVING sum(pointer) <> 0 OR sum(open) <> 0 EXCEPT TABLE before$$, 'sums stay');
SELECT is((SELECT sum(leads)::int FROM leadroute.rotation WHERE rep = 'h'), 4, 'so does what was given this month');
SELECT is(leadroute.fold_rotation()::int, 0, 'and nothing is left to fold');
SELECT set_config('leadroute.clock', '2026-06-01 09:00+00', true) IS NOT NULL;
SELECT ok(leadroute.fold_rotation() > 0, 'months later');
SELECT is((SELECT count(*)::int FROM leadroute.rotation WHERE minute IS NOT NULL), 0, 'it is forgotten');

SELECT * FROM finish();
ROLLBACK;
