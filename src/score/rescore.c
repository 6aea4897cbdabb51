/*
 * rescore.c
 *		The score of a lead that is known: worked out anew, and written.
 *
 * Who writes a signal holds the lead's row from then on, as for any UPDATE of it, and reads its signals once he holds it: of two
 * signals at once the second counts both. Order of locks: the row in the leads table, then its state; a statement's leads in the
 * order of their keys.
 *
 * A signal and the lead that it is of may come at the same time, neither transaction seeing the other's row. So who finds no lead
 * leaves a row in pending_rescores, and looks again when he commits (a deferred trigger); who brings a lead looks there before he
 * commits; and the sweep, when all who could have brought it are over, has the last word. Nobody waits for anybody.
 *
 * Memory: what is wanted before commit lies in TopTransactionContext. It is not taken back by a savepoint's rollback: looking once
 * more changes nothing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "clock_change.h"
#include "commands/trigger.h"
#include "compat.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "leadroute.h"
#include "lifecycle.h"
#include "miscadmin.h"
#include "move.h"
#include "owner.h"
#include "protect.h"
#include "reason.h"
#include "rescore.h"
#include "stored.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_signal_arrives);
PG_FUNCTION_INFO_V1(lr_signals_inserted);
PG_FUNCTION_INFO_V1(lr_sql_rescore);
PG_FUNCTION_INFO_V1(lr_sql_rescore_pending);

#define DUPLICATE_STEPS 8	/* a chain is one step long, but rows written by hand may say anything */
#define LOOK_AT_MOST 1000	/* rows of pending_rescores, before commit; the sweep does what is beyond */
#define ARRIVED_AT_MOST 100 /* leads that are looked for one by one */

/* A new signal. */
typedef struct NewSignal
{
	char *flow;
	char *lead; /* whose score it is */
	int64 id;
} NewSignal;

typedef struct Rescoring
{
	const char *flow;
	const char *lead;
	const int64 *news;
	int nnews;
	LockWaitPolicy wait;
	RescoreResult result;
} Rescoring;

typedef struct WantedRescore
{
	char *flow;
	char *lead;
} WantedRescore;

static List *wanted = NIL;	/* of WantedRescore */
static List *arrived = NIL; /* the same: leads of flows that have signals */
static bool many_arrived = false;

static void store(const Arrival *arrival, const LeadState *state, const LeadScore *score);
static const char *crossing(const LeadState *state, const LeadScore *score);
static void first_of(const char *flow, char **lead);
static void rescore_hand(HandledLead *hand, const int64 *news, int nnews);
static bool decides_again(Arrival *arrival, const LeadState *state, const LeadRow *is, const int64 *news, int nnews, bool *warned);
static bool decide_again(Arrival *arrival, const LeadState *state, LeadRow *row, LeadOutputs *outputs, bool *warned);
static RescoreResult rescore_protected(Rescoring *rescoring);
static void rescore_call(void *arg);
static NewSignal *read_new_signals(TriggerData *data, int *n);
static int compare_new_signals(const void *a, const void *b);
static void leave_pending(const char *flow, const char *lead);
static void remember(List **leads, const char *flow, const char *lead);
static void want_pending(void);
static void want_pending_among_many(void);

void
lr_rescore_row(Arrival *arrival, TupleTableSlot *slot, const char *operation, bool *warned)
{
	const ScoringConfig *scoring = arrival->config->scoring;
	LeadOutputs outputs = {0};
	LeadState state;
	LeadRow row;

	if (scoring == NULL || scoring->model == NULL || !arrival->config->active)
		return;
	lr_pending_flush();
	if (!lr_state_find(arrival->config->flow, arrival->lead, &state) || lr_state_is_ignored(&state) ||
		(lr_state_is_unrouted(&state) && !CODE_WAITS_FOR_ROW(state.code)))
		return;
	arrival->slot = slot;
	lr_profile_begin(&arrival->profile, arrival->shape, arrival->config, slot);
	lr_score_known(&arrival->memo, &state);
	if (!lr_arrival_rescore(arrival, &state, operation, warned, &outputs))
		return;
	row = lr_arrival_row(arrival, slot, operation);
	store(arrival, &state, lr_score(&row, arrival->config, warned));
}

