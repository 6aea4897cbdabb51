/*
 * calendar.c
 *		The session's calendars: hours.c's compiled hours, read from the tables by name.
 *
 * Invalidation: row and TRUNCATE triggers (calendar_changed) on calendars, calendar_hours and holidays send a relcache
 * invalidation of leadroute.calendars, which follows the transaction. The callback only counts; a calendar whose count is
 * old is read anew by the next question to it. 24x7 is in the zone of its flow, so it counts the changes of the configuration too.
 *
 * Hours that a session has compiled lie in shared memory for those after it (config_share.c), void with any change of configuration.
 *
 * Rows are read with the newest snapshot (owner.c), as the configuration is. In a parallel query there is none to be had: then
 * the query's own is used, and what was read is forgotten with the transaction.
 *
 * Memory: a calendar is an entry of a hash table under CacheMemoryContext, which dynahash never moves; its compiled hours are a
 * context of their own, replaced whole. No function here runs anything between looking up the hours and being done with them.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "calendar.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "compat.h"
#include "config.h"
#include "config_row.h"
#include "config_share.h"
#include "fmgr.h"
#include "hours.h"
#include "leadroute.h"
#include "owner.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_calendar_changed);

/* A hash key: the names are copies under CacheMemoryContext once the entry stands. */
typedef struct CalendarKey
{
	const char *flow;
	const char *name;
} CalendarKey;

struct LrCalendar
{
	CalendarKey key;
	bool exists;
	LrHours *hours;	   /* NULL where it does not exist, or its zone is not known */
	uint64 generation; /* of what was read; 0: nothing yet */
	bool parallel;	   /* read in a parallel query of the transaction that began at read_in */
	TimestampTz read_in;
};

typedef struct HoursRead
{
	const LrCalendar *calendar;
	MemoryContext mcxt;
	LrHours *hours;
	bool exists;
} HoursRead;

static HTAB *calendars = NULL;
static MemoryContext cache_context = NULL; /* holds the table, the names and the hours */
static uint64 generation = 1;
static Oid anchor_relid = InvalidOid;

static void calendar_relcache_callback(Datum arg, Oid relid);
static bool exists(LrCalendar *calendar);
static LrHours *calendar_hours(LrCalendar *calendar);
static LrHours *opening_hours(LrCalendar *calendar);
static uint64 current_generation(const LrCalendar *calendar);
static bool holds(const LrCalendar *calendar);
static void refresh(LrCalendar *calendar);
static LrHours *find_shared(const LrCalendar *calendar, MemoryContext mcxt, SharePlace *place);
static void read_hours(HoursRead *read, SharePlace *place);
static void share_hours(const LrHours *hours, const SharePlace *place);
static LrHours *read_calendar(const LrCalendar *calendar, MemoryContext mcxt, bool *exists);
static LrHours *read_always(const LrCalendar *calendar, MemoryContext mcxt);
static uint64 read_rows(const char *query, const LrCalendar *calendar);
static uint32 hash_key(const void *key, Size size);
static int match_key(const void *a, const void *b, Size size);
static void make_table(void);
pg_noreturn static void raise_undefined(const char *flow, const char *name);

void
lr_calendar_init(void)
{
	CacheRegisterRelcacheCallback(calendar_relcache_callback, (Datum) 0);
}

static void
calendar_relcache_callback(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == anchor_relid || anchor_relid == InvalidOid)
		generation++;
}

/* ---- by name ---- */

uint64
lr_calendar_generation(void)
{
	return generation;
}

LrCalendar *
lr_calendar(const char *flow, const char *name)
{
	LrCalendar *calendar = lr_calendar_find(flow, name);

	if (calendar == NULL)
		raise_undefined(flow, name);
	return calendar;
}

LrCalendar *
lr_calendar_find(const char *flow, const char *name)
{
	CalendarKey key = {.flow = flow, .name = name};
	LrCalendar *calendar;

	if (calendars == NULL)
		make_table();
	/* a query that opens no table would not hear of a change until its transaction ends */
	AcceptInvalidationMessages();
	calendar = hash_search(calendars, &key, HASH_FIND, NULL);
	if (calendar == NULL)
	{
		LrCalendar unknown = {.key = key};

		/* of names that are none, nothing is kept: there is no end to them */
		refresh(&unknown);
		if (!unknown.exists)
			return NULL;
		key.flow = MemoryContextStrdup(cache_context, flow);
		key.name = MemoryContextStrdup(cache_context, name);
		calendar = hash_search(calendars, &key, HASH_ENTER, NULL);
		*calendar = unknown;
		calendar->key = key;
		return calendar;
	}
	return exists(calendar) ? calendar : NULL;
}

