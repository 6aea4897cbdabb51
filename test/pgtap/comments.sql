-- Every object of the extension that a user can see has a comment: analysts read them in their tool.
BEGIN;
SELECT plan(3);

CREATE TEMP VIEW members AS
SELECT d.classid, d.objid, i.type, i.identity
  FROM pg_depend d, pg_extension e, pg_identify_object(d.classid, d.objid, d.objsubid) i
 WHERE e.extname = 'leadroute' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e';

SELECT cmp_ok((SELECT count(*) FROM members), '>', 20::bigint, 'the extension has members');

SELECT is_empty($$
	SELECT m.type, m.identity
	  FROM members m
	 WHERE m.type IN ('table', 'view', 'materialized view', 'function', 'procedure', 'aggregate', 'operator',
					  'schema', 'event trigger', 'domain type', 'enum type', 'composite type')
	   AND obj_description(m.objid, m.classid::regclass::name) IS NULL
	 UNION ALL
	SELECT m.type, m.identity
	  FROM members m JOIN pg_type t ON t.oid = m.objid AND m.classid = 'pg_type'::regclass
	 WHERE t.typtype IN ('b', 'r') AND t.typelem = 0 AND m.type = 'type'
	   AND obj_description(m.objid, 'pg_type') IS NULL
	 ORDER BY 1, 2
$$, 'tables, views, functions, types and operators have comments');

SELECT is_empty($$
	SELECT m.identity, a.attname
	  FROM members m JOIN pg_attribute a ON a.attrelid = m.objid AND m.classid = 'pg_class'::regclass
	 WHERE m.type IN ('table', 'view', 'materialized view') AND a.attnum > 0 AND NOT a.attisdropped
	   AND col_description(a.attrelid, a.attnum) IS NULL
	 ORDER BY m.identity, a.attnum
$$, 'columns have comments');

SELECT * FROM finish();
ROLLBACK;
