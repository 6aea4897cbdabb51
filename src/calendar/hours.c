/*
 * hours.c
 *		Opening hours, compiled.
 *
 * What the clock on the wall says decides: an instant is open where its local time lies in the week's hours and in no
 * closure. So an hour that a change to summer time leaves out is never open, and one that comes twice counts twice.
 *
 * All answers come from one function, the open time from a fixed instant on (lr_hours_total), and its inverse
 * (find_total). It is a sum of three parts, each found by binary search:
 *	- week_total: open time of the bare week up to a local time, whole weeks times the week's open time plus a prefix sum;
 *	- less what closures cut from it before that local time (a prefix sum over the closures);
 *	- less what the changes of the zone's offset before that instant left out, or plus what they brought twice (a prefix
 *	  sum over the zone's spans, `skipped`).
 * Hence ten years cost what ten minutes cost. After LR_ZONE_PERIOD_END everything repeats itself every LR_ZONE_CYCLE: closures lie
 * before 2200 (a constraint on leadroute.holidays), and the zone is regular by then.
 *
 * Business days are counted likewise: a day is one where hours begin on it and some of them, before its midnight, really come to
 * pass. `exceptions` are the days on which the week has hours and yet none of them does.
 *
 * Numbers: microseconds in int64. Totals are smaller than the time they measure, which starts in 2000, so whatever
 * PostgreSQL can express as a timestamp fits; sums of a total and a caller's number are checked.
 */
#include "postgres.h"

#include "common/int.h"
#include "hours.h"
#include "utils/memutils.h"

#define WEEK_USECS (7 * USECS_PER_DAY)
#define FIRST_MONDAY_DAY 2 /* 2000-01-03, in days since 2000-01-01 */
#define FIRST_MONDAY (FIRST_MONDAY_DAY * USECS_PER_DAY)
#define FIRST_DAY (-POSTGRES_EPOCH_JDATE)
#define END_DAY (TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)

/* A stretch of the week that is open, in microseconds since Monday 00:00; they are disjoint and sorted. */
typedef struct WeekPiece
{
	int64 start;
	int64 end;
	int64 open_before; /* open time of the week before start */
} WeekPiece;

/* A closure that cuts something; they are disjoint and sorted. */
typedef struct Cut
{
	int64 start; /* local */
	int64 end;
	int64 week_start; /* week_total(start) */
	int64 wall_start; /* wall_total(start), and of end: nothing is open between */
	int64 cut_before; /* what the earlier ones cut */
	int64 cut_after;  /* what they and this one cut */
} Cut;

struct LrHours
{
	MemoryContext mcxt;
	LrZone *zone;

	int npieces;
	WeekPiece *pieces;
	int64 week_open; /* open time of a week */

	int nweek; /* the rows, sorted by weekday, and where each weekday's begin */
	WeekHours *week;
	int week_index[8];
	int64 day_close[7]; /* the latest close of the weekday's hours */

	int ncuts;
	Cut *cuts;

	/* by span of the zone */
	int nspans;
	int64 *skipped;			/* open wall time that changes up to its start left out */
	int64 *open_at;			/* the total at its start */
	int64 period_end_total; /* the total at LR_ZONE_PERIOD_END */
	int64 cycle_total;		/* open time of a cycle */
	int64 first_total;		/* of the first and the last instant that PostgreSQL can express */
	int64 last_total;

	/* days */
	int week_days;		/* weekdays that have hours */
	int weekdays[7];	/* these */
	int days_before[7]; /* how many of them come before a weekday */
	int nexceptions;
	int64 *exceptions;		/* days since 2000-01-01 */
	int64 *exception_ranks; /* business days before each */
	int64 period_end_rank;
	int64 cycle_days;

	/* the answer of lr_hours_open found last holds from known_from until before known_until */
	TimestampTz known_from;
	TimestampTz known_until;
	bool known_open;
};

/* One of the arrays that LrHours points to. */
typedef struct HoursArray
{
	void **at;
	Size size;
} HoursArray;

