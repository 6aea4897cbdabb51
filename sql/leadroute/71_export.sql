/*
 * A flow's configuration as one document, for version control and for copies. The tables are those that keep their history by
 * config_written() (configuration_table()), so a part that brings a table brings it here too; attachments are left out: which table the leads
 * stand in belongs to the place and not to the configuration; and predictive models, which are trained on its leads.
 */
CREATE FUNCTION leadroute.exported_tables(OUT relation name, OUT key name[]) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c.relname, array_agg(a.attname ORDER BY array_position(i.indkey::smallint[], a.attnum))
	FROM pg_trigger t
		JOIN pg_class c ON c.oid = t.tgrelid
		JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
	WHERE t.tgfoid = 'leadroute.config_written()'::regprocedure AND t.tgname = 'config_written_insert' AND c.relname NOT IN ('attachments', 'prediction_models')
	GROUP BY c.relname
	ORDER BY (c.relname = 'flows') DESC, c.relname
$$;
COMMENT ON FUNCTION leadroute.exported_tables() IS 'The tables that export_flow() writes and import_flow() reads, flows first, with the columns of their primary keys.';

/* The columns of such a table that a document has: not the flow, nor what follows from others or from activate(). */
CREATE FUNCTION leadroute.exported_columns(relation name) RETURNS name[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT array_agg(a.attname ORDER BY a.attname COLLATE "C")
	FROM pg_attribute a
	WHERE a.attrelid = format('leadroute.%I', relation)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		AND a.attname <> 'flow' AND NOT (relation = 'flows' AND a.attname IN ('active', 'checked'))
$$;
COMMENT ON FUNCTION leadroute.exported_columns(name) IS 'The columns of a table of the configuration that export_flow() writes.';

CREATE FUNCTION leadroute.export_flow(flow text DEFAULT 'default') RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
DECLARE
	part	record;
	records	jsonb;
	result	jsonb := '{}';
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = export_flow.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', flow), HINT = 'leadroute.flows lists them.';
	END IF;
	FOR part IN SELECT e.relation, e.key, leadroute.exported_columns(e.relation) AS columns FROM leadroute.exported_tables() e LOOP
		EXECUTE format('SELECT jsonb_agg(r.doc ORDER BY r.ordinal) FROM (
							SELECT jsonb_build_object(%s) AS doc, row_number() OVER (ORDER BY %s) AS ordinal FROM leadroute.%I t WHERE t.flow = $1) r',
					   (SELECT string_agg(format('%L, t.%I', c, c), ', ') FROM unnest(part.columns) c),
					   (SELECT string_agg(format('t.%I::text COLLATE "C"', k), ', ') FROM unnest(part.key) k),
					   part.relation)
			INTO records USING flow;
		IF records IS NOT NULL THEN
			result := result || jsonb_build_object(part.relation, records);
		END IF;
	END LOOP;
	RETURN jsonb_build_object('leadroute', 1, 'configuration', result);
END
$$;
COMMENT ON FUNCTION leadroute.export_flow(text) IS
	'The whole configuration of a flow as one document: an array of rows for each table, in the order of their keys, the same text for the same rows in every session (times in UTC). Without the flow''s name, whether it is active, its attachment, accounts and leads. import_flow() reads it. Errors: undefined_object for no such flow.';

