-- consent: a fact, a condition for giving leads out, kept with each decision
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, opted text, owner text, team text);
SELECT leadroute.attach('lr.leads', columns => '{"consent": "opted"}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo'), ('eve');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('careful');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo'), ('careful', 'eve');
INSERT INTO leadroute.signal_types (signal_type) VALUES ('unsubscribe'), ('visit');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'no', 'NOT facts.consent', 'team', 'careful'), (9, 'all', NULL, 'team', 'west');
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,queued,duplicate,rejected}');
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.status, s.code, s.owner, 'consent', s.consent, 'row', l.owner) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key
$$;

-- a fact
INSERT INTO lr.leads (id, opted) VALUES (1, 'yes'), (2, 'Opted out'), (3, NULL), (4, 'perhaps'), (5, 'GRANTED');
SELECT is(lr.lead('1'), 'assigned assigned ana consent t row ana', 'yes');
SELECT is(lr.lead('2'), 'assigned assigned eve consent f row eve', 'no: a rule reads it');
SELECT is(lr.lead('3') || ', ' || lr.lead('4'), 'assigned assigned bo consent row bo, assigned assigned ana consent row ana', 'nothing is neither, nor is what nobody knows');
SELECT is(lr.lead('5'), 'assigned assigned bo consent t row bo', 'in other words');
SELECT is((SELECT string_agg(concat_ws(' ', lead, consent), ', ' ORDER BY lead) FROM leadroute.events WHERE kind = 'decided'), '1 t, 2 f, 3, 4, 5 t', 'each decision says what it was');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('6', 'unsubscribe', leadroute.clock() - interval '1 day');
INSERT INTO lr.leads (id, opted) VALUES (6, 'yes');
SELECT is(lr.lead('6'), 'assigned assigned eve consent f row eve', 'an unsubscribe goes before the row');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'unsubscribe', leadroute.clock()), ('5', 'visit', leadroute.clock());
SELECT is(lr.lead('1') || ', ' || lr.lead('5'), 'assigned assigned ana consent f row ana, assigned assigned bo consent t row bo', 'and counts when it comes');
SELECT is(leadroute.reassign(5, 'ana'), true, 'a hand');
SELECT is((SELECT consent FROM leadroute.events WHERE lead = '5' AND kind = 'reassigned'), true, 'says it too');

-- demanded
UPDATE leadroute.flows SET require_consent = true;
SELECT count(*) FROM leadroute.outbox \gset before_
INSERT INTO lr.leads (id, opted) VALUES (10, NULL), (11, 'no'), (12, 'yes'), (13, NULL);
SELECT is(lr.lead('10') || ', ' || lr.lead('11'), 'unrouted no_consent consent row, unrouted no_consent consent f row', 'recorded, with nobody');
SELECT is(lr.lead('12'), 'assigned assigned bo consent t row bo', 'with consent');
SELECT is((SELECT string_agg(aggregateid || ' ' || type, ', ' ORDER BY id) FROM leadroute.outbox WHERE aggregateid IN ('10', '11', '12', '13')), '12 assigned', 'and only that one is told of');
SELECT is((SELECT string_agg(kind || ' ' || code, ', ') FROM leadroute.events WHERE lead = '10'), 'recorded no_consent', 'an event');
UPDATE lr.leads SET email = 'x' WHERE id = 10;
SELECT is(lr.lead('10'), 'unrouted no_consent consent row', 'another UPDATE changes nothing');
PREPARE agrees AS UPDATE lr.leads SET opted = 'yes' WHERE id = 10 RETURNING owner;
SELECT results_eq('agrees', ARRAY['ana'], 'the UPDATE that brings consent routes it');
SELECT is(lr.lead('10'), 'assigned assigned ana consent t row ana', 'written');
SELECT throws_ok('SELECT leadroute.reassign(11, ''ana'')', '55000', 'lead "11" cannot be given to anybody without its consent', 'nor by hand');
SELECT throws_ok('SELECT leadroute.reroute(11)', '55000', 'lead "11" cannot be routed: no_consent', 'nor by the rules');
SELECT is((SELECT verdict FROM leadroute.explain(11) WHERE name = 'require_consent'), 'does not hold', 'explain() says why');
UPDATE lr.leads SET opted = 'no' WHERE id = 12;
SELECT is(lr.lead('12'), 'assigned assigned bo consent f row bo', 'taken back: known at once');
SELECT throws_ok('SELECT leadroute.reassign(12, ''ana'')', '55000', NULL, 'and it goes to nobody else');
SELECT leadroute.load_stages() \g /dev/null
SELECT is(leadroute.reject(12, 'FIT-02'), 'archive', 'it can be given back');
SELECT is((SELECT count(*)::int FROM leadroute.outbox WHERE type = 'rejected'), 0, 'in silence');
SAVEPOINT a;
UPDATE lr.leads SET opted = 'yes' WHERE id = 13;
ROLLBACK TO a;
SELECT is(lr.lead('13'), 'unrouted no_consent consent row', 'rolled back: no trace');
UPDATE leadroute.flows SET require_consent = false;
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
SELECT is(lr.lead('13') LIKE 'assigned assigned %', true, 'catch_up routes them when it is no longer demanded');
-- a boolean column, a recycled lead
CREATE TABLE lr.others (id bigint PRIMARY KEY, consent boolean, owner text);
INSERT INTO leadroute.flows (flow, require_consent) VALUES ('b', true);
SELECT leadroute.attach('lr.others', 'b') \g /dev/null
INSERT INTO leadroute.reps (flow, rep) VALUES ('b', 'zoe');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('b', 1, 'z', 'rep', 'zoe');
INSERT INTO leadroute.signal_types (flow, signal_type) VALUES ('b', 'unsubscribe');
INSERT INTO leadroute.rejection_reasons (flow, code, reason, action, return_after) VALUES ('b', 'R', 'later', 'recycle', '1 day');
SELECT leadroute.activate('b') \g /dev/null
INSERT INTO lr.others VALUES (1, true), (2, false), (3, NULL);
SELECT is((SELECT string_agg(concat_ws(' ', code, consent), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE flow = 'b'), 'assigned t, no_consent f, no_consent', 'a boolean');
SET leadroute.clock = '2030-01-01 10:00Z';
INSERT INTO leadroute.signals (flow, lead, type, at) VALUES ('b', '1', 'unsubscribe', '2030-01-01 09:00Z');
SELECT is(leadroute.reject(1, 'R', flow => 'b'), 'recycle', 'recycled');
SET leadroute.clock = '2030-01-03 10:00Z';
SET client_min_messages = error;
CALL leadroute.sweep('b', '{returns}');
SELECT is((SELECT concat_ws(' ', status, owner) FROM leadroute.lead_states WHERE flow = 'b' AND lead = '1'), 'nurture', 'an unsubscribe outlives the engagement');

SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'turns and places agree');
SELECT * FROM finish();
ROLLBACK;
