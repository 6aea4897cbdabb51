/*
 * signals.c
 *		A lead's signals: read, and what they are worth at an instant.
 *
 * Read with what is committed at the moment and this transaction's own rows, the running command's included (SnapshotSelf), so
 * that a lead finds the signals that came before it whatever the isolation level, and a serializable transaction takes no
 * predicate locks; or with the snapshot of whoever asks. Arithmetic of intervals is that of UTC, so that no session's TimeZone changes a score; signals.at
 * and the intervals are bounded by CHECKs, so none of it overflows.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "compat.h"
#include "journal.h"
#include "leadroute.h"
#include "signals.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Attribute numbers of leadroute.signals (31_signals.sql). */
enum
{
	SIGNAL_FLOW = 1,
	SIGNAL_LEAD,
	SIGNAL_ID,
	SIGNAL_TYPE,
	SIGNAL_AT
};

/* How often an irrational decay is looked at: in parts of its half-life. */
#define HALF_LIFE_STEPS 64

typedef struct SignalReading
{
	const char *flow;
	const ScoringConfig *scoring;
	const ScoreMemo *memo;
	TimestampTz at;
	Snapshot snapshot;
	Relation rel;
	Relation index;
	TupleTableSlot *slot;
	LeadSignals *result;
	int room;
} SignalReading;

static void read_of(SignalReading *reading, const char *lead);
static void read_duplicates(SignalReading *reading, const char *lead);
static void begin_scan(ScanKey keys, Relation index, const char *first, const char *second);
static int compare_ids(const void *a, const void *b);
static int type_of(const ScoringConfig *scoring, Datum type);
static void take(SignalReading *reading, int type, TimestampTz at);
static int compare_signals(const void *a, const void *b);
static void worth_of_absence(const ScoringCriterion *criterion, TimestampTz last, TimestampTz at, SignalWorth *worth);
static ScorePoints decayed(const ScoringCriterion *criterion, const TimestampTz *times, int n, int which, TimestampTz at,
						   TimestampTz *next);
static int64 inactive_periods(const Interval *period, const TimestampTz *times, int n, int which, TimestampTz at, int64 most);
static int64 whole_periods(TimestampTz from, const Interval *period, TimestampTz at);
static double microseconds(const Interval *interval);
static TimestampTz later(TimestampTz from, const Interval *interval, int64 times);
static void earlier_of(TimestampTz *next, TimestampTz candidate, TimestampTz now);

void
lr_signals_read(const char *flow, const char *lead, const ScoringConfig *scoring, const ScoreMemo *memo, TimestampTz at,
				LeadSignals *signals)
{
	SignalReading reading = {.flow = flow, .scoring = scoring, .memo = memo, .at = at, .result = signals};

	memset(signals, 0, sizeof(LeadSignals));
	signals->next = DT_NOEND;
	if (memo->is_duplicate || lead == NULL || scoring->ntypes == 0)
		return;
	reading.snapshot = memo->snapshot ? memo->snapshot : SnapshotSelf;
	reading.rel = table_open(lr_relation_oid("signals"), AccessShareLock);
	reading.index = lr_index_open(lr_relation_oid("signals_pkey"), AccessShareLock);
	reading.slot = table_slot_create(reading.rel, NULL);
	read_of(&reading, lead);
	if (memo->is_known)
		read_duplicates(&reading, lead);
	ExecDropSingleTupleTableSlot(reading.slot);
	index_close(reading.index, AccessShareLock);
	table_close(reading.rel, AccessShareLock);
	if (signals->n > 1)
		qsort(signals->signals, signals->n, sizeof(LeadSignal), compare_signals);
}

static void
read_of(SignalReading *reading, const char *lead)
{
	const ScoreMemo *memo = reading->memo;
	ScanKeyData keys[2];
	IndexScanDesc scan = lr_index_beginscan(reading->rel, reading->index, reading->snapshot, NULL, 2, 0);

	begin_scan(keys, reading->index, reading->flow, lead);
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, reading->slot))
	{
		bool isnull;
		int64 id = DatumGetInt64(slot_getattr(reading->slot, SIGNAL_ID, &isnull));
		int type = type_of(reading->scoring, slot_getattr(reading->slot, SIGNAL_TYPE, &isnull));

		if (type >= 0 && !(memo->nskipped > 0 && bsearch(&id, memo->skipped, memo->nskipped, sizeof(int64), compare_ids)))
			take(reading, type, DatumGetTimestampTz(slot_getattr(reading->slot, SIGNAL_AT, &isnull)));
	}
	index_endscan(scan);
}

