/*
 * progress.c
 *		Telling others how far a long call has come.
 *
 * The views pg_stat_progress_... are of core's own commands: an extension has no column there. What any session may write is what
 * pg_stat_activity shows as its query, as replication workers and pg_cron do.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "progress.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#define SHOWN_EVERY_MS 1000
#define TOLD_EVERY_MS 10000

static char subject[256];
static TimestampTz shown_at;
static TimestampTz told_at;
static const char *phase;

void
lr_progress_begin(const char *what)
{
	strlcpy(subject, what, sizeof(subject));
	shown_at = 0;
	phase = NULL;
	told_at = GetCurrentTimestamp();
}

void
lr_progress(const char *format, ...)
{
	TimestampTz now;
	char text[256];
	va_list args;

	CHECK_FOR_INTERRUPTS();
	now = GetCurrentTimestamp();
	if (format == phase && !TimestampDifferenceExceeds(shown_at, now, SHOWN_EVERY_MS))
		return;
	shown_at = now;
	phase = format;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pgstat_report_activity(STATE_RUNNING, psprintf("%s: %s; %s", subject, text, debug_query_string ? debug_query_string : ""));
	if (TimestampDifferenceExceeds(told_at, now, TOLD_EVERY_MS))
	{
		told_at = now;
		ereport(NOTICE, (errmsg("%s: %s", subject, text)));
	}
}

void
lr_progress_end(void)
{
	if (debug_query_string)
		pgstat_report_activity(STATE_RUNNING, debug_query_string);
}
