/*
 * What reports are made of: figures a day, so that a question over millions of leads reads some thousand rows.
 *
 * One place says what counts: report_leads() and report_clocks() work the figures of a flow's days out of the base tables, lead by lead, and
 * report_daily_...() add them up; the tables daily_... hold them, and nothing else writes those. A day is a calendar day in flows.timezone, of when the person
 * asked (submitted_at).
 *
 * Kept fresh by the sweep (part "reports"), a day at a time: every change of a lead writes an event, so the days to do are those of the
 * leads that have new events, or new signals of meetings. "New" is told by their ids, which are made of the clock: whatever was written after the oldest
 * transaction began that was open when the sweep last looked. report_days has the days that are to be done; as_of moves when none is left.
 * All of it can be thrown away: refresh_reports() makes it again from the base tables. Not dumped.
 */
CREATE TABLE leadroute.report_runs (
	flow			text COLLATE "C" PRIMARY KEY,
	as_of			timestamptz,
	looked_at		timestamptz NOT NULL,
	seen			bigint NOT NULL,
	timezone		text NOT NULL,
	shape			text NOT NULL
);
CREATE TABLE leadroute.report_days (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	PRIMARY KEY (flow, day)
);
CREATE TABLE leadroute.daily_leads (
	flow			text COLLATE "C" NOT NULL,
	kind			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	rep				text COLLATE "C",
	team			text COLLATE "C",
	source			text,
	segment			text,
	tier			integer,
	rule			text COLLATE "C",
	speed			integer,
	leads			integer NOT NULL,
	duplicates		integer NOT NULL,
	discarded		integer NOT NULL,
	assigned		integer NOT NULL,
	kept			integer NOT NULL,
	misroutes		integer NOT NULL,
	fallbacks		integer NOT NULL,
	open			integer NOT NULL,
	waiting			integer NOT NULL,
	touched			integer NOT NULL,
	converted		integer NOT NULL,
	won				integer NOT NULL,
	lost			integer NOT NULL,
	value			numeric NOT NULL,
	system_seconds	integer[],
	system_business	integer[],
	human_seconds	integer[],
	human_business	integer[]
);
CREATE INDEX daily_leads_day_idx ON leadroute.daily_leads (kind, flow, day);
CREATE INDEX daily_leads_open_idx ON leadroute.daily_leads (flow, day) WHERE kind = 'rep' AND open > 0;
CREATE TABLE leadroute.daily_clocks (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	rep				text COLLATE "C",
	team			text COLLATE "C",
	source			text,
	segment			text,
	tier			integer,
	policy			text COLLATE "C" NOT NULL,
	metric			text COLLATE "C" NOT NULL,
	clocks			integer NOT NULL,
	met				integer NOT NULL,
	breached		integer NOT NULL,
	running			integer NOT NULL,
	rep_met			integer NOT NULL,
	rep_breached	integer NOT NULL
);
CREATE INDEX daily_clocks_day_idx ON leadroute.daily_clocks (flow, day);
CREATE TABLE leadroute.daily_breaches (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	reason			text,
	rep				text COLLATE "C",
	team			text COLLATE "C",
	source			text,
	policy			text COLLATE "C" NOT NULL,
	metric			text COLLATE "C" NOT NULL,
	breaches		integer NOT NULL
);
CREATE INDEX daily_breaches_day_idx ON leadroute.daily_breaches (flow, day);
CREATE TABLE leadroute.daily_hours (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	hour			integer NOT NULL,
	leads			integer NOT NULL,
	contacts		integer NOT NULL,
	met				integer NOT NULL,
	breached		integer NOT NULL,
	PRIMARY KEY (flow, day, hour)
);
CREATE TABLE leadroute.daily_steps (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	source			text,
	recycled		boolean NOT NULL,
	kind			text NOT NULL,
	step			text COLLATE "C" NOT NULL,
	leads			integer NOT NULL,
	moved_on		integer NOT NULL
);
CREATE INDEX daily_steps_day_idx ON leadroute.daily_steps (flow, day);
CREATE TABLE leadroute.daily_inputs (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	source			text,
	input			text NOT NULL,
	leads			integer NOT NULL,
	filled			integer NOT NULL,
	valid			integer NOT NULL
);
CREATE INDEX daily_inputs_day_idx ON leadroute.daily_inputs (flow, day);

/* where a day's leads and clocks lie: narrow, and next to nothing on the insert path */
CREATE INDEX lead_states_submitted_idx ON leadroute.lead_states USING brin (submitted_at) WITH (pages_per_range = 8);
CREATE INDEX clocks_started_idx ON leadroute.clocks USING brin (started_at) WITH (pages_per_range = 8);
/* which are new: a signal need not write an event */
CREATE INDEX signals_id_idx ON leadroute.signals USING brin (id);

