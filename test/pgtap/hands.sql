-- reassign, claim, release, reroute
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, country text, "Owner" text, team text, route_reason text, routed_at timestamptz);
SELECT leadroute.attach('lr.leads', columns => '{"owner": "Owner"}') \g /dev/null
INSERT INTO leadroute.reps (rep, active) VALUES ('ana', true), ('bo', true), ('cy', true), ('dan', true), ('off', false);
INSERT INTO leadroute.queues (queue) VALUES ('desk'), ('spill');
INSERT INTO leadroute.teams (team, overflow) VALUES ('west', 'spill'), ('solo', NULL);
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo'), ('west', 'cy'), ('solo', 'dan');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(1, 'desk', 'country = ''desk''', 'queue', 'desk', 'fallthrough'), (2, 'solo', 'country = ''solo''', 'team', 'solo', 'wait'), (9, 'all', NULL, 'team', 'west', 'fallthrough');
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.status, s.code, s.owner, s.team, s.queue, 'row', l."Owner", l.team)
	FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key
$$;
CREATE FUNCTION lr.places() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', coalesce(nullif(r.team, ''), '-'), r.rep, r.open), ', ' ORDER BY r.team, r.rep)
	FROM (SELECT team, rep, sum(open) AS open FROM leadroute.rotation WHERE rep <> '' GROUP BY team, rep) r WHERE r.open <> 0
