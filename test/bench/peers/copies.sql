-- What leadroute wrote for the leads between two counts, and copies of those tables for its peers: columns, indexes, storage, all.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
-- got a row at all, with how many a lead
CREATE TABLE bench.grown AS
	SELECT relation, (a.rows - b.rows)::numeric / (SELECT count(*) FROM lr.leads) AS rows_a_lead
	  FROM bench.counted a JOIN bench.counted b USING (relation)
	 WHERE a.moment = 'after' AND b.moment = 'before' AND a.rows > b.rows;
-- got half a row a lead at least
CREATE TABLE bench.written AS SELECT relation, rows_a_lead FROM bench.grown WHERE rows_a_lead >= 0.5;
SELECT format('CREATE TABLE %I.%I (LIKE leadroute.%2$I INCLUDING ALL) WITH (%s)', schema, relation,
			  concat_ws(', ', 'autovacuum_enabled = off', (SELECT string_agg(o, ', ') FROM pg_class c, unnest(c.reloptions) o WHERE c.oid = format('leadroute.%I', relation)::regclass AND o !~ 'autovacuum'))),
	   format('ALTER TABLE leadroute.%I SET (autovacuum_enabled = off)', relation)
  FROM bench.written, unnest('{f1,p1,p2}'::text[]) schema \gexec
