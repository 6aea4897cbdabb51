-- clocks that a duplicate's own row starts on its first lead: what is tighter, what is not, touches, hand-overs, UPDATEs, savepoints, upserts, merge, the sweep
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, source text, company text, tier int, submitted_at timestamptz, owner text, duplicate_of text, sla_due_at timestamptz, note text);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('office', 'UTC');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'office', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.reps (rep, manager) VALUES ('mia', NULL), ('ana', 'mia'), ('bo', 'mia');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.queues (queue) VALUES ('pool');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(1, 'trash', $$source = 'trash'$$, 'discard', NULL), (2, 'later', $$source = 'later'$$, 'nurture', NULL), (3, 'pool', $$source = 'pool'$$, 'queue', 'pool'), (9, 'all', NULL, 'team', 'west');
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, calendar, clock_start, on_change) VALUES
	('demo', 10, $$source = 'demo'$$, 'first_touch', '10 min', NULL, 'submitted', 'keep'),
	('day', 20, $$source = 'ebook'$$, 'first_touch', '8 hours', 'office', 'submitted', 'keep'),
	('gold', 30, $$tier = 1$$, 'first_touch', '1 hour', NULL, 'submitted', 'restart'),
	('talk', 40, $$source = 'chat'$$, 'first_touch', '20 min', NULL, 'assigned', 'keep'),
	('verdict', 10, $$source IN ('demo', 'chat')$$, 'decision', '4 hours', NULL, 'submitted', 'keep');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES
	('demo', '50%', 'remind', 'owner'), ('demo', '10 min', 'notify', 'manager'), ('day', '50%', 'remind', 'owner');
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('test', '{breached,reminder,resolved,duplicate}');
SELECT leadroute.activate() \g /dev/null

-- a lead's clocks of one metric in one line
CREATE FUNCTION lr.clocks(key text, metric text DEFAULT 'first_touch') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT max(id)::text FROM lr.leads));
	RETURN (SELECT string_agg(concat_ws(' ', c.policy || c.round, c.state, to_char(c.due_at, 'Dy HH24:MI'), 'by ' || c.ended_by, 'for ' || c.asked_by), '; ' ORDER BY c.policy, c.round)
			FROM leadroute.clock_states c WHERE c.lead = key AND c.metric = clocks.metric);
END $$;
CREATE FUNCTION lr.due(key text) RETURNS text LANGUAGE sql AS $$ SELECT to_char(sla_due_at, 'Dy HH24:MI') FROM leadroute.lead_states WHERE lead = key $$;

-- a person downloads an e-book, and then wants a demo
SET leadroute.clock = '2026-03-06 12:00Z';	/* a Friday */
INSERT INTO lr.leads (id, email, source) VALUES (1, 'kim@acme.example', 'ebook');
SELECT is(lr.clocks('1'), 'day1 open Mon 12:00', 'the first one''s own clock');
SET leadroute.clock = '2026-03-06 12:30Z';
SELECT is((SELECT string_agg(concat_ws(' ', name, verdict, detail), '; ' ORDER BY name) FROM leadroute.explain(jsonb_populate_record(NULL::lr.leads, '{"id": 99, "email": "KIM@acme.example", "source": "demo"}')) WHERE item = 'clock'),
	'demo starts on the first first_touch of lead "1", from 2026-03-06 12:30:00+00: nothing tighter runs there; verdict starts on the first decision of lead "1", from 2026-03-06 12:30:00+00: nothing tighter runs there',
	'explain of a row says which would start');
