/*
 * merge.h
 *		The policy `merge`: a duplicate's row is not inserted, its values go into the earlier lead's.
 */
#ifndef LR_MERGE_H
#define LR_MERGE_H

#include "access/htup.h"

struct Arrival;

/* The lead that unmerge() is bringing back: what it shares with others makes no duplicate of it. */
extern const char *lr_unmerged_lead;
/* Of that one with this only, where it is set: what the lead was to be merged into, which turned out to be gone. */
extern const char *lr_missing_lead;

/*
 * Records a duplicate that is absorbed by arrival->first: its state, which makes each later row of its key known, its
 * event and message; the values of its row wait to be written into the earlier lead's by a command after the statement.
 */
extern void lr_merge_absorb(struct Arrival *arrival, HeapTuple tuple);

extern bool lr_merges_wait(void);
/* Writes those of the current subtransaction. Runs SQL as the leads table's owner. */
extern void lr_merge_write(void);

extern void lr_merge_abort(SubTransactionId subid);
extern void lr_merge_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_merge_end(void);

#endif /* LR_MERGE_H */
