-- what sales says of leads: accept, reject, feedback; how leads come back
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, source text, renewal_date date, owner text, team text, stage text, route_reason text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'cold', 'source = ''cold''', 'nurture', NULL), (9, 'all', NULL, 'team', 'west');
SELECT leadroute.load_stages() \g /dev/null
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{rejected,recycled,returned}');
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT max(id)::text FROM lr.leads));
	RETURN (SELECT concat_ws(' ', s.status, s.code, s.owner, 'in', s.stage, s.outcome, 'row', l.owner, l.stage) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key);
END $$;
CREATE FUNCTION lr.times(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', 'returns', to_char(return_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'to', return_to, 'archive', to_char(archive_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'cycle', recycles) FROM leadroute.lead_states WHERE lead = key
$$;
CREATE FUNCTION lr.places() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(format('%s %s', rep, open), ', ' ORDER BY rep) FROM leadroute.rep_load $$;

SET leadroute.clock = '2026-03-02 10:00Z';
INSERT INTO lr.leads (id, source, renewal_date) SELECT n, 'web', CASE n WHEN 7 THEN '2026-08-01'::date WHEN 8 THEN '2025-01-01' WHEN 9 THEN '2026-03-10' END FROM generate_series(1, 12) n;
SELECT is(lr.lead('1') || ', ' || lr.places(), 'assigned assigned ana in new row ana new, ana 6, bo 6', 'leads');

-- accept
SELECT is(leadroute.accept(1), true, 'accepted');
SELECT is(lr.lead('1'), 'assigned assigned ana in sal row ana sal', 'in the stage for that');
SELECT is(leadroute.accept(1), false, 'once');
SELECT is((SELECT concat_ws(' ', code, owner, actor) FROM leadroute.events WHERE lead = '1' AND kind = 'accepted'), 'accepted ana ' || session_user, 'an event');
SELECT is((SELECT accepted_at FROM leadroute.lead_states WHERE lead = '1'), '2026-03-02 10:00Z', 'and the time');

-- reject: a code
SELECT throws_ok('SELECT leadroute.reject(2, NULL)', '22004', 'a lead is not rejected without a code', 'a code is required');
SELECT throws_ok('SELECT leadroute.reject(2, ''NO-01'')', '42704', 'flow "default" has no rejection reason "NO-01"', 'one that is there');
SELECT is(lr.lead('2'), 'assigned assigned bo in new row bo new', 'nothing has happened');

-- nurture
SELECT is(leadroute.reject(2, 'FIT-01', 'three people'), 'nurture', 'too small');
SELECT is(lr.lead('2'), 'nurture rejected in nurture row nurture', 'nobody''s');
SELECT is(lr.times('2'), 'returns to bo archive 2026-09-02 cycle', 'until something happens');
SELECT is(lr.places(), 'ana 6, bo 5', 'its place is free');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '2' AND kind = 'rejected'), session_user || ' rejected it: FIT-01, too small: three people', 'the reason');
SELECT is((SELECT route_reason FROM lr.leads WHERE id = 2), session_user || ' rejected it: FIT-01, too small: three people', 'in the row');
SELECT throws_ok('SELECT leadroute.reject(2, ''FIT-01'')', '55000', 'lead "2" is with nobody who could reject it', 'not twice');
SELECT throws_ok('SELECT leadroute.accept(2)', '55000', 'lead "2" has no owner who could accept it', 'nor accepted');
SELECT is(leadroute.reassign(2, 'ana', 'mine'), true, 'a hand takes it back');
SELECT is(lr.lead('2') || lr.times('2'), 'assigned by_hand ana in nurture row ana nurturereturns to archive cycle', 'and no time runs any more');

-- archive
SELECT is(leadroute.reject(3, 'FIT-02'), 'archive', 'wrong industry');
SELECT is(lr.lead('3'), 'assigned assigned ana in disqualified archived row ana disqualified', 'closed');
SELECT is((SELECT string_agg(kind || ' ' || code, ', ' ORDER BY id) FROM leadroute.events WHERE lead = '3' AND id > (SELECT max(id) FROM leadroute.events WHERE lead = '3' AND kind = 'decided')), 'stage stage_entered, closed archived, stage stage_entered, rejected archived', 'the events');
SELECT throws_ok('SELECT leadroute.reject(3, ''FIT-02'')', '55000', 'lead "3" is closed', 'once');

