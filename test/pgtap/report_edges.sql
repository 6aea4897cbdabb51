-- report_edges: reports at their edges: nothing there, exact boundaries, clocks that change, reps and teams that go, rows that are deleted
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SET leadroute.clock = '2026-03-12 16:00Z';
SELECT no_plan();

CREATE SCHEMA lr;
CREATE FUNCTION lr.same(have text, want text, what text) RETURNS text LANGUAGE sql AS $$
	SELECT results_eq(format('SELECT r::text COLLATE "C" FROM (%s) r', have), format('SELECT r::text COLLATE "C" FROM (%s) r', want), what)
$$;
CREATE PROCEDURE lr.settle() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT min(id) FROM lr.leads));
	FOR look IN 1 .. 2 LOOP
		LOOP
			CALL leadroute.sweep(parts => '{reports}');
			EXIT WHEN NOT EXISTS (SELECT FROM leadroute.report_changes) AND NOT EXISTS (SELECT FROM leadroute.report_days d WHERE leadroute.is_report_due(d.not_before));
		END LOOP;
	END LOOP;
END $$;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, source text, submitted_at timestamptz, owner text, is_deleted boolean);

-- nothing at all: no flow, then a flow without a lead, before and after a sweep
CREATE FUNCTION lr.everything() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name	text;
	n		bigint;
BEGIN
	FOREACH name IN ARRAY '{queue,sla_status,escalations,sla_compliance,breach_reasons,response_times,speed_buckets,routing_accuracy,rule_performance,data_quality,lead_aging,funnel,rep_scorecard,trend_7_30,contact_by_hour,stage_history,stage_times,stage_skips,stale_leads,review_queue,recycling_report,lead_feedback_report,unknown_signals,clock_states}'::text[] LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT v::text FROM leadroute.%I v) r', name) INTO n;
		IF n > 0 THEN
			RETURN NEXT format('%s %s', name, n);
		END IF;
	END LOOP;
END $$;
SELECT is_empty('SELECT lr.everything()', 'no flow: no row and no error');
SELECT leadroute.attach('lr.leads', columns => '{"deleted": "is_deleted"}') \g /dev/null
INSERT INTO leadroute.flows (flow, timezone) VALUES ('default', 'America/New_York') ON CONFLICT (flow) DO UPDATE SET timezone = EXCLUDED.timezone;
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('ny', 'America/New_York'), ('delhi', 'Asia/Kolkata');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT c, d, '09:00', '17:00' FROM generate_series(1, 5) d, unnest('{ny,delhi}'::text[]) c;
INSERT INTO leadroute.reps (rep, name, calendar) VALUES ('ana', 'Ana Roe', 'ny'), ('bo', 'Bo Li', NULL), ('dev', 'Dev Rao', 'delhi'), ('out', 'Nobody', 'ny');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('east');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
INSERT INTO leadroute.sla_policies (policy, position, metric, condition, target) VALUES ('touch', 10, 'first_touch', NULL, '1 hour');
SELECT leadroute.activate() \g /dev/null
SELECT is_empty('SELECT lr.everything()', 'a flow, and nobody has swept');
CALL leadroute.sweep(parts => '{reports}');
SELECT results_eq('SELECT * FROM lr.everything()', '{trend_7_30 12,contact_by_hour 168}'::text[], 'a flow without leads: only what has a row in any case');
SELECT lr.same('SELECT DISTINCT last_7_days, last_30_days, change_pct FROM leadroute.trend_7_30 ORDER BY 1', $$VALUES (0.00, 0.00, NULL::numeric), (NULL, NULL, NULL)$$, 'NULL, and no division by zero');
SELECT lr.same('SELECT DISTINCT leads, contacts, contact_pct, met_pct FROM leadroute.contact_by_hour', 'VALUES (0, 0, NULL::numeric, NULL::numeric)', 'by hour too');
SELECT lr.same('SELECT DISTINCT first, second, change, change_pct FROM leadroute.compare_periods(''2026-01-01'', ''2026-01-31'', ''2026-02-01'', ''2026-02-28'') ORDER BY 1', 'VALUES (0.00, 0.00, 0.00, NULL::numeric), (NULL, NULL, NULL, NULL)', 'between periods too');
SELECT is_empty('SELECT * FROM leadroute.report(''2026-03-02'', ''2026-03-01'')', 'a range that ends before it begins');
SELECT throws_ok('SELECT * FROM leadroute.report(''2026-03-02'', ''2026-03-01'', ''rep'', ''no such flow'')', '42704', 'flow "no such flow" does not exist', 'a flow that does not exist is told, not answered with nothing');

