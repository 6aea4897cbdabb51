-- Latency beside a COPY.
\pset tuples_only on
\pset format unaligned
SELECT E'| 8 clients beside a COPY of | | leads/s | p50 ms | p99 ms | p99 / p50 | the COPY, leads/s |\n|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', count_of(size), variant, short(value), short(figure('beside', kind, variant, 'p50', 8, size)), short(figure('beside', kind, variant, 'p99', 8, size)),
			  (SELECT spread(percentile_cont(0.5) WITHIN GROUP (ORDER BY r), min(r), max(r)) FROM (SELECT a.value / b.value AS r FROM figures a JOIN figures b USING (part, kind, variant, clients, size, round)
				WHERE (a.part, a.variant, a.size, a.metric, b.metric) = ('beside', m.variant, m.size, 'p99', 'p50')) x),
			  short(figure('beside', 'copy', variant, 'rate', 1, size)))
  FROM medians m WHERE part = 'beside' AND kind = 'beside' AND metric = 'rate' ORDER BY size, variant;