-- recycle
SELECT is(leadroute.reject(4, 'ENG-01'), 'recycle', 'no response');
SELECT is(lr.lead('4'), 'nurture recycled in recycled row recycled', 'away');
SELECT is(lr.times('4'), 'returns 2026-05-31 to bo archive 2026-09-02 cycle 1', 'for 90 days');
SELECT is((SELECT flag FROM leadroute.rejections WHERE lead = '4'), '0 of 3 touches known', 'flagged: nobody has tried');
SELECT is(leadroute.reject(5, 'ENG-02') || leadroute.reject(6, 'QUAL-01'), 'recyclerecycle', 'others');
SELECT is(lr.times('5') || ', ' || lr.times('6'), 'returns 2026-05-01 to ana archive 2026-09-02 cycle 1, returns 2026-05-31 to bo archive 2026-09-02 cycle 1', '60 and 90 days');
SELECT is(leadroute.reject(7, 'QUAL-02') || leadroute.reject(8, 'QUAL-02') || leadroute.reject(9, 'QUAL-02'), 'recyclerecyclerecycle', 'locked in');
SELECT is(lr.times('7'), 'returns 2026-05-03 to ana archive 2026-09-02 cycle 1', '90 days before the renewal');
SELECT is(lr.times('8'), 'returns 2026-12-02 to bo archive 2026-09-02 cycle 1', 'a date that has passed is none');
SELECT is(lr.times('9'), 'returns 2026-03-02 to ana archive 2026-09-02 cycle 1', 'one that is near: at once');
SELECT is((SELECT string_agg(type || ' ' || (payload->>'reason'), '; ' ORDER BY id) FROM leadroute.outbox WHERE aggregateid = '4'), format('rejected %1$s rejected it: ENG-01, no response after three attempts; recycled %1$s rejected it: ENG-01, no response after three attempts', session_user), 'messages');

-- they come back
CALL leadroute.sweep(parts => '{returns}');
SELECT is(lr.lead('9'), 'assigned returned ana in new row ana new', 'to who had it');
SELECT is(lr.times('9'), 'returns to archive cycle 1', 'the flag stays');
SELECT is((SELECT concat_ws(' ', returned_by, returned_to, returned_at = leadroute.clock()) FROM leadroute.rejections WHERE lead = '9'), 'date ana t', 'noted');
SELECT is(lr.lead('4'), 'nurture recycled in recycled row recycled', 'others not yet');
UPDATE leadroute.reps SET active = false WHERE rep = 'bo';
SET leadroute.clock = '2026-06-01 10:00Z';
CALL leadroute.sweep(parts => '{returns}');
SELECT is(lr.lead('4'), 'assigned assigned ana in new row ana new', 'who had it has gone: as the rules say');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '4' AND kind = 'returned'), 'the date of its return has come; rule "all" (9): team "west", round robin: ana', 'the reason');
SELECT is(lr.lead('5'), 'assigned returned ana in new row ana new', 'who had it is there');
SELECT is((SELECT count(*)::int FROM leadroute.outbox WHERE type = 'returned'), 5, 'messages');
UPDATE leadroute.reps SET active = true WHERE rep = 'bo';

-- the first timer to fire wins
SET leadroute.clock = '2026-09-03 10:00Z';
SELECT is(lr.lead('8'), 'nurture recycled in recycled row recycled', 'away still');
CALL leadroute.sweep(parts => '{returns}');
SELECT is(lr.lead('8'), 'nurture recycled in disqualified archived row disqualified', 'archived before its return');
SELECT is((SELECT archived_at FROM leadroute.rejections WHERE lead = '8'), '2026-09-03 10:00Z', 'noted');
SELECT is((SELECT concat_ws(' ', code, reason) FROM leadroute.events WHERE lead = '8' AND kind = 'closed'), 'archived nothing has come of it in the time that the flow gives it', 'the reason');

-- at most n cycles
UPDATE leadroute.flows SET recycle_limit = 2;
SELECT is(leadroute.reject(5, 'ENG-02'), 'recycle', 'a second time');
SELECT is(lr.times('5'), 'returns 2026-11-02 to ana archive 2027-03-03 cycle 2', 'the second cycle');
SET leadroute.clock = '2026-11-03 10:00Z';
CALL leadroute.sweep(parts => '{returns}');
SELECT is(leadroute.reject(5, 'ENG-02'), 'archive', 'the third is the last');
SELECT is(lr.lead('5'), 'assigned returned ana in disqualified archived row ana disqualified', 'archived');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '5' AND kind = 'closed'), session_user || ' rejected it: ENG-02, bad timing; it was recycled 2 times already', 'and why');

