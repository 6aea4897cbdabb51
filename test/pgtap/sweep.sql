-- the sweep: its list of parts, what fails, what is noted
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, owner text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.activate() \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

CREATE FUNCTION lr.health(name text) RETURNS text LANGUAGE sql AS $$ SELECT format('%s %s', status, detail) FROM leadroute.health WHERE check_name = name $$;
SELECT is(lr.health('sweep'), 'ok ', 'nobody expects a sweep in the first hour');
SET leadroute.clock = '2100-01-01 12:00Z';
SELECT matches(lr.health('sweep'), '^warn flow "default" was never swept$', 'after that somebody does');

-- the parts, each in its order, and the note of each
CALL leadroute.sweep();
SELECT is(lr.health('sweep'), 'ok ', 'swept');
SELECT results_eq($$SELECT r.part FROM leadroute.sweep_runs r JOIN leadroute.sweep_parts p ON p.part = r.part WHERE r.last_run = '2100-01-01 12:00Z' AND r.batches = 1 AND r.failing = 0 ORDER BY p.position, p.part$$,
	$$SELECT part FROM leadroute.sweep_parts ORDER BY position, part$$, 'each part has run');
SELECT results_eq('SELECT DISTINCT flow FROM leadroute.sweep_runs ORDER BY 1', $$VALUES ('' COLLATE "C"), ('default')$$, 'for the flow, or once for the database');
SET leadroute.clock = '2100-01-01 12:11Z';
SELECT matches(lr.health('sweep'), '^warn flow "default" was last swept at 2100-01-01 12:00:00', 'the heartbeat is missed after ten minutes');

-- what a part does, in how many batches, and how late it was; a part runs again only when it is due, or by its name
CREATE TABLE lr.work (flow text, n int);
INSERT INTO leadroute.sweep_parts (part, position, work, batch, every, meaning) VALUES
	('test', 1000, $$WITH w AS (DELETE FROM lr.work WHERE ctid = ANY (ARRAY(SELECT ctid FROM lr.work WHERE flow = $1 LIMIT $2)) RETURNING n) SELECT count(*), count(*) = $2, interval '1 min' * max(n) FROM w$$, 3, '1 day', 'a test'),
	('bad', 45, $$SELECT 1 / count(*) FROM lr.work WHERE flow = 'none'$$, 3, '0', 'fails');
INSERT INTO lr.work SELECT 'default', generate_series(1, 5);
SET client_min_messages = error;
CALL leadroute.sweep();
SET client_min_messages = warning;
SELECT is((SELECT format('%s %s %s %s', rows, batches, late, unfinished) FROM leadroute.sweep_runs WHERE part = 'test'), '3 1 00:03:00 t', 'in a transaction block one batch; the rest is said to be there');
SELECT is((SELECT count(*) FROM lr.work)::int, 2, 'two are left');
SELECT is((SELECT format('%s %s %s %s %s', failing, failures, error_state, error, last_success IS NULL) FROM leadroute.sweep_runs WHERE part = 'bad'), '1 1 22012 division by zero t', 'a failure is noted');
SELECT is((SELECT count(*) FROM leadroute.sweep_runs WHERE last_run = '2100-01-01 12:11Z')::int, (SELECT count(*) FROM leadroute.sweep_parts WHERE every <= '11 min' OR part = 'test')::int, 'and the other parts have run');
SELECT is(lr.health('sweep parts'), 'bad part "bad" of flow "default" failed in its last run: division by zero', 'health says so');
SET leadroute.clock = '2100-01-01 12:12Z';
SET client_min_messages = error;
CALL leadroute.sweep();
SET client_min_messages = warning;
SELECT is((SELECT count(*) FROM lr.work)::int, 2, 'a part that is not due does not run');
SELECT is(lr.health('sweep parts'), 'bad part "bad" of flow "default" failed in its last 2 runs: division by zero', 'failures in a row');
CALL leadroute.sweep('default', '{test}');
SELECT is((SELECT format('%s %s %s', rows, runs, unfinished) FROM leadroute.sweep_runs WHERE part = 'test'), '2 2 f', 'by its name it does');
UPDATE leadroute.sweep_parts SET work = 'SELECT 0, false' WHERE part = 'bad';
CALL leadroute.sweep();
SELECT is(lr.health('sweep parts'), 'ok ', 'a run without an error');
SELECT is((SELECT format('%s %s %s', failing, failures, error) FROM leadroute.sweep_runs WHERE part = 'bad'), '0 2 division by zero', 'what it said stays');
SELECT throws_like($$CALL leadroute.sweep(parts => '{ledger,none}')$$, 'the sweep has no part "none"', 'a part that does not exist');

-- what fails leaves nothing behind
UPDATE leadroute.sweep_parts SET work = $$WITH w AS (INSERT INTO lr.work VALUES ($1, 77) RETURNING n) SELECT 1 / (n - 77) FROM w$$ WHERE part = 'bad';
SET client_min_messages = error;
CALL leadroute.sweep('default', '{bad,test}');
SET client_min_messages = warning;
SELECT is_empty('SELECT * FROM lr.work WHERE n = 77', 'a failed batch is undone');

SELECT * FROM finish();
ROLLBACK;
