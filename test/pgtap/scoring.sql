-- scores: fit, engagement, what signals do, and why
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();
SET leadroute.clock = '2026-03-02 12:00+00';

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, company text, title text, industry text, country text, employees int, revenue numeric,
	owner text, score numeric, fit double precision, engagement int, grade text, submitted_at timestamptz);
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team, hours) VALUES ('t', 'none'), ('hot', 'none');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('hot', 'bo');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (10, 'hot', 'facts.score >= 50', 'team', 'hot'), (99, 'all', NULL, 'team', 't');
INSERT INTO leadroute.match_rules (position, rule, kinds) VALUES (1, 'mail', '{email}');
SELECT leadroute.attach('lr.leads') \g /dev/null
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.scored(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.score, s.fit, s.engagement, s.grade, 'row', l.score, l.fit, l.engagement, l.grade, 'owner', l.owner)
	FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE s.lead = key::text
$$;
/* The stored score is the sum of its reasons, and what is in the row. */
CREATE FUNCTION lr.wrong() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: state %s, rows %s, row %s', s.lead, s.score, e.total, l.score)
	FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead
		CROSS JOIN LATERAL (SELECT coalesce(sum(contribution), 0) AS total, coalesce(sum(abs(contribution)) FILTER (WHERE item = 'rounding'), 0) AS rounding
							FROM leadroute.score_explain(s.lead, s.scored_at)) e
	WHERE s.scored_at IS NOT NULL AND ((s.score, s.score) IS DISTINCT FROM (e.total, l.score) OR e.rounding > 0.0075)
$$;

-- a flow without a model: no score, and its columns are the user's
INSERT INTO lr.leads (id, title, score) VALUES (1, 'VP', 7);
SELECT is(lr.scored(1), 'row 7 owner ana', 'no model: the row''s score is the user''s');
UPDATE lr.leads SET score = 8 WHERE id = 1;
SELECT is(lr.scored(1), 'row 8 owner ana', 'and stays so');
SELECT is(leadroute.score(1), NULL, 'score() knows none');
SELECT is_empty('SELECT * FROM leadroute.score_explain(1)', 'nor has it reasons');
SELECT ok(leadroute.signal(1, 'demo'), 'a signal is kept');
SELECT results_eq('SELECT type COLLATE "default", signals, leads FROM leadroute.unknown_signals', $$VALUES ('demo', 1::bigint, 1::bigint)$$, 'of a type that nobody knows');

-- types of signals without a model: facts.signals, and no score
INSERT INTO leadroute.signal_types (signal_type) VALUES ('trial');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (8, 'trial', $$facts.signals ? 'trial' AND facts.score IS NULL$$, 'team', 'hot');
INSERT INTO leadroute.signals (lead, type) VALUES ('20', 'trial');
INSERT INTO lr.leads (id) VALUES (20), (21);
SELECT results_eq('SELECT id, owner, score FROM lr.leads WHERE id IN (20, 21) ORDER BY id', $$VALUES (20::bigint, 'bo', NULL::numeric), (21, 'ana', NULL)$$, 'facts.signals without a model');
DELETE FROM leadroute.rules WHERE rule = 'trial';