INSERT INTO lr.leads (id, email, source) VALUES (2, 'KIM@acme.example', 'demo');
SELECT is(lr.clocks('2'), NULL, 'the duplicate has no clock');
SELECT is(lr.clocks('1'), 'day1 open Mon 12:00; demo1 open Fri 12:40 for 2', 'the first one has it');
SELECT is(lr.clocks('1', 'decision'), 'verdict1 open Fri 16:30 for 2', 'of each metric that its row meets');
SELECT is(lr.due('1'), 'Fri 12:40', 'it is due when the first of them is');
SELECT is((SELECT concat_ws(' ', owner, assigned_at = '2026-03-06 12:30Z', started_at = '2026-03-06 12:30Z') FROM leadroute.clocks WHERE lead = '1' AND policy = 'demo'), 'ana t t', 'the first one''s owner has it from then on');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '1' AND kind = 'clock' AND code = 'asked_again' AND reason LIKE '%demo%'),
	'first_touch of policy demo, due 2026-03-06 12:40:00+00: lead 2, a duplicate, meets it', 'an event says why');
SELECT is((SELECT to_char(next_at, 'HH24:MI') FROM leadroute.clocks WHERE lead = '1' AND policy = 'demo'), '12:35', 'a sweep looks at it with its first step');

-- the same policy again, or a looser one, is not tighter
SET leadroute.clock = '2026-03-06 12:36Z';
INSERT INTO lr.leads (id, email, source, note) VALUES (3, 'kim@acme.example', 'demo', 'again'), (4, 'kim@acme.example', 'ebook', 'a'), (5, 'kim@acme.example', 'web', NULL);
SELECT is(lr.clocks('1'), 'day1 open Mon 12:00; demo1 at_risk Fri 12:40 for 2', 'the same, a looser one, none: nothing starts');
SELECT is((SELECT string_agg(concat_ws(' ', name, verdict, detail), '; ' ORDER BY name) FROM leadroute.explain(3) WHERE item = 'clock' AND name = 'demo'),
	'demo is not needed first_touch of lead "1", from 2026-03-06 12:36:00+00: policy demo runs there, due 2026-03-06 12:40:00+00', 'explain says why');
-- tighter is the policy, not the deadline that is left: an e-book's day is nearly over
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (6, 'late@acme.example', 'ebook', '2026-03-05 12:40Z');
SELECT is(lr.clocks('6'), 'day1 at_risk Fri 12:40', 'due in four minutes');
INSERT INTO lr.leads (id, email, tier) VALUES (7, 'late@acme.example', 1);
SELECT is(lr.clocks('6'), 'day1 at_risk Fri 12:40; gold1 open Fri 13:36 for 7', 'a policy of an hour is tighter than one of eight');

-- one touch answers all of it, and then the person asks again
SET leadroute.clock = '2026-03-06 12:39Z';
SELECT is(leadroute.touch(1, 'call'), true, 'a call');
SELECT is(lr.clocks('1'), 'day1 met Mon 12:00 by call; demo1 met Fri 12:40 by call for 2', 'stops both');
SELECT is(lr.clocks('1', 'decision'), 'verdict1 open Fri 16:30 for 2', 'a decision is another matter');
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (8, 'kim@acme.example', 'demo', '2026-03-06 12:38Z');
SELECT is(lr.clocks('1'), 'day1 met Mon 12:00 by call; demo1 met Fri 12:40 by call for 2', 'a request from before the call has been answered');
SET leadroute.clock = '2026-03-06 13:00Z';
INSERT INTO lr.leads (id, email, source) VALUES (9, 'kim@acme.example', 'demo');
SELECT is(lr.clocks('1'), 'day1 met Mon 12:00 by call; demo1 met Fri 12:40 by call for 2; demo2 open Fri 13:10 for 9', 'one from after it opens the next round');
SELECT is(leadroute.accept(1) IS NOT NULL, true, 'accepted');
SELECT is(lr.clocks('1', 'decision'), 'verdict1 met Fri 16:30 by accepted for 2', 'the decision is taken');
SELECT is(leadroute.touch(1, 'call'), true, 'a call');
INSERT INTO lr.leads (id, email, source, note) VALUES (10, 'kim@acme.example', 'chat', 'hello');
SELECT is(lr.clocks('1', 'decision'), 'verdict1 met Fri 16:30 by accepted for 2', 'once: it is accepted');

