/*
 * calendar_sql.c
 *		The SQL functions about business time; calendar.c answers.
 *
 * A call site remembers its calendar as long as the arguments name the same: a query over a million rows looks it up once.
 */
#include "postgres.h"

#include "calendar.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(lr_business_add);
PG_FUNCTION_INFO_V1(lr_business_between);
PG_FUNCTION_INFO_V1(lr_business_close);
PG_FUNCTION_INFO_V1(lr_business_is_open);
PG_FUNCTION_INFO_V1(lr_business_next_open);
PG_FUNCTION_INFO_V1(lr_business_hours);
PG_FUNCTION_INFO_V1(lr_calendar_week);
PG_FUNCTION_INFO_V1(lr_calendar_problem_sql);
PG_FUNCTION_INFO_V1(lr_zone_is_known);

typedef struct CallSite
{
	LrCalendar *calendar;
	text *name;
	text *flow;
} CallSite;

static LrCalendar *named_calendar(FunctionCallInfo fcinfo, int flow_argument);
static bool same_text(const text *a, const text *b);
static void open_hours(FunctionCallInfo fcinfo, LrCalendar *calendar, TimestampTz from, TimestampTz to);
static Interval *hours_interval(int64 usecs);

/* The calendar that argument 0 names, of the flow that flow_argument names. */
static LrCalendar *
named_calendar(FunctionCallInfo fcinfo, int flow_argument)
{
	CallSite *site = fcinfo->flinfo->fn_extra;
	text *name = PG_GETARG_TEXT_PP(0);
	text *flow = PG_GETARG_TEXT_PP(flow_argument);
	LrCalendar *calendar;

	if (site && same_text(site->name, name) && same_text(site->flow, flow))
		return site->calendar;
	calendar = lr_calendar(text_to_cstring(flow), text_to_cstring(name));
	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	else
	{
		pfree(site->name);
		pfree(site->flow);
	}
	site->calendar = calendar;
	site->name = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, VARSIZE_ANY(name));
	memcpy(site->name, name, VARSIZE_ANY(name));
	site->flow = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, VARSIZE_ANY(flow));
	memcpy(site->flow, flow, VARSIZE_ANY(flow));
	return calendar;
}

static bool
same_text(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* business_add(calendar text, start timestamptz, duration interval, flow text) RETURNS timestamptz */
Datum
lr_business_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(lr_calendar_add_interval(named_calendar(fcinfo, 3), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_INTERVAL_P(2)));
}

/* business_between(calendar text, start timestamptz, finish timestamptz, flow text) RETURNS interval */
Datum
lr_business_between(PG_FUNCTION_ARGS)
{
	LrCalendar *calendar = named_calendar(fcinfo, 3);
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz to = PG_GETARG_TIMESTAMPTZ(2);

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("cannot subtract infinite timestamps")));
	PG_RETURN_INTERVAL_P(hours_interval(lr_calendar_between(calendar, from, to)));
}

static Interval *
hours_interval(int64 usecs)
{
	Interval *result = palloc(sizeof(Interval));

	result->time = usecs;
	result->day = 0;
	result->month = 0;
	return result;
}

/* business_close(calendar text, start timestamptz, days integer, flow text) RETURNS timestamptz */
Datum
lr_business_close(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(lr_calendar_close(named_calendar(fcinfo, 3), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_INT32(2)));
}

/* business_is_open(calendar text, at timestamptz, flow text) RETURNS boolean; NULL at infinity */
Datum
lr_business_is_open(PG_FUNCTION_ARGS)
{
	LrCalendar *calendar = named_calendar(fcinfo, 2);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(lr_calendar_is_open(calendar, at));
}

/* business_next_open(calendar text, at timestamptz, flow text) RETURNS timestamptz */
Datum
lr_business_next_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(lr_calendar_next_open(named_calendar(fcinfo, 2), PG_GETARG_TIMESTAMPTZ(1)));
}

/* business_hours(calendar text, start timestamptz, finish timestamptz, flow text) RETURNS TABLE (opens, closes, duration) */
Datum
lr_business_hours(PG_FUNCTION_ARGS)
{
	LrCalendar *calendar = lr_calendar(text_to_cstring(PG_GETARG_TEXT_PP(3)), text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz to = PG_GETARG_TIMESTAMPTZ(2);

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range"),
				 errdetail("Opening hours are listed between two finite instants.")));
	open_hours(fcinfo, calendar, from, to);
	return (Datum) 0;
}

/* calendar_week(calendar text, day date, flow text) RETURNS TABLE (opens, closes, duration) */
Datum
lr_calendar_week(PG_FUNCTION_ARGS)
{
	LrCalendar *calendar = lr_calendar(text_to_cstring(PG_GETARG_TEXT_PP(2)), text_to_cstring(PG_GETARG_TEXT_PP(0)));
	DateADT day = PG_GETARG_DATEADT(1);
	int64 monday;

	if (DATE_NOT_FINITE(day))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range")));
	monday = (int64) day - (j2day(day + POSTGRES_EPOCH_JDATE) + 6) % 7;
	open_hours(fcinfo, calendar, lr_calendar_midnight(calendar, monday), lr_calendar_midnight(calendar, monday + 7));
	return (Datum) 0;
}

/* Puts what is open between two instants into the call's result set. */
static void
open_hours(FunctionCallInfo fcinfo, LrCalendar *calendar, TimestampTz from, TimestampTz to)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz at = from;

	InitMaterializedSRF(fcinfo, 0);
	if (lr_calendar_never_opens(calendar))
		return;
	while (at < to && (at = lr_calendar_next_open(calendar, at)) < to)
	{
		TimestampTz closes = lr_calendar_next_close(calendar, at, to);
		Datum values[3] = {TimestampTzGetDatum(at), TimestampTzGetDatum(closes)};
		bool nulls[3] = {false, false, false};
		Interval *duration = hours_interval(lr_calendar_between(calendar, at, closes));

		CHECK_FOR_INTERRUPTS();
		values[2] = IntervalPGetDatum(duration);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(duration);
		at = closes;
	}
}

/* calendar_problem(calendar text, flow text) RETURNS text */
Datum
lr_calendar_problem_sql(PG_FUNCTION_ARGS)
{
	LrCalendar *calendar = lr_calendar_find(text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const char *problem = calendar ? lr_calendar_problem(calendar) : "does not exist";

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* zone_is_known(timezone text) RETURNS boolean */
Datum
lr_zone_is_known(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_zone_exists(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
