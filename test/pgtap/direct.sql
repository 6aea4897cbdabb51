/*
 * test/pgtap/direct.sql
 *		Indexes that an administrator makes on leadroute's tables: what is written past the executor is in them, in the
 *		session that made them and in one that knew the table before.
 */
\set base leadroute_direct
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset
CREATE EXTENSION IF NOT EXISTS dblink;
SELECT dblink_connect('other', format('host=%s port=%s dbname=%s', current_setting('unix_socket_directories'), current_setting('port'), current_database())) AS connected \gset

CREATE FUNCTION test.insert(first integer, last integer) RETURNS text LANGUAGE sql AS $$
	SELECT format('INSERT INTO public.leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(%s, %s)', first, last)
$$;
/* rows that an index finds, beside those that the heap has */
CREATE FUNCTION test.found(query text) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
	plan text := '';
	n bigint;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF plan !~ 'own_' THEN
		RAISE EXCEPTION 'no index of ours in the plan: %', plan;
	END IF;
	EXECUTE query INTO n;
	RETURN n;
END $$;

SELECT test.insert(1, 3) AS statement \gset
:statement;
SELECT dblink_exec('other', test.insert(4, 6)) AS done \gset
SELECT is((SELECT count(*) FROM leadroute.lead_states), 6::bigint, 'both sessions know the tables');

/* a partial index of columns, an expression, a unique expression of events */
CREATE INDEX own_team ON leadroute.lead_states (flow, team) WHERE owner IS NOT NULL;
CREATE INDEX own_nobody ON leadroute.lead_states (flow, code) WHERE owner IS NULL;

SELECT test.insert(11, 13) AS statement \gset
:statement;
SELECT dblink_exec('other', test.insert(14, 16)) AS done \gset
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE flow = ''default'' AND team > '''' AND owner IS NOT NULL'),
	(SELECT count(*) FROM leadroute.lead_states WHERE team > '' AND owner IS NOT NULL), 'a partial index has all that it is to have');
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE flow = ''default'' AND owner IS NULL AND code > '''''),
	(SELECT count(*) FROM leadroute.lead_states WHERE owner IS NULL), 'and nothing else');

CREATE INDEX own_expression ON leadroute.lead_states (upper(lead));
CREATE INDEX own_keys ON leadroute.identities (upper(key));
SELECT test.insert(21, 23) AS statement \gset
:statement;
SELECT dblink_exec('other', test.insert(24, 26)) AS done \gset
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE upper(lead) > '''''), 18::bigint, 'an expression');
SELECT is(test.found('SELECT count(*) FROM leadroute.identities WHERE upper(key) > '''''),
	(SELECT count(*) FROM leadroute.identities), 'an expression of keys');
SELECT cmp_ok((SELECT count(*) FROM leadroute.identities), '>=', 18::bigint, 'which there are');

/* keys are exclusive still: the same person again */
INSERT INTO public.leads (id, email) SELECT 1001, upper(email) FROM public.leads WHERE id = 21;
SELECT is((SELECT duplicate_of FROM leadroute.lead_states WHERE lead = '1001'), '21', 'a key that is held, where the executor asks');

/* many rows, through the executor and without it */
SELECT test.insert(2001, 3100) AS statement \gset
:statement;
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE upper(lead) > '''''), (SELECT count(*) FROM leadroute.lead_states), 'more rows than go at once');
/* a constraint that cannot be checked at once: the executor writes */
CREATE UNIQUE INDEX own_events ON leadroute.events (flow, lead, id, kind);
ALTER TABLE leadroute.identities ADD CONSTRAINT own_exclusion EXCLUDE USING btree (flow WITH =, kind WITH =, key WITH =);
ALTER TABLE leadroute.lead_states ADD CONSTRAINT own_deferred UNIQUE (lead, flow) DEFERRABLE;
SELECT test.insert(3101, 3105) AS statement \gset
:statement;
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE upper(lead) > '''''), (SELECT count(*) FROM leadroute.lead_states), 'beside an exclusion constraint');
INSERT INTO public.leads (id, email) SELECT 1002, upper(email) FROM public.leads WHERE id = 22;
SELECT is((SELECT duplicate_of FROM leadroute.lead_states WHERE lead = '1002'), '22', 'which tells a key that is held too');
ALTER TABLE leadroute.identities DROP CONSTRAINT own_exclusion;
ALTER TABLE leadroute.lead_states DROP CONSTRAINT own_deferred;
DROP INDEX leadroute.own_expression, leadroute.own_keys, leadroute.own_nobody, leadroute.own_events;
SELECT test.insert(4001, 5100) AS statement \gset
:statement;
SELECT dblink_exec('other', test.insert(5101, 5103)) AS done \gset
SELECT is(test.found('SELECT count(*) FROM leadroute.lead_states WHERE flow = ''default'' AND team > '''' AND owner IS NOT NULL'),
	(SELECT count(*) FROM leadroute.lead_states WHERE team > '' AND owner IS NOT NULL), 'and after indexes have gone');
SELECT is((SELECT count(*) FROM leadroute.events WHERE kind = 'decided'), (SELECT count(*) FROM public.leads), 'an event each');
/* an index that goes while rows wait, made and undone in the transaction */
BEGIN;
SELECT test.insert(6001, 6002) AS statement \gset
:statement;
CREATE UNIQUE INDEX own_events ON leadroute.events (flow, lead) WHERE kind = 'decided';
SELECT test.insert(6003, 6004) AS statement \gset
:statement;
SELECT is(test.found('SELECT count(*) FROM leadroute.events WHERE flow = ''default'' AND lead > '''' AND kind = ''decided'''), (SELECT count(*) FROM leadroute.lead_states), 'an index of this transaction');
ROLLBACK;
SELECT test.insert(6005, 6006) AS statement \gset
:statement;
SELECT is((SELECT count(*) FROM leadroute.lead_states WHERE lead IN ('6001', '6003', '6005', '6006')), 2::bigint, 'gone with it');
/* locks beyond a backend's own sixteen are in the table that all share: those of indexes go when these are written, as the executor has it */
SELECT dblink_exec('other', 'BEGIN') AS begun \gset
SELECT dblink_exec('other', test.insert(7001, 7001)) AS done \gset
SELECT is(locked, ARRAY['lead_states_pkey']::name[], 'of the indexes that a lead is written to none stays locked but the one that it was looked up in')
FROM dblink('other', $$SELECT array_agg(c.relname ORDER BY c.relname) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relkind = 'i' AND c.relnamespace = 'leadroute'::regnamespace
	WHERE l.pid = pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())$$) AS l (locked name[]);
SELECT dblink_exec('other', 'ROLLBACK') AS rolled_back \gset
SELECT dblink_disconnect('other') AS disconnected \gset

\ir fixture/end.sql
