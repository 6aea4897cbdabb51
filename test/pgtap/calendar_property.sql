/*
 * test/pgtap/calendar_property.sql
 *		Business time against a slow reference in SQL: random calendars (fixed seed), judged instant by instant by what the
 *		clock on the wall shows. Calendars h_* have hours on the hour (half hour where the zone has such offsets) and are stepped through so over twenty
 *		years, the last ten and the next ten; calendars m_* have hours on any minute and are stepped through minute by minute for three weeks
 *		around changes of the clock (and the day that Apia never had).
 */
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL work_mem = '128MB';
SET LOCAL enable_mergejoin = off;
SET LOCAL jit = off;
SELECT plan(15);
SELECT setseed(0.20261123) \gset

CREATE TEMP TABLE span ON COMMIT DROP AS
	SELECT ('h_' || zone) COLLATE "C" AS calendar, zone, interval '24 hours' / per_day AS step, per_day, start, start + interval '20 years' AS finish
	FROM (VALUES ('America/New_York', 24, '2016-01-01'::timestamptz), ('Europe/Berlin', 24, '2016-01-01'), ('Asia/Kolkata', 48, '2016-01-01'), ('Australia/Lord_Howe', 48, '2016-01-01'),
				 ('Pacific/Apia', 24, '2006-01-01'), ('America/Sao_Paulo', 24, '2016-01-01'), ('UTC', 24, '2016-01-01')) v(zone, per_day, start)
	UNION ALL
	SELECT 'm_' || row_number() OVER (), zone, interval '1 minute', 1440, start, start + interval '21 days'
	FROM (VALUES ('America/New_York', '2026-02-26'::timestamptz), ('America/New_York', '2026-10-22'), ('Europe/Berlin', '2026-03-18'), ('Europe/Berlin', '2026-10-14'),
				 ('Asia/Kolkata', '2026-05-01'), ('Australia/Lord_Howe', '2026-03-25'), ('Australia/Lord_Howe', '2026-09-23'), ('Pacific/Apia', '2011-12-20'),
				 ('America/Sao_Paulo', '2018-10-25'), ('America/Sao_Paulo', '2019-02-07'), ('UTC', '2026-06-01')) v(zone, start);

/* random hours: some days shut, some with two or three stretches, a fifth of all stretches past midnight, some overlapping */
INSERT INTO leadroute.calendars (calendar, timezone, holidays) SELECT calendar, zone, ARRAY[calendar, 'shared'] FROM span;
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
	SELECT calendar, weekday, time '00:00' + opens * step, CASE closes WHEN per_day THEN time '24:00' ELSE time '00:00' + closes * step END
	FROM (SELECT *, CASE WHEN crosses THEN greatest(a, b - 1) ELSE least(a, b - 1) END AS opens, CASE WHEN crosses THEN least(a + 1, b) ELSE greatest(a + 1, b) END AS closes
		  FROM (SELECT s.*, d.weekday, floor(random() * s.per_day)::integer AS a, floor(random() * s.per_day)::integer + 1 AS b, random() < 0.2 AS crosses,
					   random() < CASE k WHEN 1 THEN 0.75 WHEN 2 THEN 0.4 ELSE 0.15 END AS kept
				FROM span s CROSS JOIN generate_series(1, 7) d(weekday) CROSS JOIN generate_series(1, 3) k) r) o
	WHERE kept
	ON CONFLICT DO NOTHING;
/* in the last ten years and the next: whole days and parts */
INSERT INTO leadroute.holidays (list, day, closed_from, closed_until)
	SELECT calendar, day, CASE WHEN whole THEN time '00:00' ELSE time '00:00' + least(a, b) * step END,
		CASE WHEN whole OR greatest(a, b) + 1 = per_day THEN time '24:00' ELSE time '00:00' + (greatest(a, b) + 1) * step END
	FROM (SELECT s.*, s.start::date + floor(random() * (s.finish::date - s.start::date))::integer AS day, random() < 0.6 AS whole,
				 floor(random() * s.per_day)::integer AS a, floor(random() * s.per_day)::integer AS b
		  FROM span s CROSS JOIN LATERAL generate_series(1, CASE WHEN s.step = '1 minute' THEN 4 ELSE 300 END) g) r
	ON CONFLICT DO NOTHING;
