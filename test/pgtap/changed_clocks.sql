-- clocks that run while what they go by changes (calendars, policies, steps), and what CRMs tell of them that cannot be read
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, source text, stage text, owner text, sla_due_at timestamptz);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('office', 'UTC'), ('ny', 'America/New_York');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT c, d, '09:00', '17:00' FROM generate_series(1, 5) d, unnest('{office,ny}'::text[]) c;
INSERT INTO leadroute.reps (rep, manager, calendar) VALUES ('mia', NULL, NULL), ('ana', 'mia', 'office'), ('bo', 'mia', 'ny');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.stages (stage, position) VALUES ('new', 10), ('on hold', 30);
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, calendar, pause_stages) VALUES
	('demo', 10, 'source = ''demo''', 'first_touch', '1 hour', NULL, '{on hold}'),
	('own', 20, 'source = ''own''', 'first_touch', '8 hours', 'owner', '{on hold}'),
	('held', 10, NULL, 'meeting_held', '30 min', NULL, '{}');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('demo', 'due', 'notify', 'manager'), ('own', '50%', 'remind', 'owner');
INSERT INTO leadroute.signal_types (signal_type) VALUES ('meeting_booked'), ('rebooked'), ('meeting_held');
SELECT leadroute.activate() \g /dev/null

