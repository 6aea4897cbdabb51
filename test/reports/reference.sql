-- What each report should say, worked out from the base tables and the words of its columns alone, lead by lead and clock by clock: none of the
-- functions and daily tables that the reports are made of is used. Read by 055_report_reference.pl over the history of history.sql.
SET client_min_messages = warning;
CREATE SCHEMA want;
CREATE VIEW want.run AS SELECT flow, as_of, timezone AS tz, (as_of AT TIME ZONE timezone)::date AS today FROM leadroute.report_runs WHERE flow = 'default';
CREATE FUNCTION want.secs(i interval) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN i IS NOT NULL THEN greatest(0, round(extract(epoch FROM i))) END $$;
CREATE FUNCTION want.pct(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(100 * a / nullif(b, 0), 1) $$;
CREATE FUNCTION want.mins(s numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(s / 60, 1) $$;
CREATE FUNCTION want.mins(s float8) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(s::numeric / 60, 1) $$;
-- one row a lead
CREATE MATERIALIZED VIEW want.lead AS
SELECT s.*, (s.submitted_at AT TIME ZONE r.tz)::date AS day, extract(hour FROM s.submitted_at AT TIME ZONE r.tz)::int AS hour, r.today, r.as_of,
	s.status IN ('duplicate', 'merged') AS dup,
	(SELECT e.owner FROM leadroute.events e WHERE e.flow = s.flow AND e.lead = s.lead AND e.owner IS NOT NULL ORDER BY e.id LIMIT 1) AS first_owner,
	s.rule = (SELECT rule FROM leadroute.rules WHERE flow = s.flow ORDER BY position DESC LIMIT 1) OR EXISTS (SELECT FROM leadroute.events e WHERE e.flow = s.flow AND e.lead = s.lead AND e.code = 'fallback') AS by_last,
	s.status IN ('assigned', 'waiting') AND s.closed_at IS NULL AS is_open,
	s.closed_at IS NOT NULL AND s.won IS FALSE AS lost,
	s.accepted_at IS NOT NULL OR s.won IS TRUE AS converted,
	CASE WHEN s.first_touch_at IS NULL THEN 7 ELSE (SELECT 1 + count(*) FROM unnest('{5 min,10 min,30 min,1 hour}'::interval[]) b WHERE s.first_touch_at - s.submitted_at >= b)
		+ (s.first_touch_at - s.submitted_at > interval '24 hours')::int END::int AS speed,
	want.secs(s.assigned_at - s.submitted_at) AS system, want.secs(s.first_touch_at - s.assigned_at) AS human,
	CASE WHEN s.assigned_at IS NOT NULL THEN (SELECT want.secs(leadroute.business_between(coalesce(p.calendar, '24x7'), s.submitted_at, greatest(s.submitted_at, s.assigned_at), s.flow)) FROM (SELECT) x LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner) END AS system_b,
	CASE WHEN s.first_touch_at IS NOT NULL AND s.assigned_at IS NOT NULL THEN (SELECT want.secs(leadroute.business_between(coalesce(p.calendar, '24x7'), s.assigned_at, greatest(s.assigned_at, s.first_touch_at), s.flow)) FROM (SELECT) x LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner) END AS human_b
FROM leadroute.lead_states s, want.run r
WHERE s.flow = 'default' AND s.status <> 'ignored' AND s.outcome IS DISTINCT FROM 'moved';
CREATE VIEW want.l AS SELECT * FROM want.lead WHERE NOT dup;
-- one row a clock that counts
CREATE MATERIALIZED VIEW want.clock AS
SELECT c.*, (c.started_at AT TIME ZONE r.tz)::date AS day, extract(hour FROM c.started_at AT TIME ZONE r.tz)::int AS hour, s.team, s.source, s.segment, s.tier,
	coalesce(c.outcome, CASE WHEN coalesce(c.paused_at, r.as_of) > c.due_at THEN 'breached' ELSE 'running' END) AS o,
	coalesce(c.rep_outcome, CASE WHEN c.outcome IS NULL AND c.rep_due_at IS NOT NULL THEN CASE WHEN coalesce(c.paused_at, r.as_of) > c.rep_due_at THEN 'breached' ELSE 'running' END END) AS ro, r.as_of, r.today
FROM leadroute.clocks c JOIN want.lead s USING (flow, lead), want.run r
WHERE c.outcome IS DISTINCT FROM 'superseded';
CREATE VIEW want.sla_compliance AS
SELECT flow, day, owner AS rep, team, source, segment, tier, policy, metric, count(*) FILTER (WHERE o = 'met') AS met, count(*) FILTER (WHERE o = 'breached') AS breached,
	want.pct(count(*) FILTER (WHERE o = 'met'), count(*) FILTER (WHERE o IN ('met', 'breached'))) AS met_pct,
	count(*) FILTER (WHERE ro = 'met') AS rep_met, count(*) FILTER (WHERE ro = 'breached') AS rep_breached, want.pct(count(*) FILTER (WHERE ro = 'met'), count(*) FILTER (WHERE ro IN ('met', 'breached'))) AS rep_met_pct,
	count(*) FILTER (WHERE o = 'running') AS running, as_of
FROM want.clock GROUP BY flow, day, owner, team, source, segment, tier, policy, metric, as_of;
CREATE VIEW want.breach_reasons AS
SELECT flow, day, coalesce(breach_reason, 'not told yet') AS reason, owner AS rep, team, source, policy, metric, count(*) AS breaches, want.pct(count(*), sum(count(*)) OVER (PARTITION BY flow, day)) AS day_pct, as_of
FROM want.clock WHERE o = 'breached' GROUP BY flow, day, breach_reason, owner, team, source, policy, metric, as_of;
CREATE VIEW want.response_times AS
SELECT flow, day, owner AS rep, team, source, count(assigned_at) AS assigned, count(first_touch_at) FILTER (WHERE assigned_at IS NOT NULL) AS touched,
	want.mins(avg(system)), want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY system::float8)) AS m1, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY system::float8)) AS p1,
	want.mins(avg(system_b)) AS a2, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY system_b::float8)) AS m2, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY system_b::float8)) AS p2,
	want.mins(avg(human)) AS a3, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human::float8)) AS m3, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY human::float8)) AS p3,
	want.mins(avg(human_b)) AS a4, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human_b::float8)) AS m4, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY human_b::float8)) AS p4, as_of