INSERT INTO leadroute.holidays (list, day) SELECT 'shared', make_date(y, m, d) FROM generate_series(2006, 2036) y, (VALUES (1, 1), (5, 1), (12, 25)) v(m, d) ON CONFLICT DO NOTHING;

/* what the rows say of each local minute of a week: hours that began today, and yesterday */
CREATE TEMP TABLE week ON COMMIT DROP AS
	SELECT s.calendar, d.weekday::double precision AS weekday, t.time,
		coalesce(bool_or(h.weekday = d.weekday AND t.time >= h.opens AND (h.closes <= h.opens OR t.time < h.closes)), false) AS own,
		coalesce(bool_or(h.weekday = (d.weekday + 5) % 7 + 1 AND h.closes <= h.opens AND t.time < h.closes), false) AS crossed
	FROM span s CROSS JOIN generate_series(1, 7) d(weekday)
		CROSS JOIN LATERAL (SELECT time '00:00' + g * s.step FROM generate_series(0, s.per_day - 1) g) t(time)
		LEFT JOIN leadroute.calendar_hours h ON h.calendar = s.calendar
	GROUP BY s.calendar, d.weekday, t.time;
ANALYZE week;

CREATE TEMP TABLE shut ON COMMIT DROP AS
	SELECT c.calendar, h.day, range_agg(int8range(extract(epoch FROM h.closed_from)::bigint, extract(epoch FROM h.closed_until)::bigint)) AS seconds
	FROM leadroute.calendars c JOIN leadroute.holidays h ON h.list = ANY (c.holidays)
	GROUP BY 1, 2;
ANALYZE shut;

/* each step's first instant: it is open to the next one or not at all */
CREATE TEMP TABLE reference ON COMMIT DROP AS
	SELECT p.*, count(*) FILTER (WHERE p.open) OVER (PARTITION BY p.calendar ORDER BY p.at ROWS UNBOUNDED PRECEDING) - p.open::integer AS total
	FROM (SELECT l.calendar, l.at, l.local, l.local::date AS day, l.lot, w.own AND NOT c.closed AS own, w.crossed AND NOT c.closed AS crossed, (w.own OR w.crossed) AND NOT c.closed AS open
		  FROM (SELECT s.calendar, g.at, g.at AT TIME ZONE s.zone AS local, random() AS lot
				FROM span s CROSS JOIN LATERAL generate_series(s.start, s.finish - s.step, s.step) g(at)) l
			JOIN week w ON w.calendar = l.calendar AND w.weekday = date_part('isodow', l.local) AND w.time = l.local::time
			LEFT JOIN shut h ON h.calendar = l.calendar AND h.day = l.local::date
			CROSS JOIN LATERAL (SELECT CASE WHEN h.seconds IS NULL THEN false ELSE h.seconds @> extract(epoch FROM l.local::time)::bigint END AS closed) c) p;
CREATE TEMP TABLE totals ON COMMIT DROP AS
	SELECT r.calendar, r.total, min(r.at) AS first, max(r.at) AS last FROM reference r GROUP BY 1, 2;
CREATE UNIQUE INDEX ON totals (calendar, total);
ANALYZE totals;
CREATE TEMP TABLE ends ON COMMIT DROP AS SELECT calendar, max(total) AS total FROM totals GROUP BY 1;

