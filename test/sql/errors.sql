--
-- Bad input: text, SQLSTATE, detail and hint of what a user can get wrong in configuration,
-- and that nothing half done is left
--
CREATE DATABASE leadroute_errors;
\c leadroute_errors
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
\set SHOW_CONTEXT never
CREATE TABLE public.leads (id bigint PRIMARY KEY, email text, country text, employees integer, owner text);

-- attach
SELECT leadroute.attach('public.nowhere');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE public.keyless (email text);
SELECT leadroute.attach('public.keyless');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE public.generated (id int PRIMARY KEY, raw text, email text GENERATED ALWAYS AS (lower(raw)) STORED);
SELECT leadroute.attach('public.generated');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', columns => '{"mail": "email"}');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', columns => '{"email": "Email"}');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', columns => '{"email": 5}');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', columns => '{"submitted_at": {"column": "id", "timezone": "Mars/Olympus"}}');
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE public.leads ADD COLUMN vip boolean;
SELECT leadroute.attach('public.leads', columns => '{"submitted_at": "vip"}');
ALTER TABLE public.leads DROP COLUMN vip;
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', flow => '');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', '{"email": "email"}');
\echo :LAST_ERROR_SQLSTATE
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
SELECT leadroute.attach('temporary');
\echo :LAST_ERROR_SQLSTATE
CREATE VIEW public.view AS SELECT * FROM public.leads;
SELECT leadroute.attach('public.view');
\echo :LAST_ERROR_SQLSTATE
CREATE MATERIALIZED VIEW public.stored AS SELECT * FROM public.leads;
SELECT leadroute.attach('public.stored');
SELECT leadroute.attach('leadroute.reps');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('pg_catalog.pg_class');
DROP MATERIALIZED VIEW public.stored;
SELECT leadroute.detach('public.leads');
\echo :LAST_ERROR_SQLSTATE
CALL leadroute.catch_up('public.leads');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS attachments, (SELECT count(*) FROM leadroute.flows) AS flows,
	(SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('public.leads'::regclass, 'public.generated'::regclass)) AS triggers
  FROM leadroute.attachments;

CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER zzzz_late BEFORE INSERT ON public.leads FOR EACH ROW EXECUTE FUNCTION public.late();
SELECT leadroute.attach('public.leads');
DROP TRIGGER zzzz_late ON public.leads;
SELECT leadroute.attach('public.generated', columns => '{"email": "raw"}');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.attach('public.leads', flow => 'second');
\echo :LAST_ERROR_SQLSTATE
CALL leadroute.catch_up('public.leads', existing => 'route', newer_than => '1 day');
\echo :LAST_ERROR_SQLSTATE

-- sides of territories
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'west', 'planet: mars', 'west');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'west', 'employees: few', 'west');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'west', 'country: [1,5)', 'west');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS territories, (SELECT count(*) FROM leadroute.territory_sides) AS sides FROM leadroute.territories;
-- a misspelt side is told before what it then crosses
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'south', 'country: us', 'west');
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'west', 'contry: us', 'west');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM leadroute.territories WHERE territory = 'south';
-- words where a text is meant, and a WHERE too much
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'words', 'country = "belgium"', 'team', 'west');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'words', 'WHERE employees > 5', 'team', 'west');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.flows (flow, timezone) VALUES ('second', 'Mars/Olympus');
\echo :LAST_ERROR_SQLSTATE

-- an incomplete flow
SELECT leadroute.activate('third');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.deactivate('third');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'us', 'country = ''us''', 'territory', 'us'), (20, 'big', 'employees > 500', 'team', 'west'), (30, 'small', 'employees < 5', 'rep', 'nobody');
INSERT INTO leadroute.teams (team) VALUES ('west');
SELECT leadroute.activate();
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM leadroute.check_flow();
SELECT active, checked FROM leadroute.flows;

