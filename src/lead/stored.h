/*
 * stored.h
 *		A lead's row as it stands in its table: found by its key, locked, read, and its outputs written.
 */
#ifndef LR_STORED_H
#define LR_STORED_H

#include "arrival.h"
#include "ask.h"
#include "nodes/lockoptions.h"

/* A row by its key's text, as a role may see it; NULL where there is none. In the current context. */
extern HeapTuple lr_stored_fetch(Relation rel, const FlowTable *table, const char *lead, Oid role);

/*
 * The same, locked for UPDATE by `role`, whose privileges and row security decide, then read as the table's owner.
 * NULL where the role finds no such row; with LockWaitSkip also where somebody else holds its lock.
 */
extern HeapTuple lr_stored_lock(Relation rel, const FlowTable *table, const char *lead, Oid role, LockWaitPolicy wait);

/* What is known of a row before anything is decided about it; its flow is the row's own where the table has a flow column. */
extern void lr_stored_arrival(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *attachment,
							  const char *flow);

/* UPDATEs the row's output columns, as the table's owner, past our own triggers. */
extern void lr_stored_write(Relation rel, const Arrival *arrival, const LeadOutputs *outputs);
/* The same for the stage alone. */
extern void lr_stored_write_stage(Relation rel, const Arrival *arrival, const char *stage);

/* Only some of them: a bit mask of 1 << LeadOutput. */
extern void lr_stored_write_some(Relation rel, const Arrival *arrival, const LeadOutputs *outputs, int which);

#endif /* LR_STORED_H */