-- a double click asks for nothing
SET leadroute.clock = '2026-03-06 13:01Z';
INSERT INTO lr.leads (id, email, source) VALUES (20, 'click@acme.example', 'demo');
SELECT leadroute.touch(20, 'call') \g /dev/null
SET leadroute.clock = '2026-03-06 13:02Z';
INSERT INTO lr.leads (id, email, source) VALUES (21, 'click@acme.example', 'demo');
SELECT is(lr.clocks('20'), 'demo1 met Fri 13:11 by call', 'sent again within the replay window');

-- a policy that counts from the assignment counts from when the owner hears of it; without an owner it does not start
INSERT INTO lr.leads (id, email, source) VALUES (22, 'chat@acme.example', 'pool');
INSERT INTO lr.leads (id, email, source) VALUES (23, 'chat@acme.example', 'pool');
SELECT is(lr.clocks('22'), NULL, 'a lead that waits');
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (24, 'chat@acme.example', 'chat', '2026-03-06 12:50Z');
SELECT is(lr.clocks('22'), 'talk1 open Fri 13:22 for 24', 'the duplicate got it an owner, and his clock starts');
SELECT is((SELECT concat_ws(' ', s.status, s.owner = l.owner, s.assigned_at = s.routed_at, s.priority, s.queue_order) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE lead = '22'),
	'assigned t t', 'which leaves nothing of its waiting');

-- discarded by the first request, routed by the second
INSERT INTO lr.leads (id, email, source) VALUES (30, 'trash@acme.example', 'trash'), (31, 'later@acme.example', 'later');
INSERT INTO lr.leads (id, email, source) VALUES (32, 'trash@acme.example', 'demo'), (33, 'later@acme.example', 'demo');
SELECT is(lr.clocks('30'), 'demo1 open Fri 13:12 for 32', 'a lead that was discarded');
SELECT is(lr.clocks('31'), 'demo1 open Fri 13:12 for 33', 'or put away');
INSERT INTO lr.leads (id, email, source) VALUES (34, 'trash2@acme.example', 'trash');
INSERT INTO lr.leads (id, email, source, tier) VALUES (35, 'trash2@acme.example', 'trash', 1);
SELECT is(lr.clocks('34'), NULL, 'what is discarded again has none');

-- a first one that waits and is given out by a duplicate: its own clocks know the rep
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target) VALUES ('pooled', 50, $$source = 'pool'$$, 'first_touch', '2 hours');
INSERT INTO lr.leads (id, email, source) VALUES (36, 'wait@acme.example', 'pool');
SET leadroute.clock = '2026-03-06 13:32Z';
INSERT INTO lr.leads (id, email, source) VALUES (37, 'wait@acme.example', 'web');
SELECT is((SELECT concat_ws(' ', c.policy, c.owner = s.owner, to_char(c.due_at, 'HH24:MI'), to_char(c.rep_due_at, 'HH24:MI')) FROM leadroute.clocks c JOIN leadroute.lead_states s USING (flow, lead) WHERE lead = '36'),
	'pooled t 15:02 15:32', 'the rep''s deadline counts from when he got it');
DELETE FROM leadroute.sla_policies WHERE policy = 'pooled';

