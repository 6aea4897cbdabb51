/*
 * Business time: what reckons with the calendars (C: hours.c, calendar.c), and what is checked of them.
 */
CREATE FUNCTION leadroute.zone_is_known(timezone text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_zone_is_known';
COMMENT ON FUNCTION leadroute.zone_is_known(text) IS 'Whether a name is a time zone''s, or a POSIX specification of one. No errors.';

/*
 * Stricter than AT TIME ZONE, which takes abbreviations, offsets without changes, and POSIX specifications, which mean the
 * opposite of what they seem to: UTC+3 lies to the west. Names of zones with a digit in them are few, and asked for by name.
 */
CREATE FUNCTION leadroute.check_zone(timezone text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.zone_is_known(timezone)
		OR (timezone ~ '[0-9<]' AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(timezone))) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('time zone "%s" not recognized', timezone),
			HINT = 'Name an IANA zone, as America/New_York, no abbreviation and no offset: pg_timezone_names lists them.';
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.check_zone(text) IS 'Raises invalid_parameter_value unless the name is an IANA zone''s.';

/* A zone is judged when it is written, but not in a restore: another server may know other zones. */
CREATE FUNCTION leadroute.calendar_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.restoring() THEN
		PERFORM leadroute.check_zone(NEW.timezone);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.calendar_written() IS 'Trigger on calendars: the zone must be one.';
CREATE TRIGGER calendar_written BEFORE INSERT OR UPDATE OF timezone ON leadroute.calendars
	FOR EACH ROW EXECUTE FUNCTION leadroute.calendar_written();

CREATE FUNCTION leadroute.calendar_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_calendar_changed';
COMMENT ON FUNCTION leadroute.calendar_changed() IS 'Trigger on the tables of calendars: all sessions read them again when the change commits.';

SELECT leadroute.configuration_table(relation::name, invalidation => 'calendar_changed')
FROM pg_catalog.unnest('{calendars,calendar_hours,holidays}'::text[]) relation;

/* --- asking; anybody may: conditions run as who inserts --- */

CREATE FUNCTION leadroute.business_add(calendar text, start timestamptz, duration interval, flow text DEFAULT 'default') RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_business_add';
COMMENT ON FUNCTION leadroute.business_add(text, timestamptz, interval, text) IS
	'When the duration is over in business time. Its days come first and are business days: the same clock time on the n-th following day that opens, or its close if earlier. Its hours are open time: the first instant after so much of it. Negative ones go back likewise, hours to the last instant before so much. A week is 7 days. Infinity stays. Errors: months (22023), an unknown calendar (42704), one that is never open (55000).';

CREATE FUNCTION leadroute.business_between(calendar text, start timestamptz, finish timestamptz, flow text DEFAULT 'default') RETURNS interval
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_business_between';
COMMENT ON FUNCTION leadroute.business_between(text, timestamptz, timestamptz, text) IS
	'The open time between two instants, in hours (never days); negative when finish comes first. Errors: an unknown calendar (42704), infinity (22008).';

CREATE FUNCTION leadroute.business_close(calendar text, start timestamptz, days integer DEFAULT 0, flow text DEFAULT 'default') RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_business_close';
COMMENT ON FUNCTION leadroute.business_close(text, timestamptz, integer, text) IS
	'The close of the n-th business day: 0 is the current one''s where that is yet to come, else the next one''s. After midnight, hours that began the day before are that day''s. Infinity stays. Errors: negative days (22023), an unknown calendar (42704), one that is never open (55000).';

CREATE FUNCTION leadroute.business_is_open(calendar text, at timestamptz, flow text DEFAULT 'default') RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_business_is_open';
COMMENT ON FUNCTION leadroute.business_is_open(text, timestamptz, text) IS
	'Whether the calendar is open at an instant: at its opening time it is, at its closing time no more. NULL at infinity. Errors: an unknown calendar (42704).';

CREATE FUNCTION leadroute.business_next_open(calendar text, at timestamptz, flow text DEFAULT 'default') RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_business_next_open';
COMMENT ON FUNCTION leadroute.business_next_open(text, timestamptz, text) IS
	'The instant itself where the calendar is open, else when it next opens. Infinity stays. Errors: an unknown calendar (42704), one that is never open (55000).';

CREATE FUNCTION leadroute.business_hours(calendar text, start timestamptz, finish timestamptz, flow text DEFAULT 'default')
	RETURNS TABLE (opens timestamptz, closes timestamptz, duration interval)
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 100
	AS 'MODULE_PATHNAME', 'lr_business_hours';
COMMENT ON FUNCTION leadroute.business_hours(text, timestamptz, timestamptz, text) IS
	'What is open between two instants, stretch by stretch: from opens until before closes, and how long that really lasts. Errors: an unknown calendar (42704), infinity (22008).';

CREATE FUNCTION leadroute.calendar_week(calendar text, day date, flow text DEFAULT 'default')
	RETURNS TABLE (opens timestamptz, closes timestamptz, duration interval)
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 10
	AS 'MODULE_PATHNAME', 'lr_calendar_week';
COMMENT ON FUNCTION leadroute.calendar_week(text, date, text) IS
	'What is open in the ISO week (Monday to Sunday, in the calendar''s zone) of a day, holidays and changes of the clock included: see business_hours(). Errors: an unknown calendar (42704).';

CREATE FUNCTION leadroute.calendar_problem(calendar text, flow text DEFAULT 'default') RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_calendar_problem_sql';
COMMENT ON FUNCTION leadroute.calendar_problem(text, text) IS
	'Why nothing can wait for a calendar, to be read after its name: does not exist, is never open, has a time zone that this server does not know. NULL where nothing is wrong. No errors.';

/* --- what check_flow() says about them --- */

CREATE FUNCTION leadroute.calendar_faults(flow text)
	RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	severity_here	text := CASE WHEN (SELECT f.active FROM leadroute.flows f WHERE f.flow = calendar_faults.flow) THEN 'warning' ELSE 'error' END;
	referring		record;
BEGIN
	/* in an active flow a calendar may come before its hours: an error there is only that somebody names it, below */
	RETURN QUERY
		SELECT severity_here, format('calendar "%s"', c.calendar), p.problem,
			CASE p.problem WHEN 'is never open' THEN 'Insert its hours into leadroute.calendar_hours, or delete it.' ELSE 'Change calendars.timezone.' END
		FROM leadroute.calendars c CROSS JOIN LATERAL leadroute.calendar_problem(c.calendar, c.flow) p(problem)
		WHERE c.flow = calendar_faults.flow AND p.problem IS NOT NULL
		ORDER BY c.calendar;
	RETURN QUERY
		SELECT severity_here, format('calendar "%s"', c.calendar), format('its list of holidays "%s" is empty', l.list),
			'Insert its days into leadroute.holidays, or change calendars.holidays.'
		FROM leadroute.calendars c CROSS JOIN LATERAL unnest(c.holidays) l(list)
		WHERE c.flow = calendar_faults.flow
			AND NOT EXISTS (SELECT FROM leadroute.holidays h WHERE h.flow = c.flow AND h.list = l.list)
		ORDER BY c.calendar, l.list;
	RETURN QUERY
		SELECT DISTINCT severity_here, format('hours of calendar "%s"', h.calendar), 'belong to no calendar',
			'Insert it into leadroute.calendars, or delete its hours.'
		FROM leadroute.calendar_hours h
		WHERE h.flow = calendar_faults.flow
			AND NOT EXISTS (SELECT FROM leadroute.calendars c WHERE c.flow = h.flow AND c.calendar = h.calendar)
		ORDER BY 2;

	/* who names a calendar does so in a column "calendar"; policies may name the team's or the owner's (sla_faults()) */
	FOR referring IN
		SELECT c.relname, k.attname
		FROM pg_class c
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'calendar' AND NOT a.attisdropped
			JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
			JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = i.indkey[1]
		WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('calendars', 'calendar_hours', 'sla_policies')
		ORDER BY c.relname
	LOOP
		RETURN QUERY EXECUTE format($query$
			SELECT 'error', format('%%s "%%s"', %1$L, r.%2$I), format('its calendar "%%s" %%s', r.calendar, p.problem),
				CASE p.problem WHEN 'does not exist' THEN 'Insert into leadroute.calendars, or change the row.' WHEN 'is never open' THEN 'Insert its hours into leadroute.calendar_hours.'
					ELSE 'Change calendars.timezone.' END
			FROM leadroute.%3$I r CROSS JOIN LATERAL leadroute.calendar_problem(r.calendar, r.flow) p(problem)
			WHERE r.flow = $1 AND r.calendar IS NOT NULL AND p.problem IS NOT NULL
			ORDER BY r.%2$I$query$, rtrim(referring.relname, 's'), referring.attname, referring.relname) USING calendar_faults.flow;
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.calendar_faults(text) IS
	'What is wrong with a flow''s calendars and with who names them: a part of check_flow().';
