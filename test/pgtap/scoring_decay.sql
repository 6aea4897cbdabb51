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

/* What is left of the points of times[which] at an instant: period by period. */
CREATE FUNCTION lr.left_of(c leadroute.scoring_criteria, times timestamptz[], which int, at timestamptz) RETURNS numeric LANGUAGE plpgsql SET TimeZone = 'UTC' AS $$
DECLARE
	remains	numeric := abs(c.points);
	k		int := 0;
BEGIN
	IF c.decay = 'none' OR (c.points < 0 AND NOT c.decays_negative) THEN
		RETURN c.points;
	ELSIF c.decay = 'half_life' THEN
		RETURN sign(c.points) * round((remains::float8 * power(0.5::float8, extract(epoch FROM at - times[which])::float8 / extract(epoch FROM c.decay_period)::float8))::numeric, 2);
	END IF;
	WHILE remains > 0 AND times[which] + (k + 1) * c.decay_period::interval <= at LOOP
		IF c.decay = 'per_period' OR NOT EXISTS (SELECT FROM unnest(times) t WHERE t > times[which] + k * c.decay_period::interval AND t <= times[which] + (k + 1) * c.decay_period::interval) THEN
			remains := greatest(remains - c.decay_points, 0);
		END IF;
		k := k + 1;
	END LOOP;
	RETURN sign(c.points) * remains;
END
$$;
CREATE FUNCTION lr.points_of(c leadroute.scoring_criteria, key text, at timestamptz) RETURNS numeric LANGUAGE plpgsql SET TimeZone = 'UTC' AS $$
DECLARE
	state	leadroute.lead_states;
	holds	boolean;
	times	timestamptz[];
	since	timestamptz;
	total	numeric := 0;
BEGIN
	IF c.condition IS NOT NULL THEN
		EXECUTE format('SELECT %s FROM lr.leads WHERE id = $1', c.condition) INTO holds USING key::bigint;
		RETURN CASE WHEN holds THEN c.points ELSE 0 END;
	END IF;
	SELECT * INTO state FROM leadroute.lead_states s WHERE s.lead = key;
	IF state.engagement_since <= at THEN since := state.engagement_since; END IF;
	IF c.signal_type <> '*' AND NOT EXISTS (SELECT FROM leadroute.signal_types t WHERE t.signal_type = c.signal_type) THEN
		RETURN 0;
	END IF;
	times := ARRAY(SELECT g.at FROM leadroute.signals g JOIN leadroute.signal_types t ON t.signal_type = g.type
		WHERE state.status <> 'duplicate' AND (g.lead = key OR g.lead IN (SELECT d.lead FROM leadroute.lead_states d WHERE d.duplicate_of = key AND d.status = 'duplicate'))
			AND g.at <= points_of.at AND (since IS NULL OR g.at >= since) AND (t.counts_for IS NULL OR g.at + t.counts_for::interval > points_of.at)
			AND (c.signal_type = '*' OR g.type = c.signal_type) ORDER BY g.at);
	IF c.absent THEN
		RETURN CASE WHEN greatest(state.submitted_at, since, times[cardinality(times)]) + c.within::interval <= at THEN c.points ELSE 0 END;
	ELSIF c.per_event THEN
		FOR i IN 1 .. cardinality(times) LOOP
			total := total + lr.left_of(c, times, i, at);
		END LOOP;
		RETURN CASE WHEN c.max_points IS NULL THEN total WHEN c.points > 0 THEN least(total, c.max_points) ELSE greatest(total, -c.max_points) END;
	END IF;
	FOR i IN REVERSE cardinality(times) .. c.min_count LOOP
		IF c.within IS NULL OR times[i - c.min_count + 1] + c.within::interval >= times[i] THEN
			RETURN lr.left_of(c, times, i, at);
		END IF;
	END LOOP;
	RETURN 0;
