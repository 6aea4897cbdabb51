-- the steps of deadlines: each once a round, in order, with what was due meanwhile
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, source text, submitted_at timestamptz, owner text);
INSERT INTO leadroute.flows (flow) VALUES ('default');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep, name, manager, backup) VALUES ('a', 'A', 'mia', 'bo'), ('b', 'B', 'mia', 'bo'), ('c', 'C', 'mia', 'bo'), ('bo', 'Bo', NULL, NULL), ('mia', 'Mia', 'dir', NULL), ('dir', 'Dir', NULL, NULL);
INSERT INTO leadroute.queues (queue) VALUES ('lost');
INSERT INTO leadroute.teams (team, channel, overflow) VALUES ('west', '#west', 'lost');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'a'), ('west', 'b'), ('west', 'c');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.load_sla_template('first_contact') \g /dev/null
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,reassigned,queued,reminder,escalated,breached,resolved}');
SELECT leadroute.activate() \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
CREATE FUNCTION lr.fired(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s%s', to_char(due_at AT TIME ZONE 'UTC', 'HH24:MI'), action, recipient, CASE WHEN late_by > '0' THEN ' late ' || to_char(late_by, 'HH24:MI') ELSE '' END), ', ' ORDER BY due_at, step) FROM leadroute.sla_fired WHERE lead = key::text $$;
CREATE FUNCTION lr.told(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', type, recipient), ', ' ORDER BY id) FROM leadroute.outbox WHERE aggregateid = key::text $$;

-- nobody touches the lead: exactly one at 5, 15, 30, 60 minutes
SET leadroute.clock = '2026-03-02 09:00Z';
INSERT INTO lr.leads (id) VALUES (1);
CREATE TABLE lr.was AS SELECT owner FROM lr.leads WHERE id = 1;
SET leadroute.clock = '2026-03-02 09:04:59Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.fired(1), NULL, 'nothing is due');
SET leadroute.clock = '2026-03-02 09:05Z';
CALL leadroute.sweep(parts => '{steps}');
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.fired(1), '09:05 remind ' || owner, 'five minutes') FROM lr.was;
SET leadroute.clock = '2026-03-02 09:15Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-02 09:20Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-02 09:30Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT owner FROM lr.leads WHERE id = 1), owner, 'the lead is his still') FROM lr.was;
SET leadroute.clock = '2026-03-02 10:00Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.fired(1), format('09:05 remind %s, 09:15 notify bo, 09:30 notify mia, 10:00 reassign ', owner), 'exactly one at 5, 15, 30 and 60 minutes') FROM lr.was;
SELECT isnt((SELECT owner FROM lr.leads WHERE id = 1), owner, 'somebody else has it') FROM lr.was;
SELECT is((SELECT lapsed FROM leadroute.lead_states WHERE lead = '1'), ARRAY[owner], 'and he let it lapse') FROM lr.was;
SELECT is((SELECT string_agg(kind, ' ' ORDER BY id) FROM leadroute.events WHERE lead = '1'), 'decided reminder escalated escalated lapsed', 'the events');
SELECT is(lr.told(1), format('assigned %s, reminder %s, escalated bo, escalated mia, reassigned %s', was.owner, was.owner, l.owner), 'the messages') FROM lr.was, lr.leads l WHERE l.id = 1;
SELECT is((SELECT payload ->> 'owner_name' || ' ' || (payload ->> 'previous_owner') FROM leadroute.outbox WHERE aggregateid = '1' AND type = 'reassigned'), upper(l.owner) || ' ' || was.owner, 'what the last says') FROM lr.was, lr.leads l WHERE l.id = 1;
SET leadroute.clock = '2026-03-02 10:00:01Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT matches(lr.told(1), 'reassigned ., breached .$', 'past its deadline it is breached');
SET leadroute.clock = '2026-03-02 18:00Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT count(*) FROM leadroute.sla_fired)::int, 4, 'no step comes twice');

-- the server is down from minute 3 to 75: four rows in order, one reassignment, one message to each
SET leadroute.clock = '2026-03-03 09:00Z';
INSERT INTO lr.leads (id) VALUES (2);
TRUNCATE lr.was;
INSERT INTO lr.was SELECT owner FROM lr.leads WHERE id = 2;
UPDATE leadroute.sla_steps SET recipient = 'manager' WHERE at = '15 min';
SET leadroute.clock = '2026-03-03 10:15Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is(lr.fired(2), format('09:05 remind %s late 01:10, 09:15 notify mia late 01:00, 09:30 notify mia late 00:45, 10:00 reassign  late 00:15', owner), 'four rows in order, with late_by') FROM lr.was;
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '2' AND kind = 'lapsed')::int, 1, 'one reassignment');
SELECT is((SELECT string_agg(type || ' ' || recipient, ', ' ORDER BY type, recipient) FROM leadroute.outbox WHERE aggregateid = '2' AND type IN ('reminder', 'escalated')), 'escalated mia, reminder ' || owner, 'notices to one recipient are one message') FROM lr.was;
SELECT is((SELECT jsonb_array_length(payload -> 'steps') FROM leadroute.outbox WHERE aggregateid = '2' AND type = 'escalated'), 2, 'which names them all');
SELECT is((SELECT late FROM leadroute.sweep_runs WHERE part = 'steps'), interval '1 hour 10 min', 'jobs says how late it was');
SELECT is((SELECT breach_reason IS NOT NULL AND breached_at IS NOT NULL FROM leadroute.clocks WHERE lead = '2'), true, 'and it is breached');

