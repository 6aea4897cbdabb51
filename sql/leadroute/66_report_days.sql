/*
 * What reports are made of: figures a day, so that a question over millions of leads reads some thousand rows.
 *
 * One place says what counts: report_facts_of() works out of the base tables what each lead adds to the figures of its days, report_daily_...() add
 * that up; the tables daily_... hold the sums, and nothing else writes those. A day is a calendar day in flows.timezone, of when the person asked
 * (submitted_at) or a clock started.
 *
 * Kept fresh by the sweep (part "reports"), lead by lead: every change of a lead writes an event, so the leads to do (report_changes) are those with new
 * events, with new signals of meetings, and those with a clock whose deadline has passed since (flips_at). "New" is told by ids, which are made of the
 * clock: whatever was written after the oldest transaction began that was open when the sweep last looked. What such a lead added before stands
 * in report_facts; the difference to what it adds now goes into the sums. Facts are kept for days of the last two months (from report_runs.fine_from on): an older day, and
 * one of which much has changed, is worked out whole (report_days). as_of moves when nothing is left to do.
 * All of it can be thrown away: rebuild_reports() has it made again from the base tables. Not dumped.
 */
CREATE TABLE leadroute.report_runs (
	flow			text COLLATE "C" PRIMARY KEY,
	as_of			timestamptz,
	looked_at		timestamptz NOT NULL,
	seen			bigint NOT NULL,
	timezone		text NOT NULL,
	shape			text NOT NULL,
	fine_from		date NOT NULL
);
CREATE TABLE leadroute.report_days (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	not_before		timestamptz,
	PRIMARY KEY (flow, day)
);
CREATE TABLE leadroute.report_changes (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, lead)
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
CREATE TABLE leadroute.daily_hours (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	hour			integer NOT NULL,
	leads			integer NOT NULL,
	contacts		integer NOT NULL,
	met				integer NOT NULL,
	breached		integer NOT NULL
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
CREATE TABLE leadroute.daily_stays (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	stage			text COLLATE "C" NOT NULL,
	stays			integer NOT NULL,
	finished		integer NOT NULL,
	total			bigint NOT NULL,
	open			integer NOT NULL,
	seconds			integer[]
);
CREATE TABLE leadroute.daily_inputs (
	flow			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	source			text,
	input			text NOT NULL,
	leads			integer NOT NULL,
	filled			integer NOT NULL,
	valid			integer NOT NULL
);

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
COMMENT ON COLUMN leadroute.report_runs.fine_from IS 'From this day on report_facts has what each lead adds; older days are worked out whole.';
COMMENT ON TABLE leadroute.report_days IS 'Days whose figures are to be worked out anew, whole.';
COMMENT ON COLUMN leadroute.report_days.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.report_days.day IS 'The day, in the flow''s zone.';
COMMENT ON COLUMN leadroute.report_days.not_before IS 'Not before then: the next deadline of its clocks that run. NULL: now.';
COMMENT ON TABLE leadroute.report_changes IS 'Leads whose part in the figures is to be worked out anew.';
COMMENT ON COLUMN leadroute.report_changes.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.report_changes.lead IS 'The lead''s key, as text.';

COMMENT ON TABLE leadroute.daily_leads IS 'Figures of leads by the day they asked: what the reports add up. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_leads.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_leads.day IS 'The day on which the person asked, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_leads.rep IS 'Who has the lead; NULL: nobody.';
COMMENT ON COLUMN leadroute.daily_leads.team IS 'The team that it came to him from, or waits for; NULL: none.';
COMMENT ON COLUMN leadroute.daily_leads.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.segment IS 'Its segment when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.tier IS 'The tier of its account when it was decided.';
COMMENT ON COLUMN leadroute.daily_leads.rule IS 'The rule that its present assignment goes back to; NULL: none.';
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
COMMENT ON TABLE leadroute.daily_stays IS 'How long the leads of a day stayed in stages. Kept by the sweep, see report_runs.as_of.';
COMMENT ON COLUMN leadroute.daily_stays.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.daily_stays.day IS 'The day on which the person asked, in flows.timezone.';
COMMENT ON COLUMN leadroute.daily_stays.stage IS 'The stage.';
COMMENT ON COLUMN leadroute.daily_stays.stays IS 'How often leads came into it.';
COMMENT ON COLUMN leadroute.daily_stays.finished IS 'How often they went on.';
COMMENT ON COLUMN leadroute.daily_stays.total IS 'How long they stayed until then, together: seconds by the clock on the wall.';
COMMENT ON COLUMN leadroute.daily_stays.open IS 'How many leads are in it and are neither closed nor discarded, duplicates not counted.';
COMMENT ON COLUMN leadroute.daily_stays.seconds IS 'The same, a number a stay; NULL: none.';
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

/* What the reports count of a lead's step on its way, and of a clock. */
CREATE TYPE leadroute.report_step AS (kind text, step text, moved_on boolean);
CREATE TYPE leadroute.report_stay AS (stage text, seconds integer);
CREATE TYPE leadroute.report_clock AS (
	lead text, day date, hour integer, rep text, team text, source text, segment text, tier integer, policy text, metric text, reason text, state text, rep_state text,
	flips_at timestamptz);
COMMENT ON TYPE leadroute.report_step IS 'Internal: a step that a lead came to, see report_facts.steps.';
COMMENT ON TYPE leadroute.report_stay IS 'Internal: a stay of a lead in a stage, see report_facts.stays.';
COMMENT ON TYPE leadroute.report_clock IS 'Internal: what the reports count of a clock, see report_clocks() and the columns of daily_clocks.';

CREATE TABLE leadroute.report_facts (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	day				date NOT NULL,
	asked			boolean NOT NULL,
	hour			integer,
	rep				text COLLATE "C",
	team			text COLLATE "C",
	source			text,
	segment			text,
	tier			integer,
	rule			text COLLATE "C",
	speed			integer,
	duplicate		boolean,
	discarded		boolean,
	assigned		boolean,
	kept			boolean,
	fallback		boolean,
	open			boolean,
	waiting			boolean,
	touched			boolean,
	converted		boolean,
	won				boolean,
	lost			boolean,
	value			numeric,
	recycled		boolean,
	system_seconds	integer,
	system_business	integer,
	human_seconds	integer,
	human_business	integer,
	steps			leadroute.report_step[],
	stays			leadroute.report_stay[],
	stage			text COLLATE "C",
	blank			text[] COLLATE "C",
	strange			text[] COLLATE "C",
	usable			text[] COLLATE "C",
	clocks			leadroute.report_clock[],
	flips_at		timestamptz,
	PRIMARY KEY (flow, lead, day)
);
CREATE INDEX report_facts_day_idx ON leadroute.report_facts (flow, day);
CREATE INDEX report_facts_flips_idx ON leadroute.report_facts (flow, flips_at) WHERE flips_at IS NOT NULL;
COMMENT ON TABLE leadroute.report_facts IS 'What each lead added to the figures of a day when they were last worked out, for days since report_runs.fine_from: a changed lead takes it back and adds what it is now.';
COMMENT ON COLUMN leadroute.report_facts.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.report_facts.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.report_facts.day IS 'The day, in flows.timezone.';
COMMENT ON COLUMN leadroute.report_facts.asked IS 'Whether the person asked on it; else only clocks started.';
COMMENT ON COLUMN leadroute.report_facts.hour IS 'The hour in which he asked, 0 to 23.';
COMMENT ON COLUMN leadroute.report_facts.rep IS 'Who has the lead; NULL: nobody.';
COMMENT ON COLUMN leadroute.report_facts.team IS 'The lead''s team.';
COMMENT ON COLUMN leadroute.report_facts.source IS 'The lead''s source when it was decided.';
COMMENT ON COLUMN leadroute.report_facts.segment IS 'Its segment when it was decided.';
COMMENT ON COLUMN leadroute.report_facts.tier IS 'The tier of its account when it was decided.';
COMMENT ON COLUMN leadroute.report_facts.rule IS 'The rule that its present assignment goes back to.';
COMMENT ON COLUMN leadroute.report_facts.speed IS 'From asking to the first touch, see daily_leads.speed.';
COMMENT ON COLUMN leadroute.report_facts.duplicate IS 'Whether it is a duplicate, linked or merged: of the other figures it is in none.';
COMMENT ON COLUMN leadroute.report_facts.discarded IS 'Whether a rule discarded it.';
COMMENT ON COLUMN leadroute.report_facts.assigned IS 'Whether it has or had an owner.';
COMMENT ON COLUMN leadroute.report_facts.kept IS 'Whether its first owner has it still.';
COMMENT ON COLUMN leadroute.report_facts.fallback IS 'Whether the last rule of the flow decided it, or the fallback where a decision failed.';
COMMENT ON COLUMN leadroute.report_facts.open IS 'Whether it is assigned or waits, and is not closed.';
COMMENT ON COLUMN leadroute.report_facts.waiting IS 'Whether it waits.';
COMMENT ON COLUMN leadroute.report_facts.touched IS 'Whether there was a touch that counts.';
COMMENT ON COLUMN leadroute.report_facts.converted IS 'Whether sales accepted it, or it was won.';
COMMENT ON COLUMN leadroute.report_facts.won IS 'Whether it was won.';
COMMENT ON COLUMN leadroute.report_facts.lost IS 'Whether it was closed and not won.';
COMMENT ON COLUMN leadroute.report_facts.value IS 'What it was worth, if it was won; else 0.';
COMMENT ON COLUMN leadroute.report_facts.recycled IS 'Whether it was ever recycled.';
COMMENT ON COLUMN leadroute.report_facts.system_seconds IS 'From asking to the first owner, seconds by the clock on the wall.';
COMMENT ON COLUMN leadroute.report_facts.system_business IS 'The same in seconds of business time.';
COMMENT ON COLUMN leadroute.report_facts.human_seconds IS 'From the first owner to the first touch, seconds by the clock on the wall.';
COMMENT ON COLUMN leadroute.report_facts.human_business IS 'The same in seconds of business time.';
COMMENT ON COLUMN leadroute.report_facts.steps IS 'The steps that it came to, see daily_steps.';
COMMENT ON COLUMN leadroute.report_facts.stays IS 'Its stays in stages, in order, with their seconds by the clock on the wall; NULL: it is there.';
COMMENT ON COLUMN leadroute.report_facts.stage IS 'The stage that it is in; NULL: none, or it is closed, discarded or a duplicate.';
COMMENT ON COLUMN leadroute.report_facts.blank IS 'Input columns that its row leaves blank; NULL as the next two: it has no row.';
COMMENT ON COLUMN leadroute.report_facts.strange IS 'Input columns with a value that leadroute cannot use.';
COMMENT ON COLUMN leadroute.report_facts.usable IS 'Input columns with one that it can.';
COMMENT ON COLUMN leadroute.report_facts.clocks IS 'Its clocks that started on the day.';
COMMENT ON COLUMN leadroute.report_facts.flips_at IS 'After when one of these is breached if nothing happens; NULL: none.';

/* STABLE, for views: one instant a statement, where clock() moves on. */
CREATE FUNCTION leadroute.report_clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(pg_catalog.current_setting('leadroute.clock', true), '')::timestamptz, pg_catalog.statement_timestamp());
COMMENT ON FUNCTION leadroute.report_clock() IS 'The instant that reports take for now, one for a whole statement: leadroute.clock where it is set, else when the statement began.';

