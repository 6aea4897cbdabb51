/*
 * zone.c
 *		Time zones as tables of the instants at which their offset changes.
 *
 * PostgreSQL answers what a zone's offset is at one instant; business time sums over all changes between two, which
 * may lie ten years apart. So a zone's changes are listed once a session, up to the year 2610, and found by binary search.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "zone.h"

typedef struct ZoneEntry
{
	pg_tz *tz;
	LrZone *zone;
} ZoneEntry;

#define FIRST_YEAR_SECONDS ((pg_time_t) -8520336000) /* 1700-01-01 in seconds of Unix: before any zone's first change */
#define EPOCH_SECONDS ((pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static HTAB *zones = NULL;

static LrZone *make_zone(pg_tz *tz);

LrZone *
lr_zone(const char *name)
{
	/* keeps what it finds for the life of the session, one object a zone, whatever the case of its name */
	pg_tz *tz = pg_tzset(name);
	ZoneEntry *entry;

	if (tz == NULL || !pg_tz_acceptable(tz))
		return NULL;
	if (zones == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(pg_tz *), .entrysize = sizeof(ZoneEntry), .hcxt = CacheMemoryContext};

		zones = hash_create("leadroute zones", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(zones, &tz, HASH_FIND, NULL);
	if (entry == NULL)
	{
		LrZone *zone = make_zone(tz);

		entry = hash_search(zones, &tz, HASH_ENTER, NULL);
		entry->zone = zone;
	}
	return entry->zone;
}

/* All is in one context of the zone's own, which is the transaction's until it is whole. */
static LrZone *
make_zone(pg_tz *tz)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute zone", ALLOCSET_SMALL_SIZES);
	LrZone *zone = MemoryContextAllocZero(mcxt, sizeof(LrZone));
	pg_time_t end = (pg_time_t) (LR_ZONE_PERIOD_END / USECS_PER_SEC) + EPOCH_SECONDS;
	pg_time_t at = FIRST_YEAR_SECONDS;
	int allocated = 64;
	long int before;
	long int after;
	int before_isdst;
	int after_isdst;
	pg_time_t boundary;
	int found;

	zone->tz = tz;
	zone->starts = MemoryContextAlloc(mcxt, allocated * sizeof(TimestampTz));
	zone->offsets = MemoryContextAlloc(mcxt, allocated * sizeof(int64));

	found = pg_next_dst_boundary(&at, &before, &before_isdst, &boundary, &after, &after_isdst, tz);
	zone->starts[0] = PG_INT64_MIN;
	zone->offsets[0] = (int64) before * USECS_PER_SEC;
	zone->nspans = 1;
	while (found > 0 && boundary < end)
	{
		/* a change of the name, or of what counts as summer time, moves no clock */
		if ((int64) after * USECS_PER_SEC != zone->offsets[zone->nspans - 1])
		{
			if (zone->nspans == allocated)
			{
				allocated *= 2;
				zone->starts = repalloc(zone->starts, allocated * sizeof(TimestampTz));
				zone->offsets = repalloc(zone->offsets, allocated * sizeof(int64));
			}
			zone->starts[zone->nspans] = (int64) (boundary - EPOCH_SECONDS) * USECS_PER_SEC;
			zone->offsets[zone->nspans] = (int64) after * USECS_PER_SEC;
			zone->nspans++;
		}
		if (boundary <= at)
			elog(ERROR, "time zone \"%s\" does not advance", pg_get_timezone_name(tz));
		at = boundary;
		found = pg_next_dst_boundary(&at, &before, &before_isdst, &boundary, &after, &after_isdst, tz);
	}
	if (found < 0)
		elog(ERROR, "could not read time zone \"%s\"", pg_get_timezone_name(tz));

	MemoryContextSetParent(mcxt, CacheMemoryContext);
	return zone;
}

int
lr_zone_span(LrZone *zone, TimestampTz at)
{
	int low = zone->hint;
	int high;

	Assert(at < LR_ZONE_PERIOD_END);
	if (zone->starts[low] <= at && (low + 1 == zone->nspans || at < zone->starts[low + 1]))
		return low;
	low = 0;
	high = zone->nspans;
	while (high - low > 1)
	{
		int middle = (low + high) / 2;

		if (zone->starts[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	zone->hint = low;
	return low;
}

TimestampTz
lr_zone_instant(const LrZone *zone, int64 local)
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return local + (int64) DetermineTimeZoneOffset(&tm, zone->tz) * USECS_PER_SEC;
}