-- the worked leads
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold) VALUES ('plg', 30, 70, 60), ('enterprise', 0.6, 0.4, 75), ('mid', 1, 1, 65);
INSERT INTO leadroute.signal_types (signal_type, high_intent) SELECT t, t = 'demo' FROM unnest('{account,onboarding,core,invited,limit,pricing,demo,stakeholders,webinar,roi,case,blog,click,visit}'::text[]) t;
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES
	('plg', 'size', 'fit', 'employees >= 10 AND employees < 500', 15), ('plg', 'industry', 'fit', $$industry = 'saas'$$, 10),
	('plg', 'manager', 'fit', $$title ~* '\m(manager|director|vp|c.o)\M'$$, 10), ('plg', 'tool', 'fit', $$company = 'tool'$$, 10),
	('plg', 'personal mail', 'fit', $$email LIKE '%@gmail.com'$$, -10), ('plg', 'competitor', 'fit', $$email LIKE '%@rival.com'$$, -50),
	('enterprise', 'size', 'fit', 'employees >= 500', 20), ('enterprise', 'revenue', 'fit', 'revenue >= 50000000', 15), ('enterprise', 'industry', 'fit', $$industry = 'saas'$$, 15),
	('enterprise', 'vp', 'fit', $$title ~* '\mvp\M'$$, 20), ('enterprise', 'decision maker', 'fit', $$title ~* 'head'$$, 15), ('enterprise', 'competitor''s user', 'fit', $$company = 'rival user'$$, 10),
	('enterprise', 'small', 'fit', 'employees < 100', -30),
	('mid', 'size', 'fit', 'employees >= 50 AND employees < 1000', 15), ('mid', 'industry', 'fit', $$industry = 'saas'$$, 10), ('mid', 'manager', 'fit', $$title ~* '\m(manager|vp)\M'$$, 15),
	('mid', 'geography', 'fit', $$country = 'US'$$, 10), ('mid', 'tool', 'fit', $$company = 'tool'$$, 10);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, min_count) VALUES
	('plg', 'account', 'engagement', 'account', 15, 1), ('plg', 'onboarding', 'engagement', 'onboarding', 20, 1), ('plg', 'core', 'engagement', 'core', 25, 3),
	('plg', 'invited', 'engagement', 'invited', 25, 1), ('plg', 'limit', 'engagement', 'limit', 20, 1), ('plg', 'pricing', 'engagement', 'pricing', 15, 1),
	('enterprise', 'demo', 'engagement', 'demo', 30, 1), ('enterprise', 'stakeholders', 'engagement', 'stakeholders', 20, 1), ('enterprise', 'webinar', 'engagement', 'webinar', 15, 1),
	('enterprise', 'roi', 'engagement', 'roi', 10, 1), ('enterprise', 'pricing', 'engagement', 'pricing', 15, 2),
	('mid', 'demo', 'engagement', 'demo', 25, 1), ('mid', 'pricing', 'engagement', 'pricing', 15, 1), ('mid', 'case', 'engagement', 'case', 10, 1), ('mid', 'webinar', 'engagement', 'webinar', 10, 1),
	('mid', 'clicks', 'engagement', 'click', 10, 3), ('mid', 'blog', 'engagement', 'blog', 10, 5);
INSERT INTO leadroute.grades (model, dimension, mark, at_least)
	SELECT m, d.dimension, d.mark, d.at_least FROM unnest('{plg,enterprise,mid}'::text[]) m,
		(VALUES ('fit', 'A', 75), ('fit', 'B', 50), ('fit', 'C', 0), ('engagement', '1', 75), ('engagement', '2', 50), ('engagement', '3', 0)) d(dimension, mark, at_least);
UPDATE leadroute.flows SET scoring_model = 'plg';
SELECT is_empty('SELECT * FROM leadroute.check_flow()', 'the model is complete');
INSERT INTO lr.leads (id, email, title, industry, employees) VALUES (2, 'kim@acme.com', 'Sales Manager', 'saas', 40);
SELECT is(lr.scored(2), '23.33 77.78 0.00 A3 row 23.33 77.78 0 A3 owner ana', 'fit within the INSERT; a column of whole numbers has it rounded');
INSERT INTO leadroute.signals (lead, type) VALUES ('2', 'onboarding'), ('2', 'core'), ('2', 'core'), ('2', 'core'), ('2', 'limit');
SELECT is(lr.scored(2), '61.25 77.78 54.17 A2 row 61.25 77.78 54 A2 owner ana', 'plg: 61.25');
SELECT results_eq($$SELECT kind, code, reason FROM leadroute.events WHERE lead = '2' AND kind = 'scored'$$,
	$$VALUES ('scored', 'threshold_reached', 'score 61.25 (fit 77.78, engagement 54.17), threshold 60.00')$$, 'qualified by its points: an event, once');
