-- what signals are worth as time passes: decay, windows, caps; and random leads against a slow reference. LEADROUTE_FULL: 10,000 leads
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SET TimeZone = 'America/New_York';
SELECT no_plan();
\set full ''
\getenv full LEADROUTE_FULL
SELECT CASE :'full' WHEN '' THEN 200 ELSE 10000 END AS leads \gset
SET leadroute.clock = '2026-03-02 12:00+00';

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, employees int, industry text, owner text, score numeric, fit numeric, engagement numeric, grade text, submitted_at timestamptz);
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team, hours) VALUES ('t', 'none');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'all', 'team', 't');
INSERT INTO leadroute.match_rules (position, rule, kinds) VALUES (1, 'mail', '{email}');
SELECT leadroute.attach('lr.leads') \g /dev/null
SELECT leadroute.activate() \g /dev/null
INSERT INTO leadroute.signal_types (signal_type, counts_for) VALUES ('pricing', NULL), ('blog', NULL), ('click', NULL), ('core', NULL), ('open', NULL), ('trial', '30 days'), ('unsubscribe', NULL), ('visit', NULL);
/* one criterion a model: what it gives is the engagement, of 100 points */
CREATE FUNCTION lr.points(key bigint, variadic days numeric[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(coalesce((SELECT sum(points) FROM leadroute.score_explain(key, '2026-01-01 00:00+00'::timestamptz + d * interval '24 hours') WHERE item = 'criterion'), 0)::text, ' ' ORDER BY n)
	FROM unnest(days) WITH ORDINALITY x(d, n)
$$;
CREATE FUNCTION lr.model(name text) RETURNS void LANGUAGE sql AS $$ UPDATE leadroute.flows SET scoring_model = name $$;
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_max) SELECT m, 0, 100 FROM unnest('{a,b,c,d,e,f,g,h,i,j,k}'::text[]) m;
INSERT INTO lr.leads (id, submitted_at) SELECT n, '2026-01-01 00:00+00' FROM generate_series(1, 20) n;

-- pricing page +20, -5 a week
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, decay, decay_points, decay_period) VALUES ('a', 'pricing', 'engagement', 'pricing', 20, 'per_period', 5, '1 week');
SELECT lr.model('a') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'pricing', '2026-01-01 00:00+00');
SELECT is(lr.points(1, 0, 6, 6.9999, 7, 13.9999, 14, 28, 60), '20.00 20.00 20.00 15.00 15.00 10.00 0.00 0.00', 'day 6 = 20, 7 = 15, 14 = 10, 28 = 0, 60 = 0');
SELECT is(lr.points(1, -0.001), '0', 'before it there is nothing');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'pricing', '2026-01-22 00:00+00');
SELECT is(lr.points(1, 20, 21, 28, 60), '10.00 20.00 15.00 0.00', 'a later visit earns them anew; an earlier instant does not know it');
-- a stored score is refreshed when it moves
SET leadroute.clock = '2026-01-24 12:00+00';
SELECT leadroute.rescore('default', '1') \g /dev/null
SELECT is((SELECT score || ' ' || (rescore_at AT TIME ZONE 'UTC') FROM leadroute.lead_states WHERE lead = '1'), '20.00 2026-01-29 00:00:00', 'a stored score knows when decay moves it');
SET leadroute.clock = '2026-01-28 12:00+00';
CALL leadroute.sweep(parts => '{scores}');
CALL leadroute.sweep(parts => '{scores}');
SELECT is((SELECT score FROM lr.leads WHERE id = 1), 20.00, 'not before');
SELECT is((SELECT scored_at FROM leadroute.lead_states WHERE lead = '1'), '2026-01-28 12:00+00', 'but for the changed model');
SET leadroute.clock = '2026-01-29 12:00+00';
SELECT is(leadroute.score(1), 15.00, 'score() is right without a sweep');
CALL leadroute.sweep(parts => '{scores}');
SELECT is((SELECT score FROM lr.leads WHERE id = 1), 15.00, 'the sweep writes it');
SET leadroute.clock = '2026-03-12 12:00+00';
CALL leadroute.sweep(parts => '{scores}');
SELECT is((SELECT s.score || ' ' || coalesce(s.rescore_at::text, 'never') FROM leadroute.lead_states s WHERE s.lead = '1'), '0.00 never', 'to its end');

