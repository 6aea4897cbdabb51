/*
 * clock_change.c
 *		What clocks that run make of what happens to their leads: calls of the functions in 73_clocks.sql.
 *
 * Whoever calls has written the lead's row of lead_states, which orders two that touch the same clocks; clocks are locked after it, by policy
 * and round. Only flows with clocks pay more than a look at the cached configuration.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock_change.h"
#include "journal.h"
#include "leadroute.h"
#include "owner.h"
#include "protect.h"
#include "route_clocks.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "watch.h"

static void call(const char *query, int n, Oid *types, Datum *values, const char *nulls);
static void follow(void *arg);
static bool may_change(const FlowConfig *config);
static void tell_touch(const FlowConfig *config, const char *lead, TimestampTz at);

/* A row that says otherwise of its lead. */
typedef struct Following
{
	Arrival *arrival;
	TupleTableSlot *old; /* or NULL */
	TupleTableSlot *new;
	bool runs;				 /* a clock does that may change */
	bool touched;			 /* touched_when has turned true */
	TimestampTz first_touch; /* what is known of it, or CLOCK_NEVER */
} Following;

void
lr_clocks_owner(const char *flow, const char *lead, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), TimestampTzGetDatum(at)};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_owner($1, $2, $3)", lengthof(types), types, values, NULL);
}

void
lr_clocks_closed(const char *flow, Datum leads, const char *outcome, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), leads, CStringGetTextDatum(outcome), TimestampTzGetDatum(at)};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_closed($1, $2, $3, $4)", lengthof(types), types, values, NULL);
}

void
lr_clocks_reopened(const char *flow, Datum leads, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), leads, TimestampTzGetDatum(at)};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_reopened($1, $2, $3)", lengthof(types), types, values, NULL);
}

void
lr_clocks_rekey(const char *flow, Datum from, Datum to)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum values[] = {CStringGetTextDatum(flow), from, to};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_rekey($1, $2, $3)", lengthof(types), types, values, NULL);
}

void
lr_clocks_stage(const char *flow, const char *lead, const char *was, const char *becomes, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), was ? CStringGetTextDatum(was) : (Datum) 0,
					  becomes ? CStringGetTextDatum(becomes) : (Datum) 0, TimestampTzGetDatum(at)};
	const char nulls[] = {' ', ' ', was ? ' ' : 'n', becomes ? ' ' : 'n', ' ', '\0'};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_stage($1, $2, $3, $4, $5)", lengthof(types), types, values, nulls);
}

void
lr_clocks_met(const char *flow, const char *lead, const char *metric, const char *by, const char *actor, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), CStringGetTextDatum(metric),
					  CStringGetTextDatum(by), TimestampTzGetDatum(at), actor ? CStringGetTextDatum(actor) : (Datum) 0};
	const char nulls[] = {' ', ' ', ' ', ' ', ' ', actor ? ' ' : 'n', '\0'};

	if (lr_config(flow)->has_clocks)
		call("SELECT leadroute.clocks_met($1, $2, $3, $4, $5, $6)", lengthof(types), types, values, nulls);
}

Datum
lr_clocks_lead(const char *lead)
{
	char *leads[] = {unconstify(char *, lead)};

	return lr_text_array(leads, 1);
}

/* What waits in the journal is written first: a clock may be among it. */
static void
call(const char *query, int n, Oid *types, Datum *values, const char *nulls)
{
	OwnerSession session;

	lr_journal_flush();
	lr_owner_begin(&session);
	lr_owner_execute_nulls(query, n, types, values, nulls, SPI_OK_SELECT);
	lr_owner_end(&session);
}

