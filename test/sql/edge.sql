-- Edges of the row path: keys that change, types that pad, foreign keys that write, tables that share flows.
CREATE DATABASE leadroute_edge;
\c leadroute_edge
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only

CREATE TABLE edge_leads (id bigint PRIMARY KEY, country text, owner text, route_reason text);
SELECT leadroute.attach('edge_leads', 'edge');
INSERT INTO leadroute.reps (flow, rep, name) VALUES ('edge', 'ana', 'Ana'), ('edge', 'bo', 'Bo');
INSERT INTO leadroute.teams (flow, team) VALUES ('edge', 'all');
INSERT INTO leadroute.team_members (flow, team, rep) VALUES ('edge', 'all', 'ana'), ('edge', 'all', 'bo');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name, if_unavailable) VALUES ('edge', 1, 'all', 'team', 'all', 'wait');
SELECT leadroute.activate('edge');
CREATE VIEW edge_states AS
	SELECT lead, status, owner, CASE WHEN closed_at IS NULL THEN 'open' ELSE outcome END AS standing FROM leadroute.lead_states WHERE flow = 'edge';

-- a merge in the CRM: the one goes, the other takes its key
INSERT INTO edge_leads (id) VALUES (1), (2), (3), (4);
BEGIN; DELETE FROM edge_leads WHERE id = 2; UPDATE edge_leads SET id = 2 WHERE id = 1; COMMIT;
TABLE edge_states ORDER BY lead;
-- the same across savepoints
BEGIN;
DELETE FROM edge_leads WHERE id = 4;
SAVEPOINT a;
UPDATE edge_leads SET id = 4 WHERE id = 3;
ROLLBACK TO a;
UPDATE edge_leads SET id = 4 WHERE id = 2;
RELEASE a;
COMMIT;
TABLE edge_states ORDER BY lead;
-- a key that changes twice; and one that is deleted under its new key
BEGIN; UPDATE edge_leads SET id = 30 WHERE id = 3; UPDATE edge_leads SET id = 31 WHERE id = 30; COMMIT;
BEGIN; DELETE FROM edge_leads WHERE id = 4; UPDATE edge_leads SET id = 4 WHERE id = 31; DELETE FROM edge_leads WHERE id = 4; COMMIT;
TABLE edge_states ORDER BY lead;
SELECT lead, kind, code, owner FROM leadroute.events WHERE flow = 'edge' ORDER BY id;
SELECT rep, sum(open) FROM leadroute.rotation WHERE flow = 'edge' GROUP BY 1 ORDER BY 1;

-- a foreign key's cascade is a hand too
CREATE TABLE edge_users (name text PRIMARY KEY);
INSERT INTO edge_users VALUES ('ana'), ('bo');
ALTER TABLE edge_leads ADD FOREIGN KEY (owner) REFERENCES edge_users ON UPDATE CASCADE;
INSERT INTO edge_leads (id) VALUES (41), (42);
UPDATE edge_users SET name = 'bob' WHERE name = 'bo';
SELECT l.id, l.owner, s.owner, s.code FROM edge_leads l JOIN leadroute.lead_states s ON s.flow = 'edge' AND s.lead = l.id::text ORDER BY l.id;
SELECT lead, owner, previous_owner FROM leadroute.events WHERE flow = 'edge' AND kind = 'handed_over';

-- another table's rows do not name this flow: its leads are this table's
CREATE TABLE edge_other (id bigint PRIMARY KEY, owner text, flow text);
SELECT leadroute.attach('edge_other', 'edge2', flow_column => 'flow');
INSERT INTO edge_other (id, flow) VALUES (41, 'edge') RETURNING owner;
DELETE FROM edge_other;
SELECT flow, lead, code, closed_at IS NOT NULL AS closed FROM leadroute.lead_states WHERE flow ~ '^edge' AND lead = '41' ORDER BY 1;
SELECT leadroute.detach('edge_other');