-- 3 in a week, then -5 in two weeks
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, min_count, within, decay, decay_points, decay_period) VALUES ('b', 'blog', 'engagement', 'blog', 10, 3, '1 week', 'per_period', 5, '2 weeks');
SELECT lr.model('b') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) SELECT '2', 'blog', '2026-01-01 00:00+00'::timestamptz + d * interval '24 hours' FROM unnest('{0,5,8,10,30}'::numeric[]) d;
SELECT is(lr.points(2, 8, 9.99, 10, 23.99, 24, 37.99, 38), '0 0 10.00 10.00 5.00 5.00 0.00', 'three within a week, from the third on');
INSERT INTO leadroute.signals (lead, type, at) SELECT '3', 'blog', '2026-01-01 00:00+00'::timestamptz + d * interval '24 hours' FROM unnest('{0,3.5,7}'::numeric[]) d;
SELECT is(lr.points(3, 6, 7), '0 10.00', 'a week to the instant is within a week');

-- each click, capped
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, per_event, max_points, decay, decay_points, decay_period) VALUES ('c', 'click', 'engagement', 'click', 5, true, 12, 'per_period', 2, '1 month');
SELECT lr.model('c') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) SELECT '4', 'click', ('2026-01-' || d)::timestamp AT TIME ZONE 'UTC' FROM unnest('{31,30,02}'::text[]) d;
SELECT is(lr.points(4, 1, 29, 30, 32, 58), '5.00 10.00 12.00 12.00 9.00', 'each gives points and decays for itself; together at most the cap');
SELECT results_eq($$SELECT signals, raw_points, points FROM leadroute.score_explain(4, '2026-02-27 23:59+00') WHERE item = 'criterion'$$, 'VALUES (3, 15.00, 12.00)', 'months are those of UTC''s calendar');
SELECT results_eq($$SELECT points FROM leadroute.score_explain(4, '2026-02-28 00:00+00') WHERE item = 'criterion'$$, 'VALUES (9.00)', 'January 31 and a month is the end of February');

-- inactive
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, min_count, decay, decay_points, decay_period) VALUES ('d', 'core', 'engagement', 'core', 25, 1, 'per_period_inactive', 5, '10 days'), ('e', 'core', 'engagement', 'core', 25, 3, 'per_period_inactive', 5, '10 days');
UPDATE leadroute.scoring_criteria SET within = '2 days' WHERE model = 'e';
SELECT lr.model('d') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) SELECT '5', 'core', '2026-01-01 00:00+00'::timestamptz + d * interval '24 hours' FROM unnest('{0,1,2,35}'::numeric[]) d;
SELECT is(lr.points(5, 2, 11.99, 12, 32, 34.99, 35, 45), '25.00 25.00 20.00 10.00 10.00 25.00 20.00', 'periods without one');
SELECT lr.model('e') \g /dev/null
SELECT is(lr.points(5, 1, 2, 12, 32, 35, 42, 52), '0 25.00 20.00 10.00 10.00 10.00 5.00', 'one that is not enough to earn them again keeps its period from counting');

-- half-life, negatives, absence, a type that counts for a time
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, decay, decay_period) VALUES ('f', 'open', 'engagement', 'open', 16, 'half_life', '10 days');
SELECT lr.model('f') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) VALUES ('6', 'open', '2026-01-01 00:00+00');
SELECT is(lr.points(6, 0, 5, 10, 20, 100, 200), '16.00 11.31 8.00 4.00 0.02 0.00', 'half-life');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, decay, decay_points, decay_period, decays_negative) VALUES
	('g', 'stays', 'engagement', 'unsubscribe', -20, 'per_period', 5, '1 week', false), ('h', 'goes', 'engagement', 'unsubscribe', -20, 'per_period', 5, '1 week', true);
