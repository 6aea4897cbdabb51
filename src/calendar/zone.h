/*
 * zone.h
 *		A time zone as a sorted table of the instants at which its offset changes.
 */
#ifndef LR_ZONE_H
#define LR_ZONE_H

#include "utils/timestamp.h"

/*
 * From LR_ZONE_PERIOD_END on a zone repeats itself every LR_ZONE_CYCLE: 400 years of the Gregorian calendar,
 * which are a whole number of weeks. What is irregular in a zone (its history, and for Morocco the months of
 * Ramadan until 2087) lies before LR_ZONE_PERIOD_END - LR_ZONE_CYCLE.
 */
#define LR_ZONE_CYCLE_DAYS INT64CONST(146097)
#define LR_ZONE_CYCLE (LR_ZONE_CYCLE_DAYS * USECS_PER_DAY)
#define LR_ZONE_PERIOD_END_DAY INT64CONST(222798) /* 2610-01-01, in days since 2000-01-01 */
#define LR_ZONE_PERIOD_END (LR_ZONE_PERIOD_END_DAY * USECS_PER_DAY)

/* Between starts[i] and starts[i + 1] local time is UTC + offsets[i]. */
typedef struct LrZone
{
	const char *name;
	uint64 mark;		 /* a hash of the spans */
	int nspans;			 /* at least one; the first has always been */
	TimestampTz *starts; /* starts[0] is PG_INT64_MIN */
	int64 *offsets;		 /* microseconds east of UTC */
	int hint;			 /* the span that was found last */
	pg_tz *tz;			 /* NULL until somebody asks for it */
} LrZone;

/*
 * The zone of that name, as the session keeps it: it is made once, from PostgreSQL's own table of the zone or from what another session
 * made of that, and never freed (there are some 600). NULL where no zone is named so. The table ends at LR_ZONE_PERIOD_END.
 */
extern LrZone *lr_zone(const char *name);
extern bool lr_zone_exists(const char *name);

/* The span in which an instant before LR_ZONE_PERIOD_END lies. */
extern int lr_zone_span(LrZone *zone, TimestampTz at);

/* The instant at which a clock there shows a local time (microseconds since 2000-01-01), as AT TIME ZONE reads it. */
extern TimestampTz lr_zone_instant(LrZone *zone, int64 local);

#endif /* LR_ZONE_H */
