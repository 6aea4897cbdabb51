-- attach_accounts: accounts in step with a table that a sync tool loads
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE ROLE lr_loader;
CREATE ROLE lr_admin IN ROLE leadroute_admin;
CREATE SCHEMA lr AUTHORIZATION lr_admin;
GRANT USAGE ON SCHEMA lr TO lr_loader;
INSERT INTO leadroute.reps (rep) VALUES ('005A'), ('005B'), ('7');
CREATE FUNCTION pg_temp.known(flow text DEFAULT 'default') RETURNS TABLE (account text, name text, owner text, tier int, parent text, domains text) LANGUAGE sql AS $$
	SELECT a.account COLLATE "default", a.name, a.owner COLLATE "default", a.tier, a.parent COLLATE "default",
		(SELECT string_agg(d.domain, ' ' ORDER BY d.domain) FROM leadroute.account_domains d WHERE d.flow = a.flow AND d.account = a.account) COLLATE "default"
	FROM leadroute.accounts a WHERE a.flow = known.flow ORDER BY a.account
$$;

-- who may
SET LOCAL ROLE lr_admin;
CREATE TABLE lr."Account" ("Id" char(6) PRIMARY KEY, "Name" varchar(255), "Website" text, "OwnerId" text, "ParentId" char(6), "Tier__c" text, "IsDeleted" boolean, "Industry" text);
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON lr."Account" TO lr_loader;
INSERT INTO lr."Account" VALUES ('001A', 'Acme', 'http://www.acme.com', '005A', NULL, 'Tier 1', false, 'x');
SET LOCAL ROLE lr_loader;
SELECT throws_ok($$SELECT leadroute.attach_accounts('lr."Account"')$$, '42501', 'must be owner of table Account', 'who does not own the table cannot');
SELECT throws_ok($$SELECT leadroute.attach_accounts_owned('lr."Account"', '{}', 'default')$$, '42501', NULL, 'nor by the back door');
CREATE TEMP TABLE mine (id int PRIMARY KEY);
SELECT throws_ok($$SELECT leadroute.attach_accounts('mine')$$, '42501', 'permission denied to attach accounts of table mine', 'an owner who is no admin cannot either');
SET LOCAL ROLE lr_admin;
SELECT throws_ok($$SELECT leadroute.attach_accounts('lr."Account"', '{"nmae": "Name"}')$$, '22023', '"nmae" in columns is not a name that leadroute knows for accounts', 'a name misspelt');
SELECT throws_ok($$SELECT leadroute.attach_accounts('lr."Account"', '{"name": "Nmae"}')$$, '42703', 'column "Nmae" of table lr."Account" does not exist', 'a column misspelt');
SELECT is(leadroute.attach_accounts('lr."Account"'), 'accounts of flow "default" follow lr."Account" (key Id, name Name, website Website, owner OwnerId, tier Tier__c, parent ParentId, deleted IsDeleted): 1 there now',
	'Salesforce''s columns are found, and what stands there is taken over');
SELECT results_eq('SELECT * FROM pg_temp.known()', $$VALUES ('001A', 'Acme', '005A', 1, NULL, 'acme.com')$$, 'as it is');
RESET ROLE;

-- who may see and write them
SET LOCAL ROLE lr_loader;
SELECT throws_ok($$SELECT * FROM leadroute.accounts$$, '42501', NULL, 'who only loads sees no accounts');
SELECT throws_ok($$SELECT * FROM leadroute.find_account(website => 'acme.com')$$, '42501', NULL, 'and finds none');
SELECT throws_ok($$INSERT INTO leadroute.account_domains (domain, account) VALUES ('evil.com', '001A')$$, '42501', NULL, 'nor writes any');
RESET ROLE;
CREATE ROLE lr_reader IN ROLE leadroute_reader;
SET LOCAL ROLE lr_reader;
SELECT is((SELECT account COLLATE "default" FROM leadroute.find_account(website => 'acme.com')), '001A', 'a reader finds them');
SELECT throws_ok($$DELETE FROM leadroute.accounts$$, '42501', NULL, 'and deletes none');
SET LOCAL ROLE lr_admin;
SELECT lives_ok($$INSERT INTO leadroute.accounts (flow, account, parent) VALUES ('brand new', 'x', 'y'); INSERT INTO leadroute.account_domains (flow, domain, account) VALUES ('brand new', 'x.com', 'x');
	INSERT INTO leadroute.account_aliases (flow, alias, account) VALUES ('brand new', 'X', 'x'); DELETE FROM leadroute.accounts WHERE flow = 'brand new'$$, 'an admin writes them');
SELECT throws_ok($$INSERT INTO leadroute.account_flows VALUES ('x')$$, '42501', NULL, 'but not what leadroute keeps');
RESET ROLE;

