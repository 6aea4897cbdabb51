-- The targets, each with what was measured, where it was measured, and whether that is enough. A line whose part has not run says so.
\pset tuples_only on
\pset format unaligned
-- sizes that were run, where they may be others than the target names
SELECT coalesce(min(size), 200000) AS small, coalesce(max(size), 1000000) AS large FROM figures WHERE part = 'bulk' AND kind = 'copy' \gset
SELECT coalesce(max(size), 1000000) AS beside FROM figures WHERE part = 'beside' AND kind = 'beside' \gset
SELECT coalesce(max(size) FILTER (WHERE size <= 100000), 100000) AS territories FROM figures WHERE part = 'growth' AND kind = 'territories' \gset
SELECT coalesce(max(size), 100000) AS sweep FROM figures WHERE part = 'sweep' \gset
SELECT coalesce(max(size), 10000000) AS history FROM figures WHERE part = 'history' \gset
SELECT coalesce(substring(max(settings) FROM 'BENCH_TERRITORIES=(\d+)'), CASE max(mode) WHEN 'quick' THEN '2000' ELSE '100000' END)::bigint AS connect FROM runs WHERE part = 'connect' \gset

CREATE TEMP TABLE lines (
	place		serial,
	line		text NOT NULL,
	wanted		double precision NOT NULL,
	aim			double precision,
	at_most		boolean NOT NULL,
	part		text NOT NULL,
	value		double precision,
	low			double precision,
	high		double precision,
	beside		text,		-- what is said behind the figure
	other_size	boolean NOT NULL DEFAULT false	-- than the target's
);
-- ratios of leadroute and another variant within a round
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high)
	SELECT t.line, t.wanted, t.aim, false, t.part, r.value, r.low, r.high
	  FROM (VALUES
		(1, 'single-row, synchronous commit, of F1: 1 client', 0.80, 0.95, 'single', 'single', 'lr', 'f1', 1, 0),
		(2, '... 8 clients', 0.90, 0.95, 'single', 'single', 'lr', 'f1', 8, 0),
		(3, '... 16 clients', 0.90, 0.95, 'single', 'single', 'lr', 'f1', 16, 0),
		(4, 'the same, times P1: 1 client', 2, NULL, 'single', 'single', 'lr', 'p1', 1, 0),
		(5, '... 8 clients', 3, NULL, 'single', 'single', 'lr', 'p1', 8, 0),
		(6, '... 16 clients', 4, 5, 'single', 'single', 'lr', 'p1', 16, 0),
		(7, 'of F0, the bare insert, 8 clients', 0.50, 0.65, 'single', 'single', 'lr', 'f0', 8, 0)) t (place, line, wanted, aim, part, kind, variant, other, clients, size)
	  LEFT JOIN median_ratios r ON (r.part, r.kind, r.variant, r.other, r.clients, r.size, r.metric) = (t.part, t.kind, t.variant, t.other, t.clients, t.size, 'rate') ORDER BY t.place;
INSERT INTO lines (line, wanted, aim, at_most, part, value, beside)
	SELECT 'WAL a lead, bytes', 2500, 1600, true, 'rows', max(value), 'F1''s ' || short(figure('rows', 'total', 'f1', 'wal', 1, max(size))) FROM medians WHERE part = 'rows' AND kind = 'total' AND variant = 'lr' AND metric = 'wal';
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT t.line, t.wanted, t.aim, false, 'bulk', r.value, r.low, r.high,
		   concat_ws('; ', CASE WHEN :small <> 200000 THEN count_of(:small) || ' leads' END,
					 CASE WHEN t.kind = 'update' THEN format('CPU %s us a row, %s without', short(figure('bulk', 'update', 'lr', 'cpu', 1, :small)), short(figure('bulk', 'update', 'f1', 'cpu', 1, :small))) END)
	  FROM (VALUES
		(1, 'COPY of 200 k, of F1', 0.60, 0.80, 'copy', 'f1'),
		(3, 'upsert of known, unchanged leads, of the same without triggers', 0.85, 0.95, 'upsert', 'f1'),
		(4, 'UPDATE that touches nothing of ours, of the same without triggers', 0.93, 0.97, 'update', 'f1')) t (place, line, wanted, aim, kind, other)
	  LEFT JOIN median_ratios r ON (r.part, r.kind, r.variant, r.other, r.clients, r.size, r.metric) = ('bulk', t.kind, 'lr', t.other, 1, :small, 'rate') ORDER BY t.place;
