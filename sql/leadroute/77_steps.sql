/*
 * What is done as clocks run: the steps of sla_steps, each once a round, in the order of when they were due.
 *
 * A sweep finds the clocks that are due through clocks_next_idx, and a batch takes their leads one after the other. Locks are taken with SKIP LOCKED, in the order state, row of the leads
 * table, so a sweep waits for nobody; who comes for such a lead waits for one small batch. Notices change nothing that the next step depends on:
 * leads of which only these are due are done together (tell_leads), all others one by one (fire_lead).
 * A lead whose steps fail keeps the others from nothing: it is undone, noted, and tried again later.
 */
CREATE TABLE leadroute.sla_fired (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	policy			text COLLATE "C" NOT NULL,
	round			integer NOT NULL,
	step			text COLLATE "C" NOT NULL,
	action			text NOT NULL,
	due_at			timestamptz NOT NULL,
	fired_at		timestamptz NOT NULL,
	late_by			interval NOT NULL,
	owner			text COLLATE "C",
	recipient		text COLLATE "C",
	result			text,
	PRIMARY KEY (flow, lead, policy, round, step)
);
CREATE INDEX sla_fired_at_idx ON leadroute.sla_fired USING brin (fired_at);
SELECT leadroute.restore_trigger('sla_fired');
COMMENT ON TABLE leadroute.sla_fired IS 'Which steps of which clocks were done, each once a round. Goes with the events, after flows.events_keep.';
COMMENT ON COLUMN leadroute.sla_fired.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.sla_fired.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.sla_fired.policy IS 'The policy.';
COMMENT ON COLUMN leadroute.sla_fired.round IS 'The round of its clock.';
COMMENT ON COLUMN leadroute.sla_fired.step IS 'The step.';
COMMENT ON COLUMN leadroute.sla_fired.action IS 'What it does.';
COMMENT ON COLUMN leadroute.sla_fired.due_at IS 'When it was due.';
COMMENT ON COLUMN leadroute.sla_fired.fired_at IS 'When a sweep did it.';
COMMENT ON COLUMN leadroute.sla_fired.late_by IS 'How much later that was.';
COMMENT ON COLUMN leadroute.sla_fired.owner IS 'Who had the lead then; NULL: nobody.';
COMMENT ON COLUMN leadroute.sla_fired.recipient IS 'Of remind and notify: who was told, a rep''s key or a team''s channel; NULL: there is nobody.';
COMMENT ON COLUMN leadroute.sla_fired.result IS 'Of the others: who has the lead now, the queue that it waits in, the stage; or none, where nobody had it; or not_ready, where flows.route_when does not hold any more and who has it keeps it.';

CREATE FUNCTION leadroute.step_recipient(flow text, owner text, team text, recipient text) RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_step_recipient';
COMMENT ON FUNCTION leadroute.step_recipient(text, text, text, text) IS
	'Whom a step''s recipient stands for: owner, backup, manager and director (the manager''s manager) go by who has the lead; where there is no such person the next above, at last the team''s channel. Anything else is a rep''s key.';

