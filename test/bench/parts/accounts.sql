-- 150: find_account() among 1,000 and 1,000,000 accounts: pages and times
/*
 * test/bench/parts/accounts.sql
 *		What the look-up of an account costs among 1,000 and among 1,000,000: pages touched, and time with all of it in memory.
 *
 *	psql -X -d DB [-v accounts=1000000] [-v sample=2000] -f test/bench/parts/accounts.sql
 *
 * Each account has one domain. A look-up that finds one is a probe of account_domains and one of accounts; one that
 * finds none is a probe of account_domains. The flow has no alias, so the last step is an empty probe.
 */
\set ON_ERROR_STOP on
\pset pager off
\pset footer off
\if :{?accounts} \else \set accounts 1000000 \endif
\if :{?sample} \else \set sample 2000 \endif

INSERT INTO leadroute.reps (rep) SELECT 'rep' || i FROM generate_series(0, 9) i;
SELECT leadroute.create_leads_table('public.leads') IS NOT NULL AS created;
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached;
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'accounts', 'account_owner', NULL), (2, 'rest', 'rep', 'rep0');
SELECT leadroute.activate();
UPDATE leadroute.flows SET buying_committee_size = NULL;

/* Pages that a statement touches, those of its triggers too. */
CREATE FUNCTION bench_pages(query text, OUT pages integer) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || query INTO plan;
	pages := (plan->0->'Plan'->>'Shared Hit Blocks')::integer + (plan->0->'Plan'->>'Shared Read Blocks')::integer;
END
$$;

CREATE TABLE bench_results (accounts bigint, what text, pages integer, us numeric);
CREATE PROCEDURE bench_measure(known bigint, sample integer) LANGUAGE plpgsql AS $$
DECLARE
	kind	record;
	began	timestamptz;
	pages	integer;
	ignored	bigint;
BEGIN
	FOR kind IN SELECT * FROM (VALUES ('finds one', 'www.k%s.com'), ('finds none', 'www.none%s.com')) k(what, site) LOOP
		/* once to warm, once to count */
		PERFORM f.account FROM generate_series(1, sample) i, LATERAL leadroute.find_account(website => format(kind.site, 1 + (i * 7919::bigint) % known)) f;
		SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY bench_pages(format('SELECT * FROM leadroute.find_account(website => %L)', format(kind.site, 1 + (i * 7919::bigint) % known))))
			INTO pages FROM generate_series(1, least(sample, 200)) i;
		began := clock_timestamp();
		SELECT count(*) INTO ignored FROM generate_series(1, sample) i, LATERAL leadroute.find_account(website => format(kind.site, 1 + (i * 7919::bigint) % known)) f;
		INSERT INTO bench_results VALUES (known, kind.what, pages, 1e6 * extract(epoch FROM clock_timestamp() - began) / sample);
	END LOOP;
END
$$;

CREATE PROCEDURE bench_add(from_number bigint, to_number bigint) LANGUAGE sql AS $$
	INSERT INTO leadroute.accounts (account, name, owner, tier) SELECT 'k' || i, 'Company ' || md5(i::text), 'rep' || i % 10, i % 3 + 1 FROM generate_series(from_number, to_number) i;
	INSERT INTO leadroute.account_domains (domain, account) SELECT 'k' || i || '.com', 'k' || i FROM generate_series(from_number, to_number) i
$$;

CALL bench_add(1, 1000);
VACUUM ANALYZE leadroute.accounts, leadroute.account_domains;
CALL bench_measure(1000, :sample);
\echo 'a load by hand of the rest'
\timing on
CALL bench_add(1001, :accounts);
\timing off
VACUUM ANALYZE leadroute.accounts, leadroute.account_domains;
CALL bench_measure(:accounts, :sample);
SELECT accounts, what, pages, round(us, 1) AS "us (with find_account's own)" FROM bench_results ORDER BY what, accounts;

\echo 'attach_accounts: COPY of as many into a followed table, and a full-row upsert with nothing new'
SELECT leadroute.deactivate() IS NOT NULL AS off;
TRUNCATE leadroute.accounts, leadroute.account_domains;
CREATE TABLE crm (id text PRIMARY KEY, name text, website text, owner text);
SELECT leadroute.attach_accounts('crm');
CREATE TABLE source AS SELECT 'k' || i AS id, 'Company ' || md5(i::text) AS name, 'https://www.k' || i || '.com/' AS website, 'rep' || i % 10 AS owner FROM generate_series(1, :accounts) i;
\timing on
INSERT INTO crm SELECT * FROM source;
INSERT INTO crm SELECT * FROM source ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, website = EXCLUDED.website, owner = EXCLUDED.owner;
\timing off
SELECT count(*) AS accounts, count(DISTINCT xmin::text) AS "writing statements" FROM leadroute.accounts;