/* Writes a score into the state, and an event where the lead is qualified by its points from now on, or no longer. */
static void
store(const Arrival *arrival, const LeadState *state, const LeadScore *score)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, NUMERICOID, NUMERICOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(arrival->config->flow), CStringGetTextDatum(arrival->lead), TimestampTzGetDatum(score->at),
					  lr_score_numeric(score->score), lr_score_numeric(score->fit), lr_score_numeric(score->engagement),
					  score->grade ? CStringGetTextDatum(score->grade) : (Datum) 0, TimestampTzGetDatum(score->next)};
	char nulls[] = "        ";
	const char *code = crossing(state, score);
	OwnerSession session;

	nulls[6] = score->grade ? ' ' : 'n';
	nulls[7] = score->next == DT_NOEND ? 'n' : ' ';
	lr_owner_begin(&session);
	lr_owner_execute_nulls("UPDATE leadroute.lead_states s SET scored_at = $3, score = $4, fit = $5, engagement = $6, grade = $7, rescore_at = $8"
						   " WHERE s.flow = $1 AND s.lead = $2",
						   lengthof(types), types, values, nulls, SPI_OK_UPDATE);
	/* apart, since few have one: an INSERT of no row fires its statement triggers too, for four times what the UPDATE costs */
	if (code)
	{
		Oid event_types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
		Datum event[] = {values[0], values[1], values[2], CStringGetTextDatum(code),
						 CStringGetTextDatum(psprintf("score %s (fit %s, engagement %s), threshold %s", lr_score_text(score->score), lr_score_text(score->fit),
													  lr_score_text(score->engagement), lr_score_text(score->scoring->threshold)))};

		lr_owner_execute("INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason)"
						 " SELECT s.flow, s.lead, $3, 'scored', $4, s.owner, s.team, $5 FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2",
						 lengthof(event_types), event_types, event, SPI_OK_INSERT);
	}
	lr_owner_end(&session);
}

/* The code of an event, or NULL. */
static const char *
crossing(const LeadState *state, const LeadScore *score)
{
	LeadScore was = {.scoring = score->scoring, .score = state->score, .fit = state->fit, .engagement = state->engagement};
	bool qualified = state->has_score && lr_score_qualifies(&was);

	if (qualified == lr_score_qualifies(score))
		return NULL;
	return qualified ? "threshold_lost" : "threshold_reached";
}

