/*
 * The sweep: one list of parts, one loop that commits, one place for what fails.
 *
 * A part is a row of sweep_parts: a statement that does one batch for one flow ($1, up to $2 rows) and answers how many rows it did,
 * whether there may be more, and (optional) how late the latest of them was, and what it has found for the next batch, as an array of texts
 * ($3 of that one). Whoever brings work for the sweep adds his row beside his function, which is SECURITY DEFINER by way of
 * sweep_batch(). A part runs in a subtransaction: what fails is undone, noted in sweep_runs and a WARNING, and the other parts go on.
 *
 * One session works on a part of a flow at a time (a transaction-level advisory lock, tried, never waited for: who comes second leaves
 * it), except where the part says that many may: those lock row by row with SKIP LOCKED.
 */
CREATE TABLE leadroute.sweep_parts (
	part			text COLLATE "C" PRIMARY KEY,
	position		integer NOT NULL,
	work			text NOT NULL,
	batch			integer NOT NULL DEFAULT 1000 CHECK (batch > 0),
	batches			integer NOT NULL DEFAULT 1000 CHECK (batches > 0),
	every			interval NOT NULL DEFAULT '0' CHECK (every >= '0'),
	per_flow		boolean NOT NULL DEFAULT true,
	many			boolean NOT NULL DEFAULT false,
	meaning			text NOT NULL
);
COMMENT ON TABLE leadroute.sweep_parts IS 'What sweep() does, in this order: leadroute''s own list.';
COMMENT ON COLUMN leadroute.sweep_parts.part IS 'Name of the part, as sweep() takes it.';
COMMENT ON COLUMN leadroute.sweep_parts.position IS 'Its place in the order; of equal ones by name.';
COMMENT ON COLUMN leadroute.sweep_parts.work IS 'The statement that does one batch: $1 the flow, $2 how many rows at most, $3 what the batch before has found and left (NULL: it is the first); answers how many it did, whether there may be more, and where the part knows: how late the latest of them was, and what it leaves to the next batch.';
COMMENT ON COLUMN leadroute.sweep_parts.batch IS 'How many rows a transaction does at most.';
COMMENT ON COLUMN leadroute.sweep_parts.batches IS 'How many batches a sweep does at most: the rest is left for the next, so that no part waits for another one''s million.';
COMMENT ON COLUMN leadroute.sweep_parts.every IS 'How long after its last run the part is due again.';
COMMENT ON COLUMN leadroute.sweep_parts.per_flow IS 'Whether it is done flow by flow; else once for the database, under the flow ''''.';
COMMENT ON COLUMN leadroute.sweep_parts.many IS 'Whether several sessions may work at it at once, as with rows that are taken with SKIP LOCKED.';
COMMENT ON COLUMN leadroute.sweep_parts.meaning IS 'What it does.';

INSERT INTO leadroute.sweep_parts (part, position, work, batches, per_flow, many, meaning) VALUES
	('turns',		10,	'SELECT n, false FROM leadroute.sweep_turns() n', 1, false, false, 'compares turns, places and counts for caps in shared memory with their ledger'),
	('ledger',		20,	'SELECT n + leadroute.write_tallies($1), false FROM leadroute.fold_rotation($1) n', 1, true, false, 'folds the ledger of turns, writes figures for fairness() down'),
	('accounts',	30,	'SELECT n, false FROM leadroute.sweep_accounts($1) n', 1, true, false, 'compares accounts with their table where they may differ'),
	('committees',	40,	'SELECT n, false FROM leadroute.check_committees($1) n', 1, true, false, 'tells buying committees that a race missed'),
	('gone',		50,	'SELECT n, n > 0 FROM leadroute.close_gone($1, $2) n', 1000, true, false, 'closes leads that a full refresh did not bring back'),
	('holds',		60,	'SELECT n, n > 0 FROM leadroute.end_holds($1, $2) n', 1000, true, true, 'routes leads that were held as long as their rule says'),
	('offers',		70,	'SELECT n, n > 0 FROM leadroute.offer_leads($1, $2) n', 1000, true, true, 'offers leads of reps who are away to others'),
	('queues',		80,	'SELECT n, n > 0 FROM leadroute.drain_flow($1, $2) n', 1000, true, true, 'gives leads that wait to whoever has room'),
	/* a first run over many leads is spread over many sweeps */
	('keys',		90,	'SELECT NULL, more FROM leadroute.sweep_keys($1, $2) more', 20, true, false, 'makes keys anew whose library or options have changed'),
	('duplicates',	95,	'SELECT NULL, more FROM leadroute.sweep_duplicates($1, $2) more', 20, true, false, 'looks for likely duplicates where match_settings.in_sweep says so');

/* The last run of each part: not dumped, it speaks of this installation. */
CREATE TABLE leadroute.sweep_runs (
	flow			text COLLATE "C" NOT NULL,
	part			text COLLATE "C" NOT NULL,
	last_run		timestamptz NOT NULL,
	duration		interval NOT NULL,
	rows			bigint NOT NULL,
	batches			integer NOT NULL,
	late			interval,
	unfinished		boolean NOT NULL,
	last_success	timestamptz,
	runs			bigint NOT NULL,
	failures		bigint NOT NULL,
	failing			integer NOT NULL,
	error			text,
	error_state		text,
	error_at		timestamptz,
	PRIMARY KEY (flow, part)
) WITH (fillfactor = 50);
COMMENT ON TABLE leadroute.sweep_runs IS 'The last run of each part of the sweep: see the view jobs.';
COMMENT ON COLUMN leadroute.sweep_runs.flow IS 'The flow; '''' where the part is the whole database''s.';
COMMENT ON COLUMN leadroute.sweep_runs.part IS 'The part; see sweep_parts.';
COMMENT ON COLUMN leadroute.sweep_runs.last_run IS 'When its last run began.';
COMMENT ON COLUMN leadroute.sweep_runs.duration IS 'How long that took, its commits included.';
COMMENT ON COLUMN leadroute.sweep_runs.rows IS 'How many rows that run did; 0 for a part that does not count.';
COMMENT ON COLUMN leadroute.sweep_runs.batches IS 'In how many batches, the one that found nothing included.';
COMMENT ON COLUMN leadroute.sweep_runs.late IS 'How late the latest of these rows was; NULL where nothing was due, or the part knows of no due time.';
COMMENT ON COLUMN leadroute.sweep_runs.unfinished IS 'Whether the run left something for the next: it had done as many batches as it may, or was in a transaction block.';
COMMENT ON COLUMN leadroute.sweep_runs.last_success IS 'When the last run without an error began.';
COMMENT ON COLUMN leadroute.sweep_runs.runs IS 'How many runs there were.';
COMMENT ON COLUMN leadroute.sweep_runs.failures IS 'How many of them failed.';
COMMENT ON COLUMN leadroute.sweep_runs.failing IS 'How many in a row have failed up to the last; 0: that one did not.';
COMMENT ON COLUMN leadroute.sweep_runs.error IS 'What the last failure said.';
COMMENT ON COLUMN leadroute.sweep_runs.error_state IS 'Its SQLSTATE.';
COMMENT ON COLUMN leadroute.sweep_runs.error_at IS 'When that run began.';