COMMENT ON TABLE leadroute.report_runs IS 'How fresh the reports of a flow are.';
COMMENT ON COLUMN leadroute.report_runs.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.report_runs.as_of IS 'The instant that the figures are of: what was committed before it is in them. NULL: the first run is not through yet.';
COMMENT ON COLUMN leadroute.report_runs.looked_at IS 'When the days to do were last collected; as_of when these are done.';
COMMENT ON COLUMN leadroute.report_runs.seen IS 'Events below this id have been looked at.';
COMMENT ON COLUMN leadroute.report_runs.timezone IS 'The flow''s zone by which days were cut; another one means all days anew.';
COMMENT ON COLUMN leadroute.report_runs.shape IS 'report_shape() when the days were collected; another one means all days anew.';
COMMENT ON TABLE leadroute.report_days IS 'Days whose figures are to be worked out anew.';
COMMENT ON COLUMN leadroute.report_days.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.report_days.day IS 'The day, in the flow''s zone.';

COMMENT ON TABLE leadroute.daily_leads IS 'Figures of leads by the day they asked: what the reports add up. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_leads.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_leads.day IS 'The day on which the person asked, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_leads.rep IS 'Who has the lead; NULL: nobody.';
COMMENT ON COLUMN leadroute.daily_leads.team IS 'The team that it came to him from, or waits for; NULL: none.';
COMMENT ON COLUMN leadroute.daily_leads.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.segment IS 'Its segment when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.tier IS 'The tier of its account when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.rule IS 'The rule that its present assignment goes back to.';
COMMENT ON COLUMN leadroute.daily_leads.speed IS 'From asking to the first touch: 1 below 5 minutes, 2 below 10, 3 below 30, 4 below 60, 5 up to 24 hours, 6 longer, 7 never touched.';
COMMENT ON COLUMN leadroute.daily_leads.leads IS 'How many leads, duplicates not counted.';
COMMENT ON COLUMN leadroute.daily_leads.duplicates IS 'How many duplicates, linked or merged, beside them.';
COMMENT ON COLUMN leadroute.daily_leads.discarded IS 'Of the leads, discarded by a rule.';
COMMENT ON COLUMN leadroute.daily_leads.assigned IS 'Of the leads, those that have or had an owner.';
COMMENT ON COLUMN leadroute.daily_leads.kept IS 'Of the assigned, those whose first owner has them still.';
COMMENT ON COLUMN leadroute.daily_leads.misroutes IS 'Of the assigned, those whose first owner has them no longer.';
COMMENT ON COLUMN leadroute.daily_leads.fallbacks IS 'Of the leads, decided by the last rule of the flow, or by the fallback where a decision failed.';
COMMENT ON COLUMN leadroute.daily_leads.open IS 'Of the leads, assigned or waiting and not closed.';
COMMENT ON COLUMN leadroute.daily_leads.waiting IS 'Of the open ones, those that wait.';
COMMENT ON COLUMN leadroute.daily_leads.touched IS 'Of the leads, those with a touch that counts.';
COMMENT ON COLUMN leadroute.daily_leads.converted IS 'Of the leads, accepted by sales (accept()) or won.';
COMMENT ON COLUMN leadroute.daily_leads.won IS 'Of the leads, won.';
COMMENT ON COLUMN leadroute.daily_leads.lost IS 'Of the leads, closed and not won; rows that went are neither.';
COMMENT ON COLUMN leadroute.daily_leads.value IS 'What the won ones were worth together, in the units of the leads table''s column value.';
COMMENT ON COLUMN leadroute.daily_leads.system_seconds IS 'From asking to the first owner, seconds by the clock on the wall, a number a lead that has one; NULL: none.';
COMMENT ON COLUMN leadroute.daily_leads.system_business IS 'The same in seconds of business time, by the rep''s calendar (none: 24x7).';
COMMENT ON COLUMN leadroute.daily_leads.human_seconds IS 'From the first owner to the first touch, as system_seconds; 0 where the touch came first.';
COMMENT ON COLUMN leadroute.daily_leads.human_business IS 'The same in seconds of business time.';
COMMENT ON TABLE leadroute.daily_clocks IS 'Figures of clocks by the day they started: what the reports on deadlines add up. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_clocks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_clocks.day IS 'The day on which the clock started, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_clocks.rep IS 'Whom the outcome is counted for; NULL: nobody.';
COMMENT ON COLUMN leadroute.daily_clocks.team IS 'The lead''s team.';
COMMENT ON COLUMN leadroute.daily_clocks.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_clocks.segment IS 'Its segment when it was decided.';
COMMENT ON COLUMN leadroute.daily_clocks.tier IS 'The tier of its account when it was decided.';
COMMENT ON COLUMN leadroute.daily_clocks.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.daily_clocks.metric IS 'What must happen in time.';
COMMENT ON COLUMN leadroute.daily_clocks.clocks IS 'How many clocks; one that the next round took over from is not counted.';
COMMENT ON COLUMN leadroute.daily_clocks.met IS 'Of these, stopped in time.';
COMMENT ON COLUMN leadroute.daily_clocks.breached IS 'Of these, not: stopped late, or past due and running.';
COMMENT ON COLUMN leadroute.daily_clocks.running IS 'Of these, neither yet.';
COMMENT ON COLUMN leadroute.daily_clocks.rep_met IS 'Stopped in time by the deadline of the rep.';
COMMENT ON COLUMN leadroute.daily_clocks.rep_breached IS 'Not in time by the deadline of the rep.';
COMMENT ON TABLE leadroute.daily_hours IS 'Leads and first-touch clocks by the day and hour they asked or started. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_hours.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_hours.day IS 'The day, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_hours.hour IS 'The hour, 0 to 23, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_hours.leads IS 'Leads that asked in it, duplicates not counted.';
COMMENT ON COLUMN leadroute.daily_hours.contacts IS 'Of these, those with a touch that counts, whenever that was.';
COMMENT ON TABLE leadroute.daily_steps IS 'How far the leads of a day came. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_steps.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_steps.day IS 'The day on which the person asked, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_steps.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_steps.recycled IS 'Whether the lead was ever recycled.';
COMMENT ON COLUMN leadroute.daily_steps.kind IS 'form, stage or meeting.';
COMMENT ON COLUMN leadroute.daily_steps.step IS 'form, the stage, or booked, held, no_show.';
COMMENT ON COLUMN leadroute.daily_steps.leads IS 'How many leads ever came to it, duplicates not counted.';
COMMENT ON COLUMN leadroute.daily_steps.moved_on IS 'Of these, those that came to a later stage of the way; of form, to any stage; of booked, to held.';
COMMENT ON TABLE leadroute.daily_inputs IS 'What the input columns of a day''s leads hold. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_inputs.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_inputs.day IS 'The day on which the person asked, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_inputs.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_inputs.input IS 'The input column, by leadroute''s name.';
COMMENT ON COLUMN leadroute.daily_inputs.leads IS 'Leads whose rows stand in the table, duplicates included.';
COMMENT ON COLUMN leadroute.daily_inputs.filled IS 'Of these, with a value that is not blank.';
COMMENT ON COLUMN leadroute.daily_inputs.valid IS 'Of these, with one that leadroute can use: an e-mail, phone, domain, country, region, postal code, name or number that is one; any value of the other columns.';

