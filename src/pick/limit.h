/*
 * limit.h
 *		What capacities and caps leave a rep: how many leads he may have open, and be given in a time.
 */
#ifndef LR_LIMIT_H
#define LR_LIMIT_H

#include "config.h"

/* From now on everybody counts leads for these caps of a member, or of his rep. Nothing on a standby. */
extern void lr_limit_count(RotationSlot *slot, bool of_rep, CapConfig *caps, int n);

/* Whether he has as many open leads over all teams as he may. Within a choice (rotation.h). */
extern bool lr_limit_full(const RepConfig *rep, const RotationSlot *slot);

/* The first cap that a further lead would exceed, or NULL. Within a choice. */
extern const CapConfig *lr_limit_cap(const CapConfig *caps, int n, TimestampTz at);

#endif /* LR_LIMIT_H */