$$;
CREATE FUNCTION lr.last_event(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', kind, code, previous_owner || '->' || coalesce(owner, ''), reason, actor) FROM leadroute.events WHERE lead = key ORDER BY id DESC LIMIT 1
$$;

INSERT INTO lr.leads (id) VALUES (1), (2), (3);
INSERT INTO lr.leads (id, country) VALUES (4, 'desk'), (5, 'solo');
SELECT is(lr.lead('1'), 'assigned assigned ana west row ana west', 'a lead');

-- reassign
SELECT is(leadroute.reassign(1, 'bo', 'swap'), true, 'reassign');
SELECT is(lr.lead('1'), 'assigned by_hand bo west row bo west', 'state and row');
SELECT is(lr.last_event('1'), format('reassigned | by_hand | ana->bo | %1$s gave the lead to bo: swap | %1$s', session_user), 'the event');
SELECT is(route_reason, format('%s gave the lead to bo: swap', session_user), 'the row''s reason') FROM lr.leads WHERE id = 1;
SELECT is(lr.places(), 'solo dan 1, west bo 2, west cy 1', 'the places');
SELECT is(leadroute.reassign(1, 'bo'), false, 'the same owner');
SELECT is(count(*)::int, 2, 'is no change') FROM leadroute.events WHERE lead = '1';
UPDATE lr.leads SET email = 'x', "Owner" = 'ana' WHERE id = 1;
SELECT is(lr.lead('1'), 'assigned by_hand bo west row bo west', 'a sync that sends the former owner again changes nothing');
SELECT is(leadroute.reassign('1', 'dan'), true, 'to another team''s rep');
SELECT is(lr.lead('1'), 'assigned by_hand dan row dan', 'who holds it for no team');
SELECT is(lr.places(), '- dan 1, solo dan 1, west bo 1, west cy 1', 'the places');
SELECT throws_ok($$SELECT leadroute.reassign(1, 'nobody')$$, '42704', 'rep "nobody" does not exist', 'no rep');
SELECT throws_ok($$SELECT leadroute.reassign(1, 'off')$$, '55000', 'rep "off" is not active', 'an inactive one');
SELECT throws_ok($$SELECT leadroute.reassign(1, NULL)$$, '22004', 'the rep must not be null', 'NULL');
SELECT throws_ok($$SELECT leadroute.reassign(99, 'bo')$$, 'P0002', 'lead "99" is not in table "leads"', 'no lead');
SELECT is(leadroute.reassign(NULL::bigint, 'bo'), NULL, 'a NULL lead');

-- claim
SELECT is(lr.lead('4'), 'waiting queued desk row', 'in a queue');
SELECT is(leadroute.claim(4, 'cy'), true, 'claimed');
SELECT is(lr.lead('4'), 'assigned claimed cy row cy', 'is his');
SELECT is(leadroute.claim(4, 'cy'), true, 'and stays his');
SELECT is(leadroute.claim(4, 'bo'), false, 'another comes too late');
SELECT is(lr.last_event('4'), format('claimed | claimed | cy took the lead from the queue | %s', session_user), 'the event');
SELECT is(lr.places(), '- cy 1, - dan 1, solo dan 1, west bo 1, west cy 1', 'the places');
INSERT INTO lr.leads (id, country) VALUES (6, 'desk');
SELECT throws_ok($$SELECT leadroute.claim(6, 'off')$$, '55000', 'rep "off" is not active', 'by somebody inactive');

-- release: never back, and the team's overflow queue when everybody had it
SELECT is(leadroute.reassign(1, 'ana'), true, 'back in the team') ;
UPDATE leadroute.rules SET note = 'config is read again';
SELECT isnt(leadroute.release(1, 'not mine'), 'ana', 'released: to somebody else');
SELECT is(s.lapsed, ARRAY['ana']::text[], 'who gave it back is known') FROM leadroute.lead_states s WHERE lead = '1';
SELECT alike(lr.last_event('1'), 'released | assigned | ana->% | ana gave it back: not mine; rule "all" (9): team "west", round robin: %', 'the event');
SELECT leadroute.release(1) \g /dev/null
SELECT is(lr.lead('1'), format('assigned assigned %1$s west row %1$s west', "Owner"), 'again: to the last one') FROM lr.leads WHERE id = 1;
SELECT throws_ok($$SELECT leadroute.reassign(1, 'ana')$$, '55000', 'rep "ana" has let lead "1" lapse before', 'never back');
SELECT is(leadroute.release(1), NULL, 'nobody else is left');
SELECT is(lr.lead('1'), 'waiting all_tried spill row', 'the overflow queue');
SELECT is(cardinality(s.lapsed), 3, 'all three had it') FROM leadroute.lead_states s WHERE lead = '1';
SELECT is(lr.places(), '- cy 1, solo dan 1, west bo 1, west cy 1', 'nobody''s place');
SELECT throws_ok($$SELECT leadroute.release(1)$$, '55000', 'lead "1" has no owner who could release it', 'nobody to release it');
SELECT throws_ok($$SELECT leadroute.claim(1, 'bo')$$, '55000', 'rep "bo" has let lead "1" lapse before', 'nor by claim');
SELECT is(leadroute.claim(1, 'dan'), true, 'another team''s may claim it');
UPDATE lr.leads SET "Owner" = 'bo' WHERE id = 1;
SELECT is(lr.lead('1'), 'assigned by_hand bo row bo', 'an UPDATE by hand may do anything');
-- a team without overflow: its own queue
SELECT is(leadroute.release(5), NULL, 'the only one gives it back');
SELECT is(lr.lead('5'), 'waiting all_tried solo solo row solo', 'waits in the team''s own queue');

-- reroute
INSERT INTO lr.leads (id, country) VALUES (7, 'desk');
SELECT is(leadroute.reroute(7), NULL, 'the rules say the same');
SELECT is(count(*)::int, 1, 'is no change') FROM leadroute.events WHERE lead = '7';
UPDATE lr.leads SET country = 'fr' WHERE id = 7;
SELECT is(lr.lead('7'), 'waiting queued desk row', 'an UPDATE reroutes nothing');
SELECT isnt(leadroute.reroute(7), NULL, 'reroute() does');
SELECT is(lr.lead('7'), format('assigned assigned %1$s west row %1$s west', "Owner"), 'row and state') FROM lr.leads WHERE id = 7;
SELECT is(split_part(lr.last_event('7'), ' | ', 1), 'rerouted', 'the event');
UPDATE lr.leads SET country = 'desk' WHERE id = 7;
SELECT is(leadroute.reroute('7'), NULL, 'back to the queue');
SELECT is(lr.lead('7'), 'waiting queued desk row', 'without an owner');
SELECT is(leadroute.close(7, 'lost'), true, 'closed');
SELECT throws_ok($$SELECT leadroute.reroute(7)$$, '55000', 'lead "7" is closed', 'a closed lead');
SELECT throws_ok($$SELECT leadroute.claim(7, 'bo')$$, '55000', 'lead "7" is closed', 'nor claimed');
SELECT leadroute.deactivate() \g /dev/null
INSERT INTO lr.leads (id) VALUES (8);
SELECT throws_ok($$SELECT leadroute.reroute(8)$$, '55000', 'lead "8" cannot be routed: flow_off', 'the flow is off');
SELECT throws_ok($$SELECT leadroute.claim(8, 'bo')$$, '55000', 'lead "8" does not wait to be claimed', 'nor does it wait');
SELECT leadroute.activate() \g /dev/null
SELECT isnt(leadroute.reroute(8), NULL, 'and on again');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory and ledger agree');

-- over his limits: a hand may, and the event says so
UPDATE leadroute.team_members SET capacity = 1 WHERE rep = 'dan';
SELECT leadroute.reassign(l.id, 'dan') FROM lr.leads l WHERE l.id IN (2, 3) \g /dev/null
INSERT INTO lr.leads (id, country) VALUES (41, 'desk'), (42, 'solo'), (43, 'solo');
SELECT is(lr.lead('42') || ', ' || lr.lead('43'), 'waiting queued_behind solo solo row solo, waiting queued_behind solo solo row solo', 'behind the one that everybody has let lapse');
SELECT is(leadroute.claim(42, 'dan'), true, 'his first');
SELECT is(leadroute.claim(43, 'dan'), true, 'and one more than he may have');
SELECT is((SELECT string_agg(coalesce(over_cap, '-'), ', ' ORDER BY id) FROM leadroute.events WHERE kind = 'claimed' AND lead IN ('42', '43')), '-, capacity 1', 'the event says so');

-- who goes: his open leads are offered to others
DELETE FROM lr.leads;
INSERT INTO lr.leads (id) SELECT generate_series(101, 109);
SELECT is((SELECT count(*)::int FROM lr.leads WHERE "Owner" = 'ana'), 3, 'ana has three');
SELECT is(leadroute.close(l.id), true, 'one is closed') FROM lr.leads l WHERE "Owner" = 'ana' ORDER BY id LIMIT 1;
INSERT INTO leadroute.time_off (rep, during) VALUES ('ana', tstzrange(leadroute.clock() - interval '1 hour', leadroute.clock() + interval '1 hour'));
SELECT is((SELECT count(*)::int FROM lr.leads WHERE "Owner" = 'ana'), 3, 'leave begins: they are hers');
CALL leadroute.sweep();
SELECT is((SELECT string_agg("Owner" || n, ' ' ORDER BY "Owner") FROM (SELECT "Owner", count(*) AS n FROM lr.leads GROUP BY 1) x), 'ana1 bo4 cy4', 'until the sweep; the closed one stays');
SELECT is((SELECT string_agg(DISTINCT split_part(reason, ';', 1), '') FROM leadroute.events WHERE kind = 'offered'), 'ana is away', 'the reason');
SELECT is((SELECT count(*)::int FROM leadroute.lead_states WHERE lapsed IS NOT NULL AND lead::int > 100), 0, 'she has let none lapse');
UPDATE leadroute.teams SET on_leave = 'at_once' WHERE team = 'west';
UPDATE leadroute.reps SET active = false WHERE rep = 'bo';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT is((SELECT string_agg("Owner" || n, ' ' ORDER BY "Owner") FROM (SELECT "Owner", count(*) AS n FROM lr.leads GROUP BY 1) x), 'ana1 cy8', 'deactivated: at once, when that commits');
UPDATE leadroute.teams SET on_leave = 'keep' WHERE team = 'west';
UPDATE leadroute.reps SET active = true WHERE rep = 'bo';
UPDATE leadroute.reps SET active = false WHERE rep = 'cy';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
CALL leadroute.sweep();
SELECT is((SELECT count(*)::int FROM lr.leads WHERE "Owner" = 'cy'), 8, 'keep');
UPDATE leadroute.teams SET on_leave = 'sweep' WHERE team = 'west';
UPDATE leadroute.reps SET active = false WHERE rep = 'bo';
CALL leadroute.sweep();
SELECT is((SELECT count(*)::int FROM lr.leads WHERE "Owner" = 'cy'), 8, 'what nobody else can have stays');
UPDATE leadroute.lead_states SET first_touch_at = leadroute.clock() WHERE lead = (SELECT max(id)::text FROM lr.leads WHERE "Owner" = 'cy');
UPDATE leadroute.reps SET active = true WHERE rep = 'bo';
CALL leadroute.sweep();
SELECT is((SELECT string_agg("Owner" || n, ' ' ORDER BY "Owner") FROM (SELECT "Owner", count(*) AS n FROM lr.leads GROUP BY 1) x), 'ana1 bo7 cy1', 'and so does one that somebody has touched');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'shared memory and ledger agree');

-- a table without output columns, uuid keys, several flows in one table
SELECT leadroute.detach('lr.leads') \g /dev/null
CREATE TABLE lr.units (id uuid, unit text);
INSERT INTO leadroute.flows (flow) VALUES ('u1'), ('u2');
INSERT INTO leadroute.reps (flow, rep) VALUES ('u1', 'x'), ('u2', 'x'), ('u2', 'y');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('u1', 1, 'all', 'rep', 'x'), ('u2', 1, 'all', 'rep', 'x');
SELECT leadroute.attach('lr.units', flow => 'u1', flow_column => 'unit') \g /dev/null
SELECT leadroute.activate('u1'), leadroute.activate('u2') \g /dev/null
INSERT INTO lr.units VALUES ('00000000-0000-0000-0000-000000000001', 'u2');
SELECT is(leadroute.reassign('00000000-0000-0000-0000-000000000001'::uuid, 'y', flow => 'u1'), true, 'the row''s flow decides');
SELECT is((SELECT string_agg(concat_ws(' ', flow, owner, code), ', ') FROM leadroute.lead_states WHERE flow ~ '^u'), 'u2 y by_hand', 'without columns to write');

SELECT * FROM finish();
ROLLBACK;
