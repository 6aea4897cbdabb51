/*
 * traits.h
 *		What reports group leads by, kept in lead_states as it was when a lead was decided.
 */
#ifndef LR_TRAITS_H
#define LR_TRAITS_H

#include "journal.h"
#include "route.h"

/*
 * Works out the row's segment and intent by its flow's expressions, the row's own column intent, and leadroute.sources; before
 * the rules, which may read them as facts. Once a row. What fails counts as NULL, with a WARNING unless *warned, or is an error
 * where the flow says on_error = fail. Strings are in the current context.
 */
extern void lr_traits_judge(LeadRow *row, FlowConfig *config, bool *warned);

/* Puts the words of a row that a report shows (name, company, source, value) into the row of a state. Strings: as above. */
extern void lr_traits_write(JournalRow *state, const LeadShape *shape, TupleTableSlot *slot);

#endif /* LR_TRAITS_H */
