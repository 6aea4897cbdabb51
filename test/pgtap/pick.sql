-- Who gets a lead: strategies, capacities, leave, skills, preferences, returns, resets, scopes
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(55);

CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, country text, language text, product text, owner text, team text, route_reason text);
SELECT lives_ok($$SELECT leadroute.attach('leads')$$, 'attach');
SET leadroute.clock = '2026-03-02 12:00+00';

-- the owners of n new leads, in order; - where one waits
CREATE FUNCTION pg_temp.route(n integer, team text DEFAULT 't', language text DEFAULT NULL) RETURNS text LANGUAGE sql VOLATILE AS $$
	WITH new AS (INSERT INTO leads (email, product, language) SELECT 'x', route.team, route.language FROM generate_series(1, n) RETURNING id, owner)
	SELECT string_agg(coalesce(owner, '-'), '' ORDER BY id) FROM new $$;
CREATE FUNCTION pg_temp.counts(owners text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(o || n, ' ' ORDER BY o) FROM (SELECT o, count(*) AS n FROM string_to_table(owners, NULL) o GROUP BY o) c $$;
CREATE FUNCTION pg_temp.team(name text, reps text, strategy text DEFAULT 'round_robin') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO leadroute.reps (rep) SELECT r FROM string_to_table(reps, NULL) r ON CONFLICT DO NOTHING;
	INSERT INTO leadroute.teams (team, strategy) VALUES (name, strategy);
	INSERT INTO leadroute.team_members (team, rep) SELECT name, r FROM string_to_table(reps, NULL) r;
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable)
		SELECT coalesce(max(position), 0) + 1, name, format('product = %L', name), 'team', name, 'fallthrough' FROM leadroute.rules WHERE position < 1000;
END $$;
INSERT INTO leadroute.queues (queue) VALUES ('rest');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1000, 'rest', 'queue', 'rest');
SELECT pg_temp.team('t', 'abc');
SELECT lives_ok('SELECT leadroute.activate()', 'activate');

-- weights
SELECT pg_temp.team('weights', 'abc');
UPDATE leadroute.team_members SET weight = 2 WHERE team = 'weights' AND rep = 'a';
CREATE TEMP TABLE sixty AS SELECT o, n FROM string_to_table(pg_temp.route(60, 'weights'), NULL) WITH ORDINALITY r(o, n);
SELECT is((SELECT pg_temp.counts(string_agg(o, '')) FROM sixty), 'a30 b15 c15', 'weights 2/1/1, 60 leads');
SELECT is_empty($$SELECT (n - 1) / 4 FROM sixty GROUP BY 1 HAVING pg_temp.counts(string_agg(o, '')) <> 'a2 b1 c1'$$, 'and each aligned block of 4 is 2/1/1');
SELECT is(pg_temp.counts(pg_temp.route(9)), 'a3 b3 c3', '9 leads in one INSERT to 3 equals');

-- leave: level and catch_up
SELECT pg_temp.team('level', 'def');
SELECT pg_temp.team('late', 'ghi');
UPDATE leadroute.teams SET on_return = 'catch_up' WHERE team = 'late';
INSERT INTO leadroute.time_off (rep, during, reason) VALUES ('f', '[2026-03-01,2026-03-03)', 'holiday'), ('i', '[2026-03-01,2026-03-03)', 'holiday');
SELECT is(pg_temp.counts(pg_temp.route(12, 'level')), 'd6 e6', 'one of three on leave: 6/6/0');
SELECT is(pg_temp.counts(pg_temp.route(12, 'late')), 'g6 h6', 'one of three on leave: 6/6/0, with catch_up');
SET leadroute.clock = '2026-03-03 12:00+00';
SELECT is(pg_temp.counts(pg_temp.route(6, 'level')), 'd2 e2 f2', 'back, level: 2/2/2');
SELECT is(pg_temp.counts(pg_temp.route(6, 'late')), 'i6', 'back, catch_up: 0/0/6');
SELECT is(pg_temp.counts(pg_temp.route(6, 'late')), 'g2 h2 i2', 'then level');
SELECT pg_temp.team('limited', 'jkl');
UPDATE leadroute.teams SET on_return = 'catch_up', catch_up_limit = 3 WHERE team = 'limited';
INSERT INTO leadroute.time_off (rep, during) VALUES ('l', '[2026-03-03,2026-03-04)');
SELECT is(pg_temp.counts(pg_temp.route(12, 'limited')), 'j6 k6', 'on leave');
SET leadroute.clock = '2026-03-04 12:00+00';
SELECT is(pg_temp.counts(pg_temp.route(9, 'limited')), 'j2 k2 l5', 'back, catch_up of at most 3');

