/*
 * rotation_meter.c
 *		Counts of leads by time, for caps.
 *
 * A meter counts the leads that one member, or one rep over all teams, was given, by spans of time: the hours, days, weeks
 * or months of a zone, or, for a rolling period, a thirtieth of it. It lies in shared memory (rotation_shmem.c makes it)
 * and is reached from every member whom it counts, so whoever takes a place counts in it, also a session that does not know
 * yet that somebody made a cap. Its slots are covered by the lock of the flow's partition; its name and zone never change.
 *
 * A slot is a span and two counts: all, and the part that open transactions took, which goes back with them. A new span
 * takes the slot of the oldest. A time zone is asked only when a new span begins, and never under the lock: who
 * finds no slot lets go of the lock, works the span out, puts it in, and begins anew.
 *
 * A cap by the clock is exact. A rolling one counts whole slots: a lead counts up to a thirtieth of the period too long
 * (2 minutes of an hour, 48 of a day, 5.6 hours of a week, a day of 30 days), never too short, so a cap is never exceeded.
 * What lies ahead counts too: a session whose clock is behind must not fill the time before another's leads.
 *
 * The truth is the ledger: rows carry how many leads were given in which minute, until a fold finds that no cap asks. Boundaries of hours and days of any
 * zone in use since 1972 lie on minutes.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "rotation_meter.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define ROLLING_SLOTS 30

static int32 rolling_width(const RotationMeter *meter);
static int32 local_midnight(int day, pg_tz *zone);
static int32 floor_to(int32 minute, int32 width);

void
lr_meter_span(const RotationMeter *meter, int32 minute, int32 *begin, int32 *end)
{
	int32 width = rolling_width(meter);

	if (width == 0)
		lr_meter_clock_span((RotationPeriod) meter->key.kind, meter->zone, minute, begin, end);
	else
	{
		*begin = floor_to(minute, width);
		*end = *begin + width;
	}
}

/* The width of a slot of a rolling period in minutes; 0 for one by the clock. */
static int32
rolling_width(const RotationMeter *meter)
{
	switch ((RotationPeriod) meter->key.kind)
	{
		case PERIOD_ROLLING_HOUR:
			return 60 / ROLLING_SLOTS;
		case PERIOD_ROLLING_DAY:
			return 24 * 60 / ROLLING_SLOTS;
		case PERIOD_ROLLING_WEEK:
			return 7 * 24 * 60 / ROLLING_SLOTS;
		case PERIOD_ROLLING_MONTH:
			return 30 * 24 * 60 / ROLLING_SLOTS;
		default:
			return 0;
	}
}

void
lr_meter_clock_span(RotationPeriod period, const char *zone_name, int32 minute, int32 *begin, int32 *end)
{
	pg_tz *zone = pg_tzset(zone_name);
	TimestampTz at = (TimestampTz) minute * USECS_PER_MINUTE;
	struct pg_tm tm;
	fsec_t fsec;
	int offset;
	int day;
	int first;
	int next;

	if (zone == NULL || timestamp2tm(at, &offset, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", zone_name)));
	day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
	switch (period)
	{
		case PERIOD_HOUR:
			/* of the local clock: offsets of quarters of an hour exist */
			*begin = minute - tm.tm_min;
			*end = *begin + 60;
			return;
		case PERIOD_WEEK:
			/* j2day: 0 is Sunday */
			first = day - (j2day(day) + 6) % 7;
			next = first + 7;
			break;
		case PERIOD_MONTH:
			first = date2j(tm.tm_year, tm.tm_mon, 1);
			next = tm.tm_mon == 12 ? date2j(tm.tm_year + 1, 1, 1) : date2j(tm.tm_year, tm.tm_mon + 1, 1);
			break;
		default:
			first = day;
			next = day + 1;
			break;
	}
	*begin = local_midnight(first, zone);
	*end = local_midnight(next, zone);
}

static int32
local_midnight(int day, pg_tz *zone)
{
	struct pg_tm tm = {0};
	TimestampTz at;
	int offset;

	j2date(day, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, 0, &offset, &at) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return lr_rotation_minute(at);
}

static int32
floor_to(int32 minute, int32 width)
{
	int32 rest = minute % width;

	return minute - (rest < 0 ? rest + width : rest);
}

MeterSlot *
lr_meter_slot(RotationMeter *meter, int32 minute)
{
	MeterSlot *slot = &meter->slots[meter->latest];

	if (slot->begin <= minute && minute < slot->end)
		return slot;
	for (int i = 0; i < METER_SLOTS; i++)
	{
		slot = &meter->slots[i];
		if (slot->begin <= minute && minute < slot->end)
			return slot;
	}
	return NULL;
}

MeterSlot *
lr_meter_make_slot(RotationMeter *meter, int32 begin, int32 end)
{
	MeterSlot *oldest = NULL;

	for (int i = 0; i < METER_SLOTS; i++)
	{
		MeterSlot *slot = &meter->slots[i];
		bool unused = slot->begin == slot->end;

		if (!unused && slot->begin == begin)
			return slot;
		if (oldest == NULL || (unused && oldest->begin != oldest->end) ||
			(!unused && oldest->begin != oldest->end && slot->begin < oldest->begin))
			oldest = slot;
	}
	if (oldest->begin != oldest->end && oldest->begin > begin)
		return NULL;
	memset(oldest, 0, sizeof(MeterSlot));
	oldest->begin = begin;
	oldest->end = end;
	meter->latest = (int32) (oldest - meter->slots);
	return oldest;
}

bool
lr_meter_is_past(const RotationMeter *meter, int32 minute)
{
	for (int i = 0; i < METER_SLOTS; i++)
		if (meter->slots[i].begin == meter->slots[i].end || meter->slots[i].begin <= minute)
			return false;
	return true;
}

int32
lr_meter_count(RotationMeter *meter, int32 minute)
{
	int32 width = rolling_width(meter);
	int32 since;
	int32 count = 0;

	if (width == 0)
	{
		MeterSlot *slot = lr_meter_slot(meter, minute);

		if (slot)
			return slot->count;
		since = minute + 1;
	}
	else
		since = floor_to(minute, width) - ROLLING_SLOTS * width;

	for (int i = 0; i < METER_SLOTS; i++)
	{
		const MeterSlot *slot = &meter->slots[i];

		if (slot->begin != slot->end && slot->begin >= since && (width > 0 || slot->begin <= minute))
			count += slot->count;
	}
	/* a clock that went so far back that the slots of its time were given to later ones: nothing is known, so nothing is free */
	return lr_meter_is_past(meter, width == 0 ? minute : since) ? PG_INT32_MAX : count;
}
