-- tables that a flow follows beside its leads: the two front doors refuse alike
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.parted (id text, kind text, lead text) PARTITION BY LIST (kind);
CREATE TABLE lr.part PARTITION OF lr.parted DEFAULT;
CREATE VIEW lr.seen AS SELECT * FROM lr.parted;
CREATE TEMP TABLE passing (id text, kind text, lead text);
CREATE FUNCTION lr.refused(door text, relation regclass, columns jsonb DEFAULT '{}', flow text DEFAULT 'default') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail	text;
BEGIN
	EXECUTE format('SELECT leadroute.%I($1, $2, $3)', door) USING relation, columns, flow;
	RETURN 'attached';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws('; ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;
SELECT is(lr.refused(d, w.relation::regclass, w.columns::jsonb, w.flow), w.answer, d || ': ' || w.what)
FROM unnest('{attach_accounts,attach_activities}'::text[]) d CROSS JOIN (VALUES
	('lr.seen', '{}', 'default', '42809; table lr.seen cannot be followed; It is not a table.', 'a view'),
	('lr.part', '{}', 'default', '42809; table lr.part cannot be followed; It is a partition.', 'a partition'),
	('passing', '{}', 'default', '42809; table passing cannot be followed; It is a temporary table.', 'a temporary table'),
	('leadroute.flows', '{}', 'default', '42809; table flows cannot be followed; It is a system table.', 'one of leadroute''s own'),
	('lr.parted', '[]', 'default', '22023; columns must be a JSON object', 'no mapping'),
	('lr.parted', '{}', '', '22023; a flow has a name', 'no flow')) w(relation, columns, flow, answer, what)
ORDER BY d, w.what;
SELECT matches(lr.refused(d, 'lr.parted', '{"colour": "id"}'), '^22023; .*colour', d || ': a name that nobody knows') FROM unnest('{attach_accounts,attach_activities}'::text[]) d;
CREATE ROLE lr_owner;
GRANT USAGE, CREATE ON SCHEMA lr TO lr_owner;
SET LOCAL ROLE lr_owner;
CREATE TABLE lr.own (id text, name text, kind text, lead text);
SELECT is(lr.refused('attach_accounts', 'lr.own'), '42501; permission denied to attach accounts of table lr.own; Accounts decide who gets the leads of a flow.', 'who owns it alone');
SELECT is(lr.refused('attach_activities', 'lr.own'), '42501; permission denied to attach activities of table lr.own; Touches stop the clocks of a flow''s leads.', 'may not');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
