/*
 * identity.h
 *		Keys that only one lead may hold, claimed in leadroute.identities: its unique index decides a race.
 */
#ifndef LR_IDENTITY_H
#define LR_IDENTITY_H

#include "storage/itemptr.h"

/*
 * Claims a key for a lead. True: it is the lead's now, *claim is the row. False: another lead, or the same one in
 * another transaction, holds it; *holder (current context) is who. Waits for a transaction in progress that holds
 * the key, as a unique index does. Writes, so takes a transaction id.
 */
extern bool lr_identity_claim(const char *flow, const char *kind, const char *key, const char *lead,
							  ItemPointer claim, char **holder);

/* The claim's row was never inserted: delete it when tables may be written again. Touches no table. */
extern void lr_identity_drop_later(ItemPointer claim, SubTransactionId subid);
extern void lr_identity_drop_now(void);

extern void lr_identity_abort(SubTransactionId subid);
extern void lr_identity_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_identity_end(void);

#endif /* LR_IDENTITY_H */
