/*
 * test/pgtap/train.sql
 *		Predictive models: what is learnt, measured, kept, published, taken back, and said of leads in their INSERT.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(79);
CREATE SCHEMA t;
CREATE TYPE t.size AS ENUM ('small', 'large');
CREATE TABLE t.leads (id integer PRIMARY KEY, source text, visits text, employees integer, size t.size, asked timestamptz, vip boolean,
	code varchar(10), tags text[], owner text, won boolean);

/* what decides: source, visits, and whether employees is known; noise and a constant beside them */
SELECT setseed(0.42);
CREATE TABLE t.history AS
SELECT i AS id, (ARRAY['Web', 'web ', 'Fair', 'Referral', 'Select', '', NULL])[1 + i % 7] AS source, (i * 7919 % 50)::text AS visits,
	CASE WHEN i % 4 > 0 THEN i * 104729 % 3000 END AS employees, (ARRAY['small', 'large'])[1 + i % 2]::t.size AS size,
	timestamptz '2026-01-05 09:30+00' + i * interval '431 min' AS asked, i % 3 = 0 AS vip, 'same'::varchar(10) AS code, ARRAY['a', (i % 2)::text] AS tags,
	(i::bigint * 2654435761) % 4294967296 AS draw
FROM generate_series(1, 4000) i;
ALTER TABLE t.history ADD COLUMN won boolean, ADD COLUMN p float8;
UPDATE t.history SET p = 1 / (1 + exp(-(-1.5 + CASE lower(trim(source)) WHEN 'web' THEN 0 WHEN 'fair' THEN 1.5 WHEN 'referral' THEN 3 ELSE -1 END
	+ (visits::float8 - 24.5) / 14.4 * 1.2 + CASE WHEN employees IS NULL THEN -1 ELSE 0 END)));
UPDATE t.history SET won = random() < p;
UPDATE t.history SET won = NULL WHERE id % 40 = 0;
CREATE FUNCTION t.coefficient(c text, t text, v integer DEFAULT 1) RETURNS float8 LANGUAGE sql AS
	$$ SELECT coefficient FROM leadroute.prediction_coefficients WHERE model = 'm' AND version = v AND "column" = c AND coalesce(nullif(term, ''), kind) = t $$;

/* trained */
CREATE TEMP TABLE report AS SELECT * FROM leadroute.train('m', 't.history', 'won', columns => '{source,visits,employees,size,asked,vip,code,tags}', placeholders => '{Select}', note => 'first');
SELECT is(ROW(r.version, r.rows_read, r.rows, r.held_out, r.note, r.relation, r.label)::text, '(1,4000,3900,975,first,t.history,won)', 'rows without an outcome are not learnt from; a quarter is held out') FROM report r;
SELECT is(r.won, (SELECT count(*)::integer FROM t.history WHERE won), 'the outcomes are counted') FROM report r;
SELECT ok(r.library ~ '^LIBLINEAR \d', 'who found the coefficients') FROM report r;
SELECT is(r.trained_by, session_user::text, 'and who asked') FROM report r;
SELECT ok(abs(r.auc - (SELECT m.auc FROM (SELECT array_agg(h.p) p, array_agg(h.won) w FROM t.history h) x, leadroute.measure(x.p, x.w) m)) < 0.03,
	'held out, it is as good as what made the outcomes') FROM report r;
