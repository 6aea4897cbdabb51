/*
 * Clocks as people see them, and what they do with them.
 */
CREATE VIEW leadroute.clock_states AS
	SELECT c.flow, c.lead, c.policy, c.round, c.metric, c.owner,
		leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock()) AS state,
		leadroute.sla_colour(leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.report_clock())) AS colour,
		leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.report_clock()) AS rep_state,
		leadroute.sla_colour(leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.report_clock())) AS rep_colour,
		c.started_at, c.assigned_at, c.due_at, c.rep_due_at, c.paused_at, c.finished_at, c.ended_by, c.breach_reason,
		c.assigned_at - c.started_at AS system_delay,
		c.finished_at - c.assigned_at AS human_delay,
		c.steps_done, c.next_at, c.asked_by
	FROM leadroute.clocks c;
COMMENT ON VIEW leadroute.clock_states IS 'The clocks as they stand now.';
COMMENT ON COLUMN leadroute.clock_states.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.clock_states.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.clock_states.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.clock_states.round IS 'Counts the policy''s clocks of the lead, from 1.';
COMMENT ON COLUMN leadroute.clock_states.metric IS 'What must happen in time.';
COMMENT ON COLUMN leadroute.clock_states.owner IS 'Whom the outcome is counted for.';
COMMENT ON COLUMN leadroute.clock_states.state IS 'met, open, at_risk, breached, paused, cancelled or superseded, by leadroute.clock().';
COMMENT ON COLUMN leadroute.clock_states.colour IS 'green (met, open, paused), yellow (at_risk) or red (breached); NULL of cancelled and superseded.';
COMMENT ON COLUMN leadroute.clock_states.rep_state IS 'The same against the deadline of the rep; NULL while nobody has the lead.';
COMMENT ON COLUMN leadroute.clock_states.rep_colour IS 'Its colour.';
COMMENT ON COLUMN leadroute.clock_states.started_at IS 'When it started.';
COMMENT ON COLUMN leadroute.clock_states.assigned_at IS 'When its owner got the lead.';
COMMENT ON COLUMN leadroute.clock_states.due_at IS 'The deadline of the policy.';
COMMENT ON COLUMN leadroute.clock_states.rep_due_at IS 'The deadline of the rep.';
COMMENT ON COLUMN leadroute.clock_states.paused_at IS 'Since when it stands still.';
COMMENT ON COLUMN leadroute.clock_states.finished_at IS 'When it stopped.';
COMMENT ON COLUMN leadroute.clock_states.ended_by IS 'What stopped it.';
COMMENT ON COLUMN leadroute.clock_states.breach_reason IS 'Why it was missed.';
COMMENT ON COLUMN leadroute.clock_states.system_delay IS 'From the start to the assignment, by the clock on the wall: what leadroute and the sync took.';
COMMENT ON COLUMN leadroute.clock_states.human_delay IS 'From the assignment to the end, by the clock on the wall: what the rep took.';
COMMENT ON COLUMN leadroute.clock_states.steps_done IS 'Steps fired or skipped.';
COMMENT ON COLUMN leadroute.clock_states.next_at IS 'When a sweep is to look at it next.';
COMMENT ON COLUMN leadroute.clock_states.asked_by IS 'The duplicate whose row started it; NULL: the lead itself did.';

/* --- the arithmetic --- */

CREATE FUNCTION leadroute.clock_reckon(flow text, policy text, runs_by text, started_at timestamptz, assigned_at timestamptz, paused bigint,
	OUT due_at timestamptz, OUT rep_due_at timestamptz, OUT risk_at timestamptz, OUT rep_risk_at timestamptz)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_clock_reckon';
COMMENT ON FUNCTION leadroute.clock_reckon(text, text, text, timestamptz, timestamptz, bigint) IS
	'When a clock of a policy is due, for the policy and for the rep, and from when on it is at risk; NULLs where the policy does not exist. Errors: those of business_add().';

CREATE FUNCTION leadroute.policy_steps(flow text, policy text, runs_by text, started_at timestamptz, held_since timestamptz, paused bigint,
	OUT step text, OUT due_at timestamptz) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 5 AS 'MODULE_PATHNAME', 'lr_sql_policy_steps';
COMMENT ON FUNCTION leadroute.policy_steps(text, text, text, timestamptz, timestamptz, bigint) IS
	'The steps of a policy''s clock and when each is due; NULL for reassign, requeue and nurture while nobody has the lead. Errors: those of business_add().';

CREATE FUNCTION leadroute.policy_calendar(flow text, policy text, owner text, team text) RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_policy_calendar';
COMMENT ON FUNCTION leadroute.policy_calendar(text, text, text, text) IS
	'The calendar that a clock of the policy runs by for a lead of this owner and team; NULL: 24x7.';

CREATE FUNCTION leadroute.clock_runs_by(flow text, runs_by text) RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_clock_runs_by';
COMMENT ON FUNCTION leadroute.clock_runs_by(text, text) IS
	'The calendar that a running clock goes by: its own, or 24x7 where it has none, or its own is gone or never opens any more.';

CREATE FUNCTION leadroute.lead_policies(flow text, lead text, OUT metric text, OUT policy text) RETURNS SETOF record
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE ROWS 3 AS 'MODULE_PATHNAME', 'lr_sql_lead_policies';
COMMENT ON FUNCTION leadroute.lead_policies(text, text) IS
	'The policies that hold for a stored lead now: of each metric (and stage) the first. Reads the row as the leads table''s owner. Errors: those of the conditions.';

CREATE FUNCTION leadroute.clock_steps(clock leadroute.clocks, OUT step text, OUT due_at timestamptz, OUT action text, OUT recipient text, OUT argument text) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 5 AS 'MODULE_PATHNAME', 'lr_sql_clock_steps';
COMMENT ON FUNCTION leadroute.clock_steps(leadroute.clocks) IS
	'The steps of a running clock that are still to be done, in the order of when they are due; of one that is paused those that were due before.';

CREATE FUNCTION leadroute.clock_next(clock leadroute.clocks) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_clock_next';
COMMENT ON FUNCTION leadroute.clock_next(leadroute.clocks) IS 'What a clock''s next_at is to be. At the deadline itself it is in time, so its breach is due the microsecond after.';