END
$$;
CREATE FUNCTION lr.reference(key text, at timestamptz) RETURNS numeric LANGUAGE sql AS $$
	WITH given AS (
		SELECT c.dimension, c."group", g.cap, lr.points_of(c, key, at) AS points, CASE WHEN c.points > 0 THEN coalesce(c.max_points, c.points) ELSE 0 END AS most
		FROM leadroute.scoring_criteria c LEFT JOIN leadroute.scoring_groups g USING (model, "group") WHERE c.model = 'r'
	), grouped AS (
		SELECT dimension, least(sum(points), min(cap)) AS points, least(sum(most) FILTER (WHERE points IS NOT NULL AND most > 0), min(cap)) AS most
		FROM given GROUP BY dimension, "group", CASE WHEN "group" IS NULL THEN 1 ELSE 0 END
	), summed AS (
		SELECT dimension, sum(points) AS points, CASE dimension WHEN 'fit' THEN 33 ELSE sum(most) END AS most FROM grouped GROUP BY dimension
	)
	SELECT round(sum(CASE dimension WHEN 'fit' THEN 37 ELSE 63 END * 100 * least(greatest(points, 0), most) / most) / 100, 2) FROM summed
$$;

SELECT setseed(0.5) \g /dev/null
CREATE TABLE lr.script AS
	SELECT n AS lead, row_number() OVER (ORDER BY random()) AS step, 's' || n || '.' || (random() * 6)::int AS event,
		(ARRAY['pricing','blog','click','core','open','trial','unsubscribe','visit','nosuch','blog','core'])[1 + (random() * 10)::int] AS type,
		'2026-03-12 12:00+00'::timestamptz - (random() * 120 - 3) * interval '1 day' AS at
	FROM generate_series(1001, 1000 + :leads) n, generate_series(1, 9) WHERE random() < 0.7;
CREATE PROCEDURE lr.play(leads int) LANGUAGE plpgsql AS $$
DECLARE
	batch	int := leads / 5;
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
		UPDATE leadroute.lead_states SET engagement_since = '2026-03-12 12:00+00'::timestamptz - random() * interval '60 days' WHERE lead::bigint > 1000 AND random() < 0.05;
		PERFORM leadroute.rescore('default', lead) FROM leadroute.lead_states WHERE engagement_since IS NOT NULL;
	END LOOP;
END
$$;
CALL lr.play(:leads);
SELECT cmp_ok((SELECT count(*) FROM leadroute.signals WHERE lead::bigint > 1000), '<', (SELECT count(*) FROM lr.script), 'some signals came twice');
SELECT cmp_ok((SELECT count(*) FROM leadroute.lead_states WHERE status = 'duplicate'), '>', 1::bigint, 'some leads are duplicates');
SELECT cmp_ok((SELECT count(DISTINCT score) FROM leadroute.lead_states WHERE lead::bigint > 1000), '>', least(:leads / 3, 1000)::bigint, 'the scores differ');
SELECT is_empty($$SELECT s.lead, s.score, l.score, e.total, lr.reference(s.lead, s.scored_at)
	FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead
		CROSS JOIN LATERAL (SELECT sum(contribution) AS total, sum(abs(contribution)) FILTER (WHERE item = 'rounding') AS rounding FROM leadroute.score_explain(s.lead, s.scored_at)) e
	WHERE s.lead::bigint > 1000 AND ((s.score, s.score, s.score) IS DISTINCT FROM (l.score, e.total, lr.reference(s.lead, s.scored_at)) OR e.rounding > 0.0075)$$,
	'stored = row = sum of the reasons = reference, when it was worked out');
SELECT is_empty($$SELECT l.id, i.at, leadroute.score(l.id, i.at), e.total, lr.reference(l.id::text, i.at)
	FROM lr.leads l
		CROSS JOIN LATERAL (SELECT '2026-03-12 12:00+00'::timestamptz - (random() * 130 - 40 + l.id * 0) * interval '1 day' AS at OFFSET 0) i
		CROSS JOIN LATERAL (SELECT sum(contribution) AS total FROM leadroute.score_explain(l.id, i.at)) e
	WHERE l.id > 1000 AND (leadroute.score(l.id, i.at), leadroute.score(l.id, i.at)) IS DISTINCT FROM (e.total, lr.reference(l.id::text, i.at))$$,
	'and at random instants');

SELECT * FROM finish();
ROLLBACK;
