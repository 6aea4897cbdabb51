-- Conditions: what may stand in them, what is refused and how, what they evaluate to.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
RESET client_min_messages;
\set VERBOSITY default
-- check 'condition': the error as a user sees it, then its SQLSTATE
\set check 'SELECT leadroute.check_condition(:''c'', ''cond_test.leads''); \\echo :SQLSTATE'

CREATE SCHEMA cond_test;
CREATE TYPE cond_test.address AS (city text, zip text);
CREATE TYPE cond_test.size AS ENUM ('small', 'large');
CREATE TABLE cond_test.leads (
	gone1 int,
	id bigint PRIMARY KEY,
	country text,
	region varchar(40),
	gone2 text,
	employees int,
	"LastName" text,
	email text,
	address cond_test.address,
	size cond_test.size,
	tags text[],
	data jsonb,
	at date,
	facts int,
	created_at timestamptz,
	domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED,
	owner text,
	score int,
	sales_team text
);
ALTER TABLE cond_test.leads DROP COLUMN gone1, DROP COLUMN gone2;

-- what is fine
SELECT leadroute.check_condition(c, 'cond_test.leads') IS NOT NULL AS fine, leadroute.condition_columns(c, 'cond_test.leads') AS columns, c
  FROM (VALUES
	(1, $$country = 'us'$$),
	(2, $$"LastName" LIKE 'M%' AND region IN ('ca', 'or', 'wa')$$),
	(3, $$employees BETWEEN 50 AND 500 OR employees IS NULL$$),
	(4, $$(address).city = 'Kyiv'$$),
	(5, $$size = 'large'$$),
	(6, $$tags && '{vip,press}' OR tags @> ARRAY['a']$$),
	(7, $$data['utm']->>'source' = 'ads' AND data @? '$.a'$$),
	(8, $$at > '2026-01-01' AND facts.at > '2026-01-01 12:00' AND facts.operation = 'INSERT'$$),
	(9, $$facts = 3 AND facts.lead <> ''$$),
	(10, $$created_at > facts.at - interval '3 days'$$),
	(11, $$extract(hour FROM facts.at AT TIME ZONE 'Europe/Kyiv') < 9$$),
	(12, $$format('%s/%s', country, 'x') = 'us/x'$$),
	(13, $$CASE country WHEN 'us' THEN employees > 5 ELSE false END$$),
	(14, $$'t'$$),
	(15, $$NULL$$),
	(16, $$current_timestamp > created_at$$),
	(17, $$ROW(country, region) = ROW('us', 'ca')$$),
	(18, $$greatest(employees, facts, 3) > coalesce(nullif(employees, 4), 2)$$),
	(19, $$lower(email) ~ '^[a-z]+@' AND email COLLATE "C" > 'a'$$),
	(20, $$date '2026-01-01' < at AND interval '1' day < '2 days' AND numeric(4,1) '12.34' = 12.3$$),
	(21, $$size::text = 'large' AND employees = any ('{1,2,3}')$$),
	(22, $$country = E'u\u0073' AND true AND employees = 1.5 AND country IS DISTINCT FROM 'de'$$)) AS v (n, c)
 ORDER BY n;

-- syntax
\set c 'country = '
:check
\set c ''
:check
\set c 'country = ''us''\n  AND region IN (''ca'', ''or''\n  AND employees > 5'
:check
\set c 'country = ''us''; SELECT 1'
:check
\set c 'country = ''us'' x'
:check
\set c 'country = ''us'', true'
:check
\set c 'true FROM pg_class'
:check
\set c 'true WHERE country = ''us'''
:check
\set c 'true GROUP BY country'
:check
\set c 'true HAVING employees > 1'
:check
\set c 'true ORDER BY country'
:check
\set c 'true LIMIT 1'
:check
\set c 'true FOR UPDATE'
:check
\set c 'DISTINCT country = ''us'''
:check
\set c 'true UNION SELECT false'
:check
\set c 'true WINDOW w AS (ORDER BY country)'
:check