CREATE FUNCTION leadroute.clock_after(clock leadroute.clocks, steps text[], breached_at timestamptz DEFAULT NULL, why text DEFAULT NULL) RETURNS leadroute.clocks
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF steps IS NOT NULL THEN
		clock.steps_done := coalesce(clock.steps_done, '{}') || steps;
	END IF;
	IF breached_at IS NOT NULL THEN
		clock.breached_at := breached_at;
		clock.breach_reason := why;
	END IF;
	clock.next_at := leadroute.clock_next(clock);
	RETURN clock;
END
$$;
COMMENT ON FUNCTION leadroute.clock_after(leadroute.clocks, text[], timestamptz, text) IS
	'What a clock''s row is to be once these steps are done and (breached_at) its breach is told.';

CREATE FUNCTION leadroute.lead_stage(flow text, lead text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT s.stage FROM leadroute.lead_states s WHERE s.flow = lead_stage.flow AND s.lead = lead_stage.lead $$;
COMMENT ON FUNCTION leadroute.lead_stage(text, text) IS 'The stage that a lead is in; NULL where it has none.';

/* --- what happens to a clock; the caller holds the lead's row of lead_states locked --- */

CREATE FUNCTION leadroute.clock_event(clock leadroute.clocks, at timestamptz, kind text, code text, reason text, actor text DEFAULT NULL) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, path, actor)
	SELECT clock.flow, clock.lead, clock_event.at, clock_event.kind, clock_event.code, clock.owner, s.team, clock_event.reason,
		jsonb_build_array(jsonb_build_object('policy', clock.policy, 'round', clock.round, 'metric', clock.metric, 'due_at', clock.due_at)), clock_event.actor
	FROM (SELECT) one LEFT JOIN leadroute.lead_states s ON s.flow = clock.flow AND s.lead = clock.lead
$$;
COMMENT ON FUNCTION leadroute.clock_event(leadroute.clocks, timestamptz, text, text, text, text) IS 'Writes an event about a clock.';

