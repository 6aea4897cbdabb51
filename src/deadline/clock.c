/*
 * clock.c
 *		Clocks of a lead: which policies give it one, when they are due, and what is written of those that start with it.
 *
 * All of it follows from the configuration and a handful of instants, so the triggers, explain and the functions that
 * change a running clock (clock_sql.c) reckon alike. Calendars do the arithmetic (calendar.h).
 *
 * A pause adds its business time to everything that is reckoned from the start; what had passed before the pause is not
 * moved by it (73_clocks.sql keeps a missed deadline where it is).
 */
#include "postgres.h"

#include "calendar.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "journal.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#define MAX_SKIPPED 32

static bool starts_now(const PolicyConfig *policy, const ClockLead *lead, TimestampTz *at);
static void skip_steps(const char *flow, Clock *clock);
static TimestampTz deadline(LrCalendar *calendar, const PolicyConfig *policy, TimestampTz from);
static TimestampTz step_from(LrCalendar *calendar, const StepConfig *step, TimestampTz from, TimestampTz due);
static TimestampTz risk_from(LrCalendar *calendar, const PolicyConfig *policy, TimestampTz from, TimestampTz due);
static TimestampTz later(LrCalendar *calendar, TimestampTz at, int64 usecs);
static LrCalendar *calendar_of(const char *flow, const Clock *clock);
static void write_clock(const ClockLead *lead, const char *key, const Clock *clock);
static const char *write_late(const ClockLead *lead, const char *key, const Clock *clocks, int n, const char **said);
static void write_event(const ClockLead *lead, const char *key, const char *kind, const char *code, const char *reason, const char *path);

const PolicyConfig *
lr_config_policy(const FlowConfig *config, const char *policy)
{
	for (int i = 0; i < config->npolicies; i++)
		if (strcmp(config->policies[i].policy, policy) == 0)
			return &config->policies[i];
	return NULL;
}

int
lr_clock_policies(const FlowConfig *config, PolicyTest test, void *arg, int **policies)
{
	int n = 0;

	*policies = palloc(Max(config->npolicies, 1) * sizeof(int));
	for (int i = 0; i < config->npolicies; i++)
	{
		const PolicyConfig *policy = &config->policies[i];
		bool taken = false;

		/* they stand by metric; those of stages are apart */
		for (int j = 0; j < n && !taken; j++)
		{
			const PolicyConfig *other = &config->policies[(*policies)[j]];

			taken = strcmp(other->metric, policy->metric) == 0 &&
					(other->stage == policy->stage || (other->stage && policy->stage && strcmp(other->stage, policy->stage) == 0));
		}
		if (!taken && (policy->condition == NULL || test(arg, i)))
			(*policies)[n++] = i;
	}
	return n;
}

bool
lr_clock_too_old(const ClockLead *lead)
{
	TimestampTz oldest = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(lead->at),
																 IntervalPGetDatum(&lead->config->max_backdate)));

	return lead->submitted_at < oldest;
}

int
lr_clocks_begin(const ClockLead *lead, const int *policies, int npolicies, Clock **clocks)
{
	int n = 0;

	*clocks = palloc0(Max(npolicies, 1) * sizeof(Clock));
	for (int i = 0; i < npolicies; i++)
	{
		const PolicyConfig *policy = &lead->config->policies[policies[i]];
		Clock *clock = &(*clocks)[n];

		if (!starts_now(policy, lead, &clock->started_at))
			continue;
		clock->policy = policy;
		clock->runs_by = lr_clock_calendar(lead->config, policy, lead->owner, lead->team);
		clock->starts = true;
		clock->assigned_at = clock->held_since = lead->owner ? lead->at : CLOCK_NEVER;
		lr_clock_reckon(lead->config->flow, clock);
		skip_steps(lead->config->flow, clock);
		n++;
	}
	return n;
}

int
lr_clocks_ask(const ClockLead *lead, const int *policies, int npolicies, AskedClock **asked)
{
	int n = 0;

	*asked = palloc(Max(npolicies, 1) * sizeof(AskedClock));
	for (int i = 0; i < npolicies; i++)
	{
		const PolicyConfig *policy = &lead->config->policies[policies[i]];

		if (policy->kind == METRIC_QUEUE_AGE || policy->start == START_STAGE || !starts_now(policy, lead, &(*asked)[n].started_at))
			continue;
		(*asked)[n++].policy = policy;
	}
	return n;
}

