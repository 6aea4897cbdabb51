/*
 * waiting.c
 *		Leads that wait for a team: how many, and who hands them places.
 *
 * Order: highest priority first, then who asked first. A new lead that finds others waiting joins them (route.c); whoever
 * frees a place of the flow wants a drain, which a deferred trigger on leadroute.pending_drains runs when he commits: row
 * locks on leads that he never touched are held for that moment only. What a transaction frees itself may hand on at once,
 * since both commit together (lr_rotation_open); what others free meanwhile it does not see, and the next to come or the sweep
 * hands on.
 *
 * A drain locks states and rows with SKIP LOCKED, so it waits for nobody: two of them share the work. Each lead is given away
 * in a subtransaction of its own; one that fails is left to wait, with a WARNING.
 *
 * Memory: wanted drains are few and lie in TopTransactionContext; they go with their subtransaction's abort.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "leadroute.h"
#include "linked.h"
#include "miscadmin.h"
#include "move.h"
#include "owner.h"
#include "pick.h"
#include "protect.h"
#include "stored.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "waiting.h"

#define FETCH_AT_A_TIME 50
#define UNPLACED_AT_MOST 1000 /* leads that nobody can have, in a row */

PG_FUNCTION_INFO_V1(lr_sql_drain_batch);
PG_FUNCTION_INFO_V1(lr_sql_end_holds);
PG_FUNCTION_INFO_V1(lr_sql_offer_batch);

typedef struct WantedDrain
{
	OfSubtransaction of;
	char *flow;
} WantedDrain;

typedef enum DrainKind
{
	DRAIN_QUEUE, /* leads that wait for somebody to have room */
	DRAIN_HOLD,	 /* leads whose hold is over */
	DRAIN_AWAY	 /* leads whose owner is away */
} DrainKind;

typedef struct Draining
{
	FlowTable table;
	Relation rel;
	const char *flow;
	const char *lead;
	DrainKind kind;
	const char *owner; /* who is away */
	bool placed;
} Draining;

static List *wanted = NIL; /* of WantedDrain, not asked for yet */

static void forget(void *item);
static int drain_leads(Draining *draining, const char *query, int nargs, Oid *types, Datum *values);
static bool is_still_due(const Draining *draining, const LeadState *state);
static bool anybody_free(FlowConfig *config, TeamConfig *team);
static int drain_queue(Draining *draining, const char *queue, TeamConfig *team, int batch);
static bool drain_protected(Draining *draining, const char *lead);
static void drain_lead(void *arg);
static bool take(Draining *draining, Arrival *arrival, const LeadState *state);

RotationSlot *
lr_waiting_slot(FlowConfig *config, TeamConfig *team)
{
	if (team->waiting == NULL)
		team->waiting = lr_rotation_slot(config->flow, team->team, WAITING_MEMBER);
	return team->waiting;
}

int32
lr_waiting_count(FlowConfig *config, TeamConfig *team)
{
	return lr_rotation_glance(lr_waiting_slot(config, team));
}

void
lr_drain_want(const char *flow)
{
	MemoryContext oldcontext;
	WantedDrain *drain;
	ListCell *cell;

	foreach(cell, wanted)
		if (strcmp(((WantedDrain *) lfirst(cell))->flow, flow) == 0)
			return;
	/* a rep's load over all his teams: here those who wait for any team of the flow */
	if (!lr_rotation_available() || lr_rotation_rep_load(lr_rotation_slot(flow, "", WAITING_MEMBER)) <= 0)
		return;
	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	drain = palloc(sizeof(WantedDrain));
	drain->of.subid = GetCurrentSubTransactionId();
	drain->flow = pstrdup(flow);
	wanted = lappend(wanted, drain);
	MemoryContextSwitchTo(oldcontext);
}