-- least loaded
SELECT pg_temp.team('least', 'abc', 'least_loaded');
UPDATE leadroute.team_members SET capacity = CASE rep WHEN 'a' THEN 10 WHEN 'b' THEN 12 ELSE 15 END WHERE team = 'least';
CREATE TEMP TABLE least AS SELECT o, n FROM string_to_table(pg_temp.route(38, 'least'), NULL) WITH ORDINALITY r(o, n);
SELECT is((SELECT string_agg(o, '' ORDER BY n) FROM least WHERE n <= 7), 'abccbac', 'the first seven of capacities 10/12/15');
SELECT is((SELECT pg_temp.counts(string_agg(o, '')) FROM least), '-1 a10 b12 c15', '37 fill them, the 38th waits');
SELECT is_empty($$SELECT n FROM (SELECT n, count(*) FILTER (WHERE o = 'a') OVER w / 10.0 AS a, count(*) FILTER (WHERE o = 'b') OVER w / 12.0 AS b,
	count(*) FILTER (WHERE o = 'c') OVER w / 15.0 AS c FROM least WHERE n <= 37 WINDOW w AS (ORDER BY n)) s WHERE greatest(a, b, c) - least(a, b, c) > 0.1$$,
	'after each lead the shares lie within 1/10 of each other');
SELECT is((SELECT path->0->>'why' FROM leadroute.events WHERE kind = 'decided' ORDER BY lead::bigint DESC LIMIT 1), 'team "least" has no eligible member (3 at capacity)', 'and it says why');
SELECT is((SELECT verdict FROM leadroute.explain((SELECT max(id) FROM leads)) WHERE item = 'rep' AND name = 'b'), 'passed over: at capacity 12/12', 'explain says what stands in his way');
SELECT pg_temp.team('free', 'abc', 'least_loaded');
UPDATE leadroute.teams SET most_free = true WHERE team = 'free';
UPDATE leadroute.team_members SET capacity = CASE rep WHEN 'a' THEN 10 WHEN 'b' THEN 12 ELSE 15 END WHERE team = 'free';
SELECT is(pg_temp.route(3, 'free'), 'ccc', 'the most free places first');
SELECT pg_temp.team('weighed', 'ab', 'least_loaded');
UPDATE leadroute.team_members SET weight = 3 WHERE team = 'weighed' AND rep = 'a';
SELECT is(pg_temp.counts(pg_temp.route(8, 'weighed')), 'a6 b2', 'without capacities the weights are the measure');
DELETE FROM leads WHERE id IN (SELECT id FROM leads WHERE product = 'least' AND owner = 'a' ORDER BY id LIMIT 1);
SELECT lives_ok($$SELECT * FROM leadroute.explain((SELECT max(id) FROM leads))$$, 'asking settles what was deleted');

-- over all teams
SELECT pg_temp.team('wide1', 'mn');
SELECT pg_temp.team('wide2', 'mo');
UPDATE leadroute.reps SET capacity = 3 WHERE rep = 'm';
SELECT is(pg_temp.counts(pg_temp.route(4, 'wide1')), 'm2 n2', 'a rep''s capacity');
SELECT is(pg_temp.counts(pg_temp.route(4, 'wide2')), 'm1 o3', 'holds over all his teams');
SELECT is((SELECT verdict FROM leadroute.explain(jsonb_populate_record(NULL::leads, '{"id": 0, "product": "wide1"}')) WHERE item = 'rep' AND name = 'm'),
	'passed over: at capacity 3/3 over all teams', 'explain');