CREATE FUNCTION lr.clocks(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', c.policy || c.round, c.state, to_char(c.due_at, 'Dy HH24:MI'), 'by ' || c.ended_by), '; ' ORDER BY c.policy, c.round) FROM leadroute.clock_states c WHERE c.lead = key::text
$$;
CREATE FUNCTION lr.next(key bigint) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(to_char(c.next_at, 'Dy HH24:MI'), '; ') FROM leadroute.clocks c WHERE c.lead = key::text $$;
CREATE FUNCTION lr.fired(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s late %s', f.step, to_char(f.late_by, 'HH24:MI')), ', ' ORDER BY f.due_at, f.step) FROM leadroute.sla_fired f WHERE f.lead = key::text
$$;
-- what a statement warns of
CREATE FUNCTION lr.quietly(statement text) RETURNS void LANGUAGE plpgsql SET client_min_messages = error AS $$ BEGIN EXECUTE statement; END $$;

-- spans that no calendar can measure, or that end before they begin
SELECT throws_ok(format('UPDATE leadroute.sla_policies SET target = %L WHERE policy = ''demo''', t), '23514', NULL, 'no target: ' || t)
FROM unnest('{-5 min,2147483647 days,2000000000 hours,36526 days,2 days -25 hours,-1 day +48 hours,1 year,0}'::text[]) t;
SELECT throws_ok(format('INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES (''demo'', %L, ''remind'', ''owner'')', t), '23514', NULL, 'no time of a step: ' || t)
FROM unnest('{-5 min,due + 2147483647 days,due - 2000000000 hours,2 days -25 hours,due + 1 mon}'::text[]) t;
SELECT lives_ok(format('UPDATE leadroute.sla_policies SET target = %L WHERE policy = ''held''', t), 'a target: ' || t) FROM unnest('{1 ms,36525 days,2 days 3 hours,30 min}'::text[]) t;

-- the calendar of a running clock goes: nobody's statement fails for it
SET leadroute.clock = '2026-03-06 12:00Z';	/* a Friday */
INSERT INTO lr.leads (id, source, owner) VALUES (1, 'own', 'ana'), (2, 'own', 'ana'), (3, 'own', 'ana'), (4, 'own', 'ana');
SELECT is(lr.clocks(1), 'own1 open Mon 12:00', 'by the owner''s hours');
UPDATE lr.leads SET stage = 'on hold' WHERE id = 1;
UPDATE leadroute.reps SET calendar = 'ny' WHERE rep = 'ana';
DELETE FROM leadroute.calendar_hours WHERE calendar = 'office';
SET leadroute.clock = '2026-03-06 14:00Z';
SELECT lives_ok('UPDATE lr.leads SET stage = ''new'' WHERE id = 1', 'its calendar has no hours left: it goes on');
SELECT is(lr.clocks(1), 'own1 open Mon 14:00', 'two hours later, around the clock');
DELETE FROM leadroute.calendars WHERE calendar = 'office';
SET leadroute.clock = '2026-03-06 16:30Z';
SELECT lives_ok('CALL leadroute.sweep(parts => ''{steps}'')', 'its calendar is gone');
SELECT is(lr.fired(2), '50% remind owner late 00:30', 'its steps come');
SELECT is((SELECT count(*)::int FROM leadroute.events WHERE kind = 'step_failed'), 0, 'none fails');
SELECT is(leadroute.touch(2), true, 'a touch');
SELECT is(leadroute.reassign(3, 'bo', 'a swap'), true, 'a hand');
SELECT is((SELECT lr.clocks(2)), 'own1 met Mon 12:00 by call', 'in time: the deadline stands');
SET leadroute.clock = '2026-03-09 12:01Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT breach_reason IS NOT NULL FROM leadroute.clocks WHERE lead = '4'), true, 'and is told when it is missed');

-- steps that are written while clocks run
SET leadroute.clock = '2026-03-10 12:00Z';
INSERT INTO lr.leads (id, source, owner) VALUES (11, 'demo', 'bo'), (12, 'demo', 'bo'), (13, 'demo', 'bo');
UPDATE lr.leads SET stage = 'on hold' WHERE id = 13;
SELECT is(lr.next(11), 'Tue 13:00', 'one step, at the deadline');
SET leadroute.clock = '2026-03-10 12:20Z';
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('demo', '10 min', 'remind', 'owner'), ('demo', '30 min', 'remind', 'owner');
CALL leadroute.sweep();
SELECT is(lr.fired(11), NULL, 'what has passed does not come at once');
SELECT is(lr.next(11), 'Tue 12:30', 'what has not, will');
SELECT is(lr.next(13), NULL, 'nor to one that stands still');
CALL leadroute.sweep(parts => '{clocks}');
SELECT is_empty('SELECT * FROM leadroute.clock_walks', 'all are looked at');
SET leadroute.clock = '2026-03-10 12:31Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.fired(11), '10 min remind owner late 00:21, 30 min remind owner late 00:01', 'with the next one');
SET leadroute.clock = '2026-03-10 13:01Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.next(11), NULL, 'all is done');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('demo', 'due + 2 hours', 'notify', 'director');
CALL leadroute.sweep();
SELECT is(lr.next(11), 'Tue 15:00', 'a clock that nobody looked at any more comes up again');
UPDATE leadroute.sla_steps SET at = 'due + 1 hour', step = 'due + 1 hour' WHERE policy = 'demo' AND step LIKE 'due + 2%';
CALL leadroute.sweep();
SELECT is(lr.next(11), 'Tue 14:00', 'a step that is moved');
DELETE FROM leadroute.sla_steps WHERE policy = 'demo' AND at = 'due + 1 hour';
SET leadroute.clock = '2026-03-10 14:01Z';
CALL leadroute.sweep();
SELECT is(lr.next(11), NULL, 'one that is gone is not done');
SELECT is(lr.fired(11), '10 min remind owner late 00:21, 30 min remind owner late 00:01, due notify manager late 00:01', 'each once');
SET leadroute.clock = '2026-03-10 14:10Z';
UPDATE lr.leads SET stage = 'new' WHERE id = 13;
SELECT is(lr.next(13), 'Tue 14:20', 'one that goes on has them too, moved by its pause');
-- batches go on where the last one stopped, by key
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('demo', 'due + 10 hours', 'remind', 'owner');
SELECT results_eq($$SELECT done, more FROM leadroute.walk_clocks('default', 2)$$, $$VALUES (1::bigint, true)$$, 'the first two leads that have a running clock');
SELECT results_eq($$SELECT done, more FROM leadroute.walk_clocks('default', 2)$$, $$VALUES (1::bigint, true)$$, 'the next');
SELECT is((SELECT string_agg(lr.next(n), ' ' ORDER BY n) FROM unnest('{11,12}'::bigint[]) n), 'Tue 23:00 Tue 23:00', 'of both the step is known');

-- a policy that is deleted, or renamed: the deadline stands, without steps
UPDATE leadroute.sla_steps SET policy = 'other' WHERE policy = 'demo';
UPDATE leadroute.sla_policies SET policy = 'other' WHERE policy = 'demo';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SET leadroute.clock = '2026-03-11 12:00Z';
CALL leadroute.sweep(parts => '{clocks,steps}');
SELECT is(lr.clocks(13), 'demo1 breached Tue 15:10', 'missed');
SELECT is((SELECT breached_at IS NOT NULL AND breach_reason IS NOT NULL FROM leadroute.clocks WHERE lead = '13'), true, 'and told');
SELECT is(lr.fired(13), NULL, 'its steps are another policy''s now');
SELECT is((SELECT count(*)::int FROM leadroute.sla_status WHERE policy = 'demo'), 3, 'analysts see it');
UPDATE lr.leads SET stage = 'on hold' WHERE id = 13;
SELECT is(leadroute.touch(13), true, 'a touch stops it');

-- touches of which a column cannot be read cost no other
CREATE TABLE lr.act (lead text, kind text, at text, seconds text);
SELECT leadroute.attach_activities('lr.act', '{"at": {"column": "at", "timezone": "America/New_York"}}') \g /dev/null
SET leadroute.clock = '2026-03-11 13:00Z';
INSERT INTO lr.leads (id, source, owner) SELECT n, 'demo', 'bo' FROM generate_series(21, 25) n;
UPDATE leadroute.sla_policies SET condition = 'source = ''demo''' WHERE policy = 'other';
SET leadroute.clock = '2026-03-11 13:40Z';
SELECT lr.quietly($$INSERT INTO lr.act VALUES ('21', 'call', '2026-03-11 13:02Z', '30'), ('22', 'call', 'some day', '30'), ('23', 'call', '2026-03-11 13:03Z', 'long'), ('24', 'call', '2026-03-11 09:04', NULL)$$) \g /dev/null
SELECT results_eq($$SELECT lead, at FROM leadroute.events WHERE kind = 'touched' AND lead IN ('21', '22', '23', '24') ORDER BY lead$$,
	$$VALUES ('21' COLLATE "C", '2026-03-11 13:02Z'::timestamptz), ('24', '2026-03-11 13:04Z')$$, 'those that can be read; one without a zone is of the column''s');
CREATE TABLE lr.calls (lead bigint, at bigint, seconds interval);
SELECT throws_ok($$SELECT leadroute.attach_activities('lr.calls', '{"kind": {"constant": "call"}}')$$, '42804', 'column "at" of table lr.calls says no time: it is of type bigint', 'a number is no time');
SELECT leadroute.attach_activities('lr.calls', '{"kind": {"constant": "call"}, "at": null}') \g /dev/null
INSERT INTO lr.calls VALUES (25, 1773234000000, '1 min 30 s');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '25' AND kind = 'touched'), format('call by %s (90.000000 s)', session_user), 'it is left out; an interval is so many seconds');