INSERT INTO lines (line, wanted, aim, at_most, part, value, beside)
	SELECT 'COPY of 1 M: us a lead against 200 k', 1.1, 1.0, true, 'bulk', figure('bulk', 'copy', 'lr', 'rate', 1, :small) / nullif(figure('bulk', 'copy', 'lr', 'rate', 1, :large), 0),
		   concat_ws('; ', CASE WHEN (:small, :large) <> (200000, 1000000) THEN format('%s against %s', count_of(:large), count_of(:small)) END,
					 format('F0''s own %s, F1''s %s', short(figure('bulk', 'copy', 'f0', 'rate', 1, :small) / figure('bulk', 'copy', 'f0', 'rate', 1, :large)), short(figure('bulk', 'copy', 'f1', 'rate', 1, :small) / figure('bulk', 'copy', 'f1', 'rate', 1, :large))))
	 WHERE EXISTS (SELECT FROM runs WHERE part = 'bulk') AND :small <> :large
	 UNION ALL SELECT 'COPY of 1 M: us a lead against 200 k', 1.1, 1.0, true, 'bulk', NULL, NULL WHERE :small = :large OR NOT EXISTS (SELECT FROM runs WHERE part = 'bulk');
INSERT INTO lines (line, wanted, aim, at_most, part, value, beside)
	SELECT line, 2, 1.1, true, 'decision', figure('decision', kind, 'lr', 'lr_lead_before', 1, 1000) / figure('decision', kind, 'lr', 'lr_lead_before', 1, 50),
		   concat_ws('; ', 'instructions of all that is done before the row is stored', 'of the rules'' walk alone ' || (figure('decision', kind, 'lr', 'lr_route_decide', 1, 1000) / figure('decision', kind, 'lr', 'lr_route_decide', 1, 50))::numeric(10, 1), 'leadroute''s whole CPU ' || ((SELECT own FROM own_costs o WHERE o.kind = l.kind AND size = 1000) / (SELECT own FROM own_costs o WHERE o.kind = l.kind AND size = 50))::numeric(10, 2) || ' times')
	  FROM (VALUES (1, '1,000 rules against 50, cost of the decision', 'rules'), (2, '... where one rule in six has no equality test', 'rules_like')) l (place, line, kind) ORDER BY place;
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT 'territory look-up, 100,000 in the map, steady state, us of CPU', 10, 2, true, 'growth', cost, low, high,
		   concat_ws('; ', 'all that the map costs a lead', 'instructions of the look-up alone ' || round(figure('decision', 'territories', 'lr', 'lr_map_find', 1, :territories)), CASE WHEN m.size <> 100000 THEN count_of(m.size) || ' territories' END)
	  FROM (SELECT) x LEFT JOIN map_costs m ON m.size = :territories;
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT 'first lead of a new connection, 50 rules, 15 criteria, 100,000 territories: ms over the bare one', 2, 0.5, true, 'connect',
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY l.value - b.value), min(l.value - b.value), max(l.value - b.value), CASE WHEN :connect <> 100000 THEN count_of(:connect) || ' territories' END
	  FROM figures l JOIN figures b USING (part, kind, clients, size, round, metric) WHERE part = 'connect' AND size = 1 AND (l.variant, b.variant) = ('lr', 'f0');
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT '10 M leads of history against none: of the rate', 0.8, 0.95, false, 'history', h.value, h.low, h.high,
		   concat_ws('; ', CASE WHEN :history <> 10000000 THEN count_of(:history) || ' leads' END, 'the bare table''s own ' || (SELECT short(b.value) FROM history_ratios b WHERE b.variant = 'f0' AND b.size = :history))
	  FROM (SELECT) x LEFT JOIN history_ratios h ON h.variant = 'lr' AND h.size = :history;
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT 'p99 / p50 at 8 clients while a COPY of 1 M runs beside, against the bare table''s own', 1.5, 1.1, true, 'beside', percentile_cont(0.5) WITHIN GROUP (ORDER BY lr / f0), min(lr / f0), max(lr / f0),
		   CASE WHEN :beside <> 1000000 THEN count_of(:beside) || ' leads' END
	  FROM (SELECT round, max(value) FILTER (WHERE metric = 'p99' AND variant = 'lr') / max(value) FILTER (WHERE metric = 'p50' AND variant = 'lr') AS lr,
				   max(value) FILTER (WHERE metric = 'p99' AND variant = 'f0') / max(value) FILTER (WHERE metric = 'p50' AND variant = 'f0') AS f0
			  FROM figures WHERE part = 'beside' AND kind = 'beside' AND size = :beside GROUP BY round) r;
