-- 300: questions about the last 30 days, at five million leads a year
-- reports.sql: what a question about the last 30 days costs, at the density of 5 million leads a year (13,700 a day).
--
--   test/bench/run reports                                 73 days of them: a million leads
--   psql -v days=365 -f test/bench/parts/reports.sql             all five million, in a database that has leadroute
--
-- A question reads the figures of its days and of no others, so a million leads of that density cost it what five million do; `days` shows it.
-- The history is written straight into the state tables: a lead, its decision, a clock, for two of three a touch, for one of five an end; reps, sources,
-- segments, tiers, rules and speeds as independent of each other as can be, so that hardly two leads of a day share a row of the figures: the
-- worst case. Prints how long the sweep takes to work a day out, and the milliseconds of each question: the least of three.
\if :{?days}
\else
\set days 73
\endif
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET session_replication_role = replica;
SET synchronous_commit = off;
SELECT setseed(0.5) \g /dev/null
INSERT INTO leadroute.flows (flow, timezone) VALUES ('default', 'America/New_York');
INSERT INTO leadroute.reps (rep, name) SELECT 'rep' || n, 'Rep ' || n FROM generate_series(1, 60) n;
INSERT INTO leadroute.teams (team) SELECT 'team' || n FROM generate_series(1, 8) n;
INSERT INTO leadroute.team_members (team, rep) SELECT 'team' || 1 + n % 8, 'rep' || n FROM generate_series(1, 60) n;
INSERT INTO leadroute.rules (rule, position, target, target_name) SELECT 'rule' || n, n, 'team', 'team1' FROM generate_series(1, 25) n;
CREATE TEMP TABLE history AS
	SELECT n, now() - make_interval(days => :days) + n * make_interval(secs => 86400.0 / 13700) AS at, 1 + floor(random() * 60)::int AS rep, 1 + floor(random() * 10)::int AS source,
		1 + floor(random() * 4)::int AS segment, nullif(floor(random() * 10)::int, 0) AS tier, 1 + floor(random() * 25)::int AS rule, random() AS luck,
		round(exp(random() * 12))::int AS seconds
	FROM generate_series(1, :days * 13700) n;
INSERT INTO leadroute.lead_states (flow, lead, status, code, owner, team, rule, submitted_at, routed_at, route_reason, assigned_at, first_touch_at, closed_at, outcome, won, value, name, company, source, intent, segment, tier)
	SELECT 'default', n::text, 'assigned', 'assigned', 'rep' || rep, 'team' || 1 + rep % 8, 'rule' || rule, at, at, 'rule "rule' || rule || '" (1): team "team", round robin: rep' || rep, at,
		CASE WHEN luck < 0.66 THEN at + make_interval(secs => seconds) END, CASE WHEN luck < 0.2 THEN at + interval '2 days' END, CASE WHEN luck < 0.05 THEN 'won' WHEN luck < 0.2 THEN 'closed' END,
		CASE WHEN luck < 0.2 THEN luck < 0.05 END, round(luck * 10000), 'Person ' || n, 'Company ' || n % 100000, 'source ' || source, 'high', 'segment ' || segment, CASE WHEN tier <= 3 THEN tier END
	FROM history ORDER BY n;
INSERT INTO leadroute.events (flow, lead, at, kind, code, rule, owner, team, reason)
	SELECT 'default', n::text, at, 'decided', 'assigned', 'rule' || rule, 'rep' || rep, 'team' || 1 + rep % 8, 'rule "rule' || rule || '" (1): team "team", round robin: rep' || rep FROM history ORDER BY n;
INSERT INTO leadroute.clocks (flow, lead, policy, round, metric, owner, started_at, assigned_at, due_at, rep_due_at, risk_at, rep_risk_at, paused, finished_at, outcome, rep_outcome, breach_reason)
	SELECT 'default', n::text, 'policy' || segment, 1, 'first_touch', 'rep' || rep, at, at, at + interval '1 hour', at + interval '1 hour', at + interval '30 min', at + interval '30 min', 0,
		CASE WHEN luck < 0.66 THEN at + make_interval(secs => seconds) END, CASE WHEN luck < 0.66 THEN CASE WHEN seconds <= 3600 THEN 'met' ELSE 'breached' END END,
		CASE WHEN luck < 0.66 THEN CASE WHEN seconds <= 3600 THEN 'met' ELSE 'breached' END END, CASE WHEN luck < 0.66 AND seconds > 3600 THEN 'no_response' END
	FROM history ORDER BY n;
