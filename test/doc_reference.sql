-- doc/reference.md, from the comments on the extension's objects: doc.pl runs this unaligned, tuples only.
-- What a role may write is configuration; what is only read is state; functions that nobody but the extension's
-- owner may call, and those that serve others, are left out.
\set QUIET on
SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION pg_temp.cell(text) RETURNS text LANGUAGE sql AS
	$$ SELECT replace(replace(coalesce($1, ''), '|', '\|'), E'\n', ' ') $$;
-- Comments begin small or large; a text begins large.
CREATE FUNCTION pg_temp.sentence(text) RETURNS text LANGUAGE sql AS
	$$ SELECT CASE WHEN $1 ~ '^\w+\(' THEN $1 ELSE upper(left($1, 1)) || substr($1, 2) END || CASE WHEN $1 ~ '[.?!]$' THEN '' ELSE '.' END $$;

CREATE TEMP VIEW relation AS
SELECT c.oid, c.relname, c.relkind, obj_description(c.oid, 'pg_class') AS comment,
	CASE WHEN c.relkind = 'v' THEN 'view'
		 WHEN has_table_privilege('leadroute_admin', c.oid, 'INSERT') THEN 'configuration'
		 ELSE 'state' END AS kind,
	(SELECT string_agg(a.attname, ', ' ORDER BY k.n)
	   FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(attnum, n)
	   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	  WHERE i.indrelid = c.oid AND i.indisprimary) AS key
  FROM pg_class c
 WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind IN ('r', 'v')
   AND obj_description(c.oid, 'pg_class') !~ '^Internal';

CREATE TEMP VIEW relation_text AS
SELECT r.kind, r.relname,
	format(E'### %s\n\n%s%s\n\n', r.relname, pg_temp.sentence(r.comment),
		   CASE WHEN r.key IS NOT NULL THEN format(' Key: %s.', r.key) ELSE '' END)
	|| CASE WHEN r.kind = 'view' THEN E'| column | type | |\n|---|---|---|\n' ELSE E'| column | type | default | |\n|---|---|---|---|\n' END
	|| string_agg(format('| `%s` | %s | %s%s |', a.attname, replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'),
						 CASE WHEN r.kind = 'view' THEN ''
							  ELSE pg_temp.cell(CASE WHEN a.attidentity <> '' THEN 'identity'
													 WHEN d.adbin IS NOT NULL THEN '`' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '::(text|interval|jsonb|tstzrange)$', '') || '`'
													 WHEN a.attnotnull THEN 'required' END) || ' | ' END,
						 pg_temp.cell(pg_temp.sentence(col_description(r.oid, a.attnum)))), E'\n' ORDER BY a.attnum) AS text
  FROM relation r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 GROUP BY r.kind, r.relname, r.comment, r.key;

CREATE TEMP VIEW routine AS
SELECT p.oid, p.proname, p.prokind, obj_description(p.oid, 'pg_proc') AS comment,
	regexp_replace(pg_get_function_arguments(p.oid), 'DEFAULT NULL::[^,]*', 'DEFAULT NULL', 'g') AS arguments, pg_get_function_result(p.oid) AS result,
	'leadroute.territory'::regtype = ANY (p.proargtypes::oid[] || p.prorettype) AS of_territory,
	CASE WHEN has_function_privilege('pg_database_owner', p.oid, 'EXECUTE') THEN 'everybody'
		 WHEN has_function_privilege('leadroute_reader', p.oid, 'EXECUTE') THEN '`leadroute_reader`'
		 WHEN has_function_privilege('leadroute_operator', p.oid, 'EXECUTE') THEN '`leadroute_operator`'
		 WHEN has_function_privilege('leadroute_admin', p.oid, 'EXECUTE') THEN '`leadroute_admin`' END AS who
  FROM pg_proc p
 WHERE p.pronamespace = 'leadroute'::regnamespace
   AND p.prorettype <> ALL ('{trigger,event_trigger,internal}'::regtype[]) AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
   AND 'cstring'::regtype <> ALL (p.proargtypes::oid[] || p.prorettype)
   AND obj_description(p.oid, 'pg_proc') !~ '^(Internal|Part of|I/O|implementation of|hash|less than, equal)'
   -- what serves the functions that people call
   AND p.proname NOT IN ('attached_tables', 'attachment_table', 'flow_attachment', 'flow_table', 'mapped_column', 'may_commit', 'missing_sides', 'restoring', 'side_kind');

