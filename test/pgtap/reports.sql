-- reports: a small history with figures worked out by hand, in a zone that is not UTC and changed its clocks two days before
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SET timezone = 'Asia/Tokyo';
SET leadroute.clock = '2026-03-12 16:00Z';
SELECT no_plan();

CREATE SCHEMA lr;
-- row by row, as text: what a column's collation or a number's type is does not matter here
CREATE FUNCTION lr.same(have text, want text, what text) RETURNS text LANGUAGE sql AS $$
	SELECT results_eq(format('SELECT r::text COLLATE "C" FROM (%s) r', have), format('SELECT r::text COLLATE "C" FROM (%s) r', want), what)
$$;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, "Email" text, phone text, country text, source text, owner text);
INSERT INTO leadroute.flows (flow, timezone) VALUES ('default', 'America/New_York'), ('other', 'UTC');
SELECT leadroute.attach('lr.leads', columns => '{"email": "Email"}') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('ny', 'America/New_York');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.reps (rep, name, calendar, manager) VALUES ('mia', 'Mia Ng', NULL, NULL), ('ana', 'Ana Roe', 'ny', 'mia'), ('bo', 'Bo Li', 'ny', 'mia');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('inbound');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo'), ('inbound', 'bo');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (10, 'r1', 'source IS NOT NULL', 'team', 'west'), (99, 'rest', NULL, 'team', 'inbound');

/*
 * A Monday evening in New York, B, C, D, F Tuesday, G Wednesday. A met its deadline and was won; B was touched after exactly ten minutes, late, and
 * lost; C went from ana to bo and was touched after an hour; D waits; E is B again; F was discarded; G fell to the last rule and waits for its touch.
 */
INSERT INTO leadroute.lead_states (flow, lead, status, code, owner, team, queue, rule, submitted_at, routed_at, assigned_at, first_touch_at, closed_at, outcome, won, value,
		priority, queue_order, duplicate_of, name, company, source, intent, segment, tier, accepted_at, recycles)
VALUES
	('default', '1', 'assigned', 'assigned', 'ana', 'west', NULL, 'r1', '2026-03-10 01:30Z', '2026-03-10 01:31Z', '2026-03-10 01:31Z', '2026-03-10 01:34Z', '2026-03-11 15:00Z', 'won', true, 1000,
		NULL, NULL, NULL, 'Al A', 'Acme', 'web', 'high', 'smb', 1, '2026-03-10 02:00Z', NULL),
	('default', '2', 'assigned', 'assigned', 'ana', 'west', NULL, 'r1', '2026-03-10 14:00Z', '2026-03-10 14:00Z', '2026-03-10 14:00Z', '2026-03-10 14:10Z', '2026-03-11 15:00Z', 'closed', false, 500,
		NULL, NULL, NULL, 'Bea B', 'Beta', 'web', 'high', 'smb', NULL, NULL, NULL),
	('default', '3', 'assigned', 'by_hand', 'bo', 'west', NULL, 'r1', '2026-03-10 15:00Z', '2026-03-10 15:20Z', '2026-03-10 15:00Z', '2026-03-10 16:00Z', NULL, NULL, NULL, 70,
		NULL, NULL, NULL, 'Cy C', 'Gamma', 'ads', 'low', 'enterprise', NULL, NULL, 1),
	('default', '4', 'waiting', 'no_capacity', NULL, 'west', 'west', 'r1', '2026-03-10 15:30Z', '2026-03-10 15:31Z', NULL, NULL, NULL, NULL, NULL, NULL,
		5, 2, NULL, 'Di D', 'Delta', 'ads', NULL, 'enterprise', NULL, NULL, NULL),
	('default', '5', 'duplicate', 'duplicate', 'ana', 'west', NULL, NULL, '2026-03-10 15:45Z', '2026-03-10 15:45Z', '2026-03-10 15:45Z', NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, '2', 'Bea B', 'Beta', 'web', 'high', 'smb', NULL, NULL, NULL),
	('default', '6', 'discarded', 'discarded', NULL, NULL, NULL, 'r1', '2026-03-10 16:00Z', '2026-03-10 16:00Z', NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, NULL, 'Flo F', NULL, 'ads', NULL, 'smb', NULL, NULL, NULL),
	('default', '7', 'assigned', 'assigned', 'bo', 'inbound', NULL, 'rest', '2026-03-11 12:00Z', '2026-03-11 12:05Z', '2026-03-11 12:05Z', NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, NULL, 'Gil G', 'Eta', NULL, NULL, NULL, NULL, NULL, NULL),
	('default', '8', 'waiting', 'no_capacity', NULL, 'west', 'west', 'r1', '2026-03-12 15:00Z', '2026-03-12 15:00Z', NULL, NULL, NULL, NULL, NULL, NULL,
		9, 3, NULL, 'Hal H', 'Theta', 'web', 'high', 'smb', NULL, NULL, NULL),
	-- no report's: from before the attach, and gone to another flow
	('default', '90', 'ignored', 'existing', NULL, NULL, NULL, NULL, '2026-03-10 14:00Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('default', '91', 'assigned', 'moved', 'ana', 'west', NULL, 'r1', '2026-03-10 14:00Z', '2026-03-10 14:00Z', NULL, NULL, '2026-03-10 14:00Z', 'moved', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('other', '1', 'assigned', 'assigned', 'zoe', NULL, NULL, NULL, '2026-03-10 01:30Z', '2026-03-10 01:31Z', '2026-03-10 01:31Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'Oz', NULL, 'web', NULL, NULL, NULL, NULL, NULL);