-- names
\set c 'employees > 5 AND\n  countri = ''us'''
:check
\set c 'lead = ''x'''
:check
\set c 'nothing_like_it = 1'
:check
\set c 'gone1 = 1'
:check
\set c 'lastname = ''x'''
:check
\set c 'facts.submited_at > facts.at'
:check
\set c 'facts.unknown = 1'
:check
\set c 'leads.country = ''us'''
:check
\set c 'address.city = ''Kyiv'''
:check
\set c 'new.nothing = 1'
:check
\set c 'cond_test.leads.country = ''us'''
:check
\set c 'ctid = ''(0,1)'''
:check
\set c 'tableoid = 5'
:check
\set c 'leads IS NULL'
:check
\set c 'facts.* IS NULL'
:check
\set c '*'
:check
\set c 'row_to_json(leads.*) IS NULL'
:check
\set c 'domain = ''x'''
:check
\set c 'owner = ''ana'''
:check
\set c 'employees > 5 AND score > 10'
:check
\set c 'country = $1'
:check
SELECT leadroute.check_condition('facts IS NULL', 'cond_test.address'); \echo :SQLSTATE
SELECT leadroute.check_condition('city = ''x'' AND zip IS NULL', 'cond_test.address');

-- output columns under their mapped names
BEGIN;
INSERT INTO leadroute.attachments (flow, table_schema, table_name, key_column, columns)
VALUES ('default', 'cond_test', 'leads', 'id', '{"owner": "country", "team": {"column": "sales_team"}}');
\set ON_ERROR_ROLLBACK on
\set c 'sales_team = ''x'''
:check
\set c 'country = ''x'''
:check
\set c 'owner = ''x'''
:check
SELECT leadroute.check_condition('country = ''x''', 'cond_test.leads', 'other');
ROLLBACK;
\set ON_ERROR_ROLLBACK off

-- types
\set c 'employees'
:check
\set c 'employees = country'
:check
\set c 'employees > ''many'''
:check
\set c 'size = ''huge'''
:check
\set c 'length(employees) > 5'
:check
\set c 'nosuch(country)'
:check
\set c 'country::nosuch = ''x'''
:check
\set c 'at > ''2026-02-31'''
:check
\set c '(country = ''a'' COLLATE "C") = (country COLLATE "POSIX" > region COLLATE "C")'
:check
\set c '1/0 = 1'
:check

-- kinds of expression
\set c 'EXISTS (SELECT 1 FROM cond_test.leads)'
:check
\set c 'country IN (SELECT ''us'')'
:check
\set c 'employees > (SELECT 1)'
:check
\set c 'employees > 1 AND count(*) > 1'
:check
\set c 'max(employees)'
:check
\set c 'row_number() OVER () = 1'
:check
\set c 'grouping(country) = 1'
:check
\set c 'generate_series(1, employees) = 1'
:check
\set c 'unnest(tags)'
:check
\set c 'DEFAULT'
:check

-- volatile, and what does more than compute
\set c 'employees > 1 AND random() < 0.5'
:check
\set c 'clock_timestamp() > created_at'
:check
\set c 'nextval(''pg_class'') > 1'
:check
\set c 'pg_sleep(1) IS NULL'
:check
\set c 'table_to_xml(''cond_test.leads'', false, false, '''') IS NULL'
:check
\set c 'query_to_xml(''SELECT 1'', false, false, '''') IS NULL'
:check
\set c 'txid_current() > 1'
:check
\set c 'pg_replication_origin_oid(''x'') = 1'
:check
\set c 'domain_in(''x'', 25, -1) IS NULL'
:check

