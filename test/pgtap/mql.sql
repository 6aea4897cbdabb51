-- qualified leads: by points, by high intent, by a meeting, by hand; what was nurtured or recycled comes back
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, employees int, source text, owner text, team text, stage text, score numeric, fit numeric, engagement numeric, route_reason text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, fit_max, engagement_max, borderline) VALUES ('m', 50, 50, 60, 100, 100, 10);
INSERT INTO leadroute.signal_types (signal_type, high_intent) VALUES ('demo_request', true), ('meeting_booked', false), ('visit', false);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('m', 'size', 'fit', 'employees > 100', 90), ('m', 'small', 'fit', 'employees BETWEEN 10 AND 100', 30), ('m', 'huge', 'fit', 'employees > 5000', 10);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, per_event, max_points) VALUES ('m', 'visits', 'engagement', 'visit', 30, true, 90);
UPDATE leadroute.flows SET scoring_model = 'm';
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'cold', 'source = ''cold''', 'nurture', NULL), (9, 'all', NULL, 'team', 'west');
SELECT leadroute.load_stages() \g /dev/null
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{mql,review,returned}');
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT max(id)::text FROM lr.leads));
	RETURN (SELECT concat_ws(' ', s.status, s.code, s.owner, 'in', s.stage, CASE WHEN s.qualified_at IS NOT NULL THEN 'mql' END, s.outcome, 'row', l.owner, l.stage, l.score) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key);
END $$;
CREATE FUNCTION lr.events(key text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', kind, code), ', ' ORDER BY id) FROM leadroute.events WHERE lead = key AND kind IN ('mql', 'review', 'returned', 'decided', 'rejected')
$$;
CREATE FUNCTION lr.signal(lead text, type text, n int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
	INSERT INTO leadroute.signals (lead, type, at) SELECT lead, type, leadroute.clock() FROM generate_series(1, n)
$$;

SET leadroute.clock = '2026-03-02 10:00Z';
-- the matrix: fit alone and engagement alone are nothing
INSERT INTO lr.leads (id, employees) VALUES (1, 500), (2, 1), (3, 500);
SELECT is(lr.lead('1'), 'assigned assigned ana in new row ana new 45.00', 'fit 90, engagement 0: no MQL');
SELECT lr.signal('2', 'visit', 3) \g /dev/null
SELECT is(lr.lead('2'), 'assigned assigned bo in new row bo new 45.00', 'fit 0, engagement 90: no MQL');
SELECT lr.signal('3', 'visit', 2) \g /dev/null
SELECT is(lr.lead('3'), 'assigned assigned ana in mql mql row ana mql 75.00', 'both: an MQL, and its stage');
SELECT is(lr.events('3'), 'decided assigned, mql mql_score', 'an event');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '3' AND kind = 'mql'), 'qualified: score 75.00, fit 90.00, engagement 60.00; threshold 60.00', 'which says why');
SELECT is((SELECT string_agg(type, ',') FROM leadroute.outbox WHERE aggregateid = '3'), 'mql', 'a message');
SELECT is((SELECT mql_at FROM leadroute.lead_states WHERE lead = '3'), '2026-03-02 10:00Z', 'the date');
SELECT lr.signal('3', 'demo_request') \g /dev/null
SELECT is(lr.events('3'), 'decided assigned, mql mql_score', 'once');
SELECT lr.signal('1', 'demo_request') \g /dev/null
SELECT is(lr.lead('1') || ', ' || lr.events('1'), 'assigned assigned ana in mql mql row ana mql 45.00, decided assigned, mql mql_high_intent', 'a demo request is');
SELECT lr.signal('2', 'meeting_booked') \g /dev/null
SELECT is(lr.events('2'), 'decided assigned, mql mql_meeting', 'and so is a booked meeting');
-- at once in the INSERT, and by an UPDATE
SELECT lr.signal('4', 'demo_request'), lr.signal('5', 'visit', 3) \g /dev/null
PREPARE arrives AS INSERT INTO lr.leads (id, employees) VALUES (4, 1) RETURNING stage;
SELECT results_eq('arrives', ARRAY['mql'], 'a signal that came before: an MQL in its INSERT');
SELECT is(lr.events('4'), 'decided assigned, mql mql_high_intent', 'with its event');
INSERT INTO lr.leads (id, employees) VALUES (5, 1);
SELECT is(lr.lead('5'), 'assigned assigned ana in new row ana new 45.00', 'not yet');
PREPARE grows AS UPDATE lr.leads SET employees = 50 WHERE id = 5 RETURNING stage;
SELECT results_eq('grows', ARRAY['mql'], 'the UPDATE that gives it fit');
SELECT is(lr.lead('5') || ', ' || lr.events('5'), 'assigned assigned ana in mql mql row ana mql 60.00, decided assigned, mql mql_score', 'an MQL');
UPDATE lr.leads SET employees = 1 WHERE id = 5;
SELECT is(lr.lead('5'), 'assigned assigned ana in mql mql row ana mql 45.00', 'which it stays');