INSERT INTO lr.leads (id, "Email", phone, country, source) OVERRIDING SYSTEM VALUE VALUES
	(1, 'al@acme.example', '+12127365000', 'US', 'web'), (2, 'no mail', ' ', 'Atlantis', 'web'), (3, NULL, NULL, 'Germany', 'ads');
INSERT INTO leadroute.events (flow, lead, at, kind, code, rule, owner, previous_owner, team, stage)
VALUES ('default', '1', '2026-03-10 01:31Z', 'decided', 'assigned', 'r1', 'ana', NULL, 'west', NULL),
	('default', '2', '2026-03-10 14:00Z', 'decided', 'assigned', 'r1', 'ana', NULL, 'west', NULL),
	('default', '3', '2026-03-10 15:00Z', 'decided', 'assigned', 'r1', 'ana', NULL, 'west', NULL),
	('default', '3', '2026-03-10 15:20Z', 'handed_over', 'by_hand', NULL, 'bo', 'ana', 'west', NULL),
	('default', '4', '2026-03-10 15:31Z', 'decided', 'no_capacity', 'r1', NULL, NULL, 'west', NULL),
	('default', '5', '2026-03-10 15:45Z', 'decided', 'duplicate', NULL, 'ana', NULL, 'west', NULL),
	('default', '7', '2026-03-11 12:05Z', 'decided', 'assigned', 'rest', 'bo', NULL, 'inbound', NULL),
	('other', '1', '2026-03-10 01:31Z', 'decided', 'assigned', NULL, 'zoe', NULL, NULL, NULL);
INSERT INTO leadroute.stages (stage, position, beside) VALUES ('new', 1, false), ('mql', 2, false), ('sql', 3, false), ('recycled', 9, true);
INSERT INTO leadroute.events (flow, lead, at, kind, code, stage)
VALUES ('default', '1', '2026-03-10 01:31Z', 'stage', 'stage_entered', 'new'), ('default', '1', '2026-03-10 02:00Z', 'stage', 'stage_entered', 'sql'),
	('default', '2', '2026-03-10 14:00Z', 'stage', 'stage_entered', 'new'), ('default', '2', '2026-03-10 14:10Z', 'stage', 'stage_entered', 'mql'),
	('default', '3', '2026-03-10 15:00Z', 'stage', 'stage_entered', 'new'), ('default', '3', '2026-03-10 15:10Z', 'stage', 'stage_entered', 'recycled'),
	('default', '3', '2026-03-10 15:10Z', 'stage', 'stage_entered', 'new'),
	-- one that arrived closed, and was found a duplicate when it was open again: it left the stage without an event
	('default', '5', '2026-03-10 15:44Z', 'stage', 'stage_entered', 'new');
INSERT INTO leadroute.clocks (flow, lead, policy, round, metric, owner, started_at, assigned_at, due_at, rep_due_at, risk_at, rep_risk_at, paused, finished_at, outcome, rep_outcome, breach_reason, ended_by)
VALUES
	('default', '1', 'fast', 1, 'first_touch', 'ana', '2026-03-10 01:30Z', '2026-03-10 01:31Z', '2026-03-10 01:35Z', '2026-03-10 01:36Z', '2026-03-10 01:32Z', '2026-03-10 01:33Z', 0, '2026-03-10 01:34Z', 'met', 'met', NULL, 'call'),
	('default', '2', 'fast', 1, 'first_touch', 'ana', '2026-03-10 14:00Z', '2026-03-10 14:00Z', '2026-03-10 14:05Z', '2026-03-10 14:05Z', '2026-03-10 14:02Z', '2026-03-10 14:02Z', 0, '2026-03-10 14:10Z', 'breached', 'breached', 'no_response', 'call'),
	('default', '3', 'fast', 1, 'first_touch', 'ana', '2026-03-10 15:00Z', '2026-03-10 15:00Z', '2026-03-10 15:05Z', '2026-03-10 15:05Z', '2026-03-10 15:02Z', '2026-03-10 15:02Z', 0, '2026-03-10 15:20Z', 'superseded', 'superseded', NULL, 'owner'),
	('default', '3', 'fast', 2, 'first_touch', 'bo', '2026-03-10 15:00Z', '2026-03-10 15:20Z', '2026-03-10 15:05Z', '2026-03-10 16:25Z', '2026-03-10 15:02Z', '2026-03-10 15:22Z', 0, '2026-03-10 16:00Z', 'breached', 'met', 'routing', 'call'),
	('default', '4', 'fast', 1, 'first_touch', NULL, '2026-03-10 15:30Z', NULL, '2026-03-10 15:35Z', NULL, '2026-03-10 15:32Z', NULL, 0, NULL, NULL, NULL, NULL, NULL),
	('default', '6', 'fast', 1, 'first_touch', NULL, '2026-03-10 16:00Z', NULL, '2026-03-10 16:05Z', NULL, '2026-03-10 16:02Z', NULL, 0, '2026-03-10 16:01Z', 'cancelled', NULL, NULL, 'closed'),
	('default', '7', 'slow', 1, 'first_touch', 'bo', '2026-03-11 12:00Z', '2026-03-11 12:05Z', '2026-03-13 12:00Z', '2026-03-13 12:05Z', '2026-03-12 12:00Z', '2026-03-12 12:05Z', 0, NULL, NULL, NULL, NULL, NULL);