-- an active one
DELETE FROM leadroute.rules;
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (10, 'all', 'team', 'west');
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
SELECT leadroute.activate();
DELETE FROM leadroute.rules;
\echo :LAST_ERROR_SQLSTATE
BEGIN;
DELETE FROM leadroute.rules;
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (10, 'some', 'employees > 5', 'team', 'west');
COMMIT;
\echo :LAST_ERROR_SQLSTATE
-- lengths of time, words and names that are none
INSERT INTO leadroute.sla_policies (policy, position, target) VALUES ('p', 1, '1 month');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.sla_policies (policy, position, target) VALUES ('p', 1, '0');
INSERT INTO leadroute.sla_policies (policy, position, target) VALUES ('p', 1, 'end of day +2');
INSERT INTO leadroute.sla_policies (policy, position, target) VALUES ('p', 1, '10 minuets');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.sla_policies (policy, position, target, metric) VALUES ('p', 1, '10 min', 'firsttouch');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.sla_policies (policy, position, target, metric) VALUES ('p', 1, '10 min', 'stage_age');
INSERT INTO leadroute.sla_policies (policy, position, target, stage) VALUES ('p', 1, '10 min', 'new');
INSERT INTO leadroute.sla_policies (policy, position, target) VALUES ('p', 1, '10 min');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('p', '150 %', 'remind', 'owner');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('p', 'due+2h', 'remind', 'owner');
INSERT INTO leadroute.sla_steps (policy, at, action) VALUES ('p', '50%', 'remind');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.sla_steps (policy, at, action) VALUES ('p', '50%', 'set_stage');
INSERT INTO leadroute.sla_steps (policy, at, action, argument) VALUES ('p', '50%', 'set_stage', 'nowhere'), ('p', '60%', 'requeue', 'nowhere'), ('p', '70%', 'requeue', 'west'), ('p', '80%', 'nurture', NULL);
SELECT severity, object, problem, hint FROM leadroute.check_flow() WHERE object LIKE 'step %';
DELETE FROM leadroute.sla_steps;
DELETE FROM leadroute.sla_policies;
INSERT INTO leadroute.rules (position, rule, target) VALUES (11, 'x', 'team');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.activate(NULL);
\echo :LAST_ERROR_SQLSTATE
CALL leadroute.sweep('nowhere');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM leadroute.report('2026-01-01', '2026-01-31', 'rep', 'nowhere');
\echo :LAST_ERROR_SQLSTATE
CALL leadroute.catch_up('public.leads', existing => 'route', newer_than => '-1 day');
\echo :LAST_ERROR_SQLSTATE
SELECT leadroute.close(1, '');
\echo :LAST_ERROR_SQLSTATE

BEGIN;
DELETE FROM leadroute.rules;
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (20, 'everyone', 'team', 'west');
COMMIT;
SELECT rule FROM leadroute.rules;
DELETE FROM leadroute.team_members;
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
INSERT INTO leadroute.rotation (flow, team, rep, pointer, open) VALUES ('default', 'west', 'ana', 0, 1);
DELETE FROM leadroute.reps;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE leadroute.teams;
\echo :LAST_ERROR_SQLSTATE
DELETE FROM leadroute.flows;
\echo :LAST_ERROR_SQLSTATE

-- a loader's table that does not fit: a WARNING, never an error
DROP TABLE public.leads CASCADE;
SET client_min_messages = notice;
CREATE TABLE public.leads (email text);
SET client_min_messages = warning;
SELECT status, problem FROM leadroute.attachments;
SELECT check_name, status, detail, run FROM leadroute.health WHERE check_name = 'attachment';
DROP TABLE public.leads;
CREATE TABLE public.leads (id bigint PRIMARY KEY, email text, owner text);
SELECT status, problem FROM leadroute.attachments;
DROP EXTENSION leadroute;
\echo :LAST_ERROR_SQLSTATE
\c postgres
DROP DATABASE leadroute_errors;