FROM want.l GROUP BY flow, day, owner, team, source, as_of HAVING count(assigned_at) > 0;
CREATE VIEW want.speed_buckets AS
SELECT flow, day, team, source, speed, (ARRAY['< 5 min', '5-10 min', '10-30 min', '30-60 min', '1-24 h', '> 24 h', 'never'])[speed] AS bucket, count(*) AS leads, count(*) FILTER (WHERE converted) AS converted,
	want.pct(count(*) FILTER (WHERE converted), count(*)) AS conversion_pct, count(*) FILTER (WHERE won) AS won, count(*) FILTER (WHERE lost) AS lost, want.pct(count(*) FILTER (WHERE won), count(*) FILTER (WHERE won OR lost)) AS win_pct,
	coalesce(sum(value) FILTER (WHERE won), 0) AS value, as_of
FROM want.l GROUP BY flow, day, team, source, speed, as_of;
CREATE VIEW want.routing_accuracy AS
SELECT flow, day, team, source, n AS leads, a AS assigned, k AS kept, want.pct(k, a) AS kept_pct, f AS fallbacks, want.pct(f, n) AS fallback_pct, a - k AS misroutes, d AS duplicates, a - k + d AS waste, want.pct(a - k + d, n + d) AS waste_pct, as_of
FROM (SELECT flow, day, team, source, count(*) FILTER (WHERE NOT dup) AS n, count(assigned_at) FILTER (WHERE NOT dup) AS a, count(*) FILTER (WHERE NOT dup AND assigned_at IS NOT NULL AND owner = first_owner) AS k,
		count(*) FILTER (WHERE NOT dup AND by_last) AS f, count(*) FILTER (WHERE dup) AS d, as_of
	FROM want.lead GROUP BY flow, day, team, source, as_of) x;
CREATE VIEW want.rule_performance AS
SELECT flow, day, rule, count(*) AS leads, count(assigned_at) AS assigned, count(first_touch_at) AS touched, want.pct(count(first_touch_at), count(*)) AS touched_pct,
	want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human::float8)) AS m, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY human::float8)) AS p, count(*) FILTER (WHERE converted) AS converted,
	want.pct(count(*) FILTER (WHERE converted), count(*)) AS conversion_pct, count(*) FILTER (WHERE won) AS won, want.pct(count(*) FILTER (WHERE won), count(*) FILTER (WHERE won OR lost)) AS win_pct, coalesce(sum(value) FILTER (WHERE won), 0) AS value, as_of
