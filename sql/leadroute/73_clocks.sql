/*
 * Clocks as people see them, and what they do with them.
 */
CREATE VIEW leadroute.clock_states AS
	SELECT c.flow, c.lead, c.policy, c.round, c.metric, c.owner,
		leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.clock()) AS state,
		leadroute.sla_colour(leadroute.sla_state(c.outcome, c.paused_at, c.risk_at, c.due_at, leadroute.clock())) AS colour,
		leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.clock()) AS rep_state,
		leadroute.sla_colour(leadroute.sla_state(c.rep_outcome, c.paused_at, c.rep_risk_at, c.rep_due_at, leadroute.clock())) AS rep_colour,
		c.started_at, c.assigned_at, c.due_at, c.rep_due_at, c.paused_at, c.finished_at, c.ended_by, c.breach_reason,
		c.assigned_at - c.started_at AS system_delay,
		c.finished_at - c.assigned_at AS human_delay,
		c.steps_done, c.next_at
	FROM leadroute.clocks c;
COMMENT ON VIEW leadroute.clock_states IS 'The clocks as they stand now.';
COMMENT ON COLUMN leadroute.clock_states.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.clock_states.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.clock_states.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.clock_states.round IS 'Counts the policy''s clocks of the lead, from 1.';
COMMENT ON COLUMN leadroute.clock_states.metric IS 'What must happen in time.';
COMMENT ON COLUMN leadroute.clock_states.owner IS 'Whom the outcome is counted for.';
COMMENT ON COLUMN leadroute.clock_states.state IS 'met, open, at_risk, breached, paused, cancelled or superseded, by leadroute.clock().';
COMMENT ON COLUMN leadroute.clock_states.colour IS 'green, yellow or red; NULL where it does not count.';
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
