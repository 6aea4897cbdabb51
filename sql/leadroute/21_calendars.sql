/*
 * Business time: calendars, their weekly hours and lists of holidays. Configuration like that of 20_config.sql: it may come in any
 * order, so nothing refers to it by a foreign key. What reckons with it is in 24_calendars.sql.
 */
CREATE TABLE leadroute.calendars (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	calendar		text COLLATE "C" NOT NULL CHECK (calendar <> ''),
	timezone		text NOT NULL,
	holidays		text[] COLLATE "C" NOT NULL DEFAULT '{}' CHECK (array_position(holidays, NULL) IS NULL),
	note			text,
	PRIMARY KEY (flow, calendar),
	CONSTRAINT calendars_24x7_is_always_there CHECK (calendar <> '24x7')
);

CREATE TABLE leadroute.calendar_hours (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	calendar		text COLLATE "C" NOT NULL CHECK (calendar <> ''),
	weekday			smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
	opens			time NOT NULL CHECK (opens < '24:00'),
	closes			time NOT NULL,
	note			text,
	PRIMARY KEY (flow, calendar, weekday, opens),
	CONSTRAINT calendar_hours_24x7_is_always_open CHECK (calendar <> '24x7')
);

CREATE TABLE leadroute.holidays (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	list			text COLLATE "C" NOT NULL CHECK (list <> ''),
	day				date NOT NULL CHECK (day BETWEEN '1900-01-01' AND '2199-12-31'),
	closed_from		time NOT NULL DEFAULT '00:00',
	closed_until	time NOT NULL DEFAULT '24:00',
	holiday			text,
	note			text,
	PRIMARY KEY (flow, list, day, closed_from),
	CONSTRAINT holidays_closed_check CHECK (closed_from < closed_until)
);

COMMENT ON TABLE leadroute.calendars IS 'Calendars of business time: weekly hours in a time zone, less holidays. "24x7", always open, in flows.timezone, is always there and has no row.';
COMMENT ON COLUMN leadroute.calendars.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.calendars.calendar IS 'Name of the calendar.';
COMMENT ON COLUMN leadroute.calendars.timezone IS 'IANA zone in which its hours and holidays are told, as America/New_York.';
COMMENT ON COLUMN leadroute.calendars.holidays IS 'The lists of holidays that it keeps: holidays.list. Several calendars may keep one list.';
COMMENT ON COLUMN leadroute.calendars.note IS 'Free text of who wrote the row; kept with each change in config_changes.';

COMMENT ON TABLE leadroute.calendar_hours IS 'When a calendar is open: any number of intervals a day. What overlaps counts once.';
COMMENT ON COLUMN leadroute.calendar_hours.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.calendar_hours.calendar IS 'The calendar.';
COMMENT ON COLUMN leadroute.calendar_hours.weekday IS 'ISO weekday on which the interval begins: 1 = Monday, 7 = Sunday.';
COMMENT ON COLUMN leadroute.calendar_hours.opens IS 'Local time at which it opens.';
COMMENT ON COLUMN leadroute.calendar_hours.closes IS 'Local time from which it is closed; 24:00 is the day''s end; not after opens means on the next day: 22:00 to 06:00.';
COMMENT ON COLUMN leadroute.calendar_hours.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.holidays IS 'Lists of days, or parts of days, on which the calendars that keep the list are closed.';
COMMENT ON COLUMN leadroute.holidays.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.holidays.list IS 'Name of the list, which calendars.holidays names.';
COMMENT ON COLUMN leadroute.holidays.day IS 'The date, from 1900 to 2199, in the zone of each calendar.';
COMMENT ON COLUMN leadroute.holidays.closed_from IS 'Local time from which it is closed: 00:00 unless it is a part of the day.';
COMMENT ON COLUMN leadroute.holidays.closed_until IS 'Local time until which it is closed: 24:00 unless it is a part of the day. Hours that go past midnight into a holiday end there, those of the holiday go on after it.';
COMMENT ON COLUMN leadroute.holidays.holiday IS 'What people call it.';
COMMENT ON COLUMN leadroute.holidays.note IS 'Free text of who wrote the row.';