COMMENT ON TABLE leadroute.daily_breaches IS 'Clocks that were missed, by why and by the day they started. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_breaches.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_breaches.day IS 'The day on which the clock started, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_breaches.reason IS 'Why it was missed; NULL: no sweep has told it yet.';
COMMENT ON COLUMN leadroute.daily_breaches.rep IS 'Whom the outcome is counted for; NULL: nobody.';
COMMENT ON COLUMN leadroute.daily_breaches.team IS 'The lead''s team.';
COMMENT ON COLUMN leadroute.daily_breaches.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_breaches.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.daily_breaches.metric IS 'What must happen in time.';
COMMENT ON COLUMN leadroute.daily_breaches.breaches IS 'How many clocks.';
COMMENT ON COLUMN leadroute.daily_hours.met IS 'First-touch clocks that started in it and were stopped in time.';
COMMENT ON COLUMN leadroute.daily_hours.breached IS 'Those that were not.';
COMMENT ON COLUMN leadroute.daily_leads.kind IS 'What the row is by, each lead being in one row of each kind: rep (with team and source), speed (with team and source), rule, segment, tier; the other columns are NULL.';

/* What the reports count of a lead. */
CREATE TYPE leadroute.report_lead AS (
	lead text, day date, hour integer, rep text, team text, source text, segment text, tier integer, rule text, speed integer,
	duplicate boolean, discarded boolean, assigned boolean, kept boolean, fallback boolean, open boolean, waiting boolean,
	touched boolean, converted boolean, won boolean, lost boolean, value numeric, recycled boolean,
	system_seconds integer, system_business integer, human_seconds integer, human_business integer);
CREATE TYPE leadroute.report_clock AS (
	day date, hour integer, rep text, team text, source text, segment text, tier integer, policy text, metric text, reason text, state text, rep_state text);
COMMENT ON TYPE leadroute.report_clock IS 'Internal: what the reports count of a clock, see report_clocks() and the columns of daily_clocks.';
COMMENT ON TYPE leadroute.report_lead IS 'Internal: what the reports count of a lead, see report_leads() and the columns of daily_leads.';

/* STABLE, for views: one instant a statement, where clock() moves on. */
CREATE FUNCTION leadroute.report_clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(pg_catalog.current_setting('leadroute.clock', true), '')::timestamptz, pg_catalog.statement_timestamp());
COMMENT ON FUNCTION leadroute.report_clock() IS 'The instant that reports take for now, one for a whole statement: leadroute.clock where it is set, else when the statement began.';

/* --- what counts: from the base tables --- */