CREATE FUNCTION leadroute.flow_today(flow text) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT (leadroute.report_clock() AT TIME ZONE f.timezone)::date FROM leadroute.flows f WHERE f.flow = flow_today.flow $$;
COMMENT ON FUNCTION leadroute.flow_today(text) IS 'Today in the flow''s time zone; NULL for a flow that does not exist.';

/* --- what counts: from the base tables --- */

/* Of the input columns that the leads table has. Reads each lead's row by its key, and needs an index on that. */
CREATE FUNCTION leadroute.report_inputs(flow text, leads text[]) RETURNS TABLE (lead text, blank text[], strange text[], usable text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments := leadroute.flow_attachment(report_inputs.flow);
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
							 CASE
								 WHEN c.canonical IN ('email', 'phone', 'first_name', 'last_name', 'company') THEN format('p.%I IS NOT NULL', c.canonical || '_key')
								 WHEN c.canonical = 'website' THEN 'p.website_domain IS NOT NULL'
								 WHEN c.canonical IN ('country', 'region') THEN format('p.%I IS NOT NULL', c.canonical || '_code')
								 WHEN c.canonical = 'postal_code' THEN 'p.postal_key IS NOT NULL'
								 WHEN c.canonical IN ('employees', 'annual_revenue', 'value') THEN format($n$t.%I::text ~ '^\s*%s[0-9]+(\.[0-9]*)?\s*$'$n$, a.attname, CASE WHEN c.canonical <> 'employees' THEN '-?' END)
								 ELSE 'true' END), ', ' ORDER BY a.attnum)
	INTO inputs
	FROM leadroute.canonical_columns() c
		JOIN pg_attribute a ON a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = leadroute.mapped_column(attachment.columns, c.canonical)
	WHERE c.direction = 'input';
	IF key_type IS NULL OR inputs IS NULL THEN
		RETURN;
	END IF;
	/* leads of a table that stood here before may have keys that are none of this one's */
	key := CASE WHEN key_type IN ('smallint', 'integer', 'bigint') THEN $key$CASE WHEN k.lead ~ '^-?[0-9]{1,18}$' THEN k.lead::bigint END$key$
		WHEN key_type = 'uuid' THEN $key$CASE WHEN k.lead ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN k.lead::uuid END$key$
		ELSE format('k.lead::%s', key_type) END;
	RETURN QUERY EXECUTE format($inputs$
		SELECT k.lead, ARRAY(SELECT v.input FROM (VALUES %4$s) v(input, value, usable) WHERE v.value ~ '\S' IS NOT TRUE ORDER BY v.input),
			ARRAY(SELECT v.input FROM (VALUES %4$s) v(input, value, usable) WHERE v.value ~ '\S' AND v.usable IS NOT TRUE ORDER BY v.input),
			ARRAY(SELECT v.input FROM (VALUES %4$s) v(input, value, usable) WHERE v.value ~ '\S' AND v.usable ORDER BY v.input)
		FROM unnest($1) k(lead)
			JOIN %1$s t ON t.%2$I = %3$s
			CROSS JOIN LATERAL leadroute.lead_profile(t, $2) p$inputs$, relation, attachment.key_column, key, inputs)
		USING leads, attachment.flow;
