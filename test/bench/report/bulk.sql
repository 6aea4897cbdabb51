-- Many leads a statement.
\pset tuples_only on
\pset format unaligned
SELECT E'| | leads | | leads/s | us a lead | CPU us a lead | of f0 | of f1 | times p1 |\n|---|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s |', name, count_of(size), variant, short(value), short(1e6 / value), short(figure('bulk', kind, variant, 'cpu', 1, size)),
			  ratio_of('bulk', kind, variant, 'f0', 1, size), ratio_of('bulk', kind, variant, 'f1', 1, size), ratio_of('bulk', kind, variant, 'p1', 1, size))
  FROM medians JOIN (VALUES (1, 'copy', 'COPY'), (2, 'insert_select', 'INSERT ... SELECT'), (3, 'thousands', 'transactions of 1000'), (4, 'upsert', 'upsert of known leads, a quarter of'),
					 (5, 'update', 'UPDATE that touches nothing of ours, three quarters of'), (6, 'sync', 'full-row UPDATE, owner and team NULL, a quarter of'), (7, 'scored', 'UPDATE of a column that criteria read, a quarter of')) n (place, kind, name) USING (kind)
 WHERE part = 'bulk' AND metric = 'rate' ORDER BY place, size, variant;
