/*
 * committee.h
 *		Buying committees: so many people of one account within a window, told once.
 */
#ifndef LR_COMMITTEE_H
#define LR_COMMITTEE_H

#include "route.h"

/* A lead of an account was decided and its rows wait in the journal. Copies what it needs. */
extern void lr_committee_arrived(const Decision *decision);

/* The journal has written this subtransaction's rows: claims what is complete. True: more rows wait in the journal. */
extern bool lr_committee_check(void);

extern void lr_committee_abort(SubTransactionId subid);
extern void lr_committee_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_committee_end(void);

#endif /* LR_COMMITTEE_H */