INSERT INTO lines (line, wanted, aim, at_most, part, value, low, high, beside)
	SELECT 'inserts of 8 clients beside two sweeps that do 100,000 steps, of those without', 0.75, 0.9, false, 'sweep', percentile_cont(0.5) WITHIN GROUP (ORDER BY b.value / a.value), min(b.value / a.value), max(b.value / a.value),
		   CASE WHEN :sweep <> 100000 THEN count_of(:sweep) || ' steps' END
	  FROM figures a JOIN figures b USING (part, kind, clients, size, round, metric) WHERE part = 'sweep' AND metric = 'rate' AND (a.variant, b.variant) = ('alone', 'beside')
	UNION ALL SELECT '... seconds in which they do these', 60, NULL, true, 'sweep', m.value, m.low, m.high, CASE WHEN :sweep <> 100000 THEN count_of(:sweep) || ' steps' END
	  FROM (SELECT) x LEFT JOIN medians m ON m.part = 'sweep' AND m.metric = 'seconds';
INSERT INTO lines (line, wanted, at_most, part, value, low, high)
	SELECT 'P1 itself, of F1, 8 clients: else it is to be mended', 0.28, false, 'single', r.value, r.low, r.high
	  FROM (SELECT) x LEFT JOIN median_ratios r ON (r.part, r.variant, r.other, r.clients, r.metric) = ('single', 'p1', 'f1', 8, 'rate');

UPDATE lines SET other_size = true WHERE (line LIKE 'COPY of 200 k%' OR line LIKE 'upsert%' OR line LIKE 'UPDATE%') AND :small <> 200000 OR line LIKE 'COPY of 1 M%' AND (:small, :large) <> (200000, 1000000)
	OR part = 'growth' AND :territories <> 100000 OR part = 'connect' AND :connect <> 100000 OR part = 'history' AND :history <> 10000000 OR part = 'beside' AND :beside <> 1000000 OR part = 'sweep' AND :sweep <> 100000;

CREATE TEMP VIEW verdicts AS
	SELECT *, CASE WHEN value IS NULL THEN 'not run' WHEN CASE WHEN at_most THEN value <= aim ELSE value >= aim END THEN 'met, and the aim'
				   WHEN CASE WHEN at_most THEN value <= wanted ELSE value >= wanted END THEN 'met'
				   ELSE format('**falls short by %s %%**', round(100 * abs(1 - value::numeric / wanted::numeric))) END AS verdict,
		-- counts are the same whatever else the machine does
		CASE WHEN value IS NULL THEN NULL WHEN NOT quiet(part) AND part NOT IN ('rows', 'decision') THEN 'busy machine' WHEN other_size THEN 'other size' END AS but FROM lines;
SELECT E'| line | at least | aim | measured | | measured by |\n|---|---|---|---|---|---|';
SELECT format('| %s | %s%s | %s | %s%s | %s | %s |', line, CASE WHEN at_most THEN '≤ ' ELSE '≥ ' END, short(wanted), short(aim), spread(value, low, high), CASE WHEN value IS NOT NULL THEN '; ' || nullif(beside, '') END, CASE WHEN but IS NULL THEN verdict ELSE format('no verdict: %s (%s)', but, verdict) END,
			  coalesce((SELECT format('%s, %s, %s', r.part, r.commit, to_char(r.at AT TIME ZONE 'UTC', 'MM-DD HH24:MI')) FROM runs r WHERE r.part = v.part), v.part))
  FROM verdicts v ORDER BY place;
SELECT E'\n' || format('%s lines: %s met, %s fall short, %s without a verdict, %s not run.', count(*), count(*) FILTER (WHERE verdict LIKE 'met%' AND but IS NULL), count(*) FILTER (WHERE verdict LIKE '**%' AND but IS NULL),
		count(*) FILTER (WHERE but IS NOT NULL), count(*) FILTER (WHERE verdict = 'not run')) FROM verdicts;
SELECT 'Falls short: ' || string_agg(line, '; ' ORDER BY place) || '.' FROM verdicts WHERE verdict LIKE '**%' AND but IS NULL HAVING count(*) > 0;