SELECT cmp_ok((SELECT count(*) FROM reference), '>', 1500000::bigint, 'twenty years of seven zones, and weeks minute by minute');
SELECT cmp_ok((SELECT min(n) FROM (SELECT count(*) FILTER (WHERE open) * 100 / count(*) AS n FROM reference GROUP BY calendar) x), '>', 5::bigint, 'every calendar is open now and then');
SELECT cmp_ok((SELECT count(*) FROM reference WHERE crossed AND NOT own), '>', 10000::bigint, 'past midnight too');

SELECT is_empty($$
	SELECT calendar, at, open FROM reference WHERE open IS DISTINCT FROM leadroute.business_is_open(calendar, at)$$, 'business_is_open at every step');
SELECT is_empty($$
	SELECT r.calendar, r.at, r.total * s.step FROM reference r JOIN span s USING (calendar)
	WHERE r.total * s.step IS DISTINCT FROM leadroute.business_between(r.calendar, s.start, r.at)$$, 'business_between from the first instant to every step');
SELECT is_empty($$
	SELECT r.calendar, r.at, t.last FROM reference r JOIN ends e USING (calendar) JOIN totals t ON t.calendar = r.calendar AND t.total = r.total
	WHERE t.total < e.total AND r.lot < 0.3
		AND CASE WHEN r.open THEN r.at ELSE t.last END IS DISTINCT FROM leadroute.business_next_open(r.calendar, r.at)$$, 'business_next_open');

/* random steps and random amounts of open time, forward and back, from minutes to twenty years */
CREATE TEMP TABLE tries ON COMMIT DROP AS
	SELECT r.calendar, s.step, r.at, r.total, t.total - r.total AS steps, CASE WHEN t.total > r.total THEN t.first WHEN t.total < r.total THEN t.last ELSE r.at END AS expected
	FROM (SELECT x.*, e.total AS most, floor(CASE WHEN random() < 0.3 THEN x.total + random() * 200 - 100 ELSE random() * e.total END)::bigint AS aim
		  FROM reference x JOIN ends e USING (calendar) WHERE x.lot < CASE WHEN x.calendar LIKE 'h%' THEN 0.01 ELSE 0.1 END) r
		JOIN span s USING (calendar)
		JOIN totals t ON t.calendar = r.calendar AND t.total = r.aim
	/* the ends of the reference are not ends of closed time */
	WHERE t.total > 0 AND t.total < r.most;
SELECT cmp_ok((SELECT count(*) FROM tries), '>', 20000::bigint, 'tries of business_add');
SELECT is_empty($$
	SELECT calendar, at, steps * step, expected, leadroute.business_add(calendar, at, steps * step) FROM tries
	WHERE expected IS DISTINCT FROM leadroute.business_add(calendar, at, steps * step)$$, 'business_add of hours');
SELECT is_empty($$
	SELECT calendar, at, x FROM (SELECT *, make_interval(secs => floor(random() * 1e9) / 1e3) * sign(random() - 0.5) AS x FROM tries) t
	WHERE leadroute.business_between(calendar, at, leadroute.business_add(calendar, at, x)) IS DISTINCT FROM x$$,
	'business_between(c, s, business_add(c, s, x)) = x');
SELECT is_empty($$
	SELECT t.calendar, t.at, u.at FROM tries t JOIN span s USING (calendar) CROSS JOIN LATERAL (SELECT t.at + (random() * 300) * interval '1 hour') u(at)
	WHERE leadroute.business_between(t.calendar, t.at, u.at) IS DISTINCT FROM
		(SELECT coalesce(sum(h.duration), '0') FROM leadroute.business_hours(t.calendar, t.at, u.at) h) AND t.steps % 20 = 0$$,
	'business_hours adds up to business_between');

/* business days: those with a step of hours that began on them; their closes */
CREATE TEMP TABLE days ON COMMIT DROP AS
	SELECT o.calendar, o.day, row_number() OVER (PARTITION BY o.calendar ORDER BY o.day) AS rank, c.closes
	FROM (SELECT DISTINCT calendar, day FROM reference WHERE own) o
		JOIN (SELECT h.calendar, h.day, max(h.at) + s.step AS closes
			  FROM (SELECT calendar, at, day FROM reference WHERE own UNION ALL SELECT calendar, at, day - 1 FROM reference WHERE crossed) h JOIN span s USING (calendar)
			  GROUP BY h.calendar, h.day, s.step) c USING (calendar, day);
