/*
 * waiting.h
 *		Leads that wait for a team: how many, and who hands them places.
 */
#ifndef LR_WAITING_H
#define LR_WAITING_H

#include "config.h"

/*
 * The leads that wait for a team are open leads of a member without a name: the ledger and shared memory count them as they
 * count everybody's, exactly, through aborts, crashes and restores.
 */
#define WAITING_MEMBER ""

extern RotationSlot *lr_waiting_slot(FlowConfig *config, TeamConfig *team);

/*
 * How many wait for a team, open transactions' included, less what this transaction takes out. A look at shared memory; no
 * lock, no query. Errors: those of lr_rotation_load.
 */
extern int32 lr_waiting_count(FlowConfig *config, TeamConfig *team);

/* A place of the flow is free, or about to be when this transaction commits: leads that wait are to have it then. Touches no table. */
extern void lr_drain_want(const char *flow);

/* Asks for it: the leads are given places by a deferred trigger, when the transaction commits. Runs SQL where it is wanted. */
extern void lr_drain_ask(void);

extern void lr_drain_abort(SubTransactionId subid);
extern void lr_drain_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_drain_end(void);

#endif /* LR_WAITING_H */