INSERT INTO leadroute.signals (flow, lead, type, at, created_at)
VALUES ('default', '1', 'meeting_booked', '2026-03-10 02:00Z', now()), ('default', '1', 'meeting_held', '2026-03-10 03:00Z', now()),
	('default', '2', 'meeting_booked', '2026-03-10 14:10Z', now()), ('default', '2', 'no_show', '2026-03-10 14:20Z', now()), ('default', '5', 'meeting_booked', '2026-03-10 16:00Z', now());

INSERT INTO leadroute.sla_fired (flow, lead, policy, round, step, action, due_at, fired_at, late_by, owner, recipient, result)
VALUES ('default', '2', 'fast', 1, 'manager', 'notify', '2026-03-10 14:04Z', '2026-03-10 14:05Z', '1 min', 'ana', 'mia', NULL),
	('default', '3', 'fast', 1, 'give', 'reassign', '2026-03-10 15:20Z', '2026-03-10 15:20Z', '0', 'ana', NULL, 'bo'),
	('default', '7', 'slow', 1, 'half', 'remind', '2026-03-12 12:00Z', '2026-03-12 12:00Z', '0', 'bo', 'bo', NULL);

SELECT is(count(*), 0::bigint, 'nothing before the first sweep') FROM leadroute.speed_buckets;
CALL leadroute.sweep('default', '{reports}');
CALL leadroute.sweep('default', '{reports}');
CALL leadroute.sweep('default', '{reports}');
CALL leadroute.sweep('default', '{reports}');
SELECT is(as_of, '2026-03-12 16:00Z'::timestamptz, 'as of the sweep') FROM leadroute.report_runs WHERE flow = 'default';

-- the tables are what the base tables say
CREATE FUNCTION lr.wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name	text;
	n		bigint;
BEGIN
	CREATE TEMP TABLE facts ON COMMIT DROP AS
		SELECT ARRAY(SELECT f FROM leadroute.report_facts_of('default', ARRAY(SELECT lead FROM leadroute.lead_states WHERE flow = 'default')) f) AS facts;
	FOREACH name IN ARRAY '{leads,clocks,breaches,hours,steps,stays,inputs}'::text[] LOOP
		EXECUTE format('SELECT count(*) FROM ((TABLE leadroute.daily_%1$s EXCEPT ALL SELECT d.* FROM facts, leadroute.report_daily_%1$s(facts) d)
			UNION ALL (SELECT d.* FROM facts, leadroute.report_daily_%1$s(facts) d EXCEPT ALL TABLE leadroute.daily_%1$s)) d', name) INTO n;
		IF n > 0 THEN
			RETURN NEXT format('%s differs in %s rows', name, n);
		END IF;
		EXECUTE format('SELECT count(*) FROM leadroute.daily_%1$s', name) INTO n;
		IF n = 0 THEN
			RETURN NEXT format('%s is empty', name);
		END IF;
	END LOOP;
	-- what a lead adds, for the days that are kept so
	SELECT count(*) INTO n
	FROM ((TABLE leadroute.report_facts EXCEPT ALL SELECT f.* FROM facts, unnest(facts) f, leadroute.report_runs r WHERE r.flow = f.flow AND f.day >= r.fine_from)
		UNION ALL (SELECT f.* FROM facts, unnest(facts) f, leadroute.report_runs r WHERE r.flow = f.flow AND f.day >= r.fine_from EXCEPT ALL TABLE leadroute.report_facts)) d;
	IF n > 0 THEN
		RETURN NEXT format('facts differ in %s rows', n);
	END IF;
	DROP TABLE facts;
END $$;
SELECT is_empty('SELECT lr.wrong()', 'the tables hold what the base tables say');

SELECT is(stays, 4::bigint, 'a duplicate stays in no stage') FROM leadroute.stage_times WHERE stage = 'new';

-- by day and by all else
SELECT lr.same($$SELECT day, rep, team, source, segment, tier, policy, met, breached, met_pct, rep_met, rep_breached, rep_met_pct, running FROM leadroute.sla_compliance WHERE flow = 'default' ORDER BY day, rep, source, segment$$,
	$$VALUES ('2026-03-09'::date, 'ana', 'west', 'web', 'smb', 1, 'fast', 1::bigint, 0::bigint, 100.0, 1::bigint, 0::bigint, 100.0, 0::bigint),
		('2026-03-10', 'ana', 'west', 'web', 'smb', NULL, 'fast', 0, 1, 0.0, 0, 1, 0.0, 0),
		('2026-03-10', 'bo', 'west', 'ads', 'enterprise', NULL, 'fast', 0, 1, 0.0, 1, 0, 100.0, 0),
		('2026-03-10', NULL, 'west', 'ads', 'enterprise', NULL, 'fast', 0, 1, 0.0, 0, 0, NULL, 0),
		('2026-03-10', NULL, NULL, 'ads', 'smb', NULL, 'fast', 0, 0, NULL, 0, 0, NULL, 0),
		('2026-03-11', 'bo', 'inbound', NULL, NULL, NULL, 'slow', 0, 0, NULL, 0, 0, NULL, 1)$$, 'sla_compliance');