/* What is wrong with a document before any row of it is looked at; nothing where it is one. */
CREATE FUNCTION leadroute.document_faults(document jsonb) RETURNS TABLE (state text, fault text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF document->'leadroute' IS DISTINCT FROM '1' OR jsonb_typeof(document->'configuration') IS DISTINCT FROM 'object' THEN
		RETURN QUERY VALUES ('invalid_parameter_value', 'this is no configuration that export_flow() has written');
		RETURN;
	END IF;
	RETURN QUERY
		SELECT 'invalid_parameter_value', format('"%s" is no table of the configuration', k.key)
		FROM (SELECT o.k AS key FROM jsonb_object_keys(document) o(k) WHERE o.k NOT IN ('leadroute', 'configuration')
			  UNION ALL SELECT t.key FROM jsonb_each(document->'configuration') t
			  WHERE NOT EXISTS (SELECT FROM leadroute.exported_tables() e WHERE e.relation = t.key) OR jsonb_typeof(t.value) <> 'array') k
		ORDER BY 2;
	IF FOUND THEN
		RETURN;
	END IF;
	IF jsonb_array_length(coalesce(document#>'{configuration,flows}', '[{}]')) <> 1 THEN
		RETURN QUERY VALUES ('invalid_parameter_value', format('a document holds one flow, not %s', jsonb_array_length(document#>'{configuration,flows}')));
	END IF;
	RETURN QUERY
		SELECT DISTINCT 'undefined_column', CASE jsonb_typeof(r.doc) WHEN 'object' THEN format('column "%s" of table "%s" does not exist', c.key, t.key)
																	 ELSE format('a row of table "%s" is no object', t.key) END
		FROM jsonb_each(document->'configuration') t CROSS JOIN LATERAL jsonb_array_elements(t.value) r(doc)
			CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.doc) WHEN 'object' THEN r.doc ELSE '{"": 0}' END) c
		WHERE c.key <> ALL (leadroute.exported_columns(t.key::name))
		ORDER BY 2;
END
$$;
COMMENT ON FUNCTION leadroute.document_faults(jsonb) IS 'Part of import_flow(): all that makes a document none, with the SQLSTATE of each.';

/*
 * Rows of one table that name the same columns. What is there and says the same stays untouched, so that it is no change in config_changes; what is
 * there and says something else is changed, or, where rows of a table exclude each other, was deleted by the caller.
 */
CREATE FUNCTION leadroute.import_rows(flow text, relation name, key name[], columns name[], docs jsonb, OUT changed bigint, OUT added bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	source	text := format('jsonb_array_elements($2) WITH ORDINALITY d(doc, n), jsonb_populate_record(NULL::leadroute.%I, d.doc) r', relation);
	same	text := 't.flow = $1' || coalesce((SELECT string_agg(format(' AND t.%1$I = r.%1$I', k), '') FROM unnest(key) k WHERE k <> 'flow'), '');
	others	name[] := ARRAY(SELECT c FROM unnest(columns) c WHERE c <> ALL (key) ORDER BY c);
BEGIN
	changed := 0;
	IF others <> '{}' THEN
		EXECUTE format('UPDATE leadroute.%I t SET %s FROM %s WHERE %s AND ROW(%s) IS DISTINCT FROM ROW(%s)', relation,
					   (SELECT string_agg(format('%1$I = r.%1$I', c), ', ') FROM unnest(others) c), source, same,
					   (SELECT string_agg(format('t.%I', c), ', ') FROM unnest(others) c), (SELECT string_agg(format('r.%I', c), ', ') FROM unnest(others) c))
			USING flow, docs;
		GET DIAGNOSTICS changed = ROW_COUNT;
	END IF;
	EXECUTE format('INSERT INTO leadroute.%1$I (flow%2$s) SELECT $1%3$s FROM %4$s WHERE NOT EXISTS (SELECT FROM leadroute.%1$I t WHERE %5$s) ORDER BY d.n', relation,
				   (SELECT string_agg(format(', %I', c), '' ORDER BY c) FROM unnest(columns) c), (SELECT string_agg(format(', r.%I', c), '' ORDER BY c) FROM unnest(columns) c),
				   source, same)
		USING flow, docs;
	GET DIAGNOSTICS added = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION leadroute.import_rows(text, name, name[], name[], jsonb) IS 'Part of import_flow(): writes rows of one table that name the same columns; answers how many were changed and added.';

/* What of a table the document does not have: 'DELETE FROM …', with the flow as $1 and the document's rows as $2. */
CREATE FUNCTION leadroute.import_deletion(relation name, key name[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT format('DELETE FROM leadroute.%1$I t WHERE t.flow = $1 AND NOT EXISTS (
			SELECT FROM jsonb_array_elements($2) d(doc), jsonb_populate_record(NULL::leadroute.%1$I, d.doc) r WHERE %2$s%3$s)', relation,
		coalesce((SELECT string_agg(format('t.%1$I = r.%1$I', k), ' AND ') FROM unnest(key) k WHERE k <> 'flow'), 'true'),
		/* one that crosses another while both change places makes room first */
		CASE WHEN EXISTS (SELECT FROM pg_constraint x WHERE x.conrelid = format('leadroute.%I', relation)::regclass AND x.contype = 'x')
			 THEN (SELECT string_agg(format(' AND (NOT d.doc ? %1$L OR t.%1$I IS NOT DISTINCT FROM r.%1$I)', c), '')
				   FROM unnest(leadroute.exported_columns(relation)) c WHERE c <> ALL (key)) ELSE '' END)
$$;
COMMENT ON FUNCTION leadroute.import_deletion(name, name[]) IS 'Part of import_flow(): the statement that takes away what a document does not have.';

CREATE FUNCTION leadroute.import_flow(document jsonb, flow text, replace boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
DECLARE
	part	record;
	rows	record;
	doc		jsonb;
	done	record;
	n		bigint;
	there	boolean := EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = import_flow.flow);
	states	text[];
	faults	text[];
	state	text;
	fault	text;
	tables	integer := 0;
	total	bigint := 0;
	added	bigint := 0;
	changed	bigint := 0;
	deleted	bigint := 0;
BEGIN
	/* what cannot be is said before anything is written */
	IF coalesce(flow, '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a flow has a name';
	ELSIF there AND NOT replace THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object', MESSAGE = format('flow "%s" exists already', flow),
			HINT = 'Give it this configuration instead of its own with replace => true, or import it under another name.';
	END IF;
	SELECT array_agg(f.state), array_agg(f.fault) INTO states, faults FROM leadroute.document_faults(document) f;

	IF faults IS NULL THEN
		SET CONSTRAINTS ALL DEFERRED;
		IF NOT there THEN
			/* what a new flow begins with gives way */
			BEGIN
				SELECT i.* INTO done FROM leadroute.import_rows(flow, 'flows', '{flow}', ARRAY(SELECT k FROM jsonb_object_keys(document#>'{configuration,flows,0}') k), coalesce(document#>'{configuration,flows}', '[{}]')) i;
				added := added + done.added;
				total := total + done.added;
				tables := tables + (document#>'{configuration,flows}' IS NOT NULL)::integer;
			EXCEPTION WHEN OTHERS THEN
				states := states || SQLSTATE;
				faults := faults || format('table "flows": %s', SQLERRM);
			END;
		END IF;
		FOR part IN
			SELECT e.relation, e.key, coalesce(document->'configuration'->e.relation::text, '[]') AS records FROM leadroute.exported_tables() e
			WHERE e.relation <> 'flows'
		LOOP
			BEGIN
				EXECUTE leadroute.import_deletion(part.relation, part.key) USING flow, part.records;
				GET DIAGNOSTICS n = ROW_COUNT;
				deleted := deleted + CASE WHEN there THEN n ELSE 0 END;
			EXCEPTION WHEN OTHERS THEN
				states := states || SQLSTATE;
				faults := faults || format('table "%s": %s', part.relation, SQLERRM);
			END;
		END LOOP;
		FOR part IN
			SELECT e.relation, e.key, document->'configuration'->e.relation::text AS records FROM leadroute.exported_tables() e
			WHERE jsonb_array_length(document->'configuration'->e.relation::text) > 0 AND (there OR e.relation <> 'flows')
		LOOP
			tables := tables + 1;
			total := total + jsonb_array_length(part.records);
			/* a column that a document does not know has its default, or in a row that is there stays as it is */
			FOR rows IN
				SELECT k.columns, jsonb_agg(r.doc ORDER BY r.n) AS docs
				FROM jsonb_array_elements(part.records) WITH ORDINALITY r(doc, n)
					CROSS JOIN LATERAL (SELECT coalesce(array_agg(c::name ORDER BY c), '{}') AS columns FROM jsonb_object_keys(r.doc) c) k
				GROUP BY k.columns ORDER BY k.columns
			LOOP
				BEGIN
					SELECT i.* INTO done FROM leadroute.import_rows(flow, part.relation, part.key, rows.columns, rows.docs) i;
					added := added + done.added;
					changed := changed + done.changed;
				EXCEPTION WHEN OTHERS THEN
					/* which of them it is, and what else there is */
					n := coalesce(array_length(faults, 1), 0);
					state := SQLSTATE;
					fault := SQLERRM;
					FOR doc IN SELECT e FROM jsonb_array_elements(rows.docs) e LOOP
						BEGIN
							PERFORM leadroute.import_rows(flow, part.relation, part.key, rows.columns, jsonb_build_array(doc));
						EXCEPTION WHEN OTHERS THEN
							states := states || SQLSTATE;
							faults := faults || format('table "%s", row %s: %s', part.relation,
								coalesce((SELECT string_agg(format('%s', doc->>k), ' / ' ORDER BY o) FROM unnest(part.key) WITH ORDINALITY u(k, o) WHERE k <> 'flow'), '?'), SQLERRM);
						END;
					END LOOP;
					IF coalesce(array_length(faults, 1), 0) = n THEN
						states := states || state;
						faults := faults || format('table "%s": %s', part.relation, fault);
					END IF;
				END;
			END LOOP;
		END LOOP;
		/* what is true of all rows together */
		FOR part IN
			SELECT c.conname, e.relation FROM leadroute.exported_tables() e JOIN pg_constraint c ON c.conrelid = format('leadroute.%I', e.relation)::regclass
			WHERE c.condeferrable AND c.contype IN ('u', 'x', 'p') ORDER BY e.relation, c.conname
		LOOP
			BEGIN
				EXECUTE format('SET CONSTRAINTS leadroute.%I IMMEDIATE', part.conname);
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS fault = PG_EXCEPTION_DETAIL;
				states := states || SQLSTATE;
				faults := faults || format('table "%s": %s', part.relation, concat_ws('. ', SQLERRM, nullif(fault, '')));
			END;
		END LOOP;
		/* a flow that is active stays complete */
		IF faults IS NULL AND EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = import_flow.flow AND f.active) THEN
			SELECT array_agg('object_not_in_prerequisite_state'::text), array_agg(format('%s: %s', c.object, c.problem)) INTO states, faults
			FROM leadroute.check_flow(flow) c WHERE c.severity = 'error';
		END IF;
	END IF;

	IF array_length(faults, 1) = 1 THEN
		RAISE EXCEPTION USING ERRCODE = states[1], MESSAGE = faults[1], DETAIL = 'Nothing was imported.',
			HINT = CASE WHEN states[1] = 'undefined_column' OR faults[1] LIKE '% is no table of %' THEN 'Was the document written by a later version of leadroute?'
						WHEN states[1] = 'invalid_parameter_value' THEN 'A document is an object with the keys "leadroute", whose value is 1, and "configuration": an array of rows for each table.'
						ELSE 'Correct the document, and import it again.' END;
	ELSIF faults IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('the configuration has %s faults', array_length(faults, 1)),
			DETAIL = array_to_string(faults, E'\n'), HINT = 'Nothing was imported. Correct the document, and import it again.';
	END IF;
	IF there THEN
		RETURN format('flow "%s": %s rows added, %s changed, %s deleted; %s are as they were', flow, added, changed, deleted, total - added - changed);
	END IF;
	RETURN format('flow "%s": %s rows in %s tables. Next: SELECT leadroute.attach(…, flow => %L), then leadroute.activate(%L).', flow, total, tables, flow, flow);
END
$$;
COMMENT ON FUNCTION leadroute.import_flow(jsonb, text, boolean) IS
	'Gives a flow the configuration of a document that export_flow() has written, all of it or nothing. A new flow, which is then not active: what one begins with otherwise is replaced, a column that the document does not name has its default. With replace => true also a flow that exists, leads and all: rows that the document does not have are deleted (a table that it does not name is empty), others are changed, those that say the same stay untouched; a column that it does not name stays as it is; whether the flow is active, its attachment, predictive models and accounts stay. Each change is in config_changes. Try it first: BEGIN; import; ROLLBACK. Rows are judged as when they are written by hand, an active flow must be complete, in one that is not names that point nowhere are for activate() to find. Errors name every fault at once: duplicate_object where the flow exists and nobody said replace; invalid_parameter_value and undefined_column for what is no such document; for one fault the table''s own, for several invalid_parameter_value with each in the detail.';