-- a loader with no other rights
SET LOCAL ROLE lr_loader;
INSERT INTO lr."Account" VALUES ('001B', 'Globex', 'globex.co.uk/about', '005B', '001A', NULL, false, 'x'), ('001C', ' ', 'http://localhost', '', NULL, 'platinum', false, 'x'),
	('001D', 'Deleted', 'dead.com', '005B', NULL, '2', true, 'x');
RESET ROLE;
SELECT results_eq('SELECT * FROM pg_temp.known()', $$VALUES ('001A', 'Acme', '005A', 1, NULL, 'acme.com'), ('001B', 'Globex', '005B', NULL, '001A', 'globex.co.uk'), ('001C', NULL, NULL, NULL, NULL, NULL)$$, 'INSERT; blanks are NULL, a row marked as deleted is none');

-- nothing new writes nothing
CREATE TEMP TABLE before AS SELECT 'a' || a.ctid::text || a.xmin || a.xmax || a.cmin AS version FROM leadroute.accounts a UNION ALL SELECT 'd' || d.ctid::text || d.xmin || d.xmax || d.cmin FROM leadroute.account_domains d;
INSERT INTO lr."Account" SELECT * FROM lr."Account" ON CONFLICT ("Id") DO UPDATE SET "Name" = EXCLUDED."Name", "Website" = EXCLUDED."Website", "OwnerId" = EXCLUDED."OwnerId", "ParentId" = EXCLUDED."ParentId";
UPDATE lr."Account" SET "Name" = "Name", "Industry" = 'y';
MERGE INTO lr."Account" t USING (SELECT * FROM lr."Account") s ON t."Id" = s."Id" WHEN MATCHED THEN UPDATE SET "Name" = s."Name";
SELECT set_eq($$SELECT 'a' || a.ctid::text || a.xmin || a.xmax || a.cmin FROM leadroute.accounts a UNION ALL SELECT 'd' || d.ctid::text || d.xmin || d.xmax || d.cmin FROM leadroute.account_domains d$$,
	'SELECT version FROM before', 'upsert, UPDATE and MERGE of full rows with nothing new write nothing');

-- changes
UPDATE lr."Account" SET "OwnerId" = '005B', "Website" = 'https://acme.io' WHERE "Id" = '001A';
INSERT INTO leadroute.account_domains (domain, account) VALUES ('acme.org', '001A');
UPDATE lr."Account" SET "Tier__c" = '3.0' WHERE "Id" = '001A';
SELECT results_eq($$SELECT owner, tier, domains FROM pg_temp.known() WHERE account = '001A'$$, $$VALUES ('005B', 3, 'acme.io acme.org')$$, 'owner, tier, website; a domain given by hand stays');
UPDATE lr."Account" SET "IsDeleted" = true WHERE "Id" = '001C';
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE account = '001C')::int, 0, 'marked as deleted');
UPDATE lr."Account" SET "IsDeleted" = false WHERE "Id" = '001C';
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE account = '001C')::int, 1, 'and back');
UPDATE lr."Account" SET "Id" = '001X' WHERE "Id" = '001C';
SELECT results_eq($$SELECT account FROM pg_temp.known()$$, $$VALUES ('001A'), ('001B'), ('001X')$$, 'another key');
DELETE FROM lr."Account" WHERE "Id" = '001B';
SELECT results_eq($$SELECT account, domains FROM pg_temp.known()$$, $$VALUES ('001A', 'acme.io acme.org'), ('001X', NULL)$$, 'DELETE');
WITH gone AS (DELETE FROM lr."Account" WHERE "Id" = '001A' RETURNING *) INSERT INTO lr."Account" SELECT "Id", 'Acme again', "Website", "OwnerId", NULL, '1', false FROM gone;
SELECT results_eq($$SELECT name, owner, tier FROM pg_temp.known() WHERE account = '001A'$$, $$VALUES ('Acme again', '005B', 1)$$, 'DELETE and INSERT of one key in one statement');
DELETE FROM lr."Account" WHERE "Id" = '001A';
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE account = '001A')::int, 0, 'gone');
INSERT INTO lr."Account" ("Id", "Name", "ParentId", "IsDeleted") VALUES ('001P', 'P', '001Q', false), ('001Q', 'Q', '001P', false);
SELECT results_eq($$SELECT account, parent FROM pg_temp.known() WHERE name IN ('P', 'Q')$$, $$VALUES ('001P', NULL), ('001Q', NULL)$$, 'parents in a circle are left out, not the accounts');
COPY lr."Account" ("Id", "Name", "Website") FROM PROGRAM 'printf "001S,Sue,sue.com\n001T,Tom,tom.com\n"' (FORMAT csv);
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE domains IN ('sue.com', 'tom.com'))::int, 2, 'COPY');
SELECT is((SELECT count(*) FROM leadroute.config_changes WHERE flow = 'default' AND relation IN ('accounts', 'account_domains') AND operation <> 'INSERT')::int, 0, 'the sync leaves no history');

