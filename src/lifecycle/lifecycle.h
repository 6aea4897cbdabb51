/*
 * lifecycle.h
 *		What a lead's life brings outside of its own INSERT and UPDATE: somebody's hand, a touch, a signal, time.
 */
#ifndef LR_LIFECYCLE_H
#define LR_LIFECYCLE_H

#include "hand.h"
#include "stage.h"

/* Writes changes of stage of a lead in hand, into its row too; what its stage says of its being closed or won is told. */
extern void lr_lifecycle_write(HandledLead *hand, const StageChange *changes);

/*
 * After anything that conditions read has changed without the row itself (a signal, a stage, time): entry conditions carry the lead on.
 * The row is locked, hand->state is as it was.
 */
extern void lr_lifecycle_follow(HandledLead *hand);

/* The lead in hand is an MQL from now on, by what and why; one that was put away is given out at once, to who had it if he is still there. */
extern void lr_lifecycle_qualified(HandledLead *hand, const char *by, const char *reason);

/* Its stage's max_age has passed: on to the next one. False where it has not, or something stands in the way. */
extern bool lr_lifecycle_aged(HandledLead *hand);

/* A lead that was put away is given out again: it begins anew, unless entry conditions have taken it elsewhere. */
extern void lr_lifecycle_restart(HandledLead *hand, const char *why);

/* Whether the lead in hand may be given out and told of, as far as consent goes. */
extern bool lr_lifecycle_consents(HandledLead *hand);

#endif /* LR_LIFECYCLE_H */
