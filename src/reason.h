/*
 * reason.h
 *		Why a lead was decided so, in one sentence, and the rules it was passed by.
 *
 * Both texts are made in the current context, of the decision alone; no lock is taken.
 */
#ifndef LR_REASON_H
#define LR_REASON_H

#include "route.h"

/* The decision in one sentence. */
extern char *lr_route_reason(const Decision *decision);

/* The passed rules as JSON text, or NULL where none was passed. */
extern char *lr_route_path(const Decision *decision);

#endif /* LR_REASON_H */
