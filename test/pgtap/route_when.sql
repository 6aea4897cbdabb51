-- leads that are not ready, are held, are decided again
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, stage_name text, employees int, region text, owner text, team text, route_reason text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo'), ('eve');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('big');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo'), ('big', 'eve');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
UPDATE leadroute.flows SET route_when = 'stage_name = ''MQL''';
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.status, s.code, s.owner, 'row', l.owner) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key
$$;
CREATE FUNCTION lr.events(key text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(kind || ' ' || code, ', ' ORDER BY id) FROM leadroute.events WHERE lead = key $$;
CREATE FUNCTION lr.places() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(format('%s %s %s', rep, pointer::int, open), ', ' ORDER BY rep) FROM leadroute.rep_load WHERE open <> 0 $$;

-- route_when: recorded, then routed once by the statement that makes it true
SELECT results_eq($$SELECT item, verdict, detail FROM leadroute.explain(jsonb_populate_record(NULL::lr.leads, '{"id": 90}')) WHERE item <> 'flow'$$,
	$$VALUES ('route_when', 'does not hold', 'stage_name = ''MQL'''), ('decision', 'not_ready', 'the flow''s route_when does not hold yet')$$, 'explain: not ready');
SELECT results_eq($$SELECT item, verdict FROM leadroute.explain(jsonb_populate_record(NULL::lr.leads, '{"id": 90, "stage_name": "MQL"}')) WHERE item IN ('route_when', 'decision')$$,
	$$VALUES ('route_when', 'holds'), ('decision', 'assigned')$$, 'explain: ready');
INSERT INTO lr.leads (id, email) SELECT n, n || '@x' FROM generate_series(1, 5) n;
SELECT is(lr.lead('1'), 'unrouted not_ready row', 'recorded');
SELECT is(lr.events('1'), 'recorded not_ready', 'an event');
SELECT results_eq($$SELECT item, verdict FROM leadroute.explain(1) WHERE item IN ('event', 'route_when', 'rule', 'decision')$$,
	$$VALUES ('event', 'not_ready'), ('route_when', 'does not hold'), ('decision', 'not_ready')$$, 'explain of a stored one');
SELECT is(lr.places(), NULL, 'no place');
INSERT INTO lr.leads (id, stage_name) VALUES (6, 'MQL');
SELECT is(lr.lead('6'), 'assigned assigned ana row ana', 'one that is ready');
UPDATE lr.leads SET email = 'y', stage_name = 'lead' WHERE id = 1;
SELECT is(lr.lead('1'), 'unrouted not_ready row', 'an UPDATE that does not make it true');
PREPARE becomes AS UPDATE lr.leads SET stage_name = 'MQL' WHERE id = 1 RETURNING owner;
SELECT results_eq('becomes', ARRAY['bo'], 'UPDATE … RETURNING shows the owner');
SELECT is(lr.lead('1'), 'assigned assigned bo row bo', 'routed');
SELECT is(lr.events('1'), 'recorded not_ready, decided assigned', 'decided');
UPDATE lr.leads SET stage_name = 'lead' WHERE id = 1;
UPDATE lr.leads SET stage_name = 'MQL' WHERE id = 1;
SELECT is(lr.events('1'), 'recorded not_ready, decided assigned', 'once');
MERGE INTO lr.leads l USING (VALUES (2), (7)) v(id) ON l.id = v.id WHEN MATCHED THEN UPDATE SET stage_name = 'MQL' WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id);
SELECT is(lr.lead('2') || ', ' || lr.lead('7'), 'assigned assigned ana row ana, unrouted not_ready row', 'MERGE');
INSERT INTO lr.leads (id, stage_name) VALUES (3, 'MQL'), (7, 'MQL') ON CONFLICT (id) DO UPDATE SET stage_name = EXCLUDED.stage_name, owner = EXCLUDED.owner;
SELECT is(lr.lead('3') || ', ' || lr.lead('7'), 'assigned assigned bo row bo, assigned assigned ana row ana', 'an upsert');
INSERT INTO lr.leads (id, stage_name) VALUES (4, 'MQL') ON CONFLICT (id) DO UPDATE SET email = 'z';
SELECT is(lr.lead('4'), 'unrouted not_ready row', 'an upsert that leaves the row as it was');
DELETE FROM lr.leads WHERE id = 4;
INSERT INTO lr.leads (id, stage_name) VALUES (4, 'MQL');
SELECT is(lr.lead('4'), 'assigned assigned bo row bo', 'DELETE and INSERT');
SELECT is(lr.places(), 'ana 3 3, bo 3 3', 'each its turn');
SAVEPOINT a;
UPDATE lr.leads SET stage_name = 'MQL' WHERE id = 5;
ROLLBACK TO a;
SELECT is(lr.lead('5') || ', ' || lr.places(), 'unrouted not_ready row, ana 3 3, bo 3 3', 'rolled back: nothing was taken');
SELECT throws_ok('SELECT leadroute.reroute(5)', '55000', 'lead "5" cannot be routed: not_ready', 'reroute() does not get past it');
UPDATE leadroute.flows SET route_when = NULL;
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
SELECT is(lr.lead('5'), 'assigned assigned ana row ana', 'catch_up routes those left when the condition is gone');
UPDATE leadroute.flows SET route_when = '1 / (id - 8) > 5';
INSERT INTO lr.leads (id) VALUES (8);
SELECT is(lr.lead('8'), 'assigned assigned bo row bo', 'one that fails keeps no lead back');
UPDATE leadroute.flows SET route_when = NULL;

