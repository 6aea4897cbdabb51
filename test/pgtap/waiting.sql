-- leads that wait for a team: who is first, and who hands them places
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, source text, lang text, done boolean, gone boolean, submitted_at timestamptz, owner text, route_reason text);
INSERT INTO leadroute.flows (flow, closed_when, priority) VALUES ('default', 'done', 'CASE source WHEN ''vip'' THEN 10 WHEN ''web'' THEN NULL ELSE 0 END');
SELECT leadroute.attach('lr.leads', columns => '{"deleted": "gone"}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('west', 'ana', 3);
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.activate() \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
CREATE FUNCTION lr.owned() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(id::text, ' ' ORDER BY id) FROM lr.leads WHERE owner IS NOT NULL $$;
-- what a commit does
CREATE PROCEDURE lr.commits() LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; END $$;
CREATE FUNCTION lr.waiting() RETURNS text LANGUAGE sql AS $$ SELECT format('%s by state, %s counted', (SELECT count(*) FROM leadroute.lead_states WHERE status = 'waiting' AND closed_at IS NULL AND team IS NOT NULL), (SELECT open FROM leadroute.rotation_member('default', 'west', ''))) $$;

INSERT INTO lr.leads (id) SELECT generate_series(1, 10);
SELECT is(lr.owned(), '1 2 3', 'three have an owner');
SELECT is(string_agg(code || ' ' || n, ', ' ORDER BY code), 'assigned 3, no_capacity 1, queued_behind 6', 'the first that finds no room waits, the others behind it') FROM (SELECT code, count(*) AS n FROM leadroute.lead_states GROUP BY code) x;
SELECT is(lr.waiting(), '7 by state, 7 counted', 'seven wait');
SELECT is(route_reason, 'rule "all" (1): team "west", others wait already: waits in queue "west"', 'the reason') FROM lr.leads WHERE id = 9;

-- three closed: the three oldest are his, before any newer one
UPDATE lr.leads SET done = true WHERE id <= 3;
INSERT INTO lr.leads (id) VALUES (11);
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 5 6', 'the three oldest');
SELECT is(lr.waiting(), '5 by state, 5 counted', 'five wait');
SELECT is((SELECT format('%s %s %s', status, code, route_reason) FROM leadroute.lead_states WHERE lead = '4'),
	'assigned from_queue waited in queue "west"; team "west", round robin: ana', 'the state');
SELECT is((SELECT string_agg(kind, ' ' ORDER BY id) FROM leadroute.events WHERE lead = '4'), 'decided drained', 'the events');
SELECT is((SELECT open FROM leadroute.rep_load), 3, 'he is full again');

-- every way to free a place
SELECT leadroute.close(4, 'lost') \g /dev/null
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 5 6 7', 'close()');
DELETE FROM lr.leads WHERE id = 5;
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 6 7 8', 'DELETE');
UPDATE lr.leads SET gone = true WHERE id = 6;
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 6 7 8 9', 'a mark of deletion');
UPDATE lr.leads SET owner = 'bo' WHERE id = 7;
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 6 7 8 9 10', 'a hand-over');
SELECT leadroute.reassign(8, 'bo') \g /dev/null
CALL lr.commits();
SELECT is(lr.owned(), '1 2 3 4 6 7 8 9 10 11', 'reassign()');
SELECT is(lr.waiting(), '0 by state, 0 counted', 'nobody waits');

-- priority, then who asked first, then the order of the rows
INSERT INTO lr.leads (id, source, submitted_at) VALUES (21, 'x', now()), (22, 'x', now() - interval '1 hour'), (23, 'vip', now()), (24, 'vip', now() - interval '1 hour'), (25, 'web', now()), (26, 'x', now());
UPDATE leadroute.team_members SET capacity = 5;
CALL lr.commits();
SELECT is((SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE code = 'from_queue' AND lead LIKE '2_'), '23 24', 'capacity raised: the highest priority');
UPDATE leadroute.team_members SET capacity = 6;
CALL lr.commits();
SELECT is((SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE code = 'from_queue' AND lead LIKE '2_'), '22 23 24', 'then the oldest');
UPDATE leadroute.team_members SET capacity = 8;
CALL lr.commits();
SELECT is((SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE code = 'from_queue' AND lead LIKE '2_'), '21 22 23 24 25', 'of equal ones as they came');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('west', 'bo', 1);
CALL lr.commits();
SELECT is(owner, 'bo', 'somebody joins') FROM lr.leads WHERE id = 26;

-- a claim, a release, a hand-over of one that waits
INSERT INTO lr.leads (id) VALUES (31), (32), (33);
SELECT is(lr.waiting(), '3 by state, 3 counted', 'three wait');
SELECT is(leadroute.claim(32, 'bo'), true, 'claimed');
UPDATE lr.leads SET owner = 'bo' WHERE id = 33;
CALL lr.commits();
SELECT is(lr.waiting(), '1 by state, 1 counted', 'one is left');
DELETE FROM lr.leads WHERE id = 31;
CALL lr.commits();
SELECT leadroute.explain('32') \g /dev/null
SELECT is(lr.waiting(), '0 by state, 0 counted', 'deleted while it waits');
INSERT INTO lr.leads (id) VALUES (31);
SELECT leadroute.explain('32') \g /dev/null
SELECT is(lr.waiting(), '1 by state, 1 counted', 'and back');
SELECT leadroute.close(31) \g /dev/null
SELECT is(lr.waiting(), '0 by state, 0 counted', 'closed');
SELECT leadroute.reopen(31) \g /dev/null
SELECT is(lr.waiting(), '1 by state, 1 counted', 're-opened');

-- rolled back: nobody was there
SAVEPOINT a;
INSERT INTO lr.leads (id) SELECT generate_series(41, 45);
SELECT is(lr.waiting(), '6 by state, 6 counted', 'in a savepoint');
ROLLBACK TO a;
SELECT is(lr.waiting(), '1 by state, 1 counted', 'that rolls back');
INSERT INTO lr.leads (id) VALUES (1), (31) ON CONFLICT DO NOTHING;
SELECT is(lr.waiting(), '1 by state, 1 counted', 'rows that were not inserted');

-- drain(), one lead that cannot be had does not stand in the way of the others
UPDATE leadroute.rules SET skills = 'CASE WHEN lang IS NOT NULL THEN ARRAY[''lang:'' || lang] END';
INSERT INTO lr.leads (id, lang) VALUES (51, 'sv'), (52, NULL);
SELECT is(lr.waiting(), '3 by state, 3 counted', 'three wait');
UPDATE lr.leads SET done = true WHERE owner = 'ana';
DELETE FROM leadroute.pending_drains;
CALL leadroute.drain();
SELECT is((SELECT string_agg(id || coalesce(owner, '-'), ' ' ORDER BY id) FROM lr.leads WHERE id IN (31, 51, 52)), '31ana 51- 52ana', 'who could be had was');
SELECT is((SELECT string_agg(id::text, ' ') FROM lr.leads WHERE owner IS NULL AND NOT coalesce(done, false)), '51', 'the other waits on');
INSERT INTO lr.leads (id) VALUES (53);
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '53'), 'queued_behind', 'and others behind it');
CALL lr.commits();
SELECT is(owner, 'ana', 'but they get past it') FROM lr.leads WHERE id = 53;
INSERT INTO leadroute.rep_skills (rep, skill) VALUES ('ana', 'lang:sv');
CALL leadroute.sweep();
SELECT is(owner, 'ana', 'a sweep finds him who learnt it') FROM lr.leads WHERE id = 51;
SELECT throws_ok('CALL leadroute.drain(batch => 0)', '22023', 'batch must be at least 1', 'batch');

