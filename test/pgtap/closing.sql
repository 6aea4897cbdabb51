-- leads that are closed or won: by what their rows say, and by hand
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, status text, "IsConverted" boolean NOT NULL DEFAULT false,
	amount numeric, close_date date, owner text, route_reason text);
INSERT INTO leadroute.flows (flow, closed_when, won_when) VALUES ('default', 'status = ''lost''', '"IsConverted"');
SELECT leadroute.attach('lr.leads', columns => '{"value": "amount", "closed_at": {"column": "close_date", "timezone": "Europe/Berlin"}}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.activate() \g /dev/null
-- a lead's standing, with everything written that waits
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT max(id)::text FROM lr.leads));
	RETURN (SELECT concat_ws(' ', s.status, s.code, s.owner, s.outcome, s.won::text, s.value::text, s.closed_by, CASE WHEN s.closed_at IS NULL THEN 'open' END)
			FROM leadroute.lead_states s WHERE s.lead = key);
END $$;
CREATE FUNCTION lr.places() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(format('%s %s', rep, open), ', ' ORDER BY rep) FROM leadroute.rep_load $$;

INSERT INTO lr.leads (id, email) SELECT n, n || '@x' FROM generate_series(1, 6) n;
SELECT is(lr.lead('1'), 'assigned assigned ana open', 'a lead');
SELECT is(lr.places(), 'ana 3, bo 3', 'six places');

-- a full-row UPDATE says it, again and again
UPDATE lr.leads SET id = id, email = email, status = status, "IsConverted" = (id = 1), amount = CASE id WHEN 1 THEN 12000 END, owner = owner WHERE id <= 3;
SELECT is(lr.lead('1'), 'assigned assigned ana won true 12000 won_when', 'won');
SELECT is(lr.places(), 'ana 2, bo 3', 'one place is free');
UPDATE lr.leads SET id = id, email = email, status = status, "IsConverted" = (id = 1), amount = CASE id WHEN 1 THEN 12000 END, owner = NULL WHERE id <= 3;
UPDATE lr.leads SET id = id, email = 'new', status = status, "IsConverted" = (id = 1), amount = CASE id WHEN 1 THEN 12000 END WHERE id <= 3;
SELECT is(lr.lead('1'), 'assigned assigned ana won true 12000 won_when', 'and won it stays');
SELECT is(lr.places(), 'ana 2, bo 3', 'once');
SELECT is(count(*)::int, 1, 'one event') FROM leadroute.events WHERE kind = 'closed';
SELECT is(format('%s %s: %s', kind, code, reason), 'closed won: won: the row says so, value 12000', 'which says why') FROM leadroute.events WHERE kind = 'closed';

-- the value and the time are kept up to date
UPDATE lr.leads SET amount = 12500.50, close_date = '2026-03-01' WHERE id = 1;
SELECT is(lr.lead('1'), 'assigned assigned ana won true 12500.50 won_when', 'another value');
SELECT is(closed_at, '2026-02-28 23:00Z', 'and the time that the row says') FROM leadroute.lead_states WHERE lead = '1';
SELECT is(string_agg(reason, '; ' ORDER BY id), 'won: the row says so, value 12000; won: the row says so, value 12500.50', 'another value is an event: reports show it') FROM leadroute.events WHERE kind = 'closed';
UPDATE lr.leads SET close_date = '2026-02-28' WHERE id = 1;
UPDATE lr.leads SET close_date = '2026-03-01' WHERE id = 1;
SELECT is(count(*)::int, 2, 'another time is none') FROM leadroute.events WHERE kind = 'closed';

