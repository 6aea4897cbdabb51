-- Two shifts for a week: who is on shift gets the leads, and a shift's first hour is no flood
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(17);

CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, hour timestamptz, product text, owner text);
SELECT lives_ok($$SELECT leadroute.attach('leads')$$, 'attach');
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('early', 'America/New_York'), ('late', 'America/New_York');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
	SELECT c.calendar, d, c.opens, c.closes FROM generate_series(1, 7) d, (VALUES ('early', '08:00'::time, '16:00'::time), ('late', '12:00', '20:00')) c(calendar, opens, closes);
INSERT INTO leadroute.reps (rep, calendar) VALUES ('e1', 'early'), ('e2', 'early'), ('l1', 'late'), ('l2', 'late');
INSERT INTO leadroute.teams (team) VALUES ('t'), ('all'), ('caught');
INSERT INTO leadroute.team_members (team, rep) SELECT t.team, r.rep FROM leadroute.teams t, leadroute.reps r;
UPDATE leadroute.teams SET hours = 'none' WHERE team = 'all';
UPDATE leadroute.teams SET on_return = 'catch_up' WHERE team = 'caught';
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(1, 'all', $$product = 'all'$$, 'team', 'all', 'wait'), (2, 'caught', $$product = 'caught'$$, 'team', 'caught', 'wait'), (9, 't', 'product IS NULL', 'team', 't', 'fallthrough'), (99, 'rest', NULL, 'queue', 'rest', 'wait');
INSERT INTO leadroute.queues (queue) VALUES ('rest');
SELECT lives_ok('SELECT leadroute.activate()', 'activate');

-- 24 hours a day for a week, 12 leads an hour while the early shift is alone, 4 otherwise: the volume is not the same for both
DO $$
DECLARE
	hour	timestamptz;
BEGIN
	FOR hour IN SELECT h FROM generate_series('2026-03-02 00:00 America/New_York'::timestamptz, '2026-03-08 23:00 America/New_York', '1 hour') h LOOP
		PERFORM set_config('leadroute.clock', hour::text, true);
		INSERT INTO leads (email, hour) SELECT 'x', hour
			FROM generate_series(1, CASE WHEN extract(hour FROM hour AT TIME ZONE 'America/New_York') BETWEEN 8 AND 11 THEN 12 ELSE 4 END);
	END LOOP;
END $$;
CREATE VIEW pg_temp.by_hour AS
	SELECT (hour AT TIME ZONE 'America/New_York')::date AS day, extract(hour FROM hour AT TIME ZONE 'America/New_York') AS hour,
		count(*) FILTER (WHERE owner ~ 'e') AS early, count(*) FILTER (WHERE owner ~ 'l') AS late, count(*) FILTER (WHERE owner IS NULL) AS waits, count(*) AS leads,
		max(count(*) FILTER (WHERE owner IS NOT NULL)) OVER () AS most
	FROM leads WHERE product IS NULL GROUP BY 1, 2;
SELECT is_empty($$SELECT * FROM pg_temp.by_hour WHERE early > 0 AND hour NOT BETWEEN 8 AND 15 OR late > 0 AND hour NOT BETWEEN 12 AND 19$$, 'nobody gets a lead off shift');
SELECT is_empty($$SELECT * FROM pg_temp.by_hour WHERE waits <> CASE WHEN hour BETWEEN 8 AND 19 THEN 0 ELSE leads END$$, 'at night nobody is there');
SELECT is((SELECT string_agg(DISTINCT path->0->>'why', ',') FROM leadroute.events WHERE kind = 'decided' AND owner IS NULL), 'team "t" has no eligible member (4 off shift)', 'all are off shift');
SELECT is((SELECT string_agg(DISTINCT queue, ',') FROM leadroute.lead_states WHERE owner IS NULL), 'rest', 'and the next rule takes them');
/*
 * The early shift is 24 turns ahead each when the late one begins. Who begins makes up two turns each, so of the first
 * hour's 4 leads the late shift gets at most 4, and of the overlap's 16 at most 2 * 2 + (16 - 4) / 2 = 10, where by pointers alone
 * it would get all 16.
 */
