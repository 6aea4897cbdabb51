/*
 * effect.h
 *		Leads whose rows came and went: what counts is the net effect.
 */
#ifndef LR_EFFECT_H
#define LR_EFFECT_H

#include "closing.h"
#include "match.h"

/*
 * Notes that a known lead's row was inserted (+1) or deleted (-1); the net of a transaction decides: gone rows
 * close their leads as `outcome`, rows that came back restore them.
 */
extern void lr_effect_add(const char *flow, const char *lead, int delta, const char *outcome);

/* A mapped `deleted` column says now that the lead is deleted, or no longer. */
extern void lr_effect_mark(const char *flow, const char *lead, bool deleted);

/*
 * The same where it is known what stands now, whatever came and went before: no row, or the row. What is known of one
 * partition (else InvalidOid) says nothing of a row that came into another.
 */
extern void lr_effect_set(const char *flow, const char *lead, bool stands, Oid partition, const char *outcome);

/* Its key is another lead's now, or nobody's: what came and went under it is settled. */
extern void lr_effect_forget(const char *flow, const char *lead);

/*
 * The key of a lead changed; those of one `group` (a statement, or the command that wrote the row) at once. Where the
 * key is unique, no other lead can bear it any more; else that one keeps it, unless it is gone.
 */
extern void lr_effect_rename(const char *flow, const char *from, const char *to, uint64 group, bool unique);

/* Whether a lead's row went in this transaction and has not come back. */
extern bool lr_effect_is_gone(const char *flow, const char *lead);
/* Whether it came back, though its state does not say so yet. */
extern bool lr_effect_is_back(const char *flow, const char *lead);

/*
 * The keys of a row that went: when its lead is closed, they are nobody's. Where a transaction deletes very many, they
 * are not kept, but looked for then.
 */
extern void lr_effect_keys(const char *flow, const char *lead, const MatchKey *keys, int n);
/* The keys that the row of a lead had that went in this transaction, last of all; -1 where none did. */
extern int lr_effect_find_keys(const char *flow, const char *lead, const MatchKey **keys);

/* Writes the key changes that wait: before a key is looked up. Runs SQL where there are any. */
extern void lr_effects_rename_now(void);

/* The lead's row says now that it is open, closed or won. */
extern void lr_effect_said(const char *flow, const char *lead, const Closing *closing);

/* What its row said last in this transaction; NULL: nothing that waits. */
extern const Closing *lr_effect_last_said(const char *flow, const char *lead);

/* Whether any wait to be written. */
extern bool lr_effects_wait(void);

/* Writes them all. Runs SQL. */
extern void lr_effects_resolve(void);

extern void lr_effects_abort(SubTransactionId subid);
extern void lr_effects_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_effects_end(void);

#endif /* LR_EFFECT_H */
