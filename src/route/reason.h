/*
 * reason.h
 *		Why a lead was decided so, in one sentence, and the rules it was passed by.
 *
 * Both are made in the current context, of the decision alone; no lock is taken.
 */
#ifndef LR_REASON_H
#define LR_REASON_H

#include "route.h"
#include "utils/jsonb.h"

/* The decision in one sentence. */
extern char *lr_route_reason(const Decision *decision);

/* The passed rules, or NULL where none was passed. */
extern Jsonb *lr_route_path(const Decision *decision);

/* The same after the key that was found to be an earlier lead's. */
extern Jsonb *lr_route_path_of_duplicate(const Decision *decision);

#endif /* LR_REASON_H */
