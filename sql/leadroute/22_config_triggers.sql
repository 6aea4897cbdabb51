/*
 * What happens when a configuration row changes:
 *	- every session's compiled configuration is dropped (config_changed, C; ENABLE ALWAYS, so that it
 *	  fires on replication apply too);
 *	- the change is kept in config_changes (not on replicas: there the rows of the origin arrive);
 *	- what can be judged from the row and the leads table alone is judged at once: conditions, sides, zones;
 *	- what needs other rows is judged at commit, once a flow: a statement trigger leaves a row in
 *	  pending_checks, whose deferred constraint trigger calls check_flow().
 * A restore brings rows in any order and sets check_function_bodies off, as pg_dump does: then nothing
 * is judged at once, as for the bodies of functions, and flows.checked is false until a check passes.
 */

/* The column that stands for a canonical name; NULL where "columns" says JSON null: none. */
CREATE FUNCTION leadroute.mapped_column(columns jsonb, canonical text) RETURNS name
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE
			WHEN columns->canonical IS NULL THEN canonical
			WHEN jsonb_typeof(columns->canonical) = 'object' THEN columns->canonical->>'column'
			ELSE columns->>canonical
		END::name
$$;
COMMENT ON FUNCTION leadroute.mapped_column(jsonb, text) IS
	'The column of a leads table that stands for a canonical name: the one that "columns" maps, else the one of that name. NULL where it is mapped to JSON null: none.';

