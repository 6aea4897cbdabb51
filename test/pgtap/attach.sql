-- attach, detach, and the event trigger that follows a table's name
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(40);

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, country text, owner text);
INSERT INTO lr.leads SELECT i, 'p' || i || '@x.example', 'us', 'hers' FROM generate_series(1, 10) i;

SELECT matches(leadroute.attach('lr.leads'), '^attached lr\.leads to flow "default", key "id"; 10 rows stand there\.', 'attach says what it found');
SELECT is(count(*)::int, 5, 'five triggers, all ENABLE ALWAYS') FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass AND tgenabled = 'A' AND tgname ~ 'leadroute';
SELECT is((SELECT count(*) FROM lr.leads WHERE owner = 'hers')::int, 10, 'no row is changed');
SELECT is((SELECT max(tgname::text COLLATE "C") FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass AND tgtype & 2 = 2), 'zzz_leadroute', 'the BEFORE trigger sorts last');
SELECT is((SELECT active FROM leadroute.flows WHERE flow = 'default'), false, 'the flow is made, switched off');
SELECT is(a.relation, 'lr.leads'::regclass::oid, 'the attachment knows its table') FROM leadroute.attachments a;
SELECT matches(leadroute.attach('lr.leads', columns => '{"region": "country"}'), '^attached again', 'attach again');
SELECT is(a.columns, '{"region": "country"}'::jsonb, 'changes the mapping in place') FROM leadroute.attachments a;
SELECT throws_ok($$SELECT leadroute.attach('lr.leads', flow => 'other')$$, '55006', 'table lr.leads is already attached to flow "default"', 'a table serves one flow');

-- keys
CREATE TABLE lr.nokey (email text);
SELECT throws_ok($$SELECT leadroute.attach('lr.nokey', 'k')$$, '42703', 'table lr.nokey has no column that names a lead', 'no key');
SELECT is((SELECT count(*) FROM leadroute.flows WHERE flow = 'k')::int, 0, 'a refused attach leaves nothing');
SELECT is(leadroute.find_key('lr.nokey', '{"key": "email"}'), 'email', 'columns names the key');
CREATE TABLE lr.uniq (a int, code text NOT NULL UNIQUE, b int UNIQUE, id int);
SELECT is(leadroute.find_key('lr.uniq', '{}'), 'code', 'a unique index of one column that is not null');
CREATE TABLE lr.partial (code text NOT NULL, "Id" text);
CREATE UNIQUE INDEX ON lr.partial (code) WHERE code > 'a';
CREATE UNIQUE INDEX ON lr.partial (lower(code));
SELECT is(leadroute.find_key('lr.partial', '{}'), 'Id', 'neither a partial index nor an expression; "Id" in any case');

CREATE TABLE lr.soft (a float8, b money, c regclass, d numeric);
SELECT throws_ok(format('SELECT leadroute.attach(%L, %L, %L)', 'lr.soft', 'k', format('{"key": "%s"}', col)), '42804', format('column "%s" of table lr.soft has type %s and cannot serve as "key"', col, type),
	'a key whose text depends on settings: ' || type) FROM (VALUES ('a', 'double precision'), ('b', 'money'), ('c', 'regclass')) v(col, type);
SELECT lives_ok($$SELECT leadroute.attach('lr.soft', 'k', '{"key": "d"}'); SELECT leadroute.detach('lr.soft')$$, 'numeric has one text');

-- columns
CREATE TABLE lr.gen (id int PRIMARY KEY, raw text, email text GENERATED ALWAYS AS (lower(raw)) STORED, owner json);
SELECT throws_ok($$SELECT leadroute.attach('lr.gen', 'k', '{"owner": null}')$$, '42611', 'column "email" of table lr.gen is generated and cannot serve as "email"', 'a generated column');
SELECT throws_ok($$SELECT leadroute.attach('lr.gen', 'k', '{"email": "raw"}')$$, '42804', 'column "owner" of table lr.gen has type json and cannot serve as "owner"', 'an owner column of a wrong type');
SELECT lives_ok($$SELECT leadroute.attach('lr.gen', 'k', '{"email": "raw", "owner": null}')$$, 'null maps to no column');
SELECT lives_ok($$SELECT leadroute.detach('lr.gen')$$, 'detach');
CREATE TABLE lr.parts (id int, owner text, unit text, PRIMARY KEY (id, owner)) PARTITION BY LIST (owner);
CREATE TABLE lr.parts_rest PARTITION OF lr.parts DEFAULT;
SELECT throws_ok($$SELECT leadroute.attach('lr.parts', 'k')$$, '42611', 'column "owner" is in the partition key of table lr.parts and cannot serve as "owner"', 'a partition key');
SELECT throws_ok($$SELECT leadroute.attach('lr.parts_rest', 'k', '{"owner": null}')$$, '42809', 'table lr.parts_rest is a partition', 'a partition');
SELECT lives_ok($$SELECT leadroute.attach('lr.parts', 'k', '{"owner": null}', flow_column => 'unit')$$, 'a partitioned table, each row its flow');
SELECT is(count(*)::int, 3, 'its partition has the row triggers, ENABLE ALWAYS') FROM pg_trigger WHERE tgrelid = 'lr.parts_rest'::regclass AND tgenabled = 'A';

