-- 900: questions about the last 30 days, with years of history behind them
-- reports.sql: what a question about the last 30 days costs an analyst, view by view, with years of history behind it.
--
--   test/bench/run reports                                                  a million leads in 146 days: the density of the five million
--   psql -v leads=5000000 -v days=730 -f test/bench/parts/reports.sql             five million in two years, in a database that has leadroute (~10 min)
--
-- The history is written straight into the state tables, a month at a time in order of time, as it would lie there: a lead, its row, its decision, a
-- clock (every fifth has a second), touches, stages, escalations, signals, an end. Reps, sources, segments, tiers, rules and speeds are as independent of each
-- other as can be, so that hardly two leads of a day share a row of the figures: the worst case. Prints how long the sweep takes to work out a day at first and what
-- it takes then for so many changed leads, and of each question rows, milliseconds and CPU (the least of three, one process).
\if :{?days}
\else
\set days 146
\endif
\if :{?leads}
\else
\set leads 1000000
\endif
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET work_mem = '256MB';
SET max_parallel_workers_per_gather = 0;
CREATE TABLE public.bench_leads (id bigint PRIMARY KEY, email text, phone text, company text, country text, employees integer, source text, owner text) WITH (fillfactor = 90);
INSERT INTO leadroute.flows (flow, timezone) VALUES ('default', 'America/New_York');
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('ny', 'America/New_York');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.reps (rep, name, calendar) SELECT 'rep' || n, 'Rep ' || n, 'ny' FROM generate_series(1, 60) n;
INSERT INTO leadroute.teams (team) SELECT 'team' || n FROM generate_series(1, 8) n;
INSERT INTO leadroute.team_members (team, rep) SELECT 'team' || 1 + n % 8, 'rep' || n FROM generate_series(1, 60) n;
INSERT INTO leadroute.rules (rule, position, target, target_name) SELECT 'rule' || n, n, 'team', 'team1' FROM generate_series(1, 25) n;
INSERT INTO leadroute.stages (stage, position, kind, beside) VALUES ('new', 1, 'open', false), ('contacted', 2, 'open', false), ('mql', 3, 'open', false), ('sql', 4, 'open', false), ('nurture', 8, 'open', true), ('customer', 9, 'won', false);
INSERT INTO leadroute.rejection_reasons (code, reason, action, return_after) VALUES ('FIT-01', 'too small', 'nurture', NULL), ('ENG-01', 'no response', 'recycle', '90 days');
INSERT INTO leadroute.signal_types (signal_type) VALUES ('page_visit'), ('meeting_booked'), ('meeting_held');
CREATE TEMP TABLE month (n bigint, at timestamptz, rep int, source int, segment int, tier int, rule int, luck float8, seconds int, touched timestamptz, closed timestamptz);
CREATE PROCEDURE pg_temp.history(leads bigint, days integer) LANGUAGE plpgsql AS $$
DECLARE
	began	timestamptz := now() - make_interval(days => days);
	until	timestamptz := now();
	step	interval := (until - began) / leads;
	size	bigint := greatest(leads * 30 / days, 1);
	next	bigint := 0;
