/*
 * clock_row.c
 *		A stored clock, and what its steps make of it: for the functions that change one (clock_sql.c) and for those that do many at once (notice.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock_row.h"
#include "journal.h"
#include "utils/array.h"
#include "utils/builtins.h"

static void read_steps(Datum done, bool none, ClockRow *row);
static bool is_done(const char *step, const Datum *done, const bool *nulls, int ndone);
static int by_due(const void *a, const void *b);

void
lr_clock_row(const Datum *values, const bool *nulls, ClockRow *row)
{
	memset(row, 0, sizeof(ClockRow));
	row->config = lr_config(TextDatumGetCString(values[CLOCK_FLOW]));
	row->policy = TextDatumGetCString(values[CLOCK_POLICY]);
	row->metric = TextDatumGetCString(values[CLOCK_METRIC]);
	row->owner = nulls[CLOCK_OWNER] ? NULL : TextDatumGetCString(values[CLOCK_OWNER]);
	row->round = DatumGetInt32(values[CLOCK_ROUND]);
	row->clock.policy = lr_config_policy(row->config, row->policy);
	row->clock.runs_by = nulls[CLOCK_RUNS_BY] ? NULL : TextDatumGetCString(values[CLOCK_RUNS_BY]);
	row->clock.started_at = DatumGetTimestampTz(values[CLOCK_STARTED_AT]);
	row->clock.assigned_at = nulls[CLOCK_ASSIGNED_AT] ? CLOCK_NEVER : DatumGetTimestampTz(values[CLOCK_ASSIGNED_AT]);
	row->clock.held_since = nulls[CLOCK_HELD_SINCE] ? CLOCK_NEVER : DatumGetTimestampTz(values[CLOCK_HELD_SINCE]);
	row->clock.paused = nulls[CLOCK_PAUSED] ? 0 : DatumGetInt64(values[CLOCK_PAUSED]);
	row->clock.due_at = DatumGetTimestampTz(values[CLOCK_DUE_AT]);
	row->finished = !nulls[CLOCK_FINISHED_AT];
	row->breached = !nulls[CLOCK_BREACHED_AT];
	row->paused_at = nulls[CLOCK_PAUSED_AT] ? CLOCK_NEVER : DatumGetTimestampTz(values[CLOCK_PAUSED_AT]);
	if (!row->finished && row->clock.policy)
		read_steps(values[CLOCK_STEPS_DONE], nulls[CLOCK_STEPS_DONE], row);
}

static void
read_steps(Datum done, bool none, ClockRow *row)
{
	const PolicyConfig *policy = row->clock.policy;
	Datum *names = NULL;
	bool *nulls = NULL;
	int n = 0;

	if (!none)
		deconstruct_array(DatumGetArrayTypeP(done), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	row->steps = palloc(Max(policy->nsteps, 1) * sizeof(StepAhead));
	for (int i = 0; i < policy->nsteps; i++)
	{
		StepAhead *ahead = &row->steps[row->nsteps];

		if (is_done(policy->steps[i].step, names, nulls, n))
			continue;
		ahead->step = &policy->steps[i];
		ahead->due_at = lr_clock_step_due(row->config->flow, &row->clock, ahead->step);
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

/* At the deadline itself it is in time. */
TimestampTz
lr_clock_row_next(const ClockRow *row)
{
	TimestampTz next = CLOCK_NEVER;

	if (row->finished)
		return CLOCK_NEVER;
	if (row->nsteps > 0)
		next = row->steps[0].due_at;
	if (!row->breached && (row->paused_at == CLOCK_NEVER || row->clock.due_at < row->paused_at))
		next = Min(next, row->clock.due_at + 1);
	return next;
}

const char *
lr_clock_recipient(const FlowConfig *config, const char *owner, const char *team, const char *recipient)
{
	const RepConfig *rep = owner ? lr_config_rep(config, owner) : NULL;
	const RepConfig *manager;
	const TeamConfig *of = team ? lr_config_team(config, team) : NULL;
	const char *first = NULL;

	if (strcmp(recipient, "owner") == 0)
		first = rep ? rep->rep : NULL;
	else if (strcmp(recipient, "backup") == 0)
		first = rep ? (rep->backup ? rep->backup : rep->manager) : NULL;
	else if (strcmp(recipient, "manager") == 0)
		first = rep ? rep->manager : NULL;
	else if (strcmp(recipient, "director") == 0)
	{
		manager = rep && rep->manager ? lr_config_rep(config, rep->manager) : NULL;
		first = manager && manager->manager ? manager->manager : rep ? rep->manager
																	 : NULL;
	}
	else if (strcmp(recipient, "channel") != 0)
		return recipient;
	if (first == NULL && of)
		first = of->channel;
	return first;
}
