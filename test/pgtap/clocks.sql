-- clocks: when they start and are due, touches, pauses, hand-overs, closing, keys
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, source text, tier int, stage text, submitted_at timestamptz, first_touch_at timestamptz,
	owner text, sla_due_at timestamptz, lead_status text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('office', 'UTC'), ('owl', 'UTC');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'office', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'owl', d, '20:00', '23:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.reps (rep, manager) VALUES ('mia', NULL), ('ana', 'mia'), ('bo', 'mia'), ('cy', 'mia');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.queues (queue) VALUES ('pool');
INSERT INTO leadroute.stages (stage, position) VALUES ('new', 10), ('contacted', 20), ('on hold', 30);
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'pool', 'source = ''pool''', 'queue', 'pool'), (2, 'all', NULL, 'team', 'west');
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, calendar, pause_stages, on_change) VALUES
	('demo', 10, 'source IN (''demo'', ''pool'')', 'first_touch', '10 min', NULL, '{}', 'keep'),
	('day', 20, 'source = ''day''', 'first_touch', '8 hours', 'office', '{on hold}', 'keep'),
	('gold', 30, 'source = ''tier'' AND tier = 1', 'first_touch', '1 hour', NULL, '{}', 'retroactive'),
	('tin', 40, 'source = ''tier''', 'first_touch', '1 day', NULL, '{}', 'restart'),
	('owl', 50, 'source = ''owl''', 'first_touch', '1 hour', NULL, '{}', 'keep');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES
	('demo', '50%', 'remind', 'owner'), ('demo', '10 min', 'notify', 'manager'), ('demo', '30 min', 'reassign', NULL), ('day', '50%', 'remind', 'owner'), ('day', 'due + 1 hour', 'reassign', NULL);
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('test', '{breached,reminder,resolved,no_show}');
SELECT leadroute.activate() \g /dev/null

-- a lead's clocks in one line, with everything written that waits
CREATE FUNCTION lr.clocks(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT max(id)::text FROM lr.leads));
	RETURN (SELECT string_agg(concat_ws(' ', c.policy || c.round, c.owner, c.state, c.rep_state, to_char(c.due_at, 'Dy HH24:MI'), 'rep ' || to_char(c.rep_due_at, 'Dy HH24:MI'),
				'by ' || c.ended_by, c.breach_reason), '; ' ORDER BY c.policy, c.round)
			FROM leadroute.clock_states c WHERE c.lead = key);
