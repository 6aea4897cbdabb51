/*
 * message.h
 *		A message to other systems about a lead that arrives.
 */
#ifndef LR_MESSAGE_H
#define LR_MESSAGE_H

#include "journal.h"
#include "route.h"

/* A lead that is being recorded. */
typedef struct Message
{
	const char *lead;
	const Decision *decision;
	const JournalRow *state; /* its row of lead_states, filled */
	const char *reason;
	const LeadShape *shape; /* of its row in the leads table */
	TupleTableSlot *slot;
} Message;

/*
 * Hands a message of this type to the journal, where a consumer asked for it; to the recipient (a rep's key), NULL: the
 * lead's owner, else its team's channel. Allocates in the current context. Locks and errors: the journal's; a mask_when that
 * fails is a WARNING, or the error that on_error = fail makes of it.
 */
extern void lr_message_write(const char *type, const Message *message, const char *recipient);

/*
 * The same for a message that says what the lead's decision says, and no more: where all who asked for it claim their messages, its
 * payload is left to leadroute.outbox_payload(), which has it from the state and the event.
 */
extern void lr_message_write_decision(const char *type, const Message *message, const char *recipient);

#endif /* LR_MESSAGE_H */
