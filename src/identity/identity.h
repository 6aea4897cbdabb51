/*
 * identity.h
 *		Keys that only one lead may hold, claimed in leadroute.identities: its unique index decides a race.
 */
#ifndef LR_IDENTITY_H
#define LR_IDENTITY_H

#include "storage/itemptr.h"

/* The table, opened for some claims in a row. */
typedef struct IdentityTable IdentityTable;

/* A row of identities that is a lead's from now on. */
typedef struct Claim
{
	ItemPointerData row;
	const char *previous; /* who held it before; NULL: nobody */
} Claim;

/* Allocates in the current context and opens with RowExclusiveLock, which stays to the end of the transaction. */
extern IdentityTable *lr_identity_open(void);
extern void lr_identity_close(IdentityTable *table);

/*
 * Claims a key for a lead. True: it is the lead's now, claim->row is the row. False: somebody holds it already, *holder
 * (current context) is who, claim->row is his row; *unseen where a transaction that goes by one snapshot cannot see it.
 * Waits for a transaction in progress that holds the key, as a unique index does. Writes, so takes a transaction id.
 */
extern bool lr_identity_claim(IdentityTable *table, const char *flow, const char *kind, const char *key, const char *lead,
							  Claim *claim, char **holder, bool *unseen);

/*
 * Gives the row that lr_identity_claim found to another lead; claim->row is its new version. False where the row has
 * changed meanwhile: claim again.
 */
extern bool lr_identity_take(IdentityTable *table, Claim *claim, const char *lead);

/* Who holds a key now, for whoever only asks; NULL: nobody. Takes no lock that waits and does not wait for a transaction. */
extern char *lr_identity_holder(const char *flow, const char *kind, const char *key);

/* A key that a lead holds goes to another, or to nobody where that is NULL; of somebody else's nothing happens. */
extern void lr_identity_give(IdentityTable *table, const char *flow, const char *kind, const char *key, const char *lead,
							 const char *to);

/* The claim's row was never inserted: undo it when tables may be written again. Touches no table. */
extern void lr_identity_drop_later(const Claim *claim, SubTransactionId subid);
extern bool lr_identity_drop_now(void);

extern void lr_identity_abort(SubTransactionId subid);
extern void lr_identity_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_identity_end(void);

#endif /* LR_IDENTITY_H */
