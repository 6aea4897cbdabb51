-- Countries, regions and postal codes of territories: what is written, what stands there, what is refused.
CREATE DATABASE leadroute_places;
\c leadroute_places
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
INSERT INTO leadroute.reps (rep) VALUES ('ana');
CREATE TABLE places (id integer PRIMARY KEY, email text, country text, "State" text, postal_code text, employees integer, owner text, territory text);

-- before a table says what the sides are, labels are labels; then they are codes
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('early', 'west', 'country: United States; state: California, Oregon', 'ana');
SELECT area FROM leadroute.territories;
SELECT leadroute.attach('places', columns => '{"region": "State"}') ~ '^attached';
SELECT area FROM leadroute.territories;
SELECT map, side, kind, place FROM leadroute.territory_sides ORDER BY 1, 2;

-- names in, codes out; prefixes and ranges stay
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES
	('a', 'dach', 'country: Deutschland, Österreich, Schweiz', 'ana'),
	('a', 'rest', 'country: !Germany !Austria !CH', 'ana'),
	('a', 'nrw', 'country: DEU; region: NRW, Bayern', 'ana'),
	('a', 'letters', 'country: u* !usa; region: *', 'ana'),
	('b', 'one of two', 'country: us, ca; region: Ontario, Texas', 'ana'),
	('c', 'us', 'country: us; postal_code: 7725, 94*, 941 05-0*, 950 00..951 99, 95199-0001', 'ana'),
	('c', 'uk', 'country: gb; postal_code: SW1A 1*, EC1A 1BB', 'ana'),
	('c', 'uk prefix', 'country: uk; postal_code: SW1A 11*', 'ana'),
	('c', 'pt', 'country: pt; postal_code: 1000-*, 94* !94-105, 7..=7500-001', 'ana'),
	('c', 'not these', 'country: fr; postal_code: !75 001 !76*', 'ana'),
	('d', 'unlisted regions', 'country: Hong Kong; region: Kowloon', 'ana');
SELECT map, territory, area FROM leadroute.territories WHERE map < 'early' ORDER BY 1, 2;
-- written again they are as they were
CREATE TEMP TABLE before AS SELECT map, territory, area FROM leadroute.territories;
UPDATE leadroute.territories SET area = area;
SELECT count(*) FROM leadroute.territories t JOIN before b USING (map, territory) WHERE t.area::text <> b.area::text;
-- two spellings of one place are one place
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('a', 'again', 'country: D, A, CH', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('a', 'again', 'country: Germany, AUT, "Switzerland"', 'ana');

-- what nobody knows
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: us, Germny', 'ana');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: !Germny', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: u* !Unitd States', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: "日本国々"', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: ""', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: us; region: Califronia', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: us, ca; state: Ontaro', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'region: Limburg', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'region: Catalonja', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: united*', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: !united*', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: us; region: new*', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: us; postal_code: --', 'ana');
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'x', 'country: pt; postal_code: 1-9..10', 'ana');
-- a region without a country
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('x', 'alone', 'region: California', 'ana');
SELECT leadroute.attach('places', columns => '{"region": "State"}') ~ '^attached';
SELECT area FROM leadroute.territories WHERE map = 'x';

-- what attach finds
SELECT leadroute.detach('places') IS NOT NULL;
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('y', 'north', 'country: Northland', 'ana'), ('y', 'moon', 'country: us; postal_code: "?"', 'ana');
SELECT leadroute.attach('places', columns => '{"region": "State"}');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM leadroute.territories WHERE map <> 'y';
-- the column is none of those: what stands there is a label
SELECT leadroute.attach('places', columns => '{"region": null, "country": null, "postal_code": null}') ~ '^attached';
SELECT territory, area FROM leadroute.territories WHERE map = 'y' ORDER BY 1;
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'y', 'territory', 'y'), (9, 'rest', 'rep', 'ana');
SELECT leadroute.activate();
INSERT INTO places (id, country, postal_code) VALUES (1, 'northland', NULL), (2, 'US', '?'), (3, 'USA', '?') RETURNING id, territory;

\c postgres
DROP DATABASE leadroute_places;
