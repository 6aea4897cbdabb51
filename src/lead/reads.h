/*
 * reads.h
 *		The columns that leadroute reads of rows that change.
 */
#ifndef LR_READS_H
#define LR_READS_H

#include "lead.h"

/*
 * Whether an UPDATE changed a column that the flow reads or fills: key, flow, outputs, whom the row is of, and what its conditions, criteria and
 * policies read. `updated` are the columns that the statement sets (TriggerData.tg_updatedcols), NULL where nobody knows.
 */
extern bool lr_reads_changed(LeadShape *shape, FlowConfig *config, const Bitmapset *updated, TupleTableSlot *old, TupleTableSlot *new);

#endif /* LR_READS_H */