SELECT lr.same($$SELECT day, reason, rep, policy, breaches, day_pct FROM leadroute.breach_reasons ORDER BY day, reason$$,
	$$VALUES ('2026-03-10'::date, 'no_response', 'ana', 'fast', 1::bigint, 33.3), ('2026-03-10', 'not told yet', NULL, 'fast', 1, 33.3), ('2026-03-10', 'routing', 'bo', 'fast', 1, 33.3)$$, 'breach_reasons');
SELECT lr.same($$SELECT day, rep, source, assigned, touched, system_avg_min, system_median_min, system_p90_min, system_business_median_min, human_avg_min, human_median_min, human_p90_min, human_business_avg_min
		FROM leadroute.response_times WHERE flow = 'default' ORDER BY day, rep$$,
	$$VALUES ('2026-03-09'::date, 'ana', 'web', 1::bigint, 1::bigint, 1.0, 1.0, 1.0, 0.0, 3.0, 3.0, 3.0, 0.0),
		('2026-03-10', 'ana', 'web', 1, 1, 0.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 10.0),
		('2026-03-10', 'bo', 'ads', 1, 1, 0.0, 0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 60.0),
		('2026-03-11', 'bo', NULL, 1, 0, 5.0, 5.0, 5.0, 0.0, NULL, NULL, NULL, NULL)$$, 'response_times: system and human, wall and business, by the day of New York');
SELECT lr.same($$SELECT day, source, bucket, leads, converted, conversion_pct, won, lost, win_pct, value FROM leadroute.speed_buckets WHERE flow = 'default' ORDER BY day, speed, source, team$$,
	$$VALUES ('2026-03-09'::date, 'web', '< 5 min', 1::bigint, 1::bigint, 100.0, 1::bigint, 0::bigint, 100.0, 1000::numeric),
		('2026-03-10', 'web', '10-30 min', 1, 0, 0.0, 0, 1, 0.0, 0),
		('2026-03-10', 'ads', '1-24 h', 1, 0, 0.0, 0, 0, NULL, 0),
		('2026-03-10', 'ads', 'never', 1, 0, 0.0, 0, 0, NULL, 0),
		('2026-03-10', 'ads', 'never', 1, 0, 0.0, 0, 0, NULL, 0),
		('2026-03-11', NULL, 'never', 1, 0, 0.0, 0, 0, NULL, 0),
		('2026-03-12', 'web', 'never', 1, 0, 0.0, 0, 0, NULL, 0)$$, 'speed_buckets: exactly ten minutes and exactly an hour are the next ones');
SELECT lr.same($$SELECT day, team, source, leads, assigned, kept, kept_pct, fallbacks, fallback_pct, misroutes, duplicates, waste, waste_pct FROM leadroute.routing_accuracy WHERE flow = 'default' ORDER BY day, team, source$$,
	$$VALUES ('2026-03-09'::date, 'west', 'web', 1::bigint, 1::bigint, 1::bigint, 100.0, 0::bigint, 0.0, 0::bigint, 0::bigint, 0::bigint, 0.0),
		('2026-03-10', 'west', 'ads', 2, 1, 0, 0.0, 0, 0.0, 1, 0, 1, 50.0),
		('2026-03-10', 'west', 'web', 1, 1, 1, 100.0, 0, 0.0, 0, 1, 1, 50.0),
		('2026-03-10', NULL, 'ads', 1, 0, 0, NULL, 0, 0.0, 0, 0, 0, 0.0),
		('2026-03-11', 'inbound', NULL, 1, 1, 1, 100.0, 1, 100.0, 0, 0, 0, 0.0),
		('2026-03-12', 'west', 'web', 1, 0, 0, NULL, 0, 0.0, 0, 0, 0, 0.0)$$, 'routing_accuracy');
SELECT lr.same($$SELECT day, rule, leads, assigned, touched, touched_pct, human_median_min, human_p90_min, converted, conversion_pct, won, win_pct, value FROM leadroute.rule_performance WHERE flow = 'default' ORDER BY day, rule$$,
	$$VALUES ('2026-03-09'::date, 'r1', 1, 1, 1, 100.0, 3.0, 3.0, 1, 100.0, 1, 100.0, 1000::numeric),
		('2026-03-10', 'r1', 4, 2, 2, 50.0, 35.0, 55.0, 0, 0.0, 0, 0.0, 0),
		('2026-03-11', 'rest', 1, 1, 0, 0.0, NULL, NULL, 0, 0.0, 0, NULL, 0),
		('2026-03-12', 'r1', 1, 0, 0, 0.0, NULL, NULL, 0, 0.0, 0, NULL, 0)$$, 'rule_performance');
