-- What test/bench/leads.sh measured, as tables that doc/benchmarks.md can take over.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;

SELECT E'\n| | table | rows per lead | bytes per row | index bytes per lead |\n|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s |', variant, relation, round(rows::numeric / leads, 3), round(bytes, 1), round(index_bytes::numeric / leads))
  FROM bench.written ORDER BY variant, array_position('{leads,lead_states,events,identities,outbox,clocks,rotation}', relation);
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

SELECT E'\n| one lead a transaction | clients | leads/s | CPU us/lead | / f0 | / f1 | / p1 |\n|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', variant, clients, round(rate), round(cpu::numeric),
			  pg_temp.ratio(kind, clients, variant, 'f0'), pg_temp.ratio(kind, clients, variant, 'f1'), pg_temp.ratio(kind, clients, variant, 'p1'))
  FROM figures WHERE kind = 'single' ORDER BY clients, variant;

SELECT E'\n| one lead a transaction | clients | p50 ms | p99 ms | p99 / p50 |\n|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s |', variant, clients, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p50)::numeric / 1000, 2),
			  round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p99)::numeric / 1000, 2), round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p99 / p50)::numeric, 1))
  FROM bench.latencies GROUP BY variant, clients ORDER BY clients, variant;

SELECT E'\n| first lead of a session | ms, with connecting |\n|---|---|';
SELECT format('| %s | %s |', variant, round(1000 / rate::numeric, 1)) FROM figures WHERE kind = 'first lead' ORDER BY variant;

SELECT E'\n| many leads a statement | | rows/s | CPU us/row | / f0 | / f1 | / p1 |\n|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', kind, variant, round(rate), round(cpu::numeric, 1),
			  pg_temp.ratio(kind, clients, variant, 'f0'), pg_temp.ratio(kind, clients, variant, 'f1'), pg_temp.ratio(kind, clients, variant, 'p1'))
  FROM figures WHERE kind NOT IN ('single', 'first lead') ORDER BY kind, variant;

SELECT E'\n| 20 leads a statement, 8 clients | statements/s | failed |\n|---|---|---|' WHERE EXISTS (SELECT FROM bench.batches);
SELECT format('| %s | %s | %s |', variant, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY statements / seconds)::numeric, 1), sum(failed)) FROM bench.batches GROUP BY variant ORDER BY variant;

CREATE FUNCTION pg_temp.median(kind text, clients integer, other text, by_cpu boolean DEFAULT false) RETURNS numeric LANGUAGE sql AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN by_cpu THEN r.cpu_ratio ELSE r.ratio END)::numeric
	  FROM ratios r WHERE r.kind = $1 AND r.clients = $2 AND r.variant = 'lr' AND r.other = $3
$$;
-- the targets; `at most` where less is better
CREATE TEMP TABLE lines (line text, wanted numeric, aim numeric, measured numeric, at_most boolean);
INSERT INTO lines
	SELECT format('one lead a transaction, %s client%s: of the floor', c, CASE WHEN c > 1 THEN 's' END), w, 0.95, pg_temp.median('single', c, 'f1'), false FROM (VALUES (1, 0.80), (8, 0.90), (16, 0.90)) v (c, w);
INSERT INTO lines
	SELECT format('... times the twin, %s client%s', c, CASE WHEN c > 1 THEN 's' END), w, CASE c WHEN 16 THEN 5 END, pg_temp.median('single', c, 'p1'), false FROM (VALUES (1, 2), (8, 3), (16, 4)) v (c, w);
INSERT INTO lines VALUES
	('... of the floor, 8 clients (the first bench''s line)', 0.85, NULL, pg_temp.median('single', 8, 'f1'), false),
	('... times the twin, 8 clients (the first bench''s line)', 2.5, NULL, pg_temp.median('single', 8, 'p1'), false),
	('... of the bare table, 8 clients', 0.5, 0.65, pg_temp.median('single', 8, 'f0'), false),
	('the twin itself, of the floor, 8 clients: else it is to be mended', 0.28, NULL, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ratio)::numeric FROM ratios r WHERE kind = 'single' AND clients = 8 AND variant = 'p1' AND other = 'f1'), false),
	('WAL bytes a lead', 2500, 1600, (SELECT bytes / leads FROM bench.wal WHERE variant = 'lr'), true),
	('COPY of 200 k, of the floor', 0.60, 0.80, pg_temp.median('COPY of 200 k', 1, 'f1'), false),
	('COPY of 1 M: us a lead against 200 k', 1.1, 1.0, (SELECT (SELECT 1 / rate FROM figures WHERE kind = 'COPY of 1000 k' AND variant = 'lr') / (SELECT 1 / rate FROM figures WHERE kind = 'COPY of 200 k' AND variant = 'lr'))::numeric, true),
	('upsert of known leads, of the bare one (200 k)', 0.85, 0.95, pg_temp.median('upsert of 200 k', 1, 'f0'), false),
	('UPDATE that touches nothing of ours, of the bare one (200 k)', 0.93, 0.97, pg_temp.median('UPDATE of 200 k', 1, 'f0'), false),
	('first lead of a session: ms over the bare one', 2, 0.5, (SELECT 1000 * ((SELECT 1 / rate FROM figures WHERE kind = 'first lead' AND variant = 'lr') - (SELECT 1 / rate FROM figures WHERE kind = 'first lead' AND variant = 'f0')))::numeric, true);
SELECT E'\n| line | at least | aim | measured | |\n|---|---|---|---|---|';
SELECT format('| %s | %s%s | %s | %s | %s |', line, CASE WHEN at_most THEN '<= ' END, wanted, aim, coalesce(round(measured, CASE WHEN measured > 100 THEN 0 ELSE 2 END)::text, 'not run'),
			  CASE WHEN measured IS NULL THEN '' WHEN CASE WHEN at_most THEN measured <= wanted ELSE measured >= wanted END THEN CASE WHEN CASE WHEN at_most THEN measured <= aim ELSE measured >= aim END THEN 'met, and the aim' ELSE 'met' END
				   ELSE 'falls short by ' || round(100 * abs(1 - measured / wanted)) || ' %' END)
  FROM lines;