#define HOURS_ARRAYS 7

static int arrays_of(LrHours *hours, HoursArray *arrays);
static void sort_week(LrHours *hours, const WeekHours *week, int nweek);
static void make_pieces(LrHours *hours);
static void make_cuts(LrHours *hours, const Closure *closures, int nclosures);
static void add_cut(LrHours *hours, int64 start, int64 end);
static void make_totals(LrHours *hours);
static void make_exceptions(LrHours *hours);
static void add_exceptions(LrHours *hours, int *allocated, int64 start, int64 end);
static bool day_comes_to_pass(const LrHours *hours, int64 day);
static int64 week_total(const LrHours *hours, int64 local);
static int64 wall_total(const LrHours *hours, int64 local);
static int64 within_cycle(TimestampTz *at);
static int64 local_time(const LrHours *hours, TimestampTz at);
static TimestampTz find_total(const LrHours *hours, int64 total, bool last);
static int64 find_wall(const LrHours *hours, int64 total, bool last);
static int64 find_week(const LrHours *hours, int64 total, bool last);
static bool look(LrHours *hours, TimestampTz at, TimestampTz *from, TimestampTz *until);
static int64 business_day(LrHours *hours, TimestampTz at, int64 *clock_time);
static int64 day_rank(const LrHours *hours, int64 day);
static int64 ranked_day(const LrHours *hours, int64 rank);
static TimestampTz day_close(LrHours *hours, int64 day);
static TimestampTz checked(int64 at);

static inline int64
floor_divide(int64 dividend, int64 divisor)
{
	int64 quotient = dividend / divisor;

	return dividend % divisor < 0 ? quotient - 1 : quotient;
}

static inline int
weekday_of(int64 day)
{
	return (int) (day - FIRST_MONDAY_DAY - 7 * floor_divide(day - FIRST_MONDAY_DAY, 7));
}

/* ---- compiling ---- */