/* Whether a policy's clock starts with the decision of a new lead, and from when it counts. */
static bool
starts_now(const PolicyConfig *policy, const ClockLead *lead, TimestampTz *at)
{
	*at = policy->start == START_SUBMITTED ? lead->submitted_at : lead->at;
	switch (policy->kind)
	{
		case METRIC_NEXT_TOUCH:
		case METRIC_MEETING_HELD:
			return false;
		case METRIC_QUEUE_AGE:
			*at = lead->at;
			return lead->waits;
		default:
			break;
	}
	if (policy->start == START_ASSIGNED)
		return lead->owner != NULL;
	if (policy->start == START_STAGE)
		return lead->stage && strcmp(lead->stage, policy->stage) == 0;
	return true;
}

/*
 * What was due before the lead reached its owner is not done any more: nobody could have heard it. A step without any distance is due at
 * once, whenever that is. Sets next_at, too.
 */
static void
skip_steps(const char *flow, Clock *clock)
{
	const PolicyConfig *policy = clock->policy;

	clock->breached = clock->assigned_at != CLOCK_NEVER && clock->due_at < clock->assigned_at;
	/* at the deadline itself it is in time */
	clock->next_at = clock->breached ? CLOCK_NEVER : clock->due_at + 1;
	for (int i = 0; i < policy->nsteps; i++)
	{
		TimestampTz due = lr_clock_step_due(flow, clock, &policy->steps[i]);

		if (i < MAX_SKIPPED && clock->assigned_at != CLOCK_NEVER && due > clock->started_at && due < clock->assigned_at)
			clock->skipped |= (uint32) 1 << i;
		else if (due < clock->next_at)
			clock->next_at = due;
	}
}

TimestampTz
lr_clocks_due(const Clock *clocks, int n)
{
	TimestampTz due = CLOCK_NEVER;

	for (int i = 0; i < n; i++)
		due = Min(due, clocks[i].due_at);
	return due;
}

const char *
lr_clock_calendar(const FlowConfig *config, const PolicyConfig *policy, const char *owner, const char *team)
{
	RepConfig *rep = owner ? lr_config_rep(config, owner) : NULL;
	TeamConfig *of = team ? lr_config_team(config, team) : NULL;

	if (policy->calendar == NULL)
		return NULL;
	if (strcmp(policy->calendar, "owner") == 0 && rep)
		return rep->calendar;
	if (strcmp(policy->calendar, "owner") == 0 || strcmp(policy->calendar, "team") == 0)
		return of ? of->calendar : NULL;
	return policy->calendar;
}

void
lr_clock_reckon(const char *flow, Clock *clock)
{
	LrCalendar *calendar = calendar_of(flow, clock);
	TimestampTz due = deadline(calendar, clock->policy, clock->started_at);

	clock->due_at = later(calendar, due, clock->paused);
	clock->risk_at = later(calendar, risk_from(calendar, clock->policy, clock->started_at, due), clock->paused);
	clock->rep_due_at = clock->due_at;
	clock->rep_risk_at = clock->risk_at;
	if (clock->assigned_at == CLOCK_NEVER)
		clock->rep_due_at = clock->rep_risk_at = CLOCK_NEVER;
	else if (clock->assigned_at > clock->started_at)
	{
		due = deadline(calendar, clock->policy, clock->assigned_at);
		clock->rep_due_at = due;
		clock->rep_risk_at = risk_from(calendar, clock->policy, clock->assigned_at, due);
	}
}

TimestampTz
lr_clock_step_due(const char *flow, const Clock *clock, const StepConfig *step)
{
	LrCalendar *calendar = calendar_of(flow, clock);
	TimestampTz at = clock->started_at;
	TimestampTz due = later(calendar, step_from(calendar, step, at, deadline(calendar, clock->policy, at)), clock->paused);

	if (!step->acts)
		return due;
	if (clock->held_since == CLOCK_NEVER)
		return CLOCK_NEVER;
	at = clock->held_since;
	/* its distance from the assignment: pauses before that are over */
	return at <= clock->started_at ? due : Max(due, step_from(calendar, step, at, deadline(calendar, clock->policy, at)));
}

