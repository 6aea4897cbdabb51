-- Territories of one map do not cross: exact texts, what may be, and bulk loads.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
RESET client_min_messages;
SET search_path = leadroute, public, pg_catalog;
BEGIN;
INSERT INTO territories (map, territory, area, team) VALUES
	('us', 'pacific', 'country: us; region: ca, or, wa', 'west'),
	('us', 'bay', 'country: us; region: ca; postal_code: 94*', 'west'),
	('us', 'everything', 'country: us', 'inbound');

SAVEPOINT s;
\set SHOW_CONTEXT never
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'north', 'country: us; region: wa, id', 'north');
ROLLBACK TO s;
-- equal areas cross
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'again', 'region: WA, OR, CA; country: US', 'north');
ROLLBACK TO s;
-- with sides the other does not have
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'banks', 'industry: banking', 'north');
ROLLBACK TO s;
UPDATE territories SET area = 'country: us; region: nv, ca' WHERE territory = 'bay';
ROLLBACK TO s;
-- a long shared part is cut
DO $$
DECLARE
	detail text;
BEGIN
	INSERT INTO leadroute.territories (map, territory, area, team) SELECT 'long', x, leadroute.territory('zip', ARRAY(SELECT lpad(i::text, 5, '0') FROM generate_series(1, 1000) i UNION ALL SELECT x)), 't' FROM unnest(ARRAY['a', 'b']) x;
EXCEPTION WHEN exclusion_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE '% characters: % [...] %', length(detail), left(detail, 40), right(detail, 45);
END $$;
-- what an application reads
DO $$
DECLARE
	c text; t text; s text;
BEGIN
	INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('us', 'north', 'country: us; region: wa, id', 'north');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME, t = TABLE_NAME, s = SCHEMA_NAME;
	RAISE NOTICE '% % % %', SQLSTATE, s, t, c;
END $$;

-- what may be: inside, outside, apart; another map, flow, precedence, time; its own row again
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'mission', 'country: us; region: ca; postal_code: 94110', 'west'), ('us', 'world', '{}', 'inbound'), ('us', 'nowhere', 'empty', 'inbound'), ('us', 'never', 'empty', 'inbound'), ('us', 'france', 'country: fr', 'eu');
INSERT INTO territories (map, territory, area, team) VALUES ('sales', 'north', 'country: us; region: wa, id', 'north');
INSERT INTO territories (flow, map, territory, area, team) VALUES ('emea', 'us', 'north', 'country: us; region: wa, id', 'north');
INSERT INTO territories (map, territory, area, precedence, team) VALUES ('us', 'north', 'country: us; region: wa, id', 1, 'north');
UPDATE territories SET during = '(,2027-01-01)' WHERE territory = 'pacific';
INSERT INTO territories (map, territory, area, during, team) VALUES ('us', 'pacific', 'country: us; region: ca, hi', '[2027-01-01,)', 'west');
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'france', 'country: fr, mc', 'eu') ON CONFLICT (flow, map, territory, during) DO UPDATE SET area = excluded.area;
UPDATE territories SET area = 'country: fr, mc, be' WHERE territory = 'france';
UPDATE territories SET note = 'x', team = 'y';
SAVEPOINT s;
INSERT INTO territories (map, territory, area, during, team) VALUES ('us', 'overlap', 'country: us; region: or, nv', '[2026-12-01,2027-02-01)', 'west');
ROLLBACK TO s;
-- the constraint itself, with the trigger out of the way
ALTER TABLE territories DISABLE TRIGGER territories_check_crossing;
INSERT INTO territories (map, territory, area, team) VALUES ('us', 'belgium', 'country: be, nl', 'eu');
ROLLBACK TO s;
SELECT map, territory, area FROM territories WHERE flow = 'default' AND map = 'us' AND precedence = 0 AND area @> 'country: us; region: ca; postal_code: 94110' AND during @> timestamptz '2026-06-01' ORDER BY area;

-- the look-up goes by the index, also when it was planned on an empty table: 20,000 rows in one statement take seconds, not hours
SET LOCAL statement_timeout = '60s';
INSERT INTO territories (map, territory, area, team) SELECT 'bulk', i::text, territory('postal_code', ARRAY[lpad(i::text, 5, '0')]), 't' FROM generate_series(1, 20000) i;
SAVEPOINT s;
INSERT INTO territories (map, territory, area, team) VALUES ('bulk', 'late', 'postal_code: 19999; industry: saas', 't'), ('bulk', 'crosses', 'postal_code: 19998, 20001; industry: saas', 't');
ROLLBACK TO s;
-- it fires on replication's apply too
SET LOCAL session_replication_role = replica;
INSERT INTO territories (map, territory, area, team) VALUES ('bulk', 'applied', 'postal_code: 19998, 20001; industry: saas', 't');
ROLLBACK;
-- a role that owns nothing cannot call the trigger's function
SELECT has_function_privilege('pg_monitor', 'leadroute.territories_check_crossing()', 'execute');