-- false again
UPDATE lr.leads SET "IsConverted" = false WHERE id = 1;
SELECT is(lr.lead('1'), 'assigned assigned ana 12500.50 open', 're-opened');
SELECT is(lr.places(), 'ana 3, bo 3', 'with its place');
SELECT is(count(*)::int, 1, 'an event') FROM leadroute.events WHERE kind = 'reopened' AND lead = '1';
-- lost, then won after all
UPDATE lr.leads SET status = 'lost', amount = NULL WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo closed false closed_when', 'closed');
UPDATE lr.leads SET "IsConverted" = true, amount = 7 WHERE id = 2;
SELECT is(lr.lead('2'), 'assigned assigned bo won true 7 won_when', 'won after all');
SELECT is(lr.places(), 'ana 3, bo 2', 'one place');
-- a transaction that closes and opens: nothing was
UPDATE lr.leads SET status = 'lost' WHERE id = 3;
UPDATE lr.leads SET status = NULL WHERE id = 3;
SELECT is(lr.lead('3'), 'assigned assigned ana open', 'closed and opened in one transaction');
SELECT is(count(*)::int, 0, 'comes to nothing') FROM leadroute.events WHERE lead = '3' AND kind <> 'decided';
-- savepoints
SAVEPOINT a;
UPDATE lr.leads SET status = 'lost' WHERE id = 3;
ROLLBACK TO a;
SELECT is(lr.lead('3'), 'assigned assigned ana open', 'rolled back');
SAVEPOINT a;
UPDATE lr.leads SET status = 'lost' WHERE id = 3;
SELECT is(lr.lead('3'), 'assigned assigned ana closed false closed_when', 'written in a savepoint');
ROLLBACK TO a;
SELECT is(lr.lead('3'), 'assigned assigned ana open', 'that rolls back');
SAVEPOINT a;
UPDATE lr.leads SET status = 'lost' WHERE id = 3;
RELEASE a;
SELECT is(lr.lead('3'), 'assigned assigned ana closed false closed_when', 'or is released');
UPDATE lr.leads SET status = '' WHERE id = 3;

-- closed when they arrive: recorded, not routed
INSERT INTO lr.leads (id, email, status, "IsConverted", amount, close_date) VALUES (11, 'k', 'lost', false, NULL, NULL), (12, 'l', NULL, true, 99, '2026-01-02');
SELECT is(lr.lead('11'), 'unrouted arrived_closed closed false closed_when', 'closed on arrival');
SELECT results_eq($$SELECT item, verdict, detail FROM leadroute.explain(jsonb_populate_record(NULL::lr.leads, '{"id": 90, "status": "lost", "IsConverted": false}')) WHERE item <> 'flow'$$,
	$$VALUES ('won_when', 'does not hold', '"IsConverted"'), ('closed_when', 'holds', 'status = ''lost'''), ('decision', 'arrived_closed', 'closed when it arrived, not routed')$$, 'explain says so');
SELECT is(lr.lead('12'), 'unrouted arrived_closed won true 99 won_when', 'won on arrival');
SELECT is(closed_at, '2026-01-01 23:00Z', 'at its time') FROM leadroute.lead_states WHERE lead = '12';
SELECT is(count(*)::int, 0, 'no owner') FROM lr.leads WHERE id > 10 AND owner IS NOT NULL;
SELECT is(lr.places(), 'ana 3, bo 2', 'no place');
SELECT is(string_agg(kind || ' ' || code, ', '), 'recorded arrived_closed, recorded arrived_closed', 'an event each') FROM leadroute.events WHERE lead IN ('11', '12');
UPDATE lr.leads SET email = 'm', amount = 100 WHERE id = 12;
SELECT is(lr.lead('12'), 'unrouted arrived_closed won true 100 won_when', 'their value is kept too');
-- and opened: routed in that statement
UPDATE lr.leads SET status = 'open' WHERE id = 11;
SELECT isnt(owner, NULL, 'opened: routed') FROM lr.leads WHERE id = 11;
SELECT is(lr.lead('11'), 'assigned assigned ' || owner || ' open', 'and open') FROM lr.leads WHERE id = 11;
INSERT INTO lr.leads (id, status) VALUES (12, 'x') ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, "IsConverted" = EXCLUDED."IsConverted", owner = EXCLUDED.owner;
SELECT is(lr.lead('12'), 'assigned assigned ' || owner || ' 100 open', 'opened by an upsert') FROM lr.leads WHERE id = 12;
SELECT is(count(*)::int, 1, 'decided once') FROM leadroute.events WHERE lead = '12' AND kind = 'decided';
INSERT INTO lr.leads (id, status) VALUES (13, 'lost');
INSERT INTO lr.leads (id, status) VALUES (13, 'x') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email;
SELECT is(lr.lead('13'), 'unrouted arrived_closed closed false closed_when', 'an upsert that leaves the row closed');
SELECT is(owner, NULL, 'gives it nobody') FROM lr.leads WHERE id = 13;
SELECT is(lr.places(), 'ana 4, bo 3', 'and takes nothing');