LrHours *
lr_hours_make(MemoryContext mcxt, LrZone *zone, const WeekHours *week, int nweek, const Closure *closures, int nclosures)
{
	MemoryContext own = AllocSetContextCreate(mcxt, "leadroute hours", ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(own);
	LrHours *hours = palloc0(sizeof(LrHours));

	hours->mcxt = own;
	hours->zone = zone;
	sort_week(hours, week, nweek);
	make_pieces(hours);
	make_cuts(hours, closures, nclosures);
	make_totals(hours);
	if (hours->npieces > 0)
		make_exceptions(hours);
	MemoryContextSwitchTo(outer);
	return hours;
}

void
lr_hours_free(LrHours *hours)
{
	MemoryContextDelete(hours->mcxt);
}

void
lr_hours_keep(LrHours *hours, MemoryContext mcxt)
{
	MemoryContextSetParent(hours->mcxt, mcxt);
}

/*
 * An image is the struct, its arrays one behind the other, the mark of the zone's changes, by which the arrays go, and the zone's name.
 */
void *
lr_hours_image(const LrHours *hours, Size *size)
{
	LrHours copy = *hours;
	HoursArray arrays[HOURS_ARRAYS];
	int narrays = arrays_of(&copy, arrays);
	Size name = strlen(hours->zone->name) + 1;
	char *image;
	char *at;

	*size = MAXALIGN(sizeof(LrHours)) + sizeof(uint64) + MAXALIGN(name);
	for (int i = 0; i < narrays; i++)
		*size += MAXALIGN(arrays[i].size);
	at = image = MemoryContextAllocExtended(CurrentMemoryContext, *size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	memcpy(at, hours, sizeof(LrHours));
	at += MAXALIGN(sizeof(LrHours));
	for (int i = 0; i < narrays; i++)
	{
		if (arrays[i].size > 0)
			memcpy(at, *arrays[i].at, arrays[i].size);
		at += MAXALIGN(arrays[i].size);
	}
	memcpy(at, &hours->zone->mark, sizeof(uint64));
	memcpy(at + sizeof(uint64), hours->zone->name, name);
	return image;
}

LrHours *
lr_hours_of_image(MemoryContext mcxt, void *image)
{
	LrHours *hours = image;
	HoursArray arrays[HOURS_ARRAYS];
	int narrays = arrays_of(hours, arrays);
	char *at = (char *) image + MAXALIGN(sizeof(LrHours));

	for (int i = 0; i < narrays; i++)
	{
		*arrays[i].at = at;
		at += MAXALIGN(arrays[i].size);
	}
	hours->mcxt = mcxt;
	hours->zone = lr_zone(at + sizeof(uint64));
	return hours->zone && hours->zone->mark == *(uint64 *) at ? hours : NULL;
}

static int
arrays_of(LrHours *hours, HoursArray *arrays)
{
	int n = 0;

	arrays[n++] = (HoursArray){(void **) &hours->pieces, hours->npieces * sizeof(WeekPiece)};
	arrays[n++] = (HoursArray){(void **) &hours->week, hours->nweek * sizeof(WeekHours)};
	arrays[n++] = (HoursArray){(void **) &hours->cuts, hours->ncuts * sizeof(Cut)};
	arrays[n++] = (HoursArray){(void **) &hours->skipped, hours->nspans * sizeof(int64)};
	arrays[n++] = (HoursArray){(void **) &hours->open_at, hours->nspans * sizeof(int64)};
	arrays[n++] = (HoursArray){(void **) &hours->exceptions, hours->nexceptions * sizeof(int64)};
	arrays[n++] = (HoursArray){(void **) &hours->exception_ranks, hours->nexceptions * sizeof(int64)};
	Assert(n == HOURS_ARRAYS);
	return n;
}

static int
compare_week(const void *a, const void *b)
{
	return ((const WeekHours *) a)->weekday - ((const WeekHours *) b)->weekday;
}

static void
sort_week(LrHours *hours, const WeekHours *week, int nweek)
{
	hours->nweek = nweek;
	hours->week = palloc(Max(nweek, 1) * sizeof(WeekHours));
	if (nweek > 0)
		memcpy(hours->week, week, nweek * sizeof(WeekHours));
	qsort(hours->week, nweek, sizeof(WeekHours), compare_week);
	for (int weekday = 0, row = 0; weekday < 7; weekday++)
	{
		hours->week_index[weekday] = row;
		hours->days_before[weekday] = hours->week_days;
		if (row < nweek && hours->week[row].weekday == weekday)
			hours->weekdays[hours->week_days++] = weekday;
		for (; row < nweek && hours->week[row].weekday == weekday; row++)
			hours->day_close[weekday] = Max(hours->day_close[weekday], hours->week[row].closes);
	}
	hours->week_index[7] = nweek;
}

static int
compare_piece(const void *a, const void *b)
{
	int64 left = ((const WeekPiece *) a)->start;
	int64 right = ((const WeekPiece *) b)->start;

	return left < right ? -1 : left > right;
}

/* The union of the rows: what crosses from Sunday to Monday is two pieces. */
static void
make_pieces(LrHours *hours)
{
	WeekPiece *pieces = palloc((2 * hours->nweek + 1) * sizeof(WeekPiece));
	int npieces = 0;
	int kept = 0;

	for (int i = 0; i < hours->nweek; i++)
	{
		int64 day = hours->week[i].weekday * USECS_PER_DAY;
		int64 start = day + hours->week[i].opens;
		int64 end = day + hours->week[i].closes;

		pieces[npieces].start = start;
		pieces[npieces++].end = Min(end, WEEK_USECS);
		if (end > WEEK_USECS)
		{
			pieces[npieces].start = 0;
			pieces[npieces++].end = end - WEEK_USECS;
		}
	}
	qsort(pieces, npieces, sizeof(WeekPiece), compare_piece);
	for (int i = 0; i < npieces; i++)
	{
		if (kept > 0 && pieces[i].start <= pieces[kept - 1].end)
			pieces[kept - 1].end = Max(pieces[kept - 1].end, pieces[i].end);
		else
			pieces[kept++] = pieces[i];
	}
	for (int i = 0; i < kept; i++)
	{
		pieces[i].open_before = hours->week_open;
		hours->week_open += pieces[i].end - pieces[i].start;
	}
	hours->pieces = pieces;
	hours->npieces = kept;
}

static int
compare_closure(const void *a, const void *b)
{
	int64 left = ((const Closure *) a)->start;
	int64 right = ((const Closure *) b)->start;

	return left < right ? -1 : left > right;
}

static void
make_cuts(LrHours *hours, const Closure *closures, int nclosures)
{
	Closure *sorted = palloc(Max(nclosures, 1) * sizeof(Closure));

	if (nclosures > 0)
		memcpy(sorted, closures, nclosures * sizeof(Closure));
	qsort(sorted, nclosures, sizeof(Closure), compare_closure);
	hours->cuts = palloc(Max(nclosures, 1) * sizeof(Cut));
	for (int i = 0; i < nclosures;)
	{
		int64 start = sorted[i].start;
		int64 end = sorted[i].end;

		for (i++; i < nclosures && sorted[i].start <= end; i++)
			end = Max(end, sorted[i].end);
		add_cut(hours, start, end);
	}
	pfree(sorted);
}

static void
add_cut(LrHours *hours, int64 start, int64 end)
{
	Cut *cut = &hours->cuts[hours->ncuts];

	cut->start = start;
	cut->end = end;
	cut->week_start = week_total(hours, start);
	cut->cut_before = hours->ncuts > 0 ? cut[-1].cut_after : 0;
	cut->cut_after = cut->cut_before + week_total(hours, end) - cut->week_start;
	cut->wall_start = cut->week_start - cut->cut_before;
	if (cut->cut_after > cut->cut_before)
		hours->ncuts++;
}

static void
make_totals(LrHours *hours)
{
	const LrZone *zone = hours->zone;

	hours->nspans = zone->nspans;
	hours->skipped = palloc(zone->nspans * sizeof(int64));
	hours->open_at = palloc(zone->nspans * sizeof(int64));
	hours->skipped[0] = 0;
	hours->open_at[0] = PG_INT64_MIN;
	for (int i = 1; i < zone->nspans; i++)
	{
		int64 before = wall_total(hours, zone->starts[i] + zone->offsets[i - 1]);
		int64 after = wall_total(hours, zone->starts[i] + zone->offsets[i]);

		hours->open_at[i] = before - hours->skipped[i - 1];
		hours->skipped[i] = hours->skipped[i - 1] + after - before;
	}
	hours->period_end_total = wall_total(hours, LR_ZONE_PERIOD_END + zone->offsets[zone->nspans - 1]) - hours->skipped[zone->nspans - 1];
	hours->cycle_total = hours->period_end_total - lr_hours_total(hours, LR_ZONE_PERIOD_END - LR_ZONE_CYCLE);
	hours->first_total = lr_hours_total(hours, MIN_TIMESTAMP);
	hours->last_total = lr_hours_total(hours, END_TIMESTAMP - 1);
}

static int
compare_day(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

static void
make_exceptions(LrHours *hours)
{
	const LrZone *zone = hours->zone;
	int allocated = 16;
	int kept = 0;

	hours->exceptions = palloc(allocated * sizeof(int64));
	for (int i = 0; i < hours->ncuts; i++)
		add_exceptions(hours, &allocated, hours->cuts[i].start, hours->cuts[i].end);
	for (int i = 1; i < zone->nspans; i++)
	{
		/* a change that left out what would have been open */
		if (hours->skipped[i] > hours->skipped[i - 1])
			add_exceptions(hours, &allocated, zone->starts[i] + zone->offsets[i - 1], zone->starts[i] + zone->offsets[i]);
	}
	qsort(hours->exceptions, hours->nexceptions, sizeof(int64), compare_day);
	for (int i = 0; i < hours->nexceptions; i++)
	{
		if (kept == 0 || hours->exceptions[kept - 1] != hours->exceptions[i])
			hours->exceptions[kept++] = hours->exceptions[i];
	}
	hours->nexceptions = kept;
	hours->exception_ranks = palloc(Max(kept, 1) * sizeof(int64));
	for (int i = 0; i < kept; i++)
		hours->exception_ranks[i] = day_rank(hours, hours->exceptions[i]);
	hours->period_end_rank = day_rank(hours, LR_ZONE_PERIOD_END_DAY - 1) + (day_comes_to_pass(hours, LR_ZONE_PERIOD_END_DAY - 1) ? 1 : 0);
	hours->cycle_days = hours->period_end_rank - day_rank(hours, LR_ZONE_PERIOD_END_DAY - LR_ZONE_CYCLE_DAYS);
}

/* Of the local days from start until before end, those on which the week has hours but none comes to pass. */
static void
add_exceptions(LrHours *hours, int *allocated, int64 start, int64 end)
{
	for (int64 day = floor_divide(start, USECS_PER_DAY); day * USECS_PER_DAY < end && day < LR_ZONE_PERIOD_END_DAY; day++)
	{
		int weekday = weekday_of(day);

		if (hours->week_index[weekday] == hours->week_index[weekday + 1] || day_comes_to_pass(hours, day))
			continue;
		if (hours->nexceptions == *allocated)
		{
			*allocated *= 2;
			hours->exceptions = repalloc(hours->exceptions, *allocated * sizeof(int64));
		}
		hours->exceptions[hours->nexceptions++] = day;
	}
}

/* Whether some instant of a local day lies in the hours that begin on it. */
static bool
day_comes_to_pass(const LrHours *hours, int64 day)
{
	const LrZone *zone = hours->zone;
	int weekday = weekday_of(day);
	int64 midnight = day * USECS_PER_DAY;

	for (int row = hours->week_index[weekday]; row < hours->week_index[weekday + 1]; row++)
	{
		int64 opens = midnight + hours->week[row].opens;
		int64 closes = midnight + Min(hours->week[row].closes, USECS_PER_DAY);

		/* local time and UTC are never two days apart */
		for (int i = lr_zone_span(hours->zone, opens - 2 * USECS_PER_DAY); i < zone->nspans; i++)
		{
			int64 start = opens;
			int64 end = closes;

			if (i > 0)
				start = Max(start, zone->starts[i] + zone->offsets[i]);
			if (i + 1 < zone->nspans)
				end = Min(end, zone->starts[i + 1] + zone->offsets[i]);
			if (start < end && wall_total(hours, start) < wall_total(hours, end))
				return true;
			if (i + 1 < zone->nspans && zone->starts[i + 1] > closes + 2 * USECS_PER_DAY)
				break;
		}
	}
	return false;
}

/* ---- open time up to an instant, and back ---- */

bool
lr_hours_never(const LrHours *hours)
{
	return hours->npieces == 0;
}

int64
lr_hours_total(LrHours *hours, TimestampTz at)
{
	int64 cycles = within_cycle(&at);
	int span = lr_zone_span(hours->zone, at);

	return wall_total(hours, at + hours->zone->offsets[span]) - hours->skipped[span] + cycles * hours->cycle_total;
}

/* Takes whole cycles off an instant that lies beyond the zone's table; returns how many. */
static int64
within_cycle(TimestampTz *at)
{
	int64 cycles;

	if (*at < LR_ZONE_PERIOD_END)
		return 0;
	cycles = (*at - LR_ZONE_PERIOD_END) / LR_ZONE_CYCLE + 1;
	*at -= cycles * LR_ZONE_CYCLE;
	return cycles;
}

/* Open time of the week, without closures, from the first Monday to a local time. */
static int64
week_total(const LrHours *hours, int64 local)
{
	int64 week = floor_divide(local - FIRST_MONDAY, WEEK_USECS);
	int64 rest = local - FIRST_MONDAY - week * WEEK_USECS;
	int low = 0;
	int high = hours->npieces;
	int64 open = 0;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->pieces[middle].start < rest)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0)
	{
		const WeekPiece *piece = &hours->pieces[low - 1];

		open = piece->open_before + Min(rest, piece->end) - piece->start;
	}
	return week * hours->week_open + open;
}

/* The same less what closures cut. */
static int64
wall_total(const LrHours *hours, int64 local)
{
	const Cut *cut;
	int low = 0;
	int high = hours->ncuts;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->cuts[middle].start < local)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return week_total(hours, local);
	cut = &hours->cuts[low - 1];
	if (local <= cut->end)
		return cut->wall_start;
	return week_total(hours, local) - cut->cut_after;
}

