/*
 * test/pgtap/swap.sql
 *		Full refreshes: a staging table takes the leads table's name, by DROP and RENAME, SET
 *		SCHEMA or CREATE TABLE AS; known leads keep what they have, new ones are routed.
 */
\set base leadroute_swap
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 100);
SELECT is(test.story(), 'decided 100', 'leads');
CREATE FUNCTION test.stage(name text, first integer, last integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test.make_leads(name);
	EXECUTE format('INSERT INTO %s (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(%s, %s)', name, first, last);
END $$;
-- what the table itself carries is the loader's now, until catch_up gives the rows of known leads their owners back
CREATE FUNCTION test.known() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM leads l JOIN leadroute.lead_states s ON s.flow = 'default' AND s.lead = l.id::text WHERE s.closed_at IS NULL AND s.status <> 'unrouted' $$;

BEGIN;
SELECT test.stage('public.leads_tmp', 1, 120);
DROP TABLE leads;
ALTER TABLE leads_tmp RENAME TO leads;
COMMIT;
SELECT is((SELECT count(*) FROM leadroute.events), 100::bigint, 'DROP and RENAME: no event');
SELECT is(test.known(), 100::bigint, 'the leads are known');
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(201, 210);
SELECT is((SELECT count(*) FROM leads WHERE id BETWEEN 201 AND 210 AND route_reason IS NOT NULL), 10::bigint, 'the triggers are on the new table');
CALL leadroute.catch_up('public.leads');
SELECT is((SELECT count(*) FROM leadroute.events WHERE kind = 'decided'), 130::bigint, 'catch_up routes the leads that came with it');
SELECT is((SELECT count(*) FROM leads WHERE id BETWEEN 101 AND 120 AND route_reason IS NOT NULL), 20::bigint, 'in their rows');
SELECT is_empty($$SELECT l.id, l.owner, s.owner FROM leads l JOIN leadroute.lead_states s ON s.flow = 'default' AND s.lead = l.id::text
	WHERE l.owner IS DISTINCT FROM s.owner$$, 'and gives the rows of known leads their owners back');
UPDATE leads SET owner = NULL, team = NULL, company = company || '!' WHERE id <= 100;
UPDATE leads SET owner = 'w1', company = company || '!' WHERE false;
SELECT is((SELECT count(*) FROM leadroute.events WHERE kind = 'decided'), 130::bigint, 'a sync afterwards decides nothing');
SELECT is((SELECT string_agg(kind || ' ' || n, ', ' ORDER BY kind) FROM (SELECT kind, count(*) AS n FROM leadroute.events GROUP BY kind) x), 'decided 130', 'and hands nothing over');

CREATE SCHEMA staging;
SELECT test.stage('staging.leads', 1, 130);
BEGIN;
DROP TABLE public.leads;
ALTER TABLE staging.leads SET SCHEMA public;
COMMIT;
CALL leadroute.catch_up('public.leads');
SELECT is((SELECT count(*) FROM leadroute.events WHERE kind = 'decided'), 140::bigint, 'SET SCHEMA, then catch_up');

BEGIN;
ALTER TABLE leads RENAME TO leads_old;
CREATE TABLE leads AS SELECT * FROM leads_old;
ALTER TABLE leads ADD PRIMARY KEY (id);
DROP TABLE leads_old;
COMMIT;
CALL leadroute.catch_up('public.leads');
SELECT is((SELECT string_agg(kind || ' ' || n, ', ' ORDER BY kind) FROM (SELECT kind, count(*) AS n FROM leadroute.events GROUP BY kind) x), 'decided 140', 'CREATE TABLE AS');
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset
CREATE SCHEMA crm;
ALTER TABLE public.leads SET SCHEMA crm;
SELECT leadroute.attach('crm.leads') IS NOT NULL AS attached \gset
BEGIN;
ALTER SCHEMA crm RENAME TO crm_old;
CREATE SCHEMA crm;
SELECT test.stage('crm.leads', 1, 10);
DROP SCHEMA crm_old CASCADE;
COMMIT;
SELECT is((SELECT status FROM leadroute.attachments), 'attached', 'a schema renamed away');
INSERT INTO crm.leads (id, email) VALUES (300, 'after');
SELECT is((SELECT count(*) FROM crm.leads WHERE route_reason IS NOT NULL), 11::bigint, 'the next lead is routed, and those that came were known');
-- a swap that rolls back
BEGIN;
SELECT test.stage('crm.leads_tmp', 1, 10);
DROP TABLE crm.leads;
ALTER TABLE crm.leads_tmp RENAME TO leads;
ROLLBACK;
INSERT INTO crm.leads (id, email) VALUES (301, 'after2');
SELECT is((SELECT count(*) FROM crm.leads WHERE route_reason IS NOT NULL), 12::bigint, 'a swap that rolls back');
SELECT is_empty('SELECT leadroute.rotation_drift()', 'places agree');

-- a swap holds the table's lock: it must not judge the columns once for each territory
SET track_functions = 'all';
BEGIN;
SELECT is((SELECT leadroute.side_faults(a) FROM leadroute.attachments a), NULL, 'the columns answer all sides');
SELECT is(pg_stat_get_xact_function_calls('leadroute.side_problem'::regproc), 4::bigint, 'four sides are judged once each');
COMMIT;

\ir fixture/end.sql
