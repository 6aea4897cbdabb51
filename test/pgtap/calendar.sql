-- business time: what must come out, changes of the clock, holidays, errors, caches, who may ask
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SET LOCAL timezone = 'UTC';
SET LOCAL search_path = leadroute, public, pg_catalog;
SELECT plan(124);

INSERT INTO calendars (calendar, timezone) VALUES ('ny', 'America/New_York'), ('eight to six', 'America/New_York'), ('tuesdays', 'UTC'), ('lunch', 'Europe/Berlin'), ('never', 'UTC');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'eight to six', d, '08:00', '18:00' FROM generate_series(1, 5) d;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) VALUES ('tuesdays', 2, '08:00', '17:00');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'lunch', d, '09:00', '13:00' FROM generate_series(1, 5) d;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'lunch', d, '14:00', '18:00' FROM generate_series(1, 5) d;

-- what must come out
SELECT is(business_add('ny', '2026-03-06 16:30 EST', '4 hours'), '2026-03-09 12:30 EDT', 'over a weekend and into summer time');
SELECT is(business_add('eight to six', '2026-05-04 17:00 America/New_York', '2 hours'), '2026-05-05 09:00 America/New_York', 'half-way is Tuesday 09:00');
SELECT is(business_add('eight to six', '2026-05-04 17:00 America/New_York', '4 hours'), '2026-05-05 11:00 America/New_York', 'due Tuesday 11:00');
SELECT is(business_add('tuesdays', '2026-05-06 10:00', '4 hours'), '2026-05-12 12:00', 'only Tuesdays');
SELECT is(business_add('lunch', '2026-05-06 12:30 Europe/Berlin', '1 hour'), '2026-05-06 14:30 Europe/Berlin', 'over lunch');
SELECT is(business_add('ny', '2026-05-08 15:00 America/New_York', '2 days'), '2026-05-12 15:00 America/New_York', 'Friday and two business days');
SELECT is(business_add('ny', '2026-05-08 16:00 America/New_York', '1 day 2 hours'), '2026-05-12 10:00 America/New_York', 'days first, then hours');
SELECT is(business_close('ny', '2026-05-08 18:00 America/New_York', 0), '2026-05-11 17:00 America/New_York', 'the close of the next open day');
SELECT is(business_between('ny', s, business_add('ny', s, '4 hours')), '4 hours', 'there and back') FROM (VALUES (timestamptz '2026-03-06 16:30 EST')) v(s);

-- where it opens and closes
SELECT results_eq($$SELECT business_is_open('ny', t) FROM unnest('{2026-05-08 08:59:59.999999 EDT,2026-05-08 09:00 EDT,2026-05-08 16:59:59.999999 EDT,2026-05-08 17:00 EDT,2026-05-09 12:00 EDT}'::timestamptz[]) t$$,
	'VALUES (false), (true), (true), (false), (false)', 'open from the opening time until before the closing time');
SELECT is(business_next_open('ny', '2026-05-08 17:00 EDT'), '2026-05-11 09:00 EDT', 'next open after the close');
SELECT is(business_next_open('ny', '2026-05-08 12:00:00.000001 EDT'), '2026-05-08 12:00:00.000001 EDT', 'next open is now');
SELECT is(business_add('ny', '2026-05-08 09:00 EDT', '8 hours'), '2026-05-08 17:00 EDT', 'a whole day ends at its close');
SELECT is(business_add('ny', '2026-05-08 09:00 EDT', '8:00:00.000001'), '2026-05-11 09:00:00.000001 EDT', 'a microsecond more, and it is Monday');
SELECT is(business_add('ny', '2026-05-09 12:00 EDT', '0'), '2026-05-09 12:00 EDT', 'nothing is nothing');
SELECT is(business_add('ny', '2026-05-09 12:00 EDT', '1 hour'), '2026-05-11 10:00 EDT', 'from a closed instant');
SELECT is(business_add('ny', '2026-05-11 10:00 EDT', '-1 hour'), '2026-05-11 09:00 EDT', 'back to the opening, not to the close before it');
SELECT is(business_add('ny', '2026-05-11 10:00 EDT', '-2 hours'), '2026-05-08 16:00 EDT', 'back over a weekend');
SELECT is(business_between('ny', '2026-05-11 10:00 EDT', '2026-05-08 16:00 EDT'), '-2 hours', 'negative when reversed');
SELECT is(business_between('ny', '2016-05-09 09:00 EDT', '2026-05-11 09:00 EDT'), make_interval(hours => 522 * 40), 'ten years and two days are 522 weeks');
SELECT is(business_add('ny', '2016-05-09 09:00 EDT', make_interval(hours => 522 * 40)), '2026-05-08 17:00 EDT', 'and back');

