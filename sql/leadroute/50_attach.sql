/*
 * attach and detach, and the event trigger that puts the triggers on whatever takes an attached
 * table's name. attach and detach are front doors in C (attach.c), which prove that the caller owns
 * the table; what is called ..._owned does the work as the extension's owner and is granted to nobody.
 * Nothing here runs code of the table's owner: no casts, domains or operators of his are evaluated.
 */

CREATE FUNCTION leadroute.may_commit() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_may_commit';
COMMENT ON FUNCTION leadroute.may_commit() IS 'Whether the PL/pgSQL procedure that asks may COMMIT: false inside a caller''s transaction block or function.';

CREATE FUNCTION leadroute.caller_is_admin() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_caller_is_admin';
COMMENT ON FUNCTION leadroute.caller_is_admin() IS 'Part of attach(): whether its caller may act for leadroute_admin.';
REVOKE ALL ON FUNCTION leadroute.caller_is_admin() FROM PUBLIC;

CREATE FUNCTION leadroute.attach(relation regclass, flow text DEFAULT 'default', columns jsonb DEFAULT '{}', flow_column name DEFAULT NULL) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.attach(regclass, text, jsonb, name) IS
	'Puts leadroute''s triggers on a leads table that the caller owns; changes no row. columns maps canonical names to columns named otherwise: a name, or {"column": name, "timezone": zone, "dates": "MDY", "DMY" or "YMD"} for an instant that says no zone (UTC) or is a text (MDY), or null for none; a number, or a text of digits, is seconds or milliseconds since 1970. flow_column names the column in which each row names its flow. Called again with other columns it changes the mapping in place. Answers how many rows stand there and what comes next.';

CREATE FUNCTION leadroute.detach(relation regclass) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.detach(regclass) IS
	'Takes leadroute''s triggers off a table that the caller owns; leaves its data and what leadroute knows about its leads.';

/*
 * Takes a lock in short tries: whoever comes meanwhile waits behind us 50 ms at most, not for as long
 * as the transaction that we wait for.
 */
CREATE FUNCTION leadroute.lock_briefly(relation regclass, mode text, tries integer DEFAULT 100) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET lock_timeout = '50ms'
AS $$
BEGIN
	FOR try IN 1 .. tries LOOP
		BEGIN
			EXECUTE format('LOCK TABLE %s IN %s MODE', relation, mode);
			RETURN;
		EXCEPTION WHEN lock_not_available THEN
			IF try = tries THEN
				RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
					MESSAGE = format('could not obtain lock on table %s', relation),
					DETAIL = format('%s tries of 50 ms each met a transaction that has written to it and is still open.', tries),
					HINT = 'Try again when it has ended; pg_locks shows it.';
			END IF;
		END;
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.lock_briefly(regclass, text, integer) IS 'Locks a table in tries of 50 ms, 100 ms apart, so that nobody queues behind it for long.';

/* The type under a column's domains. */
CREATE FUNCTION leadroute.base_type(type oid) RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH RECURSIVE d(oid, base) AS (
		SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = type
		UNION ALL
		SELECT t.oid, t.typbasetype FROM d JOIN pg_type t ON t.oid = d.base
	)
	SELECT d.oid FROM d WHERE d.base = 0
$$;
COMMENT ON FUNCTION leadroute.base_type(oid) IS 'The type under all domains.';

/* The column that names a lead: as told, the one-column primary key, such a unique index, a column "id". */
CREATE FUNCTION leadroute.find_key(relation regclass, columns jsonb) RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT coalesce(
		CASE WHEN columns->'key' IS NOT NULL THEN leadroute.mapped_column(columns, 'key') END,
		(SELECT a.attname
		 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		 WHERE i.indrelid = relation AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1
			AND i.indpred IS NULL AND a.attnotnull
		 ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1),
		(SELECT a.attname
		 FROM pg_attribute a
		 WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND lower(a.attname::text) IN ('id', 'key')
		 ORDER BY lower(a.attname::text), a.attname DESC LIMIT 1))
$$;
COMMENT ON FUNCTION leadroute.find_key(regclass, jsonb) IS
	'The column that names a lead: the one that columns calls key, else the one-column primary key, else a one-column unique not null index''s, else a column named id in any case. NULL where there is none.';