TimestampTz
lr_hours_add(LrHours *hours, TimestampTz from, int64 usecs)
{
	int64 total;

	if (usecs == 0)
		return from;
	if (pg_add_s64_overflow(lr_hours_total(hours, from), usecs, &total) || total > hours->last_total || total < hours->first_total)
		return checked(usecs > 0 ? END_TIMESTAMP : MIN_TIMESTAMP - 1);
	return checked(find_total(hours, total, usecs < 0));
}

/* The first, or last, instant at which the total is this. */
static TimestampTz
find_total(const LrHours *hours, int64 total, bool last)
{
	const LrZone *zone = hours->zone;
	int64 cycles = 0;
	int64 instant;
	int low = 0;
	int high = zone->nspans;

	if (last ? total >= hours->period_end_total : total > hours->period_end_total)
	{
		cycles = (total - hours->period_end_total - (last ? 0 : 1)) / hours->cycle_total + 1;
		total -= cycles * hours->cycle_total;
	}
	while (high - low > 1)
	{
		int middle = (low + high) / 2;

		if (last ? hours->open_at[middle] <= total : hours->open_at[middle] < total)
			low = middle;
		else
			high = middle;
	}
	instant = find_wall(hours, total + hours->skipped[low], last) - zone->offsets[low];
	/* the last one may lie a week beyond what a timestamp can express, no more: checked by who asked */
	return instant + cycles * LR_ZONE_CYCLE;
}