-- days
SELECT is(business_add('ny', '2026-05-09 12:00 EDT', '1 day'), '2026-05-11 12:00 EDT', 'the day after Saturday that opens is Monday');
SELECT is(business_add('ny', '2026-05-09 20:00 EDT', '1 day'), '2026-05-11 17:00 EDT', 'its close, when that is earlier');
SELECT is(business_add('ny', '2026-05-08 06:00 EDT', '1 day'), '2026-05-11 06:00 EDT', 'the same clock time, before it opens too');
SELECT is(business_add('ny', '2026-05-11 12:00 EDT', '-1 day'), '2026-05-08 12:00 EDT', 'a day back');
SELECT is(business_add('ny', '2026-05-11 20:00 EDT', '-1 day'), '2026-05-08 17:00 EDT', 'a day back, its close');
SELECT is(business_add('ny', '2026-05-11 12:00 EDT', '-1 day +2 hours'), '2026-05-08 14:00 EDT', 'a day back, two hours on');
SELECT is(business_add('ny', '2026-05-08 12:00 EDT', '1 week'), '2026-05-19 12:00 EDT', 'a week is 7 business days');
SELECT is(business_close('ny', '2026-05-08 16:59 EDT'), '2026-05-08 17:00 EDT', 'the close of today');
SELECT is(business_close('ny', '2026-05-08 17:00 EDT'), '2026-05-11 17:00 EDT', 'at the close it is over');
SELECT is(business_close('ny', '2026-05-08 16:59 EDT', 1), '2026-05-11 17:00 EDT', 'the next close');
SELECT is(business_close('lunch', '2026-05-08 13:30 Europe/Berlin'), '2026-05-08 18:00 Europe/Berlin', 'of a day with two stretches');

