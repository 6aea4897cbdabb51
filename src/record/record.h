/*
 * record.h
 *		What a decision writes: state, event, messages.
 */
#ifndef LR_RECORD_H
#define LR_RECORD_H

#include "route.h"
#include "utils/jsonb.h"

/*
 * Hands the rows of a new lead's decision to the journal, and tells committee.c that it arrived. The slot has its row. path: lr_route_path of the
 * decision, or NULL. Keeps nothing of the caller's. Locks and errors: the journal's. The turn is the caller's to confirm.
 */
extern void lr_record(const char *lead, const Decision *decision, const char *source_owner, const Jsonb *path, const LeadShape *shape,
					  TupleTableSlot *slot);

#endif /* LR_RECORD_H */
