/*
 * How the triggers on leadroute's own tables are to stand: as they were made. pg_restore --disable-triggers ends with
 * ENABLE TRIGGER ALL, which is not ENABLE ALWAYS. No part after this one makes a trigger.
 */
CREATE TABLE leadroute.own_triggers (
	relation		name COLLATE "C" NOT NULL,
	trigger			name COLLATE "C" NOT NULL,
	enabled			"char" NOT NULL,
	PRIMARY KEY (relation, trigger)
);
COMMENT ON TABLE leadroute.own_triggers IS 'How the triggers on leadroute''s own tables are to stand. The extension''s own, so no dump keeps it.';
COMMENT ON COLUMN leadroute.own_triggers.relation IS 'A table of the schema leadroute.';
COMMENT ON COLUMN leadroute.own_triggers.trigger IS 'A trigger on it.';
COMMENT ON COLUMN leadroute.own_triggers.enabled IS 'As in pg_trigger.tgenabled: A is ENABLE ALWAYS, O is ENABLE.';
INSERT INTO leadroute.own_triggers
	SELECT c.relname, t.tgname, t.tgenabled
	FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
	WHERE c.relnamespace OPERATOR(pg_catalog.=) 'leadroute'::pg_catalog.regnamespace AND NOT t.tgisinternal;

/* Those that do not stand so; standing is NULL where one is missing. */
CREATE FUNCTION leadroute.trigger_faults(OUT relation name, OUT trigger name, OUT wanted "char", OUT standing "char") RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT o.relation, o.trigger, o.enabled, t.tgenabled
	FROM leadroute.own_triggers o
		LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(format('leadroute.%I', o.relation)) AND t.tgname = o.trigger
	WHERE t.tgenabled IS DISTINCT FROM o.enabled
	ORDER BY o.relation, o.trigger
$$;
COMMENT ON FUNCTION leadroute.trigger_faults() IS 'Triggers on leadroute''s own tables that are missing or not enabled as they were made; no row where all are well.';

CREATE FUNCTION leadroute.enable_triggers() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	fault	record;
	mended	integer := 0;
BEGIN
	FOR fault IN SELECT f.* FROM leadroute.trigger_faults() f WHERE f.standing IS NOT NULL LOOP
		EXECUTE format('ALTER TABLE leadroute.%I ENABLE %s TRIGGER %I', fault.relation, CASE fault.wanted WHEN 'A' THEN 'ALWAYS' ELSE '' END, fault.trigger);
		mended := mended + 1;
	END LOOP;
	RETURN format('%s trigger%s enabled', mended, CASE mended WHEN 1 THEN '' ELSE 's' END);
END
$$;
COMMENT ON FUNCTION leadroute.enable_triggers() IS
	'Enables the triggers on leadroute''s own tables as CREATE EXTENSION did, for instance after pg_restore --disable-triggers; answers how many.';
REVOKE ALL ON FUNCTION leadroute.enable_triggers() FROM PUBLIC;