-- holidays: shared lists, whole days and parts
INSERT INTO calendars (calendar, timezone, holidays) VALUES ('ny too', 'America/New_York', '{us,own}'), ('london', 'Europe/London', '{own}');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT c, d, '09:00', '17:00' FROM generate_series(1, 5) d, unnest('{ny too,london}'::text[]) c;
INSERT INTO holidays (list, day, holiday) VALUES ('us', '2026-05-25', 'Memorial Day'), ('us', '2026-07-03', 'Independence Day (observed)');
INSERT INTO holidays (list, day, closed_from, closed_until) VALUES ('own', '2026-05-22', '12:00', '24:00'), ('own', '2026-05-20', '10:00', '11:00');
SELECT is(business_add('ny too', '2026-05-22 11:00 EDT', '2 hours'), '2026-05-26 10:00 EDT', 'an afternoon off and a holiday');
SELECT is(business_add('london', '2026-05-22 11:00 BST', '2 hours'), '2026-05-25 10:00 BST', 'London shares the one list, not the other');
SELECT is(business_add('ny', '2026-05-22 11:00 EDT', '2 hours'), '2026-05-22 13:00 EDT', 'and New York as it was, none');
SELECT is(business_between('ny too', '2026-05-18 EDT', '2026-05-30 EDT'), '66 hours', '80 hours less 14');
SELECT is(business_close('ny too', '2026-05-22 09:00 EDT'), '2026-05-22 12:00 EDT', 'the close of a day cut short');
SELECT is(business_close('ny too', '2026-05-22 09:00 EDT', 1), '2026-05-26 17:00 EDT', 'a holiday is no business day');
SELECT is(business_add('ny too', '2026-05-21 16:00 EDT', '1 day'), '2026-05-22 12:00 EDT', 'the close of the day cut short');
SELECT is(business_add('ny too', '2026-05-25 12:00 EDT', '1 day'), '2026-05-26 12:00 EDT', 'from a holiday');
SELECT is(business_is_open('ny too', '2026-05-20 10:30 EDT'), false, 'closed for an hour');
SELECT is(business_next_open('ny too', '2026-05-20 10:30 EDT'), '2026-05-20 11:00 EDT', 'and open again');
SELECT results_eq($$SELECT * FROM calendar_week('ny too', '2026-05-20')$$, $$VALUES
	(timestamptz '2026-05-18 09:00 EDT', timestamptz '2026-05-18 17:00 EDT', interval '8 hours'), ('2026-05-19 09:00 EDT', '2026-05-19 17:00 EDT', '8 hours'),
	('2026-05-20 09:00 EDT', '2026-05-20 10:00 EDT', '1 hour'), ('2026-05-20 11:00 EDT', '2026-05-20 17:00 EDT', '6 hours'),
	('2026-05-21 09:00 EDT', '2026-05-21 17:00 EDT', '8 hours'), ('2026-05-22 09:00 EDT', '2026-05-22 12:00 EDT', '3 hours')$$, 'the week, stretch by stretch');

-- shifts past midnight, and changes of the clock in them
INSERT INTO calendars (calendar, timezone, holidays) VALUES ('night', 'America/New_York', '{eve}'), ('howe', 'Australia/Lord_Howe', '{}'), ('apia', 'Pacific/Apia', '{}'),
	('kolkata', 'Asia/Kolkata', '{}'), ('small hours', 'America/New_York', '{}'), ('midnight', 'America/Sao_Paulo', '{}');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'night', d, '22:00', '06:00' FROM generate_series(1, 7) d WHERE d <> 5;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT c, d, '00:00', '24:00' FROM generate_series(1, 7) d, unnest('{howe,apia,midnight}'::text[]) c;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'kolkata', d, '09:30', '18:15' FROM generate_series(1, 5) d;
INSERT INTO calendar_hours (calendar, weekday, opens, closes) VALUES ('small hours', 7, '02:00', '03:00');
INSERT INTO holidays (list, day) VALUES ('eve', '2026-12-25');
SELECT is(business_between('night', '2026-03-07 22:00 EST', '2026-03-08 06:00 EDT'), '7 hours', 'a night with 7 hours');
SELECT is(business_between('night', '2026-10-31 22:00 EDT', '2026-11-01 06:00 EST'), '9 hours', 'a night with 9 hours');
SELECT is(business_add('night', '2026-03-07 23:00 EST', '6 hours'), '2026-03-08 06:00 EDT', 'six hours are over at the close');
SELECT is(business_add('night', '2026-10-31 23:00 EDT', '3 hours'), '2026-11-01 01:00 EST', 'the second one o''clock');
SELECT is(business_close('night', '2026-05-05 03:00 EDT'), '2026-05-05 06:00 EDT', 'after midnight it is still yesterday''s shift');
SELECT is(business_close('night', '2026-05-05 07:00 EDT'), '2026-05-06 06:00 EDT', 'in the morning it is today''s');
SELECT is(business_add('night', '2026-05-08 03:00 EDT', '1 day'), '2026-05-10 03:00 EDT', 'Thursday''s shift and a day is Saturday''s: none begins on Friday');
SELECT results_eq($$SELECT opens, closes FROM business_hours('night', '2026-12-23 12:00 EST', '2026-12-27 EST')$$, $$VALUES
	(timestamptz '2026-12-23 22:00 EST', timestamptz '2026-12-24 06:00 EST'), ('2026-12-24 22:00 EST', '2026-12-25 00:00 EST'), ('2026-12-26 22:00 EST', '2026-12-27 00:00 EST')$$,
	'a holiday cuts the shift that goes into it');