BEGIN
	PERFORM setseed(0.5);
	WHILE next < leads LOOP
		TRUNCATE month;
		INSERT INTO month
			SELECT m.n, m.at, m.rep, m.source, m.segment, m.tier, m.rule, m.luck, m.seconds, CASE WHEN m.touched < until THEN m.touched END, CASE WHEN m.closed < until THEN m.closed END
			FROM (SELECT g.n, began + g.n * step AS at, 1 + floor(random() * 60)::int AS rep, 1 + floor(random() * 10)::int AS source, 1 + floor(random() * 4)::int AS segment,
					  floor(random() * 10)::int AS tier, 1 + floor(random() * 25)::int AS rule, l.luck, l.seconds,
					  CASE WHEN l.luck < 0.66 THEN began + g.n * step + make_interval(secs => l.seconds) END AS touched,
					  CASE WHEN l.luck < 0.9 THEN began + g.n * step + make_interval(secs => 7 * 86400 + random() * 50 * 86400) END AS closed
				  FROM generate_series(next + 1, least(next + size, leads)) g(n)
					  CROSS JOIN LATERAL (SELECT random() AS luck, round(exp(random() * 12))::int AS seconds, g.n AS of) l) m;
		INSERT INTO bench_leads
			SELECT n, CASE WHEN luck < 0.95 THEN 'p' || n || '@c' || n % 100000 || '.example' END, CASE WHEN luck < 0.6 THEN '+1212736' || lpad((n % 10000)::text, 4, '0') END,
				'Company ' || n % 100000, CASE WHEN luck < 0.9 THEN 'US' ELSE 'Atlantis' END, n % 1000, 'source ' || source, 'rep' || rep
			FROM month ORDER BY n;
		INSERT INTO leadroute.lead_states (flow, lead, status, code, owner, team, queue, rule, submitted_at, routed_at, route_reason, assigned_at, first_touch_at, closed_at, outcome, won, value,
				name, company, source, intent, segment, tier, stage, stage_at, accepted_at, recycles, priority, queue_order)
			SELECT 'default', n::text, CASE WHEN luck > 0.999 THEN 'waiting' ELSE 'assigned' END, CASE WHEN luck > 0.999 THEN 'no_capacity' ELSE 'assigned' END,
				CASE WHEN luck <= 0.999 THEN 'rep' || rep END, 'team' || 1 + rep % 8, CASE WHEN luck > 0.999 THEN 'team' || 1 + rep % 8 END, 'rule' || rule, at, at,
				'rule "rule' || rule || '" (1): team "team", round robin: rep' || rep, CASE WHEN luck <= 0.999 THEN at END, touched, closed,
				CASE WHEN closed IS NOT NULL THEN CASE WHEN luck < 0.05 THEN 'won' ELSE 'closed' END END, CASE WHEN closed IS NOT NULL THEN luck < 0.05 END, round(luck * 10000),
				'Person ' || n, 'Company ' || n % 100000, 'source ' || source, 'high', 'segment ' || segment, CASE WHEN tier BETWEEN 1 AND 3 THEN tier END,
				CASE WHEN touched IS NULL THEN 'new' WHEN luck < 0.05 AND closed IS NOT NULL THEN 'customer' WHEN luck < 0.2 THEN 'sql' ELSE 'contacted' END, coalesce(touched, at),
				CASE WHEN luck < 0.2 THEN touched END, CASE WHEN luck BETWEEN 0.3 AND 0.32 THEN 1 END, CASE WHEN luck > 0.999 THEN 0 END, CASE WHEN luck > 0.999 THEN n END
			FROM month ORDER BY n;
		INSERT INTO leadroute.events (flow, lead, id, at, kind, code, rule, owner, team, stage, previous_stage, reason, path)
			SELECT 'default', e.lead, (((extract(epoch FROM e.at) - 946684800) * 1000000)::bigint << 12) + e.n, e.at, e.kind, e.code, e.rule, e.owner, e.team, e.stage, e.previous_stage, e.reason, e.path
			FROM (SELECT n::text AS lead, at, 1 AS n, 'decided' AS kind, CASE WHEN luck > 0.999 THEN 'no_capacity' ELSE 'assigned' END AS code, 'rule' || rule AS rule, CASE WHEN luck <= 0.999 THEN 'rep' || rep END AS owner,
					  'team' || 1 + rep % 8 AS team, NULL AS stage, NULL AS previous_stage, 'rule "rule' || rule || '" (1): team "team", round robin: rep' || rep AS reason, NULL::jsonb AS path FROM month
				  UNION ALL SELECT n::text, at, 2, 'stage', 'stage_entered', NULL, NULL, NULL, 'new', NULL, NULL, NULL FROM month
				  UNION ALL SELECT n::text, touched, 3, 'touched', 'touched', NULL, 'rep' || rep, NULL, NULL, NULL, 'call', NULL FROM month WHERE touched IS NOT NULL
				  UNION ALL SELECT n::text, touched, 4, 'stage', 'stage_touched', NULL, NULL, NULL, 'contacted', 'new', NULL, NULL FROM month WHERE touched IS NOT NULL
				  UNION ALL SELECT n::text, touched + interval '1 minute', 5, 'stage', 'stage_entered', NULL, NULL, NULL, 'sql', 'contacted', NULL, NULL FROM month WHERE touched IS NOT NULL AND luck < 0.2
				  UNION ALL SELECT n::text, at + interval '30 min', 6, 'reminder', 'breached', NULL, 'rep' || rep, NULL, NULL, NULL, 'told rep' || rep,
					  jsonb_build_array(jsonb_build_object('policy', 'policy' || segment, 'round', 1, 'step', 'half', 'recipient', 'rep' || rep, 'due', at + interval '30 min', 'late_by', '00:00:05')) FROM month WHERE luck BETWEEN 0.5 AND 0.66 AND at < until - interval '30 min'
				  UNION ALL SELECT n::text, closed, 7, 'closed', CASE WHEN luck < 0.05 THEN 'won' ELSE 'closed' END, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM month WHERE closed IS NOT NULL) e
			WHERE e.at < until
			ORDER BY e.at;
		INSERT INTO leadroute.sla_fired (flow, lead, policy, round, step, action, due_at, fired_at, late_by, owner, recipient)
			SELECT 'default', n::text, 'policy' || segment, 1, 'half', 'remind', at + interval '30 min', at + interval '30 min 5 s', '5 s', 'rep' || rep, 'rep' || rep
			FROM month WHERE luck BETWEEN 0.5 AND 0.66 AND at < until - interval '30 min' ORDER BY at;
		INSERT INTO leadroute.clocks (flow, lead, policy, round, metric, owner, started_at, assigned_at, due_at, rep_due_at, risk_at, rep_risk_at, paused, finished_at, outcome, rep_outcome, breach_reason)
			SELECT 'default', n::text, p.policy, 1, p.metric, 'rep' || rep, at, at, at + p.target, at + p.target, at + p.target / 2, at + p.target / 2, 0, p.ends,
				CASE WHEN p.ends IS NOT NULL THEN CASE WHEN p.ends <= at + p.target THEN 'met' ELSE 'breached' END END,
				CASE WHEN p.ends IS NOT NULL THEN CASE WHEN p.ends <= at + p.target THEN 'met' ELSE 'breached' END END, CASE WHEN p.ends > at + p.target THEN 'no_response' END
			FROM month CROSS JOIN LATERAL (SELECT 'policy' || segment, 'first_touch', interval '1 hour', touched UNION ALL SELECT 'decide', 'decision', interval '14 days', closed WHERE luck > 0.8) p(policy, metric, target, ends)
			ORDER BY n;
		INSERT INTO leadroute.signals (flow, lead, id, type, at, created_at)
			SELECT 'default', g.lead, (((extract(epoch FROM g.at) - 946684800) * 1000000)::bigint << 12) + 9, g.type, g.at, g.at
			FROM (SELECT n::text AS lead, CASE WHEN luck > 0.99 THEN 'mystery' ELSE 'page_visit' END AS type, at FROM month
				  UNION ALL SELECT n::text, 'meeting_booked', touched + interval '1 minute' FROM month WHERE luck < 0.08 AND touched IS NOT NULL
				  UNION ALL SELECT n::text, 'meeting_held', touched + interval '2 days' FROM month WHERE luck < 0.05 AND touched IS NOT NULL) g
			WHERE g.at < until
			ORDER BY g.at;
		INSERT INTO leadroute.rejections (flow, lead, at, code, owner, source, action, cycle, returned_at, returned_by)
			SELECT 'default', n::text, at + interval '6 days', CASE WHEN luck < 0.32 THEN 'ENG-01' ELSE 'FIT-01' END, 'rep' || rep, 'source ' || source, CASE WHEN luck < 0.32 THEN 'recycle' ELSE 'nurture' END,
				CASE WHEN luck < 0.32 THEN 1 END, CASE WHEN luck < 0.31 THEN at + interval '7 days' END, CASE WHEN luck < 0.31 THEN 'date' END FROM month WHERE luck BETWEEN 0.3 AND 0.36;
		INSERT INTO leadroute.lead_feedback (flow, lead, at, rating, actor, owner, source)
			SELECT 'default', n::text, touched, 1 + floor(random() * 5)::int, 'rep' || rep, 'rep' || rep, 'source ' || source FROM month WHERE luck < 0.1 AND touched IS NOT NULL;
		next := next + size;
		COMMIT;
	END LOOP;