/* Canonical names: what they are called in "columns", and what kind of value goes in or out. */
CREATE FUNCTION leadroute.canonical_columns(OUT canonical text, OUT direction text, OUT kind text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c, 'input', CASE c WHEN 'submitted_at' THEN 'time' ELSE 'any' END
	FROM unnest('{email,phone,first_name,last_name,company,website,title,country,region,postal_code,industry,employees,annual_revenue,language,product,source,intent,value,consent,submitted_at}'::text[]) c
	UNION ALL
	SELECT c, 'output', CASE WHEN c IN ('score', 'fit', 'engagement') THEN 'number' WHEN c IN ('sla_due_at', 'routed_at') THEN 'time' ELSE 'text' END
	FROM unnest('{owner,team,territory,account,score,fit,engagement,grade,stage,duplicate_of,sla_due_at,routed_at,route_reason}'::text[]) c
	UNION ALL
	VALUES ('key', 'special', 'any'), ('external_id', 'special', 'any'), ('deleted', 'special', 'flag'), ('birth_date', 'special', 'any'), ('city', 'special', 'any'), ('closed_at', 'special', 'time'), ('name', 'special', 'any'), ('first_touch_at', 'special', 'time')
$$;
COMMENT ON FUNCTION leadroute.canonical_columns() IS
	'The names that leadroute knows columns of a leads table by; the keys of attachments.columns.';

/* The table that serves a flow: its own attachment's, else one whose rows name their flow. NULL where there is none now. */
CREATE FUNCTION leadroute.flow_attachment(flow text) RETURNS leadroute.attachments
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT a
	FROM leadroute.attachments a
	WHERE a.flow = flow_attachment.flow OR a.flow_column IS NOT NULL
	ORDER BY (a.flow = flow_attachment.flow) DESC, a.flow
	LIMIT 1
$$;
COMMENT ON FUNCTION leadroute.flow_attachment(text) IS
	'The attachment whose table serves a flow: the flow''s own, else one whose rows name their flow.';

/* With the owner's rights: who asks for the health of a flow may have none in the schema of its table. */
CREATE FUNCTION leadroute.table_named(in_schema text, in_name text) RETURNS regclass
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT CASE WHEN in_name IS NOT NULL THEN to_regclass(format('%I.%I', in_schema, in_name)) END $$;
COMMENT ON FUNCTION leadroute.table_named(text, text) IS 'Internal: the table of this name; NULL where there is none.';

CREATE FUNCTION leadroute.attachment_table(attachment leadroute.attachments) RETURNS regclass
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT leadroute.table_named((attachment).table_schema, (attachment).table_name) $$;
COMMENT ON FUNCTION leadroute.attachment_table(leadroute.attachments) IS
	'The table that bears an attachment''s name now; NULL where none does.';

CREATE FUNCTION leadroute.flow_table(flow text) RETURNS regclass
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT leadroute.attachment_table(leadroute.flow_attachment(flow))
$$;
COMMENT ON FUNCTION leadroute.flow_table(text) IS 'The leads table of a flow; NULL where none is attached or it is not there now.';

/* Label or number: what the canonical text of a side says. */
CREATE FUNCTION leadroute.side_kind(area leadroute.territory, side text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_territory_side_kind';
COMMENT ON FUNCTION leadroute.side_kind(leadroute.territory, text) IS 'Whether a side of a territory is made of labels or of numbers.';

/* The column of a table that answers a side, and its kind; NULL where none does. */
CREATE FUNCTION leadroute.side_column(attachment leadroute.attachments, side text, OUT attname name, OUT kind text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT a.attname,
		CASE WHEN coalesce(nullif(t.typbasetype, 0), t.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
																'numeric'::regtype, 'float4'::regtype, 'float8'::regtype)
			 THEN 'number' ELSE 'label' END
	FROM pg_attribute a
		JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = leadroute.attachment_table(attachment)
		AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		AND (a.attname = leadroute.mapped_column((attachment).columns, side) OR lower(a.attname::text) = lower(side))
	ORDER BY (a.attname = leadroute.mapped_column((attachment).columns, side)) DESC, (a.attname = side::name) DESC, a.attname
	LIMIT 1
$$;
COMMENT ON FUNCTION leadroute.side_column(leadroute.attachments, text) IS
	'The column of the leads table that a side constrains, by its canonical or its real name, and whether it holds labels or numbers.';

/* What is wrong with a side on a table; NULL where nothing is. */
CREATE FUNCTION leadroute.side_problem(attachment leadroute.attachments, side text, kind text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	answer	record;
BEGIN
	IF leadroute.attachment_table(attachment) IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT c.attname, c.kind INTO answer FROM leadroute.side_column(attachment, side) c;
	IF answer.attname IS NULL THEN
		RETURN CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = leadroute.attachment_table(attachment) AND a.attname = side AND a.attgenerated <> '')
				THEN format('side "%s": column "%s" is generated, and NULL until the lead was routed', side, side)
				ELSE format('side "%s": table %I.%I has no such column', side, attachment.table_schema, attachment.table_name) END;
	ELSIF answer.kind = 'number' AND kind = 'label' THEN
		RETURN format('side "%s" is made of labels, but column "%s" holds numbers', side, answer.attname);
	ELSIF answer.kind = 'label' AND kind = 'number' THEN
		RETURN format('side "%s" is made of numbers, but column "%s" holds labels', side, answer.attname);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.side_problem(leadroute.attachments, text, text) IS
	'What is wrong with a side, of labels or numbers, on the table of an attachment; NULL where nothing is, or the table is not there.';

/* Whether a side is a place, whose labels are codes. */
CREATE FUNCTION leadroute.side_place(attachment leadroute.attachments, side text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c
	FROM unnest('{country,region,postal_code}'::text[]) c
	WHERE (attachment).flow IS NOT NULL
		AND coalesce((leadroute.side_column(attachment, side)).attname, leadroute.mapped_column((attachment).columns, side)) = leadroute.mapped_column((attachment).columns, c)
	LIMIT 1
$$;
COMMENT ON FUNCTION leadroute.side_place(leadroute.attachments, text) IS
	'Which of country, region and postal_code a side''s column is, by the mapping of an attachment; NULL where it is none of them, or there is no attachment.';

CREATE FUNCTION leadroute.place_codes(area leadroute.territory, sides text[], places text[], default_country text,
	OUT codes leadroute.territory, OUT problem text, OUT hint text, OUT region_alone boolean)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_territory_codes_sql';
COMMENT ON FUNCTION leadroute.place_codes(leadroute.territory, text[], text[], text) IS
	'A territory whose places are codes: each of "sides" is a country, region or postal_code as "places" says. Regions are read in the countries that it constrains, else where their name has one code only, else in the default country. A problem instead where a place is not known, with the nearest code as a hint; region_alone: it constrains a region and no country.';

/* A restore says so as pg_dump does. */
CREATE FUNCTION leadroute.restoring() RETURNS boolean
LANGUAGE sql STABLE
RETURN NOT pg_catalog.current_setting('check_function_bodies')::pg_catalog.bool;
COMMENT ON FUNCTION leadroute.restoring() IS 'Whether rows come from a dump: what they say is taken as it is, as the bodies of functions are.';

/* The jobs of a restore look one after the other: whoever is last sees what all of them brought. */
CREATE FUNCTION leadroute.lock_restore() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT pg_advisory_xact_lock('pg_class'::regclass::oid::integer, 'leadroute.flows'::regclass::oid::integer) $$;
COMMENT ON FUNCTION leadroute.lock_restore() IS 'Waits until no other job of a restore is between its look at the configuration and its commit.';

/* --- what a row and the leads table can tell --- */

CREATE FUNCTION leadroute.flow_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.checked := false;
	END IF;
	IF NOT leadroute.restoring() THEN
		PERFORM leadroute.check_zone(NEW.timezone);
		IF NEW.default_country IS NOT NULL AND leadroute.country_code(NEW.default_country) IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('country "%s" is not known', NEW.default_country),
				HINT = 'Give its ISO 3166-1 code, as "us", or its name.',
				SCHEMA = 'leadroute', TABLE = 'flows', COLUMN = 'default_country';
		END IF;
		NEW.default_country := leadroute.country_code(NEW.default_country);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.flow_written() IS 'Trigger on flows: a new flow is unchecked; its zone and country must be ones.';
CREATE TRIGGER flow_written BEFORE INSERT ON leadroute.flows
	FOR EACH ROW EXECUTE FUNCTION leadroute.flow_written();
CREATE TRIGGER flow_written_update BEFORE UPDATE OF timezone, default_country ON leadroute.flows
	FOR EACH ROW EXECUTE FUNCTION leadroute.flow_written();
ALTER TABLE leadroute.flows ENABLE ALWAYS TRIGGER flow_written;

/* What a flow's row says of the leads' rows, by column. */
CREATE FUNCTION leadroute.flow_conditions(subject leadroute.flows, OUT name text, OUT condition text, OUT type regtype) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT c.name, c.condition, c.type
	FROM (VALUES ('closed_when', (subject).closed_when, 'boolean'::regtype), ('won_when', (subject).won_when, 'boolean'),
				 ('route_when', (subject).route_when, 'boolean'), ('touched_when', (subject).touched_when, 'boolean'), ('mask_when', (subject).mask_when, 'boolean'), ('priority', (subject).priority, 'double precision'),
				 ('segment', (subject).segment, 'text'), ('intent', (subject).intent, 'text')) c(name, condition, type)
	WHERE c.condition IS NOT NULL
$$;
COMMENT ON FUNCTION leadroute.flow_conditions(leadroute.flows) IS 'The expressions over a lead''s row that a flow has, with the columns of leadroute.flows that hold them and the type that each must give.';

CREATE FUNCTION leadroute.flow_conditions_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	leads	regclass;
BEGIN
	IF NOT leadroute.restoring() THEN
		leads := leadroute.flow_table(NEW.flow);
		IF leads IS NOT NULL THEN
			PERFORM leadroute.check_expression(c.condition, leads, c.type, NEW.flow) FROM leadroute.flow_conditions(NEW) c;
		END IF;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.flow_conditions_written() IS 'Trigger on flows: the conditions are parsed and type-checked where the flow''s leads table is there.';
CREATE TRIGGER flow_written_conditions BEFORE INSERT OR UPDATE OF closed_when, won_when, route_when, touched_when, mask_when, priority, segment, intent ON leadroute.flows
	FOR EACH ROW EXECUTE FUNCTION leadroute.flow_conditions_written();

/* Arguments: a column of the row and the type its expression gives, and so on. */
CREATE FUNCTION leadroute.expressions_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	leads	regclass := leadroute.flow_table(NEW.flow);
	written	jsonb;
BEGIN
	IF leads IS NOT NULL AND NOT leadroute.restoring() THEN
		written := to_jsonb(NEW);
		FOR i IN 0 .. TG_NARGS - 1 BY 2 LOOP
			PERFORM leadroute.check_expression(written->>TG_ARGV[i], leads, TG_ARGV[i + 1]::regtype, NEW.flow);
		END LOOP;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.expressions_written() IS 'Trigger on configuration: the expressions over a lead''s row are parsed and type-checked where the flow''s leads table is there.';
CREATE TRIGGER rule_written BEFORE INSERT OR UPDATE OF condition, hold_until, reroute_when, skills, flow ON leadroute.rules
	FOR EACH ROW WHEN (num_nonnulls(NEW.condition, NEW.hold_until, NEW.reroute_when, NEW.skills) > 0)
	EXECUTE FUNCTION leadroute.expressions_written('condition', 'boolean', 'hold_until', 'boolean', 'reroute_when', 'boolean', 'skills', 'text[]');
CREATE TRIGGER sla_policy_written BEFORE INSERT OR UPDATE OF condition, success, flow ON leadroute.sla_policies
	FOR EACH ROW WHEN (num_nonnulls(NEW.condition, NEW.success) > 0)
	EXECUTE FUNCTION leadroute.expressions_written('condition', 'boolean', 'success', 'boolean');
CREATE TRIGGER stage_written BEFORE INSERT OR UPDATE OF entry_condition, flow ON leadroute.stages
	FOR EACH ROW WHEN (NEW.entry_condition IS NOT NULL) EXECUTE FUNCTION leadroute.expressions_written('entry_condition', 'boolean');
CREATE TRIGGER criterion_written BEFORE INSERT OR UPDATE OF condition, flow ON leadroute.scoring_criteria
	FOR EACH ROW WHEN (NEW.condition IS NOT NULL) EXECUTE FUNCTION leadroute.expressions_written('condition', 'boolean');

CREATE FUNCTION leadroute.criterion_of_itself() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	own		text[] := regexp_match(regexp_replace(NEW.condition, '''[^'']*''', '''''', 'g'), '\mfacts\s*\.\s*"?(score|fit|engagement|grade)\M');
BEGIN
	IF own IS NOT NULL AND NOT leadroute.restoring() THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_column_reference',
			MESSAGE = format('criterion cannot reference facts.%s', own[1]),
			DETAIL = 'It is made of the criteria.',
			HINT = 'Let it read the lead''s columns, facts.signals or another fact.',
			SCHEMA = 'leadroute', TABLE = 'scoring_criteria', COLUMN = 'condition';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.criterion_of_itself() IS 'Trigger on scoring_criteria: a condition must not read what the criteria make.';
CREATE TRIGGER criterion_of_itself BEFORE INSERT OR UPDATE OF condition ON leadroute.scoring_criteria
	FOR EACH ROW WHEN (NEW.condition IS NOT NULL) EXECUTE FUNCTION leadroute.criterion_of_itself();

CREATE FUNCTION leadroute.signal_type_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	NEW.effect := CASE WHEN NEW.signal_type = 'hard_bounce' THEN 'no_scoring'
					   WHEN NEW.signal_type IN ('unsubscribe', 'unsubscribed') THEN 'no_consent'
					   WHEN NEW.signal_type = 'spam_complaint' THEN 'no_outreach'
					   ELSE 'none' END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.signal_type_written() IS 'Trigger on signal_types: a row that says no effect has the usual one of its name.';
CREATE TRIGGER signal_type_written BEFORE INSERT ON leadroute.signal_types
	FOR EACH ROW WHEN (NEW.effect IS NULL) EXECUTE FUNCTION leadroute.signal_type_written();

CREATE FUNCTION leadroute.territory_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments;
	side		record;
	problem		text;
	coded		record;
	as_is		boolean := leadroute.restoring() OR current_setting('session_replication_role') = 'replica';
BEGIN
	/* unless, as usual, all its sides are known, with their kinds */
	IF EXISTS (SELECT FROM leadroute.sides(NEW.area) s
			   WHERE NOT EXISTS (SELECT FROM leadroute.territory_sides t
								 WHERE t.flow = NEW.flow AND t.map = NEW.map AND t.side = s
									AND t.kind = leadroute.side_kind(NEW.area, s))) THEN
		attachment := leadroute.flow_attachment(NEW.flow);
		FOR side IN SELECT s AS name, leadroute.side_kind(NEW.area, s) AS kind FROM leadroute.sides(NEW.area) s LOOP
			problem := leadroute.side_problem(attachment, side.name, side.kind);
			IF problem IS NOT NULL AND NOT as_is THEN
				RAISE EXCEPTION USING
					ERRCODE = CASE WHEN problem LIKE '%no such column' THEN 'undefined_column' WHEN problem LIKE '%is generated, %' THEN 'invalid_column_reference' ELSE 'datatype_mismatch' END,
					MESSAGE = problem,
					DETAIL = format('Territory "%s" of map "%s" is %s.', NEW.territory, NEW.map, NEW.area),
					HINT = CASE WHEN problem LIKE '%no such column'
								THEN 'A side is named for the column it constrains: by its canonical name, as "country", or the column''s own.'
								WHEN problem LIKE '%is generated, %' THEN 'Constrain the columns that it is made of, or have the source fill a stored one.'
								ELSE 'Bare words are labels, brackets are numbers: "94105" is a label, "[250]" the number.' END,
					SCHEMA = 'leadroute', TABLE = 'territories', COLUMN = 'area';
			END IF;
			UPDATE leadroute.territory_sides t SET kind = side.kind
				WHERE t.flow = NEW.flow AND t.map = NEW.map AND t.side = side.name AND t.kind <> side.kind;
			INSERT INTO leadroute.territory_sides (flow, map, side, kind, place)
				VALUES (NEW.flow, NEW.map, side.name, side.kind, leadroute.side_place(attachment, side.name))
				ON CONFLICT DO NOTHING;
		END LOOP;
	END IF;
	IF as_is THEN
		RETURN NEW;		/* these are codes already */
	END IF;

	SELECT c.* INTO coded
	FROM (SELECT array_agg(t.side) AS sides, array_agg(t.place) AS places
		  FROM leadroute.territory_sides t WHERE t.flow = NEW.flow AND t.map = NEW.map AND t.place IS NOT NULL) k
		CROSS JOIN LATERAL leadroute.place_codes(NEW.area, k.sides, k.places, (SELECT f.default_country FROM leadroute.flows f WHERE f.flow = NEW.flow)) c
	WHERE k.sides IS NOT NULL;
	IF coded.problem IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = coded.problem,
			DETAIL = format('Territory "%s" of map "%s" is %s.', NEW.territory, NEW.map, NEW.area),
			HINT = coalesce(coded.hint, ''),
			SCHEMA = 'leadroute', TABLE = 'territories', COLUMN = 'area';
	ELSIF coded.region_alone THEN
		RAISE WARNING USING MESSAGE = format('territory "%s" of map "%s" constrains the region and not the country', NEW.territory, NEW.map),
			DETAIL = 'A region''s code is one of its country''s: "ca" is in several.',
			HINT = 'Constrain the country too: "country: us; region: ca".';
	END IF;
	NEW.area := coalesce(coded.codes, NEW.area);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.territory_written() IS
	'Trigger on territories: a side must have a column of its kind in the flow''s leads table, where that is there; labels of countries, regions and postal codes become codes; keeps territory_sides.';
/* its name sorts before territories_check_crossing: a side that is misspelt is told first */
CREATE TRIGGER territories_check_area BEFORE INSERT OR UPDATE OF area, flow, map ON leadroute.territories
	FOR EACH ROW EXECUTE FUNCTION leadroute.territory_written();
ALTER TABLE leadroute.territories ENABLE ALWAYS TRIGGER territories_check_area;

/* Which table the attachment means: its OID is never taken from elsewhere, a restore brings another cluster's. */
CREATE FUNCTION leadroute.attachment_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	NEW.relation := leadroute.attachment_table(NEW);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.attachment_written() IS 'Trigger on attachments: notes the OID of the table that bears the name in this database.';
CREATE TRIGGER attachment_written BEFORE INSERT ON leadroute.attachments
	FOR EACH ROW EXECUTE FUNCTION leadroute.attachment_written();
ALTER TABLE leadroute.attachments ENABLE ALWAYS TRIGGER attachment_written;

/* Which sides are places changes with the mapping; labels that stand become codes where attach() asks for it. */
CREATE FUNCTION leadroute.refresh_places() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	UPDATE leadroute.territory_sides s SET place = p.place
	FROM (SELECT t.flow, t.map, t.side, leadroute.side_place(leadroute.flow_attachment(t.flow), t.side) AS place
		  FROM leadroute.territory_sides t) p
	WHERE s.flow = p.flow AND s.map = p.map AND s.side = p.side AND s.place IS DISTINCT FROM p.place
$$;
COMMENT ON FUNCTION leadroute.refresh_places() IS 'Notes in territory_sides which sides are places, by the attachments as they are now.';

CREATE FUNCTION leadroute.attachment_mapped() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	/* the territories may come in another job of a restore: check_at_commit() looks again for who is last */
	IF leadroute.restoring() THEN
		PERFORM leadroute.lock_restore();
	END IF;
	PERFORM leadroute.refresh_places();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.attachment_mapped() IS 'Trigger on attachments: notes which sides of territories are places now.';
CREATE TRIGGER attachment_mapped AFTER INSERT OR DELETE OR UPDATE OF table_schema, table_name, columns, flow_column ON leadroute.attachments
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.attachment_mapped();
ALTER TABLE leadroute.attachments ENABLE ALWAYS TRIGGER attachment_mapped;

/* --- what open leads name stays --- */

/*
 * One trigger for flows, reps, teams, queues: DELETE, TRUNCATE, and an UPDATE of the key. Places are
 * counted in the ledger, leads that wait by their state. A decision that is not committed yet is not
 * seen; it ends with a name that check_flow() reports.
 */
CREATE FUNCTION leadroute.name_in_use() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	kind	text := rtrim(TG_TABLE_NAME, 's');
	gone	jsonb := CASE WHEN TG_LEVEL = 'ROW' THEN to_jsonb(OLD) ELSE '{}' END;
	in_flow	text := gone->>'flow';
	named	text := gone->>kind;
	places	bigint := 0;
	waiting	bigint := 0;
BEGIN
	IF kind = 'flow' AND TG_OP = 'DELETE' AND leadroute.restoring() THEN
		RETURN OLD;		/* row_restored() puts another in its place */
	END IF;
	IF kind IN ('flow', 'rep', 'team') THEN
		SELECT coalesce(sum(s.places), 0) INTO places
		FROM (SELECT greatest(sum(r.open), 0) AS places
			  FROM leadroute.rotation r
			  WHERE (in_flow IS NULL OR r.flow = in_flow)
				AND r.rep <> ''	/* those who wait are counted by their states */
				AND (kind <> 'rep' OR named IS NULL OR r.rep = named)
				AND (kind <> 'team' OR named IS NULL OR r.team = named)
			  GROUP BY r.flow, r.team, r.rep) s;
	END IF;
	IF kind IN ('flow', 'team', 'queue') THEN
		SELECT count(*) INTO waiting
		FROM leadroute.lead_states s
		WHERE s.status = 'waiting'
			AND (in_flow IS NULL OR s.flow = in_flow)
			AND (kind = 'flow' OR named IS NULL
				 OR (kind = 'queue' AND s.queue = named)
				 OR (kind = 'team' AND s.team = named));
	END IF;
	IF places + waiting > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
			MESSAGE = CASE WHEN named IS NULL THEN format('cannot empty table leadroute.%I because open leads name its rows', TG_TABLE_NAME)
						   WHEN TG_OP = 'UPDATE' THEN format('cannot rename %s "%s" because open leads name it', kind, named)
						   ELSE format('cannot delete %s "%s" because open leads name it', kind, named) END,
			DETAIL = concat_ws(' ', CASE WHEN places > 0 THEN format('Open leads with an owner there: %s.', places) END,
									CASE WHEN waiting > 0 THEN format('Leads that wait there: %s.', waiting) END),
			HINT = CASE kind WHEN 'rep' THEN 'Set active to false, or reassign the leads first.'
							 ELSE 'Reassign or close the leads first.' END,
			SCHEMA = 'leadroute', TABLE = TG_TABLE_NAME;
	END IF;
	IF kind = 'flow' THEN
		IF EXISTS (SELECT FROM leadroute.attachments a WHERE named IS NULL OR a.flow = named) THEN
			RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
				MESSAGE = format('cannot delete flow "%s" because a leads table is attached to it', coalesce(named, '*')),
				HINT = 'Detach the table first with leadroute.detach().',
				SCHEMA = 'leadroute', TABLE = TG_TABLE_NAME;
		END IF;
	END IF;
	RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
END
$$;
COMMENT ON FUNCTION leadroute.name_in_use() IS 'Trigger on flows, reps, teams and queues: refuses to delete, rename or truncate what open leads name.';

DO $do$
DECLARE
	relation	text;
	key			text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['flows', 'reps', 'teams', 'queues'] LOOP
		key := pg_catalog.rtrim(relation, 's');
		EXECUTE pg_catalog.format($$
			CREATE TRIGGER name_in_use BEFORE DELETE ON leadroute.%1$I
				FOR EACH ROW EXECUTE FUNCTION leadroute.name_in_use();
			CREATE TRIGGER name_in_use_update BEFORE UPDATE ON leadroute.%1$I
				FOR EACH ROW WHEN (OLD.flow IS DISTINCT FROM NEW.flow OR OLD.%2$I IS DISTINCT FROM NEW.%2$I)
				EXECUTE FUNCTION leadroute.name_in_use();
			CREATE TRIGGER name_in_use_truncate BEFORE TRUNCATE ON leadroute.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION leadroute.name_in_use()$$, relation, key);
	END LOOP;
END
$do$;

/* --- a new flow's match rules --- */

CREATE FUNCTION leadroute.flow_begins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.restoring() AND NOT EXISTS (SELECT FROM leadroute.match_rules m WHERE m.flow = NEW.flow) THEN
		INSERT INTO leadroute.match_rules (flow, rule, position, kinds, action)
			VALUES (NEW.flow, 'external id', 10, '{external_id}', 'act'), (NEW.flow, 'e-mail', 20, '{email}', 'act'),
				   (NEW.flow, 'phone and last name', 30, '{phone,last_name}', 'act'), (NEW.flow, 'phone', 40, '{phone}', 'suggest');
	END IF;
	IF NOT leadroute.restoring() AND NOT EXISTS (SELECT FROM leadroute.touch_kinds k WHERE k.flow = NEW.flow) THEN
		INSERT INTO leadroute.touch_kinds (flow, kind, counts, inbound)
			SELECT NEW.flow, k.kind, k.counts, k.inbound
			FROM (VALUES ('call', true, false), ('call_attempt', true, false), ('voicemail', true, false), ('email', true, false),
						 ('sms', true, false), ('chat', true, false), ('social', true, false), ('visit', true, false), ('meeting_booked', true, false), ('recorded', true, false),
						 ('automatic_email', false, false), ('sequence_email', false, false), ('task', false, false), ('note', false, false),
						 ('reply', false, true), ('inbound_email', false, true), ('inbound_call', false, true)) k(kind, counts, inbound);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.flow_begins() IS 'Trigger on flows: gives a new flow that has no match rules, or no touch kinds, its first ones, which are rows like any others from then on.';
CREATE TRIGGER flow_begins AFTER INSERT ON leadroute.flows FOR EACH ROW EXECUTE FUNCTION leadroute.flow_begins();

/* attach() may have begun the flow that a restore then brings: its rules and kinds give way to those of the dump. */
CREATE FUNCTION leadroute.first_rows_restored() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.restoring() THEN
		EXECUTE format('DELETE FROM leadroute.%I t WHERE t.flow = $1 AND t.xmin <> pg_current_xact_id()::xid', TG_TABLE_NAME) USING NEW.flow;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.first_rows_restored() IS 'Trigger on match_rules and touch_kinds: the rows that a dump brings replace those that their flow had before.';
CREATE TRIGGER match_rule_restored BEFORE INSERT ON leadroute.match_rules
	FOR EACH ROW EXECUTE FUNCTION leadroute.first_rows_restored();
CREATE TRIGGER touch_kind_restored BEFORE INSERT ON leadroute.touch_kinds
	FOR EACH ROW EXECUTE FUNCTION leadroute.first_rows_restored();

CREATE FUNCTION leadroute.sla_step_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	NEW.step := coalesce(NEW.step, concat_ws(' ', NEW.at, NEW.action, NEW.recipient, NEW.argument));
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.sla_step_written() IS 'Trigger on sla_steps: names a step that has no name.';
CREATE TRIGGER sla_step_written BEFORE INSERT ON leadroute.sla_steps
	FOR EACH ROW WHEN (NEW.step IS NULL) EXECUTE FUNCTION leadroute.sla_step_written();

/* PL/pgSQL: what it calls comes with 50_attach.sql. */
CREATE FUNCTION leadroute.flow_policy_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.warn_of_policy(leadroute.flow_table(NEW.flow), NEW.duplicate_policy, (leadroute.flow_attachment(NEW.flow)).key_column);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.flow_policy_changed() IS 'Trigger on flows: warns of what another duplicate_policy means for the leads table.';
CREATE TRIGGER flow_policy_changed AFTER UPDATE ON leadroute.flows
	FOR EACH ROW WHEN (OLD.duplicate_policy IS DISTINCT FROM NEW.duplicate_policy) EXECUTE FUNCTION leadroute.flow_policy_changed();

/* --- what the other rows must tell: at commit, once a flow --- */

CREATE TABLE leadroute.pending_checks (
	flow			text COLLATE "C" NOT NULL
);
COMMENT ON TABLE leadroute.pending_checks IS
	'Flows to check when the transaction commits; empty between transactions, so no dump keeps it.';
COMMENT ON COLUMN leadroute.pending_checks.flow IS 'The flow whose configuration this transaction changed.';

CREATE FUNCTION leadroute.check_at_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	subject	leadroute.flows;
	report	jsonb;
	faults	text;
	empty	record;
BEGIN
	/* the first of a flow's rows does the work of all */
	DELETE FROM leadroute.pending_checks p WHERE p.flow = NEW.flow;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	IF leadroute.restoring() THEN
		PERFORM leadroute.lock_restore();
		PERFORM leadroute.refresh_places();
	END IF;
	SELECT f.* INTO subject FROM leadroute.flows f WHERE f.flow = NEW.flow;
	IF NOT FOUND OR NOT subject.active THEN
		RETURN NULL;
	END IF;
	SELECT coalesce(jsonb_agg(c), '[]') INTO report FROM leadroute.check_flow(NEW.flow) c;
	SELECT string_agg(format('%s: %s', c.object, c.problem), E'\n') INTO faults
	FROM jsonb_to_recordset(report) c(severity text, object text, problem text)
	WHERE c.severity = 'error' OR (NOT subject.checked AND c.problem = 'has no eligible member');
	IF faults IS NOT NULL AND subject.checked THEN
		IF leadroute.restoring() THEN
			RAISE WARNING USING MESSAGE = format('flow "%s" is active and not complete yet', NEW.flow), DETAIL = faults;
			RETURN NULL;
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('flow "%s" is active and would be left incomplete', NEW.flow),
			DETAIL = faults,
			HINT = format('Complete it in the same transaction, or switch it off first: SELECT leadroute.deactivate(%L).', NEW.flow),
			SCHEMA = 'leadroute', TABLE = 'flows';
	ELSIF faults IS NULL AND NOT subject.checked THEN
		UPDATE leadroute.flows f SET checked = true WHERE f.flow = NEW.flow;
		DELETE FROM leadroute.pending_checks p WHERE p.flow = NEW.flow;	/* which the UPDATE asked for */
	END IF;
	IF subject.checked AND NOT leadroute.restoring() THEN
		FOR empty IN
			SELECT c.* FROM jsonb_to_recordset(report) c(severity text, object text, problem text, hint text)
			WHERE c.severity = 'warning' AND c.problem = 'has no eligible member'
		LOOP
			RAISE WARNING USING MESSAGE = format('%s of flow "%s" %s', empty.object, NEW.flow, empty.problem), HINT = empty.hint;
		END LOOP;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.check_at_commit() IS
	'Deferred trigger: refuses a commit that would leave an active, checked flow with a fault; a team left empty is a WARNING.';
CREATE CONSTRAINT TRIGGER check_at_commit AFTER INSERT ON leadroute.pending_checks
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leadroute.check_at_commit();

/* --- history, invalidation, and the request for a check --- */

/*
 * INSERT, DELETE, TRUNCATE: one row of history a row, set by set; and the check of the active flows that were touched,
 * unless an argument says 'unchecked': what a loader does to the leads table (attachments) must not fail for a flow's faults.
 */
CREATE FUNCTION leadroute.config_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO leadroute.config_changes (flow, relation, operation, new, note)
			SELECT n.flow, TG_TABLE_NAME, TG_OP, to_jsonb(n), n.note FROM new_rows n;
		/* in a restore another job may be writing the flow's own row */
		INSERT INTO leadroute.pending_checks (flow)
			SELECT DISTINCT n.flow FROM new_rows n
			WHERE (leadroute.restoring() OR EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = n.flow AND f.active))
				AND TG_NARGS = 0;
	ELSIF TG_OP = 'DELETE' THEN
		INSERT INTO leadroute.config_changes (flow, relation, operation, old, note)
			SELECT o.flow, TG_TABLE_NAME, TG_OP, to_jsonb(o), o.note FROM old_rows o;
		INSERT INTO leadroute.pending_checks (flow)
			SELECT f.flow FROM leadroute.flows f WHERE f.active AND f.flow IN (SELECT o.flow FROM old_rows o)
				AND TG_NARGS = 0;
	ELSIF TG_OP = 'UPDATE' THEN
		INSERT INTO leadroute.pending_checks (flow)
			SELECT f.flow FROM leadroute.flows f
			WHERE f.active AND f.flow IN (SELECT n.flow FROM new_rows n UNION ALL SELECT o.flow FROM old_rows o)
				AND TG_NARGS = 0;
	ELSE
		INSERT INTO leadroute.config_changes (flow, relation, operation) VALUES ('*', TG_TABLE_NAME, TG_OP);
		INSERT INTO leadroute.pending_checks (flow) SELECT f.flow FROM leadroute.flows f WHERE f.active;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.config_written() IS 'Statement trigger on every configuration table: keeps the history, asks for a check of the active flows at commit.';

CREATE FUNCTION leadroute.config_row_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	INSERT INTO leadroute.config_changes (flow, relation, operation, old, new, note)
		VALUES (NEW.flow, TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW), NEW.note);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.config_row_updated() IS 'Row trigger on every configuration table: keeps what an UPDATE changed.';

/* --- what a table of the configuration has; a part that makes one calls configuration_table() --- */

/* Statement triggers with transition tables, one an operation. */
CREATE FUNCTION leadroute.history_triggers(relation name, keeper name, VARIADIC arguments text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	call	text := format('FOR EACH STATEMENT EXECUTE FUNCTION leadroute.%I(%s)', keeper,
						   (SELECT string_agg(quote_literal(a), ', ') FROM unnest(arguments) a));
BEGIN
	EXECUTE format($sql$
		CREATE TRIGGER %2$I AFTER INSERT ON leadroute.%1$I REFERENCING NEW TABLE AS new_rows %6$s;
		CREATE TRIGGER %3$I AFTER DELETE ON leadroute.%1$I REFERENCING OLD TABLE AS old_rows %6$s;
		CREATE TRIGGER %4$I AFTER UPDATE ON leadroute.%1$I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows %6$s;
		CREATE TRIGGER %5$I AFTER TRUNCATE ON leadroute.%1$I %6$s$sql$,
		relation, keeper || '_insert', keeper || '_delete', keeper || '_update', keeper || '_truncate', call);
END
$$;
COMMENT ON FUNCTION leadroute.history_triggers(name, name, text[]) IS
	'Internal: has a statement trigger function, with new_rows and old_rows, see all that is written to a table.';

/* ENABLE ALWAYS: sessions of a replica hold what the rows say as well. */
CREATE FUNCTION leadroute.invalidation_triggers(relation name, forgets name DEFAULT 'config_changed') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		CREATE TRIGGER %2$I AFTER INSERT OR UPDATE OR DELETE ON leadroute.%1$I FOR EACH ROW EXECUTE FUNCTION leadroute.%2$I();
		CREATE TRIGGER %3$I AFTER TRUNCATE ON leadroute.%1$I FOR EACH STATEMENT EXECUTE FUNCTION leadroute.%2$I();
		ALTER TABLE leadroute.%1$I ENABLE ALWAYS TRIGGER %2$I, ENABLE ALWAYS TRIGGER %3$I$sql$, relation, forgets, forgets || '_truncate');
END
$$;
COMMENT ON FUNCTION leadroute.invalidation_triggers(name, name) IS
	'Internal: has a trigger function make all sessions forget what they have read of a table when a change of it commits.';

/* What a dump brings replaces what attach() or another trigger put there before it. */
CREATE FUNCTION leadroute.row_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	EXECUTE TG_ARGV[0] USING NEW;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.row_restored() IS 'Trigger on tables that have rows before a restore brings its own: a restored row replaces the one of the same primary key.';

CREATE FUNCTION leadroute.restore_trigger(relation name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	statement	text;
BEGIN
	SELECT format('DELETE FROM leadroute.%I t WHERE %s', relation, string_agg(format('t.%I = $1.%I', a.attname, a.attname), ' AND ' ORDER BY a.attnum))
	INTO STRICT statement
	FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	WHERE i.indrelid = format('leadroute.%I', relation)::regclass AND i.indisprimary;
	EXECUTE format($sql$
		CREATE TRIGGER row_restored BEFORE INSERT ON leadroute.%1$I
			FOR EACH ROW WHEN (NOT current_setting('check_function_bodies')::boolean) EXECUTE FUNCTION leadroute.row_restored(%2$L);
		ALTER TABLE leadroute.%1$I ENABLE ALWAYS TRIGGER row_restored$sql$, relation, statement);
END
$$;
COMMENT ON FUNCTION leadroute.restore_trigger(name) IS 'Internal: in a restore, a row of this table replaces the one of the same primary key.';

CREATE FUNCTION leadroute.configuration_table(relation name, history name DEFAULT 'config_written', invalidation name DEFAULT 'config_changed',
	checked boolean DEFAULT true, by_admin boolean DEFAULT true, restored boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF checked THEN
		PERFORM leadroute.history_triggers(relation, history);
	ELSE
		PERFORM leadroute.history_triggers(relation, history, 'unchecked');
	END IF;
	IF history = 'config_written' THEN
		EXECUTE format('CREATE TRIGGER config_row_updated AFTER UPDATE ON leadroute.%I
							FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION leadroute.config_row_updated()', relation);
	END IF;
	IF invalidation IS NOT NULL THEN
		PERFORM leadroute.invalidation_triggers(relation, invalidation);
	END IF;
	IF restored THEN
		PERFORM leadroute.restore_trigger(relation);
	END IF;
	IF by_admin THEN
		EXECUTE format('GRANT INSERT, UPDATE, DELETE, TRUNCATE ON leadroute.%I TO leadroute_admin', relation);
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.configuration_table(name, name, name, boolean, boolean, boolean) IS
	'Internal: makes a table with the columns flow and note one of the configuration. history: the function that keeps it in config_changes; invalidation: the one that makes sessions forget what they have read, NULL: they keep nothing of it; checked: a change asks for check_flow() at commit; by_admin: leadroute_admin writes it; restored: rows may be there before a restore brings its own.';

SELECT leadroute.configuration_table('flows', restored => true);
SELECT leadroute.configuration_table('attachments', checked => false, by_admin => false, restored => true);
SELECT leadroute.configuration_table(relation::name)
FROM pg_catalog.unnest('{rules,queues,reps,rep_skills,time_off,teams,team_members,territories,match_rules,merge_columns,stages,stage_transitions,rejection_reasons,sources,sla_policies,sla_steps,touch_kinds,scoring_models,scoring_groups,scoring_criteria,signal_types,grades,consent_words}'::text[]) relation;
SELECT leadroute.configuration_table('outbox_consumers', checked => false);
SELECT leadroute.configuration_table('outbox_recipients', invalidation => NULL, checked => false);
/* kept from territories, and not in config_changes */
SELECT leadroute.invalidation_triggers('territory_sides');