void
lr_drain_ask(void)
{
	while (wanted)
	{
		WantedDrain *drain = linitial(wanted);
		Oid types[] = {TEXTOID};
		Datum values[] = {CStringGetTextDatum(drain->flow)};
		OwnerSession session;

		wanted = list_delete_first(wanted);
		forget(drain);
		lr_owner_begin(&session);
		lr_owner_execute("INSERT INTO leadroute.pending_drains (flow) SELECT $1"
						 " WHERE NOT EXISTS (SELECT FROM leadroute.pending_drains d WHERE d.flow = $1)",
						 lengthof(types), types, values, SPI_OK_INSERT);
		lr_owner_end(&session);
	}
}

static void
forget(void *item)
{
	WantedDrain *drain = item;

	pfree(drain->flow);
	pfree(drain);
}

void
lr_drain_abort(SubTransactionId subid)
{
	wanted = lr_subtransaction_abort(wanted, subid, forget);
}

void
lr_drain_reparent(SubTransactionId subid, SubTransactionId parent)
{
	lr_subtransaction_reparent(wanted, subid, parent);
}

/* The memory goes with its transaction. */
void
lr_drain_end(void)
{
	wanted = NIL;
}

/* drain_batch(flow text, queue text, batch integer) RETURNS integer: how many leads it gave away */
Datum
lr_sql_drain_batch(PG_FUNCTION_ARGS)
{
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *queue = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int batch = PG_GETARG_INT32(2);
	Draining draining = {.flow = flow};
	FlowConfig *config;
	TeamConfig *team;
	int placed = 0;

	lr_pending_settle();
	config = lr_config(flow);
	team = lr_config_team(config, queue);
	if (!config->active || !lr_enabled || !lr_rotation_available() || (team && !anybody_free(config, team)))
		PG_RETURN_INT32(0);
	draining.table = lr_flow_table_if_any(flow);
	if (!OidIsValid(draining.table.relid))
		PG_RETURN_INT32(0);
	draining.rel = table_open(draining.table.relid, RowExclusiveLock);
	placed = drain_queue(&draining, queue, team, batch);
	table_close(draining.rel, NoLock);
	PG_RETURN_INT32(placed);
}

/* end_holds(flow text, batch integer) RETURNS integer: how many leads it routed */
Datum
lr_sql_end_holds(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, INT4OID, TIMESTAMPTZOID};
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), TimestampTzGetDatum(lr_now())};
	Draining draining = {.flow = text_to_cstring(PG_GETARG_TEXT_PP(0)), .kind = DRAIN_HOLD};

	PG_RETURN_INT32(drain_leads(&draining,
								"SELECT s.lead FROM leadroute.lead_states s WHERE s.flow = $1 AND s.held_until <= $3 AND s.closed_at IS NULL"
								" AND s.code = 'held' ORDER BY s.held_until, s.lead LIMIT $2 FOR UPDATE SKIP LOCKED",
								lengthof(types), types, values));
}

/* offer_batch(flow text, rep text, at_once boolean, batch integer) RETURNS integer: how many leads others got */
Datum
lr_sql_offer_batch(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, INT4OID, TEXTOID, BOOLOID};
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(3), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	Draining draining = {.flow = text_to_cstring(PG_GETARG_TEXT_PP(0)), .kind = DRAIN_AWAY, .owner = text_to_cstring(PG_GETARG_TEXT_PP(1))};

	PG_RETURN_INT32(drain_leads(&draining,
								"SELECT s.lead FROM leadroute.lead_states s LEFT JOIN leadroute.teams t ON t.flow = s.flow AND t.team = s.team"
								" WHERE s.flow = $1 AND s.owner = $3 AND s.status = 'assigned' AND s.closed_at IS NULL AND s.first_touch_at IS NULL"
								" AND CASE WHEN $4 THEN t.on_leave = 'at_once' ELSE coalesce(t.on_leave, 'sweep') <> 'keep' END"
								" ORDER BY s.submitted_at, s.lead LIMIT $2 FOR UPDATE OF s SKIP LOCKED",
								lengthof(types), types, values));
}