END $$;
SELECT clock_timestamp() AS began \gset
SET session_replication_role = replica;
CALL pg_temp.history(:leads, :days);
RESET session_replication_role;
SELECT leadroute.attach('public.bench_leads') \g /dev/null
VACUUM ANALYZE public.bench_leads;
VACUUM ANALYZE leadroute.lead_states;
VACUUM ANALYZE leadroute.clocks;
VACUUM ANALYZE leadroute.events;
VACUUM ANALYZE leadroute.signals;
VACUUM ANALYZE leadroute.sla_fired;
VACUUM ANALYZE leadroute.rejections;
VACUUM ANALYZE leadroute.lead_feedback;
\pset footer off
SELECT round(extract(epoch FROM clock_timestamp() - :'began'::timestamptz)) AS seconds_to_write_the_history;
-- of this process, user and system, as Linux counts them
CREATE FUNCTION pg_temp.cpu_ms() RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT 10 * (f[12]::numeric + f[13]::numeric) FROM string_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') f
$$;
SELECT clock_timestamp() AS began, pg_temp.cpu_ms() AS cpu \gset
CALL leadroute.sweep(parts => '{reports}');
VACUUM ANALYZE leadroute.daily_leads;
VACUUM ANALYZE leadroute.daily_clocks;
VACUUM ANALYZE leadroute.daily_breaches;
VACUUM ANALYZE leadroute.daily_steps;
VACUUM ANALYZE leadroute.daily_stays;
VACUUM ANALYZE leadroute.daily_inputs;
SELECT (SELECT count(*) FROM leadroute.lead_states) AS leads, r.rows AS days, round((pg_temp.cpu_ms() - :cpu) / r.rows, 1) AS cpu_ms_a_day,
	pg_size_pretty(pg_relation_size('leadroute.lead_states')) AS states, pg_size_pretty(pg_total_relation_size('leadroute.daily_leads')) AS figures,
	pg_size_pretty(pg_total_relation_size('leadroute.report_facts')) AS facts