/* A type under all domains; canonical as columns and attach() have it, "flow_column" too. */
CREATE FUNCTION leadroute.type_serves(type oid, canonical text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE
			WHEN type_serves.canonical IN ('key', 'flow_column') OR (c.direction = 'output' AND c.kind = 'text')
				THEN t.typtype IN ('b', 'e') AND (t.typcategory IN ('S', 'N', 'E') OR t.oid = 'uuid'::regtype
												  OR (t.typcategory = 'U' AND t.typnamespace <> 'pg_catalog'::regnamespace))
					/* these have another text under other settings, and a lead another name */
					AND NOT (type_serves.canonical = 'key'
							 AND (t.oid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype)
								  OR t.typnamespace = 'pg_catalog'::regnamespace AND t.oid <> 'oid'::regtype AND format_type(t.oid, NULL) ~ '^reg'))
			WHEN c.kind = 'number' THEN t.typcategory IN ('N', 'S') AND t.typtype = 'b'
			WHEN c.kind = 'time' AND c.direction = 'output' THEN t.typcategory IN ('D', 'S') AND t.typtype = 'b'
			WHEN c.kind = 'time' THEN (t.typcategory IN ('D', 'S') OR t.oid IN ('int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'float8'::regtype)) AND t.typtype = 'b'
			WHEN c.kind = 'flag' THEN t.typcategory IN ('B', 'S', 'N') AND t.typtype = 'b'
			ELSE true END
	FROM pg_type t LEFT JOIN leadroute.canonical_columns() c ON c.canonical = type_serves.canonical
	WHERE t.oid = type_serves.type
$$;
COMMENT ON FUNCTION leadroute.type_serves(oid, text) IS 'Whether a column of a type can be what columns calls by a canonical name.';

/* Why a table cannot be attached with these columns, each with what an error needs. */
CREATE FUNCTION leadroute.column_faults(relation regclass, columns jsonb, flow_column name,
	OUT code text, OUT problem text, OUT detail text, OUT hint text) RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	entry	record;
	used	record;
	key		name;
	zone	text;
	another	text;	/* the hint of each column that cannot serve */
BEGIN
	/* the shape of "columns" */
	FOR entry IN SELECT e.key AS canonical, e.value, jsonb_typeof(e.value) AS kind FROM jsonb_each(columns) e ORDER BY e.key LOOP
		IF NOT EXISTS (SELECT FROM leadroute.canonical_columns() c WHERE c.canonical = entry.canonical) THEN
			code := 'invalid_parameter_value';
			problem := format('"%s" in columns is not a name that leadroute knows', entry.canonical);
			detail := format('Known are %s.', (SELECT string_agg(c.canonical, ', ') FROM leadroute.canonical_columns() c));
			hint := 'columns maps leadroute''s name to the table''s: ''{"email": "email_address"}''. Other columns need no entry.';
			RETURN NEXT;
		ELSIF NOT (entry.kind IN ('string', 'null')
				   OR (entry.kind = 'object' AND jsonb_typeof(entry.value->'column') = 'string'
					   AND NOT EXISTS (SELECT FROM jsonb_each(entry.value) f
									   WHERE f.key NOT IN ('column', 'timezone', 'dates') OR jsonb_typeof(f.value) <> 'string'))) THEN
			code := 'invalid_parameter_value';
			problem := format('"%s" in columns is not the name of a column', entry.canonical);
			detail := format('It is %s.', entry.value);
			hint := 'Give a name, {"column": name, "timezone": zone, "dates": "DMY"}, or null for none.';
			RETURN NEXT;
		ELSIF entry.kind = 'object' AND entry.value->>'dates' NOT IN ('MDY', 'DMY', 'YMD') THEN
			code := 'invalid_parameter_value';
			problem := format('"%s" is no order of day, month and year', entry.value->>'dates');
			detail := format('It stands at "%s" in columns.', entry.canonical);
			hint := 'There are "MDY" for 01/31/2026, the default, "DMY" for 31/01/2026, and "YMD" for 26/01/31.';
			RETURN NEXT;
		ELSIF entry.kind = 'object' AND entry.value ? 'timezone' THEN
			zone := entry.value->>'timezone';
			IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(zone)) THEN
				code := 'invalid_parameter_value';
				problem := format('time zone "%s" not recognized', zone);
				detail := format('It stands at "%s" in columns.', entry.canonical);
				hint := 'Give a name of pg_timezone_names, as ''Europe/Berlin''.';
				RETURN NEXT;
			END IF;
		END IF;
	END LOOP;
	IF problem IS NOT NULL THEN
		RETURN;
	END IF;

	key := leadroute.find_key(relation, columns);
	IF key IS NULL THEN
		code := 'undefined_column';
		problem := format('table %s has no column that names a lead', relation);
		detail := 'It has no primary key or unique index of one column that is not null, and no column "id".';
		hint := format('Name it: SELECT leadroute.attach(%L, columns => %L).', relation,
					   columns || jsonb_build_object('key', coalesce(leadroute.likely_columns(relation, columns)->>'key', '…')));
		RETURN NEXT;
	END IF;

	/* the columns that are used */
	FOR used IN
		SELECT c.canonical, c.direction, c.kind, c.mapped, c.attname AS wanted, a.attname, a.attnum, a.attgenerated,
			t.oid AS type, t.typcategory, a.atttypid
		FROM (SELECT k.canonical, k.direction, k.kind, columns->k.canonical IS NOT NULL AS mapped,
					CASE WHEN k.canonical = 'key' THEN key ELSE leadroute.mapped_column(columns, k.canonical) END AS attname
			  FROM leadroute.canonical_columns() k
			  UNION ALL
			  SELECT 'flow_column', 'special', 'any', true, flow_column) c
			LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_type t ON t.oid = leadroute.base_type(a.atttypid)
		WHERE c.attname IS NOT NULL
		ORDER BY c.direction DESC, c.canonical
	LOOP
		code := NULL;
		another := CASE used.canonical WHEN 'key' THEN 'Name another column that tells leads apart: columns => ''{"key": "…"}''.'
					   WHEN 'flow_column' THEN 'Name another column as flow_column.'
					   ELSE format('Map another column, or none: columns => ''{"%s": null}''.', used.canonical) END;
		IF used.attname IS NULL THEN
			IF used.mapped THEN
				code := 'undefined_column';
				problem := format('column "%s" of table %s does not exist', used.wanted, relation);
				detail := format('It was named as the column for "%s".', used.canonical);
				SELECT format('Did you mean "%s"?', a.attname) INTO hint
				FROM pg_attribute a
				WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND lower(a.attname::text) = lower(used.wanted::text);
				hint := coalesce(hint, 'Names are taken as they are written, upper and lower case too.');
			END IF;
		ELSIF used.attgenerated <> '' THEN
			code := 'invalid_column_definition';
			problem := format('column "%s" of table %s is generated and cannot serve as "%s"', used.attname, relation, used.canonical);
			detail := CASE used.direction WHEN 'output' THEN 'leadroute writes this column; a generated column cannot be written.'
										  ELSE 'Generated columns are NULL while leadroute decides: they are computed after BEFORE triggers.' END;
			hint := another;
		ELSIF used.direction = 'output' AND EXISTS (
				SELECT FROM pg_partition_tree(relation) p JOIN pg_partitioned_table k ON k.partrelid = p.relid
					JOIN pg_attribute a ON a.attrelid = p.relid AND a.attname = used.attname
				WHERE a.attnum = ANY (k.partattrs::smallint[])) THEN
			code := 'invalid_column_definition';
			problem := format('column "%s" is in the partition key of table %s and cannot serve as "%s"', used.attname, relation, used.canonical);
			detail := 'leadroute fills this column when the partition is already chosen.';
			hint := another;
		ELSIF NOT leadroute.type_serves(used.type, used.canonical) THEN
			code := 'datatype_mismatch';
			problem := format('column "%s" of table %s has type %s and cannot serve as "%s"', used.attname, relation,
							  format_type(used.atttypid, NULL), used.canonical);
			detail := CASE WHEN used.kind = 'number' THEN 'It takes a number, as a number or text.'
						   WHEN used.kind = 'time' THEN 'It holds an instant: as a date, a timestamp, a number of seconds or milliseconds since 1970, or text.'
						   WHEN used.kind = 'flag' THEN 'It is a boolean, a number or text.'
						   WHEN used.canonical = 'key' AND used.typcategory = 'N' THEN 'The text of such a value depends on settings; a lead is known by the text of its key.'
						   ELSE 'It takes a short text, through the input function of a text, number, uuid or enum type.' END;
			hint := another;
		END IF;
		IF code IS NOT NULL THEN
			RETURN NEXT;
		END IF;
		hint := NULL;
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.column_faults(regclass, jsonb, name) IS 'What keeps a table from being attached with this mapping; no row where it fits.';

/* HubSpot's loaders put property_ before each name. */
CREATE FUNCTION leadroute.usual_column(relation regclass, names text[]) RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT a.attname
	FROM pg_attribute a
		CROSS JOIN LATERAL regexp_replace(regexp_replace(lower(a.attname::text), '^(property|properties)_', ''), '[^a-z0-9]', '', 'g') AS plain
	WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND plain = ANY (names)
	ORDER BY array_position(names, plain), a.attnum
	LIMIT 1
$$;
COMMENT ON FUNCTION leadroute.usual_column(regclass, text[]) IS 'The column of a CRM''s table that bears the first of some names, case and punctuation aside; NULL where none does.';

/* Names that loaders give, without case, prefix and underscores. */
CREATE FUNCTION leadroute.likely_columns(relation regclass, columns jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT jsonb_object_agg(k.canonical,
		/* an instant without a zone says which one it is in */
		CASE WHEN k.canonical = 'submitted_at' AND leadroute.base_type(a.atttypid) <> 'timestamptz'::regtype
			 THEN jsonb_build_object('column', a.attname, 'timezone', current_setting('TimeZone'))
			 ELSE to_jsonb(a.attname) END)
	FROM (VALUES ('key', '{leadid,recordid,prospectid,contactid,leadnumber,mqlid}'::text[]),
				 ('email', '{email,emailaddress,workemail,businessemail,emailaddress1,emailid,mail}'),
				 ('phone', '{phone,phonenumber,telephone,telephone1,workphone,businessphone,mobilephone,mobilephonenumber,mobile}'),
				 ('first_name', '{firstname,givenname}'), ('last_name', '{lastname,surname,familyname}'),
				 ('company', '{company,companyname,companyaccount,accountname,organization,organisation,organizationname}'),
				 ('website', '{website,websiteurl,companywebsite,companydomainname,domain,url}'),
				 ('title', '{title,jobtitle,designation}'),
				 ('country', '{country,countrycode,countryname,countryregion,countryterritory,address1country,mailingcountry,billingcountry}'),
				 ('region', '{region,state,stateregion,stateprovince,stateorprovince,statecode,statename,province,address1stateorprovince,mailingstate,billingstate}'),
				 ('postal_code', '{postalcode,zipcode,zip,zippostalcode,postcode,address1postalcode,mailingpostalcode,billingpostalcode}'),
				 ('industry', '{industry,sector}'),
				 ('employees', '{employees,numberofemployees,noofemployees,numemployees,employeecount}'),
				 ('annual_revenue', '{annualrevenue,revenue}'), ('language', '{language,preferredlanguage,hslanguage}'),
				 ('product', '{product,productinterest,productinterestc}'),
				 ('source', '{source,leadsource,originalsource,leadorigin,origin,hsanalyticssource}'),
				 ('intent', '{intent}'), ('value', '{value,amount}'), ('consent', '{consent,optin}'),
				 ('submitted_at', '{submittedat,createddate,createdate,createdat,createdtime,createdon,creationdate}'),
				 ('owner', '{owner,ownerid,hubspotownerid,leadownerid,leadowner,contactowner}'),
				 ('deleted', '{deleted,isdeleted,fivetrandeleted}')) k(canonical, names)
		JOIN pg_attribute a ON a.attrelid = relation AND a.attname = leadroute.usual_column(relation, k.names)
	WHERE columns->k.canonical IS NULL AND a.attgenerated = '' AND leadroute.type_serves(leadroute.base_type(a.atttypid), k.canonical)
		AND CASE WHEN k.canonical = 'key' THEN leadroute.find_key(relation, columns) IS NULL
				 ELSE NOT EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = relation AND x.attname = k.canonical AND x.attnum > 0) END
$$;
COMMENT ON FUNCTION leadroute.likely_columns(regclass, jsonb) IS
	'What columns might say: canonical names that have no column yet, and columns named as CRMs, their exports and loaders name them; with a zone where submitted_at has none. NULL where nothing is likely.';

/* The tables that hold the rows: pg_partition_leaves() knows only partitioned ones. */
CREATE FUNCTION leadroute.leaves(relation regclass, OUT relid regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c.oid::regclass FROM pg_class c WHERE c.oid = relation AND c.relkind <> 'p'
	UNION ALL
	SELECT p.relid FROM pg_partition_tree(relation) p WHERE p.isleaf AND p.level > 0
$$;
COMMENT ON FUNCTION leadroute.leaves(regclass) IS 'The tables that hold the rows of a table: its leaf partitions, or itself.';

/* Rows a block: what ANALYZE found, else what the first blocks hold. */
CREATE FUNCTION leadroute.row_density(leaf regclass) RETURNS double precision
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	density	double precision;
	blocks	bigint := least(32, pg_relation_size(leaf) / current_setting('block_size')::bigint);
BEGIN
	SELECT c.reltuples / c.relpages INTO density FROM pg_class c WHERE c.oid = leaf AND c.reltuples > 0 AND c.relpages > 0;
	IF density IS NULL AND blocks > 0 THEN
		EXECUTE format('SELECT count(*)::float8 / %s FROM ONLY %s WHERE ctid < ''(%s,0)''', blocks, leaf, blocks) INTO density;
	END IF;
	RETURN greatest(density, 1);
END
$$;
COMMENT ON FUNCTION leadroute.row_density(regclass) IS 'About how many rows a block of a table holds; at least 1.';

/* How many rows: exact where that is quick. */
CREATE FUNCTION leadroute.rows_standing(relation regclass, OUT rows bigint, OUT exact boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	bytes	bigint;
BEGIN
	SELECT sum(pg_relation_size(p.relid)), sum(pg_relation_size(p.relid) / current_setting('block_size')::bigint * leadroute.row_density(p.relid))
		INTO bytes, rows
	FROM leadroute.leaves(relation) p JOIN pg_class c ON c.oid = p.relid
	WHERE c.relkind = 'r';
	exact := coalesce(bytes, 0) < 8 * 1024 * 1024;
	IF exact THEN
		EXECUTE format('SELECT count(*) FROM %s', relation) INTO rows;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.rows_standing(regclass) IS 'The number of rows of a table: counted below 8 MB, else estimated.';

/* Ours are known by their functions, whatever they are called. */
CREATE FUNCTION leadroute.our_triggers(relation oid, OUT tgname name, OUT tgenabled "char") RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT t.tgname, t.tgenabled
	FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
	WHERE t.tgrelid = relation AND NOT t.tgisinternal
		AND p.pronamespace = 'leadroute'::regnamespace AND p.proname IN ('lead_before', 'lead_after', 'lead_statement')
$$;
COMMENT ON FUNCTION leadroute.our_triggers(oid) IS 'leadroute''s triggers on a leads table.';

CREATE FUNCTION leadroute.put_triggers(relation regclass, attachment leadroute.attachments, tries integer DEFAULT 100) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	always	text;
	trigger	record;
BEGIN
	PERFORM leadroute.lock_briefly(relation, 'SHARE ROW EXCLUSIVE', tries);
	FOR trigger IN
		SELECT * FROM (VALUES
			('zzz_leadroute', 'BEFORE INSERT OR UPDATE', 'FOR EACH ROW', 'lead_before'),
			('0_leadroute', 'AFTER INSERT OR DELETE', 'FOR EACH ROW', 'lead_after'),
			('0_leadroute_update', 'AFTER UPDATE', 'FOR EACH ROW WHEN (leadroute.update_matters())', 'lead_after'),
			('0_leadroute_statement', 'AFTER INSERT OR DELETE', 'FOR EACH STATEMENT', 'lead_statement'),
			('0_leadroute_truncate', 'AFTER TRUNCATE', 'FOR EACH STATEMENT', 'lead_statement')) t(name, events, level, function)
	LOOP
		EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION leadroute.%I(%L)',
					   trigger.name, trigger.events, relation, trigger.level, trigger.function, attachment.flow);
		always := concat_ws(', ', always, format('ENABLE ALWAYS TRIGGER %I', trigger.name));
	END LOOP;
	/* at once: the event trigger sees all of them stand */
	EXECUTE format('ALTER TABLE %s %s', relation, always);
END
$$;
COMMENT ON FUNCTION leadroute.put_triggers(regclass, leadroute.attachments, integer) IS 'Puts leadroute''s triggers on a table, in place of any that stand there.';

CREATE FUNCTION leadroute.take_triggers(relation regclass, tries integer DEFAULT 100) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	trigger	name;
	taken	integer := 0;
BEGIN
	IF EXISTS (SELECT FROM leadroute.our_triggers(relation)) THEN
		PERFORM leadroute.lock_briefly(relation, 'ACCESS EXCLUSIVE', tries);
		FOR trigger IN SELECT t.tgname FROM leadroute.our_triggers(relation) t LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', trigger, relation);
			taken := taken + 1;
		END LOOP;
	END IF;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION leadroute.take_triggers(regclass, integer) IS 'Takes leadroute''s triggers off a table.';

/* What is wrong with the sides of the maps that a table serves; NULL where nothing is. */
CREATE FUNCTION leadroute.side_faults(attachment leadroute.attachments) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	/* MATERIALIZED: a side is judged once, not with each of its territories */
	WITH u AS MATERIALIZED (
		SELECT t.flow, t.map, d.side, k.kind, min(t.territory) AS territory
		FROM leadroute.territories t
			CROSS JOIN LATERAL leadroute.sides(t.area) d(side)
			CROSS JOIN LATERAL leadroute.side_kind(t.area, d.side) k(kind)
		WHERE t.flow = (attachment).flow
			OR ((attachment).flow_column IS NOT NULL AND (leadroute.flow_attachment(t.flow)).flow = (attachment).flow)
		GROUP BY t.flow, t.map, d.side, k.kind)
	SELECT string_agg(format('Map "%s" of flow "%s", territory "%s": %s.', s.map, s.flow, s.territory, s.problem), E'\n' ORDER BY s.flow, s.map, s.side)
	FROM (SELECT u.*, leadroute.side_problem(attachment, u.side, u.kind) AS problem FROM u) s
	WHERE s.problem IS NOT NULL
$$;
COMMENT ON FUNCTION leadroute.side_faults(leadroute.attachments) IS 'Sides of territories that the columns of a leads table do not answer, a line each; NULL where there are none.';

/* The territories that a table serves, with the codes of their places where these differ from what stands there. */
CREATE FUNCTION leadroute.uncoded_territories(attachment leadroute.attachments,
	OUT flow text, OUT map text, OUT territory text, OUT during tstzrange, OUT codes leadroute.territory, OUT problem text, OUT hint text, OUT region_alone boolean)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH s AS MATERIALIZED (
		SELECT s.flow, s.map, array_agg(s.side) AS sides, array_agg(s.place) AS places
		FROM leadroute.territory_sides s
		WHERE s.place IS NOT NULL
			AND (s.flow = (attachment).flow
				 OR ((attachment).flow_column IS NOT NULL AND (leadroute.flow_attachment(s.flow)).flow = (attachment).flow))
		GROUP BY s.flow, s.map)
	SELECT t.flow, t.map, t.territory, t.during, c.codes, c.problem, c.hint, c.region_alone
	FROM s JOIN leadroute.territories t ON t.flow = s.flow AND t.map = s.map
		LEFT JOIN leadroute.flows f ON f.flow = t.flow
		CROSS JOIN LATERAL leadroute.place_codes(t.area, s.sides, s.places, f.default_country) c
	WHERE c.problem IS NOT NULL OR c.region_alone OR c.codes OPERATOR(leadroute.<>) t.area
$$;
COMMENT ON FUNCTION leadroute.uncoded_territories(leadroute.attachments) IS
	'Territories on a leads table''s maps whose places are not codes yet, cannot become any, or are regions without a country.';

/* Why rows that are kept out of a table may surprise those who write it; a WARNING where they may be. */
CREATE FUNCTION leadroute.warn_of_policy(relation regclass, policy text, key_column name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	referrers	text;
	indexes		text;
BEGIN
	IF policy = 'link' OR relation IS NULL THEN
		RETURN;
	END IF;
	SELECT string_agg(DISTINCT c.conrelid::regclass::text, ', ') INTO referrers
	FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = relation;
	SELECT string_agg(format('"%s"', x.relname), ', ' ORDER BY x.relname) INTO indexes
	FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = warn_of_policy.key_column
	WHERE i.indrelid = relation AND i.indisunique AND NOT (i.indnkeyatts = 1 AND i.indkey[0] = a.attnum);
	IF referrers IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('duplicates are kept out of table %s, which others reference', relation),
			DETAIL = format('Rows of %s that name a lead which was %s violate their foreign keys.', referrers,
							CASE policy WHEN 'merge' THEN 'merged into another' ELSE 'refused' END),
			HINT = 'The policy ''link'' keeps every row.';
	END IF;
	IF indexes IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('duplicates are kept out of table %s before its unique indexes are asked', relation),
			DETAIL = format('No trigger sees a statement''s ON CONFLICT clause: a duplicate is %s although %s would have led to DO UPDATE or DO NOTHING.',
							CASE policy WHEN 'merge' THEN 'merged' ELSE 'an error' END, indexes),
			HINT = 'The policy ''link'' leaves them to their indexes.';
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.warn_of_policy(regclass, text, name) IS 'Part of attach() and of the trigger on flows: what the policies merge and refuse mean for a table that others reference or that has further unique indexes.';

CREATE FUNCTION leadroute.attach_owned(relation regclass, flow text, columns jsonb, flow_column name) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	leads		record;
	fault		record;
	attachment	leadroute.attachments;
	other		leadroute.attachments;
	again		boolean := false;
	missing		text;
	likely		jsonb;
	behind		name;
	heirs		text;
	setter		record;
	standing	record;
	faults		text;
	uncoded		record;
	alone		text[] := '{}';
	is_active	boolean;
	unguarded	boolean;
BEGIN
	IF coalesce(flow, '') = '' OR columns IS NULL OR jsonb_typeof(columns) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = CASE WHEN coalesce(flow, '') = '' THEN 'a flow has a name' ELSE 'columns must be a JSON object' END,
			HINT = 'SELECT leadroute.attach(''public.leads'', flow => ''default'', columns => ''{"email": "email_address"}'').';
	ELSIF flow ~ '^\s*\{' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the second argument of attach is the flow, not the columns',
			DETAIL = format('It is %s.', flow),
			HINT = format('Name the argument: SELECT leadroute.attach(%L, columns => %L).', relation, flow);
	END IF;
	SELECT c.relkind, c.relname, c.relpersistence, c.relispartition, n.nspname INTO leads
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = relation;
	IF leads.relkind NOT IN ('r', 'p') THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is not a table', relation),
			DETAIL = CASE leads.relkind WHEN 'v' THEN 'This operation is not supported for views.' WHEN 'm' THEN 'This operation is not supported for materialized views.'
				WHEN 'f' THEN 'This operation is not supported for foreign tables.' WHEN 'S' THEN 'This operation is not supported for sequences.'
				WHEN 'i' THEN 'This operation is not supported for indexes.' WHEN 'I' THEN 'This operation is not supported for partitioned indexes.'
				WHEN 'c' THEN 'This operation is not supported for composite types.' ELSE 'This operation is not supported for such relations.' END,
			HINT = 'Attach the table that the leads are written to.';
	ELSIF leads.relpersistence = 't' OR leads.nspname IN ('leadroute', 'pg_catalog', 'information_schema') THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
			MESSAGE = format('table %s cannot hold leads', CASE WHEN leads.relpersistence = 't' THEN format('%I', leads.relname) ELSE format('%I.%I', leads.nspname, leads.relname) END),
			DETAIL = CASE WHEN leads.relpersistence = 't' THEN 'It is a temporary table.' WHEN leads.nspname = 'leadroute' THEN 'It is one of leadroute''s own tables.' ELSE 'It is a system table.' END,
			HINT = 'Attach the table that the leads are written to.';
	ELSIF leads.relispartition THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('table %s is a partition', relation),
			HINT = format('Attach %s.', pg_partition_root(relation));
	ELSIF EXISTS (SELECT FROM pg_partition_tree(relation) p CROSS JOIN LATERAL leadroute.our_triggers(p.relid) t
				  WHERE p.relid <> relation
					AND NOT EXISTS (SELECT FROM leadroute.our_triggers(relation) o WHERE o.tgname = t.tgname)) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_in_use', MESSAGE = format('a partition of table %s is attached already', relation),
			HINT = 'Detach it first.';
	END IF;

	/* one table a flow, one flow a table */
	SELECT a.* INTO other FROM leadroute.attachments a WHERE a.flow <> attach_owned.flow AND leadroute.attachment_table(a) = relation LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_in_use',
			MESSAGE = format('table %s is already attached to flow "%s"', relation, other.flow),
			HINT = 'A table serves one flow, or with flow_column each row the flow that it names. Detach it first.';
	END IF;
	SELECT a.* INTO other FROM leadroute.attachments a WHERE a.flow = attach_owned.flow;
	IF FOUND THEN
		IF leadroute.attachment_table(other) IS DISTINCT FROM relation AND leadroute.attachment_table(other) IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'object_in_use',
				MESSAGE = format('flow "%s" is already attached to table %s', flow, leadroute.attachment_table(other)),
				HINT = 'A flow has one leads table. Detach that one first, or name another flow.';
		END IF;
		again := true;
	END IF;

	/* leads answer with the owner that their flow knows, so another table may not step into a flow by itself */
	IF NOT leadroute.caller_is_admin() THEN
		IF attach_owned.flow_column IS NOT NULL AND other.flow_column IS DISTINCT FROM attach_owned.flow_column THEN
			RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
				MESSAGE = format('permission denied to attach table %s with flow_column', relation),
				DETAIL = 'Its rows name other flows than the one it is attached to.',
				HINT = 'A member of leadroute_admin may, or a superuser.';
		ELSIF NOT again AND EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = attach_owned.flow)
			OR again AND other.relation IS DISTINCT FROM attach_owned.relation::oid THEN
			RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
				MESSAGE = format('permission denied to attach table %s to flow "%s"', relation, flow),
				DETAIL = 'The flow knows leads of another table.',
				HINT = 'A member of leadroute_admin may, or a superuser. Or attach the table to a flow of its own.';
		END IF;
	END IF;

	SELECT f.* INTO fault FROM leadroute.column_faults(relation, columns, flow_column) f LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = fault.code, MESSAGE = fault.problem, DETAIL = coalesce(fault.detail, ''), HINT = coalesce(fault.hint, '');
	END IF;

	INSERT INTO leadroute.flows (flow) VALUES (attach_owned.flow) ON CONFLICT DO NOTHING;
	INSERT INTO leadroute.attachments AS a (flow, table_schema, table_name, key_column, flow_column, columns)
		VALUES (attach_owned.flow, leads.nspname, leads.relname, leadroute.find_key(relation, columns), attach_owned.flow_column, attach_owned.columns)
		ON CONFLICT ON CONSTRAINT attachments_pkey DO UPDATE
			SET table_schema = EXCLUDED.table_schema, table_name = EXCLUDED.table_name, relation = EXCLUDED.relation,
				key_column = EXCLUDED.key_column, flow_column = EXCLUDED.flow_column, columns = EXCLUDED.columns,
				status = 'attached', problem = NULL
		RETURNING a.* INTO attachment;
	faults := leadroute.side_faults(attachment);
	IF faults IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('table %s does not answer all sides of the territories of flow "%s"', relation, flow),
			DETAIL = faults,
			HINT = 'Map the columns with columns => ''{"region": "…"}'', or change the territories first.';
	END IF;

	/* places that were written before their columns were known; the trigger of territories writes the codes */
	SELECT string_agg(format('Map "%s" of flow "%s", territory "%s": %s. %s', u.map, u.flow, u.territory, u.problem, coalesce(u.hint, '')), E'\n' ORDER BY u.flow, u.map, u.territory) INTO faults
	FROM leadroute.uncoded_territories(attachment) u WHERE u.problem IS NOT NULL;
	IF faults IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('territories of flow "%s" name places that nobody knows', flow),
			DETAIL = faults,
			HINT = 'Change the territories first, or map the column to none: columns => ''{"region": null}''.';
	END IF;
	FOR uncoded IN SELECT u.flow, u.map, u.territory, u.during, u.codes FROM leadroute.uncoded_territories(attachment) u ORDER BY 1, 2, 3, 4 LOOP
		UPDATE leadroute.territories t SET area = t.area
		WHERE t.flow = uncoded.flow AND t.map = uncoded.map AND t.territory = uncoded.territory AND t.during = uncoded.during
			AND t.area OPERATOR(leadroute.<>) uncoded.codes;
		IF NOT FOUND THEN
			alone := alone || format('"%s" of map "%s"', uncoded.territory, uncoded.map);
		END IF;
	END LOOP;
	IF alone <> '{}' THEN
		RAISE WARNING USING
			MESSAGE = CASE cardinality(alone) WHEN 1 THEN format('territory %s constrains the region and not the country', alone[1])
					  ELSE format('%s territories constrain the region and not the country', cardinality(alone)) END,
			DETAIL = CASE WHEN cardinality(alone) > 1 THEN format('They are %s%s.', array_to_string(alone[1:5], ', '), CASE WHEN cardinality(alone) > 5 THEN ' and others' ELSE '' END)
					 ELSE 'A region''s code is one of its country''s: "ca" is in several.' END,
			HINT = 'Constrain the country too: "country: us; region: ca".';
	END IF;

	unguarded := again AND (SELECT count(*) FROM leadroute.our_triggers(relation) t WHERE t.tgenabled = 'A') < 5;
	PERFORM leadroute.put_triggers(relation, attachment);

	/* what the caller should know */
	SELECT string_agg(c.canonical, ', ') INTO missing
	FROM leadroute.canonical_columns() c
	WHERE c.direction = 'input' AND attach_owned.columns->c.canonical IS NULL
		AND NOT EXISTS (SELECT FROM pg_attribute a
						WHERE a.attrelid = relation AND a.attname = c.canonical AND a.attnum > 0 AND NOT a.attisdropped);
	likely := leadroute.likely_columns(relation, columns);
	IF missing IS NOT NULL OR likely IS NOT NULL THEN
		RAISE NOTICE USING MESSAGE = format('table %s has no column named %s', relation, coalesce(missing, (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(likely) k))),
			HINT = CASE WHEN likely IS NULL THEN 'All are optional; map those that are named otherwise with columns => ''{"email": "…"}''.'
						ELSE format('Likely: SELECT leadroute.attach(%L, flow => %L, columns => %L).', relation, flow, columns || likely) END;
	END IF;
	FOR behind IN
		SELECT t.tgname FROM pg_trigger t
		WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
			AND t.tgname::text COLLATE "C" > 'zzz_leadroute'
		ORDER BY 1
	LOOP
		RAISE WARNING USING MESSAGE = format('trigger "%s" of table %s fires after leadroute''s and may change what was decided on', behind, relation),
			HINT = 'Triggers fire in the order of their names: rename it to sort before "zzz_leadroute".';
	END LOOP;

	SELECT string_agg(i.inhrelid::regclass::text, ', ' ORDER BY i.inhrelid::regclass::text) INTO heirs
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent AND c.relkind = 'r'
	WHERE i.inhparent = relation;
	IF heirs IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('rows of tables that inherit from %s are not routed', relation),
			DETAIL = format('They are %s: triggers are not inherited but by partitions.', heirs),
			HINT = 'Attach each that leads are written to, to a flow of its own, or make them partitions.';
	END IF;
	FOR setter IN
		SELECT k.conname, a.attname, k.confrelid::regclass AS referenced,
			CASE WHEN k.confdeltype IN ('n', 'd') THEN 'DELETE' ELSE 'UPDATE' END AS event,
			CASE WHEN CASE WHEN k.confdeltype IN ('n', 'd') THEN k.confdeltype ELSE k.confupdtype END = 'n' THEN 'NULL' ELSE 'DEFAULT' END AS value
		FROM pg_constraint k
			JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = leadroute.mapped_column(columns, 'owner')
		WHERE k.conrelid = relation AND k.contype = 'f'
			AND (k.confdeltype IN ('n', 'd') AND a.attnum = ANY (coalesce(k.confdelsetcols, k.conkey)) OR k.confupdtype IN ('n', 'd') AND a.attnum = ANY (k.conkey))
		ORDER BY 1
	LOOP
		RAISE WARNING USING MESSAGE = format('foreign key "%s" of table %s is ON %s SET %s, but leadroute puts the owner back', setter.conname, relation, setter.event, setter.value),
			DETAIL = format('An owner that is blanked is no hand''s decision: column "%s" would go on naming a row of %s that is not there.', setter.attname, setter.referenced),
			HINT = format('Use ON %s RESTRICT, and give the leads to somebody else first.', setter.event);
	END LOOP;
	PERFORM leadroute.warn_of_policy(relation, f.duplicate_policy, attachment.key_column) FROM leadroute.flows f WHERE f.flow = attach_owned.flow;

	standing := leadroute.rows_standing(relation);
	/* nothing stands there, and put_triggers' lock lets nothing in before they do: there is nothing to catch up with */
	IF standing.exact AND standing.rows = 0 THEN
		UPDATE leadroute.attachments a SET caught_up_at = coalesce(a.caught_up_at, clock_timestamp()) WHERE a.flow = attach_owned.flow;
	END IF;
	/* rows may have come that no trigger saw */
	IF unguarded AND standing.rows > 0 THEN
		UPDATE leadroute.attachments a SET replaced_at = clock_timestamp() WHERE a.flow = attach_owned.flow;
	END IF;
	SELECT f.active INTO is_active FROM leadroute.flows f WHERE f.flow = attach_owned.flow;
	RETURN format('%s %s to flow "%s", key "%s"; %s. ', CASE WHEN again THEN 'attached again:' ELSE 'attached' END, relation, flow, attachment.key_column,
				  CASE WHEN standing.rows = 0 THEN 'no row stands there'
					   ELSE format('%s%s row%s there', CASE WHEN standing.exact THEN '' ELSE 'about ' END, standing.rows,
								   CASE standing.rows WHEN 1 THEN ' stands' ELSE 's stand' END) END)
		|| concat_ws(' ', 'Next:',
			CASE WHEN is_active THEN NULL ELSE format('configure the flow, then SELECT leadroute.activate(%L);', flow) END,
			CASE WHEN standing.rows = 0 THEN format('insert leads.')
				 ELSE format('CALL leadroute.catch_up(%L) records the rows that stand there.', relation) END);
END
$$;
COMMENT ON FUNCTION leadroute.attach_owned(regclass, text, jsonb, name) IS 'Does the work of attach() once the caller is known to own the table.';

CREATE FUNCTION leadroute.detach_owned(relation regclass) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	taken		integer;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a
	WHERE leadroute.attachment_table(a) = detach_owned.relation OR a.relation = detach_owned.relation
	ORDER BY leadroute.attachment_table(a) = detach_owned.relation DESC NULLS LAST
	LIMIT 1;
	taken := leadroute.take_triggers(relation);
	IF attachment.flow IS NULL AND taken = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('table %s is not attached', relation),
			HINT = 'leadroute.attachments lists those that are.';
	END IF;
	DELETE FROM leadroute.attachments a WHERE a.flow = attachment.flow;
	DELETE FROM leadroute.catch_ups c WHERE c.flow = attachment.flow;
	RETURN format('detached %s; its rows and what leadroute knows about its leads stay', relation);
END
$$;
COMMENT ON FUNCTION leadroute.detach_owned(regclass) IS 'Does the work of detach() once the caller is known to own the table.';

/* detach() needs the table; where it was dropped for good, its flow is what is left of it. */
CREATE FUNCTION leadroute.forget_table(flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	name		text;
	standing	regclass;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE a.flow = forget_table.flow;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('flow "%s" has no leads table', flow),
			HINT = 'leadroute.attachments lists those that are attached.';
	END IF;
	name := format('%I.%I', attachment.table_schema, attachment.table_name);
	standing := coalesce(leadroute.attachment_table(attachment), (SELECT c.oid::regclass FROM pg_class c WHERE c.oid = attachment.relation));
	IF standing IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_in_use', MESSAGE = format('table %s of flow "%s" is there', name, flow),
			DETAIL = CASE WHEN leadroute.attachment_table(attachment) IS NULL THEN format('It is called %s now.', standing) ELSE '' END,
			HINT = format('Take the triggers off: SELECT leadroute.detach(%L).', standing);
	END IF;
	DELETE FROM leadroute.attachments a WHERE a.flow = attachment.flow;
	DELETE FROM leadroute.catch_ups c WHERE c.flow = attachment.flow;
	RETURN format('flow "%s" waits for table %s no more; what leadroute knows about its leads stays', flow, name);
END
$$;
REVOKE ALL ON FUNCTION leadroute.forget_table(text) FROM PUBLIC;
COMMENT ON FUNCTION leadroute.forget_table(text) IS
	'Ends the attachment of a flow whose leads table was dropped and comes no more: what detach() does for a table that is there.';

/* A table to start from: every canonical column, in the types that fit. SECURITY INVOKER: it is the caller's. */
CREATE FUNCTION leadroute.create_leads_table(name text) RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	parts	text[] := parse_ident(name);
BEGIN
	IF cardinality(parts) <> 2 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = format('"%s" does not name a schema and a table', name),
			HINT = 'SELECT leadroute.create_leads_table(''public.leads'').';
	END IF;
	EXECUTE format($table$
		CREATE TABLE %I.%I (
			id				bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
			email			text,
			phone			text,
			first_name		text,
			last_name		text,
			company			text,
			website			text,
			title			text,
			country			text,
			region			text,
			postal_code		text,
			industry		text,
			employees		integer,
			annual_revenue	numeric,
			language		text,
			product			text,
			source			text,
			intent			text,
			value			numeric,
			consent			boolean,
			submitted_at	timestamptz DEFAULT now(),
			owner			text,
			team			text,
			territory		text,
			account			text,
			score			numeric,
			fit				numeric,
			engagement		numeric,
			grade			text,
			stage			text,
			duplicate_of	text,
			sla_due_at		timestamptz,
			routed_at		timestamptz,
			route_reason	text
		)$table$, parts[1], parts[2]);
	RETURN format('%I.%I', parts[1], parts[2])::regclass;
END
$$;
COMMENT ON FUNCTION leadroute.create_leads_table(text) IS 'Creates a leads table with every column that leadroute knows, owned by the caller; attach() it then.';

/*
 * Loaders drop a table and rename another into its place. What bears an attached name now gets the
 * triggers, where it is another table than the one they were put on: a restore creates the table
 * before or after the attachment's row comes, which takes the OID of what is there, and then brings
 * the triggers itself, so nothing is done for a table that is only not complete yet.
 * Whatever fails is a WARNING: this stands in the way of everybody's DDL.
 */
CREATE FUNCTION leadroute.follow_names() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments;
	found		regclass;
	problems	text;
	cause		text;
BEGIN
	FOR attachment IN
		SELECT a.* FROM leadroute.attachments a
		WHERE leadroute.attachment_table(a) IS NOT NULL
			AND (leadroute.attachment_table(a) IS DISTINCT FROM a.relation
				 OR EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d
							WHERE d.classid = 'pg_class'::regclass AND d.objid = a.relation AND d.command_tag = 'ALTER TABLE'))
	LOOP
		found := leadroute.attachment_table(attachment);
		BEGIN
			problems := leadroute.fit_problem(found, attachment);
			IF found IS DISTINCT FROM attachment.relation THEN
				/* the one that bore the name before is no leads table any more */
				IF EXISTS (SELECT FROM pg_class c WHERE c.oid = attachment.relation AND c.relkind IN ('r', 'p')) THEN
					BEGIN
						PERFORM leadroute.take_triggers(attachment.relation, 20);
					EXCEPTION WHEN OTHERS THEN
						RAISE WARNING USING MESSAGE = format('could not take leadroute''s triggers off table %s, which is no leads table any more', attachment.relation::regclass),
							DETAIL = SQLERRM,
							HINT = format('Leads written there are still routed. Run SELECT leadroute.detach(%L).', attachment.relation::regclass);
					END;
				END IF;
				UPDATE leadroute.attachments a
					SET relation = found, refreshed_at = clock_timestamp(), replaced_at = clock_timestamp(), problem = problems,
						status = CASE WHEN problems IS NULL THEN 'attached' ELSE 'broken' END
					WHERE a.flow = attachment.flow
					RETURNING a.* INTO attachment;
				IF problems IS NULL THEN
					PERFORM leadroute.put_triggers(found, attachment, 20);
				END IF;
			ELSIF problems IS DISTINCT FROM attachment.problem THEN
				UPDATE leadroute.attachments a
					SET problem = problems, status = CASE WHEN problems IS NULL THEN 'attached' ELSE 'broken' END
					WHERE a.flow = attachment.flow
					RETURNING a.* INTO attachment;
				IF problems IS NULL THEN
					PERFORM leadroute.put_triggers(found, attachment, 20);
				END IF;
			ELSE
				CONTINUE;
			END IF;
			IF problems IS NOT NULL THEN
				RAISE WARNING USING MESSAGE = format('leads of flow "%s" are not routed: table %s does not fit its attachment', attachment.flow, found),
					DETAIL = problems,
					HINT = format('Change the table, or attach it again: SELECT leadroute.attach(%L, flow => %L, columns => …).', found, attachment.flow);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			cause := SQLERRM;
			RAISE WARNING USING MESSAGE = format('leads of flow "%s" are not routed: could not put triggers on table %s', attachment.flow, found),
				DETAIL = cause,
				HINT = format('Attach it again: SELECT leadroute.attach(%L, flow => %L, columns => …).', found, attachment.flow);
			UPDATE leadroute.attachments a
				SET relation = found, refreshed_at = clock_timestamp(), replaced_at = clock_timestamp(), problem = cause, status = 'broken'
				WHERE a.flow = attachment.flow;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.follow_names() IS 'Does the work of table_replaced().';

/*
 * Partitions come and go without a word to row triggers. Rows that stand in one when it is attached are catch_up()'s to record; leads of one that is
 * detached or dropped are gone, which the sweep finds out. That one was detached, no catalog tells afterwards: any ALTER TABLE has it look.
 */
CREATE FUNCTION leadroute.follow_partitions() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments;
	leaf		regclass;
	came		boolean;
	stands		boolean;
BEGIN
	FOR attachment IN
		SELECT a.* FROM leadroute.attachments a JOIN pg_class c ON c.oid = a.relation AND c.relkind = 'p'
		WHERE a.status = 'attached' AND leadroute.attachment_table(a) = a.relation
			AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d JOIN pg_partition_tree(a.relation) p ON p.relid = d.objid
						WHERE d.classid = 'pg_class'::regclass AND d.command_tag = 'ALTER TABLE')
			/* not what attach() itself does */
			AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = a.relation AND t.tgname = 'zzz_leadroute' AND age(t.xmin) > age(pg_current_xact_id()::xid))
	LOOP
		/* triggers that are as young as this transaction came with their partition */
		came := false;
		FOR leaf IN
			SELECT p.relid FROM pg_partition_tree(attachment.relation) p JOIN pg_class c ON c.oid = p.relid AND c.relkind = 'r'
				JOIN pg_trigger t ON t.tgrelid = p.relid AND t.tgname = 'zzz_leadroute'
			WHERE age(t.xmin) <= age(pg_current_xact_id()::xid)
		LOOP
			EXECUTE format('SELECT EXISTS (SELECT FROM %s)', leaf) INTO stands;
			came := came OR stands;
		END LOOP;
		UPDATE leadroute.attachments a
			SET refreshed_at = clock_timestamp(), replaced_at = CASE WHEN came THEN clock_timestamp() ELSE a.replaced_at END
			WHERE a.flow = attachment.flow;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION leadroute.follow_partitions() FROM PUBLIC;