/* A day's leads, lead by lead. Rows from before the attach, and those that went to another flow, are no report's. */
CREATE FUNCTION leadroute.report_leads(flow text, from_day date, to_day date) RETURNS SETOF leadroute.report_lead
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH last_rule AS (
		SELECT r.rule FROM leadroute.rules r WHERE r.flow = report_leads.flow ORDER BY r.position DESC LIMIT 1
	), calendars AS (
		SELECT c.calendar FROM leadroute.calendars c WHERE c.flow = report_leads.flow
	)
	SELECT s.lead, local.at::date, extract(hour FROM local.at)::integer, s.owner, s.team, s.source, s.segment, s.tier, s.rule,
		CASE WHEN s.first_touch_at IS NULL THEN 7
			WHEN s.first_touch_at - s.submitted_at < '5 min' THEN 1
			WHEN s.first_touch_at - s.submitted_at < '10 min' THEN 2
			WHEN s.first_touch_at - s.submitted_at < '30 min' THEN 3
			WHEN s.first_touch_at - s.submitted_at < '60 min' THEN 4
			WHEN s.first_touch_at - s.submitted_at <= '24 hours' THEN 5
			ELSE 6 END,
		s.status IN ('duplicate', 'merged'),
		s.status = 'discarded',
		NOT s.status IN ('duplicate', 'merged') AND first.owner IS NOT NULL,
		first.owner IS NOT NULL AND first.owner IS NOT DISTINCT FROM s.owner,
		s.code = 'fallback' OR s.rule IS NOT DISTINCT FROM l.rule AND l.rule IS NOT NULL,
		s.status IN ('assigned', 'waiting') AND s.closed_at IS NULL,
		s.status = 'waiting' AND s.closed_at IS NULL,
		s.first_touch_at IS NOT NULL,
		s.accepted_at IS NOT NULL OR s.won IS TRUE,
		s.won IS TRUE, s.won IS FALSE,
		CASE WHEN s.won THEN coalesce(s.value, 0) ELSE 0 END,
		coalesce(s.recycles, 0) > 0,
		CASE WHEN s.assigned_at < s.submitted_at THEN 0 ELSE extract(epoch FROM s.assigned_at - s.submitted_at)::integer END,
		CASE WHEN s.assigned_at < s.submitted_at THEN 0
			ELSE extract(epoch FROM leadroute.business_between(by.calendar, s.submitted_at, s.assigned_at, s.flow))::integer END,
		CASE WHEN s.first_touch_at < s.assigned_at THEN 0 ELSE extract(epoch FROM s.first_touch_at - s.assigned_at)::integer END,
		CASE WHEN s.first_touch_at < s.assigned_at THEN 0
			ELSE extract(epoch FROM leadroute.business_between(by.calendar, s.assigned_at, s.first_touch_at, s.flow))::integer END
	FROM leadroute.flows f
		JOIN leadroute.lead_states s ON s.flow = f.flow
			AND s.submitted_at >= from_day::timestamp AT TIME ZONE f.timezone AND s.submitted_at < (to_day + 1)::timestamp AT TIME ZONE f.timezone
		CROSS JOIN LATERAL (SELECT s.submitted_at AT TIME ZONE f.timezone AS at) local
		LEFT JOIN last_rule l ON true
		LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner
		CROSS JOIN LATERAL (SELECT CASE WHEN p.calendar IN (SELECT c.calendar FROM calendars c) THEN p.calendar ELSE '24x7' END AS calendar) by
		LEFT JOIN LATERAL (
			SELECT e.owner FROM leadroute.events e
			WHERE e.flow = s.flow AND e.lead = s.lead AND e.owner IS NOT NULL AND s.status <> 'duplicate'
			ORDER BY e.id LIMIT 1) first ON true
	WHERE f.flow = report_leads.flow AND s.status <> 'ignored' AND s.outcome IS DISTINCT FROM 'moved'
$$;
COMMENT ON FUNCTION leadroute.report_leads(text, date, date) IS
	'Internal: what the reports count of each lead of a flow that asked on one of these days, from the base tables. The first owner is known as long as the lead''s events are kept.';

/*
 * What the tables hold of the leads that report_leads() gives, each counted by several things. These functions take the leads, or the
 * clocks, so that those of a day are worked out once.
 */
CREATE FUNCTION leadroute.report_daily_leads(flow text, leads leadroute.report_lead[]) RETURNS SETOF leadroute.daily_leads
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT report_daily_leads.flow,
		CASE WHEN grouping(r.speed) = 0 THEN 'speed' WHEN grouping(r.rule) = 0 THEN 'rule' WHEN grouping(r.segment) = 0 THEN 'segment' WHEN grouping(r.tier) = 0 THEN 'tier' ELSE 'rep' END,
		r.day, r.rep, r.team, r.source, r.segment, r.tier, r.rule, r.speed,
		count(*) FILTER (WHERE NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.duplicate)::integer,
		count(*) FILTER (WHERE r.discarded)::integer,
		count(*) FILTER (WHERE r.assigned)::integer,
		count(*) FILTER (WHERE r.assigned AND r.kept)::integer,
		count(*) FILTER (WHERE r.assigned AND NOT r.kept)::integer,
		count(*) FILTER (WHERE r.fallback AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.open AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.waiting AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.touched AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.converted AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.won AND NOT r.duplicate)::integer,
		count(*) FILTER (WHERE r.lost AND NOT r.duplicate)::integer,
		coalesce(sum(r.value) FILTER (WHERE NOT r.duplicate), 0),
		array_agg(r.system_seconds ORDER BY r.system_seconds) FILTER (WHERE r.system_seconds IS NOT NULL AND NOT r.duplicate),
		array_agg(r.system_business ORDER BY r.system_business) FILTER (WHERE r.system_business IS NOT NULL AND NOT r.duplicate),
		array_agg(r.human_seconds ORDER BY r.human_seconds) FILTER (WHERE r.human_seconds IS NOT NULL AND NOT r.duplicate),
		array_agg(r.human_business ORDER BY r.human_business) FILTER (WHERE r.human_business IS NOT NULL AND NOT r.duplicate)
	FROM unnest(leads) r
	GROUP BY GROUPING SETS ((r.day, r.rep, r.team, r.source), (r.day, r.team, r.source, r.speed), (r.day, r.rule), (r.day, r.segment), (r.day, r.tier))
