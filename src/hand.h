/*
 * hand.h
 *		A lead in somebody's hand: the door of the functions by which people work on one lead.
 */
#ifndef LR_HAND_H
#define LR_HAND_H

#include "stored.h"

typedef struct HandledLead
{
	Relation rel;
	TupleTableSlot *slot; /* the row, locked */
	Arrival arrival;	  /* arrival.lead is the key as its column writes it */
	LeadState seen;		  /* as the caller's statement saw it */
	LeadState state;	  /* as it is */
	const char *actor;	  /* the session's role */
	TimestampTz at;
} HandledLead;

/*
 * Finds and locks the lead's row and reads its state. The caller must be a member of leadroute_operator, or be allowed to
 * UPDATE the row (privilege and row security). Errors where there is no such row or nothing is known of its lead. False,
 * with nothing left open, only where `wait` is LockWaitSkip and somebody else holds the row.
 */
extern bool lr_hand_open(HandledLead *hand, const char *lead, const char *flow, LockWaitPolicy wait);

/* An error where another session has given the lead to somebody else since the caller's statement began. */
extern void lr_hand_expect_seen(const HandledLead *hand);
extern bool lr_hand_is_seen(const HandledLead *hand);

/* Writes what waits and gives up what lr_hand_open opened; the row stays locked. */
extern void lr_hand_close(HandledLead *hand);

#endif /* LR_HAND_H */