SELECT results_eq($$SELECT dimension, item, name, signals, raw_points, points, contribution FROM leadroute.score_explain(2)$$, $$VALUES
	('fit', 'criterion', 'industry', NULL::int, 10.00, 10.00, 6.6667), ('fit', 'criterion', 'manager', NULL, 10.00, 10.00, 6.6667), ('fit', 'criterion', 'size', NULL, 15.00, 15.00, 10.0000),
	('engagement', 'criterion', 'core', 3, 25.00, 25.00, 14.5833), ('engagement', 'criterion', 'limit', 1, 20.00, 20.00, 11.6667), ('engagement', 'criterion', 'onboarding', 1, 20.00, 20.00, 11.6667),
	('fit', 'weight', '30.00% of the score; 45.00 points are 100', NULL, NULL, NULL, 0.0000), ('engagement', 'weight', '70.00% of the score; 120.00 points are 100', NULL, NULL, NULL, 0.0000),
	('score', 'rounding', 'to two decimals', NULL, NULL, NULL, -0.0001)$$, 'why');
UPDATE lr.leads SET email = 'kim@gmail.com' WHERE id = 2;
SELECT is(lr.scored(2), '54.58 55.56 54.17 B2 row 54.58 55.56 54 B2 owner ana', 'with a Gmail address: 54.58');
SELECT is((SELECT string_agg(code, ' ' ORDER BY id) FROM leadroute.events WHERE lead = '2' AND kind = 'scored'), 'threshold_reached threshold_lost', 'no longer qualified: an event');
UPDATE lr.leads SET score = NULL, fit = 99, engagement = 99, grade = 'Z' WHERE id = 2;
SELECT is(lr.scored(2), '54.58 55.56 54.17 B2 row 54.58 55.56 54 B2 owner ana', 'what a full-row sync writes into them changes nothing');
UPDATE leadroute.flows SET scoring_model = 'enterprise';
INSERT INTO lr.leads (id, title, industry, employees, revenue) VALUES (3, 'VP Sales', 'saas', 800, 60000000);
INSERT INTO leadroute.signals (lead, type) VALUES ('3', 'demo'), ('3', 'pricing'), ('3', 'pricing');
SELECT is(lr.scored(3), '64.21 73.68 50.00 B2 row 64.21 73.68 50 B2 owner ana', 'enterprise: 64.21');
UPDATE lr.leads SET title = 'Head of Sales, VP', company = 'rival user' WHERE id = 3;
SELECT is(lr.scored(3), '80.00 100.00 50.00 A2 row 80.00 100 50 A2 owner ana', 'and with decision maker and competitor''s user: 80.00');
UPDATE leadroute.flows SET scoring_model = 'mid';
INSERT INTO lr.leads (id, title, industry, employees, country) VALUES (4, 'Manager', 'saas', 100, 'US');
INSERT INTO leadroute.signals (lead, type) VALUES ('4', 'demo'), ('4', 'pricing');
SELECT is(lr.scored(4), '66.67 83.33 50.00 A2 row 66.67 83.33 50 A2 owner ana', 'mid-market: 66.67');
SELECT ok(leadroute.rescore('default', '2') AND leadroute.rescore('default', '3'), 'rescore(): by the model of now');
SELECT is_empty('SELECT * FROM lr.wrong()', 'every stored score is the sum of its reasons');

-- facts.score in a rule, within the INSERT; signals that came before their lead
INSERT INTO leadroute.signals (lead, type) VALUES ('5', 'demo'), ('5', 'pricing'), ('5', 'case'), ('5', 'webinar'), ('5', 'nobody knows');
INSERT INTO lr.leads (id, title, industry, employees, country) VALUES (5, 'Manager', 'saas', 100, 'US');
SELECT is(lr.scored(5), '79.17 83.33 75.00 A1 row 79.17 83.33 75 A1 owner bo', 'early signals count, and the rules know');
WITH l AS (INSERT INTO lr.leads (id, country) VALUES (6, 'US') RETURNING id) INSERT INTO leadroute.signals (lead, type) SELECT id, 'demo' FROM l;
SELECT is(lr.scored(6), '23.96 16.67 31.25 C3 row 23.96 16.67 31 C3 owner ana', 'a lead and its signal in one statement');
WITH s AS (INSERT INTO leadroute.signals (lead, type) VALUES ('7', 'demo')) INSERT INTO lr.leads (id, country) VALUES (7, 'US');
SELECT is(lr.scored(7), '23.96 16.67 31.25 C3 row 23.96 16.67 31 C3 owner ana', 'in the other order');

