-- time in stage, skips, stale leads; rejections and feedback as figures
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, source text, value numeric, owner text, stage text, submitted_at timestamptz);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
SELECT leadroute.load_stages() \g /dev/null
DELETE FROM leadroute.stage_transitions;
SELECT leadroute.activate() \g /dev/null

SET leadroute.clock = '2026-03-02 10:00Z';
INSERT INTO lr.leads (id, source) SELECT n, CASE WHEN n % 2 = 0 THEN 'web' ELSE 'fair' END FROM generate_series(1, 6) n;
SET leadroute.clock = '2026-03-02 12:00Z';
UPDATE lr.leads SET stage = 'contacted' WHERE id = 1;
SET leadroute.clock = '2026-03-02 14:00Z';
UPDATE lr.leads SET stage = 'contacted' WHERE id = 2;
UPDATE lr.leads SET stage = 'sql' WHERE id = 1;
SET leadroute.clock = '2026-03-02 16:00Z';
UPDATE lr.leads SET stage = 'mql' WHERE id = 3;
SELECT is((SELECT string_agg(format('%s %s-%s', stage, to_char(entered_at AT TIME ZONE 'UTC', 'HH24'), to_char(left_at AT TIME ZONE 'UTC', 'HH24')), ', ' ORDER BY entered_at) FROM leadroute.stage_history WHERE lead = '1'), 'new 10-12, contacted 12-14, sql 14-', 'each stay');
CALL leadroute.sweep(parts => '{reports}');
SELECT is((SELECT concat_ws(' ', stays, open_leads, finished, avg_hours, median_hours, p90_hours) FROM leadroute.stage_times WHERE stage = 'new'), '6 3 3 4.00 4.00 5.60', 'time in stage: 2, 4 and 6 hours');
SELECT is((SELECT concat_ws(' ', stays, open_leads, finished, avg_hours) FROM leadroute.stage_times WHERE stage = 'evangelist'), '0 0 0', 'one where nobody was');
SELECT is((SELECT as_of FROM leadroute.stage_times WHERE stage = 'new'), '2026-03-02 16:00Z', 'as of the sweep');
SELECT is((SELECT string_agg(format('%s %s', lead, next_stage), ', ' ORDER BY lead) FROM leadroute.stage_history WHERE stage = 'new' AND left_at < '2026-03-02 15:00Z'), '1 contacted, 2 contacted', 'where they went');
SELECT is((SELECT string_agg(format('%s %s>%s %s', lead, from_stage, to_stage, skipped), '; ' ORDER BY lead) FROM leadroute.stage_skips), '1 contacted>sql {mql,sal}; 3 new>mql {contacted}', 'skips');
SELECT is((SELECT count(*)::int FROM leadroute.stale_leads), 0, 'nobody is stale');
SELECT is_empty($$SELECT FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class = 'leadroute.stale_leads'::regclass AND d.refobjid = 'leadroute.stage_times'::regclass$$,
	'which is asked without the medians of stage_times: they took a minute, once for each lead');
SET leadroute.clock = '2026-03-02 18:00:01Z';
SELECT is((SELECT string_agg(concat_ws(' ', lead, stage, owner, avg_hours, times_average), ', ' ORDER BY lead) FROM leadroute.stale_leads), '2 contacted ana 2.00 2.00, 4 new ana 4.00 2.00, 5 new ana 4.00 2.00, 6 new ana 4.00 2.00', 'more than twice the average');
-- what was discarded is nobody's to work on
INSERT INTO leadroute.rules (position, rule, condition, target) VALUES (1, 'spam', 'source = ''spam''', 'discard');
INSERT INTO lr.leads (id, source, submitted_at) VALUES (7, 'spam', '2026-03-01 10:00Z');
SET leadroute.clock = '2026-03-04 10:00Z';
SELECT is((SELECT concat_ws(' ', status, stage) FROM leadroute.lead_states WHERE lead = '7'), 'discarded new', 'a lead that is discarded has begun in a stage');
SELECT is((SELECT count(*)::int FROM leadroute.stale_leads WHERE lead = '7'), 0, 'and is not stale');
SELECT is((SELECT open_leads::int FROM leadroute.stage_times WHERE stage = 'new'), 3, 'nor open');
SET leadroute.clock = '2026-03-02 18:00:01Z';
DELETE FROM leadroute.rules WHERE rule = 'spam';
UPDATE lr.leads SET stage = 'nurture' WHERE id = 3;
UPDATE lr.leads SET stage = 'mql' WHERE id = 3;
SELECT is((SELECT count(*)::int FROM leadroute.stage_skips WHERE lead = '3'), 1, 'what is beside the way counts for nothing');

-- rejections
SELECT leadroute.reject(4, 'ENG-01'), leadroute.reject(5, 'ENG-01'), leadroute.reject(6, 'FIT-02'), leadroute.reject(2, 'ENG-02') \g /dev/null
SET leadroute.clock = '2026-06-10 10:00Z';
UPDATE leadroute.lead_states SET return_at = '2027-01-01' WHERE lead = '5';
CALL leadroute.sweep(parts => '{returns}');
UPDATE lr.leads SET stage = 'customer', value = 700 WHERE id = 4;
SELECT * FROM leadroute.explain(4) \g /dev/null
SELECT results_eq('SELECT concat_ws('' '', code, reason, rejections, flagged, nurtured, recycled, away, returned, archived, won, value, conversion_pct) COLLATE "default" FROM leadroute.recycling_report ORDER BY code',
	ARRAY['ENG-01 no response after three attempts 2 2 0 2 1 1 0 1 700 100.0', 'ENG-02 bad timing 1 0 0 1 0 1 0 0 0 0.0', 'FIT-02 wrong industry 1 0 0 0 0 0 1 0 0'], 'by code');

-- feedback
SELECT leadroute.feedback(4, 5), leadroute.feedback(4, 4, 'still good'), leadroute.feedback(1, 2) \g /dev/null
SELECT results_eq('SELECT concat_ws('' '', source, outcome, ratings, leads, average, ones, twos, threes, fours, fives) COLLATE "default" FROM leadroute.lead_feedback_report ORDER BY 1', ARRAY['fair open 1 1 2.00 0 1 0 0 0', 'web won 2 1 4.50 0 0 0 1 1'], 'by source and outcome');

CREATE ROLE lr_reader IN ROLE leadroute_reader;
SET ROLE lr_reader;
SELECT is((SELECT count(*)::int FROM leadroute.stage_times), 13, 'a reader reads them');
SELECT is((SELECT count(*)::int FROM leadroute.stale_leads) >= 0, true, 'all');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