/* A run of one part, on its way from batch to batch. */
CREATE TYPE leadroute.sweep_run AS (
	flow			text,
	part			text,
	at				timestamptz,
	began			timestamptz,
	rows			bigint,
	batches			integer,
	late			interval,
	more			boolean,
	busy			boolean,
	unfinished		boolean,
	error			text,
	error_state		text,
	rest			text[]
);
COMMENT ON TYPE leadroute.sweep_run IS 'Internal: a run of one part of the sweep, from batch to batch.';

/* Ends a batch of a procedure: commits where that may be; else there is no next batch. */
CREATE PROCEDURE leadroute.commit_batch(INOUT more boolean)
LANGUAGE plpgsql
AS $$
BEGIN
	IF leadroute.may_commit() THEN
		COMMIT;
	ELSE
		more := false;
	END IF;
END
$$;
COMMENT ON PROCEDURE leadroute.commit_batch(boolean) IS
	'Internal, for procedures that work in batches: commits; inside a caller''s transaction block it does not, and answers that no further batch is to be done.';

/* The flows to sweep, for a caller who may not read the tables. */
CREATE FUNCTION leadroute.flows_to_sweep(flow text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT f.flow FROM leadroute.flows f WHERE flows_to_sweep.flow IS NULL OR f.flow = flows_to_sweep.flow ORDER BY f.flow $$;
COMMENT ON FUNCTION leadroute.flows_to_sweep(text) IS 'Part of sweep(): the flows, one or all.';

/* What is to be run now: a part by name always, else what is due. */
CREATE FUNCTION leadroute.sweep_plan(flow text, parts text[]) RETURNS SETOF leadroute.sweep_run
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	strange	text;
BEGIN
	SELECT min(n.part) INTO strange FROM unnest(sweep_plan.parts) n(part)
	WHERE NOT EXISTS (SELECT FROM leadroute.sweep_parts p WHERE p.part = n.part);
	IF strange IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('the sweep has no part "%s"', strange),
			HINT = (SELECT format('Its parts are %s.', string_agg(p.part, ', ' ORDER BY p.position)) FROM leadroute.sweep_parts p);
	ELSIF sweep_plan.flow IS NOT NULL AND NOT EXISTS (SELECT FROM leadroute.flows_to_sweep(sweep_plan.flow)) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', sweep_plan.flow), HINT = 'leadroute.flows lists them.';
	END IF;
	RETURN QUERY
		SELECT f.flow, p.part, NULL::timestamptz, NULL::timestamptz, 0::bigint, 0, NULL::interval, true, false, false, NULL::text, NULL::text, NULL::text[]
		FROM (SELECT '' AS flow, false AS per_flow UNION ALL SELECT w, true FROM leadroute.flows_to_sweep(sweep_plan.flow) w) f
			JOIN leadroute.sweep_parts p ON p.per_flow = f.per_flow
			LEFT JOIN leadroute.sweep_runs r ON r.flow = f.flow AND r.part = p.part
		WHERE p.part = ANY (sweep_plan.parts)
			/* a clock that was set back makes nothing wait */
			OR (sweep_plan.parts IS NULL AND (r.last_run IS NULL OR leadroute.clock() NOT BETWEEN r.last_run AND r.last_run + p.every OR p.every = '0'))
		ORDER BY f.per_flow, f.flow, p.position, p.part;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_plan(text, text[]) IS 'Part of sweep(): the parts to run now, flow by flow. Errors: undefined_object for a part that does not exist.';

/*
 * One batch of one part. Deferred triggers fire within, where a transaction of our own follows, so that what they refuse is this part's
 * failure and not the COMMIT's. Nothing is compiled for a batch: where a plan is held to an index (enable_...), its cost says that it were worth it.
 */
CREATE FUNCTION leadroute.sweep_batch(run leadroute.sweep_run, commits boolean) RETURNS leadroute.sweep_run
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp SET jit = off
AS $$
DECLARE
	part	leadroute.sweep_parts;
	done	bigint;
	more	boolean;
	late	interval;
	rest	text[];
BEGIN
	SELECT p.* INTO part FROM leadroute.sweep_parts p WHERE p.part = run.part;
	run.more := false;
	IF run.began IS NULL THEN
		run.at := leadroute.clock();
		run.began := clock_timestamp();
	END IF;
	IF NOT part.many AND NOT pg_try_advisory_xact_lock(hashtext('leadroute.sweep'), hashtext(run.flow || E'\n' || run.part)) THEN
		run.busy := true;
		RETURN run;
	END IF;
	run.batches := run.batches + 1;
	BEGIN
		EXECUTE part.work INTO done, more, late, rest USING run.flow, part.batch, run.rest;
		IF commits THEN
			SET CONSTRAINTS ALL IMMEDIATE;
		END IF;
		run.rows := run.rows + coalesce(done, 0);
		run.late := greatest(run.late, late);
		run.rest := rest;
		run.more := coalesce(more, false) AND run.batches < part.batches;
		run.unfinished := coalesce(more, false) AND NOT (run.more AND commits);
	EXCEPTION WHEN OTHERS THEN
		run.error := SQLERRM;
		run.error_state := SQLSTATE;
	END;
	IF run.error IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('part "%s" of the sweep failed%s', run.part, CASE WHEN run.flow <> '' THEN format(' for flow "%s"', run.flow) ELSE '' END),
			DETAIL = format('%s (SQLSTATE %s)', run.error, run.error_state), HINT = 'The other parts go on; leadroute.jobs shows whether it does next time.';
	END IF;
	RETURN run;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_batch(leadroute.sweep_run, boolean) IS
	'Part of sweep(): one batch of one part. What fails is undone, a WARNING, and told in the result; a part that another session works at is left alone.';

/* Notes a run. Who notes the same part meanwhile, in a transaction that stays open, is not waited for, unless there is a failure to tell. */
CREATE FUNCTION leadroute.note_run(run leadroute.sweep_run) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	failed	boolean := run.error IS NOT NULL;
BEGIN
	IF run.busy AND run.batches = 0 THEN
		RETURN;
	ELSIF failed THEN
		PERFORM pg_advisory_xact_lock(hashtext('leadroute.sweep_runs'), hashtext(run.flow || E'\n' || run.part));
	ELSIF NOT pg_try_advisory_xact_lock(hashtext('leadroute.sweep_runs'), hashtext(run.flow || E'\n' || run.part)) THEN
		RETURN;
	END IF;
	INSERT INTO leadroute.sweep_runs AS r (flow, part, last_run, duration, rows, batches, late, unfinished, last_success, runs, failures, failing, error, error_state, error_at)
		VALUES (run.flow, run.part, run.at, clock_timestamp() - run.began, run.rows, run.batches, run.late, run.unfinished,
				CASE WHEN NOT failed THEN run.at END, 1, failed::integer, failed::integer, run.error, run.error_state, CASE WHEN failed THEN run.at END)
		ON CONFLICT (flow, part) DO UPDATE SET last_run = EXCLUDED.last_run, duration = EXCLUDED.duration, rows = EXCLUDED.rows, batches = EXCLUDED.batches,
			late = EXCLUDED.late, unfinished = EXCLUDED.unfinished, last_success = coalesce(EXCLUDED.last_success, r.last_success),
			runs = r.runs + 1, failures = r.failures + EXCLUDED.failures, failing = CASE WHEN failed THEN r.failing + 1 ELSE 0 END,
			error = coalesce(EXCLUDED.error, r.error), error_state = coalesce(EXCLUDED.error_state, r.error_state),
			error_at = coalesce(EXCLUDED.error_at, r.error_at);
END
$$;
COMMENT ON FUNCTION leadroute.note_run(leadroute.sweep_run) IS 'Part of sweep(): notes the run of a part in sweep_runs.';

CREATE FUNCTION leadroute.pause_sweep() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	pause	interval := current_setting('leadroute.sweep_pause');
BEGIN
	IF pause > '0' THEN
		PERFORM pg_sleep_for(pause);
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.pause_sweep() IS 'Part of sweep(): waits for as long as leadroute.sweep_pause says. The batch before is committed, so nothing is locked meanwhile.';

CREATE PROCEDURE leadroute.sweep(flow text DEFAULT NULL, parts text[] DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	run		leadroute.sweep_run;
	more	boolean;
BEGIN
	/* an array, not a loop over the query: each COMMIT would have to hold the rest of it */
	FOREACH run IN ARRAY ARRAY(SELECT p FROM leadroute.sweep_plan(flow, parts) AS p) LOOP
		LOOP
			run := leadroute.sweep_batch(run, leadroute.may_commit());
			more := run.more;
			CALL leadroute.commit_batch(more);
			EXIT WHEN NOT more;
			PERFORM leadroute.pause_sweep();
		END LOOP;
		/* committed with what the next part does */
		PERFORM leadroute.note_run(run);
	END LOOP;
	CALL leadroute.commit_batch(more);
END
$$;
COMMENT ON PROCEDURE leadroute.sweep(text, text[]) IS
	'Does what is due, in one flow or (NULL) all: all parts of leadroute.sweep_parts in their order, or only those that are named, as ''{steps,queues}''. Commits after each batch, and then pauses for leadroute.sweep_pause (a setting: milliseconds, 0 by default); in a transaction block it does one batch of each part and commits nothing. A part that fails is a WARNING and noted (see leadroute.jobs), and the others go on; one that another sweep works at is left to it. Errors: undefined_object for a part that does not exist.';

CREATE FUNCTION leadroute.sweep_turns() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	corrected	bigint := leadroute.rotation_reconcile();
BEGIN
	IF corrected > 0 THEN
		RAISE WARNING USING MESSAGE = 'turns, places or counts in shared memory were not what the ledger says',
			DETAIL = 'They have been corrected.', HINT = 'This should not happen: please report it, with the server''s log.';
	END IF;
	RETURN corrected;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_turns() IS 'Part of sweep(): compares turns, places and counts for caps in shared memory with their ledger, corrects them with a WARNING, answers how many were wrong.';
