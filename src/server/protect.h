/*
 * protect.h
 *		Running what may fail without losing the lead.
 */
#ifndef LR_PROTECT_H
#define LR_PROTECT_H

typedef void (*ProtectedCall)(void *arg);

/*
 * Calls within an internal subtransaction, which takes no transaction id unless the call writes. NULL
 * when the call returned; else what it raised, in the caller's memory context, with all it did undone.
 * Cancellation, shutdown, and failures that a retry of the whole transaction cures are raised again.
 */
extern ErrorData *lr_protect(ProtectedCall call, void *arg);

#endif /* LR_PROTECT_H */
