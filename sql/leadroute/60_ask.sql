/*
 * Asking about a lead. A lead is named by its key, in the type that the CRM uses.
 */
CREATE FUNCTION leadroute.explain(lead text, flow text DEFAULT 'default',
	OUT step integer, OUT item text, OUT name text, OUT verdict text, OUT detail text) RETURNS SETOF record
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_explain_lead';
COMMENT ON FUNCTION leadroute.explain(text, text) IS
	'Why a stored lead is where it is: its events, then each step of the decision as it would be taken now. Writes nothing and takes no turn. Needs SELECT on the leads table.';

CREATE FUNCTION leadroute.explain(lead bigint, flow text DEFAULT 'default',
	OUT step integer, OUT item text, OUT name text, OUT verdict text, OUT detail text) RETURNS SETOF record
LANGUAGE sql STRICT VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT * FROM leadroute.explain(lead::text, flow) $$;
COMMENT ON FUNCTION leadroute.explain(bigint, text) IS 'explain() for a lead whose key is a number.';

CREATE FUNCTION leadroute.explain(lead uuid, flow text DEFAULT 'default',
	OUT step integer, OUT item text, OUT name text, OUT verdict text, OUT detail text) RETURNS SETOF record
LANGUAGE sql STRICT VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT * FROM leadroute.explain(lead::text, flow) $$;
COMMENT ON FUNCTION leadroute.explain(uuid, text) IS 'explain() for a lead whose key is a uuid.';

CREATE FUNCTION leadroute.explain(lead record, flow text DEFAULT 'default',
	OUT step integer, OUT item text, OUT name text, OUT verdict text, OUT detail text) RETURNS SETOF record
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_explain_row';
COMMENT ON FUNCTION leadroute.explain(record, text) IS
	'What an INSERT of this row into the flow''s leads table would decide, step by step. Writes nothing and takes no turn.';

CREATE FUNCTION leadroute.lead_profile(lead record, flow text DEFAULT 'default',
	OUT email_key text, OUT email_problem text, OUT email_domain text, OUT website_domain text,
	OUT phone_key text, OUT phone_extension text, OUT phone_problem text, OUT company_key text,
	OUT first_name_key text, OUT last_name_key text, OUT country_code text, OUT region_code text, OUT postal_key text,
	OUT is_public_mail boolean, OUT is_disposable_mail boolean)
LANGUAGE c STRICT STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_lead_profile_sql';
COMMENT ON FUNCTION leadroute.lead_profile(record, text) IS
	'What leadroute makes of a row of a leads table, in canonical form: its columns by the flow''s mapping, its options by leadroute.flows. Blank, and what is not valid, is NULL. The row may be any of the table''s type: SELECT p.* FROM public.leads l, leadroute.lead_profile(l) p. Errors: the flow has no leads table, or the row is not a table''s.';

CREATE FUNCTION leadroute.route_stored(flow text, lead text) RETURNS text
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_route_stored';
COMMENT ON FUNCTION leadroute.route_stored(text, text) IS
	'Part of catch_up(): decides a lead that stands in its table and was not decided; writes a known one''s outputs into its row where another owner or none stands there; answers its status, NULL where the row has gone. Locks the row.';
REVOKE ALL ON FUNCTION leadroute.route_stored(text, text) FROM PUBLIC;


CREATE FUNCTION leadroute.lead_keys(lead record, flow text DEFAULT 'default', OUT kind text, OUT key text) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 3
AS 'MODULE_PATHNAME', 'lr_lead_keys';
COMMENT ON FUNCTION leadroute.lead_keys(record, text) IS
	'The keys by which a row of a leads table would be known, by the match rules of the flow that act: as leadroute.identities holds them. Who has one: SELECT i.lead FROM leadroute.identities i WHERE i.flow = ''default'' AND i.kind = ''email'' AND i.key = leadroute.email_key(''Kim@acme.example'').';

CREATE FUNCTION leadroute.rule_keys(lead record, flow text, OUT kind text, OUT key text) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 4
AS 'MODULE_PATHNAME', 'lr_rule_keys';
COMMENT ON FUNCTION leadroute.rule_keys(record, text) IS 'Part of find_duplicates(): lead_keys(), and the keys by the rules that only suggest.';

CREATE FUNCTION leadroute.unmerge(lead text, flow text DEFAULT 'default') RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_unmerge';
COMMENT ON FUNCTION leadroute.unmerge(text, text) IS
	'Makes a lead that was merged into another one of its own again: inserts its row as it came, routed as new, and gives the other back what the merge changed there, where nobody has changed it since. Keys that both have stay with the other. Runs as the leads table''s owner. Errors: the lead was not merged; the event that kept its row was removed.';
CREATE FUNCTION leadroute.unmerge(lead bigint, flow text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT leadroute.unmerge(lead::text, flow) $$;
COMMENT ON FUNCTION leadroute.unmerge(bigint, text) IS 'unmerge() for a lead whose key is a bigint.';
CREATE FUNCTION leadroute.unmerge(lead uuid, flow text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT leadroute.unmerge(lead::text, flow) $$;
COMMENT ON FUNCTION leadroute.unmerge(uuid, text) IS 'unmerge() for a lead whose key is a uuid.';
