-- Samples.
\pset tuples_only on
\pset format unaligned
SELECT E'| | share of its time, by library |\n|---|---|';
SELECT format('| %s | %s |', CASE kind WHEN 'copy' THEN 'COPY' ELSE 'one lead a transaction' END, string_agg(format('%s %s %%', variant, short(value)), ', ' ORDER BY value DESC))
  FROM medians WHERE part = 'profile' AND metric = 'dso' GROUP BY kind ORDER BY kind DESC;
SELECT E'\n| one lead a transaction | % | COPY | % |\n|---|---|---|---|';
WITH top AS (SELECT kind, variant, value, row_number() OVER (PARTITION BY kind ORDER BY value DESC, variant) AS place FROM medians WHERE part = 'profile' AND metric = 'symbol')
SELECT format('| `%s` | %s | `%s` | %s |', s.variant, short(s.value), c.variant, short(c.value))
  FROM (SELECT * FROM top WHERE kind = 'single') s JOIN (SELECT * FROM top WHERE kind = 'copy') c USING (place) WHERE place <= 30 ORDER BY place;
