/*
 * zone.c
 *		Time zones as tables of the instants at which their offset changes.
 *
 * PostgreSQL answers what a zone's offset is at one instant; business time sums over all changes between two, which
 * may lie ten years apart. So a zone's changes are listed, up to the year 2610, and found by binary search.
 *
 * Sharing: reading a zone's file and listing its changes costs a session as much as a dozen leads, so the list lies in shared memory for
 * the next one (config_share.c), like what is read of the configuration and as long. A new version of the files counts for calendars when
 * the server has been restarted, as it does for the server's own TimeZone.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "config_share.h"
#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "zone.h"

typedef struct ZoneEntry
{
	char name[TZ_STRLEN_MAX + 1];
	LrZone *zone;
} ZoneEntry;

#define FIRST_YEAR_SECONDS ((pg_time_t) -8520336000) /* 1700-01-01 in seconds of Unix: before any zone's first change */
#define EPOCH_SECONDS ((pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static HTAB *zones = NULL; /* by name as it is written */

static LrZone *find_zone(const char *name, MemoryContext mcxt);
static pg_tz *known_zone(const char *name);
static LrZone *zone_of_image(const char *name, void *image);
static LrZone *make_zone(pg_tz *tz);

LrZone *
lr_zone(const char *name)
{
	ZoneEntry *entry;
	MemoryContext mcxt;
	LrZone *zone;

	if (strlen(name) > TZ_STRLEN_MAX)
		return NULL;
	if (zones == NULL)
	{
		HASHCTL ctl = {.keysize = TZ_STRLEN_MAX + 1, .entrysize = sizeof(ZoneEntry), .hcxt = CacheMemoryContext};

		zones = hash_create("leadroute zones", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	entry = hash_search(zones, name, HASH_FIND, NULL);
	if (entry)
		return entry->zone;

	/* the context belongs to the transaction until it is whole */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute zone", ALLOCSET_SMALL_SIZES);
	zone = find_zone(name, mcxt);
	if (zone == NULL)
	{
		MemoryContextDelete(mcxt);
		return NULL;
	}
	entry = hash_search(zones, name, HASH_ENTER, NULL);
	entry->zone = zone;
	MemoryContextSetParent(mcxt, CacheMemoryContext);
	return zone;
}

/* All that it makes lies in mcxt. An image is the number of spans, the mark, their starts and their offsets. */
static LrZone *
find_zone(const char *name, MemoryContext mcxt)
{
	MemoryContext caller = MemoryContextSwitchTo(mcxt);
	SharePlace place;
	Size size;
	void *image = lr_share_find("zone", "", name, InvalidOid, &place, &size);
	LrZone *zone = NULL;

	if (image)
		zone = zone_of_image(name, image);
	else
	{
		pg_tz *tz = known_zone(name);

		if (tz)
			zone = make_zone(tz);
		/* what no callback follows is published once somebody has looked, with a calendar: see config_share.c */
		if (zone && place.prepares == 0)
		{
			int64 nspans = zone->nspans;
			SharePiece pieces[] = {{&nspans, sizeof(nspans)},
								   {&zone->mark, sizeof(zone->mark)},
								   {zone->starts, zone->nspans * sizeof(TimestampTz)},
								   {zone->offsets, zone->nspans * sizeof(int64)}};

			lr_share_publish(&place, pieces, lengthof(pieces));
		}
	}
	if (zone)
		zone->name = pstrdup(name);
	MemoryContextSwitchTo(caller);
	return zone;
}

bool
lr_zone_exists(const char *name)
{
	return known_zone(name) != NULL;
}

/* PostgreSQL keeps what it finds for the life of the session. */
static pg_tz *
known_zone(const char *name)
{
	pg_tz *tz = pg_tzset(name);

	return tz && pg_tz_acceptable(tz) ? tz : NULL;
}

static LrZone *
zone_of_image(const char *name, void *image)
{
	int64 *words = image;
	LrZone *zone = palloc0(sizeof(LrZone));

	zone->nspans = (int) words[0];
	zone->mark = (uint64) words[1];
	zone->starts = words + 2;
	zone->offsets = zone->starts + zone->nspans;
	return zone;
}

static LrZone *
make_zone(pg_tz *tz)
{
	LrZone *zone = palloc0(sizeof(LrZone));
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
	zone->starts = palloc(allocated * sizeof(TimestampTz));
	zone->offsets = palloc(allocated * sizeof(int64));

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

	zone->mark = hash_bytes_extended((const unsigned char *) zone->starts, zone->nspans * (int) sizeof(TimestampTz), 0);
	zone->mark = hash_bytes_extended((const unsigned char *) zone->offsets, zone->nspans * (int) sizeof(int64), zone->mark);
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
lr_zone_instant(LrZone *zone, int64 local)
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	if (zone->tz == NULL)
		zone->tz = known_zone(zone->name);
	if (zone->tz == NULL)
		elog(ERROR, "could not read time zone \"%s\"", zone->name);
	return local + (int64) DetermineTimeZoneOffset(&tm, zone->tz) * USECS_PER_SEC;
}