-- a loader's DELETE and INSERT
DELETE FROM lr.leads WHERE id IN (2, 4);
INSERT INTO lr.leads (id, status, "IsConverted", amount) VALUES (2, NULL, true, 8), (4, 'lost', false, NULL);
SELECT is(lr.lead('2'), 'assigned assigned bo won true 8 won_when', 'reloaded as won, with another value');
SELECT is(lr.lead('4'), 'assigned assigned bo closed false closed_when', 'reloaded as lost');
SELECT is(lr.places(), 'ana 4, bo 2', 'its place is free');
DELETE FROM lr.leads WHERE id IN (2, 4);
INSERT INTO lr.leads (id) VALUES (2), (4);
SELECT is(lr.lead('2') || ', ' || lr.lead('4'), 'assigned assigned bo 8 open, assigned assigned bo open', 'reloaded as open');
SELECT is(lr.places(), 'ana 4, bo 4', 'with their places');
SELECT is(string_agg(owner, ' ' ORDER BY id), 'bo bo', 'and owners') FROM lr.leads WHERE id IN (2, 4);
UPDATE lr.leads SET status = 'lost' WHERE id = 4;
DELETE FROM lr.leads WHERE id = 4;
SELECT is(lr.lead('4'), 'assigned assigned bo closed false closed_when', 'lost, then deleted: lost');
INSERT INTO lr.leads (id) VALUES (4);
SELECT is(lr.lead('4'), 'assigned assigned bo open', 'comes back open');
-- the key changes in the very UPDATE
UPDATE lr.leads SET id = 40, status = 'lost' WHERE id = 4;
SELECT is(lr.lead('40'), 'assigned assigned bo closed false closed_when', 'another key and lost at once');
UPDATE lr.leads SET status = 'x' WHERE id = 40;
UPDATE lr.leads SET status = 'lost' WHERE id = 40;
UPDATE lr.leads SET id = 4 WHERE id = 40;
SELECT is(lr.lead('4'), 'assigned assigned bo closed false closed_when', 'lost and then another key');
UPDATE lr.leads SET status = 'x' WHERE id = 4;
SELECT is(lr.lead('4') || ', ' || lr.places(), 'assigned assigned bo open, ana 4, bo 4', 'and open again');