-- a rep who is not there, and then is
INSERT INTO leadroute.reps (rep, active) VALUES ('zoe', false);
DELETE FROM leadroute.rules;
INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (1, 'zoe', 'rep', 'zoe', 'wait');
INSERT INTO lr.leads (id) VALUES (61), (62);
SELECT is((SELECT string_agg(code, ' ') FROM leadroute.lead_states WHERE queue = 'zoe'), 'rep_unavailable rep_unavailable', 'they wait for her');
UPDATE leadroute.reps SET active = true WHERE rep = 'zoe';
CALL lr.commits();
SELECT is((SELECT string_agg(owner, ' ') FROM lr.leads WHERE id IN (61, 62)), 'zoe zoe', 'activated');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory and ledger agree');
SELECT throws_ok($$UPDATE leadroute.flows SET priority = 'nonsense'$$, '42703', NULL, 'the priority is checked when it is written');

-- while a lead waits, each of many closings asks anew whether somebody is to have its place: the last costs what the first did
INSERT INTO leadroute.flows (flow, closed_when) VALUES ('bulk', 'done');
CREATE TABLE lr.bulk (id bigint PRIMARY KEY, source text, done boolean, owner text);
SELECT leadroute.attach('lr.bulk', flow => 'bulk') \g /dev/null
INSERT INTO leadroute.reps (flow, rep) VALUES ('bulk', 'ana');
INSERT INTO leadroute.teams (flow, team) VALUES ('bulk', 'all'), ('bulk', 'full');
INSERT INTO leadroute.team_members (flow, team, rep, capacity) VALUES ('bulk', 'all', 'ana', NULL), ('bulk', 'full', 'ana', 1);
INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name, if_unavailable) VALUES
	('bulk', 1, 'full', $$source = 'full'$$, 'team', 'full', 'wait'), ('bulk', 2, 'all', NULL, 'team', 'all', 'wait');
SELECT leadroute.activate('bulk') \g /dev/null
INSERT INTO lr.bulk (id, source) VALUES (-1, 'full'), (0, 'full');
INSERT INTO lr.bulk (id) SELECT generate_series(1, 31000);
CREATE FUNCTION lr.closing(first int, last int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz := clock_timestamp();
BEGIN
	UPDATE lr.bulk SET done = true WHERE id BETWEEN first AND last;
	RETURN extract(epoch FROM clock_timestamp() - since) / (last - first + 1);
END $$;
CREATE TABLE lr.took AS SELECT 1 AS n, lr.closing(1, 1000) AS seconds;
INSERT INTO lr.took SELECT 2, lr.closing(1001, 31000);
SELECT is((SELECT count(*)::int FROM leadroute.pending_drains WHERE flow = 'bulk'), 1, 'all of them ask once');
SELECT cmp_ok((SELECT seconds FROM lr.took WHERE n = 2) / (SELECT seconds FROM lr.took WHERE n = 1), '<', 6::float8, '30,000 closings cost each what 1,000 do');

SELECT * FROM finish();
ROLLBACK;
