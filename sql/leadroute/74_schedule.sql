/*
 * The sweep on time: pg_cron calls it. pg_cron lives in one database of a cluster, so it is asked here, through dblink where that is
 * installed, or the answer is what to run there.
 */
CREATE TABLE leadroute.schedules (
	job				text COLLATE "C" PRIMARY KEY,
	flow			text COLLATE "C",
	parts			text[] COLLATE "C",
	schedule		text NOT NULL,
	command			text NOT NULL,
	cron_database	name NOT NULL,
	confirmed		boolean NOT NULL,
	asked_at		timestamptz NOT NULL,
	asked_by		text NOT NULL
);
COMMENT ON TABLE leadroute.schedules IS 'The jobs that schedule() made or asked for.';
COMMENT ON COLUMN leadroute.schedules.job IS 'Name of the job in pg_cron.';
COMMENT ON COLUMN leadroute.schedules.flow IS 'The flow that it sweeps; NULL: all.';
COMMENT ON COLUMN leadroute.schedules.parts IS 'The parts of the sweep; NULL: all that are due.';
COMMENT ON COLUMN leadroute.schedules.schedule IS 'When, as pg_cron reads it, in its zone (cron.timezone, GMT): ''* * * * *'' is every minute.';
COMMENT ON COLUMN leadroute.schedules.command IS 'What it runs.';
COMMENT ON COLUMN leadroute.schedules.cron_database IS 'The database that pg_cron lived in then.';
COMMENT ON COLUMN leadroute.schedules.confirmed IS 'Whether pg_cron has taken it; else somebody was told what to run.';
COMMENT ON COLUMN leadroute.schedules.asked_at IS 'When.';
COMMENT ON COLUMN leadroute.schedules.asked_by IS 'By whom.';