SELECT ok(r.brier < 0.16 AND r.calibration_error < 0.06, 'and its probabilities come true') FROM report r;
SELECT is(jsonb_array_length(r.calibration), 10, 'in tenths') FROM report r;
SELECT is((SELECT sum((c ->> 'rows')::int) FROM report r, jsonb_array_elements(r.calibration) c), 975::bigint, 'of all that were held out');
SELECT ok((SELECT bool_and(abs((c ->> 'predicted')::float8 - (c ->> 'won')::float8) < 0.15) FROM report r, jsonb_array_elements(r.calibration) c), 'each of them');
SELECT ok(abs(t.coefficient('source', 'referral') - t.coefficient('source', 'web') - 3) < 0.4, 'levels fold case and blanks: the effect of one against another');
SELECT ok(abs(t.coefficient('source', 'missing') - t.coefficient('source', 'web') + 1) < 0.4, 'blank, NULL and the placeholder are missing');
SELECT is((SELECT rows FROM leadroute.prediction_coefficients WHERE "column" = 'source' AND kind = 'missing'), (SELECT count(*) FROM t.history WHERE won IS NOT NULL AND coalesce(nullif(source, 'Select'), '') = ''), 'all three of them');
SELECT ok(abs(t.coefficient('visits', 'number') - 1.2) < 0.15, 'text that is all numbers is one, standardised');
SELECT ok(abs(c.center - 24.5) < 0.3 AND abs(c.scale - 14.4) < 0.3 AND c.low = 0 AND c.high = 49, 'by its mean, deviation and ends') FROM leadroute.prediction_coefficients c WHERE c."column" = 'visits';
SELECT ok(abs(t.coefficient('employees', 'missing') + 1) < 0.4 AND abs(t.coefficient('employees', 'number')) < 0.15, 'missing is a level of a number');
SELECT is((SELECT array_agg(term ORDER BY term) FROM leadroute.prediction_coefficients WHERE "column" = 'size'), '{large,small}', 'an enum');
SELECT is((SELECT array_agg(term ORDER BY term) FROM leadroute.prediction_coefficients WHERE "column" = 'vip'), '{false,true}', 'a boolean');
SELECT is((SELECT array_agg(term ORDER BY term) FROM leadroute.prediction_coefficients WHERE "column" = 'tags'), ARRAY['{a,0}', '{a,1}'], 'an array');
SELECT is((SELECT count(*) FROM leadroute.prediction_coefficients WHERE "column" = 'asked'), 42::bigint, 'a time: seven days of six parts');
SELECT is((SELECT count(*) FROM leadroute.prediction_coefficients WHERE "column" = 'code'), 0::bigint, 'a constant tells nothing');
SELECT is((SELECT version FROM leadroute.train('m', 't.history', 'won', columns => '{source,visits,employees,size,asked,vip,code,tags}', placeholders => '{Select}')), 2, 'trained again: another version');
SELECT results_eq($$ SELECT "column", kind, term, rows, coefficient FROM leadroute.prediction_coefficients WHERE version = 1 ORDER BY 1, 2, 3 $$,
	$$ SELECT "column", kind, term, rows, coefficient FROM leadroute.prediction_coefficients WHERE version = 2 ORDER BY 1, 2, 3 $$, 'the same rows give the same model');
SELECT is(auc, (SELECT auc FROM report), 'and the same report') FROM leadroute.prediction_versions WHERE version = 2;

/* bins, levels, order, no second fit */
SELECT is((SELECT version FROM leadroute.train('m', 't.history', 'won', '{visits,employees}', bins => '{"visits": [10, 20, 30], "*": 4}', order_by => 'asked', holdout => 0.5, refit => false)), 3, 'bins');
SELECT is((SELECT array_agg(term ORDER BY low NULLS FIRST) FROM leadroute.prediction_coefficients WHERE version = 3 AND "column" = 'visits'), '{"[,10)","[10,20)","[20,30)","[30,)"}', 'by bounds, half-open');
SELECT is((SELECT count(*) FROM leadroute.prediction_coefficients WHERE version = 3 AND "column" = 'employees' AND kind = 'bin'), 4::bigint, 'by number');
SELECT is((SELECT sum(rows) FROM leadroute.prediction_coefficients WHERE version = 3 AND "column" = 'visits'), 1950::numeric, 'each row is in one; without a second fit those held out are never learnt');
SELECT is((SELECT held_out_won FROM leadroute.prediction_versions WHERE version = 3), (SELECT count(*)::integer FROM (SELECT * FROM t.history WHERE won IS NOT NULL ORDER BY asked DESC LIMIT 1950) h WHERE h.won), 'held out are the last of the order');
SELECT is((SELECT version FROM leadroute.train('m', 't.history', 'p > 0.5', '{visits,employees}', levels => '{employees,visits}', rare => 70, max_rows => 1000)), 4, 'an expression as the label; numbers as levels');
SELECT is((SELECT rows FROM leadroute.prediction_versions WHERE version = 4), 1000, 'no more rows than asked for');
SELECT is((SELECT string_agg(DISTINCT kind, ',' ORDER BY kind) FROM leadroute.prediction_coefficients WHERE version = 4), 'missing,other', 'levels that are rare are one');