-- ranked, multipliers
SELECT pg_temp.team('ranked', 'pqr', 'ranked');
UPDATE leadroute.team_members SET rank = 1, capacity = 2 WHERE team = 'ranked' AND rep = 'r';
UPDATE leadroute.team_members SET rank = 2, capacity = 3 WHERE team = 'ranked' AND rep = 'p';
SELECT is(pg_temp.route(7, 'ranked'), 'rrpppqq', 'the best first until he is full; who has no rank comes last');
SELECT pg_temp.team('top', 'st');
UPDATE leadroute.teams SET multiplier = 'attainment' WHERE team = 'top';
UPDATE leadroute.team_members SET attainment = 2 WHERE team = 'top' AND rep = 's';
SELECT is(pg_temp.counts(pg_temp.route(9, 'top')), 's6 t3', 'top performers get more');
UPDATE leadroute.teams SET multiplier = '1/attainment' WHERE team = 'top';
SELECT is(pg_temp.counts(pg_temp.route(9, 'top')), 's3 t6', 'or who is below quota');

-- skills
SELECT pg_temp.team('polyglot', 'uvw');
UPDATE leadroute.rules SET skills = $$array['lang:' || language]$$ WHERE rule = 'polyglot';
INSERT INTO leadroute.rep_skills (rep, skill, level) VALUES ('u', 'lang:fr', 3), ('u', 'lang:en', 1), ('v', 'lang:en', 1), ('w', 'lang:en', 1), ('w', 'lang:fr', 1);
SELECT is(pg_temp.counts(pg_temp.route(6, 'polyglot', 'fr')), 'u3 w3', 'who has the skill');
SELECT is(pg_temp.counts(pg_temp.route(6, 'polyglot')), 'u1 v4 w1', 'a lead that asks for nothing; who was passed over makes up two turns, no more');
SELECT is(pg_temp.route(1, 'polyglot', 'de'), '-', 'nobody has it');
SELECT is((SELECT path->0->>'why' FROM leadroute.events WHERE kind = 'decided' ORDER BY lead::bigint DESC LIMIT 1), 'team "polyglot" has no eligible member (3 lacks a skill)', 'and it says why');
UPDATE leadroute.rules SET skills = $$array['lang:' || language || '>=2']$$ WHERE rule = 'polyglot';
SELECT is(pg_temp.route(2, 'polyglot', 'fr'), 'uu', 'who has it well enough');
SELECT throws_ok($$UPDATE leadroute.rules SET skills = 'array[1/0]' WHERE rule = 'polyglot'$$, '22012', NULL, 'an expression that is none of text[] is refused where it is written');
SELECT throws_ok($$UPDATE leadroute.rules SET skills = 'lingua' WHERE rule = 'polyglot'$$, '42703', NULL, 'so is one of no column');

-- a preferred area
SELECT pg_temp.team('areas', 'xyz');
UPDATE leadroute.team_members SET prefers = 'language: it' WHERE team = 'areas' AND rep = 'z';
SELECT is(pg_temp.route(3, 'areas', 'it'), 'zzz', 'who prefers the area comes first');
UPDATE leadroute.team_members SET capacity = 4 WHERE team = 'areas' AND rep = 'z';
SELECT is(pg_temp.counts(pg_temp.route(3, 'areas', 'it')), 'x1 y1 z1', 'then the rest');
SELECT is(pg_temp.counts(pg_temp.route(2, 'areas', 'es')), 'x1 y1', 'other leads as ever');
SELECT throws_ok($$UPDATE leadroute.team_members SET prefers = 'shoes: red' WHERE team = 'areas'$$, '42703', 'side "shoes": table public.leads has no such column', 'an area of no column');

-- scope
SELECT pg_temp.team('flow1', 'ab'), pg_temp.team('flow2', 'ab');
UPDATE leadroute.teams SET scope = 'flow' WHERE team IN ('flow1', 'flow2');
SELECT is(pg_temp.route(1, 'flow1') || pg_temp.route(1, 'flow2') || pg_temp.route(2, 'flow1') || pg_temp.route(2, 'flow2'), 'ababab', 'one rotation for all teams of scope flow');
SELECT pg_temp.team('rules', 'ab');
UPDATE leadroute.teams SET scope = 'rule' WHERE team = 'rules';
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (900, 'rules, fr', $$product = 'rules, fr'$$, 'team', 'rules');
SELECT is(pg_temp.route(1, 'rules') || pg_temp.route(1, 'rules, fr') || pg_temp.route(1, 'rules') || pg_temp.route(2, 'rules, fr'), 'aabba', 'a rotation for each rule');
SELECT is((SELECT string_agg(rep || open, ' ' ORDER BY rep) FROM leadroute.rep_load WHERE team = 'rules'), 'a3 b2', 'and one load');

