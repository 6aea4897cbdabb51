/*
 * Touches from a table of activities (a CRM's tasks, calls, e-mails): statement triggers that tell touch() of each new row, and
 * of each that an UPDATE made another touch. The mapping is in the triggers' arguments, so it goes with the table, in a dump too.
 */
CREATE FUNCTION leadroute.activity_columns(relation regclass, columns jsonb, OUT canonical text, OUT attname name, OUT told boolean) RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT k.canonical,
		CASE WHEN NOT columns ? k.canonical THEN l.attname
			 WHEN jsonb_typeof(columns->k.canonical) = 'object' THEN (columns->k.canonical->>'column')::name
			 ELSE (columns->>k.canonical)::name END,
		columns ? k.canonical
	FROM (VALUES ('lead', '{lead,leadid,leadkey,whoid,contactid,personid,vid}'::text[]),
				 ('kind', '{kind,type,activitytype,tasksubtype,engagementtype,channel}'),
				 ('at', '{at,happenedat,occurredat,activityat,completedat,completeddatetime,hstimestamp,activitydate,createdat,createddate}'),
				 ('by', '{by,rep,owner,ownerid,hubspotownerid,userid,agent}'),
				 ('seconds', '{seconds,durationseconds,calldurationinseconds,duration}')) k(canonical, names)
		CROSS JOIN LATERAL leadroute.usual_column(relation, k.names) l(attname)
$$;
COMMENT ON FUNCTION leadroute.activity_columns(regclass, jsonb) IS
	'Which column of a table of activities is which: lead, kind, at, by, seconds, as told in columns, else by the names that CRMs and loaders give them.';