/* columns of its own choice */
CREATE TABLE t.given AS SELECT h.*, md5(id::text) AS token, md5(id::text)::uuid AS uid FROM t.history h;
SELECT is((SELECT version FROM leadroute.train('own', 't.given', 'won')), 1, 'it chooses');
SELECT is((SELECT array_agg(DISTINCT c."column"::text ORDER BY c."column"::text) FROM leadroute.prediction_coefficients c WHERE model = 'own'), '{asked,employees,p,size,source,tags,vip,visits}', 'all but what names a row or is all the same');

/* refused */
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'id <= 39') $$, '55000', 'too few outcomes to train on in "history": 39 yes and 3961 no', 'under 40 of one outcome');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'id > 39') $$, '55000', 'too few outcomes to train on in "history": 3961 yes and 39 no', 'or of the other');
SELECT lives_ok($$ SELECT leadroute.train('forty', 't.history', 'id <= 40', '{source,visits}') $$, '40 are enough');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'source') $$, '22P02', '"web " in column "source" is neither yes nor no', 'a label that is no outcome');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', '{nowhere}') $$, '42703', 'column "nowhere" of relation "t.history" does not exist', 'no such column');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', '{won,source}') $$, '22023', 'column "won" is the outcome itself', 'the outcome is no feature');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', '{source,source}') $$, '42701', 'a column is named twice', 'twice');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', bins => '{"visits": "x"}') $$, '22023', 'bins of column "visits" are neither a number of bins nor bounds', 'no bins');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', '{code}') $$, '55000', 'no column is left to train on', 'nothing to learn from');
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won', cost => 'NaN') $$, '22023', 'a parameter of train() is out of range', 'no number');
SELECT is((SELECT max(version) FROM leadroute.prediction_versions WHERE model = 'm'), 4, 'none of these left a version');

/* rights: the relation is read as who calls */
CREATE ROLE trainer;
GRANT leadroute_admin TO trainer;
GRANT USAGE ON SCHEMA t TO trainer;
SET LOCAL ROLE trainer;
SELECT throws_ok($$ SELECT leadroute.train('m', 't.history', 'won') $$, '42501', 'permission denied for table history', 'who may not read it may not train on it');
RESET ROLE;
CREATE VIEW t.part AS SELECT id, source, visits, won FROM t.history WHERE id > 2000;
GRANT SELECT ON t.part TO trainer;
SET LOCAL ROLE trainer;
SELECT is((SELECT rows FROM leadroute.train('theirs', 't.part', 'won', '{source,visits}')), (SELECT count(won)::integer FROM t.part), 'a view that may be read will do');
SELECT is((SELECT trained_by FROM leadroute.prediction_versions WHERE model = 'theirs'), 'trainer', 'with whose rights');
RESET ROLE;
CREATE ROLE reader;
GRANT leadroute_reader TO reader;
GRANT USAGE ON SCHEMA t TO reader;
SET LOCAL ROLE reader;
SELECT throws_ok($$ SELECT leadroute.train('m', 't.part', 'won') $$, '42501', 'permission denied for function train', 'a reader trains nothing');
RESET ROLE;