void
lr_clocks_row(Arrival *arrival, TupleTableSlot *old, TupleTableSlot *new, bool *warned)
{
	FlowConfig *config = arrival->config;
	Watch *watch = lr_watch(arrival->shape, config);
	Following following = {.arrival = arrival, .old = old, .new = new};
	LeadState state;
	ErrorData *error;

	if (config->npolicies == 0)
		return;
	/* one that this very statement has decided is written first */
	if (!lr_state_find(config->flow, arrival->lead, &state))
	{
		lr_pending_flush();
		if (!lr_state_find(config->flow, arrival->lead, &state))
			return;
	}
	if (lr_state_is_ignored(&state) || lr_state_is_unrouted(&state))
		return;
	lr_profile_begin(&arrival->profile, arrival->shape, config, new);
	following.runs = state.sla_due_at != CLOCK_NEVER && may_change(config);
	following.first_touch = state.first_touch_at;
	if (old)
	{
		LeadRow was = lr_arrival_row(arrival, old, "UPDATE");
		LeadRow is = lr_arrival_row(arrival, new, "UPDATE");

		following.touched = lr_watch_touched(watch, &is, warned) && !lr_watch_touched(watch, &was, warned);
	}
	if (!following.runs && !following.touched &&
		(arrival->shape->first_touch.attno == 0 || slot_attisnull(new, arrival->shape->first_touch.attno)))
		return;
	/* before the subtransaction, which would not write what waits outside of it */
	lr_pending_flush();
	error = lr_protect(follow, &following);
	if (error == NULL)
		return;
	if (config->fails)
		ReThrowError(error);
	if (!*warned)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("leadroute could not bring the clocks of a lead of flow \"%s\" up to date: %s", config->flow, error->message),
				 errdetail("Lead \"%s\" keeps the clocks that it has.", arrival->lead),
				 errhint("SELECT * FROM leadroute.check_flow(%s) tells what is not valid.", quote_literal_cstr(config->flow))));
	*warned = true;
}

static void
follow(void *arg)
{
	Following *following = arg;
	Arrival *arrival = following->arrival;
	const LeadShape *shape = arrival->shape;
	const FlowConfig *config = arrival->config;
	RoutePlan *plan = lr_route_plan(arrival->shape, arrival->rel, arrival->config);
	LeadRow row = lr_arrival_row(arrival, following->new, "UPDATE");
	Decision decision = {.config = arrival->config};
	TimestampTz at;

	if (shape->first_touch.attno != 0 && lr_lead_instant(&shape->first_touch, &shape->first_touch_style, following->new, &at) &&
		(following->first_touch == CLOCK_NEVER || at < following->first_touch))
		tell_touch(config, arrival->lead, at);
	else if (following->touched)
		tell_touch(config, arrival->lead, row.at);

	if (following->runs)
	{
		Oid types[] = {TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID};
		Datum values[5];
		int *policies;
		int n;
		char **holding;
		char **met = palloc(config->npolicies * sizeof(char *));
		int nmet = 0;

		decision.submitted_at = lr_lead_submitted_at(shape, following->new, row.at);
		n = lr_route_policies(plan, &row, &decision, &policies);
		holding = palloc(Max(n, 1) * sizeof(char *));
		for (int i = 0; i < n; i++)
			holding[i] = unconstify(char *, config->policies[policies[i]].policy);
		for (int i = 0; i < config->npolicies; i++)
			if (lr_route_succeeds(plan, &row, &decision, i))
				met[nmet++] = unconstify(char *, config->policies[i].policy);
		values[0] = CStringGetTextDatum(config->flow);
		values[1] = CStringGetTextDatum(arrival->lead);
		values[2] = lr_text_array(holding, n);
		values[3] = lr_text_array(met, nmet);
		values[4] = TimestampTzGetDatum(row.at);
		call("SELECT leadroute.clocks_follow($1, $2, $3, $4, $5)", lengthof(types), types, values, NULL);
	}
}

/* Where all clocks are kept whatever policy holds, and none waits for a condition, a row says nothing of them. */
static bool
may_change(const FlowConfig *config)
{
	for (int i = 0; i < config->npolicies; i++)
		if (config->policies[i].success || config->policies[i].on_change != CHANGE_KEEP)
			return true;
	return false;
}

static void
tell_touch(const FlowConfig *config, const char *lead, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(config->flow), CStringGetTextDatum(lead), TimestampTzGetDatum(at)};

	call("SELECT leadroute.lead_touched($1, $2, 'recorded', $3)", lengthof(types), types, values, NULL);
}