FROM want.l GROUP BY flow, day, rule, as_of;
CREATE VIEW want.lead_aging AS
SELECT flow, rep, team, source, age, (ARRAY['0-1 days', '2-3 days', '4-7 days', '8-30 days', '31-90 days', '> 90 days'])[age] AS bucket, count(*) AS leads, count(*) FILTER (WHERE status = 'waiting') AS waiting, min(day) AS oldest, as_of
FROM (SELECT l.*, owner AS rep, (SELECT 1 + count(*) FROM unnest('{1,3,7,30,90}'::int[]) b WHERE l.today - l.day > b)::int AS age FROM want.l) x WHERE is_open GROUP BY flow, rep, team, source, age, as_of;
CREATE VIEW want.rep_scorecard AS
SELECT coalesce(a.flow, b.flow) AS flow, coalesce(a.rep, b.rep) AS rep, (SELECT name FROM leadroute.reps r WHERE r.flow = coalesce(a.flow, b.flow) AND r.rep = coalesce(a.rep, b.rep)) AS rep_name, (SELECT manager FROM leadroute.reps r WHERE r.flow = coalesce(a.flow, b.flow) AND r.rep = coalesce(a.rep, b.rep)) AS manager,
	leads, open, kept_pct, touched, touched_pct, m, p, mb, met, breached, want.pct(met, met + breached) AS met_pct, rep_met, rep_breached, want.pct(rep_met, rep_met + rep_breached) AS rep_met_pct, converted, conversion_pct, won, lost, win_pct, value, (SELECT as_of FROM want.run) AS as_of
FROM (SELECT flow, owner AS rep, count(*) AS leads, count(*) FILTER (WHERE is_open) AS open, want.pct(count(*) FILTER (WHERE assigned_at IS NOT NULL AND owner = first_owner), count(assigned_at)) AS kept_pct, count(first_touch_at) AS touched, want.pct(count(first_touch_at), count(*)) AS touched_pct,
		want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human::float8)) AS m, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY human::float8)) AS p, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human_b::float8)) AS mb,
		count(*) FILTER (WHERE converted) AS converted, want.pct(count(*) FILTER (WHERE converted), count(*)) AS conversion_pct, count(*) FILTER (WHERE won) AS won, count(*) FILTER (WHERE lost) AS lost, want.pct(count(*) FILTER (WHERE won), count(*) FILTER (WHERE won OR lost)) AS win_pct, coalesce(sum(value) FILTER (WHERE won), 0) AS value
	FROM want.l WHERE day > today - 30 AND owner IS NOT NULL GROUP BY flow, owner) a
FULL JOIN (SELECT flow, owner AS rep, count(*) FILTER (WHERE o = 'met') AS met, count(*) FILTER (WHERE o = 'breached') AS breached, count(*) FILTER (WHERE ro = 'met') AS rep_met, count(*) FILTER (WHERE ro = 'breached') AS rep_breached
	FROM want.clock WHERE day > today - 30 AND owner IS NOT NULL GROUP BY flow, owner) b ON (a.flow, a.rep) = (b.flow, b.rep);
CREATE VIEW want.contact_by_hour AS
WITH h AS (SELECT d AS weekday, h AS hour FROM generate_series(1, 7) d, generate_series(0, 23) h),
l AS (SELECT extract(isodow FROM day)::int AS weekday, hour, count(*) AS leads, count(first_touch_at) AS contacts FROM want.l WHERE day > today - 30 GROUP BY 1, 2),
c AS (SELECT extract(isodow FROM day)::int AS weekday, hour, count(*) FILTER (WHERE o = 'met') AS met, count(*) FILTER (WHERE o = 'breached') AS breached FROM want.clock WHERE day > today - 30 AND metric = 'first_touch' GROUP BY 1, 2),
w AS (SELECT r.rep, extract(isodow FROM t AT TIME ZONE u.tz)::int AS weekday, extract(hour FROM t AT TIME ZONE u.tz)::int AS hour
	FROM leadroute.reps r, want.run u, LATERAL (SELECT (u.today - extract(isodow FROM u.today)::int + 1)::timestamp AT TIME ZONE u.tz AS monday) m, generate_series(m.monday, (((m.monday AT TIME ZONE u.tz) + interval '7 days') AT TIME ZONE u.tz) - interval '1 second', '1 hour') t
	WHERE r.active AND EXISTS (SELECT FROM leadroute.team_members tm WHERE tm.flow = r.flow AND tm.rep = r.rep) AND (r.calendar IS NULL OR leadroute.business_between(r.calendar, t, t + interval '1 hour', r.flow) > interval '0')),
