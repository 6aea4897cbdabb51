-- Leads of the past, as many as one likes, whose rows leadroute itself wrote: of the leads that stand in lr.leads each copy is another lead
-- with another key and e-mail an hour younger, in every table that names it, indexes included. Called for some copies at a time.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
-- Lead N's e-mail: spread over all that new leads may have, so that these find their places everywhere.
CREATE FUNCTION bench.past_email(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT 'u' || n * 214 + 1 || '@company' || 1 + n % 2000 * 25 || '.example'
$$;
-- The values of a row of TABLE "t" for its copy "c.copy", by column; a template lead's number is its key less :first.
CREATE FUNCTION bench.copied(relation regclass, first bigint, leads bigint) RETURNS TABLE (names text, expressions text) LANGUAGE sql AS $$
	SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
		   string_agg(CASE WHEN attname = 'id' AND relation = 'lr.leads'::regclass THEN format('t.id + c.copy * %s', leads)
						   WHEN attname IN ('lead', 'aggregateid') THEN format('(t.%I::bigint + c.copy * %s)::text', attname, leads)
						   WHEN attname IN ('email', 'email_norm') THEN format('bench.past_email(t.id - %s + c.copy * %s)', first, leads)
						   WHEN attname = 'key' THEN format('bench.past_email(t.lead::bigint - %s + c.copy * %s)', first, leads)
						   WHEN atttypid = 'timestamptz'::regtype THEN format('t.%I - c.copy * interval ''1 hour''', attname)
						   ELSE format('t.%I', attname) END, ', ' ORDER BY attnum)
	  FROM pg_attribute
	 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND NOT (attname = 'id' AND relation <> 'lr.leads'::regclass)
$$;
-- The statement that copies what TARGET has of the template leads; keys in the order of their index.
CREATE FUNCTION bench.copy_statement(target regclass, template regclass, first bigint, leads bigint, copies int8range) RETURNS text LANGUAGE sql AS $$
	SELECT format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM generate_series(%s, %s) c (copy) CROSS JOIN LATERAL (SELECT * FROM %s WHERE c.copy > 0 OFFSET 0) t %s',
				  target, names, expressions, lower(copies), upper(copies) - 1, template,
				  CASE WHEN names ~ '\mkey\M' THEN 'ORDER BY 3' END)
	  FROM bench.copied(CASE WHEN target = 'f0.leads'::regclass THEN 'lr.leads'::regclass ELSE target END, first, leads)
$$;
CREATE TABLE bench.templates (target regclass PRIMARY KEY, template regclass NOT NULL);
