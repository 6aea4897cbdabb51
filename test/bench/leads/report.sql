-- What test/bench/leads.sh measured, as tables that doc/benchmarks.md can take over.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;

SELECT E'\n| | table | rows per lead | bytes per row | index bytes per lead |\n|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s |', variant, relation, round(rows::numeric / leads, 3), round(bytes, 1), round(index_bytes::numeric / leads))
  FROM bench.written ORDER BY variant, array_position('{leads,lead_states,events,identities,rotation}', relation);
SELECT E'\n| | rows per lead | bytes per lead in rows | WAL bytes per lead |\n|---|---|---|---|';
SELECT format('| %s | %s | %s | %s |', variant, round(sum(w.rows::numeric / w.leads), 2), round(sum(w.rows * w.bytes / w.leads)), round(wal.bytes / wal.leads))
  FROM bench.written w JOIN bench.wal USING (variant) GROUP BY variant, wal.bytes, wal.leads ORDER BY variant;

CREATE TEMP VIEW ratios AS
	SELECT s.kind, s.clients, s.variant, o.variant AS other,
		   (s.leads / s.seconds) / (o.leads / o.seconds) AS ratio, (s.cpu / s.leads) / nullif(o.cpu / o.leads, 0) AS cpu_ratio
	  FROM bench.slices s JOIN bench.slices o USING (kind, round, clients);
CREATE TEMP VIEW figures AS
	SELECT kind, clients, variant,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY leads / seconds) AS rate,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY 1e6 * cpu / leads) AS cpu
	  FROM bench.slices GROUP BY kind, clients, variant;
CREATE FUNCTION pg_temp.ratio(kind text, clients integer, variant text, other text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(format('%s (%s-%s)', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ratio)::numeric, 2), round(min(r.ratio), 2), round(max(r.ratio), 2)), '')
	  FROM ratios r WHERE r.kind = $1 AND r.clients = $2 AND r.variant = $3 AND r.other = $4 HAVING count(*) > 0
$$;

SELECT E'\n| one lead a transaction | clients | leads/s | CPU us/lead | / f0 | / f1 | / p1 | / p2 |\n|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s |', variant, clients, round(rate), round(cpu::numeric),
			  pg_temp.ratio(kind, clients, variant, 'f0'), pg_temp.ratio(kind, clients, variant, 'f1'), pg_temp.ratio(kind, clients, variant, 'p1'), pg_temp.ratio(kind, clients, variant, 'p2'))
  FROM figures WHERE kind = 'single' ORDER BY clients, variant;

SELECT E'\n| first lead of a session | ms, with connecting |\n|---|---|';
SELECT format('| %s | %s |', variant, round(1000 / rate::numeric, 1)) FROM figures WHERE kind = 'first lead' ORDER BY variant;

SELECT E'\n| many leads a statement | | rows/s | CPU us/row | / f0 | / f1 | / p1 | / p2 |\n|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s |', kind, variant, round(rate), round(cpu::numeric, 1),
			  pg_temp.ratio(kind, clients, variant, 'f0'), pg_temp.ratio(kind, clients, variant, 'f1'), pg_temp.ratio(kind, clients, variant, 'p1'), pg_temp.ratio(kind, clients, variant, 'p2'))
  FROM figures WHERE kind NOT IN ('single', 'first lead') ORDER BY array_position('{copy,upsert,update,full-row update,inserts of 1000}', kind), variant;

SELECT E'\n| line (8 clients, one run) | wanted | measured | |\n|---|---|---|---|';
SELECT format('| %s | %s | %s | %s |', line, wanted, round(measured, 2), CASE WHEN wanted IS NULL THEN '' WHEN measured >= wanted THEN 'met' ELSE 'short by ' || round(100 * (1 - measured / wanted)) || ' %' END)
  FROM (SELECT place, line, wanted, percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ratio)::numeric AS measured
		  FROM (VALUES (1, 'of the floor', 'f1', 0.85), (2, 'of the bare table', 'f0', 0.5), (3, 'times the twin', 'p1', 2.5), (4, 'times the leaner twin', 'p2', NULL)) w (place, line, other, wanted)
		  JOIN ratios r USING (other) WHERE r.kind = 'single' AND r.clients = 8 AND r.variant = 'lr'
		 GROUP BY place, line, wanted) l
 ORDER BY place;