INSERT INTO leadroute.signals (lead, type, at) VALUES ('7', 'unsubscribe', '2026-01-01 00:00+00');
SELECT lr.model('g') \g /dev/null
SELECT is(lr.points(7, 0, 60), '-20.00 -20.00', 'negative points do not decay');
SELECT is((SELECT string_agg(item || ' ' || contribution, ', ' ORDER BY line) FROM leadroute.score_explain(7, '2026-01-02') WHERE item <> 'weight'), 'criterion -20.0000, floor 20.0000', 'a score is not below 0');
SELECT lr.model('h') \g /dev/null
SELECT is(lr.points(7, 0, 7, 60), '-20.00 -15.00 0.00', 'unless told');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, within, absent) VALUES ('i', 'quiet', 'engagement', '*', -15, '14 days', true);
SELECT lr.model('i') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) VALUES ('8', 'visit', '2026-01-11 00:00+00'), ('8', 'nosuch', '2026-01-20 00:00+00');
SELECT is(lr.points(8, 13.99, 23.99, 24), '0 0 -15.00', 'nothing for two weeks');
SELECT is(lr.points(9, 13.99, 14), '0 -15.00', 'nor since it was submitted');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points) VALUES ('j', 'trial', 'engagement', 'trial', 25);
SELECT lr.model('j') \g /dev/null
INSERT INTO leadroute.signals (lead, type, at) VALUES ('10', 'trial', '2026-01-01 00:00+00');
SELECT is(lr.points(10, 29.99, 30), '25.00 0', 'a type that counts for 30 days');
-- in the future; the reset
INSERT INTO leadroute.signals (lead, type, at) VALUES ('11', 'trial', '2026-04-01 00:00+00');
SELECT is((SELECT score || ' ' || (rescore_at AT TIME ZONE 'UTC') FROM leadroute.lead_states WHERE lead = '11'), '0.00 2026-04-01 00:00:00', 'one in the future counts from then');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('12', 'trial', '2026-03-10 00:00+00');
SELECT is((SELECT score FROM lr.leads WHERE id = 12), 25.00, 'before the reset');
UPDATE leadroute.lead_states SET engagement_since = '2026-03-11 00:00+00' WHERE lead = '12';
SELECT leadroute.rescore('default', '12') \g /dev/null
SELECT is((SELECT score FROM lr.leads WHERE id = 12), 0.00, 'signals before the reset no longer count');
SELECT is(leadroute.score(12, '2026-03-10 12:00+00'), 25.00, 'who asks for an instant before it is answered as it was');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('12', 'trial', '2026-03-11 00:00+00');
SELECT is((SELECT score FROM lr.leads WHERE id = 12), 25.00, 'those after it do');
-- groups
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, "group", signal_type, points) VALUES ('k', 'visit', 'engagement', 'web', 'visit', 30), ('k', 'blog', 'engagement', 'web', 'blog', 30), ('k', 'trial', 'engagement', NULL, 'trial', 50), ('k', 'core', 'engagement', NULL, 'core', 50);
INSERT INTO leadroute.scoring_groups (model, "group", cap) VALUES ('k', 'web', 40);
SELECT lr.model('k') \g /dev/null
INSERT INTO leadroute.signals (lead, type) SELECT '13', t FROM unnest('{visit,blog}'::text[]) t;
SELECT is((SELECT string_agg(concat_ws(' ', item, name, points, contribution), ', ' ORDER BY line) FROM leadroute.score_explain(13) WHERE item <> 'weight'),
	'criterion blog 30.00 30.0000, criterion visit 30.00 30.0000, cap web -20.00 -20.0000', 'a group counts up to its cap');
INSERT INTO leadroute.signals (lead, type) SELECT '13', t FROM unnest('{trial,core}'::text[]) t;
SELECT is((SELECT string_agg(concat_ws(' ', item, name, contribution), ', ' ORDER BY line) FROM leadroute.score_explain(13) WHERE item IN ('cap', 'ceiling')) || ' = ' || leadroute.score(13),
	'cap web -20.0000, ceiling not above 100 -40.0000 = 100.00', 'a score is not above 100');