-- an event counts once; rollback; bulk
SELECT results_eq($$SELECT leadroute.signal(6, 'pricing', event_id => 'e1'), leadroute.signal(6, 'pricing', event_id => 'e1')$$, 'VALUES (true, false)', 'the second of an event is dropped');
SELECT is((SELECT count(*) FROM leadroute.signals WHERE lead = '6'), 2::bigint, 'and not kept');
WITH i AS (INSERT INTO leadroute.signals (lead, type, event_id) VALUES ('6', 'case', 'e2'), ('6', 'case', 'e2'), ('6', 'case', 'e1') RETURNING 1) SELECT is(count(*), 1::bigint, 'within a statement too; the count of rows says so') FROM i;
SAVEPOINT a;
INSERT INTO leadroute.signals (lead, type, event_id) VALUES ('6', 'webinar', 'e3');
SELECT is(lr.scored(6), '45.83 16.67 75.00 C1 row 45.83 16.67 75 C1 owner ana', 'counted');
ROLLBACK TO a;
SELECT is(lr.scored(6), '39.58 16.67 62.50 C2 row 39.58 16.67 63 C2 owner ana', 'and not, with the savepoint');
INSERT INTO leadroute.signals (lead, type, event_id) VALUES ('6', 'webinar', 'e3');
SELECT is(lr.scored(6), '45.83 16.67 75.00 C1 row 45.83 16.67 75 C1 owner ana', 'its event id was free again');
INSERT INTO lr.leads (id, country) SELECT n, 'US' FROM generate_series(100, 149) n;
INSERT INTO leadroute.signals (lead, type) SELECT n::text, 'demo' FROM generate_series(100, 149) n, generate_series(1, 2);
SELECT results_eq($$SELECT DISTINCT score, engagement FROM lr.leads WHERE id BETWEEN 100 AND 149$$, 'VALUES (23.96, 31)', 'many leads in a statement, each once');
COPY leadroute.signals (lead, type) FROM stdin;
100	pricing
101	pricing
\.
SELECT results_eq($$SELECT score FROM lr.leads WHERE id IN (100, 101)$$, 'VALUES (33.33), (33.33)', 'COPY');
SELECT is_empty('SELECT * FROM lr.wrong()', 'sums');

-- a duplicate's signals are its first one's: before it, after it
INSERT INTO lr.leads (id, email, country) VALUES (200, 'dup@x.com', 'US');
INSERT INTO leadroute.signals (lead, type) VALUES ('201', 'demo');
INSERT INTO lr.leads (id, email, country, employees) VALUES (201, 'dup@x.com', 'US', 100);
SELECT is((SELECT status || ' ' || coalesce(duplicate_of, '') FROM leadroute.lead_states WHERE lead = '201'), 'duplicate 200', 'a duplicate');
SELECT is(lr.scored(201), '20.83 41.67 0.00 C3 row 20.83 41.67 0 C3 owner ana', 'it has a fit of its own, and none of the signals');
SELECT is(lr.scored(200), '23.96 16.67 31.25 C3 row 23.96 16.67 31 C3 owner ana', 'its first one has those that came before it');
INSERT INTO leadroute.signals (lead, type) VALUES ('203', 'demo');
INSERT INTO lr.leads (id, email, country) VALUES (202, 'twin@x.com', 'US'), (203, 'twin@x.com', 'US');
SELECT is(lr.scored(202), '23.96 16.67 31.25 C3 row 23.96 16.67 31 C3 owner ana', 'also where both come in one statement');
INSERT INTO leadroute.signals (lead, type) VALUES ('201', 'pricing');
SELECT is(lr.scored(200), '33.33 16.67 50.00 C2 row 33.33 16.67 50 C2 owner ana', 'and those that come after');

