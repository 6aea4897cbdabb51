/*
 * move.h
 *		A known lead that moves from one holder to another: its state, the event, the places.
 */
#ifndef LR_MOVE_H
#define LR_MOVE_H

#include "route.h"
#include "state.h"

typedef struct Move
{
	const char *kind;  /* of the event */
	const char *actor; /* NULL: leadroute itself */
	const char *status;
	const char *code;
	const char *owner;
	const char *team;
	const char *territory;
	const char *queue;
	const char *rule; /* NULL where keeps_rule */
	bool keeps_rule;  /* rule and territory stay what they are */
	const char *reason;
	const char *path;	 /* JSON text, or NULL */
	const char *account; /* found now, or NULL: what it had stays */
	const char *account_by;
	const char *lapses;	  /* a rep who has let the lead lapse by this, or NULL */
	const char *over_cap; /* the limits of the owner that it goes beyond, or NULL */
	RotationTurn turn;
	bool has_turn; /* the place at the new holder is taken already */
	TimestampTz at;
	double priority;		/* of one that waits */
	TimestampTz held_until; /* of one that is held, else 0 */
} Move;

/* Whether a decision leaves a known lead where it is. */
extern bool lr_decision_is_same(const LeadState *state, const Decision *decision);

/* The move that a decision is. Strings stay the decision's. */
extern void lr_move_of(const Decision *decision, Move *move);

/*
 * Writes it: state, event, the old place free at commit and the new one taken, of an open lead. The source's owner stays known,
 * and where there is none the former owner takes its place: a sync that sends it again is no hand. Uses SPI.
 */
extern void lr_move(const char *flow, const char *lead, const Move *move);

#endif /* LR_MOVE_H */