COMMENT ON FUNCTION leadroute.follow_partitions() IS 'Part of table_replaced(): has the sweep look for leads of a partition that was detached, and health name one that was attached with rows.';

/* A function of its own: even compiling the other one takes locks, which must not fail outside of this block. */
CREATE FUNCTION leadroute.table_replaced() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	/* a table of ours: with its triggers off, rows are written that nobody hears of */
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.schema_name = 'leadroute' AND d.command_tag = 'ALTER TABLE') THEN
		PERFORM leadroute.forget_configuration();
	END IF;
	BEGIN
		PERFORM leadroute.follow_names();
		PERFORM leadroute.follow_partitions();
		PERFORM leadroute.follow_account_names();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING MESSAGE = 'leadroute could not look whether a leads table was replaced', DETAIL = SQLERRM,
			HINT = 'leadroute.health shows whether the triggers stand.';
	END;
END
$$;
COMMENT ON FUNCTION leadroute.table_replaced() IS 'Event trigger: puts the triggers on another table that takes an attached one''s name; marks the attachment broken where the columns do not fit.';

CREATE FUNCTION leadroute.partition_dropped() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'trigger' AND d.address_names[3] = 'zzz_leadroute') THEN
		UPDATE leadroute.attachments a SET refreshed_at = clock_timestamp()
		FROM pg_class c WHERE c.oid = a.relation AND c.relkind = 'p' AND a.status = 'attached';
	END IF;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING USING MESSAGE = 'leadroute could not look whether a partition of a leads table was dropped', DETAIL = SQLERRM,
		HINT = 'Leads that went with one stay open in leadroute.lead_states.';
