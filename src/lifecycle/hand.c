/*
 * hand.c
 *		A lead in somebody's hand: the door of the functions by which people work on one lead, and close() and reopen().
 *
 * Order of locks: the row in the leads table, then its state, as an UPDATE of the row by hand has it. What earlier
 * statements of the transaction left to be written is written first.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "clock_change.h"
#include "effect.h"
#include "fmgr.h"
#include "hand.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "waiting.h"

PG_FUNCTION_INFO_V1(lr_sql_close);
PG_FUNCTION_INFO_V1(lr_sql_reopen);

static bool take(HandledLead *hand, HeapTuple tuple, const FlowTable *table, const char *flow);
static void look(HandledLead *hand, const FlowTable *table, const char *lead, const char *flow);
static bool is_seen(const HandledLead *hand);
static Oid lock_role(Relation rel);

bool
lr_hand_open_own(HandledLead *hand, const char *lead, const char *flow, LockWaitPolicy wait)
{
	FlowTable table = lr_flow_table(flow);
	HeapTuple tuple;
	bool known;

	memset(hand, 0, sizeof(HandledLead));
	hand->rel = table_open(table.relid, RowExclusiveLock);
	tuple = lr_stored_lock(hand->rel, &table, lead, hand->rel->rd_rel->relowner, wait);
	if (tuple == NULL)
	{
		table_close(hand->rel, NoLock);
		return false;
	}
	known = take(hand, tuple, &table, flow);
	if (!known)
		lr_hand_close(hand);
	return known;
}

/* What is known of a lead whose row is locked; false: nothing. */
static bool
take(HandledLead *hand, HeapTuple tuple, const FlowTable *table, const char *flow)
{
	hand->slot = MakeSingleTupleTableSlot(RelationGetDescr(hand->rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, hand->slot, false);
	lr_stored_arrival(&hand->arrival, hand->rel, hand->slot, table->attachment, flow);
	hand->at = lr_now();
	if (!lr_state_find(hand->arrival.config->flow, hand->arrival.lead, &hand->state))
		return false;
	hand->arrival.stage = hand->state.stage;
	lr_score_known(&hand->arrival.memo, &hand->state);
	return true;
}

bool
lr_hand_open(HandledLead *hand, const char *lead, const char *flow, LockWaitPolicy wait)
{
	FlowTable table;
	HeapTuple tuple;
	Oid role;

	memset(hand, 0, sizeof(HandledLead));
	lr_pending_settle();
	table = lr_flow_table(flow);
	hand->rel = table_open(table.relid, RowExclusiveLock);
	role = lock_role(hand->rel);
	look(hand, &table, lead, flow);
	tuple = lr_stored_lock(hand->rel, &table, lead, role, wait);
	if (tuple == NULL && wait == LockWaitSkip && lr_stored_fetch(hand->rel, &table, lead, role))
	{
		table_close(hand->rel, NoLock);
		return false;
	}
	if (tuple == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("lead \"%s\" is not in table \"%s\"", lead, RelationGetRelationName(hand->rel)),
				 errhint("The key is that of column \"%s\"; a flow other than \"%s\" is the function's last argument.",
						 lr_config(table.attachment)->attachment->key_column, flow)));
	if (!take(hand, tuple, &table, flow))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("leadroute does not know lead \"%s\" of flow \"%s\"", hand->arrival.lead, hand->arrival.config->flow),
				 errdetail("Its row stood in the table before it was attached, or was written while the triggers were off."),
				 errhint("CALL leadroute.catch_up(%s) records such rows.",
						 quote_literal_cstr(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(hand->rel)),
																	   RelationGetRelationName(hand->rel))))));
	hand->actor = GetUserNameFromId(GetSessionUserId(), false);
	return true;
}

/* What the caller's statement sees of the lead, before anything is waited for. */
static void
look(HandledLead *hand, const FlowTable *table, const char *lead, const char *flow)
{
	HeapTuple tuple = lr_stored_fetch(hand->rel, table, lead, hand->rel->rd_rel->relowner);
	TupleTableSlot *slot;
	Arrival arrival;

	if (tuple == NULL)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(hand->rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);
	lr_stored_arrival(&arrival, hand->rel, slot, table->attachment, flow);
	(void) lr_state_find_seen(arrival.config->flow, arrival.lead, &hand->seen);
	ExecDropSingleTupleTableSlot(slot);
}

void
lr_hand_expect_seen(const HandledLead *hand)
{
	if (is_seen(hand))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("lead \"%s\" has changed hands meanwhile", hand->arrival.lead),
			 hand->state.owner ? errdetail("It belongs to %s now.", hand->state.owner) : errdetail("It belongs to nobody now."),
			 errhint("Look at it again, and repeat the call if it still is what you want.")));
}

static bool
is_seen(const HandledLead *hand)
{
	const LeadState *seen = &hand->seen;
	const LeadState *state = &hand->state;

	if (state->own || seen->status == NULL)
		return true;
	if (seen->owner == NULL || state->owner == NULL)
		return seen->owner == state->owner;
	return strcmp(seen->owner, state->owner) == 0;
}

/* Whose rights decide: a member of leadroute_operator works with all leads, anybody else with those he may update. */
static Oid
lock_role(Relation rel)
{
	Oid relid = RelationGetRelid(rel);

	if (has_privs_of_role(GetUserId(), get_role_oid("leadroute_operator", false)))
		return rel->rd_rel->relowner;
	if (pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_UPDATE, ACLMASK_ANY) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", RelationGetRelationName(rel)),
				 errdetail("Who works with a lead must be allowed to update its row, or be a member of leadroute_operator."),
				 errhint("GRANT leadroute_operator, or UPDATE on the table, to \"%s\".", GetUserNameFromId(GetUserId(), false))));
	return GetUserId();
}

