/*
 * test/pgtap/calibrate.sql
 *		calibrate(): figures worked out by hand, leads scored as of when they were routed, warnings, and that nothing changes.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(26);
CREATE SCHEMA t;
CREATE TABLE t.leads (id integer PRIMARY KEY, points integer, submitted_at timestamptz, owner text, status text);
SELECT leadroute.attach('t.leads') IS NOT NULL AS attached \gset
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (99, 'all', 'rep', 'ana', 'wait');
UPDATE leadroute.flows SET closed_when = $$ status IN ('won', 'lost') $$, won_when = $$ status = 'won' $$ WHERE flow = 'default';
/* fit alone, and the points as they stand in the row: 1 to 100 */
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, fit_max) VALUES ('m', 1, 0, 50, 100);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points)
	SELECT 'm', format('bit %s', b), 'fit', format('(points & %s) <> 0', b), b FROM unnest('{1,2,4,8,16,32,64}'::integer[]) b;
UPDATE leadroute.flows SET scoring_model = 'm' WHERE flow = 'default';
SELECT leadroute.activate() IS NOT NULL AS active \gset

SELECT throws_ok($$ SELECT leadroute.calibrate('nothing') $$, '42704', 'scoring model "nothing" of flow "default" does not exist', 'no such model');
SELECT is((SELECT ROW(leads, won, auc, suggested_threshold, lift, drift)::text FROM leadroute.calibrate('m')), '(0,0,,,[],)', 'without closed leads nothing is said');

/* a hundred leads with 1 to 100 points; won: 91-100, 71-80 and 41-45 */
INSERT INTO t.leads (id, points) SELECT i, i FROM generate_series(1, 100) i;
UPDATE t.leads SET status = CASE WHEN id BETWEEN 91 AND 100 OR id BETWEEN 71 AND 80 OR id BETWEEN 41 AND 45 THEN 'won' ELSE 'lost' END;
SELECT leadroute.settle();
SELECT is((SELECT count(*) FROM leadroute.lead_states WHERE won), 25::bigint, 'closed');
CREATE TEMP TABLE before AS SELECT (SELECT count(*) FROM leadroute.config_changes) AS changes, (SELECT count(*) FROM leadroute.events) AS events,
	(SELECT md5(string_agg(s::text, '|' ORDER BY s.lead)) FROM leadroute.lead_states s) AS states, (SELECT md5(string_agg(f::text, '|')) FROM leadroute.flows f) AS flows;
CREATE TEMP TABLE said AS SELECT * FROM leadroute.calibrate('m');
SELECT is(leads || '/' || won || '/' || unscored, '100/25/0', 'of all that are closed') FROM said;
/* the 20th of the 25 won leads, from above, has 71 points */
SELECT is(suggested_threshold, 71.00, 'four fifths of the won ones reach the threshold that is suggested') FROM said;
SELECT is(round(suggested_recall::numeric, 4), 0.8000, 'which is its recall') FROM said;
SELECT is(round(suggested_precision::numeric, 4), round(20 / 30.0, 4), 'of 30 that reach it 20 are won') FROM said;
SELECT is(threshold || ' ' || high_won || '/' || high_lost || '/' || low_won || '/' || low_lost, '50.00 20/31/5/44', 'the four quadrants of its own threshold') FROM said;
SELECT is(round("precision"::numeric, 4) || ' ' || round(recall::numeric, 4), round(20 / 51.0, 4) || ' 0.8000', 'their precision and recall') FROM said;
/* AUC by counting pairs */
SELECT is(round(auc::numeric, 6), (SELECT round(avg((w.id > l.id)::integer), 6) FROM t.leads w, t.leads l WHERE w.status = 'won' AND l.status = 'lost'), 'the AUC counts pairs') FROM said;
SELECT is((SELECT string_agg(d ->> 'lift', ' ' ORDER BY (d ->> 'decile')::int) FROM said, jsonb_array_elements(lift) d), '4.00 0.00 4.00 0.00 0.00 2.00 0.00 0.00 0.00 0.00', 'the lift of each tenth, the highest first');
SELECT is(lift -> 0, '{"decile": 1, "leads": 10, "won": 10, "from": 91.00, "to": 100.00, "rate": 1.0000, "lift": 4.00}', 'with its bounds') FROM said;
SELECT ok(warnings @> ARRAY['only 25 won and 75 lost leads: what is said here rests on little'] AND warnings @> ARRAY['the threshold is 50.00; 80% of the won leads reach 71.00'], 'what is thin, and a threshold that is far') FROM said;

/* another model: asked, and undone */
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, fit_max) VALUES ('upside down', 1, 0, 50, 127);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points)
	SELECT 'upside down', format('bit %s', b), 'fit', format('(points & %s) = 0', b), b FROM unnest('{1,2,4,8,16,32,64}'::integer[]) b;
