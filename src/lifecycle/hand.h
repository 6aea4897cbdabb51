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
	bool qualified;	   /* no rule nurtures it */
	const char *stays; /* of one whose deadline passed: why it stays where it is; or NULL */
} HandledLead;

/*
 * Finds and locks the lead's row and reads its state. The caller must be a member of leadroute_operator, or be allowed to
 * UPDATE the row (privilege and row security). Errors where there is no such row or nothing is known of its lead. False,
 * with nothing left open, only where `wait` is LockWaitSkip and somebody else holds the row.
 */
extern bool lr_hand_open(HandledLead *hand, const char *lead, const char *flow, LockWaitPolicy wait);

/* The same for leadroute itself, who needs no rights: the actor is NULL. False where there is no such row or state. */
extern bool lr_hand_open_own(HandledLead *hand, const char *lead, const char *flow, LockWaitPolicy wait);

/* An error where the lead is closed. */
extern void lr_hand_expect_open(const HandledLead *hand);

/* Whether a rep has not let it lapse before. */
extern bool lr_hand_may_have(const HandledLead *hand, const char *rep);

/* The lead is this rep's from now on, who need not be of its team (reassign.c). The reason is a sentence. */
extern void lr_hand_give(HandledLead *hand, const char *rep, const char *kind, const char *code, const char *reason);

/*
 * The rules decide once more, as for a new lead, but nobody gets it who let it lapse. Returns the owner, or NULL. Errors where it cannot be
 * routed.
 */
extern const char *lr_hand_decide_again(HandledLead *hand, const char *kind, const char *lapses, const char *why);

/* It is nobody's and waits for nobody: status nurture, with the code and the reason. */
extern void lr_hand_put_away(HandledLead *hand, const char *kind, const char *code, const char *reason);

/* Closes it with an outcome, as close() does. False where it was closed so already. */
extern bool lr_hand_end(HandledLead *hand, const char *outcome, const char *code, const char *reason, bool has_value, Datum value);

/* An error where another session has given the lead to somebody else since the caller's statement began. */
extern void lr_hand_expect_seen(const HandledLead *hand);

/* Writes what waits and gives up what lr_hand_open opened; the row stays locked. */
extern void lr_hand_close(HandledLead *hand);

#endif /* LR_HAND_H */