s AS (SELECT weekday, hour, count(DISTINCT rep) AS reps FROM w GROUP BY 1, 2)
SELECT 'default'::text AS flow, weekday, hour, coalesce(leads, 0) AS leads, coalesce(contacts, 0) AS contacts, want.pct(contacts, leads) AS contact_pct, coalesce(met, 0) AS met, coalesce(breached, 0) AS breached, want.pct(met, met + breached) AS met_pct, coalesce(reps, 0) AS reps, (SELECT as_of FROM want.run) AS as_of
FROM h LEFT JOIN l USING (weekday, hour) LEFT JOIN c USING (weekday, hour) LEFT JOIN s USING (weekday, hour);
CREATE VIEW want.reached AS
SELECT DISTINCT l.flow, l.lead, l.day, l.source, coalesce(l.recycles, 0) > 0 AS recycled, e.stage AS step FROM want.l JOIN leadroute.events e USING (flow, lead) WHERE e.kind = 'stage' AND e.stage IS NOT NULL;
CREATE VIEW want.met AS
SELECT DISTINCT l.flow, l.lead, l.day, l.source, coalesce(l.recycles, 0) > 0 AS recycled, m.step FROM want.l JOIN leadroute.signals g USING (flow, lead) JOIN (VALUES ('meeting_booked', 'booked'), ('rebooked', 'booked'), ('meeting_held', 'held'), ('no_show', 'no_show')) m(type, step) USING (type);
CREATE VIEW want.funnel AS
WITH form AS (SELECT flow, day, source, coalesce(recycles, 0) > 0 AS recycled, count(*) AS leads, count(*) FILTER (WHERE EXISTS (SELECT FROM want.reached r WHERE (r.flow, r.lead) = (l.flow, l.lead))) AS moved_on FROM want.l GROUP BY 1, 2, 3, 4),
stage AS (SELECT r.flow, r.day, r.source, r.recycled, r.step, s.position, count(*) AS leads, count(*) FILTER (WHERE EXISTS (SELECT FROM want.reached n JOIN leadroute.stages t ON t.flow = n.flow AND t.stage = n.step WHERE (n.flow, n.lead) = (r.flow, r.lead) AND t.position > s.position AND NOT t.beside)) AS moved_on
	FROM want.reached r JOIN leadroute.stages s ON s.flow = r.flow AND s.stage = r.step GROUP BY 1, 2, 3, 4, 5, 6),
meeting AS (SELECT flow, day, source, recycled, step, count(*) AS leads, count(*) FILTER (WHERE step <> 'held' AND EXISTS (SELECT FROM want.met n WHERE (n.flow, n.lead) = (m.flow, m.lead) AND n.step = 'held')) AS moved_on FROM want.met m GROUP BY 1, 2, 3, 4, 5),
al AS (SELECT flow, day, source, recycled, 'form' AS kind, 'form' AS step, 0 AS position, leads, moved_on FROM form UNION ALL SELECT flow, day, source, recycled, 'stage', step, position, leads, moved_on FROM stage
	UNION ALL SELECT flow, day, source, recycled, 'meeting', step, NULL, leads, moved_on FROM meeting)
SELECT a.*, want.pct(a.moved_on, a.leads) AS conversion_pct, want.pct(a.leads, f.leads) AS form_pct, CASE WHEN a.kind = 'meeting' THEN want.pct(a.leads, b.leads) END AS booked_pct, (SELECT as_of FROM want.run) AS as_of
FROM al a JOIN form f ON f.day = a.day AND f.source IS NOT DISTINCT FROM a.source AND f.recycled = a.recycled LEFT JOIN meeting b ON b.step = 'booked' AND b.day = a.day AND b.source IS NOT DISTINCT FROM a.source AND b.recycled = a.recycled;
-- which of the history's values are wrong is known of its making (an American region is none elsewhere)
CREATE VIEW want.data_quality AS
SELECT s.flow, date_trunc('week', s.day)::date AS week, s.source, i.input, count(*) AS leads, count(*) FILTER (WHERE btrim(i.v) <> '') AS filled, want.pct(count(*) FILTER (WHERE btrim(i.v) <> ''), count(*)) AS filled_pct,
	count(*) FILTER (WHERE btrim(i.v) <> '' AND i.v NOT IN ('no mail', 'Atlantis') AND NOT (i.input = 'phone' AND i.v = '12') AND (i.input <> 'region' OR t.country = 'US')) AS valid, want.pct(count(*) FILTER (WHERE btrim(i.v) <> '' AND i.v NOT IN ('no mail', 'Atlantis') AND NOT (i.input = 'phone' AND i.v = '12') AND (i.input <> 'region' OR t.country = 'US')), count(*) FILTER (WHERE btrim(i.v) <> '')) AS valid_pct, s.as_of