SELECT lr.same($$SELECT week, source, input, leads, filled, filled_pct, valid, valid_pct FROM leadroute.data_quality WHERE flow = 'default' ORDER BY source, input$$,
	$$VALUES ('2026-03-09'::date, 'ads', 'country', 1::bigint, 1::bigint, 100.0, 1::bigint, 100.0), ('2026-03-09', 'ads', 'email', 1, 0, 0.0, 0, NULL), ('2026-03-09', 'ads', 'phone', 1, 0, 0.0, 0, NULL), ('2026-03-09', 'ads', 'source', 1, 1, 100.0, 1, 100.0),
		('2026-03-09', 'web', 'country', 2, 2, 100.0, 1, 50.0), ('2026-03-09', 'web', 'email', 2, 2, 100.0, 1, 50.0), ('2026-03-09', 'web', 'phone', 2, 1, 50.0, 1, 100.0), ('2026-03-09', 'web', 'source', 2, 2, 100.0, 2, 100.0)$$, 'data_quality, of the rows that stand');
SELECT lr.same($$SELECT rep, team, source, bucket, leads, waiting, oldest FROM leadroute.lead_aging WHERE flow = 'default' ORDER BY oldest, rep, age$$,
	$$VALUES ('bo', 'west', 'ads', '2-3 days', 1::bigint, 0::bigint, '2026-03-10'::date), (NULL, 'west', 'ads', '2-3 days', 1, 1, '2026-03-10'), ('bo', 'inbound', NULL, '0-1 days', 1, 0, '2026-03-11'), (NULL, 'west', 'web', '0-1 days', 1, 1, '2026-03-12')$$, 'lead_aging');
SELECT lr.same($$SELECT day, source, recycled, kind, step, leads, moved_on, conversion_pct, form_pct, booked_pct FROM leadroute.funnel WHERE flow = 'default' AND day <= '2026-03-10' ORDER BY day, source, recycled, kind, position, step$$,
	$$VALUES ('2026-03-09'::date, 'web', false, 'form', 'form', 1, 1, 100.0, 100.0, NULL::numeric), ('2026-03-09', 'web', false, 'meeting', 'booked', 1, 1, 100.0, 100.0, 100.0), ('2026-03-09', 'web', false, 'meeting', 'held', 1, 0, 0.0, 100.0, 100.0), ('2026-03-09', 'web', false, 'stage', 'new', 1, 1, 100.0, 100.0, NULL), ('2026-03-09', 'web', false, 'stage', 'sql', 1, 0, 0.0, 100.0, NULL),
		('2026-03-10', 'ads', false, 'form', 'form', 2, 0, 0.0, 100.0, NULL),
		('2026-03-10', 'ads', true, 'form', 'form', 1, 1, 100.0, 100.0, NULL), ('2026-03-10', 'ads', true, 'stage', 'new', 1, 0, 0.0, 100.0, NULL), ('2026-03-10', 'ads', true, 'stage', 'recycled', 1, 0, 0.0, 100.0, NULL),
		('2026-03-10', 'web', false, 'form', 'form', 1, 1, 100.0, 100.0, NULL), ('2026-03-10', 'web', false, 'meeting', 'booked', 1, 0, 0.0, 100.0, 100.0), ('2026-03-10', 'web', false, 'meeting', 'no_show', 1, 0, 0.0, 100.0, 100.0), ('2026-03-10', 'web', false, 'stage', 'new', 1, 1, 100.0, 100.0, NULL), ('2026-03-10', 'web', false, 'stage', 'mql', 1, 0, 0.0, 100.0, NULL)$$, 'funnel, recycled ones apart');

-- lead by lead
SELECT lr.same($$SELECT place, lead, name, company, team, waited, why FROM leadroute.queue WHERE flow = 'default' ORDER BY place$$,
	$$VALUES (1::bigint, '8', 'Hal H', 'Theta', 'west', '1 hour'::interval, (SELECT meaning FROM leadroute.codes WHERE code = 'no_capacity')), (2, '4', 'Di D', 'Delta', 'west', '2 days 00:29', (SELECT meaning FROM leadroute.codes WHERE code = 'no_capacity'))$$, 'queue');
SELECT lr.same($$SELECT lead, name, owner, owner_name, manager, team, policy, round, remaining, status, colour, rep_status FROM leadroute.sla_status WHERE flow = 'default' ORDER BY lead, round$$,
	$$VALUES ('1', 'Al A', 'ana', 'Ana Roe', 'mia', 'west', 'fast', 1, NULL::interval, 'met', 'green', 'met'), ('2', 'Bea B', 'ana', 'Ana Roe', 'mia', 'west', 'fast', 1, NULL, 'breached', 'red', 'breached'),
		('3', 'Cy C', 'bo', 'Bo Li', 'mia', 'west', 'fast', 1, NULL, 'superseded', NULL, 'superseded'), ('3', 'Cy C', 'bo', 'Bo Li', 'mia', 'west', 'fast', 2, NULL, 'breached', 'red', 'met'),
		('4', 'Di D', NULL, NULL, NULL, 'west', 'fast', 1, '-2 days -00:25', 'breached', 'red', NULL), ('6', 'Flo F', NULL, NULL, NULL, NULL, 'fast', 1, NULL, 'cancelled', NULL, NULL),
		('7', 'Gil G', 'bo', 'Bo Li', 'mia', 'inbound', 'slow', 1, '20:00', 'at_risk', 'yellow', 'at_risk')$$, 'sla_status');

