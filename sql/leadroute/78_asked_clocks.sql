/*
 * Clocks that duplicates start on their first leads (first_clock.c). A person who asks again asks for more than what runs where the duplicate's own
 * row meets a tighter policy: one whose deadline, counted from the same instant, comes before that of every clock of its metric that the first
 * lead has running.
 */

/* Requests whose first lead another session had locked. */
CREATE TABLE leadroute.pending_clocks (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	duplicate		text COLLATE "C" NOT NULL,
	policy			text COLLATE "C" NOT NULL,
	started_at		timestamptz NOT NULL,
	at				timestamptz NOT NULL,
	PRIMARY KEY (flow, lead, duplicate, policy)
);
COMMENT ON TABLE leadroute.pending_clocks IS 'Clocks that duplicates ask of first leads which another session was at work on then: the sweep starts those that are still needed.';
COMMENT ON COLUMN leadroute.pending_clocks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.pending_clocks.lead IS 'The first lead''s key, as text.';
COMMENT ON COLUMN leadroute.pending_clocks.duplicate IS 'The duplicate''s key, as text.';
COMMENT ON COLUMN leadroute.pending_clocks.policy IS 'The policy that its row meets.';
COMMENT ON COLUMN leadroute.pending_clocks.started_at IS 'From when its clock counts.';
COMMENT ON COLUMN leadroute.pending_clocks.at IS 'When the duplicate was decided.';

