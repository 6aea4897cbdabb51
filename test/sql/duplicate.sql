-- Duplicates in every kind of statement, the errors and warnings of their policies, and what is written only at commit.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
CREATE SCHEMA dup;
CREATE TABLE dup.leads (id bigint, day date NOT NULL DEFAULT '2026-01-01', email text, company text, note text, owner text, duplicate_of text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE dup.leads_old PARTITION OF dup.leads FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE dup.leads_new PARTITION OF dup.leads FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT leadroute.attach('dup.leads', flow => 'dup', columns => '{"key": "id"}') IS NOT NULL AS attached;
INSERT INTO leadroute.reps (flow, rep) VALUES ('dup', 'a'), ('dup', 'b');
INSERT INTO leadroute.teams (flow, team) VALUES ('dup', 't');
INSERT INTO leadroute.team_members (flow, team, rep) VALUES ('dup', 't', 'a'), ('dup', 't', 'b');
INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name) VALUES ('dup', 1, 'trash', $$company = 'Trash'$$, 'discard', NULL), ('dup', 9, 'all', NULL, 'team', 't');
SELECT leadroute.activate('dup') IS NOT NULL AS activated;
CREATE VIEW dup.now AS SELECT l.id, l.company, l.note, l.duplicate_of, s.status, s.owner = l.owner AS same FROM dup.leads l JOIN leadroute.lead_states s ON s.flow = 'dup' AND s.lead = l.id::text;

-- COPY, two rows of one statement, across partitions
COPY dup.leads (id, day, email) FROM STDIN;
1	2025-06-01	kim@acme.example
2	2026-06-01	KIM@acme.example
3	2025-06-01	bo@acme.example
\.
-- MERGE, a writable CTE, INSERT … SELECT, a function
MERGE INTO dup.leads l USING (VALUES (3, 'Acme'), (4, 'Acme')) s(id, company) ON l.id = s.id
	WHEN MATCHED THEN UPDATE SET company = s.company WHEN NOT MATCHED THEN INSERT (id, email, company) VALUES (s.id, 'bo@acme.example', s.company);
WITH new AS (INSERT INTO dup.leads (id, email) VALUES (5, 'cy@acme.example'), (6, 'Cy@acme.example') RETURNING id, duplicate_of),
	old AS (UPDATE dup.leads SET note = 'seen' WHERE id = 1 RETURNING id)
	SELECT * FROM new ORDER BY id;
INSERT INTO dup.leads (id, email) SELECT 10 + n, 'kim@acme.example' FROM generate_series(1, 3) n;
DO $$ BEGIN INSERT INTO dup.leads (id, email) VALUES (20, 'bo@acme.example'); EXCEPTION WHEN OTHERS THEN RAISE; END $$;
SELECT * FROM dup.now ORDER BY id;
SELECT kind, key, lead FROM leadroute.identities WHERE flow = 'dup' AND kind <> 'key' ORDER BY 1, 2;

-- a row that moves to another partition keeps its keys, one that is deleted and inserted there too
UPDATE dup.leads SET day = '2026-06-01' WHERE id = 1;
BEGIN; DELETE FROM dup.leads WHERE id = 3; INSERT INTO dup.leads (id, email) VALUES (3, 'bo@acme.example'); COMMIT;
SELECT kind, key, lead FROM leadroute.identities WHERE flow = 'dup' AND kind <> 'key' ORDER BY 1, 2;

-- refused: which, by what, and what to do
UPDATE leadroute.flows SET duplicate_policy = 'refuse' WHERE flow = 'dup';
\set SHOW_CONTEXT never
INSERT INTO dup.leads (id, email) VALUES (30, 'kim@acme.example');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM leadroute.lead_states WHERE flow = 'dup' AND lead = '30';

-- merge: straight into a partition fires no statement trigger of the root, so the first is written at commit; a deferred constraint is checked all the same
UPDATE leadroute.flows SET duplicate_policy = 'merge' WHERE flow = 'dup';
INSERT INTO leadroute.merge_columns (flow, column_name, keeps) VALUES ('dup', 'note', 'latest');
CREATE TABLE dup.notes (note text PRIMARY KEY);
INSERT INTO dup.notes VALUES ('seen'), ('known');
ALTER TABLE dup.leads ADD FOREIGN KEY (note) REFERENCES dup.notes DEFERRABLE INITIALLY DEFERRED;
INSERT INTO dup.leads_new (id, email, note) VALUES (31, 'kim@acme.example', 'known');
SELECT id, note FROM dup.leads WHERE id IN (1, 31);
INSERT INTO dup.leads_new (id, email, note) VALUES (32, 'kim@acme.example', 'unknown');
SELECT id, note FROM dup.leads WHERE id IN (1, 32);
INSERT INTO dup.leads (id, email, note) VALUES (33, 'kim@acme.example', 'unknown');
SELECT id, note FROM dup.leads WHERE id IN (1, 33);
-- rolled back to a savepoint: nothing of it
BEGIN;
SAVEPOINT s;
INSERT INTO dup.leads (id, email, company) VALUES (34, 'cy@acme.example', 'Cy Ltd');
SELECT id, company FROM dup.leads WHERE id = 5;
ROLLBACK TO s;
SELECT id, company FROM dup.leads WHERE id = 5;
COMMIT;
SELECT count(*) FROM leadroute.lead_states WHERE flow = 'dup' AND lead = '34';

