-- configuration rows: history, completeness at commit, sides, what open leads name
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(37);

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, country text, employees int, owner int);
-- lengths of time that no timestamp can be moved by would fail each INSERT
SELECT throws_ok($$INSERT INTO leadroute.flows (flow, max_backdate) VALUES ('never', '10000 years')$$, '23514', NULL, 'what means never is 1000 years');
SELECT is_empty($$SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
	WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND 'interval'::regtype IN (t.oid, t.typbasetype) AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgfoid = 'leadroute.config_written()'::regprocedure)
		AND NOT EXISTS (SELECT FROM pg_constraint k WHERE (k.conrelid = c.oid AND a.attnum = ANY (k.conkey) OR k.contypid = t.oid) AND pg_get_constraintdef(k.oid) ~ '1000 years')$$, 'wherever one stands');
-- any order: territories and rules before the table, the team and the flow
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'west', 'shoes: us', 'west');
SELECT throws_ok($$SELECT leadroute.attach('lr.leads')$$, '42703', 'table lr.leads does not answer all sides of the territories of flow "default"', 'sides are judged when the table comes');
UPDATE leadroute.territories SET area = 'country: us; employees: [1,50)';
SELECT lives_ok($$SELECT leadroute.attach('lr.leads')$$, 'then attached');
SELECT throws_ok($$INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'x', 'employees: few', 'west')$$,
	'42804', 'side "employees" is made of labels, but column "employees" holds numbers', 'labels for a column of numbers');
SELECT throws_ok($$INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'x', 'country: [1]', 'west')$$,
	'42804', 'side "country" is made of numbers, but column "country" holds labels', 'numbers for a column of labels');
SELECT throws_ok($$INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('sky', 'x', 'planet: mars', 'west')$$,
	'42703', 'side "planet": table lr.leads has no such column', 'a side without a column');
SELECT results_eq($$SELECT side, kind FROM leadroute.territory_sides WHERE side <> 'shoes' ORDER BY 1$$,
	$$VALUES ('country' COLLATE "C", 'label'), ('employees', 'number')$$, 'the sides are kept');

DELETE FROM leadroute.territory_sides WHERE side = 'country';
SELECT results_eq('SELECT side COLLATE "default" FROM leadroute.missing_sides()', $$VALUES ('country')$$, 'a side that is missing is found');
SELECT is(status, 'bad', 'and shown by health') FROM leadroute.health WHERE check_name = 'territory sides';

-- all faults at once
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'map', NULL, 'territory', 'us'), (20, 'team', 'email IS NOT NULL', 'team', 'east'), (30, 'rep', 'email IS NULL', 'rep', 'nobody');
INSERT INTO leadroute.reps (rep) VALUES ('7'), ('ana');
SELECT results_eq($$SELECT severity, object, problem FROM leadroute.check_flow()$$, $$VALUES
	('error', 'rule "rep"', 'is the last one and has a condition'),
	('error', 'rule "team"', 'its target, team "east", does not exist'),
	('error', 'rule "rep"', 'its target, rep "nobody", does not exist'),
	('error', 'territory "west" of map "us"', 'its team "west" does not exist'),
	('error', 'rep "ana"', 'cannot be written to column "owner" of table lr.leads: invalid input syntax for type integer: "ana"')$$,
	'every fault is listed');
SELECT throws_ok($$SELECT leadroute.activate()$$, '55000', 'flow "default" is not complete', 'activate refuses');
SELECT is((SELECT active FROM leadroute.flows), false, 'and leaves it off');
DELETE FROM leadroute.rules WHERE rule <> 'map';
DELETE FROM leadroute.reps WHERE rep = 'ana';
INSERT INTO leadroute.teams (team) VALUES ('west');
SELECT throws_ok($$SELECT leadroute.activate()$$, '55000', 'flow "default" is not complete', 'nor with an empty team');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', '7');
SELECT is(leadroute.activate(), 'flow "default" is active', 'complete');
SELECT ok(checked, 'and checked') FROM leadroute.flows;
SELECT is(count(*)::int, 0, 'activate adds sides that were missing') FROM leadroute.missing_sides();
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