-- with flow_column the mapping of the attachment holds for every flow that its rows name
CREATE TABLE edge_map (id bigint PRIMARY KEY, "State" text, bu text, owner text, territory text);
SELECT leadroute.attach('edge_map', 'edge3', columns => '{"region": "State"}', flow_column => 'bu');
INSERT INTO leadroute.flows (flow) VALUES ('edge4');
INSERT INTO leadroute.reps (flow, rep, name) VALUES ('edge4', 'cy', 'Cy');
INSERT INTO leadroute.territories (flow, map, territory, area, rep) VALUES ('edge4', 'us', 'pacific', 'region: California, or', 'cy');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('edge4', 1, 'map', 'territory', 'us');
SELECT leadroute.activate('edge4');
INSERT INTO edge_map (id, "State", bu) VALUES (1, 'CA', 'edge4') RETURNING owner, territory;
-- names of flows that do not exist cost no configuration each
INSERT INTO edge_map (id, bu) SELECT i, 'no flow ' || i FROM generate_series(2, 5001) i;
SELECT count(*) < 10, pg_size_pretty(sum(total_bytes)) ~ 'kB' FROM pg_backend_memory_contexts WHERE name IN ('leadroute flow', 'leadroute unknown flows');
INSERT INTO leadroute.flows (flow) VALUES ('no flow 2');
INSERT INTO edge_map (id, bu) VALUES (5002, 'no flow 2');
SELECT flow FROM leadroute.lead_states WHERE lead = '5002';
SELECT leadroute.detach('edge_map');

-- character(n) as key and owner; days that no instant can hold
SELECT leadroute.detach('edge_leads');
CREATE TABLE edge_padded (id character(18) PRIMARY KEY, owner character(10), team text, submitted_at date);
SELECT leadroute.attach('edge_padded', 'edge');
INSERT INTO edge_padded (id, submitted_at) VALUES ('p1', '2020-01-01'), ('p2', '5000000-01-01'), ('p3', 'infinity');
SELECT lead, owner, submitted_at < '2020-01-03' FROM leadroute.lead_states WHERE flow = 'edge' AND lead ~ '^p' ORDER BY 1;
UPDATE edge_padded SET team = NULL WHERE id = 'p1' RETURNING owner, team;
SELECT kind FROM leadroute.events WHERE flow = 'edge' AND lead = 'p1';
SELECT item, verdict FROM leadroute.explain('p1', 'edge') LIMIT 2;
SELECT leadroute.detach('edge_padded');

-- no unique index: keys that change places, and one that another row bears
CREATE TABLE edge_loose (id text, owner text);
SELECT leadroute.attach('edge_loose', 'edge');
INSERT INTO edge_loose (id) VALUES ('a'), ('b'), ('c');
UPDATE edge_loose SET id = CASE id WHEN 'a' THEN 'b' ELSE 'a' END WHERE id IN ('a', 'b');
UPDATE edge_loose SET id = 'c' WHERE id = 'a';
SELECT * FROM edge_states WHERE lead ~ '^[abc]$' ORDER BY lead;
SELECT key, lead FROM leadroute.identities WHERE flow = 'edge' ORDER BY 1;

-- a second row of a lead that is being inserted, within a savepoint that is rolled back
CREATE FUNCTION edge_twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.id = 'e' AND pg_trigger_depth() = 1 THEN
		BEGIN
			INSERT INTO edge_loose (id) VALUES ('d');
			RAISE 'back';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER edge_twice BEFORE INSERT ON edge_loose FOR EACH ROW EXECUTE FUNCTION edge_twice();
INSERT INTO edge_loose (id) VALUES ('d'), ('e');
SELECT * FROM edge_states WHERE lead ~ '^[de]$' ORDER BY lead;

-- what happened to the leads is written before the attachment goes, and the extension with it
BEGIN;
DELETE FROM edge_loose WHERE id = 'b';
SELECT leadroute.detach('edge_loose');
SELECT standing FROM edge_states WHERE lead = 'b';
DROP VIEW edge_states;
DROP EXTENSION leadroute;
COMMIT;

-- the extension goes over the head of an attached table, in the transaction that deleted a lead: there is nowhere to write
CREATE EXTENSION leadroute;
CREATE TABLE edge_last (id integer PRIMARY KEY);
SELECT leadroute.attach('edge_last');
INSERT INTO edge_last VALUES (1), (2);
BEGIN;
DELETE FROM edge_last WHERE id = 1;
DROP EXTENSION leadroute CASCADE;
COMMIT;
SELECT * FROM edge_last;

\c postgres
DROP DATABASE leadroute_edge;