END $$;
CREATE FUNCTION lr.next(key text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', to_char(c.next_at, 'Dy HH24:MI'), c.steps_done::text), '; ' ORDER BY c.policy, c.round) FROM leadroute.clocks c WHERE c.lead = key
$$;
CREATE FUNCTION lr.steps(key text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', to_char(s.due_at, 'Dy HH24:MI'), s.action), ', ' ORDER BY s.due_at)
	FROM leadroute.clocks c CROSS JOIN LATERAL leadroute.clock_steps(c) s WHERE c.lead = key
$$;

-- in time
SET leadroute.clock = '2026-03-06 12:00Z';	/* a Friday */
INSERT INTO lr.leads (id, source, submitted_at) VALUES (1, 'demo', NULL);
SELECT is(lr.clocks('1'), 'demo1 ana open open Fri 12:10 rep Fri 12:10', 'a clock starts with the lead');
SELECT is(sla_due_at, '2026-03-06 12:10Z', 'the row says when it is due') FROM lr.leads WHERE id = 1;
SELECT is(sla_due_at, '2026-03-06 12:10Z', 'and the state') FROM leadroute.lead_states WHERE lead = '1';
SELECT is(lr.steps('1'), 'Fri 12:05 remind, Fri 12:10 notify, Fri 12:30 reassign', 'its steps');
SELECT is(lr.next('1'), 'Fri 12:05', 'a sweep looks at it with the first step');
SET leadroute.clock = '2026-03-06 12:05Z';
SELECT is(lr.clocks('1'), 'demo1 ana at_risk at_risk Fri 12:10 rep Fri 12:10', 'at risk from the first step on');
SET leadroute.clock = '2026-03-06 12:10Z';
SELECT is(state, 'at_risk', 'at the deadline it is in time') FROM leadroute.clock_states WHERE lead = '1';
SET leadroute.clock = '2026-03-06 12:10:00.000001Z';
SELECT is(format('%s %s', state, colour), 'breached red', 'and then not, swept or not') FROM leadroute.clock_states WHERE lead = '1';
SELECT is(leadroute.touch(1, 'automatic_email'), false, 'automatic mail does not count');
SELECT is(leadroute.touch(1, 'note'), false, 'nor does a note');
UPDATE leadroute.touch_kinds SET min_seconds = 20 WHERE kind = 'call';
SELECT is(leadroute.touch(1, 'call', seconds => 5), false, 'nor a perfunctory call');
SELECT is(leadroute.touch(1, 'call'), false, 'nor one of which no length is told');
SELECT is(lr.clocks('1'), 'demo1 ana breached breached Fri 12:10 rep Fri 12:10', 'it runs on');
SELECT is(leadroute.touch(1, 'call', seconds => 25), true, 'a real one does');
SELECT is(lr.clocks('1'), 'demo1 ana breached breached Fri 12:10 rep Fri 12:10 by call no_response', 'too late');
SELECT is(leadroute.touch(1, 'email', '2026-03-06 12:04Z', 'ana'), true, 'told late that it was in time');
SELECT is(lr.clocks('1'), 'demo1 ana met met Fri 12:10 rep Fri 12:10 by email', 'breached turns to met');
SELECT is(reason, 'first_touch of policy demo: met after all, email at 2026-03-06 12:04:00+00 was told late', 'with an event') FROM leadroute.events WHERE lead = '1' AND kind = 'clock' AND code = 'met';
SELECT is(first_touch_at, '2026-03-06 12:04Z', 'the first touch is the earliest') FROM leadroute.lead_states WHERE lead = '1';
SELECT throws_ok('SELECT leadroute.touch(1, ''fax'')', '42704', 'touch kind "fax" does not exist', 'an unknown kind');
SELECT throws_ok('SELECT leadroute.touch(4711)', 'P0002', 'lead "4711" is not in table "leads"', 'an unknown lead');
SELECT is(leadroute.touch(NULL::text), NULL, 'no lead');

-- born late: submitted 09:00, inserted 12:00, target 10 min
SET leadroute.clock = '2026-03-06 12:00Z';
DELETE FROM leadroute.outbox;
INSERT INTO lr.leads (id, source, submitted_at) VALUES (2, 'demo', '2026-03-06 09:00Z');
SELECT is(lr.clocks('2'), 'demo1 bo breached open Fri 09:10 rep Fri 12:10 sync_delay', 'breached at birth for the policy, open for the rep');
SELECT is(lr.next('2'), 'Fri 12:30 {"10 min notify manager","50% remind owner"}', 'steps that were due are skipped, the reassignment keeps its distance from the assignment');
SELECT is(extract(epoch FROM system_delay) / 60, 180.0, 'system delay 180 min') FROM leadroute.clock_states WHERE lead = '2';
SELECT is(count(*)::int, 1, 'exactly one notice') FROM leadroute.outbox WHERE aggregateid = '2';
SELECT is(format('%s %s', kind, code), 'breached sync_delay', 'one row') FROM leadroute.events WHERE lead = '2' AND kind NOT IN ('decided', 'stage');
SET leadroute.clock = '2026-03-06 12:04Z';
SELECT is(leadroute.touch(2, 'email'), true, 'touched four minutes after the insert');
SELECT is(lr.clocks('2'), 'demo1 bo breached met Fri 09:10 rep Fri 12:10 by email sync_delay', 'the rep has met his deadline');
SELECT is(human_delay, '4 min'::interval, 'human delay') FROM leadroute.clock_states WHERE lead = '2';
-- steps skipped, deadline not over
INSERT INTO lr.leads (id, source, submitted_at) VALUES (3, 'demo', '2026-03-06 11:58Z');
SELECT is(lr.clocks('3'), 'demo1 ana at_risk open Fri 12:08 rep Fri 12:14', 'late by half of the target');
SELECT is(lr.next('3'), 'Fri 12:08 {"50% remind owner"}', 'one step is skipped');
SELECT is(format('%s %s', kind, code), 'skipped sync_delay', 'and told') FROM leadroute.events WHERE lead = '3' AND kind NOT IN ('decided', 'stage');
SET leadroute.clock = '2026-03-06 12:09Z';
SELECT is(leadroute.clock_breach('default', '3', 'demo', 1), 'sync_delay', 'breached while the rep is in time: the delay''s fault');
SELECT is(leadroute.clock_breach('default', '3', 'demo', 1), NULL, 'told once');
SELECT leadroute.clock_step_done('default', '3', 'demo', 1, '{10 min notify manager}') \g /dev/null
SELECT is(lr.next('3'), 'Fri 12:34 {"50% remind owner","10 min notify manager"}', 'what is left');
-- too old
INSERT INTO lr.leads (id, source, submitted_at) VALUES (4, 'demo', '2026-02-03 12:00Z');
SELECT is(lr.clocks('4'), NULL, 'older than max_backdate: no clock');
SELECT is(format('%s %s', s.status, e.code), 'assigned too_old', 'routed, and an event') FROM leadroute.lead_states s JOIN leadroute.events e USING (lead) WHERE lead = '4' AND e.kind = 'sla';
SELECT ok(bool_or(verdict = 'too_old'), 'explain() says so') FROM leadroute.explain(4);
SELECT ok(bool_or(item = 'clock' AND name = 'demo' AND verdict = 'starts past due'), 'and which clocks would start') FROM leadroute.explain(2);

-- pauses: 8 h by the office's hours from Friday 09:00
SET leadroute.clock = '2026-03-06 09:00Z';
INSERT INTO lr.leads (id, source) VALUES (5, 'day');
SELECT is(lr.clocks('5'), 'day1 ana open open Fri 17:00 rep Fri 17:00', 'eight hours of work');
SET leadroute.clock = '2026-03-06 16:00Z';
UPDATE lr.leads SET stage = 'on hold' WHERE id = 5;
SELECT is(lr.clocks('5'), 'day1 ana paused paused Fri 17:00 rep Fri 17:00', 'paused');
SELECT is(lr.steps('5'), 'Fri 13:00 remind', 'what was due before it is still due');
SET leadroute.clock = '2026-03-09 10:00Z';
SELECT is(state, 'paused', 'and stays so over its deadline') FROM leadroute.clock_states WHERE lead = '5';
SELECT is(format('%s %s', leadroute.sla_state(NULL, '2026-03-06 16:00Z', NULL, NULL, '2026-03-09 10:00Z'), leadroute.sla_state('cancelled', NULL, NULL, NULL, '2026-03-09 10:00Z')), ' cancelled', 'where there is no rep, nothing of his stands still');
UPDATE lr.leads SET stage = 'new' WHERE id = 5;
SELECT is(lr.clocks('5'), 'day1 ana at_risk at_risk Mon 11:00 rep Mon 11:00', 'resumed on Monday at 10: due at 11');
SELECT is((SELECT to_char(s.due_at, 'Dy HH24:MI') FROM leadroute.clocks c CROSS JOIN LATERAL leadroute.clock_steps(c) s WHERE c.lead = '5' AND s.action = 'reassign'), 'Mon 12:00', 'steps moved with it');
SELECT is(started_at, '2026-03-06 09:00Z', 'the start did not') FROM leadroute.clocks WHERE lead = '5';
SELECT is(sla_due_at, '2026-03-09 11:00Z', 'the state says so') FROM leadroute.lead_states WHERE lead = '5';
SET leadroute.clock = '2026-03-09 10:00:00.1Z'; UPDATE lr.leads SET stage = 'on hold' WHERE id = 5;
SET leadroute.clock = '2026-03-09 10:00:00.4Z'; UPDATE lr.leads SET stage = 'new' WHERE id = 5;
SET leadroute.clock = '2026-03-09 10:00:00.5Z'; UPDATE lr.leads SET stage = 'on hold' WHERE id = 5;
SET leadroute.clock = '2026-03-09 10:00:00.9Z'; UPDATE lr.leads SET stage = 'new' WHERE id = 5;
SELECT is(due_at, '2026-03-09 11:00Z', 'paused and resumed twice in a second: nothing changed') FROM leadroute.clocks WHERE lead = '5';
-- what is missed stays missed
SET leadroute.clock = '2026-03-09 11:30Z'; UPDATE lr.leads SET stage = 'on hold' WHERE id = 5;
SET leadroute.clock = '2026-03-09 13:30Z'; UPDATE lr.leads SET stage = 'new' WHERE id = 5;
SELECT is(due_at, '2026-03-09 11:00Z', 'a pause after the deadline does not move it') FROM leadroute.clocks WHERE lead = '5';

-- who waits has a clock, and gets its rep's deadline with its owner
SET leadroute.clock = '2026-03-06 12:00Z';
INSERT INTO lr.leads (id, source) VALUES (6, 'pool');
SELECT is(lr.clocks('6'), 'demo1 open Fri 12:10', 'nobody has it: no rep is late');
SELECT is(lr.steps('6'), 'Fri 12:05 remind, Fri 12:10 notify', 'and it can be taken from nobody');
SET leadroute.clock = '2026-03-06 12:20Z';
SELECT leadroute.claim(6, 'bo') \g /dev/null
SELECT is(lr.clocks('6'), 'demo1 bo breached open Fri 12:10 rep Fri 12:30', 'claimed');
SELECT is(lr.steps('6'), 'Fri 12:50 reassign', 'what had passed is skipped');
SELECT is(leadroute.clock_breach('default', '6', 'demo', 1), 'routing', 'it waited for somebody');
SELECT is(assigned_at, '2026-03-06 12:20Z', 'assigned when it got its first owner') FROM leadroute.lead_states WHERE lead = '6';
-- another owner: the clock is kept, but he is given the distance
SET leadroute.clock = '2026-03-06 12:25Z';
SELECT leadroute.reassign(6, 'cy', 'swap') \g /dev/null
SELECT is(lr.clocks('6'), 'demo1 bo breached at_risk Fri 12:10 rep Fri 12:30 routing', 'kept');
SELECT is(lr.steps('6'), 'Fri 12:55 reassign', 'nobody loses a lead right after he got it');

-- restart and retroactive, by another owner and another policy
INSERT INTO lr.leads (id, source, tier) VALUES (7, 'tier', 3);
SET leadroute.clock = '2026-03-06 13:25Z';
SELECT leadroute.reassign(7, 'cy', 'swap') \g /dev/null
SELECT is(lr.clocks('7'), 'tin1 bo superseded superseded Sat 12:25 rep Sat 12:25 by owner cy; tin2 cy open open Sat 13:25 rep Sat 13:25', 'restart opens the next round');
UPDATE lr.leads SET tier = 1 WHERE id = 7;
SELECT is(lr.clocks('7'), 'gold1 cy open open Fri 14:25 rep Fri 14:25; tin1 bo superseded superseded Sat 12:25 rep Sat 12:25 by owner cy; tin2 cy superseded superseded Sat 13:25 rep Sat 13:25 by policy gold', 'another policy holds');
SET leadroute.clock = '2026-03-06 13:55Z';
SELECT leadroute.reassign(7, 'ana', 'swap') \g /dev/null
SELECT is((SELECT lr.clocks('7') ~ 'gold1 cy superseded superseded Fri 14:25 rep Fri 14:25 by owner ana; gold2 ana at_risk open Fri 14:25 rep Fri 14:55'), true, 'retroactive: from the old start, and for the new owner from now');
SET leadroute.clock = '2026-03-06 14:30Z';
SELECT leadroute.reassign(7, 'cy', 'swap') \g /dev/null
SELECT is(format('%s %s', outcome, rep_outcome), 'breached superseded', 'an outcome that was earned stays') FROM leadroute.clocks WHERE lead = '7' AND policy = 'gold' AND round = 2;
-- a touch in time of the first owner, told when the second has it
SET leadroute.clock = '2026-03-06 12:00Z';
INSERT INTO lr.leads (id, source, tier) VALUES (17, 'tier', 3);
SET leadroute.clock = '2026-03-07 12:30Z';
SELECT leadroute.reassign(17, 'cy', 'lapsed') \g /dev/null
SELECT ok(lr.clocks('17') ~ 'tin1 .* breached breached .*; tin2 cy open open', 'the first one let it lapse');
SELECT is(leadroute.touch(17, 'email', '2026-03-06 13:00Z'), true, 'which he had not');
SELECT ok(lr.clocks('17') ~ 'tin1 .* met met .*; tin2 cy cancelled cancelled .* by email told late', 'his clock is met, the next one was for nothing');

-- reasons
UPDATE leadroute.reps SET capacity = 1 WHERE rep = 'cy';
SET leadroute.clock = '2026-03-06 12:00Z';
INSERT INTO lr.leads (id, source) VALUES (8, 'owl'), (9, 'owl');
SELECT leadroute.reassign(8, 'cy') \g /dev/null
UPDATE leadroute.clocks SET owner = 'cy' WHERE lead = '8';
SELECT pg_stat_get_xact_numscans('leadroute.rotation'::regclass) AS scans \gset
SELECT is(leadroute.breach_reason(c, '2026-03-06 13:01Z'), 'overload', 'a full owner') FROM leadroute.clocks c WHERE lead = '8';
SELECT is(pg_stat_get_xact_numscans('leadroute.rotation'::regclass), :scans::bigint, 'for which nobody reads the ledger, where each lead since the last sweep has a row');
UPDATE leadroute.reps SET capacity = 100 WHERE rep = 'cy';
SELECT is(leadroute.breach_reason(c, '2026-03-06 13:01Z'), 'no_response', 'he has room for one more') FROM leadroute.clocks c WHERE lead = '8';
UPDATE leadroute.reps SET capacity = 1 WHERE rep = 'cy';
UPDATE leadroute.reps SET calendar = 'owl' WHERE rep = (SELECT owner FROM lr.leads WHERE id = 9);
SELECT is(leadroute.breach_reason(c, '2026-03-06 13:01Z'), 'after_hours', 'an owner who is off shift') FROM leadroute.clocks c WHERE lead = '9';
UPDATE leadroute.reps SET calendar = NULL;
SELECT is(leadroute.breach_reason(c, '2026-03-06 13:01Z'), 'no_response', 'one who just did not') FROM leadroute.clocks c WHERE lead = '9';

-- put away, and back again
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (0, 'away', 'lead_status = ''Nurture''', 'nurture', NULL);
INSERT INTO lr.leads (id, source) VALUES (18, 'demo');
SELECT ok(lr.clocks('18') ~ '^demo1 .* open open Fri 12:10 rep Fri 12:10$', 'a lead');
UPDATE lr.leads SET lead_status = 'Nurture' WHERE id = 18;
SELECT leadroute.reroute(18) \g /dev/null
SELECT ok(lr.clocks('18') ~ '^demo1 .* cancelled cancelled .* by nurture$', 'is put away: nothing is due');
SET leadroute.clock = '2026-03-09 12:00Z';
UPDATE lr.leads SET lead_status = NULL WHERE id = 18;
SELECT leadroute.reassign(18, 'bo') \g /dev/null
SELECT ok(lr.clocks('18') ~ '^demo1 .*; demo2 bo open open Mon 12:10 rep Mon 12:10$', 'and has a clock again when it comes back');
SET leadroute.clock = '2026-03-06 12:00Z';

-- closing and re-opening
SELECT leadroute.close(9, 'lost') \g /dev/null
SELECT ok(lr.clocks('9') ~ 'cancelled cancelled Fri 13:00 .* by closed: lost', 'closed: cancelled');
SET leadroute.clock = '2026-03-06 12:40Z';
SELECT leadroute.reopen(9) \g /dev/null
SELECT ok(lr.clocks('9') ~ 'open open Fri 13:40', 're-opened: the time in between was a pause');
-- keys, rows that go and come back
UPDATE lr.leads SET id = 99 WHERE id = 9;
SELECT ok(lr.clocks('99') ~ 'owl1 .* open open Fri 13:40' AND lr.clocks('9') IS NULL, 'clocks go with the key');
DELETE FROM lr.leads WHERE id = 99;
SELECT ok(lr.clocks('99') ~ 'cancelled .* by closed: deleted', 'a deleted row''s are cancelled');
INSERT INTO lr.leads (id, source) VALUES (99, 'owl');
SELECT ok(lr.clocks('99') ~ 'owl1 .* open open Fri 13:40', 'and go on when it comes back');
WITH gone AS (DELETE FROM lr.leads WHERE id = 99 RETURNING *) INSERT INTO lr.leads SELECT * FROM gone;
SELECT ok(lr.clocks('99') ~ 'owl1 .* open open Fri 13:40', 'a reload changes nothing');

-- a column tells: first_touch_at, a condition, a success
SET leadroute.clock = '2026-03-06 12:00Z';
INSERT INTO lr.leads (id, source) VALUES (10, 'demo'), (11, 'demo');
SET leadroute.clock = '2026-03-06 15:00Z';
UPDATE lr.leads SET first_touch_at = '2026-03-06 12:03Z' WHERE id = 10;
SELECT ok(lr.clocks('10') ~ 'demo1 .* met met .* by recorded', 'first_touch_at in the row is a touch');
UPDATE lr.leads SET first_touch_at = '2026-03-06 12:03Z', email = 'x' WHERE id = 10;
SELECT is(count(*)::int, 1, 'one, however often it is sent') FROM leadroute.events WHERE lead = '10' AND kind = 'touched';
UPDATE leadroute.flows SET touched_when = 'lead_status = ''Working''';
UPDATE lr.leads SET lead_status = 'Working' WHERE id = 11;
SELECT ok(lr.clocks('11') ~ 'demo1 .* breached breached .* by recorded', 'a status is one, now');
INSERT INTO leadroute.sla_policies (policy, position, metric, target, success) VALUES ('decide', 10, 'decision', '2 days', 'lead_status = ''Qualified''');
INSERT INTO lr.leads (id, source) VALUES (12, 'none');
UPDATE lr.leads SET lead_status = 'Qualified' WHERE id = 12;
SELECT ok(lr.clocks('12') ~ 'decide1 .* met met .* by success', 'a success condition stops its clock');
INSERT INTO lr.leads (id, source) VALUES (112, 'none'), (113, 'none');
SELECT leadroute.accept(112) \g /dev/null
SELECT ok(lr.clocks('112') ~ 'decide1 .* met met .* by accepted', 'accept() is a decision');
INSERT INTO leadroute.rejection_reasons (code, reason, action) VALUES ('BAD', 'not for us', 'archive');
SELECT leadroute.reject(113, 'BAD', 'no') \g /dev/null
SELECT ok(lr.clocks('113') ~ 'decide1 .* met met .* by rejected', 'reject() is one');
DELETE FROM leadroute.sla_policies WHERE policy = 'decide';

-- next_touch: after each touch, at most three times, until a reply
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, max_rounds) VALUES ('follow', 10, 'source = ''follow''', 'next_touch', '2 days', 3);
SET leadroute.clock = '2026-03-02 12:00Z';
INSERT INTO lr.leads (id, source) VALUES (13, 'follow'), (14, 'follow');
SELECT is(lr.clocks('13'), NULL, 'none before the first touch');
SELECT leadroute.touch(13, 'email') \g /dev/null
SELECT ok(lr.clocks('13') ~ '^follow1 .* open open Wed 12:00', 'it starts with it');
SET leadroute.clock = '2026-03-03 12:00Z';
SELECT leadroute.touch(13, 'email') \g /dev/null
SELECT leadroute.touch(13, 'automatic_email') \g /dev/null
SELECT ok(lr.clocks('13') ~ '^follow1 .* met met .*; follow2 .* open open Thu 12:00 rep Thu 12:00$', 'the next one');
SET leadroute.clock = '2026-03-03 13:00Z';
SELECT leadroute.touch(13, 'email') \g /dev/null
SET leadroute.clock = '2026-03-03 14:00Z';
SELECT leadroute.touch(13, 'email') \g /dev/null
SELECT is(count(*)::int, 3, 'three at most') FROM leadroute.clocks WHERE lead = '13';
SELECT leadroute.touch(14, 'email') \g /dev/null
SELECT is(leadroute.touch(14, 'reply'), false, 'a reply is no touch');
SELECT ok(lr.clocks('14') ~ '^follow1 .* cancelled cancelled .* by reply$', 'and ends the waiting');

-- stages: entered, left, and how long
INSERT INTO leadroute.sla_policies (policy, position, metric, target, clock_start, stage, calendar) VALUES ('stay', 10, 'stage_age', 'end of day + 1', 'stage_entered', 'contacted', 'office');
SET leadroute.clock = '2026-03-06 12:00Z';
INSERT INTO lr.leads (id, source) VALUES (15, 'none');
SELECT is(lr.clocks('15'), NULL, 'it is in another stage');
UPDATE lr.leads SET stage = 'contacted' WHERE id = 15;
SELECT ok(lr.clocks('15') ~ 'stay1 .* open open Mon 17:00', 'the close of the next business day');
UPDATE lr.leads SET stage = 'on hold' WHERE id = 15;
SELECT ok(lr.clocks('15') ~ 'stay1 .* met met Mon 17:00 .* by stage on hold', 'it left');
UPDATE lr.leads SET stage = 'contacted' WHERE id = 15;
SELECT ok(lr.clocks('15') ~ 'stay1 .* met met .*; stay2 .* open open', 'and came again');
INSERT INTO lr.leads (id, source, stage) VALUES (115, 'none', 'contacted');
SELECT ok(lr.clocks('115') ~ 'stay1 .* open open Mon 17:00', 'a lead that arrives in it');

-- meetings
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('book', 10, 'meeting', '3 days'), ('held', 10, 'meeting_held', '30 min');
INSERT INTO lr.leads (id, source) VALUES (16, 'none');
DELETE FROM leadroute.outbox;
SELECT leadroute.signal(16, 'meeting_booked', '2026-03-06 12:00Z', detail => '{"meeting_at": "2026-03-10T15:00Z"}') \g /dev/null
SELECT ok(lr.clocks('16') ~ 'book1 .* met met .* by meeting_booked; held1 .* open open Tue 15:30', 'booked');
SELECT leadroute.meeting_signal('default', '16', 'rebooked', '2026-03-06 12:40Z', '2026-03-11 15:00Z') \g /dev/null
SELECT ok(lr.clocks('16') ~ 'held1 .* superseded superseded .*; held2 .* open open Wed 15:30', 'rebooked');
SET leadroute.clock = '2026-03-11 15:31Z';
SELECT is(leadroute.clock_breach('default', '16', 'held', 2), 'no_show', 'thirty minutes after its time');
SELECT is(string_agg(payload->>'recipient_role', ','), 'owner', 'the owner hears of it') FROM leadroute.outbox WHERE type = 'no_show';
SELECT leadroute.meeting_signal('default', '16', 'rebooked', '2026-03-11 16:00Z', '2026-03-12 15:00Z') \g /dev/null
SELECT leadroute.meeting_signal('default', '16', 'no_show', '2026-03-12 15:20Z') \g /dev/null
SELECT is(string_agg(format('%s %s', payload->>'recipient_role', recipient), ',' ORDER BY id), (SELECT format('owner %1$s,owner %1$s,manager mia', owner) FROM leadroute.lead_states WHERE lead = '16'), 'the second one tells the manager') FROM leadroute.outbox WHERE type = 'no_show';
SELECT leadroute.meeting_signal('default', '16', 'rebooked', '2026-03-12 16:00Z', '2026-03-13 15:00Z') \g /dev/null
SELECT leadroute.meeting_signal('default', '16', 'meeting_held', '2026-03-13 15:45Z') \g /dev/null
SELECT ok(lr.clocks('16') ~ 'held4 .* met met', 'held');

-- savepoints and upserts leave no trace
SET leadroute.clock = '2026-03-06 12:00Z';
CREATE TEMP TABLE before AS SELECT * FROM leadroute.clocks;
SAVEPOINT a;
INSERT INTO lr.leads (id, source) VALUES (20, 'demo');
SELECT ok(lr.clocks('20') IS NOT NULL, 'a clock');
ROLLBACK TO a;
INSERT INTO lr.leads (id, source) VALUES (12, 'demo') ON CONFLICT DO NOTHING;
INSERT INTO lr.leads (id, source) VALUES (12, 'demo'), (13, 'demo') ON CONFLICT (id) DO UPDATE SET email = 'again';
SAVEPOINT b;
SELECT leadroute.touch(3, 'email') \g /dev/null
ROLLBACK TO b;
SELECT bag_eq('SELECT * FROM leadroute.clocks', 'SELECT * FROM before', 'rolled back, or not inserted: no clock, no change');

-- who may
CREATE ROLE lr_nobody; CREATE ROLE lr_rep;
GRANT USAGE ON SCHEMA lr TO lr_nobody, lr_rep; GRANT UPDATE (email), SELECT (id) ON lr.leads TO lr_rep;
SET ROLE lr_nobody;
SELECT throws_ok('SELECT leadroute.touch(3, ''email'')', '42501', NULL, 'who may not update the row may not touch the lead');
SELECT throws_ok('SELECT leadroute.lead_touched(''default'', ''3'', ''email'', now())', '42501', NULL, 'nor by the back door');
RESET ROLE;
SET ROLE lr_rep;
SELECT is(leadroute.touch(3, 'email'), true, 'who may, may');
RESET ROLE;
-- a state that is taken away takes its clocks along
SELECT leadroute.reassign(12, 'ana') \g /dev/null
INSERT INTO lr.leads (id, source) VALUES (24, 'demo');
SELECT ok(lr.clocks('24') IS NOT NULL, 'a clock');
DELETE FROM lr.leads WHERE id = 24;
SELECT lr.clocks('24') \g /dev/null
DELETE FROM leadroute.lead_states WHERE lead = '24';
INSERT INTO lr.leads (id, source) VALUES (24, 'demo');
SELECT ok(lr.clocks('24') ~ 'demo1 .* open open', 'and the lead begins anew');
-- COPY
COPY lr.leads (id, source) FROM stdin;
25	demo
26	day
27	none
\.
SELECT is(concat_ws(' | ', lr.clocks('25') ~ 'demo1', lr.clocks('26') ~ 'day1', lr.clocks('27') ~ 'demo|day'), 't | t | f', 'COPY starts clocks');

-- activities
CREATE TABLE lr.tasks (id int PRIMARY KEY, who_id bigint, type text, completed_at timestamp, owner_id text);
SELECT is(leadroute.attach_activities('lr.tasks', '{"lead": "who_id"}'), 'touches of flow "default" come from lr.tasks (lead who_id, kind type, at completed_at, by owner_id)', 'attached');
INSERT INTO lr.leads (id, source) VALUES (21, 'demo'), (22, 'demo'), (23, 'demo');
INSERT INTO lr.tasks VALUES (1, 21, 'Email', '2026-03-06 12:00', 'ana'), (2, 22, 'Automatic e-mail', '2026-03-06 12:00', 'ana'), (3, 22, 'note', NULL, NULL), (4, 4711, 'email', NULL, NULL);
SELECT ok(lr.clocks('21') ~ 'met met .* by email', 'an activity is a touch');
SELECT ok(lr.clocks('22') ~ 'open open', 'of a kind that counts');
UPDATE lr.tasks SET type = 'visit' WHERE id = 3;
SELECT ok(lr.clocks('22') ~ 'met met .* by visit', 'an UPDATE may make it one');
UPDATE lr.tasks SET type = 'visit', owner_id = owner_id WHERE id = 3;
SELECT is(count(*)::int, 1, 'and says it once') FROM leadroute.events WHERE lead = '22' AND kind = 'touched';
SELECT throws_ok($$SELECT leadroute.attach_activities('lr.tasks', '{"lead": "nobody"}')$$, '42703', NULL, 'a column that is not there');
SELECT throws_ok($$SELECT leadroute.attach_activities('lr.tasks', '{"what": "id"}')$$, '22023', NULL, 'a name that is not known');
SELECT is(leadroute.detach_activities('lr.tasks'), 'touches come from lr.tasks no more; those that did stay', 'detached');
INSERT INTO lr.tasks VALUES (5, 23, 'email', NULL, NULL);
SELECT ok(lr.clocks('23') ~ 'open open', 'no more');

-- a batch that comes an hour late, all touched four minutes after it came
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target) VALUES ('five', 60, 'source = ''batch''', 'first_touch', '5 min');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('five', '50%', 'remind', 'owner'), ('five', 'due', 'reassign', NULL);
DELETE FROM leadroute.outbox;
SET leadroute.clock = '2026-03-06 13:00Z';
INSERT INTO lr.leads (id, source, submitted_at) SELECT 1000 + n, 'batch', '2026-03-06 12:00Z'::timestamptz + n * interval '3.6 seconds' FROM generate_series(1, 1000) n;
SET leadroute.clock = '2026-03-06 13:04Z';
SELECT lr.clocks('1001') \g /dev/null
SELECT is(count(*)::int, 0, 'nobody loses a lead before his five minutes are over') FROM leadroute.clocks c CROSS JOIN LATERAL leadroute.clock_steps(c) s
	WHERE c.policy = 'five' AND s.action = 'reassign' AND s.due_at <= '2026-03-06 13:04Z';
