/*
 * first_clock.h
 *		Clocks that a duplicate's own row starts on its first lead.
 */
#ifndef LR_FIRST_CLOCK_H
#define LR_FIRST_CLOCK_H

#include "route.h"

/*
 * The row of a duplicate that met policies stands: what it asks for waits, and is written with what duplicates mean for their
 * first leads (lr_duplicate_write_firsts). Touches no table.
 */
extern void lr_first_clocks_ask(const char *lead, const Decision *decision);

/* Whether any waits, and whether so many that they had better be written now. */
extern bool lr_first_clocks_wait(void);
extern bool lr_first_clocks_are_many(void);

/* Those of the current subtransaction whose first leads are written. Needs a snapshot; waits for nobody. */
extern void lr_first_clocks_write(void);

/* For explain: which policies' clocks a duplicate would start, one line each. */
extern void lr_first_clocks_trace(const Decision *decision, List **trace);

extern void lr_first_clocks_abort(SubTransactionId subid);
extern void lr_first_clocks_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_first_clocks_end(void);

#endif /* LR_FIRST_CLOCK_H */
