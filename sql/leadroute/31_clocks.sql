/*
 * Clocks: one row a lead, policy and round. Written directly on the insert path (journal.c), so without CHECK constraints;
 * changed through SPI (clock_change.c) by who holds the lead's row of lead_states locked, and by the sweep, which
 * locks that row first too.
 */
CREATE TABLE leadroute.clocks (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	policy			text COLLATE "C" NOT NULL,
	round			integer NOT NULL,
	metric			text COLLATE "C" NOT NULL,
	owner			text COLLATE "C",
	runs_by			text COLLATE "C",
	started_at		timestamptz NOT NULL,
	assigned_at		timestamptz,
	held_since		timestamptz,
	due_at			timestamptz NOT NULL,
	rep_due_at		timestamptz,
	risk_at			timestamptz NOT NULL,
	rep_risk_at		timestamptz,
	paused_at		timestamptz,
	paused			bigint NOT NULL,
	next_at			timestamptz,
	steps_done		text[] COLLATE "C",
	breached_at		timestamptz,
	finished_at		timestamptz,
	outcome			text,
	rep_outcome		text,
	breach_reason	text,
	ended_by		text,
	asked_by		text COLLATE "C",
	PRIMARY KEY (flow, lead, policy, round)
) WITH (fillfactor = 90);
CREATE INDEX clocks_next_idx ON leadroute.clocks (flow, next_at) WHERE next_at IS NOT NULL;

COMMENT ON TABLE leadroute.clocks IS 'One row a lead, policy and round. What it says now: clock_states.';
COMMENT ON COLUMN leadroute.clocks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.clocks.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.clocks.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.clocks.round IS 'Counts the policy''s clocks of the lead, from 1.';
COMMENT ON COLUMN leadroute.clocks.metric IS 'What must happen in time, as the policy had it when the clock started.';
COMMENT ON COLUMN leadroute.clocks.owner IS 'Who had the lead when the clock started, or its first owner after that: whom the outcome is counted for. With on_change keep he stays when the lead goes on to another.';
COMMENT ON COLUMN leadroute.clocks.runs_by IS 'The calendar that it runs by; NULL: 24x7. Where that calendar is deleted, or has no hours any more, the clock goes on around the clock: its deadlines stay, and steps and pauses from then on count every hour.';
COMMENT ON COLUMN leadroute.clocks.started_at IS 'When it started.';
COMMENT ON COLUMN leadroute.clocks.assigned_at IS 'When that owner got the lead; NULL while it has none.';
COMMENT ON COLUMN leadroute.clocks.held_since IS 'Since when the lead''s present owner has it: reassign, requeue and nurture count from then at the earliest. NULL: nobody has it.';
COMMENT ON COLUMN leadroute.clocks.due_at IS 'The deadline of the policy, from the start; pauses move it.';
COMMENT ON COLUMN leadroute.clocks.rep_due_at IS 'The deadline of the rep: the same target from the assignment, where that is later; NULL while nobody has the lead.';
COMMENT ON COLUMN leadroute.clocks.risk_at IS 'From when on it is at risk: the first step before the deadline, else half of the target; pauses move it.';
COMMENT ON COLUMN leadroute.clocks.rep_risk_at IS 'The same for the rep.';
COMMENT ON COLUMN leadroute.clocks.paused_at IS 'Since when it stands still; NULL: it runs. Its deadlines move when it goes on.';
COMMENT ON COLUMN leadroute.clocks.paused IS 'How long it stood still until then: microseconds of business time.';
COMMENT ON COLUMN leadroute.clocks.next_at IS 'When a sweep is to look at it next: the first step not done yet, or the deadline until its breach is told. NULL: never again, or not before it goes on.';
COMMENT ON COLUMN leadroute.clocks.steps_done IS 'Names of the steps that were fired, or skipped because they were due before the lead reached its owner; NULL: none.';
COMMENT ON COLUMN leadroute.clocks.breached_at IS 'When the breach was told (event and message), by a sweep or at birth; NULL: not, although it may be past due.';
COMMENT ON COLUMN leadroute.clocks.finished_at IS 'When it stopped: the instant of the touch, decision, meeting, closing; NULL: it runs.';
COMMENT ON COLUMN leadroute.clocks.outcome IS 'met, breached, cancelled or superseded; NULL: it runs.';
COMMENT ON COLUMN leadroute.clocks.rep_outcome IS 'The same against the deadline of the rep; NULL also where nobody ever had the lead.';
COMMENT ON COLUMN leadroute.clocks.breach_reason IS 'Why it was missed: sync_delay (it came too late), routing (it waited, or changed hands), overload (its owner was at capacity), after_hours (its owner was off shift), no_response. NULL where it was not.';
COMMENT ON COLUMN leadroute.clocks.ended_by IS 'What stopped it: the kind of touch, accepted, rejected, assigned, a stage, success, reply, an outcome of closing, owner, policy.';
COMMENT ON COLUMN leadroute.clocks.asked_by IS 'The duplicate (its key, as text) whose row met the policy and so started the clock; NULL: the lead itself did.';

/* Status is a function of the row and of now; what is past due and runs is breached, swept or not. */
CREATE FUNCTION leadroute.sla_state(outcome text, paused_at timestamptz, risk_at timestamptz, due_at timestamptz, now timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE WHEN outcome IS NOT NULL THEN outcome
		WHEN due_at IS NULL THEN NULL
		WHEN due_at < coalesce(paused_at, now) THEN 'breached'
		WHEN paused_at IS NOT NULL THEN 'paused'
		WHEN risk_at <= now THEN 'at_risk'
		ELSE 'open' END
$$;
COMMENT ON FUNCTION leadroute.sla_state(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
	'The status of a clock at an instant, from its columns: met, open, at_risk, breached, paused, cancelled or superseded; with rep_outcome, rep_risk_at and rep_due_at the rep''s, NULL where there is none. At the deadline itself it is still in time.';

CREATE FUNCTION leadroute.sla_colour(state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE state WHEN 'met' THEN 'green' WHEN 'open' THEN 'green' WHEN 'paused' THEN 'green' WHEN 'at_risk' THEN 'yellow' WHEN 'breached' THEN 'red' END $$;
COMMENT ON FUNCTION leadroute.sla_colour(text) IS
	'The colour of a status: green (met, open, paused), yellow (at_risk), red (breached); NULL for cancelled and superseded.';