-- active: at commit (SET CONSTRAINTS IMMEDIATE is the same check)
SELECT lives_ok($$DELETE FROM leadroute.rules; INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west'); SET CONSTRAINTS ALL IMMEDIATE$$, 'all rules replaced in one transaction');
SET CONSTRAINTS ALL DEFERRED;
SELECT throws_ok($$DELETE FROM leadroute.rules; SET CONSTRAINTS ALL IMMEDIATE$$, '55000', 'flow "default" is active and would be left incomplete', 'left without rules');
SET CONSTRAINTS ALL DEFERRED;
SELECT throws_ok($$TRUNCATE leadroute.teams; SET CONSTRAINTS ALL IMMEDIATE$$, '55000', 'flow "default" is active and would be left incomplete', 'TRUNCATE too');
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok($$DELETE FROM leadroute.team_members; SET CONSTRAINTS ALL IMMEDIATE$$, 'a team left empty is allowed');
SET CONSTRAINTS ALL DEFERRED;
SELECT is((SELECT severity FROM leadroute.check_flow() WHERE problem = 'has no eligible member'), 'warning', 'and is a warning');
SELECT is(count(*)::int, 0, 'no request for a check is left') FROM leadroute.pending_checks;
SELECT matches(leadroute.deactivate(), 'is off', 'deactivate');
SELECT lives_ok($$DELETE FROM leadroute.rules; SET CONSTRAINTS ALL IMMEDIATE$$, 'an inactive flow may be incomplete');
SET CONSTRAINTS ALL DEFERRED;

-- a restored flow is unchecked until it is whole
INSERT INTO leadroute.flows (flow, active, checked) VALUES ('restored', true, true);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(checked, false, 'rows of a restore may come in any order') FROM leadroute.flows WHERE flow = 'restored';
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO leadroute.rules (flow, position, rule, target) VALUES ('restored', 1, 'all', 'discard');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(checked, true, 'and checked when they are there') FROM leadroute.flows WHERE flow = 'restored';

-- history
INSERT INTO leadroute.queues (queue, note) VALUES ('q', 'first');
UPDATE leadroute.queues SET note = 'second' WHERE queue = 'q';
UPDATE leadroute.queues SET note = 'second' WHERE queue = 'q';
DELETE FROM leadroute.queues WHERE queue = 'q';
SELECT results_eq($$SELECT operation, old->>'note', new->>'note', note, actor FROM leadroute.config_changes WHERE relation = 'queues' ORDER BY at$$,
	$$VALUES ('INSERT', NULL, 'first', 'first', session_user::text COLLATE "default"), ('UPDATE', 'first', 'second', 'second', session_user::text COLLATE "default"), ('DELETE', 'second', NULL, 'second', session_user::text COLLATE "default")$$,
	'every change is kept with its note, an UPDATE that changes nothing is none');

-- what a table of the configuration has; shipped lists are none
CREATE TEMP VIEW configuration AS
SELECT c.oid, c.relname FROM pg_class c
WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'r' AND has_table_privilege('leadroute_admin', c.oid, 'INSERT') AND c.relname NOT IN ('mail_domains', 'title_patterns', 'signals');
SELECT is_empty($$
	SELECT c.relname, e.event
	FROM configuration c CROSS JOIN (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) e(event, bit)
	WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & e.bit <> 0 AND t.tgtype & 1 = 0 AND t.tgname ~ '^(config_written|account_history)_')$$,
	'every table that the admin writes has its history, whatever is done to it');
SELECT is_empty($$
	SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger t
	WHERE t.tgrelid IN (SELECT c.oid FROM configuration c) AND t.tgname ~ '^(config|calendar)_changed' AND t.tgenabled <> 'A'$$,
	'what makes sessions forget fires on a replica too');
SELECT is_empty($$SELECT c.relname FROM configuration c WHERE NOT c.oid = ANY ((SELECT e.extconfig FROM pg_extension e WHERE e.extname = 'leadroute')::oid[])$$,
	'and a dump keeps it');

-- what open leads name
INSERT INTO leadroute.queues (queue) VALUES ('q');
INSERT INTO leadroute.lead_states (flow, lead, status, code, queue) VALUES ('default', '1', 'waiting', 'queued', 'q');
INSERT INTO leadroute.rotation (flow, team, rep, pointer, open) VALUES ('default', 'west', '7', 0, 2), ('default', 'west', '7', 0, -1);
SELECT throws_ok($$DELETE FROM leadroute.queues$$, '23503', 'cannot delete queue "q" because open leads name it', 'a queue where leads wait');
SELECT throws_ok($$DELETE FROM leadroute.reps$$, '23503', 'cannot delete rep "7" because open leads name it', 'a rep with open leads');
SELECT throws_ok($$UPDATE leadroute.teams SET team = 'w'$$, '23503', 'cannot rename team "west" because open leads name it', 'the name of a team with open leads');
INSERT INTO leadroute.rotation (flow, team, rep, pointer, open) VALUES ('default', 'west', '7', 0, -1);
SELECT lives_ok($$DELETE FROM leadroute.reps$$, 'a rep without');
-- what kind a side is of
SELECT results_eq($$SELECT s, leadroute.side_kind(a, s) FROM (VALUES ('country: us; employees: [1,51); "a: [b": x; zip: "[250]"; "odd, name": ![5,9)'::leadroute.territory)) t(a), leadroute.sides(a) s ORDER BY s COLLATE "C"$$,
	$$VALUES ('a: [b', 'label'), ('country', 'label'), ('employees', 'number'), ('odd, name', 'number'), ('zip', 'label')$$, 'the kinds of sides');
SELECT results_eq($$SELECT leadroute.side_kind('{}', 'country'), leadroute.side_kind('empty', 'country'), leadroute.side_kind('employees: [1,2)', 'country')$$, $$VALUES ('label', 'label', 'label')$$, 'and of what constrains none');

SELECT * FROM finish();
ROLLBACK;
