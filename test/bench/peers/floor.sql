-- The floor's statement, made from what leadroute wrote: of the leads just routed the one whose rows are nearest to the
-- average width gives the values; its key, its owner (the indexed column) and its times stay the statement's own, and the e-mail that is
-- its key is the statement's too: an index that is filled at random places, as leadroute's is, costs more than one that only grows.
-- Of a table that names no lead (the ledger of turns) it writes as many rows a lead as leadroute did.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;
CREATE TEMP TABLE rows (relation text NOT NULL, lead text, row jsonb NOT NULL, width integer NOT NULL);
DO $$
DECLARE
	relation text;
	lead text;
BEGIN
	FOR relation, lead IN
		SELECT w.relation, (SELECT attname FROM pg_attribute WHERE attrelid = format('leadroute.%I', w.relation)::regclass AND attname IN ('lead', 'aggregateid') AND NOT attisdropped)
		  FROM bench.written w
	LOOP
		EXECUTE format('INSERT INTO pg_temp.rows SELECT %L, %s, to_jsonb(t), pg_column_size(t.*) FROM leadroute.%I t', relation, coalesce('t.' || quote_ident(lead), 'NULL'), relation);
	END LOOP;
END
$$;
CREATE TEMP TABLE widths AS
	SELECT l.id, count(*) AS rows, pg_column_size(l.*) + sum(r.width) AS width
	  FROM lr.leads l JOIN pg_temp.rows r ON r.lead = l.id::text
	 WHERE l.owner IS NOT NULL AND l.territory IS NOT NULL GROUP BY l.id, l.*;
WITH usual AS (SELECT * FROM pg_temp.widths WHERE rows = (SELECT mode() WITHIN GROUP (ORDER BY rows) FROM pg_temp.widths)),
typical AS (
	SELECT id FROM usual ORDER BY abs(width - (SELECT avg(width) FROM usual)), id LIMIT 1),
source (place, relation, row) AS (
	SELECT row_number() OVER (ORDER BY relation = 'rotation', relation <> 'lead_states', relation, row::text), relation, row
	  FROM (SELECT r.relation, r.row FROM pg_temp.rows r, typical t WHERE r.lead = t.id::text
			 UNION ALL
			SELECT x.relation, x.row FROM bench.written w, LATERAL (SELECT r.relation, r.row FROM pg_temp.rows r WHERE r.relation = w.relation AND r.lead IS NULL LIMIT round(w.rows_a_lead)) x) u),
inserts AS (
	SELECT place, relation, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS names,
		   string_agg(CASE WHEN a.attname IN ('lead', 'aggregateid') THEN 'l.id::text'
						   WHEN relation = 'identities' AND a.attname = 'key' AND t.typname = 'text' THEN '''u'' || :a || ''@company'' || :d || ''.example'''
						   WHEN relation = 'identities' AND a.attname = 'key' THEN format('decode(md5(:a || ''@'' || :d), ''hex'')::%s', format_type(a.atttypid, a.atttypmod))
						   WHEN a.attname IN ('owner', 'rep') THEN '''rep-'' || :o'
						   WHEN a.atttypid = 'timestamptz'::regtype THEN 'now()'
						   WHEN t.typcategory = 'A' THEN format('%L::%s', (SELECT coalesce(array_agg(e), '{}')::text FROM jsonb_array_elements_text(row -> a.attname) e), format_type(a.atttypid, a.atttypmod))
						   ELSE format('%L::%s', row ->> a.attname, format_type(a.atttypid, a.atttypmod)) END, ', ' ORDER BY a.attnum) AS expressions
	  FROM source JOIN pg_attribute a ON a.attrelid = format('leadroute.%I', relation)::regclass AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
	 WHERE a.attname <> 'id' AND row ->> a.attname IS NOT NULL
	 GROUP BY place, relation)
SELECT format('WITH l AS (INSERT INTO f1.leads (:columns, owner, team, territory, account, score, routed_at, route_reason) VALUES (:values, ''rep-'' || :o, %L, %L, %L, %L::numeric, now(), %L) RETURNING id)',
			  l.team, l.territory, l.account, l.score, l.route_reason)
	   || (SELECT string_agg(CASE WHEN place < (SELECT max(place) FROM inserts) THEN format(', t%s AS (', place) ELSE ' ' END
							 || format('INSERT INTO f1.%I (%s) SELECT %s FROM l', relation, names, expressions)
							 || CASE WHEN place < (SELECT max(place) FROM inserts) THEN ')' ELSE '' END, '' ORDER BY place) FROM inserts)
  FROM lr.leads l, typical WHERE l.id = typical.id;
