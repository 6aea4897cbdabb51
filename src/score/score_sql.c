/*
 * score_sql.c
 *		score() and score_explain(): what a stored lead is worth at an instant, and why.
 *
 * The row is read as the caller may see it, signals as his statement does. Nothing is written or locked.
 */
#include "postgres.h"

#include "access/table.h"
#include "arrival.h"
#include "ask.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "score.h"
#include "stored.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_sql_score);
PG_FUNCTION_INFO_V1(lr_sql_score_explain);

static LeadScore ask_score(FunctionCallInfo fcinfo, List **lines);

/* score(lead text, at timestamptz, flow text) RETURNS numeric */
Datum
lr_sql_score(PG_FUNCTION_ARGS)
{
	LeadScore score;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	score = ask_score(fcinfo, NULL);
	if (score.scoring == NULL || score.scoring->model == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(lr_score_numeric(score.score));
}

/* score_explain(lead text, at timestamptz, flow text) RETURNS SETOF record */
Datum
lr_sql_score_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List *lines = NIL;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		return (Datum) 0;
	(void) ask_score(fcinfo, &lines);
	foreach(cell, lines)
	{
		const ScoreLine *line = lfirst(cell);
		bool weighs = strcmp(line->item, "weight") == 0;
		bool rounds = strcmp(line->item, "rounding") == 0;
		Datum values[8];
		bool nulls[8] = {false};

		values[0] = Int32GetDatum((int32) tuplestore_tuple_count(rsinfo->setResult) + 1);
		values[1] = CStringGetTextDatum(line->dimension);
		values[2] = CStringGetTextDatum(line->item);
		values[3] = CStringGetTextDatum(line->name);
		values[4] = Int32GetDatum(line->signals);
		nulls[4] = line->signals < 0;
		values[5] = lr_score_numeric(line->raw);
		values[6] = lr_score_numeric(line->points);
		nulls[5] = nulls[6] = weighs || rounds;
		values[7] = NumericGetDatum(int64_div_fast_to_numeric(line->contribution, 4));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static LeadScore
ask_score(FunctionCallInfo fcinfo, List **lines)
{
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(2));
	FlowTable table;
	Relation rel;
	HeapTuple tuple;
	TupleTableSlot *slot;
	Arrival arrival;
	LeadState state;
	LeadRow row;
	LeadScore score;
	bool warned = false;

	lr_pending_settle();
	table = lr_flow_table(flow);
	rel = table_open(table.relid, AccessShareLock);
	if (pg_class_aclcheck(table.relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind), RelationGetRelationName(rel));
	/* what has just been written is seen, and nothing that others committed since the statement began */
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	tuple = lr_stored_fetch(rel, &table, lead, GetUserId());
	if (tuple == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("lead \"%s\" is not in table \"%s\"", lead, RelationGetRelationName(rel)),
				 errhint("The key is that of column \"%s\"; a flow other than \"%s\" is the function's last argument.",
						 lr_config(table.attachment)->attachment->key_column, flow)));
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);
	lr_stored_arrival(&arrival, rel, slot, table.attachment, flow);
	row = lr_arrival_row(&arrival, slot, "EXPLAIN");
	if (lr_state_find_seen(arrival.config->flow, arrival.lead, &state))
	{
		lr_score_known(&arrival.memo, &state);
		row.given_owner = state.source_owner;
		row.given_account = state.account_by && strcmp(state.account_by, "given") == 0 ? state.account : NULL;
		row.first = state.duplicate_of;
	}
	if (!PG_ARGISNULL(1))
		row.at = PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(row.at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range"),
				 errdetail("A score is asked for at an instant, not at infinity.")));
	arrival.memo.snapshot = GetActiveSnapshot();
	score = lines ? *lr_score_explain(&row, arrival.config, &warned, lines) : *lr_score(&row, arrival.config, &warned);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return score;
}