SELECT is(business_close('night', '2026-12-24 12:00 EST'), '2026-12-25 00:00 EST', 'and that is its close');
SELECT is(business_between('howe', '2026-04-04 00:00 Australia/Lord_Howe', '2026-04-06 00:00 Australia/Lord_Howe'), '48:30:00', 'half an hour twice on Lord Howe');
SELECT is(business_between('howe', '2026-10-03 00:00 Australia/Lord_Howe', '2026-10-05 00:00 Australia/Lord_Howe'), '47:30:00', 'and half an hour never');
SELECT is(business_between('apia', '2011-12-29 00:00 Pacific/Apia', '2012-01-01 00:00 Pacific/Apia'), '48 hours', 'Apia had no 30 December 2011');
SELECT is(business_add('apia', '2011-12-29 12:00 Pacific/Apia', '1 day'), '2011-12-31 12:00 Pacific/Apia', 'nor is it a business day');
SELECT is(business_add('kolkata', '2026-05-08 18:00 Asia/Kolkata', '30 minutes'), '2026-05-11 09:45 Asia/Kolkata', 'a half-hour zone');
SELECT is(business_add('small hours', '2026-03-01 02:00 EST', '90 minutes'), '2026-03-15 02:30 EDT', 'an hour that a change of the clock leaves out is never open');
SELECT is(business_add('small hours', '2026-03-01 02:00 EST', '1 day'), '2026-03-15 02:00 EDT', 'and its day no business day');
SELECT is(business_close('midnight', '2018-11-03 12:00 America/Sao_Paulo', 1), '2018-11-05 00:00 America/Sao_Paulo', 'a day that begins at one o''clock closes at its end');
SELECT is(business_between('small hours', '2026-01-01', '2036-01-01'), make_interval(hours => 522 - 10), 'ten times in ten years');
SELECT is(business_add('small hours', '2500-01-01', make_interval(hours => 100000)) - business_add('small hours', '2100-01-01', make_interval(hours => 100000)),
	interval '146097 days', 'after the zone''s table everything repeats every 400 years');
SELECT is(business_add('small hours', '2500-01-01', make_interval(days => 1000000)) - business_add('small hours', '2100-01-01', make_interval(days => 1000000)),
	interval '146097 days', 'days too');
SELECT is(business_add('small hours', business_add('small hours', '2026-05-03 02:30 EDT', '100000 hours'), '-100000 hours'), '2026-05-03 02:30 EDT', 'and back over it');

-- what overlaps or touches
INSERT INTO calendars (calendar, timezone) VALUES ('overlap', 'UTC'), ('always', 'UTC');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) VALUES ('overlap', 1, '09:00', '13:00'), ('overlap', 1, '12:00', '15:00'), ('overlap', 1, '15:00', '16:00'), ('overlap', 1, '22:00', '02:00'), ('overlap', 2, '01:00', '03:00');
INSERT INTO calendar_hours (calendar, weekday, opens, closes) SELECT 'always', d, '07:00', '07:00' FROM generate_series(1, 7) d;
SELECT results_eq($$SELECT opens, closes FROM calendar_week('overlap', '2026-05-10')$$, $$VALUES (timestamptz '2026-05-04 09:00', timestamptz '2026-05-04 16:00'), ('2026-05-04 22:00', '2026-05-05 03:00')$$,
	'what overlaps or touches counts once');
SELECT is(business_between('always', '2026-05-01', '2026-06-01'), interval '744 hours', 'a calendar that is always open');
SELECT is(business_close('always', '2026-05-05 03:00'), '2026-05-05 07:00', 'has days nevertheless');