-- by hand
SELECT is(leadroute.close(5, 'won', 4200), true, 'close()');
SELECT is(lr.lead('5'), format('assigned assigned %s won true 4200 %s', owner, session_user), 'by hand') FROM lr.leads WHERE id = 5;
SELECT is(lr.places(), 'ana 3, bo 4', 'its place is free');
SELECT is(leadroute.close('5', 'won', 4200), false, 'again: nothing');
SELECT is(leadroute.close(5, 'lost'), true, 'another outcome');
SELECT is(lr.lead('5'), format('assigned assigned %s lost false 4200 %s', owner, session_user), 'the value stays') FROM lr.leads WHERE id = 5;
SELECT is(lr.places(), 'ana 3, bo 4', 'no further place');
SELECT is(string_agg(format('%s %s %s', code, reason, actor), '; ' ORDER BY id), format('won won: closed by %s, value 4200 %1$s; closed lost: closed by %1$s, value 4200 %1$s', session_user), 'events') FROM leadroute.events WHERE lead = '5' AND kind = 'closed';
UPDATE lr.leads SET "IsConverted" = true WHERE id = 5;
UPDATE lr.leads SET "IsConverted" = false WHERE id = 5;
SELECT is(lr.lead('5'), format('assigned assigned %s lost false 4200 %s', owner, session_user), 'the row has no say any more') FROM lr.leads WHERE id = 5;
SELECT is(leadroute.reopen(5), true, 'reopen()');
SELECT is(lr.lead('5') || ', ' || lr.places(), 'assigned assigned ana 4200 open, ana 4, bo 4', 'its owner has it');
SELECT is(leadroute.reopen(5), false, 'again: nothing');
UPDATE lr.leads SET status = 'lost' WHERE id = 5;
SELECT leadroute.reopen(5) \g /dev/null
SELECT is(lr.lead('5'), 'assigned assigned ana open', 'reopen() of what the row closed');
UPDATE lr.leads SET email = 'z', amount = NULL WHERE id = 5;
SELECT is(lr.lead('5'), 'assigned assigned ana open', 'an UPDATE that turns nothing leaves it open');
UPDATE lr.leads SET status = 'x' WHERE id = 5;
UPDATE lr.leads SET status = 'lost' WHERE id = 5;
SELECT is(lr.lead('5'), 'assigned assigned ana closed false closed_when', 'turned anew');
SELECT throws_ok('SELECT leadroute.close(777)', 'P0002', 'lead "777" is not in table "leads"', 'no such lead');
SELECT throws_ok($$SELECT leadroute.close(6, 'deleted')$$, '22023', 'a lead cannot be closed by hand as "deleted"', 'an outcome of ours');
SELECT is(leadroute.close(NULL::text), NULL, 'NULL');

-- a condition that fails counts as false and says so; with on_error = fail it fails the statement
UPDATE leadroute.flows SET closed_when = '1 / (id - 6) = 7';
SELECT lives_ok('UPDATE lr.leads SET id = id, status = ''y'', amount = 1 WHERE id = 6', 'fails for lead 6');
SELECT is(lr.lead('6'), 'assigned assigned bo open', 'which stays open');
UPDATE leadroute.flows SET on_error = 'fail';
SELECT throws_ok('UPDATE lr.leads SET amount = 2 WHERE id = 6', '22012', 'division by zero', 'on_error = fail');
SELECT throws_ok($$UPDATE leadroute.flows SET won_when = 'nonsense'$$, '42703', 'column "nonsense" does not exist', 'a condition is checked when it is written');
SELECT throws_ok($$UPDATE leadroute.flows SET won_when = 'amount'$$, '42804', NULL, 'and its type');
UPDATE leadroute.flows SET on_error = 'fallback', closed_when = 'status = ''lost''';

-- other tables: no columns at all but a uuid key; text keys; partitions
SELECT leadroute.deactivate() \g /dev/null
CREATE TABLE lr.plain (id uuid PRIMARY KEY, email text);
INSERT INTO leadroute.flows (flow) VALUES ('plain');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('plain', 1, 'all', 'rep', 'ida');
INSERT INTO leadroute.reps (flow, rep) VALUES ('plain', 'ida');
SELECT leadroute.attach('lr.plain', flow => 'plain') \g /dev/null
SELECT leadroute.activate('plain') \g /dev/null
INSERT INTO lr.plain VALUES ('00000000-0000-0000-0000-000000000001'), ('00000000-0000-0000-0000-000000000002');
SELECT is(leadroute.close('00000000-0000-0000-0000-000000000001'::uuid, 'lost', flow => 'plain'), true, 'a uuid key');
SELECT is(leadroute.close('00000000-0000-0000-0000-000000000002', flow => 'plain'), true, 'as text');
SELECT is((SELECT sum(open) FROM leadroute.rotation WHERE flow = 'plain'), 0::bigint, 'both places are free');
SELECT is(leadroute.reopen('00000000-0000-0000-0000-000000000001'::uuid, 'plain'), true, 'reopen');
UPDATE leadroute.flows SET closed_when = 'email IS NULL' WHERE flow = 'plain';
UPDATE lr.plain SET email = 'a';
UPDATE lr.plain SET email = NULL;
SELECT is(leadroute.close('00000000-0000-0000-0000-000000000001'::uuid, 'lost', flow => 'plain'), true, 'by hand what the row has closed');
SELECT is((SELECT string_agg(outcome || ' ' || closed_by, ', ' ORDER BY lead) FROM leadroute.lead_states WHERE flow = 'plain'),
	format('lost %s, closed %1$s', session_user), 'a table without output columns');

