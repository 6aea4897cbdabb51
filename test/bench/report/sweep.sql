-- Inserts beside sweeps.
\pset tuples_only on
\pset format unaligned
SELECT E'| steps due | done | leads/s alone | beside two sweeps | ratio (at least 0.75) | seconds (at most 60 for 100,000) |\n|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s |', count_of(b.size), (SELECT count_of(value::bigint) FROM medians WHERE part = 'sweep' AND metric = 'steps'), short(a.value), short(b.value),
			  (SELECT spread(percentile_cont(0.5) WITHIN GROUP (ORDER BY y.value / x.value), min(y.value / x.value), max(y.value / x.value)) FROM figures x JOIN figures y USING (part, kind, clients, size, round, metric)
				WHERE (x.part, x.variant, y.variant, x.metric) = ('sweep', 'alone', 'beside', 'rate')),
			  (SELECT spread(value, low, high) FROM medians WHERE part = 'sweep' AND metric = 'seconds'))
  FROM medians b JOIN medians a USING (part, kind, clients, size, metric) WHERE part = 'sweep' AND (a.variant, b.variant) = ('alone', 'beside');