-- 24x7
SELECT is(business_add('24x7', '2026-03-07 12:00', '30 hours'), '2026-03-08 18:00', '24x7 is there');
SELECT is(business_between('24x7', '2020-01-01', '2026-01-01', 'no such flow'), interval '52608 hours', 'in any flow');
SELECT is(business_close('24x7', '2026-03-07 12:00'), '2026-03-08 00:00', 'its days are UTC''s');
INSERT INTO flows (flow, timezone) VALUES ('default', 'America/New_York') ON CONFLICT (flow) DO UPDATE SET timezone = excluded.timezone;
SELECT is(business_close('24x7', '2026-03-07 12:00'), '2026-03-08 00:00 EST', 'unless the flow has another zone');
SELECT is(business_add('24x7', '2026-03-07 12:00 EST', '1 day'), '2026-03-08 12:00 EDT', 'a day is not 24 hours then');
SELECT throws_ok($$INSERT INTO calendars (calendar, timezone) VALUES ('24x7', 'UTC')$$, '23514', NULL, 'and nobody makes another');

-- infinity, NULL, the ends of time
SELECT is(business_add('ny', 'infinity', '1 day 1 hour'), 'infinity', 'infinity stays');
SELECT is(business_next_open('ny', '-infinity'), '-infinity', 'both of them');
SELECT is(business_is_open('ny', 'infinity'), NULL, 'nobody knows whether it is open then');
SELECT throws_ok($$SELECT business_between('ny', now(), 'infinity')$$, '22008', 'cannot subtract infinite timestamps', 'no difference');
SELECT is(business_add(NULL, now(), '1 hour'), NULL, 'NULL is NULL');
SELECT throws_ok($$SELECT business_add('ny', '294276-12-31', '2 days')$$, '22008', 'timestamp out of range', 'beyond the last day');
SELECT throws_ok($$SELECT business_add('ny', now(), '2562047788 hours')$$, '22008', 'timestamp out of range', 'hours beyond it');
SELECT throws_ok($$SELECT business_add('ny', now(), '-2562047788 hours')$$, '22008', 'timestamp out of range', 'hours before the first');
SELECT throws_ok($$SELECT business_add('ny', now(), '2147483647 days')$$, '22008', 'timestamp out of range', 'days beyond it');
SELECT throws_ok($$SELECT business_add('ny', now(), '-2147483648 days')$$, '22008', 'timestamp out of range', 'days before the first');
SELECT throws_ok($$SELECT business_close('ny', now(), 2147483647)$$, '22008', 'timestamp out of range', 'a close beyond it');
SELECT throws_ok($$SELECT business_between('24x7', '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999')$$, '22008', 'interval out of range', 'more than an interval holds');
SELECT is(business_between('24x7', '4714-11-24 00:00:00 BC', '2000-01-01 00:00:00'), make_interval(hours => 2451545 * 24), 'from the first timestamp');
SELECT is(business_between('ny', s, business_add('ny', s, '100000000 hours')), interval '100000000 hours', 'fifty thousand years and back') FROM business_next_open('ny', '2026-05-09') s;

-- errors
SELECT throws_ok($$SELECT business_add('ny', now(), '1 month')$$, '22023', 'business time has no months', 'months are refused');
SELECT throws_ok($$SELECT business_add('nowhere', now(), '1 hour')$$, '42704', 'calendar "nowhere" of flow "default" does not exist', 'no such calendar');
SELECT throws_ok($$SELECT business_add('ny', now(), '1 hour', 'emea')$$, '42704', 'calendar "ny" of flow "emea" does not exist', 'each flow has its own');
SELECT throws_ok($$SELECT business_add('never', now(), '1 hour')$$, '55000', 'calendar "never" of flow "default" is never open', 'who would wait for ever is told');
SELECT throws_ok(format('SELECT leadroute.%s', f), '55000', NULL, f) FROM unnest(ARRAY['business_close(''never'', now())', 'business_next_open(''never'', now())']) f;
SELECT is(business_between('never', '2000-01-01', '2030-01-01'), '0', 'but it may be asked how long it was open');
SELECT is(business_is_open('never', now()), false, 'and whether it is');
SELECT throws_ok($$SELECT business_close('ny', now(), -1)$$, '22023', 'number of business days must not be negative', 'no close before');
SELECT throws_ok(format('INSERT INTO calendars (calendar, timezone) VALUES (''x'', %L)', z), '22023', format('time zone "%s" not recognized', z), z || ' is no zone')
	FROM unnest('{Mars/Olympus,PDT,UTC+3,+05:30}'::text[]) z;