CREATE TABLE lr.parts (id text NOT NULL, region text NOT NULL, done boolean, owner text) PARTITION BY LIST (region);
CREATE TABLE lr.parts_a PARTITION OF lr.parts FOR VALUES IN ('a');
CREATE TABLE lr.parts_b PARTITION OF lr.parts FOR VALUES IN ('b');
INSERT INTO leadroute.flows (flow, won_when) VALUES ('parts', 'done');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('parts', 1, 'all', 'rep', 'eve');
INSERT INTO leadroute.reps (flow, rep) VALUES ('parts', 'eve');
SELECT leadroute.attach('lr.parts', flow => 'parts', columns => '{"key": "id"}') \g /dev/null
SELECT leadroute.activate('parts') \g /dev/null
INSERT INTO lr.parts SELECT 'k' || n, 'a' FROM generate_series(1, 4) n;
UPDATE lr.parts SET done = true, region = 'b' WHERE id = 'k1';
UPDATE lr.parts SET done = true WHERE id = 'k2';
SELECT is(leadroute.close('k3', 'lost', flow => 'parts'), true, 'a text key, no unique index, partitions');
SELECT is((SELECT string_agg(concat_ws(' ', lead, owner, outcome), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE flow = 'parts'),
	'k1 eve won, k2 eve won, k3 eve lost, k4 eve', 'closed in the UPDATE that moves the row, in place, by hand');
SELECT is((SELECT sum(open) FROM leadroute.rotation WHERE flow = 'parts'), 1::bigint, 'one place');

-- who may: an operator; who may update the row
CREATE ROLE lr_clerk;
CREATE ROLE lr_operator;
GRANT leadroute_operator TO lr_operator;
GRANT USAGE ON SCHEMA lr TO lr_clerk, lr_operator;
SELECT leadroute.activate() \g /dev/null
UPDATE lr.leads SET status = 'open' WHERE id IN (5, 6);
SET ROLE lr_clerk;
SELECT throws_ok('SELECT leadroute.close(6)', '42501', 'permission denied for table leads', 'nobody');
RESET ROLE;
GRANT SELECT (id), UPDATE (status) ON lr.leads TO lr_clerk;
SET ROLE lr_clerk;
SELECT is(leadroute.close(6), true, 'who may UPDATE some column');
RESET ROLE;
CREATE POLICY own ON lr.leads USING (owner = 'ana');
ALTER TABLE lr.leads ENABLE ROW LEVEL SECURITY;
GRANT SELECT (owner) ON lr.leads TO lr_clerk;
SET ROLE lr_clerk;
SELECT throws_ok('SELECT leadroute.reopen(6)', 'P0002', 'lead "6" is not in table "leads"', 'row security hides another''s lead');
SELECT is(leadroute.close(5), true, 'and shows one''s own');
RESET ROLE;
SET ROLE lr_operator;
SELECT is(leadroute.reopen(6), true, 'an operator');
RESET ROLE;
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory and ledger agree');

SELECT * FROM finish();
ROLLBACK;
