-- report_changes: the figures of reports follow leads one by one. Whatever happens to leads, in any order, they are what the base tables say.
-- (What input columns hold is not looked at here: a row that is changed without any effect on its lead writes no event.)
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SET leadroute.clock = '2026-03-02 09:00Z';
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY DEFERRABLE, email text, phone text, country text, source text, value numeric, submitted_at timestamptz, status text, stage text, owner text, deleted boolean);
INSERT INTO leadroute.flows (flow, timezone, closed_when, won_when) VALUES ('default', 'America/New_York', $$status IN ('won', 'lost')$$, $$status = 'won'$$);
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('ny', 'America/New_York');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo'), ('cy');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('east');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('west', 'ana', NULL), ('west', 'bo', NULL), ('east', 'cy', 3);
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (1, 'none', 'source = ''junk''', 'discard', NULL, 'wait'), (2, 'east', 'country = ''US''', 'team', 'east', 'wait'), (9, 'rest', NULL, 'team', 'west', 'wait');
INSERT INTO leadroute.sla_policies (policy, position, metric, condition, target, calendar, on_change) VALUES
	('touch', 10, 'first_touch', NULL, '2 hours', 'ny', 'keep'), ('meet', 20, 'meeting', 'source = ''demo''', '2 days', NULL, 'restart');
SELECT leadroute.load_stages() \g /dev/null
DELETE FROM leadroute.stage_transitions;
SELECT leadroute.activate() \g /dev/null

-- everything written that waits, and what a sweep each few minutes would have done by now
CREATE PROCEDURE lr.settle() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain((SELECT min(id) FROM lr.leads));
	/* what an earlier look left, then what a look finds now */
	FOR look IN 1 .. 2 LOOP
		LOOP
			CALL leadroute.sweep(parts => '{reports}');
			EXIT WHEN NOT EXISTS (SELECT FROM leadroute.report_changes) AND NOT EXISTS (SELECT FROM leadroute.report_days d WHERE leadroute.is_report_due(d.not_before));
		END LOOP;
	END LOOP;
END $$;
CREATE FUNCTION lr.wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name	text;
	n		bigint;
BEGIN
	CREATE TEMP TABLE facts ON COMMIT DROP AS
		SELECT ARRAY(SELECT f FROM leadroute.report_facts_of('default', ARRAY(SELECT lead FROM leadroute.lead_states)) f) AS facts;
	FOREACH name IN ARRAY '{leads,clocks,breaches,hours,steps,stays}'::text[] LOOP
		EXECUTE format('SELECT count(*) FROM ((TABLE leadroute.daily_%1$s EXCEPT ALL SELECT d.* FROM facts, leadroute.report_daily_%1$s(facts) d)
			UNION ALL (SELECT d.* FROM facts, leadroute.report_daily_%1$s(facts) d EXCEPT ALL TABLE leadroute.daily_%1$s)) d', name) INTO n;
		IF n > 0 THEN
			RETURN NEXT format('%s differs in %s rows', name, n);
		END IF;
	END LOOP;
	UPDATE facts SET facts = ARRAY(SELECT f FROM unnest(facts) f, leadroute.report_runs r WHERE f.day >= r.fine_from);
	SELECT count(*) INTO n
	FROM (SELECT to_jsonb(f) - '{blank,strange,usable}'::text[] FROM leadroute.report_facts f EXCEPT ALL SELECT to_jsonb(f) - '{blank,strange,usable}'::text[] FROM facts, unnest(facts) f) d;
	SELECT n + abs(count(*) - cardinality(facts)) INTO n FROM leadroute.report_facts, facts GROUP BY facts;
	IF n > 0 THEN
		RETURN NEXT format('facts differ in %s rows', n);
	END IF;
	DROP TABLE facts;
END $$;