-- the boundaries of speed: a boundary itself is the slower one, 24 hours the faster
INSERT INTO lr.leads (id, source, submitted_at) SELECT n, 'web', '2026-03-10 15:00Z' FROM generate_series(1, 12) n;
SELECT leadroute.touch(n, 'call', '2026-03-10 15:00Z'::timestamptz + after::interval) FROM unnest('{0,4 min 59 s,5 min,9 min 59 s,10 min,30 min,59 min 59 s,60 min,24 hours,24 hours 1 s}'::text[]) WITH ORDINALITY u(after, n) \g /dev/null
CALL lr.settle();
SELECT lr.same('SELECT speed, bucket, leads FROM leadroute.speed_buckets ORDER BY speed', $$VALUES (1, '< 5 min', 2), (2, '5-10 min', 2), (3, '10-30 min', 1), (4, '30-60 min', 2), (5, '1-24 h', 2), (6, '> 24 h', 1), (7, 'never', 2)$$, 'speed_buckets');
SELECT lr.same('SELECT met, breached, running, met_pct FROM leadroute.sla_compliance', 'VALUES (8, 4, 0, 66.7)', 'met at the deadline itself; what runs past it is breached');

-- compliance: cancelled, paused and running clocks are in neither
INSERT INTO lr.leads (id, source) SELECT n, 'new' FROM generate_series(20, 23) n;
SELECT leadroute.touch(20, 'call'), leadroute.close(21, 'lost') \g /dev/null
CALL lr.settle();
SELECT lr.same('SELECT source, sum(met), sum(breached), sum(running), leadroute.percent(sum(met), sum(met + breached)) FROM leadroute.sla_compliance WHERE source = ''new'' GROUP BY source', $$VALUES ('new', 1, 0, 2, 100.0)$$, 'one met, one cancelled, two that run');
SELECT is(string_agg(status, ' ' ORDER BY lead), 'met cancelled open open', 'as sla_status has it') FROM leadroute.sla_status WHERE source = 'new';
SELECT is(colour, NULL, 'no colour for what does not count') FROM leadroute.sla_status WHERE lead = '21';

-- rows that are deleted: the lead was there, and is neither won nor lost
DELETE FROM lr.leads WHERE id = 22;
UPDATE lr.leads SET is_deleted = true WHERE id = 23;
CALL lr.settle();
SELECT lr.same('SELECT leads, open, won, lost FROM leadroute.report(''2026-03-12'', ''2026-03-12'')', 'VALUES (4, 1, 0, 1)', 'deleted leads are counted, and not as lost');

-- a rep who leaves, a team that is renamed: figures stay with whom they were made by
SELECT leadroute.reassign(lead, 'dev', 'left') FROM leadroute.lead_states WHERE closed_at IS NULL \g /dev/null
DELETE FROM leadroute.team_members WHERE rep = 'bo';
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'dev');
DELETE FROM leadroute.reps WHERE rep = 'bo';
CALL lr.settle();
SELECT lr.same('SELECT rep, rep_name, leads, met, breached FROM leadroute.rep_scorecard ORDER BY rep', $$VALUES ('bo', NULL::text, 3, 9, 4), ('dev', 'Dev Rao', 13, NULL, NULL)$$, 'who has left keeps what he did, under his key');
SELECT is(count(*)::int, 13, 'sla_status shows who has the lead now') FROM leadroute.sla_status WHERE owner_name = 'Dev Rao';
SELECT lr.same('SELECT sum(kept), sum(misroutes) FROM leadroute.routing_accuracy WHERE day = ''2026-03-10''', 'VALUES (0, 12)', 'whose first assignment was not kept');
UPDATE leadroute.teams SET team = 'pacific' WHERE team = 'east';
SELECT is(sum(leads)::int, 16, 'renaming a team loses none') FROM leadroute.routing_accuracy;

