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
PG_FUNCTION_INFO_V1(lr_sql_clock_steps);
PG_FUNCTION_INFO_V1(lr_sql_clock_next);
PG_FUNCTION_INFO_V1(lr_sql_step_recipient);
PG_FUNCTION_INFO_V1(lr_sql_policy_calendar);
PG_FUNCTION_INFO_V1(lr_sql_lead_policies);

/* A step of a clock that is still to be done. */
typedef struct StepAhead
{
	const StepConfig *step;
	TimestampTz due_at;
} StepAhead;

/* A row of clocks, as far as its steps go. */
typedef struct ClockRow
{
	Clock clock; /* its policy is NULL where there is none of that name any more */
	bool finished;
	bool breached;		   /* its breach is told */
	TimestampTz paused_at; /* CLOCK_NEVER: it runs */
	int nsteps;			   /* to be done, in the order of when they are due */
	StepAhead *steps;
} ClockRow;

static Datum time_datum(TimestampTz at, bool *isnull);
static bool clock_of(FunctionCallInfo fcinfo, FlowConfig *config, Clock *clock);
static void read_row(HeapTupleHeader header, ClockRow *row);
static bool is_done(const char *step, const Datum *done, const bool *nulls, int ndone);
static int by_due(const void *a, const void *b);
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

/* What clocks say of their steps, and the configuration: those not done, of one that is paused those that were due before. */
static void
read_row(HeapTupleHeader header, ClockRow *row)
{
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum values[CLOCK_COLUMNS];
	bool nulls[CLOCK_COLUMNS];
	FlowConfig *config;
	const PolicyConfig *policy;
	Datum *done = NULL;
	bool *done_nulls = NULL;
	int ndone = 0;

	Assert(desc->natts == CLOCK_COLUMNS);
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
	config = lr_config(TextDatumGetCString(values[CLOCK_FLOW]));
	policy = lr_config_policy(config, TextDatumGetCString(values[CLOCK_POLICY]));
	memset(row, 0, sizeof(ClockRow));
	row->clock.policy = policy;
	row->clock.runs_by = nulls[CLOCK_RUNS_BY] ? NULL : TextDatumGetCString(values[CLOCK_RUNS_BY]);
	row->clock.started_at = DatumGetTimestampTz(values[CLOCK_STARTED_AT]);
	row->clock.assigned_at = row->clock.held_since = nulls[CLOCK_HELD_SINCE] ? CLOCK_NEVER : DatumGetTimestampTz(values[CLOCK_HELD_SINCE]);
	row->clock.paused = nulls[CLOCK_PAUSED] ? 0 : DatumGetInt64(values[CLOCK_PAUSED]);
	row->clock.due_at = DatumGetTimestampTz(values[CLOCK_DUE_AT]);
	row->finished = !nulls[CLOCK_FINISHED_AT];
	row->breached = !nulls[CLOCK_BREACHED_AT];
	row->paused_at = nulls[CLOCK_PAUSED_AT] ? CLOCK_NEVER : DatumGetTimestampTz(values[CLOCK_PAUSED_AT]);
	if (row->finished || policy == NULL)
		return;

	if (!nulls[CLOCK_STEPS_DONE])
		deconstruct_array(DatumGetArrayTypeP(values[CLOCK_STEPS_DONE]), TEXTOID, -1, false, TYPALIGN_INT, &done, &done_nulls, &ndone);
	row->steps = palloc(Max(policy->nsteps, 1) * sizeof(StepAhead));
	for (int i = 0; i < policy->nsteps; i++)
	{
		StepAhead *ahead = &row->steps[row->nsteps];

		if (is_done(policy->steps[i].step, done, done_nulls, ndone))
			continue;
		ahead->step = &policy->steps[i];
		ahead->due_at = lr_clock_step_due(config->flow, &row->clock, ahead->step);
		if (ahead->due_at != CLOCK_NEVER && ahead->due_at <= row->paused_at)
			row->nsteps++;
	}
	qsort(row->steps, row->nsteps, sizeof(StepAhead), by_due);
}

static bool
is_done(const char *step, const Datum *done, const bool *nulls, int ndone)
{
	size_t length = strlen(step);

	for (int i = 0; i < ndone; i++)
	{
		text *name;

		if (nulls[i])
			continue;
		name = DatumGetTextPP(done[i]);
		if (VARSIZE_ANY_EXHDR(name) == length && memcmp(VARDATA_ANY(name), step, length) == 0)
			return true;
	}
	return false;
}

static int
by_due(const void *a, const void *b)
{
	const StepAhead *first = a;
	const StepAhead *second = b;

	if (first->due_at != second->due_at)
		return first->due_at < second->due_at ? -1 : 1;
	return strcmp(first->step->step, second->step->step);
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

/* clock_next(clock): the first step ahead, or the breach until it is told. At the deadline itself it is in time. */
Datum
lr_sql_clock_next(PG_FUNCTION_ARGS)
{
	ClockRow row;
	TimestampTz next = CLOCK_NEVER;

	read_row(PG_GETARG_HEAPTUPLEHEADER(0), &row);
	if (row.finished)
		PG_RETURN_NULL();
	if (row.nsteps > 0)
		next = row.steps[0].due_at;
	if (!row.breached && (row.paused_at == CLOCK_NEVER || row.clock.due_at < row.paused_at))
		next = Min(next, row.clock.due_at + 1);
	if (next == CLOCK_NEVER)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* step_recipient(flow, owner, team, recipient): a rep's key or a team's channel; NULL: there is nobody */
Datum
lr_sql_step_recipient(PG_FUNCTION_ARGS)
{
	FlowConfig *config;
	const RepConfig *owner;
	const RepConfig *manager;
	const TeamConfig *team;
	const char *recipient;
	const char *first = NULL;
	bool isnull;
	Datum result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	owner = PG_ARGISNULL(1) ? NULL : lr_config_rep(config, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	team = PG_ARGISNULL(2) ? NULL : lr_config_team(config, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	recipient = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (strcmp(recipient, "owner") == 0)
		first = owner ? owner->rep : NULL;
	else if (strcmp(recipient, "backup") == 0)
		first = owner ? (owner->backup ? owner->backup : owner->manager) : NULL;
	else if (strcmp(recipient, "manager") == 0)
		first = owner ? owner->manager : NULL;
	else if (strcmp(recipient, "director") == 0)
	{
		manager = owner && owner->manager ? lr_config_rep(config, owner->manager) : NULL;
		first = manager && manager->manager ? manager->manager : owner ? owner->manager
																	   : NULL;
	}
	else if (strcmp(recipient, "channel") != 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(3));
	if (first == NULL && team)
		first = team->channel;
	result = text_or_null(first, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	return result;
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