/* The first, or last, local time at which wall_total is this. */
static int64
find_wall(const LrHours *hours, int64 total, bool last)
{
	int low = 0;
	int high = hours->ncuts;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (last ? hours->cuts[middle].wall_start <= total : hours->cuts[middle].wall_start < total)
			low = middle + 1;
		else
			high = middle;
	}
	return find_week(hours, low > 0 ? total + hours->cuts[low - 1].cut_after : total, last);
}

/* The first, or last, local time at which week_total is this. */
static int64
find_week(const LrHours *hours, int64 total, bool last)
{
	int64 week = last ? floor_divide(total, hours->week_open) : floor_divide(total - 1, hours->week_open);
	int64 rest = total - week * hours->week_open;
	int low = 0;
	int high = hours->npieces - 1;
	const WeekPiece *piece;

	/* the piece at whose end the first is at the latest, or before whose end the last is */
	while (low < high)
	{
		int middle = (low + high) / 2;
		int64 open_after = hours->pieces[middle].open_before + hours->pieces[middle].end - hours->pieces[middle].start;

		if (last ? open_after > rest : open_after >= rest)
			high = middle;
		else
			low = middle + 1;
	}
	piece = &hours->pieces[low];
	return FIRST_MONDAY + week * WEEK_USECS + piece->start + rest - piece->open_before;
}

