-- 40: business time: what an answer costs
/*
 * test/bench/parts/calendar.sql
 *		Business time: what an answer costs that lies ten minutes off, and one ten years off; with summer time and 300 holidays.
 *		Each line is a query over 1,000,000 rows; the first calls nothing, so what is above it is the call's.
 */
\set ON_ERROR_STOP on
\pset pager off
INSERT INTO leadroute.calendars (calendar, timezone, holidays) VALUES ('bench', 'America/New_York', ARRAY['bench']);
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
	SELECT 'bench', d, o, c FROM generate_series(1, 5) d, (VALUES ('09:00'::time, '13:00'::time), ('14:00', '18:00')) v(o, c);
INSERT INTO leadroute.holidays (list, day) SELECT 'bench', '2016-01-01'::date + g * 25 FROM generate_series(1, 300) g;
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE instants AS SELECT '2026-01-05 15:00Z'::timestamptz + g * interval '1 second' AS at FROM generate_series(1, 1000000) g;
SELECT count(leadroute.business_add('bench', at, '1 hour')) FROM instants;
\timing on
\echo 'nothing'
SELECT count(at + interval '1 hour') FROM instants;
\echo 'business_add, 10 minutes'
SELECT count(leadroute.business_add('bench', at, '10 minutes')) FROM instants;
\echo 'business_add, 10 years'
SELECT count(leadroute.business_add('bench', at, '20000 hours')) FROM instants;
\echo 'business_add, 10 days'
SELECT count(leadroute.business_add('bench', at, '10 days')) FROM instants;
\echo 'business_between, 10 minutes'
SELECT count(leadroute.business_between('bench', at, at + interval '10 minutes')) FROM instants;
\echo 'business_between, 10 years'
SELECT count(leadroute.business_between('bench', at, at + interval '3650 days')) FROM instants;
\echo 'business_is_open'
SELECT count(leadroute.business_is_open('bench', at)) FROM instants;