-- a condition that reads the time: nothing that comes changes it
INSERT INTO leadroute.scoring_models (model, engagement_weight, fit_max) VALUES ('t', 0, 100);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('t', 'fresh', 'fit', 'facts.at < submitted_at + interval ''3 hours''', 40);
SELECT lr.model('t') \g /dev/null
SET leadroute.clock = '2026-03-12 10:00+00';
INSERT INTO lr.leads (id, submitted_at) VALUES (30, '2026-03-12 09:30+00');
SELECT is((SELECT score || ' ' || (rescore_at AT TIME ZONE 'UTC') FROM leadroute.lead_states WHERE lead = '30'), '40.00 2026-03-12 11:00:00', 'it is looked at again in an hour');
SELECT is(leadroute.score(30, '2026-03-12 12:29+00') || ' ' || leadroute.score(30, '2026-03-12 12:30+00'), '40.00 0.00', 'score() is right at any instant');
SET leadroute.clock = '2026-03-12 12:31+00';
CALL leadroute.sweep(parts => '{scores}');
SELECT is((SELECT score FROM lr.leads WHERE id = 30), 0.00, 'and the sweep writes it');
SET leadroute.clock = '2026-03-12 12:00+00';

-- random leads with random signals, against a slow reference
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, fit_max, engagement_max) VALUES ('r', 37, 63, 33, NULL);
INSERT INTO leadroute.scoring_groups (model, "group", cap) VALUES ('r', 'web', 20), ('r', 'size', 15);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, "group", condition, points) VALUES
	('r', 'small', 'fit', 'size', 'employees >= 10', 10), ('r', 'large', 'fit', 'size', 'employees >= 500', 12.5), ('r', 'saas', 'fit', NULL, $$industry = 'saas'$$, 10), ('r', 'mail', 'fit', NULL, $$email LIKE '%gmail%'$$, -7.25),
	('r', 'large too', 'engagement', NULL, 'employees >= 900', 3);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, "group", signal_type, points, min_count, within, absent, per_event, max_points, decay, decay_points, decay_period, decays_negative) VALUES
	('r', 'pricing', 'engagement', NULL, 'pricing', 20, 1, NULL, false, false, NULL, 'per_period', 5, '1 week', false),
	('r', 'blog', 'engagement', 'web', 'blog', 10, 3, '1 week', false, false, NULL, 'per_period', 5, '2 weeks', false),
	('r', 'click', 'engagement', 'web', 'click', 5, 1, NULL, false, true, 12, 'per_period', 2, '1 month', false),
	('r', 'core', 'engagement', NULL, 'core', 25, 2, '1 month', false, false, NULL, 'per_period_inactive', 5, '9 days 5 hours', false),
	('r', 'core each', 'engagement', NULL, 'core', 1.5, 1, NULL, false, true, NULL, 'per_period_inactive', 0.4, '1 month', false),
	('r', 'open', 'engagement', 'web', 'open', 7, 1, NULL, false, true, 15, 'half_life', NULL, '20 days', false),
	('r', 'trial', 'engagement', NULL, 'trial', 25, 1, NULL, false, false, NULL, 'none', NULL, NULL, false),
	('r', 'unsubscribe', 'engagement', NULL, 'unsubscribe', -20, 1, NULL, false, true, 30, 'per_period', 3, '10 days', true),
	('r', 'complaint', 'engagement', NULL, 'unsubscribe', -3, 2, NULL, false, false, NULL, 'per_period', 1, '1 day', false),
	('r', 'quiet', 'engagement', NULL, '*', -15, 1, '45 days', true, false, NULL, 'none', NULL, NULL, false),
	('r', 'unknown', 'engagement', NULL, 'nosuch', 9, 1, NULL, false, false, NULL, 'none', NULL, NULL, false);
SELECT lr.model('r') \g /dev/null

/*
 * The reference: what each criterion of model r gives each lead of lr.asked at its instant, as the comments of scoring_criteria say it, period
 * by period and signal by signal; for all of them at once, since a function called 16 times a lead takes minutes.
 */
