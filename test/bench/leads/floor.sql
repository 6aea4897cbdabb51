-- The floor's statement, made from what leadroute wrote: of the leads just routed the one whose rows are nearest to the
-- average width gives the values; its key, its owner (the indexed column) and its times stay the statement's own.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;
WITH widths AS (
	SELECT l.id, sum(pg_column_size(l.*) + pg_column_size(s.*) + pg_column_size(e.*)) AS width
	  FROM lr.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text JOIN leadroute.events e ON e.lead = s.lead
	 GROUP BY l.id),
typical AS (
	SELECT id FROM widths ORDER BY abs(width - (SELECT avg(width) FROM widths)), id LIMIT 1),
rows (place, target, source) AS (
	SELECT 1, 'lead_states', to_jsonb(s) FROM leadroute.lead_states s, typical WHERE s.lead = typical.id::text
	 UNION ALL SELECT 2, 'events', to_jsonb(e) FROM leadroute.events e, typical WHERE e.lead = typical.id::text
	 UNION ALL SELECT 2 + row_number() OVER (ORDER BY i.kind), 'identities', to_jsonb(i) FROM leadroute.identities i, typical WHERE i.lead = typical.id::text
	 UNION ALL SELECT 99, 'rotation', to_jsonb(r) FROM (SELECT * FROM leadroute.rotation WHERE open = 1 LIMIT 1) r),
inserts AS (
	SELECT place, target, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS names,
		   string_agg(CASE WHEN a.attname = 'lead' THEN 'l.id::text'
						   WHEN target = 'identities' AND a.attname = 'key' THEN format('''u'' || l.id || %L', substr(source ->> 'key', strpos(source ->> 'key', '@')))
						   WHEN a.attname IN ('owner', 'rep') THEN '''rep-'' || :o'
						   WHEN a.atttypid = 'timestamptz'::regtype THEN 'now()'
						   ELSE format('%L::%s', source ->> a.attname, format_type(a.atttypid, a.atttypmod)) END, ', ' ORDER BY a.attnum) AS expressions
	  FROM rows JOIN pg_attribute a ON a.attrelid = format('leadroute.%I', target)::regclass AND a.attnum > 0
	 WHERE a.attname <> 'id' AND source ->> a.attname IS NOT NULL
	 GROUP BY place, target)
SELECT format('WITH l AS (INSERT INTO f1.leads (:columns, owner, team, territory, routed_at, route_reason) VALUES (:values, ''rep-'' || :o, %L, %L, now(), %L) RETURNING id)',
			  l.team, l.territory, l.route_reason)
	   || (SELECT string_agg(CASE WHEN place < 99 THEN format(', t%s AS (', place) ELSE ' ' END
							 || format('INSERT INTO f1.%I (%s) SELECT %s FROM l', target, names, expressions)
							 || CASE WHEN place < 99 THEN ')' ELSE '' END, '' ORDER BY place) FROM inserts)
  FROM lr.leads l, typical WHERE l.id = typical.id;