void
lr_hand_close(HandledLead *hand)
{
	lr_pending_flush();
	lr_drain_ask();
	ExecDropSingleTupleTableSlot(hand->slot);
	table_close(hand->rel, NoLock);
}

/* close(lead text, outcome text, value numeric, flow text) RETURNS boolean: whether that changed anything */
Datum
lr_sql_close(PG_FUNCTION_ARGS)
{
	const char *outcome;
	HandledLead hand;
	bool changed;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	outcome = PG_ARGISNULL(1) ? "closed" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (outcome[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the outcome must not be empty"),
				 errhint("Name an outcome of your own, as 'won' or 'lost'.")));
	if (strcmp(outcome, "deleted") == 0 || strcmp(outcome, "gone") == 0 || strcmp(outcome, "moved") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lead cannot be closed by hand as \"%s\"", outcome),
				 errdetail("leadroute closes leads so whose rows went."),
				 errhint("Name an outcome of your own, as 'won' or 'lost'.")));
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(3)), LockWaitBlock);
	changed = lr_hand_end(&hand, outcome, strcmp(outcome, "won") == 0 ? "won" : "closed", psprintf("%s: closed by %s", outcome, hand.actor),
						  !PG_ARGISNULL(2), PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2));
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}

bool
lr_hand_end(HandledLead *hand, const char *outcome, const char *code, const char *reason, bool has_value, Datum value)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum values[8];
	char nulls[] = "        ";
	OwnerSession session;
	bool changed;

	values[0] = CStringGetTextDatum(hand->arrival.config->flow);
	values[1] = CStringGetTextDatum(hand->arrival.lead);
	values[2] = CStringGetTextDatum(outcome);
	values[3] = value;
	nulls[3] = has_value ? ' ' : 'n';
	values[4] = hand->actor ? CStringGetTextDatum(hand->actor) : (Datum) 0;
	nulls[4] = hand->actor ? ' ' : 'n';
	values[5] = TimestampTzGetDatum(hand->at);
	values[6] = CStringGetTextDatum(code);
	values[7] = CStringGetTextDatum(reason);
	lr_owner_begin(&session);
	lr_owner_execute_nulls("WITH was AS (SELECT s.closed_at, s.outcome, s.value FROM leadroute.lead_states s"
						   "   WHERE s.flow = $1 AND s.lead = $2 FOR UPDATE),"
						   " closed AS (UPDATE leadroute.lead_states s SET closed_at = coalesce(s.closed_at, $6), outcome = $3,"
						   "     won = ($3 = 'won'), value = coalesce($4, s.value), closed_by = coalesce($5, 'leadroute')"
						   "   FROM was WHERE s.flow = $1 AND s.lead = $2"
						   "     AND (was.closed_at IS NULL OR (was.outcome, was.value) IS DISTINCT FROM ($3, coalesce($4, was.value)))"
						   "   RETURNING s.*, was.closed_at IS NULL AS turned),"
						   " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, actor)"
						   "   SELECT flow, lead, $6, 'closed', $7, owner, team, concat_ws(', ', $8, 'value ' || value), $5 FROM closed)"
						   " SELECT coalesce(team, ''), CASE WHEN turned THEN " LR_HOLDER " END, 1 FROM closed",
						   lengthof(types), types, values, nulls, SPI_OK_SELECT);
	changed = SPI_processed > 0;
	lr_state_free_places(hand->arrival.config->flow);
	lr_owner_end(&session);
	if (changed)
		lr_clocks_closed(hand->arrival.config->flow, lr_clocks_lead(hand->arrival.lead), outcome, hand->at);
	return changed;
}

/* reopen(lead text, flow text) RETURNS boolean: whether it was closed */
Datum
lr_sql_reopen(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[4];
	const Closing open = {.verdict = VERDICT_OPEN};
	HandledLead hand;
	OwnerSession session;
	bool changed;

	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), LockWaitBlock);
	values[0] = CStringGetTextDatum(hand.arrival.config->flow);
	values[1] = CStringGetTextDatum(hand.arrival.lead);
	values[2] = CStringGetTextDatum(hand.actor);
	values[3] = TimestampTzGetDatum(hand.at);
	lr_owner_begin(&session);
	lr_owner_execute("WITH opened AS (UPDATE leadroute.lead_states s"
					 "   SET closed_at = NULL, outcome = NULL, won = NULL, closed_by = NULL"
					 "   WHERE s.flow = $1 AND s.lead = $2 AND s.closed_at IS NOT NULL RETURNING s.*),"
					 " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, actor)"
					 "   SELECT flow, lead, $4, 'reopened', 'reopened', owner, team, format('re-opened by %s', $3), $3 FROM opened)"
					 " SELECT coalesce(team, ''), " LR_HOLDER ", 1 FROM opened",
					 lengthof(types), types, values, SPI_OK_SELECT);
	changed = SPI_processed > 0;
	lr_state_take_places(hand.arrival.config->flow);
	lr_owner_end(&session);
	if (changed)
		lr_clocks_reopened(hand.arrival.config->flow, lr_clocks_lead(hand.arrival.lead), hand.at);
	/* what a row said in this transaction does not count any more */
	if (changed)
		lr_effect_said(hand.arrival.config->flow, hand.arrival.lead, &open);
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}