/* The leads that a query names and locks, one after the other. Returns how many were given to somebody. */
static int
drain_leads(Draining *draining, const char *query, int nargs, Oid *types, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	char **leads;
	int n;
	int placed = 0;

	lr_pending_settle();
	draining->table = lr_flow_table_if_any(draining->flow);
	if (!lr_config(draining->flow)->active || !lr_enabled || !lr_rotation_available() || !OidIsValid(draining->table.relid))
		return 0;
	lr_owner_begin(&session);
	lr_owner_execute(query, nargs, types, values, SPI_OK_SELECT);
	n = (int) SPI_processed;
	leads = MemoryContextAlloc(context, (n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		leads[i] = MemoryContextStrdup(context, lr_spi_text(i, 1));
	lr_owner_end(&session);
	draining->rel = table_open(draining->table.relid, RowExclusiveLock);
	for (int i = 0; i < n; i++)
		placed += drain_protected(draining, leads[i]);
	table_close(draining->rel, NoLock);
	return placed;
}

/* Whether some member could have a lead that asks for nothing and was nobody's yet. */
static bool
anybody_free(FlowConfig *config, TeamConfig *team)
{
	static const RuleConfig no_rule = {.rule = ""};
	PickRequest request = {.config = config, .team = team, .rule = &no_rule, .at = lr_now()};
	PickReason why;

	return lr_pick(&request, NULL, &why) >= 0;
}

static int
drain_queue(Draining *draining, const char *queue, TeamConfig *team, int batch)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(draining->flow), CStringGetTextDatum(queue)};
	MemoryContext lead_context = AllocSetContextCreate(CurrentMemoryContext, "leadroute drain", ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext;
	OwnerSession session;
	Portal portal;
	int placed = 0;
	int unplaced = 0;
	bool ended = false;

	lr_owner_begin(&session);
	portal = SPI_cursor_open_with_args(NULL, "SELECT s.lead FROM leadroute.lead_states s"
											 " WHERE s.flow = $1 AND s.queue = $2 AND s.status = 'waiting' AND s.closed_at IS NULL"
											 "   AND (s.team = $2 OR s.code IN ('rep_unavailable', 'owner_inactive'))"
											 " ORDER BY s.priority DESC, s.submitted_at, s.queue_order FOR UPDATE SKIP LOCKED",
									   lengthof(types), types, values, NULL, false, 0);
	while (!ended && placed < batch && unplaced < UNPLACED_AT_MOST)
	{
		uint64 n;
		char **leads;

		SPI_cursor_fetch(portal, true, FETCH_AT_A_TIME);
		n = SPI_processed;
		oldcontext = MemoryContextSwitchTo(lead_context);
		leads = palloc((n + 1) * sizeof(char *));
		for (uint64 i = 0; i < n; i++)
			leads[i] = pstrdup(lr_spi_text(i, 1));
		for (uint64 i = 0; i < n && placed < batch; i++)
		{
			if (drain_protected(draining, leads[i]))
			{
				placed++;
				unplaced = 0;
			}
			else
				unplaced++;
			/* nobody has room for anything any more */
			if (team && !anybody_free(lr_config(draining->flow), team))
			{
				ended = true;
				break;
			}
		}
		ended |= n < FETCH_AT_A_TIME;
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(lead_context);
	}
	SPI_cursor_close(portal);
	lr_owner_end(&session);
	MemoryContextDelete(lead_context);
	return placed;
}

/* One lead, whose failure is its own. */
static bool
drain_protected(Draining *draining, const char *lead)
{
	ErrorData *error;

	CHECK_FOR_INTERRUPTS();
	draining->lead = lead;
	draining->placed = false;
	error = lr_protect(drain_lead, draining);
	if (error)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("lead \"%s\" of flow \"%s\" could not be given to anybody: %s", lead, draining->flow, error->message),
				 errdetail("It goes on waiting.")));
	return error == NULL && draining->placed;
}

