/*
 * sticky.h
 *		Who of a team has an earlier lead of the same person or account.
 */
#ifndef LR_STICKY_H
#define LR_STICKY_H

#include "config.h"

typedef struct StickyHit
{
	const char *owner;
	const char *lead; /* the earlier one */
	const char *how;  /* a literal, for the reason: what the two leads share */
} StickyHit;

/* A decision that waits in this transaction, under its team and account. */
typedef struct StickyNote StickyNote;

/*
 * The latest earlier lead from the team of the same person ("first", the lead that it shares a key with, or NULL), else, where
 * the team goes by accounts, of the account (or NULL). False where there is none. Strings are in the current context or the
 * statement's. "lead", or NULL, is the one that is decided. Reads lead_states by an index; locks nothing.
 */
extern bool lr_sticky_find(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *first,
						   const char *account, StickyHit *hit);

/* A decision that lead_states does not show yet. The strings are the caller's and stay until lr_sticky_forget. */
extern StickyNote *lr_sticky_note(const char *flow, const char *team, const char *account, const char *lead,
								  const char *owner, MemoryContext context);
extern void lr_sticky_forget(StickyNote *note);

/* The transaction is over. */
extern void lr_sticky_end(void);

#endif /* LR_STICKY_H */