SELECT is(count(leadroute.touch(id, 'email')), 1000::bigint, 'all are touched') FROM lr.leads WHERE id > 1000;
SELECT is(format('%s %s', count(*) FILTER (WHERE rep_outcome = 'met'), count(*) FILTER (WHERE rep_outcome <> 'met')), '1000 0', 'every rep is in time') FROM leadroute.clocks WHERE policy = 'five';
SELECT is(format('%s %s', count(*) FILTER (WHERE outcome = 'met'), count(*) FILTER (WHERE breach_reason = 'sync_delay')), '17 983', 'and what was late was the sync''s') FROM leadroute.clocks WHERE policy = 'five';
SELECT is(max(n), 1::bigint, 'one notice a lead') FROM (SELECT count(*) AS n FROM leadroute.outbox WHERE type IN ('breached', 'reminder') GROUP BY aggregateid) o;

-- gone after a full refresh
TRUNCATE lr.leads;
SET leadroute.clock = '2026-03-08 13:04Z';
INSERT INTO lr.leads (id, source) VALUES (2001, 'demo');
SELECT lr.clocks('2001') \g /dev/null
SELECT leadroute.close_gone('default', 100000) \g /dev/null
SELECT ok(lr.clocks('22') IS NOT NULL AND bool_and(c.finished_at IS NOT NULL), 'clocks of leads that are gone are over') FROM leadroute.clocks c WHERE lead <> '2001';

