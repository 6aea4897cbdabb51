/*
 * Deadlines: which clocks a lead gets (sla_policies), what is done as they run (sla_steps), and which touches count
 * (touch_kinds). Configuration like that of 20_config.sql; the clocks themselves are state (31_clocks.sql).
 */

/* A span of business time as people write it: no months, whose length depends on where they begin. */
CREATE FUNCTION leadroute.is_business_span(span interval) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT span BETWEEN '0' AND '36525 days' AND extract(year FROM span) = 0 AND extract(month FROM span) = 0
		/* days are counted first: with hours that go back one could end before it began */
		AND extract(day FROM span) >= 0 AND span >= extract(day FROM span) * interval '1 day'
$$;
COMMENT ON FUNCTION leadroute.is_business_span(interval) IS 'Whether an interval is a span that a clock can run for: without months and years, no part of it negative, a hundred years at most.';

/* What the two domains below check: an error that says what may stand there, which a constraint cannot. */
CREATE FUNCTION leadroute.is_sla_target(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF value ~ '^end of day( \+ [0-9]{1,3})?$' THEN
		RETURN true;
	ELSIF value ~* '^\s*(end\s|[0-9.]+\s*$)' OR NOT leadroute.is_business_span(value::interval) OR value::interval = '0' THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('a clock cannot run for "%s"', value),
			DETAIL = 'It takes an interval of business time, more than nothing, a hundred years at most, without months and years and without parts that go back, or the close of a business day.',
			HINT = 'Give ''10 min'', ''8 hours'', ''2 days'' (business days), ''end of day'' or ''end of day + 1''.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.is_sla_target(text) IS 'Internal: whether a text is a target of an SLA policy; an error that says what is one (23514) where it is not.';

CREATE FUNCTION leadroute.is_sla_instant(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF value ~ '^[0-9]{1,4}(\.[0-9]{1,2})?%$' OR value = 'due' THEN
		RETURN true;
	ELSIF value ~ '%' OR value ~ '^\s*[0-9.]*[1-9][0-9.]*\s*$' OR value ~* '^\s*due' AND value !~ '^due [+-] ' OR NOT leadroute.is_business_span(CASE WHEN value ~ '^due [+-] ' THEN substr(value, 7) ELSE value END::interval) THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('a step cannot be due at "%s"', value),
			DETAIL = 'It takes a share of the target, an interval of business time from the clock''s start, a hundred years at most, without months and years and without parts that go back, or the deadline and an interval.',
			HINT = 'Give ''50%'', ''30 min'', ''due'', ''due + 2 hours'' or ''due - 15 min''.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.is_sla_instant(text) IS 'Internal: whether a text says when a step of an SLA policy is due; an error that says what does (23514) where it does not.';

CREATE DOMAIN leadroute.sla_target AS text
	CONSTRAINT sla_target_check CHECK (leadroute.is_sla_target(VALUE));
COMMENT ON DOMAIN leadroute.sla_target IS
	'How long a clock runs: an interval in the policy''s business time (''10 min'', ''8 hours''; days are business days; no months), or ''end of day'', ''end of day + n'': the close of the n-th business day.';

CREATE DOMAIN leadroute.sla_instant AS text
	CONSTRAINT sla_instant_check CHECK (leadroute.is_sla_instant(VALUE));
COMMENT ON DOMAIN leadroute.sla_instant IS
	'When a step is due, in the policy''s business time: ''50%'' of the target, an interval from the clock''s start (''30 min''; days are business days), ''due'', or ''due + 2 hours'', ''due - 15 min''.';

CREATE TABLE leadroute.sla_policies (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	policy			text COLLATE "C" NOT NULL CHECK (policy <> ''),
	position		integer NOT NULL,
	condition		text,
	metric			text COLLATE "C" NOT NULL DEFAULT 'first_touch' CHECK (metric <> ''),
	target			leadroute.sla_target NOT NULL,
	calendar		text COLLATE "C",
	clock_start		text NOT NULL DEFAULT 'submitted' CHECK (clock_start IN ('submitted', 'assigned', 'stage_entered')),
	stage			text COLLATE "C",
	pause_stages	text[] COLLATE "C" NOT NULL DEFAULT '{}' CHECK (array_position(pause_stages, NULL) IS NULL),
	success			text,
	on_change		text NOT NULL DEFAULT 'keep' CHECK (on_change IN ('keep', 'retroactive', 'restart')),
	max_rounds		integer NOT NULL DEFAULT 5 CHECK (max_rounds BETWEEN 1 AND 1000),
	note			text,
	PRIMARY KEY (flow, policy),
	UNIQUE (flow, metric, position) DEFERRABLE INITIALLY IMMEDIATE,
	CONSTRAINT sla_policies_stage_goes_with_clock_start_stage_entered CHECK ((clock_start = 'stage_entered') = (stage IS NOT NULL)),
	CONSTRAINT sla_policies_stage_age_has_clock_start_stage_entered CHECK (metric <> 'stage_age' OR clock_start = 'stage_entered'),
	CONSTRAINT sla_policies_metric_of_your_own_needs_success CHECK (success IS NOT NULL
		OR metric IN ('first_touch', 'decision', 'meeting', 'meeting_held', 'next_touch', 'queue_age', 'stage_age'))
);

CREATE TABLE leadroute.sla_steps (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	policy			text COLLATE "C" NOT NULL,
	step			text COLLATE "C" NOT NULL CHECK (step <> ''),
	at				leadroute.sla_instant NOT NULL,
	action			text NOT NULL CHECK (action IN ('remind', 'notify', 'reassign', 'requeue', 'nurture', 'set_stage')),
	recipient		text COLLATE "C",
	argument		text,
	note			text,
	PRIMARY KEY (flow, policy, step),
	CONSTRAINT sla_steps_recipient_of_remind_and_notify_alone CHECK ((action IN ('remind', 'notify')) = (recipient IS NOT NULL)),
	CONSTRAINT sla_steps_set_stage_needs_argument CHECK (action <> 'set_stage' OR argument IS NOT NULL)
);

CREATE TABLE leadroute.touch_kinds (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	kind			text COLLATE "C" NOT NULL CHECK (kind <> ''),
	counts			boolean NOT NULL,
	min_seconds		integer NOT NULL DEFAULT 0 CHECK (min_seconds >= 0),
	inbound			boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (flow, kind),
	CONSTRAINT touch_kinds_inbound_check CHECK (NOT (inbound AND counts))
);

/* the words that stand for the team's and the owner's calendar in sla_policies */
ALTER TABLE leadroute.calendars ADD CONSTRAINT calendars_words_are_taken CHECK (calendar NOT IN ('team', 'owner'));

COMMENT ON TABLE leadroute.sla_policies IS 'Deadlines: for each metric the first policy, by position, whose condition holds gives a lead its clock.';
COMMENT ON COLUMN leadroute.sla_policies.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.sla_policies.policy IS 'Name of the policy. Clocks know it by this name: those of one that is deleted or renamed keep their deadlines and are told when they are missed, but have no further steps.';
COMMENT ON COLUMN leadroute.sla_policies.position IS 'Policies of one metric are tried in this order.';
COMMENT ON COLUMN leadroute.sla_policies.condition IS 'SQL boolean expression over the lead''s columns and facts; NULL: always. An UPDATE that makes another policy of the metric hold changes the clock as on_change says.';
COMMENT ON COLUMN leadroute.sla_policies.metric IS 'What must happen in time: first_touch (a touch that counts), next_touch (the one after each touch), decision (accept or reject), meeting (one is booked), meeting_held (it takes place), queue_age (somebody gets the lead that waits), stage_age (it leaves the stage); or any word of your own, with a success condition.';
COMMENT ON COLUMN leadroute.sla_policies.target IS 'How long it may take: an interval in business time, or ''end of day + n''.';
COMMENT ON COLUMN leadroute.sla_policies.calendar IS 'By which the clock runs: a calendar''s name, or ''team'' or ''owner'' for the calendar of who has the lead when the clock starts. NULL (and a team or owner without one): 24x7.';
COMMENT ON COLUMN leadroute.sla_policies.clock_start IS 'When the clock starts: submitted (submitted_at, however late the row came), assigned (it has its first owner), stage_entered (it enters the stage). next_touch starts at each touch, meeting_held at the meeting''s time, queue_age when the lead begins to wait.';
COMMENT ON COLUMN leadroute.sla_policies.stage IS 'Of clock_start stage_entered: the stage.';
COMMENT ON COLUMN leadroute.sla_policies.pause_stages IS 'While the lead is in one of these stages the clock stands still; the business time paused is added to deadlines and steps.';
COMMENT ON COLUMN leadroute.sla_policies.success IS 'SQL boolean expression over the lead''s columns and facts: an UPDATE that makes it hold stops the clock in success, as the metric''s own event does. NULL: only that does.';
COMMENT ON COLUMN leadroute.sla_policies.on_change IS 'What a new owner, or another policy that holds now, does to a clock that runs: keep (nothing), retroactive (the next round by what holds now, from the old start), restart (the next round from now). The old round is closed as superseded; outcomes earned stay.';
COMMENT ON COLUMN leadroute.sla_policies.max_rounds IS 'Of next_touch: how many follow-ups are asked for.';
COMMENT ON COLUMN leadroute.sla_policies.note IS 'Free text of who wrote the row; kept with each change in config_changes.';

COMMENT ON TABLE leadroute.sla_steps IS 'What a sweep does while a clock of the policy runs and nobody has stopped it: each step once a round.';
COMMENT ON COLUMN leadroute.sla_steps.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.sla_steps.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.sla_steps.step IS 'Name of the step within its policy; where none is given, made of when and what it does.';
COMMENT ON COLUMN leadroute.sla_steps.at IS 'When, in the policy''s business time: ''50%'' of the target, an interval from the clock''s start, ''due'', ''due + 2 hours''. reassign, requeue and nurture come no earlier than the same distance from the assignment. A step that is added or moved while clocks run is done in those that have its time still before them, from the next sweep on; where it has passed, with the clock''s next step, if there is one.';
COMMENT ON COLUMN leadroute.sla_steps.action IS 'remind, notify (a message to the recipient), reassign (the rules decide again, the owner let it lapse), requeue (back into the team''s queue), nurture, set_stage.';
COMMENT ON COLUMN leadroute.sla_steps.recipient IS 'Of remind and notify: owner, backup, manager, director (the manager''s manager), channel (the team''s), a rep''s key; NULL of the others.';
COMMENT ON COLUMN leadroute.sla_steps.argument IS 'What the action needs: the stage of set_stage and nurture (of nurture NULL: nurture), the queue or team of requeue (NULL: the lead''s team; where it has none, the rules decide again).';
COMMENT ON COLUMN leadroute.sla_steps.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.touch_kinds IS 'Which touches count. A new flow gets a set of kinds, which are rows like any others from then on.';
COMMENT ON COLUMN leadroute.touch_kinds.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.touch_kinds.kind IS 'What touch() and the activities table call it.';
COMMENT ON COLUMN leadroute.touch_kinds.counts IS 'Whether it is a touch in the sense of the clocks: a call attempt and an e-mail by a person are, automatic mail is not.';
COMMENT ON COLUMN leadroute.touch_kinds.min_seconds IS 'Shorter ones do not count, nor those of which no length is told, unless this is 0.';
COMMENT ON COLUMN leadroute.touch_kinds.inbound IS 'Whether it comes from the person: a reply, which stops next_touch clocks. Never counts itself.';
COMMENT ON COLUMN leadroute.touch_kinds.note IS 'Free text of who wrote the row.';