RESET session_replication_role;
VACUUM ANALYZE leadroute.lead_states;
VACUUM ANALYZE leadroute.clocks;
VACUUM ANALYZE leadroute.events;
CREATE TEMP TABLE timing (question text, ms numeric);
CREATE PROCEDURE pg_temp.ask(question text) LANGUAGE plpgsql AS $$
DECLARE
	began	timestamptz;
BEGIN
	FOR i IN 1 .. 3 LOOP
		began := clock_timestamp();
		EXECUTE question;
		INSERT INTO timing VALUES (question, 1000 * extract(epoch FROM clock_timestamp() - began));
	END LOOP;
END $$;
SELECT clock_timestamp() AS began \gset
CALL leadroute.sweep(parts => '{reports}');
VACUUM ANALYZE leadroute.daily_leads;
VACUUM ANALYZE leadroute.daily_clocks;
\pset footer off
SELECT (SELECT count(*) FROM leadroute.lead_states) AS leads, r.rows AS days, round(1000 * extract(epoch FROM clock_timestamp() - :'began'::timestamptz) / r.rows) AS ms_a_day,
	(SELECT count(*) FROM leadroute.daily_leads) AS daily_leads, pg_size_pretty(pg_relation_size('leadroute.lead_states')) AS states, pg_size_pretty(pg_relation_size('leadroute.daily_leads')) AS figures
FROM leadroute.sweep_runs r WHERE r.part = 'reports';
CALL pg_temp.ask('SELECT rep, sum(met), sum(breached) FROM leadroute.sla_compliance WHERE day > current_date - 30 GROUP BY rep');
CALL pg_temp.ask('SELECT source, segment, tier, sum(met), sum(breached) FROM leadroute.sla_compliance WHERE day > current_date - 30 GROUP BY 1, 2, 3');
CALL pg_temp.ask('SELECT reason, sum(breaches) FROM leadroute.breach_reasons WHERE day > current_date - 30 GROUP BY reason');
CALL pg_temp.ask('SELECT rep, day, human_median_min FROM leadroute.response_times WHERE day > current_date - 30');
CALL pg_temp.ask('SELECT bucket, sum(leads), sum(won), sum(value) FROM leadroute.speed_buckets WHERE day > current_date - 30 GROUP BY bucket');
CALL pg_temp.ask('SELECT team, sum(kept), sum(waste) FROM leadroute.routing_accuracy WHERE day > current_date - 30 GROUP BY team');
CALL pg_temp.ask('SELECT rule, sum(leads), sum(value) FROM leadroute.rule_performance WHERE day > current_date - 30 GROUP BY rule');
CALL pg_temp.ask('SELECT * FROM leadroute.data_quality WHERE week > current_date - 30');
CALL pg_temp.ask('SELECT bucket, sum(leads) FROM leadroute.lead_aging GROUP BY bucket');
CALL pg_temp.ask('SELECT source, step, sum(leads) FROM leadroute.funnel WHERE day > current_date - 30 GROUP BY 1, 2');
CALL pg_temp.ask('SELECT * FROM leadroute.rep_scorecard');
CALL pg_temp.ask('SELECT * FROM leadroute.trend_7_30');
CALL pg_temp.ask('SELECT * FROM leadroute.contact_by_hour');
CALL pg_temp.ask('SELECT * FROM leadroute.report(current_date - 29, current_date, ''source'')');
CALL pg_temp.ask('SELECT * FROM leadroute.compare_periods(current_date - 59, current_date - 30, current_date - 29, current_date)');
CALL pg_temp.ask('SELECT * FROM leadroute.queue');
CALL pg_temp.ask('SELECT owner, count(*) FROM leadroute.sla_status WHERE started_at > now() - interval ''30 days'' AND status IN (''at_risk'', ''breached'') GROUP BY owner');
SELECT question, round(min(ms)) AS ms FROM timing GROUP BY question ORDER BY 2 DESC;
