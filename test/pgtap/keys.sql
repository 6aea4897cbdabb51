/*
 * test/pgtap/keys.sql
 *		The key of a lead: UPDATEs of it take the state along, in whatever order; text, uuid and
 *		bigint keys; mixed-case columns; an owner column of numbers.
 */
\set base leadroute_keys
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
ALTER TABLE leads DROP CONSTRAINT leads_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 200);
SELECT is(test.story(), 'decided 200', 'a deferrable primary key');

/* what a change of keys must leave: the owner goes with the row (by e-mail, which stays) */
CREATE TABLE test.by_email AS SELECT email, owner FROM leads;
CREATE FUNCTION test.rekeyed(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	CREATE TEMP TABLE keys_before AS SELECT id, email FROM leads;
	EXECUTE change;
	RETURN NULL;
END $$;
CREATE FUNCTION test.after_rekeying() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test.renamed SELECT 'default', b.id::text, l.id::text FROM keys_before b JOIN leads l USING (email)
		WHERE NOT EXISTS (SELECT FROM test.renamed r WHERE r.lead = b.id::text);
	UPDATE test.renamed r SET lead = l.id::text FROM test.original o JOIN leads l USING (email) WHERE r.before = o.id::text;
	DELETE FROM test.owned;
	INSERT INTO test.owned SELECT 'default', l.id::text, e.owner FROM leads l JOIN test.by_email e USING (email);
	DELETE FROM test.decided_as;
	DROP TABLE keys_before;
	RETURN test.story();
END $$;
CREATE TABLE test.original AS SELECT id, email FROM leads;
SELECT test.rekeyed('UPDATE leads SET id = id + 100000 WHERE id <= 10') AS done \gset
SELECT is(test.after_rekeying(), 'rekeyed 10', 'keys that move out of the way');
SELECT test.rekeyed('UPDATE leads SET id = id + 1') AS done \gset
SELECT is(test.after_rekeying(), 'rekeyed 200', 'id = id + 1 over all rows');
SELECT test.rekeyed('UPDATE leads SET id = 41 - id WHERE id IN (20, 21)') AS done \gset
SELECT is(test.after_rekeying(), 'rekeyed 2', 'two keys change places');
SELECT test.rekeyed($$UPDATE leads SET id = id - 1, owner = NULL, team = NULL, route_reason = 'x'$$) AS done \gset
SELECT is(test.after_rekeying(), 'rekeyed 200', 'id = id - 1 with blank outputs');
BEGIN;
SELECT test.rekeyed('UPDATE leads SET id = id + 500000 WHERE id > 150 AND id < 1000') AS done \gset
UPDATE leads SET id = id - 500000 WHERE id > 500000;
COMMIT;
SELECT is(test.after_rekeying(), 'rekeyed 100', 'there and back in one transaction');
BEGIN;
UPDATE leads SET id = id + 500000 WHERE id > 150 AND id < 1000;
SAVEPOINT s;
UPDATE leads SET id = id + 500000 WHERE id > 150 AND id < 1000000;
ROLLBACK TO s;
ROLLBACK;
SELECT is(test.story(), 'nothing', 'a change of keys that rolls back');
-- a deleted lead's key taken by another
DELETE FROM leads WHERE id = 100;
SELECT is(test.story(), 'closed 1', 'a lead is deleted');
UPDATE leads SET owner = 'boss', id = 100 WHERE id = 101;
SELECT is((SELECT (SELECT owner FROM leads WHERE id = 100) || ' ' || string_agg(owner || ' ' || coalesce(closed_at::text, 'open'), ',') FROM leadroute.lead_states WHERE lead = '100'), 'boss boss open',
	'its key is taken by another lead, handed over meanwhile');
SELECT is((SELECT count(*) FROM leadroute.lead_states WHERE lead = '101'), 0::bigint, 'which is no longer under its own');
BEGIN;
DELETE FROM leads WHERE id = 110;
UPDATE leads SET owner = 'w3', id = 110 WHERE id = 111;
SAVEPOINT s;
DELETE FROM leads WHERE id = 112;
UPDATE leads SET id = 112, owner = 'e2' WHERE id = 113;
RELEASE s;
COMMIT;
SELECT results_eq($$SELECT lead COLLATE "default", owner COLLATE "default", closed_at FROM leadroute.lead_states WHERE lead BETWEEN '110' AND '113' ORDER BY lead$$,
	$$VALUES ('110', 'w3', NULL::timestamptz), ('112', 'e2', NULL)$$, 'a key is taken in the transaction that deletes its lead');
BEGIN;
UPDATE leads SET id = 113 WHERE id = 112;
DELETE FROM leads WHERE id = 113;
COMMIT;
SELECT results_eq($$SELECT owner COLLATE "default", closed_at IS NOT NULL FROM leadroute.lead_states WHERE lead = '113'$$, $$VALUES ('e2', true)$$, 'a lead is deleted in the transaction that changes its key');
SELECT is_empty('SELECT leadroute.rotation_drift()', 'places agree');

-- an upsert on a deferrable key cannot be; a second row before the constraint is checked is the same lead
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO leads (id, email, company) VALUES (150, 'second of 150', 'x');
DELETE FROM leads WHERE id = 150 AND company <> 'x';
COMMIT;
SELECT is((SELECT l.owner FROM leads l WHERE id = 150), (SELECT s.owner FROM leadroute.lead_states s WHERE lead = '150'), 'INSERT of a key, then DELETE of its old row');
SELECT is((SELECT closed_at FROM leadroute.lead_states s WHERE lead = '150'), NULL, 'leaves the lead open');
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset

-- uuid and text keys, mixed case, an owner column of numbers
CREATE FUNCTION test.begin_again(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM leadroute.lead_states;
	TRUNCATE leadroute.events, leadroute.identities, leadroute.rotation, test.owned, test.decided_as, test.renamed;
END $$;
SELECT test.begin_again('uuid');
CREATE TABLE uuid_leads (key uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text UNIQUE, country text, region text, postal_code text, employees integer, source text, owner text);
DELETE FROM test.input;
INSERT INTO test.input SELECT 'SELECT key::text, email, country, region, postal_code, employees::numeric, source, owner, ''default'' FROM uuid_leads';
SELECT leadroute.attach('public.uuid_leads') IS NOT NULL AS attached \gset
INSERT INTO uuid_leads (email, country, region, postal_code, employees, source) SELECT email, country, region, postal_code, employees, source FROM test.generated(1, 100);
SELECT is(test.story(), 'decided 100', 'uuid keys, made by a default');
INSERT INTO uuid_leads (email, country, region, postal_code, employees, source) SELECT email, country, region, postal_code, employees, source FROM test.generated(51, 150)
	ON CONFLICT (email) DO UPDATE SET country = EXCLUDED.country, owner = EXCLUDED.owner;
SELECT is(test.story(), 'decided 50', 'an upsert on e-mail');
UPDATE uuid_leads SET key = gen_random_uuid() WHERE email LIKE '%@c1.example';
SELECT is((SELECT count(*) FROM uuid_leads u LEFT JOIN leadroute.lead_states s ON s.lead = u.key::text WHERE s.lead IS NULL OR s.owner IS DISTINCT FROM u.owner), 0::bigint, 'keys change');
SELECT isnt_empty($$SELECT * FROM leadroute.explain((SELECT key FROM uuid_leads WHERE owner = 'w1' LIMIT 1))$$, 'explain by a uuid');
SELECT leadroute.detach('public.uuid_leads') IS NOT NULL AS detached \gset

SELECT test.begin_again('mixed');
CREATE TABLE "Lead" ("Id" varchar(18) COLLATE "C" UNIQUE, "Email" varchar(80), "Company" text, "Country" text, "State" varchar, "PostalCode" text,
	"NumberOfEmployees" numeric(38,9), "LeadSource" text, "OwnerId" bigint, "Team""s" text, "IsDeleted" boolean, "Address" jsonb, "_airbyte_meta" json);
CREATE TABLE test.numbers AS SELECT rep, 500000000000000000 + row_number() OVER (ORDER BY rep) AS number FROM leadroute.reps;
DELETE FROM test.input;
INSERT INTO test.input SELECT 'SELECT "Id"::text, "Email"::text, "Country", "State"::text, "PostalCode", "NumberOfEmployees"::numeric, "LeadSource", "OwnerId"::text, ''default'' FROM "Lead"';
SELECT leadroute.attach('public."Lead"', columns => '{"key": "Id", "email": "Email", "country": "Country", "region": "State", "postal_code": "PostalCode",
	"employees": "NumberOfEmployees", "source": "LeadSource", "owner": "OwnerId", "team": "Team\"s", "deleted": "IsDeleted"}') IS NOT NULL AS attached \gset
BEGIN;
DELETE FROM leadroute.rules;
INSERT INTO leadroute.reps (rep) SELECT number::text FROM test.numbers;
UPDATE leadroute.team_members m SET rep = n.number::text FROM test.numbers n WHERE n.rep = m.rep;
UPDATE leadroute.territories t SET rep = n.number::text FROM test.numbers n WHERE n.rep = t.rep;
DELETE FROM leadroute.reps WHERE rep ~ '^[a-z]';
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'spam', $$"Email" LIKE '%@spam.example'$$, 'discard', NULL),
	(20, 'large', '"NumberOfEmployees" >= 10000', 'rep', (SELECT number::text FROM test.numbers WHERE rep = 'boss')),
	(30, 'partners', $$"LeadSource" = 'partner'$$, 'queue', 'partners'),
	(40, 'map', NULL, 'territory', 'us'),
	(99, 'rest', NULL, 'team', 'inbound');
COMMIT;
ALTER FUNCTION test.reference(text, text, text, text, numeric, text) RENAME TO reference_by_name;
CREATE FUNCTION test.reference(email text, country text, region text, postal_code text, employees numeric, source text,
	OUT rule text, OUT status text, OUT team text, OUT territory text, OUT queue text, OUT owners text[])
LANGUAGE sql STABLE AS $$ SELECT r.rule, r.status, r.team, r.territory, r.queue, (SELECT array_agg(n.number::text) FROM test.numbers n WHERE n.rep = ANY (r.owners))
	FROM test.reference_by_name(email, country, region, postal_code, employees, source) r $$;
INSERT INTO "Lead" ("Id", "Email", "Company", "Country", "State", "PostalCode", "NumberOfEmployees", "LeadSource", "Address")
	SELECT '00Q' || lpad(id::text, 15, '0'), email, company, country, region, postal_code, employees, source, jsonb_build_object('city', 'x', 'country', country) FROM test.generated(1, 200);
SELECT is(test.story(), 'decided 200', 'text keys, mixed-case columns, an owner of type bigint');
SELECT is((SELECT count(*) FROM "Lead" JOIN leadroute.lead_states s ON s.lead = "Id" WHERE "Team""s" IS DISTINCT FROM s.team), 0::bigint, 'a column with a quote in its name');
UPDATE "Lead" SET "OwnerId" = 7, "Company" = 'given by a hand' WHERE "Id" = '00Q000000000000003';
SELECT is(test.story(), 'handed_over 1', 'a hand-over to a number that is no rep''s');
UPDATE "Lead" SET "IsDeleted" = true WHERE "Id" LIKE '%7';
SELECT is(test.story(), 'closed 20; lead 00Q000000000000007 stands in the table and its state is closed; lead 00Q000000000000017 stands in the table and its state is closed; lead 00Q000000000000027 stands in the table and its state is closed', 'a deleted column');
UPDATE "Lead" SET "IsDeleted" = false WHERE "Id" LIKE '%7';
SELECT is(test.story(), 'restored 20', 'and back');

\ir fixture/end.sql
