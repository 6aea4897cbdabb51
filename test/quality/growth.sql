-- People with the names, cities and companies of a long-tailed distribution: the most frequent surname is one in a hundred. One in 20 comes twice.
SET client_min_messages = warning;
CREATE SCHEMA growth;
CREATE TABLE growth.leads (id integer PRIMARY KEY, email text, phone text, first_name text, last_name text, company text, city text, postal_code text, country text);
CREATE TABLE growth.measured (leads integer, pairs numeric, blocks_hit numeric, milliseconds numeric);
CREATE FUNCTION growth.word(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(substr('bcdfghklmnprstvz', 1 + (h >> (i * 8) & 15), 1) || substr('aeiouy', 1 + (h >> (i * 8 + 4) & 15) % 6, 1), '' ORDER BY i)
	FROM (SELECT hashint4(n) & 2147483647 AS h) x, generate_series(0, 2) i $$;
CREATE PROCEDURE growth.add(first integer, last integer) LANGUAGE sql AS $$
	INSERT INTO growth.leads
	SELECT i, w.first || '.' || w.last || x.n % 89 || '@' || w.company || '.com', '+1415' || 2000000 + x.n % 8000000, w.first, w.last, w.company, w.city, to_char(x.n % 40000 + 10000, 'FM00000'), 'US'
	FROM generate_series(first, last) i
		CROSS JOIN LATERAL (SELECT CASE WHEN i % 20 = 0 THEN i - 7 ELSE i END AS n) x
		CROSS JOIN LATERAL (SELECT (hashint4extended(x.n, 1) & 1048575) / 1048576.0 AS a, (hashint4extended(x.n, 2) & 1048575) / 1048576.0 AS b,
								   (hashint4extended(x.n, 3) & 1048575) / 1048576.0 AS c, (hashint4extended(x.n, 4) & 1048575) / 1048576.0 AS d) r
		CROSS JOIN LATERAL (SELECT growth.word((power(800, r.a))::int) AS first, growth.word(10000 + (power(60000, r.b))::int) AS last,
								   growth.word(100000 + (power(400000, r.c))::int) AS company, growth.word(1000000 + (power(3000, r.d))::int) AS city) w
$$;
SELECT leadroute.attach('growth.leads', 'growth') \g /dev/null
CREATE FUNCTION growth.buffers() RETURNS numeric LANGUAGE sql AS $$
	SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) FROM pg_statio_all_tables WHERE schemaname = 'leadroute' $$;

-- adds leads up to a number, compares them; then a thousand more, and measures these (the statistics of a session reach the others between its statements)
\set QUIET on
\set target 2500
\set from 1
\ir growth_step.sql
\set from 2501
\set target 5000
\ir growth_step.sql
\set from 5001
\set target 10000
\ir growth_step.sql
\set from 10001
\set target 20000
\ir growth_step.sql
SELECT leads, round(pairs, 1) AS pairs_per_new_lead, round(blocks_hit) AS buffers_per_new_lead, round(milliseconds, 2) AS milliseconds_per_new_lead FROM growth.measured ORDER BY leads;
SELECT key, times FROM leadroute.match_blocks WHERE flow = 'growth' ORDER BY times DESC LIMIT 5;
SELECT c.relname, pg_size_pretty(pg_table_size(c.oid)) AS rows, pg_size_pretty(pg_indexes_size(c.oid)) AS indexes
	FROM pg_class c WHERE c.oid IN ('growth.leads'::regclass, 'leadroute.match_values'::regclass, 'leadroute.match_keys'::regclass, 'leadroute.match_frequencies'::regclass) ORDER BY 1;