static LrCalendar *
calendar_of(const char *flow, const Clock *clock)
{
	if (clock->starts && clock->runs_by)
		return lr_calendar(flow, clock->runs_by);
	return lr_calendar(flow, lr_clock_runs_by(flow, clock->runs_by));
}

const char *
lr_clock_runs_by(const char *flow, const char *runs_by)
{
	LrCalendar *calendar = runs_by ? lr_calendar_find(flow, runs_by) : NULL;

	return calendar && lr_calendar_problem(calendar) == NULL ? runs_by : LR_CALENDAR_ALWAYS;
}

static TimestampTz
deadline(LrCalendar *calendar, const PolicyConfig *policy, TimestampTz from)
{
	if (policy->end_of_day)
		return lr_calendar_close(calendar, from, policy->days);
	return lr_calendar_add_interval(calendar, from, &policy->target);
}

static TimestampTz
step_from(LrCalendar *calendar, const StepConfig *step, TimestampTz from, TimestampTz due)
{
	Interval span = step->span;

	switch (step->base)
	{
		case STEP_OF_TARGET:
			/* the deadline itself, which may be the opening after the close at which as much time has passed */
			if (step->fraction == 1)
				return due;
			return lr_calendar_add(calendar, from, (int64) (step->fraction * lr_calendar_between(calendar, from, due)));
		case STEP_FROM_DUE:
			if (step->before)
			{
				span.day = -span.day;
				span.time = -span.time;
			}
			return lr_calendar_add_interval(calendar, due, &span);
		default:
			return lr_calendar_add_interval(calendar, from, &span);
	}
}

/* The first step before the deadline, else half of the target. */
static TimestampTz
risk_from(LrCalendar *calendar, const PolicyConfig *policy, TimestampTz from, TimestampTz due)
{
	TimestampTz risk = due;

	for (int i = 0; i < policy->nsteps; i++)
	{
		TimestampTz at = step_from(calendar, &policy->steps[i], from, due);

		if (at > from && at < risk)
			risk = at;
	}
	return risk < due ? risk : lr_calendar_add(calendar, from, lr_calendar_between(calendar, from, due) / 2);
}

static TimestampTz
later(LrCalendar *calendar, TimestampTz at, int64 usecs)
{
	return usecs == 0 ? at : lr_calendar_add(calendar, at, usecs);
}

const char *
lr_clocks_record(const ClockLead *lead, const char *key, const Clock *clocks, int n, bool too_old, const char **said)
{
	bool late = false;

	if (too_old)
		write_event(lead, key, "sla", "too_old",
					psprintf("submitted %s, before the flow's max_backdate: it has no clock", timestamptz_to_str(lead->submitted_at)), NULL);
	for (int i = 0; i < n; i++)
	{
		write_clock(lead, key, &clocks[i]);
		late |= clocks[i].breached || clocks[i].skipped != 0;
	}
	return late ? write_late(lead, key, clocks, n, said) : NULL;
}

static void
write_clock(const ClockLead *lead, const char *key, const Clock *clock)
{
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, CLOCK_FLOW, lead->config->flow);
	lr_journal_set_text(&row, CLOCK_LEAD, key);
	lr_journal_set_text(&row, CLOCK_POLICY, clock->policy->policy);
	lr_journal_set_datum(&row, CLOCK_ROUND, Int32GetDatum(1));
	lr_journal_set_text(&row, CLOCK_METRIC, clock->policy->metric);
	lr_journal_set_text(&row, CLOCK_OWNER, lead->owner);
	lr_journal_set_text(&row, CLOCK_RUNS_BY, clock->runs_by);
	lr_journal_set_time(&row, CLOCK_STARTED_AT, clock->started_at);
	if (clock->assigned_at != CLOCK_NEVER)
	{
		lr_journal_set_time(&row, CLOCK_ASSIGNED_AT, clock->assigned_at);
		lr_journal_set_time(&row, CLOCK_HELD_SINCE, clock->held_since);
		lr_journal_set_time(&row, CLOCK_REP_DUE_AT, clock->rep_due_at);
		lr_journal_set_time(&row, CLOCK_REP_RISK_AT, clock->rep_risk_at);
	}
	lr_journal_set_time(&row, CLOCK_DUE_AT, clock->due_at);
	lr_journal_set_time(&row, CLOCK_RISK_AT, clock->risk_at);
	lr_journal_set_datum(&row, CLOCK_PAUSED, Int64GetDatum(0));
	/* born in a stage in which it stands still */
	for (int i = 0; i < clock->policy->npauses; i++)
		if (lead->stage && strcmp(clock->policy->pauses[i], lead->stage) == 0)
			lr_journal_set_time(&row, CLOCK_PAUSED_AT, lead->at);
	if (row.nulls[CLOCK_PAUSED_AT] && clock->next_at != CLOCK_NEVER)
		lr_journal_set_time(&row, CLOCK_NEXT_AT, clock->next_at);
	if (clock->skipped != 0)
	{
		Datum steps[MAX_SKIPPED];
		int n = 0;

		for (int i = 0; i < Min(clock->policy->nsteps, MAX_SKIPPED); i++)
			if (clock->skipped & ((uint32) 1 << i))
				steps[n++] = CStringGetTextDatum(clock->policy->steps[i].step);
		lr_journal_set_datum(&row, CLOCK_STEPS_DONE, PointerGetDatum(construct_array(steps, n, TEXTOID, -1, false, TYPALIGN_INT)));
	}
	if (clock->breached)
	{
		lr_journal_set_time(&row, CLOCK_BREACHED_AT, lead->at);
		lr_journal_set_text(&row, CLOCK_BREACH_REASON, "sync_delay");
	}
	lr_journal_append(JOURNAL_CLOCKS, &row);
}

