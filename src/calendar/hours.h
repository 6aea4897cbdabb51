/*
 * hours.h
 *		Opening hours, compiled: how much of the time between two instants is open, and the way back.
 *
 * All is pure computation: no table is read, nothing is allocated after lr_hours_make, and of errors there
 * are only those of instants that PostgreSQL cannot express.
 */
#ifndef LR_HOURS_H
#define LR_HOURS_H

#include "zone.h"

/* What the calendar's rows say. Times are microseconds since midnight of a local day. */
typedef struct WeekHours
{
	int weekday;  /* 0 = Monday */
	int64 opens;  /* below a day's length */
	int64 closes; /* beyond a day's length: on the next day */
} WeekHours;

/* Local microseconds since 2000-01-01: closed from start until before end. */
typedef struct Closure
{
	int64 start;
	int64 end;
} Closure;

typedef struct LrHours LrHours;

/*
 * Compiles hours into a context of its own below mcxt; closures may overlap and come in any order. Costs some
 * hundred microseconds for a zone with summer time.
 */
extern LrHours *lr_hours_make(MemoryContext mcxt, LrZone *zone, const WeekHours *week, int nweek, const Closure *closures, int nclosures);
/*
 * The same as one piece of memory that can be copied, in the current memory context, its size a multiple of MAXIMUM_ALIGNOF; and hours out of such a
 * piece, which they keep as their own and so must lie in mcxt, a context of its own: NULL where their zone has other changes by now.
 */
extern void *lr_hours_image(const LrHours *hours, Size *size);
extern LrHours *lr_hours_of_image(MemoryContext mcxt, void *image);
extern void lr_hours_free(LrHours *hours);
/* Gives it another parent, and so another life. */
extern void lr_hours_keep(LrHours *hours, MemoryContext mcxt);

/* Whether no day of the week has hours. All functions below, except lr_hours_total and lr_hours_open, need some. */
extern bool lr_hours_never(const LrHours *hours);

/* Open microseconds from a fixed instant to a finite one. Never decreases; the difference of two is the open time between them. */
extern int64 lr_hours_total(LrHours *hours, TimestampTz at);

/* Whether it is open at a finite instant. */
extern bool lr_hours_open(LrHours *hours, TimestampTz at);

/*
 * The instant that so many open microseconds lie after another (negative: before): the first one where they are
 * positive, the last one where negative; the instant itself for 0.
 */
extern TimestampTz lr_hours_add(LrHours *hours, TimestampTz from, int64 usecs);

/* The instant itself where it is open, else the next one that is. */
extern TimestampTz lr_hours_next_open(LrHours *hours, TimestampTz at);

/* The end of the open time in which an open instant lies, but not beyond limit. */
extern TimestampTz lr_hours_next_close(LrHours *hours, TimestampTz at, TimestampTz limit);

/* The same clock time on the n-th business day after that of `from` (negative: before), or that day's close if it is earlier. */
extern TimestampTz lr_hours_add_days(LrHours *hours, TimestampTz from, int64 days);

/* The close of the n-th business day after that of `from`; 0 is its own where that is yet to come, else the next one's. */
extern TimestampTz lr_hours_close(LrHours *hours, TimestampTz from, int days);

/* The instant at which a local day (days since 2000-01-01) begins. */
extern TimestampTz lr_hours_midnight(LrHours *hours, int64 day);

#endif /* LR_HOURS_H */