-- reset
SELECT pg_temp.team('weekly', 'ab');
UPDATE leadroute.teams SET reset = 'weekly', timezone = 'America/New_York', on_return = 'catch_up' WHERE team = 'weekly';
UPDATE leadroute.team_members SET capacity = 2 WHERE team = 'weekly' AND rep = 'b';
SELECT is(pg_temp.counts(pg_temp.route(8, 'weekly')), 'a6 b2', 'one is full');
UPDATE leadroute.team_members SET capacity = NULL WHERE team = 'weekly' AND rep = 'b';
SET leadroute.clock = '2026-03-09 03:59+00';
SELECT is(pg_temp.route(2, 'weekly'), 'bb', 'he catches up on Sunday');
SET leadroute.clock = '2026-03-09 04:01+00';
SELECT is(pg_temp.counts(pg_temp.route(4, 'weekly')), 'a2 b2', 'on Monday, New York, all are equal');

-- a rep by name
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (950, 'c himself', $$product = 'c'$$, 'rep', 'c', 'wait');
SELECT is(pg_temp.route(1, 'c'), 'c', 'a rule that names a rep');
INSERT INTO leadroute.time_off (rep, during) VALUES ('c', '[2026-03-09,2026-03-10)');
SELECT is(pg_temp.route(1, 'c'), '-', 'on leave');
SELECT is((SELECT code || ': ' || route_reason FROM leadroute.lead_states ORDER BY lead::bigint DESC LIMIT 1),
	'rep_unavailable: rule "c himself" (950): the rep is not available: waits in queue "c"', 'he waits for him');

-- people
SELECT throws_ok($$UPDATE leadroute.reps SET manager = 'a' WHERE rep = 'a'$$, '23514', 'the managers of rep "a" form a circle: a -> a', 'his own manager');
UPDATE leadroute.reps SET manager = 'b' WHERE rep = 'a';
UPDATE leadroute.reps SET manager = 'c' WHERE rep = 'b';
SELECT throws_ok($$UPDATE leadroute.reps SET manager = 'a' WHERE rep = 'c'$$, '23514', 'the managers of rep "c" form a circle: c -> a -> b -> c', 'a circle of three');
SELECT throws_ok($$UPDATE leadroute.reps SET backup = CASE rep WHEN 'a' THEN 'b' ELSE 'a' END WHERE rep IN ('a', 'b')$$, '23514', 'the backups of rep "a" form a circle: a -> b -> a', 'backups');
SELECT lives_ok($$UPDATE leadroute.reps SET manager = CASE rep WHEN 'c' THEN 'a' WHEN 'a' THEN 'b' END WHERE rep IN ('a', 'b', 'c')$$, 'turned round in one statement');
UPDATE leadroute.reps SET backup = 'nobody' WHERE rep = 'a';
SELECT is((SELECT problem FROM leadroute.check_flow() WHERE object = 'rep "a"'), 'its backup "nobody" is not a rep', 'check_flow tells names that are none');
SELECT throws_ok($$UPDATE leadroute.teams SET timezone = 'Mars/Olympus' WHERE team = 't'$$, '22023', 'time zone "Mars/Olympus" not recognized', 'a zone that is none');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory equals the ledger');

-- where the rule waits, the lead waits in the team's queue with the nearest reason of any member
SELECT pg_temp.team('waits', 'ab');
UPDATE leadroute.rules SET if_unavailable = 'wait' WHERE rule = 'waits';
UPDATE leadroute.team_members SET capacity = 0 WHERE team = 'waits' AND rep = 'a';
UPDATE leadroute.team_members SET caps = '{0 per day}' WHERE team = 'waits' AND rep = 'b';
SELECT is(pg_temp.route(1, 'waits'), '-', 'nobody can');
SELECT is((SELECT format('%s %s %s', status, code, queue) FROM leadroute.lead_states ORDER BY lead::bigint DESC LIMIT 1), 'waiting capped waits', 'it waits in the team''s queue');

SELECT * FROM finish();
ROLLBACK;
