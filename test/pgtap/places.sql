/*
 * test/pgtap/places.sql
 *		Routing goes by the codes of countries, regions and postal codes, however the lead spells them.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = error;
SELECT plan(24);
CREATE SCHEMA t;
CREATE TABLE t.leads (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, country text, region text, postal_code text, "Field" text, unit text, owner text, territory text);
INSERT INTO leadroute.reps (rep) VALUES ('ana');
SELECT leadroute.attach('t.leads') IS NOT NULL AS attached \gset
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES
	('w', 'usa', 'country: USA', 'ana'), ('w', 'west', 'country: us; region: California, Oregon, Wash.', 'ana'),
	('w', 'bay', 'country: us; region: ca; postal_code: 940..951', 'ana'), ('w', 'jersey shore', 'country: us; region: NJ; postal_code: 7701..7799, 07700..07799', 'ana'),
	('w', 'germany', 'country: Germany', 'ana'), ('w', 'bavaria', 'country: Germany; region: Bavaria', 'ana'),
	('w', 'westminster', 'country: uk; postal_code: SW1A*', 'ana'), ('w', 'elsewhere', 'country: !us !de !gb', 'ana'),
	('w', 'hk', 'country: hk; region: Kowloon', 'ana');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'raw', $$country = 'Raw Land'$$, 'discard', NULL), (10, 'w', NULL, 'territory', 'w'), (99, 'rest', NULL, 'rep', 'ana');
SELECT leadroute.activate() IS NOT NULL AS active \gset

CREATE FUNCTION t.routed(country text, region text DEFAULT NULL, postal_code text DEFAULT NULL) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO t.leads (country, region, postal_code) VALUES (country, region, postal_code) RETURNING coalesce(territory, 'none') $$;
SELECT is(t.routed('United States'), 'usa', 'a country by its name');
SELECT is(t.routed('U.S.A.', 'US-CA'), 'west', 'a region by its ISO code');
SELECT is(t.routed('840', ' calif. ', '94 105'), 'bay', 'a postal code with a blank');
SELECT is(t.routed('us', 'California', '95199-0001'), 'bay', 'and with four more digits');
SELECT is(t.routed('us', 'New Jersey', '7725'), 'jersey shore', 'one that lost its zero');
SELECT is(t.routed('us', 'nj', '07725'), 'jersey shore', 'one that did not');
SELECT is(t.routed('Allemagne', 'Bayern'), 'bavaria', 'other languages');
SELECT is(t.routed('de', 'Califronia'), 'germany', 'a region that nobody knows');
SELECT is(t.routed('England', NULL, 'SW1A 1AA'), 'westminster', 'a British postcode');
SELECT is(t.routed('Atlantis'), 'elsewhere', 'a country that nobody knows is still another');
SELECT is(t.routed(NULL, 'California', '94105'), 'none', 'no country is outside of all that constrain it');
SELECT is(t.routed('  ', 'California', '94105'), 'none', 'as is a blank one');
SELECT is(t.routed('Hong Kong', 'KOWLOON'), 'hk', 'a region where nobody lists them');
SELECT is(t.routed('us', 'Oregon', repeat('9', 1000000)), 'west', 'a megabyte of digits');
SELECT is(t.routed('Raw Land'), 'none', 'conditions see what is written');
SELECT results_eq($$ SELECT verdict, detail FROM leadroute.explain(jsonb_populate_record(NULL::t.leads, '{"country": "U.S.A.", "region": "Calif.", "postal_code": "94 105"}')) WHERE item = 'point' $$,
	$$ VALUES ('is looked up', 'country: us; postal_code: 94105; region: ca') $$, 'explain shows the codes');

/* regions without a country are read in the default one; the row stays outside of territories that constrain the country */
INSERT INTO leadroute.territories (map, territory, area, precedence, rep) VALUES ('r', 'bavaria', 'region: Bayern', 1, 'ana'), ('r', 'zip', 'postal_code: 4109', 0, 'ana');
UPDATE leadroute.rules SET target_name = 'r' WHERE rule = 'w';
SELECT is(t.routed(NULL, 'Bavaria'), 'none', 'without a default a name is a label');
UPDATE leadroute.flows SET default_country = 'Germany';
SELECT is(t.routed(NULL, 'Bavaria'), 'bavaria', 'with one it is a region of it');
UPDATE leadroute.territories SET area = 'postal_code: 4109' WHERE territory = 'zip';
SELECT is(area::text || ' ' || t.routed(NULL, NULL, '4109'), 'postal_code: 04109 zip', 'and a postal code gets its zero back') FROM leadroute.territories WHERE territory = 'zip';

/* a restore brings codes, and they stay: whichever the flow's options are by then */
CREATE TEMP TABLE dumped AS SELECT * FROM leadroute.territories;
DELETE FROM leadroute.territories;
DELETE FROM leadroute.territory_sides;
UPDATE leadroute.flows SET default_country = NULL;
SET LOCAL check_function_bodies = off;
INSERT INTO leadroute.territories SELECT * FROM dumped;
SET LOCAL check_function_bodies = on;
SELECT is_empty('SELECT territory, area::text FROM leadroute.territories EXCEPT SELECT territory, area::text FROM dumped', 'restored as dumped');
SELECT results_eq('SELECT DISTINCT side COLLATE "default", place FROM leadroute.territory_sides ORDER BY 1', $$ VALUES ('country', 'country'), ('postal_code', 'postal_code'), ('region', 'region') $$, 'and the sides are places again');

/* a code is its own code: of any mixture of labels, and of every region's name and code that the tables know */
CREATE FUNCTION t.codes(area text) RETURNS text LANGUAGE sql AS
	$$ SELECT coalesce(c.codes::text, c.problem) FROM leadroute.place_codes(area::leadroute.territory, '{country,region,postal_code}', '{country,region,postal_code}', NULL) c $$;
SELECT is_empty($$ SELECT a, t.codes(a) FROM regexp_split_to_table('country: ad..zz|country: !us !u*|country: us, de, f*; region: ca, by|country: us; region: a*, ny; postal_code: 1*, 2 2..3 3, 44|postal_code: a-1*, "b c"..d, 95199-*|{}|empty|country: *', '\|') a
	WHERE t.codes(t.codes(a)) IS DISTINCT FROM t.codes(a) $$, 'codes of codes');
SELECT is_empty($$ SELECT a, t.codes(a) FROM unnest('{us,ca,de,fr,gb,it,es,jp,in,mx,br,au}'::text[]) n, unnest('{California,Ontario,Bayern,Île-de-France,Wales,Lombardia,Cataluña,Tokyo,Kerala,Jalisco,Bahia,Victoria,ca,by,wa,25,13}'::text[]) r, format('country: %s; region: %s', n, r) a
	WHERE t.codes(a) LIKE 'country: %' AND t.codes(t.codes(a)) IS DISTINCT FROM t.codes(a) $$, 'of regions');

/* a side whose column differs in case is looked at */
INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('f', 'saas', 'field: SaaS', 'ana');
UPDATE leadroute.rules SET target_name = 'f' WHERE rule = 'w';
INSERT INTO t.leads ("Field") VALUES ('SAAS') RETURNING territory AS by_field \gset
SELECT is(:'by_field'::text, 'saas', 'a column named in mixed case');
SELECT * FROM finish();
ROLLBACK;