-- what fails costs the loader nothing
ALTER TABLE leadroute.accounts ADD CONSTRAINT no_ugly CHECK (name <> 'ugly');
SELECT lives_ok($$INSERT INTO lr."Account" ("Id", "Name") VALUES ('001U', 'ugly')$$, 'a failure of the sync is no failure of the load');
SELECT is((SELECT behind_since IS NOT NULL AND problem LIKE '%no_ugly%' FROM leadroute.account_attachments), true, 'it is noted');
SELECT is(status, 'warn', 'and shown') FROM leadroute.health WHERE check_name = 'accounts table';
ALTER TABLE leadroute.accounts DROP CONSTRAINT no_ugly;
CALL leadroute.sweep();
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE name = 'ugly')::int, 1, 'the sweep mends it');
SELECT is(status, 'ok', 'all is well') FROM leadroute.health WHERE check_name = 'accounts table';

-- a full refresh: TRUNCATE, and another table under the name
TRUNCATE lr."Account";
SELECT is((SELECT count(*) FROM pg_temp.known())::int, 6, 'TRUNCATE takes none away at once');
INSERT INTO lr."Account" ("Id", "Name") VALUES ('001A', 'Acme'), ('001S', 'Sue');
SET leadroute.clock = '2100-01-01';
CALL leadroute.sweep();
RESET leadroute.clock;
SELECT results_eq($$SELECT account FROM pg_temp.known()$$, $$VALUES ('001A'), ('001S')$$, 'what was not brought back goes when its time has come');
SET LOCAL ROLE lr_admin;
CREATE TABLE lr.fresh (LIKE lr."Account" INCLUDING ALL);
INSERT INTO lr.fresh ("Id", "Name", "Website") VALUES ('001A', 'Acme new', 'acme.net'), ('001Z', 'Zed', 'zed.com');
DROP TABLE lr."Account";
ALTER TABLE lr.fresh RENAME TO "Account";
RESET ROLE;
SELECT is(status, 'warn', 'another table has the name: to be compared') FROM leadroute.health WHERE check_name = 'accounts table';
INSERT INTO lr."Account" ("Id", "Name") VALUES ('001Y', 'Yet');
SELECT is((SELECT count(*) FROM pg_temp.known() WHERE name = 'Yet')::int, 1, 'and followed at once');
CALL leadroute.sweep();
SELECT results_eq($$SELECT account, name FROM pg_temp.known()$$, $$VALUES ('001A', 'Acme new'), ('001S', 'Sue'), ('001Y', 'Yet'), ('001Z', 'Zed')$$, 'the sweep compares them');
ALTER TABLE lr."Account" RENAME COLUMN "Website" TO "Url";
INSERT INTO lr."Account" ("Id", "Url") VALUES ('001W', 'w.com');
SELECT is((SELECT domains FROM pg_temp.known() WHERE account = '001W'), 'w.com', 'a column that is renamed to another usual name is followed');
SELECT matches(leadroute.detach_accounts('lr."Account"'), 'no more', 'detached');
INSERT INTO lr."Account" ("Id", "Url") VALUES ('001V', 'v.com');
SELECT is((SELECT count(*) FROM pg_temp.known())::int, 5, 'the accounts stay, and follow no more');
SELECT throws_ok($$SELECT leadroute.detach_accounts('lr."Account"')$$, '55000', 'table lr."Account" is not followed', 'once');

-- HubSpot by Fivetran: property_ names, a number as key, several domains, no tier
CREATE TABLE lr.company (id bigint PRIMARY KEY, property_name text, property_domain text, property_hs_additional_domains text, property_website text, property_hubspot_owner_id bigint, is_deleted boolean, _fivetran_synced timestamptz);
SELECT matches(leadroute.attach_accounts('lr.company', flow => 'hub', columns => '{"domain": "property_hs_additional_domains"}'),
	'key id, name property_name, website property_website, domain property_hs_additional_domains, owner property_hubspot_owner_id, deleted is_deleted', 'HubSpot''s columns');
INSERT INTO lr.company VALUES (9007199254740993, 'Acme', 'acme.com', 'acme.de;acme.fr, acme.co.uk', 'www.acme.com', 7, false, now());
UPDATE leadroute.accounts SET tier = 1 WHERE flow = 'hub';
UPDATE lr.company SET property_name = 'Acme II', _fivetran_synced = now();
SELECT results_eq($$SELECT * FROM pg_temp.known('hub')$$, $$VALUES ('9007199254740993', 'Acme II', '7', 1, NULL::text, 'acme.co.uk acme.com acme.de acme.fr')$$, 'a tier given by hand stays where the CRM has none');
SELECT * FROM finish();
ROLLBACK;