-- the rule target nurture
INSERT INTO lr.leads (id, source) VALUES (20, 'cold');
SELECT is(lr.lead('20'), 'nurture nurtured in nurture row nurture', 'no owner, stage nurture');
SELECT is((SELECT route_reason FROM lr.leads WHERE id = 20), 'rule "cold" (1): nurtured, without an owner', 'the rule''s reason');
SELECT is(lr.times('20'), 'returns to archive 2027-05-03 cycle', 'for six months');
UPDATE lr.leads SET owner = 'bo' WHERE id = 20;
SELECT is(lr.lead('20') || lr.times('20'), 'assigned by_hand bo in nurture row bo nurturereturns to archive cycle', 'unless a hand gives it to somebody');
INSERT INTO lr.leads (id, source) VALUES (21, 'cold');
SET leadroute.clock = '2027-06-03 10:00Z';
CALL leadroute.sweep(parts => '{returns}');
SELECT is(lr.lead('21'), 'nurture nurtured in disqualified archived row disqualified', 'then it is archived');
UPDATE leadroute.flows SET archive_after = NULL;
INSERT INTO lr.leads (id, source) VALUES (22, 'cold');
SELECT is(lr.times('22'), 'returns to archive cycle', 'or never');

-- stages that are over
UPDATE leadroute.stages SET max_age = '72 hours', next_stage = 'nurture' WHERE stage = 'contacted';
UPDATE leadroute.stages SET max_age = '1 hour', next_stage = 'opportunity' WHERE stage = 'sql';
INSERT INTO lr.leads (id, stage) VALUES (30, 'contacted'), (31, 'sql');
CALL leadroute.sweep(parts => '{stages}');
SELECT is((SELECT stage FROM lr.leads WHERE id = 30), 'contacted', 'not before its time');
SET leadroute.clock = '2027-06-06 10:00Z';
CALL leadroute.sweep(parts => '{stages}');
SELECT is((SELECT stage FROM lr.leads WHERE id = 30), 'nurture', 'on to the next');
SELECT is((SELECT concat_ws(' ', code, previous_stage, stage, actor) FROM leadroute.events WHERE lead = '30' AND kind = 'stage' ORDER BY id DESC LIMIT 1), 'stage_aged contacted nurture', 'an event');
SELECT is((SELECT stage FROM lr.leads WHERE id = 31), 'sql', 'never past what is required');

-- touches
SELECT leadroute.touch_moves_stage('default', '10') \g /dev/null
SELECT is((SELECT stage FROM lr.leads WHERE id = 10), 'contacted', 'the first touch: new to contacted');
SELECT leadroute.touch_moves_stage('default', '10') \g /dev/null
SELECT is((SELECT string_agg(code, ',' ORDER BY id) FROM leadroute.events WHERE lead = '10' AND kind = 'stage'), 'stage_entered,stage_touched', 'once');

-- clocks: the decision is taken, and nobody is to touch what is away
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('decide', 1, 'decision', '48 hours'), ('touch', 1, 'first_touch', '1 hour');
INSERT INTO lr.leads (id) VALUES (40), (41);
SELECT leadroute.accept(40), leadroute.reject(41, 'ENG-02') \g /dev/null
SELECT results_eq('SELECT concat_ws('' '', lead, policy, outcome, ended_by) COLLATE "default" FROM leadroute.clocks WHERE lead IN (''40'', ''41'') ORDER BY lead, policy',
	ARRAY['40 decide met accepted', '40 touch', '41 decide met rejected', '41 touch cancelled nurture'], 'clocks');

-- feedback
SELECT leadroute.feedback(10, 5, 'more of these'), leadroute.feedback(11, 1) \g /dev/null
SELECT throws_ok('SELECT leadroute.feedback(10, 6)', '22023', 'a lead is rated from 1 to 5', 'one to five');
SELECT is((SELECT string_agg(concat_ws(' ', lead, rating, comment, owner, source, actor), ', ' ORDER BY lead) FROM leadroute.lead_feedback), format('10 5 more of these bo web %1$s, 11 1 ana web %1$s', session_user), 'kept');

-- rights
CREATE ROLE lr_nobody; CREATE ROLE lr_rep;
GRANT USAGE ON SCHEMA lr TO lr_rep, lr_nobody;
GRANT SELECT (id), UPDATE (email) ON lr.leads TO lr_rep;
SET ROLE lr_nobody;
SELECT throws_ok('SELECT leadroute.reject(12, ''FIT-01'')', '42501', NULL, 'not anybody');
SET ROLE lr_rep;
SELECT is(leadroute.accept(12), true, 'who may UPDATE the row');
RESET ROLE;
SAVEPOINT a;
SELECT leadroute.reject(12, 'ENG-02') \g /dev/null
ROLLBACK TO a;
SELECT is(lr.lead('12') || (SELECT count(*) FROM leadroute.rejections WHERE lead = '12'), 'assigned assigned bo in sal row bo sal0', 'rolled back: no trace');
SELECT is((SELECT count(*)::int FROM leadroute.rotation_drift()), 0, 'turns and places agree');

SELECT * FROM finish();
ROLLBACK;
