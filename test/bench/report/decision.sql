-- Instructions.
\pset tuples_only on
\pset format unaligned
SELECT E'| one lead a transaction | instructions a lead | of f1 |\n|---|---|---|';
SELECT format('| %s | %s | %s |', variant, round(value), short(value / figure('decision', 'lead', 'f1', 'total'))) FROM medians WHERE part = 'decision' AND kind = 'lead' AND metric = 'total' ORDER BY value;
SELECT E'\n| grows | how many | instructions a lead | `lr_lead_before`, all that is done before the row is stored | of the smallest | `lr_route_decide`, rules and pick | `lr_map_find` |\n|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', kind, count_of(size), round(value), round(decision), short(decision / first_value(decision) OVER (PARTITION BY kind ORDER BY size)), round(figure('decision', kind, 'lr', 'lr_route_decide', 1, size)), round(figure('decision', kind, 'lr', 'lr_map_find', 1, size)))
  FROM (SELECT kind, size, value, figure('decision', kind, 'lr', 'lr_lead_before', 1, size) AS decision FROM medians WHERE part = 'decision' AND kind <> 'lead' AND metric = 'total') d ORDER BY kind, size;
SELECT E'\n| of lr''s lead, with all it calls | instructions |\n|---|---|';
SELECT format('| `%s` | %s |', metric, round(value)) FROM medians WHERE part = 'decision' AND kind = 'lead' AND variant = 'lr' AND metric <> 'total' ORDER BY value DESC LIMIT 40;