SELECT is_empty($$SELECT day, sum(late) FROM pg_temp.by_hour WHERE hour BETWEEN 12 AND 15 GROUP BY day HAVING sum(late) NOT BETWEEN 6 AND 10$$, 'in the overlap nobody is flooded');
SELECT is_empty($$SELECT day, sum(early), sum(late) FROM pg_temp.by_hour WHERE hour BETWEEN 13 AND 15 GROUP BY day HAVING abs(sum(early) - sum(late)) > 2$$, 'and after its first hour both get the same');
/* in the morning the early shift is alone: 12 an hour, 6 each, from the first hour on */
SELECT is_empty($$SELECT (hour AT TIME ZONE 'America/New_York')::date, owner FROM leads WHERE product IS NULL AND extract(hour FROM hour AT TIME ZONE 'America/New_York') = 8
	GROUP BY 1, 2 HAVING count(*) <> 6$$, 'the morning hour is shared alike');
SELECT is((SELECT max(n) - min(n) <= 1 FROM (SELECT count(*) AS n FROM leads WHERE owner ~ 'e' GROUP BY owner) c), true, 'members of the early shift differ by at most one after a week');
SELECT is((SELECT max(n) - min(n) <= 1 FROM (SELECT count(*) AS n FROM leads WHERE owner ~ 'l' GROUP BY owner) c), true, 'so do those of the late one');

-- the other ways
SET leadroute.clock = '2026-03-09 09:00 America/New_York';
INSERT INTO leads (email, product) SELECT 'x', 'all' FROM generate_series(1, 8);
SELECT is((SELECT string_agg(DISTINCT owner, ' ' ORDER BY owner) FROM leads WHERE product = 'all'), 'e1 e2 l1 l2', 'hours none: always on shift');
INSERT INTO leads (email, product) SELECT 'x', 'caught' FROM generate_series(1, 8);
SET leadroute.clock = '2026-03-09 13:00 America/New_York';
INSERT INTO leads (email, product) SELECT 'y', 'caught' FROM generate_series(1, 8);
SELECT is((SELECT string_agg(DISTINCT owner, ' ' ORDER BY owner) FROM leads WHERE product = 'caught' AND email = 'y'), 'l1 l2', 'who asks for catch_up makes up for a shift too');

-- a change of hours counts at once
UPDATE leadroute.calendar_hours SET opens = '13:30' WHERE calendar = 'late';
INSERT INTO leads (email, product) SELECT 'z', 'caught' FROM generate_series(1, 2);
SELECT is((SELECT string_agg(owner, ' ' ORDER BY owner) FROM leads WHERE email = 'z'), 'e1 e2', 'the late shift begins later');
SELECT is((SELECT verdict FROM leadroute.explain((SELECT max(id) FROM leads)) WHERE item = 'rep' AND name = 'l1'), 'passed over: off shift', 'explain');
-- a team's own hours
UPDATE leadroute.teams SET hours = 'team', calendar = 'early' WHERE team = 't';
SET leadroute.clock = '2026-03-09 08:30 America/New_York';
INSERT INTO leads (email) SELECT 'team' FROM generate_series(1, 8);
SELECT is((SELECT count(DISTINCT owner)::int FROM leads WHERE email = 'team'), 4, 'a team''s calendar counts for all its members');
UPDATE leadroute.teams SET calendar = 'none such' WHERE team = 't';
SELECT is((SELECT problem FROM leadroute.check_flow() WHERE object = 'team "t"' AND severity = 'error'), 'its calendar "none such" does not exist', 'check_flow knows calendars that are none');

SELECT * FROM finish();
ROLLBACK;