FROM want.lead s JOIN lr.leads t ON t.id::text = s.lead, LATERAL (VALUES ('email', t.email), ('phone', t.phone), ('first_name', t.first_name), ('last_name', t.last_name), ('company', t.company), ('website', t.website), ('country', t.country), ('region', t.region), ('employees', t.employees::text), ('source', t.source), ('value', t.value::text), ('submitted_at', t.submitted_at::text)) i(input, v)
GROUP BY s.flow, date_trunc('week', s.day), s.source, i.input, s.as_of;
-- figures by any item
CREATE FUNCTION want.report(f date, t date, by text) RETURNS SETOF record LANGUAGE sql AS $$
WITH l AS (SELECT *, CASE by WHEN 'total' THEN 'total' WHEN 'day' THEN day::text WHEN 'week' THEN date_trunc('week', day)::date::text WHEN 'rep' THEN owner WHEN 'team' THEN team WHEN 'source' THEN source WHEN 'segment' THEN segment WHEN 'tier' THEN tier::text WHEN 'rule' THEN rule
		WHEN 'speed' THEN (ARRAY['< 5 min', '5-10 min', '10-30 min', '30-60 min', '1-24 h', '> 24 h', 'never'])[speed] END AS item FROM want.lead WHERE day BETWEEN f AND t AND by <> 'policy'),
c AS (SELECT *, CASE by WHEN 'total' THEN 'total' WHEN 'day' THEN day::text WHEN 'week' THEN date_trunc('week', day)::date::text WHEN 'rep' THEN owner WHEN 'team' THEN team WHEN 'source' THEN source WHEN 'segment' THEN segment WHEN 'tier' THEN tier::text WHEN 'policy' THEN policy END AS item FROM want.clock WHERE day BETWEEN f AND t AND by NOT IN ('rule', 'speed')),
a AS (SELECT item, count(*) FILTER (WHERE NOT dup) AS leads, count(*) FILTER (WHERE dup) AS duplicates, count(assigned_at) FILTER (WHERE NOT dup) AS assigned, want.pct(count(*) FILTER (WHERE NOT dup AND assigned_at IS NOT NULL AND owner = first_owner), count(assigned_at) FILTER (WHERE NOT dup)) AS kept_pct, want.pct(count(*) FILTER (WHERE NOT dup AND by_last), count(*) FILTER (WHERE NOT dup)) AS fallback_pct,
	count(*) FILTER (WHERE NOT dup AND is_open) AS open, count(first_touch_at) FILTER (WHERE NOT dup) AS touched, want.pct(count(first_touch_at) FILTER (WHERE NOT dup), count(*) FILTER (WHERE NOT dup)) AS touched_pct,
	want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY system::float8) FILTER (WHERE NOT dup)) AS s1, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY system::float8) FILTER (WHERE NOT dup)) AS s2, want.mins(avg(human) FILTER (WHERE NOT dup)) AS h1, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human::float8) FILTER (WHERE NOT dup)) AS h2, want.mins(percentile_cont(0.9) WITHIN GROUP (ORDER BY human::float8) FILTER (WHERE NOT dup)) AS h3, want.mins(percentile_cont(0.5) WITHIN GROUP (ORDER BY human_b::float8) FILTER (WHERE NOT dup)) AS h4,
	count(*) FILTER (WHERE NOT dup AND converted) AS converted, want.pct(count(*) FILTER (WHERE NOT dup AND converted), count(*) FILTER (WHERE NOT dup)) AS conversion_pct, count(*) FILTER (WHERE NOT dup AND won) AS won, count(*) FILTER (WHERE NOT dup AND lost) AS lost, want.pct(count(*) FILTER (WHERE NOT dup AND won), count(*) FILTER (WHERE NOT dup AND (won OR lost))) AS win_pct, coalesce(sum(value) FILTER (WHERE NOT dup AND won), 0) AS value FROM l GROUP BY item),
b AS (SELECT item, count(*) FILTER (WHERE o = 'met') AS met, count(*) FILTER (WHERE o = 'breached') AS breached, want.pct(count(*) FILTER (WHERE o = 'met'), count(*) FILTER (WHERE o IN ('met', 'breached'))) AS met_pct, count(*) FILTER (WHERE ro = 'met') AS rep_met, count(*) FILTER (WHERE ro = 'breached') AS rep_breached, want.pct(count(*) FILTER (WHERE ro = 'met'), count(*) FILTER (WHERE ro IN ('met', 'breached'))) AS rep_met_pct FROM c GROUP BY item)
SELECT coalesce(a.item, b.item) AS item, leads, duplicates, assigned, kept_pct, fallback_pct, open, touched, touched_pct, s1, s2, h1, h2, h3, h4, met, breached, met_pct, rep_met, rep_breached, rep_met_pct, converted, conversion_pct, won, lost, win_pct, value, (SELECT as_of FROM want.run) AS as_of
FROM a FULL JOIN b ON coalesce(a.item, '~') = coalesce(b.item, '~') $$;