RescoreResult
lr_rescore(const char *flow, const char *lead, const int64 *news, int nnews, LockWaitPolicy wait)
{
	FlowConfig *config = lr_config(flow);
	FlowTable table;
	HandledLead hand = {.at = lr_now()};
	HeapTuple tuple;
	RescoreResult result = RESCORE_DONE;

	if (!config->exists || !config->active || !lr_enabled || config->scoring == NULL)
		return RESCORE_OFF;
	if (!lr_state_find(flow, lead, NULL))
		return RESCORE_UNKNOWN;
	table = lr_flow_table_if_any(flow);
	if (!OidIsValid(table.relid))
		return RESCORE_OFF;
	hand.rel = table_open(table.relid, RowExclusiveLock);
	tuple = lr_stored_lock(hand.rel, &table, lead, hand.rel->rd_rel->relowner, wait);
	if (tuple == NULL)
	{
		/* a lead whose row went keeps the score that it had */
		if (wait == LockWaitSkip && lr_stored_fetch(hand.rel, &table, lead, hand.rel->rd_rel->relowner))
			result = RESCORE_LOCKED;
		table_close(hand.rel, NoLock);
		return result;
	}
	hand.slot = MakeSingleTupleTableSlot(RelationGetDescr(hand.rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, hand.slot, false);
	lr_stored_arrival(&hand.arrival, hand.rel, hand.slot, table.attachment, flow);
	if (strcmp(hand.arrival.config->flow, flow) == 0 && lr_state_find(flow, hand.arrival.lead, &hand.state))
		rescore_hand(&hand, news, nnews);
	ExecDropSingleTupleTableSlot(hand.slot);
	table_close(hand.rel, NoLock);
	return result;
}

/* Puts the first lead into the place of its duplicate, whose signals are its own. */
static void
first_of(const char *flow, char **lead)
{
	LeadState state;

	for (int step = 0; step < DUPLICATE_STEPS; step++)
	{
		if (!lr_state_find(flow, *lead, &state) || state.duplicate_of == NULL ||
			(strcmp(state.status, "duplicate") != 0 && strcmp(state.status, "merged") != 0))
			return;
		*lead = pstrdup(state.duplicate_of);
	}
}

/* The caller holds the row. */
static void
rescore_hand(HandledLead *hand, const int64 *news, int nnews)
{
	Arrival *arrival = &hand->arrival;
	LeadState *state = &hand->state;
	LeadRow row;
	LeadOutputs outputs = {0};
	bool warned = false;
	bool scores = arrival->config->scoring->model != NULL;
	bool moved = false;
	bool changed;

	if (lr_state_is_ignored(state))
		return;
	arrival->stage = state->stage;
	lr_score_known(&arrival->memo, state);
	row = lr_arrival_row(arrival, hand->slot, "SIGNAL");
	row.at = hand->at;
	row.given_owner = state->source_owner;
	row.first = state->duplicate_of;
	if (lr_state_is_unrouted(state))
	{
		Closing closing;

		if (!CODE_WAITS_FOR_ROW(state->code))
			return;
		if (lr_arrival_reason(arrival, &row, &warned, &closing) == NULL)
		{
			(void) lr_decide_stored(arrival, state, "SIGNAL");
			return;
		}
	}
	else if (decides_again(arrival, state, &row, news, nnews, &warned))
		moved = decide_again(arrival, state, &row, &outputs, &warned);
	changed = lr_arrival_rescore(arrival, state, "SIGNAL", &warned, &outputs);
	if (moved)
		lr_stored_write(hand->rel, arrival, &outputs);
	else if (changed)
		lr_stored_write_some(hand->rel, arrival, &outputs, SCORE_OUTPUTS);
	if (scores)
		store(arrival, state, lr_score(&row, arrival->config, &warned));
	lr_lifecycle_follow(hand);
	lr_pending_flush();
	if (lr_watch_clocks_read_score(lr_watch(arrival->shape, arrival->config)))
		lr_clocks_row(arrival, NULL, hand->slot, &warned);
}

/* Whether a known lead's hold ends, or its rule's reroute_when turns true, now that its score or its signals are others. */
static bool
decides_again(Arrival *arrival, const LeadState *state, const LeadRow *is, const int64 *news, int nnews, bool *warned)
{
	FlowConfig *config = arrival->config;
	Watch *watch = lr_watch(arrival->shape, config);
	ScoreMemo before = arrival->memo;
	LeadRow was = *is;
	Closing closing;
	int rule = 0;

	if (!lr_watch_reads_score(watch) || state->closed || strcmp(state->code, "by_hand") == 0)
		return false;
	while (rule < config->nrules && !(state->rule && strcmp(config->rules[rule].rule, state->rule) == 0))
		rule++;
	if (rule == config->nrules)
		return false;
	before.done = false;
	before.skipped = news;
	before.nskipped = nnews;
	was.memo = &before;
	if (state->has_scored_at && state->scored_at < was.at)
		was.at = state->scored_at;
	if (strcmp(state->code, "held") == 0)
	{
		if (!lr_watch_hold_ends(watch, rule, is, warned))
			return false;
	}
	else if ((strcmp(state->status, "assigned") != 0 && strcmp(state->status, "waiting") != 0) || state->touched ||
			 lr_watch_reroutes(watch, rule, &was, warned) || !lr_watch_reroutes(watch, rule, is, warned))
		return false;
	return lr_arrival_reason(arrival, is, warned, &closing) == NULL;
}

/* The rules decide again; false where they say what they said. The outputs are the new decision's. */
static bool
decide_again(Arrival *arrival, const LeadState *state, LeadRow *row, LeadOutputs *outputs, bool *warned)
{
	Decision decision;
	Move move;

	row->again = true;
	row->ntried = state->nlapsed;
	row->tried = (const char *const *) state->lapsed;
	lr_arrival_route(arrival, row, warned, &decision);
	if (strcmp(decision.status, "unrouted") == 0 || lr_decision_is_same(state, &decision))
	{
		if (decision.has_turn)
			lr_rotation_give_back(&decision.turn);
		return false;
	}
	lr_move_of(&decision, &move);
	move.kind = "rerouted";
	outputs->owner = move.owner;
	outputs->team = move.team;
	outputs->territory = move.territory;
	outputs->routed_at = move.at;
	outputs->has_routed_at = true;
	outputs->route_reason = move.reason;
	outputs->account = decision.account ? decision.account : state->account;
	outputs->duplicate_of = state->duplicate_of;
	outputs->stage = state->stage;
	lr_move(arrival->config->flow, arrival->lead, &move);
	return true;
}

/* A failure of leadroute's own loses no signal: the lead's score waits for the sweep, unless the flow says on_error = fail. */
static RescoreResult
rescore_protected(Rescoring *rescoring)
{
	ErrorData *error;

	rescoring->result = RESCORE_DONE;
	if (lr_config(rescoring->flow)->fails)
	{
		rescore_call(rescoring);
		return rescoring->result;
	}
	error = lr_protect(rescore_call, rescoring);
	if (error == NULL)
		return rescoring->result;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("lead \"%s\" of flow \"%s\" could not be scored: %s", rescoring->lead, rescoring->flow, error->message),
			 errdetail("Its score stays what it was; the sweep tries again.")));
	return RESCORE_LOCKED;
}

