/*
 * message.h
 *		A message to other systems about a lead that arrives.
 */
#ifndef LR_MESSAGE_H
#define LR_MESSAGE_H

#include "route.h"

/*
 * Hands a message of this type to the journal, where a consumer asked for it; to the recipient (a rep's key), NULL: the
 * lead's owner, else its team's channel. Allocates in the current context. Locks and errors: the journal's.
 */
extern void lr_message_write(const char *type, const char *lead, const Decision *decision, const char *reason, const char *recipient);

/* NOTIFY leadroute at commit, with the flow as payload: for flows.outbox_notify. */
extern void lr_message_hint(const char *flow);

#endif /* LR_MESSAGE_H */