-- a user's own
CREATE FUNCTION cond_test.boom(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
	$$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE FUNCTION cond_test.boom(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
	$$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE OPERATOR cond_test.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = cond_test.boom);
CREATE OPERATOR cond_test.= (LEFTARG = text, RIGHTARG = text, FUNCTION = cond_test.boom);
CREATE DOMAIN cond_test.evil AS text CHECK (cond_test.boom(VALUE));
CREATE DOMAIN cond_test.evil_two AS cond_test.evil;
CREATE DOMAIN cond_test.short AS text CHECK (length(VALUE) < 4);
CREATE DOMAIN cond_test.random AS text CHECK (random() < 2);
CREATE TYPE cond_test.evil_row AS (e cond_test.evil);
CREATE FUNCTION cond_test.to_json(cond_test.size) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
	$$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE FUNCTION cond_test.to_bool(cond_test.address) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
	$$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE CAST (cond_test.address AS boolean) WITH FUNCTION cond_test.to_bool AS ASSIGNMENT;
CREATE TYPE cond_test.span AS RANGE (SUBTYPE = cond_test.evil);
\set c 'employees > 1 AND cond_test.boom(country)'
:check
\set c 'boom(country)'
:check
\set c 'country OPERATOR(cond_test.===) ''x'''
:check
\set c 'country OPERATOR(cond_test.===) ANY (tags)'
:check
\set c '''x''::cond_test.evil = country'
:check
\set c 'country::cond_test.evil_two = ''x'''
:check
\set c 'country::cond_test.random = ''x'''
:check
\set c '''(x)''::cond_test.evil_row IS NULL'
:check
\set c '''{x}''::cond_test.evil[] IS NULL'
:check
\set c '''[a,b]''::cond_test.span IS NULL'
:check
\set c 'jsonb_populate_record(NULL::cond_test.evil_row, data) IS NULL'
:check
\set c 'address'
:check
\set c 'address::boolean'
:check
\set c 'country::cond_test.short = ''us'' AND ''{us}''::cond_test.short[] IS NOT NULL'
:check
CREATE CAST (cond_test.size AS json) WITH FUNCTION cond_test.to_json;
\set c 'to_json(size) IS NULL'
:check
\set c 'format(''%s'', size) = ''x'' AND ROW(size) IS NULL'
:check
DROP CAST (cond_test.size AS json);
\set c 'to_json(size) IS NULL'
:check

-- names resolve under a fixed path, as the owner, whatever the caller's settings are
SET search_path = cond_test, pg_catalog;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET transform_null_equals = on;
SET DateStyle = 'German';
SET TimeZone = 'Asia/Tokyo';
CREATE FUNCTION cond_test.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'hijacked'$$;
SELECT leadroute.condition_holds($$lower(country) = 'us'$$, l) AS lower, leadroute.condition_holds($$length('\\x') = 3$$, l) AS backslashes,
	   leadroute.condition_holds($$country = NULL$$, l) AS null_equals, leadroute.condition_holds($$at = '02/03/2026'$$, l) AS month_first,
	   leadroute.condition_holds($$created_at = '2026-01-01 00:00'$$, l) AS utc
  FROM (VALUES ('US', '2026-02-03'::date, '2026-01-01 00:00+00'::timestamptz)) AS l (country, at, created_at);
SHOW search_path;
SHOW TimeZone;
RESET ALL;
SET client_min_messages = warning;
DROP FUNCTION cond_test.lower(text);

-- ours say what core's say, whatever the letters and the collation
SELECT bool_and(leadroute.lower_text(t COLLATE "de-x-icu") = lower(t COLLATE "de-x-icu") AND leadroute.upper_text(t COLLATE "de-x-icu") = upper(t COLLATE "de-x-icu")
		AND leadroute.lower_text(t COLLATE "C") = lower(t COLLATE "C") AND leadroute.lower_text(t) = lower(t) AND leadroute.upper_text(t) = upper(t)) AS same
  FROM (SELECT chr(n) || 'Ab' || chr(n % 128 + 1) AS t FROM generate_series(1, 8500) n UNION ALL SELECT '' UNION ALL SELECT repeat('Zz', 10000)) x;
SELECT leadroute.condition_holds($$lower(title COLLATE "de-x-icu") = 'chief ärzt' AND upper(title COLLATE "de-x-icu") = 'CHIEF ÄRZT'$$, l) AS letters, leadroute.condition_holds($$lower(kind) = 'abc' AND upper('x' || kind) = 'XABC'$$, l) AS ascii,
	   leadroute.condition_holds($$lower(kind COLLATE "tr-x-icu") = 'abı'$$, turkish) AS turkish
  FROM (VALUES ('CHIEF Ärzt', 'aBc'::varchar)) AS l (title, kind), (VALUES ('ABI'::text)) AS turkish (kind);

SELECT 'cond_test.leads'::regclass::oid AS leads \gset
CREATE ROLE regress_condition_nobody;
GRANT USAGE ON SCHEMA leadroute TO regress_condition_nobody;
SET SESSION AUTHORIZATION regress_condition_nobody;
SHOW is_superuser;
BEGIN READ ONLY;
\set ON_ERROR_ROLLBACK on
SELECT leadroute.check_condition('country = ''us'' AND facts.at > now()', :leads);
SELECT leadroute.check_condition('cond_test.boom(country)', :leads); \echo :SQLSTATE
-- the owner's identity does not outlive an error
SELECT current_user;
ROLLBACK;
\set ON_ERROR_ROLLBACK off
SHOW is_superuser;
RESET SESSION AUTHORIZATION;
REVOKE USAGE ON SCHEMA leadroute FROM regress_condition_nobody;
-- no lock at all is left on what a condition names
BEGIN;
SELECT leadroute.check_condition('country = ''us'' AND (address).city = ''x''', 'cond_test.leads');
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('cond_test.leads'::regclass, 'cond_test.address'::regclass, 'leadroute.attachments'::regclass);
COMMIT;

