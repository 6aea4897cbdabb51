-- The worker in Node.
\pset tuples_only on
\pset format unaligned
SELECT E'| the worker in Node | leads/s | a lead waits, p50 ms | p99 ms | leads it left |\n|---|---|---|---|---|';
SELECT format('| drains %s | %s | | | |', count_of(size), short(value)) FROM medians WHERE part = 'worker' AND kind = 'drain';
SELECT format('| beside inserts | %s | %s | %s | %s |', size, short(value), short(figure('worker', kind, variant, 'p99', 4, size)), short(figure('worker', kind, variant, 'left', 4, size)))
  FROM medians WHERE part = 'worker' AND kind = 'beside' AND metric = 'p50' ORDER BY size;
