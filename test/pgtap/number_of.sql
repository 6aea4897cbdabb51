/* The number in what people write for one, and what goes by it. */
BEGIN;
SET client_min_messages = warning;
SELECT plan(47);
SELECT is(leadroute.number_of(v), n, format('%s', v)) FROM (VALUES
	('1', 1), ('1234', 1234), (' 42 ', 42), ('1,234', 1234), ('1 234', 1234), (U&'1\00A0234', 1234), ('1''234', 1234), ('12,345,678', 12345678), ('1.234.567', 1234567),
	('1.234', 1.234), ('1.5', 1.5), ('1,5', 1.5), ('1,234.50', 1234.5), ('-5', -5), ('10,001+', 10001), ('51-200', 51), ('51 - 200 employees', 51),
	('1,001-5,000', 1001), ('1-10', 1), ('$1M-$5M', 1000000), ('$1-5 million', 1000000), ('500K-1M', 500000), (U&'10\201350 M', 10000000), ('1 to 5 bn', 1000000000),
	(U&'\20AC2.5m', 2500000), ('USD 5M', 5000000), ('5 mio', 5000000), ('1.2bn', 1200000000), ('10k', 10000), ('over 1000', 1000), ('500+', 500), ('<10', 0), ('Under $1M', 0),
	('less than 50', 0), ('5 managers', 5), ('10 breweries', 10), ('', NULL), ('n/a', NULL), ('Self-employed', NULL), ('1234567890123456', NULL)) x(v, n);

CREATE TABLE sized (id bigint PRIMARY KEY, email text, employees text, annual_revenue text, country text, postal_code text, owner text);
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana');
SELECT leadroute.attach('sized');
SELECT leadroute.load_template('enterprise');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'large', 'leadroute.number_of(employees) > 1000', 'rep', 'bo'), (99, 'all', NULL, 'rep', 'ana');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (2, 'scored', 'facts.score < 0', 'rep', 'bo');
SELECT is(problem || ' | ' || hint, 'its condition reads facts.score, and the flow has no scoring model | UPDATE leadroute.flows SET scoring_model = ''enterprise'' WHERE flow = ''default''.',
	'a score that nobody works out is told') FROM leadroute.check_flow() WHERE object = 'rule "scored"';
UPDATE leadroute.flows SET scoring_model = 'enterprise';
SELECT is_empty('SELECT * FROM leadroute.check_flow()', 'and nothing once a model is named');
SELECT leadroute.activate();
INSERT INTO sized (id, email, employees, annual_revenue) VALUES (1, 'a@sized.example', '10,001+', '$50M-$100M'), (2, 'b@sized.example', '51-200', '');
SELECT is(string_agg(owner, ' ' ORDER BY id), 'bo ana', 'bands in a condition') FROM sized;
SELECT is(string_agg((fit > 0)::text, ' ' ORDER BY lead), 'true false', 'and in a template''s criteria') FROM leadroute.lead_states;

/* conditions run as who inserts */
CREATE ROLE plain_loader;
GRANT INSERT, SELECT ON sized TO plain_loader;
SET LOCAL ROLE plain_loader;
INSERT INTO sized (id, email, employees) VALUES (3, 'c@sized.example', '5K');
RESET ROLE;
SELECT is(owner, 'bo', 'a plain role''s lead is judged as anybody''s') FROM sized WHERE id = 3;

/* a map out of a list that was loaded as text */
CREATE TEMP TABLE listed (name text, area text);
INSERT INTO listed VALUES ('west', 'country: us; postal_code: 90000..96162');
SELECT lives_ok($$INSERT INTO leadroute.territories (map, territory, area, team) SELECT 'm', name, area, 't' FROM listed$$, 'text is assigned to an area');
SELECT throws_ok($$INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('m', 'typed', 'country: us; postal_code: 97000-97999', 't')$$, '22023',
	'side "postal_code": "97000-97999" is no postal code', 'a range with a hyphen is not one code of ten digits');
SELECT * FROM finish();
ROLLBACK;