INSERT INTO lr.leads (id, email, phone, country, source, submitted_at)
	SELECT n, 'p' || n % 35 || '@x.example', CASE WHEN n % 3 = 0 THEN '+1 212 736 50' || 10 + n WHEN n % 3 = 1 THEN 'none' END, CASE WHEN n % 4 = 0 THEN 'US' ELSE 'DE' END,
		('{web,demo,junk,NULL}'::text[])[1 + n % 4], '2026-02-26 09:00Z'::timestamptz + n * interval '2 hours'
	FROM generate_series(1, 40) n;
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'forty leads');
SELECT is(sum(leads)::int, (SELECT count(*)::int FROM lr.leads) - sum(duplicates)::int, 'all of them') FROM leadroute.routing_accuracy;
SELECT is(count(*)::int > 20 AND bool_and(f.day >= r.fine_from), true, 'lead by lead') FROM leadroute.report_facts f, leadroute.report_runs r;

-- nothing but time: a deadline passes, for the policy and, later, for the rep
SET leadroute.clock = '2026-03-02 20:00Z';
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (100, 'late@x.example', 'web', '2026-03-02 19:00Z');
CALL lr.settle();
CREATE TEMP VIEW lead_100 AS SELECT c.due_at, c.rep_due_at FROM leadroute.clocks c WHERE c.lead = '100';
SELECT is(rep_due_at > due_at, true, 'the rep has longer') FROM lead_100;
SELECT format('SET leadroute.clock = %L', due_at + interval '1 second') FROM lead_100 \gexec
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'a deadline passed, and no sweep told it');
SELECT is((c).state || ' ' || (c).rep_state, 'breached running', 'for the policy only') FROM leadroute.report_facts f, unnest(f.clocks) c WHERE f.lead = '100';
SELECT format('SET leadroute.clock = %L', rep_due_at + interval '1 second') FROM lead_100 \gexec
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'that of the rep passed, of which there is no event at all');
SELECT is((c).state || ' ' || (c).rep_state, 'breached breached', 'for both') FROM leadroute.report_facts f, unnest(f.clocks) c WHERE f.lead = '100';

-- keys, rows that go, come back, bear a key that another had
UPDATE lr.leads SET id = 200 WHERE id = 100;
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'another key');
SELECT is(string_agg(lead, ' '), '200', 'the lead is there once') FROM leadroute.report_facts WHERE lead IN ('100', '200');
UPDATE lr.leads SET id = CASE id WHEN 3 THEN 7 ELSE 3 END WHERE id IN (3, 7);
DELETE FROM lr.leads WHERE id IN (9, 11);
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'two that change places, two that go');
INSERT INTO lr.leads (id, email, source) VALUES (9, 'other@x.example', 'web');
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'a key is borne again');