-- what the session holds goes with the rows: changed, rolled back, emptied
SELECT is(business_is_open('tuesdays', '2026-05-06 10:00'), false, 'closed on Wednesdays');
SAVEPOINT s;
UPDATE calendar_hours SET weekday = 3 WHERE calendar = 'tuesdays';
SELECT is(business_is_open('tuesdays', '2026-05-06 10:00'), true, 'own change is seen');
ROLLBACK TO SAVEPOINT s;
SELECT is(business_is_open('tuesdays', '2026-05-06 10:00'), false, 'and forgotten with its savepoint');
UPDATE calendars SET timezone = 'Asia/Kolkata' WHERE calendar = 'tuesdays';
SELECT is(business_next_open('tuesdays', '2026-05-11'), '2026-05-12 02:30', 'a zone changed');
DELETE FROM holidays WHERE list = 'us';
SELECT is(business_add('ny too', '2026-05-22 11:00 EDT', '2 hours'), '2026-05-25 10:00 EDT', 'a holiday taken away');
SAVEPOINT s;
TRUNCATE calendar_hours;
SELECT throws_ok($$SELECT business_add('ny', now(), '1 hour')$$, '55000', NULL, 'TRUNCATE is seen');
DELETE FROM calendars WHERE calendar = 'ny';
SELECT throws_ok($$SELECT business_add('ny', now(), '1 hour')$$, '42704', NULL, 'and a calendar that is gone');
ROLLBACK TO SAVEPOINT s;
SELECT is(business_add('ny', '2026-05-08 16:00 EDT', '2 hours'), '2026-05-11 10:00 EDT', 'both are back');
SELECT is((SELECT count(DISTINCT relation)::integer FROM config_changes WHERE relation IN ('calendars', 'calendar_hours', 'holidays')), 3, 'changes are kept');

-- what check_flow() says
INSERT INTO calendars (flow, calendar, timezone, holidays) VALUES ('checked', 'empty', 'UTC', '{}'), ('checked', 'fine', 'UTC', '{typo}');
INSERT INTO calendar_hours (flow, calendar, weekday, opens, closes) VALUES ('checked', 'fine', 1, '09:00', '17:00'), ('checked', 'lost', 1, '09:00', '17:00');
SELECT results_eq($$SELECT severity, object, problem FROM calendar_faults('checked')$$, $$VALUES ('error', 'calendar "empty"', 'is never open'),
	('error', 'calendar "fine"', 'its list of holidays "typo" is empty'), ('error', 'hours of calendar "lost"', 'belong to no calendar')$$, 'every fault of a flow''s calendars');