$$;
COMMENT ON FUNCTION leadroute.report_daily_leads(text, leadroute.report_lead[]) IS 'Internal: what daily_leads holds of these leads.';

/* The clocks that started on these days, as they stand now; those that another round took over from are no report's. */
CREATE FUNCTION leadroute.report_clocks(flow text, from_day date, to_day date) RETURNS SETOF leadroute.report_clock
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT local.at::date, extract(hour FROM local.at)::integer, c.owner, s.team, s.source, s.segment, s.tier, c.policy, c.metric,
		CASE WHEN now_.state = 'breached' THEN c.breach_reason END, now_.state, now_.rep_state
	FROM leadroute.flows f
		JOIN leadroute.clocks c ON c.flow = f.flow
			AND c.started_at >= from_day::timestamp AT TIME ZONE f.timezone AND c.started_at < (to_day + 1)::timestamp AT TIME ZONE f.timezone
		JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead
		CROSS JOIN LATERAL (SELECT c.started_at AT TIME ZONE f.timezone AS at) local
		CROSS JOIN LATERAL (
			SELECT leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock()) AS state,
				leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.report_clock()) AS rep_state) now_
	WHERE f.flow = report_clocks.flow AND s.outcome IS DISTINCT FROM 'moved' AND now_.state <> 'superseded'
$$;
COMMENT ON FUNCTION leadroute.report_clocks(text, date, date) IS 'Internal: what the reports count of each clock of a flow that started on one of these days, from the base tables.';

CREATE FUNCTION leadroute.report_daily_clocks(flow text, clocks leadroute.report_clock[]) RETURNS SETOF leadroute.daily_clocks
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT report_daily_clocks.flow, c.day, c.rep, c.team, c.source, c.segment, c.tier, c.policy, c.metric, count(*)::integer,
		count(*) FILTER (WHERE c.state = 'met')::integer,
		count(*) FILTER (WHERE c.state = 'breached')::integer,
		count(*) FILTER (WHERE c.state IN ('open', 'at_risk', 'paused'))::integer,
		count(*) FILTER (WHERE c.rep_state = 'met')::integer,
		count(*) FILTER (WHERE c.rep_state = 'breached')::integer
	FROM unnest(clocks) c
	GROUP BY c.day, c.rep, c.team, c.source, c.segment, c.tier, c.policy, c.metric
$$;
COMMENT ON FUNCTION leadroute.report_daily_clocks(text, leadroute.report_clock[]) IS 'Internal: what daily_clocks holds of these clocks.';

CREATE FUNCTION leadroute.report_daily_breaches(flow text, clocks leadroute.report_clock[]) RETURNS SETOF leadroute.daily_breaches
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT report_daily_breaches.flow, c.day, c.reason, c.rep, c.team, c.source, c.policy, c.metric, count(*)::integer
	FROM unnest(clocks) c
	WHERE c.state = 'breached'
	GROUP BY c.day, c.reason, c.rep, c.team, c.source, c.policy, c.metric
$$;
COMMENT ON FUNCTION leadroute.report_daily_breaches(text, leadroute.report_clock[]) IS 'Internal: what daily_breaches holds of these clocks.';

CREATE FUNCTION leadroute.report_daily_hours(flow text, leads leadroute.report_lead[], clocks leadroute.report_clock[]) RETURNS SETOF leadroute.daily_hours
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT report_daily_hours.flow, h.day, h.hour, sum(h.leads)::integer, sum(h.contacts)::integer, sum(h.met)::integer, sum(h.breached)::integer
	FROM (SELECT r.day, r.hour, 1 AS leads, r.touched::integer AS contacts, 0 AS met, 0 AS breached FROM unnest(leads) r WHERE NOT r.duplicate
		  UNION ALL
		  SELECT c.day, c.hour, 0, 0, (c.state = 'met')::integer, (c.state = 'breached')::integer
		  FROM unnest(clocks) c WHERE c.metric = 'first_touch') h
	GROUP BY h.day, h.hour