-- a touch stops all of it
SET leadroute.clock = '2026-03-04 09:00Z';
INSERT INTO lr.leads (id) VALUES (3);
SET leadroute.clock = '2026-03-04 09:06Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT leadroute.touch(3, 'call') \g /dev/null
SET leadroute.clock = '2026-03-04 12:00Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT count(*) FROM leadroute.sla_fired WHERE lead = '3')::int, 1, 'what is touched is left alone');
SELECT matches(lr.told(3), 'reminder ., resolved .$', 'who was told hears that it is resolved');

-- A, B, C, and nobody is left: the overflow queue, and the manager is told
DELETE FROM leadroute.sla_steps;
DELETE FROM leadroute.sla_policies;
INSERT INTO leadroute.sla_policies (policy, position, metric, target, on_change) VALUES ('quick', 10, 'first_touch', '10 min', 'restart');
INSERT INTO leadroute.sla_steps (policy, at, action) VALUES ('quick', 'due', 'reassign');
SET leadroute.clock = '2026-03-05 09:00Z';
INSERT INTO lr.leads (id) VALUES (4);
SET leadroute.clock = '2026-03-05 09:10Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-05 09:20Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-05 09:30Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-05 09:40Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT cardinality(lapsed) FROM leadroute.lead_states WHERE lead = '4'), 3, 'three let it lapse');
SELECT is((SELECT count(DISTINCT owner) FROM leadroute.events WHERE lead = '4' AND owner IS NOT NULL)::int, 3, 'each had it once');
SELECT is((SELECT format('%s %s %s', status, code, queue) FROM leadroute.lead_states WHERE lead = '4'), 'waiting all_tried lost', 'it waits in the overflow queue');
SELECT is((SELECT format('%s %s', type, recipient) FROM leadroute.outbox WHERE aggregateid = '4' AND type = 'escalated'), 'escalated mia', 'the manager is told');
SELECT is((SELECT string_agg(round::text || ' ' || result, ', ' ORDER BY round) FROM leadroute.sla_fired WHERE lead = '4' AND round = 3), '3 lost', 'the log says where it went');