SELECT lr.same($$SELECT lead, name, kind, policy, step, recipient, recipient_name, owner, late_by, result, resolution, resolved_after, resolved_by, owner_now FROM leadroute.escalations ORDER BY at$$,
	$$VALUES ('2', 'Bea B', 'escalated', 'fast', 'manager', 'mia', 'Mia Ng', 'ana', '00:01:00'::interval, NULL, 'breached', '00:05:00'::interval, 'call', 'ana'),
		('3', 'Cy C', 'reassign', 'fast', 'give', NULL, NULL, 'ana', '00:00:00', 'bo', 'superseded', '00:00:00', 'owner', 'bo'),
		('7', 'Gil G', 'reminder', 'slow', 'half', 'bo', 'Bo Li', 'bo', '00:00:00', NULL, 'open', NULL, NULL, 'bo')$$, 'escalations, and what came of them');

-- who is shown masked: without consent, where mask_when holds for the row or fails, where there is no row to ask
CREATE FUNCTION lr.names() RETURNS text LANGUAGE sql AS $$
	SELECT (SELECT string_agg(concat_ws('/', lead, name, company), ' ' ORDER BY lead, round) FROM leadroute.sla_status WHERE flow = 'default')
		|| '; ' || (SELECT string_agg(concat_ws('/', lead, name, company), ' ' ORDER BY lead) FROM leadroute.escalations)
		|| '; ' || (SELECT string_agg(concat_ws('/', lead, name, company), ' ' ORDER BY lead) FROM leadroute.queue WHERE flow = 'default')
$$;
CREATE FUNCTION lr.shown(key text, masked boolean) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('/', lead, CASE WHEN masked THEN leadroute.mask('name', name) ELSE name END, CASE WHEN masked THEN leadroute.mask('text', company) ELSE company END)
	FROM leadroute.lead_states WHERE flow = 'default' AND lead = key