$$;
COMMENT ON FUNCTION leadroute.report_daily_hours(text, leadroute.report_lead[], leadroute.report_clock[]) IS 'Internal: what daily_hours holds of these leads and clocks.';

CREATE FUNCTION leadroute.report_daily_steps(flow text, leads leadroute.report_lead[]) RETURNS SETOF leadroute.daily_steps
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH cohort AS MATERIALIZED (
		SELECT r.lead, r.day, r.source, r.recycled FROM unnest(leads) r WHERE NOT r.duplicate
	), came AS MATERIALIZED (
		/* each stage that a lead was in, once, and how far on the way it came; a flow without stages asks no lead */
		SELECT l.lead, l.day, l.source, l.recycled, e.stage, p.position,
			max(CASE WHEN NOT p.beside THEN p.position END) OVER (PARTITION BY l.lead) AS furthest
		FROM cohort l
			JOIN LATERAL (SELECT DISTINCT e.stage FROM leadroute.events e
						  WHERE e.flow = report_daily_steps.flow AND e.lead = l.lead AND e.stage IS NOT NULL) e ON true
			LEFT JOIN leadroute.stages p ON p.flow = report_daily_steps.flow AND p.stage = e.stage
		WHERE (SELECT EXISTS (SELECT FROM leadroute.stages n WHERE n.flow = report_daily_steps.flow))
	), met AS (
		SELECT l.day, l.source, l.recycled, bool_or(g.type IN ('meeting_booked', 'rebooked')) AS booked, bool_or(g.type = 'meeting_held') AS held,
			bool_or(g.type = 'no_show') AS no_show
		FROM cohort l
			JOIN LATERAL (SELECT g.type FROM leadroute.signals g
						  WHERE g.flow = report_daily_steps.flow AND g.lead = l.lead AND g.type IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show')
						  UNION ALL
						  /* nobody said that it was held, and a sweep found its time over */
						  SELECT 'no_show' FROM leadroute.events e WHERE e.flow = report_daily_steps.flow AND e.lead = l.lead AND e.kind = 'no_show') g ON true
		GROUP BY l.lead, l.day, l.source, l.recycled
	)
	SELECT report_daily_steps.flow, s.day, s.source, s.recycled, s.kind, s.step, count(*)::integer, count(*) FILTER (WHERE s.moved_on)::integer
	FROM (SELECT l.day, l.source, l.recycled, 'form' AS kind, 'form' AS step, c.lead IS NOT NULL AS moved_on
		  FROM cohort l LEFT JOIN (SELECT DISTINCT c.lead FROM came c) c ON c.lead = l.lead
		  UNION ALL
		  SELECT c.day, c.source, c.recycled, 'stage', c.stage, coalesce(c.furthest > c.position, false) FROM came c
		  UNION ALL
		  SELECT m.day, m.source, m.recycled, 'meeting', step.name, step.name <> 'held' AND m.held
		  FROM met m CROSS JOIN LATERAL (VALUES ('booked', m.booked), ('held', m.held), ('no_show', m.no_show)) step(name, came)
		  WHERE step.came) s
	GROUP BY s.day, s.source, s.recycled, s.kind, s.step
$$;
COMMENT ON FUNCTION leadroute.report_daily_steps(text, leadroute.report_lead[]) IS 'Internal: what daily_steps holds of these leads, from their events and signals.';

/* Of the input columns that the leads table has. Reads each lead's row by its key, and needs an index on that. */
CREATE FUNCTION leadroute.report_daily_inputs(flow text, leads leadroute.report_lead[]) RETURNS SETOF leadroute.daily_inputs
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments := leadroute.flow_attachment(report_daily_inputs.flow);
	relation	regclass := leadroute.attachment_table(attachment);
	key_type	text;
	key			text;
	inputs		text;