CREATE TABLE lr.asked (n bigint PRIMARY KEY, lead text COLLATE "C", at timestamptz);
CREATE TABLE lr.subject (n bigint PRIMARY KEY, lead text COLLATE "C", at timestamptz, twin boolean, submitted_at timestamptz, since timestamptz);
CREATE TABLE lr.counted (n bigint, type text COLLATE "C", at timestamptz, id bigint, PRIMARY KEY (n, type, at, id));
CREATE TABLE lr.held (n bigint, criterion text COLLATE "C", PRIMARY KEY (criterion, n));
CREATE FUNCTION lr.references() RETURNS TABLE (n bigint, score numeric) LANGUAGE plpgsql SET TimeZone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
	c	record;
BEGIN
	TRUNCATE lr.held;
	FOR c IN SELECT criterion, condition FROM leadroute.scoring_criteria WHERE model = 'r' AND condition IS NOT NULL LOOP
		EXECUTE format('INSERT INTO lr.held SELECT a.n, %L FROM lr.asked a JOIN lr.leads ON id = a.lead::bigint WHERE %s', c.criterion, c.condition);
	END LOOP;
	TRUNCATE lr.subject, lr.counted;
	INSERT INTO lr.subject
		SELECT a.n, a.lead, a.at, s.status = 'duplicate', s.submitted_at, CASE WHEN s.engagement_since <= a.at THEN s.engagement_since END
		FROM lr.asked a JOIN leadroute.lead_states s ON s.lead = a.lead;
	ANALYZE lr.subject, leadroute.signals, leadroute.lead_states;
	/* a duplicate's signals are its first lead's */
	INSERT INTO lr.counted
		SELECT u.n, g.type, g.at, g.id
		FROM (SELECT n, lead AS sender FROM lr.subject WHERE NOT twin
			  UNION ALL SELECT u.n, d.lead FROM lr.subject u JOIN leadroute.lead_states d ON d.duplicate_of = u.lead AND d.status = 'duplicate' WHERE NOT u.twin) w
			JOIN lr.subject u USING (n) JOIN leadroute.signals g ON g.lead = w.sender JOIN leadroute.signal_types t ON t.signal_type = g.type
		WHERE g.at <= u.at AND (u.since IS NULL OR g.at >= u.since) AND (t.counts_for IS NULL OR g.at + t.counts_for::interval > u.at);
	ANALYZE lr.held, lr.counted;
	RETURN QUERY
	WITH earning AS (	/* the signals that points come from */
		SELECT k.n, c.criterion, k.id, k.type, k.at
		FROM leadroute.scoring_criteria c JOIN lr.counted k ON k.type = c.signal_type
		WHERE c.model = 'r' AND c.per_event
		UNION ALL
		(SELECT DISTINCT ON (e.n, e.criterion) e.* FROM (
			SELECT k.n, c.criterion, k.id, k.type, k.at
			FROM leadroute.scoring_criteria c JOIN lr.counted k ON k.type = c.signal_type
			WHERE c.model = 'r' AND NOT c.per_event AND NOT c.absent
				AND c.min_count <= (SELECT count(*) FROM lr.counted b WHERE b.n = k.n AND b.type = k.type AND (b.at, b.id) <= (k.at, k.id)
									AND (c.within IS NULL OR b.at + c.within::interval >= k.at))) e
		 ORDER BY e.n, e.criterion, e.at DESC, e.id DESC)
	), remaining AS (	/* of each of them, after its periods */
		SELECT e.n, e.criterion, sign(c.points) *
			CASE WHEN c.decay = 'none' OR (c.points < 0 AND NOT c.decays_negative) THEN abs(c.points)
				 WHEN c.decay = 'half_life' THEN round((abs(c.points)::float8 * power(0.5::float8, extract(epoch FROM u.at - e.at)::float8 / extract(epoch FROM c.decay_period)::float8))::numeric, 2)
				 ELSE greatest(0, abs(c.points) - c.decay_points * (
					SELECT count(*) FROM generate_series(0, 200) p
					WHERE e.at + (p + 1) * c.decay_period::interval <= u.at
						AND (c.decay = 'per_period' OR NOT EXISTS (SELECT FROM lr.counted l WHERE l.n = e.n AND l.type = e.type
							AND l.at > e.at + p * c.decay_period::interval AND l.at <= e.at + (p + 1) * c.decay_period::interval)))) END AS points
		FROM earning e JOIN leadroute.scoring_criteria c ON c.model = 'r' AND c.criterion = e.criterion JOIN lr.subject u ON u.n = e.n
	), given AS (
		SELECT h.n, h.criterion, c.points FROM lr.held h JOIN leadroute.scoring_criteria c ON c.model = 'r' AND c.criterion = h.criterion
		UNION ALL
		SELECT r.n, r.criterion, CASE WHEN c.max_points IS NULL THEN sum(r.points) ELSE greatest(least(sum(r.points), c.max_points), -c.max_points) END
		FROM remaining r JOIN leadroute.scoring_criteria c ON c.model = 'r' AND c.criterion = r.criterion
		GROUP BY r.n, r.criterion, c.max_points
		UNION ALL
		SELECT u.n, c.criterion, c.points
		FROM leadroute.scoring_criteria c CROSS JOIN lr.subject u
			LEFT JOIN (SELECT n, max(at) AS at FROM lr.counted GROUP BY n) last ON last.n = u.n
		WHERE c.model = 'r' AND c.absent AND greatest(u.submitted_at, u.since, last.at) + c.within::interval <= u.at
	), most AS (	/* positive points, up to the caps of groups */
		SELECT m.dimension, sum(m.points) AS points
		FROM (SELECT c.dimension, least(sum(coalesce(c.max_points, c.points)), min(g.cap)) AS points
			  FROM leadroute.scoring_criteria c LEFT JOIN leadroute.scoring_groups g USING (model, "group")
			  WHERE c.model = 'r' AND c.points > 0 GROUP BY c.dimension, coalesce(c."group", '/' || c.criterion)) m
		GROUP BY m.dimension
	), summed AS (
		SELECT p.n, p.dimension, sum(p.points) AS points
		FROM (SELECT v.n, c.dimension, least(sum(v.points), min(g.cap)) AS points
			  FROM given v JOIN leadroute.scoring_criteria c ON c.model = 'r' AND c.criterion = v.criterion LEFT JOIN leadroute.scoring_groups g USING (model, "group")
			  GROUP BY v.n, c.dimension, coalesce(c."group", '/' || c.criterion)) p
		GROUP BY p.n, p.dimension
	)
	SELECT u.n, round(sum(CASE m.dimension WHEN 'fit' THEN 37 ELSE 63 END * 100 * least(greatest(coalesce(s.points, 0), 0), x.most) / x.most) / 100, 2)
	FROM lr.subject u CROSS JOIN most m
		CROSS JOIN LATERAL (SELECT CASE m.dimension WHEN 'fit' THEN 33 ELSE m.points END AS most) x
		LEFT JOIN summed s ON s.n = u.n AND s.dimension = m.dimension
	GROUP BY u.n;