END
$$;
COMMENT ON FUNCTION leadroute.report_inputs(text, text[]) IS 'Internal: what the input columns of these leads hold, from the leads table as it is now; no row for a lead that has none there.';

CREATE FUNCTION leadroute.report_state(state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN state IN ('open', 'at_risk', 'paused') THEN 'running' ELSE state END;
COMMENT ON FUNCTION leadroute.report_state(text) IS 'Internal: what reports make of sla_state(): whether a clock is at risk is of the moment.';

/* The clocks of these leads, as they stand now; those that another round took over from are no report's. */
CREATE FUNCTION leadroute.report_clocks(flow text, leads text[]) RETURNS SETOF leadroute.report_clock
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
	SELECT c.lead, local.at::date, extract(hour FROM local.at)::integer, c.owner, s.team, s.source, s.segment, s.tier, c.policy, c.metric,
		CASE WHEN now_.state = 'breached' THEN c.breach_reason END, now_.state, now_.rep_state,
		/* what runs is breached once its deadline has passed, and no event need say so */
		CASE WHEN c.paused_at IS NULL THEN least(CASE WHEN now_.state = 'running' THEN c.due_at END, CASE WHEN now_.rep_state = 'running' THEN c.rep_due_at END) END
	FROM leadroute.flows f
		CROSS JOIN unnest(leads) k(lead)
		JOIN leadroute.clocks c ON c.flow = f.flow AND c.lead = k.lead
		JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead
		CROSS JOIN LATERAL (SELECT c.started_at AT TIME ZONE f.timezone AS at) local
		CROSS JOIN LATERAL (
			SELECT leadroute.report_state(leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock())) AS state,
				leadroute.report_state(leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.report_clock())) AS rep_state) now_
	WHERE f.flow = report_clocks.flow AND s.outcome IS DISTINCT FROM 'moved' AND now_.state <> 'superseded'
$$;
COMMENT ON FUNCTION leadroute.report_clocks(text, text[]) IS 'Internal: what the reports count of each clock of these leads, from the base tables.';

