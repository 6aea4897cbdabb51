/* The moment that a column of a leads table holds: whatever type it has, whoever writes the row. */
BEGIN;
SET client_min_messages = warning;
SELECT plan(17);
SET LOCAL timezone = 'America/New_York';
SET LOCAL datestyle = 'German, DMY';

CREATE DOMAIN pg_temp.stamp AS timestamptz;
CREATE TABLE asked (id bigint PRIMARY KEY, email text, seconds bigint, millis double precision, exact numeric(38,9), domained pg_temp.stamp, said text, day date, plain timestamp, flag boolean);
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'old', $$facts.submitted_at < '2020-01-01'$$, 'rep', 'ana'), (99, 'all', NULL, 'rep', 'ana');

/* each with a lead of its own; the trigger, and catch_up's reading, say the same */
CREATE FUNCTION pg_temp.asked(lead bigint, named text, value text, dates text DEFAULT 'MDY') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer	text;
BEGIN
	PERFORM leadroute.attach('asked', columns => jsonb_build_object('submitted_at', jsonb_build_object('column', named, 'timezone', 'Asia/Kolkata', 'dates', dates)));
	PERFORM leadroute.activate();
	EXECUTE format('INSERT INTO asked (id, email, %I) VALUES ($1, $2, %L)', named, value) USING lead, lead || '@asked.example';
	SELECT to_char(s.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS ') || s.code INTO answer FROM leadroute.lead_states s WHERE s.lead = asked.lead::text;
	RETURN answer;
END $$;
SELECT is(pg_temp.asked(1, 'seconds', '1700000000'), '2023-11-14 22:13:20.000 assigned', 'seconds since 1970');
SELECT is(pg_temp.asked(2, 'millis', '1700000000123'), '2023-11-14 22:13:20.123 assigned', 'milliseconds, as HubSpot has them');
SELECT is(pg_temp.asked(3, 'exact', '1700000000123.000'), '2023-11-14 22:13:20.123 assigned', 'milliseconds in a decimal, as Airbyte has numbers');
SELECT is(pg_temp.asked(4, 'said', ' 1700000000123 '), '2023-11-14 22:13:20.123 assigned', 'milliseconds in a text');
SELECT is(pg_temp.asked(5, 'said', '20231114'), '2023-11-13 18:30:00.000 assigned', 'eight digits are a date');
SELECT is(pg_temp.asked(6, 'domained', '14.11.2023 22:13:20 UTC'), '2023-11-14 22:13:20.000 assigned', 'a domain over timestamptz, in a session of another DateStyle');
SELECT is(pg_temp.asked(7, 'said', '2023-11-15 03:43:20'), '2023-11-14 22:13:20.000 assigned', 'a text without a zone is in the one that columns names, not the session''s');
SELECT is(pg_temp.asked(8, 'said', '11/10/2023 03:43:20'), '2023-11-09 22:13:20.000 assigned', 'the month comes first, whatever the session''s DateStyle');
SELECT is(pg_temp.asked(9, 'said', '11/10/2023 03:43:20', 'DMY'), '2023-10-10 22:13:20.000 assigned', 'or the day, where columns says so');
SELECT is(pg_temp.asked(10, 'said', '2023-11-14T22:13:20+0000'), '2023-11-14 22:13:20.000 assigned', 'a text with a zone says it itself');
SELECT is(pg_temp.asked(11, 'day', '15.11.2023'), '2023-11-14 18:30:00.000 assigned', 'a date begins in its zone');
SELECT is(pg_temp.asked(12, 'plain', '15.11.2023 03:43:20'), '2023-11-14 22:13:20.000 assigned', 'and so does a timestamp');

/* text that is no time names its column, not a rule */
CREATE FUNCTION pg_temp.warned() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said	text;
BEGIN
	UPDATE leadroute.flows SET on_error = 'fail' WHERE flow = 'default';
	BEGIN
		PERFORM pg_temp.asked(13, 'said', '31/12/2023');
	EXCEPTION WHEN data_exception THEN
		GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
	END;
	UPDATE leadroute.flows SET on_error = 'fallback' WHERE flow = 'default';
	RETURN said;
END $$;
SELECT is(pg_temp.warned(), 'column "said" holds what is no time: date/time field value out of range: "31/12/2023"', 'a text that is no time is told with its column');

SELECT throws_ok($$SELECT leadroute.attach('asked', columns => '{"submitted_at": {"column": "said", "dates": "dmy"}}')$$, '22023',
	'"dmy" is no order of day, month and year', 'the orders are these three');
SELECT throws_ok($$SELECT leadroute.attach('asked', columns => '{"submitted_at": "flag"}')$$, '42804', NULL, 'a boolean is no time');

/* what stood there before is read alike */
SELECT leadroute.detach('asked');
INSERT INTO asked (id, email, said) SELECT n, n || '@asked.example', v FROM (VALUES (20, '1700000000123'), (21, '2023-11-15 03:43:20'), (22, '25/11/2023'), (23, 'soon')) x(n, v);
SELECT leadroute.attach('asked', columns => '{"submitted_at": {"column": "said", "timezone": "Asia/Kolkata", "dates": "DMY"}}');
CALL leadroute.catch_up('asked');
SELECT results_eq($$SELECT s.lead::int, s.submitted_at AT TIME ZONE 'UTC' FROM leadroute.lead_states s WHERE s.lead IN ('20', '21', '22') ORDER BY 1$$,
	$$VALUES (20, timestamp '2023-11-14 22:13:20.123'), (21, '2023-11-14 22:13:20'), (22, '2023-11-24 18:30:00')$$, 'catch_up() reads them as the trigger does');

/* a key that is of no use to the column's type any more: the flow knew it from another table */
CREATE TABLE known (id text PRIMARY KEY, email text, owner text);
SELECT leadroute.detach('asked');
SELECT leadroute.attach('known');
INSERT INTO known VALUES ('L-12', 'kim@known.example');
ALTER TABLE known ALTER id TYPE uuid USING gen_random_uuid();
SELECT lives_ok($$INSERT INTO known VALUES (gen_random_uuid(), 'kim@known.example')$$, 'a person whose first lead had a key of another type is no error');

SELECT * FROM finish();
ROLLBACK;
