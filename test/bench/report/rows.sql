-- What a lead is in rows, bytes and WAL.
\pset tuples_only on
\pset format unaligned
SELECT '| | rows a lead | bytes a lead in rows | WAL bytes a lead |', E'\n|---|---|---|---|' \g (fieldsep='')
SELECT format('| %s | %s | %s | %s |', variant, short(max(value) FILTER (WHERE metric = 'rows')), short(max(value) FILTER (WHERE metric = 'bytes')), short(max(value) FILTER (WHERE metric = 'wal')))
  FROM medians WHERE part = 'rows' AND kind = 'total' GROUP BY variant ORDER BY variant;
SELECT E'\n| | table | rows a lead | bytes a row | index bytes a lead |', E'\n|---|---|---|---|---|' \g (fieldsep='')
SELECT format('| %s | %s | %s | %s | %s |', variant, kind, round(max(value::numeric) FILTER (WHERE metric = 'rows'), 3), short(max(value) FILTER (WHERE metric = 'bytes')), short(max(value) FILTER (WHERE metric = 'indexes')))
  FROM medians WHERE part = 'rows' AND kind <> 'total' GROUP BY variant, kind ORDER BY variant, kind <> 'leads', kind;