/* ---- open or closed ---- */

bool
lr_hours_open(LrHours *hours, TimestampTz at)
{
	if (at < hours->known_from || at >= hours->known_until)
		hours->known_open = look(hours, at, &hours->known_from, &hours->known_until);
	return hours->known_open;
}

/* Whether it is open at an instant, and a range around it in which the answer is the same; not necessarily all of it. */
static bool
look(LrHours *hours, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	const LrZone *zone = hours->zone;
	int64 cycles = within_cycle(&at);
	int span = lr_zone_span(hours->zone, at);
	int64 local = at + zone->offsets[span];
	int64 week = FIRST_MONDAY + floor_divide(local - FIRST_MONDAY, WEEK_USECS) * WEEK_USECS;
	int64 start = week;
	int64 end = week + WEEK_USECS;
	bool open = false;
	int low = 0;
	int high = hours->npieces;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->pieces[middle].start <= local - week)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < hours->npieces)
		end = week + hours->pieces[low].start;
	if (low > 0)
	{
		const WeekPiece *piece = &hours->pieces[low - 1];

		open = local - week < piece->end;
		start = week + (open ? piece->start : piece->end);
		if (open)
			end = week + piece->end;
	}

	low = 0;
	high = hours->ncuts;
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->cuts[middle].start <= local)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < hours->ncuts)
		end = Min(end, hours->cuts[low].start);
	if (low > 0)
	{
		if (local < hours->cuts[low - 1].end)
		{
			open = false;
			start = hours->cuts[low - 1].start;
			end = hours->cuts[low - 1].end;
		}
		else
			start = Max(start, hours->cuts[low - 1].end);
	}

	*from = Max(start - zone->offsets[span], zone->starts[span]) + cycles * LR_ZONE_CYCLE;
	*until = Min(end - zone->offsets[span], span + 1 < zone->nspans ? zone->starts[span + 1] : LR_ZONE_PERIOD_END) + cycles * LR_ZONE_CYCLE;
	return open;
}