-- at random, and some days later again: touches, hand-overs, ends, returns, stages, meetings, duplicates, merges
CREATE FUNCTION lr.happen(seed double precision, rounds integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	key		bigint;
	what	integer;
	done	bigint := 0;
BEGIN
	PERFORM setseed(seed);
	FOR i IN 1 .. rounds LOOP
		SELECT l.id INTO key FROM lr.leads l ORDER BY random() LIMIT 1;
		what := floor(random() * 14);
		PERFORM set_config('leadroute.clock', (leadroute.clock() + make_interval(mins => floor(random() * 90)::int))::text, true);
		BEGIN
			CASE what
				WHEN 0, 1 THEN PERFORM leadroute.touch(key, 'call');
				WHEN 2 THEN PERFORM leadroute.reassign(key, (ARRAY['ana', 'bo', 'cy'])[1 + floor(random() * 3)::int], 'swap');
				WHEN 3 THEN UPDATE lr.leads SET status = (ARRAY['won', 'lost'])[1 + floor(random() * 2)::int], value = floor(random() * 1000) WHERE id = key;
				WHEN 4 THEN UPDATE lr.leads SET status = 'open' WHERE id = key;
				WHEN 5 THEN UPDATE lr.leads SET stage = (ARRAY['contacted', 'mql', 'sql', 'nurture'])[1 + floor(random() * 4)::int] WHERE id = key;
				WHEN 6 THEN INSERT INTO leadroute.signals (lead, type, at) VALUES (key::text, (ARRAY['meeting_booked', 'meeting_held', 'no_show'])[1 + floor(random() * 3)::int], leadroute.clock());
				WHEN 7 THEN DELETE FROM lr.leads WHERE id = key;
				WHEN 8 THEN UPDATE lr.leads SET id = 1000 + i WHERE id = key;
				WHEN 9 THEN PERFORM leadroute.accept(key);
				WHEN 10 THEN PERFORM leadroute.reject(key, 'ENG-01');
				WHEN 11 THEN PERFORM leadroute.release(key, 'no time');
				WHEN 12 THEN UPDATE lr.leads SET deleted = deleted IS NOT TRUE WHERE id = key;
				ELSE
					INSERT INTO lr.leads (id, email, country, source, submitted_at)
					VALUES (2000 + i + (seed * 1000000)::int, 'p' || i % 50 || '@x.example', CASE WHEN i % 3 = 0 THEN 'US' END, CASE WHEN i % 2 = 0 THEN 'demo' ELSE 'web' END,
						leadroute.clock() - make_interval(hours => floor(random() * 100)::int));
			END CASE;
			done := done + 1;
		EXCEPTION WHEN OTHERS THEN
			/* what may not be done in this state is not done, and undone */
			NULL;
		END;
		IF i % 20 = 0 THEN
			CALL leadroute.sweep();
			CALL lr.settle();
			IF EXISTS (SELECT FROM lr.wrong()) THEN
				RETURN format('after %s: %s', i, (SELECT string_agg(w, '; ') FROM lr.wrong() w));
			END IF;
		END IF;
	END LOOP;
	RETURN CASE WHEN done > rounds / 2 THEN 'right' ELSE format('only %s were done', done) END;
END $$;
SELECT is(lr.happen(0.1, 80), 'right', 'whatever happens');
SELECT is(lr.happen(0.2, 80), 'right', 'and some more');
SELECT is(count(DISTINCT kind) > 6, true, 'much of it happened') FROM leadroute.events;

-- days grow old: their facts go, their figures stay, and what changes then has its day worked out whole
CREATE TEMP TABLE before AS SELECT * FROM leadroute.daily_leads;
SET leadroute.clock = '2026-06-20 09:00Z';
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'months later: deadlines have passed, figures are right');
SELECT is(count(*)::int, 0, 'old facts are gone') FROM leadroute.report_facts;
SELECT isnt(count(*)::int, 0, 'old figures are not') FROM leadroute.daily_leads;
SELECT is(lr.happen(0.3, 40), 'right', 'old leads change');
SELECT is(lr.happen(0.4, 40), 'right', 'with younger ones');

-- a load: the day is done whole
SET leadroute.clock = '2026-07-10 12:00Z';
INSERT INTO lr.leads (id, email, source) SELECT n, 'load' || n || '@x.example', 'web' FROM generate_series(5001, 5600) n;
SELECT FROM leadroute.explain(5001) \g /dev/null
SELECT leadroute.collect_report_changes('default') \g /dev/null
SELECT is(count(*)::int, 0, 'not lead by lead') FROM leadroute.report_changes WHERE lead LIKE '5___';
SELECT is(count(*)::int, 1, 'but the day') FROM leadroute.report_days WHERE day = '2026-07-10' AND not_before IS NULL;
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'and right');
UPDATE lr.leads SET status = 'won', value = 10 WHERE id = 5300;
SELECT FROM leadroute.explain(5300) \g /dev/null
SELECT leadroute.collect_report_changes('default') \g /dev/null
SELECT is(count(*)::int, 1, 'one of them changes: one is to be done') FROM leadroute.report_changes;
CALL lr.settle();
SELECT is_empty('SELECT lr.wrong()', 'and is');

-- numbers in order
SELECT is(leadroute.merge_numbers('{1,3,3,7}', '{2,3}', '{3,7}'), '{1,2,3,3}', 'numbers come and go');
SELECT is(leadroute.merge_numbers(NULL, '{5}', NULL), '{5}', 'from none');
SELECT is(leadroute.merge_numbers('{5}', NULL, '{5}'), NULL, 'to none');
SELECT is(leadroute.merge_numbers('{5}', '{4}', '{4}'), '{5}', 'what comes may go');
SELECT throws_ok($$SELECT leadroute.merge_numbers('{5}', NULL, '{6}')$$, 'XX001', 'a number that is to go is not in the list');
SELECT throws_ok($$SELECT leadroute.merge_numbers(NULL, NULL, '{6}')$$, 'XX001', 'a number that is to go is not in the list');

SELECT * FROM finish();
ROLLBACK;