/* Whether a calendar that somebody holds is there still. */
static bool
exists(LrCalendar *calendar)
{
	if (!holds(calendar))
		refresh(calendar);
	return calendar->exists;
}

static void
make_table(void)
{
	HASHCTL ctl = {.keysize = sizeof(CalendarKey), .entrysize = sizeof(LrCalendar), .hash = hash_key, .match = match_key};

	cache_context = AllocSetContextCreate(CacheMemoryContext, "leadroute calendars", ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = cache_context;
	calendars = hash_create("leadroute calendars", 32, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static uint32
hash_key(const void *key, Size size)
{
	const CalendarKey *names = key;

	return hash_combine(hash_bytes((const unsigned char *) names->flow, (int) strlen(names->flow)),
						hash_bytes((const unsigned char *) names->name, (int) strlen(names->name)));
}

static int
match_key(const void *a, const void *b, Size size)
{
	const CalendarKey *left = a;
	const CalendarKey *right = b;

	return strcmp(left->name, right->name) != 0 || strcmp(left->flow, right->flow) != 0;
}

/* ---- memory ---- */

Size
lr_calendar_memory(void)
{
	return cache_context ? MemoryContextMemAllocated(cache_context, true) : 0;
}

void
lr_calendar_forget_flow(const char *flow)
{
	HASH_SEQ_STATUS status;
	LrCalendar *calendar;

	if (calendars == NULL)
		return;
	hash_seq_init(&status, calendars);
	while ((calendar = hash_seq_search(&status)) != NULL)
	{
		if (calendar->hours == NULL || strcmp(calendar->key.flow, flow) != 0)
			continue;
		lr_hours_free(calendar->hours);
		calendar->hours = NULL;
		calendar->generation = 0;
	}
}

/* ---- reading ---- */

/* Whether what the session has read is what there is. */
static bool
holds(const LrCalendar *calendar)
{
	if (calendar->generation != current_generation(calendar))
		return false;
	return !calendar->parallel || (IsInParallelMode() && calendar->read_in == GetCurrentTransactionStartTimestamp());
}

static uint64
current_generation(const LrCalendar *calendar)
{
	/* both only grow, so the sum is old as soon as one of them is */
	return strcmp(calendar->key.name, LR_CALENDAR_ALWAYS) == 0 ? generation + lr_config_generation() : generation;
}

static void
refresh(LrCalendar *calendar)
{
	/* the context belongs to the transaction until it is whole */
	MemoryContext mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute calendar", ALLOCSET_SMALL_SIZES);
	HoursRead read = {.calendar = calendar, .mcxt = mcxt, .exists = true};
	uint64 seen;
	bool parallel = IsInParallelMode();
	SharePlace place;

	anchor_relid = lr_relation_oid("calendars");
	AcceptInvalidationMessages();
	seen = current_generation(calendar);
	read.hours = find_shared(calendar, mcxt, &place);
	if (read.hours == NULL)
		read_hours(&read, &place);

	if (calendar->hours != NULL)
		lr_hours_free(calendar->hours);
	if (read.hours != NULL)
		lr_hours_keep(read.hours, cache_context);
	calendar->exists = read.exists;
	calendar->hours = read.hours;
	calendar->generation = seen;
	calendar->parallel = parallel;
	calendar->read_in = GetCurrentTransactionStartTimestamp();
	MemoryContextDelete(mcxt);
}

/* What another session has compiled, in a context under mcxt; NULL where there is nothing, or the session knows the zone otherwise. */
static LrHours *
find_shared(const LrCalendar *calendar, MemoryContext mcxt, SharePlace *place)
{
	MemoryContext own = AllocSetContextCreate(mcxt, "leadroute hours", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(own);
	Size size;
	void *image = lr_share_find("hours", calendar->key.flow, calendar->key.name, anchor_relid, place, &size);
	LrHours *hours = image ? lr_hours_of_image(own, image) : NULL;

	MemoryContextSwitchTo(caller);
	if (hours == NULL)
		MemoryContextDelete(own);
	return hours;
}

/* Reads the tables as the extension's owner, for the next session too. */
static void
read_hours(HoursRead *read, SharePlace *place)
{
	OwnerSession session;

	lr_owner_begin(&session);
	lr_share_look(place);
	if (strcmp(read->calendar->key.name, LR_CALENDAR_ALWAYS) == 0)
		read->hours = read_always(read->calendar, read->mcxt);
	else
		read->hours = read_calendar(read->calendar, read->mcxt, &read->exists);
	if (read->hours && place->publishes)
		share_hours(read->hours, place);
	lr_owner_end(&session);
}

static void
share_hours(const LrHours *hours, const SharePlace *place)
{
	SharePiece piece;

	piece.data = lr_hours_image(hours, &piece.size);
	lr_share_publish(place, &piece, 1);
}

/* NULL where there is no such calendar, or no such zone. */
static LrHours *
read_calendar(const LrCalendar *calendar, MemoryContext mcxt, bool *exists)
{
	LrZone *zone;
	WeekHours *week;
	Closure *closures;
	int nweek;
	int nclosures;

	if (read_rows("SELECT timezone FROM leadroute.calendars WHERE flow = $1 AND calendar = $2", calendar) == 0)
	{
		*exists = false;
		return NULL;
	}
	zone = lr_zone(lr_row_text(0, 1));
	if (zone == NULL)
		return NULL;

	nweek = (int)
		read_rows("SELECT weekday, opens, closes FROM leadroute.calendar_hours WHERE flow = $1 AND calendar = $2", calendar);
	week = MemoryContextAlloc(mcxt, Max(nweek, 1) * sizeof(WeekHours));
	for (int i = 0; i < nweek; i++)
	{
		week[i].weekday = DatumGetInt16(lr_row_value(i, 1)) - 1;
		week[i].opens = DatumGetTimeADT(lr_row_value(i, 2));
		week[i].closes = DatumGetTimeADT(lr_row_value(i, 3));
		if (week[i].closes <= week[i].opens)
			week[i].closes += USECS_PER_DAY;
	}

	nclosures = (int)
		read_rows("SELECT h.day, h.closed_from, h.closed_until"
				  " FROM leadroute.calendars c JOIN leadroute.holidays h ON h.flow = c.flow AND h.list = ANY (c.holidays)"
				  " WHERE c.flow = $1 AND c.calendar = $2",
				  calendar);
	closures = MemoryContextAllocHuge(mcxt, Max(nclosures, 1) * sizeof(Closure));
	for (int i = 0; i < nclosures; i++)
	{
		int64 day = DatumGetDateADT(lr_row_value(i, 1)) * USECS_PER_DAY;

		closures[i].start = day + DatumGetTimeADT(lr_row_value(i, 2));
		closures[i].end = day + DatumGetTimeADT(lr_row_value(i, 3));
	}
	return lr_hours_make(mcxt, zone, week, nweek, closures, nclosures);
}

/* Always open, in the zone of the flow; one that does not exist has the default's. */
static LrHours *
read_always(const LrCalendar *calendar, MemoryContext mcxt)
{
	bool found = read_rows("SELECT timezone FROM leadroute.flows WHERE flow = $1 AND $2 IS NOT NULL", calendar) > 0;
	LrZone *zone = lr_zone(found ? lr_row_text(0, 1) : "UTC");
	WeekHours week[7];

	if (zone == NULL)
		return NULL;
	for (int weekday = 0; weekday < 7; weekday++)
	{
		week[weekday].weekday = weekday;
		week[weekday].opens = 0;
		week[weekday].closes = USECS_PER_DAY;
	}
	return lr_hours_make(mcxt, zone, week, 7, NULL, 0);
}

static uint64
read_rows(const char *query, const LrCalendar *calendar)
{
	return lr_config_rows_named(query, calendar->key.flow, calendar->key.name);
}

/* ---- asking ---- */

static LrHours *
calendar_hours(LrCalendar *calendar)
{
	if (!exists(calendar))
		raise_undefined(calendar->key.flow, calendar->key.name);
	if (calendar->hours == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone of calendar \"%s\" of flow \"%s\" is not recognized", calendar->key.name, calendar->key.flow),
				 errhint("pg_timezone_names lists the zones that this server knows.")));
	return calendar->hours;
}

static void
raise_undefined(const char *flow, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("calendar \"%s\" of flow \"%s\" does not exist", name, flow),
			 errhint("Insert it into leadroute.calendars, or use \"%s\", which is always there.", LR_CALENDAR_ALWAYS)));
}

