-- History.
\pset tuples_only on
\pset format unaligned
SELECT E'| leads of history | | leads/s | beside none | of none | p50 ms | p99 ms | CPU us a lead | leads/s right after a checkpoint |\n|---|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s |', count_of(size), variant, short(figure('history', 'with', variant, 'rate', 8, size)), short(figure('history', 'without', variant, 'rate', 8, size)),
			  spread(value, low, high), short(figure('history', 'with', variant, 'p50', 8, size)), short(figure('history', 'with', variant, 'p99', 8, size)), short(figure('history', 'with', variant, 'cpu', 8, size)),
			  short(figure('history', 'checkpoint', variant, 'rate', 8, size)))
  FROM history_ratios ORDER BY size, variant;
SELECT E'\n![the rate beside a history, of that beside none](benchmarks/history.svg)';
