-- Leads answer with the owner that their flow knows: a table may not step into a flow of others by itself.
BEGIN;
SELECT plan(8);

CREATE ROLE crm_owner;
CREATE ROLE stranger;
CREATE SCHEMA shop;
GRANT ALL ON SCHEMA shop TO crm_owner, stranger;
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 't');
SET LOCAL client_min_messages = warning;

SET LOCAL ROLE crm_owner;
CREATE TABLE shop.leads (id bigint PRIMARY KEY, unit text, owner text);
SELECT lives_ok($$SELECT leadroute.attach('shop.leads')$$, 'the owner of a table attaches it');
RESET ROLE;
SELECT leadroute.activate();
INSERT INTO shop.leads (id) VALUES (1);
SELECT is(owner, 'ana', 'its leads are routed') FROM shop.leads;
SET LOCAL ROLE crm_owner;
SELECT lives_ok($$SELECT leadroute.attach('shop.leads', columns => '{"owner": "owner"}')$$, 'he attaches it again');
DROP TABLE shop.leads;

SET LOCAL ROLE stranger;
CREATE TABLE shop.mine (id bigint PRIMARY KEY, unit text, owner text);
SELECT throws_ok($$SELECT leadroute.attach('shop.mine')$$, '42501', 'permission denied to attach table shop.mine to flow "default"',
	'a stranger''s table does not step into the place of one that was dropped');
SELECT throws_ok($$SELECT leadroute.attach('shop.mine', flow => 'mine', flow_column => 'unit')$$, '42501',
	'permission denied to attach table shop.mine with flow_column', '... nor name the flows of others row by row');
SELECT lives_ok($$SELECT leadroute.attach('shop.mine', flow => 'mine')$$, 'a flow of its own is free');
SELECT lives_ok($$SELECT leadroute.detach('shop.mine')$$, '... and so is leaving it');

RESET ROLE;
GRANT leadroute_admin TO stranger;
SET LOCAL ROLE stranger;
SELECT lives_ok($$SELECT leadroute.attach('shop.mine', flow_column => 'unit')$$, 'an admin may do either');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