-- what the policies mean for a table that others reference, or that has further unique indexes
CREATE TABLE dup.warned (id bigint PRIMARY KEY, email text, tenant int, owner text, UNIQUE (tenant, email));
CREATE TABLE dup.calls (lead bigint REFERENCES dup.warned);
INSERT INTO leadroute.flows (flow, duplicate_policy) VALUES ('warned', 'merge');
SELECT leadroute.attach('dup.warned', flow => 'warned') IS NOT NULL AS attached;
UPDATE leadroute.flows SET duplicate_policy = 'refuse' WHERE flow = 'warned';
UPDATE leadroute.flows SET duplicate_policy = 'link' WHERE flow = 'warned';

-- the constraints of the configuration
\set VERBOSITY terse
INSERT INTO leadroute.match_rules (flow, rule, position, kinds) VALUES ('dup', 'none', 70, '{}');
INSERT INTO leadroute.match_rules (flow, rule, position, kinds) VALUES ('dup', 'unknown', 70, '{shoe_size}');
INSERT INTO leadroute.match_rules (flow, rule, position, kinds) VALUES ('dup', 'too wide', 70, '{last_name}');
INSERT INTO leadroute.merge_columns (flow, column_name, keeps) VALUES ('dup', 'company', 'newest');
UPDATE leadroute.flows SET duplicate_policy = 'ignore' WHERE flow = 'dup';
UPDATE leadroute.flows SET replay_window = '-1 s' WHERE flow = 'dup';
\set VERBOSITY default
SELECT leadroute.unmerge(1, 'dup');

-- no index begins with the key, but another one keeps rows out
CREATE TABLE dup.loose (id bigint, email text, slot int UNIQUE, owner text, duplicate_of text);
UPDATE leadroute.flows SET duplicate_policy = 'link' WHERE flow = 'dup';
SELECT leadroute.detach('dup.leads') IS NOT NULL AS detached;
SELECT leadroute.attach('dup.loose', flow => 'dup', columns => '{"key": "id"}') IS NOT NULL AS attached;
DELETE FROM leadroute.rules WHERE flow = 'dup' AND rule = 'trash';
INSERT INTO dup.loose (id, email, slot) VALUES (100, 'first@x.example', 1);
INSERT INTO dup.loose (id, email, slot) VALUES (101, 'loose@x.example', 1), (102, 'loose@x.example', 2), (103, 'loose@x.example', 3) ON CONFLICT DO NOTHING RETURNING id, owner IS NOT NULL AS routed, duplicate_of;
SELECT kind, key, lead FROM leadroute.identities WHERE flow = 'dup' AND lead::int > 100 ORDER BY 1, 2;
SELECT * FROM leadroute.rotation_drift();

SELECT leadroute.detach('dup.loose') IS NOT NULL AS detached;
SELECT leadroute.detach('dup.warned') IS NOT NULL AS detached;
SELECT leadroute.deactivate('dup') IS NOT NULL AS deactivated;
DELETE FROM leadroute.lead_states WHERE flow = 'dup';
DELETE FROM leadroute.identities WHERE flow = 'dup';
DELETE FROM leadroute.events WHERE flow = 'dup';
DELETE FROM leadroute.rotation WHERE flow = 'dup';
DELETE FROM leadroute.rules WHERE flow = 'dup';
DELETE FROM leadroute.team_members WHERE flow = 'dup';
DELETE FROM leadroute.teams WHERE flow = 'dup';
DELETE FROM leadroute.reps WHERE flow = 'dup';
DELETE FROM leadroute.match_rules WHERE flow IN ('dup', 'warned');
DELETE FROM leadroute.merge_columns WHERE flow = 'dup';
DELETE FROM leadroute.flows WHERE flow IN ('dup', 'warned');
SET client_min_messages = warning;
DROP SCHEMA dup CASCADE;