-- that the person came again is a signal of the first one, where there is such a type
SAVEPOINT again;
INSERT INTO leadroute.signal_types (signal_type) VALUES ('duplicate');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points) VALUES ('mid', 'came again', 'engagement', 'duplicate', 20);
INSERT INTO lr.leads (id, email, country) VALUES (210, 'again@x.com', 'US');
SELECT is(lr.scored(210), '8.33 16.67 0.00 C3 row 8.33 16.67 0 C3 owner ana', 'once');
INSERT INTO lr.leads (id, email, country) VALUES (211, 'again@x.com', 'US');
SELECT is(lr.scored(210), '18.33 16.67 20.00 C3 row 18.33 16.67 20 C3 owner ana', 'twice');
SELECT is_empty($$SELECT * FROM lr.wrong() w WHERE w::text ~ '21[01]'$$, 'sums');
ROLLBACK TO again;

-- merged into its first one
UPDATE leadroute.flows SET duplicate_policy = 'merge';
INSERT INTO leadroute.signals (lead, type) VALUES ('205', 'demo');
INSERT INTO lr.leads (id, email, employees) VALUES (204, 'merge@x.com', 100);
INSERT INTO lr.leads (id, email) VALUES (205, 'merge@x.com');
SELECT is(lr.scored(204), '28.13 25.00 31.25 C3 row 28.13 25 31 C3 owner ana', 'one that is merged brings its signals');
INSERT INTO leadroute.signals (lead, type) VALUES ('205', 'pricing');
SELECT is(lr.scored(204), '37.50 25.00 50.00 C2 row 37.50 25 50 C2 owner ana', 'and those that come later');
UPDATE leadroute.flows SET duplicate_policy = 'link';

-- keys change, rows come back, upserts
UPDATE lr.leads SET id = 300 WHERE id = 6;
SELECT is(leadroute.score(300), 45.83, 'another key: its signals go along');
SELECT is(lr.scored(300), '45.83 16.67 75.00 C1 row 45.83 16.67 75 C1 owner ana', 'another key: the score goes along');
INSERT INTO lr.leads (id, country, employees) VALUES (5, 'US', 5) ON CONFLICT (id) DO UPDATE SET employees = excluded.employees, score = excluded.score;
SELECT is(lr.scored(5), '66.67 58.33 75.00 B1 row 66.67 58.33 75 B1 owner bo', 'an upsert that changes what a criterion reads');
DELETE FROM lr.leads WHERE id = 5;
INSERT INTO lr.leads (id, country) VALUES (5, 'US');
SELECT is(lr.scored(5), '45.83 16.67 75.00 C1 row 45.83 16.67 75 C1 owner bo', 'deleted and inserted again, otherwise');
SELECT is_empty('SELECT * FROM lr.wrong()', 'sums');