-- the other actions
DELETE FROM leadroute.sla_steps;
INSERT INTO leadroute.sla_steps (policy, at, action, argument) VALUES ('quick', '5 min', 'requeue', 'lost');
SET leadroute.clock = '2026-03-06 09:00Z';
INSERT INTO lr.leads (id) VALUES (5);
SET leadroute.clock = '2026-03-06 09:05Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT format('%s %s %s %s', status, code, queue, coalesce(owner, 'nobody')) FROM leadroute.lead_states WHERE lead = '5'), 'waiting requeued lost nobody', 'requeue');
SELECT is((SELECT owner FROM lr.leads WHERE id = 5), NULL, 'the row says so');
SELECT matches(lr.told(5), 'queued ', 'and the message');
/* of a lead that somebody was given, whose team he is not in, and no queue is named */
UPDATE leadroute.sla_steps SET argument = NULL;
SET leadroute.clock = '2026-03-06 10:00Z';
INSERT INTO lr.leads (id) VALUES (500);
SELECT leadroute.reassign(500, 'bo') \g /dev/null
SELECT is((SELECT format('%s %s', owner, coalesce(team, 'no team')) FROM leadroute.lead_states WHERE lead = '500'), 'bo no team', 'given to somebody');
SET leadroute.clock = '2026-03-06 10:06Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT format('%s %s', status, team) FROM leadroute.lead_states WHERE lead = '500'), 'assigned west', 'requeue of a lead without a team: the rules decide');
/* whom the flow wants nobody to have by now: an error would come back for ever */
SET leadroute.clock = '2026-03-06 11:00Z';
SELECT leadroute.close(500, 'lost') \g /dev/null
INSERT INTO lr.leads (id) VALUES (501);
CREATE TEMP TABLE had AS SELECT owner FROM lr.leads WHERE id = 501;
UPDATE leadroute.flows SET route_when = 'id <> 501';
SET leadroute.clock = '2026-03-06 11:06Z';
UPDATE leadroute.lead_states SET team = NULL WHERE lead = '501';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT format('%s %s %s', f.action, f.result, s.owner = h.owner) FROM leadroute.sla_fired f JOIN leadroute.lead_states s USING (flow, lead), had h WHERE lead = '501'), 'requeue not_ready t', 'a lead that is not ready any more stays with who has it');
SELECT is((SELECT count(*)::int FROM leadroute.events WHERE lead = '501' AND kind = 'step_failed'), 0, 'and nothing fails');
UPDATE leadroute.flows SET route_when = NULL;
UPDATE leadroute.sla_steps SET argument = 'lost';
SELECT leadroute.load_stages() \g /dev/null
DELETE FROM leadroute.sla_steps;
INSERT INTO leadroute.sla_steps (policy, at, action, argument) VALUES ('quick', '5 min', 'set_stage', 'contacted'), ('quick', '6 min', 'nurture', NULL);
SET leadroute.clock = '2026-03-07 09:00Z';
INSERT INTO lr.leads (id) VALUES (6);
SET leadroute.clock = '2026-03-07 09:05Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT stage FROM leadroute.lead_states WHERE lead = '6'), 'contacted', 'set_stage');
SET leadroute.clock = '2026-03-07 09:06Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT stage FROM leadroute.lead_states WHERE lead = '6'), 'nurture', 'nurture');

-- an hourly batch of 1,000 with a 5-minute policy, all touched 4 minutes after the insert: nobody loses a lead
DELETE FROM leadroute.sla_steps;
DELETE FROM leadroute.sla_policies;
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('five', 10, 'first_touch', '5 min');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('five', '50%', 'remind', 'owner'), ('five', 'due', 'notify', 'manager'), ('five', 'due', 'reassign', NULL);
SET leadroute.clock = '2026-03-07 12:00Z';
INSERT INTO lr.leads (id, submitted_at) SELECT 1000 + i, '2026-03-07 11:00Z'::timestamptz + i * interval '3 s' FROM generate_series(1, 1000) i;
CREATE TABLE lr.owners AS SELECT id, owner FROM lr.leads WHERE id > 1000;
SET leadroute.clock = '2026-03-07 12:03Z';
UPDATE leadroute.sweep_parts SET batch = 5000 WHERE part = 'steps';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-07 12:04Z';
SELECT count(leadroute.touch(id, 'call')) FROM lr.owners \g /dev/null
SET leadroute.clock = '2026-03-07 12:06Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT count(*) FROM leadroute.sla_fired WHERE action = 'reassign' AND lead::bigint > 1000)::int, 0, 'no reassignment');
SELECT is_empty('SELECT FROM lr.leads l JOIN lr.owners o USING (id) WHERE l.owner <> o.owner', 'each has the owner that it had');
SELECT is((SELECT format('%s of %s', count(*) FILTER (WHERE rep_outcome = 'met'), count(*)) FROM leadroute.clocks WHERE lead::bigint > 1000), '1000 of 1000', 'all reps were in time');
CALL leadroute.sweep(parts => '{reports}');
SELECT is((SELECT string_agg(DISTINCT rep_met_pct::text, ' ') FROM leadroute.sla_compliance WHERE policy = 'five' AND day = '2026-03-07'), '100.0', 'and so the analysts read');
UPDATE leadroute.sweep_parts SET batch = 100 WHERE part = 'steps';
DELETE FROM leadroute.sla_policies;
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('quick', 10, 'first_touch', '10 min');

