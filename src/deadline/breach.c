/*
 * breach.c
 *		Why a deadline was missed: it came too late (sync_delay), it waited or changed hands (routing), its owner had as much as he may (overload) or was
 *		off shift (after_hours), or just did not answer (no_response).
 *
 * An owner's open leads come from shared memory: the ledger has a row a lead until a sweep folds it.
 */
#include "postgres.h"

#include "breach.h"
#include "calendar.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "journal.h"
#include "owner.h"
#include "rotation.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(lr_sql_breach_reason);

static int capacity_of(const FlowConfig *config, const RepConfig *owner, const char *team);
static int64 open_leads(const FlowConfig *config, const RepConfig *owner);
static bool was_off_shift(const ClockRow *row, const RepConfig *owner);

const char *
lr_breach_by_owner(const ClockRow *row, const char *team)
{
	const RepConfig *owner = row->owner ? lr_config_rep(row->config, row->owner) : NULL;
	int capacity;

	if (owner == NULL)
		return "no_response";
	capacity = capacity_of(row->config, owner, team);
	if (capacity != NO_LIMIT && open_leads(row->config, owner) >= capacity)
		return "overload";
	if (owner->calendar && was_off_shift(row, owner))
		return "after_hours";
	return "no_response";
}

/* The tighter of what he may have over all teams and of this one. */
static int
capacity_of(const FlowConfig *config, const RepConfig *owner, const char *team)
{
	const TeamConfig *of = team ? lr_config_team(config, team) : NULL;
	int capacity = owner->capacity;

	for (int i = 0; of && i < of->nmembers; i++)
	{
		int limit = of->details[i].capacity;

		if (strcmp(of->member_names[i], owner->rep) != 0)
			continue;
		if (limit != NO_LIMIT && (capacity == NO_LIMIT || limit < capacity))
			capacity = limit;
		break;
	}
	return capacity;
}

static int64
open_leads(const FlowConfig *config, const RepConfig *owner)
{
	int32 open = lr_rotation_rep_total(config->flow, owner->rep);
	QueryArguments arguments = {0};
	bool isnull;
	Datum sum;

	if (open >= 0)
		return open;
	lr_argument_text(&arguments, config->flow);
	lr_argument_text(&arguments, owner->rep);
	lr_owner_run("SELECT sum(r.open) FROM leadroute.rotation r WHERE r.flow = $1 AND r.rep = $2", &arguments, SPI_OK_SELECT);
	sum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(sum);
}

/* For more than half of the time that the clock ran. A calendar that is gone or never opens says nothing. */
static bool
was_off_shift(const ClockRow *row, const RepConfig *owner)
{
	LrCalendar *shift = lr_calendar_find(row->config->flow, owner->calendar);
	LrCalendar *runs_by;

	if (shift == NULL || lr_calendar_problem(shift) != NULL)
		return false;
	runs_by = lr_calendar(row->config->flow, lr_clock_runs_by(row->config->flow, row->clock.runs_by));
	return 2 * lr_calendar_between(shift, row->clock.assigned_at, row->clock.due_at) < lr_calendar_between(runs_by, row->clock.assigned_at, row->clock.due_at);
}

/* breach_reason(clock, at) */
Datum
lr_sql_breach_reason(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	MemoryContext caller = CurrentMemoryContext;
	QueryArguments arguments = {0};
	OwnerSession session;
	Datum values[CLOCK_COLUMNS];
	bool nulls[CLOCK_COLUMNS];
	ClockRow row;
	const char *reason;
	char *result;

	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
	lr_owner_begin(&session);
	lr_clock_row(values, nulls, &row);
	lr_argument(&arguments, TEXTOID, values[CLOCK_FLOW], false);
	lr_argument(&arguments, TEXTOID, values[CLOCK_LEAD], false);
	lr_argument(&arguments, TIMESTAMPTZOID, values[CLOCK_STARTED_AT], false);
	lr_argument(&arguments, TIMESTAMPTZOID, values[CLOCK_ASSIGNED_AT], nulls[CLOCK_ASSIGNED_AT]);
	lr_argument(&arguments, TIMESTAMPTZOID, values[CLOCK_DUE_AT], false);
	lr_argument(&arguments, TIMESTAMPTZOID, values[CLOCK_REP_DUE_AT], nulls[CLOCK_REP_DUE_AT]);
	lr_argument_instant(&arguments, PG_GETARG_TIMESTAMPTZ(1));
	lr_owner_run("SELECT " BREACH_BY_EVENTS("$7") ", (SELECT s.team FROM leadroute.lead_states s WHERE s.flow = c.flow AND s.lead = c.lead)"
												  " FROM (SELECT $1 COLLATE \"C\" AS flow, $2 COLLATE \"C\" AS lead, $3 AS started_at, $4 AS assigned_at, $5 AS due_at, $6 AS rep_due_at) c",
				 &arguments, SPI_OK_SELECT);
	reason = lr_spi_text(0, 1);
	if (reason == NULL)
		reason = lr_breach_by_owner(&row, lr_spi_text(0, 2));
	result = MemoryContextStrdup(caller, reason);
	lr_owner_end(&session);
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
