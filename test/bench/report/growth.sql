-- Growth.
\pset tuples_only on
\pset format unaligned
SELECT E'| | how many | leadroute''s own, CPU us a lead | of the smallest | the bare insert | a session''s first lead, CPU ms over the bare one |\n|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s |', kind, count_of(size), spread(own, low, high), short(own / first_value(own) OVER (PARTITION BY kind ORDER BY size)), short(bare), short(first / 1000))
  FROM own_costs ORDER BY kind, size;
SELECT E'\n| territories in the map | what the map costs a lead, CPU us: the same leads with its rule and without |\n|---|---|' WHERE EXISTS (SELECT FROM map_costs);
SELECT format('| %s | %s |', count_of(size), spread(cost, low, high)) FROM map_costs ORDER BY size;
SELECT format(E'\n![CPU us a lead by %s](benchmarks/%1$s.svg)', kind) FROM (SELECT DISTINCT kind FROM own_costs) k ORDER BY kind;