-- nearly: the review queue
INSERT INTO lr.leads (id, employees) VALUES (10, 500), (11, 500), (12, 50), (13, 500);
SELECT lr.signal('10', 'visit') \g /dev/null
SELECT is(lr.events('10'), 'decided assigned, mql mql_score', '60 is enough');
SELECT is((SELECT count(*)::int FROM leadroute.review_queue), 0, 'nobody in the queue');
SELECT lr.signal('12', 'visit', 3) \g /dev/null
SELECT is(lr.events('12'), 'decided assigned, mql mql_score', '30 and 90 are');
UPDATE leadroute.scoring_models SET threshold = 65;
SELECT lr.signal('11', 'visit') \g /dev/null
SELECT is(lr.lead('11') || ', ' || lr.events('11'), 'assigned assigned ana in new row ana new 60.00, decided assigned, review borderline', 'below the threshold by less than the margin');
SELECT is((SELECT string_agg(concat_ws(' ', lead, score, fit, engagement, owner, stage), ', ') FROM leadroute.review_queue), '11 60.00 90.00 30.00 ana new', 'in the queue');
SELECT is((SELECT count(*)::int FROM leadroute.outbox WHERE type = 'review'), 1, 'a message');
SELECT lr.signal('11', 'unknown') \g /dev/null
SELECT is(lr.events('11'), 'decided assigned, review borderline', 'once');
SELECT is(leadroute.approve(11), true, 'approved');
SELECT is(lr.lead('11') || ', ' || lr.events('11'), 'assigned assigned ana in mql mql row ana mql 60.00, decided assigned, review borderline, mql mql_approved', 'an MQL');
SELECT is(leadroute.approve(11), false, 'once');
SELECT is((SELECT count(*)::int FROM leadroute.review_queue), 0, 'out of the queue');
SELECT lr.signal('13', 'visit') \g /dev/null
SELECT is(leadroute.disqualify(13, 'a student'), true, 'or disqualified');
SELECT is(lr.lead('13'), 'assigned assigned ana in disqualified disqualified row ana disqualified 60.00', 'closed');
SELECT is((SELECT count(*)::int FROM leadroute.review_queue), 0, 'and out of the queue');
SELECT throws_ok('SELECT leadroute.approve(13)', '55000', 'lead "13" is closed', 'not any more');

-- what a rule nurtures is routed when it becomes an MQL
INSERT INTO lr.leads (id, source, employees) VALUES (20, 'cold', 500), (21, 'cold', 500), (22, 'cold', 1);
SELECT is(lr.lead('20'), 'nurture nurtured in nurture row nurture 45.00', 'nurtured');
SELECT lr.signal('20', 'visit', 2) \g /dev/null
SELECT is(lr.lead('20'), 'assigned assigned bo in mql mql row bo mql 75.00', 'by its points: routed, past the rule');
SELECT is(lr.events('20'), 'decided nurtured, mql mql_score, returned assigned', 'the events');
SELECT lr.signal('21', 'demo_request') \g /dev/null
SELECT is(lr.lead('21'), 'assigned assigned ana in mql mql row ana mql 45.00', 'by high intent');
SELECT lr.signal('22', 'visit', 3) \g /dev/null
PREPARE nurtured AS UPDATE lr.leads SET employees = 200 WHERE id = 22 RETURNING owner, stage;
SELECT results_eq('nurtured', $$VALUES ('bo', 'mql')$$, 'by an UPDATE, in that statement');
SELECT is(lr.lead('22') || ', ' || lr.events('22'), 'assigned assigned bo in mql mql row bo mql 90.00, decided nurtured, returned assigned, mql mql_score', 'written');
SELECT lr.signal('23', 'demo_request') \g /dev/null
INSERT INTO lr.leads (id, source, employees) VALUES (23, 'cold', 1);
SELECT is(lr.lead('23'), 'assigned assigned ana in mql mql row ana mql 0.00', 'one that comes as an MQL is not nurtured at all');

