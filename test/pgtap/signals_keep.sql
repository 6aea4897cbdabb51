-- retention of signals: what no longer counts goes, in batches, and no score moves
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();
SET leadroute.clock = '2026-03-01 00:00+00';

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, owner text, score numeric, submitted_at timestamptz);
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'all', 'rep', 'ana');
INSERT INTO leadroute.match_rules (position, rule, kinds) VALUES (1, 'mail', '{email}');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.signal_types (signal_type, counts_for) VALUES ('visit', '30 days'), ('click', '1 month'), ('core', '90 days'), ('demo', NULL);
INSERT INTO leadroute.signal_types (signal_type, counts_for, effect) VALUES ('bounce', '20 days', 'no_scoring'), ('hard_bounce', NULL, NULL);
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_max) VALUES ('m', 0, 100);
INSERT INTO leadroute.scoring_groups (model, "group", cap) VALUES ('m', 'web', 35);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, "group", signal_type, points, min_count, within, absent, per_event, decay, decay_points, decay_period) VALUES
	('m', 'visit', 'engagement', 'web', 'visit', 7, 1, NULL, false, true, 'per_period', 2, '1 week'), ('m', 'click', 'engagement', 'web', 'click', 20, 2, '10 days', false, false, 'none', NULL, NULL),
	('m', 'core', 'engagement', NULL, 'core', 25, 2, NULL, false, false, 'per_period_inactive', 5, '1 month'), ('m', 'demo', 'engagement', NULL, 'demo', 30, 1, NULL, false, false, 'per_period', 5, '1 week'),
	('m', 'quiet', 'engagement', NULL, '*', -10, 1, '45 days', true, false, 'none', NULL, NULL);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('m', 'demos', 'engagement', 'coalesce((facts.signals ->> ''demo'')::int, 0) > 1', 8);
UPDATE leadroute.flows SET scoring_model = 'm';
SELECT leadroute.activate() \g /dev/null
SELECT setseed(0.25) \g /dev/null
INSERT INTO lr.leads (id, email, submitted_at) SELECT n, 'p' || n - (n % 5 = 0)::int || '@x.example', '2025-09-01 00:00+00'::timestamptz + random() * interval '150 days' FROM generate_series(1, 200) n;
INSERT INTO leadroute.signals (lead, type, at, event_id, created_at)
	SELECT n::text, CASE WHEN n % 40 = k THEN 'hard_bounce' WHEN n % 20 = k THEN 'bounce' ELSE (ARRAY['visit','click','core','demo','nosuch','visit'])[1 + (random() * 6)::int % 6] END, a.at, 'e' || n || '.' || k, a.at
	FROM generate_series(1, 220) n, generate_series(1, 6) k, LATERAL (SELECT '2026-03-10 00:00+00'::timestamptz - random() * interval '200 days' - n * interval '0' AS at) a;
CREATE TABLE lr.instants AS SELECT n, '2026-03-01 00:00+00'::timestamptz + n * n * interval '7 hours' AS at FROM generate_series(0, 15, 3) n;
CREATE FUNCTION lr.scores() RETURNS TABLE (id bigint, at timestamptz, score numeric, why text) LANGUAGE sql AS $$
	SELECT l.id, i.at, leadroute.score(l.id, i.at), (SELECT string_agg(concat_ws(' ', name, signals, points), ',' ORDER BY line) FROM leadroute.score_explain(l.id, i.at)) FROM lr.leads l, lr.instants i
$$;
CREATE TEMP TABLE before AS SELECT * FROM lr.scores();
SELECT cmp_ok((SELECT count(DISTINCT score) FROM before), '>', 20::bigint, 'there is something to compare');
SELECT count(*) AS signals FROM leadroute.signals \gset
CALL leadroute.sweep(parts => '{signals}');
SELECT is((SELECT count(*) FROM leadroute.signals), :signals::bigint, 'nothing goes that nobody lets go');
UPDATE leadroute.flows SET signals_keep = '60 days';
SELECT lead || id AS hundredth FROM leadroute.signals ORDER BY lead, id OFFSET 99 LIMIT 1 \gset
SELECT is((SELECT count(*) FROM leadroute.sweep_signals('default', 100) s WHERE s.more), 1::bigint, 'batch by batch');
SELECT is((SELECT after_lead || after_id FROM leadroute.signal_walks), :'hundredth', 'from where the last ended');
CALL leadroute.sweep(parts => '{signals}');
SELECT is((SELECT after_lead || after_id FROM leadroute.signal_walks), '0', 'to the end, and from the beginning next time');
SELECT is_empty($$SELECT g.type, g.at FROM leadroute.signals g LEFT JOIN leadroute.signal_types t ON t.signal_type = g.type
	WHERE g.created_at < '2025-12-31 00:00+00' AND (t.signal_type IS NULL OR g.at + t.counts_for <= '2026-03-01 00:00+00')$$, 'what is older and counts no more is gone');
SELECT cmp_ok((SELECT count(*) FROM leadroute.signals), '<', :signals::bigint * 3 / 4, 'that was much');
SELECT is((SELECT string_agg(DISTINCT type, ' ' ORDER BY type) FROM leadroute.signals WHERE created_at < '2025-12-31 00:00+00'), 'core demo hard_bounce', 'what may count stays, however old') ;
SELECT is((SELECT count(*) FROM leadroute.signal_events), (SELECT count(*) FROM leadroute.signals), 'event ids go with their signals');
SELECT is_empty($$SELECT b.*, n.score, n.why FROM before b JOIN lr.scores() n USING (id, at) WHERE (b.score, b.why) IS DISTINCT FROM (n.score, n.why)$$, 'no score of now or later is another, nor why');
SELECT is_empty($$SELECT s.lead FROM leadroute.lead_states s WHERE s.status = 'assigned' AND s.scored_at = '2026-03-01 00:00+00' AND s.score <> leadroute.score(s.lead)$$, 'nor one that is stored');
SELECT throws_ok($$UPDATE leadroute.flows SET signals_keep = '1 hour'$$, '23514', NULL, 'a day at least');

SELECT * FROM finish();
ROLLBACK;