FROM leadroute.sweep_runs r WHERE r.part = 'reports';

-- some minutes later: of each of the last sixty days a few leads have changed
UPDATE leadroute.lead_states s SET closed_at = now(), outcome = 'won', won = true, value = 100
	FROM generate_series(1, 600) n WHERE s.flow = 'default' AND s.lead = (:leads - n * (:leads / :days / 10))::text;
INSERT INTO leadroute.events (flow, lead, at, kind, code, owner)
	SELECT 'default', (:leads - n * (:leads / :days / 10))::text, now(), 'closed', 'won', 'rep1' FROM generate_series(1, 600) n;
SELECT pg_temp.cpu_ms() AS cpu \gset
CALL leadroute.sweep(parts => '{reports}');
SELECT r.rows AS changed_leads, round((pg_temp.cpu_ms() - :cpu) / r.rows, 2) AS cpu_ms_each, pg_temp.cpu_ms() - :cpu AS cpu_ms FROM leadroute.sweep_runs r WHERE r.part = 'reports';

SET jit = off;
CREATE TEMP TABLE timing (question text, rows bigint, cpu numeric, ms numeric);
CREATE PROCEDURE pg_temp.ask(question text) LANGUAGE plpgsql AS $$
DECLARE
	began	timestamptz;
	cpu		numeric;
	rows	bigint;
BEGIN
	FOR i IN 1 .. 3 LOOP
		began := clock_timestamp();
		cpu := pg_temp.cpu_ms();
		EXECUTE question;
		GET DIAGNOSTICS rows = ROW_COUNT;
		INSERT INTO timing VALUES (question, rows, pg_temp.cpu_ms() - cpu, 1000 * extract(epoch FROM clock_timestamp() - began));
	END LOOP;