bool
lr_signals_exist(const char *flow, const char *lead)
{
	Relation rel = table_open(lr_relation_oid("signals"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("signals_pkey"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData keys[2];
	IndexScanDesc scan = lr_index_beginscan(rel, index, SnapshotSelf, NULL, 2, 0);
	bool found;

	begin_scan(keys, index, flow, lead);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

/* A duplicate's signals are its first one's. */
static void
read_duplicates(SignalReading *reading, const char *lead)
{
	Relation rel = table_open(lr_relation_oid("lead_states"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("lead_states_duplicate_idx"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData keys[2];
	IndexScanDesc scan = lr_index_beginscan(rel, index, reading->snapshot, NULL, 2, 0);

	begin_scan(keys, index, reading->flow, lead);
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool isnull;
		char *status = TextDatumGetCString(slot_getattr(slot, STATE_STATUS + 1, &isnull));

		Datum came = slot_getattr(slot, STATE_SUBMITTED_AT + 1, &isnull);

		if (strcmp(status, "duplicate") != 0 && strcmp(status, "merged") != 0)
			continue;
		/* that the person came again is one too */
		if (!isnull && reading->scoring->duplicates != SIGNAL_UNKNOWN)
			take(reading, reading->scoring->duplicates, DatumGetTimestampTz(came));
		read_of(reading, TextDatumGetCString(slot_getattr(slot, STATE_LEAD + 1, &isnull)));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

static void
begin_scan(ScanKey keys, Relation index, const char *first, const char *second)
{
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0], F_TEXTEQ,
						   CStringGetTextDatum(first));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1], F_TEXTEQ,
						   CStringGetTextDatum(second));
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* SIGNAL_UNKNOWN where the flow does not know it. */
static int
type_of(const ScoringConfig *scoring, Datum type)
{
	char *name = TextDatumGetCString(type);
	int low = 0;
	int high = scoring->ntypes - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;
		int order = strcmp(name, scoring->types[middle].type);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return SIGNAL_UNKNOWN;
}

/* Keeps a signal that counts at the instant. */
static void
take(SignalReading *reading, int type, TimestampTz at)
{
	const ScoreMemo *memo = reading->memo;
	const SignalType *known = &reading->scoring->types[type];
	LeadSignals *result = reading->result;
	/* who asks for an instant before the reset is answered as it was then */
	bool reset = memo->has_since && memo->since <= reading->at && at < memo->since;

	/* an address stays dead, and a no stays a no, when a lead is recycled */
	if (reset && known->effect == 0)
		return;
	if (at > reading->at)
	{
		earlier_of(&result->next, at, reading->at);
		return;
	}
	if (known->has_counts_for)
	{
		TimestampTz end = later(at, &known->counts_for, 1);

		if (end <= reading->at)
			return;
		earlier_of(&result->next, end, reading->at);
	}
	result->effects |= known->effect;
	if (known->effect == EFFECT_NO_SCORING)
		result->excludes = type;
	if (reset)
		return;
	if (result->n == reading->room)
	{
		reading->room = Max(16, 2 * reading->room);
		if (result->signals)
			result->signals = repalloc(result->signals, reading->room * sizeof(LeadSignal));
		else
			result->signals = palloc(reading->room * sizeof(LeadSignal));
	}
	result->signals[result->n].at = at;
	result->signals[result->n++].type = type;
}

static int
compare_signals(const void *a, const void *b)
{
	const LeadSignal *x = a;
	const LeadSignal *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->type - y->type;
}

void
lr_signals_worth(const ScoringCriterion *criterion, const LeadSignals *signals, TimestampTz at, TimestampTz since, SignalWorth *worth)
{
	TimestampTz *times = signals->n > 0 ? palloc(signals->n * sizeof(TimestampTz)) : NULL;
	int n = 0;

	memset(worth, 0, sizeof(SignalWorth));
	worth->next = DT_NOEND;
	if (criterion->type == SIGNAL_UNKNOWN)
		return;
	for (int i = 0; i < signals->n; i++)
		if (criterion->type == SIGNAL_ANY || signals->signals[i].type == criterion->type)
			times[n++] = signals->signals[i].at;
	worth->signals = n;
	if (criterion->absent)
		worth_of_absence(criterion, n > 0 ? Max(times[n - 1], since) : since, at, worth);
	else if (criterion->per_event)
	{
		for (int i = 0; i < n; i++)
			worth->points += decayed(criterion, times, n, i, at, &worth->next);
		worth->raw = n * criterion->points;
		if (criterion->max_points > 0)
			worth->points = criterion->points > 0 ? Min(worth->points, criterion->max_points) : Max(worth->points, -criterion->max_points);
	}
	else
	{
		/* the last that had enough behind it */
		int which = n - 1;

		while (which >= criterion->min_count - 1 && criterion->has_within &&
			   later(times[which - criterion->min_count + 1], &criterion->within, 1) < times[which])
			which--;
		if (which >= criterion->min_count - 1)
		{
			worth->raw = criterion->points;
			worth->points = decayed(criterion, times, n, which, at, &worth->next);
		}
	}
	if (times)
		pfree(times);
}

static void
worth_of_absence(const ScoringCriterion *criterion, TimestampTz last, TimestampTz at, SignalWorth *worth)
{
	TimestampTz from = later(last, &criterion->within, 1);

	if (from <= at)
		worth->raw = worth->points = criterion->points;
	else
		worth->next = from;
}

/* The points of the signal times[which], whose like came at times[0 .. n). */
static ScorePoints
decayed(const ScoringCriterion *criterion, const TimestampTz *times, int n, int which, TimestampTz at, TimestampTz *next)
{
	const Interval *period = &criterion->decay_period;
	TimestampTz from = times[which];
	ScorePoints most = criterion->points < 0 ? -criterion->points : criterion->points;
	ScorePoints left;
	int64 periods;
	int64 elapsed;
	int64 enough;

	if (!criterion->decays)
		return criterion->points;
	if (criterion->decay == DECAY_HALF_LIFE)
	{
		double length = microseconds(period);

		left = (ScorePoints) rint((double) most * pow(0.5, (double) (at - from) / length));
		if (left > 0)
			earlier_of(next, at + Max((int64) (length / HALF_LIFE_STEPS), USECS_PER_MINUTE), at);
	}
	else
	{
		elapsed = whole_periods(from, period, at);
		enough = (most + criterion->decay_points - 1) / criterion->decay_points;
		if (criterion->decay == DECAY_PER_PERIOD)
			periods = Min(elapsed, enough);
		else
			periods = inactive_periods(period, times, n, which, at, enough);
		left = Max(0, most - periods * criterion->decay_points);
		if (left > 0)
			earlier_of(next, later(from, period, elapsed + 1), at);
	}
	return criterion->points < 0 ? -left : left;
}

/*
 * How many of the whole periods since times[which] saw no further signal; `most` is where nobody counts on. A period begins after
 * its first instant and ends with its last.
 */
static int64
inactive_periods(const Interval *period, const TimestampTz *times, int n, int which, TimestampTz at, int64 most)
{
	TimestampTz from = times[which];
	int64 inactive = 0;
	int64 i = 0;

	while (inactive < most)
	{
		TimestampTz begin = later(from, period, i);
		TimestampTz end = later(from, period, i + 1);

		if (end > at)
			break;
		while (which < n && times[which] <= begin)
			which++;
		if (which == n)
		{
			/* nothing comes any more: the rest are all of them */
			inactive += whole_periods(from, period, at) - i;
			break;
		}
		if (times[which] > end)
		{
			/* up to the one that holds the next */
			int64 quiet = Max(whole_periods(from, period, times[which]) - i, 1);

			inactive += quiet;
			i += quiet;
		}
		else
			i++;
	}
	return Min(inactive, most);
}

/* The greatest n >= 0 for which from + n periods is not after `at`. */
static int64
whole_periods(TimestampTz from, const Interval *period, TimestampTz at)
{
	int64 n;

	if (at <= from)
		return 0;
	if (period->month == 0)
		return (at - from) / (period->day * USECS_PER_DAY + period->time);
	n = Max((int64) ((double) (at - from) / microseconds(period)), 0);
	while (n > 0 && later(from, period, n) > at)
		n--;
	while (later(from, period, n + 1) <= at)
		n++;
	return n;
}

/* As extract(epoch) counts: a year has 365.25 days, a month 30. */
static double
microseconds(const Interval *interval)
{
	int years = interval->month / MONTHS_PER_YEAR;

	return (years * (double) SECS_PER_YEAR + (interval->month % MONTHS_PER_YEAR) * (double) (DAYS_PER_MONTH * SECS_PER_DAY) +
			interval->day * (double) SECS_PER_DAY) *
			   (double) USECS_PER_SEC +
		   (double) interval->time;
}

/* So many times the interval after an instant, by the calendar of UTC. */
static TimestampTz
later(TimestampTz from, const Interval *interval, int64 times)
{
	Interval total = {.time = interval->time * times, .day = (int32) (interval->day * times), .month = (int32) (interval->month * times)};

	if (interval->month == 0)
		return from + (interval->day * USECS_PER_DAY + interval->time) * times;
	/* a timestamp without a zone has the same representation, and is what its clock in UTC shows */
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(from), IntervalPGetDatum(&total)));
}

/* The earlier of two instants that are still to come. */
static void
earlier_of(TimestampTz *next, TimestampTz candidate, TimestampTz now)
{
	if (candidate > now && candidate < *next)
		*next = candidate;
}