-- hold: until a condition, or a time
INSERT INTO leadroute.rules (position, rule, condition, target, hold_until, hold_for) VALUES (1, 'enrich', 'email LIKE ''%@corp''', 'hold', 'employees IS NOT NULL', '5 min');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (2, 'big', 'employees > 500', 'team', 'big');
SET leadroute.clock = '2026-03-02 10:00Z';
INSERT INTO lr.leads (id, email, employees) VALUES (11, 'a@corp', NULL), (12, 'b@corp', NULL), (13, 'c@corp', NULL), (14, 'd@corp', 900), (15, 'e@corp', NULL);
SELECT is(lr.lead('11'), 'waiting held row', 'held');
SELECT is(route_reason, 'rule "enrich" (1): held until 2026-03-02 10:05:00+00 at the latest', 'the reason') FROM lr.leads WHERE id = 11;
SELECT is(lr.lead('14'), 'assigned assigned eve row eve', 'not held when it is there already');
UPDATE lr.leads SET email = 'aa@corp' WHERE id = 11;
SELECT is(lr.lead('11'), 'waiting held row', 'another UPDATE changes nothing');
UPDATE lr.leads SET employees = 1000 WHERE id = 11;
SELECT is(lr.lead('11'), 'assigned assigned eve row eve', 'enriched: decided in that statement');
SELECT is(lr.events('11'), 'decided held, rerouted assigned', 'the events');
UPDATE lr.leads SET employees = 2000 WHERE id = 11;
SELECT is(lr.events('11'), 'decided held, rerouted assigned', 'once');
SET leadroute.clock = '2026-03-02 10:04:59Z';
CALL leadroute.sweep();
SELECT is(lr.lead('12'), 'waiting held row', 'not before its time');
UPDATE lr.leads SET owner = 'bo' WHERE id = 13;
SELECT leadroute.close(15) \g /dev/null
SET leadroute.clock = '2026-03-02 10:05:00Z';
CALL leadroute.sweep();
SELECT is(lr.lead('12'), format('assigned enrichment_timeout %1$s row %1$s', owner), 'then with what is known') FROM lr.leads WHERE id = 12;
SELECT is(lr.events('12'), 'decided held, hold_ended enrichment_timeout', 'the events');
SELECT is(lr.lead('13') || ', ' || lr.lead('15'), 'assigned by_hand bo row bo, waiting held row', 'not what a hand has taken, nor what is closed');
SELECT is((SELECT count(*)::int FROM leadroute.lead_states WHERE held_until IS NOT NULL AND closed_at IS NULL), 0, 'nothing is held any more');

-- reroute_when: an untouched lead is decided again when it turns true
UPDATE leadroute.rules SET reroute_when = 'employees > 500' WHERE rule = 'all';
INSERT INTO lr.leads (id) VALUES (21), (22), (23);
UPDATE lr.leads SET owner = 'ana' WHERE id = 22 AND owner <> 'ana';
UPDATE lr.leads SET owner = 'bo' WHERE id = 22 AND owner = 'ana';
UPDATE lr.leads SET employees = 10 WHERE id IN (21, 22);
SELECT isnt(owner, 'eve', 'not yet') FROM lr.leads WHERE id = 21;
UPDATE lr.leads SET employees = 900 WHERE id IN (21, 22);
SELECT is(lr.lead('21'), 'assigned assigned eve row eve', 'decided again');
SELECT is(lr.events('21'), 'decided assigned, rerouted assigned', 'the events');
SELECT is(split_part(lr.lead('22'), ' ', 2), 'by_hand', 'a hand''s stays');
UPDATE lr.leads SET employees = 10 WHERE id = 21;
UPDATE lr.leads SET employees = 900 WHERE id = 21;
SELECT is(lr.events('21'), 'decided assigned, rerouted assigned', 'of its new rule, which says never');
INSERT INTO lr.leads (id) VALUES (24);
UPDATE leadroute.lead_states SET first_touch_at = now() WHERE lead = '24';
UPDATE lr.leads SET employees = 900 WHERE id = 24;
SELECT is(lr.events('24'), 'decided assigned', 'nor one that somebody has touched');
UPDATE lr.leads SET employees = 900, owner = 'bo' WHERE id = 23;
UPDATE lr.leads SET employees = 900, owner = 'ana' WHERE id = 23;
SELECT is(split_part(lr.lead('23'), ' ', 2), 'by_hand', 'a hand in the same UPDATE goes before');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory and ledger agree');

-- what does not fit together
SELECT throws_ok($$INSERT INTO leadroute.rules (position, rule, target) VALUES (3, 'x', 'hold')$$, '23514', NULL, 'a hold without a time');
SELECT throws_ok($$UPDATE leadroute.rules SET hold_until = 'true' WHERE rule = 'all'$$, '23514', NULL, 'hold_until of another target');
SELECT throws_ok($$UPDATE leadroute.rules SET reroute_when = 'nonsense' WHERE rule = 'all'$$, '42703', NULL, 'a condition is checked when it is written');
SELECT throws_ok($$UPDATE leadroute.flows SET route_when = 'employees'$$, '42804', NULL, 'and its type');
DELETE FROM leadroute.rules WHERE rule <> 'enrich';
UPDATE leadroute.rules SET condition = NULL;
SELECT ok(EXISTS (SELECT FROM leadroute.check_flow() WHERE problem = 'is the last one and holds leads'), 'the last rule may not hold');

SELECT * FROM finish();
ROLLBACK;