-- days and hours where clocks change: 23 hours on 8 March, 25 on 1 November 2026 in New York
INSERT INTO lr.leads (id, source, submitted_at) VALUES
	(31, 'dst', '2026-03-08 04:59:59Z'), (32, 'dst', '2026-03-08 05:00Z'), (33, 'dst', '2026-03-08 06:59:59Z'), (34, 'dst', '2026-03-08 07:00Z'),
	(35, 'dst', '2026-03-09 03:59:59Z'), (36, 'dst', '2026-03-09 04:00Z');
CALL lr.settle();
SELECT lr.same('SELECT day, sum(leads) FROM leadroute.routing_accuracy WHERE source = ''dst'' GROUP BY day ORDER BY day', $$VALUES ('2026-03-07'::date, 1), ('2026-03-08', 4), ('2026-03-09', 1)$$, 'a day of 23 hours');
SELECT lr.same('SELECT hour, leads FROM leadroute.daily_hours WHERE day = ''2026-03-08'' ORDER BY hour', 'VALUES (0, 1), (1, 1), (3, 1), (23, 1)', 'an hour that there is not');
SET leadroute.clock = '2026-11-02 20:00Z';
INSERT INTO lr.leads (id, source, submitted_at) VALUES (41, 'dst2', '2026-11-01 03:59:59Z'), (42, 'dst2', '2026-11-01 04:00Z'), (43, 'dst2', '2026-11-01 05:30Z'), (44, 'dst2', '2026-11-01 06:30Z'), (45, 'dst2', '2026-11-02 04:59:59Z'), (46, 'dst2', '2026-11-02 05:00Z');
CALL lr.settle();
SELECT lr.same('SELECT day, sum(leads) FROM leadroute.routing_accuracy WHERE source = ''dst2'' GROUP BY day ORDER BY day', $$VALUES ('2026-10-31'::date, 1), ('2026-11-01', 4), ('2026-11-02', 1)$$, 'a day of 25');
SELECT lr.same('SELECT hour, leads FROM leadroute.daily_hours WHERE day = ''2026-11-01'' ORDER BY hour', 'VALUES (0, 1), (1, 2), (23, 1)', 'an hour that there is twice');

-- who is on shift, in the flow's hours: New York 9 to 17; Delhi's 9 to 17 is 22:30 to 6:30 there (it is winter)
SELECT lr.same('SELECT weekday, min(hour) FILTER (WHERE reps_on_shift > 0), max(hour) FILTER (WHERE reps_on_shift > 0), count(*) FILTER (WHERE reps_on_shift > 0) FROM leadroute.contact_by_hour GROUP BY weekday ORDER BY weekday',
	'VALUES (1, 0, 23, 9), (2, 0, 23, 9), (3, 0, 23, 9), (4, 0, 23, 9), (5, 0, 6, 7), (6, NULL, NULL, 0), (7, 22, 23, 2)', 'only members of teams, by their own calendar');
INSERT INTO leadroute.team_members (team, rep) VALUES ('pacific', 'ana');
SELECT lr.same('SELECT reps_on_shift FROM leadroute.contact_by_hour WHERE weekday = 2 AND hour IN (8, 9, 16, 17) ORDER BY hour', 'VALUES (0), (1), (1), (0)', 'another member');
UPDATE leadroute.reps SET active = false WHERE rep = 'ana';
SELECT is(max(reps_on_shift), 0::bigint, 'who is not active is not there') FROM leadroute.contact_by_hour WHERE weekday = 2 AND hour BETWEEN 9 AND 16;

-- another zone: days are cut anew, and nothing is counted twice
UPDATE leadroute.flows SET timezone = 'Asia/Kolkata' WHERE flow = 'default';
CALL lr.settle();
SELECT lr.same('SELECT day, sum(leads) FROM leadroute.routing_accuracy WHERE source = ''dst2'' GROUP BY day ORDER BY day', $$VALUES ('2026-11-01'::date, 4), ('2026-11-02', 2)$$, 'half an hour off');
SELECT is(sum(leads)::bigint, (SELECT count(*) FROM leadroute.lead_states), 'each lead once') FROM leadroute.routing_accuracy;

