/*
 * Reports: plain views for analysts.
 *
 * Views of single leads (queue, sla_status, escalations) read the base tables, as they are this moment. They show personal data, name and
 * company, so they are security_invoker: who reads them needs to read lead_states, and its row security holds for him. All others are sums
 * over the tables daily_... (66_report_days.sql), without personal data of leads; as_of says how fresh they are, and a share or a
 * median of nothing is NULL.
 */
/* As percentile_cont() has it, of numbers in order: no sort, no set. */
CREATE FUNCTION leadroute.sorted_percentile(numbers integer[], fraction numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN numbers[1 + pg_catalog.floor(fraction * (pg_catalog.cardinality(numbers) - 1))::integer]
	+ (fraction * (pg_catalog.cardinality(numbers) - 1)) % 1
	* (numbers[1 + pg_catalog.ceil(fraction * (pg_catalog.cardinality(numbers) - 1))::integer] - numbers[1 + pg_catalog.floor(fraction * (pg_catalog.cardinality(numbers) - 1))::integer]);
COMMENT ON FUNCTION leadroute.sorted_percentile(integer[], numeric) IS 'Internal: the value that so great a part of the numbers, which stand in order, does not exceed, between two as percentile_cont() has it; NULL of none.';

CREATE FUNCTION leadroute.mean_of(numbers integer[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT pg_catalog.avg(n) FROM pg_catalog.unnest(numbers) n);
COMMENT ON FUNCTION leadroute.mean_of(integer[]) IS 'Internal: the mean of the numbers; NULL of none.';

CREATE FUNCTION leadroute.speed_bucket(speed integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{"< 5 min",5-10 min,10-30 min,30-60 min,1-24 h,"> 24 h",never}'::text[])[speed];
COMMENT ON FUNCTION leadroute.speed_bucket(integer) IS 'Internal: daily_leads.speed in words.';

/* --- lead by lead --- */

/* What of a person the views below show. Not worked out where nobody selects it. */
CREATE FUNCTION leadroute.shown(kind text, value text, flow text, lead text, consent boolean, mask_when text) RETURNS text
LANGUAGE sql STABLE
RETURN CASE WHEN value IS NULL THEN NULL
	WHEN consent IS FALSE OR mask_when IS NOT NULL AND leadroute.is_masked(flow, lead) THEN leadroute.mask(kind, value)
	ELSE value END;
COMMENT ON FUNCTION leadroute.shown(text, text, text, text, boolean, text) IS 'Internal, for views: a value about the person of a lead, masked (see mask()) where he gave no consent or flows.mask_when says so, which is asked of his row where the flow has one.';

CREATE VIEW leadroute.queue WITH (security_invoker = true) AS
	SELECT s.flow, s.team, s.queue,
		row_number() OVER (PARTITION BY s.flow, s.team, s.queue ORDER BY s.priority DESC NULLS LAST, s.submitted_at, s.queue_order) AS place,
		s.lead, leadroute.shown('name', s.name, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS name,
		leadroute.shown('text', s.company, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS company,
		s.source, s.intent, s.segment, s.tier, s.priority, s.submitted_at, s.routed_at AS waiting_since,
		leadroute.report_clock() - s.routed_at AS waited, s.code, k.meaning AS why, s.rule, s.held_until
	FROM leadroute.lead_states s
		LEFT JOIN leadroute.flows f ON f.flow = s.flow
		LEFT JOIN leadroute.codes k ON k.code = s.code
	WHERE s.status = 'waiting' AND s.closed_at IS NULL;

CREATE VIEW leadroute.sla_status WITH (security_invoker = true) AS
	SELECT c.flow, c.lead, leadroute.shown('name', s.name, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS name,
		leadroute.shown('text', s.company, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS company,
		s.owner, p.name AS owner_name, p.manager, s.team, s.source, s.intent, s.segment, s.tier,
		c.policy, c.metric, c.started_at, c.due_at, c.rep_due_at,
		CASE WHEN c.outcome IS NULL THEN c.due_at - coalesce(c.paused_at, leadroute.report_clock()) END AS remaining,
		leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock()) AS status,
		leadroute.sla_colour(leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock())) AS colour,
		leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.report_clock()) AS rep_status,
		c.round, c.finished_at, c.breach_reason
	FROM leadroute.clocks c
		LEFT JOIN leadroute.flows f ON f.flow = c.flow
		LEFT JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead
		LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner;

/* The steps as the sweep noted them: narrow rows, found by their time, none of them an event among all others. */
CREATE VIEW leadroute.escalations WITH (security_invoker = true) AS
	SELECT e.flow, e.lead, leadroute.shown('name', s.name, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS name,
		leadroute.shown('text', s.company, s.flow, s.lead, s.consent, f.mask_when) COLLATE pg_catalog."default" AS company,
		s.team, s.source, e.fired_at AS at, CASE e.action WHEN 'remind' THEN 'reminder' WHEN 'notify' THEN 'escalated' ELSE e.action END AS kind,
		e.policy, e.round, e.step, e.recipient, r.name AS recipient_name, e.owner, e.due_at, e.late_by, e.result,
		coalesce(c.outcome, CASE WHEN c.flow IS NOT NULL THEN 'open' END) AS resolution, c.finished_at AS resolved_at,
		CASE WHEN c.finished_at IS NOT NULL THEN greatest(c.finished_at - e.fired_at, '0') END AS resolved_after, c.ended_by AS resolved_by, s.owner AS owner_now
	FROM leadroute.sla_fired e
		LEFT JOIN leadroute.flows f ON f.flow = e.flow
		LEFT JOIN leadroute.lead_states s ON s.flow = e.flow AND s.lead = e.lead
		LEFT JOIN leadroute.clocks c ON c.flow = e.flow AND c.lead = e.lead AND c.policy = e.policy AND c.round = e.round
		LEFT JOIN leadroute.reps r ON r.flow = e.flow AND r.rep = e.recipient;

/* What a reviewer reads: the values of a pair beside each other. */
CREATE VIEW leadroute.duplicate_review WITH (security_invoker = true) AS
	SELECT d.flow, d.lead, d.other, round(d.score::numeric, 3) AS score, e.field, e.value->>'likeness' AS likeness, (e.value->>'bits')::numeric AS bits,
		leadroute.shown(f.shows_as, a.compared[f.n], d.flow, d.lead, sa.consent, w.mask_when) COLLATE pg_catalog."default" AS lead_value,
		leadroute.shown(f.shows_as, b.compared[f.n], d.flow, d.other, sb.consent, w.mask_when) COLLATE pg_catalog."default" AS other_value
	FROM leadroute.duplicate_candidates d
		CROSS JOIN LATERAL jsonb_each(d.evidence) e(field, value)
		LEFT JOIN leadroute.flows w ON w.flow = d.flow
		LEFT JOIN leadroute.lead_states sa ON sa.flow = d.flow AND sa.lead = d.lead
		LEFT JOIN leadroute.lead_states sb ON sb.flow = d.flow AND sb.lead = d.other
		LEFT JOIN leadroute.match_values a ON a.flow = d.flow AND a.lead = d.lead
		LEFT JOIN leadroute.match_values b ON b.flow = d.flow AND b.lead = d.other
		LEFT JOIN LATERAL (
			SELECT m.n, CASE WHEN m.kind IN ('first_name', 'last_name') THEN 'name' ELSE m.kind END AS shows_as
			FROM leadroute.match_fields_of(coalesce((leadroute.flow_attachment(d.flow)).flow, d.flow)) WITH ORDINALITY m(field, kind, columns, part, n)
			WHERE m.field = e.field) f ON true
	WHERE d.status = 'open';
COMMENT ON VIEW leadroute.duplicate_review IS 'The open suggestions, a row a field that was compared, with both values as they were compared, and a row a match rule by which both have the same key. ORDER BY score DESC ranks them: what only a rule suggests comes last. Shows personal data, masked where flows.mask_when or consent says so: runs with the reader''s own rights.';
COMMENT ON COLUMN leadroute.duplicate_review.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.duplicate_review.lead IS 'One lead.';
COMMENT ON COLUMN leadroute.duplicate_review.other IS 'The other.';
COMMENT ON COLUMN leadroute.duplicate_review.score IS 'How likely they are one, 0 to 1.';
COMMENT ON COLUMN leadroute.duplicate_review.field IS 'The field, as match_fields_of() names it; or "rule: " and the name of a match rule by which both have the same key.';
COMMENT ON COLUMN leadroute.duplicate_review.likeness IS 'How alike the values are: a level of match_levels(), or swapped for names that changed places.';
COMMENT ON COLUMN leadroute.duplicate_review.bits IS 'What that weighs, in bits; less than nothing speaks against; NULL for a match rule.';
COMMENT ON COLUMN leadroute.duplicate_review.lead_value IS 'The one lead''s value as it was compared.';
COMMENT ON COLUMN leadroute.duplicate_review.other_value IS 'The other lead''s value as it was compared.';

/* --- sums by day --- */

CREATE VIEW leadroute.sla_compliance AS
	SELECT d.flow, d.day, d.rep, d.team, d.source, d.segment, d.tier, d.policy, d.metric,
		d.met, d.breached, leadroute.percent(d.met, d.met + d.breached) AS met_pct,
		d.rep_met, d.rep_breached, leadroute.percent(d.rep_met, d.rep_met + d.rep_breached) AS rep_met_pct, d.running, r.as_of
	FROM leadroute.daily_clocks d JOIN leadroute.report_runs r ON r.flow = d.flow;

CREATE VIEW leadroute.breach_reasons AS
	SELECT d.flow, d.day, coalesce(d.reason, 'not told yet') AS reason, d.rep, d.team, d.source, d.policy, d.metric, d.breaches,
		leadroute.percent(d.breaches, sum(d.breaches) OVER (PARTITION BY d.flow, d.day)) AS day_pct, r.as_of
	FROM leadroute.daily_breaches d JOIN leadroute.report_runs r ON r.flow = d.flow;

CREATE VIEW leadroute.response_times AS
	SELECT d.flow, d.day, d.rep, d.team, d.source, coalesce(cardinality(d.system_seconds), 0) AS assigned, coalesce(cardinality(d.human_seconds), 0) AS touched,
		round(leadroute.mean_of(d.system_seconds) / 60, 1) AS system_avg_min,
		round(leadroute.sorted_percentile(d.system_seconds, 0.5) / 60, 1) AS system_median_min,
		round(leadroute.sorted_percentile(d.system_seconds, 0.9) / 60, 1) AS system_p90_min,
		round(leadroute.mean_of(d.system_business) / 60, 1) AS system_business_avg_min,
		round(leadroute.sorted_percentile(d.system_business, 0.5) / 60, 1) AS system_business_median_min,
		round(leadroute.sorted_percentile(d.system_business, 0.9) / 60, 1) AS system_business_p90_min,
		round(leadroute.mean_of(d.human_seconds) / 60, 1) AS human_avg_min,
		round(leadroute.sorted_percentile(d.human_seconds, 0.5) / 60, 1) AS human_median_min,
		round(leadroute.sorted_percentile(d.human_seconds, 0.9) / 60, 1) AS human_p90_min,
		round(leadroute.mean_of(d.human_business) / 60, 1) AS human_business_avg_min,
		round(leadroute.sorted_percentile(d.human_business, 0.5) / 60, 1) AS human_business_median_min,
		round(leadroute.sorted_percentile(d.human_business, 0.9) / 60, 1) AS human_business_p90_min,
		r.as_of
	FROM leadroute.daily_leads d JOIN leadroute.report_runs r ON r.flow = d.flow
	WHERE d.kind = 'rep' AND (d.system_seconds IS NOT NULL OR d.human_seconds IS NOT NULL);

CREATE VIEW leadroute.speed_buckets AS
	SELECT d.flow, d.day, d.team, d.source, d.speed, leadroute.speed_bucket(d.speed) AS bucket,
		d.leads, d.converted, leadroute.percent(d.converted, d.leads) AS conversion_pct,
		d.won, d.lost, leadroute.percent(d.won, d.won + d.lost) AS win_pct, d.value, r.as_of
	FROM leadroute.daily_leads d JOIN leadroute.report_runs r ON r.flow = d.flow
	WHERE d.kind = 'speed' AND d.leads > 0;

CREATE VIEW leadroute.routing_accuracy AS
	SELECT d.flow, d.day, d.team, d.source, sum(d.leads) AS leads, sum(d.assigned) AS assigned,
		sum(d.kept) AS kept, leadroute.percent(sum(d.kept), sum(d.assigned)) AS kept_pct,
		sum(d.fallbacks) AS fallbacks, leadroute.percent(sum(d.fallbacks), sum(d.leads)) AS fallback_pct,
		sum(d.misroutes) AS misroutes, sum(d.duplicates) AS duplicates, sum(d.misroutes + d.duplicates) AS waste,
		leadroute.percent(sum(d.misroutes + d.duplicates), sum(d.leads + d.duplicates)) AS waste_pct, r.as_of
	FROM leadroute.daily_leads d JOIN leadroute.report_runs r ON r.flow = d.flow
	WHERE d.kind = 'rep'
	GROUP BY d.flow, d.day, d.team, d.source, r.as_of;

CREATE VIEW leadroute.rule_performance AS
	SELECT d.flow, d.day, d.rule, d.leads, d.assigned, d.touched, leadroute.percent(d.touched, d.leads) AS touched_pct,
		round(leadroute.sorted_percentile(d.human_seconds, 0.5) / 60, 1) AS human_median_min,
		round(leadroute.sorted_percentile(d.human_seconds, 0.9) / 60, 1) AS human_p90_min,
		d.converted, leadroute.percent(d.converted, d.leads) AS conversion_pct,
		d.won, leadroute.percent(d.won, d.won + d.lost) AS win_pct, d.value, r.as_of
	FROM leadroute.daily_leads d JOIN leadroute.report_runs r ON r.flow = d.flow
	WHERE d.kind = 'rule' AND d.leads > 0;

CREATE VIEW leadroute.data_quality AS
	SELECT d.flow, date_trunc('week', d.day::timestamp)::date AS week, d.source, d.input, sum(d.leads) AS leads,
		sum(d.filled) AS filled, leadroute.percent(sum(d.filled), sum(d.leads)) AS filled_pct,
		sum(d.valid) AS valid, leadroute.percent(sum(d.valid), sum(d.filled)) AS valid_pct, r.as_of
	FROM leadroute.daily_inputs d JOIN leadroute.report_runs r ON r.flow = d.flow
	GROUP BY d.flow, date_trunc('week', d.day::timestamp)::date, d.source, d.input, r.as_of;

CREATE VIEW leadroute.lead_aging AS
	SELECT d.flow, d.rep, d.team, d.source, a.age, ('{0-1 days,2-3 days,4-7 days,8-30 days,31-90 days,> 90 days}'::text[])[a.age] AS bucket,
		sum(d.open) AS leads, sum(d.waiting) AS waiting, min(d.day) AS oldest, r.as_of
	FROM leadroute.daily_leads d
		JOIN leadroute.report_runs r ON r.flow = d.flow
		CROSS JOIN LATERAL (SELECT (leadroute.report_clock() AT TIME ZONE r.timezone)::date - d.day AS days) n
		CROSS JOIN LATERAL (SELECT width_bucket(greatest(n.days, 0), '{0,2,4,8,31,91}'::integer[]) AS age) a
	WHERE d.kind = 'rep' AND d.open > 0
	GROUP BY d.flow, d.rep, d.team, d.source, a.age, r.as_of;

CREATE VIEW leadroute.funnel AS
	SELECT d.flow, d.day, d.source, d.recycled, d.kind, d.step,
		CASE d.kind WHEN 'form' THEN 0 WHEN 'stage' THEN p.position END AS position,
		d.leads, d.moved_on, leadroute.percent(d.moved_on, d.leads) AS conversion_pct,
		leadroute.percent(d.leads, max(d.leads) FILTER (WHERE d.kind = 'form') OVER of_day) AS form_pct,
		CASE WHEN d.kind = 'meeting' THEN leadroute.percent(d.leads, max(d.leads) FILTER (WHERE d.kind = 'meeting' AND d.step = 'booked') OVER of_day) END AS booked_pct, r.as_of
	FROM leadroute.daily_steps d
		JOIN leadroute.report_runs r ON r.flow = d.flow
		LEFT JOIN leadroute.stages p ON p.flow = d.flow AND p.stage = d.step AND d.kind = 'stage'
	WINDOW of_day AS (PARTITION BY d.flow, d.day, d.source, d.recycled);

/* --- any range of days --- */

/* What a row of daily_leads or daily_clocks is listed under. */
CREATE FUNCTION leadroute.report_item(by text, day date, rep text, team text, source text, segment text, tier integer, rule text, speed integer, policy text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE by WHEN 'day' THEN day::text WHEN 'week' THEN pg_catalog.date_trunc('week', day::timestamp)::date::text WHEN 'rep' THEN rep WHEN 'team' THEN team
	WHEN 'source' THEN source WHEN 'segment' THEN segment WHEN 'tier' THEN tier::text WHEN 'rule' THEN rule WHEN 'speed' THEN leadroute.speed_bucket(speed)
	WHEN 'policy' THEN policy WHEN 'total' THEN 'total' END;
COMMENT ON FUNCTION leadroute.report_item(text, date, text, text, text, text, integer, text, integer, text) IS 'Internal: what report() lists a row of figures under.';

CREATE FUNCTION leadroute.report(from_day date, to_day date, by text DEFAULT 'total', flow text DEFAULT 'default')
	RETURNS TABLE (item text, leads bigint, duplicates bigint, assigned bigint, kept_pct numeric, fallback_pct numeric, open bigint,
				   touched bigint, touched_pct numeric, system_median_min numeric, system_p90_min numeric, human_avg_min numeric, human_median_min numeric,
				   human_p90_min numeric, human_business_median_min numeric, met bigint, breached bigint, met_pct numeric, rep_met bigint, rep_breached bigint,
				   rep_met_pct numeric, converted bigint, conversion_pct numeric, won bigint, lost bigint, win_pct numeric, value numeric, as_of timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	/* the kind with the fewest rows that tells the item */
	by_kind	text := CASE WHEN report.by IN ('speed', 'rule', 'segment', 'tier', 'policy') THEN report.by WHEN report.by IN ('rep', 'team', 'source') THEN 'rep' ELSE 'rule' END;
BEGIN
	IF report.by IS NULL OR report.by <> ALL ('{total,day,week,rep,team,source,segment,tier,rule,speed,policy}') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('reports cannot be grouped by "%s"', report.by),
			HINT = 'Give total, day, week, rep, team, source, segment, tier, rule, speed or policy.';
	ELSIF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = report.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', report.flow), HINT = 'leadroute.flows lists them.';
	END IF;
	RETURN QUERY
		WITH sums AS (
			SELECT k.item, sum(d.leads) AS leads, sum(d.duplicates) AS duplicates, sum(d.assigned) AS assigned, sum(d.kept) AS kept, sum(d.fallbacks) AS fallbacks,
				sum(d.open) AS open, sum(d.touched) AS touched, sum(d.converted) AS converted, sum(d.won) AS won, sum(d.lost) AS lost, sum(d.value) AS value
			FROM leadroute.daily_leads d
				CROSS JOIN LATERAL (SELECT leadroute.report_item(report.by, d.day, d.rep, d.team, d.source, d.segment, d.tier, d.rule, d.speed, NULL) AS item) k
			WHERE d.kind = by_kind AND d.flow = report.flow AND d.day BETWEEN from_day AND to_day
			GROUP BY k.item
		), times AS (
			SELECT k.item, percentile_cont('{0.5,0.9}'::double precision[]) WITHIN GROUP (ORDER BY u.system) AS system, avg(u.human) AS human_avg,
				percentile_cont('{0.5,0.9}'::double precision[]) WITHIN GROUP (ORDER BY u.human) AS human,
				percentile_cont(0.5) WITHIN GROUP (ORDER BY u.business) AS business
			FROM leadroute.daily_leads d
				CROSS JOIN LATERAL (SELECT leadroute.report_item(report.by, d.day, d.rep, d.team, d.source, d.segment, d.tier, d.rule, d.speed, NULL) AS item) k
				CROSS JOIN LATERAL unnest(d.system_seconds, d.human_seconds, d.human_business) u(system, human, business)
			WHERE d.kind = by_kind AND d.flow = report.flow AND d.day BETWEEN from_day AND to_day
			GROUP BY k.item
		), clocks AS (
			SELECT k.item, sum(d.met) AS met, sum(d.breached) AS breached, sum(d.rep_met) AS rep_met, sum(d.rep_breached) AS rep_breached
			FROM leadroute.daily_clocks d
				CROSS JOIN LATERAL (SELECT leadroute.report_item(report.by, d.day, d.rep, d.team, d.source, d.segment, d.tier, NULL, NULL, d.policy) AS item) k
			WHERE d.flow = report.flow AND d.day BETWEEN from_day AND to_day AND report.by NOT IN ('rule', 'speed')
			GROUP BY k.item
		), parts AS (
			/* put together by a GROUP BY: there may be thousands of sources, and nothing joins those fast whose number nobody can estimate */
			SELECT s.*, NULL::double precision[] AS system, NULL::numeric AS human_avg, NULL::double precision[] AS human, NULL::double precision AS business,
				NULL::bigint AS met, NULL::bigint AS breached, NULL::bigint AS rep_met, NULL::bigint AS rep_breached
			FROM sums s
			UNION ALL
			SELECT t.item, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.system, t.human_avg, t.human, t.business, NULL, NULL, NULL, NULL FROM times t
			UNION ALL
			SELECT c.item, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, c.met, c.breached, c.rep_met, c.rep_breached FROM clocks c
		), items AS (
			SELECT p.item, max(p.leads) AS leads, max(p.duplicates) AS duplicates, max(p.assigned) AS assigned, max(p.kept) AS kept, max(p.fallbacks) AS fallbacks,
				max(p.open) AS open, max(p.touched) AS touched, max(p.converted) AS converted, max(p.won) AS won, max(p.lost) AS lost, max(p.value) AS value,
				max(p.system) AS system, max(p.human_avg) AS human_avg, max(p.human) AS human, max(p.business) AS business,
				max(p.met) AS met, max(p.breached) AS breached, max(p.rep_met) AS rep_met, max(p.rep_breached) AS rep_breached
			FROM parts p GROUP BY p.item
		)
		SELECT i.item, i.leads, i.duplicates, i.assigned, leadroute.percent(i.kept, i.assigned), leadroute.percent(i.fallbacks, i.leads), i.open,
			i.touched, leadroute.percent(i.touched, i.leads), round((i.system[1] / 60)::numeric, 1), round((i.system[2] / 60)::numeric, 1),
			round(i.human_avg / 60, 1), round((i.human[1] / 60)::numeric, 1), round((i.human[2] / 60)::numeric, 1), round((i.business / 60)::numeric, 1),
			i.met, i.breached, leadroute.percent(i.met, i.met + i.breached), i.rep_met, i.rep_breached, leadroute.percent(i.rep_met, i.rep_met + i.rep_breached),
			i.converted, leadroute.percent(i.converted, i.leads), i.won, i.lost, leadroute.percent(i.won, i.won + i.lost), i.value,
			(SELECT r.as_of FROM leadroute.report_runs r WHERE r.flow = report.flow)
		FROM items i
		ORDER BY array_position('{"< 5 min",5-10 min,10-30 min,30-60 min,1-24 h,"> 24 h",never}'::text[], i.item), i.item;
END
$$;
COMMENT ON FUNCTION leadroute.report(date, date, text, text) IS
	'The figures of leads that asked, and of clocks that started, on the days from one to the other (both included, in flows.timezone): in total, or a row a day, week (its Monday), rep, team, source, segment, tier, rule, speed (from asking to the first touch) or policy. Times are minutes by the clock on the wall, human_business_median_min of business time: system from asking to the first owner, human from then to the first touch; medians and p90 are those of the whole range. Shares are percent. NULL where there is nothing, and where a figure does not go by the item (deadlines by rule or speed, all others by policy). See sla_compliance, speed_buckets, routing_accuracy. Errors: another word in "by" (22023), an unknown flow (42704). A range that ends before it begins has no days.';

CREATE FUNCTION leadroute.report_metrics(from_day date, to_day date, flow text) RETURNS TABLE (place integer, metric text, value numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT m.place, m.metric, m.value
	FROM (SELECT 1) one
		LEFT JOIN leadroute.report(from_day, to_day, 'total', report_metrics.flow) r ON true
		CROSS JOIN LATERAL (VALUES
			(1, 'leads_per_day', round(coalesce(r.leads, 0)::numeric / nullif(to_day - from_day + 1, 0), 2)),
			(2, 'leads', coalesce(r.leads, 0)), (3, 'duplicates', coalesce(r.duplicates, 0)), (4, 'kept_pct', r.kept_pct), (5, 'fallback_pct', r.fallback_pct),
			(6, 'touched_pct', r.touched_pct), (7, 'system_median_min', r.system_median_min), (8, 'human_median_min', r.human_median_min),
			(9, 'human_p90_min', r.human_p90_min), (10, 'met_pct', r.met_pct), (11, 'rep_met_pct', r.rep_met_pct), (12, 'conversion_pct', r.conversion_pct),
			(13, 'won', coalesce(r.won, 0)), (14, 'win_pct', r.win_pct), (15, 'value', coalesce(r.value, 0)),
			(16, 'value_per_day', round(coalesce(r.value, 0) / nullif(to_day - from_day + 1, 0), 2))) m(place, metric, value)
$$;
COMMENT ON FUNCTION leadroute.report_metrics(date, date, text) IS 'Internal: the figures of a range of days, a row a metric.';

CREATE FUNCTION leadroute.compare_periods(from1 date, to1 date, from2 date, to2 date, flow text DEFAULT 'default')
	RETURNS TABLE (metric text, first numeric, second numeric, change numeric, change_pct numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT a.metric, a.value, b.value, b.value - a.value, leadroute.percent(b.value - a.value, abs(a.value))
	FROM leadroute.report_metrics(from1, to1, compare_periods.flow) a
		JOIN leadroute.report_metrics(from2, to2, compare_periods.flow) b USING (place)
	ORDER BY a.place
$$;
COMMENT ON FUNCTION leadroute.compare_periods(date, date, date, date, text) IS
	'Two ranges of days side by side, a row a metric, as report() has them (…_pct percent, …_min minutes): the first, the second, the difference and what that is in percent of the first. Days are those of flows.timezone, both ends included. Errors as report().';

CREATE VIEW leadroute.trend_7_30 AS
	SELECT f.flow, a.metric, a.value AS last_7_days, b.value AS last_30_days, leadroute.percent(a.value - b.value, abs(b.value)) AS change_pct, r.as_of
	FROM leadroute.flows f
		JOIN leadroute.report_runs r ON r.flow = f.flow
		CROSS JOIN LATERAL (SELECT leadroute.flow_today(f.flow) - 1 AS day) yesterday
		CROSS JOIN LATERAL leadroute.report_metrics(yesterday.day - 6, yesterday.day, f.flow) a
		JOIN LATERAL leadroute.report_metrics(yesterday.day - 29, yesterday.day, f.flow) b ON b.place = a.place
	WHERE a.metric NOT IN ('leads', 'duplicates', 'won', 'value');

CREATE VIEW leadroute.rep_scorecard AS
	SELECT f.flow, s.item AS rep, p.name AS rep_name, p.manager, s.leads, s.open, s.kept_pct, s.touched, s.touched_pct, s.human_median_min, s.human_p90_min,
		s.human_business_median_min, s.met, s.breached, s.met_pct, s.rep_met, s.rep_breached, s.rep_met_pct, s.converted, s.conversion_pct, s.won, s.lost, s.win_pct,
		s.value, s.as_of
	FROM leadroute.flows f
		CROSS JOIN LATERAL (SELECT leadroute.flow_today(f.flow) AS day) today
		CROSS JOIN LATERAL leadroute.report(today.day - 29, today.day, 'rep', f.flow) s
		LEFT JOIN leadroute.reps p ON p.flow = f.flow AND p.rep = s.item
	WHERE s.item IS NOT NULL;

/* The week that runs, in the flow's zone: who is on shift at some time of each hour. */
CREATE FUNCTION leadroute.shift_hours(flow text) RETURNS TABLE (weekday integer, hour integer, reps bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT d.weekday, h.hour, coalesce(sum(n.reps) FILTER (WHERE n.calendar IS NULL OR leadroute.business_between(n.calendar, i.begins, i.begins + interval '1 hour', shift_hours.flow) > '0'), 0)::bigint
	FROM leadroute.flows f
		CROSS JOIN generate_series(1, 7) d(weekday)
		CROSS JOIN generate_series(0, 23) h(hour)
		CROSS JOIN LATERAL (SELECT (date_trunc('week', leadroute.report_clock() AT TIME ZONE f.timezone) + make_interval(days => d.weekday - 1, hours => h.hour)) AT TIME ZONE f.timezone AS begins) i
		LEFT JOIN (SELECT c.calendar, count(*) AS reps
				   FROM leadroute.reps p LEFT JOIN leadroute.calendars c ON c.flow = p.flow AND c.calendar = p.calendar
				   WHERE p.flow = shift_hours.flow AND p.active AND EXISTS (SELECT FROM leadroute.team_members m WHERE m.flow = p.flow AND m.rep = p.rep)
				   GROUP BY c.calendar) n ON true
	WHERE f.flow = shift_hours.flow
	GROUP BY d.weekday, h.hour
$$;
COMMENT ON FUNCTION leadroute.shift_hours(text) IS 'Internal: how many active members of teams have a shift within each hour of the week that runs, in flows.timezone; a rep without a calendar has one always. Leaves are not looked at.';

CREATE VIEW leadroute.contact_by_hour AS
	SELECT f.flow, w.weekday, w.hour, coalesce(h.leads, 0) AS leads, coalesce(h.contacts, 0) AS contacts, leadroute.percent(h.contacts, h.leads) AS contact_pct,
		coalesce(h.met, 0) AS met, coalesce(h.breached, 0) AS breached, leadroute.percent(h.met, h.met + h.breached) AS met_pct, w.reps AS reps_on_shift, r.as_of
	FROM leadroute.flows f
		JOIN leadroute.report_runs r ON r.flow = f.flow
		CROSS JOIN LATERAL leadroute.shift_hours(f.flow) w
		CROSS JOIN LATERAL (SELECT leadroute.flow_today(f.flow) AS day) today
		LEFT JOIN LATERAL (
			SELECT extract(isodow FROM d.day)::integer AS weekday, d.hour, sum(d.leads) AS leads, sum(d.contacts) AS contacts, sum(d.met) AS met, sum(d.breached) AS breached
			FROM leadroute.daily_hours d WHERE d.flow = f.flow AND d.day BETWEEN today.day - 29 AND today.day GROUP BY 1, 2) h
			ON h.weekday = w.weekday AND h.hour = w.hour;

COMMENT ON VIEW leadroute.queue IS 'Leads that wait, for whom, how long and why, as of this moment; place 1 goes next. Shows personal data: runs with the reader''s own rights.';
COMMENT ON VIEW leadroute.sla_status IS 'Each clock with its lead, as of this moment, ready to read. Shows personal data: runs with the reader''s own rights. Over many leads give a range: WHERE started_at >= now() - interval ''30 days''.';
COMMENT ON VIEW leadroute.escalations IS 'Reminders, escalations and all other steps of deadlines, whom they went to, and what came of the clock; as long as events are kept. Shows personal data: runs with the reader''s own rights. Over many leads give a range: WHERE at >= now() - interval ''30 days''.';
COMMENT ON VIEW leadroute.sla_compliance IS 'Deadlines met and missed, by the day the clock started. Sums add up; a share of several rows is 100 * sum(met) / sum(met + breached).';
COMMENT ON VIEW leadroute.breach_reasons IS 'Why deadlines were missed, by the day the clock started.';
COMMENT ON VIEW leadroute.response_times IS 'From asking to the first owner (system), and from then to the first touch (human), by the day the person asked, duplicates not counted; by the clock on the wall and in business time of the rep''s calendar. Minutes. For a range of days, whose median is not the median of its days, see report().';
COMMENT ON VIEW leadroute.speed_buckets IS 'Leads by how soon they were first touched after they asked, and what came of them, by the day they asked. An exact boundary belongs to the slower bucket, 24 hours to 1-24 h.';
COMMENT ON VIEW leadroute.routing_accuracy IS 'Whether the first assignment held, by the day the person asked. Waste: leads that somebody got who did not keep them, and duplicates.';
COMMENT ON VIEW leadroute.rule_performance IS 'What the leads of each rule came to, by the day they asked.';
COMMENT ON VIEW leadroute.data_quality IS 'What input columns hold, by week (its Monday): of the rows as they stood when a change of the lead was last looked at; a row that is written without any effect on its lead is not looked at again until the figures are rebuilt.';
COMMENT ON VIEW leadroute.lead_aging IS 'Open leads by their age in days since the person asked.';
COMMENT ON VIEW leadroute.funnel IS 'How far leads came, by the day and source of the form: form (all of them), the flow''s stages, meetings; leads that were ever recycled apart. A lead counts once at each step that it ever came to.';
COMMENT ON VIEW leadroute.trend_7_30 IS 'The last seven days beside the last thirty, up to yesterday, a row a metric: shares in percent (_pct), times in minutes (_min), amounts a day.';
COMMENT ON VIEW leadroute.rep_scorecard IS 'Each rep''s leads of the last 30 days, today included; for other days see report(from, to, ''rep'').';
COMMENT ON VIEW leadroute.contact_by_hour IS 'The hours of the week, over the last 30 days, today included: when leads ask and who is there. Hours without leads are there too.';

/* One word means one thing in all views: said once, and where a view means something of its own under its name. */
DO $do$
DECLARE
	said	record;
BEGIN
	FOR said IN
		SELECT c.relname, a.attname, coalesce(
			(SELECT w.meaning FROM (VALUES
				('queue', 'queue', 'The queue that the lead waits in.'),
				('queue', 'team', 'The team that it waits for; NULL: for whoever claims it.'),
				('queue', 'place', 'Its place in that queue, from 1: priority, then who asked first.'),
				('queue', 'rule', 'The rule that sent it there.'),
				('breach_reasons', 'day', 'The day on which the clock started, in flows.timezone.'),
				('sla_compliance', 'day', 'The day on which the clock started, in flows.timezone.'),
				('sla_compliance', 'rep', 'Whom the outcome is counted for; NULL: nobody.'),
				('breach_reasons', 'rep', 'Whom the outcome is counted for; NULL: nobody.'),
				('lead_aging', 'leads', 'Open leads, assigned or waiting, duplicates not counted.'),
				('lead_aging', 'waiting', 'Of these, those that wait.'),
				('funnel', 'leads', 'Leads that ever came to the step, duplicates not counted.'),
				('funnel', 'conversion_pct', 'moved_on of leads, in percent; NULL of none.'),
				('data_quality', 'leads', 'Leads whose rows stand in the table, duplicates included.'),
				('contact_by_hour', 'met', 'First-touch clocks that started in the hour and were stopped in time.'),
				('contact_by_hour', 'breached', 'Those that were not.'),
				('escalations', 'kind', 'reminder (to the owner), escalated (to somebody else), or what else the step did: reassign, requeue, nurture, set_stage.'),
				('escalations', 'due_at', 'When the step was due.'),
				('escalations', 'owner', 'Who had the lead then.'),
				('escalations', 'result', 'Of a reassign, requeue, nurture or set_stage: who had the lead then, the queue or the stage that it came to, or none, where nobody had it. NULL of the others.'),
				('escalations', 'step', 'The step of the policy.'),
				('trend_7_30', 'metric', 'The figure, as report() has it; leads_per_day and value_per_day are means a day.'),
				('response_times', 'touched', 'Of these, those with a touch that counts.')
			) w(relname, attname, meaning) WHERE w.relname = c.relname AND w.attname = a.attname),
			(SELECT w.meaning FROM (VALUES
				('flow', 'The flow.'), ('lead', 'The lead''s key, as text.'), ('name', 'The person''s name when the lead was decided; masked where flows.mask_when or his consent says so. Personal data.'),
				('company', 'The company as it was written when the lead was decided; masked as the name is.'), ('owner', 'The rep who has the lead.'), ('owner_name', 'His name.'),
				('manager', 'The key of the rep''s manager.'), ('rep', 'Who has the lead; NULL: nobody.'), ('rep_name', 'The rep''s name.'),
				('team', 'The lead''s team; NULL: none.'), ('source', 'The lead''s source when it was decided; NULL: none.'), ('intent', 'Its intent when it was decided: high, medium or low by custom.'),
				('segment', 'Its segment when it was decided; NULL: none.'), ('tier', 'The tier of its account when it was decided, 1 to 3; NULL: none.'), ('priority', 'Which goes first: the highest.'),
				('submitted_at', 'When the person asked.'), ('waiting_since', 'Since when it waits.'), ('waited', 'How long it has waited, by the clock on the wall.'),
				('code', 'Why it waits; see leadroute.codes.'), ('why', 'The same in words.'), ('rule', 'The rule that its present assignment goes back to; NULL: none (a row that brought its owner, a lead that never met the rules).'),
				('held_until', 'Of a lead that is held: when it is routed at the latest.'),
				('policy', 'The policy.'), ('metric', 'What must happen in time.'), ('started_at', 'When the clock started.'), ('due_at', 'The deadline of the policy.'),
				('rep_due_at', 'The deadline of the rep, from the assignment.'), ('remaining', 'Time left until due_at by the clock on the wall, less than nothing when it has passed; while the clock is paused what was left when it was; NULL when it has stopped.'),
				('status', 'met, open, at_risk, breached, paused, cancelled or superseded.'), ('colour', 'green (met, open, paused), yellow (at_risk) or red (breached); NULL of cancelled and superseded.'),
				('rep_status', 'The status against rep_due_at; NULL while nobody has the lead.'), ('round', 'Counts the policy''s clocks of the lead, from 1.'),
				('finished_at', 'When the clock stopped; NULL: it runs.'), ('breach_reason', 'Why it was missed; NULL where it was not, or no sweep has told it yet.'),
				('day', 'The day on which the person asked, in flows.timezone.'), ('week', 'The Monday of the week in which the person asked, in flows.timezone.'),
				('met', 'Clocks stopped in time.'), ('breached', 'Clocks not stopped in time: late, or past due and running.'),
				('met_pct', 'met of met + breached, in percent; NULL of none.'), ('rep_met', 'Clocks stopped in time by the deadline of the rep.'),
				('rep_breached', 'Those not stopped in time by it.'), ('rep_met_pct', 'rep_met of rep_met + rep_breached, in percent; NULL of none.'),
				('running', 'Clocks that run or are paused and are not past due: in neither share.'),
				('reason', 'sync_delay, routing, overload, after_hours or no_response; not told yet: past due, and no sweep has looked.'),
				('breaches', 'How many deadlines were missed for it.'), ('day_pct', 'Their share of all that the flow missed that day, in percent.'),
				('assigned', 'Leads that have or had an owner.'), ('touched', 'Leads with a touch that counts.'), ('touched_pct', 'touched of leads, in percent; NULL of none.'),
				('system_avg_min', 'From asking to the first owner: mean, minutes by the clock on the wall.'), ('system_median_min', 'The same, median.'), ('system_p90_min', 'The same, what nine of ten do not exceed.'),
				('system_business_avg_min', 'From asking to the first owner: mean, minutes of business time by the rep''s calendar.'), ('system_business_median_min', 'The same, median.'), ('system_business_p90_min', 'The same, what nine of ten do not exceed.'),
				('human_avg_min', 'From the first owner to the first touch: mean, minutes by the clock on the wall.'), ('human_median_min', 'From the first owner to the first touch: median, minutes by the clock on the wall; NULL where nobody was touched.'),
				('human_p90_min', 'The same, what nine of ten do not exceed.'), ('human_business_avg_min', 'From the first owner to the first touch: mean, minutes of business time by the rep''s calendar.'),
				('human_business_median_min', 'From the first owner to the first touch: median, minutes of business time by the rep''s calendar.'), ('human_business_p90_min', 'The same, what nine of ten do not exceed.'),
				('speed', 'The bucket''s number, 1 to 7, for ORDER BY.'), ('bucket', 'The bucket in words.'), ('leads', 'Leads, duplicates not counted.'),
				('converted', 'Leads accepted by sales (accept()) or won.'), ('conversion_pct', 'converted of leads, in percent; NULL of none.'),
				('won', 'Leads won.'), ('lost', 'Leads closed and not won.'), ('win_pct', 'won of won + lost, in percent; NULL of none.'),
				('value', 'What the won ones were worth together, in the units of the leads table''s column value.'),
				('kept', 'Assigned leads that their first owner has still.'), ('kept_pct', 'kept of assigned, in percent; NULL of none.'),
				('fallbacks', 'Leads that came to the flow''s last rule, or to the fallback where a decision failed.'), ('fallback_pct', 'fallbacks of leads, in percent; NULL of none.'),
				('misroutes', 'Assigned leads that their first owner has no longer.'), ('duplicates', 'Duplicates, linked or merged, beside the leads.'),
				('waste', 'misroutes + duplicates.'), ('waste_pct', 'waste of leads + duplicates, in percent; NULL of none.'),
				('input', 'The input column, by leadroute''s name.'), ('filled', 'Rows with a value in it that is not blank.'), ('filled_pct', 'filled of leads, in percent.'),
				('valid', 'Rows with a value that leadroute can use: an e-mail, phone, domain, country, region, postal code, name or number that is one; any value of the other columns.'),
				('valid_pct', 'valid of filled, in percent; NULL of none.'), ('age', 'The bucket''s number, 1 to 6, for ORDER BY.'), ('oldest', 'The day on which the oldest of them asked.'),
				('recycled', 'Whether the leads were ever recycled.'), ('kind', 'form, stage or meeting.'), ('step', 'form, the stage, or booked, held, no_show.'),
				('position', 'Order of the steps: 0 for form, the position of a stage; NULL for meetings.'),
				('moved_on', 'Of these, leads that came to a later stage of the way; of form, to any stage; of booked and no_show, to a meeting that was held.'),
				('form_pct', 'Leads of the step by leads of the form, in percent.'), ('booked_pct', 'Of meetings: leads of the step by leads that booked one, in percent; of no_show the share that did not come. NULL of stages, and where none was booked.'),
				('last_7_days', 'The figure over the seven days up to yesterday.'), ('last_30_days', 'The same over thirty days.'),
				('change_pct', 'What the seven differ from the thirty by, in percent of these.'), ('open', 'Leads assigned or waiting and not closed.'),
				('weekday', 'ISO weekday, 1 = Monday, in flows.timezone.'), ('hour', 'The hour, 0 to 23, in flows.timezone.'),
				('contacts', 'Of the leads that asked in the hour, those with a touch that counts, whenever that was.'), ('contact_pct', 'contacts of leads, in percent; NULL of none.'),
				('reps_on_shift', 'Active members of teams with a shift within the hour, in the week that runs.'),
				('at', 'When it was done.'), ('recipient', 'Whom it went to: a rep''s key or a team''s channel; NULL: there was nobody.'), ('recipient_name', 'His name.'),
				('late_by', 'How much later than due that was.'), ('resolution', 'What came of the clock: met, breached, cancelled, superseded, or open; NULL: it is gone.'),
				('resolved_at', 'When the clock stopped; NULL: it runs.'), ('resolved_after', 'How long after it that was, by the clock on the wall; 0 where it was before, as a touch that is told late may be.'),
				('resolved_by', 'What stopped the clock: a kind of touch, accepted, a stage, an outcome of closing and the like.'), ('owner_now', 'Who has the lead now.'),
				('as_of', 'The instant that the figures are of; a sweep renews them every three minutes where something changed.')
			) w(attname, meaning) WHERE w.attname = a.attname)) AS meaning
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relnamespace = 'leadroute'::pg_catalog.regnamespace AND c.relname IN ('queue', 'sla_status', 'escalations', 'sla_compliance', 'breach_reasons', 'response_times',
			'speed_buckets', 'routing_accuracy', 'rule_performance', 'data_quality', 'lead_aging', 'funnel', 'trend_7_30', 'rep_scorecard', 'contact_by_hour')
		ORDER BY c.relname, a.attnum
	LOOP
		IF said.meaning IS NULL THEN
			RAISE EXCEPTION 'no comment for %.%', said.relname, said.attname;
		END IF;
		EXECUTE pg_catalog.format('COMMENT ON COLUMN leadroute.%I.%I IS %L', said.relname, said.attname, said.meaning);
	END LOOP;
END
$do$;