-- a flow whose policies fail still routes
UPDATE leadroute.sla_policies SET calendar = 'gone' WHERE policy = 'demo';
SET client_min_messages = error;
INSERT INTO lr.leads (id, source) VALUES (30, 'demo');
SET client_min_messages = warning;
SELECT ok(owner IS NOT NULL AND sla_due_at IS NULL, 'a calendar that is not there costs the clock, not the lead') FROM lr.leads WHERE id = 30;
SELECT is(c.problem, 'its calendar "gone" does not exist', 'check_flow() says what is wrong') FROM leadroute.check_flow() c WHERE c.object = 'policy "demo"';
-- no policies
DELETE FROM leadroute.sla_policies;
INSERT INTO lr.leads (id, source, sla_due_at) VALUES (31, 'demo', '2020-01-01Z');
SELECT is(lr.clocks('31'), NULL, 'no policies, no clocks');
SELECT is(count(*)::int, 0, 'and no step or kind is left that names none') FROM leadroute.check_flow() c WHERE c.object LIKE 'policy%';
-- what leadroute takes for now is an instant, also in a parallel worker, which reads it before it knows what Z means
SET leadroute.clock = '2026-03-02 10:00 America/New_York';
SELECT is(current_setting('leadroute.clock'), '2026-03-02 15:00:00.000000+00', 'it is kept in digits');
SET leadroute.clock = '2026-03-02 10:00Z';
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE lr.many AS SELECT g FROM generate_series(1, 20000) g;
ANALYZE lr.many;
CREATE FUNCTION lr.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT matches((SELECT string_agg(p, ' ') FROM lr.plan($$SELECT count(*) FROM lr.many WHERE leadroute.clock() = '2026-03-02 10:00Z'$$) p), 'Workers Planned', 'a parallel query');
SELECT is((SELECT count(*) FROM lr.many WHERE leadroute.clock() = '2026-03-02 10:00Z')::int, 20000, 'has the same instant everywhere');
SELECT throws_ok($$SET leadroute.clock = '0044-03-15 BC'$$, '22023', NULL, 'none before our era');
SELECT throws_ok($$SET leadroute.clock = 'infinity'$$, '22023', NULL, 'and none at the end of time');

SELECT * FROM finish();
ROLLBACK;