TimestampTz
lr_hours_next_open(LrHours *hours, TimestampTz at)
{
	if (lr_hours_open(hours, at))
		return at;
	return checked(find_total(hours, lr_hours_total(hours, at), true));
}

TimestampTz
lr_hours_next_close(LrHours *hours, TimestampTz at, TimestampTz limit)
{
	while (at < limit && lr_hours_open(hours, at))
		at = hours->known_until;
	return Min(at, limit);
}

/* ---- days ---- */

TimestampTz
lr_hours_add_days(LrHours *hours, TimestampTz from, int64 days)
{
	int64 clock_time;
	int64 day;
	int64 local;
	TimestampTz close;
	TimestampTz at;

	if (days == 0)
		return from;
	day = business_day(hours, from, &clock_time);
	day = ranked_day(hours, days > 0 ? day_rank(hours, day + 1) + days - 1 : day_rank(hours, day) + days);
	if (day < FIRST_DAY || day >= END_DAY)
		return checked(days > 0 ? END_TIMESTAMP : MIN_TIMESTAMP - 1);
	close = day_close(hours, day);
	local = day * USECS_PER_DAY + clock_time;
	/* on the last day that there is, the clock time may be beyond it, and then so is the close */
	at = local < END_TIMESTAMP ? lr_zone_instant(hours->zone, local) : close;
	return checked(Min(at, close));
}

TimestampTz
lr_hours_close(LrHours *hours, TimestampTz from, int days)
{
	int64 clock_time;
	int64 day = business_day(hours, from, &clock_time);
	int64 rank = day_rank(hours, day);

	/* not a business day, or over: the next one is the first */
	if (ranked_day(hours, rank) == day && day < END_DAY && day_close(hours, day) <= from)
		rank++;
	day = ranked_day(hours, rank + days);
	if (day < FIRST_DAY || day >= END_DAY)
		return checked(END_TIMESTAMP);
	return checked(day_close(hours, day));
}

/*
 * The day to which an instant belongs, and the clock time on it: the local date, but after midnight in hours that began the
 * day before that day, at a clock time beyond 24:00.
 */