-- extensions by the setting
CREATE SCHEMA cond_ext;
CREATE EXTENSION citext SCHEMA cond_ext;
CREATE EXTENSION hstore SCHEMA cond_ext;
ALTER TABLE cond_test.leads ADD COLUMN ci cond_ext.citext, ADD COLUMN h cond_ext.hstore;
\set c 'ci = ''X'' AND ci LIKE ''x%'' AND ci IN (''a'', ''b'')'
:check
SELECT leadroute.condition_holds('ci = ''ANA''', r) FROM (SELECT 'ana'::cond_ext.citext AS ci) AS r;
\set c 'h -> ''a'' = ''b'''
:check
\set c 'country::hstore IS NULL'
:check
\set c 'country::cond_ext.hstore::text = ''x'''
:check
\set c 'h IS NULL'
:check
SET leadroute.condition_extensions = 'hstore, not_there';
\set c 'h -> ''a'' = ''b'' AND country::hstore IS NULL AND h[''a''] IS NULL'
:check
\set c 'ci = ''x'''
:check
\set c 'least(ci, ci) IS NULL'
:check
SET leadroute.condition_extensions = '';
\set c 'employees > 1 AND h::text = ''b'''
:check
RESET leadroute.condition_extensions;
-- a member that somebody else owns is nobody's word
CREATE FUNCTION cond_ext.slipped_in(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
ALTER FUNCTION cond_ext.slipped_in(text) OWNER TO regress_condition_nobody;
ALTER EXTENSION citext ADD FUNCTION cond_ext.slipped_in(text);
\set c 'slipped_in(country)'
:check
ALTER EXTENSION citext DROP FUNCTION cond_ext.slipped_in(text);
SET ROLE regress_condition_nobody;
SET leadroute.condition_extensions = 'hstore';
RESET ROLE;

-- evaluation: NULLs, dropped columns, facts, hashed lists
INSERT INTO cond_test.leads (id, country, region, employees, "LastName", email, at, facts)
VALUES (1, 'us', 'ca', 40, 'Ng', 'kim@acme.example', '2026-01-02', 3), (2, 'de', NULL, 600, NULL, NULL, NULL, NULL), (3, NULL, 'or', NULL, 'Ma', 'x@y.example', NULL, 7);
SELECT id, c, leadroute.condition_holds(c, l, jsonb_populate_record(NULL::leadroute.facts, jsonb_build_object('flow', 'default', 'lead', l.id, 'at', '2026-01-01', 'submitted_at', '2025-12-31', 'given_owner', 'ana', 'operation', 'INSERT')))
  FROM cond_test.leads l, (VALUES
	(1, $$country = 'us'$$), (2, $$region IN ('aa', 'bb', 'ca', 'dd', 'ee', 'ff', 'gg', 'hh', 'ii', 'or')$$),
	(3, $$employees > 500 AND facts.operation = 'INSERT'$$), (4, $$facts = 3 AND facts.given_owner = 'ana'$$),
	(5, $$at > facts.at$$), (6, $$facts.lead = id::text AND "LastName" IS NOT NULL$$)) AS v (n, c)
 ORDER BY n, id;
SELECT id, leadroute.condition_holds('1000 / (employees - 40) > 1', l) FROM cond_test.leads l WHERE id > 1 ORDER BY id;
SELECT id, leadroute.condition_holds('1000 / (employees - 40) > 1', l) FROM cond_test.leads l WHERE id = 1; \echo :SQLSTATE
SELECT leadroute.condition_holds('country = ''us''', NULL), leadroute.condition_holds(NULL, l) FROM cond_test.leads l WHERE id = 1;

-- partitions: the same text, other attribute numbers
CREATE TABLE cond_test.parts (id int, country text, employees int) PARTITION BY LIST (country);
CREATE TABLE cond_test.part_us (gone int, employees int, gone2 text, country text, id int);
ALTER TABLE cond_test.part_us DROP COLUMN gone, DROP COLUMN gone2;
ALTER TABLE cond_test.parts ATTACH PARTITION cond_test.part_us FOR VALUES IN ('us');
CREATE TABLE cond_test.part_rest PARTITION OF cond_test.parts DEFAULT;
INSERT INTO cond_test.parts VALUES (1, 'us', 10), (2, 'us', 1000), (3, 'de', 1000);
SELECT 'parts' AS rel, p.id, leadroute.condition_holds($$country = 'us' AND employees > 100$$, p) FROM cond_test.parts p
UNION ALL SELECT 'part_us', p.id, leadroute.condition_holds($$country = 'us' AND employees > 100$$, p) FROM cond_test.part_us p
UNION ALL SELECT 'part_rest', p.id, leadroute.condition_holds($$country = 'us' AND employees > 100$$, p) FROM cond_test.part_rest p
ORDER BY 1, 2;
SELECT leadroute.condition_columns('employees > 1 AND country IS NULL', 'cond_test.part_us'), leadroute.condition_columns('facts.at > now()', 'cond_test.part_us');

-- other kinds of relation
CREATE VIEW cond_test.v AS SELECT 1 AS id;
SELECT leadroute.check_condition('id = 1', 'cond_test.v'); \echo :SQLSTATE

-- in parallel workers
BEGIN;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE cond_test.many AS SELECT i AS n, i::text AS t FROM generate_series(1, 20000) i;
ANALYZE cond_test.many;
SELECT count(*) FROM cond_test.many m
 WHERE leadroute.condition_holds($$n > 4 AND t IN ('1', '2', '3', '4', '5', '6', '7', '8', '9', '20')$$, m);
ROLLBACK;

-- DROP and CREATE EXTENSION in one session
BEGIN;
SET LOCAL client_min_messages = warning;
DROP EXTENSION leadroute CASCADE;
CREATE EXTENSION leadroute;
SELECT leadroute.check_condition($$country = 'us' AND facts.at > created_at$$, 'cond_test.leads');
ROLLBACK;
SELECT leadroute.check_condition($$country = 'us' AND facts.at > created_at$$, 'cond_test.leads');

-- compiling leaves no memory behind, failed or not
CREATE FUNCTION cond_test.grow(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	l cond_test.leads;
BEGIN
	SELECT * INTO l FROM cond_test.leads WHERE id = 1;
	FOR i IN 1 .. n LOOP
		PERFORM leadroute.condition_holds('country = ''us'' AND region IN (''a'',''b'',''c'',''d'',''e'',''f'',''g'',''h'',''i'') AND employees <> ' || i % 2, l);
		IF i % 10 = 0 THEN
			BEGIN
				PERFORM leadroute.check_condition('country = ''us'' AND nothing = ' || i, 'cond_test.leads');
			EXCEPTION WHEN undefined_column THEN
			END;
		END IF;
	END LOOP;
END
$$;
-- measured between statements, where only what was left behind is there, twice by the same statement
SELECT cond_test.grow(200);
SELECT sum(total_bytes) AS warm FROM pg_backend_memory_contexts \gset
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts \gset
SELECT cond_test.grow(10000);
SELECT sum(total_bytes) AS after FROM pg_backend_memory_contexts \gset
SELECT :after - :before < 65536 AS flat;

SET client_min_messages = warning;
DROP SCHEMA cond_test CASCADE;
DROP SCHEMA cond_ext CASCADE;
DROP ROLE regress_condition_nobody;