static void
rescore_call(void *arg)
{
	Rescoring *rescoring = arg;

	rescoring->result = lr_rescore(rescoring->flow, rescoring->lead, rescoring->news, rescoring->nnews, rescoring->wait);
}

/* BEFORE INSERT ON leadroute.signals FOR EACH ROW: a second row of an event is dropped. */
Datum
lr_signal_arrives(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	TriggerData *data = (TriggerData *) fcinfo->context;
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[2];
	OwnerSession session;
	bool isnull;
	bool is_new;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE INSERT FOR EACH ROW", "signal_arrives")));
	values[1] = heap_getattr(data->tg_trigtuple, SPI_fnumber(data->tg_relation->rd_att, "event_id"), data->tg_relation->rd_att, &isnull);
	/* the keys of a dump come with it */
	if (isnull || lr_restoring())
		return PointerGetDatum(data->tg_trigtuple);
	values[0] = heap_getattr(data->tg_trigtuple, SPI_fnumber(data->tg_relation->rd_att, "flow"), data->tg_relation->rd_att, &isnull);
	if (isnull)
		return PointerGetDatum(data->tg_trigtuple);

	lr_owner_begin(&session);
	if (plan == NULL)
	{
		plan = SPI_prepare("INSERT INTO leadroute.signal_events (flow, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write leadroute.signal_events");
	is_new = SPI_processed == 1;
	lr_owner_end(&session);
	return PointerGetDatum(is_new ? data->tg_trigtuple : NULL);
}

/* AFTER INSERT ON leadroute.signals REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT: their leads get their scores. */
Datum
lr_signals_inserted(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	NewSignal *signals;
	int64 *ids;
	int n;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event) || data->tg_newtable == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER INSERT FOR EACH STATEMENT, with a transition table", "signals_inserted")));
	if (lr_restoring())
		return PointerGetDatum(NULL);
	/* leads that this transaction brought are known from here on */
	lr_pending_settle();
	signals = read_new_signals(data, &n);
	ids = palloc((n + 1) * sizeof(int64));
	for (int i = 0; i < n;)
	{
		Rescoring rescoring = {.flow = signals[i].flow, .lead = signals[i].lead, .news = ids, .wait = LockWaitBlock};
		RescoreResult result;

		CHECK_FOR_INTERRUPTS();
		for (; i < n && strcmp(signals[i].lead, rescoring.lead) == 0 && strcmp(signals[i].flow, rescoring.flow) == 0; i++)
			ids[rescoring.nnews++] = signals[i].id;
		result = rescore_protected(&rescoring);
		if (result != RESCORE_DONE)
			leave_pending(rescoring.flow, rescoring.lead);
	}
	return PointerGetDatum(NULL);
}

/* In order of flow, lead and id; the leads are those that the signals count for. */
static NewSignal *
read_new_signals(TriggerData *data, int *n)
{
	TupleDesc desc = data->tg_relation->rd_att;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int flow = SPI_fnumber(desc, "flow");
	int lead = SPI_fnumber(desc, "lead");
	int id = SPI_fnumber(desc, "id");
	int room = 64;
	NewSignal *signals = palloc(room * sizeof(NewSignal));
	bool isnull;

	*n = 0;
	while (tuplestore_gettupleslot(data->tg_newtable, true, false, slot))
	{
		NewSignal *signal;

		if (*n == room)
		{
			room *= 2;
			signals = repalloc_huge(signals, room * sizeof(NewSignal));
		}
		signal = &signals[(*n)++];
		signal->flow = TextDatumGetCString(slot_getattr(slot, flow, &isnull));
		signal->lead = TextDatumGetCString(slot_getattr(slot, lead, &isnull));
		signal->id = DatumGetInt64(slot_getattr(slot, id, &isnull));
		first_of(signal->flow, &signal->lead);
	}
	ExecDropSingleTupleTableSlot(slot);
	qsort(signals, *n, sizeof(NewSignal), compare_new_signals);
	return signals;
}

static int
compare_new_signals(const void *a, const void *b)
{
	const NewSignal *x = a;
	const NewSignal *y = b;
	int order = strcmp(x->flow, y->flow);

	if (order == 0)
		order = strcmp(x->lead, y->lead);
	if (order != 0)
		return order;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
leave_pending(const char *flow, const char *lead)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), TimestampTzGetDatum(lr_now())};
	OwnerSession session;

	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.pending_rescores (flow, lead, at) SELECT $1, $2, $3"
					 " WHERE EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = $1)",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
}

