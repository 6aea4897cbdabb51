/*
 * masked.c
 *		Whether the person of a stored lead is shown masked: leadroute.is_masked(), which views and messages ask.
 *
 * The state and the row are read as the caller's statement sees them, the row as the owner of the leads table: who reads a view needs no
 * rights there, and learns nothing of it but this. Conditions come from the session's cached configuration, queries have kept plans, so
 * that a view may ask it of each of its rows. Nothing is written or locked.
 */
#include "postgres.h"

#include "access/table.h"
#include "arrival.h"
#include "ask.h"
#include "fmgr.h"
#include "leadroute.h"
#include "protect.h"
#include "stored.h"
#include "traits.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_sql_is_masked);

/* A lead that is asked about. */
typedef struct Question
{
	const char *flow;
	const char *lead;
	const LeadState *state; /* NULL: none is known */
	const FlowTable *table;
	bool masked;
} Question;

static bool is_masked(const char *flow, const char *lead);
static void ask_row(void *arg);

/* is_masked(flow text, lead text) RETURNS boolean */
Datum
lr_sql_is_masked(PG_FUNCTION_ARGS)
{
	/* a query asks it of many leads, and frees what a call leaves only when it likes */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "leadroute is_masked", ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	bool masked = is_masked(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));

	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	PG_RETURN_BOOL(masked);
}

static bool
is_masked(const char *flow, const char *lead)
{
	LeadState state;
	bool known = lr_state_find_seen(flow, lead, &state);
	FlowTable table;
	Question question = {.flow = flow, .lead = lead, .state = known ? &state : NULL, .table = &table, .masked = true};

	if (known && state.consent == CONSENT_NO)
		return true;
	if (lr_config(flow)->mask_when == NULL)
		return false;
	table = lr_flow_table_if_any(flow);
	/* where there is no row to ask, and where asking fails, nobody says that the person may be shown */
	if (OidIsValid(table.relid))
		(void) lr_protect(ask_row, &question);
	return question.masked;
}

/* By the row as it stands. */
static void
ask_row(void *arg)
{
	Question *question = arg;
	const LeadState *state = question->state;
	Relation rel = table_open(question->table->relid, AccessShareLock);
	HeapTuple tuple = lr_stored_fetch(rel, question->table, question->lead, rel->rd_rel->relowner);
	bool warned = true; /* of each row that is shown masked nobody wants a WARNING */

	if (tuple)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
		Arrival arrival;
		LeadRow row;

		ExecStoreHeapTuple(tuple, slot, false);
		lr_stored_arrival(&arrival, rel, slot, question->table->attachment, question->flow);
		row = lr_arrival_row(&arrival, slot, "EXPLAIN");
		if (state)
		{
			lr_score_known(&arrival.memo, state);
			row.given_owner = state->source_owner;
			row.given_account = state->account_by && strcmp(state->account_by, "given") == 0 ? state->account : NULL;
			row.first = state->duplicate_of;
			row.stage = state->stage;
		}
		lr_traits_judge(&row, arrival.config, &warned);
		question->masked = lr_watch_masks(lr_watch(arrival.shape, arrival.config), &row, &warned);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, AccessShareLock);
}