CREATE TEMP VIEW routine_text AS
SELECT r.of_territory, r.proname, r.oid,
	format(E'**`%s(%s)`**%s  \n%s', r.proname, regexp_replace(regexp_replace(r.arguments, '(?<= DEFAULT [^,]*)::[a-z_.]+', '', 'g'), 'timestamp with time zone', 'timestamptz', 'g'),
		   CASE WHEN r.prokind = 'p' THEN ', a procedure' WHEN r.arguments LIKE '%OUT %' THEN '' ELSE format(' → `%s`', r.result) END
		   || CASE WHEN r.of_territory OR r.who IS NULL THEN '' ELSE format(' (for %s)', r.who) END,
		   pg_temp.sentence(r.comment)) AS text
  FROM routine r
 WHERE r.who IS NOT NULL;

SELECT E'# Reference\n\nMade by `make doc` from the comments on the extension''s objects: `\\d+` and `\\df+` in psql say the same.\n'
	'Everything lies in the schema `leadroute`. The flow leads every key; who has one flow never types it.\n'
	'What a condition may say is in [conditions.md](conditions.md), how it all works in [architecture.md](architecture.md).\n';

SELECT E'## Functions and procedures\n';
SELECT text || E'\n' FROM routine_text WHERE NOT of_territory ORDER BY proname, oid;

SELECT E'## The type territory\n\n' || pg_temp.sentence(obj_description('leadroute.territory'::regtype, 'pg_type')) || E'\n';
SELECT E'| operator | |\n|---|---|\n'
	|| string_agg(format('| `%s` | %s |', o.oprname, pg_temp.cell(obj_description(o.oid, 'pg_operator'))), E'\n' ORDER BY o.oid) || E'\n'
  FROM pg_operator o WHERE o.oprnamespace = 'leadroute'::regnamespace AND obj_description(o.oid, 'pg_operator') !~ '^Internal';
SELECT text || E'\n' FROM routine_text WHERE of_territory ORDER BY proname, oid;

SELECT E'## Facts\n\n' || pg_temp.sentence(obj_description('leadroute.facts'::regtype, 'pg_type')) || E'\n\n| fact | type | |\n|---|---|---|\n'
	|| string_agg(format('| `facts.%s` | %s | %s |', a.attname, replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'),
						 pg_temp.cell(col_description(a.attrelid, a.attnum))), E'\n' ORDER BY a.attnum) || E'\n'
  FROM pg_attribute a WHERE a.attrelid = 'leadroute.facts'::regclass AND a.attnum > 0 AND NOT a.attisdropped;

SELECT E'## Columns of a leads table\n\nThe names that leadroute knows; `columns` of `attach` maps those that are called otherwise.\n\n| name | | |\n|---|---|---|\n'
	|| string_agg(format('| `%s` | %s | %s |', c.canonical, c.direction, CASE c.kind WHEN 'any' THEN '' ELSE c.kind END), E'\n' ORDER BY c.n) || E'\n'
  FROM leadroute.canonical_columns() WITH ORDINALITY c(canonical, direction, kind, n);

SELECT E'## Codes\n\nWhy a lead is where it is: the column `code` of `lead_states` and `events`.\n\n| code | status | |\n|---|---|---|\n'
	|| string_agg(format('| `%s` | %s | %s |', c.code, c.status, pg_temp.cell(c.meaning)), E'\n' ORDER BY c.status, c.code) || E'\n'
  FROM leadroute.codes c;

SELECT E'## Settings\n\n| setting | default | who sets it | |\n|---|---|---|---|\n'
	|| string_agg(format('| `%s` | %s | %s | %s |', s.name, CASE WHEN s.boot_val <> '' THEN '`' || s.boot_val || '`' END,
						 CASE s.context WHEN 'superuser' THEN 'a superuser, or who is granted SET' WHEN 'user' THEN 'everybody' WHEN 'sighup' THEN 'the configuration' ELSE 'the configuration, at start' END,
						 pg_temp.cell(concat_ws(' ', s.short_desc, s.extra_desc))), E'\n' ORDER BY s.name) || E'\n'
  FROM pg_settings s WHERE s.name LIKE 'leadroute.%';

SELECT E'## Views\n';
SELECT text || E'\n' FROM relation_text WHERE kind = 'view' ORDER BY relname;
SELECT E'## Configuration tables\n\nRows that `leadroute_admin` writes; every change is kept in `config_changes`.\n';
SELECT text || E'\n' FROM relation_text WHERE kind = 'configuration' ORDER BY relname;
SELECT E'## State tables\n\nRows that leadroute writes, for everybody in `leadroute_reader` to read.\n';
SELECT text || E'\n' FROM relation_text WHERE kind = 'state' ORDER BY relname;