-- names of loaders
CREATE TABLE lr."Lead" ("Id" text, "LastName" text, "OwnerId" text, "IsDeleted" boolean, property_email text);
SELECT is(leadroute.likely_columns('lr."Lead"', '{}'), '{"last_name": "LastName", "owner": "OwnerId", "deleted": "IsDeleted", "email": "property_email"}'::jsonb, 'columns is proposed');
CREATE TABLE lr.export ("Record ID" text, "First Name" text, "Contact owner" text, "Country/Region" text, "State/Region" text, "Zip/Postal Code" text, "Number of Employees" text, "Create Date" text);
SELECT is(leadroute.likely_columns('lr.export', '{}'), '{"key": "Record ID", "first_name": "First Name", "owner": "Contact owner", "country": "Country/Region", "region": "State/Region",
	"postal_code": "Zip/Postal Code", "employees": "Number of Employees", "submitted_at": {"column": "Create Date", "timezone": "Europe/Paris"}}'::jsonb,
	'of an export''s headings too; what has no zone gets the session''s') FROM set_config('TimeZone', 'Europe/Paris', true);
SELECT is((SELECT f.hint FROM leadroute.column_faults('lr.export', '{"deleted": null}', NULL) f), 'Name it: SELECT leadroute.attach(''lr.export'', columns => ''{"key": "Record ID", "deleted": null}'').', 'the key is proposed beside what was given');
INSERT INTO leadroute.flows (flow) VALUES ('export');
SELECT lives_ok($$SELECT leadroute.attach('lr.export', 'export', leadroute.likely_columns('lr.export', '{}'))$$, 'what is proposed fits');
SET LOCAL timezone = DEFAULT;

-- what takes the name
CREATE TABLE lr.staging (LIKE lr.leads);
DROP TABLE lr.leads;
ALTER TABLE lr.staging RENAME TO leads;
SELECT is(count(*)::int, 5, 'DROP and RENAME') FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass AND tgenabled = 'A';
SELECT isnt(refreshed_at, NULL, 'a swap is a refresh') FROM leadroute.attachments WHERE flow = 'default';
ALTER TABLE lr.leads RENAME TO leads_old;
CREATE TABLE lr.leads AS SELECT * FROM lr.leads_old;
SELECT is(count(*)::int, 5, 'CREATE TABLE AS') FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass AND tgenabled = 'A';
SELECT is(count(*)::int, 0, 'the table that lost the name lost the triggers') FROM pg_trigger WHERE tgrelid = 'lr.leads_old'::regclass;
CREATE SCHEMA lr2;
CREATE TABLE lr2.leads (LIKE lr.leads_old);
DROP TABLE lr.leads;
ALTER TABLE lr2.leads SET SCHEMA lr;
SELECT is(count(*)::int, 5, 'SET SCHEMA') FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass AND tgenabled = 'A';
DROP TABLE lr.leads;
CREATE TABLE lr.leads (nothing int);
SELECT is(status || ': ' || problem, 'broken: column "id" of table lr.leads does not exist; column "country" of table lr.leads does not exist', 'a table that does not fit breaks the attachment')
	FROM leadroute.attachments WHERE flow = 'default';
ALTER TABLE lr.leads ADD id int, ADD country text;
SELECT is(status, 'attached', 'until it fits') FROM leadroute.attachments WHERE flow = 'default';
CREATE TEMP TABLE leads (id int);
SELECT is(count(*)::int, 0, 'a temporary table of that name is none') FROM pg_trigger WHERE tgrelid = 'pg_temp.leads'::regclass;

SELECT throws_ok('DROP EXTENSION leadroute', '2BP01', NULL, 'DROP EXTENSION while attached is refused');
SELECT leadroute.detach('lr.leads');
SELECT is(count(*)::int, 0, 'detach takes all triggers off') FROM pg_trigger WHERE tgrelid = 'lr.leads'::regclass;
SELECT * FROM finish();
ROLLBACK;