INSERT INTO flows (flow) VALUES ('checked');
INSERT INTO rules (flow, position, rule, target) VALUES ('checked', 1, 'all', 'discard');
SELECT throws_ok($$SELECT activate('checked')$$, '55000', 'flow "checked" is not complete', 'activate() refuses a calendar that is never open');
DELETE FROM calendar_hours WHERE calendar = 'lost';
INSERT INTO calendar_hours (flow, calendar, weekday, opens, closes) VALUES ('checked', 'empty', 1, '09:00', '17:00');
UPDATE calendars SET holidays = '{}' WHERE calendar = 'fine';
SELECT is(activate('checked'), 'flow "checked" is active', 'and takes it when it has hours');
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok($$INSERT INTO calendars (flow, calendar, timezone) VALUES ('checked', 'new', 'UTC'); SET CONSTRAINTS ALL IMMEDIATE$$, 'in an active flow a calendar may come before its hours');
SET CONSTRAINTS ALL DEFERRED;
SELECT is((SELECT severity FROM check_flow('checked') WHERE problem = 'is never open'), 'warning', 'which is a warning');
/* as a table of people or of policies will: in a column "calendar" */
CREATE TABLE leadroute.lr_desks (flow text, desk text, calendar text, PRIMARY KEY (flow, desk));
INSERT INTO leadroute.lr_desks VALUES ('checked', 'a', 'fine'), ('checked', 'b', 'nowhere'), ('checked', 'c', 'new'), ('checked', 'd', NULL), ('checked', 'e', '24x7');
SELECT results_eq($$SELECT object, problem FROM check_flow('checked') WHERE severity = 'error'$$, $$VALUES ('lr_desk "b"', 'its calendar "nowhere" does not exist'),
	('lr_desk "c"', 'its calendar "new" is never open')$$, 'who names a calendar that nobody can wait for is an error');
DROP TABLE leadroute.lr_desks;

-- a zone that came with a restore and that this server does not know
SET LOCAL check_function_bodies = off;
INSERT INTO calendars (flow, calendar, timezone) VALUES ('checked', 'mars', 'Mars/Olympus');
RESET check_function_bodies;
SELECT throws_ok($$SELECT business_add('mars', now(), '1 hour', 'checked')$$, '22023', 'time zone of calendar "mars" of flow "checked" is not recognized', 'an unknown zone is told');
SELECT is(calendar_problem('mars', 'checked'), 'has a time zone that this server does not know', 'and a problem');

-- who may ask: anybody; who may write: the admin
CREATE ROLE lr_anybody;
CREATE ROLE lr_configurer IN ROLE leadroute_admin;
GRANT USAGE ON SCHEMA public TO lr_anybody, lr_configurer;
SET LOCAL ROLE lr_anybody;
SELECT is(leadroute.business_add('eight to six', '2026-05-04 17:00 America/New_York', '2 hours'), '2026-05-05 09:00 America/New_York', 'who has no rights may ask');
SELECT isnt_empty($$SELECT * FROM leadroute.calendar_week('ny', '2026-05-05')$$, 'for a week too');
SELECT throws_ok($$SELECT * FROM leadroute.calendars$$, '42501', NULL, 'reads no configuration');
SELECT throws_ok($$INSERT INTO leadroute.holidays (list, day) VALUES ('us', '2026-05-25')$$, '42501', NULL, 'writes none');
SET LOCAL ROLE lr_configurer;
SELECT lives_ok($$INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('mine', 'Europe/Berlin'); INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) VALUES ('mine', 1, '09:00', '17:00');
	INSERT INTO leadroute.holidays (list, day) VALUES ('us', '2026-05-25')$$, 'an admin writes calendars');
RESET ROLE;

-- in parallel
CREATE TABLE public.lr_instants AS SELECT '2026-01-01'::timestamptz + g * interval '7 hours' AS at FROM generate_series(1, 20000) g;
SELECT sum(extract(epoch FROM business_between('ny', '2026-01-01', at))) AS alone FROM public.lr_instants \gset
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE line text; plan text := ''; BEGIN FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ' || query LOOP plan := plan || line || E'\n'; END LOOP; RETURN plan; END $$;
SELECT matches(pg_temp.plan_of($$SELECT sum(extract(epoch FROM leadroute.business_between('ny', '2026-01-01', at))) FROM public.lr_instants$$), 'Workers Launched: [1-9]', 'business time goes into workers');
SELECT is((SELECT sum(extract(epoch FROM business_between('ny', '2026-01-01', at))) FROM public.lr_instants), :alone, 'and says the same there');

SELECT * FROM finish();
ROLLBACK;