BEGIN
	IF relation IS NULL OR attachment.status <> 'attached' THEN
		RETURN;
	END IF;
	SELECT format_type(a.atttypid, NULL) INTO key_type
	FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = attachment.key_column AND NOT a.attisdropped;
	SELECT string_agg(format('(%L, t.%I::text, %s)', c.canonical, a.attname,
							 CASE c.canonical
								 WHEN 'email' THEN 'p.email_key IS NOT NULL'
								 WHEN 'phone' THEN 'p.phone_key IS NOT NULL'
								 WHEN 'first_name' THEN 'p.first_name_key IS NOT NULL'
								 WHEN 'last_name' THEN 'p.last_name_key IS NOT NULL'
								 WHEN 'company' THEN 'p.company_key IS NOT NULL'
								 WHEN 'website' THEN 'p.website_domain IS NOT NULL'
								 WHEN 'country' THEN 'p.country_code IS NOT NULL'
								 WHEN 'region' THEN 'p.region_code IS NOT NULL'
								 WHEN 'postal_code' THEN 'p.postal_key IS NOT NULL'
								 WHEN 'employees' THEN format($n$t.%I::text ~ '^\s*[0-9]+(\.[0-9]*)?\s*$'$n$, a.attname)
								 WHEN 'annual_revenue' THEN format($n$t.%I::text ~ '^\s*-?[0-9]+(\.[0-9]*)?\s*$'$n$, a.attname)
								 WHEN 'value' THEN format($n$t.%I::text ~ '^\s*-?[0-9]+(\.[0-9]*)?\s*$'$n$, a.attname)
								 ELSE 'true' END), ', ' ORDER BY a.attnum)
	INTO inputs
	FROM leadroute.canonical_columns() c
		JOIN pg_attribute a ON a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = leadroute.mapped_column(attachment.columns, c.canonical)
	WHERE c.direction = 'input';
	IF key_type IS NULL OR inputs IS NULL THEN
		RETURN;
	END IF;
	/* leads of a table that stood here before may have keys that are none of this one's */
	key := CASE WHEN key_type IN ('smallint', 'integer', 'bigint') THEN $key$CASE WHEN r.lead ~ '^-?[0-9]{1,18}$' THEN r.lead::bigint END$key$
		WHEN key_type = 'uuid' THEN $key$CASE WHEN r.lead ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.lead::uuid END$key$
		ELSE format('r.lead::%s', key_type) END;
	RETURN QUERY EXECUTE format($inputs$
		SELECT $1, r.day, r.source, v.input, count(*)::integer, count(*) FILTER (WHERE v.value ~ '\S')::integer,
			count(*) FILTER (WHERE v.value ~ '\S' AND v.valid)::integer
		FROM unnest($2) r
			JOIN %1$s t ON t.%2$I = %3$s
			CROSS JOIN LATERAL leadroute.lead_profile(t, $3) p
			CROSS JOIN LATERAL (VALUES %4$s) v(input, value, valid)
		GROUP BY r.day, r.source, v.input$inputs$, relation, attachment.key_column, key, inputs)
		USING report_daily_inputs.flow, leads, attachment.flow;
END
$$;
COMMENT ON FUNCTION leadroute.report_daily_inputs(text, leadroute.report_lead[]) IS 'Internal: what daily_inputs holds of these leads, from the leads table as it is now.';

/* --- keeping the days fresh --- */