CREATE FUNCTION leadroute.refresh_due(flow text, lead text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	UPDATE leadroute.lead_states s SET sla_due_at = n.due_at
	FROM (SELECT min(c.due_at) AS due_at FROM leadroute.clocks c
		  WHERE c.flow = refresh_due.flow AND c.lead = refresh_due.lead AND c.finished_at IS NULL) n
	WHERE s.flow = refresh_due.flow AND s.lead = refresh_due.lead AND s.sla_due_at IS DISTINCT FROM n.due_at
$$;
COMMENT ON FUNCTION leadroute.refresh_due(text, text) IS 'Brings a lead''s sla_due_at up to date with its clocks.';

CREATE FUNCTION leadroute.breach_reason(clock leadroute.clocks, at timestamptz) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_breach_reason';
COMMENT ON FUNCTION leadroute.breach_reason(leadroute.clocks, timestamptz) IS
	'Why a clock''s deadline was missed, as it looks at an instant: sync_delay (it came too late, by which the rep is not late), routing (it waited for an owner or changed hands meanwhile), overload (the owner has as many open leads as he may), after_hours (he was off shift for more than half of the clock''s time), no_response.';

CREATE FUNCTION leadroute.start_clock(flow text, lead text, policy text, started_at timestamptz, owner text, team text, at timestamptz,
	done_before timestamptz DEFAULT NULL, paused bigint DEFAULT 0, asked_by text DEFAULT NULL) RETURNS leadroute.clocks
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	p		leadroute.sla_policies;
	clock	leadroute.clocks;
	stage	text;
BEGIN
	SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = start_clock.flow AND s.policy = start_clock.policy;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	clock.flow := flow;
	clock.lead := lead;
	clock.policy := policy;
	clock.round := 1 + coalesce((SELECT max(c.round) FROM leadroute.clocks c WHERE c.flow = start_clock.flow AND c.lead = start_clock.lead AND c.policy = start_clock.policy), 0);
	clock.metric := p.metric;
	clock.owner := owner;
	clock.runs_by := leadroute.policy_calendar(flow, policy, owner, team);
	clock.started_at := started_at;
	clock.assigned_at := CASE WHEN owner IS NOT NULL THEN greatest(at, started_at) END;
	clock.held_since := clock.assigned_at;
	clock.paused := paused;
	clock.asked_by := asked_by;
	SELECT r.due_at, r.rep_due_at, r.risk_at, r.rep_risk_at INTO clock.due_at, clock.rep_due_at, clock.risk_at, clock.rep_risk_at
	FROM leadroute.clock_reckon(flow, policy, clock.runs_by, started_at, clock.assigned_at, paused) r;
	stage := leadroute.lead_stage(flow, lead);
	IF stage = ANY (p.pause_stages) THEN
		clock.paused_at := at;
	END IF;
	clock.steps_done := (SELECT nullif(array_agg(d.step ORDER BY d.due_at, d.step), '{}')
						 FROM leadroute.policy_steps(flow, policy, clock.runs_by, started_at, clock.held_since, paused) d
						 WHERE d.due_at < done_before);
	clock.next_at := leadroute.clock_next(clock);
	INSERT INTO leadroute.clocks SELECT clock.*;
	RETURN clock;
END
$$;
COMMENT ON FUNCTION leadroute.start_clock(text, text, text, timestamptz, text, text, timestamptz, timestamptz, bigint, text) IS
	'Starts the next round of a policy''s clock of a lead, and answers it; steps due before done_before count as done. NULL where the policy does not exist.';

CREATE FUNCTION leadroute.finish_clock(clock leadroute.clocks, at timestamptz, how text, by text, actor text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	until	timestamptz := least(at, clock.paused_at);	/* it stands still since then */
	became	text := CASE WHEN until > clock.due_at THEN 'breached' WHEN how = 'success' THEN 'met' ELSE how END;
	rep		text := CASE WHEN clock.rep_due_at IS NULL THEN NULL WHEN until > clock.rep_due_at THEN 'breached' WHEN how = 'success' THEN 'met' ELSE how END;
	why		text := CASE WHEN became = 'breached' THEN coalesce(clock.breach_reason, leadroute.breach_reason(clock, until)) END;
BEGIN
	UPDATE leadroute.clocks c SET finished_at = finish_clock.at, outcome = became, rep_outcome = rep, breach_reason = why,
		next_at = NULL, paused_at = NULL, ended_by = finish_clock.by, breached_at = CASE WHEN became = 'breached' THEN coalesce(c.breached_at, finish_clock.at) END
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
	PERFORM leadroute.clock_event(clock, at, 'clock', CASE became WHEN 'breached' THEN why ELSE became END,
		format('%s of policy %s: %s; %s, %s', clock.metric, clock.policy, became, by,
			CASE WHEN until > clock.due_at THEN format('due %s', clock.due_at) ELSE format('in time for %s', clock.due_at) END), actor);
	IF how = 'success' AND (clock.breached_at IS NOT NULL OR clock.steps_done IS NOT NULL) THEN
		PERFORM leadroute.clock_message(clock, at, 'resolved', format('%s of policy %s: %s; %s', clock.metric, clock.policy, became, by), jsonb_build_object('outcome', became, 'by', by));
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.finish_clock(leadroute.clocks, timestamptz, text, text, text) IS
	'Stops a running clock: success, cancelled or superseded; past due it is breached in any case. Writes an event, and the message resolved where people had heard of it.';

CREATE FUNCTION leadroute.clock_message(clock leadroute.clocks, at timestamptz, type text, reason text, more jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM leadroute.outbox_consumers o WHERE o.flow = clock.flow AND clock_message.type = ANY (o.types)) THEN
		PERFORM leadroute.write_message(clock.flow, clock.lead, type, at, reason,
			jsonb_build_object('policy', clock.policy, 'round', clock.round, 'metric', clock.metric, 'due_at', clock.due_at) || more);
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.clock_message(leadroute.clocks, timestamptz, text, text, jsonb) IS 'Writes a message about a clock, where a consumer asked for its type.';

/* In the order of work: who breaches is told once. */
CREATE FUNCTION leadroute.clock_breach(flow text, lead text, policy text, round integer, at timestamptz DEFAULT leadroute.clock()) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	why		text;
BEGIN
	SELECT c.* INTO clock FROM leadroute.clocks c
	WHERE c.flow = clock_breach.flow AND c.lead = clock_breach.lead AND c.policy = clock_breach.policy AND c.round = clock_breach.round
		AND c.finished_at IS NULL AND c.breached_at IS NULL AND c.due_at < coalesce(c.paused_at, clock_breach.at)
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	IF clock.metric = 'meeting_held' THEN
		PERFORM leadroute.meeting_missed(clock, clock.due_at);
		RETURN 'no_show';
	END IF;
	why := leadroute.breach_reason(clock, at);
	clock := leadroute.clock_after(clock, NULL, at, why);
	UPDATE leadroute.clocks c SET breached_at = clock.breached_at, breach_reason = clock.breach_reason, next_at = clock.next_at
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
	PERFORM leadroute.clock_event(clock, at, 'breached', why, format('%s of policy %s was due %s: %s', clock.metric, clock.policy, clock.due_at, why));
	RETURN why;
END
$$;
COMMENT ON FUNCTION leadroute.clock_breach(text, text, text, integer, timestamptz) IS
	'Part of the sweep: notes that a running clock is past due, with the reason and an event; a meeting that was not held becomes a no_show. Answers the reason, NULL where there is nothing to note. The caller holds the lead''s row of lead_states locked.';

CREATE FUNCTION leadroute.clock_step_done(flow text, lead text, policy text, round integer, steps text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
BEGIN
	SELECT c.* INTO clock FROM leadroute.clocks c
	WHERE c.flow = clock_step_done.flow AND c.lead = clock_step_done.lead AND c.policy = clock_step_done.policy AND c.round = clock_step_done.round
	FOR UPDATE;
	clock := leadroute.clock_after(clock, steps);
	UPDATE leadroute.clocks c SET steps_done = clock.steps_done, next_at = clock.next_at
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
END
$$;
COMMENT ON FUNCTION leadroute.clock_step_done(text, text, text, integer, text[]) IS
	'Part of the sweep: these steps of a clock are done and never come again in this round.';

/* --- what happens to a lead; called by who has its row of lead_states locked or has just written it --- */

CREATE FUNCTION leadroute.pause_clock(clock leadroute.clocks, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	clock.paused_at := at;
	UPDATE leadroute.clocks c SET paused_at = clock.paused_at, next_at = leadroute.clock_next(clock)
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
END
$$;
COMMENT ON FUNCTION leadroute.pause_clock(leadroute.clocks, timestamptz) IS 'Stops a clock for a while; what was due before stays due.';

CREATE FUNCTION leadroute.resume_clock(clock leadroute.clocks, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	calendar	text := leadroute.clock_runs_by(clock.flow, clock.runs_by);
	stood		interval := greatest(date_trunc('second', leadroute.business_between(calendar, clock.paused_at, at, clock.flow)), '0');
	since		timestamptz := clock.paused_at;
BEGIN
	/* what had passed before stays where it is */
	clock.due_at := CASE WHEN clock.due_at < since THEN clock.due_at ELSE leadroute.business_add(calendar, clock.due_at, stood, clock.flow) END;
	clock.risk_at := CASE WHEN clock.risk_at < since THEN clock.risk_at ELSE leadroute.business_add(calendar, clock.risk_at, stood, clock.flow) END;
	clock.rep_due_at := CASE WHEN clock.rep_due_at < since THEN clock.rep_due_at ELSE leadroute.business_add(calendar, clock.rep_due_at, stood, clock.flow) END;
	clock.rep_risk_at := CASE WHEN clock.rep_risk_at < since THEN clock.rep_risk_at ELSE leadroute.business_add(calendar, clock.rep_risk_at, stood, clock.flow) END;
	clock.paused := clock.paused + (extract(epoch FROM stood) * 1000000)::bigint;
	clock.paused_at := NULL;
	UPDATE leadroute.clocks c SET due_at = clock.due_at, risk_at = clock.risk_at, rep_due_at = clock.rep_due_at, rep_risk_at = clock.rep_risk_at,
		paused = clock.paused, paused_at = NULL, next_at = leadroute.clock_next(clock)
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
END
$$;
COMMENT ON FUNCTION leadroute.resume_clock(leadroute.clocks, timestamptz) IS
	'Lets a paused clock go on: the business time that it stood still, in whole seconds, is added to its deadlines and steps, not to its start.';

CREATE FUNCTION leadroute.clocks_owner(flow text, lead text, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	clock	leadroute.clocks;
	p		leadroute.sla_policies;
	skipped	text[];
	next	record;
	owner	text;
	team	text;
	waits	boolean;
	status	text;
BEGIN
	SELECT s.owner, s.team, s.status = 'waiting' AND s.queue IS NOT NULL, s.status INTO owner, team, waits, status
	FROM leadroute.lead_states s
	WHERE s.flow = clocks_owner.flow AND s.lead = clocks_owner.lead AND s.closed_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = clocks_owner.flow AND c.lead = clocks_owner.lead AND c.finished_at IS NULL
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		IF status NOT IN ('assigned', 'waiting') THEN
			PERFORM leadroute.finish_clock(clock, at, 'cancelled', status);
			CONTINUE;
		END IF;
		IF clock.metric = 'queue_age' THEN
			IF NOT waits THEN
				PERFORM leadroute.finish_clock(clock, at, CASE WHEN owner IS NULL THEN 'cancelled' ELSE 'success' END, coalesce('assigned to ' || owner, 'no owner'));
			END IF;
			CONTINUE;
		END IF;
		SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = clock.flow AND s.policy = clock.policy;
		IF owner IS NULL THEN
			/* the person waits on: the clock runs, and nobody is there to take the lead from */
			clock.held_since := NULL;
			UPDATE leadroute.clocks c SET held_since = NULL, next_at = leadroute.clock_next(clock)
			WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
		ELSIF clock.owner IS NULL THEN
			clock.owner := owner;
			clock.assigned_at := greatest(at, clock.started_at);
			clock.held_since := clock.assigned_at;
			/* by the owner's calendar as soon as there is one; what is missed is missed */
			IF p.calendar = 'owner' AND clock.breached_at IS NULL AND clock.paused_at IS NULL AND clock.due_at >= at THEN
				clock.runs_by := leadroute.policy_calendar(flow, clock.policy, owner, team);
				SELECT r.due_at, r.risk_at INTO clock.due_at, clock.risk_at
				FROM leadroute.clock_reckon(flow, clock.policy, clock.runs_by, clock.started_at, clock.assigned_at, clock.paused) r;
			END IF;
			SELECT coalesce(r.rep_due_at, clock.due_at), coalesce(r.rep_risk_at, clock.risk_at) INTO clock.rep_due_at, clock.rep_risk_at
			FROM leadroute.clock_reckon(flow, clock.policy, clock.runs_by, clock.started_at, clock.assigned_at, clock.paused) r;
			SELECT array_agg(s.step ORDER BY s.due_at, s.step) INTO skipped FROM leadroute.clock_steps(clock) s WHERE s.due_at < clocks_owner.at AND s.due_at > clock.started_at;
			clock.steps_done := CASE WHEN skipped IS NULL THEN clock.steps_done ELSE coalesce(clock.steps_done, '{}') || skipped END;
			UPDATE leadroute.clocks c SET owner = clock.owner, assigned_at = clock.assigned_at, held_since = clock.held_since, runs_by = clock.runs_by,
				due_at = clock.due_at, risk_at = clock.risk_at, rep_due_at = clock.rep_due_at, rep_risk_at = clock.rep_risk_at,
				steps_done = clock.steps_done, next_at = leadroute.clock_next(clock)
			WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
			IF skipped IS NOT NULL THEN
				PERFORM leadroute.clock_event(clock, at, 'skipped', 'routing', format('policy %s: due before %s got the lead, not done: %s', clock.policy, owner, array_to_string(skipped, ', ')));
			END IF;
		ELSIF clock.owner = owner AND clock.held_since IS NOT NULL THEN
			NULL;
		ELSIF clock.owner = owner OR coalesce(p.on_change, 'keep') = 'keep' THEN
			clock.held_since := at;
			UPDATE leadroute.clocks c SET held_since = clock.held_since, next_at = leadroute.clock_next(clock)
			WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
		ELSE
			PERFORM leadroute.finish_clock(clock, at, 'superseded', 'owner ' || owner);
			IF p.on_change = 'restart' THEN
				PERFORM leadroute.start_clock(flow, lead, clock.policy, at, owner, team, at, asked_by => clock.asked_by);
			ELSE
				PERFORM leadroute.start_clock(flow, lead, clock.policy, clock.started_at, owner, team, at, at,
					clock.paused + CASE WHEN clock.paused_at IS NULL THEN 0
						ELSE (extract(epoch FROM leadroute.business_between(leadroute.clock_runs_by(flow, clock.runs_by), clock.paused_at, at, flow)) * 1000000)::bigint END, clock.asked_by);
			END IF;
		END IF;
	END LOOP;
	/* those that start with the assignment, and with waiting: once a lead, and each time */
	IF EXISTS (SELECT FROM leadroute.sla_policies s WHERE s.flow = clocks_owner.flow
			   AND CASE WHEN waits THEN s.metric = 'queue_age' ELSE owner IS NOT NULL AND s.clock_start = 'assigned' END)
		AND NOT EXISTS (SELECT FROM leadroute.lead_states s JOIN leadroute.flows f ON f.flow = s.flow
						WHERE s.flow = clocks_owner.flow AND s.lead = clocks_owner.lead AND s.submitted_at < clocks_owner.at - f.max_backdate AND NOT waits) THEN
		FOR next IN
			SELECT s.policy, s.metric FROM leadroute.lead_policies(flow, lead) h JOIN leadroute.sla_policies s ON s.flow = clocks_owner.flow AND s.policy = h.policy
			WHERE CASE WHEN waits THEN s.metric = 'queue_age' ELSE owner IS NOT NULL AND s.clock_start = 'assigned' AND s.metric NOT IN ('queue_age', 'next_touch', 'meeting_held') END
				AND NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = clocks_owner.flow AND c.lead = clocks_owner.lead AND c.metric = s.metric
								AND (c.finished_at IS NULL OR NOT waits))
		LOOP
			PERFORM leadroute.start_clock(flow, lead, next.policy, at, owner, team, at);
		END LOOP;
	END IF;
	/* one that comes back from where it had been put away: what was cut off then is to be done again */
	IF owner IS NOT NULL AND EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = clocks_owner.flow AND c.lead = clocks_owner.lead AND c.ended_by = ANY ('{nurture,discarded}')) THEN
		FOR next IN
			SELECT s.policy, s.metric FROM leadroute.lead_policies(flow, lead) h JOIN leadroute.sla_policies s ON s.flow = clocks_owner.flow AND s.policy = h.policy
			WHERE s.clock_start <> 'stage_entered'
				AND (SELECT c.ended_by = ANY ('{nurture,discarded}') FROM leadroute.clocks c
					 WHERE c.flow = clocks_owner.flow AND c.lead = clocks_owner.lead AND c.metric = s.metric
					 ORDER BY c.finished_at DESC NULLS FIRST, c.round DESC LIMIT 1)
		LOOP
			PERFORM leadroute.start_clock(flow, lead, next.policy, at, owner, team, at);
		END LOOP;
	END IF;
	PERFORM leadroute.refresh_due(flow, lead);
END
$$;
COMMENT ON FUNCTION leadroute.clocks_owner(text, text, timestamptz) IS
	'What a lead''s clocks make of its new owner, or of having none, as its state says: the first one gets the rep''s deadline, another one changes clocks as their policies'' on_change says; queue_age starts and stops.';

CREATE FUNCTION leadroute.clocks_stage(flow text, lead text, was text, becomes text, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	p		leadroute.sla_policies;
	state	leadroute.lead_states;
	next	record;
BEGIN
	IF was IS NOT DISTINCT FROM becomes THEN
		RETURN;
	END IF;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = clocks_stage.flow AND s.lead = clocks_stage.lead;
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = clocks_stage.flow AND c.lead = clocks_stage.lead AND c.finished_at IS NULL
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = clock.flow AND s.policy = clock.policy;
		IF clock.metric = 'stage_age' AND p.stage = was THEN
			PERFORM leadroute.finish_clock(clock, at, 'success', 'stage ' || becomes);
		ELSIF clock.paused_at IS NULL AND becomes = ANY (p.pause_stages) THEN
			PERFORM leadroute.pause_clock(clock, at);
		ELSIF clock.paused_at IS NOT NULL AND NOT coalesce(becomes = ANY (p.pause_stages), false) THEN
			PERFORM leadroute.resume_clock(clock, at);
		END IF;
	END LOOP;
	IF state.closed_at IS NULL AND EXISTS (SELECT FROM leadroute.sla_policies s WHERE s.flow = clocks_stage.flow AND s.stage = becomes) THEN
		FOR next IN
			SELECT s.policy FROM leadroute.lead_policies(flow, lead) h JOIN leadroute.sla_policies s ON s.flow = clocks_stage.flow AND s.policy = h.policy
			WHERE s.stage = becomes AND NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = clocks_stage.flow AND c.lead = clocks_stage.lead
													AND c.policy = s.policy AND c.finished_at IS NULL)
		LOOP
			PERFORM leadroute.start_clock(flow, lead, next.policy, at, state.owner, state.team, at);
		END LOOP;
	END IF;
	PERFORM leadroute.refresh_due(flow, lead);
END
$$;
COMMENT ON FUNCTION leadroute.clocks_stage(text, text, text, text, timestamptz) IS
	'What a lead''s clocks make of another stage: those that the stage pauses stand still, those that it no longer pauses go on, those of the stage that it left are over, those of the one that it enters start.';

CREATE FUNCTION leadroute.clocks_met(flow text, lead text, metric text, by text, at timestamptz, actor text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	n		integer := 0;
BEGIN
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = clocks_met.flow AND c.lead = clocks_met.lead AND c.metric = clocks_met.metric AND c.finished_at IS NULL
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		PERFORM leadroute.finish_clock(clock, at, 'success', by, actor);
		n := n + 1;
	END LOOP;
	IF n > 0 THEN
		PERFORM leadroute.refresh_due(flow, lead);
	END IF;
	RETURN n;
END
$$;
COMMENT ON FUNCTION leadroute.clocks_met(text, text, text, text, timestamptz, text) IS
	'What a metric asks for has happened (decision: accept() or reject()): its clocks stop, met or breached. Answers how many.';

CREATE FUNCTION leadroute.clocks_closed(flow text, leads text[], outcome text, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	row_is_gone	boolean := outcome IN ('deleted', 'gone', 'moved');
BEGIN
	FOR clock IN
		SELECT c.* FROM unnest(leads) l(lead) JOIN leadroute.clocks c ON c.flow = clocks_closed.flow AND c.lead = l.lead
		WHERE c.finished_at IS NULL
			AND EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = c.flow AND s.lead = c.lead AND s.closed_at IS NOT NULL)
		ORDER BY c.lead, c.policy, c.round FOR UPDATE OF c
	LOOP
		PERFORM leadroute.finish_clock(clock, at, CASE WHEN clock.metric IN ('decision', 'stage_age') AND NOT row_is_gone THEN 'success' ELSE 'cancelled' END, 'closed: ' || outcome);
	END LOOP;
	UPDATE leadroute.lead_states s SET sla_due_at = NULL
	WHERE s.flow = clocks_closed.flow AND s.lead = ANY (leads) AND s.closed_at IS NOT NULL AND s.sla_due_at IS NOT NULL;
END
$$;
COMMENT ON FUNCTION leadroute.clocks_closed(text, text[], text, timestamptz) IS
	'What the clocks of leads that were closed make of it: a decision has been taken and a stage is over, all others are cancelled; past due they are breached.';

CREATE FUNCTION leadroute.clocks_reopened(flow text, leads text[], at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	p		leadroute.sla_policies;
BEGIN
	FOR clock IN
		SELECT c.* FROM unnest(leads) l(lead) JOIN leadroute.clocks c ON c.flow = clocks_reopened.flow AND c.lead = l.lead
			JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead AND s.closed_at IS NULL
		WHERE c.outcome = 'cancelled' AND c.ended_by LIKE 'closed: %'
			AND NOT EXISTS (SELECT FROM leadroute.clocks o WHERE o.flow = c.flow AND o.lead = c.lead AND o.policy = c.policy AND o.round > c.round)
		ORDER BY c.lead, c.policy FOR UPDATE OF c
	LOOP
		/* closed it stood still */
		clock.paused_at := clock.finished_at;
		clock.finished_at := NULL;
		clock.outcome := NULL;
		clock.rep_outcome := NULL;
		clock.ended_by := NULL;
		UPDATE leadroute.clocks c SET finished_at = NULL, outcome = NULL, rep_outcome = NULL, ended_by = NULL, paused_at = clock.paused_at
		WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
		SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = clock.flow AND s.policy = clock.policy;
		IF NOT coalesce(leadroute.lead_stage(clock.flow, clock.lead) = ANY (p.pause_stages), false) THEN
			PERFORM leadroute.resume_clock(clock, at);
		END IF;
		PERFORM leadroute.refresh_due(clock.flow, clock.lead);
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.clocks_reopened(text, text[], timestamptz) IS
	'Clocks that the closing of their leads had cancelled go on; the time in between counts as a pause. What was met or breached stays so.';

CREATE FUNCTION leadroute.clocks_rekey(flow text, was text[], becomes text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	old_keys	text[];
	new_keys	text[];
BEGIN
	/* a state that is still out of the way found its new key taken: it stays where it was */
	SELECT array_agg(l.old), array_agg(l.new) INTO old_keys, new_keys
	FROM (SELECT DISTINCT ON (u.new) u.old, u.new FROM unnest(was, becomes) u(old, new)
		  WHERE NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = clocks_rekey.flow AND s.lead = concat(chr(1), u.old))
		  ORDER BY u.new, u.old) l;
	/* first out of the way, so that keys may change places; those of a lead that bore the key and is gone make way */
	UPDATE leadroute.clocks c SET lead = concat(chr(1), c.lead) WHERE c.flow = clocks_rekey.flow AND c.lead = ANY (old_keys);
	DELETE FROM leadroute.clocks c WHERE c.flow = clocks_rekey.flow AND c.lead = ANY (new_keys);
	UPDATE leadroute.clocks c SET lead = l.new
	FROM unnest(old_keys, new_keys) l(old, new)
	WHERE c.flow = clocks_rekey.flow AND c.lead = concat(chr(1), l.old);
	/* those that a duplicate of another key now has started on its first lead */
	UPDATE leadroute.clocks c SET asked_by = l.new
	FROM unnest(old_keys, new_keys) l(old, new) JOIN leadroute.lead_states d ON d.flow = clocks_rekey.flow AND d.lead = l.new AND d.duplicate_of IS NOT NULL
	WHERE c.flow = d.flow AND c.lead = d.duplicate_of AND c.asked_by = l.old;
	UPDATE leadroute.pending_touches p SET duplicate = l.new FROM unnest(old_keys, new_keys) l(old, new) WHERE p.flow = clocks_rekey.flow AND p.duplicate = l.old;
END
$$;
COMMENT ON FUNCTION leadroute.clocks_rekey(text, text[], text[]) IS 'Part of a change of keys: clocks go with their leads.';

CREATE FUNCTION leadroute.clocks_follow(flow text, lead text, holding text[], met text[], at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	p		leadroute.sla_policies;
	state	leadroute.lead_states;
	other	text;
BEGIN
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = clocks_follow.flow AND s.lead = clocks_follow.lead FOR UPDATE;
	IF NOT FOUND OR state.closed_at IS NOT NULL THEN
		RETURN;
	END IF;
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = clocks_follow.flow AND c.lead = clocks_follow.lead AND c.finished_at IS NULL
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = clock.flow AND s.policy = clock.policy;
		IF clock.policy = ANY (met) THEN
			PERFORM leadroute.finish_clock(clock, at, 'success', 'success');
		/* one that a duplicate asked for does not hang on this row */
		ELSIF p.on_change <> 'keep' AND clock.policy <> ALL (holding) AND clock.asked_by IS NULL THEN
			SELECT s.policy INTO other FROM leadroute.sla_policies s
			WHERE s.flow = clock.flow AND s.policy = ANY (holding) AND s.metric = clock.metric AND s.stage IS NOT DISTINCT FROM p.stage;
			PERFORM leadroute.finish_clock(clock, at, CASE WHEN other IS NULL THEN 'cancelled' ELSE 'superseded' END, coalesce('policy ' || other, 'no policy'));
			IF other IS NOT NULL THEN
				PERFORM leadroute.start_clock(flow, lead, other, CASE p.on_change WHEN 'restart' THEN at ELSE clock.started_at END, state.owner, state.team,
					CASE WHEN p.on_change = 'restart' THEN at ELSE coalesce(clock.held_since, at) END, CASE p.on_change WHEN 'retroactive' THEN at END,
					CASE p.on_change WHEN 'retroactive' THEN clock.paused ELSE 0 END);
			END IF;
		END IF;
	END LOOP;
	PERFORM leadroute.refresh_due(flow, lead);
END
$$;
COMMENT ON FUNCTION leadroute.clocks_follow(text, text, text[], text[], timestamptz) IS
	'What a lead''s clocks make of an UPDATE of its row: which policies hold now, and whose success condition does.';

/* --- touches --- */

CREATE FUNCTION leadroute.lead_touched(flow text, lead text, kind text, at timestamptz, by text DEFAULT NULL, seconds numeric DEFAULT NULL, of text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	k		leadroute.touch_kinds;
	state	leadroute.lead_states;
	clock	leadroute.clocks;
	counts	boolean;
	happened	timestamptz := least(coalesce(lead_touched.at, leadroute.clock()), leadroute.clock());
	follow	record;
BEGIN
	SELECT t.* INTO k FROM leadroute.touch_kinds t WHERE t.flow = lead_touched.flow AND t.kind = lead_touched.kind;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('touch kind "%s" does not exist', kind),
			DETAIL = format('Flow "%s" has: %s.', flow, (SELECT string_agg(t.kind, ', ' ORDER BY t.kind) FROM leadroute.touch_kinds t WHERE t.flow = lead_touched.flow)),
			HINT = 'Insert it into leadroute.touch_kinds, and say there whether it counts.';
	END IF;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = lead_touched.flow AND s.lead = lead_touched.lead FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	counts := k.counts AND (k.min_seconds = 0 OR coalesce(seconds, 0) >= k.min_seconds) AND NOT coalesce(happened < state.submitted_at, false);
	INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, path, actor)
		VALUES (flow, lead, happened, CASE WHEN k.inbound THEN 'reply' WHEN counts THEN 'touched' ELSE 'activity' END, CASE WHEN k.inbound THEN 'reply' WHEN counts THEN 'touched' ELSE 'not_counted' END, state.owner, state.team,
			concat_ws(' ', lead_touched.kind, 'by ' || lead_touched.by, '(' || seconds || ' s)', 'of lead ' || lead_touched.of || ', a duplicate',
				CASE WHEN NOT counts AND NOT k.inbound THEN CASE WHEN NOT k.counts THEN 'does not count' WHEN happened < state.submitted_at THEN 'came before the lead was submitted'
					ELSE format('is shorter than %s s', k.min_seconds) END END),
			jsonb_strip_nulls(jsonb_build_array(jsonb_build_object('touch', lead_touched.kind, 'counts', counts, 'seconds', seconds, 'duplicate', lead_touched.of, 'told_at', nullif(leadroute.clock(), happened)))), lead_touched.by);
	IF k.inbound THEN
		FOR clock IN
			SELECT c.* FROM leadroute.clocks c
			WHERE c.flow = lead_touched.flow AND c.lead = lead_touched.lead AND c.metric = 'next_touch' AND c.finished_at IS NULL AND c.started_at <= happened
			ORDER BY c.policy, c.round FOR UPDATE
		LOOP
			PERFORM leadroute.finish_clock(clock, happened, 'cancelled', 'reply');
		END LOOP;
	END IF;
	/* a duplicate's person is the first lead's, whose clocks these are */
	IF state.status IN ('duplicate', 'merged') AND state.duplicate_of IS NOT NULL AND (counts OR k.inbound) THEN
		PERFORM leadroute.touch_first(flow, lead, kind, happened, by, seconds);
	END IF;
	IF NOT counts THEN
		PERFORM leadroute.refresh_due(flow, lead);
		RETURN false;
	END IF;
	UPDATE leadroute.lead_states s SET first_touch_at = least(s.first_touch_at, happened)
	WHERE s.flow = lead_touched.flow AND s.lead = lead_touched.lead AND (s.first_touch_at IS NULL OR s.first_touch_at > happened);

	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = lead_touched.flow AND c.lead = lead_touched.lead AND c.metric IN ('first_touch', 'next_touch')
			AND (c.finished_at IS NULL OR c.outcome = 'breached' OR (c.outcome = 'met' AND c.finished_at > happened))
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		IF clock.finished_at IS NULL THEN
			IF happened >= clock.started_at THEN
				PERFORM leadroute.finish_clock(clock, happened, 'success', kind, by);
			ELSIF clock.metric = 'first_touch' AND clock.asked_by IS NULL THEN
				/* the lead had been touched before this round began, which nobody knew; a person who asked again after it still waits */
				PERFORM leadroute.finish_clock(clock, least(clock.due_at, leadroute.clock()), 'cancelled', kind || ' told late', by);
			END IF;
		ELSIF happened >= clock.started_at AND happened < clock.finished_at THEN
			UPDATE leadroute.clocks c SET finished_at = happened, ended_by = lead_touched.kind,
				outcome = CASE WHEN happened <= c.due_at THEN 'met' ELSE c.outcome END,
				rep_outcome = CASE WHEN happened <= c.rep_due_at THEN 'met' ELSE c.rep_outcome END,
				breach_reason = CASE WHEN happened <= c.due_at THEN NULL ELSE c.breach_reason END
			WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
			IF clock.outcome = 'breached' AND happened <= clock.due_at THEN
				PERFORM leadroute.clock_event(clock, leadroute.clock(), 'clock', 'met',
					format('%s of policy %s: met after all, %s at %s was told late', clock.metric, clock.policy, kind, happened), by);
				PERFORM leadroute.clock_message(clock, leadroute.clock(), 'resolved', format('%s of policy %s: met after all, %s at %s was told late', clock.metric, clock.policy, kind, happened),
					jsonb_build_object('outcome', 'met', 'by', kind));
			END IF;
		END IF;
	END LOOP;
	IF kind = 'meeting_booked' THEN
		PERFORM leadroute.clocks_met(flow, lead, 'meeting', kind, happened, by);
	END IF;

	/* and the next one is due */
	IF state.closed_at IS NULL AND state.status NOT IN ('duplicate', 'merged')
		AND EXISTS (SELECT FROM leadroute.sla_policies s WHERE s.flow = lead_touched.flow AND s.metric = 'next_touch')
		AND NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = lead_touched.flow AND c.lead = lead_touched.lead AND c.metric = 'next_touch'
						AND (c.finished_at IS NULL OR c.started_at >= happened)) THEN
		FOR follow IN
			SELECT s.policy FROM leadroute.lead_policies(flow, lead) h JOIN leadroute.sla_policies s ON s.flow = lead_touched.flow AND s.policy = h.policy
			WHERE s.metric = 'next_touch'
				AND s.max_rounds > (SELECT count(*) FROM leadroute.clocks c WHERE c.flow = lead_touched.flow AND c.lead = lead_touched.lead AND c.metric = 'next_touch')
		LOOP
			PERFORM leadroute.start_clock(flow, lead, follow.policy, happened, state.owner, state.team, happened);
		END LOOP;
	END IF;
	PERFORM leadroute.refresh_due(flow, lead);
	PERFORM leadroute.touch_moves_stage(flow, lead);
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.lead_touched(text, text, text, timestamptz, text, numeric, text) IS
	'What touch() and its like do to a known lead: an event, its clocks by the time of the touch itself, the next follow-up. Answers whether it counts; NULL where leadroute does not know the lead. A touch in time that is told late turns breached back to met. One of a duplicate is one of its first lead too (touch_first()), with its key as "of". Errors: undefined_object for a kind that is not in touch_kinds.';

/* --- meetings --- */

CREATE FUNCTION leadroute.meeting_missed(clock leadroute.clocks, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	times	bigint;
	boss	text;
	what	text;
BEGIN
	UPDATE leadroute.clocks c SET finished_at = meeting_missed.at, outcome = 'breached', rep_outcome = CASE WHEN c.rep_due_at IS NOT NULL THEN 'breached' END,
		breach_reason = 'no_response', breached_at = coalesce(c.breached_at, meeting_missed.at), next_at = NULL, paused_at = NULL, ended_by = 'no_show'
	WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
	SELECT count(*) + 1 INTO times FROM leadroute.events e WHERE e.flow = clock.flow AND e.lead = clock.lead AND e.kind = 'no_show';
	SELECT r.manager INTO boss FROM leadroute.reps r WHERE r.flow = clock.flow AND r.rep = clock.owner;
	what := format('the meeting of %s was not held%s', clock.started_at,
		CASE WHEN times > 1 THEN format(', for the %s time', CASE times WHEN 2 THEN '2nd' WHEN 3 THEN '3rd' ELSE times || 'th' END) END);
	PERFORM leadroute.clock_event(clock, at, 'no_show', 'no_show', what);
	PERFORM leadroute.clock_message(clock, at, 'no_show', what, jsonb_build_object('meeting_at', clock.started_at, 'times', times, 'recipient_role', 'owner', 'recipient', clock.owner));
	IF times = 2 THEN
		PERFORM leadroute.clock_message(clock, at, 'no_show', what, jsonb_build_object('meeting_at', clock.started_at, 'times', times, 'recipient_role', 'manager', 'recipient', boss));
	END IF;
	PERFORM leadroute.refresh_due(clock.flow, clock.lead);
END
$$;
COMMENT ON FUNCTION leadroute.meeting_missed(leadroute.clocks, timestamptz) IS
	'A meeting was not held: its clock is breached, an event, a message to the owner, and with the lead''s second one a message to his manager.';

CREATE FUNCTION leadroute.meeting_signal(flow text, lead text, signal text, at timestamptz, meeting_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	clock	leadroute.clocks;
	state	leadroute.lead_states;
	next	record;
BEGIN
	IF signal NOT IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show')
		OR NOT EXISTS (SELECT FROM leadroute.sla_policies s WHERE s.flow = meeting_signal.flow AND s.metric IN ('meeting', 'meeting_held')) THEN
		RETURN;
	END IF;
	/* a duplicate's signals are its first lead's, whose row signals_inserted has locked */
	lead := coalesce((SELECT s.duplicate_of FROM leadroute.lead_states s
					  WHERE s.flow = meeting_signal.flow AND s.lead = meeting_signal.lead AND s.status IN ('duplicate', 'merged')), lead);
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = meeting_signal.flow AND s.lead = meeting_signal.lead FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF signal = 'meeting_booked' THEN
		PERFORM leadroute.clocks_met(flow, lead, 'meeting', signal, at);
	END IF;
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = meeting_signal.flow AND c.lead = meeting_signal.lead AND c.metric = 'meeting_held'
			AND (c.finished_at IS NULL
				 OR (signal = 'meeting_held' AND c.ended_by = 'no_show'
					 AND NOT EXISTS (SELECT FROM leadroute.clocks o WHERE o.flow = c.flow AND o.lead = c.lead AND o.policy = c.policy AND o.round > c.round)))
		ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		IF signal = 'meeting_held' AND clock.finished_at IS NULL THEN
			PERFORM leadroute.finish_clock(clock, greatest(least(at, clock.due_at), clock.started_at), 'success', signal);
		ELSIF signal = 'meeting_held' THEN
			/* told late: it was held after all */
			UPDATE leadroute.clocks c SET outcome = 'met', rep_outcome = CASE WHEN c.rep_due_at IS NOT NULL THEN 'met' END, breach_reason = NULL, ended_by = signal
			WHERE c.flow = clock.flow AND c.lead = clock.lead AND c.policy = clock.policy AND c.round = clock.round;
			PERFORM leadroute.clock_event(clock, leadroute.clock(), 'clock', 'met', format('the meeting of %s was held after all: told late', clock.started_at));
		ELSIF signal = 'no_show' THEN
			PERFORM leadroute.meeting_missed(clock, at);
		ELSIF clock.started_at IS DISTINCT FROM meeting_at THEN
			PERFORM leadroute.finish_clock(clock, least(at, clock.due_at), 'superseded', signal);
		END IF;
	END LOOP;
	IF signal IN ('meeting_booked', 'rebooked') AND meeting_at IS NOT NULL AND state.closed_at IS NULL
		AND NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = meeting_signal.flow AND c.lead = meeting_signal.lead AND c.metric = 'meeting_held' AND c.finished_at IS NULL) THEN
		FOR next IN SELECT h.policy FROM leadroute.lead_policies(flow, lead) h WHERE h.metric = 'meeting_held' LOOP
			PERFORM leadroute.start_clock(flow, lead, next.policy, meeting_at, state.owner, state.team, at);
		END LOOP;
	END IF;
	PERFORM leadroute.refresh_due(flow, lead);
END
$$;
COMMENT ON FUNCTION leadroute.meeting_signal(text, text, text, timestamptz, timestamptz) IS
	'What a signal about a meeting does to a lead''s clocks: meeting_booked stops those of metric meeting and starts meeting_held at the meeting''s time (meeting_at), rebooked moves it, meeting_held stops it, no_show breaches it. Any other signal does nothing. Of a duplicate the clocks are its first lead''s.';

/* PL/pgSQL: one look at a statement's signals, which are hardly ever about meetings. */
CREATE FUNCTION leadroute.meeting_signals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	told	record;
	meeting	timestamptz;
BEGIN
	FOR told IN
		SELECT n.flow, n.lead, n.type, n.at, f.timezone, CASE WHEN n.type IN ('meeting_booked', 'rebooked') THEN n.detail->>'meeting_at' END AS meeting_at
		FROM new_rows n JOIN leadroute.flows f USING (flow)
		WHERE n.type IN ('meeting_booked', 'rebooked', 'meeting_held', 'no_show') AND NOT leadroute.restoring()
		ORDER BY n.lead, n.at
	LOOP
		/* an instant, none of the words that the type knows too */
		meeting := CASE WHEN told.meeting_at ~ '^\d' THEN leadroute.instant_of(told.meeting_at, told.timezone, 'MDY') END;
		IF told.meeting_at IS NOT NULL AND meeting IS NULL THEN
			RAISE WARNING USING MESSAGE = format('the meeting of lead "%s" has no time that can be read', told.lead), DETAIL = format('"meeting_at" is "%s".', told.meeting_at),
				HINT = 'Tell it again by a signal of type rebooked, as 2026-03-07 10:00+01.';
		END IF;
		PERFORM leadroute.meeting_signal(told.flow, told.lead, told.type, told.at, meeting);
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.meeting_signals() IS
	'Trigger on signals: meeting_booked and rebooked (with the meeting''s time in detail, "meeting_at", in the flow''s zone where it names none; digits are seconds or milliseconds since 1970), meeting_held and no_show start and stop clocks.';
/* after signals_inserted, which locks the leads' rows */
CREATE TRIGGER signals_of_meetings AFTER INSERT ON leadroute.signals REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.meeting_signals();

/* --- the doors --- */

CREATE FUNCTION leadroute.touch(lead text, kind text DEFAULT 'call', at timestamptz DEFAULT NULL, by text DEFAULT NULL, seconds numeric DEFAULT NULL, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_touch';
COMMENT ON FUNCTION leadroute.touch(text, text, timestamptz, text, numeric, text) IS
	'Somebody touched a lead: a kind of touch_kinds, when (NULL, or a time to come: now), by whom (NULL: the session''s role) and how long in seconds. Answers whether it counts; NULL for a NULL lead. One that counts stops the clocks first_touch and next_touch by its own time, however late it is told; one that comes from the person (a reply) stops next_touch. A touch of a duplicate is one of its first lead too, at once or, where another session is at work on that one, by the next sweep; of a lead that was merged, one of the lead that it was merged into. Rights and errors as close(); undefined_object for a kind that is not in touch_kinds.';

SELECT leadroute.for_other_keys('touch');
GRANT EXECUTE ON FUNCTION leadroute.touch(text, text, timestamptz, text, numeric, text), leadroute.touch(bigint, text, timestamptz, text, numeric, text),
	leadroute.touch(uuid, text, timestamptz, text, numeric, text) TO PUBLIC;