-- lead by lead, as of now
CREATE VIEW want.now AS SELECT leadroute.report_clock() AS at;
CREATE FUNCTION want.status(outcome text, paused timestamptz, due timestamptz, risk timestamptz, now timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(outcome, CASE WHEN coalesce(paused, now) > due THEN 'breached' WHEN paused IS NOT NULL THEN 'paused' WHEN now >= risk THEN 'at_risk' ELSE 'open' END) $$;
CREATE FUNCTION want.colour(status text) RETURNS text LANGUAGE sql AS $$ SELECT CASE status WHEN 'met' THEN 'green' WHEN 'open' THEN 'green' WHEN 'paused' THEN 'green' WHEN 'at_risk' THEN 'yellow' WHEN 'breached' THEN 'red' END $$;
CREATE VIEW want.sla_status AS
SELECT c.flow, c.lead, s.name, s.company, s.owner, p.name AS owner_name, p.manager, s.team, s.source, s.intent, s.segment, s.tier, c.policy, c.metric, c.started_at, c.due_at, c.rep_due_at, CASE WHEN c.finished_at IS NULL THEN c.due_at - coalesce(c.paused_at, n.at) END AS remaining,
	x.st AS status, CASE x.st WHEN 'met' THEN 'green' WHEN 'open' THEN 'green' WHEN 'paused' THEN 'green' WHEN 'at_risk' THEN 'yellow' WHEN 'breached' THEN 'red' END AS colour,
	CASE WHEN c.assigned_at IS NOT NULL THEN want.status(c.rep_outcome, c.paused_at, c.rep_due_at, c.rep_risk_at, n.at) END AS rep_status, c.round, c.finished_at, c.breach_reason
FROM leadroute.clocks c JOIN leadroute.lead_states s USING (flow, lead) LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner, want.now n, LATERAL (SELECT want.status(c.outcome, c.paused_at, c.due_at, c.risk_at, n.at) AS st) x;
CREATE VIEW want.queue AS
SELECT s.flow, s.team, s.queue, row_number() OVER (PARTITION BY s.flow, s.queue ORDER BY s.priority DESC NULLS LAST, s.submitted_at, s.queue_order) AS place, s.lead, s.name, s.company, s.source, s.intent, s.segment, s.tier, s.priority, s.submitted_at,
	coalesce(w.at, f.at) AS waiting_since, n.at - coalesce(w.at, f.at) AS waited, s.code, (SELECT meaning FROM leadroute.codes k WHERE k.code = s.code) AS why, s.rule, s.held_until
FROM leadroute.lead_states s LEFT JOIN LATERAL (SELECT e.at FROM leadroute.events e WHERE e.flow = s.flow AND e.lead = s.lead AND e.code = s.code AND e.code <> 'succeeded' AND e.kind <> 'stage' ORDER BY e.id DESC LIMIT 1) w ON true
	-- who succeeded another has waited since he came himself
	LEFT JOIN LATERAL (SELECT e.at FROM leadroute.events e WHERE e.flow = s.flow AND e.lead = s.lead AND e.kind = 'decided' ORDER BY e.id LIMIT 1) f ON true, want.now n
WHERE s.status = 'waiting' AND s.closed_at IS NULL;
CREATE VIEW want.escalations AS
SELECT f.flow, f.lead, s.name, s.company, s.team, s.source, f.fired_at AS at, CASE WHEN f.action IN ('remind', 'notify') THEN CASE WHEN f.action = 'remind' THEN 'reminder' ELSE 'escalated' END ELSE f.action END AS kind, f.policy, f.round, f.step, f.recipient, p.name AS recipient_name, f.owner, f.due_at, f.late_by, f.result,
	coalesce(c.outcome, CASE WHEN c.lead IS NOT NULL THEN 'open' END) AS resolution, c.finished_at AS resolved_at, CASE WHEN c.finished_at IS NOT NULL THEN greatest(interval '0', c.finished_at - f.fired_at) END AS resolved_after, c.ended_by AS resolved_by, s.owner AS owner_now
FROM leadroute.sla_fired f LEFT JOIN leadroute.lead_states s USING (flow, lead) LEFT JOIN leadroute.clocks c USING (flow, lead, policy, round) LEFT JOIN leadroute.reps p ON p.flow = f.flow AND p.rep = f.recipient;
CREATE VIEW want.stage_history AS
SELECT e.flow, e.lead, e.stage, e.previous_stage, e.at AS entered_at, lead(e.at) OVER w AS left_at, lead(e.stage) OVER w AS next_stage, e.code, e.actor
FROM leadroute.events e WHERE e.kind = 'stage' AND e.stage IS NOT NULL WINDOW w AS (PARTITION BY e.flow, e.lead ORDER BY e.id);
CREATE VIEW want.stage_skips AS
SELECT h.flow, h.lead, h.entered_at AS at, h.previous_stage AS from_stage, h.stage AS to_stage, k.skipped, h.code, h.actor
FROM want.stage_history h JOIN leadroute.stages a ON a.flow = h.flow AND a.stage = h.previous_stage JOIN leadroute.stages b ON b.flow = h.flow AND b.stage = h.stage,
	LATERAL (SELECT array_agg(t.stage ORDER BY t.position) AS skipped FROM leadroute.stages t WHERE t.flow = h.flow AND NOT t.beside AND t.position > a.position AND t.position < b.position
		AND NOT EXISTS (SELECT FROM want.stage_history o WHERE o.flow = h.flow AND o.lead = h.lead AND o.stage = t.stage AND o.entered_at <= h.entered_at)) k
WHERE k.skipped IS NOT NULL AND NOT b.beside AND NOT a.beside;
CREATE VIEW want.stays AS SELECT h.*, round(extract(epoch FROM h.left_at - h.entered_at)) AS secs, l.day, l.today FROM want.stage_history h JOIN want.l l USING (flow, lead);
CREATE VIEW want.stage_times AS
SELECT g.flow, g.stage, g.position, g.kind, coalesce(x.stays, 0) AS stays, (SELECT count(*) FROM want.l l WHERE l.flow = g.flow AND l.stage = g.stage AND l.closed_at IS NULL AND l.status <> 'discarded') AS open_leads, coalesce(x.finished, 0) AS finished, round(x.avg / 3600, 2) AS avg_hours, round(x.median::numeric / 3600, 2) AS m, round(x.p90::numeric / 3600, 2) AS p, r.as_of
FROM leadroute.stages g LEFT JOIN (SELECT flow, stage, count(*) AS stays, count(left_at) AS finished, avg(secs) AS avg, percentile_cont(0.5) WITHIN GROUP (ORDER BY secs::float8) FILTER (WHERE day > today - 90) AS median, percentile_cont(0.9) WITHIN GROUP (ORDER BY secs::float8) FILTER (WHERE day > today - 90) AS p90
	FROM want.stays GROUP BY flow, stage) x USING (flow, stage), want.run r;
CREATE VIEW want.recycling_report AS
SELECT j.flow, (j.at AT TIME ZONE r.tz)::date AS day, j.code, q.reason, count(*) AS rejections, count(j.flag) AS flagged, count(*) FILTER (WHERE j.action = 'nurture') AS nurtured, count(*) FILTER (WHERE j.action = 'recycle') AS recycled,
	count(*) FILTER (WHERE j.action <> 'archive' AND j.returned_at IS NULL AND j.archived_at IS NULL AND s.status = 'nurture' AND s.closed_at IS NULL AND NOT EXISTS (SELECT FROM leadroute.rejections o WHERE o.flow = j.flow AND o.lead = j.lead AND o.id > j.id)) AS away, count(j.returned_at) AS returned, count(*) FILTER (WHERE j.returned_by = 'high_intent') AS returned_by_intent, count(j.archived_at) AS archived,
	count(*) FILTER (WHERE w.last) AS won, coalesce(sum(s.value) FILTER (WHERE w.last), 0) AS value, want.pct(count(*) FILTER (WHERE w.last), count(j.returned_at)) AS conversion_pct
FROM leadroute.rejections j JOIN want.run r USING (flow) LEFT JOIN leadroute.rejection_reasons q USING (flow, code) LEFT JOIN leadroute.lead_states s USING (flow, lead),
	LATERAL (SELECT s.won AND j.returned_at IS NOT NULL AND NOT EXISTS (SELECT FROM leadroute.rejections o WHERE o.flow = j.flow AND o.lead = j.lead AND o.id > j.id) AS last) w
GROUP BY j.flow, (j.at AT TIME ZONE r.tz)::date, j.code, q.reason;
CREATE VIEW want.lead_feedback_report AS
SELECT f.flow, (f.at AT TIME ZONE r.tz)::date AS day, coalesce(f.source, '') AS source, coalesce(s.outcome, 'open') AS outcome, count(*) AS ratings, count(DISTINCT f.lead) AS leads, round(avg(rating), 2) AS average, count(*) FILTER (WHERE rating = 1) AS ones, count(*) FILTER (WHERE rating = 2) AS twos, count(*) FILTER (WHERE rating = 3) AS threes, count(*) FILTER (WHERE rating = 4) AS fours, count(*) FILTER (WHERE rating = 5) AS fives
FROM leadroute.lead_feedback f JOIN want.run r USING (flow) LEFT JOIN leadroute.lead_states s USING (flow, lead) GROUP BY f.flow, (f.at AT TIME ZONE r.tz)::date, coalesce(f.source, ''), coalesce(s.outcome, 'open');
CREATE VIEW want.clock_states AS
SELECT c.flow, c.lead, c.policy, c.round, c.metric, c.owner, x.st AS state, want.colour(x.st) AS colour, x.rep AS rep_state, want.colour(x.rep) AS rep_colour, c.started_at, c.assigned_at, c.due_at, c.rep_due_at, c.paused_at, c.finished_at, c.ended_by, c.breach_reason,
	c.assigned_at - c.started_at AS system_delay, c.finished_at - c.assigned_at AS human_delay, c.steps_done, c.next_at, c.asked_by
FROM leadroute.clocks c, want.now n, LATERAL (SELECT want.status(c.outcome, c.paused_at, c.due_at, c.risk_at, n.at) AS st, CASE WHEN c.rep_due_at IS NOT NULL THEN want.status(c.rep_outcome, c.paused_at, c.rep_due_at, c.rep_risk_at, n.at) END AS rep) x;
CREATE VIEW want.stale_leads AS
SELECT l.flow, l.lead, l.stage, l.stage_at, l.owner, round(extract(epoch FROM n.at - l.stage_at) / 3600, 2) AS age_hours, round(a.avg, 2) AS avg_hours, round(extract(epoch FROM n.at - l.stage_at) / 3600 / nullif(round(a.avg, 2), 0), 2) AS times
FROM want.l l JOIN leadroute.stages g ON g.flow = l.flow AND g.stage = l.stage AND g.kind = 'open' JOIN (SELECT flow, stage, avg(secs) / 3600 AS avg FROM want.stays WHERE left_at IS NOT NULL GROUP BY flow, stage) a ON a.flow = l.flow AND a.stage = l.stage, want.now n
WHERE l.closed_at IS NULL AND l.status <> 'discarded' AND extract(epoch FROM n.at - l.stage_at) / 3600 > 2 * round(a.avg, 2);
CREATE FUNCTION want.figures(f date, t date) RETURNS TABLE (metric text, value numeric) LANGUAGE sql AS $$
SELECT m.* FROM (SELECT * FROM want.report(f, t, 'total') AS r(item text, leads bigint, duplicates bigint, assigned bigint, kept_pct numeric, fallback_pct numeric, open bigint, touched bigint, touched_pct numeric, s1 numeric, s2 numeric, h1 numeric, h2 numeric, h3 numeric, h4 numeric, met bigint, breached bigint, met_pct numeric, rep_met bigint, rep_breached bigint, rep_met_pct numeric, converted bigint, conversion_pct numeric, won bigint, lost bigint, win_pct numeric, value numeric, as_of timestamptz)) r,
	LATERAL (VALUES ('leads_per_day', round(r.leads::numeric / (t - f + 1), 2)), ('leads', r.leads), ('duplicates', r.duplicates), ('kept_pct', r.kept_pct), ('fallback_pct', r.fallback_pct), ('touched_pct', r.touched_pct), ('system_median_min', r.s1), ('human_median_min', r.h2), ('human_p90_min', r.h3), ('met_pct', r.met_pct), ('rep_met_pct', r.rep_met_pct),
		('conversion_pct', r.conversion_pct), ('won', r.won), ('win_pct', r.win_pct), ('value', r.value), ('value_per_day', round(r.value / (t - f + 1), 2))) m $$;
CREATE VIEW want.trend_7_30 AS
SELECT 'default'::text AS flow, a.metric, a.value AS last_7_days, b.value AS last_30_days, want.pct(a.value - b.value, abs(b.value)) AS change_pct, r.as_of
FROM want.run r, LATERAL want.figures(r.today - 7, r.today - 1) a, LATERAL want.figures(r.today - 30, r.today - 1) b WHERE a.metric = b.metric AND a.metric NOT IN ('leads', 'duplicates', 'won', 'value');

-- rows that one has and the other has not, as text, with a few of them to look at
CREATE FUNCTION want.diff(have text, wish text) RETURNS TABLE (had bigint, missing bigint, surplus bigint, example text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format($f$
		WITH h AS (SELECT r::text COLLATE "C" AS r FROM (%s) r), w AS (SELECT r::text COLLATE "C" AS r FROM (%s) r),
			surplus AS (TABLE h EXCEPT ALL TABLE w), missing AS (TABLE w EXCEPT ALL TABLE h)
		SELECT (SELECT count(*) FROM h), (SELECT count(*) FROM missing), (SELECT count(*) FROM surplus),
			format('have %%s, want %%s', (SELECT min(r) FROM surplus), (SELECT min(r) FROM missing))$f$, have, wish);
END $$;