-- a meeting without a time that can be read: the signal stays, a WARNING
SELECT lr.quietly($$INSERT INTO leadroute.signals (lead, type, detail) VALUES ('25', 'meeting_booked', '{"meeting_at": "2026-99-99 10:00"}'), ('24', 'meeting_booked', '{"meeting_at": "tomorrow"}'), ('23', 'meeting_booked', '{"meeting_at": "2026-03-12 10:00Z"}')$$) \g /dev/null
SELECT is((SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.signals WHERE type = 'meeting_booked'), '23 24 25', 'no signal is lost');
SELECT is((SELECT string_agg(lead || ' ' || started_at, ' ') FROM leadroute.clocks WHERE metric = 'meeting_held'), '23 2026-03-12 10:00:00+00', 'one of them has a time');
-- moved twice, and held
UPDATE leadroute.flows SET timezone = 'America/New_York';
INSERT INTO leadroute.signals (lead, type, detail) VALUES ('23', 'rebooked', '{"meeting_at": "2026-03-13 10:00"}');
UPDATE leadroute.flows SET timezone = 'UTC';
INSERT INTO leadroute.signals (lead, type, detail) VALUES ('23', 'rebooked', '{"meeting_at": 1773313200000}');
SELECT is((SELECT string_agg(started_at::text, ', ' ORDER BY round) FROM leadroute.clocks WHERE metric = 'meeting_held'), '2026-03-12 10:00:00+00, 2026-03-13 14:00:00+00, 2026-03-12 11:00:00+00',
	'a time without a zone is of the flow''s, whoever tells it; a number counts from 1970');
SET leadroute.clock = '2026-03-12 11:31Z';
CALL leadroute.sweep(parts => '{steps}');
INSERT INTO leadroute.signals (lead, type) VALUES ('23', 'meeting_held');
SELECT is((SELECT string_agg(state || coalesce(' ' || ended_by, ''), ', ' ORDER BY round) FROM leadroute.clock_states WHERE metric = 'meeting_held'),
	'superseded rebooked, superseded rebooked, met meeting_held', 'moved twice: one deadline; told late, it was held after all');

-- clocks that change in the middle of a pause: 8 h of New York from Friday 10:00, paused Friday 16:00 to Monday 10:00, one of them an hour earlier in UTC
SET leadroute.clock = '2026-03-06 15:00Z';
INSERT INTO lr.leads (id, source, owner) VALUES (31, 'own', 'bo');
SET leadroute.clock = '2026-03-06 21:00Z';
UPDATE lr.leads SET stage = 'on hold' WHERE id = 31;
SET leadroute.clock = '2026-03-09 14:00Z';
UPDATE lr.leads SET stage = 'new' WHERE id = 31;
SELECT is((SELECT due_at AT TIME ZONE 'America/New_York' FROM leadroute.clocks WHERE lead = '31'), '2026-03-09 12:00', 'two hours stood still, by the wall');
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, pause_stages) VALUES ('round', 30, 'source = ''round''', 'first_touch', '1 day', '{on hold}');
SET leadroute.clock = '2026-10-31 12:00Z';
INSERT INTO lr.leads (id, source, owner) VALUES (32, 'round', 'bo');
SET leadroute.clock = '2026-11-01 05:30Z';	/* 01:30, for the first time */
UPDATE lr.leads SET stage = 'on hold' WHERE id = 32;
SET leadroute.clock = '2026-11-01 06:30Z';	/* and for the second */
UPDATE lr.leads SET stage = 'new' WHERE id = 32;
SELECT is((SELECT due_at FROM leadroute.clocks WHERE lead = '32'), '2026-11-01 13:00Z', 'around the clock an hour is an hour');

SELECT * FROM finish();
ROLLBACK;
