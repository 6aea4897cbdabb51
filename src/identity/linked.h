/*
 * linked.h
 *		Duplicates and what becomes of their first lead.
 */
#ifndef LR_LINKED_H
#define LR_LINKED_H

#include "stored.h"

/*
 * Whether a lead that had no owner has linked leads that wait for one, as an SQL expression; `first` is its key, `flow` its
 * flow. One probe of an index.
 */
#define LR_HAS_LINKED(flow, first)                                                                    \
	"EXISTS (SELECT FROM leadroute.lead_states d WHERE d.flow = " flow " AND d.duplicate_of = " first \
	" AND d.status = 'duplicate' AND d.owner IS NULL AND d.closed_at IS NULL)"

/*
 * Gives the owner that a lead has now to its duplicates that have none: state, event, row; no turn, no place. Waits for
 * whoever holds one of their rows. Uses SPI; not within it.
 */
extern void lr_linked_follow(const char *flow, const char *first, TimestampTz at);

/*
 * Of leads that have just closed because their rows went: a duplicate of each takes its place, where it has any (leadroute.succeed_lead). Touches no
 * row of the leads table and waits for nobody but who claims the same key. Uses SPI; not within it.
 */
extern void lr_linked_succeed(const char *flow, char **gone, int n);

/* The first lead of a duplicate that was written, or one that became a duplicate: lr_linked_before_commit() looks whether it has gone or been linked meanwhile, and finds its duplicates another. Uses SPI. */
extern void lr_linked_note(const char *flow, const char *first);
extern void lr_linked_before_commit(void);
extern void lr_linked_end(void);

/* Locks what lr_linked_follow() would write; false, without waiting, where somebody else holds any of it. */
extern bool lr_linked_lock(Relation rel, const FlowTable *table, const char *flow, const char *first);

#endif /* LR_LINKED_H */