-- not ready; held; re-routed: by a signal
UPDATE leadroute.flows SET route_when = 'facts.engagement >= 50';
INSERT INTO lr.leads (id, country) VALUES (400, 'US');
SELECT is(lr.scored(400), '8.33 16.67 0.00 C3 row 8.33 16.67 0 C3 owner', 'not ready: it has a score and no owner');
UPDATE lr.leads SET employees = 100 WHERE id = 400;
SELECT is(lr.scored(400), '20.83 41.67 0.00 C3 row 20.83 41.67 0 C3 owner', 'that changes with its row');
INSERT INTO leadroute.signals (lead, type) VALUES ('400', 'demo');
SELECT is(lr.scored(400), '36.46 41.67 31.25 C3 row 36.46 41.67 31 C3 owner', 'and with a signal');
SELECT ok(leadroute.signal(400, 'pricing', event_id => 'ready'), 'the one that makes it ready');
SELECT is(lr.scored(400), '45.83 41.67 50.00 C2 row 45.83 41.67 50 C2 owner ana', 'routes it in that statement');
SELECT is((SELECT string_agg(code, ' ' ORDER BY id) FROM leadroute.events WHERE lead = '400' AND kind IN ('recorded', 'decided')), 'not_ready assigned', 'once');
INSERT INTO lr.leads (id, country, employees, industry, title) VALUES (401, 'US', 100, 'saas', 'VP');
SELECT is(lr.scored(401), '41.67 83.33 0.00 A3 row 41.67 83.33 0 A3 owner', 'another');
INSERT INTO leadroute.signals (lead, type) VALUES ('401', 'demo'), ('401', 'case'), ('401', 'webinar');
SELECT is(lr.scored(401), '69.79 83.33 56.25 A2 row 69.79 83.33 56 A2 owner bo', 'the rules read the new score');
UPDATE leadroute.flows SET route_when = NULL;
INSERT INTO leadroute.rules (position, rule, condition, target, hold_until, hold_for) VALUES (5, 'hold', $$country = 'DE'$$, 'hold', $$facts.signals ? 'demo'$$, '1 day');
INSERT INTO lr.leads (id, country) VALUES (402, 'DE');
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '402'), 'held', 'held until a demo request');
INSERT INTO leadroute.signals (lead, type) VALUES ('402', 'pricing');
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '402'), 'held', 'another signal does not end it');
INSERT INTO leadroute.signals (lead, type) VALUES ('402', 'demo');
SELECT is((SELECT code || ' ' || owner FROM leadroute.lead_states WHERE lead = '402'), 'assigned ana', 'that one does');
SELECT is((SELECT owner FROM lr.leads WHERE id = 402), 'ana', 'in its row too');
UPDATE leadroute.rules SET reroute_when = 'facts.score >= 50' WHERE rule = 'all';
INSERT INTO leadroute.signals (lead, type) VALUES ('7', 'pricing');
SELECT is(lr.scored(7), '33.33 16.67 50.00 C2 row 33.33 16.67 50 C2 owner ana', 'below');
INSERT INTO leadroute.signals (lead, type) SELECT '7', t FROM unnest('{case,webinar,click,click,click}'::text[]) t;
SELECT is(lr.scored(7), '52.08 16.67 87.50 C1 row 52.08 16.67 88 C1 owner bo', 'reroute_when turns true: the rules decide again');
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '7' AND kind = 'rerouted'), 1::bigint, 'once');
INSERT INTO leadroute.signals (lead, type) SELECT '7', 'blog' FROM generate_series(1, 5);
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '7' AND kind = 'rerouted'), 1::bigint, 'and not with the next');
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '7'), 'assigned', 'an owner, as decided');
SELECT is_empty('SELECT * FROM lr.wrong()', 'sums');
SELECT is_empty('SELECT * FROM leadroute.rotation_drift()', 'places are where the leads are');
SELECT results_eq($$SELECT detail FROM leadroute.explain(7) WHERE item = 'score'$$, $$VALUES ('fit 16.67, engagement 100.00, grade C1')$$, 'explain shows the score');

-- scoring that changes: the sweep works the scores out anew
CALL leadroute.sweep(parts => '{scores}');
SELECT is(lr.scored(1), '28.13 25.00 31.25 C3 row 28.13 25 31 C3 owner ana', 'a lead from before the model: its signal was kept');
UPDATE leadroute.scoring_models SET fit_weight = 0 WHERE model = 'mid';
SELECT results_eq('SELECT flow::text COLLATE "default" FROM leadroute.rescore_walks', $$VALUES ('default')$$, 'a change is noted');
CALL leadroute.sweep(parts => '{scores}');
CALL leadroute.sweep(parts => '{scores}');
SELECT is(lr.scored(1), '31.25 25.00 31.25 C3 row 31.25 25 31 C3 owner ana', 'and carried out');
SELECT is_empty('SELECT * FROM leadroute.rescore_walks', 'to its end');
SELECT is_empty('SELECT * FROM lr.wrong()', 'sums');
UPDATE leadroute.scoring_models SET fit_weight = 1 WHERE model = 'mid';

-- criteria that fail, models that lack something
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('mid', 'fails', 'fit', '1 / (employees - 13) > 0', 5);
SELECT lives_ok('INSERT INTO lr.leads (id, country, employees) VALUES (500, ''US'', 13)', 'a criterion that fails costs no lead');
SELECT is((SELECT score IS NOT NULL FROM leadroute.lead_states WHERE lead = '500'), true, 'nor its score');
UPDATE leadroute.flows SET on_error = 'fail';
SELECT throws_ok('INSERT INTO lr.leads (id, country, employees) VALUES (501, ''US'', 13)', '22012', 'division by zero', 'unless the flow wants it');
UPDATE leadroute.flows SET on_error = 'fallback';
DELETE FROM leadroute.scoring_criteria WHERE criterion = 'fails';
SELECT throws_ok($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('mid', 'x', 'fit', 'facts.score > 1', 5)$$, '42P10',
	'criterion cannot reference facts.score', 'a criterion does not read the score');
