/*
 * instant.c
 *		The moment that a column of a leads table holds.
 *
 * What a text says must not depend on who writes the row: catch_up() reads the same text in another session. So it is read
 * under the zone and the order of dates that the attachment names, never under the session's TimeZone and DateStyle.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "instant.h"
#include "lead.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(lr_read_instant);

static int date_order(const char *dates);
static TimestampTz zoned_instant(Timestamp stamp, const char *zone);
static TimestampTz text_instant(const char *text, const InstantStyle *style, const char *column);
static bool epoch_instant(const char *text, TimestampTz *at);
static TimestampTz read_text(const char *text, const InstantStyle *style);

InstantStyle
lr_instant_style(const AttachmentConfig *columns, const char *name)
{
	const char *zone = lr_column_timezone(columns, name);
	InstantStyle style = {pstrdup(name), pstrdup(zone ? zone : "UTC"), date_order(lr_column_dates(columns, name))};

	return style;
}

/* Literals in conditions are MDY too. */
static int
date_order(const char *dates)
{
	if (dates && strcmp(dates, "DMY") == 0)
		return DATEORDER_DMY;
	if (dates && strcmp(dates, "YMD") == 0)
		return DATEORDER_YMD;
	return DATEORDER_MDY;
}

bool
lr_lead_instant(const LeadColumn *column, const InstantStyle *style, TupleTableSlot *slot, TimestampTz *at)
{
	Datum value;
	bool isnull;
	int overflow = 0;

	if (column->attno == 0)
		return false;
	value = slot_getattr(slot, column->attno, &isnull);
	if (isnull)
		return false;
	switch (column->type < FirstNormalObjectId ? column->type : getBaseType(column->type))
	{
		case TIMESTAMPTZOID:
			*at = DatumGetTimestampTz(value);
			break;
		case DATEOID:
			*at = zoned_instant(date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow), style->zone);
			break;
		case TIMESTAMPOID:
			*at = zoned_instant(DatumGetTimestamp(value), style->zone);
			break;
		default:
		{
			char *word = lr_lead_word(column, slot);

			if (word == NULL)
				return false;
			*at = text_instant(word, style, NameStr(TupleDescAttr(slot->tts_tupleDescriptor, column->attno - 1)->attname));
		}
	}
	return !TIMESTAMP_NOT_FINITE(*at);
}

/* Cannot fail: what is too near the calendar's ends for any zone to shift it counts as infinite, which means now. */
static TimestampTz
zoned_instant(Timestamp stamp, const char *zone)
{
	if (TIMESTAMP_NOT_FINITE(stamp) || stamp < MIN_TIMESTAMP + 2 * USECS_PER_DAY || stamp >= END_TIMESTAMP - 2 * USECS_PER_DAY)
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, CStringGetTextDatum(zone), TimestampGetDatum(stamp)));
}

/* The column is NULL where the text is nobody's. */
static TimestampTz
text_instant(const char *text, const InstantStyle *style, const char *column)
{
	MemoryContext context = CurrentMemoryContext;
	TimestampTz volatile at = DT_NOEND;
	TimestampTz epoch;

	if (epoch_instant(text, &epoch))
		return epoch;
	PG_TRY();
	{
		at = read_text(text, style);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (column == NULL || ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("column \"%s\" holds what is no time: %s", column, error->message),
				 style->name ? errhint("Days before months are told by columns => '{\"%s\": {\"column\": \"%s\", \"dates\": \"DMY\"}}'; {\"%s\": null} has the column not read.",
									   style->name, column, style->name)
							 : 0));
	}
	PG_END_TRY();
	return at;
}

/* A number of seconds, milli- or microseconds since 1970, told apart by how long it is; fewer digits are a date, as 20260131. */
static bool
epoch_instant(const char *text, TimestampTz *at)
{
	const char *number = text + strspn(text, " \t\r\n");
	size_t digits = strspn(number, "0123456789");
	const char *end = number + digits;
	double factor = digits == 9 || digits == 10 ? USECS_PER_SEC : digits == 13 ? USECS_PER_SEC / 1000
															  : digits == 16   ? 1
																			   : 0;

	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (factor == 0 || end[strspn(end, " \t\r\n")] != '\0')
		return false;
	*at = (TimestampTz) rint(strtod(number, NULL) * factor) - UNIX_EPOCH_USECS;
	return true;
}

/* As timestamptz_in has it, with the settings of the style in place of the session's. */
static TimestampTz
read_text(const char *text, const InstantStyle *style)
{
	pg_tz *session_zone = session_timezone;
	int session_order = DateOrder;
	pg_tz *zone = pg_tzset(style->zone);
	Datum volatile at = 0;

	PG_TRY();
	{
		if (zone)
			session_timezone = zone;
		DateOrder = style->dates;
		at = DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_FINALLY();
	{
		session_timezone = session_zone;
		DateOrder = session_order;
	}
	PG_END_TRY();
	return DatumGetTimestampTz(at);
}

/* read_instant(value text, zone text, dates text): what the trigger makes of such a text. */
Datum
lr_read_instant(PG_FUNCTION_ARGS)
{
	InstantStyle style = {NULL, text_to_cstring(PG_GETARG_TEXT_PP(1)), date_order(text_to_cstring(PG_GETARG_TEXT_PP(2)))};

	PG_RETURN_TIMESTAMPTZ(text_instant(text_to_cstring(PG_GETARG_TEXT_PP(0)), &style, NULL));
}