$$;
CREATE FUNCTION lr.names(masked text[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(v.line, '; ' ORDER BY v.n)
	FROM (SELECT w.n, string_agg(lr.shown(w.key, w.key = ANY (masked)), ' ' ORDER BY w.key) AS line
		  FROM (SELECT 1, unnest('{1,2,3,3,4,6,7}'::text[]) UNION ALL SELECT 2, unnest('{2,3,7}'::text[]) UNION ALL SELECT 3, unnest('{4,8}'::text[])) w(n, key) GROUP BY w.n) v
$$;
SELECT is(lr.names(), lr.names('{}'), 'everybody is shown by name');
SELECT is(leadroute.mask('name', 'Bea B') || leadroute.mask('text', 'Beta'), 'B. B.B***', 'what a mask leaves');
UPDATE leadroute.lead_states SET consent = false WHERE flow = 'default' AND lead IN ('2', '4');
SELECT is(lr.names(), lr.names('{2,4}'), 'who did not consent is masked, in each view');
UPDATE leadroute.flows SET mask_when = 'country IN (''Germany'', ''US'')' WHERE flow = 'default';
SELECT is(lr.names(), lr.names('{1,2,3,4,6,7,8}'), 'where mask_when holds too, and where there is no row to ask');
INSERT INTO lr.leads (id, country) VALUES (7, 'France'), (8, 'France') ON CONFLICT DO NOTHING;
SELECT is(lr.names(), lr.names('{1,2,3,4,6}'), 'whose row says no is shown');
UPDATE leadroute.flows SET mask_when = '1 / (id - 7) > 1000' WHERE flow = 'default';
SELECT is(lr.names(), lr.names('{2,4,6,7}'), 'where it fails nothing is shown');
SELECT is((leadroute.lead_message('default', '7')) ->> 'name', leadroute.mask('name', 'Gil G'), 'as messages have it');
UPDATE leadroute.flows SET mask_when = NULL WHERE flow = 'default';
DELETE FROM lr.leads WHERE id IN (7, 8);
SELECT is(lr.names(), lr.names('{2,4}'), 'and no longer');

-- ranges
SELECT lr.same($$SELECT item, leads, duplicates, assigned, kept_pct, fallback_pct, open, touched, human_avg_min, human_median_min, human_p90_min, met, breached, met_pct, rep_met_pct, won, win_pct, value FROM leadroute.report('2026-03-09', '2026-03-12')$$,
	$$VALUES ('total', 7::bigint, 1::bigint, 4::bigint, 75.0, 14.3, 4::bigint, 3::bigint, 24.3, 10.0, 50.0, 1::bigint, 3::bigint, 25.0, 66.7, 1::bigint, 50.0, 1000::numeric)$$, 'report: a median of the whole range');
SELECT lr.same($$SELECT item, leads, human_median_min, met, rep_met_pct FROM leadroute.report('2026-03-09', '2026-03-12', 'rep')$$,
	$$VALUES ('ana', 2::bigint, 6.5, 1::bigint, 50.0), ('bo', 2, 60.0, 0, 100.0), (NULL, 3, NULL, 0, NULL)$$, 'by rep');
SELECT lr.same($$SELECT item, leads, met, breached FROM leadroute.report('2026-03-09', '2026-03-12', 'policy')$$, $$VALUES ('fast', NULL::bigint, 1::bigint, 3::bigint), ('slow', NULL, 0, 0)$$, 'by policy');
SELECT lr.same($$SELECT item, leads FROM leadroute.report('2026-03-09', '2026-03-12', 'week')$$, $$VALUES ('2026-03-09', 7::bigint)$$, 'by week');
SELECT lr.same($$SELECT item, leads, met FROM leadroute.report('2026-03-09', '2026-03-12', 'speed')$$, $$VALUES ('< 5 min', 1::bigint, NULL::bigint), ('10-30 min', 1, NULL), ('1-24 h', 1, NULL), ('never', 4, NULL)$$, 'by speed');
SELECT is_empty($$SELECT * FROM leadroute.report('2020-01-01', '2020-01-31')$$, 'nothing is nothing');
SELECT throws_ok($$SELECT * FROM leadroute.report('2020-01-01', '2020-01-31', 'colour')$$, '22023', 'reports cannot be grouped by "colour"', 'another word');
SELECT lr.same($$SELECT metric, first, second, change, change_pct FROM leadroute.compare_periods('2026-03-09', '2026-03-09', '2026-03-10', '2026-03-11') WHERE metric IN ('leads', 'leads_per_day', 'met_pct', 'human_median_min', 'value', 'win_pct')$$,
	$$VALUES ('leads_per_day', 1.00, 2.50, 1.50, 150.0), ('leads', 1, 5, 4, 400.0), ('human_median_min', 3.0, 35.0, 32.0, 1066.7), ('met_pct', 100.0, 0.0, -100.0, -100.0), ('win_pct', 100.0, 0.0, -100.0, -100.0), ('value', 1000, 0, -1000, -100.0)$$, 'compare_periods');
SELECT is(count(*)::int, 16, 'of two empty periods each metric has its row') FROM leadroute.compare_periods('2020-01-01', '2020-01-02', '2020-02-01', '2020-02-02');
SELECT lr.same($$SELECT metric, last_7_days, last_30_days, change_pct FROM leadroute.trend_7_30 WHERE flow = 'default' AND metric IN ('leads_per_day', 'met_pct', 'value_per_day')$$,
	$$VALUES ('leads_per_day', 0.86, 0.20, 330.0), ('met_pct', 25.0, 25.0, 0.0), ('value_per_day', 142.86, 33.33, 328.6)$$, 'trend_7_30: up to yesterday');
SELECT lr.same($$SELECT rep, rep_name, manager, leads, open, touched_pct, human_median_min, met, breached, met_pct, rep_met_pct, won, win_pct, value FROM leadroute.rep_scorecard WHERE flow = 'default'$$,
	$$VALUES ('ana', 'Ana Roe', 'mia', 2::bigint, 0::bigint, 100.0, 6.5, 1::bigint, 1::bigint, 50.0, 50.0, 1::bigint, 50.0, 1000::numeric), ('bo', 'Bo Li', 'mia', 2, 2, 50.0, 60.0, 0, 1, 0.0, 100.0, 0, NULL, 0)$$, 'rep_scorecard');
SELECT lr.same($$SELECT weekday, hour, leads, contacts, contact_pct, met, breached, met_pct, reps_on_shift FROM leadroute.contact_by_hour WHERE flow = 'default' AND (leads > 0 OR (weekday, hour) IN ((6, 10))) ORDER BY 1, 2$$,
	$$VALUES (1, 21, 1::bigint, 1::bigint, 100.0, 1::bigint, 0::bigint, 100.0, 0::bigint), (2, 10, 1, 1, 100.0, 0, 1, 0.0, 2), (2, 11, 2, 1, 50.0, 0, 2, 0.0, 2), (2, 12, 1, 0, 0.0, 0, 0, NULL, 2),
		(3, 8, 1, 0, 0.0, 0, 0, NULL, 0), (4, 11, 1, 0, 0.0, 0, 0, NULL, 2), (6, 10, 0, 0, NULL, 0, 0, NULL, 0)$$, 'contact_by_hour, in hours of New York');
SELECT is(count(*)::int, 168, 'each hour of the week has its row') FROM leadroute.contact_by_hour WHERE flow = 'default';

-- another flow is apart
SELECT is(count(*)::int, 0, 'another flow waits for its own sweep') FROM leadroute.routing_accuracy WHERE flow = 'other';
CALL leadroute.sweep('other', '{reports}');
SELECT lr.same($$SELECT day, leads FROM leadroute.routing_accuracy WHERE flow = 'other'$$, $$VALUES ('2026-03-10'::date, 1::bigint)$$, 'with days in its own zone');
SELECT is(leads, 1::bigint, 'and its own report') FROM leadroute.report('2026-03-01', '2026-03-31', 'total', 'other');
DELETE FROM leadroute.daily_leads WHERE flow = 'other';
DELETE FROM leadroute.daily_clocks WHERE flow = 'other';
DELETE FROM leadroute.daily_breaches WHERE flow = 'other';
DELETE FROM leadroute.daily_hours WHERE flow = 'other';
DELETE FROM leadroute.daily_steps WHERE flow = 'other';
DELETE FROM leadroute.daily_stays WHERE flow = 'other';
DELETE FROM leadroute.report_facts WHERE flow = 'other';

-- what changes is found by its events, day by day
-- (a transaction that is open elsewhere in the database would have earlier ones looked at again)
UPDATE leadroute.report_runs SET seen = leadroute.journal_id() WHERE flow = 'default';
SET leadroute.clock = '2026-03-12 16:04Z';
UPDATE leadroute.lead_states SET closed_at = '2026-03-12 16:03Z', outcome = 'won', won = true WHERE flow = 'default' AND lead = '3';
INSERT INTO leadroute.events (flow, lead, at, kind, code) VALUES ('default', '3', '2026-03-12 16:03Z', 'closed', 'won');
SELECT leadroute.collect_report_changes('default') \g /dev/null
SELECT lr.same('SELECT lead FROM leadroute.report_changes WHERE flow = ''default''', $$VALUES ('3')$$, 'one lead is to be done');
SELECT is(as_of, '2026-03-12 16:00Z'::timestamptz, 'and until it is, the reports are as they were') FROM leadroute.report_runs WHERE flow = 'default';
SELECT isnt_empty('SELECT lr.wrong()', 'which is not what the base tables say now');
CALL leadroute.sweep('default', '{reports}');
SELECT is_empty('SELECT lr.wrong()', 'then they are');
SELECT is(as_of, '2026-03-12 16:04Z'::timestamptz, 'as of now') FROM leadroute.report_runs WHERE flow = 'default';
SELECT is(value, 1070::numeric, 'and show it') FROM leadroute.report('2026-03-09', '2026-03-12');
-- a sweep each minute keeps them younger than five: every third is theirs, though nothing changes
SET leadroute.clock = '2026-03-12 16:06Z';
SELECT is((SELECT count(*) FROM leadroute.sweep_plan('default', NULL) p WHERE p.part = 'reports'), 0::bigint, 'after two minutes nothing is due');
SET leadroute.clock = '2026-03-12 16:08Z';
SELECT is((SELECT count(*) FROM leadroute.sweep_plan('default', NULL) p WHERE p.part = 'reports'), 1::bigint, 'after more than three it is');
CALL leadroute.sweep('default', '{reports}');
SELECT is(as_of, '2026-03-12 16:08Z'::timestamptz, 'and as_of moves') FROM leadroute.report_runs WHERE flow = 'default';
-- a signal writes no event
INSERT INTO leadroute.signals (flow, lead, type, at, created_at) VALUES ('default', '7', 'meeting_booked', '2026-03-12 16:04Z', now());
CALL leadroute.sweep('default', '{reports}');
SELECT is_empty('SELECT lr.wrong()', 'a meeting is found too');
SELECT is(sum(leads), 3::bigint, 'and shown') FROM leadroute.funnel WHERE flow = 'default' AND step = 'booked';
-- a configuration that past days depend on
DELETE FROM leadroute.rules WHERE rule = 'rest';
CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}');
SELECT is_empty('SELECT lr.wrong()', 'another last rule: all days anew');
SELECT is(fallback_pct, 85.7, 'by the new one') FROM leadroute.report('2026-03-09', '2026-03-12');
UPDATE leadroute.flows SET timezone = 'UTC' WHERE flow = 'default';
CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}');
SELECT is_empty('SELECT lr.wrong()', 'another zone: days are cut anew');
SELECT is(min(day), '2026-03-10'::date, 'in UTC') FROM leadroute.response_times;
SELECT leadroute.rebuild_reports() \g /dev/null
SELECT leadroute.collect_report_changes('default') \g /dev/null
SELECT is(count(*)::int, 3, 'rebuild_reports()') FROM leadroute.report_days WHERE flow = 'default';

