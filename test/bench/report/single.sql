-- One lead a transaction.
\pset tuples_only on
\pset format unaligned
SELECT E'| clients | | leads/s | CPU us a lead | of f0 | of f1 | times p1 | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s |', clients, variant, short(value), short(figure('single', kind, variant, 'cpu', clients)),
			  ratio_of('single', kind, variant, 'f0', clients), ratio_of('single', kind, variant, 'f1', clients), ratio_of('single', kind, variant, 'p1', clients),
			  short(figure('single', kind, variant, 'p50', clients)), short(figure('single', kind, variant, 'p99', clients)))
  FROM medians WHERE part = 'single' AND metric = 'rate' ORDER BY clients, variant;
