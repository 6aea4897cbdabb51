-- The floor's statement, made from what leadroute wrote: of the leads just routed the one whose rows are nearest to the
-- average width gives the values; its key, its owner (the indexed column) and its times stay the statement's own, and the e-mail that is
-- its key is the statement's too: an index that is filled at random places, as leadroute's is, costs more than one that only grows.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;
ANALYZE lr.leads, leadroute.lead_states, leadroute.events, leadroute.identities, leadroute.outbox, leadroute.clocks;
WITH widths AS (
	SELECT l.id, count(DISTINCT s.lead) + count(DISTINCT i.key) + count(DISTINCT o.id) + count(DISTINCT c.policy) AS rows,
		   sum(pg_column_size(l.*) + pg_column_size(s.*) + pg_column_size(e.*) + coalesce(pg_column_size(o.*), 0) + coalesce(pg_column_size(c.*), 0)) AS width
	  FROM lr.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text JOIN leadroute.events e ON e.lead = s.lead
	  LEFT JOIN leadroute.identities i ON i.lead = s.lead LEFT JOIN leadroute.outbox o ON o.aggregateid = s.lead LEFT JOIN leadroute.clocks c ON c.lead = s.lead
	 WHERE s.status = 'assigned' AND l.territory IS NOT NULL
	 GROUP BY l.id),
usual AS (SELECT * FROM widths WHERE rows = (SELECT mode() WITHIN GROUP (ORDER BY rows) FROM widths)),
typical AS (
	SELECT id FROM usual ORDER BY abs(width - (SELECT avg(width) FROM usual)), id LIMIT 1),
rows (place, target, source) AS (
	SELECT 1, 'lead_states', to_jsonb(s) FROM leadroute.lead_states s, typical WHERE s.lead = typical.id::text
	 UNION ALL SELECT 2, 'events', to_jsonb(e) FROM leadroute.events e, typical WHERE e.lead = typical.id::text
	 UNION ALL SELECT 2 + row_number() OVER (ORDER BY i.kind), 'identities', to_jsonb(i) FROM leadroute.identities i, typical WHERE i.lead = typical.id::text
	 UNION ALL SELECT 20 + row_number() OVER (ORDER BY o.id), 'outbox', to_jsonb(o) FROM leadroute.outbox o, typical WHERE o.aggregateid = typical.id::text
	 UNION ALL SELECT 40 + row_number() OVER (ORDER BY c.policy), 'clocks', to_jsonb(c) FROM leadroute.clocks c, typical WHERE c.lead = typical.id::text
	 UNION ALL SELECT 99, 'rotation', to_jsonb(r) FROM (SELECT * FROM leadroute.rotation WHERE open = 1 LIMIT 1) r),
inserts AS (
	SELECT place, target, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS names,
		   string_agg(CASE WHEN a.attname IN ('lead', 'aggregateid') THEN 'l.id::text'
						   WHEN target = 'identities' AND a.attname = 'key' THEN '''u'' || :a || ''@company'' || :d || ''.example'''
						   WHEN a.attname IN ('owner', 'rep') THEN '''rep-'' || :o'
						   WHEN a.atttypid = 'timestamptz'::regtype THEN 'now()'
						   WHEN t.typcategory = 'A' THEN format('%L::%s', (SELECT coalesce(array_agg(e), '{}')::text FROM jsonb_array_elements_text(source -> a.attname) e), format_type(a.atttypid, a.atttypmod))
						   ELSE format('%L::%s', source ->> a.attname, format_type(a.atttypid, a.atttypmod)) END, ', ' ORDER BY a.attnum) AS expressions
	  FROM rows JOIN pg_attribute a ON a.attrelid = format('leadroute.%I', target)::regclass AND a.attnum > 0 JOIN pg_type t ON t.oid = a.atttypid
	 WHERE a.attname <> 'id' AND source ->> a.attname IS NOT NULL
	 GROUP BY place, target)
SELECT format('WITH l AS (INSERT INTO f1.leads (:columns, owner, team, territory, account, score, routed_at, route_reason) VALUES (:values, ''rep-'' || :o, %L, %L, %L, %L::numeric, now(), %L) RETURNING id)',
			  l.team, l.territory, l.account, l.score, l.route_reason)
	   || (SELECT string_agg(CASE WHEN place < 99 THEN format(', t%s AS (', place) ELSE ' ' END
							 || format('INSERT INTO f1.%I (%s) SELECT %s FROM l', target, names, expressions)
							 || CASE WHEN place < 99 THEN ')' ELSE '' END, '' ORDER BY place) FROM inserts)
  FROM lr.leads l, typical WHERE l.id = typical.id;
