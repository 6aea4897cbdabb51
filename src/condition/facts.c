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

/* Where the columns of a row stand in it, from 0. */
typedef struct FactColumns
{
	Oid type; /* InvalidOid: not known yet */
	int natts;
	int at;
	int submitted_at;
	int is_duplicate;
	int probability;
	int flow;
	int lead;
	int given_owner;
	int operation;
	int stage;
	int segment;
	int intent;
} FactColumns;

static const FactColumns *columns_of(TupleDesc desc);
static void fill_text(TupleTableSlot *facts, int column, const char *text);

void
lr_facts_fill(TupleTableSlot *facts, FlowConfig *config, const LeadRow *row, TimestampTz submitted_at, MemoryContext mcxt)
{
	const FactColumns *columns = columns_of(facts->tts_tupleDescriptor);
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	const Prediction *prediction = lr_predict(row, config);
	Datum *values = facts->tts_values;
	bool *nulls = facts->tts_isnull;

	ExecClearTuple(facts);
	memset(nulls, true, facts->tts_tupleDescriptor->natts * sizeof(bool));
	values[columns->at] = TimestampTzGetDatum(row->at);
	values[columns->submitted_at] = TimestampTzGetDatum(submitted_at);
	values[columns->is_duplicate] = BoolGetDatum(row->first != NULL);
	nulls[columns->at] = nulls[columns->submitted_at] = nulls[columns->is_duplicate] = false;
	if (prediction)
	{
		values[columns->probability] = Float8GetDatum(prediction->probability);
		nulls[columns->probability] = false;
	}
	fill_text(facts, columns->flow, config->flow);
	fill_text(facts, columns->lead, row->lead);
	fill_text(facts, columns->given_owner, row->given_owner);
	fill_text(facts, columns->operation, row->operation);
	fill_text(facts, columns->stage, row->stage);
	fill_text(facts, columns->segment, row->segment);
	fill_text(facts, columns->intent, row->intent);
	ExecStoreVirtualTuple(facts);
	MemoryContextSwitchTo(oldcontext);
}

/* Which is which: two rows are filled a lead, so names are compared once a session. The type only ever grows. */
static const FactColumns *
columns_of(TupleDesc desc)
{
	static FactColumns known = {.type = InvalidOid};

	if (known.type == desc->tdtypeid && known.natts == desc->natts)
		return &known;
	known.type = InvalidOid;
	known.at = lr_facts_column(desc, "at") - 1;
	known.submitted_at = lr_facts_column(desc, "submitted_at") - 1;
	known.is_duplicate = lr_facts_column(desc, "is_duplicate") - 1;
	known.probability = lr_facts_column(desc, "probability") - 1;
	known.flow = lr_facts_column(desc, "flow") - 1;
	known.lead = lr_facts_column(desc, "lead") - 1;
	known.given_owner = lr_facts_column(desc, "given_owner") - 1;
	known.operation = lr_facts_column(desc, "operation") - 1;
	known.stage = lr_facts_column(desc, "stage") - 1;
	known.segment = lr_facts_column(desc, "segment") - 1;
	known.intent = lr_facts_column(desc, "intent") - 1;
	known.natts = desc->natts;
	known.type = desc->tdtypeid;
	return &known;
}

static void
fill_text(TupleTableSlot *facts, int column, const char *text)
{
	if (text == NULL)
		return;
	facts->tts_values[column] = CStringGetTextDatum(text);
	facts->tts_isnull[column] = false;
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