/* For who would wait until it opens. */
static LrHours *
opening_hours(LrCalendar *calendar)
{
	LrHours *hours = calendar_hours(calendar);

	if (lr_hours_never(hours))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("calendar \"%s\" of flow \"%s\" is never open", calendar->key.name, calendar->key.flow),
				 errdetail("It has no hours, so what waits for it would wait for ever."),
				 errhint("Insert its hours into leadroute.calendar_hours.")));
	return hours;
}

bool
lr_calendar_never_opens(LrCalendar *calendar)
{
	return lr_hours_never(calendar_hours(calendar));
}

const char *
lr_calendar_problem(LrCalendar *calendar)
{
	if (!exists(calendar))
		return "does not exist";
	if (calendar->hours == NULL)
		return "has a time zone that this server does not know";
	return lr_hours_never(calendar->hours) ? "is never open" : NULL;
}

bool
lr_calendar_is_open(LrCalendar *calendar, TimestampTz at)
{
	return lr_hours_open(calendar_hours(calendar), at);
}

int64
lr_calendar_between(LrCalendar *calendar, TimestampTz from, TimestampTz to)
{
	LrHours *hours = calendar_hours(calendar);
	int64 usecs;

	/* from the first timestamp to the last there is more than an interval can tell */
	if (pg_sub_s64_overflow(lr_hours_total(hours, to), lr_hours_total(hours, from), &usecs))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("interval out of range")));
	return usecs;
}