/* nothing is published: nothing is said */
SELECT leadroute.attach('t.leads') IS NOT NULL AS attached \gset
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('hot'), ('cold');
INSERT INTO leadroute.team_members (team, rep) VALUES ('hot', 'ana'), ('cold', 'bo');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(10, 'likely', 'facts.probability >= 0.5', 'team', 'hot', 'wait'), (99, 'others', NULL, 'team', 'cold', 'wait');
SELECT leadroute.activate() IS NOT NULL AS active \gset
INSERT INTO t.leads (id, source, visits) VALUES (1, 'referral', '49');
SELECT is((SELECT owner FROM t.leads WHERE id = 1), 'bo', 'no model, no probability');
SELECT is((SELECT prediction FROM leadroute.events WHERE lead = '1' AND kind = 'decided'), NULL, 'and no word of it');
SELECT is((SELECT probability FROM leadroute.predict(1)), NULL, 'nor for who asks');

/* published */
SELECT throws_ok($$ SELECT leadroute.publish('own') $$, '42703', 'model "own", version 1, reads columns that table t.leads does not have', 'a model of other columns');
SELECT throws_ok($$ SELECT leadroute.publish('m', 7) $$, '42704', 'model "m" of flow "default" has no version 7', 'no such version');
SELECT is(leadroute.publish('m', 2), 2, 'published');
INSERT INTO t.leads (id, source, visits, employees) VALUES (2, ' REFERRAL', '49', 10), (3, 'Select', '0', NULL), (4, 'never met', 'n/a', 10);
SELECT results_eq('SELECT id, owner FROM t.leads WHERE id BETWEEN 2 AND 4 ORDER BY id', $$ VALUES (2, 'ana'), (3, 'bo'), (4, 'bo') $$, 'leads go by their probability');
SELECT is((SELECT e.prediction ->> 'probability' FROM leadroute.events e WHERE e.lead = '2' AND e.kind = 'decided'), (SELECT round(probability::numeric, 4)::text FROM leadroute.predict(2)), 'which is kept with the decision, as predict() has it');
SELECT ok((SELECT e.prediction -> 'reasons' ->> 0 FROM leadroute.events e WHERE e.lead = '2' AND e.kind = 'decided') ~ '^source = referral \(\+2\.', 'with what told most');
SELECT ok((SELECT verdict = (SELECT round(probability::numeric, 4)::text FROM leadroute.predict(2)) FROM leadroute.explain(2) WHERE item = 'prediction'), 'explain() shows it');
/* the sum of its rows, by SQL */
SELECT ok(abs(ln(p.probability / (1 - p.probability)) - (v.intercept + t.coefficient('source', 'missing', 2) + t.coefficient('visits', 'number', 2) * (0 - c.center) / c.scale
	+ t.coefficient('employees', 'missing', 2))) < 1e-9, 'the probability is the sum of its rows')
FROM leadroute.predict(3) p, leadroute.prediction_versions v, leadroute.prediction_coefficients c
WHERE v.model = 'm' AND v.version = 2 AND c.model = 'm' AND c.version = 2 AND c."column" = 'visits';
SELECT is((SELECT count(*) FROM (SELECT p.probability, q.probability AS other FROM t.history h, leadroute.predict(h) p, leadroute.predict(jsonb_populate_record(NULL::t.leads, to_jsonb(h) || '{"visits": "49"}')) q WHERE h.visits = '49') x WHERE abs(probability - other) > 1e-12), 0::bigint, 'rows of another type, columns by name');

/* versions change at once, and back; a rollback is one */
SAVEPOINT before;
SELECT is(leadroute.publish('m', 3), 3, 'another version');
INSERT INTO t.leads (id, source, visits) VALUES (5, 'x', '45');
SELECT is((SELECT e.prediction ->> 'version' FROM leadroute.events e WHERE e.lead = '5' AND e.kind = 'decided'), '3', 'from the next INSERT on');
SELECT is(leadroute.revert('m'), 2, 'taken back');
SELECT is((SELECT model_version FROM leadroute.predict(5)), 2, 'is as before');
SELECT is(leadroute.revert('m'), NULL, 'and once more: none');
INSERT INTO t.leads (id, source, visits) VALUES (6, 'referral', '49');
SELECT is((SELECT owner FROM t.leads WHERE id = 6), 'bo', 'nothing is said');
SELECT throws_ok($$ SELECT leadroute.revert('m') $$, '55000', 'model "m" of flow "default" is not published', 'there is nothing to take back');
ROLLBACK TO before;
INSERT INTO t.leads (id, source, visits, employees) VALUES (7, 'referral', '49', 1);
SELECT is((SELECT e.prediction ->> 'version' FROM leadroute.events e WHERE e.lead = '7' AND e.kind = 'decided'), '2', 'a rollback brings it back');

