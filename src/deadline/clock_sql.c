/*
 * clock_sql.c
 *		The arithmetic of clocks for the functions that change them (73_clocks.sql), and the policies that hold for a stored lead.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "arrival.h"
#include "calendar.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "clock_row.h"
#include "fmgr.h"
#include "funcapi.h"
#include "journal.h"
#include "leadroute.h"
#include "route_clocks.h"
#include "stored.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(lr_sql_clock);
PG_FUNCTION_INFO_V1(lr_sql_clock_reckon);
PG_FUNCTION_INFO_V1(lr_sql_policy_steps);
PG_FUNCTION_INFO_V1(lr_sql_clock_runs_by);
PG_FUNCTION_INFO_V1(lr_sql_clock_steps);
PG_FUNCTION_INFO_V1(lr_sql_clock_next);
PG_FUNCTION_INFO_V1(lr_sql_step_recipient);
PG_FUNCTION_INFO_V1(lr_sql_policy_calendar);
PG_FUNCTION_INFO_V1(lr_sql_lead_policies);

static Datum time_datum(TimestampTz at, bool *isnull);
static bool clock_of(FunctionCallInfo fcinfo, FlowConfig *config, Clock *clock);
static void read_row(HeapTupleHeader header, ClockRow *row);
static Datum text_or_null(const char *value, bool *isnull);

/* What the two below share: flow, policy, runs_by, started_at, assigned_at or held_since, paused. False where there is no such policy. */
static bool
clock_of(FunctionCallInfo fcinfo, FlowConfig *config, Clock *clock)
{
	memset(clock, 0, sizeof(Clock));
	clock->policy = lr_config_policy(config, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	clock->runs_by = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	clock->started_at = PG_GETARG_TIMESTAMPTZ(3);
	clock->assigned_at = clock->held_since = PG_ARGISNULL(4) ? CLOCK_NEVER : PG_GETARG_TIMESTAMPTZ(4);
	clock->paused = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5);
	return clock->policy != NULL;
}

static Datum
time_datum(TimestampTz at, bool *isnull)
{
	*isnull = at == CLOCK_NEVER;
	return TimestampTzGetDatum(at);
}

/* clock(): the instant that leadroute takes for now */
Datum
lr_sql_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(lr_now());
}

/* clock_reckon(flow, policy, runs_by, started_at, assigned_at, paused, OUT due_at, OUT rep_due_at, OUT risk_at, OUT rep_risk_at) */
Datum
lr_sql_clock_reckon(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[4];
	bool nulls[4];
	FlowConfig *config;
	Clock clock;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!clock_of(fcinfo, config, &clock))
		PG_RETURN_NULL();
	lr_clock_reckon(config->flow, &clock);
	values[0] = time_datum(clock.due_at, &nulls[0]);
	values[1] = time_datum(clock.rep_due_at, &nulls[1]);
	values[2] = time_datum(clock.risk_at, &nulls[2]);
	values[3] = time_datum(clock.rep_risk_at, &nulls[3]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* policy_steps(flow, policy, runs_by, started_at, held_since, paused, OUT step, OUT due_at): all of them; NULL: not while nobody has the lead */
Datum
lr_sql_policy_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FlowConfig *config;
	Clock clock;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		return (Datum) 0;
	config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!clock_of(fcinfo, config, &clock))
		return (Datum) 0;
	for (int i = 0; i < clock.policy->nsteps; i++)
	{
		Datum values[2];
		bool nulls[2] = {false};

		values[0] = CStringGetTextDatum(clock.policy->steps[i].step);
		values[1] = time_datum(lr_clock_step_due(config->flow, &clock, &clock.policy->steps[i]), &nulls[1]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
read_row(HeapTupleHeader header, ClockRow *row)
{
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum values[CLOCK_COLUMNS];
	bool nulls[CLOCK_COLUMNS];

	Assert(desc->natts == CLOCK_COLUMNS);
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
	lr_clock_row(values, nulls, row);
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/* clock_steps(clock, OUT step, OUT due_at, OUT action, OUT recipient, OUT argument) */
Datum
lr_sql_clock_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ClockRow row;

	InitMaterializedSRF(fcinfo, 0);
	read_row(PG_GETARG_HEAPTUPLEHEADER(0), &row);
	for (int i = 0; i < row.nsteps; i++)
	{
		const StepConfig *step = row.steps[i].step;
		Datum values[5];
		bool nulls[5] = {false};

		values[0] = CStringGetTextDatum(step->step);
		values[1] = TimestampTzGetDatum(row.steps[i].due_at);
		values[2] = CStringGetTextDatum(step->action);
		values[3] = text_or_null(step->recipient, &nulls[3]);
		values[4] = text_or_null(step->argument, &nulls[4]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* clock_next(clock) */
Datum
lr_sql_clock_next(PG_FUNCTION_ARGS)
{
	ClockRow row;
	TimestampTz next;

	read_row(PG_GETARG_HEAPTUPLEHEADER(0), &row);
	next = lr_clock_row_next(&row);
	if (next == CLOCK_NEVER)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* step_recipient(flow, owner, team, recipient): a rep's key or a team's channel; NULL: there is nobody */
Datum
lr_sql_step_recipient(PG_FUNCTION_ARGS)
{
	const char *recipient;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	recipient = lr_clock_recipient(lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
								   PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), text_to_cstring(PG_GETARG_TEXT_PP(3)));
	if (recipient == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(recipient));
}

/* policy_calendar(flow, policy, owner, team): the calendar that a clock of the policy would run by; NULL: 24x7 */
Datum
lr_sql_policy_calendar(PG_FUNCTION_ARGS)
{
	FlowConfig *config;
	const PolicyConfig *policy;
	const char *calendar;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	policy = lr_config_policy(config, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	calendar = policy ? lr_clock_calendar(config, policy, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
										  PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)))
					  : NULL;
	if (calendar == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(calendar));
}

/* clock_runs_by(flow, runs_by): the calendar that a running clock goes by, 24x7 where its own is of no use any more */
Datum
lr_sql_clock_runs_by(PG_FUNCTION_ARGS)
{
	char *runs_by = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(lr_clock_runs_by(text_to_cstring(PG_GETARG_TEXT_PP(0)), runs_by)));
}

/* lead_policies(flow, lead, OUT metric, OUT policy): of each metric the one that holds for the lead's row as it stands; none where it does not stand */
Datum
lr_sql_lead_policies(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FlowTable table = lr_flow_table_if_any(flow);
	Relation rel;
	HeapTuple tuple;
	TupleTableSlot *slot;
	Arrival arrival;
	LeadRow row;
	Decision decision = {0};
	int *policies;
	int n;

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(table.relid))
		return (Datum) 0;
	rel = table_open(table.relid, AccessShareLock);
	tuple = lr_stored_fetch(rel, &table, lead, rel->rd_rel->relowner);
	if (tuple)
	{
		slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
		ExecStoreHeapTuple(tuple, slot, false);
		lr_stored_arrival(&arrival, rel, slot, table.attachment, flow);
		row = lr_arrival_row(&arrival, slot, "UPDATE");
		decision.config = arrival.config;
		decision.submitted_at = lr_lead_submitted_at(arrival.shape, slot, row.at);
		n = lr_route_policies(lr_route_plan(arrival.shape, rel, arrival.config), &row, &decision, &policies);
		for (int i = 0; i < n; i++)
		{
			const PolicyConfig *policy = &arrival.config->policies[policies[i]];
			Datum values[] = {CStringGetTextDatum(policy->metric), CStringGetTextDatum(policy->policy)};
			bool nulls[] = {false, false};

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}
