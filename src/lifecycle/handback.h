/*
 * handback.h
 *		Leads that sales gave back: how they return.
 */
#ifndef LR_HANDBACK_H
#define LR_HANDBACK_H

#include "lifecycle.h"

/*
 * A lead that was nurtured or recycled is given out again: to the rep who had it, if he is still there, else as the rules say. `by` is what brought it back
 * (rejections.returned_by), `why` says so in a sentence. Errors where it cannot be routed.
 */
extern void lr_handback_return(HandledLead *hand, const char *by, const char *why);

/* Notes of the last rejection that the lead came back, by what and to whom (NULL: it waits); where `by` is NULL, that it is archived. Uses SPI. */
extern void lr_handback_returned(const char *flow, const char *lead, const char *by, const char *to, TimestampTz at);

#endif /* LR_HANDBACK_H */