-- what fails is undone and told, and the others go on
DELETE FROM leadroute.sla_steps;
INSERT INTO leadroute.sla_steps (policy, at, action, argument, recipient) VALUES ('quick', '5 min', 'set_stage', 'nowhere', NULL), ('quick', '7 min', 'remind', NULL, 'owner');
SET leadroute.clock = '2026-03-08 09:00Z';
INSERT INTO lr.leads (id) VALUES (7);
SET leadroute.clock = '2026-03-08 09:02Z';
INSERT INTO lr.leads (id) VALUES (8);
UPDATE leadroute.clocks SET steps_done = ARRAY(SELECT step FROM leadroute.sla_steps WHERE action = 'set_stage') WHERE lead = '8';
SET leadroute.clock = '2026-03-08 09:09Z';
SET client_min_messages = error;
CALL leadroute.sweep(parts => '{steps}');
SET client_min_messages = warning;
SELECT matches(lr.fired(7), '^09:07 remind [a-z]+ late 00:02$', 'a step that fails keeps no other from being done');
SELECT isnt(lr.fired(8), NULL, 'nor the next lead');
SELECT matches((SELECT reason FROM leadroute.events WHERE lead = '7' AND kind = 'step_failed'), '^5 min set_stage nowhere of policy quick: .*"nowhere"', 'it is told');
SELECT is((SELECT next_at FROM leadroute.clocks WHERE lead = '7'), '2026-03-08 09:10:00.000001Z'::timestamptz, 'nor the deadline from being told');
SET leadroute.clock = '2026-03-08 09:11Z';
SET client_min_messages = error;
CALL leadroute.sweep(parts => '{steps}');
SET client_min_messages = warning;
SELECT is((SELECT breached_at FROM leadroute.clocks WHERE lead = '7'), '2026-03-08 09:11Z'::timestamptz, 'which it is');
SELECT is((SELECT next_at FROM leadroute.clocks WHERE lead = '7'), '2026-03-08 09:16Z'::timestamptz, 'and it is tried again later');
SET leadroute.clock = '2026-03-08 10:05Z';
SET client_min_messages = error;
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT next_at FROM leadroute.clocks WHERE lead = '7'), '2026-03-08 10:35Z'::timestamptz, 'less and less often: after half of the time that it is late');
SET leadroute.clock = '2026-03-08 14:05Z';
CALL leadroute.sweep(parts => '{steps}');
SET client_min_messages = warning;
SELECT is((SELECT next_at FROM leadroute.clocks WHERE lead = '7'), '2026-03-08 15:05Z'::timestamptz, 'at least every hour');
INSERT INTO leadroute.stages (stage, position) VALUES ('nowhere', 990);
INSERT INTO leadroute.stage_transitions (from_stage, to_stage) VALUES ('new', 'nowhere');
SET leadroute.clock = '2026-03-08 15:05Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT is((SELECT format('%s %s %s', s.stage, f.late_by, count(*) OVER ()) FROM leadroute.lead_states s JOIN leadroute.sla_fired f USING (flow, lead) WHERE lead = '7' AND f.action = 'set_stage'), 'nowhere 06:00:00 1', 'until it can be done');

-- many at once (tell_leads) and one by one (fire_lead): the same rows
DELETE FROM leadroute.sla_steps;
DELETE FROM leadroute.sla_policies;
INSERT INTO leadroute.sla_policies (policy, position, metric, target, calendar) VALUES ('both', 10, 'first_touch', '10 min', NULL), ('say', 20, 'decision', '10 min', NULL);
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('both', '5 min', 'remind', 'owner'), ('both', '7 min', 'notify', 'backup'), ('both', 'due', 'notify', 'manager'),
	('both', '20 min', 'notify', 'director'), ('both', '12 min', 'notify', 'channel'), ('both', '13 min', 'notify', 'x y'), ('say', 'due', 'notify', 'channel');