CREATE FUNCTION leadroute.lapse(flow text, lead text, requeue boolean, queue text, reason text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_lapse';
COMMENT ON FUNCTION leadroute.lapse(text, text, boolean, text, text) IS
	'Part of sweep(): takes a lead from its owner, who does not get it again, and has the rules decide, or (requeue) puts it into a queue. Answers assigned or waiting; none where nobody has it; not_ready where flows.route_when does not hold (any more), and busy where somebody holds its row: then nothing was done.';

CREATE TYPE leadroute.due_step AS (
	lead			text,
	clock			leadroute.clocks,
	step			text,
	due_at			timestamptz,
	action			text,
	recipient		text,
	argument		text
);
COMMENT ON TYPE leadroute.due_step IS 'Internal: what is due of a clock: one of its steps, or (step NULL) its deadline, whose breach is to be told.';

CREATE FUNCTION leadroute.due_steps(flow text, leads text[], instant timestamptz) RETURNS SETOF leadroute.due_step
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
		WITH due AS MATERIALIZED (
			SELECT c FROM leadroute.clocks c
			WHERE c.flow = due_steps.flow AND c.lead = ANY (due_steps.leads) AND c.finished_at IS NULL AND c.next_at <= instant)
		SELECT (d.c).lead, d.c, NULL::text, (d.c).due_at, NULL::text, NULL::text, NULL::text
		FROM due d
		WHERE (d.c).breached_at IS NULL AND (d.c).due_at < least((d.c).paused_at, instant)
		UNION ALL
		SELECT (d.c).lead, d.c, s.step, s.due_at, s.action, s.recipient, s.argument
		FROM due d CROSS JOIN LATERAL leadroute.clock_steps(d.c) s
		WHERE s.due_at <= instant;
END
$$;
COMMENT ON FUNCTION leadroute.due_steps(text, text[], timestamptz) IS 'Part of sweep(): what is due of these leads'' clocks at an instant.';

/*
 * messages: {lead, reason} of a breach, {lead, who, line} of a notice. After what the breaches say, all that one recipient is to know of a lead now is one
 * message: by its last line, with the others beside it.
 */
CREATE FUNCTION leadroute.write_notices(flow text, instant timestamptz, messages jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.write_messages(write_notices.flow, instant, array_agg(m.lead ORDER BY m.breach DESC, m.n), array_agg(m.type ORDER BY m.breach DESC, m.n),
		array_agg(m.reason ORDER BY m.breach DESC, m.n), array_agg(m.extra ORDER BY m.breach DESC, m.n))
	FROM (SELECT true AS breach, e.n, e.value ->> 'lead' AS lead, 'breached' AS type, e.value ->> 'reason' AS reason, '{}'::jsonb AS extra
		  FROM jsonb_array_elements(messages) WITH ORDINALITY e(value, n) WHERE NOT e.value ? 'line'
		  UNION ALL
		  SELECT false, l.n, l.lead, CASE WHEN l.escalates THEN 'escalated' ELSE 'reminder' END, l.lines -> -1 ->> 'reason',
			(l.lines -> -1) || jsonb_build_object('steps', l.lines, 'recipient', l.who)
		  FROM (SELECT e.value ->> 'lead' AS lead, e.value ->> 'who' AS who, jsonb_agg(e.value -> 'line' ORDER BY e.n) AS lines, min(e.n) AS n,
					bool_or(e.value -> 'line' ->> 'action' = 'notify') AS escalates
				FROM jsonb_array_elements(messages) WITH ORDINALITY e(value, n) WHERE e.value ? 'line' GROUP BY 1, 2) l) m
	WHERE m.type = ANY (SELECT unnest(c.types) FROM leadroute.outbox_consumers c WHERE c.flow = write_notices.flow)
	HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION leadroute.write_notices(text, timestamptz, jsonb) IS
	'Part of sweep(): the messages that go with missed deadlines and with steps that tell somebody, of the types that a consumer asked for; to one recipient about one lead it is one message.';

CREATE FUNCTION leadroute.step_retry(late interval) RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN least(greatest(late / 2, interval '5 min'), interval '1 hour');
COMMENT ON FUNCTION leadroute.step_retry(interval) IS
	'Part of sweep(): how long after a step failed it is tried again, by how late it is: half of that, five minutes at least, an hour at most. So what fails for ever is told some thirty times in the first day.';

/*
 * The steps of one lead that are due, one after the other, each as the one before has left the lead. Answers how many, or NULL
 * where somebody holds the lead.
 */
CREATE FUNCTION leadroute.fire_lead(in_flow text, in_lead text, instant timestamptz, OUT fired integer, OUT late interval, OUT failed integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	state	leadroute.lead_states;
	clock	leadroute.clocks;
	due		record;
	who		text;
	became	text;
	what	text;
	told	jsonb := '[]';	/* for write_notices() */
	boss	text;
	listens	boolean := EXISTS (SELECT FROM leadroute.outbox_consumers c WHERE c.flow = in_flow AND c.types && '{reminder,escalated}');
	broke	text[] := '{}';	/* steps that failed */
	since	interval;		/* how late the latest due of these was */
	cause	text;
	error	text;
BEGIN
	fired := 0;
	failed := 0;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = in_flow AND s.lead = in_lead FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		fired := NULL;
		RETURN;
	END IF;
	LOOP
		/* the next: a step, or the deadline itself, which comes before what is due with it */
		SELECT d.* INTO due
		FROM leadroute.due_steps(in_flow, ARRAY[in_lead], instant) d
		WHERE concat_ws(E'\n', (d.clock).policy, (d.clock).round, d.step) <> ALL (broke)
		ORDER BY d.due_at, d.step IS NOT NULL, (d.clock).policy, (d.clock).round, d.step LIMIT 1;
		EXIT WHEN NOT FOUND;
		clock := due.clock;
		late := greatest(late, instant - due.due_at);
		IF due.step IS NULL THEN
			EXIT WHEN leadroute.clock_breach(clock.flow, clock.lead, clock.policy, clock.round, instant) IS NULL;
			fired := fired + 1;
			CONTINUE;
		END IF;
		what := format('%s of policy %s, due %s', clock.metric, clock.policy, clock.due_at);
		BEGIN
			/* first noted, then done: what is done may begin another round */
			who := CASE WHEN due.action IN ('remind', 'notify') THEN leadroute.step_recipient(in_flow, state.owner, state.team, due.recipient) END;
			INSERT INTO leadroute.sla_fired (flow, lead, policy, round, step, action, due_at, fired_at, late_by, owner, recipient)
				VALUES (in_flow, in_lead, clock.policy, clock.round, due.step, due.action, due.due_at, instant, instant - due.due_at, state.owner, who);
			PERFORM leadroute.clock_step_done(clock.flow, clock.lead, clock.policy, clock.round, ARRAY[due.step]);
			CASE due.action
			WHEN 'remind', 'notify' THEN
				INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, path)
					VALUES (in_flow, in_lead, instant, CASE due.action WHEN 'remind' THEN 'reminder' ELSE 'escalated' END, 'breached', state.owner, state.team,
							format('%s: %s told %s', what, due.step, coalesce(who, 'nobody: there is no ' || due.recipient)),
							jsonb_build_array(jsonb_build_object('policy', clock.policy, 'round', clock.round, 'step', due.step, 'recipient', who, 'due', due.due_at, 'late_by', instant - due.due_at)));
			ELSE
				became := leadroute.act_on_step(in_flow, in_lead, due.action, due.argument, what, state.owner);
				UPDATE leadroute.sla_fired f
					SET result = CASE became WHEN 'assigned' THEN s.owner WHEN 'waiting' THEN s.queue ELSE became END
					FROM leadroute.lead_states s
					WHERE f.flow = in_flow AND f.lead = in_lead AND f.policy = clock.policy AND f.round = clock.round AND f.step = due.step AND s.flow = in_flow AND s.lead = in_lead;
			END CASE;
		EXCEPTION
		WHEN lock_not_available OR serialization_failure OR deadlock_detected THEN
			RAISE;
		WHEN OTHERS THEN
			/* it is undone, and keeps no other step from being done, nor the deadline from being told */
			GET STACKED DIAGNOSTICS cause = MESSAGE_TEXT, error = RETURNED_SQLSTATE;
			broke := broke || concat_ws(E'\n', clock.policy, clock.round, due.step);
			since := least(since, instant - due.due_at);
			failed := failed + 1;
			INSERT INTO leadroute.events (flow, lead, at, kind, code, reason)
				VALUES (in_flow, in_lead, instant, 'step_failed', 'routing_error', format('%s of policy %s: %s (SQLSTATE %s)', due.step, clock.policy, cause, error));
			RAISE WARNING USING MESSAGE = format('a step of lead "%s" of flow "%s" failed: %s', in_lead, in_flow, cause), HINT = 'It is tried again in five minutes, and from then on less and less often, at least every hour.';
			CONTINUE;
		END;
		fired := fired + 1;
		IF due.action IN ('remind', 'notify') THEN
			IF listens THEN
				told := told || jsonb_build_array(jsonb_build_object('lead', in_lead, 'who', who, 'line', jsonb_build_object('policy', clock.policy, 'metric', clock.metric, 'round', clock.round, 'step', due.step,
							'action', due.action, 'recipient_role', due.recipient, 'step_due', due.due_at, 'deadline', clock.due_at, 'reason', what)));
			END IF;
			CONTINUE;
		END IF;
		boss := leadroute.step_recipient(in_flow, state.owner, state.team, 'manager');
		SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = in_flow AND s.lead = in_lead;
		/* nobody is left who could have it: whoever leads them must know */
		IF became = 'waiting' AND state.code = 'all_tried' THEN
			INSERT INTO leadroute.events (flow, lead, at, kind, code, team, queue, reason, path)
				VALUES (in_flow, in_lead, instant, 'escalated', 'all_tried', state.team, state.queue, format('%s: everybody has let it lapse; told %s', what, coalesce(boss, 'nobody: there is no manager')),
						jsonb_build_array(jsonb_build_object('policy', clock.policy, 'round', clock.round, 'step', due.step, 'recipient', boss, 'due', due.due_at, 'late_by', instant - due.due_at)));
			IF listens THEN
				told := told || jsonb_build_array(jsonb_build_object('lead', in_lead, 'who', boss, 'line', jsonb_build_object('policy', clock.policy, 'metric', clock.metric, 'round', clock.round, 'step', due.step,
							'action', 'notify', 'recipient_role', 'manager', 'step_due', due.due_at, 'deadline', clock.due_at,
							'reason', format('everybody of the team has let it lapse; it waits in queue "%s"', state.queue))));
			END IF;
		END IF;
	END LOOP;
	IF told <> '[]' THEN
		PERFORM leadroute.write_notices(in_flow, instant, told);
	END IF;
	IF failed > 0 THEN
		/* what is due before then comes at its time all the same */
		UPDATE leadroute.clocks c SET next_at = least(instant + leadroute.step_retry(since), (SELECT min(s.due_at) FROM leadroute.clock_steps(c) s WHERE s.due_at > instant),
			CASE WHEN c.breached_at IS NULL AND c.paused_at IS NULL AND c.due_at >= instant THEN c.due_at + interval '1 microsecond' END)
		WHERE c.flow = in_flow AND c.lead = in_lead AND c.finished_at IS NULL AND c.next_at <= instant;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.fire_lead(text, text, timestamptz) IS
	'Part of sweep(): does the steps of a lead that are due, in order; answers how many, how late the latest was, and how many failed: each of these is undone, a WARNING and an event (step_failed), and tried again after step_retry(), and the others go on; NULL where somebody holds the lead. Notices to one recipient become one message.';

/* What a step does to a lead that is more than telling somebody; answers what became of it. Waits for nobody. */
CREATE FUNCTION leadroute.act_on_step(flow text, lead text, action text, argument text, what text, owner text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	became	text := 'busy';
BEGIN
	IF action IN ('reassign', 'requeue') THEN
		became := leadroute.lapse(flow, lead, action = 'requeue', argument, format('%s let %s lapse', coalesce(owner, 'nobody'), what));
	/* the row is locked by this, or the lead is left for later */
	ELSIF leadroute.try_lead(flow, lead) THEN
		became := leadroute.set_stage(lead, CASE action WHEN 'nurture' THEN coalesce(argument, 'nurture') ELSE argument END, what, flow);
	END IF;
	IF became = 'busy' THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'somebody holds the lead''s row';
	END IF;
	RETURN became;
END
$$;
COMMENT ON FUNCTION leadroute.act_on_step(text, text, text, text, text, text) IS
	'Part of sweep(): a reassign, requeue, nurture or set_stage; answers assigned, waiting, none or not_ready, or the stage. Errors: lock_not_available where somebody holds the lead, and what the action meets.';

CREATE FUNCTION leadroute.try_lead(flow text, lead text) RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_try_lead';
COMMENT ON FUNCTION leadroute.try_lead(text, text) IS 'Part of sweep(): locks a lead''s row without waiting; whether that was possible.';

/*
 * The same for all leads at once of which nothing but notices and missed deadlines is due, as nearly always (notice.c). The caller has their states locked.
 * A plan made when the tables were empty, or counted wrongly, would read them whole: each look-up is by primary key.
 */
CREATE FUNCTION leadroute.tell_leads(flow text, leads text[], instant timestamptz, OUT told text[], OUT fired integer, OUT late interval, OUT messages jsonb)
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_tell_leads'
SET search_path = pg_catalog, leadroute, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off;
COMMENT ON FUNCTION leadroute.tell_leads(text, text[], timestamptz) IS
	'Part of sweep(): does what is due of those leads of which nothing but reminders, notices and missed deadlines is due; answers which these are, how many steps that was, how late the latest, and what messages are to say of them. Writes sla_fired, events and clocks directly: no trigger fires on these.';

/*
 * Always by clocks_next_idx, whatever statistics say. What batches have left of that index stays there until it is vacuumed, under somebody's long
 * snapshot for long, so not each batch goes through it: the leads of twenty are found at once.
 */
CREATE FUNCTION leadroute.due_leads(flow text, instant timestamptz, skip bigint, clocks integer) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
#variable_conflict use_variable
BEGIN
	RETURN ARRAY(
		SELECT d.lead
		FROM (SELECT c.lead, c.next_at FROM leadroute.clocks c WHERE c.flow = due_leads.flow AND c.next_at <= instant ORDER BY c.next_at OFFSET skip LIMIT clocks) d
		GROUP BY d.lead ORDER BY min(d.next_at), d.lead);
END
$$;
COMMENT ON FUNCTION leadroute.due_leads(text, timestamptz, bigint, integer) IS
	'Part of sweep(): the leads of so many clocks that are due at an instant, the longest due first, without the first "skip". Locks nothing.';

/* States before clocks, like everybody: who holds a lead's state has its clocks to himself. What another sweep has done meanwhile is not locked. */
CREATE FUNCTION leadroute.claim_leads(flow text, leads text[], instant timestamptz, OUT claimed text[], OUT held integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_variable
BEGIN
	SELECT coalesce(array_agg(d.lead ORDER BY d.n) FILTER (WHERE d.free), '{}'), count(*) FILTER (WHERE NOT d.free) INTO claimed, held
	FROM (SELECT l.lead, l.n, s.lead IS NOT NULL AS free
		  FROM unnest(leads) WITH ORDINALITY l(lead, n)
			CROSS JOIN LATERAL (SELECT c.next_at <= instant AS due FROM leadroute.clocks c
								WHERE c.flow = claim_leads.flow AND c.lead = l.lead AND c.finished_at IS NULL ORDER BY c.next_at LIMIT 1) c
			LEFT JOIN LATERAL (SELECT s.lead FROM leadroute.lead_states s WHERE s.flow = claim_leads.flow AND s.lead = l.lead AND c.due FOR UPDATE SKIP LOCKED) s ON true
		  WHERE c.due) d;
END
$$;
COMMENT ON FUNCTION leadroute.claim_leads(text, text[], timestamptz) IS
	'Part of sweep(): locks the states of those of these leads of whose clocks one is due still and that nobody else holds; answers which these are, and of how many a clock is due that somebody holds.';

/*
 * rest: how many clocks are passed over, the first of those that are due, since others hold their leads, however many; whether anything was done since
 * the first were looked at; leads that are still to be looked at. When all of these are, those that were passed over are looked at again.
 */
CREATE FUNCTION leadroute.sweep_steps(flow text, batch integer, INOUT rest text[] DEFAULT NULL, OUT done bigint, OUT more boolean, OUT late interval)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	instant	timestamptz := leadroute.clock();
	skip	bigint := coalesce(rest[1]::bigint, 0);
	busy	boolean := coalesce(rest[2]::boolean, false);
	ahead	text[] := coalesce(rest[3:], '{}');
	leads	text[] := '{}';
	held	bigint := 0;
	barren	boolean := false;	/* a look-up of which nothing could be had */
	claim	record;
	told	text[] := '{}';
	key		text;
	handled	integer := 0;
	changed	integer;
	failed	boolean := false;
	one		record;
	cause	text;
	state	text;
	alone	text;
BEGIN
	LOOP
		IF ahead = '{}' THEN
			IF barren THEN
				skip := skip + CASE held WHEN 0 THEN 20 * batch ELSE held END;
			ELSIF held > 10 * batch THEN
				skip := skip + held;
			END IF;
			held := 0;
			ahead := leadroute.due_leads(flow, instant, skip, 20 * batch);
			barren := true;
			IF ahead = '{}' THEN
				EXIT WHEN skip = 0 OR NOT busy;
				skip := 0;
				busy := false;
				barren := false;
				CONTINUE;
			END IF;
		END IF;
		claim := leadroute.claim_leads(flow, ahead[:batch], instant);
		ahead := ahead[batch + 1:];
		held := held + claim.held;
		leads := claim.claimed;
		EXIT WHEN leads <> '{}';
	END LOOP;
	done := 0;
	BEGIN
		IF leads <> '{}' THEN
			SELECT t.* INTO one FROM leadroute.tell_leads(flow, leads, instant) t;
			IF one.messages IS NOT NULL THEN
				PERFORM leadroute.write_notices(flow, instant, one.messages);
			END IF;
			told := one.told;
			done := one.fired;
			late := one.late;
		END IF;
	EXCEPTION
	WHEN serialization_failure OR deadlock_detected THEN
		RAISE;
	WHEN OTHERS THEN
		/* one by one, which tells whose it is */
		GET STACKED DIAGNOSTICS alone = MESSAGE_TEXT;
	END;
	FOREACH key IN ARRAY coalesce(leads, '{}') LOOP
		CONTINUE WHEN key = ANY (told);
		BEGIN
			one := leadroute.fire_lead(flow, key, instant);
			done := done + coalesce(one.fired, 0);
			late := greatest(late, one.late);
			handled := handled + coalesce(one.failed, 0);
			failed := failed OR coalesce(one.failed > 0, false);
			/* nothing was due after all: what made the clock come up is over */
			IF one.fired = 0 AND one.failed = 0 THEN
				UPDATE leadroute.clocks c SET next_at = leadroute.clock_next(c)
				WHERE c.flow = sweep_steps.flow AND c.lead = key AND c.next_at <= instant AND leadroute.clock_next(c) IS DISTINCT FROM c.next_at;
				GET DIAGNOSTICS changed = ROW_COUNT;
				handled := handled + changed;
			END IF;
		EXCEPTION
		WHEN lock_not_available THEN
			/* somebody works on it: later, and it keeps no others waiting meanwhile */
			UPDATE leadroute.clocks c SET next_at = instant + interval '10 s'
			WHERE c.flow = sweep_steps.flow AND c.lead = key AND c.next_at <= instant;
			handled := handled + 1;
		WHEN serialization_failure OR deadlock_detected THEN
			RAISE;
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS cause = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
			UPDATE leadroute.clocks c SET next_at = instant + leadroute.step_retry(instant - c.due_at)
			WHERE c.flow = sweep_steps.flow AND c.lead = key AND c.next_at <= instant;
			INSERT INTO leadroute.events (flow, lead, at, kind, code, reason)
				VALUES (sweep_steps.flow, key, instant, 'step_failed', 'routing_error', format('%s (SQLSTATE %s)', cause, state));
			RAISE WARNING USING MESSAGE = format('a step of lead "%s" of flow "%s" failed: %s', key, flow, cause), HINT = 'It is tried again in five minutes, and from then on less and less often, at least every hour.';
			failed := true;
			handled := handled + 1;
		END;
	END LOOP;
	IF alone IS NOT NULL AND NOT failed THEN
		RAISE WARNING USING MESSAGE = format('steps of flow "%s" could only be done one by one: %s', flow, alone);
	END IF;
	more := leads <> '{}';
	IF more AND done + handled = 0 THEN
		/* nothing was to be done after all, and would not be next time */
		skip := skip + cardinality(leads);
	ELSIF more THEN
		busy := true;
		/* fewer may well be those that other sweeps are at */
		skip := skip + CASE WHEN held > 10 * batch THEN held ELSE 0 END;
	END IF;
	rest := ARRAY[skip::text, busy::text] || ahead;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_steps(text, integer, text[]) IS
	'Part of sweep(): does the steps that are due of up to "batch" leads, the longest due first; answers how many, whether there may be more, how late the latest was, and what the next batch is to know (rest). What others hold is left for later; what fails is undone, a WARNING and an event (step_failed), and tried again after step_retry().';

/*
 * Steps that are written while clocks run. What a sweep looks at next (next_at) was found with the steps that there were, so it goes through the running clocks of
 * such a flow once, by key: next_at comes forward where a step has its time still before it. It never goes back: a sweep that finds nothing due puts that right itself.
 */
CREATE TABLE leadroute.clock_walks (
	flow			text COLLATE "C" PRIMARY KEY,
	since			timestamptz NOT NULL,
	after_lead		text COLLATE "C" NOT NULL DEFAULT '',
	held			text COLLATE "C"
);
COMMENT ON TABLE leadroute.clock_walks IS 'Flows whose policies or steps were changed: the sweep looks at their running clocks, in the order of their leads'' keys.';
COMMENT ON COLUMN leadroute.clock_walks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.clock_walks.since IS 'When they were last changed.';
COMMENT ON COLUMN leadroute.clock_walks.after_lead IS 'The last lead that was looked at.';
COMMENT ON COLUMN leadroute.clock_walks.held IS 'The first lead that somebody held then: the next sweep goes on from there. NULL: none.';

CREATE FUNCTION leadroute.steps_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF TG_OP IN ('INSERT', 'UPDATE') AND NOT leadroute.restoring() THEN
		/* a flow without clocks has nothing to look at */
		INSERT INTO leadroute.clock_walks (flow, since)
			SELECT n.flow, leadroute.clock() FROM (SELECT DISTINCT w.flow FROM new_rows w) n
			WHERE EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = n.flow)
			ON CONFLICT (flow) DO UPDATE SET since = excluded.since, after_lead = '', held = NULL;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.steps_written() IS 'Trigger on policies and their steps: the sweep is to look at the clocks that run.';
SELECT leadroute.history_triggers(relation::name, 'steps_written') FROM pg_catalog.unnest('{sla_policies,sla_steps}'::text[]) relation;

CREATE FUNCTION leadroute.walk_clocks(flow text, batch integer, OUT done bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
DECLARE
	instant	timestamptz := leadroute.clock();
	walk	leadroute.clock_walks;
	leads	text[];
	earlier	text[];
	free	text[];
BEGIN
	done := 0;
	more := false;
	SELECT w.* INTO walk FROM leadroute.clock_walks w WHERE w.flow = walk_clocks.flow FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	leads := ARRAY(SELECT DISTINCT c.lead FROM leadroute.clocks c WHERE c.flow = walk.flow AND c.lead > walk.after_lead AND c.finished_at IS NULL ORDER BY c.lead LIMIT batch);
	IF leads = '{}' THEN
		IF walk.held IS NULL THEN
			DELETE FROM leadroute.clock_walks w WHERE w.flow = walk.flow;
		ELSE
			/* the key just before it is none, so it comes first */
			UPDATE leadroute.clock_walks w SET after_lead = left(walk.held, -1), held = NULL WHERE w.flow = walk.flow;
		END IF;
		RETURN;
	END IF;
	/* most are as they were: only of the others the states are locked, and then it is looked again */
	earlier := ARRAY(SELECT DISTINCT r.lead FROM leadroute.clocks r WHERE r.flow = walk.flow AND r.lead = ANY (leads) AND r.finished_at IS NULL
						AND (SELECT min(s.due_at) FROM leadroute.clock_steps(r) s WHERE s.due_at > instant) < coalesce(r.next_at, 'infinity'));
	free := ARRAY(SELECT s.lead FROM leadroute.lead_states s WHERE s.flow = walk.flow AND s.lead = ANY (earlier) ORDER BY s.lead FOR UPDATE SKIP LOCKED);
	UPDATE leadroute.clocks c SET next_at = n.at
	FROM (SELECT r.lead, r.policy, r.round, (SELECT min(s.due_at) FROM leadroute.clock_steps(r) s WHERE s.due_at > instant) AS at
		  FROM leadroute.clocks r WHERE r.flow = walk.flow AND r.lead = ANY (free) AND r.finished_at IS NULL) n
	WHERE c.flow = walk.flow AND c.lead = n.lead AND c.policy = n.policy AND c.round = n.round AND n.at < coalesce(c.next_at, 'infinity');
	GET DIAGNOSTICS done = ROW_COUNT;
	/* a lead without a state has nothing that could be held */
	UPDATE leadroute.clock_walks w SET after_lead = leads[cardinality(leads)],
		held = coalesce(walk.held, (SELECT min(s.lead) FROM leadroute.lead_states s WHERE s.flow = walk.flow AND s.lead = ANY (earlier) AND s.lead <> ALL (free)))
	WHERE w.flow = walk.flow;
	more := true;
END
$$;
COMMENT ON FUNCTION leadroute.walk_clocks(text, integer) IS
	'Part of sweep(): goes on through the running clocks of a flow whose policies or steps were changed, up to so many leads; answers of how many clocks the next step comes earlier now, and whether there may be more. Leads that somebody holds are left for the next sweep.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, meaning) VALUES
	('clocks', 57, 'SELECT * FROM leadroute.walk_clocks($1, $2)', 500, 100, 'looks which running clocks a step that was added or changed concerns');
INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, many, meaning) VALUES
	('steps', 55, 'SELECT done, more, late, rest FROM leadroute.sweep_steps($1, $2, $3)', 100, 10000, true, 'does the steps of deadlines that are due: reminders, notices, hand-overs');