END
$$;

SELECT setseed(0.5) \g /dev/null
CREATE TABLE lr.script AS
	SELECT n AS lead, row_number() OVER (ORDER BY random()) AS step, 's' || n || '.' || (random() * 6)::int AS event,
		(ARRAY['pricing','blog','click','core','open','trial','unsubscribe','visit','nosuch','blog','core'])[1 + (random() * 10)::int] AS type,
		'2026-03-12 12:00+00'::timestamptz - (random() * 120 - 3) * interval '1 day' AS at
	FROM generate_series(1001, 1000 + :leads) n, generate_series(1, 9) WHERE random() < 0.7;
CREATE PROCEDURE lr.play(leads int) LANGUAGE plpgsql AS $$
DECLARE
	leads_reset	text[];
BEGIN
	FOR part IN 0 .. 9 LOOP
		INSERT INTO lr.leads (id, email, employees, industry, submitted_at)
			SELECT n, CASE WHEN n % 17 = 0 THEN 'twin' || n / 34 || '@gmail.com' ELSE n || CASE n % 3 WHEN 0 THEN '@gmail.com' ELSE '@x.com' END END, (random() * 1200)::int,
				CASE WHEN random() < 0.5 THEN 'saas' END, '2026-03-12 12:00+00'::timestamptz - random() * interval '100 days'
			FROM generate_series(1001 + part * (leads / 10), 1000 + (part + 1) * (leads / 10)) n;
		INSERT INTO leadroute.signals (lead, type, at, event_id)
			SELECT lead, type, at, CASE WHEN step % 4 > 0 THEN event END FROM lr.script WHERE step % 10 = part ORDER BY step;
		/* some change, some are reset */
		UPDATE lr.leads SET employees = (random() * 1200)::int WHERE id > 1000 AND random() < 0.1;
		WITH reset AS (
			UPDATE leadroute.lead_states SET engagement_since = '2026-03-12 12:00+00'::timestamptz - random() * interval '60 days' WHERE lead::bigint > 1000 AND random() < 0.05 RETURNING lead
		) SELECT array_agg(lead) INTO leads_reset FROM reset;
		PERFORM leadroute.rescore('default', lead) FROM unnest(leads_reset) lead;
	END LOOP;
