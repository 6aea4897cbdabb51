/*
 * facts.h
 *		The row "facts": what a condition may read of a lead that is no column of its table.
 */
#ifndef LR_FACTS_H
#define LR_FACTS_H

#include "account.h"
#include "nodes/bitmapset.h"
#include "route.h"

/*
 * Fills the row, but for what takes a look-up of the account; the probability too, where the flow has a published model. Texts go into mcxt, which must live as long as the row is read.
 */
extern void lr_facts_fill(TupleTableSlot *facts, FlowConfig *config, const LeadRow *row, TimestampTz submitted_at,
						  MemoryContext mcxt);

/* Adds what takes one: of the account, or of none where hit is NULL. Texts go into mcxt. */
extern void lr_facts_account(TupleTableSlot *facts, const AccountHit *hit, MemoryContext mcxt);

/* The numbers of the columns that lr_facts_account fills, in the current context. */
extern Bitmapset *lr_facts_of_account(TupleDesc desc);

/* The number of the column that comes from the flow's published model. */
extern AttrNumber lr_facts_of_prediction(TupleDesc desc);
/* The one of that name. */
extern AttrNumber lr_facts_column(TupleDesc desc, const char *name);

/* What conditions over a leads table's rows may name: its columns, but for those that leadroute fills, and facts. Nothing is copied. */
extern void lr_facts_scope(const LeadShape *shape, LrConditionScope *scope);

#endif /* LR_FACTS_H */