CREATE UNIQUE INDEX ON days (calendar, day);
CREATE UNIQUE INDEX ON days (calendar, rank);
ANALYZE days;
CREATE TEMP TABLE day_tries ON COMMIT DROP AS
	SELECT r.calendar, r.at, s.zone, r.local, r.day, r.base, r.n,
		(SELECT d.rank - 1 FROM days d WHERE d.calendar = r.calendar AND d.day >= r.base ORDER BY d.day LIMIT 1) AS before, own.rank AS own_rank, own.closes
	FROM (SELECT *, CASE WHEN open AND NOT own THEN day - 1 ELSE day END AS base, floor(random() * 40 - 20 + CASE WHEN random() < 0.1 THEN 1000 ELSE 0 END)::integer AS n
		  FROM reference WHERE lot < CASE WHEN calendar LIKE 'h%' THEN 0.004 ELSE 0.1 END) r
		JOIN span s USING (calendar)
		LEFT JOIN days own ON own.calendar = r.calendar AND own.day = r.base
	WHERE r.at BETWEEN s.start + interval '3 days' AND s.finish - interval '3 days';
CREATE TEMP TABLE day_expected ON COMMIT DROP AS
	SELECT t.calendar, t.at, t.n, CASE WHEN t.n = 0 THEN t.at ELSE least((t.local + (d.day - t.base) * interval '1 day') AT TIME ZONE t.zone, d.closes) END AS expected
	FROM day_tries t JOIN days d ON d.calendar = t.calendar
		AND d.rank = CASE WHEN t.n > 0 THEN t.before + (t.own_rank IS NOT NULL)::integer + t.n ELSE t.before + 1 + t.n END
	/* the last day of the reference is cut */
	WHERE d.rank > 1 AND d.rank < (SELECT m.rank FROM days m WHERE m.calendar = t.calendar ORDER BY m.rank DESC LIMIT 1);
SELECT cmp_ok((SELECT count(*) FROM day_expected), '>', 10000::bigint, 'tries of days');
SELECT is_empty($$
	SELECT calendar, at, n, expected, leadroute.business_add(calendar, at, make_interval(days => n)) FROM day_expected
	WHERE expected IS DISTINCT FROM leadroute.business_add(calendar, at, make_interval(days => n))$$, 'business_add of days, forward and back');
SELECT is_empty($$
	SELECT calendar, at, n FROM day_expected
	WHERE leadroute.business_add(calendar, at, make_interval(days => n, hours => 7))
		IS DISTINCT FROM leadroute.business_add(calendar, leadroute.business_add(calendar, at, make_interval(days => n)), '7 hours')$$, 'days first, then hours');
CREATE TEMP TABLE closes ON COMMIT DROP AS
	SELECT t.calendar, t.at, t.n, d.closes
	FROM day_tries t JOIN days d ON d.calendar = t.calendar
		AND d.rank = t.before + 1 + (t.own_rank IS NOT NULL AND t.closes <= t.at)::integer + t.n
	WHERE t.n >= 0 AND d.rank < (SELECT m.rank FROM days m WHERE m.calendar = t.calendar ORDER BY m.rank DESC LIMIT 1);
SELECT cmp_ok((SELECT count(*) FROM closes), '>', 5000::bigint, 'tries of business_close');
SELECT is_empty($$
	SELECT calendar, at, n, closes, leadroute.business_close(calendar, at, n) FROM closes
	WHERE closes IS DISTINCT FROM leadroute.business_close(calendar, at, n)$$, 'business_close');
SELECT * FROM finish();
ROLLBACK;