TimestampTz
lr_calendar_add(LrCalendar *calendar, TimestampTz from, int64 usecs)
{
	return lr_hours_add(opening_hours(calendar), from, usecs);
}

TimestampTz
lr_calendar_add_interval(LrCalendar *calendar, TimestampTz from, const Interval *interval)
{
	LrHours *hours = opening_hours(calendar);

	if (INTERVAL_NOT_FINITE(interval))
	{
		bool forward = INTERVAL_IS_NOEND(interval);

		if (forward ? TIMESTAMP_IS_NOBEGIN(from) : TIMESTAMP_IS_NOEND(from))
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		return forward ? DT_NOEND : DT_NOBEGIN;
	}
	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("business time has no months"),
				 errdetail("A month has no fixed number of business days or open hours."),
				 errhint("Use days, which are business days, or hours, which are open time.")));
	if (TIMESTAMP_NOT_FINITE(from))
		return from;
	return lr_hours_add(hours, lr_hours_add_days(hours, from, interval->day), interval->time);
}

TimestampTz
lr_calendar_next_open(LrCalendar *calendar, TimestampTz at)
{
	LrHours *hours = opening_hours(calendar);

	return TIMESTAMP_NOT_FINITE(at) ? at : lr_hours_next_open(hours, at);
}

TimestampTz
lr_calendar_next_close(LrCalendar *calendar, TimestampTz at, TimestampTz limit)
{
	return lr_hours_next_close(calendar_hours(calendar), at, limit);
}

TimestampTz
lr_calendar_close(LrCalendar *calendar, TimestampTz from, int n)
{
	LrHours *hours = opening_hours(calendar);

	if (n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of business days must not be negative"),
				 errhint("0 is the close of the current business day, or of the next one.")));
	return TIMESTAMP_NOT_FINITE(from) ? from : lr_hours_close(hours, from, n);
}

TimestampTz
lr_calendar_midnight(LrCalendar *calendar, int64 day)
{
	return lr_hours_midnight(calendar_hours(calendar), day);
}

/* The trigger on the tables of calendars: what sessions have read of them is old when, and if, the change commits. */
Datum
lr_calendar_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "calendar_changed")));
	CacheInvalidateRelcacheByRelid(lr_relation_oid("calendars"));
	lr_share_changed(false);
	return PointerGetDatum(NULL);
}
