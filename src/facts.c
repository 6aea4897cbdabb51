/*
 * facts.c
 *		The row "facts": what a condition may read of a lead that is no column of its table.
 *
 * Slots are the caller's: a plan's (route.c) or a watch's (watch.c), of the descriptor that lr_facts_desc() returns. Columns
 * are known by name. Nothing is locked.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "facts.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

void
lr_facts_fill(TupleTableSlot *facts, FlowConfig *config, const LeadRow *row, TimestampTz submitted_at, MemoryContext mcxt)
{
	TupleDesc desc = facts->tts_tupleDescriptor;
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	const Prediction *prediction = lr_predict(row, config);

	ExecClearTuple(facts);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);
		const char *text = NULL;

		facts->tts_isnull[i] = false;
		if (strcmp(name, "at") == 0)
			facts->tts_values[i] = TimestampTzGetDatum(row->at);
		else if (strcmp(name, "submitted_at") == 0)
			facts->tts_values[i] = TimestampTzGetDatum(submitted_at);
		else if (strcmp(name, "is_duplicate") == 0)
			facts->tts_values[i] = BoolGetDatum(row->first != NULL);
		else if (strcmp(name, "probability") == 0)
		{
			facts->tts_isnull[i] = (prediction == NULL);
			facts->tts_values[i] = Float8GetDatum(prediction ? prediction->probability : 0);
		}
		else
		{
			if (strcmp(name, "flow") == 0)
				text = config->flow;
			else if (strcmp(name, "lead") == 0)
				text = row->lead;
			else if (strcmp(name, "given_owner") == 0)
				text = row->given_owner;
			else if (strcmp(name, "operation") == 0)
				text = row->operation;
			else if (strcmp(name, "stage") == 0)
				text = row->stage;
			else if (strcmp(name, "segment") == 0)
				text = row->segment;
			else if (strcmp(name, "intent") == 0)
				text = row->intent;
			facts->tts_isnull[i] = (text == NULL);
			facts->tts_values[i] = text ? CStringGetTextDatum(text) : (Datum) 0;
		}
	}
	ExecStoreVirtualTuple(facts);
	MemoryContextSwitchTo(oldcontext);
}

void
lr_facts_account(TupleTableSlot *facts, const AccountHit *hit, MemoryContext mcxt)
{
	TupleDesc desc = facts->tts_tupleDescriptor;
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);

	for (int i = 0; hit && i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (strcmp(name, "account_tier") == 0)
		{
			facts->tts_isnull[i] = hit->tier == 0;
			facts->tts_values[i] = Int32GetDatum(hit->tier);
		}
		else if (strcmp(name, "account") == 0 || strcmp(name, "account_owner") == 0)
		{
			const char *text = strcmp(name, "account") == 0 ? hit->account : hit->owner;

			facts->tts_isnull[i] = text == NULL;
			facts->tts_values[i] = text ? CStringGetTextDatum(text) : (Datum) 0;
		}
	}
	MemoryContextSwitchTo(oldcontext);
}

Bitmapset *
lr_facts_of_account(TupleDesc desc)
{
	Bitmapset *columns = NULL;

	for (int i = 0; i < desc->natts; i++)
		if (strncmp(NameStr(TupleDescAttr(desc, i)->attname), "account", strlen("account")) == 0)
			columns = bms_add_member(columns, i + 1);
	return columns;
}

AttrNumber
lr_facts_of_prediction(TupleDesc desc)
{
	return lr_facts_column(desc, "probability");
}

AttrNumber
lr_facts_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	elog(ERROR, "type facts has no column \"%s\"", name);
}

void
lr_facts_scope(const LeadShape *shape, LrConditionScope *scope)
{
	*scope = (LrConditionScope){
		.row = shape->desc,
		.facts = lr_facts_desc(),
		.relid = shape->relid,
		.outputs = shape->output_columns,
		.output_names = lr_output_names,
		.noutputs = LEAD_OUTPUTS,
	};
}