/* Lead by lead and day by day. Rows from before the attach, and those that went to another flow, are no report's. */
CREATE FUNCTION leadroute.report_facts_of(flow text, leads text[]) RETURNS SETOF leadroute.report_facts
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = off SET enable_mergejoin = off SET jit = off
AS $$
	WITH flow_facts AS MATERIALIZED (
		SELECT f.flow, f.timezone, (SELECT r.rule FROM leadroute.rules r WHERE r.flow = f.flow ORDER BY r.position DESC LIMIT 1) AS last_rule,
			ARRAY(SELECT c.calendar FROM leadroute.calendars c WHERE c.flow = f.flow) AS calendars,
			EXISTS (SELECT FROM leadroute.stages p WHERE p.flow = f.flow) AS has_stages
		FROM leadroute.flows f WHERE f.flow = report_facts_of.flow
	), clocks AS MATERIALIZED (
		SELECT c.lead, c.day, array_agg(c ORDER BY c.policy, c.started) AS clocks, min(c.flips_at) AS flips_at
		FROM (SELECT c AS c, c.lead, c.day, c.policy, c.flips_at, row_number() OVER () AS started FROM leadroute.report_clocks(report_facts_of.flow, leads) c) c
		GROUP BY c.lead, c.day
	), asked AS MATERIALIZED (
		SELECT s.lead, local.at::date AS day, extract(hour FROM local.at)::integer AS hour, s.owner AS rep, s.team, s.source, s.segment, s.tier, s.rule,
			CASE WHEN s.first_touch_at IS NULL THEN 7
				WHEN s.first_touch_at - s.submitted_at < '5 min' THEN 1
				WHEN s.first_touch_at - s.submitted_at < '10 min' THEN 2
				WHEN s.first_touch_at - s.submitted_at < '30 min' THEN 3
				WHEN s.first_touch_at - s.submitted_at < '60 min' THEN 4
				WHEN s.first_touch_at - s.submitted_at <= '24 hours' THEN 5
				ELSE 6 END AS speed,
			is_.duplicate,
			s.status = 'discarded' AS discarded,
			NOT is_.duplicate AND story.owner IS NOT NULL AS assigned,
			NOT is_.duplicate AND story.owner IS NOT NULL AND story.owner IS NOT DISTINCT FROM s.owner AS kept,
			s.code = 'fallback' OR s.rule IS NOT DISTINCT FROM f.last_rule AND f.last_rule IS NOT NULL AS fallback,
			s.status IN ('assigned', 'waiting') AND s.closed_at IS NULL AS open,
			s.status = 'waiting' AND s.closed_at IS NULL AS waiting,
			s.first_touch_at IS NOT NULL AS touched,
			s.accepted_at IS NOT NULL OR s.won IS TRUE AS converted,
			s.won IS TRUE AS won, s.won IS FALSE AS lost,
			CASE WHEN s.won THEN coalesce(s.value, 0) ELSE 0 END AS value,
			coalesce(s.recycles, 0) > 0 AS recycled,
			CASE WHEN s.assigned_at < s.submitted_at THEN 0 ELSE extract(epoch FROM s.assigned_at - span.asked)::integer END AS system_seconds,
			CASE WHEN s.assigned_at < s.submitted_at THEN 0
				ELSE extract(epoch FROM CASE WHEN p.calendar = ANY (f.calendars) THEN leadroute.business_between(p.calendar, span.asked, s.assigned_at, s.flow) ELSE s.assigned_at - span.asked END)::integer END AS system_business,
			CASE WHEN s.first_touch_at < s.assigned_at THEN 0 ELSE extract(epoch FROM s.first_touch_at - s.assigned_at)::integer END AS human_seconds,
			CASE WHEN s.first_touch_at < s.assigned_at THEN 0
				ELSE extract(epoch FROM CASE WHEN p.calendar = ANY (f.calendars) THEN leadroute.business_between(p.calendar, s.assigned_at, s.first_touch_at, s.flow) ELSE s.first_touch_at - s.assigned_at END)::integer END AS human_business,
			CASE WHEN NOT is_.duplicate THEN ARRAY(
				SELECT ROW('form', 'form', f.has_stages AND story.stages IS NOT NULL)::leadroute.report_step
				UNION ALL
				/* each stage that the lead was in, once, and how far on the way it came */
				SELECT ROW('stage', w.stage, coalesce(max(CASE WHEN NOT w.beside THEN w.position END) OVER () > w.position, false))::leadroute.report_step
				FROM (SELECT e.stage, g.position, g.beside FROM unnest(story.stages) e(stage) LEFT JOIN leadroute.stages g ON g.flow = f.flow AND g.stage = e.stage) w
				WHERE f.has_stages
				UNION ALL
				SELECT ROW('meeting', m.step, m.step <> 'held' AND 'meeting_held' = ANY (met.types))::leadroute.report_step
				FROM (VALUES ('booked', '{meeting_booked,rebooked}'::text[]), ('held', '{meeting_held}'), ('no_show', '{no_show}')) m(step, types)
				/* nobody said that it was held, and a sweep found its time over */
				WHERE met.types && m.types OR m.step = 'no_show' AND story.no_show) END AS steps,
			/* a lead that was closed, and is a duplicate now, has left its stages without an event */
			CASE WHEN NOT is_.duplicate THEN ARRAY(
				  SELECT ROW(t.stage, extract(epoch FROM t.next_at - least(t.at, t.next_at))::integer)::leadroute.report_stay
				  FROM (SELECT e.stage, e.at, e.n, lead(e.at) OVER (ORDER BY e.n) AS next_at FROM unnest(story.entered, story.entered_at) WITH ORDINALITY e(stage, at, n)) t ORDER BY t.n) END AS stays,
			CASE WHEN s.closed_at IS NULL AND s.status <> 'discarded' AND NOT is_.duplicate THEN s.stage END AS stage,
			i.blank, i.strange, i.usable
		FROM flow_facts f
			CROSS JOIN unnest(leads) k(lead)
			JOIN leadroute.lead_states s ON s.flow = f.flow AND s.lead = k.lead
			CROSS JOIN LATERAL (SELECT s.submitted_at AT TIME ZONE f.timezone AS at) local
			/* loaders write 1900-01-01 where they know nothing: no more seconds than an integer holds */
			CROSS JOIN LATERAL (SELECT greatest(s.submitted_at, s.assigned_at - interval '60 years') AS asked) span
			CROSS JOIN LATERAL (SELECT s.status IN ('duplicate', 'merged') AS duplicate) is_
			LEFT JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.owner
			LEFT JOIN leadroute.report_inputs(report_facts_of.flow, leads) i ON i.lead = s.lead
			CROSS JOIN LATERAL (
				SELECT (array_agg(e.owner ORDER BY e.id) FILTER (WHERE e.owner IS NOT NULL))[1] AS owner, array_agg(DISTINCT e.stage) FILTER (WHERE e.stage IS NOT NULL) AS stages,
					array_agg(e.stage ORDER BY e.id) FILTER (WHERE e.kind = 'stage') AS entered, array_agg(e.at ORDER BY e.id) FILTER (WHERE e.kind = 'stage') AS entered_at, bool_or(e.kind = 'no_show') AS no_show
				FROM leadroute.events e WHERE e.flow = s.flow AND e.lead = s.lead) story
			CROSS JOIN LATERAL (
				SELECT ARRAY(SELECT g.type::text FROM leadroute.signals g
							 WHERE g.flow = s.flow AND g.lead = s.lead AND g.type IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show')) AS types) met
		WHERE s.submitted_at IS NOT NULL AND s.status <> 'ignored' AND s.outcome IS DISTINCT FROM 'moved'
	)
	SELECT report_facts_of.flow, coalesce(a.lead, c.lead), coalesce(a.day, c.day), a.lead IS NOT NULL, a.hour, a.rep, a.team, a.source, a.segment, a.tier, a.rule, a.speed,
		a.duplicate, a.discarded, a.assigned, a.kept, a.fallback, a.open, a.waiting, a.touched, a.converted, a.won, a.lost, a.value, a.recycled,
		a.system_seconds, a.system_business, a.human_seconds, a.human_business, a.steps, a.stays, a.stage, a.blank, a.strange, a.usable, c.clocks, c.flips_at
	FROM asked a FULL JOIN clocks c ON c.lead = a.lead AND c.day = a.day
$$;
COMMENT ON FUNCTION leadroute.report_facts_of(text, text[]) IS
	'Internal: what the reports count of these leads, day by day, from the base tables. The first owner and the steps are known as long as the lead''s events are kept.';

/* What the tables hold of such facts. */
CREATE FUNCTION leadroute.report_daily_leads(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_leads
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT r.flow,
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
	FROM unnest(facts) r
	WHERE r.asked
	GROUP BY GROUPING SETS ((r.flow, r.day, r.rep, r.team, r.source), (r.flow, r.day, r.team, r.source, r.speed), (r.flow, r.day, r.rule), (r.flow, r.day, r.segment), (r.flow, r.day, r.tier))
$$;
COMMENT ON FUNCTION leadroute.report_daily_leads(leadroute.report_facts[]) IS 'Internal: what daily_leads holds of these facts.';

CREATE FUNCTION leadroute.report_daily_clocks(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_clocks
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT f.flow, c.day, c.rep, c.team, c.source, c.segment, c.tier, c.policy, c.metric, count(*)::integer,
		count(*) FILTER (WHERE c.state = 'met')::integer,
		count(*) FILTER (WHERE c.state = 'breached')::integer,
		count(*) FILTER (WHERE c.state = 'running')::integer,
		count(*) FILTER (WHERE c.rep_state = 'met')::integer,
		count(*) FILTER (WHERE c.rep_state = 'breached')::integer
	FROM unnest(facts) f CROSS JOIN LATERAL unnest(f.clocks) c
	GROUP BY f.flow, c.day, c.rep, c.team, c.source, c.segment, c.tier, c.policy, c.metric
$$;
COMMENT ON FUNCTION leadroute.report_daily_clocks(leadroute.report_facts[]) IS 'Internal: what daily_clocks holds of these facts.';

CREATE FUNCTION leadroute.report_daily_breaches(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_breaches
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT f.flow, c.day, c.reason, c.rep, c.team, c.source, c.policy, c.metric, count(*)::integer
	FROM unnest(facts) f CROSS JOIN LATERAL unnest(f.clocks) c
	WHERE c.state = 'breached'
	GROUP BY f.flow, c.day, c.reason, c.rep, c.team, c.source, c.policy, c.metric
$$;
COMMENT ON FUNCTION leadroute.report_daily_breaches(leadroute.report_facts[]) IS 'Internal: what daily_breaches holds of these facts.';

CREATE FUNCTION leadroute.report_daily_hours(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_hours
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT h.flow, h.day, h.hour, sum(h.leads)::integer, sum(h.contacts)::integer, sum(h.met)::integer, sum(h.breached)::integer
	FROM (SELECT r.flow, r.day, r.hour, 1 AS leads, r.touched::integer AS contacts, 0 AS met, 0 AS breached FROM unnest(facts) r WHERE r.asked AND NOT r.duplicate
		  UNION ALL
		  SELECT f.flow, c.day, c.hour, 0, 0, (c.state = 'met')::integer, (c.state = 'breached')::integer
		  FROM unnest(facts) f CROSS JOIN LATERAL unnest(f.clocks) c WHERE c.metric = 'first_touch' AND c.state IN ('met', 'breached')) h
	GROUP BY h.flow, h.day, h.hour
$$;
COMMENT ON FUNCTION leadroute.report_daily_hours(leadroute.report_facts[]) IS 'Internal: what daily_hours holds of these facts.';

CREATE FUNCTION leadroute.report_daily_steps(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_steps
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT r.flow, r.day, r.source, r.recycled, s.kind, s.step, count(*)::integer, count(*) FILTER (WHERE s.moved_on)::integer
	FROM unnest(facts) r CROSS JOIN LATERAL unnest(r.steps) s
	GROUP BY r.flow, r.day, r.source, r.recycled, s.kind, s.step
$$;
COMMENT ON FUNCTION leadroute.report_daily_steps(leadroute.report_facts[]) IS 'Internal: what daily_steps holds of these facts.';

CREATE FUNCTION leadroute.report_daily_stays(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_stays
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT r.flow, r.day, s.stage, sum(s.stay)::integer, count(s.seconds)::integer, coalesce(sum(s.seconds), 0), sum(1 - s.stay)::integer,
		array_agg(s.seconds ORDER BY s.seconds) FILTER (WHERE s.seconds IS NOT NULL)
	FROM unnest(facts) r
		CROSS JOIN LATERAL (SELECT t.stage, t.seconds, 1 AS stay FROM unnest(r.stays) t UNION ALL SELECT r.stage, NULL, 0) s
	WHERE s.stage IS NOT NULL
	GROUP BY r.flow, r.day, s.stage
$$;
COMMENT ON FUNCTION leadroute.report_daily_stays(leadroute.report_facts[]) IS 'Internal: what daily_stays holds of these facts.';

CREATE FUNCTION leadroute.report_daily_inputs(facts leadroute.report_facts[]) RETURNS SETOF leadroute.daily_inputs
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT r.flow, r.day, r.source, v.input, count(*)::integer, count(*) FILTER (WHERE v.filled)::integer, count(*) FILTER (WHERE v.valid)::integer
	FROM unnest(facts) r
		CROSS JOIN LATERAL (
			SELECT b, false, false FROM unnest(r.blank) b
			UNION ALL SELECT s, true, false FROM unnest(r.strange) s
			UNION ALL SELECT u, true, true FROM unnest(r.usable) u) v(input, filled, valid)
	GROUP BY r.flow, r.day, r.source, v.input
$$;
COMMENT ON FUNCTION leadroute.report_daily_inputs(leadroute.report_facts[]) IS 'Internal: what daily_inputs holds of these facts.';

/* --- the tables, alike --- */

CREATE FUNCTION leadroute.report_parts() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{leads,clocks,breaches,hours,steps,stays,inputs}'::text[];
COMMENT ON FUNCTION leadroute.report_parts() IS 'Internal: the tables daily_..., each with its function report_daily_...().';

/* By what a row of one of them is found: its first columns are flow and day, then a hash of all else that tells its rows apart, which may be NULL. */
CREATE FUNCTION leadroute.report_columns(part text, OUT keys text[], OUT figures text[], OUT times text[], OUT hash text) RETURNS record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c.keys, c.figures, c.times, format('hash_record_extended(ROW(%s), 0)', (SELECT string_agg(format('%%1$s.%I', k.key), ', ' ORDER BY k.n) FROM unnest(c.keys) WITH ORDINALITY k(key, n)))
	FROM (SELECT array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname = ANY (w.words)) AS keys,
			  array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname <> ALL (w.words) AND a.atttypid <> 'integer[]'::regtype) AS figures,
			  array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname <> ALL (w.words) AND a.atttypid = 'integer[]'::regtype) AS times
		  FROM pg_attribute a
			  CROSS JOIN (SELECT '{kind,hour,rep,team,source,segment,tier,rule,speed,policy,metric,reason,recycled,step,stage,input}'::text[] AS words) w
		  WHERE a.attrelid = ('leadroute.daily_' || part)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('flow', 'day')) c
$$;
COMMENT ON FUNCTION leadroute.report_columns(text) IS
	'Internal: of one of the tables daily_...: what tells its rows of a day apart, what is added up, what is kept as a list of numbers, and the expression (with %1$s for the table) by which a row is looked up.';

DO $do$
DECLARE
	part	text;
BEGIN
	FOREACH part IN ARRAY leadroute.report_parts() LOOP
		EXECUTE pg_catalog.format('CREATE INDEX daily_%1$s_key_idx ON leadroute.daily_%1$s (flow, day, (pg_catalog.%2$s))', part,
			(SELECT pg_catalog.format(c.hash, pg_catalog.format('daily_%s', part)) FROM leadroute.report_columns(part) c));
	END LOOP;
END
$do$;

/* Works one day's rows out, whole. */
CREATE FUNCTION leadroute.set_report_day(part text, flow text, day date, facts leadroute.report_facts[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	EXECUTE format('DELETE FROM leadroute.daily_%s d WHERE d.flow = $1 AND d.day = $2', part) USING flow, day;
	EXECUTE format('INSERT INTO leadroute.daily_%1$s SELECT * FROM leadroute.report_daily_%1$s($1) r', part) USING facts;
END
$$;
COMMENT ON FUNCTION leadroute.set_report_day(text, text, date, leadroute.report_facts[]) IS 'Part of sweep(): replaces the rows of a day in one of the tables daily_... by what these facts, all of the day, come to.';

/* Takes what some leads were out of the sums, and puts what they are now in. */
CREATE FUNCTION leadroute.change_report_days(part text, were leadroute.report_facts[], are leadroute.report_facts[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
	of	record;
BEGIN
	SELECT * INTO of FROM leadroute.report_columns(part);
	EXECUTE format($sql$
		MERGE INTO leadroute.daily_%1$s d
		USING (SELECT u.flow, u.day, %2$s
			   FROM (SELECT 1 AS sign, r.* FROM leadroute.report_daily_%1$s($2) r UNION ALL SELECT -1, r.* FROM leadroute.report_daily_%1$s($1) r) u
			   GROUP BY u.flow, u.day, %3$s
			   HAVING %4$s) c
			ON d.flow = c.flow AND d.day = c.day AND %5$s = %6$s AND %7$s
		WHEN MATCHED AND %8$s THEN DELETE
		WHEN MATCHED THEN UPDATE SET %9$s
		WHEN NOT MATCHED THEN INSERT (flow, day, %10$s) VALUES (c.flow, c.day, %11$s)$sql$,
		part,
		concat_ws(', ', (SELECT string_agg(format('u.%I', k), ', ') FROM unnest(of.keys) k), (SELECT string_agg(format('sum(u.sign * u.%1$I) AS %1$I', n), ', ') FROM unnest(of.figures) n),
			(SELECT string_agg(format('max(u.%1$I) FILTER (WHERE u.sign = 1) AS %2$I, max(u.%1$I) FILTER (WHERE u.sign = -1) AS %3$I', t, t || '_in', t || '_out'), ', ') FROM unnest(of.times) t)),
		(SELECT string_agg(format('u.%I', k), ', ') FROM unnest(of.keys) k),
		concat_ws(' OR ', (SELECT string_agg(format('sum(u.sign * u.%I) <> 0', n), ' OR ') FROM unnest(of.figures) n),
			(SELECT string_agg(format('max(u.%1$I) FILTER (WHERE u.sign = 1) IS DISTINCT FROM max(u.%1$I) FILTER (WHERE u.sign = -1)', t), ' OR ') FROM unnest(of.times) t)),
		format(of.hash, 'd'), format(of.hash, 'c'),
		(SELECT string_agg(format('d.%1$I IS NOT DISTINCT FROM c.%1$I', k), ' AND ') FROM unnest(of.keys) k),
		(SELECT string_agg(format('d.%1$I + c.%1$I = 0', n), ' AND ') FROM unnest(of.figures) n),
		concat_ws(', ', (SELECT string_agg(format('%1$I = d.%1$I + c.%1$I', n), ', ') FROM unnest(of.figures) n),
			(SELECT string_agg(format('%1$I = CASE WHEN c.%2$I IS NOT DISTINCT FROM c.%3$I THEN d.%1$I ELSE leadroute.merge_numbers(d.%1$I, c.%2$I, c.%3$I) END', t, t || '_in', t || '_out'), ', ') FROM unnest(of.times) t)),
		(SELECT string_agg(quote_ident(x), ', ') FROM unnest(of.keys || of.figures || of.times) x),
		concat_ws(', ', (SELECT string_agg(format('c.%I', x), ', ') FROM unnest(of.keys || of.figures) x),
			(SELECT string_agg(format('leadroute.merge_numbers(NULL, c.%I, c.%I)', t || '_in', t || '_out'), ', ') FROM unnest(of.times) t)))
		USING were, are;
END
$$;
COMMENT ON FUNCTION leadroute.change_report_days(text, leadroute.report_facts[], leadroute.report_facts[]) IS 'Part of sweep(): adds to the rows of one of the tables daily_... what leads are now, less what they were.';

CREATE FUNCTION leadroute.merge_numbers(numbers integer[], comes integer[], goes integer[]) RETURNS integer[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_merge_numbers';
COMMENT ON FUNCTION leadroute.merge_numbers(integer[], integer[], integer[]) IS
	'Internal: numbers in order, with some more and without some others, these in order too: NULL for none. Errors: one that goes and is not there (XX001).';

/* --- keeping them fresh --- */

/* What days depend on beside the leads themselves: another text means all days anew. */
CREATE FUNCTION leadroute.report_shape(flow text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT md5(concat_ws('/', (SELECT r.rule FROM leadroute.rules r WHERE r.flow = report_shape.flow ORDER BY r.position DESC LIMIT 1),
		(SELECT string_agg(format('%s %s %s', p.stage, p.position, p.beside), ',' ORDER BY p.position) FROM leadroute.stages p WHERE p.flow = report_shape.flow)))
$$;
COMMENT ON FUNCTION leadroute.report_shape(text) IS 'Part of sweep(): a text that changes with the configuration on which the figures of past days depend: the last rule, the stages.';

CREATE FUNCTION leadroute.is_report_due(not_before timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN not_before IS NULL OR not_before < leadroute.report_clock();
COMMENT ON FUNCTION leadroute.is_report_due(timestamptz) IS 'Part of sweep(): whether a row of report_days is to be done now.';

/* The leads of a flow that changed since the last look, and the days that are to be worked out whole, or all of these. */
CREATE FUNCTION leadroute.collect_report_changes(flow text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	run		leadroute.report_runs;
	zone	text;
	shape	text := leadroute.report_shape(collect_report_changes.flow);
	fine	date := leadroute.flow_today(collect_report_changes.flow) - 60;
	bound	bigint;
	since	timestamptz;
	part	text;
BEGIN
	SELECT f.timezone INTO zone FROM leadroute.flows f WHERE f.flow = collect_report_changes.flow;
	SELECT r.* INTO run FROM leadroute.report_runs r WHERE r.flow = collect_report_changes.flow FOR UPDATE;
	/* before the look: whatever is written by a transaction that is open now, or begins later, is still to be seen after it */
	SELECT least(clock_timestamp(), min(a.xact_start)) INTO since
	FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
		AND a.backend_type <> 'autovacuum worker';
	bound := ((extract(epoch FROM since) - 946684800) * 1000000)::bigint << 12;
	IF EXISTS (SELECT FROM pg_prepared_xacts x WHERE x.database = current_database()) THEN
		bound := coalesce(run.seen, 0);		/* nobody knows since when they are open */
	END IF;

	IF run.flow IS NULL OR run.timezone <> zone THEN
		FOREACH part IN ARRAY ARRAY(SELECT 'daily_' || p FROM unnest(leadroute.report_parts()) p) || '{report_facts,report_days,report_changes,report_runs}'::text[] LOOP
			EXECUTE format('DELETE FROM leadroute.%I d WHERE d.flow = $1', part) USING collect_report_changes.flow;
		END LOOP;
		run := NULL;
	END IF;
	INSERT INTO leadroute.report_runs AS r (flow, looked_at, seen, timezone, shape, fine_from)
		VALUES (collect_report_changes.flow, leadroute.clock(), bound, zone, shape, fine)
		ON CONFLICT (flow) DO UPDATE SET looked_at = EXCLUDED.looked_at, seen = EXCLUDED.seen, shape = EXCLUDED.shape, fine_from = greatest(r.fine_from, EXCLUDED.fine_from);
	IF run.flow IS NULL OR run.shape <> shape THEN
		DELETE FROM leadroute.report_changes c WHERE c.flow = collect_report_changes.flow;
		INSERT INTO leadroute.report_days (flow, day)
			SELECT DISTINCT s.flow, (s.submitted_at AT TIME ZONE zone)::date FROM leadroute.lead_states s
			WHERE s.flow = collect_report_changes.flow AND s.submitted_at IS NOT NULL
			UNION
			SELECT DISTINCT c.flow, (c.started_at AT TIME ZONE zone)::date FROM leadroute.clocks c WHERE c.flow = collect_report_changes.flow
			UNION
			SELECT f.flow, f.day FROM leadroute.report_facts f WHERE f.flow = collect_report_changes.flow
			ON CONFLICT (flow, day) DO UPDATE SET not_before = NULL;
		RETURN;
	END IF;

	/* days grow old: their facts go, and the next instant at which a clock that still runs is breached stays */
	WITH old AS (
		DELETE FROM leadroute.report_facts f WHERE f.flow = collect_report_changes.flow AND f.day < fine RETURNING f.day, f.flips_at
	)
	INSERT INTO leadroute.report_days AS d (flow, day, not_before)
		SELECT collect_report_changes.flow, o.day, min(o.flips_at) FROM old o WHERE o.flips_at IS NOT NULL GROUP BY o.day
		ON CONFLICT (flow, day) DO UPDATE SET not_before = least(d.not_before, EXCLUDED.not_before);

	INSERT INTO leadroute.report_changes (flow, lead)
		SELECT e.flow, e.lead FROM leadroute.events e WHERE e.flow = collect_report_changes.flow AND e.id >= run.seen
		UNION
		/* a lead that bears another key now: what it added under the old one goes */
		SELECT e.flow, e.path -> 0 ->> 'was' FROM leadroute.events e
		WHERE e.flow = collect_report_changes.flow AND e.id >= run.seen AND e.kind = 'rekeyed' AND e.path -> 0 ->> 'was' IS NOT NULL
		UNION
		SELECT g.flow, g.lead FROM leadroute.signals g
		WHERE g.flow = collect_report_changes.flow AND g.id >= run.seen AND g.type IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show')
		UNION
		SELECT f.flow, f.lead FROM leadroute.report_facts f WHERE f.flow = collect_report_changes.flow AND f.flips_at < leadroute.report_clock()
		ON CONFLICT DO NOTHING;

	/* a lead whose key another bears now: nothing but its event tells on which day it was */
	INSERT INTO leadroute.report_days (flow, day)
		SELECT DISTINCT e.flow, ((e.path -> 0 ->> 'submitted_at')::timestamptz AT TIME ZONE zone)::date FROM leadroute.events e
		WHERE e.flow = collect_report_changes.flow AND e.id >= run.seen AND e.kind = 'replaced' AND e.path -> 0 ->> 'submitted_at' IS NOT NULL
		ON CONFLICT (flow, day) DO UPDATE SET not_before = NULL;

	/* where much of a day changed, as by a load, it is less work to do it whole */
	WITH changed AS MATERIALIZED (
		SELECT c.lead, (s.submitted_at AT TIME ZONE zone)::date AS day
		FROM leadroute.report_changes c JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead
		WHERE c.flow = collect_report_changes.flow AND (SELECT count(*) > 500 FROM leadroute.report_changes n WHERE n.flow = collect_report_changes.flow)
	), much AS (
		SELECT g.day FROM (SELECT c.day, count(*) AS leads FROM changed c GROUP BY c.day HAVING count(*) > 500) g
		WHERE g.leads > 0.05 * (SELECT count(*) FROM leadroute.report_facts f WHERE f.flow = collect_report_changes.flow AND f.day = g.day)
	), with_it AS (
		DELETE FROM leadroute.report_changes c USING changed n, much m
		WHERE c.flow = collect_report_changes.flow AND c.lead = n.lead AND n.day = m.day RETURNING c.lead
	)
	INSERT INTO leadroute.report_days (flow, day)
		SELECT collect_report_changes.flow, m.day FROM much m
		UNION
		SELECT c.flow, (c.started_at AT TIME ZONE zone)::date FROM with_it w JOIN leadroute.clocks c ON c.flow = collect_report_changes.flow AND c.lead = w.lead
		UNION
		SELECT f.flow, f.day FROM with_it w JOIN leadroute.report_facts f ON f.flow = collect_report_changes.flow AND f.lead = w.lead
		ON CONFLICT (flow, day) DO UPDATE SET not_before = NULL;
END
$$;
COMMENT ON FUNCTION leadroute.collect_report_changes(text) IS 'Part of sweep(): notes in report_changes and report_days what is to be worked out anew since the last look.';

/* Leads that changed: what they add now, instead of what they added. Days without facts are noted, to be done whole. */
CREATE FUNCTION leadroute.refresh_report_leads(flow text, leads text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	fine	date;
	were	leadroute.report_facts[];
	are		leadroute.report_facts[];
	part	text;
BEGIN
	SELECT r.fine_from INTO fine FROM leadroute.report_runs r WHERE r.flow = refresh_report_leads.flow;
	are := ARRAY(SELECT f FROM leadroute.report_facts_of(refresh_report_leads.flow, leads) f);
	were := ARRAY(SELECT f FROM leadroute.report_facts f WHERE f.flow = refresh_report_leads.flow AND f.lead = ANY (leads));
	INSERT INTO leadroute.report_days (flow, day)
		SELECT DISTINCT refresh_report_leads.flow, f.day FROM unnest(are) f WHERE f.day < fine
		ON CONFLICT (flow, day) DO UPDATE SET not_before = NULL;
	are := ARRAY(SELECT f FROM unnest(are) f WHERE f.day >= fine);
	/* what is as it was moves nothing */
	SELECT array_agg(w) FILTER (WHERE w.lead IS NOT NULL), array_agg(a) FILTER (WHERE a.lead IS NOT NULL) INTO were, are
	FROM unnest(were) w FULL JOIN unnest(are) a ON a.lead = w.lead AND a.day = w.day
	WHERE w IS DISTINCT FROM a;
	FOREACH part IN ARRAY leadroute.report_parts() LOOP
		PERFORM leadroute.change_report_days(part, were, are);
	END LOOP;
	DELETE FROM leadroute.report_facts f USING unnest(were) w WHERE f.flow = w.flow AND f.lead = w.lead AND f.day = w.day;
	INSERT INTO leadroute.report_facts SELECT f.* FROM unnest(are) f;
END
$$;
COMMENT ON FUNCTION leadroute.refresh_report_leads(text, text[]) IS 'Part of sweep(): brings the figures of the days of these leads up to date.';

/* A day from the base tables. */
CREATE FUNCTION leadroute.refresh_report_day(flow text, day date) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	leads	text[];
	facts	leadroute.report_facts[];
	part	text;
BEGIN
	SELECT array_agg(k.lead) INTO leads
	FROM leadroute.flows z
		CROSS JOIN LATERAL (SELECT refresh_report_day.day::timestamp AT TIME ZONE z.timezone AS begins, (refresh_report_day.day + 1)::timestamp AT TIME ZONE z.timezone AS ends) b
		CROSS JOIN LATERAL (
			SELECT s.lead FROM leadroute.lead_states s WHERE s.flow = z.flow AND s.submitted_at >= b.begins AND s.submitted_at < b.ends
			UNION
			SELECT c.lead FROM leadroute.clocks c WHERE c.flow = z.flow AND c.started_at >= b.begins AND c.started_at < b.ends) k
	WHERE z.flow = refresh_report_day.flow;
	facts := ARRAY(SELECT f FROM leadroute.report_facts_of(refresh_report_day.flow, leads) f WHERE f.day = refresh_report_day.day);
	FOREACH part IN ARRAY leadroute.report_parts() LOOP
		PERFORM leadroute.set_report_day(part, refresh_report_day.flow, refresh_report_day.day, facts);
	END LOOP;
	DELETE FROM leadroute.report_facts f WHERE f.flow = refresh_report_day.flow AND f.day = refresh_report_day.day;
	DELETE FROM leadroute.report_days d WHERE d.flow = refresh_report_day.flow AND d.day = refresh_report_day.day;
	IF refresh_report_day.day >= (SELECT r.fine_from FROM leadroute.report_runs r WHERE r.flow = refresh_report_day.flow) THEN
		INSERT INTO leadroute.report_facts SELECT f.* FROM unnest(facts) f;
	ELSE
		INSERT INTO leadroute.report_days (flow, day, not_before)
			SELECT refresh_report_day.flow, refresh_report_day.day, min(f.flips_at) FROM unnest(facts) f HAVING min(f.flips_at) IS NOT NULL;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.refresh_report_day(text, date) IS 'Part of sweep(): works the figures of a day out whole.';

/* So many leads, or one day; when nothing is left the reports are as of the last look. */
CREATE FUNCTION leadroute.refresh_reports(flow text, batch integer, OUT done bigint, OUT more boolean) RETURNS record
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	leads	text[];
	subject	date;
BEGIN
	done := 0;
	IF NOT EXISTS (SELECT FROM leadroute.report_changes c WHERE c.flow = refresh_reports.flow)
		AND NOT EXISTS (SELECT FROM leadroute.report_days d WHERE d.flow = refresh_reports.flow AND leadroute.is_report_due(d.not_before))
	THEN
		PERFORM leadroute.collect_report_changes(refresh_reports.flow);
	END IF;
	leads := ARRAY(SELECT c.lead FROM leadroute.report_changes c WHERE c.flow = refresh_reports.flow ORDER BY c.lead LIMIT batch);
	IF leads <> '{}' THEN
		PERFORM leadroute.refresh_report_leads(refresh_reports.flow, leads);
		DELETE FROM leadroute.report_changes c WHERE c.flow = refresh_reports.flow AND c.lead = ANY (leads);
		done := cardinality(leads);
	ELSE
		SELECT d.day INTO subject FROM leadroute.report_days d
		WHERE d.flow = refresh_reports.flow AND leadroute.is_report_due(d.not_before) ORDER BY d.day DESC LIMIT 1;
		IF FOUND THEN
			PERFORM leadroute.refresh_report_day(refresh_reports.flow, subject);
			done := 1;
		END IF;
	END IF;
	more := EXISTS (SELECT FROM leadroute.report_changes c WHERE c.flow = refresh_reports.flow)
		OR EXISTS (SELECT FROM leadroute.report_days d WHERE d.flow = refresh_reports.flow AND leadroute.is_report_due(d.not_before));
	IF NOT more THEN
		UPDATE leadroute.report_runs r SET as_of = r.looked_at WHERE r.flow = refresh_reports.flow;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.refresh_reports(text, integer) IS
	'Part of sweep(): brings the figures of up to so many changed leads up to date, or works one day out, newest first; answers how many of either, and whether there is more.';

CREATE FUNCTION leadroute.rebuild_reports(flow text DEFAULT 'default') RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ UPDATE leadroute.report_runs r SET shape = '' WHERE r.flow = rebuild_reports.flow $$;
COMMENT ON FUNCTION leadroute.rebuild_reports(text) IS
	'Has the next sweep work all days of a flow''s reports out anew, as after a change of calendars or of the leads table''s columns: SELECT leadroute.rebuild_reports(); CALL leadroute.sweep(parts => ''{reports}''). Until then they say what they said.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, every, per_flow, many, meaning) VALUES
	('reports', 200, 'SELECT * FROM leadroute.refresh_reports($1, $2)', 500, 1000, '3 minutes', true, false, 'brings the figures that reports add up to date, for the leads that changed');
