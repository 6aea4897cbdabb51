/*
 * rescore.h
 *		The score of a lead that is known: worked out anew, and written.
 */
#ifndef LR_RESCORE_H
#define LR_RESCORE_H

#include "arrival.h"
#include "nodes/lockoptions.h"
#include "score.h"

/*
 * The row of a known lead stands with other values: its state gets their score, where the flow has a model. For AFTER triggers: the
 * row's outputs are filled already.
 */
extern void lr_rescore_row(Arrival *arrival, TupleTableSlot *slot, const char *operation, bool *warned);

typedef enum RescoreResult
{
	RESCORE_DONE,
	RESCORE_UNKNOWN, /* nobody knows the lead */
	RESCORE_OFF,	 /* the flow is off, or its leads are not scored */
	RESCORE_LOCKED	 /* somebody holds its row, and the caller does not wait */
} RescoreResult;

/*
 * Works out the score of a stored lead, writes state and row, and decides about the lead again
 * where route_when, hold_until or reroute_when says so now. New signals, by id in ascending order, tell what it was before them;
 * LockWaitSkip does not wait for the row. Order of locks: the row, then the state.
 */
extern RescoreResult lr_rescore(const char *flow, const char *lead, const int64 *news, int nnews, LockWaitPolicy wait);

/* Before commit: leads that this transaction brought may have signals that others wrote meanwhile. */
extern void lr_rescore_before_commit(void);
/* The same for a lead of whom a signal is known that another lead brought: a duplicate. */
extern void lr_rescore_want(const char *flow, const char *lead);
/* What is wanted, now: after a statement. */
extern void lr_rescore_write_wanted(void);
/* A lead was scored without a state: the above has something to look for. */
extern void lr_rescore_arrived(const FlowConfig *config, const char *lead);
extern void lr_rescore_end(void);

#endif /* LR_RESCORE_H */
