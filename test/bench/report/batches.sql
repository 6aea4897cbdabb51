-- Twenty leads a statement.
\pset tuples_only on
\pset format unaligned
SELECT E'| 20 leads a statement, 8 clients | leads/s | of f0 | times p1 | statements that failed |\n|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s |', variant, short(value), ratio_of('batches', 'batch', variant, 'f0', 8, 20), ratio_of('batches', 'batch', variant, 'p1', 8, 20),
			  (SELECT sum(f.value) FROM figures f WHERE f.part = 'batches' AND f.variant = m.variant AND f.metric = 'failed'))
  FROM medians m WHERE part = 'batches' AND metric = 'rate' ORDER BY variant;
