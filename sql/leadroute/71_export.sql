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

CREATE FUNCTION leadroute.import_flow(document jsonb, flow text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
DECLARE
	part	record;
	rows	record;
	strange	text;
	n		bigint;
	tables	integer := 0;
	total	bigint := 0;
BEGIN
	/* what cannot be is said before anything is written */
	IF coalesce(flow, '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a flow has a name';
	ELSIF EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = import_flow.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object', MESSAGE = format('flow "%s" exists already', flow),
			HINT = 'Import it under another name, or delete the flow with its rows first.';
	ELSIF document->'leadroute' IS DISTINCT FROM '1' OR jsonb_typeof(document->'configuration') IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'this is no configuration that export_flow() has written',
			DETAIL = 'It is an object with the keys "leadroute", whose value is 1, and "configuration".';
	END IF;
	SELECT k INTO strange FROM jsonb_object_keys(document) k WHERE k NOT IN ('leadroute', 'configuration') ORDER BY k LIMIT 1;
	IF strange IS NULL THEN
		SELECT k.key INTO strange FROM jsonb_each(document->'configuration') k
		WHERE NOT EXISTS (SELECT FROM leadroute.exported_tables() e WHERE e.relation = k.key) OR jsonb_typeof(k.value) <> 'array'
		ORDER BY k.key LIMIT 1;
	END IF;
	IF strange IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no table of the configuration', strange),
			HINT = 'Was the document written by a later version of leadroute?';
	END IF;
	IF jsonb_array_length(coalesce(document#>'{configuration,flows}', '[{}]')) <> 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a document holds one flow',
			DETAIL = format('It has %s rows for table "flows".', jsonb_array_length(document#>'{configuration,flows}'));
	END IF;
	SELECT format('column "%s" of table "%s"', c.key, t.key) INTO strange
	FROM jsonb_each(document->'configuration') t CROSS JOIN LATERAL jsonb_array_elements(t.value) r(doc)
		CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.doc) WHEN 'object' THEN r.doc ELSE '{"a row that is no object": 0}' END) c
	WHERE c.key <> ALL (leadroute.exported_columns(t.key::name))
	ORDER BY t.key, c.key LIMIT 1;
	IF strange IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('%s does not exist', strange),
			HINT = 'Was the document written by a later version of leadroute?';
	END IF;

	SET CONSTRAINTS ALL DEFERRED;
	FOR part IN SELECT e.relation, coalesce(document->'configuration'->e.relation::text, CASE e.relation WHEN 'flows' THEN '[{}]' ELSE '[]' END::jsonb) AS records
		FROM leadroute.exported_tables() e
	LOOP
		/* what a new flow begins with gives way */
		IF part.relation <> 'flows' THEN
			EXECUTE format('DELETE FROM leadroute.%I t WHERE t.flow = $1', part.relation) USING flow;
		END IF;
		/* a column that a document does not know has its default */
		FOR rows IN
			SELECT k.columns, jsonb_agg(r.doc) AS docs
			FROM jsonb_array_elements(part.records) r(doc)
				CROSS JOIN LATERAL (SELECT coalesce(array_agg(c ORDER BY c), '{}') AS columns FROM jsonb_object_keys(r.doc) c) k
			GROUP BY k.columns ORDER BY k.columns
		LOOP
			EXECUTE format('INSERT INTO leadroute.%1$I (flow%2$s) SELECT $1%3$s FROM jsonb_array_elements($2) WITH ORDINALITY d(doc, n), jsonb_populate_record(NULL::leadroute.%1$I, d.doc) r ORDER BY d.n',
						   part.relation, (SELECT string_agg(format(', %I', c), '' ORDER BY c) FROM unnest(rows.columns) c),
						   (SELECT string_agg(format(', r.%I', c), '' ORDER BY c) FROM unnest(rows.columns) c))
				USING flow, rows.docs;
			GET DIAGNOSTICS n = ROW_COUNT;
			total := total + n;
		END LOOP;
		tables := tables + (jsonb_array_length(part.records) > 0)::integer;
	END LOOP;
	RETURN format('flow "%s": %s rows in %s tables. Next: SELECT leadroute.attach(…, flow => %L), then leadroute.activate(%L).', flow, total, tables, flow, flow);
END
$$;
COMMENT ON FUNCTION leadroute.import_flow(jsonb, text) IS
	'Makes a new flow, which is not active, of a document that export_flow() has written, all of it or nothing: what a new flow begins with otherwise is replaced, a column that the document does not name has its default. Rows are judged as when they are written by hand; names that point nowhere are for activate() to find. Errors: duplicate_object where the flow exists; invalid_parameter_value and undefined_column for what is no such document; those of the tables.';