/* Without a lock what it says may be over the next moment; who starts a clock asks again with the lead''s state locked. */
CREATE FUNCTION leadroute.clock_not_asked(flow text, lead text, policy text, started_at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	p		leadroute.sla_policies;
	state	leadroute.lead_states;
	due		timestamptz;
	clock	leadroute.clocks;
	runs	boolean := false;
BEGIN
	SELECT s.* INTO p FROM leadroute.sla_policies s WHERE s.flow = clock_not_asked.flow AND s.policy = clock_not_asked.policy;
	IF NOT FOUND THEN
		RETURN 'the policy does not exist';
	END IF;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = clock_not_asked.flow AND s.lead = clock_not_asked.lead;
	IF state.closed_at IS NOT NULL THEN
		RETURN 'that lead is closed';
	ELSIF state.status IS NULL OR state.status NOT IN ('assigned', 'waiting') THEN
		RETURN format('that lead is %s', coalesce(state.status, 'not known'));
	ELSIF p.clock_start = 'assigned' AND state.owner IS NULL THEN
		RETURN 'that lead has no owner';
	ELSIF p.metric = 'decision' AND state.accepted_at IS NOT NULL THEN
		RETURN 'that lead was accepted';
	ELSIF p.metric = 'first_touch' AND EXISTS (SELECT FROM leadroute.events e WHERE e.flow = clock_not_asked.flow AND e.lead = clock_not_asked.lead
											   AND e.kind = 'touched' AND e.at >= clock_not_asked.started_at) THEN
		RETURN 'somebody has touched that lead since';
	END IF;
	SELECT r.due_at INTO due
	FROM leadroute.clock_reckon(flow, policy, leadroute.policy_calendar(flow, policy, state.owner, state.team), started_at, NULL, 0) r;
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c
		WHERE c.flow = clock_not_asked.flow AND c.lead = clock_not_asked.lead AND c.metric = p.metric AND c.finished_at IS NULL
		ORDER BY c.policy, c.round
	LOOP
		runs := true;
		/* from the same instant; of a policy that is gone only the deadline is left */
		IF clock.policy = policy
			OR coalesce((SELECT r.due_at FROM leadroute.clock_reckon(flow, clock.policy, clock.runs_by, started_at, NULL, 0) r), clock.due_at) <= due THEN
			RETURN format('policy %s runs there, due %s', clock.policy, clock.due_at);
		END IF;
	END LOOP;
	/* who asks again wants to hear from somebody; what else a policy waits for happens once */
	IF NOT runs AND p.metric <> 'first_touch' AND EXISTS (
			SELECT FROM leadroute.clocks c
			WHERE c.flow = clock_not_asked.flow AND c.lead = clock_not_asked.lead AND c.metric = p.metric AND c.outcome IN ('met', 'breached')) THEN
		RETURN format('%s is over there', p.metric);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.clock_not_asked(text, text, text, timestamptz) IS
	'Why a duplicate that meets a policy starts no clock of it on its first lead; NULL where it does: the lead is open and has no clock of that metric running that is as tight, both counted from the instant from which the duplicate''s would count. Errors: those of business_add().';

/* The caller holds the lead's row of lead_states locked. */
CREATE FUNCTION leadroute.start_asked_clock(flow text, lead text, duplicate text, policy text, started_at timestamptz, at timestamptz) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	state	leadroute.lead_states;
	clock	leadroute.clocks;
	skipped	text[];
	what	text;
BEGIN
	IF leadroute.clock_not_asked(flow, lead, policy, started_at) IS NOT NULL THEN
		RETURN false;
	END IF;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = start_asked_clock.flow AND s.lead = start_asked_clock.lead;
	clock := leadroute.start_clock(flow, lead, policy, started_at, state.owner, state.team, at, asked_by => duplicate);
	IF clock.owner IS NOT NULL THEN
		SELECT array_agg(s.step ORDER BY s.due_at, s.step) INTO skipped
		FROM leadroute.clock_steps(clock) s WHERE s.due_at < start_asked_clock.at AND s.due_at > clock.started_at;
	END IF;
	PERFORM leadroute.clock_event(clock, at, 'clock', 'asked_again', format('%s of policy %s, due %s: lead %s, a duplicate, meets it', clock.metric, policy, clock.due_at, duplicate));
	IF skipped IS NOT NULL THEN
		PERFORM leadroute.clock_step_done(flow, lead, policy, clock.round, skipped);
		what := format('policy %s was due %s; skipped: %s', policy, clock.due_at, array_to_string(skipped, ', '));
		PERFORM leadroute.clock_event(clock, at, 'skipped', 'sync_delay', what);
		PERFORM leadroute.clock_message(clock, at, 'reminder', what);
	END IF;
	PERFORM leadroute.refresh_due(flow, lead);
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.start_asked_clock(text, text, text, text, timestamptz, timestamptz) IS
	'Starts a policy''s clock on a first lead for a duplicate, if it is still needed; answers whether it was. Steps that were due before the duplicate came are skipped, as with a lead that is born late. The caller holds the lead''s row of lead_states locked.';

/* A snapshot of its own for each statement: only READ COMMITTED has that. */
CREATE FUNCTION leadroute.clocks_asked(flow text, leads text[], duplicates text[], policies text[], started timestamptz[], ats timestamptz[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	asked	record;
BEGIN
	FOR asked IN
		SELECT a.lead, a.duplicate, a.policy, a.started_at, a.at
		FROM unnest(leads, duplicates, policies, started, ats) WITH ORDINALITY a(lead, duplicate, policy, started_at, at, n)
		ORDER BY a.lead COLLATE "C", a.n
	LOOP
		CONTINUE WHEN leadroute.clock_not_asked(flow, asked.lead, asked.policy, asked.started_at) IS NOT NULL;
		IF current_setting('transaction_isolation') = 'read committed' THEN
			PERFORM FROM leadroute.lead_states s WHERE s.flow = clocks_asked.flow AND s.lead = asked.lead FOR UPDATE SKIP LOCKED;
			IF FOUND THEN
				PERFORM leadroute.start_asked_clock(flow, asked.lead, asked.duplicate, asked.policy, asked.started_at, asked.at);
				CONTINUE;
			END IF;
		END IF;
		INSERT INTO leadroute.pending_clocks (flow, lead, duplicate, policy, started_at, at)
			VALUES (clocks_asked.flow, asked.lead, asked.duplicate, asked.policy, asked.started_at, asked.at)
			ON CONFLICT DO NOTHING;
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.clocks_asked(text, text[], text[], text[], timestamptz[], timestamptz[]) IS
	'What duplicates ask of their first leads: starts the clocks that are tighter than what runs there. Waits for nobody: what another session holds, and what a transaction that is not READ COMMITTED asks, is left in pending_clocks to the sweep.';

CREATE FUNCTION leadroute.sweep_asked_clocks(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	asked	record;
	n		integer := 0;
BEGIN
	FOR asked IN
		SELECT p.lead, p.duplicate, p.policy, p.started_at, p.at FROM leadroute.pending_clocks p
		WHERE p.flow = sweep_asked_clocks.flow ORDER BY p.lead, p.at, p.duplicate, p.policy LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		IF EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = sweep_asked_clocks.flow AND s.lead = asked.lead) THEN
			PERFORM FROM leadroute.lead_states s WHERE s.flow = sweep_asked_clocks.flow AND s.lead = asked.lead FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND;
			PERFORM leadroute.start_asked_clock(flow, asked.lead, asked.duplicate, asked.policy, asked.started_at, asked.at);
		END IF;
		DELETE FROM leadroute.pending_clocks p
		WHERE p.flow = sweep_asked_clocks.flow AND p.lead = asked.lead AND p.duplicate = asked.duplicate AND p.policy = asked.policy;
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_asked_clocks(text, integer) IS 'Part of sweep(): starts the clocks of pending_clocks that are still needed; answers how many rows it did. What is locked is left for the next.';

/*
 * Touches of duplicates. The person has been spoken to, whichever of his records the rep had open: the touch is told of the first lead too, at its own time,
 * and stops what runs there. Who tells it may hold the duplicate's row (an UPDATE that fills first_touch_at), and who gives the first lead an owner
 * waits for that row (linked.c): so nobody waits here for the first. What another session holds is left to the sweep, which is in time however late: a touch counts by when it happened.
 */
CREATE TABLE leadroute.pending_touches (
	flow			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
	duplicate		text COLLATE "C" NOT NULL,
	kind			text COLLATE "C" NOT NULL,
	at				timestamptz NOT NULL,
	actor			text,
	seconds			numeric,
	PRIMARY KEY (flow, id)
);
COMMENT ON TABLE leadroute.pending_touches IS 'Touches of duplicates whose first lead another session was at work on then: the sweep tells that one of them.';
COMMENT ON COLUMN leadroute.pending_touches.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.pending_touches.id IS 'Mounts with time.';
COMMENT ON COLUMN leadroute.pending_touches.duplicate IS 'The duplicate''s key, as text.';
COMMENT ON COLUMN leadroute.pending_touches.kind IS 'The kind of touch.';
COMMENT ON COLUMN leadroute.pending_touches.at IS 'When it happened.';
COMMENT ON COLUMN leadroute.pending_touches.actor IS 'Who got in touch, or who told of it.';
COMMENT ON COLUMN leadroute.pending_touches.seconds IS 'How long it took, in seconds, where that was told.';

CREATE FUNCTION leadroute.hold_rows(flow text, leads text[], waits boolean) RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_hold_rows';
COMMENT ON FUNCTION leadroute.hold_rows(text, text[], boolean) IS
	'Internal: locks the rows of leads in the leads table, in this order; without "waits" answers false where somebody else holds one. A lead without a row is no hindrance.';

CREATE FUNCTION leadroute.try_touch_first(flow text, duplicate text, kind text, at timestamptz, by text, seconds numeric) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	first	text;
BEGIN
	SELECT d.duplicate_of INTO first FROM leadroute.lead_states d
	WHERE d.flow = try_touch_first.flow AND d.lead = try_touch_first.duplicate AND d.status IN ('duplicate', 'merged');
	/* it stands for itself by now, or nothing is known of the first */
	IF first IS NULL OR NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = try_touch_first.flow AND s.lead = first) THEN
		RETURN true;
	ELSIF NOT leadroute.hold_rows(flow, ARRAY[first], false) THEN
		RETURN false;
	END IF;
	PERFORM FROM leadroute.lead_states s WHERE s.flow = try_touch_first.flow AND s.lead = first FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	/* the kind may be gone from touch_kinds since */
	IF EXISTS (SELECT FROM leadroute.touch_kinds t WHERE t.flow = try_touch_first.flow AND t.kind = try_touch_first.kind) THEN
		PERFORM leadroute.lead_touched(flow, first, kind, at, by, seconds, of => duplicate);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.try_touch_first(text, text, text, timestamptz, text, numeric) IS
	'Tells the first lead of a duplicate that this one was touched; false, without waiting, where another session holds it.';

CREATE FUNCTION leadroute.touch_first(flow text, duplicate text, kind text, at timestamptz, by text, seconds numeric) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	/* a snapshot of its own for each statement: only READ COMMITTED has that */
	IF current_setting('transaction_isolation') <> 'read committed' OR NOT leadroute.try_touch_first(flow, duplicate, kind, at, by, seconds) THEN
		INSERT INTO leadroute.pending_touches (flow, duplicate, kind, at, actor, seconds)
			VALUES (touch_first.flow, touch_first.duplicate, touch_first.kind, touch_first.at, touch_first.by, touch_first.seconds);
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.touch_first(text, text, text, timestamptz, text, numeric) IS
	'A touch of a duplicate is one of its first lead: at once, or where another session holds that one, or the transaction is not READ COMMITTED, by the next sweep. Waits for nobody.';

CREATE FUNCTION leadroute.sweep_touches(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	pending	leadroute.pending_touches;
	n		integer := 0;
BEGIN
	FOR pending IN
		SELECT p.* FROM leadroute.pending_touches p WHERE p.flow = sweep_touches.flow ORDER BY p.id LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		CONTINUE WHEN NOT leadroute.try_touch_first(pending.flow, pending.duplicate, pending.kind, pending.at, pending.actor, pending.seconds);
		DELETE FROM leadroute.pending_touches p WHERE p.flow = pending.flow AND p.id = pending.id;
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_touches(text, integer) IS 'Part of sweep(): tells first leads of the touches in pending_touches; answers of how many. What is locked is left for the next.';

/* before the steps, which may be due at once; a touch before the clocks that it may answer */
INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, many, meaning) VALUES
	('touches', 53, 'SELECT n, n > 0 FROM leadroute.sweep_touches($1, $2) n', 100, 1000, true, 'tells first leads of touches of their duplicates, where they were locked then'),
	('asked', 54, 'SELECT n, n > 0 FROM leadroute.sweep_asked_clocks($1, $2) n', 100, 1000, true, 'starts the clocks that duplicates asked of leads which were locked then');