UPDATE leadroute.teams SET channel = NULL;
SET leadroute.clock = '2026-03-09 09:00Z';
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
INSERT INTO lr.leads (id, owner) VALUES (20, 'a'), (21, 'a');
UPDATE leadroute.clocks SET steps_done = ARRAY['before'] WHERE policy = 'say';
CREATE FUNCTION lr.written(key text) RETURNS TABLE (line text) LANGUAGE sql AS $$
	SELECT concat_ws(' | ', 'event', e.at, e.kind, e.code, e.owner, e.team, e.reason, e.path) FROM leadroute.events e WHERE e.lead = key AND e.kind <> 'decided'
	UNION ALL SELECT concat_ws(' | ', 'fired', f.policy, f.round, f.step, f.action, f.due_at, f.fired_at, f.late_by, f.owner, f.recipient, f.result) FROM leadroute.sla_fired f WHERE f.lead = key
	UNION ALL SELECT concat_ws(' | ', 'clock', c.policy, c.steps_done, c.next_at, c.breached_at, c.breach_reason, c.finished_at, c.outcome) FROM leadroute.clocks c WHERE c.lead = key
	$$;
SET leadroute.clock = '2026-03-09 09:13:00.5Z';
SELECT told, fired, late FROM leadroute.tell_leads('default', '{20,nobody}', leadroute.clock()) \gset
SELECT is(:'told'::text[], '{20}', 'of those that are due');
SELECT is(:fired, 8, 'eight at once');
SELECT is(:'late'::interval, interval '8 min 0.5 s', 'how late the latest was');
SELECT is((SELECT fired FROM leadroute.fire_lead('default', '21', leadroute.clock())), 8, 'and one by one');
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '20' AND kind IN ('reminder', 'escalated', 'breached'))::int, 8, 'an event each');
SELECT results_eq($$SELECT line COLLATE "C" FROM lr.written('20') ORDER BY 1$$,
	$$SELECT line COLLATE "C" FROM lr.written('21') ORDER BY 1$$, 'the same rows');
SELECT is((SELECT steps_done FROM leadroute.clocks WHERE lead = '20' AND policy = 'say'), '{before,due notify channel}', 'steps that were done stay');
RESET datestyle;
RESET timezone;

-- and the same messages; masked, and none of a lead that nobody may hear of
UPDATE leadroute.flows SET mask_when = $$source = 'secret'$$;
SET leadroute.clock = '2026-03-10 09:00Z';
INSERT INTO lr.leads (id, owner, source) VALUES (22, 'a', 'secret'), (23, 'a', 'secret'), (24, 'a', 'web');
UPDATE leadroute.flows SET require_consent = true;
UPDATE leadroute.lead_states SET company = 'Acme', consent = lead <> '24' WHERE lead IN ('22', '23', '24');
SET leadroute.clock = '2026-03-10 09:13Z';
SELECT leadroute.write_notices('default', leadroute.clock(), (SELECT messages FROM leadroute.tell_leads('default', '{22,24}', leadroute.clock()))) \g /dev/null
SELECT leadroute.fire_lead('default', '23', leadroute.clock()) \g /dev/null
CREATE FUNCTION lr.messages(key text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(concat_ws(' ', type, recipient, payload - 'lead'), E'\n' ORDER BY type, recipient, payload) FROM leadroute.outbox WHERE aggregateid = key $$;
SELECT is((SELECT string_agg(format('%s %s %s %s', type, recipient, payload ->> 'company', jsonb_array_length(payload -> 'steps')), ', ' ORDER BY type, recipient) FROM leadroute.outbox WHERE aggregateid = '22' AND type <> 'assigned'),
	'breached a A*** , breached a A*** , escalated a A*** 2, escalated bo A*** 1, escalated mia A*** 1, escalated x y A*** 1, reminder a A*** 1', 'one to each, masked');
SELECT is(lr.messages('22'), lr.messages('23'), 'the same messages');
SELECT is((SELECT count(*) FROM leadroute.sla_fired WHERE lead = '24')::int, 6, 'steps of a lead without consent are done');
SELECT is_empty($$SELECT type FROM leadroute.outbox WHERE aggregateid = '24' AND type <> 'assigned'$$, 'and nobody is told');

SELECT * FROM finish();
ROLLBACK;