END $$;
CALL pg_temp.ask($$SELECT rep, 100 * sum(met) / nullif(sum(met + breached), 0) FROM leadroute.sla_compliance WHERE day > current_date - 30 GROUP BY rep$$);
CALL pg_temp.ask($$SELECT team, sum(met), sum(breached) FROM leadroute.sla_compliance WHERE day > current_date - 30 AND metric = 'first_touch' GROUP BY team$$);
CALL pg_temp.ask($$SELECT source, segment, tier, policy, sum(met), sum(breached) FROM leadroute.sla_compliance WHERE day > current_date - 30 GROUP BY 1, 2, 3, 4$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.sla_compliance WHERE day > current_date - 30 AND rep = 'rep7'$$);
CALL pg_temp.ask($$SELECT reason, sum(breaches) FROM leadroute.breach_reasons WHERE day > current_date - 30 GROUP BY reason$$);
CALL pg_temp.ask($$SELECT team, reason, sum(breaches), max(day_pct) FROM leadroute.breach_reasons WHERE day > current_date - 30 GROUP BY 1, 2$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.response_times WHERE day > current_date - 30$$);
CALL pg_temp.ask($$SELECT day, human_median_min, human_p90_min FROM leadroute.response_times WHERE day > current_date - 30 AND rep = 'rep7'$$);
CALL pg_temp.ask($$SELECT bucket, sum(leads), sum(converted), sum(won), sum(value) FROM leadroute.speed_buckets WHERE day > current_date - 30 GROUP BY bucket$$);
CALL pg_temp.ask($$SELECT team, bucket, sum(leads), sum(won) FROM leadroute.speed_buckets WHERE day > current_date - 30 GROUP BY 1, 2$$);
CALL pg_temp.ask($$SELECT team, sum(kept), sum(assigned), sum(waste) FROM leadroute.routing_accuracy WHERE day > current_date - 30 GROUP BY team$$);
CALL pg_temp.ask($$SELECT rule, sum(leads), sum(converted), sum(value) FROM leadroute.rule_performance WHERE day > current_date - 30 GROUP BY rule$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.data_quality WHERE week > current_date - 30$$);
CALL pg_temp.ask($$SELECT source, input, sum(filled), sum(valid) FROM leadroute.data_quality WHERE week > current_date - 30 GROUP BY 1, 2$$);
CALL pg_temp.ask($$SELECT bucket, sum(leads), sum(waiting) FROM leadroute.lead_aging GROUP BY bucket$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.lead_aging$$);
CALL pg_temp.ask($$SELECT rep, sum(leads) FROM leadroute.lead_aging WHERE team = 'team3' GROUP BY rep$$);
CALL pg_temp.ask($$SELECT source, kind, step, sum(leads), sum(moved_on) FROM leadroute.funnel WHERE day > current_date - 30 GROUP BY 1, 2, 3$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.rep_scorecard$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.trend_7_30$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.contact_by_hour$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date)$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'day')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'rep')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'team')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'source')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'segment')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'tier')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'rule')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'speed')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.report(current_date - 29, current_date, 'policy')$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.compare_periods(current_date - 59, current_date - 30, current_date - 29, current_date)$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.queue$$);
CALL pg_temp.ask($$SELECT team, count(*), max(waited) FROM leadroute.queue GROUP BY team$$);
CALL pg_temp.ask($$SELECT status, count(*) FROM leadroute.sla_status WHERE started_at > now() - interval '30 days' GROUP BY status$$);
CALL pg_temp.ask($$SELECT owner, count(*) FROM leadroute.sla_status WHERE started_at > now() - interval '30 days' AND status IN ('at_risk', 'breached') GROUP BY owner$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.sla_status WHERE started_at > now() - interval '30 days' AND owner = 'rep7' AND status = 'breached'$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.sla_status WHERE started_at > now() - interval '1 day' AND status IN ('at_risk', 'breached')$$);
CALL pg_temp.ask($$SELECT lead, name, owner_name, remaining FROM leadroute.sla_status WHERE status = 'at_risk' AND started_at > now() - interval '30 days' ORDER BY due_at LIMIT 50$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.sla_status WHERE flow = 'default' AND lead = '1000'$$);
CALL pg_temp.ask($$SELECT recipient, kind, resolution, count(*) FROM leadroute.escalations WHERE at > now() - interval '30 days' GROUP BY 1, 2, 3$$);
CALL pg_temp.ask($$SELECT team, count(*), avg(resolved_after) FROM leadroute.escalations WHERE at > now() - interval '30 days' GROUP BY team$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.escalations WHERE at > now() - interval '1 day'$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.stage_times$$);
CALL pg_temp.ask($$SELECT stage, count(*) FROM leadroute.stage_history WHERE entered_at > now() - interval '30 days' GROUP BY stage$$);
CALL pg_temp.ask($$SELECT from_stage, to_stage, skipped, count(*) FROM leadroute.stage_skips WHERE at > now() - interval '30 days' GROUP BY 1, 2, 3$$);
CALL pg_temp.ask($$SELECT stage, owner, count(*) FROM leadroute.stale_leads WHERE stage_at > now() - interval '30 days' GROUP BY 1, 2$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.stale_leads WHERE owner = 'rep7' AND stage_at > now() - interval '30 days'$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.review_queue$$);
CALL pg_temp.ask($$SELECT code, sum(returned), sum(won) FROM leadroute.recycling_report WHERE day > current_date - 30 GROUP BY code$$);
CALL pg_temp.ask($$SELECT source, outcome, sum(average * ratings) / sum(ratings) FROM leadroute.lead_feedback_report WHERE day > current_date - 30 GROUP BY 1, 2$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.unknown_signals$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.health$$);
CALL pg_temp.ask($$SELECT * FROM leadroute.jobs$$);
SELECT question, max(rows) AS rows, min(cpu) AS cpu_ms, round(min(ms)) AS ms FROM timing GROUP BY question ORDER BY 3 DESC, 1;