END
$$;
CALL lr.play(:leads);
SELECT cmp_ok((SELECT count(*) FROM leadroute.signals WHERE lead::bigint > 1000), '<', (SELECT count(*) FROM lr.script), 'some signals came twice');
SELECT cmp_ok((SELECT count(*) FROM leadroute.lead_states WHERE status = 'duplicate'), '>', 1::bigint, 'some leads are duplicates');
SELECT cmp_ok((SELECT count(DISTINCT score) FROM leadroute.lead_states WHERE lead::bigint > 1000), '>', least(:leads / 3, 1000)::bigint, 'the scores differ');
-- as stored, when it was worked out
INSERT INTO lr.asked SELECT s.lead::bigint, s.lead, s.scored_at FROM leadroute.lead_states s WHERE s.lead::bigint > 1000;
SELECT is(count(*), :leads::bigint, 'each lead is asked about') FROM lr.asked;
CREATE TABLE lr.answers (n bigint PRIMARY KEY, score numeric);
INSERT INTO lr.answers SELECT * FROM lr.references();
ANALYZE lr.asked, lr.answers;
SELECT is_empty($$SELECT s.lead, s.score, l.score, e.total, r.score
	FROM lr.asked a JOIN leadroute.lead_states s USING (lead) JOIN lr.leads l ON l.id = a.n LEFT JOIN lr.answers r ON r.n = a.n
		CROSS JOIN LATERAL (SELECT sum(contribution) AS total, sum(abs(contribution)) FILTER (WHERE item = 'rounding') AS rounding FROM leadroute.score_explain(s.lead, s.scored_at)) e
	WHERE (s.score, s.score, s.score) IS DISTINCT FROM (l.score, e.total, r.score) OR e.rounding > 0.0075$$,
	'stored = row = sum of the reasons = reference, when it was worked out');
-- and at instants of chance
TRUNCATE lr.answers;
UPDATE lr.asked SET at = '2026-03-12 12:00+00'::timestamptz - (random() * 130 - 40) * interval '1 day';
INSERT INTO lr.answers SELECT * FROM lr.references();
SELECT is_empty($$SELECT a.lead, a.at, x.score, e.total, r.score
	FROM lr.asked a LEFT JOIN lr.answers r USING (n)
		CROSS JOIN LATERAL (SELECT leadroute.score(a.lead, a.at) AS score OFFSET 0) x
		CROSS JOIN LATERAL (SELECT sum(contribution) AS total FROM leadroute.score_explain(a.lead, a.at)) e
	WHERE (x.score, x.score) IS DISTINCT FROM (e.total, r.score)$$,
	'and at random instants');

SELECT * FROM finish();
ROLLBACK;