END
$$;
COMMENT ON FUNCTION leadroute.partition_dropped() IS 'Event trigger: has the sweep look for leads that went with a partition of their table.';

CREATE EVENT TRIGGER leadroute_partition_dropped ON sql_drop
	WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION leadroute.partition_dropped();
ALTER EVENT TRIGGER leadroute_partition_dropped ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER leadroute_partition_dropped IS 'Notices that a partition of a leads table was dropped, with its leads.';

/* Whether a table still fits what was attached, in one text; NULL where it does. */
CREATE FUNCTION leadroute.fit_problem(relation regclass, attachment leadroute.attachments) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	problems	text;
BEGIN
	IF (SELECT c.relkind NOT IN ('r', 'p') FROM pg_class c WHERE c.oid = relation) THEN
		RETURN format('%s is not a table', relation);
	END IF;
	/* the key was found once; from then on it is that column */
	SELECT string_agg(f.problem, '; ') INTO problems
	FROM leadroute.column_faults(relation, attachment.columns || jsonb_build_object('key', attachment.key_column), attachment.flow_column) f;
	RETURN coalesce(problems, leadroute.side_faults(attachment));
END
$$;
COMMENT ON FUNCTION leadroute.fit_problem(regclass, leadroute.attachments) IS 'Why a table does not fit its attachment; NULL where it does.';

CREATE EVENT TRIGGER leadroute_table_replaced ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'ALTER SCHEMA', 'CREATE SCHEMA')
	EXECUTE FUNCTION leadroute.table_replaced();
ALTER EVENT TRIGGER leadroute_table_replaced ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER leadroute_table_replaced IS 'Keeps leadroute''s triggers on whatever bears an attached table''s name.';
