/*
 * subtransaction.h
 *		Lists of what waits in memory for the subtransaction that it belongs to.
 */
#ifndef LR_SUBTRANSACTION_H
#define LR_SUBTRANSACTION_H

#include "nodes/pg_list.h"

/* What every item of such a list begins with. */
typedef struct OfSubtransaction
{
	SubTransactionId subid;
} OfSubtransaction;

/* The list without a subtransaction's items: it was rolled back. Each goes to `forget`, which frees it. */
extern List *lr_subtransaction_abort(List *items, SubTransactionId subid, void (*forget)(void *item));

/* A subtransaction's items are its parent's: it was released. */
extern void lr_subtransaction_reparent(List *items, SubTransactionId subid, SubTransactionId parent);

#endif /* LR_SUBTRANSACTION_H */
