/*
 * change.h
 *		Rows of a leads table that change, stand, or go.
 */
#ifndef LR_CHANGE_H
#define LR_CHANGE_H

#include "arrival.h"

/*
 * BEFORE UPDATE, in the memory context the trigger was called in: what leadroute fills stays as leadroute has it; a hand's owner is noted.
 * `updated` are the columns that the statement sets, NULL where nobody knows.
 */
extern HeapTuple lr_change(Relation rel, HeapTuple newtuple, TupleTableSlot *old, TupleTableSlot *new, const Bitmapset *updated,
						   const char *flow);

/* AFTER ROW: what really happened. */
extern void lr_row_inserted(Relation rel, TupleTableSlot *slot, const char *flow);
extern void lr_row_updated(Relation rel, TupleTableSlot *old, TupleTableSlot *new, const char *flow);
extern void lr_row_deleted(Relation rel, TupleTableSlot *slot, const char *flow);

#endif /* LR_CHANGE_H */