/* What days depend on beside the leads themselves: another text means all days anew. */
CREATE FUNCTION leadroute.report_shape(flow text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT md5(concat_ws('/', (SELECT r.rule FROM leadroute.rules r WHERE r.flow = report_shape.flow ORDER BY r.position DESC LIMIT 1),
		(SELECT string_agg(format('%s %s %s', p.stage, p.position, p.beside), ',' ORDER BY p.position) FROM leadroute.stages p WHERE p.flow = report_shape.flow)))
$$;
COMMENT ON FUNCTION leadroute.report_shape(text) IS 'Part of sweep(): a text that changes with the configuration on which the figures of past days depend: the last rule, the stages.';

/* The days on which a flow has leads or clocks that changed since the last look, or all. */
CREATE FUNCTION leadroute.collect_report_days(flow text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	run		leadroute.report_runs;
	zone	text;
	shape	text := leadroute.report_shape(collect_report_days.flow);
	bound	bigint;
	since	timestamptz;
BEGIN
	SELECT f.timezone INTO zone FROM leadroute.flows f WHERE f.flow = collect_report_days.flow;
	SELECT r.* INTO run FROM leadroute.report_runs r WHERE r.flow = collect_report_days.flow FOR UPDATE;
	/* before the look: whatever is written by a transaction that is open now, or begins later, is still to be seen after it */
	SELECT least(clock_timestamp(), min(a.xact_start)) INTO since
	FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
		AND a.backend_type <> 'autovacuum worker';
	bound := ((extract(epoch FROM since) - 946684800) * 1000000)::bigint << 12;
	IF EXISTS (SELECT FROM pg_prepared_xacts x WHERE x.database = current_database()) THEN
		bound := coalesce(run.seen, 0);		/* nobody knows since when they are open */
	END IF;

	IF run.flow IS NULL OR run.timezone <> zone THEN
		DELETE FROM leadroute.daily_leads d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.daily_clocks d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.daily_breaches d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.daily_hours d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.daily_steps d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.daily_inputs d WHERE d.flow = collect_report_days.flow;
		DELETE FROM leadroute.report_runs r WHERE r.flow = collect_report_days.flow;
		run := NULL;
	END IF;
	IF run.flow IS NULL OR run.shape <> shape THEN
		INSERT INTO leadroute.report_days (flow, day)
			SELECT DISTINCT s.flow, (s.submitted_at AT TIME ZONE zone)::date FROM leadroute.lead_states s
			WHERE s.flow = collect_report_days.flow AND s.submitted_at IS NOT NULL
			UNION
			SELECT DISTINCT c.flow, (c.started_at AT TIME ZONE zone)::date FROM leadroute.clocks c WHERE c.flow = collect_report_days.flow
			ON CONFLICT DO NOTHING;
	ELSE
		INSERT INTO leadroute.report_days (flow, day)
			WITH changed AS MATERIALIZED (
				SELECT e.lead FROM leadroute.events e WHERE e.flow = collect_report_days.flow AND e.id >= run.seen
				UNION
				SELECT g.lead FROM leadroute.signals g
				WHERE g.flow = collect_report_days.flow AND g.id >= run.seen AND g.type IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show')
			)
			SELECT s.flow, (s.submitted_at AT TIME ZONE zone)::date
			FROM changed e JOIN leadroute.lead_states s ON s.flow = collect_report_days.flow AND s.lead = e.lead
			WHERE s.submitted_at IS NOT NULL
			UNION
			SELECT c.flow, (c.started_at AT TIME ZONE zone)::date
			FROM changed e JOIN leadroute.clocks c ON c.flow = collect_report_days.flow AND c.lead = e.lead
			ON CONFLICT DO NOTHING;
	END IF;
	INSERT INTO leadroute.report_runs AS r (flow, looked_at, seen, timezone, shape)
		VALUES (collect_report_days.flow, leadroute.clock(), bound, zone, shape)
		ON CONFLICT (flow) DO UPDATE SET looked_at = EXCLUDED.looked_at, seen = EXCLUDED.seen, shape = EXCLUDED.shape;
END
$$;
COMMENT ON FUNCTION leadroute.collect_report_days(text) IS 'Part of sweep(): notes in report_days the days whose figures have changed since the last look.';

/* Up to so many days; when none is left the reports are as of the last look. */
CREATE FUNCTION leadroute.refresh_report_days(flow text, days integer, OUT done bigint, OUT more boolean) RETURNS record
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	subject	date;
	leads	leadroute.report_lead[];
	clocks	leadroute.report_clock[];
BEGIN
	done := 0;
	IF NOT EXISTS (SELECT FROM leadroute.report_days d WHERE d.flow = refresh_report_days.flow) THEN
		PERFORM leadroute.collect_report_days(refresh_report_days.flow);
	END IF;
	FOR subject IN SELECT d.day FROM leadroute.report_days d WHERE d.flow = refresh_report_days.flow ORDER BY d.day DESC LIMIT days LOOP
		DELETE FROM leadroute.daily_leads d WHERE d.kind = ANY ('{rep,speed,rule,segment,tier}') AND d.flow = refresh_report_days.flow AND d.day = subject;
		DELETE FROM leadroute.daily_clocks d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		DELETE FROM leadroute.daily_breaches d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		DELETE FROM leadroute.daily_hours d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		DELETE FROM leadroute.daily_steps d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		DELETE FROM leadroute.daily_inputs d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		leads := ARRAY(SELECT r FROM leadroute.report_leads(refresh_report_days.flow, subject, subject) r);
		clocks := ARRAY(SELECT c FROM leadroute.report_clocks(refresh_report_days.flow, subject, subject) c);
		INSERT INTO leadroute.daily_leads SELECT * FROM leadroute.report_daily_leads(refresh_report_days.flow, leads);
		INSERT INTO leadroute.daily_clocks SELECT * FROM leadroute.report_daily_clocks(refresh_report_days.flow, clocks);
		INSERT INTO leadroute.daily_breaches SELECT * FROM leadroute.report_daily_breaches(refresh_report_days.flow, clocks);
		INSERT INTO leadroute.daily_hours SELECT * FROM leadroute.report_daily_hours(refresh_report_days.flow, leads, clocks);
		INSERT INTO leadroute.daily_steps SELECT * FROM leadroute.report_daily_steps(refresh_report_days.flow, leads);
		INSERT INTO leadroute.daily_inputs SELECT * FROM leadroute.report_daily_inputs(refresh_report_days.flow, leads);
		DELETE FROM leadroute.report_days d WHERE d.flow = refresh_report_days.flow AND d.day = subject;
		done := done + 1;
	END LOOP;
	more := EXISTS (SELECT FROM leadroute.report_days d WHERE d.flow = refresh_report_days.flow);
	IF NOT more THEN
		UPDATE leadroute.report_runs r SET as_of = r.looked_at WHERE r.flow = refresh_report_days.flow;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.refresh_report_days(text, integer) IS
	'Part of sweep(): works up to so many days of figures out anew, newest first; answers how many and whether there are more.';

CREATE FUNCTION leadroute.rebuild_reports(flow text DEFAULT 'default') RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ UPDATE leadroute.report_runs r SET shape = '' WHERE r.flow = rebuild_reports.flow $$;
COMMENT ON FUNCTION leadroute.rebuild_reports(text) IS
	'Has the next sweep work all days of a flow''s reports out anew, as after a change of calendars or of the leads table''s columns: SELECT leadroute.rebuild_reports(); CALL leadroute.sweep(parts => ''{reports}''). Until then they say what they said.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, every, per_flow, many, meaning) VALUES
	('reports', 200, 'SELECT * FROM leadroute.refresh_report_days($1, $2)', 1, 1000, '3 minutes', true, false, 'works the figures that reports add up out anew, for the days on which something changed');
