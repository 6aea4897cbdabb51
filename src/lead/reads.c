/*
 * reads.c
 *		The columns that leadroute reads of rows that change: what they are is known of a flow and a table, so most UPDATEs are told apart by the
 *		columns that their statement sets, and nothing of the row is looked at.
 *
 * Where a user's BEFORE trigger has had the row before, it may have set any column, and values are compared. A trigger that fires after ours is
 * the AFTER trigger's to find out (LeadShape.updates_after, change.c).
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "plan.h"
#include "reads.h"
#include "score.h"
#include "watch.h"

typedef struct Reads
{
	FlowPlan base;
	Bitmapset *set; /* as executor and parser count columns, system columns first */
	int ncolumns;
	AttrNumber *columns; /* ascending */
} Reads;

static Reads *reads_of(LeadShape *shape, FlowConfig *config);
static void add_column(Bitmapset **columns, const LeadColumn *column);

bool
lr_reads_changed(LeadShape *shape, FlowConfig *config, const Bitmapset *updated, TupleTableSlot *old, TupleTableSlot *new)
{
	const Reads *reads = reads_of(shape, config);

	if (shape->updates_before)
		updated = NULL;
	if (updated && !bms_overlap(reads->set, updated))
		return false;
	for (int i = 0; i < reads->ncolumns; i++)
		if ((updated == NULL || bms_is_member(reads->columns[i] - FirstLowInvalidHeapAttributeNumber, updated)) &&
			lr_lead_differs(shape, reads->columns[i], old, new))
			return true;
	return false;
}

static Reads *
reads_of(LeadShape *shape, FlowConfig *config)
{
	Reads *reads = lr_plan_find(shape, PLAN_READS, config);
	bool scores = config->scoring && config->scoring->model;
	Bitmapset *columns = NULL;
	MemoryContext oldcontext;
	int attno = -1;

	if (reads)
		return reads;
	reads = lr_plan_make(sizeof(Reads), config);
	oldcontext = MemoryContextSwitchTo(reads->base.mcxt);
	add_column(&columns, &shape->key);
	add_column(&columns, &shape->flow_column);
	add_column(&columns, &shape->deleted);
	/* the stage is the user's own in a flow without stages, as the score's columns are in one without a model */
	for (int i = 0; i < LEAD_OUTPUTS; i++)
		if ((i != OUTPUT_STAGE || config->nstages > 0) && (scores || (SCORE_OUTPUTS & (1 << i)) == 0))
			add_column(&columns, &shape->outputs[i]);
	if (config->nmatch_rules > 0)
		for (int i = 0; i < LEAD_INPUTS; i++)
			add_column(&columns, &shape->inputs[i]);
	columns = bms_add_members(columns, lr_watch_columns(lr_watch(shape, config)));
	columns = bms_add_members(columns, lr_score_columns(shape, config));

	reads->columns = palloc(bms_num_members(columns) * sizeof(AttrNumber));
	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		reads->columns[reads->ncolumns++] = (AttrNumber) attno;
		reads->set = bms_add_member(reads->set, attno - FirstLowInvalidHeapAttributeNumber);
	}
	bms_free(columns);
	MemoryContextSwitchTo(oldcontext);
	lr_plan_keep(shape, PLAN_READS, reads);
	return reads;
}

static void
add_column(Bitmapset **columns, const LeadColumn *column)
{
	if (column->attno != 0)
		*columns = bms_add_member(*columns, column->attno);
}
