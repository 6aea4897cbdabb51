-- stages: where leads begin, which changes are legal, what advances by itself
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text UNIQUE, employees int, amount numeric, close_date date,
	budget text, authority boolean, need text, timeline text, owner text, team text, stage text, route_reason text);
SELECT leadroute.attach('lr.leads', columns => '{"value": "amount"}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.status, s.code, s.owner, 'in', s.stage, 'row', l.stage) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key
$$;
CREATE FUNCTION lr.events(key text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', code, coalesce(previous_stage, '-') || '>' || stage, actor), ', ' ORDER BY id) FROM leadroute.events WHERE lead = key AND kind = 'stage'
$$;
CREATE FUNCTION lr.places() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(format('%s %s', rep, open), ', ' ORDER BY rep) FROM leadroute.rep_load WHERE open <> 0 $$;

-- a flow without stages: the column is the user's own
SELECT leadroute.activate() \g /dev/null
INSERT INTO lr.leads (id, stage) VALUES (1, 'whatever');
SELECT is(lr.lead('1'), 'assigned assigned ana in row whatever', 'no stages: the row''s own word');
UPDATE lr.leads SET stage = 'other' WHERE id = 1;
SELECT is(lr.lead('1'), 'assigned assigned ana in row other', 'which it may change');
SELECT throws_ok('SELECT leadroute.set_stage(1, ''mql'')', '55000', 'flow "default" has no stages', 'nothing to set');

SELECT is(leadroute.load_stages(), 13 + 53 + 8, 'the usual ones');
SELECT is((SELECT count(*)::int FROM leadroute.stages), 13, 'thirteen stages');
SELECT is((SELECT string_agg(stage, ',' ORDER BY position) FROM leadroute.stages WHERE NOT beside), 'subscriber,lead,new,contacted,mql,sal,sql,opportunity,customer,evangelist', 'in their order');
SELECT results_eq('SELECT DISTINCT problem COLLATE "default" FROM leadroute.check_flow() ORDER BY 1', ARRAY[]::text[], 'which are complete');
UPDATE leadroute.flows SET first_stage = 'gone';
UPDATE leadroute.stages SET touched_stage = 'away' WHERE stage = 'new';
INSERT INTO leadroute.stage_transitions (from_stage, to_stage, required) VALUES ('*', 'nowhere', NULL), ('sql', 'customer', '{id,colour}');
SELECT results_eq('SELECT severity || '': '' || object || '' '' || problem COLLATE "default" FROM leadroute.check_flow()', ARRAY[
	'error: flow "default" names stage "gone", which does not exist', 'error: stage "new" names stage "away", which does not exist',
	'error: transition "* to nowhere" names stage "nowhere", which does not exist',
	'warning: stage "customer" requires column "colour", which table lr.leads does not have'], 'what is not is told');
UPDATE leadroute.flows SET first_stage = 'new';
UPDATE leadroute.stages SET touched_stage = 'contacted' WHERE stage = 'new';
DELETE FROM leadroute.stage_transitions WHERE to_stage = 'nowhere' OR from_stage = 'sql' AND to_stage = 'customer';
SELECT throws_ok('SELECT leadroute.load_stages()', '55000', 'flow "default" has stages already', 'once');

-- where a lead begins
INSERT INTO lr.leads (id) VALUES (2);
SELECT is(lr.lead('2'), 'assigned assigned bo in new row new', 'the flow''s first stage');
SELECT is(lr.events('2'), 'stage_entered ->new', 'an event');
INSERT INTO lr.leads (id, stage) VALUES (3, 'contacted'), (4, ' ');
SELECT is(lr.lead('3'), 'assigned assigned ana in contacted row contacted', 'the row says where');
SELECT is(lr.lead('4'), 'assigned assigned bo in new row new', 'blank says nothing');
SELECT throws_ok('INSERT INTO lr.leads (id, stage) VALUES (5, ''nosuch'')', '23514', 'stage "nosuch" of flow "default" does not exist', 'a stage that is not there');
SELECT is((SELECT count(*)::int FROM leadroute.lead_states WHERE lead = '5'), 0, 'and nothing is taken');
INSERT INTO lr.leads (id, stage) VALUES (6, 'disqualified'), (7, 'customer');
SELECT is(lr.lead('6') || ', ' || lr.lead('7'), 'unrouted arrived_closed in disqualified row disqualified, unrouted arrived_closed in customer row customer', 'closed and won on arrival');
SELECT is((SELECT string_agg(concat_ws(' ', outcome, won::text, closed_by), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('6', '7')), 'closed false stage, won true stage', 'by their stage');

-- the CRM writes the column
UPDATE lr.leads SET stage = 'contacted' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in contacted row contacted', 'a legal change');
SELECT is(lr.events('2'), 'stage_entered ->new, stage_entered new>contacted ' || session_user, 'an event');
SELECT throws_ok('UPDATE lr.leads SET stage = ''customer'' WHERE id = 2', '23514', 'lead "2" cannot go from stage "contacted" to stage "customer"', 'an illegal jump');
SELECT is(lr.lead('2'), 'assigned assigned bo in contacted row contacted', 'changes nothing');
SELECT throws_ok('UPDATE lr.leads SET stage = ''nosuch'' WHERE id = 2', '23514', 'stage "nosuch" of flow "default" does not exist', 'an unknown stage');
UPDATE lr.leads SET stage = 'sal' WHERE id = 2;
SELECT throws_ok('UPDATE lr.leads SET stage = ''sql'' WHERE id = 2', '23514', 'lead "2" lacks what stage "sql" requires', 'two of four columns');
SELECT throws_ok('UPDATE lr.leads SET stage = ''sql'', budget = ''10k'', need = '' '', authority = false WHERE id = 2', '23514', 'lead "2" lacks what stage "sql" requires', 'blank and false are no values');
UPDATE lr.leads SET stage = 'sql', budget = '10k', authority = true WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in sql row sql', 'two of them in the same UPDATE');
SELECT throws_ok('UPDATE lr.leads SET stage = ''opportunity'', amount = 5 WHERE id = 2', '23514', 'lead "2" lacks what stage "opportunity" requires', 'a required column');
UPDATE lr.leads SET stage = 'opportunity', amount = 5, close_date = '2026-03-01' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in opportunity row opportunity', 'by its canonical name too');

-- a full-row sync says again what it said before
UPDATE lr.leads SET stage = 'sql', email = 'x' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in sql row sql', 'a way back that is legal');
SELECT leadroute.set_stage(2, 'opportunity', 'again') \g /dev/null
UPDATE lr.leads SET stage = 'sql', email = 'y' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in opportunity row opportunity', 'what the source sent last is no wish');
UPDATE lr.leads SET stage = NULL, email = 'z' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in opportunity row opportunity', 'nor is nothing');

-- won, and closed, by stage
SELECT is(lr.places(), 'ana 2, bo 2', 'places');
UPDATE lr.leads SET stage = 'customer' WHERE id = 2;
SELECT * FROM leadroute.explain(2) \g /dev/null
SELECT is((SELECT concat_ws(' ', outcome, won::text, value::text, closed_by) FROM leadroute.lead_states WHERE lead = '2'), 'won true 5 stage', 'won by its stage, with its value');
SELECT is(lr.places(), 'ana 2, bo 1', 'the place is free');
UPDATE lr.leads SET stage = 'evangelist' WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo in evangelist row evangelist', 'on from there');
SELECT is(leadroute.set_stage(4, 'disqualified', 'spam'), 'disqualified', 'by hand');
SELECT is(leadroute.set_stage(4, 'disqualified'), 'disqualified', 'once');
SELECT * FROM leadroute.explain(2) \g /dev/null
SELECT is((SELECT concat_ws(' ', outcome, won::text, closed_by) FROM leadroute.lead_states WHERE lead = '4'), 'closed false stage', 'closed by its stage');
SELECT is(lr.places(), 'ana 2', 'its place too');
SELECT is((SELECT reason || ' ' || actor FROM leadroute.events WHERE lead = '4' AND stage = 'disqualified'), 'stage: new, then disqualified: spam ' || session_user, 'the reason');
UPDATE lr.leads SET stage = 'new' WHERE id = 4;
SELECT * FROM leadroute.explain(2) \g /dev/null
SELECT is((SELECT concat_ws(' ', outcome, closed_at::text) FROM leadroute.lead_states WHERE lead = '4'), '', 'back again: open');
SELECT is(lr.places(), 'ana 2, bo 1', 'and its place taken');
SELECT throws_ok('SELECT leadroute.set_stage(4, ''customer'')', '23514', 'lead "4" cannot go from stage "new" to stage "customer"', 'no jump by hand either');
SELECT throws_ok('SELECT leadroute.set_stage(99, ''mql'')', 'P0002', 'lead "99" is not in table "leads"', 'no such lead');

-- savepoints
SAVEPOINT a;
UPDATE lr.leads SET stage = 'contacted' WHERE id = 4;
SELECT is(lr.lead('4'), 'assigned assigned bo in contacted row contacted', 'moved');
ROLLBACK TO a;
SELECT is(lr.lead('4') || ' ' || (lr.events('4') LIKE '%new>contacted%')::text, 'assigned assigned bo in new row new false', 'rolled back: no trace');

-- upserts
INSERT INTO lr.leads (id, stage) VALUES (4, 'contacted') ON CONFLICT (id) DO UPDATE SET stage = EXCLUDED.stage;
SELECT is(lr.lead('4'), 'assigned assigned bo in contacted row contacted', 'an upsert''s stage is the source''s');
INSERT INTO lr.leads (id, stage) VALUES (4, 'mql') ON CONFLICT (id) DO UPDATE SET employees = 5;
SELECT is(lr.lead('4'), 'assigned assigned bo in contacted row contacted', 'not where it leaves the row''s');
INSERT INTO lr.leads (id, email) VALUES (20, 'z') ON CONFLICT (email) DO UPDATE SET stage = EXCLUDED.stage, employees = 9;
SELECT is(lr.lead('2'), 'assigned assigned bo in evangelist row evangelist', 'nor is what leadroute put into a row that was not inserted');
SELECT throws_ok('INSERT INTO lr.leads (id, stage) VALUES (4, ''customer'') ON CONFLICT (id) DO UPDATE SET stage = EXCLUDED.stage', '23514', NULL, 'an illegal one');
INSERT INTO lr.leads (id, stage) VALUES (4, 'mql') ON CONFLICT (id) DO NOTHING;
SELECT is(lr.lead('4'), 'assigned assigned bo in contacted row contacted', 'DO NOTHING');
DELETE FROM lr.leads WHERE id = 4;
INSERT INTO lr.leads (id, stage) VALUES (4, 'mql');
SELECT is(lr.lead('4'), 'assigned assigned bo in mql row mql', 'DELETE and INSERT with another stage');
DELETE FROM lr.leads WHERE id = 4;
INSERT INTO lr.leads (id) VALUES (4);
SELECT is(lr.lead('4'), 'assigned assigned bo in mql row mql', 'and with none');
MERGE INTO lr.leads l USING (VALUES (4, 'sal')) v(id, stage) ON l.id = v.id WHEN MATCHED THEN UPDATE SET stage = v.stage;
SELECT is(lr.lead('4'), 'assigned assigned bo in sal row sal', 'MERGE');
UPDATE lr.leads SET stage = 'nurture', owner = 'ana' WHERE id = 4;
SELECT is(lr.lead('4'), 'assigned by_hand ana in nurture row nurture', 'a hand-over in the same UPDATE');
UPDATE lr.leads SET id = 44, stage = 'contacted' WHERE id = 4;
SELECT * FROM leadroute.explain(2) \g /dev/null
SELECT is(lr.lead('44'), 'assigned by_hand ana in contacted row contacted', 'and another key');

-- entry conditions
UPDATE leadroute.stages SET entry_condition = 'employees > 100' WHERE stage = 'mql';
UPDATE leadroute.stages SET entry_condition = 'employees > 200' WHERE stage = 'sql';
INSERT INTO lr.leads (id, employees) VALUES (30, 50), (31, 150), (32, 250), (33, 250);
SELECT is(lr.lead('31'), 'assigned assigned ana in mql row mql', 'on INSERT');
SELECT is(lr.events('31'), 'stage_entered ->new, stage_advanced new>mql', 'two events');
SELECT is(lr.lead('32'), 'assigned assigned bo in mql row mql', 'never past what is required');
PREPARE fills AS UPDATE lr.leads SET budget = 'b', need = 'n' WHERE id = 32 RETURNING stage;
SELECT results_eq('fills', ARRAY['sql'], 'the UPDATE that fills it in takes it on');
SELECT is(lr.events('32'), 'stage_entered ->new, stage_advanced new>mql, stage_advanced mql>sql', 'with an event');
UPDATE lr.leads SET employees = 120 WHERE id = 30;
SELECT is(lr.lead('30'), 'assigned assigned bo in mql row mql', 'on UPDATE');
UPDATE lr.leads SET employees = 1 WHERE id = 30;
SELECT is(lr.lead('30'), 'assigned assigned bo in mql row mql', 'never back');
UPDATE lr.leads SET employees = 1000, stage = 'nurture' WHERE id = 30;
SELECT is(lr.lead('30'), 'assigned assigned bo in mql row mql', 'from where somebody put it on');
SELECT is(lr.events('30'), 'stage_entered ->new, stage_advanced new>mql, stage_entered mql>nurture ' || session_user || ', stage_advanced nurture>mql', 'each an event');
SELECT throws_ok('UPDATE leadroute.stages SET entry_condition = ''nosuch > 1'' WHERE stage = ''mql''', '42703', NULL, 'an entry condition is checked');
UPDATE leadroute.stages SET entry_condition = NULL;
UPDATE leadroute.stages SET entry_condition = '1 / (employees - 7) > 100' WHERE stage = 'mql';
SET client_min_messages = error;
INSERT INTO lr.leads (id, employees) VALUES (34, 7);
SET client_min_messages = warning;
SELECT is(lr.lead('34'), 'assigned assigned bo in new row new', 'one that fails counts as false');
UPDATE leadroute.stages SET entry_condition = NULL;

-- stages in conditions
UPDATE leadroute.flows SET route_when = 'facts.stage = ''mql''';
INSERT INTO lr.leads (id) VALUES (40);
SELECT is(lr.lead('40'), 'unrouted not_ready in new row new', 'not ready');
UPDATE lr.leads SET stage = 'contacted' WHERE id = 40;
SELECT is(lr.lead('40'), 'unrouted not_ready in contacted row contacted', 'its stage follows');
PREPARE ready AS UPDATE lr.leads SET stage = 'mql' WHERE id = 40 RETURNING owner IS NOT NULL;
SELECT results_eq('ready', ARRAY[true], 'routed by the UPDATE that makes it ready');
SELECT is(lr.events('40'), 'stage_entered ->new, stage_entered new>contacted ' || session_user || ', stage_entered contacted>mql ' || session_user, 'each an event');
UPDATE leadroute.flows SET route_when = NULL;

-- the CRM is the master
UPDATE leadroute.flows SET stage_master = 'report';
INSERT INTO lr.leads (id) VALUES (50);
UPDATE lr.leads SET stage = 'opportunity' WHERE id = 50;
UPDATE lr.leads SET stage = 'sql' WHERE id = 50;
UPDATE lr.leads SET stage = 'opportunity' WHERE id = 50;
UPDATE lr.leads SET stage = 'Weird' WHERE id = 50;
SELECT is(lr.lead('50') LIKE 'assigned assigned % in Weird row Weird', true, 'it has its way');
SELECT is(lr.events('50'), replace('stage_entered ->new, illegal_stage new>opportunity X, stage_incomplete opportunity>sql X, stage_incomplete sql>opportunity X, unknown_stage opportunity>Weird X', 'X', session_user), 'and events say what it was');
UPDATE lr.leads SET stage = 'mql' WHERE id = 50;
SELECT is(lr.events('50') LIKE '%illegal_stage Weird>mql%', true, 'back from there');
UPDATE leadroute.flows SET stage_master = 'enforce';

-- how new leads may begin
INSERT INTO leadroute.stage_transitions (from_stage, to_stage, required) VALUES ('', 'new', NULL), ('', 'contacted', '{email}');
SELECT throws_ok('INSERT INTO lr.leads (id, stage) VALUES (60, ''mql'')', '23514', 'lead "60" cannot begin in stage "mql"', 'only where a row says so');
SELECT throws_ok('INSERT INTO lr.leads (id, stage) VALUES (60, ''contacted'')', '23514', 'lead "60" lacks what stage "contacted" requires', 'with what it requires');
INSERT INTO lr.leads (id, stage, email) VALUES (60, 'contacted', 'sixty');
SELECT is(lr.lead('60') LIKE '% in contacted row contacted', true, 'then it may');
SELECT throws_ok('UPDATE lr.leads SET stage = ''new'' WHERE id = 60', '23514', NULL, 'others still as before');

-- no transitions: every change is legal
DELETE FROM leadroute.stage_transitions;
UPDATE lr.leads SET stage = 'customer' WHERE id = 60;
SELECT is(lr.lead('60') LIKE '% in customer row customer', true, 'every change is legal');
-- a table without the column
ALTER TABLE lr.leads DROP COLUMN stage;
UPDATE leadroute.stages SET entry_condition = 'employees > 100' WHERE stage = 'mql';
UPDATE leadroute.stages SET entry_condition = 'employees > 1000' WHERE stage = 'disqualified';
INSERT INTO lr.leads (id, employees) VALUES (70, 1), (71, 500);
UPDATE lr.leads SET employees = 600 WHERE id = 70;
SELECT is((SELECT string_agg(stage, ',' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('70', '71')), 'mql,mql', 'in the state alone');
UPDATE lr.leads SET employees = 6000 WHERE id = 70;
SELECT * FROM leadroute.explain(2) \g /dev/null
SELECT is((SELECT stage || closed_by FROM leadroute.lead_states WHERE lead = '70'), 'disqualifiedstage', 'closed by it');
SELECT is(leadroute.set_stage('71', 'customer'), 'customer', 'by hand');
SELECT * FROM leadroute.rotation_drift() \g /dev/null
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'turns and places agree');

SELECT * FROM finish();
ROLLBACK;
