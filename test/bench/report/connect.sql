-- New connections.
\pset tuples_only on
\pset format unaligned
SELECT E'| leads of a connection | f0, ms a connection | lr, ms a connection | lr more, ms | f0, ms a lead | lr, ms a lead |\n|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s |', size, short(f0), short(lr), short(more), short(f0 / size), short(lr / size))
  FROM (SELECT a.size, percentile_cont(0.5) WITHIN GROUP (ORDER BY a.value) AS f0, percentile_cont(0.5) WITHIN GROUP (ORDER BY b.value) AS lr, percentile_cont(0.5) WITHIN GROUP (ORDER BY b.value - a.value) AS more
		  FROM figures a JOIN figures b USING (part, kind, clients, size, round, metric) WHERE part = 'connect' AND (a.variant, b.variant) = ('f0', 'lr') GROUP BY a.size) c ORDER BY size;
SELECT E'\n![ms a lead as a connection is used for more leads](benchmarks/connections.svg)';