static int64
business_day(LrHours *hours, TimestampTz at, int64 *clock_time)
{
	int64 local = local_time(hours, at);
	int64 day = floor_divide(local, USECS_PER_DAY);
	int64 time = local - day * USECS_PER_DAY;
	int weekday = weekday_of(day);

	*clock_time = time;
	if (!lr_hours_open(hours, at))
		return day;
	for (int row = hours->week_index[weekday]; row < hours->week_index[weekday + 1]; row++)
	{
		if (time >= hours->week[row].opens && time < hours->week[row].closes)
			return day;
	}
	*clock_time = time + USECS_PER_DAY;
	return day - 1;
}

static int64
local_time(const LrHours *hours, TimestampTz at)
{
	int64 cycles = within_cycle(&at);

	return at + hours->zone->offsets[lr_zone_span(hours->zone, at)] + cycles * LR_ZONE_CYCLE;
}

/* How many business days come before a day, counted from a fixed one. */
static int64
day_rank(const LrHours *hours, int64 day)
{
	int64 cycles = 0;
	int64 week;
	int low = 0;
	int high = hours->nexceptions;

	if (day >= LR_ZONE_PERIOD_END_DAY)
	{
		cycles = (day - LR_ZONE_PERIOD_END_DAY) / LR_ZONE_CYCLE_DAYS + 1;
		day -= cycles * LR_ZONE_CYCLE_DAYS;
	}
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->exceptions[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	week = floor_divide(day - FIRST_MONDAY_DAY, 7);
	return week * hours->week_days + hours->days_before[weekday_of(day)] - low + cycles * hours->cycle_days;
}

/* The business day before which so many come. */
static int64
ranked_day(const LrHours *hours, int64 rank)
{
	int64 cycles = 0;
	int64 week;
	int low = 0;
	int high = hours->nexceptions;

	if (rank >= hours->period_end_rank)
	{
		cycles = (rank - hours->period_end_rank) / hours->cycle_days + 1;
		rank -= cycles * hours->cycle_days;
	}
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (hours->exception_ranks[middle] <= rank)
			low = middle + 1;
		else
			high = middle;
	}
	rank += low;
	week = floor_divide(rank, hours->week_days);
	return FIRST_MONDAY_DAY + week * 7 + hours->weekdays[rank - week * hours->week_days] + cycles * LR_ZONE_CYCLE_DAYS;
}

/* The last instant at which the hours of a business day are open, or rather the first at which they are so no more. */
static TimestampTz
day_close(LrHours *hours, int64 day)
{
	const LrZone *zone = hours->zone;
	int64 cycles = 0;
	int64 local;
	TimestampTz close;
	int span;

	if (day >= LR_ZONE_PERIOD_END_DAY)
	{
		cycles = (day - LR_ZONE_PERIOD_END_DAY) / LR_ZONE_CYCLE_DAYS + 1;
		day -= cycles * LR_ZONE_CYCLE_DAYS;
	}
	local = day * USECS_PER_DAY + hours->day_close[weekday_of(day)];
	/* the last instant before which clocks show less: of a time that comes twice the second, for one left out the change itself */
	span = lr_zone_span(hours->zone, Min(local + 2 * USECS_PER_DAY, LR_ZONE_PERIOD_END - 1));
	while (span > 0 && zone->starts[span] + zone->offsets[span] >= local)
		span--;
	close = local - zone->offsets[span];
	if (span + 1 < zone->nspans)
		close = Min(close, zone->starts[span + 1]);
	/* closures, and what the zone left out, may end it earlier */
	return find_total(hours, lr_hours_total(hours, close), false) + cycles * LR_ZONE_CYCLE;
}

TimestampTz
lr_hours_midnight(LrHours *hours, int64 day)
{
	if (day < FIRST_DAY || day >= END_DAY)
		return checked(END_TIMESTAMP);
	return checked(lr_zone_instant(hours->zone, day * USECS_PER_DAY));
}

static TimestampTz
checked(int64 at)
{
	if (!IS_VALID_TIMESTAMP(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return at;
}