/* What is text is read row by row (activities_told), so that one that cannot be read costs no other its touch. */
CREATE FUNCTION leadroute.activity_query(relation regclass, columns jsonb, source text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT format('SELECT %s AS lead, %s AS kind, %s AS at, %s AS at_text, %s AS agent, %s AS seconds, %s AS seconds_text FROM %s t',
		max(CASE WHEN c.canonical = 'lead' THEN c.word END),
		coalesce(quote_literal(columns->'kind'->>'constant'), max(CASE WHEN c.canonical = 'kind' THEN c.word END)),
		coalesce(max(CASE WHEN c.canonical = 'at' THEN
			CASE WHEN c.type IN ('timestamp'::regtype, 'date'::regtype) THEN format('(t.%I::timestamp AT TIME ZONE %L)', c.attname, coalesce(columns->'at'->>'timezone', 'UTC'))
				 WHEN c.type = 'timestamptz'::regtype THEN format('t.%I', c.attname) END END), 'NULL::timestamptz'),
		coalesce(max(CASE WHEN c.canonical = 'at' AND c.type NOT IN ('timestamp'::regtype, 'date'::regtype, 'timestamptz'::regtype) THEN c.word END), 'NULL::text'),
		coalesce(max(CASE WHEN c.canonical = 'by' THEN c.word END), 'NULL::text'),
		coalesce(max(CASE WHEN c.canonical = 'seconds' AND c.type = 'interval'::regtype THEN format('extract(epoch FROM t.%I)', c.attname) END), 'NULL::numeric'),
		coalesce(max(CASE WHEN c.canonical = 'seconds' AND c.type <> 'interval'::regtype THEN c.word END), 'NULL::text'), source)
	FROM (SELECT k.canonical, k.attname, a.atttypid::regtype AS type, format('nullif(btrim(format(''%%s'', t.%I)), '''')', k.attname) AS word
		  FROM leadroute.activity_columns(relation, columns) k
			JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k.attname AND a.attnum > 0 AND NOT a.attisdropped) c
$$;
COMMENT ON FUNCTION leadroute.activity_query(regclass, jsonb, text) IS 'Part of the triggers on a table of activities: the SQL that reads touches from its rows.';

/* What fails is a WARNING: the CRM's row is not lost for it. */
CREATE FUNCTION leadroute.activities_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	in_flow	text := TG_ARGV[0];
	columns	jsonb := TG_ARGV[1]::jsonb;
	query	text;
	told	record;
	known	text;
	failed	bigint := 0;
	cause	text;
	unknown	text[] := '{}';
BEGIN
	BEGIN
		query := leadroute.activity_query(TG_RELID, columns, 'new_rows');
		IF TG_OP = 'UPDATE' THEN
			query := format('%s EXCEPT ALL %s', query, leadroute.activity_query(TG_RELID, columns, 'old_rows'));
		END IF;
		/* in the order of the leads' keys, so that two statements cannot wait for each other */
		FOR told IN EXECUTE format('SELECT a.* FROM (%s) a JOIN leadroute.lead_states s ON s.flow = $1 AND s.lead = a.lead
					WHERE a.kind IS NOT NULL AND coalesce(s.outcome, '''') NOT IN (''deleted'', ''gone'', ''moved'') AND s.status <> ''ignored''
					ORDER BY a.lead, a.at, a.at_text', query) USING in_flow
		LOOP
			SELECT t.kind INTO known FROM leadroute.touch_kinds t
			WHERE t.flow = in_flow AND (t.kind = told.kind OR regexp_replace(lower(t.kind), '[^a-z0-9]', '', 'g') = regexp_replace(lower(told.kind), '[^a-z0-9]', '', 'g'))
			ORDER BY t.kind = told.kind DESC LIMIT 1;
			IF NOT FOUND THEN
				unknown := unknown || told.kind;
				CONTINUE;
			END IF;
			BEGIN
				PERFORM leadroute.touch(told.lead, known, coalesce(told.at, leadroute.read_instant(told.at_text, coalesce(columns->'at'->>'timezone', 'UTC'), 'MDY')), told.agent,
										coalesce(told.seconds, told.seconds_text::numeric), in_flow);
			EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
				RAISE;
			WHEN OTHERS THEN
				failed := failed + 1;
				cause := coalesce(cause, format('lead %s: %s', told.lead, SQLERRM));
			END;
		END LOOP;
	EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
		RAISE;
	WHEN OTHERS THEN
		failed := failed + 1;
		cause := SQLERRM;
	END;
	IF failed > 0 THEN
		RAISE WARNING USING MESSAGE = format('touches of flow "%s" were not taken over from table %s', in_flow, TG_RELID::regclass), DETAIL = format('%s, the first for this: %s', failed, cause),
			HINT = 'Mend the cause and tell them by leadroute.touch().';
	END IF;
	IF unknown <> '{}' THEN
		RAISE WARNING USING MESSAGE = format('activities of table %s are of kinds that flow "%s" does not know', TG_RELID::regclass, in_flow),
			DETAIL = (SELECT string_agg(DISTINCT u, ', ' ORDER BY u) FROM unnest(unknown) u),
			HINT = 'Insert them into leadroute.touch_kinds, and say there whether they count.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.activities_told() IS 'Statement trigger on a table of activities: tells of touches. Arguments: flow, columns.';

CREATE FUNCTION leadroute.attach_activities(relation regclass, columns jsonb DEFAULT '{}', flow text DEFAULT 'default') RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.attach_activities(regclass, jsonb, text) IS
	'Takes each row that is put into a table of activities for a touch of its lead, and each that an UPDATE makes another: columns maps lead (its key), kind (of touch_kinds; spelling and case aside), at, by and seconds where they are not found by their usual names; "kind": {"constant": "call"} for a table of calls only, "at": {"column": "x", "timezone": "UTC"} for times without a zone, texts too; "at": null leaves a column out that has a usual name. Rows that stand there already are not looked at. The caller, a member of leadroute_admin, owns the table. Errors: insufficient_privilege, undefined_column, datatype_mismatch, invalid_parameter_value, wrong_object_type.';

CREATE FUNCTION leadroute.detach_activities(relation regclass) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.detach_activities(regclass) IS 'Ends what attach_activities() began; the touches stay.';

CREATE FUNCTION leadroute.attach_activities_owned(relation regclass, columns jsonb, flow text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET client_min_messages = warning
AS $$
#variable_conflict use_variable
DECLARE
	bad	text;
BEGIN
	PERFORM leadroute.expect_source(relation, columns, flow, 'activities', 'Touches stop the clocks of a flow''s leads.',
									'SELECT leadroute.attach_activities(''public.tasks'', columns => ''{"lead": "WhoId", "kind": "TaskSubtype"}'').');
	SELECT string_agg(e.key, ', ' ORDER BY e.key) INTO bad FROM jsonb_each(columns) e WHERE e.key NOT IN ('lead', 'kind', 'at', 'by', 'seconds');
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('"%s" in columns is not a name that leadroute knows for activities', bad), HINT = 'It knows lead, kind, at, by and seconds.';
	END IF;
	SELECT string_agg(format('%s (%s)', c.canonical, c.attname), ', ') INTO bad
	FROM leadroute.activity_columns(relation, columns) c
	WHERE c.told AND c.attname IS NOT NULL
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped);
	IF bad IS NULL THEN
		SELECT string_agg(c.canonical, ', ') INTO bad
		FROM leadroute.activity_columns(relation, columns) c
		WHERE c.attname IS NULL AND (c.canonical = 'lead' OR (c.canonical = 'kind' AND columns->'kind'->>'constant' IS NULL));
	END IF;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('table %s has no column for %s', relation, bad),
			HINT = 'columns maps leadroute''s name to the table''s: ''{"lead": "WhoId", "kind": "TaskSubtype", "at": "CompletedDateTime", "by": "OwnerId"}''.';
	END IF;
	SELECT format('column "%s" of table %s says no %s: it is of type %s', c.attname, relation, CASE c.canonical WHEN 'at' THEN 'time' ELSE 'number of seconds' END, format_type(a.atttypid, a.atttypmod))
	INTO bad
	FROM leadroute.activity_columns(relation, columns) c
		JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_type t ON t.oid = a.atttypid
	WHERE CASE c.canonical WHEN 'at' THEN t.typcategory NOT IN ('D', 'S') OR t.oid IN ('time'::regtype, 'timetz'::regtype)
						   WHEN 'seconds' THEN t.typcategory NOT IN ('N', 'S', 'T') END
	ORDER BY c.canonical LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch', MESSAGE = bad,
			HINT = 'Map another in columns, as one that is generated from it ("at" takes times, dates and texts, "seconds" numbers, intervals and texts), or leave it out: ''{"at": null}''.';
	END IF;
	INSERT INTO leadroute.flows (flow) VALUES (attach_activities_owned.flow) ON CONFLICT DO NOTHING;
	PERFORM leadroute.put_source_triggers(relation, 'leadroute_activities', '{insert,update}', 'activities_told', ARRAY[flow, columns::text]);
	RETURN format('touches of flow "%s" come from %s (%s)', flow, relation,
		(SELECT string_agg(format('%s %s', c.canonical, coalesce(c.attname::text, quote_literal(columns->'kind'->>'constant'))), ', ' ORDER BY array_position('{lead,kind,at,by,seconds}', c.canonical))
		 FROM leadroute.activity_columns(relation, columns) c WHERE c.attname IS NOT NULL OR (c.canonical = 'kind' AND columns->'kind'->>'constant' IS NOT NULL)));
END
$$;
COMMENT ON FUNCTION leadroute.attach_activities_owned(regclass, jsonb, text) IS 'Does the work of attach_activities() once the caller is known to own the table.';

CREATE FUNCTION leadroute.detach_activities_owned(relation regclass) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.take_source_triggers(relation, 'leadroute.activities_told()') = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('table %s is not followed', relation),
			HINT = 'SELECT leadroute.attach_activities(…) follows one.';
	END IF;
	RETURN format('touches come from %s no more; those that did stay', relation);
END
$$;
COMMENT ON FUNCTION leadroute.detach_activities_owned(regclass) IS 'Does the work of detach_activities() once the caller is known to own the table.';
GRANT EXECUTE ON FUNCTION leadroute.attach_activities(regclass, jsonb, text), leadroute.detach_activities(regclass) TO PUBLIC;
