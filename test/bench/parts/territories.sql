-- 40: how much of the index a look-up of a point reads, 100,000 territories
/*
 * test/bench/parts/territories.sql
 *		How much of the index a look-up of a lead's point reads, with a map of many territories.
 *
 *	psql -X -d DB [-v territories=100000] [-v points=200] [-v shuffle=1] [-v keep=0] -f test/bench/parts/territories.sql
 *
 * The map: for each postal prefix (us_zip's are 3 to 5 digits) one territory for the prefix, in
 * it 5 employee bands, in each of these 20 industries: nested or apart, 106 a prefix; over them one a
 * first digit and one for everything. shuffle=1 loads them in an order that helps nobody. Runs in a
 * transaction on an emptied table and rolls all back, unless keep=1 (nothing is emptied then).
 */
\set ON_ERROR_STOP on
\pset pager off
\if :{?territories} \else \set territories 100000 \endif
\if :{?points} \else \set points 200 \endif
\if :{?shuffle} \else \set shuffle 1 \endif
\if :{?keep} \else \set keep 0 \endif

BEGIN;
\if :keep
\else
/* so that the index's pages are this map's alone; comes back with the rollback */
TRUNCATE leadroute.territories;
\endif
CREATE FUNCTION pg_temp.bench_territories(territories integer) RETURNS TABLE (territory text, area text)
	LANGUAGE sql AS $$
	WITH prefixes AS (
		/* spread over all codes */
		SELECT lpad(floor(p * 10 ^ digits / n)::bigint::text, digits, '0') AS prefix
		  FROM (SELECT n, greatest(3, length((n - 1)::text)) AS digits FROM (SELECT ceil(territories / 106.0)::integer AS n) x) y,
			   generate_series(0, n - 1) p),
	bands (band) AS (VALUES ('[1,51)'), ('[51,201)'), ('[201,1001)'), ('[1001,5001)'), ('[5001,)')),
	industries (industry) AS (
		SELECT unnest(ARRAY['agriculture', 'automotive', 'banking', 'biotech', 'construction', 'consulting', 'education', 'energy', 'fintech', 'food',
							'government', 'healthcare', 'insurance', 'logistics', 'manufacturing', 'media', 'retail', 'saas', 'telecom', 'travel']))
	SELECT 'all', '{}'
	 UNION ALL
	SELECT DISTINCT left(prefix, 1), 'postal_code: ' || left(prefix, 1) || '*' FROM prefixes
	 UNION ALL
	SELECT prefix, 'postal_code: ' || prefix || '*' FROM prefixes
	 UNION ALL
	SELECT prefix || ' ' || band, 'postal_code: ' || prefix || '*; employees: ' || band FROM prefixes, bands
	 UNION ALL
	SELECT prefix || ' ' || band || ' ' || industry, 'postal_code: ' || prefix || '*; employees: ' || band || '; industry: ' || industry
	  FROM prefixes, bands, industries
	$$;

CREATE TEMP TABLE bench_load ON COMMIT DROP AS
	SELECT territory, area, CASE :shuffle WHEN 1 THEN md5(territory) ELSE territory END AS load_order
	  FROM pg_temp.bench_territories(:territories);

\echo 'loading, with the constraint and the triggers in place'
\timing on
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'bench', territory, area::leadroute.territory, 'bench' FROM bench_load ORDER BY load_order COLLATE "C";
\timing off

/* Buffers of the index alone: a bitmap scan's index node reads no heap. */
CREATE FUNCTION pg_temp.bench_pages(point leadroute.territory, OUT pages bigint, OUT hits bigint)
	LANGUAGE plpgsql SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
	plan jsonb;
	node jsonb;
BEGIN
	EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) SELECT * FROM leadroute.territories WHERE area OPERATOR(leadroute.@>) %L AND flow = ''default'' AND map = ''bench''', point) INTO plan;
	node := plan->0->'Plan';
	hits := (node->>'Actual Rows')::numeric::bigint;
	WHILE node->>'Node Type' <> 'Bitmap Index Scan' LOOP
		node := node->'Plans'->0;
	END LOOP;
	IF node->>'Index Name' <> 'territories_do_not_cross' THEN
		RAISE EXCEPTION 'the planner took index %', node->>'Index Name';
	END IF;
	pages := (node->>'Shared Hit Blocks')::bigint + (node->>'Shared Read Blocks')::bigint
		+ coalesce((node->>'Local Hit Blocks')::bigint, 0) + coalesce((node->>'Local Read Blocks')::bigint, 0);
END
$$;

SELECT setseed(0.42) \gset
CREATE TEMP TABLE bench_points ON COMMIT DROP AS
	SELECT n, read.pages, read.hits
	  FROM (SELECT n, format('country: us; employees: [%s]; industry: %s; postal_code: %s',
							 floor(exp(random() * 9))::integer + 1,
							 (ARRAY['agriculture', 'banking', 'biotech', 'energy', 'fintech', 'media', 'retail', 'saas', 'travel', 'aerospace'])[1 + floor(random() * 10)::integer],
							 lpad(floor(random() * 100000)::integer::text, 5, '0'))::leadroute.territory AS point
			  FROM generate_series(1, :points) n OFFSET 0) p, pg_temp.bench_pages(point) AS read;

SELECT (SELECT count(*) FROM leadroute.territories WHERE map = 'bench') AS territories,
	   pg_relation_size('leadroute.territories_do_not_cross') / current_setting('block_size')::integer AS index_pages,
	   percentile_disc(0.5) WITHIN GROUP (ORDER BY pages) AS median_read,
	   round(avg(pages), 1) AS mean_read,
	   percentile_disc(0.95) WITHIN GROUP (ORDER BY pages) AS p95_read,
	   max(pages) AS most_read,
	   round(100.0 * percentile_disc(0.5) WITHIN GROUP (ORDER BY pages)
			 / (pg_relation_size('leadroute.territories_do_not_cross') / current_setting('block_size')::integer), 3) AS median_percent,
	   round(avg(hits), 2) AS mean_found
  FROM bench_points;

EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off)
	SELECT territory FROM leadroute.territories
	 WHERE area OPERATOR(leadroute.@>) 'country: us; employees: [75]; industry: saas; postal_code: 09410' AND flow = 'default' AND map = 'bench';

\if :keep
COMMIT;
\else
ROLLBACK;
\endif