/* One row for all that had passed before the lead was there, and the type of the one message. */
static const char *
write_late(const ClockLead *lead, const char *key, const Clock *clocks, int n, const char **said)
{
	StringInfoData reason;
	StringInfoData path;
	bool breached = false;

	initStringInfo(&reason);
	initStringInfo(&path);
	appendStringInfo(&reason, INT64_FORMAT " min passed before it reached %s", (lead->at - lead->submitted_at) / USECS_PER_MINUTE, lead->owner);
	for (int i = 0; i < n; i++)
	{
		const PolicyConfig *policy = clocks[i].policy;
		const char *separator = "";

		if (!clocks[i].breached && clocks[i].skipped == 0)
			continue;
		breached |= clocks[i].breached;
		appendStringInfo(&reason, "; %s was due %s", policy->policy, timestamptz_to_str(clocks[i].due_at));
		appendStringInfo(&path, "%s{\"policy\": ", path.len ? ", " : "[");
		escape_json(&path, policy->policy);
		appendStringInfoString(&path, ", \"round\": 1, \"metric\": ");
		escape_json(&path, policy->metric);
		appendStringInfo(&path, ", \"due_at\": \"%s\", \"breached\": %s, \"skipped\": [", timestamptz_to_str(clocks[i].due_at),
						 clocks[i].breached ? "true" : "false");
		for (int j = 0; j < Min(policy->nsteps, MAX_SKIPPED); j++)
			if (clocks[i].skipped & ((uint32) 1 << j))
			{
				appendStringInfoString(&path, separator);
				escape_json(&path, policy->steps[j].step);
				appendStringInfo(&reason, "%s%s", *separator ? ", " : ", skipped: ", policy->steps[j].step);
				separator = ", ";
			}
		appendStringInfoString(&path, "]}");
	}
	appendStringInfoChar(&path, ']');
	write_event(lead, key, breached ? "breached" : "skipped", "sync_delay", reason.data, path.data);
	*said = reason.data;
	return breached ? "breached" : "reminder";
}

static void
write_event(const ClockLead *lead, const char *key, const char *kind, const char *code, const char *reason, const char *path)
{
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, EVENT_FLOW, lead->config->flow);
	lr_journal_set_text(&row, EVENT_LEAD, key);
	lr_journal_set_time(&row, EVENT_AT, lead->at);
	lr_journal_set_text(&row, EVENT_KIND, kind);
	lr_journal_set_text(&row, EVENT_CODE, code);
	lr_journal_set_text(&row, EVENT_OWNER, lead->owner);
	lr_journal_set_text(&row, EVENT_TEAM, lead->team);
	lr_journal_set_text(&row, EVENT_REASON, reason);
	if (path)
		lr_journal_set_datum(&row, EVENT_PATH, DirectFunctionCall1(jsonb_in, CStringGetDatum(path)));
	lr_journal_append(JOURNAL_EVENTS, &row);
}