-- recycled: fit stays, engagement begins anew
SET leadroute.clock = '2026-03-02 10:30Z';
SELECT is(leadroute.reject(3, 'ENG-02'), 'recycle', 'recycled');
SELECT is((SELECT concat_ws(' ', status, stage, qualified_at, mql_at IS NOT NULL, engagement_since) FROM leadroute.lead_states WHERE lead = '3'), 'nurture recycled t ' || '2026-03-02 10:30:00Z'::timestamptz, 'no MQL; the date of the first time stays');
SET leadroute.clock = '2026-03-03 10:00Z';
SELECT leadroute.rescore('default', '3') \g /dev/null
SELECT is((SELECT concat_ws(' ', fit, engagement) FROM leadroute.lead_states WHERE lead = '3'), '90.00 0.00', 'the fit stays, the engagement is gone');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('3', 'demo_request', '2026-03-01 10:00Z');
SELECT is(lr.lead('3'), 'nurture recycled in recycled row recycled 45.00', 'a signal from before, told late, is none');
SELECT lr.signal('3', 'demo_request') \g /dev/null
SELECT is(lr.lead('3'), 'assigned returned ana in mql mql row ana mql 45.00', 'high intent brings it back at once, to who had it');
SELECT is((SELECT concat_ws(' ', returned_by, returned_to) FROM leadroute.rejections WHERE lead = '3'), 'high_intent ana', 'noted');
SELECT is((SELECT concat_ws(' ', recycles, return_at, archive_at, mql_at = '2026-03-02 10:00Z') FROM leadroute.lead_states WHERE lead = '3'), '1 t', 'the flag and the date stay, no time runs');
SELECT is((SELECT concat_ws(' ', recycled, returned, returned_by_intent) FROM leadroute.recycling_report WHERE code = 'ENG-02'), '1 1 1', 'measured by code');
SELECT is(leadroute.reject(10, 'ENG-02'), 'recycle', 'another');
UPDATE leadroute.reps SET active = false WHERE rep = 'bo';
SET leadroute.clock = '2026-03-04 10:00Z';
SELECT lr.signal('10', 'visit', 3) \g /dev/null
SELECT is(lr.lead('10'), 'assigned assigned ana in mql mql row ana mql 90.00', 'by points too; who had it has gone, so the rules say');
UPDATE leadroute.reps SET active = true WHERE rep = 'bo';

-- rejected and nurtured: by more than it had, or what is new
SELECT is(leadroute.reject(20, 'FIT-01') || leadroute.reject(21, 'FIT-01'), 'nurturenurture', 'too small');
SELECT leadroute.rescore('default', '20'), leadroute.rescore('default', '21') \g /dev/null
SELECT is(lr.lead('20') || ', ' || lr.lead('21'), 'nurture rejected in nurture row nurture 75.00, nurture rejected in nurture row nurture 45.00', 'what it has does not bring it back');
SET leadroute.clock = '2026-03-05 10:00Z';
UPDATE lr.leads SET employees = 900 WHERE id = 20;
SELECT is(lr.lead('20'), 'nurture rejected in nurture row nurture 75.00', 'nor an UPDATE that changes no points');
PREPARE growth AS UPDATE lr.leads SET employees = 9000 WHERE id = 20 RETURNING owner, stage;
SELECT results_eq('growth', $$VALUES ('bo', 'mql')$$, 'it has grown: back to who had it, in that statement');
SELECT is(lr.lead('20') || ', ' || (SELECT returned_by || ' ' || returned_to FROM leadroute.rejections WHERE lead = '20'), 'assigned returned bo in mql mql row bo mql 80.00, qualified bo', 'noted');
SELECT lr.signal('21', 'demo_request') \g /dev/null
SELECT is(lr.lead('21'), 'assigned returned ana in mql mql row ana mql 45.00', 'or a new demo request');

-- conditions
UPDATE leadroute.flows SET route_when = 'facts.is_mql';
INSERT INTO lr.leads (id, employees) VALUES (40, 500);
SELECT is(lr.lead('40'), 'unrouted not_ready in new row new 45.00', 'the usual recipe: not before it is an MQL');
SELECT lr.signal('40', 'demo_request') \g /dev/null
SELECT is(lr.lead('40') LIKE 'assigned assigned % in mql mql row % mql 45.00', true, 'the signal routes it');
SELECT is(lr.events('40') LIKE '%mql mql_high_intent%', true, 'once');
SELECT is((SELECT count(*)::int FROM leadroute.events WHERE lead = '40' AND kind = 'mql'), 1, 'one event');
UPDATE leadroute.flows SET route_when = NULL;
-- a model whose criteria read no signals
DELETE FROM leadroute.scoring_criteria WHERE signal_type IS NOT NULL;
INSERT INTO lr.leads (id, employees) VALUES (50, 1);
SELECT lr.signal('50', 'demo_request') \g /dev/null
SELECT is(lr.events('50'), 'decided assigned, mql mql_high_intent', 'high intent counts all the same');
SAVEPOINT a;
SELECT lr.signal('13', 'demo_request') \g /dev/null
SELECT is(lr.lead('13'), 'assigned assigned ana in disqualified disqualified row ana disqualified 45.00', 'a closed lead is none');
ROLLBACK TO a;
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'turns and places agree');
SELECT * FROM finish();
ROLLBACK;
