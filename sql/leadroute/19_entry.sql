/*
 * The C entry points that the other parts build on.
 */
CREATE FUNCTION leadroute.lead_before() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_lead_before';
COMMENT ON FUNCTION leadroute.lead_before() IS 'BEFORE ROW trigger of an attached table: decides a new lead and fills the output columns; keeps them in an UPDATE.';

CREATE FUNCTION leadroute.lead_after() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_lead_after';
COMMENT ON FUNCTION leadroute.lead_after() IS 'AFTER ROW trigger of an attached table: writes what was decided for a row that really stands, and notes rows that go or change hands.';

CREATE FUNCTION leadroute.update_matters() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_update_matters';
COMMENT ON FUNCTION leadroute.update_matters() IS 'The WHEN of the AFTER UPDATE trigger of an attached table: whether the BEFORE trigger has found something in its row, the key and the owner among it, that the AFTER trigger has to do.';

CREATE FUNCTION leadroute.lead_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_lead_statement';
COMMENT ON FUNCTION leadroute.lead_statement() IS 'AFTER STATEMENT trigger of an attached table: writes what waits, and notes a TRUNCATE.';

CREATE FUNCTION leadroute.config_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_config_changed';
COMMENT ON FUNCTION leadroute.config_changed() IS 'Trigger on every configuration table: all sessions drop their compiled configuration when the change commits.';

CREATE FUNCTION leadroute.table_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_table_changed';
COMMENT ON FUNCTION leadroute.table_changed() IS 'Trigger on mail_domains and title_patterns: all sessions drop what they have read of the table when the change commits.';
REVOKE ALL ON FUNCTION leadroute.table_changed() FROM PUBLIC;

/* Of changes that fire no trigger: a table of ours was altered, perhaps to load it without its triggers. */
CREATE FUNCTION leadroute.forget_configuration() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_forget_configuration';
COMMENT ON FUNCTION leadroute.forget_configuration() IS 'Has all sessions read the configuration anew when the transaction commits. Only for rows that were written past the tables'' triggers: what those write is known without it.';

CREATE FUNCTION leadroute.shared_configuration(OUT images integer, OUT bytes bigint, OUT size bigint, OUT taken bigint, OUT published bigint, OUT emptied bigint) RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_shared_configuration';
COMMENT ON FUNCTION leadroute.shared_configuration() IS
	'What the server''s shared memory holds of the configuration that sessions have read, for new connections, over all databases: how many parts (images), in how many bytes of the size that leadroute.shared_configuration sets; since the start, how often a session took one and so read no table (taken), made one (published), and how often all went because there was no room (emptied). NULLs where the library is not preloaded.';

CREATE FUNCTION leadroute.shared_maps(OUT flow text, OUT map text, OUT in_memory boolean, OUT territories bigint, OUT bytes bigint, OUT made bigint, OUT missed bigint) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_shared_maps';
COMMENT ON FUNCTION leadroute.shared_maps() IS
	'The maps of more than 1000 territories that were asked in this database since the server''s start: whether all sessions look into one image of it in memory, which is so once it was asked often (in_memory), and of how many territories and bytes; how often one was made, and how many leads were looked up through the index since the last one (missed). A changed territory ends the image; a background worker makes the next one when it is worth it. What is out of date stands with in_memory false until its memory is needed. leadroute.shared_maps sets how much memory there is for all of them. Maps whose name or flow has 128 bytes or more have no image. No row where the library is not preloaded.';

CREATE FUNCTION leadroute.library_ready() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_library_ready';
COMMENT ON FUNCTION leadroute.library_ready() IS 'Whether the running server has leadroute in shared_preload_libraries, so that leads can be routed.';

CREATE FUNCTION leadroute.journal_id() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_journal_id';
COMMENT ON FUNCTION leadroute.journal_id() IS 'An id for a row of events or outbox: mounts with time, differs between sessions, and is no sequence''s, so that lastval() after an INSERT is the lead''s.';

/* Each function of leads whose first argument is the lead's key as text stands for keys of the other two types too. */
CREATE FUNCTION leadroute.for_other_keys(VARIADIC functions text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $body$
DECLARE
	of_text	record;
	key		text;
BEGIN
	FOR of_text IN
		SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
			pg_get_function_identity_arguments(p.oid) AS identity, array_to_string(p.proargnames[2:p.pronargs], ', ') AS passed,
			p.proisstrict, p.proretset
		FROM pg_proc p
		WHERE p.pronamespace = 'leadroute'::regnamespace AND p.proname = ANY (functions)
	LOOP
		FOREACH key IN ARRAY ARRAY['bigint', 'uuid'] LOOP
			EXECUTE format($$
				CREATE FUNCTION leadroute.%1$I(%2$s) RETURNS %3$s
				LANGUAGE sql %4$s VOLATILE PARALLEL UNSAFE
				SET search_path = pg_catalog, leadroute, pg_temp
				AS %5$L$$, of_text.proname, regexp_replace(of_text.arguments, '^lead text', 'lead ' || key), of_text.result,
				CASE WHEN of_text.proisstrict THEN 'STRICT' ELSE 'CALLED ON NULL INPUT' END,
				format('SELECT %sleadroute.%I(lead::text, %s)', CASE WHEN of_text.proretset THEN '* FROM ' ELSE '' END, of_text.proname, of_text.passed));
			EXECUTE format('COMMENT ON FUNCTION leadroute.%I(%s) IS %L', of_text.proname, regexp_replace(of_text.identity, '^lead text', 'lead ' || key),
				format('%s() for a lead whose key is a %s.', of_text.proname, CASE key WHEN 'bigint' THEN 'number' ELSE key END));
		END LOOP;
	END LOOP;
END
$body$;
REVOKE ALL ON FUNCTION leadroute.for_other_keys(text[]) FROM PUBLIC;
COMMENT ON FUNCTION leadroute.for_other_keys(text[]) IS 'Internal: makes functions of these names for keys of types bigint and uuid from those for text.';