-- a lead whose key is none of the table's
INSERT INTO leadroute.lead_states (flow, lead, status, code, submitted_at) VALUES ('default', 'of another table', 'discarded', 'discarded', '2026-03-11 10:00Z');
CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}'); CALL leadroute.sweep('default', '{reports}');
SELECT is_empty('SELECT lr.wrong()', 'a key that is none of the table''s stops nothing');

-- roles
CREATE ROLE lr_analyst; CREATE ROLE lr_board; CREATE ROLE lr_nobody;
GRANT leadroute_reader TO lr_analyst;
GRANT USAGE ON SCHEMA leadroute TO lr_board;
GRANT SELECT ON leadroute.sla_compliance, leadroute.sla_status, leadroute.rep_scorecard TO lr_board;
SET ROLE lr_analyst;
SELECT lives_ok(format('SELECT * FROM leadroute.%I', v), v || ' is the reader''s') FROM unnest('{queue,sla_status,escalations,sla_compliance,breach_reasons,response_times,speed_buckets,routing_accuracy,rule_performance,data_quality,lead_aging,funnel,rep_scorecard,trend_7_30,contact_by_hour}'::text[]) v;
SELECT lives_ok('SELECT * FROM leadroute.compare_periods(''2026-03-09'', ''2026-03-09'', ''2026-03-10'', ''2026-03-11'')', 'compare_periods() too');
SET ROLE lr_board;
SELECT lives_ok('SELECT * FROM leadroute.sla_compliance', 'sums can be shown to who may read nothing else');
SELECT throws_ok('SELECT * FROM leadroute.rep_scorecard', '42501', NULL, 'those that go by today ask for the reader''s role');
SELECT throws_ok('SELECT * FROM leadroute.sla_status', '42501', NULL, 'personal data cannot: the view runs with the reader''s own rights');
SET ROLE lr_nobody;
SELECT throws_ok('SELECT * FROM leadroute.sla_compliance', '42501', NULL, 'nobody reads them by default');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