-- hand-over and UPDATE of the first one's own row
SET leadroute.clock = '2026-03-06 14:00Z';
INSERT INTO lr.leads (id, email, source) VALUES (40, 'gold@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, tier) VALUES (41, 'gold@acme.example', 1);
UPDATE lr.leads SET source = 'web', tier = 3 WHERE id = 40;
SELECT is(lr.clocks('40'), 'day1 open Mon 14:00; gold1 open Fri 15:00 for 41', 'the first one''s own row does not end what another asked for');
SET leadroute.clock = '2026-03-06 14:10Z';
SELECT leadroute.reassign(40, 'mia') \g /dev/null
SELECT is(lr.clocks('40'), 'day1 open Mon 14:00; gold1 superseded Fri 15:00 by owner mia for 41; gold2 open Fri 15:10 for 41', 'a hand-over does what the policy says');

-- born late: the steps of before are skipped, and the breach is the sync's
SET leadroute.clock = '2026-03-06 14:20Z';
INSERT INTO lr.leads (id, email, source) VALUES (50, 'slow@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (51, 'slow@acme.example', 'demo', '2026-03-06 14:13Z');
SELECT is((SELECT concat_ws(' ', steps_done, to_char(due_at, 'HH24:MI'), to_char(rep_due_at, 'HH24:MI')) FROM leadroute.clocks WHERE lead = '50' AND policy = 'demo'), '{"50% remind owner"} 14:23 14:30', 'steps from before it came are skipped');
SELECT is((SELECT concat_ws(' ', kind, code) FROM leadroute.events WHERE lead = '50' AND code = 'sync_delay'), 'skipped sync_delay', 'with an event');
INSERT INTO lr.leads (id, email, source) VALUES (52, 'slower@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (53, 'slower@acme.example', 'demo', '2026-03-06 12:00Z'), (54, 'slower@acme.example', 'demo', '2026-01-06 12:00Z');
CALL leadroute.sweep(parts => '{asked,steps}');
SELECT is((SELECT string_agg(concat_ws(' ', policy, state, rep_state, breach_reason, asked_by), '; ' ORDER BY policy) FROM leadroute.clock_states WHERE lead = '52' AND metric = 'first_touch'), 'day open open; demo breached open sync_delay 53', 'two hours late is the sync''s fault, two months no request at all');

-- closed: the duplicate is a returning lead with clocks of its own
SELECT leadroute.close(50, 'lost') \g /dev/null
INSERT INTO lr.leads (id, email, source) VALUES (55, 'slow@acme.example', 'demo');
SELECT is(lr.clocks('55'), 'demo1 open Fri 14:30', 'of a closed lead: a returning one, with its own clock');

-- one statement, savepoints, ON CONFLICT
INSERT INTO lr.leads (id, email, source) VALUES (60, 'one@acme.example', 'ebook'), (61, 'one@acme.example', 'demo'), (62, 'one@acme.example', 'demo');
SELECT is(lr.clocks('60'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 61', 'first and duplicates in one statement');
INSERT INTO lr.leads (id, email, source) VALUES (63, 'save@acme.example', 'ebook');
SAVEPOINT s;
INSERT INTO lr.leads (id, email, source) VALUES (64, 'save@acme.example', 'demo');
ROLLBACK TO s;
SELECT is(lr.clocks('63'), 'day1 open Mon 14:20', 'rolled back, it never asked');
SAVEPOINT s;
INSERT INTO lr.leads (id, email, source) VALUES (64, 'save@acme.example', 'demo');
RELEASE s;
SELECT is(lr.clocks('63'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 64', 'released, it did');
INSERT INTO lr.leads (id, email, source) VALUES (65, 'conflict@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, source) VALUES (65, 'conflict@acme.example', 'demo') ON CONFLICT (id) DO NOTHING;
SELECT is(lr.clocks('65'), 'day1 open Mon 14:20', 'the lead itself, sent again, is no duplicate');
CREATE FUNCTION lr.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.note = 'refuse' THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER zzzz_refuse BEFORE INSERT ON lr.leads FOR EACH ROW EXECUTE FUNCTION lr.refuse();
INSERT INTO lr.leads (id, email, source, note) VALUES (66, 'conflict@acme.example', 'demo', 'refuse');
SELECT is(lr.clocks('65'), 'day1 open Mon 14:20', 'a duplicate that is not inserted asks for nothing');
DROP TRIGGER zzzz_refuse ON lr.leads;

-- a condition that cannot be evaluated costs the clock, not the lead
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target) VALUES ('broken', 5, $$1 / (tier - 7) > 0$$, 'first_touch', '1 min');
SET client_min_messages = error;
INSERT INTO lr.leads (id, email, source, tier) VALUES (67, 'conflict@acme.example', 'demo', 7);
SET client_min_messages = warning;
SELECT is((SELECT status FROM leadroute.lead_states WHERE lead = '67') || ' ' || lr.clocks('65'), 'duplicate day1 open Mon 14:20', 'a policy that fails: linked, no clock');
DELETE FROM leadroute.sla_policies WHERE policy = 'broken';

-- what was locked waits for the sweep
INSERT INTO leadroute.pending_clocks (flow, lead, duplicate, policy, started_at, at) VALUES ('default', '65', '67', 'demo', '2026-03-06 14:20Z', '2026-03-06 14:20Z'), ('default', 'nobody', '67', 'demo', '2026-03-06 14:20Z', '2026-03-06 14:20Z');
CALL leadroute.sweep(parts => '{asked}');
SELECT is(lr.clocks('65'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 67', 'the sweep starts it');
SELECT is((SELECT count(*) FROM leadroute.pending_clocks), 0::bigint, 'and is done with it');

-- a touch of the duplicate's own record is one of the person: it stops what runs on the first
SET leadroute.clock = '2026-03-06 15:00Z';
INSERT INTO lr.leads (id, email, source) VALUES (100, 'own@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, source, company) VALUES (101, 'own@acme.example', 'demo', 'b');
SET leadroute.clock = '2026-03-06 15:05Z';
SAVEPOINT s;
SELECT is(leadroute.touch(101, 'call', by => 'ana'), true, 'the duplicate is called');
SELECT is(lr.clocks('100'), 'day1 met Mon 15:00 by call; demo1 met Fri 15:10 by call for 101', 'both clocks of the first are met');
SELECT is((SELECT concat_ws(' | ', reason, path->0->>'duplicate') FROM leadroute.events WHERE lead = '100' AND kind = 'touched'), 'call by ana of lead 101, a duplicate | 101', 'its event says where');
SELECT is((SELECT string_agg(concat_ws(' ', lead, to_char(first_touch_at, 'HH24:MI')), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('100', '101')), '100 15:05, 101 15:05', 'both have their first touch');
SELECT is(lr.clocks('101'), NULL, 'the duplicate has no clocks');
ROLLBACK TO s;
SELECT is(lr.clocks('100'), 'day1 open Mon 15:00; demo1 at_risk Fri 15:10 for 101', 'what rolls back is undone');
SELECT is((SELECT count(*) FROM leadroute.pending_touches), 0::bigint, 'and leaves nothing');
SELECT is(leadroute.touch(101, 'call', '2026-03-06 15:02Z'), true, 'by its own time');
SELECT is((SELECT string_agg(to_char(finished_at, 'HH24:MI'), ' ') FROM leadroute.clocks WHERE lead = '100'), '15:02 15:02', 'they stopped then');
-- what does not count does not, there as here
INSERT INTO leadroute.touch_kinds (kind, counts, min_seconds) VALUES ('glance', false, 0), ('long call', true, 60);
INSERT INTO leadroute.touch_kinds (kind, counts, inbound) VALUES ('answer', false, true);
INSERT INTO lr.leads (id, email, source) VALUES (102, 'own2@acme.example', 'ebook'), (103, 'own2@acme.example', 'demo');
SELECT is(ARRAY[leadroute.touch(103, 'glance'), leadroute.touch(103, 'long call', seconds => 59)], '{f,f}', 'touches that do not count');
SELECT is(lr.clocks('102'), 'day1 open Mon 15:05; demo1 open Fri 15:15 for 103', 'stop nothing');
-- one told late that was before the request does not answer it, whoever's record it stands on
SET leadroute.clock = '2026-03-06 15:06Z';
SELECT is(leadroute.touch(102, 'call', '2026-03-06 15:05:30Z'), true, 'in time');
SELECT is(lr.clocks('102'), 'day1 met Mon 15:05 by call; demo1 met Fri 15:15 by call for 103', 'met');
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (104, 'own3@acme.example', 'ebook', '2026-03-06 14:00Z');
INSERT INTO lr.leads (id, email, source, company) VALUES (105, 'own3@acme.example', 'demo', 'x');
SELECT is(leadroute.touch(104, 'call', '2026-03-06 15:00Z'), true, 'told late, from before the second request');
SELECT is(lr.clocks('104'), 'day1 met Mon 14:00 by call; demo1 open Fri 15:16 for 105', 'who asked again after it still waits');
-- an UPDATE of the duplicate's row, and of both rows by one statement
UPDATE leadroute.flows SET touched_when = $$note = 'called'$$;
UPDATE lr.leads SET note = 'called' WHERE id = 105;
SELECT is(lr.clocks('104'), 'day1 met Mon 14:00 by call; demo1 met Fri 15:16 by recorded for 105', 'touched_when');
INSERT INTO lr.leads (id, email, source) VALUES (106, 'own4@acme.example', 'ebook'), (107, 'own4@acme.example', 'demo');
UPDATE lr.leads SET note = 'called' WHERE id IN (106, 107);
SELECT is(lr.clocks('106'), 'day1 met Mon 15:06 by recorded; demo1 met Fri 15:16 by recorded for 107', 'both rows at once');
-- a meeting booked on the duplicate is the person's
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target) VALUES ('book', 10, $$source = 'ebook'$$, 'meeting', '1 day'), ('held', 10, NULL, 'meeting_held', '1 hour'), ('again', 10, NULL, 'next_touch', '2 days');
INSERT INTO lr.leads (id, email, source) VALUES (108, 'own5@acme.example', 'ebook'), (109, 'own5@acme.example', 'web');
INSERT INTO leadroute.signals (lead, type, at, detail) VALUES ('109', 'meeting_booked', leadroute.clock(), '{"meeting_at": "2026-03-09T10:00:00Z"}');
SELECT is(concat_ws('; ', lr.clocks('108', 'meeting'), lr.clocks('108', 'meeting_held'), lr.clocks('109', 'meeting_held')), 'book1 met Sat 15:06 by meeting_booked; held1 open Mon 11:00', 'the first one''s clocks stop and start');
SELECT is(leadroute.touch(109, 'call'), true, 'a touch');
SELECT is(concat_ws('; ', lr.clocks('108', 'next_touch'), lr.clocks('109', 'next_touch')), 'again1 open Sun 15:06', 'the next one is due on the first, and on no duplicate');
SELECT is(leadroute.touch(109, 'answer'), false, 'the person answers');
SELECT is(lr.clocks('108', 'next_touch'), 'again1 cancelled Sun 15:06 by reply', 'which ends it');
DELETE FROM leadroute.sla_policies WHERE policy IN ('book', 'held', 'again');
-- a pending one; of a duplicate that stands for itself by now there is nothing to tell
INSERT INTO lr.leads (id, email, source) VALUES (110, 'own6@acme.example', 'ebook'), (111, 'own6@acme.example', 'demo');
INSERT INTO leadroute.pending_touches (flow, duplicate, kind, at) VALUES ('default', '111', 'call', leadroute.clock()), ('default', '110', 'call', leadroute.clock()), ('default', '111', 'no such', leadroute.clock());
CALL leadroute.sweep(parts => '{touches}');
SELECT is(lr.clocks('110'), 'day1 met Mon 15:06 by call; demo1 met Fri 15:16 by call for 111', 'the sweep tells it');
SELECT is((SELECT count(*) FROM leadroute.pending_touches), 0::bigint, 'and is done with them');

-- accept_duplicate(): the linked lead's clocks are the first one's, where they are tighter
SET leadroute.clock = '2026-03-06 15:10Z';
INSERT INTO lr.leads (id, email, source) VALUES (120, 'left@acme.example', 'ebook'), (121, 'right@acme.example', 'demo'), (122, 'middle@acme.example', 'ebook');
INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at)
	SELECT 'default', a, b, 1, '{}', now(), now() FROM (VALUES ('120', '121'), ('120', '122')) v(a, b);
SELECT is(leadroute.accept_duplicate(121, 120), '120', 'accepted');
SELECT is(lr.clocks('120'), 'day1 open Mon 15:10; demo1 open Fri 15:20 for 121', 'the first has its clock');
SELECT is(lr.clocks('121'), 'demo1 superseded Fri 15:20 by duplicate of lead 120', 'the duplicate has none that runs');
SELECT is((SELECT concat_ws(' ', l.sla_due_at, s.sla_due_at) FROM lr.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE id = 121), '', 'nor a deadline');
SELECT is(leadroute.accept_duplicate(122, 120), '120', 'another');
SELECT is(lr.clocks('120'), 'day1 open Mon 15:10; demo1 open Fri 15:20 for 121', 'which asks for no more');
UPDATE leadroute.reps SET active = false WHERE rep IN ('ana', 'bo');
INSERT INTO lr.leads (id, email, source) VALUES (123, 'one7@acme.example', 'web'), (124, 'two7@acme.example', 'web');
INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at) VALUES ('default', '123', '124', 1, '{}', now(), now());
SELECT is(leadroute.accept_duplicate(123, 124), '123', 'two that wait for a team');
SELECT is((SELECT concat_ws(' ', status, priority, queue_order) FROM leadroute.lead_states WHERE lead = '124'), 'duplicate', 'one of them waits no more');
SELECT is((SELECT string_agg(d::text, ' ') FROM leadroute.rotation_drift() d), NULL, 'places are those of the leads');
UPDATE leadroute.reps SET active = true WHERE rep IN ('ana', 'bo');

-- keys
SET leadroute.clock = '2026-03-06 14:20Z';
UPDATE lr.leads SET id = 6700 WHERE id = 67;
SELECT is(lr.clocks('65'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 6700', 'the duplicate''s key follows');
UPDATE lr.leads SET id = 6500 WHERE id = 65;
SELECT is(lr.clocks('6500'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 6700', 'and the first one''s');

-- merge: the row is not there, its request is
UPDATE leadroute.flows SET duplicate_policy = 'merge';
INSERT INTO lr.leads (id, email, source) VALUES (70, 'merge@acme.example', 'ebook');
INSERT INTO lr.leads (id, email, source) VALUES (71, 'merge@acme.example', 'demo');
SELECT is(lr.clocks('70'), 'day1 open Mon 14:20; demo1 open Fri 14:30 for 71', 'merged into the first');
SELECT is((SELECT count(*) FROM lr.leads WHERE id = 71), 0::bigint, 'its row is not there');
INSERT INTO lr.leads (id, email, source) VALUES (71, 'merge@acme.example', 'demo');
SELECT is((SELECT count(*) FROM leadroute.clocks WHERE lead = '70'), 3::bigint, 'its next sync asks for nothing');
SELECT is(leadroute.touch(71, 'call'), true, 'a touch of the key that was merged');
SELECT is((SELECT reason FROM leadroute.events WHERE lead = '70' AND kind = 'touched'), 'call by postgres of lead 71, a duplicate', 'is one of the first');

-- a flow without policies asks nothing at all
DELETE FROM leadroute.sla_steps;
DELETE FROM leadroute.sla_policies;
UPDATE leadroute.flows SET duplicate_policy = 'link';
INSERT INTO lr.leads (id, email, source) VALUES (80, 'none@acme.example', 'ebook'), (81, 'none@acme.example', 'demo');
SELECT is(lr.clocks('80'), NULL, 'no policies, no clocks');

SELECT finish();
ROLLBACK;