/* One lead whose state we hold; its row may be somebody else's. */
static void
drain_lead(void *arg)
{
	Draining *draining = arg;
	HeapTuple tuple = lr_stored_lock(draining->rel, &draining->table, draining->lead, draining->rel->rd_rel->relowner, LockWaitSkip);
	TupleTableSlot *slot;
	Arrival arrival;
	LeadState state;

	if (tuple == NULL)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(draining->rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);
	lr_stored_arrival(&arrival, draining->rel, slot, draining->table.attachment, draining->flow);
	if (lr_state_find(draining->flow, draining->lead, &state) && is_still_due(draining, &state) &&
		(state.owner || lr_linked_lock(draining->rel, &draining->table, draining->flow, draining->lead)))
	{
		arrival.stage = state.stage;
		lr_score_known(&arrival.memo, &state);
		draining->placed = take(draining, &arrival, &state);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static bool
is_still_due(const Draining *draining, const LeadState *state)
{
	if (state->closed)
		return false;
	if (draining->kind == DRAIN_AWAY)
		return strcmp(state->status, "assigned") == 0 && !state->touched && state->owner && strcmp(state->owner, draining->owner) == 0;
	return strcmp(state->status, "waiting") == 0;
}

/* The member who is next gets it, by the rule that made it wait. */
static bool
take(Draining *draining, Arrival *arrival, const LeadState *state)
{
	static const char *const kinds[] = {"drained", "hold_ended", "offered"};
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "REROUTE");
	bool warned = false;
	Closing closing;
	Decision decision;
	Move move;
	LeadOutputs outputs = {0};
	const char **tried = palloc((state->nlapsed + 1) * sizeof(char *));

	for (int i = 0; i < state->nlapsed; i++)
		tried[row.ntried++] = state->lapsed[i];
	if (draining->kind == DRAIN_AWAY)
		tried[row.ntried++] = draining->owner;
	row.tried = tried;
	row.again = true;
	row.first = state->duplicate_of;
	row.given_owner = state->source_owner;
	row.released = draining->kind == DRAIN_HOLD;
	if (lr_arrival_reason(arrival, &row, &warned, &closing) != NULL)
		return false;
	if (draining->kind == DRAIN_QUEUE)
	{
		if (!lr_route_waiting(lr_route_plan(arrival->shape, arrival->rel, arrival->config), &row, state->rule, state->team, state->queue, &decision))
			return false;
	}
	else
	{
		lr_arrival_route(arrival, &row, &warned, &decision);
		/* who is away keeps what nobody else can have now */
		if (strcmp(decision.status, "unrouted") == 0 || (draining->kind == DRAIN_AWAY && strcmp(decision.status, "assigned") != 0))
		{
			if (decision.has_turn)
				lr_rotation_give_back(&decision.turn);
			return false;
		}
	}
	lr_move_of(&decision, &move);
	move.kind = kinds[draining->kind];
	if (draining->kind == DRAIN_QUEUE)
	{
		move.keeps_rule = true;
		move.territory = state->territory;
		move.reason = psprintf("waited in queue \"%s\"; %s", state->queue, move.reason);
	}
	else if (draining->kind == DRAIN_AWAY)
		move.reason = psprintf("%s is away; %s", draining->owner, move.reason);
	outputs.owner = move.owner;
	outputs.team = move.team;
	outputs.territory = move.territory;
	outputs.routed_at = move.at;
	outputs.has_routed_at = true;
	outputs.route_reason = move.reason;
	outputs.account = decision.account ? decision.account : state->account;
	outputs.duplicate_of = state->duplicate_of;
	outputs.stage = state->stage;
	lr_move(draining->flow, draining->lead, &move);
	lr_state_outputs_due(arrival->config, draining->lead, &outputs);
	lr_stored_write(arrival->rel, arrival, &outputs);
	lr_pending_flush();
	return true;
}