CREATE FUNCTION leadroute.note_schedule(job text, flow text, parts text[], schedule text, command text, cron_database name, confirmed boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	INSERT INTO leadroute.schedules AS s (job, flow, parts, schedule, command, cron_database, confirmed, asked_at, asked_by)
		VALUES (note_schedule.job, note_schedule.flow, note_schedule.parts, note_schedule.schedule, note_schedule.command,
				note_schedule.cron_database, note_schedule.confirmed, clock_timestamp(), session_user)
		ON CONFLICT (job) DO UPDATE SET flow = EXCLUDED.flow, parts = EXCLUDED.parts, schedule = EXCLUDED.schedule, command = EXCLUDED.command,
			cron_database = EXCLUDED.cron_database, confirmed = EXCLUDED.confirmed, asked_at = EXCLUDED.asked_at, asked_by = EXCLUDED.asked_by
$$;
COMMENT ON FUNCTION leadroute.note_schedule(text, text, text[], text, text, name, boolean) IS 'Part of schedule(): notes the job.';

CREATE FUNCTION leadroute.forget_schedule(job text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ DELETE FROM leadroute.schedules s WHERE s.job = forget_schedule.job $$;
COMMENT ON FUNCTION leadroute.forget_schedule(text) IS 'Part of unschedule(): forgets the job.';

CREATE FUNCTION leadroute.job_name(flow text, parts text[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT format('leadroute sweep %s%s%s', current_database(), ' of ' || job_name.flow, ': ' || array_to_string(job_name.parts, ', ')) $$;
COMMENT ON FUNCTION leadroute.job_name(text, text[]) IS 'Part of schedule(): what the job is called, so that each database of a cluster has its own.';

/* The setting is for superusers' eyes. */
CREATE FUNCTION leadroute.cron_place() RETURNS name
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT current_setting('cron.database_name', true)::name $$;
COMMENT ON FUNCTION leadroute.cron_place() IS 'Part of schedule(): the database that pg_cron lives in; NULL where it is not in shared_preload_libraries.';

/* What pg_cron's database answers: done here, through dblink, or not at all. */
CREATE FUNCTION leadroute.ask_cron(statement_here text, statement_there text, needs_version text, OUT done boolean, OUT cron_database name, OUT problem text)
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	standing	text;
	dblink		text;
	connection	text;
BEGIN
	cron_database := leadroute.cron_place();
	IF cron_database IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'pg_cron is not in shared_preload_libraries',
			DETAIL = format('shared_preload_libraries is "%s".', current_setting('shared_preload_libraries')),
			HINT = format('In postgresql.conf: shared_preload_libraries = ''pg_cron,leadroute'' and cron.database_name = %L; restart; here CREATE EXTENSION pg_cron; then SELECT leadroute.schedule().', current_database());
	END IF;
	done := false;
	IF cron_database = current_database() THEN
		SELECT e.extversion INTO standing FROM pg_extension e WHERE e.extname = 'pg_cron';
		IF standing IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'extension "pg_cron" is not installed in this database, where it belongs',
				HINT = 'As a superuser: CREATE EXTENSION pg_cron; then again.';
		END IF;
		PERFORM leadroute.expect_cron(standing, needs_version);
		BEGIN
			EXECUTE statement_here;
			done := true;
		EXCEPTION WHEN insufficient_privilege THEN
			problem := SQLERRM;
		END;
		RETURN;
	END IF;
	SELECT quote_ident(n.nspname) INTO dblink FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'dblink';
	IF dblink IS NULL OR NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RETURN;
	END IF;
	connection := format('host=%L port=%L user=%L dbname=%L',
		coalesce(nullif(split_part(current_setting('unix_socket_directories'), ',', 1), ''), 'localhost'), current_setting('port'), current_user, cron_database);
	BEGIN
		EXECUTE format('SELECT max(v) FROM %s.dblink($1, $2) d(v text)', dblink)
			INTO standing USING connection, 'SELECT extversion FROM pg_catalog.pg_extension WHERE extname = ''pg_cron''';
	EXCEPTION WHEN connection_exception OR insufficient_privilege OR invalid_password OR invalid_authorization_specification THEN
		problem := SQLERRM;
		RETURN;
	END;
	IF standing IS NULL THEN
		problem := format('extension "pg_cron" is not installed in database "%s"', cron_database);
		RETURN;
	END IF;
	PERFORM leadroute.expect_cron(standing, needs_version);
	EXECUTE format('SELECT FROM %s.dblink($1, $2) d(v text)', dblink) USING connection, statement_there;
	done := true;
END
$$;
COMMENT ON FUNCTION leadroute.ask_cron(text, text, text) IS
	'Part of schedule(): has a statement run in pg_cron''s database, here or (superusers, where dblink is installed) there; answers whether it was. Errors: object_not_in_prerequisite_state where there is no pg_cron.';

CREATE FUNCTION leadroute.expect_cron(standing text, needed text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF regexp_split_to_array(regexp_replace(standing, '[^0-9.].*$', ''), '\.')::integer[] < regexp_split_to_array(needed, '\.')::integer[] THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('pg_cron %s is too old: %s is needed', standing, needed),
			HINT = 'Schedules in seconds need pg_cron 1.5; earlier ones know minutes: ''* * * * *''.';
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.expect_cron(text, text) IS 'Part of schedule(): an error, feature_not_supported, where pg_cron is older than a version.';

CREATE FUNCTION leadroute.schedule(schedule text DEFAULT '* * * * *', parts text[] DEFAULT NULL, flow text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	job		text := leadroute.job_name(flow, parts);
	command	text := format('CALL leadroute.sweep(%s)', concat_ws(', ', 'flow => ' || quote_literal(flow), 'parts => ' || quote_literal(parts)));
	there	text;
	asked	record;
BEGIN
	IF schedule IS NULL OR job IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the schedule must not be null';
	END IF;
	IF flow IS NOT NULL AND NOT EXISTS (SELECT FROM leadroute.flows_to_sweep(flow)) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', flow), HINT = 'leadroute.flows lists them.';
	END IF;
	PERFORM leadroute.sweep_plan(flow, parts);
	there := format('SELECT cron.schedule_in_database(%L, %L, %L, %L)', job, schedule, command, current_database());
	SELECT * INTO asked FROM leadroute.ask_cron(format('SELECT cron.schedule(%L, %L, %L)', job, schedule, command), there,
												CASE WHEN schedule ~* '^\s*[0-9]+\s+seconds?\s*$' THEN '1.5' ELSE '1.4' END);
	PERFORM leadroute.note_schedule(job, flow, parts, schedule, command, asked.cron_database, asked.done);
	IF asked.done THEN
		RETURN format('job "%s" (%s): %s', job, schedule, command);
	END IF;
	RETURN format('not scheduled yet%s. As a superuser in database "%s", where pg_cron lives: %s', ' (' || asked.problem || ')', asked.cron_database,
				  CASE WHEN (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN there
					   ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L)', job, schedule, command, current_database(), current_user) END);
END
$$;
COMMENT ON FUNCTION leadroute.schedule(text, text[], text) IS
	'Has pg_cron (1.4 or later) sweep: all that is due, or some parts only, of all flows or one. The schedule is pg_cron''s: ''* * * * *'' is every minute; from 1.5 on ''10 seconds''. Called again for the same parts and flow it changes the schedule. Runs as the caller, who needs leadroute_operator. Answers the job; where pg_cron lives in another database and this may not go there, or the caller may not schedule, what to run where. Errors: object_not_in_prerequisite_state without pg_cron, feature_not_supported for seconds before 1.5, undefined_object for no such flow or part.';

CREATE FUNCTION leadroute.unschedule(parts text[] DEFAULT NULL, flow text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	job		text := leadroute.job_name(flow, parts);
	there	text := format('SELECT cron.unschedule(%L)', job);
	asked	record;
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.schedules s WHERE s.job = job) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('job "%s" was not scheduled', job),
			HINT = 'leadroute.schedules lists the jobs; give the same parts and flow as to schedule().';
	END IF;
	SELECT * INTO asked FROM leadroute.ask_cron(there, there, '1.4');
	PERFORM leadroute.forget_schedule(job);
	IF asked.done THEN
		RETURN format('job "%s" is gone', job);
	END IF;
	RETURN format('still scheduled%s. As who scheduled it, in database "%s", where pg_cron lives: %s', ' (' || asked.problem || ')', asked.cron_database, there);
END
$$;
COMMENT ON FUNCTION leadroute.unschedule(text[], text) IS
	'Takes away the job that schedule() made with the same parts and flow; answers that, or what to run where. Errors: undefined_object where there is none; as schedule().';

/* What pg_cron says of our jobs, where it lives in this database; of all users, whom cron.job would not show. */
CREATE FUNCTION leadroute.cron_jobs(OUT job text, OUT schedule text, OUT active boolean, OUT run_at timestamptz, OUT status text, OUT message text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron') AND to_regclass('cron.job_run_details') IS NOT NULL THEN
		RETURN QUERY EXECUTE $cron$
			SELECT j.jobname::text, j.schedule, j.active, r.start_time, r.status, r.return_message
			FROM leadroute.schedules s JOIN cron.job j ON j.jobname::text = s.job
				LEFT JOIN LATERAL (SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details d
								   WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) r ON true$cron$;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.cron_jobs() IS 'Part of jobs: what pg_cron says of the jobs that schedule() made, with their last run; no row where it lives in another database.';

CREATE VIEW leadroute.jobs AS
	SELECT f.flow, p.part, r.last_run, r.duration, r.rows, r.batches, r.late AS lateness, coalesce(r.unfinished, false) AS unfinished, r.last_success,
		coalesce(r.runs, 0) AS runs, coalesce(r.failures, 0) AS errors, coalesce(r.failing, 0) AS failing, r.error, r.error_at,
		CASE WHEN r.last_run IS NOT NULL THEN r.last_run + p.every END AS due_at, p.meaning,
		s.job, coalesce(c.schedule, s.schedule) AS schedule,
		CASE WHEN s.job IS NULL THEN NULL WHEN c.job IS NOT NULL THEN CASE WHEN c.active THEN coalesce(c.status, 'scheduled') ELSE 'inactive' END
			 WHEN s.cron_database = current_database() THEN 'not in pg_cron' WHEN s.confirmed THEN 'scheduled' ELSE 'elsewhere' END AS cron_status,
		c.run_at AS cron_run, c.message AS cron_message
	FROM (SELECT ''::text COLLATE "C" AS flow, false AS per_flow UNION ALL SELECT f.flow, true FROM leadroute.flows f) f
		JOIN leadroute.sweep_parts p ON p.per_flow = f.per_flow
		LEFT JOIN leadroute.sweep_runs r ON r.flow = f.flow AND r.part = p.part
		LEFT JOIN LATERAL (
			SELECT s.* FROM leadroute.schedules s
			WHERE (s.flow IS NULL OR s.flow = f.flow OR f.flow = '') AND (s.parts IS NULL OR p.part = ANY (s.parts))
			ORDER BY s.parts IS NULL, s.flow IS NULL, s.job LIMIT 1) s ON true
		LEFT JOIN leadroute.cron_jobs() c ON c.job = s.job
	ORDER BY f.per_flow, f.flow, p.position, p.part;
COMMENT ON VIEW leadroute.jobs IS 'What runs in the background: each part of the sweep for each flow, its last run, and the pg_cron job that calls it.';
COMMENT ON COLUMN leadroute.jobs.flow IS 'The flow; '''' for a part that is the whole database''s.';
COMMENT ON COLUMN leadroute.jobs.part IS 'The part of sweep().';
COMMENT ON COLUMN leadroute.jobs.last_run IS 'When its last run began; NULL: never.';
COMMENT ON COLUMN leadroute.jobs.duration IS 'How long that took, its commits included.';
COMMENT ON COLUMN leadroute.jobs.rows IS 'How many rows it did.';
COMMENT ON COLUMN leadroute.jobs.batches IS 'In how many transactions.';
COMMENT ON COLUMN leadroute.jobs.lateness IS 'How late the latest of what it did was; NULL where nothing was due.';
COMMENT ON COLUMN leadroute.jobs.unfinished IS 'Whether it left something for the next run.';
COMMENT ON COLUMN leadroute.jobs.last_success IS 'When the last run without an error began.';
COMMENT ON COLUMN leadroute.jobs.runs IS 'How many runs there were.';
COMMENT ON COLUMN leadroute.jobs.errors IS 'How many of them failed.';
COMMENT ON COLUMN leadroute.jobs.failing IS 'How many in a row, up to the last.';
COMMENT ON COLUMN leadroute.jobs.error IS 'What the last failure said.';
COMMENT ON COLUMN leadroute.jobs.error_at IS 'When that run began.';
COMMENT ON COLUMN leadroute.jobs.due_at IS 'From when on the next sweep runs it again.';
COMMENT ON COLUMN leadroute.jobs.meaning IS 'What the part does.';
COMMENT ON COLUMN leadroute.jobs.job IS 'The job of schedule() that runs it; NULL: none. Where several do, the one that names the part.';
COMMENT ON COLUMN leadroute.jobs.schedule IS 'The job''s schedule.';
COMMENT ON COLUMN leadroute.jobs.cron_status IS 'How the job''s last run ended, as pg_cron has it (succeeded, failed, running, …); scheduled: it has none yet, or pg_cron lives in another database, where schedule() put it; elsewhere: it lives there, and somebody was told what to run; inactive; not in pg_cron.';
COMMENT ON COLUMN leadroute.jobs.cron_run IS 'When that run began.';
COMMENT ON COLUMN leadroute.jobs.cron_message IS 'What it said.';