-- dates that say nothing, as loaders write them, and a clock that goes back: no figure overflows and none is negative
SAVEPOINT s;
SELECT leadroute.load_stages() \g /dev/null
SET leadroute.clock = '2026-03-12 16:30Z';
UPDATE leadroute.flows SET max_backdate = '1000 years';
INSERT INTO lr.leads (id, source, submitted_at) VALUES (901, 'old', '1900-01-01'), (902, 'old', '4713-01-01 BC'), (903, 'old', '-infinity'), (904, 'old', 'infinity'), (905, 'old', '0001-01-01');
SET leadroute.clock = '2026-03-11 16:30Z';
SELECT leadroute.set_stage(901, 'contacted') \g /dev/null
SET leadroute.clock = '2026-03-12 16:30Z';
SELECT lives_ok('CALL lr.settle()', 'dates from before there were people');
SELECT results_eq($$SELECT r.as_of, (SELECT sum(leads)::int FROM leadroute.report('-infinity', 'infinity', 'source') WHERE item = 'old'), (SELECT min(s) FROM leadroute.daily_stays d, unnest(d.seconds) s WHERE d.stage = 'new')
	FROM leadroute.report_runs r$$, $$VALUES ('2026-03-12 16:30Z'::timestamptz, 5, 0)$$, 'are counted, and a stay lasts no less than nothing');
ROLLBACK TO s;

-- thousands of sources: the items of a report are joined by hash
SAVEPOINT s;
INSERT INTO leadroute.daily_leads (flow, kind, day, source, leads, duplicates, discarded, assigned, kept, misroutes, fallbacks, open, waiting, touched, converted, won, lost, value, human_seconds)
	SELECT 'default', 'rep', '2020-01-01', 's' || n, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, '{60}' FROM generate_series(1, 12000) n;
INSERT INTO leadroute.daily_leads (flow, kind, day, leads, duplicates, discarded, assigned, kept, misroutes, fallbacks, open, waiting, touched, converted, won, lost, value, human_seconds)
	VALUES ('default', 'rep', '2020-01-01', 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, '{60}');
SET LOCAL statement_timeout = '30s';
SELECT is((SELECT count(*) FROM leadroute.report('2020-01-01', '2020-01-01', 'source') WHERE human_median_min = 1.0), 12001::bigint, 'each once, the nameless one too');
RESET statement_timeout;
ROLLBACK TO s;

-- what an analyst sees: each view and column is explained, dates and times say their zone, amounts their unit
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'v' AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)$$, 'every view and column has its comment');
SELECT is_empty($$SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'v' AND a.attname IN ('day', 'week', 'hour', 'weekday') AND col_description(c.oid, a.attnum) !~ 'flows\.timezone'$$, 'a day or hour says in whose zone');
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'v' AND a.attname ~ '_pct$' AND col_description(c.oid, a.attnum) !~* 'percent|of a hundred'$$, 'a share is in percent');
SELECT is_empty($$SELECT v FROM unnest('{flow,lead,name,company,owner,owner_name,manager,team,source,intent,segment,tier,policy,metric,started_at,due_at,rep_due_at,remaining,status,colour}'::text[]) WITH ORDINALITY v(name, n)
	WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = 'leadroute.sla_status'::regclass AND a.attname = v.name AND a.attnum = v.n)$$, 'sla_status has all in one place, in this order');
SELECT is_empty($$SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('name', 'company', 'lead_value')
	WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'v' AND c.relname <> 'account_status' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)$$, 'personal data only with the reader''s own rights');
CREATE ROLE lr_analyst; CREATE ROLE lr_nobody;
GRANT leadroute_reader TO lr_analyst;
SET ROLE lr_analyst;
RESET ROLE;
GRANT USAGE ON SCHEMA lr TO lr_analyst, lr_nobody;
SET ROLE lr_analyst;
SELECT lives_ok('SELECT lr.everything()', 'a reader reads all of them');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind IN ('v', 'r') AND c.relname <> 'own' AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$, 'and writes nothing');
SET ROLE lr_nobody;
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')$$, 'nobody else reads any');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
