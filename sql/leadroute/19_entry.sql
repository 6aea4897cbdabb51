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
COMMENT ON FUNCTION leadroute.update_matters() IS 'In the WHEN of the AFTER UPDATE trigger of an attached table: whether the BEFORE trigger has noted something of the row that it was fired for last.';

CREATE FUNCTION leadroute.lead_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_lead_statement';
COMMENT ON FUNCTION leadroute.lead_statement() IS 'AFTER STATEMENT trigger of an attached table: writes what waits, and notes a TRUNCATE.';

CREATE FUNCTION leadroute.config_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_config_changed';
COMMENT ON FUNCTION leadroute.config_changed() IS 'Trigger on every configuration table: all sessions drop their compiled configuration when the change commits.';

CREATE FUNCTION leadroute.library_ready() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_library_ready';
COMMENT ON FUNCTION leadroute.library_ready() IS 'Whether the running server has leadroute in shared_preload_libraries, so that leads can be routed.';

CREATE FUNCTION leadroute.journal_id() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_journal_id';
COMMENT ON FUNCTION leadroute.journal_id() IS 'An id for a row of events or outbox: mounts with time, differs between sessions, and is no sequence''s, so that lastval() after an INSERT is the lead''s.';