UPDATE before SET changes = (SELECT count(*) FROM leadroute.config_changes);
SELECT is((SELECT round(u.auc::numeric, 6) FROM leadroute.calibrate('upside down') u), (SELECT round(1 - auc::numeric, 6) FROM said), 'a model that is not in use: the opposite');
SELECT ok((SELECT w::text LIKE '%little better than chance%' FROM (SELECT warnings AS w FROM leadroute.calibrate('upside down')) x), 'is warned of');
SELECT is((SELECT ROW(count(*), (SELECT count(*) FROM leadroute.events), (SELECT md5(string_agg(s::text, '|' ORDER BY s.lead)) FROM leadroute.lead_states s), (SELECT md5(string_agg(f::text, '|')) FROM leadroute.flows f))::text FROM leadroute.config_changes),
	(SELECT b::text FROM before b), 'nothing has changed');
SELECT is(leadroute.score('100'), 100.00, 'and the flow''s own model still scores');

/* as of when a lead was routed: a signal that came later, and decay since then, do not count */
INSERT INTO leadroute.signal_types (signal_type) VALUES ('visit');
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, engagement_max) VALUES ('visits', 0, 1, 50, 100);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, decay, decay_points, decay_period) VALUES ('visits', 'visit', 'engagement', 'visit', 80, 'per_period', 10, '7 days');
CREATE TABLE t.outcomes (lead text, won boolean, at timestamptz);
INSERT INTO t.outcomes VALUES ('1', true, '2026-03-02 00:00+00'), ('2', false, '2026-03-02 00:00+00'), ('3', false, '2026-03-02 00:00+00'), ('777', true, '2026-03-02 00:00+00'), ('4', NULL, '2026-03-02 00:00+00');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'visit', '2026-03-01 00:00+00'), ('2', 'visit', '2026-02-16 00:00+00'), ('3', 'visit', '2026-03-03 00:00+00');
SELECT is((SELECT string_agg(d ->> 'to', ' ' ORDER BY (d ->> 'decile')::int) FROM leadroute.calibrate('visits', 't.outcomes') c, jsonb_array_elements(c.lift) d), '80.00 60.00 0.00', 'scores as of then: fresh, two weeks old, not yet');
SELECT is((SELECT c.unscored FROM leadroute.calibrate('visits', 't.outcomes') c), 1, 'one that is no longer there is counted apart');
SELECT throws_ok($$ SELECT leadroute.calibrate('m', 't.leads') $$, '42703', 'relation "t.leads" has no columns lead and won', 'a relation that tells no outcome');
CREATE VIEW t.by_key AS SELECT id, status = 'won' AS won FROM t.leads;
SELECT is((SELECT c.auc FROM leadroute.calibrate('m', 't.by_key') c), (SELECT auc FROM said), 'outcomes by the key''s own name, as of when they were routed');

/* it is time: sales rejects, leads have changed */
INSERT INTO leadroute.events (flow, lead, id, at, kind, code) SELECT 'default', i::text, 1000000000 + i, leadroute.clock() - interval '1 day', CASE WHEN i <= 5 THEN 'accepted' ELSE 'rejected' END, 'x' FROM generate_series(1, 20) i;
SELECT is((SELECT c.acceptance FROM leadroute.calibrate('m') c), 0.25::float8, 'what sales accepted');
SELECT ok((SELECT c.warnings::text LIKE '%sales accepted 25\% of the 20 leads that it judged in 90 days%' FROM leadroute.calibrate('m') c), 'is too little');
CREATE TABLE t.drifting AS SELECT i::text AS lead, (CASE WHEN i % 2 = 0 THEN i > 50 ELSE i % 3 = 0 END) AS won, timestamptz '2026-01-01 00:00+00' + CASE WHEN i > 50 THEN 100 + i ELSE i END * interval '1 hour' AS at FROM generate_series(1, 100) i;
SELECT cmp_ok((SELECT c.drift FROM leadroute.calibrate('m', 't.drifting') c), '>', 0.25::float8, 'the newer half has all the high scores');
SELECT ok((SELECT c.warnings::text LIKE '%the scores of the newer half are spread otherwise%' FROM leadroute.calibrate('m', 't.drifting') c), 'which is a drift');
CREATE TABLE t.steady AS SELECT i::text AS lead, i % 3 = 0 AS won, timestamptz '2026-01-01 00:00+00' + (i * 37 % 101) * interval '1 hour' AS at FROM generate_series(1, 100) i;
SELECT cmp_ok((SELECT c.drift FROM leadroute.calibrate('m', 't.steady') c), '<', 0.25::float8, 'mixed in time there is none');
SELECT * FROM finish();
ROLLBACK;