/* rescore(flow text, lead text) RETURNS boolean: whether the lead is known, and its flow scores leads */
Datum
lr_sql_rescore(PG_FUNCTION_ARGS)
{
	lr_pending_settle();
	PG_RETURN_BOOL(lr_rescore(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), NULL, 0, LockWaitBlock) == RESCORE_DONE);
}

/* rescore_if_free(flow text, lead text, first boolean) RETURNS text: done, unknown, off, or locked where somebody holds its row or it fails */
Datum
lr_sql_rescore_pending(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {"done", "unknown", "off", "locked"};
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Rescoring rescoring = {.flow = text_to_cstring(PG_GETARG_TEXT_PP(0)), .wait = LockWaitSkip};

	lr_pending_settle();
	if (PG_GETARG_BOOL(2))
		first_of(rescoring.flow, &lead);
	rescoring.lead = lead;
	PG_RETURN_TEXT_P(cstring_to_text(words[rescore_protected(&rescoring)]));
}

void
lr_rescore_want(const char *flow, const char *lead)
{
	remember(&wanted, flow, lead);
}

void
lr_rescore_arrived(const FlowConfig *config, const char *lead)
{
	if (list_length(arrived) < ARRIVED_AT_MOST)
		remember(&arrived, config->flow, lead);
	else
		many_arrived = true;
}

static void
remember(List **leads, const char *flow, const char *lead)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	WantedRescore *rescore = palloc(sizeof(WantedRescore));

	rescore->flow = pstrdup(flow);
	rescore->lead = pstrdup(lead);
	*leads = lappend(*leads, rescore);
	MemoryContextSwitchTo(oldcontext);
}

void
lr_rescore_before_commit(void)
{
	OwnerSession session;

	if ((wanted == NIL && arrived == NIL) || !lr_installed())
		return;
	if (many_arrived)
		want_pending_among_many();
	else if (arrived != NIL)
		want_pending();
	if (wanted != NIL)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		/* the deferred triggers have fired; what an UPDATE of a row would queue for them now would never be */
		lr_owner_begin(&session);
		if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not set constraints immediate");
		lr_owner_end(&session);
		lr_rescore_write_wanted();
		PopActiveSnapshot();
	}
	lr_rescore_end();
}

void
lr_rescore_write_wanted(void)
{
	List *now = wanted;
	ListCell *cell;

	if (now == NIL)
		return;
	wanted = NIL;
	lr_pending_settle();
	foreach(cell, now)
	{
		WantedRescore *want = lfirst(cell);
		Rescoring rescoring = {.flow = want->flow, .wait = LockWaitSkip};

		first_of(want->flow, &want->lead);
		rescoring.lead = want->lead;
		if (rescore_protected(&rescoring) == RESCORE_LOCKED)
			leave_pending(want->flow, want->lead);
	}
	lr_pending_settle();
}

/* Leads that a signal waits for: an index probe a lead, in a table that is nearly empty. */
static void
want_pending(void)
{
	Relation rel = table_open(lr_relation_oid("pending_rescores"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("pending_rescores_lead_idx"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = lr_index_beginscan(rel, index, SnapshotSelf, NULL, 2, 0);
	ListCell *cell;

	foreach(cell, arrived)
	{
		const WantedRescore *lead = lfirst(cell);
		ScanKeyData keys[2];

		ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0], F_TEXTEQ, CStringGetTextDatum(lead->flow));
		ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1], F_TEXTEQ, CStringGetTextDatum(lead->lead));
		index_rescan(scan, keys, 2, NULL, 0);
		if (index_getnext_slot(scan, ForwardScanDirection, slot))
			lr_rescore_want(lead->flow, lead->lead);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

static void
want_pending_among_many(void)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(LOOK_AT_MOST)};
	OwnerSession session;

	PushActiveSnapshot(GetTransactionSnapshot());
	lr_owner_begin(&session);
	lr_owner_execute("SELECT p.flow, p.lead FROM (SELECT DISTINCT d.flow, d.lead FROM leadroute.pending_rescores d LIMIT $1) p"
					 " JOIN leadroute.lead_states s ON s.flow = p.flow AND s.lead = p.lead",
					 lengthof(types), types, values, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		lr_rescore_want(lr_spi_text(i, 1), lr_spi_text(i, 2));
	lr_owner_end(&session);
	PopActiveSnapshot();
}

void
lr_rescore_end(void)
{
	wanted = NIL;
	arrived = NIL;
	many_arrived = false;
}