SELECT throws_ok($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('mid', 'x', 'fit', 'nosuch > 1', 5)$$, '42703', NULL, 'its condition is checked as a rule''s');
SELECT throws_ok($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, signal_type, points) VALUES ('mid', 'x', 'fit', 'true', 'demo', 5)$$, '23514', NULL, 'a condition or a signal');
SELECT throws_ok($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, decay) VALUES ('mid', 'x', 'fit', 'demo', 5, 'per_period')$$, '23514', NULL, 'a decay has a period');
SELECT throws_ok($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, within) VALUES ('mid', 'x', 'fit', 'demo', 5, '1 month -1 day')$$, '23514', NULL, 'no period has a negative part');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points) VALUES ('mid', 'typo', 'engagement', 'demmo', 5);
INSERT INTO leadroute.scoring_groups (model, "group", cap) VALUES ('mid', 'nobody', 5);
SELECT results_eq('SELECT severity, object, problem FROM leadroute.check_flow()', $$VALUES ('warning', 'criterion "typo"', 'its signal type "demmo" is not in signal_types: it counts for nothing'),
	('warning', 'group "nobody"', 'no criterion belongs to it')$$, 'check_flow: an unknown type of signal');
DELETE FROM leadroute.scoring_criteria WHERE criterion = 'typo';
DELETE FROM leadroute.scoring_groups;
UPDATE leadroute.flows SET scoring_model = 'nosuch';
SELECT results_eq('SELECT severity, problem FROM leadroute.check_flow()', $$VALUES ('error', 'its scoring model "nosuch" does not exist')$$, 'a model that is not there');
UPDATE leadroute.flows SET scoring_model = 'mid';

-- an account's score is the sum over its leads
INSERT INTO leadroute.accounts (account, name) VALUES ('acme', 'Acme');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('acme.com', 'acme');
INSERT INTO lr.leads (id, email, country, title) VALUES (600, 'a@acme.com', 'US', 'VP'), (601, 'b@acme.com', 'US', NULL);
SELECT is((SELECT score || ' ' || leads FROM leadroute.account_status WHERE account = 'acme'), (SELECT sum(score) || ' 2' FROM lr.leads WHERE id >= 600), 'account_status.score');
-- a criterion may read the account
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('mid', 'known company', 'fit', $$facts.account = 'acme'$$, 10);
INSERT INTO lr.leads (id, email, country) VALUES (602, 'c@acme.com', 'US');
SELECT is((SELECT points FROM leadroute.score_explain(602) WHERE name = 'known company'), 10.00, 'a criterion reads its account');
SELECT is_empty($$SELECT * FROM lr.wrong() WHERE wrong LIKE '602%'$$, 'within the INSERT too');

-- who may
SELECT throws_ok($$SELECT leadroute.score(999)$$, 'P0002', 'lead "999" is not in table "leads"', 'a lead that is not there');
CREATE ROLE lr_nobody; CREATE ROLE lr_tracker;
GRANT leadroute_operator TO lr_tracker;
GRANT USAGE ON SCHEMA lr TO lr_nobody, lr_tracker;
SET ROLE lr_nobody;
SELECT throws_ok($$SELECT leadroute.signal(7, 'demo')$$, '42501', 'permission denied for table signals', 'nobody writes signals');
SELECT throws_ok($$SELECT leadroute.score(7)$$, '42501', NULL, 'nor asks for scores');
SET ROLE lr_tracker;
SELECT ok(leadroute.signal('7', 'demo'), 'an operator needs no rights on the leads table for a signal');
RESET ROLE;
SELECT is((SELECT count(*) FROM leadroute.signals WHERE lead = '7' AND type = 'demo'), 2::bigint, 'it is there');

SELECT * FROM finish();
ROLLBACK;
