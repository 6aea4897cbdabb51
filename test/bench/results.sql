-- results.sql: what the parts measured, one number a row; and how reports read it. Made anew in the database "results" for each run,
-- filled from test/bench/out.
CREATE TABLE runs (
	part			text PRIMARY KEY,
	mode			text NOT NULL,
	at				timestamptz NOT NULL,
	commit			text NOT NULL,
	server			text NOT NULL,
	machine			text NOT NULL,
	settings		text NOT NULL,		-- BENCH_... that were given
	others_before	numeric NOT NULL,	-- cores that were busy with other work
	others_after	numeric NOT NULL,
	seconds			integer NOT NULL
);
CREATE TABLE figures (
	part			text NOT NULL,
	kind			text NOT NULL,
	variant			text NOT NULL,
	clients			integer NOT NULL,
	size			bigint NOT NULL,
	round			integer NOT NULL,
	metric			text NOT NULL,
	value			double precision NOT NULL,
	PRIMARY KEY (part, kind, variant, clients, size, round, metric)
);

CREATE VIEW medians AS
	SELECT part, kind, variant, clients, size, metric, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value, min(value) AS low, max(value) AS high, count(*) AS rounds
	  FROM figures GROUP BY part, kind, variant, clients, size, metric;
-- two variants within a round
CREATE VIEW ratios AS
	SELECT f.part, f.kind, f.clients, f.size, f.round, f.metric, f.variant, o.variant AS other, f.value / nullif(o.value, 0) AS ratio
	  FROM figures f JOIN figures o USING (part, kind, clients, size, round, metric);
CREATE VIEW median_ratios AS
	SELECT part, kind, clients, size, metric, variant, other, percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio) AS value, min(ratio) AS low, max(ratio) AS high
	  FROM ratios GROUP BY part, kind, clients, size, metric, variant, other;

-- a number as a table shows it: three figures that count
CREATE FUNCTION short(value double precision) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN value IS NULL THEN '' WHEN abs(value) >= 100 THEN round(value)::text WHEN abs(value) >= 10 THEN round(value::numeric, 1)::text ELSE round(value::numeric, 2)::text END
$$;
CREATE FUNCTION spread(value double precision, low double precision, high double precision) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN value IS NULL THEN '' WHEN low IS NULL OR low = high THEN short(value) ELSE format('%s (%s-%s)', short(value), short(low), short(high)) END
$$;
CREATE FUNCTION count_of(value bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN value >= 1000000 AND value % 100000 = 0 THEN trim_scale(value / 1000000.0) || ' M' WHEN value >= 1000 AND value % 1000 = 0 THEN value / 1000 || ' k' ELSE value::text END
$$;
CREATE FUNCTION figure(part text, kind text, variant text, metric text, clients integer DEFAULT 1, size bigint DEFAULT 0) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT value FROM medians m WHERE (m.part, m.kind, m.variant, m.metric, m.clients, m.size) = ($1, $2, $3, $4, $5, $6)
$$;
CREATE FUNCTION ratio_of(part text, kind text, variant text, other text, clients integer DEFAULT 1, size bigint DEFAULT 0, metric text DEFAULT 'rate') RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN $3 = $4 THEN '1' ELSE (SELECT spread(value, low, high) FROM median_ratios r WHERE (r.part, r.kind, r.variant, r.other, r.clients, r.size, r.metric) = ($1, $2, $3, $4, $5, $6, $7)) END
$$;
-- whether a part's times were taken on a quiet machine; NULL: it has not run
CREATE FUNCTION quiet(part text) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT greatest(others_before, others_after) <= 0.2 FROM runs r WHERE r.part = $1
$$;
-- where and when a part ran, as its section says it
CREATE FUNCTION run_of(part text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('*%s, commit %s, BENCH=%s%s; %s; %s; other work kept %s cores busy before it and %s after%s; it took %s s.*',
				  to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), commit, mode, ' ' || nullif(settings, ''), machine, server, others_before, others_after,
				  CASE WHEN NOT quiet(part) THEN ' (**not a quiet machine: its times are worth little**)' ELSE '' END, seconds)
	  FROM runs r WHERE r.part = $1
$$;
-- what of a lead's cost is leadroute's own, by what grows
CREATE VIEW own_costs AS
	SELECT kind, size, percentile_cont(0.5) WITHIN GROUP (ORDER BY l.value - b.value) FILTER (WHERE metric = 'lead') AS own,
		   min(l.value - b.value) FILTER (WHERE metric = 'lead') AS low, max(l.value - b.value) FILTER (WHERE metric = 'lead') AS high,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY b.value) FILTER (WHERE metric = 'lead') AS bare,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY l.value - b.value) FILTER (WHERE metric = 'first') AS first
	  FROM figures l JOIN figures b USING (part, kind, clients, size, round, metric)
	 WHERE part = 'growth' AND l.variant = 'lr' AND b.variant = 'bare' GROUP BY kind, size;
-- what a map costs a lead: the same leads with its rule and without, in one round
CREATE VIEW map_costs AS
	SELECT size, percentile_cont(0.5) WITHIN GROUP (ORDER BY l.value - o.value) AS cost, min(l.value - o.value) AS low, max(l.value - o.value) AS high
	  FROM figures l JOIN figures o USING (part, kind, clients, size, round, metric)
	 WHERE part = 'growth' AND kind = 'territories' AND l.variant = 'lr' AND o.variant = 'off' AND metric = 'lead' GROUP BY size;
-- the rate beside a history, of that beside none
CREATE VIEW history_ratios AS
	SELECT w.size, w.variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY w.value / o.value) AS value, min(w.value / o.value) AS low, max(w.value / o.value) AS high
	  FROM figures w JOIN figures o USING (part, variant, clients, size, round, metric) WHERE w.part = 'history' AND w.kind = 'with' AND o.kind = 'without' AND metric = 'rate' GROUP BY w.size, w.variant;