/* who may insert leads need read nothing of leadroute */
CREATE ROLE loader;
GRANT USAGE ON SCHEMA t TO loader;
GRANT INSERT, SELECT ON t.leads TO loader;
SET LOCAL ROLE loader;
INSERT INTO t.leads (id, source, visits, employees) VALUES (20, 'referral', '49', 1), (21, 'Select', '0', NULL) ON CONFLICT DO NOTHING;
SELECT is((SELECT string_agg(owner, ' ' ORDER BY id) FROM t.leads WHERE id IN (20, 21)), 'ana bo', 'whoever inserts');
SELECT throws_ok($$ SELECT * FROM leadroute.prediction_coefficients $$, '42501', NULL, 'sees no coefficients');
SELECT throws_ok($$ SELECT leadroute.publish('m') $$, '42501', NULL, 'and publishes nothing');
RESET ROLE;
SELECT is((SELECT count(*) FROM leadroute.check_flow('default') WHERE object LIKE 'predictive%'), 0::bigint, 'check_flow() is content');
SAVEPOINT lacking;
ALTER TABLE t.leads DROP COLUMN visits;
SELECT is((SELECT problem FROM leadroute.check_flow('default') WHERE object LIKE 'predictive%'), 'its published version 2 reads columns that the leads table does not have, which count as missing: "visits"', 'until a column goes');
INSERT INTO t.leads (id, source, employees) VALUES (22, 'referral', 1);
SELECT is((SELECT e.prediction ->> 'version' FROM leadroute.events e WHERE e.lead = '22' AND e.kind = 'decided'), '2', 'and leads are decided without it');
ROLLBACK TO lacking;

/* an UPDATE of a column that the model reads ends what waits for it */
UPDATE leadroute.flows SET route_when = 'facts.probability >= 0.5' WHERE flow = 'default';
INSERT INTO t.leads (id, source, visits, employees) VALUES (8, 'fair', '0', 1);
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '8'), 'not_ready', 'not ready');
UPDATE t.leads SET source = 'referral', visits = '49' WHERE id = 8;
SELECT is((SELECT owner FROM t.leads WHERE id = 8), 'ana', 'until its columns say so');
/* as a criterion of the score: from the row, and again when a column that the model reads changes */
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, fit_max) VALUES ('points', 1, 0, 100);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('points', 'likely', 'fit', 'facts.probability >= 0.5', 40);
UPDATE leadroute.flows SET scoring_model = 'points', route_when = NULL WHERE flow = 'default';
INSERT INTO t.leads (id, source, visits, employees) VALUES (9, 'fair', '0', 1), (10, 'referral', '49', 1);
SELECT results_eq($$ SELECT lead, score FROM leadroute.lead_states WHERE lead IN ('9', '10') ORDER BY lead::int $$, $$ VALUES ('9' COLLATE "C", 0.00), ('10', 40.00) $$, 'a criterion of the score');
UPDATE t.leads SET source = 'referral', visits = '49' WHERE id = 9;
SELECT is((SELECT score FROM leadroute.lead_states WHERE lead = '9'), 40.00, 'also when the row changes');
SELECT is((SELECT count(*) FROM leadroute.config_changes WHERE relation = 'prediction_models' AND operation = 'UPDATE' AND new ->> 'published' = '2'), 1::bigint, 'what was published stands in the history');
SELECT * FROM finish();
ROLLBACK;
